//! The life of a connection, from the first segment to the removal of its socket.
//!
//! A connection is *arriving* (a listener has not accepted it), *owned* (by a [`crate::TcpStream`]) or *parting* (its
//! stream was dropped, the FIN and its answers are still on their way). [`Stack::advance`] looks after one of them: it
//! sends what is to be sent, moves the connection on, and notes when to look again.

use smoltcp::socket::tcp::State;
use unik_sched::time::{Duration, Instant};

use crate::{
    error::Error,
    glance::{ACK, Flow, RST, SYN, Segment},
    ip::address::End,
    ip::icmp::ip_address,
    stack::{PAUSE, Stack, duration, earlier, instant},
    tcp::{
        connection::{Buffers, Connection, Stage, has_fin},
        recovery::{due, egress},
        time_wait::{Heard, Waiting},
    },
    udp::table::free_port,
};

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a dropped stream may take to deliver what it has and to say goodbye; then it is reset.
const PARTING_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the reset of a connection may take to be sent: the peer's hardware address may be unknown for ever.
pub(crate) const RESET_TIMEOUT: Duration = Duration::from_secs(3);

/// Frames that one connection sends before the next one has its turn.
const FRAMES: usize = 16;

/// What is sent while nothing else is on its way is sent again no earlier than this by smoltcp (RFC 6298, 2.4).
const RETRANSMISSION: Duration = Duration::from_secs(1);

/// An acknowledgement is held back for less than this.
const ACKNOWLEDGED: Duration = Duration::from_secs(1);

/// Connections as segments come in.
impl Stack {
    /// Handles a received segment.
    #[inline]
    pub(crate) fn hear_segment(&mut self, segment: &Segment, now: Instant) {
        match self.tcp.find(&segment.flow) {
            Some(number) if self.link.check() => self.hear(number, segment, now),
            Some(_) => {}
            None => self.hear_unconnected(segment, now),
        }
    }

    /// Handles a segment that belongs to no open connection.
    #[inline(never)]
    fn hear_unconnected(&mut self, segment: &Segment, now: Instant) {
        if !self.admits(false) || !self.link.check() {
            return;
        }
        match self.tcp.time_wait.hear(segment, now) {
            Heard::Unknown if segment.is_opening() => self.hear_opening(segment, now),
            Heard::Unknown => {
                self.counters.tcp_strays.increment();
                if segment.flags & RST != 0 {
                    // It is never answered (RFC 9293, 3.10.7.1).
                    return self.link.ignore();
                }
                self.hear_nobody(now);
            }
            Heard::Nothing => self.link.ignore(),
            Heard::Repeated(waiting) => {
                self.acknowledge(&waiting);
                self.link.ignore();
            }
        }
    }

    /// Lets a connection have the frame in hand, which names it.
    #[inline(never)]
    pub(crate) fn hear(&mut self, number: u32, segment: &Segment, now: Instant) {
        let Some(connection) = self.tcp.get_mut(number) else { return self.link.ignore() };
        let before = connection.progress();
        let (_, state) = before;
        if state == State::TimeWait && segment.flags & RST != 0 {
            // RFC 1337, as for those that only wait: all was received and acknowledged, by both.
            return self.link.ignore();
        }
        if connection.ends_beyond_window(segment) {
            return self.link.ignore();
        }
        // The meter decides when something is sent again: it hears what smoltcp accepts, and nothing that anybody may say.
        let is_plausible = state == State::SynSent || connection.meter.is_plausible(segment);
        if is_plausible {
            connection.heard = now;
        }
        let peer = connection.flow.source.0;
        if segment.flags & SYN != 0 {
            let is_on_link = self.link.routes.next_hop(&peer) == Some(peer);
            self.link.limit_segments(!peer.is_v4(), is_on_link);
        }
        let turns = is_plausible && connection.meter.turns(segment.window);
        self.link.meter.lend(&mut connection.meter);
        self.interface.poll_ingress_single(instant(now), &mut self.link, &mut connection.set);
        self.link.meter.give_back(&mut connection.meter);
        if turns {
            connection.meter.turned(now);
        }
        let after = connection.progress();
        let is_at_rest = connection.is_at_rest(segment, before, after);
        if segment.flags & ACK != 0 && before != after {
            connection.meter.acknowledged(segment.acknowledgement, now);
        }
        if state != State::Closed && segment.flags & RST != 0 && after.1 == State::Closed {
            connection.reset = true;
            self.counters.tcp_resets.increment();
        }
        if matches!(connection.stage, Stage::Arriving(_)) && connection.is_acceptable() {
            self.note_arrival(number);
        }
        if !is_at_rest {
            self.tcp.enqueue(number);
        }
    }

