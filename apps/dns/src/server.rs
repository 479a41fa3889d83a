//! The server: its zones, found by the longest name that matches, and the answer to one message.
//!
//! [`Server::answer`] takes a message and gives its answer; nothing else happens, so the same code serves UDP, TCP,
//! tests and fuzzing. It allocates nothing: an answer is written straight into the caller's buffer. As every answer begins
//! with its question, [`Server::answer_in_place`] writes it behind that, where the message itself stands.

use crate::counters::Counters;
use crate::edns::{Edns, Reason};
use crate::kind::{Kind, Purpose};
use crate::labels::Labels;
use crate::query::{CLASS_ANY, CLASS_CH, CLASS_IN, Code, HEADER, Query, Rejected, flag, header};
use crate::response::Response;
use crate::settings::Settings;
use crate::tree::{Label, NodeId, Tree};
use crate::zone::Zone;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

/// The longest message over UDP in octets, asked for and sent: it passes every path of the Internet in one piece
/// (RFC 9715, 3.1).
pub const UDP_PAYLOAD: u16 = 1232;
/// The longest message over UDP to a client without EDNS (RFC 1035, 4.2.1).
const UDP_PLAIN: u16 = 512;

/// The way on which a message came, which bounds the length of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// One datagram.
    Udp {
        /// The longest answer in octets that may be sent, whatever the client takes: at most [`UDP_PAYLOAD`] unless
        /// the path is known. Never less than 512.
        limit: u16,
    },
    /// A stream with lengths in front of messages.
    Tcp,
}

impl Transport {
    /// UDP over a path that nobody knows.
    pub const UDP: Self = Self::Udp { limit: UDP_PAYLOAD };

    fn limit(self, edns: Option<Edns>) -> usize {
        let limit = match (self, edns) {
            (Self::Tcp, _) => u16::MAX,
            (Self::Udp { .. }, None) => UDP_PLAIN,
            // RFC 6891, 6.2.3: less than 512 means 512.
            (Self::Udp { limit }, Some(edns)) => edns.payload.min(limit).max(UDP_PLAIN),
        };
        limit.into()
    }
}

/// A zone was not taken, because the server has one of this name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duplicate;

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another file holds a zone of the same name")
    }
}

impl core::error::Error for Duplicate {}

/// An authoritative name server without its sockets.
pub struct Server {
    zones: Vec<Zone>,
    /// The names of the zones and all names above them.
    tree: Tree,
    /// For each node of `tree` the place in `zones`, or [`NO_ZONE`], or [`FAILED`].
    places: Vec<u32>,
    /// The zone of the last question, as a node of `tree`: the next one is likely to be for it.
    recent: Cell<NodeId>,
    counters: Rc<Counters>,
    settings: Settings,
}

