//! The table of addresses: which port each address of each VLAN was last heard at.
//!
//! It is a fixed number of rows of four entries; an address has its place in one row, which is one line of the processor's
//! cache. Nothing is moved and nothing is allocated after the start. Where a row or the table is full, the address that has
//! been silent for longest makes way: of its row, or of those that the hand points at next. What is configured stays.
//! Invariant: at most `limit` entries are there, and each key once.

use crate::address::Key;
use alloc::vec::Vec;

/// Entries of a row.
const WAYS: usize = 4;
/// Rows that the hand looks at, at most, for an entry that can make way.
const LOOKS: usize = 16;
/// In so many steps the whole table is looked through for what is too old.
const STEPS: usize = 64;
/// An odd number whose multiples are spread over all bits: 2^64 over the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place that holds nothing.
const NONE: Entry = Entry { key: 0, seen: 0, port: 0, kind: Kind::Learned };

/// How an address came into the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It was heard.
    Learned,
    /// It is configured.
    Static,
}

/// An entry, as it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The address, in its VLAN.
    pub key: Key,
    /// The port that it is at, the first being 0.
    pub port: usize,
    /// How it came into the table.
    pub kind: Kind,
    /// Seconds since it was last heard.
    pub age: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: u64,
    /// The second in which it was last heard.
    seen: u32,
    port: u8,
    kind: Kind,
}

/// What came of an address that was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// It was known there.
    Known,
    /// It was known elsewhere.
    Moved,
    /// It was not known.
    New,
    /// It was not known, and another one made way.
    Evicted,
    /// It is configured elsewhere, and stays there.
    Fixed,
    /// There is no room but for what is configured.
    Full,
}

/// The table.
pub struct Table {
    rows: Vec<[Entry; WAYS]>,
    /// Bits of a hash that do not choose the row.
    shift: u32,
    seed: u64,
    count: usize,
    limit: usize,
    /// Seconds that a silent address stays.
    ageing: u32,
    /// The row that is looked at next for one that makes way, and for those that are too old.
    hand: usize,
    broom: usize,
}

/// There is not enough memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

