//! Traps: descriptor tables, stubs, and the two things that can happen.
//!
//! A *fault* (exception, NMI) enters Rust on a stack of its own, prints its epitaph and never returns. An *interrupt*
//! counts on its line in assembly and returns; [`interrupt`] tells who is pending. Invariant: interrupts are enabled only
//! inside [`interrupt::wait`] and [`interrupt::poll`], for one instruction, so no Rust code is ever interrupted.

pub(crate) mod epitaph;
pub mod interrupt;

use crate::layout;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use x86_64::{
    PrivilegeLevel, VirtAddr,
    instructions::{segmentation, tables},
    registers::segmentation::{Segment, SegmentSelector},
    structures::{DescriptorTablePointer, gdt::DescriptorFlags},
};

/// The first vector behind the exceptions.
pub(crate) const FIRST_LINE_VECTOR: u8 = 32;
/// The vector of interrupts that vanished before they were taken.
pub(crate) const SPURIOUS_VECTOR: u8 = FIRST_LINE_VECTOR + interrupt::LINES as u8;

/// All that there are: an interrupt at a vector without a gate would be a fault.
const VECTORS: usize = 256;
/// Bytes between two stubs in the assembly.
const STUB_STRIDE: u64 = 4;

const FAULT_STACK: u64 = 1;
const DOUBLE_FAULT_STACK: u64 = 2;
const NMI_STACK: u64 = 3;

core::arch::global_asm!(
    include_str!("stubs.s"),
    fault = sym epitaph::fault,
    pending = sym interrupt::PENDING,
    any = sym interrupt::ANY,
    stray = sym interrupt::STRAY,
    lines = const interrupt::LINES,
);

unsafe extern "C" {
    static exception_stubs: u8;
    static line_stubs: u8;
    static stray_stub: u8;
}

static TASK_STATE: [AtomicU32; 26] = [const { AtomicU32::new(0) }; 26];
/// Null, code, and the two halves of the task state.
static DESCRIPTORS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static GATES: [[AtomicU64; 2]; VECTORS] = [const { [const { AtomicU64::new(0) }; 2] }; VECTORS];

const CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const STATE: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);

/// Loads the descriptor tables: from here on a fault has an epitaph.
pub(crate) fn start() {
    // The 64-bit task state (Intel SDM 3A, 8.7) has the interrupt stacks from word 9 on, two words each, and at its end
    // where the permissions of ports begin: behind it, since there are none.
    let stacks = [layout::fault_stack(), layout::double_fault_stack(), layout::nmi_stack()];
    for (words, stack) in TASK_STATE[9..].chunks_exact(2).zip(stacks) {
        // Stacks lie in the image, far below 4 GiB.
        words[0].store(stack as u32, Ordering::Relaxed);
    }
    TASK_STATE[25].store((size_of_val(&TASK_STATE) as u32) << 16, Ordering::Relaxed);
    store(&DESCRIPTORS[1], DescriptorFlags::KERNEL_CODE64.bits());
    // An available 64-bit task state (Intel SDM 3A, 8.2.3): present, type 9, base in four pieces.
    const PRESENT_TASK_STATE: u64 = 0x89 << 40;
    let base = (&raw const TASK_STATE).addr() as u64;
    let limit = size_of_val(&TASK_STATE) as u64 - 1;
    let pieces = (base & 0xff_ffff) << 16 | (base >> 24 & 0xff) << 56;
    store(&DESCRIPTORS[2], pieces | limit | PRESENT_TASK_STATE);
    store(&DESCRIPTORS[3], base >> 32);
    // SAFETY: 1. the table is a static; 2. it holds a code segment and a task state, which do not change any more.
    unsafe { tables::lgdt(&pointer(&DESCRIPTORS)) };
    // SAFETY: 1. the selector names the 64-bit code segment of the table just loaded; 2. the other segment registers
    // are null already.
    unsafe { segmentation::CS::set_reg(CODE) };
    // SAFETY: the selector names the task state of the table just loaded.
    unsafe { tables::load_tss(STATE) };
    set_gates();
    // SAFETY: 1. the table is a static; 2. each gate leads to a stub that follows the processor's convention for its
    // vector and returns only to a frame it got.
    unsafe { tables::lidt(&pointer(&GATES)) };
}

fn set_gates() {
    let exceptions = (&raw const exception_stubs).addr() as u64;
    let lines = (&raw const line_stubs).addr() as u64;
    let (own, strays) = GATES.split_at(SPURIOUS_VECTOR.into());
    for (vector, gate) in own.iter().enumerate() {
        let (stub, stack) = match vector as u64 {
            2 => (exceptions + 2 * STUB_STRIDE, NMI_STACK),
            8 => (exceptions + 8 * STUB_STRIDE, DOUBLE_FAULT_STACK),
            vector @ 0..32 => (exceptions + vector * STUB_STRIDE, FAULT_STACK),
            vector => (lines + (vector - 32) * STUB_STRIDE, 0),
        };
        store(&gate[0], gate_to(stub, stack));
    }
    let stray = gate_to((&raw const stray_stub).addr() as u64, 0);
    strays.iter().for_each(|gate| store(&gate[0], stray));
}

/// The lower half of a 64-bit interrupt gate (Intel SDM 3A, 6.14.1): present, type 14, interrupts off inside. The upper half is
/// zero for a stub below 4 GiB, where the image is.
#[inline(never)]
fn gate_to(stub: u64, stack: u64) -> u64 {
    const PRESENT_INTERRUPT: u64 = 0x8e << 40;
    let selector = u64::from(CODE.0) << 16;
    (stub & 0xffff) | selector | stack << 32 | PRESENT_INTERRUPT | (stub >> 16 & 0xffff) << 48
}

fn store(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

fn pointer<T>(table: &'static [T]) -> DescriptorTablePointer {
    let limit = size_of_val(table) as u16 - 1;
    DescriptorTablePointer { limit, base: VirtAddr::new_truncate(table.as_ptr().addr() as u64) }
}
