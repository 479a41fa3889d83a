//! Whether there is memory, asked before something is begun that cannot give up half-way.
//!
//! Boxes and reference counts end the program where memory lacks. What a stranger can cause is begun only when all of it
//! fits: on the one thread of an executor nobody takes the memory in between.

use alloc::vec::Vec;
use core::hint::black_box;

/// Bytes added to each block: what an allocator may need to round and to align it.
const ROUNDING: usize = 64;

/// Whether `blocks` blocks of `bytes` bytes together could be allocated now.
pub fn has_memory(bytes: usize, blocks: usize) -> bool {
    let mut probe = Vec::<u8>::new();
    let fits = probe.try_reserve_exact(bytes.saturating_add(blocks.saturating_mul(ROUNDING))).is_ok();
    // Otherwise the compiler may leave out an allocation that nobody uses, and believe that it fits.
    black_box(&probe);
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_for_little_and_none_for_too_much() {
        assert!(has_memory(4096, 4));
        assert!(!has_memory(isize::MAX as usize, 1));
        assert!(!has_memory(usize::MAX, usize::MAX));
    }
}
