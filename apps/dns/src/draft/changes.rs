//! Changes to a zone: records that go and records that come (RFC 1995, 4), on a copy of it.
//!
//! Each record is found by a hash of its owner, its type and its data, so that a change costs the same however many records there
//! are at a name, and whatever the primary makes of that.

use super::{Draft, Entry, Rules, freeze, wire::Record};
use crate::kind::Kind;
use crate::master::Problem;
use crate::zone::Zone;
use alloc::vec::Vec;

/// A slot that no record was ever in.
const EMPTY: u32 = u32::MAX;
/// A slot whose record was removed.
const LEFT: u32 = u32::MAX - 1;
/// The type of an entry that has been removed: no record has it.
const REMOVED: Kind = Kind::new(0);
/// The least slots.
const FEW: usize = 64;
/// Spreads what is hashed over all bits: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A zone that is being changed.
pub(crate) struct Changes {
    draft: Draft,
    /// The number of an entry in each slot, a power of two of them, of which at most half were ever in use.
    slots: Vec<u32>,
    /// Slots that were ever in use.
    used: usize,
}

impl Changes {
    /// Begins with the records of `zone`.
    ///
    /// # Errors
    /// [`Problem::NoMemory`].
    pub(crate) fn of(zone: &Zone) -> Result<Self, Problem> {
        let mut changes = Self { draft: Draft::copy_of(zone)?, slots: Vec::new(), used: 0 };
        changes.arrange().ok_or(Problem::NoMemory)?;
        Ok(changes)
    }

    /// Adds `record`, unless it is there.
    ///
    /// # Errors
    /// As for [`Draft::add`].
    pub(crate) fn add(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        self.draft.add(record)?;
        let id = self.draft.entries.len() - 1;
        match self.locate(id) {
            Some(Ok(_)) => self.draft.take_back(),
            Some(Err(slot)) => {
                if let Some(slot) = self.slots.get_mut(slot) {
                    *slot = id as u32; // entries are fewer than LEFT
                }
                self.used += 1;
                if 2 * self.used > self.slots.len() {
                    self.arrange().ok_or(Problem::NoMemory)?;
                }
            }
            None => return Err(Problem::NoMemory),
        }
        Ok(())
    }

    /// Removes the record that is the same as `record` but for its TTL.
    ///
    /// # Errors
    /// [`Problem::NotThere`], and as for [`Draft::add`].
    pub(crate) fn remove(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        self.draft.add(record)?;
        let found = self.locate(self.draft.entries.len() - 1);
        self.draft.take_back();
        let Some(Ok(slot)) = found else { return Err(Problem::NotThere) };
        let slot = self.slots.get_mut(slot).ok_or(Problem::NotThere)?;
        let entry = self.draft.entries.get_mut(*slot as usize).ok_or(Problem::NotThere)?;
        (*slot, entry.kind) = (LEFT, REMOVED);
        Ok(())
    }

    /// The changed zone.
    ///
    /// # Errors
    /// What makes no zone of it.
    pub(crate) fn freeze(mut self) -> Result<Zone, Problem> {
        drop(self.slots);
        self.draft.entries.retain(|entry| entry.kind != REMOVED);
        freeze(self.draft, 0, Rules::Transfer).map_err(|mistake| mistake.problem)
    }

    /// The slot of the entry that is the same as that with the number `id`, or the free one where it belongs; `None` where there is
    /// neither.
    fn locate(&self, id: usize) -> Option<Result<usize, usize>> {
        let entry = self.draft.entries.get(id)?;
        let (mask, data) = (self.slots.len().checked_sub(1)?, self.draft.data_of(entry));
        let mut slot = hash(entry, data) as usize & mask;
        loop {
            // Ends, because half of the slots are empty.
            match *self.slots.get(slot)? {
                EMPTY => return Some(Err(slot)),
                LEFT => {}
                other => {
                    let other = self.draft.entries.get(other as usize)?;
                    let is_same = other.owner == entry.owner && other.kind == entry.kind;
                    if is_same && self.draft.data_of(other) == data {
                        return Some(Ok(slot));
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Makes slots for as many entries again as there are, and puts those into them.
    fn arrange(&mut self) -> Option<()> {
        let count = (4 * self.draft.entries.len()).next_power_of_two().max(FEW);
        self.slots.clear();
        self.slots.try_reserve_exact(count).ok()?;
        self.slots.resize(count, EMPTY);
        self.used = 0;
        for id in 0..self.draft.entries.len() {
            if self.draft.entries.get(id)?.kind != REMOVED
                && let Err(slot) = self.locate(id)?
            {
                *self.slots.get_mut(slot)? = id as u32; // entries are fewer than LEFT
                self.used += 1;
            }
        }
        Some(())
    }
}

/// A hash of a record without its TTL.
fn hash(entry: &Entry, data: &[u8]) -> u64 {
    let mut hash = ((entry.owner.index() as u64) << 16 | u64::from(entry.kind.code())).wrapping_mul(FACTOR);
    for octets in data.chunks(size_of::<u64>()) {
        let word = octets.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
        hash = (hash.rotate_left(29) ^ word).wrapping_mul(FACTOR);
    }
    hash >> 32 ^ hash
}
