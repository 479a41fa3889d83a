//! Which record of a signed zone denies a name: the NSEC or NSEC3 records in their order (RFC 4034, 6.1; RFC 5155, 7.2).
//!
//! Both kinds are a list of owners, sorted once when the zone is loaded: NSEC records by their names, NSEC3 records by the
//! hashes that their first labels are, which sort as the names do. The record before a name that does not exist denies it.

use crate::kind::Kind;
use crate::labels::Labels;
use crate::sha1::{BLOCK, HASH, Sha1};
use crate::tree::{Label, MAX_NAME, NodeId, Tree};
use crate::zone::Zone;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// SHA-1, the only algorithm of hashes there is (RFC 5155, 11).
const ALGORITHM: u8 = 1;
/// The most blocks of SHA-1 that hashing a hash again and again may take: fifty iterations, if the salt leaves each in one
/// block. RFC 9276, 3.2, has servers set a limit, and validators take more iterations as no proof. A denial costs at most
/// ten hashes, and three or fewer where opt-out leaves no names without a record.
const MAX_BLOCKS: usize = 50;
/// Digits of a hash in base32.
const DIGITS: usize = HASH * 8 / 5;

/// The records of a zone that deny names.
pub(crate) struct Denial {
    /// Their type: NSEC or NSEC3.
    pub(crate) kind: Kind,
    /// Their owners in order.
    owners: Vec<NodeId>,
    /// The owner of the NSEC3 record that matches the name of the zone.
    pub(crate) apex: NodeId,
    iterations: u16,
    salt: Vec<u8>,
}

impl Denial {
    /// The records of `zone` that deny names, if it is signed.
    ///
    /// # Errors
    /// There is no memory for them.
    #[inline(never)]
    pub(crate) fn of(zone: &Zone) -> Result<Option<Self>, TryReserveError> {
        if zone.set(zone.apex, Kind::RRSIG).is_none() {
            return Ok(None);
        }
        // Parameters that are of no use are passed over (RFC 5155, 4.1.2).
        let parameters = zone.set(zone.apex, Kind::NSEC3PARAM);
        let hashed = parameters
            .and_then(|set| zone.data(set).find_map(|data| Self::hashed(zone, data).transpose()))
            .transpose()?;
        let (mut denial, parameters) = match hashed {
            Some(hashed) => hashed,
            None => (Self::try_new(zone, Kind::NSEC, 0, &[])?, [].as_slice()),
        };
        let kind = denial.kind;
        for node in zone.tree.nodes() {
            // Another chain, with other parameters, may be in the making: it is none of ours.
            let is_ours = |data: &[u8]| {
                data.first() == Some(&ALGORITHM)
                    && data.get(2..).is_some_and(|rest| rest.starts_with(parameters))
            };
            let set = zone.set(node, kind);
            if set.is_some_and(|set| kind == Kind::NSEC || zone.data(set).any(is_ours)) {
                denial.owners.try_reserve(1)?;
                denial.owners.push(node);
            }
        }
        sort(&mut denial.owners, &|one, other| compare(&zone.tree, one, other));
        Ok((!denial.owners.is_empty()).then_some(denial))
    }

