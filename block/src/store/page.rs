//! The pages of the log: what stands in front of each, and the entries in it.
//!
//! A page carries the checksum of the page before it, so a page counts only behind the one that it was written behind,
//! whatever else a disk still holds at its place.

/// Bytes of a page: what is written at once, and what a checksum is of.
pub(super) const PAGE: usize = 4096;
/// Sectors of a page.
pub(super) const SECTORS: u64 = (PAGE / crate::SECTOR) as u64;
/// Bytes in front of the entries: four words.
pub(super) const HEADER: usize = 32;
/// Bytes of entries that a page holds.
pub(super) const PAYLOAD: usize = PAGE - HEADER;

/// The most bytes of a key.
pub const KEY: usize = 255;

/// Spreads what is summed over all bits: 2^64 divided by the golden ratio, which is odd.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A page in memory.
pub(super) type Page = [u8; PAGE];

/// What stands in front of a page.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// The checksum of all behind it.
    pub(super) check: u64,
    /// The checksum of the page before, or [`root`].
    pub(super) previous: u64,
    /// Its place in its half.
    pub(super) number: u32,
    /// The number of its transaction in its generation.
    pub(super) transaction: u32,
    /// Bytes of entries in it.
    pub(super) used: u16,
    /// The transaction ends with it.
    pub(super) is_last: bool,
}

impl Header {
    /// The header of a page that is what was once written at the place `number` of the log that began with `root`.
    pub(super) fn read(page: &Page, root: u64, number: u32) -> Option<Self> {
        let [check, previous, place, rest] = [0, 1, 2, 3].map(|index| word(page, index));
        let header = Self {
            check,
            previous,
            number,
            transaction: rest as u32,
            used: (rest >> 32) as u16,
            is_last: rest >> 48 == 1,
        };
        let is_whole = check == sum(root, page)
            && place == u64::from(number)
            && usize::from(header.used) <= PAYLOAD
            && rest >> 48 <= 1;
        is_whole.then_some(header)
    }

    /// Puts itself in front of `page` of the log that began with `root`, with the checksum, which it gives.
    pub(super) fn seal(self, root: u64, page: &mut Page) -> u64 {
        let rest = u64::from(self.is_last) << 48 | u64::from(self.used) << 32 | u64::from(self.transaction);
        set_words(page, &[0, self.previous, self.number.into(), rest]);
        if let Some(behind) = page.get_mut(HEADER + usize::from(self.used)..) {
            behind.fill(0);
        }
        let check = sum(root, page);
        set_words(page, &[check]);
        check
    }
}

/// What the log of a generation begins with: the first page has it in the place of a checksum before it, and all checksums begin
/// with it, so that those of other generations and of stores that were on the disk before are none.
pub(super) fn root(id: u64, generation: u32) -> u64 {
    mix(mix(id ^ FACTOR) ^ u64::from(generation))
}

/// The checksum of `words`. One word that is another one always gives another sum; otherwise, one in 2^64 goes unseen.
pub(super) fn sum_of(start: u64, words: impl Iterator<Item = u64>) -> u64 {
    words.fold(start ^ FACTOR, |sum, word| mix(sum ^ word))
}

fn sum(root: u64, page: &Page) -> u64 {
    sum_of(root, page.as_chunks().0.iter().skip(1).map(|word| u64::from_le_bytes(*word)))
}

/// A word of its own for each word.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_mul(FACTOR);
    word ^ word >> 32
}

pub(super) fn word(page: &Page, index: usize) -> u64 {
    page.as_chunks().0.get(index).map_or(0, |word| u64::from_le_bytes(*word))
}

pub(super) fn set_words(page: &mut Page, words: &[u64]) {
    for (place, word) in page.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
}

/// Begins an entry that puts a value: the length of the key, and the key.
pub(super) const PUT: u8 = 1;
/// Begins an entry that is a piece of the value that was put last: its length in two bytes, and itself.
pub(super) const PIECE: u8 = 2;
/// Begins an entry that removes a value, as [`PUT`].
pub(super) const DELETE: u8 = 3;
/// Bytes in front of a key.
pub(super) const KEY_HEADER: usize = 2;
/// Bytes in front of a piece.
pub(super) const PIECE_HEADER: usize = 3;

/// An entry of a page.
pub(super) enum Entry<'p> {
    Put(&'p [u8]),
    /// So many bytes, which stand in front of where the next entry begins.
    Piece(u16),
    Delete(&'p [u8]),
}

impl<'p> Entry<'p> {
    /// The entry at `at` of `page`, and where the next one begins. `None` where there is no whole one.
    pub(super) fn read(page: &'p Page, used: u16, at: usize) -> Option<(Self, usize)> {
        let rest = page.get(at..HEADER + usize::from(used))?;
        match *rest {
            [kind @ (PUT | DELETE), length, ref rest @ ..] => {
                let key = rest.get(..usize::from(length)).filter(|key| !key.is_empty())?;
                let entry = if kind == PUT { Self::Put(key) } else { Self::Delete(key) };
                Some((entry, at + KEY_HEADER + key.len()))
            }
            [PIECE, low, high, ref rest @ ..] => {
                let length = u16::from_le_bytes([low, high]);
                let is_whole = length > 0 && usize::from(length) <= rest.len();
                is_whole.then_some((Self::Piece(length), at + PIECE_HEADER + usize::from(length)))
            }
            _ => None,
        }
    }
}
