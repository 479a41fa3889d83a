//! Which record of a signed zone denies a name: the NSEC or NSEC3 records in their order (RFC 4034, 6.1; RFC 5155, 7.2).
//!
//! Both kinds are a list of owners, sorted once when the zone is loaded: NSEC records by their names, NSEC3 records by the
//! hashes that their first labels are, which sort as the names do. The record before a name that does not exist denies it.

use crate::kind::Kind;
use crate::labels::Labels;
use crate::sha1::{HASH, Sha1};
use crate::tree::{Label, MAX_NAME, NodeId, Tree};
use crate::zone::Zone;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// The most times that a hash is hashed again: each question for a name that is not there costs three hashes (RFC 9276,
/// 3.2, has servers set a limit).
pub(crate) const MAX_ITERATIONS: u16 = 150;
/// Digits of a hash in base32.
const DIGITS: usize = HASH * 8 / 5;

/// The records of a zone that deny names.
pub(crate) struct Denial {
    /// Their type: NSEC or NSEC3.
    pub(crate) kind: Kind,
    /// Their owners in order.
    owners: Vec<NodeId>,
    iterations: u16,
    salt: Vec<u8>,
}

impl Denial {
    /// The records of `zone` that deny names, if it is signed.
    #[inline(never)]
    pub(crate) fn of(zone: &Zone) -> Option<Self> {
        zone.set(zone.apex, Kind::RRSIG)?;
        // RFC 5155, 4: an algorithm, flags, iterations, and the salt behind its length.
        let parameters = zone.set(zone.apex, Kind::NSEC3PARAM).and_then(|set| zone.data(set).next());
        let kind = if parameters.is_some() { Kind::NSEC3 } else { Kind::NSEC };
        let parameters = parameters.and_then(|data| data.split_at_checked(2)).unwrap_or_default().1;
        let iterations = parameters.first_chunk().map_or(0, |octets| u16::from_be_bytes(*octets));
        let mut owners = Vec::new();
        for node in zone.tree.nodes() {
            // Another chain, with other parameters, may be in the making: it is none of ours.
            let is_ours = |data: &[u8]| data.get(2..).is_some_and(|rest| rest.starts_with(parameters));
            let set = zone.set(node, kind);
            if set.is_some_and(|set| kind == Kind::NSEC || zone.data(set).any(is_ours)) {
                owners.push(node);
            }
        }
        sort(&mut owners, &|one, other| compare(&zone.tree, one, other));
        let salt = parameters.get(3..).unwrap_or_default().to_vec();
        (!owners.is_empty()).then_some(Self { kind, owners, iterations, salt })
    }

    /// The owner that comes last before the name of `label` under `encloser`, which does not exist.
    pub(crate) fn before(&self, zone: &Zone, encloser: NodeId, label: &[u8]) -> Option<NodeId> {
        self.last(&|owner| {
            let tree = &zone.tree;
            if owner == encloser || !tree.is_within(owner, encloser) {
                return compare(tree, owner, encloser) != Ordering::Greater;
            }
            let mut node = owner;
            while tree.parent(node) != encloser {
                node = tree.parent(node);
            }
            lower(tree.label(node)).lt(lower(label))
        })
    }

    /// The owner that denies types of `node`: itself, or the one that comes last before it where it has no record, because
    /// there are only names below it.
    pub(crate) fn at_or_before(&self, zone: &Zone, node: NodeId) -> Option<NodeId> {
        self.last(&|owner| compare(&zone.tree, owner, node) != Ordering::Greater)
    }

    /// The last owner for which `is_before` holds, as it does for all before; the last of all if there is none: hashes go
    /// round in a circle.
    #[inline(never)]
    fn last(&self, is_before: &dyn Fn(NodeId) -> bool) -> Option<NodeId> {
        let (mut low, mut high) = (0, self.owners.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.owners.get(middle).is_some_and(|owner| is_before(*owner)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1).and_then(|place| self.owners.get(place)).or(self.owners.last()).copied()
    }

    /// The first label of the NSEC3 record that matches `name` in `message` without its first `index` labels, or with a `*`
    /// in their place (RFC 5155, 5).
    #[inline(never)]
    pub(crate) fn label(
        &self,
        name: &Labels,
        message: &[u8],
        index: usize,
        is_wildcard: bool,
    ) -> [u8; DIGITS] {
        let mut wire = [0; MAX_NAME + 2];
        let mut end = 0;
        let mut put = |octets: &[u8]| {
            let place = wire.get_mut(end..end + octets.len()).unwrap_or_default();
            for (place, octet) in place.iter_mut().zip(octets) {
                *place = octet.to_ascii_lowercase();
            }
            end += octets.len();
        };
        if is_wildcard {
            put(b"\x01*");
        }
        for index in index..name.count() {
            let label = name.octets(message, index);
            put(&[label.len() as u8]); // at most 63
            put(label);
        }
        put(&[0]);
        let mut hash = Sha1::hash([wire.get(..end).unwrap_or_default(), &self.salt]);
        for _ in 0..self.iterations {
            hash = Sha1::hash([&hash, &self.salt]);
        }
        let mut digits = [0; DIGITS];
        for (digits, octets) in digits.as_chunks_mut::<8>().0.iter_mut().zip(hash.as_chunks::<5>().0) {
            let group = octets.iter().fold(0, |group, octet| group << 8 | u64::from(*octet));
            for (place, digit) in (0..8).rev().zip(digits) {
                let value = (group >> (5 * place) & 31) as u8;
                *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
            }
        }
        digits
    }

    /// The node of the NSEC3 record whose first label is `label`, if there is one.
    pub(crate) fn matching(&self, zone: &Zone, label: &[u8]) -> Option<NodeId> {
        let node = zone.tree.child(zone.apex, Label::new(label, label.len()))?;
        zone.set(node, self.kind).map(|_| node)
    }
}

fn lower(label: &[u8]) -> impl Iterator<Item = u8> {
    label.iter().map(u8::to_ascii_lowercase)
}

/// The canonical order of two names (RFC 4034, 6.1): the labels decide, the last first.
#[inline(never)]
fn compare(tree: &Tree, mut one: NodeId, mut other: NodeId) -> Ordering {
    let depths = tree.depth(one).cmp(&tree.depth(other));
    while tree.depth(one) > tree.depth(other) {
        one = tree.parent(one);
    }
    while tree.depth(other) > tree.depth(one) {
        other = tree.parent(other);
    }
    if one == other {
        return depths;
    }
    while tree.parent(one) != tree.parent(other) {
        (one, other) = (tree.parent(one), tree.parent(other));
    }
    lower(tree.label(one)).cmp(lower(tree.label(other)))
}

/// Sorts in place, and in as little code as that takes: a heap, from which the last is taken time and again.
#[inline(never)]
fn sort(nodes: &mut [NodeId], order: &dyn Fn(NodeId, NodeId) -> Ordering) {
    let mut end = nodes.len();
    let mut start = end / 2;
    while end > 1 {
        if start > 0 {
            start -= 1;
        } else {
            end -= 1;
            nodes.swap(0, end);
        }
        let mut parent = start;
        loop {
            let is_less = |one: usize, other: usize| match nodes
                .get(..end)
                .map(|heap| (heap.get(one), heap.get(other)))
            {
                Some((Some(&one), Some(&other))) => order(one, other) == Ordering::Less,
                _ => false,
            };
            let left = 2 * parent + 1;
            let child = if is_less(left, left + 1) { left + 1 } else { left };
            if !is_less(parent, child) {
                break;
            }
            nodes.swap(parent, child);
            parent = child;
        }
    }
}
