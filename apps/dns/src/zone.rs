//! A zone as it is served: every name a node, every node its record sets, nothing to change any more.
//!
//! [`Zone::parse`] makes one from a master file and checks it (see [`crate::master`]); from then on it is a few
//! tables without holes. Looking a name up walks the tree down from the apex and stops at a delegation, at the
//! name, or where the tree ends (RFC 1034, 4.3.2; RFC 4592 for what a wildcard then does).
//!
//! Names that only stand in data are nodes too, but do not *exist*: questions for them find nothing.

use crate::denial::Denial;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::master::{self, Include, ZoneError};
use crate::servers::Servers;
use crate::text::write_label;
use crate::tree::{Label, NodeId, Tree, have_same_words};
use crate::writer::Known;
use alloc::vec::Vec;
use core::fmt;

/// A zone, ready to be served.
pub struct Zone {
    pub(crate) tree: Tree,
    pub(crate) apex: NodeId,
    /// The name of the zone on the wire, and zeros behind it.
    pub(crate) wire_name: Vec<u8>,
    /// Octets of it.
    pub(crate) length: usize,
    /// Labels in it.
    pub(crate) depth: usize,
    /// For each node of the tree, and one more that marks the end.
    pub(crate) info: Vec<Packed>,
    pub(crate) sets: Vec<Set>,
    /// Each record's data after its length in two octets.
    pub(crate) data: Vec<u8>,
    pub(crate) records: usize,
    pub(crate) serial: u32,
    /// How long the absence of something may be remembered, in seconds (RFC 2308, 5).
    pub(crate) negative_ttl: u32,
    /// What denies names, if the zone is signed.
    pub(crate) denial: Option<Denial>,
    /// What most answers end with, if that is short.
    pub(crate) servers: Option<Servers>,
}

/// What the zone knows of a node.
#[derive(Clone, Copy)]
pub(crate) struct Info {
    /// The name owns records, or a name below it does.
    pub(crate) exists: bool,
    /// The name servers of another zone are named here.
    pub(crate) is_cut: bool,
    /// A `*` exists right below.
    pub(crate) has_wildcard: bool,
    /// Names below are redirected by a DNAME record, and there are no records of them (RFC 6672, 2).
    pub(crate) has_dname: bool,
}

/// An [`Info`] and the number of the node's first set, in one word. The sets end where the next node's begin.
#[derive(Clone, Copy, Default)]
pub(crate) struct Packed(u32);

impl Packed {
    pub(crate) const EXISTS: u32 = 1 << 28;
    pub(crate) const IS_CUT: u32 = 1 << 29;
    pub(crate) const HAS_WILDCARD: u32 = 1 << 30;
    pub(crate) const HAS_DNAME: u32 = 1 << 31;
    /// Numbers end here: a file of [`MAX_FILE`](crate::MAX_FILE) octets has fewer records.
    pub(crate) const NUMBERS: u32 = Self::EXISTS;

    /// No flags, and this number, which is below [`Packed::NUMBERS`].
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0 & (Self::NUMBERS - 1)
    }

    /// Puts another number, below [`Packed::NUMBERS`], in the place of the one before.
    pub(crate) fn set_number(&mut self, number: u32) {
        self.0 = self.0 & !(Self::NUMBERS - 1) | number;
    }

    pub(crate) fn mark(&mut self, flag: u32) {
        self.0 |= flag;
    }

    pub(crate) const fn is(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    const fn unpack(self) -> Info {
        Info {
            exists: self.is(Self::EXISTS),
            is_cut: self.is(Self::IS_CUT),
            has_wildcard: self.is(Self::HAS_WILDCARD),
            has_dname: self.is(Self::HAS_DNAME),
        }
    }
}

/// When a secondary asks for a newer version (RFC 1035, 3.3.13), in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timers {
    pub(crate) refresh: u32,
    pub(crate) retry: u32,
    pub(crate) expire: u32,
}

