//! TLS between a stream and a [`Session`], with the same methods as that: octets of records in, octets of records out.
//!
//! [`Channel`] is the connection of rustls with what has arrived for it and what it wants to send; [`Secure`] moves plain
//! octets between it and the session. Invariants: what a connection holds is bounded, by [`INPUT_LIMIT`] of records that
//! arrived, as much of plain octets, and [`OUTPUT`] of records to be sent, or one flight of a handshake; nothing is read
//! while there is something to be sent; rustls is called only where there is memory for what it does.

use super::Tls;
use crate::server::Server;
use crate::session::{Session, Step};
use crate::settings::Settings;
use crate::stored::Section;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cmp::min;
use rustls::HandshakeKind;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use unik_sched::has_memory;
use unik_sched::time::Instant;

/// Octets of records that are read at a time, as long as no record is longer: most first flights fit.
const INPUT: usize = 2048;
/// The longest record (RFC 5246, 6.2.3). A message of a handshake has to fit too.
const INPUT_LIMIT: usize = HEADER + 16_384 + 2048;
/// The header of a record (RFC 8446, 5.1).
const HEADER: usize = 5;
/// Octets of records that are prepared to be sent.
const OUTPUT: usize = 8192;
/// The least that is added to what is prepared.
const CRUMB: usize = 1024;
/// What a record is longer than what it carries: header, nonce, kind and tag, with some to spare.
const OVERHEAD: usize = 64;
/// Memory of a queue that is kept while a connection is idle.
const KEPT: usize = INPUT;
/// What rustls takes in one turn behind the handshake. That it is enough is tried in tests/tls_memory.rs.
const TURN_MEMORY: usize = 4 * 1024;
const TURN_BLOCKS: usize = 64;
/// Turns in which rustls hands out its last words.
const LAST_TURNS: usize = 4;
/// What a client is told that speaks HTTP without TLS.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 41\r\n\r\nthis port is for HTTPS: use https:// URLs";

/// A connection of TLS, and the session in it.
pub(super) struct Secure<'a> {
    session: Session<'a>,
    channel: Channel,
    phase: Phase,
    tls: Rc<Tls>,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Client and server agree on keys.
    Shaking,
    /// The session talks.
    Talking,
    /// What is prepared is sent, and then that is the end.
    Parting,
    /// The same for the sending half alone; what still comes is thrown away by the session, as it comes.
    Lingering,
    /// The same, and the sending half is closed already.
    Listening,
    /// Nothing more, at once.
    Aborting,
}

impl<'a> Secure<'a> {
    pub(super) fn new(session: Session<'a>, connection: UnbufferedServerConnection, tls: Rc<Tls>) -> Self {
        let channel = Channel {
            connection,
            input: Vec::new(),
            filled: 0,
            output: Vec::new(),
            sent: 0,
            plain: Vec::new(),
            taken: 0,
            is_over: false,
        };
        Self { session, channel, phase: Phase::Shaking, tls }
    }