    fn try_new(zone: &Zone, kind: Kind, iterations: u16, salt: &[u8]) -> Result<Self, TryReserveError> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(salt.len())?;
        copy.extend_from_slice(salt);
        Ok(Self { kind, owners: Vec::new(), apex: zone.apex, iterations, salt: copy })
    }

    /// What the NSEC3PARAM record of `data` stands for, without owners, and its parameters; `None` if it is to be ignored, or if
    /// no NSEC3 record of theirs matches the name of the zone.
    fn hashed<'z>(zone: &Zone, data: &'z [u8]) -> Result<Option<(Self, &'z [u8])>, TryReserveError> {
        // RFC 5155, 4: an algorithm, flags, iterations, and the salt behind its length.
        let [ALGORITHM, 0, parameters @ ..] = data else { return Ok(None) };
        let [high, low, _, salt @ ..] = parameters else { return Ok(None) };
        let mut denial = Self::try_new(zone, Kind::NSEC3, u16::from_be_bytes([*high, *low]), salt)?;
        let mut name = [0; MAX_NAME];
        let name = name.get_mut(..zone.length).unwrap_or_default();
        for (place, octet) in name.iter_mut().zip(&zone.wire_name) {
            *place = octet.to_ascii_lowercase();
        }
        let Some(apex) = denial.matching(zone, &denial.digits(name)) else { return Ok(None) };
        denial.apex = apex;
        Ok(Some((denial, parameters)))
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
        self.digits(wire.get(..end).unwrap_or_default())
    }

    /// The hash of `name`, a name on the wire in lower case, as a label.
    fn digits(&self, name: &[u8]) -> [u8; DIGITS] {
        #[cfg(test)]
        tests::HASHED.set(tests::HASHED.get() + 1);
        let mut hash = Sha1::hash([name, &self.salt]);
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

/// Whether hashes with the parameters of an NSEC3PARAM record with `data` take too long. Records that are to be ignored cost
/// nothing.
pub(crate) fn is_costly(data: &[u8]) -> bool {
    let [ALGORITHM, 0, high, low, salt, ..] = data else { return false };
    // Behind the hash and the salt, SHA-1 has an octet and a length of eight.
    let blocks = (HASH + usize::from(*salt) + 9).div_ceil(BLOCK);
    usize::from(u16::from_be_bytes([*high, *low])) * blocks > MAX_BLOCKS
}

fn lower(label: &[u8]) -> impl Iterator<Item = u8> {
    label.iter().map(u8::to_ascii_lowercase)
}

/// The canonical order of two names (RFC 4034, 6.1): the labels decide, the last first.
#[inline(never)]
fn compare(tree: &Tree, mut one: NodeId, mut other: NodeId) -> Ordering {
    let (depth, other_depth) = (tree.depth(one), tree.depth(other));
    for _ in other_depth..depth {
        one = tree.parent(one);
    }
    for _ in depth..other_depth {
        other = tree.parent(other);
    }
    if one == other {
        return depth.cmp(&other_depth);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Moment, Origin, Transport};
    use crate::server::Server;
    use core::cell::Cell;
    use std::format;
    use std::string::String;
    use std::vec;

    std::thread_local! {
        /// Names that were hashed.
        pub(super) static HASHED: Cell<usize> = const { Cell::new(0) };
    }

    /// The name of labels of one octet, as many as there are in `labels`, under `t.`, on the wire.
    fn wire(labels: &str) -> Vec<u8> {
        let mut wire: Vec<u8> = labels.bytes().flat_map(|label| [1, label]).collect();
        wire.extend(b"\x01t\x00");
        wire
    }

    /// A zone `t.` with opt-out, records that match the names in `signed` and an unsigned delegation of 120 labels.
    fn opt_out(signed: &[&str]) -> Zone {
        let hash = |labels: &str| {
            let denial = Denial {
                kind: Kind::NSEC3,
                owners: Vec::new(),
                apex: NodeId::ROOT,
                iterations: 50,
                salt: Vec::new(),
            };
            String::from_utf8(denial.digits(&wire(labels)).to_vec()).unwrap()
        };
        let mut text = format!(
            "$ORIGIN t.\n@ 60 SOA n.u. h.u. 1 2 3 4 5\n@ NS n.u.\n@ RRSIG SOA 13 1 60 4 3 2 t. AA==\n\
             @ NSEC3PARAM 1 0 50 -\n{}t. NS n.u.\n",
            "a.".repeat(120)
        );
        for labels in signed {
            let hash = hash(labels);
            text += &format!("{hash} NSEC3 1 1 50 - {hash} NS\n");
        }
        Zone::parse("t.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The hashes that a question for `labels` and the records that deny in its answer.
    fn ask(server: &Server, labels: &str) -> (usize, usize) {
        let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        query.extend(wire(labels));
        query.extend([0, 1, 0, 1, 0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0]);
        let mut out = vec![0; 65_535];
        HASHED.set(0);
        let client = [192, 0, 2, 99].into();
        let origin = Origin { client, transport: Transport::Tcp, clock: &Moment::START };
        let length = server.answer(&query, &origin, &mut out).unwrap();
        let denials = out[..length].windows(4).filter(|octets| *octets == [0, 50, 0, 1]).count();
        (HASHED.get(), denials)
    }

    #[test]
    fn however_deep_a_name_is_a_question_costs_few_hashes() {
        for signed in [&[""][..], &["", "a"], &["", "a", "aa", "aaa", "aaaa"]] {
            let mut server = Server::new();
            server.add(opt_out(signed)).unwrap();
            // A delegation without a record, a name between that has only it below, and names that are not there.
            for depth in [120, 119, 60, 5] {
                let deep = "a".repeat(depth);
                let (hashes, denials) = ask(&server, &deep);
                assert!((1..=10).contains(&hashes), "{hashes} hashes for {depth} labels");
                assert!((1..=2).contains(&denials), "{denials}");
                let (hashes, denials) = ask(&server, &format!("x{}", deep.get(1..).unwrap_or_default()));
                assert!((1..=10).contains(&hashes), "{hashes} hashes for {depth} labels");
                assert!((1..=3).contains(&denials), "{denials}");
            }
            // Right below the apex there is no need to look.
            assert_eq!(ask(&server, "x").0, 2);
        }
    }

    #[test]
    fn names_are_in_canonical_order_however_deep_they_are() {
        // The example of RFC 4034, 6.1, without what is no letter.
        let names =
            ["example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example"];
        let deep: Vec<String> = (1..120).map(|depth| format!("{}zz.example", "b.".repeat(depth))).collect();
        let mut tree = Tree::new();
        let names: Vec<NodeId> = names
            .into_iter()
            .chain(deep.iter().map(String::as_str))
            .map(|name| {
                let mut labels = name.split('.').rev();
                let root = NodeId::ROOT;
                labels.try_fold(root, |node, label| {
                    tree.intern(node, Label::new(label.as_bytes(), label.len()))
                })
            })
            .collect::<Option<_>>()
            .unwrap();
        for (place, one) in names.iter().enumerate() {
            for (other_place, other) in names.iter().enumerate() {
                assert_eq!(compare(&tree, *one, *other), place.cmp(&other_place));
            }
        }
    }
}
