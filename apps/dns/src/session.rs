//! One TCP connection's share of the work: queries out of a stream, answers into it.
//!
//! Each message stands behind its length in two octets (RFC 1035, 4.2.2). A client may send many queries without
//! waiting (RFC 7766, 6.2.1.1); they are answered in their order, several in one write where they come together.
//! The caller reads into [`Session::space`], calls [`Session::advance`], does what the [`Step`] says, and closes at
//! [`Session::deadline`].

use crate::origin::{Clock, Origin, Transport};
use crate::server::{Answer, Server, Transfer};
use alloc::vec::Vec;
use core::net::IpAddr;
use unik_sched::time::{Duration, Instant};

/// The longest query in octets: a name, a question, and ample options of EDNS.
pub const MAX_QUERY: usize = 2048;
/// The room that an answer needs.
pub const MAX_ANSWER: usize = 65_535;
/// How long a connection may stay without a whole query (RFC 7766, 6.2.3).
pub const IDLE: Duration = Duration::from_secs(10);
/// Octets of the length in front of each message.
const PREFIX: usize = 2;
/// Answers are gathered up to this many octets before they are sent.
const ENOUGH: usize = 4096;

/// What a connection has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Read into [`Session::space`] and tell [`Session::received`].
    Read,
    /// Write all of [`Session::output`] and call [`Session::sent`].
    Write,
    /// Close the connection: what arrived is no query, or is longer than one.
    Close,
}

/// The state of one connection.
pub struct Session {
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
    client: IpAddr,
    /// What is being transferred. Further queries wait for its end.
    transfer: Option<Transfer>,
    deadline: Instant,
    is_broken: bool,
    /// An answer found no memory.
    is_starved: bool,
}

impl Session {
    /// A connection of `client` that was accepted at `now`. `None` if there is no memory for it.
    pub fn try_new(client: IpAddr, now: Instant) -> Option<Self> {
        let mut input = Vec::new();
        input.try_reserve_exact(PREFIX + MAX_QUERY).ok()?;
        input.resize(PREFIX + MAX_QUERY, 0);
        Some(Self {
            input,
            start: 0,
            end: 0,
            output: Vec::new(),
            client,
            transfer: None,
            deadline: now + IDLE,
            is_broken: false,
            is_starved: false,
        })
    }

    /// Where the next octets of the stream belong. Never empty after [`Step::Read`].
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.input.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes notice that `length` octets were put into [`Session::space`].
    pub fn received(&mut self, length: usize) {
        self.end = self.input.len().min(self.end.saturating_add(length));
    }

    /// Answers queries that have arrived whole and says what to do next. `scratch` is room for one answer, of
    /// [`MAX_ANSWER`] octets; shorter, it cuts answers short.
    pub fn advance(&mut self, server: &Server, clock: &dyn Clock, scratch: &mut [u8]) -> Step {
        while !self.is_broken && self.output.len() < ENOUGH {
            if self.transfer.is_some() {
                self.go_on(server, clock, scratch);
                continue;
            }
            let Some((length, rest)) =
                self.input.get(self.start..self.end).and_then(|input| input.split_first_chunk())
            else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(query) = rest.get(..length) else {
                self.is_broken = length > MAX_QUERY;
                break;
            };
            self.deadline = clock.now() + IDLE;
            let origin = Origin { client: self.client, transport: Transport::Tcp, clock };
            let answer = server.answer_stream(query, &origin, scratch);
            self.start += PREFIX + length;
            match answer {
                None => self.is_broken = true,
                Some(Answer::Message(length)) => self.append(server, scratch.get(..length)),
                Some(Answer::Transfer(transfer)) => self.transfer = Some(transfer),
            }
        }
        match (self.output.is_empty(), self.is_broken) {
            (false, _) => Step::Write,
            (true, true) => Step::Close,
            (true, false) => Step::Read,
        }
    }

    /// Adds the next message of the transfer.
    #[inline(never)]
    fn go_on(&mut self, server: &Server, clock: &dyn Clock, scratch: &mut [u8]) {
        let Some(transfer) = &mut self.transfer else { return };
        let length = server.go_on(transfer, clock, scratch);
        if transfer.is_done() || length.is_none() {
            self.transfer = None;
        }
        self.append(server, length.and_then(|length| scratch.get(..length)));
    }

    /// Adds `answer` behind its length; without one, and without memory for it, the connection is at its end.
    fn append(&mut self, server: &Server, answer: Option<&[u8]>) {
        let Some(answer) = answer else {
            self.is_broken = true;
            return;
        };
        if append(&mut self.output, answer).is_none() {
            (self.is_broken, self.is_starved) = (true, true);
            server.counters().no_memory.increment();
        }
    }

    /// What is to be sent.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Takes notice that all of [`Session::output`] was sent by `now`. Only from then on the client keeps the connection
    /// waiting (RFC 7766, 6.2.3).
    pub fn sent(&mut self, now: Instant) {
        self.deadline = now + IDLE;
        self.output.clear();
        if self.output.capacity() > 2 * ENOUGH {
            self.output = Vec::new();
        }
    }

    /// Whether the connection ends because memory lacked, not because of what arrived.
    pub fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// When to close the connection, unless a whole query arrives before, or an answer is sent whole: one octet now and then
    /// does not keep it.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Adds `answer` behind its length; `None` if there is no memory for it.
fn append(output: &mut Vec<u8>, answer: &[u8]) -> Option<()> {
    let length = u16::try_from(answer.len()).ok()?;
    output.try_reserve(PREFIX + answer.len()).ok()?;
    output.extend_from_slice(&length.to_be_bytes());
    output.extend_from_slice(answer);
    Some(())
}
