//! Numbers that look random and are the same for the same seed: a loss that happened can happen again.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn per_mille(&mut self, share: u64) -> bool {
        self.next() % 1000 < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_loses_the_same_frames() {
        let pattern = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| random.per_mille(50)).collect::<Vec<_>>()
        };
        assert_eq!(pattern(7), pattern(7));
        assert_ne!(pattern(7), pattern(8));
    }

    #[test]
    fn the_share_that_is_lost_is_the_one_asked_for() {
        for share in [0, 10, 50, 1000] {
            let mut random = Random::new(1);
            let lost = (0..100_000).filter(|_| random.per_mille(share)).count() as u64;
            assert!(lost.abs_diff(share * 100) <= share * 5, "{lost} of 100,000 at {share} per mille");
        }
    }
}
