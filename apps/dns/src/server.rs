//! The server: its zones, found by the longest name that matches, and the answer to one message.
//!
//! [`Server::answer`] takes a message and gives its answer; nothing else happens, so the same code serves UDP, TCP,
//! tests and fuzzing. It allocates nothing: an answer is written straight into the caller's buffer. As every answer begins
//! with its question, [`Server::answer_in_place`] writes it behind that, where the message itself stands.

mod access;
mod query_log;
mod upkeep;

use crate::configuration::ZoneOptions;
use crate::cookie::{SECRET, Secret, Secrets, Standing};
use crate::counters::{Counters, KindCounters, TransferCounters};
use crate::edns::{COOKIE_ROOM, Reason};
use crate::kind::{Kind, Purpose};
use crate::labels::Labels;
use crate::limit::{Limiter, Network, Subject, Verdict};
use crate::origin::{Origin, Transport};
use crate::query::{CLASS_ANY, CLASS_CH, CLASS_IN, Code, HEADER, Query, Rejected, flag, header};
use crate::response::Response;
use crate::settings::{Cookies, Settings};
use crate::transfer::Journal;
use crate::tree::{Label, NodeId, Tree};
use crate::tsig::Key;
use crate::zone::Zone;
use access::Sender;
pub(crate) use access::{Answer, Identity, Transfer};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::net::IpAddr;
use unik_sched::counter::Counter;
use unik_sched::sync::Lines;

/// A zone was not taken, because the server has one of this name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duplicate;

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another file holds a zone of the same name")
    }
}

impl core::error::Error for Duplicate {}

/// A zone, or the want of one.
pub(crate) struct Slot {
    /// The name of the zone in [`Server::tree`].
    node: NodeId,
    /// `None` where it could not be loaded, has not come yet, or has expired.
    zone: Option<Rc<Zone>>,
    /// What changed up to this version, for those who ask.
    journal: Journal,
    /// The place of what is said of it in [`Server::options`].
    options: Option<usize>,
    /// Who told of a new version since somebody looked.
    told_by: Cell<Option<IpAddr>>,
    /// Questions that were answered from it, or that it was wanting for.
    queries: Counter,
}

impl Slot {
    fn new(node: NodeId) -> Self {
        Self {
            node,
            zone: None,
            journal: Journal::default(),
            options: None,
            told_by: Cell::new(None),
            queries: Counter::new(),
        }
    }

    pub(crate) fn zone(&self) -> Option<&Zone> {
        self.zone.as_deref()
    }
}

/// An authoritative name server without its sockets.
pub struct Server {
    slots: Vec<Slot>,
    /// The names of the zones and all names above them.
    tree: Tree,
    /// For each node of `tree` the place in `slots`, or [`NO_ZONE`].
    places: Vec<u32>,
    /// The zone of the last question, as a node of `tree`: the next one is likely to be for it.
    recent: Cell<NodeId>,
    counters: Rc<Counters>,
    kinds: Rc<KindCounters>,
    transfers: Rc<TransferCounters>,
    settings: Settings,
    /// How many answers one network gets.
    limiter: Option<Limiter>,
    /// What cookies are made with.
    secrets: Option<Secrets>,
    /// With which messages are signed.
    keys: Vec<Key>,
    /// Who may have which zone, and where it comes from.
    options: Vec<ZoneOptions<'static>>,
    /// Somebody told of a new version.
    has_news: Cell<bool>,
    /// Where the log of queries is written.
    lines: Option<Lines>,
    /// Queries before the next one that the log tells of.
    until_logged: Cell<u32>,
}

