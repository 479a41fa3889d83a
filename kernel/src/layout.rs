//! Where the linker script put things: the only place that names its symbols.

unsafe extern "C" {
    static text_start: u8;
    static text_end: u8;
    static rodata_start: u8;
    static rodata_end: u8;
    static data_start: u8;
    static data_end: u8;
    static stack_guard: u8;
    static stack_top: u8;
    static fault_guard: u8;
    static fault_stack_top: u8;
    static double_fault_guard: u8;
    static double_fault_stack_top: u8;
    static nmi_guard: u8;
    static nmi_stack_top: u8;
    static boot_ticks: u64;
}

macro_rules! address {
    ($(#[$doc:meta] $name:ident = $symbol:ident;)*) => {
        $(#[$doc]
        pub(crate) fn $name() -> u64 {
            (&raw const $symbol).addr() as u64
        })*
    };
}

address! {
    /// First byte of the code, and of the image.
    text = text_start;
    /// Behind the code.
    text_limit = text_end;
    /// First byte of the constants.
    rodata = rodata_start;
    /// Behind the constants.
    rodata_limit = rodata_end;
    /// First byte of the variables.
    data = data_start;
    /// Behind the variables and stacks, and behind the image.
    data_limit = data_end;
    /// The page below the main stack.
    main_stack_guard = stack_guard;
    /// Where the main stack begins.
    main_stack = stack_top;
    /// The page below the stack of faults.
    fault_stack_guard = fault_guard;
    /// Where the stack of faults begins.
    fault_stack = fault_stack_top;
    /// The page below the stack of double faults.
    double_fault_stack_guard = double_fault_guard;
    /// Where the stack of double faults begins.
    double_fault_stack = double_fault_stack_top;
    /// The page below the stack of non-maskable interrupts.
    nmi_stack_guard = nmi_guard;
    /// Where the stack of non-maskable interrupts begins.
    nmi_stack = nmi_stack_top;
}

/// Time stamp counter at the image's first instruction.
pub(crate) fn entry_ticks() -> u64 {
    // SAFETY: 1. the entry code wrote the eight bytes once, before any Rust ran; 2. nothing writes them since.
    unsafe { (&raw const boot_ticks).read() }
}
