//! One connection's share of the work: requests out of a stream, responses into it.
//!
//! Requests may come without waiting for responses, which are given in their order (RFC 9112, 9.3.2). The caller reads into
//! [`Session::space`], calls [`Session::advance`], does what the [`Step`] says, and calls [`Session::expire`] at
//! [`Session::deadline`].

#[cfg(feature = "disk")]
mod stored;

use crate::access::Access;
use crate::body::{Body, Read};
use crate::output::Output;
use crate::request::{Framing, Method, Persistence, Request};
use crate::response::{self, Manner, Writer};
use crate::scan::{Bounds, Found, Scan};
use crate::server::Server;
use crate::settings::Settings;
use crate::status::Status;
use crate::stored::Section;
use crate::tls::Scheme;
use alloc::vec::Vec;
use core::cmp::{max, min};
use core::net::IpAddr;
use unik_sched::time::{Duration, Instant};

/// Octets that are read at a time, as long as the head of a request has no more.
const INPUT: usize = 1024;
/// How long a client is listened to that was told that nothing more is heard: if the connection were closed at once, what it
/// still sends would have it reset, and the response with it (RFC 9112, 9.6).
pub const LINGER: Duration = Duration::from_secs(2);
/// Octets of such a client that are thrown away.
const LINGER_LIMIT: usize = 256 * 1024;

/// What a connection has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Read into [`Session::space`] and tell [`Session::received`].
    Read,
    /// Write some of [`Session::output`] and tell [`Session::sent`].
    Write,
    /// Close the sending half, and go on: the client may still say something, which is thrown away.
    Shut,
    /// Close the connection.
    Close,
    /// Reset the connection: there is no memory for it, or its client does not take what is sent.
    Abort,
}

/// What the octets that arrive are.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The head of a request, or nothing yet.
    Head,
    /// The body behind a head of so many octets.
    Body(usize, Body),
    /// Nothing that matters: after the response the connection is closed.
    Ending,
    /// The same, and the client may not have noticed.
    Refusing,
    /// Thrown away, so many more.
    Lingering(usize),
    /// Nothing, at once: there is no memory, or the client does not take what is sent.
    Aborting,
}

/// The state of one connection.
pub struct Session<'a> {
    client: IpAddr,
    input: Vec<u8>,
    start: usize,
    end: usize,
    scan: Scan,
    state: State,
    /// An empty line in front of the request has been passed over.
    has_skipped: bool,
    /// A request has begun to arrive.
    has_begun: bool,
    /// When it did.
    began: Instant,
    /// No request is answered behind the next one.
    is_last: bool,
    output: Output<'a>,
    /// When the response that is being sent was begun, and what of it was sent.
    response_began: Instant,
    response_sent: usize,
    /// What the log is to tell when the response is sent: octets of the head of its request, at the start of the input, and of
    /// its own.
    untold: Option<(usize, usize)>,
    deadline: Instant,
    waits_since: Instant,
    scheme: Scheme,
}

impl<'a> Session<'a> {
    /// A connection of `client` that was accepted at `now`.
    pub fn new(client: IpAddr, settings: &Settings, now: Instant) -> Self {
        Self {
            client,
            input: Vec::new(),
            start: 0,
            end: 0,
            scan: Scan::default(),
            state: State::Head,
            has_skipped: false,
            has_begun: false,
            began: now,
            is_last: false,
            output: Output::new(),
            response_began: now,
            response_sent: 0,
            untold: None,
            deadline: now + settings.head_time,
            waits_since: now,
            scheme: Scheme::PLAIN,
        }
    }

    /// The same, behind TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn secured(self) -> Self {
        Self { scheme: Scheme::SECURE, ..self }
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

    /// Whether what was sent may have been a response, and no request has begun behind it.
    #[cfg(feature = "tls")]
    pub(crate) fn is_answering(&self) -> bool {
        !self.has_begun || !self.output.next().is_empty()
    }

    /// What is to be sent next.
    pub fn output(&self) -> &[u8] {
        self.output.next()
    }

    /// What is to be sent next where [`Session::output`] is empty, or to be looked at before anything is: contents that are not in
    /// memory.
    #[inline]
    pub fn section(&self) -> Option<Section> {
        self.output.section.filter(|section| self.output.is_due(section))
    }

