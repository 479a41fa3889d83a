//! The connections of a stack, from the SYN to the removal of the socket.
//!
//! A connection is *arriving* (a listener has not accepted it), *owned* (by a [`crate::TcpStream`]) or *parting*
//! (its stream was dropped, the FIN and its answers are still on their way). [`Stack::sweep_connections`] looks
//! after the first and the last kind each turn; both are bounded in number and time.

use alloc::vec::Vec;
use core::{net::SocketAddrV4, task::Waker};

use smoltcp::{
    iface::SocketHandle,
    socket::tcp::{CongestionControl, Socket, SocketBuffer, State},
};
use unik_sched::time::{Duration, Instant};

use crate::{
    error::Error,
    glance::Flow,
    stack::{Stack, duration, filled},
    tcp::meter::Meter,
    udp::{endpoint, table::free_port},
};

/// How long a connection may stay unaccepted: a handshake that is never completed, or an application that does not
/// accept.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a dropped stream may take to deliver what it has and to say goodbye; then it is reset.
const PARTING_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the reset of a connection may take to be sent: the peer's hardware address may be unknown for ever.
const RESET_TIMEOUT: Duration = Duration::from_secs(3);

/// All listeners and connections.
pub(crate) struct TcpTable {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) connections: Vec<Connection>,
    next_listener: u32,
    /// The connection that the frame in hand may begin or end.
    watched: Option<SocketHandle>,
}

pub(crate) struct Listener {
    id: u32,
    pub(crate) port: u16,
    pub(crate) opened: Instant,
    backlog: usize,
    waker: Option<Waker>,
}

pub(crate) struct Connection {
    pub(crate) handle: SocketHandle,
    /// The ends, as received segments name them: the peer is the source.
    pub(crate) flow: Flow,
    pub(crate) opened: Instant,
    pub(crate) meter: Meter,
    stage: Stage,
    /// The peer has reset it.
    reset: bool,
    /// The peer has sent FIN, and everything before it was taken from the socket.
    finished: bool,
    /// What was taken from the socket in TIME-WAIT, whose end would drop it, and was not read yet.
    pub(crate) leftover: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not accepted yet; the listener's number.
    Arriving(u32),
    Owned,
    /// Dropped; to be cut at this instant.
    Parting(Instant),
}

impl TcpTable {
    pub(crate) fn new() -> Self {
        TcpTable { listeners: Vec::new(), connections: Vec::new(), next_listener: 0, watched: None }
    }

    /// When a parting connection is to be cut.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.connections
            .iter()
            .filter_map(|connection| match connection.stage {
                Stage::Parting(until) => Some(until),
                _ => None,
            })
            .min()
    }

    // In one place for all who look, since most do so rarely.
    #[inline(never)]
    fn find(&mut self, handle: SocketHandle) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.handle == handle)
    }
}

impl Connection {
    /// Takes the unread bytes out of a socket that is about to drop them.
    fn rescue(&mut self, socket: &mut Socket<'_>) {
        if self.leftover.try_reserve_exact(socket.recv_queue()).is_err() {
            return;
        }
        let leftover = &mut self.leftover;
        let mut take = || {
            socket.recv(|bytes| {
                leftover.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            })
        };
        while take().is_ok_and(|length| length > 0) {}
    }
}

/// Listeners.
impl Stack {
    pub(crate) fn open_listener(&mut self, port: u16, backlog: usize, now: Instant) -> Result<u32, Error> {
        if port == 0 {
            return Err(Error::InvalidAddress);
        }
        if self.link.tcp.listeners.iter().any(|listener| listener.port == port) {
            return Err(Error::PortInUse);
        }
        let id = self.link.tcp.next_listener;
        self.link.tcp.next_listener = id.wrapping_add(1);
        self.link.tcp.listeners.push(Listener {
            id,
            port,
            opened: now,
            backlog: backlog.max(1),
            waker: None,
        });
        Ok(id)
    }

