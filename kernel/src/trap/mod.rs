//! Traps: descriptor tables, stubs, and the two things that can happen.
//!
//! A *fault* (exception, NMI) enters Rust on a stack of its own, prints its epitaph and never returns. An *interrupt*
//! marks its line in assembly and returns; [`interrupt`] tells who is pending. Invariant: interrupts are enabled only
//! inside [`interrupt::wait`] and [`interrupt::poll`], for one instruction, so no Rust code is ever interrupted.

pub(crate) mod epitaph;
pub mod interrupt;

use crate::layout;
use spin::Once;
use x86_64::{
    VirtAddr,
    instructions::{segmentation, tables},
    registers::segmentation::Segment,
    structures::{
        gdt::{Descriptor, GlobalDescriptorTable},
        idt::{Entry, InterruptDescriptorTable},
        tss::TaskStateSegment,
    },
};

/// The first vector behind the exceptions.
pub(crate) const FIRST_LINE_VECTOR: u8 = 32;
/// The vector of interrupts that vanished before they were taken.
pub(crate) const SPURIOUS_VECTOR: u8 = 255;

/// Bytes between two stubs in the assembly.
const STUB_STRIDE: u64 = 16;

const FAULT_STACK: u16 = 0;
const DOUBLE_FAULT_STACK: u16 = 1;
const NMI_STACK: u16 = 2;

core::arch::global_asm!(
    include_str!("stubs.s"),
    fault = sym epitaph::fault,
    pending = sym interrupt::PENDING,
    any = sym interrupt::ANY,
    lines = const interrupt::LINES,
);

unsafe extern "C" {
    static exception_stubs: u8;
    static line_stubs: u8;
    static spurious_stub: u8;
}

static TASK_STATE: Once<TaskStateSegment> = Once::new();
static DESCRIPTORS: Once<GlobalDescriptorTable> = Once::new();
static INTERRUPTS: Once<InterruptDescriptorTable> = Once::new();

/// Loads the descriptor tables: from here on a fault has an epitaph.
pub(crate) fn start() {
    let task_state = TASK_STATE.call_once(|| {
        let mut state = TaskStateSegment::new();
        let stacks = [layout::fault_stack(), layout::double_fault_stack(), layout::nmi_stack()];
        let mut table = state.interrupt_stack_table;
        for (slot, top) in table.iter_mut().zip(stacks) {
            *slot = VirtAddr::new(top);
        }
        state.interrupt_stack_table = table;
        state
    });
    let mut descriptors = GlobalDescriptorTable::new();
    let code = descriptors.append(Descriptor::kernel_code_segment());
    let state = descriptors.append(Descriptor::tss_segment(task_state));
    DESCRIPTORS.call_once(|| descriptors).load();
    // SAFETY: 1. `code` is a 64-bit code segment of the table just loaded, like the one in use; 2. the other segment
    // registers are null already.
    unsafe { segmentation::CS::set_reg(code) };
    // SAFETY: `state` describes a task state that lives for ever.
    unsafe { tables::load_tss(state) };
    INTERRUPTS.call_once(interrupt_table).load();
}

fn interrupt_table() -> InterruptDescriptorTable {
    let mut table = InterruptDescriptorTable::new();
    let exceptions = (&raw const exception_stubs).addr() as u64;
    for vector in 0..32 {
        let stub = VirtAddr::new(exceptions + vector * STUB_STRIDE);
        let stack = match vector {
            2 => NMI_STACK,
            8 => DOUBLE_FAULT_STACK,
            _ => FAULT_STACK,
        };
        set(&mut table, vector as usize, stub, Some(stack));
    }
    let lines = (&raw const line_stubs).addr() as u64;
    for line in 0..interrupt::LINES {
        let stub = VirtAddr::new(lines + line as u64 * STUB_STRIDE);
        set(&mut table, FIRST_LINE_VECTOR as usize + line, stub, None);
    }
    let spurious = VirtAddr::new((&raw const spurious_stub).addr() as u64);
    set(&mut table, SPURIOUS_VECTOR as usize, spurious, None);
    table
}

/// Writes one gate. The table type has a different field type for each exception, but one layout.
fn set(table: &mut InterruptDescriptorTable, vector: usize, stub: VirtAddr, stack: Option<u16>) {
    const { assert!(size_of::<InterruptDescriptorTable>() == 256 * 16) };
    type Gate = Entry<x86_64::structures::idt::HandlerFunc>;
    let gates: *mut [Gate; 256] = (&raw mut *table).cast();
    // SAFETY: 1. the table is 256 gates of 16 bytes, asserted above; 2. it is borrowed exclusively.
    let gates = unsafe { &mut *gates };
    let Some(gate) = gates.get_mut(vector) else { return };
    // SAFETY: 1. the stub follows the processor's calling convention for its vector; 2. it never returns to a frame
    // it did not get.
    let options = unsafe { gate.set_handler_addr(stub) };
    if let Some(index) = stack {
        // SAFETY: the index is below the number of stacks set in the task state.
        unsafe { options.set_stack_index(index) };
    }
}
