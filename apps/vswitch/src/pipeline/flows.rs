//! The flow tables: entries found by tuple space search.
//!
//! Entries of a table that look at the same bits form a tuple, which is a hash table of their values. A look-up goes through
//! the tuples of a table, the one with the highest priority first, and ends when no later one can hold a better entry. An entry
//! keeps of its values the words alone that its tuple looks at.
//!
//! Invariant: an entry is in the one chain of its tuple that its hash says, and a tuple is in the order of its table.

use super::{
    fields::{Fields, Match},
    tuple::{Tuple, shorten},
};
use alloc::vec::Vec;
use unik_sched::counter::Counter;
use unik_sched::time::Instant;

pub use super::flow::{Flow, NewFlow};

/// Tables of the switch.
pub const TABLES: u8 = 64;
/// Entries of all tables together.
pub const MOST_FLOWS: usize = 1 << 18;
/// Different masks of all tables together.
pub const MOST_TUPLES: usize = 4096;
/// The end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

enum Slot {
    Free(u32),
    Used(Flow),
}

/// One table, as it is reported.
#[derive(Default)]
pub struct Table {
    /// Tuples, the highest priority first.
    order: Vec<u16>,
    /// Entries.
    pub active: u32,
    /// Frames that were looked up.
    pub lookups: u64,
    /// Frames for which there was an entry.
    pub matched: u64,
    /// OFPTC_: nothing but deprecated bits, which are kept.
    pub config: u32,
}

/// All tables.
pub struct Flows {
    slots: Vec<Slot>,
    free: u32,
    tuples: Vec<Option<Tuple>>,
    tables: Vec<Table>,
    seed: u64,
    /// Changes whenever another entry might be found than before, or something else be done with its frames.
    generation: u64,
    /// The bits that any entry looks at.
    relevant: Fields,
    count: usize,
    most: usize,
    /// Entries with a timeout.
    timed: usize,
}

