//! The writing of records into a message, with names compressed by the nodes of the zone's tree.
//!
//! A [`Writer`] fills somebody else's buffer up to a limit and never allocates. A name whose node was written
//! before becomes a pointer (RFC 1035, 4.1.4); finding out takes integer comparisons only. What did not fit is
//! taken back by [`Writer::rewind`], so a record set is in the message whole or not at all.

use crate::kind::{Kind, Shape};
use crate::query::CLASS_IN;
use crate::tree::{NodeId, Tree};
use crate::zone::Set;

/// Names that can be pointed to. Names beyond are written in full as far as they were not seen.
const MAX_KNOWN: usize = 32;
/// Offsets that a compression pointer can hold end here.
const POINTER_REACH: usize = 0x4000;
const POINTER: u16 = 0xc000;
/// The least first octet of a pointer.
const POINTER_OCTET: u8 = 0xc0;

/// The message is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// Where the names of one zone stand in the message.
pub(crate) struct Known {
    nodes: [NodeId; MAX_KNOWN],
    offsets: [u16; MAX_KNOWN],
    count: usize,
}

impl Known {
    /// Remembers that the name of `node` stands at `offset`, if there is room and a pointer can reach it.
    pub(crate) fn remember(&mut self, node: NodeId, offset: usize) {
        if offset >= POINTER_REACH {
            return;
        }
        if let (Some(place), Some(at)) = (self.nodes.get_mut(self.count), self.offsets.get_mut(self.count)) {
            *place = node;
            *at = offset as u16; // below POINTER_REACH
            self.count += 1;
        }
    }

    fn offset(&self, node: NodeId) -> Option<u16> {
        let known = self.nodes.get(..self.count)?;
        let place = known.iter().position(|&known| known == node)?;
        self.offsets.get(place).copied()
    }
}

/// The owner of a record.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// The name that stands at this offset of the message.
    At(u16),
    /// The name of this node.
    Node(NodeId),
}

/// A state to come back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
    known: usize,
}

/// A message in the making.
pub(crate) struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    limit: usize,
    pub(crate) known: Known,
}

impl<'o> Writer<'o> {
    /// Writes into `out` behind what is there in the first `begun` octets, at most `limit` octets in all, of which
    /// `reserved` are kept for later. `None` if there is more than that.
    pub(crate) fn try_new(out: &'o mut [u8], begun: usize, limit: usize, reserved: usize) -> Option<Self> {
        let limit = limit.min(out.len()).saturating_sub(reserved);
        let known = Known { nodes: [NodeId::ROOT; MAX_KNOWN], offsets: [0; MAX_KNOWN], count: 0 };
        (begun <= limit).then_some(Self { out, at: begun, limit, known })
    }

    /// What has been written.
    pub(crate) fn written(&self) -> &[u8] {
        self.out.get(..self.at).unwrap_or(&[])
    }

    /// What has been written, beside the names in it.
    pub(crate) fn parts(&mut self) -> (&[u8], &mut Known) {
        (self.out.get(..self.at).unwrap_or(&[]), &mut self.known)
    }

    /// Offset of the next octet.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Gives `octets` back that were kept.
    pub(crate) fn release(&mut self, octets: usize) {
        self.limit = (self.limit + octets).min(self.out.len());
    }

    /// Forgets where names stand, because what follows belongs to another zone.
    pub(crate) fn forget(&mut self) {
        self.known.count = 0;
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { at: self.at, known: self.known.count }
    }

