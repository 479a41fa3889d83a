//! Numbers that a seed brings back.

use alloc::boxed::Box;

/// A small generator (splitmix64): good enough to lose frames by.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True `share` times of 1000. Draws a number only when the answer is open.
    pub(super) fn happens(&mut self, share: u32) -> bool {
        share > 0 && self.next() % 1000 < u64::from(share)
    }
}

/// Random numbers for a stack that are the same in each run: for tests, where they may be guessed.
pub fn numbers(seed: u64) -> crate::Random {
    let mut random = Random::new(seed);
    Box::new(move || random.next())
}