/// All records of one type at one name.
#[derive(Clone, Copy)]
pub(crate) struct Set {
    pub(crate) kind: Kind,
    pub(crate) records: u16,
    /// Seconds.
    pub(crate) time_to_live: u32,
    pub(crate) data: u32,
}

impl Set {
    /// The TTL of a signature, which is that of what it covers (RFC 4034, 3 and 3.1.4).
    #[inline(never)]
    pub(crate) fn original(&self, data: &[u8]) -> u32 {
        let original = data.get(4..).and_then(|rest| rest.first_chunk());
        original.map_or(self.time_to_live, |octets| u32::from_be_bytes(*octets))
    }

    /// The TTL of the record of the set that has `data`.
    pub(crate) fn time_to_live_of(&self, data: &[u8]) -> u32 {
        if self.kind == Kind::RRSIG { self.original(data) } else { self.time_to_live }
    }
}

/// How the walk to a name ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// At the name itself.
    Name(NodeId),
    /// At a delegation; the question's first `above` labels lie below it.
    Cut { node: NodeId, above: usize },
    /// At the closest name above that exists (RFC 4592, 3.3.1).
    Missing { encloser: NodeId },
}

impl Zone {
    /// Reads the master file `bytes` (RFC 1035, 5), which includes no other. `file` is what errors call it.
    ///
    /// # Errors
    /// The first mistake in the file: where it is, and what was expected there.
    pub fn parse<'f>(file: &'f str, bytes: &'f [u8]) -> Result<Self, ZoneError<'f>> {
        Self::read(file, bytes, &|_| None)
    }

    /// Reads the master file `bytes`, and those that it includes as `include` finds them.
    ///
    /// # Errors
    /// The first mistake in one of the files: where it is, and what was expected there.
    pub fn read<'f>(file: &'f str, bytes: &'f [u8], include: &'f Include<'f>) -> Result<Self, ZoneError<'f>> {
        master::parse(file, bytes, include)
    }

    /// The name of the zone, as text that ends in a dot.
    pub fn name(&self) -> impl fmt::Display {
        NameText { tree: &self.tree, node: self.apex }
    }

    /// Octets of its names and its data.
    pub(crate) fn octets(&self) -> usize {
        self.tree.octets() + self.data.len()
    }

