//! What changed between two versions of a zone, as IXFR tells it (RFC 1995, 4).

use super::is_newer;
use crate::kind::Kind;
use crate::query::CLASS_IN;
use crate::tree::{Label, NodeId};
use crate::zone::{Set, Zone};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// The most differences that are kept of a zone.
const MAX_DIFFERENCES: usize = 16;
/// The most records that others are compared with which stand elsewhere than before. Two versions that take more are too different
/// to tell how.
const MOST_SEARCHED: usize = 1 << 20;

/// The way from one version of a zone to another.
pub(crate) struct Difference {
    from: u32,
    to: u32,
    /// Records as on the wire, not compressed: the old SOA record, what goes, the new SOA record, what comes.
    octets: Vec<u8>,
}

impl Difference {
    /// The way from `old` to `new`, two versions of one zone. `None` if it takes more than `limit` octets, or more than there is
    /// memory for, or the versions have one number.
    #[inline(never)]
    pub(crate) fn between(old: &Zone, new: &Zone, limit: usize) -> Option<Self> {
        if !is_newer(new.serial(), old.serial()) {
            return None;
        }
        let mut octets = Vec::new();
        append_difference(&mut octets, old, new, limit)?;
        append_difference(&mut octets, new, old, limit)?;
        Some(Self { from: old.serial(), to: new.serial(), octets })
    }

    /// Its records, as on the wire.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// The last differences of a zone, each beginning where the one before ends.
#[derive(Default)]
pub(crate) struct Journal(Vec<Rc<Difference>>);

impl Journal {
    /// Keeps `difference`, and as many of those before it as come to `limit` octets with it.
    pub(crate) fn push(&mut self, difference: Difference, limit: usize) {
        if self.0.last().is_some_and(|last| last.to != difference.from) {
            self.0.clear();
        }
        let mut left = limit.saturating_sub(difference.octets.len());
        let fitting = |earlier: &&Rc<Difference>| {
            let length = earlier.octets.len();
            let fits = length <= left;
            left = left.saturating_sub(length);
            fits
        };
        let kept = self.0.iter().rev().take(MAX_DIFFERENCES - 1).take_while(fitting).count();
        self.0.drain(..self.0.len() - kept);
        if self.0.try_reserve(1).is_ok() {
            self.0.push(Rc::new(difference));
        } else {
            self.0.clear();
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The ways from version `serial` to the last one; `None` if they are not kept, or there is no memory for a list of them.
    pub(crate) fn since(&self, serial: u32) -> Option<Vec<Rc<Difference>>> {
        let first = self.0.iter().rposition(|difference| difference.from == serial)?;
        let wanted = self.0.get(first..)?;
        let mut list = Vec::new();
        list.try_reserve_exact(wanted.len()).ok()?;
        list.extend(wanted.iter().cloned());
        Some(list)
    }
}

/// Adds the SOA record of `zone` and all records that `other` does not have. `None` beyond `limit` octets, or without memory.
fn append_difference(octets: &mut Vec<u8>, zone: &Zone, other: &Zone, limit: usize) -> Option<()> {
    let (authority, data) = zone.authority()?;
    append(octets, zone, zone.apex, authority, data)?;
    let mut translated = Vec::new();
    let mut searched = 0;
    for node in zone.tree.nodes() {
        let sets = zone.sets(node);
        let counterpart = if sets.is_empty() { None } else { translate(zone, other, node) };
        for set in sets.iter().filter(|set| set.kind != Kind::SOA) {
            let same = counterpart.and_then(|node| other.set(node, set.kind));
            let same = same.filter(|same| same.time_to_live == set.time_to_live);
            let mut beside = same.map(|same| other.data(same));
            for data in zone.data(set) {
                let is_known = translate_data(&mut translated, zone, other, set.kind, data).is_some();
                let is_there = same.filter(|_| is_known).is_some_and(|same| {
                    // Most stand where they stood.
                    if beside.as_mut().and_then(Iterator::next).is_some_and(|data| data == translated) {
                        return true;
                    }
                    searched += usize::from(same.records);
                    other.data(same).any(|data| data == translated)
                });
                if searched > MOST_SEARCHED {
                    return None;
                }
                if !is_there {
                    append(octets, zone, node, set, data)?;
                    if octets.len() > limit {
                        return None;
                    }
                }
            }
        }
    }
    Some(())
}

/// The node of `other` that has the name of `node`, if there is one.
fn translate(zone: &Zone, other: &Zone, node: NodeId) -> Option<NodeId> {
    if node == NodeId::ROOT {
        return Some(node);
    }
    // As deep as a name has labels.
    let above = translate(zone, other, zone.tree.parent(node))?;
    let label = zone.tree.label(node);
    other.tree.child(above, Label::new(label, label.len()))
}

/// Makes `translated` what `data` are in `other`. `None` if it lacks a name of theirs.
fn translate_data(
    translated: &mut Vec<u8>,
    zone: &Zone,
    other: &Zone,
    kind: Kind,
    data: &[u8],
) -> Option<()> {
    translated.clear();
    translated.try_reserve(data.len()).ok()?;
    let (before, names, behind) = kind.shape().split(data)?;
    translated.extend_from_slice(before);
    for name in names {
        translated.extend_from_slice(&translate(zone, other, NodeId::from_bytes(*name))?.to_bytes());
    }
    translated.extend_from_slice(behind);
    Some(())
}

/// Adds a record of `set`, which `node` owns, with `data`.
fn append(octets: &mut Vec<u8>, zone: &Zone, node: NodeId, set: &Set, data: &[u8]) -> Option<()> {
    append_name(octets, zone, node)?;
    octets.try_reserve(10 + data.len()).ok()?;
    octets.extend_from_slice(&set.kind.code().to_be_bytes());
    octets.extend_from_slice(&CLASS_IN.to_be_bytes());
    octets.extend_from_slice(&set.time_to_live_of(data).to_be_bytes());
    let length_at = octets.len();
    octets.extend_from_slice(&[0; 2]);
    let (before, names, behind) = set.kind.shape().split(data)?;
    octets.extend_from_slice(before);
    for name in names {
        append_name(octets, zone, NodeId::from_bytes(*name))?;
    }
    octets.try_reserve(behind.len()).ok()?;
    octets.extend_from_slice(behind);
    let length = u16::try_from(octets.len() - length_at - 2).ok()?;
    *octets.get_mut(length_at..)?.first_chunk_mut()? = length.to_be_bytes();
    Some(())
}

/// Adds the name of `node`.
fn append_name(octets: &mut Vec<u8>, zone: &Zone, mut node: NodeId) -> Option<()> {
    octets.try_reserve(zone.tree.length(node)).ok()?;
    while node != NodeId::ROOT {
        octets.extend_from_slice(zone.tree.wire_label(node));
        node = zone.tree.parent(node);
    }
    octets.push(0);
    Some(())
}
