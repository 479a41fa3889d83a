//! A transfer that a secondary asked for, message by message (RFC 5936, 2.2; RFC 1995, 4).

use super::Difference;
use crate::draft::wire::Record;
use crate::edns::Edns;
use crate::kind::Kind;
use crate::origin::Transport;
use crate::query::{HEADER, flag, header};
use crate::tree::NodeId;
use crate::writer::{Full, Owner, Writer};
use crate::zone::{Set, Zone};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A message with so many octets is sent: pointers reach all names in it.
const ENOUGH: usize = 0x3f00;
/// The most octets of a message.
const MOST: usize = 65_535;

/// What comes next.
#[derive(Clone, Copy)]
enum Next {
    /// The SOA record that begins the transfer.
    First,
    /// Record `record` of set `set` of the node with this number.
    Zone {
        node: usize,
        set: usize,
        record: usize,
    },
    /// What stands at `at` of a difference.
    Difference {
        index: usize,
        at: usize,
    },
    /// The SOA record that ends it.
    Last,
    Done,
}

/// A transfer on its way. The version that it began with is kept as long as it takes.
pub(crate) struct Outgoing {
    zone: Rc<Zone>,
    /// `None` for the whole zone.
    differences: Option<Vec<Rc<Difference>>>,
    /// Header and question of the query.
    query: Vec<u8>,
    edns: Option<Edns>,
    next: Next,
    /// The SOA record is all: the client has this version.
    is_current: bool,
}

impl Outgoing {
    /// Answers the query whose header and question are `query` with `differences`, or with all of `zone` where there are none.
    /// `None` if there is no memory for it.
    pub(crate) fn try_new(
        zone: Rc<Zone>,
        differences: Option<Vec<Rc<Difference>>>,
        query: &[u8],
        edns: Option<Edns>,
    ) -> Option<Self> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(query.len()).ok()?;
        copy.extend_from_slice(query);
        let is_current = differences.as_ref().is_some_and(Vec::is_empty);
        Some(Self { zone, differences, query: copy, edns, next: Next::First, is_current })
    }

    /// Whether the last message has been written.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.next, Next::Done)
    }

    /// Writes the next message into `out`, of which the last `reserved` octets stay free, and gives its length. `None` where
    /// a record fits in no message: the connection is of no use then.
    #[inline(never)]
    pub(crate) fn message(&mut self, out: &mut [u8], reserved: usize) -> Option<usize> {
        let is_first = matches!(self.next, Next::First);
        // RFC 5936, 2.2.1: the question stands in the first message.
        let begun = if is_first { self.query.len() } else { HEADER };
        out.get_mut(..begun)?.copy_from_slice(self.query.get(..begun)?);
        let mut writer = Writer::try_new(out, begun, MOST, reserved)?;
        let mut answers = 0_u16;
        while writer.at() < ENOUGH && !self.is_done() {
            let mark = writer.mark();
            match self.record(&mut writer) {
                Ok(is_written) => answers += u16::from(is_written), // a record takes eleven octets
                Err(Full) if answers > 0 => {
                    writer.rewind(mark);
                    break;
                }
                Err(Full) => return None,
            }
        }
        let mut additional = 0_u16;
        // RFC 5936, 2.2.5: one in the first message is enough.
        if let Some(edns) = self.edns.filter(|_| is_first) {
            let written = edns.write(&mut writer, 0, None, Transport::Tcp, &[], None);
            additional += u16::from(written.is_ok());
        }
        let [_, asked, ..] = header(writer.written())?;
        let flags = flag::RESPONSE | flag::AUTHORITATIVE | asked & flag::RECURSION_DESIRED;
        for (at, field) in (2..).step_by(2).zip([flags, u16::from(is_first), answers, 0, additional]) {
            writer.patch(at, field.to_be_bytes());
        }
        Some(writer.at())
    }

    /// Writes the next record, if there is one at this place, and goes on.
    fn record(&mut self, writer: &mut Writer<'_>) -> Result<bool, Full> {
        match self.next {
            Next::First => {
                self.authority(writer)?;
                self.next = match &self.differences {
                    Some(_) if self.is_current => Next::Done,
                    Some(_) => Next::Difference { index: 0, at: 0 },
                    None => Next::Zone { node: 0, set: 0, record: 0 },
                };
            }
            Next::Zone { node, set, record } => return self.zone_record(writer, node, set, record),
            Next::Difference { index, at } => {
                let difference = self.differences.as_ref().and_then(|list| list.get(index));
                let Some(difference) = difference else {
                    self.next = Next::Last;
                    return Ok(false);
                };
                let octets = difference.octets();
                // What we wrote ourselves is whole.
                let Some(end) = Record::read(octets, at).map(|record| record.end()) else {
                    self.next = Next::Difference { index: index + 1, at: 0 };
                    return Ok(false);
                };
                writer.bytes(octets.get(at..end).ok_or(Full)?)?;
                self.next = Next::Difference { index, at: end };
            }
            Next::Last => {
                self.authority(writer)?;
                self.next = Next::Done;
            }
            Next::Done => return Ok(false),
        }
        Ok(true)
    }

    /// Writes a record of the zone that is not its SOA record, and goes on to the next.
    fn zone_record(
        &mut self,
        writer: &mut Writer<'_>,
        node: usize,
        set: usize,
        record: usize,
    ) -> Result<bool, Full> {
        let zone = &*self.zone;
        let Some(id) = zone.tree.node(node) else {
            self.next = Next::Last;
            return Ok(false);
        };
        let Some(found) = zone.sets(id).get(set).filter(|found| found.kind != Kind::SOA || id != zone.apex)
        else {
            let is_behind = zone.sets(id).len() <= set;
            self.next = if is_behind {
                Next::Zone { node: node + 1, set: 0, record: 0 }
            } else {
                Next::Zone { node, set: set + 1, record: 0 }
            };
            return Ok(false);
        };
        let Some(data) = zone.data(found).nth(record) else {
            self.next = Next::Zone { node, set: set + 1, record: 0 };
            return Ok(false);
        };
        write(writer, zone, id, found, data)?;
        self.next = Next::Zone { node, set, record: record + 1 };
        Ok(true)
    }

    /// Writes the SOA record.
    fn authority(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let zone = &*self.zone;
        let (set, data) = zone.authority().ok_or(Full)?;
        write(writer, zone, zone.apex, set, data)
    }
}

fn write(writer: &mut Writer<'_>, zone: &Zone, node: NodeId, set: &Set, data: &[u8]) -> Result<(), Full> {
    writer.record(&zone.tree, Owner::Node(node), set, set.time_to_live_of(data), data)
}