const NO_ZONE: u32 = u32::MAX;

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server without zones: it refuses every question.
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            tree: Tree::new(),
            places: vec![NO_ZONE],
            recent: Cell::new(NodeId::ROOT),
            counters: Rc::new(Counters::new()),
            kinds: Rc::new(KindCounters::new()),
            transfers: Rc::new(TransferCounters::new()),
            settings: Settings::default(),
            limiter: None,
            secrets: None,
            keys: Vec::new(),
            options: Vec::new(),
            has_news: Cell::new(false),
            lines: None,
            until_logged: Cell::new(0),
        }
    }

    /// Answers as `settings` say from now on. What they say of limits and cookies needs [`Server::protect`].
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Writes the log of queries, as the settings want it, into `lines` from now on.
    pub fn log_into(&mut self, lines: Lines) {
        self.lines = Some(lines);
    }

    /// Limits answers and makes cookies as the settings say, with numbers that `random` gives and nobody should be able to guess.
    /// Gives `false` where there is no memory for the former.
    #[inline(never)]
    pub fn protect(&mut self, random: &mut dyn FnMut() -> [u8; SECRET]) -> bool {
        self.secrets = match self.settings.cookies {
            Cookies::Off => None,
            Cookies::Own => Some(Secrets { current: Secret::new(random()), previous: None }),
            Cookies::Shared(secrets) => Some(secrets),
        };
        self.limiter = self.settings.limit.and_then(|limit| Limiter::try_new(limit, random()));
        self.limiter.is_some() || self.settings.limit.is_none()
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
        let place = self.place_of(&mut zone.labels())?;
        let slot = self.slots.get_mut(place).filter(|slot| slot.zone.is_none()).ok_or(Duplicate)?;
        slot.zone = Some(Rc::new(zone));
        Ok(())
    }

    /// Answers questions for `name`, such as `example.org`, and all below it with SERVFAIL, because the zone of that name
    /// could not be loaded: nobody is to believe that there is nothing, or to be told what a zone above makes of it.
    ///
    /// # Errors
    /// [`Duplicate`] if a zone of that name is served, which it goes on being, or fails already, or if `name` is no name.
    #[inline(never)]
    pub fn add_failed(&mut self, name: &[u8]) -> Result<(), Duplicate> {
        let known = self.slots.len();
        let place = self.place_called(name)?;
        if place < known { Err(Duplicate) } else { Ok(()) }
    }

    /// The place of the zone called `name`, such as `example.org`, made if there is none.
    fn place_called(&mut self, name: &[u8]) -> Result<usize, Duplicate> {
        let labels = name.rsplit(|&octet| octet == b'.');
        self.place_of(&mut labels.skip_while(|label| label.is_empty()))
    }

    /// The place of the zone with these labels, the last first, made if there is none. [`Duplicate`] where they are no name.
    fn place_of(&mut self, labels: &mut dyn Iterator<Item = &[u8]>) -> Result<usize, Duplicate> {
        let mut node = NodeId::ROOT;
        for label in labels {
            node = self.tree.intern(node, Label::new(label, label.len())).ok_or(Duplicate)?;
        }
        self.places.try_reserve(self.tree.len() - self.places.len()).map_err(|_| Duplicate)?;
        self.places.resize(self.tree.len(), NO_ZONE);
        self.slots.try_reserve(1).map_err(|_| Duplicate)?;
        let place = self.places.get_mut(node.index()).ok_or(Duplicate)?;
        if *place == NO_ZONE {
            *place = self.slots.len() as u32; // fewer than nodes
            self.slots.push(Slot::new(node));
        }
        Ok(*place as usize)
    }

    /// The zones, in the order in which their names became known.
    pub fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.slots.iter().filter_map(|slot| slot.zone.as_deref())
    }

    /// What has been counted; a registry may keep a clone.
    pub fn counters(&self) -> &Rc<Counters> {
        &self.counters
    }

    /// What has been counted of queries by their types, likewise.
    pub fn kinds(&self) -> &Rc<KindCounters> {
        &self.kinds
    }

    /// What has been counted of zones that come and go, likewise.
    pub fn transfers(&self) -> &Rc<TransferCounters> {
        &self.transfers
    }

    /// Answers `query` into `out`, and gives the length of the answer in octets.
    ///
    /// `None` asks for silence: the message is shorter than a header, or is no query, or `out` is shorter than a
    /// header. An answer longer than the transport, the client or `out` allows is cut short and says so (TC). Transfers are
    /// refused: a [`Session`](crate::Session) gives them.
    pub fn answer(&self, query: &[u8], origin: &Origin<'_>, out: &mut [u8]) -> Option<usize> {
        let mut name = Labels::new();
        let mut sender = Sender::unknown();
        let parsed = self.read(query, origin, &mut name, &mut sender)?;
        self.respond_elsewhere(query, parsed, &mut name, &mut sender, origin, out)
    }

    /// Answers the query that is the first `length` octets of `message`, over it, and gives the length of the answer.
    ///
    /// `None` asks for silence, as for [`Server::answer`].
    pub fn answer_in_place(&self, message: &mut [u8], length: usize, origin: &Origin<'_>) -> Option<usize> {
        let mut name = Labels::new();
        let mut sender = Sender::unknown();
        let parsed = self.read(message.get(..length)?, origin, &mut name, &mut sender)?;
        self.respond(parsed, &mut name, &mut sender, origin, message)
    }

    /// Answers a query that came over a connection, like [`Server::answer`], or begins the transfer that it asks for.
    pub(crate) fn answer_stream(&self, query: &[u8], origin: &Origin<'_>, out: &mut [u8]) -> Option<Answer> {
        let mut name = Labels::new();
        let mut sender = Sender::unknown();
        let parsed = self.read(query, origin, &mut name, &mut sender)?;
        if let Ok(parsed) = &parsed
            && parsed.asks_for_transfer()
            && let Some(transfer) = self.transfer(query, parsed, &name, &mut sender, origin)
        {
            return Some(Answer::Transfer(transfer));
        }
        self.respond_elsewhere(query, parsed, &mut name, &mut sender, origin, out).map(Answer::Message)
    }

    /// Reads a query, and who signed it; a code where only a header answers it, `None` where nothing does.
    fn read(
        &self,
        query: &[u8],
        origin: &Origin<'_>,
        name: &mut Labels,
        sender: &mut Sender,
    ) -> Option<Result<Query, Code>> {
        self.counters.queries.increment();
        if origin.transport == Transport::Tcp {
            self.counters.tcp_queries.increment();
        }
        let parsed = match Query::parse(query, name) {
            Ok(parsed) => parsed,
            Err(Rejected::Code(Code::FormatError)) if self.secrets.is_some() => {
                match Query::without_question(query) {
                    Some(parsed) => parsed,
                    None => return Some(Err(Code::FormatError)),
                }
            }
            Err(Rejected::Code(code)) => return Some(Err(code)),
            Err(Rejected::Silence) => {
                self.counters.ignored.increment();
                return None;
            }
        };
        if let Some(secrets) = &self.secrets
            && let Some(asked) = parsed.edns.and_then(|edns| edns.cookie(query))
        {
            sender.cookie = secrets.answer(asked, origin.client, origin.clock.seconds());
            match sender.cookie.as_ref().map(|cookie| cookie.standing) {
                Some(Standing::Good) => self.counters.good_cookies.increment(),
                Some(Standing::Bad) => self.counters.bad_cookies.increment(),
                Some(Standing::Missing) | None => {}
            }
        }
        if parsed.signature.is_some() {
            return Some(self.identify(query, parsed, origin, sender));
        }
        Some(Ok(parsed))
    }

    /// Writes the answer to `query` into `out`.
    fn respond_elsewhere(
        &self,
        query: &[u8],
        parsed: Result<Query, Code>,
        name: &mut Labels,
        sender: &mut Sender,
        origin: &Origin<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let kept = parsed.as_ref().map_or(HEADER, |parsed| parsed.question_end);
        out.get_mut(..kept)?.copy_from_slice(query.get(..kept)?);
        self.respond(parsed, name, sender, origin, out)
    }

    /// Writes the answer to a query whose header, and question if it is in order, stand at the beginning of `message`.
    fn respond(
        &self,
        parsed: Result<Query, Code>,
        name: &mut Labels,
        sender: &mut Sender,
        origin: &Origin<'_>,
        message: &mut [u8],
    ) -> Option<usize> {
        if !matches!(sender.identity, Identity::Unsigned) {
            return self.respond_signed(parsed, name, sender, origin, message);
        }
        self.respond_to(parsed, name, sender, origin, message)
    }

    /// The same before it is signed.
    fn respond_to(
        &self,
        parsed: Result<Query, Code>,
        name: &mut Labels,
        sender: &Sender,
        origin: &Origin<'_>,
        message: &mut [u8],
    ) -> Option<usize> {
        let counters = &self.counters;
        let (length, code) = match parsed {
            Ok(parsed) => {
                self.kinds.count(parsed.kind);
                self.resolve(&parsed, name, sender, origin, message)?
            }
            Err(code) => self.reject(code, sender, origin, message)?,
        };
        match code {
            Code::NoError => counters.answered.increment(),
            Code::FormatError => counters.malformed.increment(),
            Code::NameError | Code::NameTooLong => counters.name_errors.increment(),
            Code::ServerFailure => counters.failures.increment(),
            Code::NotImplemented => counters.not_implemented.increment(),
            Code::Refused => counters.refused.increment(),
            Code::NotAuthoritative => counters.not_authoritative.increment(),
            Code::BadVersion => counters.bad_versions.increment(),
            // Each bad cookie is counted.
            Code::BadCookie => {}
        }
        if let Some(lines) = self.lines.as_ref().filter(|_| self.settings.log_queries != 0) {
            self.log_query(lines, message.get(..length)?, origin, code);
        }
        Some(length)
    }

    /// Answers with a header that says `code`, which is no longer than what was sent: it is not truncated, but may be one too many.
    #[inline(never)]
    fn reject(
        &self,
        code: Code,
        sender: &Sender,
        origin: &Origin<'_>,
        message: &mut [u8],
    ) -> Option<(usize, Code)> {
        match self.judge(sender, origin, Subject::ERROR) {
            Verdict::Drop => None,
            Verdict::Send | Verdict::Slip => Some((reject(code, message)?, code)),
        }
    }

    /// What becomes of an answer on `subject`: whoever has proven its address gets all, over UDP by a cookie or a signature.
    #[inline]
    fn judge(&self, sender: &Sender, origin: &Origin<'_>, subject: Subject) -> Verdict {
        let Some(limiter) = &self.limiter else { return Verdict::Send };
        if origin.transport == Transport::Tcp || sender.is_known() {
            return Verdict::Send;
        }
        let verdict = limiter.judge(origin.clock.now(), Network::of(origin.client), subject);
        match verdict {
            Verdict::Send => {}
            Verdict::Slip => self.counters.slipped.increment(),
            Verdict::Drop => self.counters.limited.increment(),
        }
        verdict
    }

    fn resolve(
        &self,
        parsed: &Query,
        name: &mut Labels,
        sender: &Sender,
        origin: &Origin<'_>,
        message: &mut [u8],
    ) -> Option<(usize, Code)> {
        let transport = origin.transport;
        let limit = transport.limit(parsed.edns);
        let mut reserved = parsed.edns.map_or(0, |edns| edns.room(self.settings.id.as_bytes()));
        if let Identity::Signed(signer) = &sender.identity {
            reserved += signer.room(&self.keys);
        }
        if sender.cookie.is_some() {
            reserved += COOKIE_ROOM;
        }
        let mut proofs = None; // too much to be moved about with the rest
        let mut response =
            Response::try_new(self, message, parsed.question_end, limit, reserved, &mut proofs)?;
        let is_current = parsed.edns.is_none_or(|edns| edns.version == 0);
        response.cookie = sender.cookie.as_ref().map(|cookie| &cookie.octets);
        response.is_any_class = parsed.class == CLASS_ANY;
        response.wants_proofs = parsed.edns.is_some_and(|edns| edns.dnssec_ok);
        match parsed.class {
            _ if !is_current => response.code = Code::BadVersion,
            _ if parsed.question_end == HEADER => response.code = sender.code(),
            CLASS_IN if parsed.is_notice => {
                let code = self.take_notice(name, response.message(), &sender.identity, origin.client);
                response.acknowledge(code);
            }
            CLASS_IN | CLASS_ANY if parsed.kind.purpose() == Purpose::Records => {
                response.resolve(name, parsed.kind, transport == Transport::Tcp);
            }
            CLASS_IN => response.version(name, parsed.kind, &sender.identity, origin),
            CLASS_CH => response.tell(name, parsed.kind),
            _ => response.refuse(Reason::NotSupported),
        }
        let code = response.code;
        match self.judge(sender, origin, response.subject) {
            Verdict::Send => {}
            Verdict::Slip => response.truncate(parsed.question_end),
            Verdict::Drop => return None,
        }
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
            && let Some(slot) = self.slot(recent)
            && let Some(zone) = slot.zone.as_deref()
            && let Some(below) = zone.labels_below(name, message)
            && (below > 0 || kind != Kind::DS)
        {
            slot.queries.increment();
            return Ok(zone);
        }
        let mut node = NodeId::ROOT;
        let mut left = name.count();
        let mut found = self.slot(node);
        while let Some(index) = left.checked_sub(1) {
            let Some(child) = self.tree.child(node, name.label(message, index)) else { break };
            (node, left) = (child, index);
            let here = self.slot(node);
            if here.is_some() && (found.is_none() || left > 0 || kind != Kind::DS) {
                found = here;
                self.recent.set(node);
            }
        }
        let slot = found.ok_or(Code::Refused)?;
        slot.queries.increment();
        slot.zone.as_deref().ok_or(Code::ServerFailure)
    }

    fn slot(&self, node: NodeId) -> Option<&Slot> {
        self.slots.get(*self.places.get(node.index())? as usize)
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
