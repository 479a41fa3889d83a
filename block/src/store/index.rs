//! What is where: keys in their order, and the changes of a transaction until it is committed.

use alloc::vec::Vec;

use super::StoreError;
use super::page::KEY;

/// The most keys.
pub const KEYS: usize = 4096;

/// Where a value is.
#[derive(Clone, Copy)]
pub(super) struct Location {
    /// The page with its first entry, behind which it begins at `at`.
    pub(super) page: u32,
    pub(super) at: u16,
    /// Its bytes.
    pub(super) length: u64,
}

/// A key and what is known of it.
pub(super) struct Key<T> {
    pub(super) key: Vec<u8>,
    pub(super) value: T,
}

/// All keys.
#[derive(Default)]
pub(super) struct Index {
    keys: Vec<Key<Location>>,
    /// What the open transaction changes, in order: `None` where it removes.
    changes: Vec<Key<Option<Location>>>,
}

impl Index {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Key<Location>> {
        self.keys.iter()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<Location> {
        let place = self.place(key).ok()?;
        Some(self.keys.get(place)?.value)
    }

    fn place(&self, key: &[u8]) -> Result<usize, usize> {
        self.keys.binary_search_by(|other| other.key.as_slice().cmp(key))
    }

    /// Notes what becomes of `key`. There is then memory for [`Index::commit`].
    ///
    /// # Errors
    /// [`StoreError::Key`], [`StoreError::TooManyKeys`], [`StoreError::NoMemory`].
    #[inline(never)]
    pub(super) fn change(&mut self, key: &[u8], value: Option<Location>) -> Result<(), StoreError> {
        if key.is_empty() || key.len() > KEY {
            return Err(StoreError::Key);
        }
        // What is replaced or removed takes no more room than it had, so a store that is full can be changed.
        let is_new = value.is_some() && self.place(key).is_err();
        let taken = if is_new { self.keys.len() } else { 0 };
        if taken + self.changes.len() >= KEYS {
            return Err(StoreError::TooManyKeys);
        }
        let mut copy = Vec::new();
        let reserved = copy.try_reserve_exact(key.len()).and_then(|()| self.changes.try_reserve(1));
        let reserved = reserved.and_then(|()| self.keys.try_reserve(self.changes.len() + 1));
        reserved.map_err(|_| StoreError::NoMemory)?;
        copy.extend_from_slice(key);
        self.changes.push(Key { key: copy, value });
        Ok(())
    }

    /// The value that was put last has so many bytes more. `None` where nothing was put.
    pub(super) fn lengthen(&mut self, bytes: usize) -> Option<()> {
        let location = self.changes.last_mut()?.value.as_mut()?;
        location.length = location.length.checked_add(bytes as u64)?;
        Some(())
    }

    /// Forgets what was changed.
    pub(super) fn abandon(&mut self) {
        self.changes.clear();
    }

    /// What was changed is so from now on.
    #[inline(never)]
    pub(super) fn commit(&mut self) {
        for Key { key, value } in core::mem::take(&mut self.changes) {
            match (self.place(&key), value) {
                (Ok(place), Some(value)) => {
                    if let Some(found) = self.keys.get_mut(place) {
                        found.value = value;
                    }
                }
                (Ok(place), None) => drop(self.keys.remove(place)),
                (Err(place), Some(value)) => self.keys.insert(place, Key { key, value }),
                (Err(_), None) => {}
            }
        }
    }

    /// The values have gone elsewhere: one place for each key, in their order.
    pub(super) fn relocate(&mut self, places: &[Location]) {
        for (key, place) in self.keys.iter_mut().zip(places) {
            key.value = *place;
        }
    }
}
