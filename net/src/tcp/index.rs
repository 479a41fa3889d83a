//! The demultiplexer: from the two ends of a segment to the number of its connection, however many there are.
//!
//! A hash table with chains. Peers choose their addresses and ports, so the hash is keyed with a secret: nobody can
//! choose such that all of them meet in one chain. Memory grows with the largest number of entries there ever were; none
//! is taken when an entry leaves or is looked for.

use alloc::vec::Vec;

use crate::{glance::Flow, ip::address::Address, stack::extend};

/// Behind the last entry of a chain.
const END: u32 = u32::MAX;

/// The numbers of connections by their ends.
pub(crate) struct FlowIndex {
    secret: [u64; 2],
    /// The first entry of each chain; a power of two of them, or none.
    heads: Vec<u32>,
    /// By number; those that are not in use have no flow.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    flow: Option<Flow>,
    next: u32,
}

impl FlowIndex {
    pub(crate) fn new(secret: [u64; 2]) -> Self {
        FlowIndex { secret, heads: Vec::new(), entries: Vec::new() }
    }

    /// Makes room for `count` numbers. False when memory lacks.
    pub(crate) fn try_reserve(&mut self, count: usize) -> bool {
        if !extend(&mut self.entries, count, Entry { flow: None, next: END }) {
            return false;
        }
        if count <= self.heads.len() {
            return true;
        }
        if !extend(&mut self.heads, count.next_power_of_two(), END) {
            return false;
        }
        self.heads.fill(END);
        for number in 0..self.entries.len() {
            self.link(number as u32);
        }
        true
    }

    /// Notes that `flow` is the connection with this number, for which there is room. A newer one with the same ends
    /// hides an older one.
    pub(crate) fn insert(&mut self, flow: &Flow, number: u32) {
        if let Some(entry) = self.entries.get_mut(number as usize) {
            entry.flow = Some(*flow);
            self.link(number);
        }
    }

    /// The number of the connection with these ends.
    #[inline(always)]
    pub(crate) fn find(&self, flow: &Flow) -> Option<u32> {
        let mut number = *self.heads.get(self.chain(flow))?;
        loop {
            let entry = self.entries.get(number as usize)?;
            if entry.flow.as_ref().is_some_and(|known| known == flow) {
                return Some(number);
            }
            number = entry.next;
        }
    }

    /// Forgets the connection with this number, if it is known.
    pub(crate) fn remove(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        let Some(flow) = entry.flow.take() else { return };
        let behind = entry.next;
        let chain = self.chain(&flow);
        let Some(head) = self.heads.get_mut(chain) else { return };
        if *head == number {
            *head = behind;
            return;
        }
        let mut before = *head;
        while let Some(entry) = self.entries.get_mut(before as usize) {
            if entry.next == number {
                entry.next = behind;
                return;
            }
            before = entry.next;
        }
    }

    /// Puts an entry at the head of its chain.
    fn link(&mut self, number: u32) {
        let Some(flow) = self.entries.get(number as usize).and_then(|entry| entry.flow) else { return };
        let chain = self.chain(&flow);
        let (Some(entry), Some(head)) = (self.entries.get_mut(number as usize), self.heads.get_mut(chain))
        else {
            return;
        };
        entry.next = core::mem::replace(head, number);
    }

    #[inline(always)]
    fn chain(&self, flow: &Flow) -> usize {
        let [first, second] = self.secret;
        // The upper half of a product depends on all bits of both factors, and the lower half does too from the other side.
        let mix = |one: u64, other: u64| {
            let product = u128::from(one ^ first) * u128::from(other ^ second);
            (product >> 64) as u64 ^ product as u64
        };
        let halves = |address: &Address| {
            let number = u128::from_be_bytes(*address.octets());
            ((number >> 64) as u64, number as u64)
        };
        let (source, destination) = (halves(&flow.source.0), halves(&flow.destination.0));
        let ports = u64::from(flow.source.1) << 16 | u64::from(flow.destination.1);
        let here = destination.0 ^ destination.1.rotate_left(32);
        let mixed = mix(mix(source.0, source.1), here.wrapping_add(ports));
        mixed as usize & self.heads.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Flow, FlowIndex};
    use std::collections::HashMap;

    fn flow(number: u32) -> Flow {
        let [_, high, middle, low] = number.to_be_bytes();
        Flow {
            source: (Address::v4([10, high, middle, 1]), 1000 + u16::from(low)),
            destination: (Address::v4([10, 0, 0, 2]), 80),
        }
    }

    #[test]
    fn nothing_is_found_in_an_empty_index() {
        let mut index = FlowIndex::new([1, 2]);
        assert_eq!(index.find(&flow(1)), None);
        index.remove(0);
        assert!(index.try_reserve(1));
        assert_eq!(index.find(&flow(1)), None);
        index.remove(0);
    }

    #[test]
    fn it_finds_what_a_map_finds() {
        let mut index = FlowIndex::new([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]);
        let (mut known, mut random) = (HashMap::new(), 1u32);
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (random >> 8) % 700;
            if known.remove(&number).is_some() {
                index.remove(number);
                assert_eq!(index.find(&flow(number)), None);
            } else {
                assert!(index.try_reserve(number as usize + 1));
                index.insert(&flow(number), number);
                known.insert(number, ());
            }
            let other = (random >> 4) % 700;
            assert_eq!(index.find(&flow(other)).is_some(), known.contains_key(&other));
            assert!(index.find(&flow(other)).is_none_or(|found| found == other));
        }
    }

    #[test]
    fn a_newer_one_with_the_same_ends_hides_the_older_one() {
        let mut index = FlowIndex::new([3, 4]);
        assert!(index.try_reserve(10));
        index.insert(&flow(1), 4);
        index.insert(&flow(1), 9);
        assert_eq!(index.find(&flow(1)), Some(9));
        index.remove(9);
        assert_eq!(index.find(&flow(1)), Some(4));
        index.insert(&flow(1), 9);
        index.remove(4);
        assert_eq!(index.find(&flow(1)), Some(9));
    }

    #[test]
    fn chains_stay_short_for_the_ports_of_one_host() {
        let mut index = FlowIndex::new([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
        let ports = |number: u32| Flow {
            source: (Address::v4([192, 0, 2, 1]), number as u16),
            destination: (Address::v4([10, 0, 0, 2]), 80),
        };
        assert!(index.try_reserve(4096));
        (0..4096).for_each(|number| index.insert(&ports(number), number));
        let length = |mut number: u32| {
            let mut length = 0;
            while let Some(entry) = index.entries.get(number as usize) {
                (number, length) = (entry.next, length + 1);
            }
            length
        };
        let longest = index.heads.iter().map(|head| length(*head)).max();
        assert!(longest < Some(16), "{longest:?}");
    }
}
