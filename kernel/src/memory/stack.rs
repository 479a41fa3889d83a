//! How deep the main stack is and was.
//!
//! The loader clears the stack with the rest of `.bss`, and it grows down: the first word from its end up that is not
//! zero is where it was deepest. That costs nothing until somebody asks. Words that were zero all the while are missed,
//! so the figure may be a few words short.

use crate::layout;

/// Bytes of a guard page, which is never mapped.
const GUARD: u64 = 4096;

/// What the main stack holds, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct StackUsage {
    /// The most that was in use.
    pub peak: usize,
    /// In all.
    pub size: usize,
}

/// How much of the main stack was in use at most.
pub fn usage() -> StackUsage {
    let (bottom, top) = (layout::main_stack_guard() + GUARD, layout::main_stack());
    let is_unused = |address: &u64| {
        let word: *const u64 = core::ptr::with_exposed_provenance(*address as usize);
        // SAFETY: 1. the stack is mapped from its bottom to its top; 2. addresses are multiples of 8 from a page's start.
        unsafe { word.read_volatile() == 0 }
    };
    let deepest = (bottom..top).step_by(size_of::<u64>()).find(|address| !is_unused(address)).unwrap_or(top);
    StackUsage { peak: (top - deepest) as usize, size: (top - bottom) as usize }
}
