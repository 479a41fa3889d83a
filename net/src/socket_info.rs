//! What can be told of a socket, for people who look at a running stack.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use smoltcp::socket::tcp;
use unik_sched::time::{Duration, Instant};

use crate::stack::Stack;

/// A protocol that has sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams (RFC 768).
    Udp,
    /// Connections (RFC 9293).
    Tcp,
}

/// What a socket is doing. All but `Open` are states of TCP (RFC 9293, 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum SocketState {
    /// A UDP socket.
    Open,
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// What is known of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketInfo {
    /// What it speaks.
    pub protocol: Protocol,
    /// What it is doing.
    pub state: SocketState,
    /// Address and port on this side; the address is 0.0.0.0 where it is any of the stack's.
    pub local: SocketAddr,
    /// Address and port on the other side: of connections.
    pub remote: Option<SocketAddr>,
    /// Bytes received that the application has not taken yet; for a listener, connections not accepted yet.
    pub receive_queue: usize,
    /// Bytes that wait to be sent or to be acknowledged.
    pub send_queue: usize,
    /// The smoothed round trip time (RFC 6298, 2) of a connection, once one was measured.
    pub round_trip: Option<Duration>,
    /// Segments of a connection that were sent again.
    pub retransmits: u32,
    /// The time since it was opened; in TIME-WAIT, since that began.
    pub age: Duration,
}

impl SocketInfo {
    /// A socket on `port` without a peer, opened at `opened`.
    pub(crate) fn new(
        protocol: Protocol,
        state: SocketState,
        port: u16,
        opened: Instant,
        now: Instant,
    ) -> Self {
        SocketInfo {
            protocol,
            state,
            local: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into(),
            remote: None,
            receive_queue: 0,
            send_queue: 0,
            round_trip: None,
            retransmits: 0,
            age: now.duration_since(opened),
        }
    }
}

impl Stack {
    /// What is known of the next socket from a position on, which moves behind it. UDP sockets come first, then
    /// handlers of datagrams, listeners, connections, and those in TIME-WAIT.
    pub(crate) fn next_socket(&self, position: &mut usize, now: Instant) -> Option<SocketInfo> {
        let handlers = self.udp.ports.len();
        let listeners = handlers + self.in_place.as_ref().map_or(0, |table| table.len());
        let connections = listeners + self.tcp.listeners.len();
        let waiting = connections + self.tcp.positions();
        let end = waiting + self.tcp.time_wait.positions();
        while *position < end {
            let at = *position;
            *position += 1;
            let socket = if at < handlers {
                self.udp_info(at, now)
            } else if at < listeners {
                self.in_place.as_ref().and_then(|table| table.info(at - handlers, now))
            } else if at < connections {
                self.listener_info(at - listeners, now)
            } else if at < waiting {
                self.connection_info(at - connections, now)
            } else {
                self.waiting_info(at - waiting, now)
            };
            if socket.is_some() {
                return socket;
            }
        }
        None
    }

    fn udp_info(&self, index: usize, now: Instant) -> Option<SocketInfo> {
        let bound = self.udp.ports.get(index)?;
        Some(SocketInfo {
            receive_queue: bound.queue.payload_bytes_count(),
            send_queue: self.parked_bytes(bound.port),
            ..SocketInfo::new(Protocol::Udp, SocketState::Open, bound.port, bound.opened, now)
        })
    }

    fn listener_info(&self, index: usize, now: Instant) -> Option<SocketInfo> {
        let listener = self.tcp.listeners.get(index)?;
        Some(SocketInfo {
            receive_queue: listener.acceptable(),
            ..SocketInfo::new(Protocol::Tcp, SocketState::Listen, listener.port, listener.opened, now)
        })
    }

    fn connection_info(&self, index: usize, now: Instant) -> Option<SocketInfo> {
        let connection = self.tcp.get(index as u32)?;
        let (socket, meter) = (connection.socket(), &connection.meter);
        Some(SocketInfo {
            local: connection.flow.local(),
            remote: Some(connection.flow.peer()),
            receive_queue: socket.recv_queue() + connection.leftover.len(),
            send_queue: socket.send_queue(),
            round_trip: meter.round_trip().map(Duration::from_nanos),
            retransmits: meter.retransmits(),
            ..SocketInfo::new(Protocol::Tcp, state(socket.state()), 0, connection.opened, now)
        })
    }

    fn waiting_info(&self, index: usize, now: Instant) -> Option<SocketInfo> {
        let waiting = self.tcp.time_wait.get(index)?;
        Some(SocketInfo {
            local: waiting.flow.local(),
            remote: Some(waiting.flow.peer()),
            ..SocketInfo::new(Protocol::Tcp, SocketState::TimeWait, 0, waiting.since, now)
        })
    }
}

/// The state in our words.
fn state(state: tcp::State) -> SocketState {
    match state {
        tcp::State::Closed => SocketState::Closed,
        tcp::State::Listen => SocketState::Listen,
        tcp::State::SynSent => SocketState::SynSent,
        tcp::State::SynReceived => SocketState::SynReceived,
        tcp::State::Established => SocketState::Established,
        tcp::State::FinWait1 => SocketState::FinWait1,
        tcp::State::FinWait2 => SocketState::FinWait2,
        tcp::State::CloseWait => SocketState::CloseWait,
        tcp::State::Closing => SocketState::Closing,
        tcp::State::LastAck => SocketState::LastAck,
        tcp::State::TimeWait => SocketState::TimeWait,
    }
}