    /// The labels of its name, the last first.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.depth).rev().map(|above| {
            let node = (0..above).fold(self.apex, |node, _| self.tree.parent(node));
            self.tree.label(node)
        })
    }

    /// Number of records, without the duplicates that the file may hold.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The version of the zone that its SOA tells (RFC 1035, 3.3.13).
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Its SOA record: the set, and the data of its one record.
    pub(crate) fn authority(&self) -> Option<(&Set, &[u8])> {
        let set = self.set(self.apex, Kind::SOA)?;
        Some((set, self.data(set).next()?))
    }

    /// The times that its SOA tells.
    pub(crate) fn timers(&self) -> Timers {
        let data = self.authority().map_or(&[][..], |(_, data)| data);
        let number = |at: usize| {
            data.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |octets| u32::from_be_bytes(*octets))
        };
        // Two names of four octets and the serial number come before them.
        Timers { refresh: number(12), retry: number(16), expire: number(20) }
    }

    /// How many labels of `name`, which stands in `message`, lie below the apex; `None` if it is somewhere else, or if it is no
    /// name in one piece.
    pub(crate) fn labels_below(&self, name: &Labels, message: &[u8]) -> Option<usize> {
        let below = name.count().checked_sub(self.depth)?;
        let (start, root) = (usize::from(name.offset(below)), usize::from(name.offset(name.count())));
        // The length of a label is no letter, so octets that are the same in this sense are the same labels.
        let is_here = start + self.length == root + 1
            && have_same_words(
                Label::new(message.get(start..)?, self.length),
                Label::new(&self.wire_name, self.length),
                0,
            );
        is_here.then_some(below)
    }

    pub(crate) fn info(&self, node: NodeId) -> Info {
        self.info.get(node.index()).copied().unwrap_or_default().unpack()
    }

    /// Walks down to `name`, which stands in `message` and lies at or below the apex, and lets `known` know the
    /// names on the way.
    pub(crate) fn find(&self, name: &Labels, message: &[u8], known: &mut Known) -> Found {
        let mut node = self.apex;
        let mut left = name.count().saturating_sub(self.depth);
        known.remember(node, name.offset(left).into());
        while let Some(index) = left.checked_sub(1) {
            let child = self.tree.child(node, name.label(message, index));
            let Some((child, info)) =
                child.map(|child| (child, self.info(child))).filter(|(_, info)| info.exists)
            else {
                return Found::Missing { encloser: node };
            };
            (node, left) = (child, index);
            known.remember(node, name.offset(left).into());
            if info.is_cut {
                return Found::Cut { node, above: left };
            }
        }
        Found::Name(node)
    }

    /// The node of `name`, which stands in `message` and lies at or below the apex, if it owns records or stands in data.
    pub(crate) fn mentioned(&self, name: &Labels, message: &[u8]) -> Option<NodeId> {
        let left = name.count().saturating_sub(self.depth);
        (0..left).rev().try_fold(self.apex, |node, index| self.tree.child(node, name.label(message, index)))
    }

    /// The name under `encloser` that answers for those that do not exist, if there is one.
    pub(crate) fn wildcard(&self, encloser: NodeId) -> Option<NodeId> {
        self.info(encloser).has_wildcard.then(|| self.tree.child(encloser, Label::new(b"*", 1))).flatten()
    }

    /// The node whose records are those of `target`, a name in data: itself, or a wildcard that answers for it.
    pub(crate) fn host(&self, target: NodeId) -> Option<NodeId> {
        let mut node = target;
        while !self.info(node).exists {
            if node == NodeId::ROOT {
                return None;
            }
            node = self.tree.parent(node);
        }
        if node == target { Some(node) } else { self.wildcard(node) }
    }

    /// Whether the name of `node` is a delegation, or lies below one.
    pub(crate) fn is_delegated(&self, mut node: NodeId) -> bool {
        while node > self.apex && !self.info(node).is_cut {
            node = self.tree.parent(node);
        }
        self.info(node).is_cut
    }

    /// The record sets of `node`.
    pub(crate) fn sets(&self, node: NodeId) -> &[Set] {
        let sets = || {
            let [first, end] = self.info.get(node.index()..)?.first_chunk()?;
            self.sets.get(first.number() as usize..end.number() as usize)
        };
        sets().unwrap_or(&[])
    }

    /// The records of type `kind` at `node`.
    pub(crate) fn set(&self, node: NodeId, kind: Kind) -> Option<&Set> {
        self.sets(node).iter().find(|set| set.kind == kind)
    }

    /// The data of each record of `set`.
    pub(crate) fn data(&self, set: &Set) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.data.get(set.data as usize..).unwrap_or(&[]);
        (0..set.records).map_while(move |_| {
            let (length, behind) = rest.split_first_chunk()?;
            let (data, behind) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
            rest = behind;
            Some(data)
        })
    }

    /// The names that the records of `set` point to: name servers, mail servers or hosts of a service.
    pub(crate) fn targets(&self, set: &Set) -> impl Iterator<Item = NodeId> {
        let shape = set.kind.shape();
        self.data(set).filter_map(move |data| {
            let (node, _) = data.get(shape.start(data)..)?.split_first_chunk()?;
            (shape.names > 0).then_some(NodeId::from_bytes(*node))
        })
    }
}

/// A name as text (RFC 1035, 5.1): absolute, special characters escaped.
pub(crate) struct NameText<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) node: NodeId,
}

impl fmt::Display for NameText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let mut node = self.node;
        if node == NodeId::ROOT {
            return f.write_char('.');
        }
        while node != NodeId::ROOT {
            write_label(f, self.tree.label(node))?;
            node = self.tree.parent(node);
        }
        Ok(())
    }
}

/// The last number of SOA data: for how long the absence of something may be remembered (RFC 2308, 4).
pub(crate) fn minimum(data: &[u8]) -> u32 {
    data.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}