    pub(super) fn session(&self) -> &Session<'a> {
        &self.session
    }

    #[cfg(feature = "disk")]
    pub(super) fn session_mut(&mut self) -> &mut Session<'a> {
        &mut self.session
    }

    /// What of the session's contents is not in memory and can be sent now: there is room for it.
    #[inline]
    pub(super) fn section(&self) -> Option<Section> {
        self.session.section().filter(|_| self.phase == Phase::Talking && self.channel.room().is_some())
    }

    /// Puts as much of these contents of the session's section into records as there is room for.
    pub(super) fn enclose(&mut self, contents: &[u8], server: &Server<'a>, now: Instant) -> bool {
        self.transfer(Some(contents), server, now);
        true
    }

    pub(super) fn space(&mut self) -> &mut [u8] {
        match self.phase {
            Phase::Listening => self.session.space(),
            _ => self.channel.input.get_mut(self.channel.filled..).unwrap_or_default(),
        }
    }

    pub(super) fn received(&mut self, length: usize) {
        match self.phase {
            Phase::Listening => self.session.received(length),
            _ => self.channel.filled = min(self.channel.input.len(), self.channel.filled + length),
        }
    }

    pub(super) fn output(&self) -> &[u8] {
        self.channel.unsent()
    }

    pub(super) fn sent(&mut self, length: usize, settings: &Settings, now: Instant) {
        self.channel.sent += length;
        if self.channel.unsent().is_empty() {
            self.channel.output.clear();
            self.channel.sent = 0;
            // A ticket gives the head of a request no more time.
            let is_answer = self.phase != Phase::Talking || self.session.is_answering();
            if self.phase != Phase::Shaking && is_answer {
                // Of the response nothing new is sent, but it goes on from now.
                self.session.sent(0, settings, now);
            }
        }
    }

    pub(super) fn end(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) {
        self.session.end(server, now, wall);
    }

    pub(super) fn expire(&mut self, server: &Server<'a>, wall: Option<u64>) {
        if self.phase == Phase::Shaking {
            self.tls.counters().slow_handshakes.increment();
            self.phase = Phase::Aborting;
        } else if !self.channel.unsent().is_empty() {
            server.counters().slow_responses.increment();
            self.phase = Phase::Aborting;
        } else {
            self.session.expire(server, wall);
        }
    }

    pub(super) fn finish(&mut self) {
        self.session.finish();
        if self.phase == Phase::Shaking {
            self.phase = Phase::Parting;
        }
    }

    pub(super) fn advance(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) -> Step {
        loop {
            if self.phase == Phase::Aborting {
                return Step::Abort;
            }
            // While a session talks, as much is prepared as is sent at once.
            if self.phase != Phase::Talking && !self.channel.unsent().is_empty() {
                return Step::Write;
            }
            let step = match self.phase {
                Phase::Shaking => self.shake(),
                Phase::Talking => self.talk(server, now, wall),
                Phase::Parting | Phase::Aborting => Some(Step::Close),
                Phase::Lingering => {
                    self.phase = Phase::Listening;
                    Some(Step::Shut)
                }
                Phase::Listening => Some(self.session.advance(server, now, wall)),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Goes on with the handshake; `None` when something came of it.
    fn shake(&mut self) -> Option<Step> {
        if self.channel.input.first().is_some_and(u8::is_ascii_uppercase) && self.channel.filled > 0 {
            return self.refuse_plain();
        }
        match self.channel.pump(self.tls.handshake_memory(), Outgoing::Nothing) {
            Ok(true) => {
                self.tls.counters().handshakes.increment();
                if self.channel.connection.handshake_kind() == Some(HandshakeKind::Resumed) {
                    self.tls.counters().resumptions.increment();
                }
                self.phase = Phase::Talking;
                None
            }
            // An answer, if there is one, goes first.
            Ok(false) if !self.channel.unsent().is_empty() => None,
            Ok(false) => self.read_more(),
            Err(trouble) => {
                self.fail(trouble);
                None
            }
        }
    }

    /// Lets the session go on; `None` when something came of it.
    fn talk(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) -> Option<Step> {
        let step = self.session.advance(server, now, wall);
        if step == Step::Write {
            // What is not in memory comes from outside.
            if self.channel.room().is_none() || self.session.section().is_some() {
                return Some(Step::Write);
            }
            self.transfer(None, server, now);
            return None;
        }
        if step == Step::Read && self.channel.give(&mut self.session) {
            return None;
        }
        if step == Step::Abort {
            return Some(step);
        }
        if step == Step::Read && !self.channel.is_over {
            // What is prepared is sent before anything is waited for, and what has arrived is read before that.
            let before = self.channel.plain.len();
            match self.channel.pump(TURN_MEMORY, Outgoing::Nothing) {
                Ok(_) if self.channel.plain.len() > before || self.channel.is_over => return None,
                Ok(_) if !self.channel.unsent().is_empty() => return Some(Step::Write),
                Ok(_) => return self.read_more(),
                Err(trouble) => {
                    self.fail(trouble);
                    return None;
                }
            }
        }
        // Whoever ends says so, lest somebody else could end it unnoticed (RFC 8446, 6.1).
        match self.channel.pump(TURN_MEMORY, Outgoing::End) {
            Ok(_) => self.phase = if step == Step::Shut { Phase::Lingering } else { Phase::Parting },
            Err(trouble) => self.fail(trouble),
        }
        None
    }

    /// Puts what the session has to send, or what is read for it, into records, as far as there is room for it.
    fn transfer(&mut self, contents: Option<&[u8]>, server: &Server<'a>, now: Instant) {
        let Some(room) = self.channel.room() else { return };
        let output = contents.unwrap_or(self.session.output());
        let output = output.get(..room).unwrap_or(output);
        match self.channel.pump(TURN_MEMORY, Outgoing::Data(output)) {
            Ok(_) => self.session.sent(output.len(), server.settings(), now),
            Err(trouble) => self.fail(trouble),
        }
    }

    /// Makes room for what comes next. A record that is too long for that is none.
    fn read_more(&mut self) -> Option<Step> {
        match self.channel.make_room() {
            Ok(()) => Some(Step::Read),
            Err(trouble) => {
                self.fail(trouble);
                None
            }
        }
    }

    /// Ends a connection, with the reason that TLS has for it, if it has one.
    #[inline(never)]
    fn fail(&mut self, trouble: Trouble) {
        let counters = self.tls.counters();
        match trouble {
            Trouble::Memory => {
                counters.no_memory.increment();
                self.phase = Phase::Aborting;
            }
            Trouble::Protocol => {
                let counter = if self.phase == Phase::Shaking {
                    &counters.failed_handshakes
                } else {
                    &counters.failures
                };
                counter.increment();
                self.phase = Phase::Parting;
            }
        }
    }

    /// Tells a client that speaks HTTP without TLS what it does wrong.
    #[inline(never)]
    fn refuse_plain(&mut self) -> Option<Step> {
        self.tls.counters().plain_requests.increment();
        self.channel.filled = 0;
        self.phase = Phase::Parting;
        if self.channel.output.try_reserve_exact(PLAIN.len()).is_ok() {
            self.channel.output.extend_from_slice(PLAIN);
        }
        None
    }
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Memory,
    /// The client, or somebody between, does not keep to the protocol.
    Protocol,
}

/// What is to be sent.
#[derive(Clone, Copy)]
enum Outgoing<'o> {
    Nothing,
    Data(&'o [u8]),
    /// That nothing more comes.
    End,
}

/// A connection of rustls, with its octets.
struct Channel {
    connection: UnbufferedServerConnection,
    /// Records that arrived, `filled` octets of them.
    input: Vec<u8>,
    filled: usize,
    /// Records to be sent, of which so many octets were.
    output: Vec<u8>,
    sent: usize,
    /// Plain octets that arrived, of which the session has taken so many.
    plain: Vec<u8>,
    taken: usize,
    /// The client has said that nothing more comes.
    is_over: bool,
}

impl Channel {
    fn unsent(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// How much may be sent with what is prepared: nothing once that is on its way, and no crumbs.
    fn room(&self) -> Option<usize> {
        let room = OUTPUT.saturating_sub(self.output.len() + OVERHEAD);
        Some(room).filter(|room| self.sent == 0 && *room >= CRUMB)
    }

    /// Reads what has arrived to the end, and then sends. Whether there may be plain octets: the handshake is over.
    fn pump(&mut self, memory: usize, outgoing: Outgoing<'_>) -> Result<bool, Trouble> {
        loop {
            let size = match outgoing {
                Outgoing::Data(data) => data.len() + OVERHEAD,
                _ => 0,
            };
            if !has_memory(memory + 2 * self.filled + size, TURN_BLOCKS) {
                return Err(Trouble::Memory);
            }
            let input = self.input.get_mut(..self.filled).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(input);
            let turn = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        None => break Ok(None),
                        Some(Err(_)) => break Err(Trouble::Protocol),
                        Some(Ok(record)) => {
                            discard += record.discard;
                            if append(&mut self.plain, record.payload).is_none() {
                                break Err(Trouble::Memory);
                            }
                        }
                    }
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut self.output, OVERHEAD, |space| data.encode(space).map_err(required))
                        .map(|()| None)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(None)
                }
                Ok(ConnectionState::BlockedHandshake) => Ok(Some(false)),
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    write(&mut self.output, traffic, outgoing).map(|()| Some(true))
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_over = true;
                    Ok(None)
                }
                // Both sides are done.
                Ok(ConnectionState::Closed) => Ok(Some(true)),
                Ok(_) => Err(Trouble::Protocol),
                Err(_) => Err(Trouble::Protocol),
            };
            self.discard(discard);
            match turn {
                Ok(None) => {}
                Ok(Some(is_open)) => return Ok(is_open),
                Err(trouble) => {
                    if trouble == Trouble::Protocol {
                        self.complain();
                    }
                    return Err(trouble);
                }
            }
        }
    }

    /// Prepares the alert that says what is wrong, where rustls has one. It is to look at nothing else: messages that it knows of are not
    /// there any more.
    #[inline(never)]
    fn complain(&mut self) {
        self.filled = 0;
        for _ in 0..LAST_TURNS {
            if !self.connection.wants_write() {
                return;
            }
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let _ = encode(&mut self.output, OVERHEAD, |space| data.encode(space).map_err(required));
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return,
            }
        }
    }

    /// Forgets records that are done with.
    fn discard(&mut self, length: usize) {
        let length = min(length, self.filled);
        if length > 0 {
            self.input.copy_within(length..self.filled, 0);
            self.filled -= length;
        }
    }

    /// Gives plain octets to the session. Whether there were any.
    fn give(&mut self, session: &mut Session<'_>) -> bool {
        let Some(plain @ [_, ..]) = self.plain.get(self.taken..) else { return false };
        let space = session.space();
        let length = min(space.len(), plain.len());
        space.iter_mut().zip(plain).for_each(|(place, octet)| *place = *octet);
        session.received(length);
        self.taken += length;
        if self.taken == self.plain.len() {
            shrink(&mut self.plain);
            self.taken = 0;
        }
        length > 0
    }

    /// Makes room for the rest of the record that has begun to arrive, or for the beginning of the next one.
    fn make_room(&mut self) -> Result<(), Trouble> {
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
        if self.filled == 0 && self.input.len() > KEPT {
            self.input = Vec::new();
        }
        if self.filled < self.input.len() {
            return Ok(());
        }
        if self.filled >= INPUT_LIMIT {
            return Err(Trouble::Protocol);
        }
        let length = (2 * self.filled).clamp(INPUT, INPUT_LIMIT);
        self.input.try_reserve_exact(length - self.input.len()).map_err(|_| Trouble::Memory)?;
        self.input.resize(length, 0);
        Ok(())
    }
}