impl Flows {
    /// Empty tables. `None` without memory for them.
    pub fn new(seed: u64, most: usize) -> Option<Flows> {
        let mut tables = Vec::new();
        tables.try_reserve_exact(TABLES.into()).ok()?;
        tables.resize_with(TABLES.into(), Table::default);
        Some(Flows {
            slots: Vec::new(),
            free: NONE,
            tuples: Vec::new(),
            tables,
            seed,
            generation: 0,
            relevant: Fields::ZERO,
            count: 0,
            most: most.min(MOST_FLOWS),
            timed: 0,
        })
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Entries with a timeout.
    pub(crate) fn timed(&self) -> usize {
        self.timed
    }

    /// Entries that there can be.
    pub fn most(&self) -> usize {
        self.most
    }

    /// With what hashes begin.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Another program is done than before, or a port does something else.
    pub(crate) fn changed(&mut self) {
        self.generation += 1;
    }

    pub(crate) fn relevant(&self) -> &Fields {
        &self.relevant
    }

    /// The table with this number.
    pub fn table(&self, table: u8) -> Option<&Table> {
        self.tables.get(usize::from(table))
    }

    pub(crate) fn table_mut(&mut self, table: u8) -> Option<&mut Table> {
        self.tables.get_mut(usize::from(table))
    }

    /// Places of entries, used or not: what an iteration goes through.
    pub(crate) fn places(&self) -> u32 {
        self.slots.len() as u32 // no more than MOST_FLOWS
    }

    /// The entry in this place.
    #[inline]
    pub fn get(&self, place: u32) -> Option<&Flow> {
        match self.slots.get(place as usize) {
            Some(Slot::Used(flow)) => Some(flow),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Flow> {
        match self.slots.get_mut(place as usize) {
            Some(Slot::Used(flow)) => Some(flow),
            _ => None,
        }
    }

    fn tuple(&self, id: u16) -> Option<&Tuple> {
        self.tuples.get(usize::from(id))?.as_ref()
    }

    /// What an entry wants.
    pub fn matching(&self, flow: &Flow) -> Match {
        let Some(tuple) = self.tuple(flow.tuple) else { return Match::ANY };
        Match { value: tuple.value(&flow.key), mask: tuple.mask }
    }

    /// Whether `matching` takes all that an entry takes.
    pub(crate) fn is_covered(&self, flow: &Flow, matching: &Match) -> bool {
        self.tuple(flow.tuple).is_some_and(|tuple| tuple.is_covered(&flow.key, matching))
    }

    /// The entry of a table for these fields.
    #[inline]
    pub fn find(&self, table: u8, fields: &Fields) -> Option<u32> {
        self.find_hashed(table, fields, None)
    }

    /// The same, where the hash of all words is known that any entry looks at.
    #[inline]
    pub(crate) fn find_hashed(&self, table: u8, fields: &Fields, known: Option<u64>) -> Option<u32> {
        let mut best = None;
        let mut least = -1;
        for id in &self.tables.get(usize::from(table))?.order {
            let tuple = self.tuple(*id)?;
            if i32::from(tuple.priority) <= least {
                break;
            }
            let known = known.filter(|_| tuple.is_widest).map(shorten);
            let hash = known.unwrap_or_else(|| tuple.hash(fields, self.seed));
            let mut place = tuple.buckets.get(tuple.bucket(hash)).copied().unwrap_or(NONE);
            while let Some(flow) = self.get(place) {
                if flow.hash == hash && i32::from(flow.priority) > least && tuple.is_key(&flow.key, fields) {
                    (best, least) = (Some(place), flow.priority.into());
                }
                place = flow.next;
            }
        }
        best
    }

    /// The entry that wants the same with the same priority.
    pub fn find_same(&self, table: u8, priority: u16, matching: &Match) -> Option<u32> {
        let tuple = self.tuple(self.tuple_of(table, &matching.mask)?)?;
        self.find_key(tuple, priority, &matching.value)
    }

    /// The entry of a tuple for these fields with this priority.
    fn find_key(&self, tuple: &Tuple, priority: u16, fields: &Fields) -> Option<u32> {
        let hash = tuple.hash(fields, self.seed);
        let mut place = *tuple.buckets.get(tuple.bucket(hash))?;
        while let Some(flow) = self.get(place) {
            let is_same = flow.hash == hash && flow.priority == priority;
            if is_same && tuple.is_key(&flow.key, fields) {
                return Some(place);
            }
            place = flow.next;
        }
        None
    }

    /// Whether an entry of the same priority takes a frame that `matching` takes too.
    ///
    /// A tuple that looks at no other bits than `matching` has one place for such an entry. Only where one looks at more, and has entries
    /// of that priority or a higher one, all are gone through, and that is counted.
    pub(crate) fn has_overlap(&self, table: u8, priority: u16, matching: &Match, walks: &Counter) -> bool {
        let order = self.tables.get(usize::from(table)).map_or(&[][..], |table| &table.order);
        let tuples = order.iter().filter_map(|id| self.tuple(*id));
        let mut is_walk = false;
        for tuple in tuples.take_while(|tuple| tuple.priority >= priority) {
            if !tuple.is_within(&matching.mask) {
                is_walk = true;
            } else if self.find_key(tuple, priority, &matching.value).is_some() {
                return true;
            }
        }
        if !is_walk {
            return false;
        }
        walks.increment();
        self.slots.iter().any(|slot| match slot {
            Slot::Used(flow) if flow.table == table && flow.priority == priority => {
                self.tuple(flow.tuple).is_some_and(|tuple| tuple.overlaps(&flow.key, matching))
            }
            _ => false,
        })
    }

    fn tuple_of(&self, table: u8, mask: &Fields) -> Option<u16> {
        let order = &self.tables.get(usize::from(table))?.order;
        order.iter().copied().find(|id| self.tuple(*id).is_some_and(|tuple| tuple.mask == *mask))
    }

    /// Adds an entry. `None` if there is no room for it.
    pub fn add(&mut self, new: NewFlow, now: Instant) -> Option<u32> {
        if self.count >= self.most {
            return None;
        }
        let mask = new.matching.mask;
        let id = match self.tuple_of(new.table, &mask) {
            Some(id) => id,
            None => self.add_tuple(new.table, &mask)?,
        };
        let added = self.link(id, new, now);
        if added.is_none() {
            self.drop_tuple_if_empty(id);
        }
        added
    }

    /// Puts an entry into a tuple that there is.
    fn link(&mut self, id: u16, new: NewFlow, now: Instant) -> Option<u32> {
        let seed = self.seed;
        let value = &new.matching.value;
        let tuple = self.tuples.get(usize::from(id))?.as_ref()?;
        let mut key = Vec::new();
        key.try_reserve_exact(tuple.words.len()).ok()?;
        key.extend(tuple.words.iter().map(|(at, _)| value.word(*at)));
        let hash = tuple.hash(value, seed);
        let place = self.place()?;
        self.grow(id);
        let tuple = self.tuples.get_mut(usize::from(id))?.as_mut()?;
        let bucket = tuple.bucket(hash);
        let head = tuple.buckets.get_mut(bucket)?;
        let flow = Flow {
            cookie: new.cookie,
            created: now,
            used: now,
            packets: 0,
            bytes: 0,
            program: new.program,
            key,
            hash,
            next: *head,
            tuple: id,
            priority: new.priority,
            idle: new.idle,
            hard: new.hard,
            flags: new.flags,
            table: new.table,
        };
        self.timed += usize::from(flow.idle | flow.hard != 0);
        *head = place;
        tuple.count += 1;
        let rises = tuple.count == 1 || new.priority > tuple.priority;
        if rises {
            tuple.priority = new.priority;
        }
        if let Some(Slot::Free(next)) = self.slots.get(place as usize) {
            self.free = *next;
        }
        *self.slots.get_mut(place as usize)? = Slot::Used(flow);
        if rises {
            self.reorder(new.table, id);
        }
        self.count += 1;
        self.tables.get_mut(usize::from(new.table))?.active += 1;
        self.generation += 1;
        Some(place)
    }

    /// Gives an entry what another one of its match and priority has that comes in its place, but for the program.
    pub(crate) fn renew(&mut self, place: u32, new: &NewFlow, is_reset: bool, now: Instant) {
        let Some(flow) = self.get_mut(place) else { return };
        let was_timed = flow.idle | flow.hard != 0;
        (flow.cookie, flow.idle, flow.hard, flow.flags) = (new.cookie, new.idle, new.hard, new.flags);
        (flow.created, flow.used) = (now, now);
        if is_reset {
            (flow.packets, flow.bytes) = (0, 0);
        }
        self.timed += usize::from(new.idle | new.hard != 0);
        self.timed -= usize::from(was_timed);
    }

    /// A free place, which stays free until it is written.
    fn place(&mut self) -> Option<u32> {
        if self.free == NONE {
            self.slots.try_reserve(1).ok()?;
            self.free = self.slots.len() as u32;
            self.slots.push(Slot::Free(NONE));
        }
        Some(self.free)
    }

    /// Gives a tuple more buckets when it has as many entries.
    fn grow(&mut self, id: u16) {
        let Flows { slots, tuples, .. } = self;
        let Some(Some(tuple)) = tuples.get_mut(usize::from(id)) else { return };
        let length = tuple.buckets.len();
        if (tuple.count as usize) < length || tuple.buckets.try_reserve_exact(length).is_err() {
            return;
        }
        tuple.buckets.resize(length * 2, NONE);
        for bucket in 0..length {
            let mut place = core::mem::replace(&mut tuple.buckets[bucket], NONE);
            while let Some(Slot::Used(flow)) = slots.get_mut(place as usize) {
                let next = flow.next;
                let to = tuple.bucket(flow.hash);
                flow.next = core::mem::replace(&mut tuple.buckets[to], place);
                place = next;
            }
        }
    }

    #[inline(never)]
    fn add_tuple(&mut self, table: u8, mask: &Fields) -> Option<u16> {
        let tuple = Tuple::new(mask)?;
        let free = self.tuples.iter().position(Option::is_none);
        let at = free.unwrap_or(self.tuples.len());
        if at >= MOST_TUPLES {
            return None;
        }
        let table = self.tables.get_mut(usize::from(table))?;
        table.order.try_reserve(1).ok()?;
        if free.is_none() {
            self.tuples.try_reserve(1).ok()?;
            self.tuples.push(None);
        }
        let id = at as u16;
        *self.tuples.get_mut(at)? = Some(tuple);
        table.order.push(id);
        self.look_at(self.relevant.or(mask));
        Some(id)
    }

    /// Moves a tuple to where its priority says.
    fn reorder(&mut self, table: u8, id: u16) {
        let Flows { tables, tuples, .. } = self;
        let priority =
            |id: u16| tuples.get(usize::from(id)).and_then(Option::as_ref).map_or(0, |t| t.priority);
        let Some(table) = tables.get_mut(usize::from(table)) else { return };
        let Some(from) = table.order.iter().position(|other| *other == id) else { return };
        table.order.remove(from);
        let to = table.order.iter().position(|other| priority(*other) < priority(id));
        // Of the room that the removal left.
        table.order.insert(to.unwrap_or(table.order.len()), id);
    }

    fn drop_tuple_if_empty(&mut self, id: u16) {
        let Some(slot) = self.tuples.get_mut(usize::from(id)) else { return };
        if !matches!(slot, Some(tuple) if tuple.count == 0) {
            return;
        }
        *slot = None;
        self.tables.iter_mut().for_each(|table| table.order.retain(|other| *other != id));
        let masks = self.tuples.iter().flatten();
        let relevant = masks.fold(Fields::ZERO, |all, tuple| all.or(&tuple.mask));
        self.look_at(relevant);
    }

    /// These are the bits that any entry looks at.
    fn look_at(&mut self, relevant: Fields) {
        self.relevant = relevant;
        self.tuples.iter_mut().flatten().for_each(|tuple| tuple.is_widest = tuple.mask == relevant);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, place: u32) -> Option<Flow> {
        let Flow { tuple: id, hash, next, .. } = *self.get(place)?;
        let tuple = self.tuples.get_mut(usize::from(id))?.as_mut()?;
        let bucket = tuple.bucket(hash);
        let head = tuple.buckets.get_mut(bucket)?;
        if *head == place {
            *head = next;
        } else {
            let mut before = *head;
            while let Some(flow) = self.get_mut(before) {
                if flow.next == place {
                    flow.next = next;
                    break;
                }
                before = flow.next;
            }
        }
        let slot = core::mem::replace(self.slots.get_mut(place as usize)?, Slot::Free(self.free));
        self.free = place;
        let Slot::Used(flow) = slot else { return None };
        self.timed -= usize::from(flow.idle | flow.hard != 0);
        self.count -= 1;
        self.generation += 1;
        if let Some(table) = self.tables.get_mut(usize::from(flow.table)) {
            table.active -= 1;
        }
        if let Some(Some(tuple)) = self.tuples.get_mut(usize::from(id)) {
            tuple.count -= 1;
        }
        self.drop_tuple_if_empty(id);
        Some(flow)
    }

    /// Counts frames for their entry, and gives that.
    #[inline]
    pub(crate) fn hit(&mut self, place: u32, frames: u64, octets: u64, now: Instant) -> Option<&Flow> {
        let flow = self.get_mut(place)?;
        flow.packets += frames;
        flow.bytes += octets;
        flow.used = now;
        Some(flow)
    }

    /// Counts look-ups of frames that are alike.
    #[inline]
    pub(crate) fn count(&mut self, table: u8, found: bool, frames: u64) {
        if let Some(table) = self.tables.get_mut(usize::from(table)) {
            table.lookups += frames;
            table.matched += if found { frames } else { 0 };
        }
    }
}
