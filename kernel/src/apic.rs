//! The local APIC and the I/O APICs: where interrupts arrive and where devices' pins are routed.
//!
//! Lines are edge-triggered throughout: a stub only counts on its line, so a level that stays asserted until the driver
//! acknowledges would interrupt for ever. Intel SDM 3A, chapter 10; 82093AA I/O APIC.

use crate::memory::paging;
use core::ptr::NonNull;

const LOCAL: u64 = 0xfee0_0000;
/// The first I/O APIC of a PC, and the second that QEMU's microvm adds for its 24 virtio-mmio slots.
const IO: [u64; 2] = [0xfec0_0000, 0xfec1_0000];
/// Global interrupts below the second I/O APIC.
const SECOND_BASE: u32 = 24;

const TASK_PRIORITY: usize = 0x80;
const SPURIOUS: usize = 0xf0;
const TIMER: usize = 0x320;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const DIVIDE_BY_ONE: u32 = 0b1011;
const MASKED: u32 = 1 << 16;
const ACTIVE_LOW: u32 = 1 << 13;
const SOFTWARE_ENABLE: u32 = 1 << 8;

/// The local APIC's registers.
#[derive(Clone, Copy)]
pub(crate) struct LocalApic {
    registers: NonNull<u32>,
}

impl LocalApic {
    /// Maps the registers, masks the 8259s, enables the APIC and starts the timer as a free-running counter.
    pub(crate) fn start(spurious_vector: u8) -> Option<Self> {
        crate::port::write_u8(0x21, 0xff);
        crate::port::write_u8(0xa1, 0xff);
        let apic = Self { registers: paging::map_device(LOCAL, 4096)?.cast() };
        apic.write(TASK_PRIORITY, 0);
        apic.write(SPURIOUS, SOFTWARE_ENABLE | u32::from(spurious_vector));
        apic.write(DIVIDE, DIVIDE_BY_ONE);
        apic.count();
        Some(apic)
    }

    /// Lets the timer count from its largest value, without an interrupt at the end.
    pub(crate) fn count(self) {
        self.write(TIMER, MASKED);
        self.write(INITIAL_COUNT, u32::MAX);
    }

    /// The registers of an APIC that was started before.
    pub(crate) fn started() -> Self {
        let address = NonNull::new(core::ptr::with_exposed_provenance_mut(LOCAL as usize));
        Self { registers: address.expect("the address is not zero") }
    }

    /// Ticks since [`count`](Self::count). `None` once it has run out, which takes four seconds.
    pub(crate) fn elapsed(self) -> Option<u32> {
        let left = self.read(CURRENT_COUNT);
        (left != 0).then_some(u32::MAX - left)
    }

    /// Interrupts once on `vector` after `ticks`, which are nanoseconds under every hypervisor known here.
    pub(crate) fn arm(self, vector: u8, ticks: u32) {
        self.write(TIMER, u32::from(vector));
        self.write(INITIAL_COUNT, ticks.max(1));
    }

    /// No timer interrupt from here on.
    pub(crate) fn disarm(self) {
        self.write(TIMER, MASKED);
        self.write(INITIAL_COUNT, 0);
    }

    fn read(self, register: usize) -> u32 {
        // SAFETY: 1. `registers` is the mapped page of the local APIC; 2. the constants above are offsets in it.
        let register = unsafe { self.registers.byte_add(register) };
        // SAFETY: as above; reads have no effect on memory.
        unsafe { register.read_volatile() }
    }

    fn write(self, register: usize, value: u32) {
        // SAFETY: as in `read`.
        let register = unsafe { self.registers.byte_add(register) };
        // SAFETY: as in `read`; no register written here makes the APIC touch memory.
        unsafe { register.write_volatile(value) }
    }
}

/// Whether there is a second I/O APIC with the interrupts from 24 on.
pub(crate) fn has_second_io_apic() -> bool {
    IoApic::open(1).is_some()
}

/// Routes global interrupt `number` to `vector`, edge-triggered, `is_low` where low means asserted. False where no I/O APIC has that pin.
pub(crate) fn route(number: u32, vector: u8, is_low: bool) -> bool {
    let Some((apic, entry)) = entry(number) else { return false };
    apic.write(entry + 1, 0);
    apic.write(entry, u32::from(vector) | (u32::from(is_low) * ACTIVE_LOW));
    true
}

/// Keeps global interrupt `number` from arriving, or lets it. What rises while it is kept is lost (82093AA, 3.2.4).
pub(crate) fn mask(number: u32, is_masked: bool) {
    if let Some((apic, entry)) = entry(number) {
        let others = apic.read(entry) & !MASKED;
        apic.write(entry, if is_masked { others | MASKED } else { others });
    }
}

/// The I/O APIC that global interrupt `number` arrives at, and the lower register of its entry.
fn entry(number: u32) -> Option<(IoApic, u32)> {
    let (which, pin) = if number < SECOND_BASE { (0, number) } else { (1, number - SECOND_BASE) };
    let apic = IoApic::open(which).filter(|apic| pin < apic.pins())?;
    Some((apic, 0x10 + 2 * pin))
}

struct IoApic {
    select: NonNull<u32>,
    window: NonNull<u32>,
}

impl IoApic {
    fn open(which: usize) -> Option<Self> {
        let select: NonNull<u32> = paging::map_device(*IO.get(which)?, 4096)?.cast();
        // SAFETY: the window register stands 16 bytes behind, in the same page.
        let window = unsafe { select.byte_add(16) };
        let apic = Self { select, window };
        // Where there is no device, reads give all zeros or all ones.
        (1..=239).contains(&apic.pins()).then_some(apic)
    }

    fn pins(&self) -> u32 {
        ((self.read(1) >> 16) & 0xff) + u32::from(self.read(1) != 0)
    }

    fn read(&self, register: u32) -> u32 {
        // SAFETY: `select` is the mapped index register.
        unsafe { self.select.write_volatile(register) };
        // SAFETY: `window` is the mapped data register.
        unsafe { self.window.read_volatile() }
    }

    fn write(&self, register: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe { self.select.write_volatile(register) };
        // SAFETY: as in `read`.
        unsafe { self.window.write_volatile(value) }
    }
}
