//! The table of bound UDP ports, and what counts the datagrams that a full queue drops.

use alloc::vec::Vec;

use smoltcp::{
    iface::SocketHandle,
    socket::udp::{PacketBuffer, PacketMetadata, Socket},
};

use unik_sched::time::Instant;

use crate::{
    error::Error,
    stack::{Stack, filled},
};

/// The first port of the dynamic range (RFC 6335, 6).
const DYNAMIC_FIRST: u16 = 49152;
/// Ports of the dynamic range.
const DYNAMIC_COUNT: u16 = 16384;

/// UDP sockets that one stack may have open.
const SOCKET_LIMIT: usize = 256;

/// Which ports are bound, and to which sockets.
pub(crate) struct UdpTable {
    pub(crate) ports: Vec<Bound>,
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
    pub(crate) fn new() -> Self {
        UdpTable { ports: Vec::new(), watched: None }
    }

    fn find(&self, port: u16) -> Option<SocketHandle> {
        self.ports.iter().find(|bound| bound.port == port).map(|bound| bound.handle)
    }

    pub(crate) fn remove(&mut self, port: u16) {
        self.ports.retain(|bound| bound.port != port);
    }
}

impl Stack {
    /// Opens a socket on `port`, or on a free port of the dynamic range when it is 0.
    pub(crate) fn open_udp(&mut self, port: u16, now: Instant) -> Result<(SocketHandle, u16), Error> {
        if self.udp.ports.len() >= SOCKET_LIMIT {
            return Err(Error::TooManySockets);
        }
        let port = match port {
            0 => free_port((self.random)(), |port| self.udp.find(port).is_some()).ok_or(Error::NoPortLeft)?,
            port if self.udp.find(port).is_some() => return Err(Error::PortInUse),
            port => port,
        };
        let Some(mut socket) = self.new_udp() else {
            self.counters.udp_no_memory.increment();
            return Err(Error::NoMemory);
        };
        socket.bind(port).map_err(|_| Error::InvalidAddress)?;
        let handle = self.sockets.add(socket);
        self.udp.ports.push(Bound { port, handle, opened: now });
        self.counters.udp_opened.increment();
        Ok((handle, port))
    }

    /// A socket with its buffers, and room in both tables. `None` when there is no memory for them.
    fn new_udp(&mut self) -> Option<Socket<'static>> {
        self.udp.ports.try_reserve(1).ok()?;
        let metadata = filled(PacketMetadata::EMPTY, self.limits.udp_datagrams)?;
        let received = PacketBuffer::new(metadata, filled(0, self.limits.udp_bytes)?);
        // Last: the memory that it has found free is the next to be taken.
        self.has_slot().then(|| Socket::new(received, PacketBuffer::new(Vec::new(), Vec::new())))
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

/// A port of the dynamic range that is not taken: one drawn by lot, or the next free one after it (RFC 6056, 3.3.1).
pub(crate) fn free_port(random: u64, taken: impl Fn(u16) -> bool) -> Option<u16> {
    (0..DYNAMIC_COUNT)
        .map(|step| DYNAMIC_FIRST + (random as u16).wrapping_add(step) % DYNAMIC_COUNT)
        .find(|port| !taken(*port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_the_one_that_was_drawn() {
        assert_eq!(free_port(0, |_| false), Some(49152));
        assert_eq!(free_port(0x3fff, |_| false), Some(65535));
        assert_eq!(free_port(u64::MAX, |_| false), Some(65535));
        assert_eq!(free_port(0x4000, |_| false), Some(49152), "every port is as likely as any other");
    }

    #[test]
    fn a_port_that_is_taken_gives_way_to_the_next_one_round_the_range() {
        assert_eq!(free_port(5, |port| port == 49157), Some(49158));
        assert_eq!(free_port(0x3fff, |port| port == 65535), Some(49152));
        assert_eq!(free_port(7, |port| port != 49152), Some(49152));
        assert_eq!(free_port(7, |_| true), None);
    }
}