    /// Closes a listener; connections that nobody accepted are reset.
    pub(crate) fn close_listener(&mut self, id: u32, now: Instant) {
        if let Some(index) = self.link.tcp.listeners.iter().position(|listener| listener.id == id) {
            self.link.tcp.listeners.remove(index);
        }
        for connection in &mut self.link.tcp.connections {
            if connection.stage == Stage::Arriving(id) {
                connection.stage = Stage::Parting(now + RESET_TIMEOUT);
                self.sockets.get_mut::<Socket<'_>>(connection.handle).abort();
            }
        }
        self.request();
    }

    /// Connections of a listener that could be accepted.
    pub(crate) fn acceptable(&self, listener: &Listener) -> usize {
        let arriving = Stage::Arriving(listener.id);
        let of_listener = self.link.tcp.connections.iter().filter(|connection| connection.stage == arriving);
        let state = |connection: &Connection| self.sockets.get::<Socket<'_>>(connection.handle).state();
        of_listener.filter(|connection| is_acceptable(state(connection))).count()
    }

    /// Takes the oldest connection that is ready, or notes whom to wake.
    pub(crate) fn accept(&mut self, id: u32, waker: &Waker) -> Option<(SocketHandle, SocketAddrV4)> {
        for connection in &mut self.link.tcp.connections {
            let socket = self.sockets.get_mut::<Socket<'_>>(connection.handle);
            if connection.stage != Stage::Arriving(id) || !is_acceptable(socket.state()) {
                continue;
            }
            socket.set_timeout(None);
            connection.stage = Stage::Owned;
            self.counters.tcp_accepted.increment();
            return Some((connection.handle, connection.flow.peer()));
        }
        if let Some(listener) = self.link.tcp.listeners.iter_mut().find(|listener| listener.id == id) {
            listener.waker = Some(waker.clone());
        }
        None
    }

    /// Prepares a socket for a SYN to a listener, unless a connection with the same ends exists or no room is left.
    pub(crate) fn prepare_for_syn(&mut self, flow: &Flow, now: Instant) {
        if self.address.map(|address| address.0) != Some(flow.destination.0)
            || self.connection_of(flow).is_some()
        {
            return;
        }
        let port = flow.destination.1;
        let Some(listener) = self.link.tcp.listeners.iter().find(|listener| listener.port == port) else {
            return;
        };
        let stage = Stage::Arriving(listener.id);
        let arriving =
            self.link.tcp.connections.iter().filter(|connection| connection.stage == stage).count();
        if arriving >= listener.backlog {
            self.counters.tcp_backlog_full.increment();
            return;
        }
        if !self.make_room() {
            return;
        }
        let Some(mut socket) = self.new_socket() else { return };
        socket.set_timeout(Some(duration(ARRIVAL_TIMEOUT)));
        if socket.listen(port).is_ok() {
            self.link.tcp.watched = Some(self.add_connection(socket, stage, flow, now));
        }
    }

    /// Removes the prepared socket again when the stack did not take the SYN.
    pub(crate) fn settle_syn(&mut self) {
        if let Some(handle) = self.link.tcp.watched.take()
            && self.sockets.get::<Socket<'_>>(handle).state() == State::Listen
        {
            self.remove_connection(handle);
        }
    }
}

/// Connections.
impl Stack {
    /// Begins to connect.
    pub(crate) fn begin_connect(&mut self, peer: SocketAddrV4, now: Instant) -> Result<SocketHandle, Error> {
        if peer.port() == 0
            || peer.ip().is_unspecified()
            || peer.ip().is_multicast()
            || peer.ip().is_broadcast()
        {
            return Err(Error::InvalidAddress);
        }
        let Some((address, _)) = self.address else {
            return Err(Error::NotConfigured);
        };
        if self.next_hop(*peer.ip()).is_none() {
            return Err(Error::Unreachable);
        }
        let port = self.free_port(peer).ok_or(Error::NoPortLeft)?;
        if !self.make_room() {
            return Err(Error::TooManySockets);
        }
        let mut socket = self.new_socket().ok_or(Error::NoMemory)?;
        socket.set_timeout(Some(duration(CONNECT_TIMEOUT)));
        socket.connect(self.interface.context(), endpoint(peer), port).map_err(|_| Error::InvalidAddress)?;
        self.counters.tcp_connects.increment();
        self.request();
        let flow = Flow { source: (*peer.ip(), peer.port()), destination: (address, port) };
        Ok(self.add_connection(socket, Stage::Owned, &flow, now))
    }

