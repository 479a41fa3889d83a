//! The hash of keys: one multiplication a word, keyed, so that nobody outside can choose what collides.

pub(crate) const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes one more word in.
#[inline]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(FACTOR);
    (product as u64) ^ (product >> 64) as u64
}