    /// Takes contents that belong to the [`Session::section`] over, to send them in a form of its own. Whether it has: one without
    /// TLS does not, and has them sent as they are.
    #[inline]
    pub fn enclose(&mut self, _: &[u8], _: &Server<'a>, _: Instant) -> bool {
        false
    }

    /// Takes notice that `length` octets of [`Session::output`] were given to the connection by `now`.
    pub fn sent(&mut self, length: usize, settings: &Settings, now: Instant) {
        self.output.sent(length);
        if let State::Body(..) = self.state {
            // An interim response gives the body no more time.
            return;
        }
        self.response_sent = self.response_sent.saturating_add(length);
        self.waits_since = now;
        self.deadline = now + settings.idle_time;
        if !self.output.is_done() {
            // A client that takes an octet now and then does not keep the connection.
            let share = Duration::from_secs((self.response_sent / settings.rate.max(1)) as u64);
            self.deadline = min(now, self.response_began + share) + settings.idle_time;
        }
    }

    /// When to call [`Session::expire`].
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Since when the client keeps the connection waiting: the one that has done so for longest is closed first for others.
    pub fn waits_since(&self) -> Instant {
        self.waits_since
    }

    /// The client took too long. [`Session::advance`] then says how it ends.
    pub fn expire(&mut self, server: &Server<'a>, wall: Option<u64>) {
        if !self.output.is_done() {
            server.counters().slow_responses.increment();
            self.state = State::Aborting;
            return;
        }
        match self.state {
            State::Head | State::Body(..) if self.has_begun => {
                server.counters().slow_requests.increment();
                self.refuse(server, self.deadline, wall, Status::REQUEST_TIMEOUT);
                self.state = if matches!(self.state, State::Aborting) { self.state } else { State::Ending };
            }
            State::Aborting => {}
            State::Head => {
                server.counters().idle_closed.increment();
                self.state = State::Ending;
            }
            _ => self.state = State::Ending,
        }
    }

    /// The request that has begun to arrive, if there is one, is the last that is answered.
    pub fn finish(&mut self) {
        self.is_last = true;
    }

