//! The table of bound UDP ports, and of the sockets behind them.

use alloc::vec::Vec;

use core::task::Waker;
use smoltcp::storage::{PacketBuffer, PacketMetadata};
use unik_sched::time::Instant;

use crate::{
    error::Error,
    ip::address::End,
    stack::{Stack, filled, wake_all},
    udp::header::Datagram,
};

/// The first port of the dynamic range (RFC 6335, 6).
const DYNAMIC_FIRST: u16 = 49152;
/// Ports of the dynamic range.
const DYNAMIC_COUNT: u16 = 16384;

/// UDP sockets that one stack may have open.
const SOCKET_LIMIT: usize = 256;

/// Which ports are bound, and to which sockets.
pub(crate) struct UdpTable {
    /// In the order of their ports.
    pub(crate) ports: Vec<Bound>,
    /// Tasks that wait for the card to have room.
    pub(crate) senders: Vec<Waker>,
}

/// A socket and its port.
pub(crate) struct Bound {
    pub(crate) port: u16,
    /// What has come in, and from whom.
    pub(crate) queue: PacketBuffer<'static, End>,
    /// The task that waits for more.
    pub(crate) waker: Option<Waker>,
    pub(crate) opened: Instant,
}

impl UdpTable {
    pub(crate) fn new() -> Self {
        UdpTable { ports: Vec::new(), senders: Vec::new() }
    }

    /// Wakes the tasks that wait for room.
    pub(crate) fn wake_senders(&mut self) {
        if !self.senders.is_empty() {
            wake_all(&mut self.senders);
        }
    }

    fn position(&self, port: u16) -> Result<usize, usize> {
        self.ports.binary_search_by_key(&port, |bound| bound.port)
    }

    /// The socket that is bound to a port.
    #[inline]
    pub(crate) fn find_mut(&mut self, port: u16) -> Option<&mut Bound> {
        let index = self.position(port).ok()?;
        self.ports.get_mut(index)
    }

    /// Whether a socket has `port`.
    pub(crate) fn has(&self, port: u16) -> bool {
        self.position(port).is_ok()
    }

    pub(crate) fn remove(&mut self, port: u16) {
        if let Ok(index) = self.position(port) {
            self.ports.remove(index);
        }
    }
}

impl Stack {
    /// Opens a socket on `port`, or on a free port of the dynamic range when it is 0; which one it is.
    pub(crate) fn open_udp(&mut self, port: u16, now: Instant) -> Result<u16, Error> {
        if self.udp.ports.len() >= SOCKET_LIMIT {
            return Err(Error::TooManySockets);
        }
        let random = if port == 0 { (self.random)() } else { 0 };
        let is_taken =
            |port| self.udp.has(port) || self.in_place.as_ref().is_some_and(|table| table.has(port));
        let port = match port {
            0 => free_port(random, is_taken).ok_or(Error::NoPortLeft)?,
            port if is_taken(port) => return Err(Error::PortInUse),
            port => port,
        };
        let Err(index) = self.udp.position(port) else { return Err(Error::PortInUse) };
        let Some(bound) = self.new_udp(port, now) else {
            self.counters.udp_no_memory.increment();
            return Err(Error::NoMemory);
        };
        self.udp.ports.insert(index, bound);
        self.counters.udp_opened.increment();
        Ok(port)
    }

    /// A socket with its buffers, and room in the table. `None` when there is no memory for them.
    fn new_udp(&mut self, port: u16, opened: Instant) -> Option<Bound> {
        self.udp.ports.try_reserve(1).ok()?;
        let metadata = filled(PacketMetadata::EMPTY, self.limits.udp_datagrams)?;
        let queue = PacketBuffer::new(metadata, filled(0, self.limits.udp_bytes)?);
        Some(Bound { port, queue, waker: None, opened })
    }

    /// Lets the socket of `port` have the datagram in hand, which the gate has let in.
    pub(crate) fn hear_datagram(&mut self, port: u16, now: Instant) {
        let Some(bound) = self.udp.find_mut(port) else { return self.refuse_datagram(now) };
        let datagram = self.link.frame().and_then(|frame| Some((Datagram::read(frame)?, frame)));
        match datagram {
            // RFC 768: a source port of zero is none.
            Some((Datagram { source: (_, 0), .. }, _)) | None => {
                self.counters.udp_rx_unanswerable.increment()
            }
            Some((datagram, frame)) => {
                let payload = frame.get(datagram.payload).unwrap_or_default();
                match bound.queue.enqueue(payload.len(), datagram.source) {
                    Ok(place) => place.copy_from_slice(payload),
                    Err(_) => self.counters.udp_rx_dropped.increment(),
                }
                if let Some(waker) = bound.waker.take() {
                    waker.wake();
                }
            }
        }
        self.link.ignore();
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
