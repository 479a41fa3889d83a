//! Records as they stand in messages (RFC 1035, 3.2 and 4.1.4).
//!
//! A [`Record`] is a look at the message; [`read_data`] makes data of it as zones keep them: names become nodes, whatever
//! compression they came with (RFC 3597, 4), and what is not data of its type is refused.

use crate::kind::{Kind, size};
use crate::labels::{Labels, skip};
use crate::master::{MIN_DIGEST, are_parameters, are_texts, is_bitmap};
use crate::query::u16_at;
use crate::tree::{NodeId, Tree};
use alloc::vec::Vec;
use core::ops::Range;

/// Octets between the owner of a record and its data: type, class, TTL and length.
const FIXED: usize = 10;
/// Numbers of a SOA record behind its names: serial, refresh, retry, expire, minimum (RFC 1035, 3.3.13).
const SOA_NUMBERS: usize = 20;

/// A record in a message.
#[derive(Clone)]
pub(crate) struct Record<'m> {
    message: &'m [u8],
    owner: usize,
    pub(crate) kind: Kind,
    pub(crate) class: u16,
    /// Seconds.
    pub(crate) time_to_live: u32,
    /// Where its data stand.
    pub(crate) data: Range<usize>,
    /// Whether names in it may be compressed.
    may_point: bool,
}

impl<'m> Record<'m> {
    /// The record at `at`, if it stands there whole.
    #[inline(never)]
    pub(crate) fn read(message: &'m [u8], at: usize) -> Option<Self> {
        let fixed = skip(message, at)?;
        let time_to_live =
            message.get(fixed + 4..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))?;
        let start = fixed + FIXED;
        let end = start + usize::from(u16_at(message, fixed + 8)?);
        message.get(start..end)?;
        Some(Self {
            message,
            owner: at,
            kind: Kind::new(u16_at(message, fixed)?),
            class: u16_at(message, fixed + 2)?,
            // RFC 2181, 8: with the upper bit set it is none.
            time_to_live: if time_to_live > i32::MAX as u32 { 0 } else { time_to_live },
            data: start..end,
            may_point: true,
        })
    }

    /// Data of type `kind` without a message around it, and so without names that lead back (RFC 3597, 5).
    pub(crate) fn of_data(kind: Kind, data: &'m [u8]) -> Self {
        let range = 0..data.len();
        Self { message: data, owner: 0, kind, class: 0, time_to_live: 0, data: range, may_point: false }
    }

    /// The offset behind it.
    pub(crate) fn end(&self) -> usize {
        self.data.end
    }

    /// Its owner as a node of `tree`, added if it is not there; `None` if it is no name, or there is no memory for it.
    pub(crate) fn owner(&self, tree: &mut Tree) -> Option<NodeId> {
        let mut name = Labels::new();
        name.follow(self.message, self.owner)?;
        intern(tree, &name, self.message)
    }

    /// Whether its owner is `name`, which stands in `other`.
    pub(crate) fn is_owned_by(&self, name: &[u8]) -> bool {
        let mut owner = Labels::new();
        owner.follow(self.message, self.owner).is_some() && owner.is_wire_name(self.message, name)
    }

    /// The serial number of the SOA record that it is.
    pub(crate) fn serial(&self) -> Option<u32> {
        let at = skip(self.message, skip(self.message, self.data.start)?)?;
        let is_soa = self.kind == Kind::SOA && at + SOA_NUMBERS == self.data.end;
        let numbers = self.message.get(at..).filter(|_| is_soa)?;
        numbers.first_chunk().map(|octets| u32::from_be_bytes(*octets))
    }
}

/// Adds the data of `record` to `data`, with names as nodes of `tree`. `None` if they are not data of its type.
#[inline(never)]
pub(crate) fn read_data(tree: &mut Tree, data: &mut Vec<u8>, record: &Record<'_>) -> Option<()> {
    // No field reads beyond the record: a pointer alone leads out of it, and only back.
    let message = record.message.get(..record.data.end)?;
    let mut at = record.data.start;
    let fields = record.kind.fields();
    if fields.is_empty() {
        data.extend_from_slice(message.get(at..)?);
        return Some(());
    }
    for &field in fields {
        let rest = message.get(at..)?;
        let length = match field {
            b'N' | b'n' | b'M' | b'm' => {
                let mut name = Labels::new();
                let end = if record.may_point {
                    name.follow(message, at)?;
                    skip(message, at)?
                } else {
                    name.read(message, at)?
                };
                data.extend_from_slice(&intern(tree, &name, message)?.to_bytes());
                at = end;
                continue;
            }
            b'w' => Labels::new().read(message, at)? - at,
            b's' | b'X' => 1 + usize::from(*rest.first()?),
            b'T' | b'h' => 1 + usize::from(*rest.first().filter(|length| **length > 0)?),
            _ => match size(field) {
                0 => rest.len(),
                size => size.into(),
            },
        };
        let part = rest.get(..length)?;
        let is_valid = match field {
            b'S' => are_texts(part, 0),
            b'b' => is_bitmap(part),
            b'p' => are_parameters(part),
            b'x' | b'6' => !part.is_empty(),
            b'z' => part.len() >= MIN_DIGEST,
            // RFC 1876, 2: there is one version.
            b'L' => part.starts_with(&[0]),
            _ => true,
        };
        data.extend_from_slice(is_valid.then_some(part)?);
        at += length;
    }
    (at == record.data.end).then_some(())
}

/// The node of `name`, which stands in `message`, added to `tree` if it is not there.
fn intern(tree: &mut Tree, name: &Labels, message: &[u8]) -> Option<NodeId> {
    let mut labels = (0..name.count()).rev();
    labels.try_fold(NodeId::ROOT, |node, index| tree.intern(node, name.label(message, index)))
}
