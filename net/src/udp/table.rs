//! The table of bound UDP ports, and what counts the datagrams that a full queue drops.

use alloc::{vec, vec::Vec};

use smoltcp::{
    iface::SocketHandle,
    socket::udp::{PacketBuffer, PacketMetadata, Socket},
};

use unik_sched::time::Instant;

use crate::{error::Error, stack::Stack};

/// The first port of the dynamic range (RFC 6335, 6).
pub(crate) const DYNAMIC_FIRST: u16 = 49152;

/// UDP sockets that one stack may have open.
const SOCKET_LIMIT: usize = 256;

/// Which ports are bound, and to which sockets.
pub(crate) struct UdpTable {
    pub(crate) ports: Vec<Bound>,
    next_port: u16,
    /// The socket that the frame in hand goes to, and the bytes it had queued before.
    watched: Option<(SocketHandle, usize)>,
}

/// A socket and its port.
pub(crate) struct Bound {
    pub(crate) port: u16,
    pub(crate) handle: SocketHandle,
    pub(crate) opened: Instant,
}

impl UdpTable {
    pub(crate) fn new(seed: u64) -> Self {
        UdpTable { ports: Vec::new(), next_port: dynamic_port(seed), watched: None }
    }

    fn find(&self, port: u16) -> Option<SocketHandle> {
        self.ports.iter().find(|bound| bound.port == port).map(|bound| bound.handle)
    }

    pub(crate) fn remove(&mut self, port: u16) {
        self.ports.retain(|bound| bound.port != port);
    }

    /// A free port of the dynamic range.
    fn free_port(&mut self) -> Option<u16> {
        for _ in DYNAMIC_FIRST..=u16::MAX {
            let port = self.next_port;
            self.next_port = next_dynamic_port(port);
            if self.find(port).is_none() {
                return Some(port);
            }
        }
        None
    }
}

impl Stack {
    /// Opens a socket on `port`, or on a free port of the dynamic range when it is 0.
    pub(crate) fn open_udp(&mut self, port: u16, now: Instant) -> Result<(SocketHandle, u16), Error> {
        if self.udp.ports.len() >= SOCKET_LIMIT {
            return Err(Error::TooManySockets);
        }
        let port = match port {
            0 => self.udp.free_port().ok_or(Error::NoPortLeft)?,
            port if self.udp.find(port).is_some() => return Err(Error::PortInUse),
            port => port,
        };
        let received = PacketBuffer::new(
            vec![PacketMetadata::EMPTY; self.limits.udp_datagrams],
            vec![0; self.limits.udp_bytes],
        );
        let unused = PacketBuffer::new(Vec::new(), Vec::new());
        let mut socket = Socket::new(received, unused);
        socket.bind(port).map_err(|_| Error::InvalidAddress)?;
        let handle = self.sockets.add(socket);
        self.udp.ports.push(Bound { port, handle, opened: now });
        self.counters.udp_opened.increment();
        Ok((handle, port))
    }

    /// Remembers how much the socket of `port` has queued.
    pub(crate) fn prepare_for_datagram(&mut self, port: u16) {
        self.udp.watched = self
            .udp
            .find(port)
            .map(|handle| (handle, self.sockets.get::<Socket<'_>>(handle)))
            .filter(|(_, socket)| socket.can_recv())
            .map(|(handle, socket)| (handle, socket.recv_queue()));
    }

    /// Counts the datagram as dropped when the socket's queue has not grown. (smoltcp drops in silence.)
    pub(crate) fn settle_datagram(&mut self) {
        if let Some((handle, before)) = self.udp.watched.take()
            && self.sockets.get::<Socket<'_>>(handle).recv_queue() == before
        {
            self.counters.udp_rx_dropped.increment();
        }
    }
}

/// The first dynamic port to try: unpredictable from outside where the seed is.
pub(crate) fn dynamic_port(seed: u64) -> u16 {
    DYNAMIC_FIRST | ((seed ^ (seed >> 32)) & 0x3fff) as u16
}

/// The next one, round the range.
pub(crate) fn next_dynamic_port(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(DYNAMIC_FIRST)
}
