//! Sending datagrams: straight into a frame of the card. One whose next hop is not known yet waits beside all sockets
//! ([`crate::ip::neighbor`]), so a destination that does not answer holds up nobody else.

use core::task::{Poll, Waker};

use unik_sched::time::Instant;

use crate::{
    error::Error,
    glance::{IPV4, IPV6, UDP},
    ip::address::{Address, End},
    ip::icmp::{HOP_LIMIT, Header},
    link::CERTAIN,
    stack::{Stack, register},
    udp::header::{HEADER, sent_from},
};

impl Stack {
    /// The largest payload of one packet to somebody with an address of this version.
    pub(crate) fn datagram_limit(&self, to_six: bool) -> usize {
        self.link.packet_room(to_six).saturating_sub(HEADER + if to_six { IPV6 } else { IPV4 })
    }

    /// Sends a datagram, or waits for the card to have room.
    pub(crate) fn poll_send(
        &mut self,
        waker: &Waker,
        now: Instant,
        port: u16,
        payload: &[u8],
        destination: End,
    ) -> Poll<Result<(), Error>> {
        let (address, to) = destination;
        let mut limit = self.datagram_limit(!address.is_v4());
        if !address.is_v4() && !address.is_multicast() && self.link.routes.next_hop(&address) != Some(address)
        {
            limit = limit.min(usize::from(CERTAIN) - IPV6 - HEADER);
        }
        if payload.len() > limit {
            return Poll::Ready(Err(Error::MessageTooLong));
        }
        self.link.now = now;
        let source = self.link.host.source(&address).filter(|_| !self.link.host.has(&address));
        let Some(source) = source else {
            // Nobody hears what this host says to itself.
            self.counters.tx_unroutable.increment();
            return Poll::Ready(Ok(()));
        };
        if !self.link.reserve() {
            register(&mut self.udp.senders, waker);
            self.request();
            return Poll::Pending;
        }
        self.send_datagram((source, port), (address, to), payload);
        self.request();
        Poll::Ready(Ok(()))
    }

    /// Writes a datagram into a frame and sends it. False when there is no room for it.
    #[inline(never)]
    pub(crate) fn send_datagram(&mut self, from: End, to: End, payload: &[u8]) -> bool {
        let hop_limit = if to.0.is_multicast() { 1 } else { HOP_LIMIT };
        let header = Header { source: from.0, destination: to.0, protocol: UDP, hop_limit };
        let [from, to, length] = [from.1, to.1, (HEADER + payload.len()) as u16].map(u16::to_be_bytes);
        let head: [u8; HEADER] = [from[0], from[1], to[0], to[1], length[0], length[1], 0, 0];
        self.link.emit(&header, &head, payload, None)
    }

    /// Bytes of the datagrams from `port` that wait for their next hop.
    pub(crate) fn parked_bytes(&self, port: u16) -> usize {
        let datagrams = self.link.neighbors.parked().filter_map(|parked| sent_from(&parked.bytes));
        datagrams.filter(|(from, _)| *from == port).map(|(_, length)| length).sum()
    }
}

/// Whether a datagram can be sent to an address: it is somebody's, or a group's.
pub(crate) fn is_destination((address, port): End) -> bool {
    port != 0 && (address.is_host() || address.is_multicast() || address == Address::ALL)
}
