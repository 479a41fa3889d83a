//! A zone in the making: names and records one by one, until [`freeze`] makes the tables of a [`Zone`] of them.
//!
//! Master files, transfers and changes to a zone that is served all end here. A record comes from a message as
//! [`wire::Record`], from a zone by [`Draft::copy_of`], or from the reader of master files, which fills the same lists
//! itself. What makes no zone is refused at the end.

mod changes;
mod freeze;
pub(crate) mod wire;

use crate::kind::Kind;
use crate::master::Problem;
use crate::tree::{Label, NodeId, Tree};
use crate::zone::{Packed, Zone};
use alloc::vec::Vec;
pub(crate) use changes::Changes;
pub(crate) use freeze::freeze;
use wire::Record;

/// Octets of the length in front of a record's data.
const LENGTH: usize = 2;
/// Octets of a name in data: its node.
const NAME: usize = 4;
/// The most names in the data of one record.
const NAMES: usize = 2;

/// The most records: the tables of a zone count them in as many bits.
const MOST_ENTRIES: usize = Packed::NUMBERS as usize - 1;

/// One record of a zone in the making.
pub(crate) struct Entry {
    pub(crate) owner: NodeId,
    pub(crate) kind: Kind,
    pub(crate) time_to_live: u32,
    /// Where its length and its data begin in the data of all records.
    pub(crate) data: u32,
    /// Where it begins among all files of the zone, or its number where it came in a message.
    pub(crate) at: u32,
}

/// What a zone is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rules {
    /// The operator's file, who can mend it: whatever other servers would guess about is refused.
    File,
    /// What another server serves: only what cannot be served is refused.
    Transfer,
}

/// Names, records and data; see the module.
pub(crate) struct Draft {
    pub(crate) tree: Tree,
    pub(crate) entries: Vec<Entry>,
    /// Each record's data after its length in two octets, names as four octets of their node.
    pub(crate) data: Vec<u8>,
}

impl Draft {
    /// No records.
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), entries: Vec::new(), data: Vec::new() }
    }

    /// All records of `zone`, and no name that none of them needs.
    ///
    /// # Errors
    /// [`Problem::NoMemory`].
    #[inline(never)]
    pub(crate) fn copy_of(zone: &Zone) -> Result<Self, Problem> {
        let mut draft = Self::new();
        draft.tree.reserve(zone.tree.len(), zone.tree.octets());
        let copied = draft.copy(zone);
        copied.ok_or(Problem::NoMemory)?;
        Ok(draft)
    }

    fn copy(&mut self, zone: &Zone) -> Option<()> {
        self.entries.try_reserve_exact(zone.records()).ok()?;
        self.data.try_reserve_exact(zone.data.len()).ok()?;
        let mut names = Names { zone, copies: freeze::filled(NodeId::ROOT, zone.tree.len())? };
        for node in zone.tree.nodes() {
            for set in zone.sets(node) {
                let owner = names.copy(&mut self.tree, node)?;
                for data in zone.data(set) {
                    let at = self.entries.len() as u32; // a zone has fewer records
                    let start = self.begin(data.len())?;
                    let (before, named, behind) = set.kind.shape().split(data)?;
                    self.data.extend_from_slice(before);
                    for name in named {
                        let copy = names.copy(&mut self.tree, NodeId::from_bytes(*name))?;
                        self.data.extend_from_slice(&copy.to_bytes());
                    }
                    self.data.extend_from_slice(behind);
                    self.end(
                        start,
                        Entry { owner, kind: set.kind, time_to_live: set.time_to_live, data: 0, at },
                    )?;
                }
            }
        }
        Some(())
    }

    /// Adds `record`.
    ///
    /// # Errors
    /// [`Problem::NoMemory`], [`Problem::NotOfThisType`] where its data is not of its type, [`Problem::ExpectedName`] where its
    /// owner is no name, [`Problem::FileTooLong`] where there are too many.
    #[inline(never)]
    pub(crate) fn add(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        let added = self.try_add(record);
        if self.tree.is_starved() { Err(Problem::NoMemory) } else { added }
    }

    fn try_add(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        if !record.kind.is_of_data() {
            return Err(Problem::ExpectedKind);
        }
        if self.entries.len() >= MOST_ENTRIES {
            return Err(Problem::FileTooLong);
        }
        let owner = record.owner(&mut self.tree).ok_or(Problem::ExpectedName)?;
        let start = self.begin(record.data.len()).ok_or(Problem::NoMemory)?;
        let read = wire::read_data(&mut self.tree, &mut self.data, record);
        read.ok_or(Problem::NotOfThisType)?;
        let at = u32::try_from(self.entries.len()).map_err(|_| Problem::FileTooLong)?;
        let Record { kind, time_to_live, .. } = *record;
        self.end(start, Entry { owner, kind, time_to_live, data: 0, at }).ok_or(Problem::FileTooLong)
    }

    /// Makes room for a record with so many octets of data, and begins its data; gives where they begin.
    fn begin(&mut self, length: usize) -> Option<usize> {
        self.entries.try_reserve(1).ok()?;
        self.data.try_reserve(LENGTH + length + NAMES * NAME).ok()?;
        let start = self.data.len();
        self.data.extend_from_slice(&[0; LENGTH]);
        Some(start)
    }

    /// Ends the record whose data were begun at `start`.
    fn end(&mut self, start: usize, entry: Entry) -> Option<()> {
        let length = u16::try_from(self.data.len() - start - LENGTH).ok()?;
        *self.data.get_mut(start..)?.first_chunk_mut()? = length.to_le_bytes();
        self.entries.push(Entry { data: u32::try_from(start).ok()?, ..entry });
        Some(())
    }

    /// Takes the last record back.
    fn take_back(&mut self) {
        if let Some(entry) = self.entries.pop() {
            self.data.truncate(entry.data as usize);
        }
    }

    /// The data of `entry`.
    pub(crate) fn data_of(&self, entry: &Entry) -> &[u8] {
        record(&self.data, entry.data)
    }
}

/// Names of one zone, and which of a draft each became.
struct Names<'z> {
    zone: &'z Zone,
    /// For each node its copy; the root where there is none yet.
    copies: Vec<NodeId>,
}

impl Names<'_> {
    /// The node in `tree` of the name that `node` is.
    fn copy(&mut self, tree: &mut Tree, node: NodeId) -> Option<NodeId> {
        if let Some(copy) = self.copies.get(node.index()).filter(|copy| **copy != NodeId::ROOT) {
            return Some(*copy);
        }
        if node == NodeId::ROOT {
            return Some(node);
        }
        // As deep as a name has labels.
        let above = self.copy(tree, self.zone.tree.parent(node))?;
        let label = self.zone.tree.label(node);
        let copy = tree.intern(above, Label::new(label, label.len()))?;
        *self.copies.get_mut(node.index())? = copy;
        Some(copy)
    }
}

/// The data that stand at `at` after their length.
fn record(source: &[u8], at: u32) -> &[u8] {
    let record = || {
        let (length, rest) = source.get(at as usize..)?.split_first_chunk()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    };
    record().unwrap_or(&[])
}