    /// Looks after the connections in the queue, as long as the card has room for what they send.
    #[inline(never)]
    pub(crate) fn advance_queued(&mut self, now: Instant) {
        // Those that come into the queue meanwhile have their turn in the next one.
        for _ in 0..self.tcp.queued() {
            let Some(number) = self.tcp.dequeue() else { return };
            self.advance(number, now);
            if self.link.is_blocked() {
                self.tcp.enqueue(number);
                return;
            }
        }
    }

    /// Sends what a connection has to send, moves it on, and notes when to look again.
    fn advance(&mut self, number: u32, now: Instant) {
        let Some(connection) = self.tcp.get_mut(number) else { return };
        if let Stage::Parting(until) = connection.stage {
            connection.drain();
            if until <= now && connection.state() != State::Closed {
                self.counters.tcp_close_overdue.increment();
                connection.stage = Stage::Parting(now + RESET_TIMEOUT);
                connection.socket_mut().abort();
            }
        }
        if connection.closing {
            connection.close();
        }
        self.link.reply_to = match connection.stage {
            Stage::Arriving(arrival) => Some(arrival.hardware),
            _ => None,
        };
        let was_idle = connection.meter.flight() == 0;
        self.link.meter.lend(&mut connection.meter);
        let (at, mut sent) = (instant(now), 0);
        let due = loop {
            // smoltcp forgets that it was about to send a lost segment again when it finds no room then.
            let goes_on =
                self.link.reserve() && egress(&mut self.interface, &mut self.link, &mut connection.set, at);
            if goes_on
                && was_idle
                && let Some(meter) = self.link.meter.as_ref()
                && connection.has_sent_all(meter)
            {
                break earlier(Some(now + RETRANSMISSION), meter.overdue_at());
            }
            let due = due(&mut self.interface, &connection.set, at);
            sent += usize::from(goes_on);
            let goes_on = goes_on && due.is_some_and(|due| due <= now);
            if !goes_on || sent == FRAMES {
                break connection.help(due, &mut self.interface, &mut self.link, now);
            }
        };
        self.link.meter.give_back(&mut connection.meter);
        self.link.reply_to = None;
        if self.move_on(number, due, now) {
            match due {
                Some(due) if due > now => self.tcp.set_timer(number, due),
                // There is more to send, or something is due that cannot be done yet: never spin.
                Some(_) if sent > 0 => self.tcp.enqueue(number),
                Some(_) => self.tcp.set_timer(number, now + PAUSE),
                None => {}
            }
        }
    }

    /// Moves a connection on to the next stage of its life. False when that was the last.
    fn move_on(&mut self, number: u32, due: Option<Instant>, now: Instant) -> bool {
        let Some(connection) = self.tcp.get_mut(number) else { return false };
        let state = connection.state();
        let is_gone = state == State::Closed && connection.is_gone();
        match connection.stage {
            Stage::Owned => {
                if state == State::TimeWait && connection.socket().can_recv() {
                    connection.rescue();
                }
                connection.finished |= has_fin(state) && !connection.socket().may_recv();
            }
            Stage::Arriving(_) => {
                if state == State::Listen || is_gone {
                    self.remove_connection(number);
                    return false;
                }
                if state == State::Closed {
                    // It is out of time.
                    let (stage, until) = (connection.stage, now + RESET_TIMEOUT);
                    connection.stage = Stage::Parting(until);
                    self.forget_arrival(stage, number);
                    self.tcp.set_timer(number, until);
                }
            }
            Stage::Parting(until) => {
                // With its last acknowledgement sent, it only waits.
                let is_silent = due.is_none_or(|due| due >= now + ACKNOWLEDGED);
                if state == State::TimeWait && is_silent {
                    self.retire(number, now);
                    return false;
                }
                if is_gone || (until <= now && state == State::Closed) {
                    self.remove_connection(number);
                    return false;
                }
                self.tcp.set_timer(number, until);
            }
        }
        if is_gone {
            // A socket that has ended has no ends: they can be used again.
            self.tcp.forget_ends(number);
        }
        true
    }