/// Sends what there is to send.
fn write<T>(
    output: &mut Vec<u8>,
    mut traffic: WriteTraffic<'_, T>,
    outgoing: Outgoing<'_>,
) -> Result<(), Trouble> {
    let missing = |error| match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    };
    match outgoing {
        Outgoing::Nothing => Ok(()),
        Outgoing::Data(data) => {
            encode(output, data.len() + OVERHEAD, |space| traffic.encrypt(data, space).map_err(missing))
        }
        Outgoing::End => encode(output, OVERHEAD, |space| traffic.queue_close_notify(space).map_err(missing)),
    }
}

/// Appends what `encode` writes into so much room, or into as much as it says that it needs.
fn encode(
    output: &mut Vec<u8>,
    mut room: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Trouble> {
    let start = output.len();
    for _ in 0..2 {
        output.try_reserve(room).map_err(|_| Trouble::Memory)?;
        output.resize(start + room, 0);
        let written = encode(output.get_mut(start..).unwrap_or_default());
        output.truncate(start + written.unwrap_or(0));
        match written {
            Ok(_) => return Ok(()),
            Err(Some(required)) => room = required,
            Err(None) => break,
        }
    }
    Err(Trouble::Protocol)
}

fn required(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(error) => Some(error.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn append(to: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    to.try_reserve(bytes.len()).ok()?;
    to.extend_from_slice(bytes);
    Some(())
}

/// Empties a queue, whose memory is kept where it is little.
fn shrink(queue: &mut Vec<u8>) {
    if queue.capacity() > KEPT {
        *queue = Vec::new();
    } else {
        queue.clear();
    }
}