    /// Whether [`Session::finish`] was called.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Answers what has arrived and says what to do next. `wall` is the time since the Unix epoch in seconds, where there is a
    /// clock.
    pub fn advance(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) -> Step {
        loop {
            if let State::Aborting = self.state {
                return Step::Abort;
            }
            if !self.output.is_done() {
                return Step::Write;
            }
            match response::go_on(server, &mut self.output) {
                Some(true) => continue,
                Some(false) => {}
                None => {
                    self.starve(server);
                    continue;
                }
            }
            if self.untold.is_some() {
                self.tell(server, now, wall, self.output.length);
            }
            let step = match self.state {
                State::Head => self.read_head(server, now, wall),
                State::Body(head, body) => self.read_body(server, now, wall, head, body),
                State::Ending | State::Aborting => Some(Step::Close),
                State::Refusing => {
                    self.state = State::Lingering(LINGER_LIMIT);
                    self.deadline = now + LINGER;
                    Some(Step::Shut)
                }
                State::Lingering(left) => {
                    let left = left.checked_sub(self.end - self.start);
                    (self.start, self.end) = (0, 0);
                    self.state = left.map_or(State::Ending, State::Lingering);
                    if left.is_some() { self.read_more(server, 1) } else { None }
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Goes on in the head of a request; `None` when something came of it.
    fn read_head(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) -> Option<Step> {
        let settings = server.settings();
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.is_last {
                return Some(Step::Close);
            }
            return self.read_more(server, 1);
        }
        if !self.has_begun {
            self.has_begun = true;
            self.began = now;
            self.deadline = now + settings.head_time;
        }
        let bytes = self.input.get(self.start..self.end).unwrap_or_default();
        let bounds = Bounds { line: settings.head / 2, section: settings.head };
        let status = match self.scan.section(bytes, bounds) {
            Found::Incomplete => return self.read_more(server, 1),
            // RFC 9112, 2.2
            Found::End(2) if !self.has_skipped => {
                self.has_skipped = true;
                self.consume(2);
                return None;
            }
            Found::End(length) => {
                self.take(server, now, wall, length);
                return None;
            }
            Found::BadCharacter => Status::BAD_REQUEST,
            Found::LongFirstLine => Status::URI_TOO_LONG,
            Found::TooLong => Status::FIELDS_TOO_LARGE,
        };
        self.refuse(server, now, wall, status);
        None
    }

    /// Takes the request whose head has so many octets.
    fn take(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>, length: usize) {
        server.counters().requests.increment();
        let head = self.input.get(self.start..self.start + length).unwrap_or_default();
        let request = match Request::parse(head, self.scheme) {
            Ok(request) => request,
            Err(status) => return self.refuse(server, now, wall, status),
        };
        if request.framing == Framing::Length(0) && !request.expects_else {
            let written = write(server, wall, self.is_last, self.scheme, &request, &mut self.output);
            return self.answered(server, now, length, written);
        }
        let (method, expects_continue) = (request.method, request.expects_continue);
        let is_echo = method == Method::Post && server.is_echo(request.path());
        let is_served = is_echo || matches!(method, Method::Get | Method::Head | Method::Options);
        match Body::new(request.framing, is_echo) {
            _ if request.expects_else => self.refuse(server, now, wall, Status::EXPECTATION_FAILED),
            // The body is not to be sent first.
            _ if !is_served && expects_continue => self.refuse_method(server, now, wall, length),
            None if !is_served => self.refuse_method(server, now, wall, length),
            None => self.refuse(server, now, wall, Status::CONTENT_TOO_LARGE),
            Some(body) => {
                self.state = State::Body(length, body);
                self.output.kept.clear();
                let is_waiting = self.end - self.start == length;
                if expects_continue && is_waiting {
                    let manner = self.manner(wall, Persistence::Stays, false);
                    if (Writer { server, manner, out: &mut self.output }).interim().is_none() {
                        self.starve(server);
                    }
                }
                self.deadline = now + server.settings().head_time;
            }
        }
    }

    /// Goes on in the body behind a head of so many octets.
    fn read_body(
        &mut self,
        server: &Server<'a>,
        now: Instant,
        wall: Option<u64>,
        head: usize,
        mut body: Body,
    ) -> Option<Step> {
        let start = self.start + head;
        let bytes = self.input.get(start..self.end).unwrap_or_default();
        let read = body.read(bytes, &mut self.output.kept);
        if let Read::Some(length) | Read::All(length) = read {
            self.input.copy_within((start + length).min(self.end)..self.end, start);
            self.end = self.end.saturating_sub(length);
        }
        match read {
            Read::Some(_) => {
                self.state = State::Body(head, body);
                // The line of a chunk is to fit, and the fields behind the last one.
                return self.read_more(server, INPUT + 1);
            }
            Read::All(_) => {
                self.state = State::Head;
                self.answer_late(server, now, wall, head);
            }
            Read::Refused(status) => self.refuse(server, now, wall, status),
        }
        None
    }

    /// Answers the request whose body has been read.
    #[inline(never)]
    fn answer_late(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>, length: usize) {
        let head = self.input.get(self.start..self.start + length).unwrap_or_default();
        // It was read before.
        let Ok(request) = Request::parse(head, self.scheme) else { return };
        let written = write(server, wall, self.is_last, self.scheme, &request, &mut self.output);
        self.answered(server, now, length, written);
    }

    /// The response to a request is written, if there was memory for it, and so much of the input is done with.
    fn answered(&mut self, server: &Server<'a>, now: Instant, length: usize, written: Option<Persistence>) {
        let Some(persistence) = written else { return self.starve(server) };
        self.count(server);
        self.begin_response(server, now, length);
        if self.untold.is_none() {
            self.consume(length);
        }
        self.has_skipped = false;
        if persistence == Persistence::Ends {
            self.state = State::Ending;
        }
    }

    /// Refuses a method without reading the body.
    fn refuse_method(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>, length: usize) {
        let head = self.input.get(self.start..self.start + length).unwrap_or_default();
        let Ok(request) = Request::parse(head, self.scheme) else { return };
        let manner = self.manner(wall, Persistence::Ends, false);
        let written = Writer { server, manner, out: &mut self.output }.answer(&request);
        self.end_refusal(server, now, written, length);
    }

    /// Says why nothing more is heard on this connection.
    fn refuse(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>, status: Status) {
        server.counters().refused.increment();
        // Whatever else is wrong with it, no contents are expected behind the answer to HEAD (RFC 9110, 9.3.2).
        let is_head = self.input.get(self.start..self.end).unwrap_or_default().starts_with(b"HEAD ");
        let manner = self.manner(wall, Persistence::Ends, is_head);
        let written = Writer { server, manner, out: &mut self.output }.page(status, &[]);
        self.end_refusal(server, now, written, self.end - self.start);
    }

    fn end_refusal(&mut self, server: &Server<'a>, now: Instant, written: Option<()>, length: usize) {
        if written.is_none() {
            return self.starve(server);
        }
        self.count(server);
        self.begin_response(server, now, length);
        self.state = State::Refusing;
    }

    /// Counts the response that is written. One that may turn out to be another one is counted when that is known.
    #[inline]
    fn count(&self, server: &Server<'a>) {
        if self.section().is_none() {
            server.count(self.output.status);
        }
    }

    /// Writes the line of the log for the response that was sent, or given up, with so many octets of contents.
    #[inline(never)]
    fn tell(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>, octets: usize) {
        let (Some((length, _)), Some(log)) = (self.untold.take(), server.log()) else { return };
        let access = Access {
            client: self.client,
            wall,
            head: self.input.get(self.start..self.start + length).unwrap_or_default(),
            status: self.output.status,
            octets,
            duration: now.duration_since(self.began),
        };
        log.lines.write(now, &mut |line| access.write(log.format, line));
        self.consume(length);
    }

    /// The connection has ended, in whatever way: the log tells what of a response was sent.
    pub fn end(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) {
        if let Some((_, head)) = self.untold {
            self.tell(server, now, wall, self.response_sent.saturating_sub(head));
        }
    }

    fn manner(&self, wall: Option<u64>, persistence: Persistence, is_head: bool) -> Manner {
        Manner { wall, persistence, is_head, is_ending: self.is_last, scheme: self.scheme }
    }

    /// The response to a request, whose head has so many octets, is about to be sent.
    fn begin_response(&mut self, server: &Server<'a>, now: Instant, length: usize) {
        (self.response_began, self.response_sent) = (now, 0);
        self.deadline = now + server.settings().idle_time;
        self.waits_since = now;
        if server.log().is_some() {
            self.untold = Some((length, self.output.heading()));
        }
    }

    /// The octets of a request are done with.
    fn consume(&mut self, length: usize) {
        self.start = min(self.end, self.start + length);
        self.scan = Scan::default();
        self.has_begun = false;
        if self.start == self.end && self.input.len() > INPUT {
            (self.input, self.start, self.end) = (Vec::new(), 0, 0);
        }
    }

    /// Asks for more octets, for which there is room behind `least` more than have arrived.
    fn read_more(&mut self, server: &Server<'a>, least: usize) -> Option<Step> {
        let used = self.end - self.start;
        if used + least > self.input.len() {
            let length = max(2 * self.input.len(), max(used + least, INPUT));
            if self.input.try_reserve_exact(length - self.input.len()).is_err() {
                self.starve(server);
                return None;
            }
            self.input.resize(length, 0);
        }
        Some(Step::Read)
    }

    fn starve(&mut self, server: &Server<'a>) {
        server.counters().no_memory.increment();
        self.state = State::Aborting;
    }
}

/// Writes the response to a request, and says what becomes of the connection.
fn write<'a>(
    server: &Server<'a>,
    wall: Option<u64>,
    is_ending: bool,
    scheme: Scheme,
    request: &Request<'_>,
    out: &mut Output<'a>,
) -> Option<Persistence> {
    let persistence = if is_ending { Persistence::Ends } else { request.persistence };
    let is_head = request.method == Method::Head;
    let manner = Manner { wall, persistence, is_head, is_ending, scheme };
    Writer { server, manner, out }.answer(request)?;
    Some(persistence)
}
