//! One connection: its socket, alone in a set, and what is known beside it.
//!
//! smoltcp shows each frame to every socket of the set that it is given. Here that set holds one socket, so what a frame
//! costs does not depend on how many connections there are.

use alloc::vec::Vec;

use smoltcp::{
    iface::{SocketHandle, SocketSet, SocketStorage},
    socket::tcp::{CongestionControl, Socket, SocketBuffer, State},
};
use unik_sched::{
    TimerKey,
    time::{Duration, Instant},
};

use crate::{
    glance::{ACK, Flow, Segment},
    ip::neighbor::Hardware,
    stack::filled,
    tcp::{lent::Owned, meter::Meter},
};

/// What a connection takes beside its buffers, in bytes: its socket, its entries in the tables.
pub(crate) const OVERHEAD: usize = 1024;

pub(crate) struct Connection {
    pub(crate) set: SocketSet<'static>,
    handle: SocketHandle,
    pub(crate) flow: Flow,
    pub(crate) opened: Instant,
    pub(crate) meter: Owned,
    pub(crate) stage: Stage,
    /// The peer has reset it.
    pub(crate) reset: bool,
    /// The peer has sent FIN, and everything before it was taken from the socket.
    pub(crate) finished: bool,
    /// It is to be closed once everything that was written is acknowledged.
    pub(crate) closing: bool,
    /// What it waits to be looked after for.
    pub(crate) work: Work,
    /// When it is looked after at the latest.
    pub(crate) timer: Option<(Instant, TimerKey)>,
    /// After how long a silence the peer is asked whether it is alive.
    pub(crate) keep_alive: Option<Duration>,
    /// When something was heard from it, and when it was asked.
    pub(crate) heard: Instant,
    pub(crate) asked: Instant,
    /// What was taken from the socket in TIME-WAIT, whose end would drop it, and was not read yet.
    pub(crate) leftover: Vec<u8>,
    /// Memory that it takes, in bytes.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not accepted yet.
    Arriving(Arrival),
    Owned,
    /// Dropped; to be cut at this instant.
    Parting(Instant),
}

/// The way of a connection to being accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The listener's number.
    pub(crate) listener: u32,
    /// The handshake is complete.
    pub(crate) ready: bool,
    /// The card that the SYN came from: until it is accepted, its answers go there, so that nobody who forges addresses
    /// makes this host ask for them.
    pub(crate) hardware: Hardware,
}

/// When a connection is looked after, apart from its timer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    None,
    /// In the next turn.
    Now,
}

/// The sizes of the buffers of a connection, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Buffers {
    pub(crate) receive: usize,
    pub(crate) transmit: usize,
}

impl Buffers {
    /// What a connection with such buffers takes.
    pub(crate) fn bytes(self) -> usize {
        self.receive.saturating_add(self.transmit).saturating_add(OVERHEAD)
    }
}

impl Connection {
    /// A connection whose socket is closed. `None` when there is no memory for it.
    pub(crate) fn try_new(buffers: Buffers, flow: &Flow, stage: Stage, now: Instant) -> Option<Self> {
        let mut places = Vec::<SocketStorage<'static>>::new();
        places.try_reserve_exact(1).ok()?;
        let (receive, transmit) = filled(0, buffers.receive).zip(filled(0, buffers.transmit))?;
        let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(transmit));
        socket.set_congestion_control(CongestionControl::Reno);
        // Writes of one turn are sent together anyway; waiting for an acknowledgement as well only costs time.
        socket.set_nagle_enabled(false);
        let mut set = SocketSet::new(places);
        let handle = set.add(socket);
        Some(Connection {
            set,
            handle,
            flow: *flow,
            opened: now,
            meter: Owned::try_new()?,
            stage,
            reset: false,
            finished: false,
            closing: false,
            work: Work::None,
            timer: None,
            keep_alive: None,
            heard: now,
            asked: now,
            leftover: Vec::new(),
            bytes: buffers.bytes(),
        })
    }

    #[inline]
    pub(crate) fn socket(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    #[inline]
    pub(crate) fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.socket().state()
    }

    /// How much waits to be sent or acknowledged, and the state: what an acknowledgement changes.
    #[inline(always)]
    pub(crate) fn progress(&self) -> (usize, State) {
        let socket = self.socket();
        (socket.send_queue(), socket.state())
    }

    /// Whether a segment that brought nothing left nothing to be done: all that was written is acknowledged, and no timer is due earlier
    /// than before.
    pub(crate) fn is_at_rest(
        &self,
        segment: &Segment,
        before: (usize, State),
        after: (usize, State),
    ) -> bool {
        segment.flags == ACK
            && segment.length == 0
            && (before.1, after) == (State::Established, (0, State::Established))
            && self.stage == Stage::Owned
    }

    /// Whether all that was written is on its way, as its `meter` has seen it, and nothing but that is waited for.
    pub(crate) fn has_sent_all(&self, meter: &Meter) -> bool {
        let (socket, flight) = (self.socket(), meter.flight());
        socket.state() == State::Established
            && socket.timeout().is_none()
            && flight > 0
            && flight as usize == socket.send_queue()
            && !meter.is_window_closed()
    }

    /// Closes this half: FIN after everything that was written. Where the peer has closed its half, smoltcp would look at
    /// no window any more from then on, and what finds no room in it would never be sent: there the FIN waits for that.
    pub(crate) fn close(&mut self) {
        self.closing = self.state() == State::CloseWait && self.socket().send_queue() > 0;
        if !self.closing {
            self.socket_mut().close();
        }
    }

    /// Closed, and no reset waits to be sent.
    pub(crate) fn is_gone(&self) -> bool {
        let socket = self.socket();
        socket.state() == State::Closed && socket.remote_endpoint().is_none()
    }

    /// Whether the handshake is complete. A peer that has closed its half already is accepted as well.
    pub(crate) fn is_acceptable(&self) -> bool {
        matches!(self.state(), State::Established | State::CloseWait)
    }

    /// Takes the unread bytes out of a socket that is about to drop them.
    pub(crate) fn rescue(&mut self) {
        let socket = self.set.get_mut::<Socket<'_>>(self.handle);
        let leftover = &mut self.leftover;
        if leftover.try_reserve_exact(socket.recv_queue()).is_err() {
            return;
        }
        let mut take = || {
            socket.recv(|bytes| {
                leftover.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            })
        };
        while take().is_ok_and(|length| length > 0) {}
    }

    /// Forgets what nobody will read, so that the FIN behind it can come.
    pub(crate) fn drain(&mut self) {
        let socket = self.socket_mut();
        while socket.recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|length| length > 0) {}
    }

    /// Reads what outlived its socket's TIME-WAIT; the number of bytes.
    pub(crate) fn read_leftover(&mut self, bytes: &mut [u8]) -> usize {
        let length = self.leftover.len().min(bytes.len());
        bytes[..length].copy_from_slice(&self.leftover[..length]);
        self.leftover.copy_within(length.., 0);
        self.leftover.truncate(self.leftover.len() - length);
        length
    }
}

/// Whether the peer's FIN has been received.
pub(crate) fn has_fin(state: State) -> bool {
    matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
}
