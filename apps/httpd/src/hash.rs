//! The hash of contents, which entity tags are made of.

use core::hash::Hasher as _;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// 128 bits that tell contents from others: two files of one site that differ have the same by chance once in 10^38. Who writes
/// the files can make two that have it, and would deceive nobody but visitors of his own site.
#[inline(never)]
pub(crate) fn of(contents: &[u8]) -> u128 {
    // Without a key: the same contents have the same tag tomorrow, and on another machine.
    let mut hasher = SipHasher13::new();
    hasher.write(contents);
    hasher.finish128().as_u128()
}