const NO_ZONE: u32 = u32::MAX;
/// The zone of this name could not be loaded.
const FAILED: u32 = NO_ZONE - 1;

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server without zones: it refuses every question.
    pub fn new() -> Self {
        Self {
            zones: Vec::new(),
            tree: Tree::new(),
            places: vec![NO_ZONE],
            recent: Cell::new(NodeId::ROOT),
            counters: Rc::new(Counters::new()),
            settings: Settings::default(),
        }
    }

    /// Answers as `settings` say from now on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How questions are answered.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Serves `zone` too.
    ///
    /// # Errors
    /// [`Duplicate`] if a zone of that name is served already; it goes on being served.
    pub fn add(&mut self, zone: Zone) -> Result<(), Duplicate> {
        let mut node = NodeId::ROOT;
        for above in (0..zone.depth).rev() {
            let from = (0..above).fold(zone.apex, |node, _| zone.tree.parent(node));
            let label = zone.tree.label(from);
            // The name was good enough for the zone's own tree.
            node = self.tree.intern(node, Label::new(label, label.len())).ok_or(Duplicate)?;
        }
        self.places.resize(self.tree.len(), NO_ZONE);
        match self.places.get_mut(node.index()) {
            Some(place) if *place >= FAILED => *place = self.zones.len() as u32, // fewer than nodes
            _ => return Err(Duplicate),
        }
        self.zones.push(zone);
        Ok(())
    }

    /// Answers questions for `name`, such as `example.org`, and all below it with SERVFAIL, because the zone of that name
    /// could not be loaded: nobody is to believe that there is nothing, or to be told what a zone above makes of it.
    ///
    /// # Errors
    /// [`Duplicate`] if a zone of that name is served, which it goes on being, or if `name` is no name.
    #[inline(never)]
    pub fn add_failed(&mut self, name: &[u8]) -> Result<(), Duplicate> {
        let mut node = NodeId::ROOT;
        for label in name.rsplit(|&octet| octet == b'.').skip_while(|label| label.is_empty()) {
            node = self.tree.intern(node, Label::new(label, label.len())).ok_or(Duplicate)?;
        }
        self.places.resize(self.tree.len(), NO_ZONE);
        let place = self.places.get_mut(node.index()).filter(|place| **place == NO_ZONE);
        *place.ok_or(Duplicate)? = FAILED;
        Ok(())
    }

    /// The zones, in the order in which they were added.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// What has been counted; a registry may keep a clone.
    pub fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }

    /// Answers `query` into `out`, and gives the length of the answer in octets.
    ///
    /// `None` asks for silence: the message is shorter than a header, or is no query, or `out` is shorter than a
    /// header. An answer longer than the transport, the client or `out` allows is cut short and says so (TC).
    pub fn answer(&self, query: &[u8], transport: Transport, out: &mut [u8]) -> Option<usize> {
        let mut name = Labels::new();
        let parsed = self.read(query, transport, &mut name)?;
        let kept = parsed.as_ref().map_or(HEADER, |parsed| parsed.question_end);
        out.get_mut(..kept)?.copy_from_slice(query.get(..kept)?);
        self.respond(parsed, &mut name, transport, out)
    }

    /// Answers the query that is the first `length` octets of `message`, over it, and gives the length of the answer.
    ///
    /// `None` asks for silence, as for [`Server::answer`].
    pub fn answer_in_place(&self, message: &mut [u8], length: usize, transport: Transport) -> Option<usize> {
        let mut name = Labels::new();
        let parsed = self.read(message.get(..length)?, transport, &mut name)?;
        self.respond(parsed, &mut name, transport, message)
    }

    /// Reads a query; a code where only a header answers it, `None` where nothing does.
    fn read(&self, query: &[u8], transport: Transport, name: &mut Labels) -> Option<Result<Query, Code>> {
        self.counters.queries.increment();
        if transport == Transport::Tcp {
            self.counters.tcp_queries.increment();
        }
        match Query::parse(query, name) {
            Ok(parsed) => Some(Ok(parsed)),
            Err(Rejected::Code(code)) => Some(Err(code)),
            Err(Rejected::Silence) => {
                self.counters.ignored.increment();
                None
            }
        }
    }

    /// Writes the answer to a query whose header, and question if it is in order, stand at the beginning of `message`.
    fn respond(
        &self,
        parsed: Result<Query, Code>,
        name: &mut Labels,
        transport: Transport,
        message: &mut [u8],
    ) -> Option<usize> {
        let counters = &self.counters;
        let (length, code) = match parsed {
            Ok(parsed) => self.resolve(&parsed, name, transport, message)?,
            Err(code) => (reject(code, message)?, code),
        };
        match code {
            Code::NoError => counters.answered.increment(),
            Code::FormatError => counters.malformed.increment(),
            Code::NameError | Code::NameTooLong => counters.name_errors.increment(),
            Code::ServerFailure => counters.failures.increment(),
            Code::NotImplemented => counters.not_implemented.increment(),
            Code::Refused => counters.refused.increment(),
            Code::BadVersion => counters.bad_versions.increment(),
        }
        Some(length)
    }

    fn resolve(
        &self,
        parsed: &Query,
        name: &mut Labels,
        transport: Transport,
        message: &mut [u8],
    ) -> Option<(usize, Code)> {
        let limit = transport.limit(parsed.edns);
        let reserved = parsed.edns.map_or(0, |edns| edns.room(self.settings.id.as_bytes()));
        let mut proofs = None; // too much to be moved about with the rest
        let mut response =
            Response::try_new(self, message, parsed.question_end, limit, reserved, &mut proofs)?;
        let is_current = parsed.edns.is_none_or(|edns| edns.version == 0);
        response.is_any_class = parsed.class == CLASS_ANY;
        response.wants_proofs = parsed.edns.is_some_and(|edns| edns.dnssec_ok);
        match parsed.class {
            _ if !is_current => response.code = Code::BadVersion,
            CLASS_IN | CLASS_ANY if parsed.kind.purpose() == Purpose::Records => {
                response.resolve(name, parsed.kind, transport == Transport::Tcp);
            }
            CLASS_IN | CLASS_ANY => response.refuse(Reason::Prohibited),
            CLASS_CH => response.tell(name, parsed.kind),
            _ => response.refuse(Reason::NotSupported),
        }
        let code = response.code;
        if response.is_truncated {
            self.counters.truncated.increment();
        }
        Some((response.finish(parsed.edns, reserved, transport), code))
    }

    /// The zone that a question for `name` belongs to: the one with the longest name that ends `name`; for a
    /// question of type DS the one above, if it is ours (RFC 4035, 3.1.4.1).
    ///
    /// # Errors
    /// The code that says that there is none, or that it could not be loaded.
    pub(crate) fn zone(&self, name: &Labels, message: &[u8], kind: Kind) -> Result<&Zone, Code> {
        let recent = self.recent.get();
        if self.tree.is_leaf(recent)
            && let Some(zone) = self.zones.get(self.place(recent) as usize)
            && let Some(below) = zone.labels_below(name, message)
            && (below > 0 || kind != Kind::DS)
        {
            return Ok(zone);
        }
        let mut node = NodeId::ROOT;
        let mut left = name.count();
        let mut place = self.place(node);
        while let Some(index) = left.checked_sub(1) {
            let Some(child) = self.tree.child(node, name.label(message, index)) else { break };
            (node, left) = (child, index);
            let here = self.place(node);
            if here != NO_ZONE && (place == NO_ZONE || left > 0 || kind != Kind::DS) {
                place = here;
                self.recent.set(node);
            }
        }
        let missing = if place == FAILED { Code::ServerFailure } else { Code::Refused };
        self.zones.get(place as usize).ok_or(missing)
    }

    fn place(&self, node: NodeId) -> u32 {
        self.places.get(node.index()).copied().unwrap_or(NO_ZONE)
    }
}

/// Makes the header of a query one that answers it with `code` and nothing else.
fn reject(code: Code, message: &mut [u8]) -> Option<usize> {
    let [_, flags, ..] = header(message)?;
    let flags = flag::RESPONSE | flags & (flag::OPCODE | flag::RECURSION_DESIRED) | code as u16;
    let header: &mut [u8; HEADER] = message.first_chunk_mut()?;
    let [_, _, rest @ ..] = header;
    rest.fill(0);
    rest[..2].copy_from_slice(&flags.to_be_bytes());
    Some(HEADER)
}