    /// Takes back all that was written since `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.at = mark.at;
        self.known.count = mark.known;
    }

    /// Takes back all that stands behind the first `at` octets.
    pub(crate) fn cut(&mut self, at: usize) {
        self.at = self.at.min(at);
        self.known.count = 0;
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        let place = self.out.get_mut(self.at..end).ok_or(Full)?;
        place.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Writes `bytes` over what stands at `at`.
    pub(crate) fn patch<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        if let Some(place) = self.out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
    }

    /// Writes again the `length` octets that stand at `from`.
    pub(crate) fn copy(&mut self, from: usize, length: usize) -> Result<(), Full> {
        let end = self.at + length;
        if end > self.limit || end > self.out.len() || from + length > self.at {
            return Err(Full);
        }
        self.out.copy_within(from..from + length, self.at);
        self.at = end;
        Ok(())
    }

    /// Writes one record of `set` with `data`, its data as the zone keeps it (RFC 1035, 4.1.3).
    pub(crate) fn record(
        &mut self,
        tree: &Tree,
        owner: Owner,
        set: &Set,
        time_to_live: u32,
        data: &[u8],
    ) -> Result<(), Full> {
        match owner {
            Owner::At(offset) => self.pointer(offset)?,
            Owner::Node(node) => self.name(tree, node, true)?,
        }
        let start = self.fixed(set.kind, CLASS_IN, time_to_live)?;
        self.data(tree, set.kind.shape(), data)?;
        self.close(start);
        Ok(())
    }

    /// Points to the name that stands at `offset`, or writes it again as far as a pointer does not reach it.
    #[inline]
    pub(crate) fn pointer(&mut self, offset: u16) -> Result<(), Full> {
        if usize::from(offset) < POINTER_REACH {
            return self.bytes(&(POINTER | offset).to_be_bytes());
        }
        self.write_again(offset)
    }

    /// Writes the name again that stands at `offset`, as far as a pointer does not reach it.
    #[inline(never)]
    fn write_again(&mut self, offset: u16) -> Result<(), Full> {
        let mut from = usize::from(offset);
        while from >= POINTER_REACH {
            let length = *self.written().get(from).ok_or(Full)?;
            match length {
                0 => return self.bytes(&[0]),
                // A pointer that stands there reaches what it points to.
                POINTER_OCTET.. => return self.copy(from, 2),
                _ => self.copy(from, 1 + usize::from(length))?,
            }
            from += 1 + usize::from(length);
        }
        self.bytes(&(POINTER | from as u16).to_be_bytes()) // below POINTER_REACH
    }

    /// Writes what stands between the owner of a record and its data, and gives the offset of the data, for
    /// [`Writer::close`].
    #[inline]
    pub(crate) fn fixed(&mut self, kind: Kind, class: u16, time_to_live: u32) -> Result<usize, Full> {
        let [k0, k1] = kind.code().to_be_bytes();
        let [c0, c1] = class.to_be_bytes();
        let [t0, t1, t2, t3] = time_to_live.to_be_bytes();
        self.bytes(&[k0, k1, c0, c1, t0, t1, t2, t3, 0, 0])?;
        Ok(self.at)
    }

    /// Tells the length of the data that begin at `start` and end here.
    #[inline]
    pub(crate) fn close(&mut self, start: usize) {
        let length = (self.at - start) as u16; // the zone admits no longer data
        self.patch(start - 2, length.to_be_bytes());
    }

    fn data(&mut self, tree: &Tree, shape: Shape, data: &[u8]) -> Result<(), Full> {
        let (before, names, behind) = shape.split(data).ok_or(Full)?;
        self.bytes(before)?;
        for name in names {
            self.name(tree, NodeId::from_bytes(*name), shape.compress)?;
        }
        self.bytes(behind)
    }

    /// Writes the name of `node`; with `compress`, as few labels of it as a pointer allows.
    pub(crate) fn name(&mut self, tree: &Tree, mut node: NodeId, compress: bool) -> Result<(), Full> {
        while node != NodeId::ROOT {
            if compress && let Some(offset) = self.known.offset(node) {
                return self.bytes(&(POINTER | offset).to_be_bytes());
            }
            let at = self.at;
            self.bytes(tree.wire_label(node))?;
            self.known.remember(node, at);
            node = tree.parent(node);
        }
        self.bytes(&[0])
    }
}