    /// A local port that no connection to `peer` uses.
    fn free_port(&mut self, peer: SocketAddrV4) -> Option<u16> {
        free_port((self.random)(), |port| {
            self.link.tcp.connections.iter().any(|connection| {
                let socket = self.sockets.get::<Socket<'_>>(connection.handle);
                socket.local_endpoint().is_some_and(|local| local.port == port)
                    && socket.remote_endpoint() == Some(endpoint(peer))
            })
        })
    }

    /// A socket with its buffers, and room in both tables. `None`, and counted, when there is no memory for them.
    fn new_socket(&mut self) -> Option<Socket<'static>> {
        let has_place = self.link.tcp.connections.try_reserve(1).is_ok() && self.has_slot();
        let buffers = filled(0, self.limits.tcp_receive).zip(filled(0, self.limits.tcp_transmit));
        let Some((receive, transmit)) = buffers.filter(|_| has_place) else {
            self.counters.tcp_no_memory.increment();
            self.complain("memory");
            return None;
        };
        let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(transmit));
        socket.set_congestion_control(CongestionControl::Reno);
        // Writes of one turn are sent together anyway; waiting for an acknowledgement as well only costs time.
        socket.set_nagle_enabled(false);
        Some(socket)
    }

    fn add_connection(
        &mut self,
        socket: Socket<'static>,
        stage: Stage,
        flow: &Flow,
        now: Instant,
    ) -> SocketHandle {
        let handle = self.sockets.add(socket);
        self.link.tcp.connections.push(Connection {
            handle,
            flow: *flow,
            opened: now,
            meter: Meter::default(),
            stage,
            reset: false,
            finished: false,
            leftover: Vec::new(),
        });
        handle
    }

    fn remove_connection(&mut self, handle: SocketHandle) {
        let connections = &mut self.link.tcp.connections;
        if let Some(index) = connections.iter().position(|connection| connection.handle == handle) {
            connections.remove(index);
        }
        self.sockets.remove(handle);
        self.counters.tcp_closed.increment();
    }

    /// Whether one more connection may exist. One that only waits out TIME-WAIT gives way.
    fn make_room(&mut self) -> bool {
        if self.link.tcp.connections.len() < self.limits.connections {
            return true;
        }
        let waiting = self.link.tcp.connections.iter().find(|connection| {
            matches!(connection.stage, Stage::Parting(_))
                && self.sockets.get::<Socket<'_>>(connection.handle).state() == State::TimeWait
        });
        let Some(handle) = waiting.map(|connection| connection.handle) else {
            self.counters.tcp_limit_reached.increment();
            self.complain("room: the limit on connections is reached");
            return false;
        };
        self.counters.tcp_time_wait_evicted.increment();
        self.remove_connection(handle);
        true
    }

    /// The connection whose ends a received segment names.
    fn connection_of(&self, flow: &Flow) -> Option<SocketHandle> {
        let is_open = |connection: &&Connection| {
            // A socket that has ended has no ends.
            self.sockets.get::<Socket<'_>>(connection.handle).remote_endpoint().is_some()
        };
        let mut of_flow = self.link.tcp.connections.iter().filter(|connection| connection.flow == *flow);
        of_flow.find(is_open).map(|connection| connection.handle)
    }

    /// Remembers which connection a received reset names.
    pub(crate) fn prepare_for_reset(&mut self, flow: &Flow) {
        self.link.tcp.watched = self.connection_of(flow);
    }

    /// Notes the reset when the stack accepted it.
    pub(crate) fn settle_reset(&mut self) {
        let Some(handle) = self.link.tcp.watched.take() else { return };
        if self.sockets.get::<Socket<'_>>(handle).state() == State::Closed
            && let Some(connection) = self.link.tcp.find(handle)
        {
            connection.reset = true;
            self.counters.tcp_resets.increment();
        }
    }

    /// Whether the peer has reset the connection.
    pub(crate) fn was_reset(&mut self, handle: SocketHandle) -> bool {
        self.link.tcp.find(handle).is_some_and(|connection| connection.reset)
    }

    /// Whether the peer had sent FIN, and everything before it was taken from the socket.
    pub(crate) fn was_finished(&mut self, handle: SocketHandle) -> bool {
        self.link.tcp.find(handle).is_some_and(|connection| connection.finished)
    }

    /// Reads what outlived its socket's TIME-WAIT; the number of bytes.
    pub(crate) fn read_leftover(&mut self, handle: SocketHandle, bytes: &mut [u8]) -> usize {
        let Some(connection) = self.link.tcp.find(handle) else { return 0 };
        let leftover = &mut connection.leftover;
        let length = leftover.len().min(bytes.len());
        bytes[..length].copy_from_slice(&leftover[..length]);
        leftover.copy_within(length.., 0);
        leftover.truncate(leftover.len() - length);
        length
    }

    /// Takes over a connection that its stream has dropped: FIN after what is still to be sent.
    pub(crate) fn part(&mut self, handle: SocketHandle, now: Instant) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        socket.close();
        let patience = if socket.state() == State::Closed { RESET_TIMEOUT } else { PARTING_TIMEOUT };
        if let Some(connection) = self.link.tcp.find(handle) {
            connection.stage = Stage::Parting(now + patience);
        }
        self.request();
    }

    /// Looks after the connections that no stream looks after: wakes listeners, removes what has ended, cuts what
    /// does not end.
    pub(crate) fn sweep_connections(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(connection) = self.link.tcp.connections.get_mut(index) {
            let handle = connection.handle;
            let socket = self.sockets.get_mut::<Socket<'_>>(handle);
            match connection.stage {
                Stage::Owned => {
                    if socket.state() == State::TimeWait && socket.can_recv() {
                        connection.rescue(socket);
                    }
                    connection.finished |= !socket.may_recv() && has_fin(socket.state());
                }
                Stage::Arriving(id) if is_acceptable(socket.state()) => {
                    let waiting = self.link.tcp.listeners.iter_mut().find(|listener| listener.id == id);
                    if let Some(waker) = waiting.and_then(|listener| listener.waker.take()) {
                        waker.wake();
                    }
                }
                Stage::Arriving(_) => {
                    if matches!(socket.state(), State::Listen) || is_gone(socket) {
                        self.remove_connection(handle);
                        continue;
                    }
                }
                Stage::Parting(until) => {
                    // Nobody reads any more: what still comes is taken and forgotten, so that the FIN behind it comes.
                    while socket.recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|length| length > 0) {}
                    let overdue = until <= now;
                    if is_gone(socket) || (overdue && socket.state() == State::Closed) {
                        self.remove_connection(handle);
                        continue;
                    }
                    if overdue {
                        self.counters.tcp_close_overdue.increment();
                        connection.stage = Stage::Parting(now + RESET_TIMEOUT);
                        socket.abort();
                        self.request();
                    }
                }
            }
            index += 1;
        }
    }
}

/// Whether the handshake is complete. A peer that has closed its half already is accepted as well.
fn is_acceptable(state: State) -> bool {
    matches!(state, State::Established | State::CloseWait)
}

/// Whether the peer's FIN has been received.
pub(crate) fn has_fin(state: State) -> bool {
    matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
}

/// Closed, and no reset waits to be sent.
fn is_gone(socket: &Socket<'_>) -> bool {
    socket.state() == State::Closed && socket.remote_endpoint().is_none()
}
