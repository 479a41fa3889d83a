//! The two pages at the front of a disk that say where the log is.
//!
//! Each generation of the log has its root in the first or in the second page, in turn. All of it stands in one sector,
//! which a disk writes whole or not at all, so there is always one to begin with.

use super::StoreError;
use super::page::{Page, SECTORS, root, set_words, sum_of, word};

/// How the root begins.
const MAGIC: u64 = u64::from_le_bytes(*b"unikstor");
/// The version of what is written.
const VERSION: u64 = 1;
/// Words of it in front of its checksum.
const WORDS: usize = 6;
/// Pages in front of the first half.
pub(super) const ROOTS: u64 = 2;
/// The least and the most pages of a half.
pub(super) const LEAST_HALF: u64 = 16;
const MOST_HALF: u64 = 1 << 26;

/// Where the log of a generation is.
#[derive(Clone, Copy)]
pub(super) struct Root {
    /// What tells this store from one that was on the disk before.
    pub(super) id: u64,
    pub(super) generation: u32,
    /// Pages of each half.
    pub(super) half: u32,
    /// Pages that the generation began with: what was copied from the one before, in one transaction.
    pub(super) pages: u32,
    /// The checksum of the last of them.
    pub(super) last: u64,
}

/// What stands where a root belongs.
pub(super) enum Found {
    Root(Root),
    /// Zeroes.
    Nothing,
    /// What begins in another way.
    Foreign,
}

impl Root {
    /// The first generation of a store on a disk with so many sectors.
    ///
    /// # Errors
    /// [`StoreError::TooSmall`].
    pub(super) fn first(id: u64, sectors: u64) -> Result<Self, StoreError> {
        let half = ((sectors / SECTORS).saturating_sub(ROOTS) / 2).min(MOST_HALF);
        if half < LEAST_HALF {
            return Err(StoreError::TooSmall);
        }
        Ok(Self { id, generation: 0, half: half as u32, pages: 0, last: 0 })
    }

    /// What stands in `page`, the one with the number `slot` of a disk with so many sectors.
    ///
    /// # Errors
    /// It begins as a root does and is none.
    pub(super) fn read(page: &Page, slot: u64, sectors: u64) -> Result<Found, StoreError> {
        if word(page, 0) != MAGIC {
            let is_nothing = page.iter().all(|byte| *byte == 0);
            return Ok(if is_nothing { Found::Nothing } else { Found::Foreign });
        }
        let words = [0, 1, 2, 3, 4, 5].map(|index| word(page, index));
        let [_, version, id, place, pages, last] = words;
        let damaged = StoreError::Damaged(slot * SECTORS);
        if word(page, WORDS) != sum_of(0, words.into_iter()) {
            return Err(damaged);
        }
        if version != VERSION {
            return Err(StoreError::Version);
        }
        let (generation, half) = (place as u32, (place >> 32) as u32);
        let is_possible = (LEAST_HALF..=MOST_HALF).contains(&u64::from(half))
            && pages <= half.into()
            && u64::from(generation & 1) == slot;
        if !is_possible {
            return Err(damaged);
        }
        if (ROOTS + 2 * u64::from(half)) * SECTORS > sectors {
            return Err(StoreError::Cut(sectors));
        }
        Ok(Found::Root(Self { id, generation, half, pages: pages as u32, last }))
    }

    /// Fills `page`.
    pub(super) fn write(&self, page: &mut Page) {
        page.fill(0);
        let place = u64::from(self.half) << 32 | u64::from(self.generation);
        let words = [MAGIC, VERSION, self.id, place, self.pages.into(), self.last];
        let [a, b, c, d, e, f] = words;
        set_words(page, &[a, b, c, d, e, f, sum_of(0, words.into_iter())]);
    }

    /// What its log begins with.
    pub(super) fn start(&self) -> u64 {
        root(self.id, self.generation)
    }

    /// The sector of the page that it stands in.
    pub(super) fn sector(&self) -> u64 {
        u64::from(self.generation & 1) * SECTORS
    }

    /// The sector of the page with the number `number` of its log.
    pub(super) fn sector_of(&self, number: u32) -> u64 {
        let half = u64::from(self.generation & 1) * u64::from(self.half);
        (ROOTS + half + u64::from(number)) * SECTORS
    }
}