impl Table {
    /// A table for `limit` addresses (1 to 2^20) that stay `ageing` seconds. Who does not know `seed` cannot choose addresses
    /// that share a row.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn try_new(limit: usize, ageing: u32, seed: u64) -> Result<Self, NoMemory> {
        let limit = limit.clamp(1, 1 << 20);
        // Half full at most, so that rows are seldom.
        let bits = (2 * limit.div_ceil(WAYS)).next_power_of_two().trailing_zeros().max(1);
        let mut rows = Vec::new();
        rows.try_reserve_exact(1 << bits).map_err(|_| NoMemory)?;
        rows.resize(1 << bits, [NONE; WAYS]);
        let shift = u64::BITS - bits;
        Ok(Self { rows, shift, seed, count: 0, limit, ageing, hand: 0, broom: 0 })
    }

    /// Addresses that are in the table, those among them that are too old included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The most that can be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How long silent addresses stay from now on.
    pub fn set_ageing(&mut self, seconds: u32) {
        self.ageing = seconds;
    }

    #[inline]
    fn row(&self, key: Key) -> usize {
        ((key.0 ^ self.seed).wrapping_mul(SPREAD) >> self.shift) as usize
    }

    /// The port that an address is at.
    #[inline]
    pub fn find(&self, key: Key, second: u32) -> Option<usize> {
        let row = self.rows.get(self.row(key))?;
        let entry = row.iter().find(|entry| entry.key == key.0)?;
        self.is_alive(entry, second).then_some(usize::from(entry.port))
    }

    #[inline]
    fn is_alive(&self, entry: &Entry, second: u32) -> bool {
        second.wrapping_sub(entry.seen) <= self.ageing || entry.kind == Kind::Static
    }

    /// Notes that an address was heard at a port.
    #[inline]
    pub fn learn(&mut self, key: Key, port: usize, second: u32) -> Learned {
        let index = self.row(key);
        let Some(row) = self.rows.get_mut(index) else { return Learned::Full };
        if let Some(entry) = row.iter_mut().find(|entry| entry.key == key.0)
            && usize::from(entry.port) == port
        {
            entry.seen = second;
            return Learned::Known;
        }
        self.learn_anew(key, index, port, second)
    }

    /// The same, for one that is not known there.
    #[cold]
    #[inline(never)]
    fn learn_anew(&mut self, key: Key, index: usize, port: usize, second: u32) -> Learned {
        // There are eight.
        let new = Entry { key: key.0, seen: second, port: port as u8, kind: Kind::Learned };
        let (ageing, is_full) = (self.ageing, self.count >= self.limit);
        let Some(row) = self.rows.get_mut(index) else { return Learned::Full };
        if let Some(entry) = row.iter_mut().find(|entry| entry.key == key.0) {
            if entry.kind == Kind::Static {
                return Learned::Fixed;
            }
            *entry = new;
            return Learned::Moved;
        }
        let is_old = |entry: &Entry| entry.kind == Kind::Learned && second.wrapping_sub(entry.seen) > ageing;
        if let Some(entry) = row.iter_mut().find(|entry| entry.key != 0 && is_old(entry)) {
            *entry = new;
            return Learned::New;
        }
        let place = row.iter_mut().find(|entry| entry.key == 0);
        match place {
            Some(entry) if !is_full => {
                *entry = new;
                self.count += 1;
                return Learned::New;
            }
            _ => {}
        }
        if let Some(entry) = oldest(row, second) {
            *entry = new;
            return Learned::Evicted;
        }
        // Nothing in the row can make way. There is room in it, unless it is full of what stays.
        let has_place = self.rows.get(index).is_some_and(|row| row.iter().any(|entry| entry.key == 0));
        if !has_place || !self.make_room(second) {
            return Learned::Full;
        }
        let place = self.rows.get_mut(index).and_then(|row| row.iter_mut().find(|entry| entry.key == 0));
        let Some(entry) = place else { return Learned::Full };
        *entry = new;
        self.count += 1;
        Learned::Evicted
    }

    /// Lets the oldest address of the next row that has one make way.
    fn make_room(&mut self, second: u32) -> bool {
        for _ in 0..LOOKS.max(self.rows.len() / STEPS) {
            self.hand = (self.hand + 1) % self.rows.len().max(1);
            if let Some(entry) = self.rows.get_mut(self.hand).and_then(|row| oldest(row, second)) {
                *entry = NONE;
                self.count -= 1;
                return true;
            }
        }
        false
    }

    /// Adds an address that stays. False where there is no room.
    pub fn fix(&mut self, key: Key, port: usize) -> bool {
        let fixed = Entry { key: key.0, seen: 0, port: port as u8, kind: Kind::Static };
        let index = self.row(key);
        let is_full = self.count >= self.limit;
        let Some(row) = self.rows.get_mut(index) else { return false };
        if let Some(entry) = row.iter_mut().find(|entry| entry.key == key.0) {
            *entry = fixed;
            return true;
        }
        match row.iter_mut().find(|entry| entry.key == 0) {
            Some(entry) if !is_full => {
                *entry = fixed;
                self.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Forgets what was heard at the ports of this set, a bit for each; how many addresses.
    pub fn flush(&mut self, ports: u8) -> usize {
        self.remove(
            &|entry| entry.kind == Kind::Learned && 1u8 << (entry.port & 7) & ports != 0,
            0,
            usize::MAX,
        )
    }

    /// Forgets a part of what is too old. As often as the table has parts, it is all of it.
    pub fn sweep(&mut self, second: u32) -> usize {
        let part = self.rows.len().div_ceil(STEPS);
        let first = self.broom * part;
        self.broom = (self.broom + 1) % STEPS;
        let ageing = self.ageing;
        self.remove(
            &|entry| entry.kind == Kind::Learned && second.wrapping_sub(entry.seen) > ageing,
            first,
            part,
        )
    }

    fn remove(&mut self, is_gone: &dyn Fn(&Entry) -> bool, first: usize, rows: usize) -> usize {
        let mut removed = 0;
        for entry in self.rows.iter_mut().skip(first).take(rows).flatten() {
            if entry.key != 0 && is_gone(entry) {
                *entry = NONE;
                removed += 1;
            }
        }
        self.count -= removed;
        removed
    }

    /// The first entry at a position or behind it that is not too old, and the position behind that.
    pub fn at(&self, position: usize, second: u32) -> Option<(Known, usize)> {
        let entries = self.rows.iter().flatten().enumerate().skip(position);
        let mut alive = entries.filter(|(_, entry)| entry.key != 0 && self.is_alive(entry, second));
        let (index, entry) = alive.next()?;
        let age = if entry.kind == Kind::Static { 0 } else { second.wrapping_sub(entry.seen) };
        let known = Known { key: Key(entry.key), port: entry.port.into(), kind: entry.kind, age };
        Some((known, index + 1))
    }
}

/// The address of a row that was heard and has been silent for longest.
fn oldest(row: &mut [Entry; WAYS], second: u32) -> Option<&mut Entry> {
    let heard = row.iter_mut().filter(|entry| entry.key != 0 && entry.kind == Kind::Learned);
    heard.max_by_key(|entry| second.wrapping_sub(entry.seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Mac;

    fn key(number: u32) -> Key {
        let [a, b, c, d] = number.to_be_bytes();
        Key::new(1, Mac::new([2, 0, a, b, c, d]))
    }

    #[test]
    fn an_address_is_where_it_was_last_heard() {
        let mut table = Table::try_new(16, 300, 1).unwrap();
        assert_eq!(table.find(key(1), 0), None);
        assert_eq!(table.learn(key(1), 3, 0), Learned::New);
        assert_eq!(table.learn(key(1), 3, 1), Learned::Known);
        assert_eq!(table.find(key(1), 1), Some(3));
        assert_eq!(table.learn(key(1), 4, 2), Learned::Moved);
        assert_eq!((table.find(key(1), 2), table.len()), (Some(4), 1));
    }

    #[test]
    fn a_silent_address_is_forgotten_after_its_time() {
        let mut table = Table::try_new(16, 300, 1).unwrap();
        table.learn(key(1), 3, 10);
        assert_eq!(table.find(key(1), 310), Some(3));
        assert_eq!(table.find(key(1), 311), None);
        assert_eq!(table.at(0, 311), None);
        let swept: usize = (0..STEPS).map(|_| table.sweep(311)).sum();
        assert_eq!((swept, table.len()), (1, 0));
    }

    #[test]
    fn a_full_table_lets_an_old_address_make_way() {
        let mut table = Table::try_new(64, 300, 7).unwrap();
        for number in 0..10_000 {
            assert!(matches!(table.learn(key(number), 1, number / 100), Learned::New | Learned::Evicted));
            assert_eq!(table.find(key(number), number / 100), Some(1));
            assert!(table.len() <= 64);
        }
    }

    #[test]
    fn what_is_configured_stays() {
        let mut table = Table::try_new(8, 300, 7).unwrap();
        assert!(table.fix(key(0), 2));
        for number in 0..1000 {
            table.learn(key(number), 1, number);
        }
        assert_eq!(table.find(key(0), 5000), Some(2));
        table.flush(0xff);
        assert_eq!((table.find(key(0), 5000), table.len()), (Some(2), 1));
    }

    #[test]
    fn a_table_full_of_what_is_configured_learns_nothing() {
        let mut table = Table::try_new(4, 300, 7).unwrap();
        let fixed = (0..100).filter(|number| table.fix(key(*number), 2)).count();
        assert_eq!((fixed, table.len()), (4, 4));
        assert_eq!(table.learn(key(1000), 1, 0), Learned::Full);
        assert_eq!(table.find(key(1000), 0), None);
    }

    #[test]
    fn a_port_that_goes_down_is_forgotten_alone() {
        let mut table = Table::try_new(64, 300, 3).unwrap();
        for number in 0..32 {
            table.learn(key(number), number as usize % 2, 0);
        }
        assert_eq!(table.flush(1 << 1), 16);
        assert!((0..32).all(|number| table.find(key(number), 0).is_some() == (number % 2 == 0)));
        let mut position = 0;
        let mut seen = 0;
        while let Some((known, next)) = table.at(position, 5) {
            assert_eq!((known.port, known.age), (0, 5));
            (position, seen) = (next, seen + 1);
        }
        assert_eq!(seen, 16);
    }
}
