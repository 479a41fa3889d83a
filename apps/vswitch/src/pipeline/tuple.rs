//! One tuple of a table: a hash table of entries that look at the same bits.

use super::{
    fields::{Fields, Match, WORDS},
    flows::NONE,
    hash::mix,
};
use alloc::vec::Vec;

/// All entries that look at the same bits.
pub(super) struct Tuple {
    pub(super) mask: Fields,
    /// The words of the mask that are not zero.
    pub(super) words: Vec<(u8, u64)>,
    pub(super) buckets: Vec<u32>,
    pub(super) count: u32,
    /// No entry has a higher priority.
    pub(super) priority: u16,
    /// It looks at every bit that any entry of any table looks at.
    pub(super) is_widest: bool,
}

impl Tuple {
    pub(super) fn new(mask: &Fields) -> Option<Tuple> {
        let mut words = Vec::new();
        words.try_reserve_exact(mask.0.iter().filter(|word| **word != 0).count()).ok()?;
        words.extend((0u8..).zip(mask.0).filter(|(_, word)| *word != 0));
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(4).ok()?;
        buckets.resize(4, NONE);
        Some(Tuple { mask: *mask, words, buckets, count: 0, priority: 0, is_widest: false })
    }

    #[inline]
    pub(super) fn hash(&self, fields: &Fields, seed: u64) -> u32 {
        let hash = self.words.iter().fold(seed, |hash, (at, mask)| mix(hash, fields.word(*at) & mask));
        shorten(hash)
    }

    #[inline]
    pub(super) fn is_key(&self, key: &[u64], fields: &Fields) -> bool {
        self.words.iter().zip(key).all(|((at, mask), value)| fields.word(*at) & mask == *value)
    }

    /// Whether it looks at no bit that is not one of `mask`.
    pub(super) fn is_within(&self, mask: &Fields) -> bool {
        self.words.iter().all(|(at, word)| mask.word(*at) & word == *word)
    }

    /// Whether `matching` takes all that an entry with this key takes (OpenFlow 1.3.5, 6.4: what a non-strict command is about).
    pub(super) fn is_covered(&self, key: &[u64], matching: &Match) -> bool {
        let Match { value, mask } = matching;
        let mut words = self.words.iter().zip(key);
        // Most differ in a value.
        words.all(|((at, _), its)| (value.word(*at) ^ its) & mask.word(*at) == 0)
            && mask.0.iter().zip(&self.mask.0).all(|(wanted, its)| wanted & !its == 0)
    }

    /// Whether a frame can have this key and be taken by `matching` too.
    pub(super) fn overlaps(&self, key: &[u64], matching: &Match) -> bool {
        let Match { value, mask } = matching;
        self.words
            .iter()
            .zip(key)
            .all(|((at, word), wanted)| (value.word(*at) ^ wanted) & word & mask.word(*at) == 0)
    }

    #[inline]
    pub(super) fn bucket(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    pub(super) fn value(&self, key: &[u64]) -> Fields {
        let mut fields = Fields::ZERO;
        for ((at, _), value) in self.words.iter().zip(key) {
            fields.0[usize::from(*at) % WORDS] = *value;
        }
        fields
    }
}

/// What is kept of a hash.
#[inline]
pub(super) fn shorten(hash: u64) -> u32 {
    (hash >> 32) as u32 ^ hash as u32
}