    /// Keeps of a connection in TIME-WAIT what an answer to a repeated FIN needs, and lets go of its socket.
    fn retire(&mut self, number: u32, now: Instant) {
        let Some(connection) = self.remove_connection(number) else { return };
        let (sequence, acknowledgement) = connection.meter.numbers();
        let waiting = Waiting { flow: connection.flow, sequence, acknowledgement, since: now };
        if self.tcp.time_wait.keep(waiting) {
            self.counters.tcp_time_wait_evicted.increment();
        }
    }
}

/// Connections as the application sees them.
impl Stack {
    /// Begins to connect.
    pub(crate) fn begin_connect(&mut self, peer: End, now: Instant) -> Result<u32, Error> {
        let host = &self.link.host;
        // RFC 1122, 4.2.3.10, and 3.2.1.3: one host, and another one.
        if peer.1 == 0 || !peer.0.is_host() || host.has(&peer.0) || host.is_broadcast(&peer.0) {
            return Err(Error::InvalidAddress);
        }
        let Some(address) = host.source(&peer.0) else {
            return Err(if host.is_lost() { Error::NotConfigured } else { Error::Unreachable });
        };
        if self.link.routes.next_hop(&peer.0).is_none() {
            return Err(Error::Unreachable);
        }
        let is_taken = |port| self.tcp.uses(peer, (address, port));
        let port = free_port((self.random)(), is_taken).ok_or(Error::NoPortLeft)?;
        let flow = Flow { source: peer, destination: (address, port) };
        let buffers = Buffers { receive: self.limits.tcp_receive, transmit: self.limits.tcp_transmit };
        if !self.make_room(buffers) {
            return Err(Error::TooManySockets);
        }
        let mut connection = self.new_connection(buffers, &flow, Stage::Owned, now).ok_or(Error::NoMemory)?;
        let socket = connection.socket_mut();
        socket.set_timeout(Some(duration(CONNECT_TIMEOUT)));
        let local = (ip_address(&address), port);
        socket
            .connect(self.interface.context(), (ip_address(&peer.0), peer.1), local)
            .map_err(|_| Error::InvalidAddress)?;
        self.counters.tcp_connects.increment();
        let number = self.tcp.add(connection).ok_or(Error::NoMemory)?;
        self.touch(number);
        Ok(number)
    }

    /// A connection with its buffers, for which there is a place in all tables. `None`, and counted, when memory lacks.
    pub(crate) fn new_connection(
        &mut self,
        buffers: Buffers,
        flow: &Flow,
        stage: Stage,
        now: Instant,
    ) -> Option<Connection> {
        let connection =
            if self.tcp.try_reserve() { Connection::try_new(buffers, flow, stage, now) } else { None };
        if connection.is_none() {
            self.count_no_memory();
        }
        connection
    }

    /// Counts a connection that found no memory, and says so, not too often.
    pub(crate) fn count_no_memory(&mut self) {
        self.counters.tcp_no_memory.increment();
        self.complain("a connection is refused for want of memory");
    }

    /// Whether one more connection may exist. One that is half open gives way.
    pub(crate) fn make_room(&mut self, buffers: Buffers) -> bool {
        loop {
            let limits = &self.limits;
            let bytes = self.tcp.bytes.saturating_add(buffers.bytes());
            if self.tcp.len() < limits.connections && bytes <= limits.tcp_bytes {
                return true;
            }
            if !self.evict_half_open() {
                self.counters.tcp_limit_reached.increment();
                self.complain("a connection is refused for want of room");
                return false;
            }
        }
    }

    /// Lets a connection be looked after in the next turn.
    pub(crate) fn touch(&mut self, number: u32) {
        self.tcp.enqueue(number);
        self.request();
    }

    /// Takes over a connection that its stream has dropped: FIN after what is still to be sent.
    pub(crate) fn part(&mut self, number: u32, now: Instant) {
        let Some(connection) = self.tcp.get_mut(number) else { return };
        connection.close();
        let socket = connection.socket_mut();
        // Nothing is written any more that an acknowledgement could go with.
        socket.set_ack_delay(None);
        let patience = if socket.state() == State::Closed { RESET_TIMEOUT } else { PARTING_TIMEOUT };
        connection.stage = Stage::Parting(now + patience);
        self.touch(number);
    }

    /// Takes a connection out of all tables.
    #[inline(never)]
    pub(crate) fn remove_connection(&mut self, number: u32) -> Option<Connection> {
        let connection = self.tcp.remove(number)?;
        self.forget_arrival(connection.stage, number);
        self.counters.tcp_closed.increment();
        Some(connection)
    }
}
