//! Sending datagrams: at once where the next hop is known, parked for a while where it is not.
//!
//! One smoltcp socket, the carrier, writes every datagram of every UDP socket into a frame. It stands in a socket
//! set of its own, so that sending costs the same however many sockets there are, and it never keeps a datagram:
//! one whose next hop is not known yet is parked with a bound on number and time. With a queue in each socket
//! instead, the first datagram to a dead address would hold up all that follow it.

use alloc::{vec, vec::Vec};
use core::{
    net::{Ipv4Addr, SocketAddrV4},
    task::{Poll, Waker},
};

use smoltcp::{
    iface::{SocketHandle, SocketSet},
    phy::{Device, TxToken},
    socket::udp::{PacketBuffer, PacketMetadata, Socket},
    wire::UDP_HEADER_LEN,
};
use unik_sched::time::{Duration, Instant};

use crate::{
    error::Error,
    link::{ETHERNET_HEADER, Link},
    stack::{Stack, instant, register, wake_all},
    udp::endpoint,
};

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

/// How often the next hop of a parked datagram is asked for, and how long after each request.
const ATTEMPTS: u8 = 3;
const RETRY: Duration = Duration::from_secs(1);

/// A broadcast ARP request for an IPv4 address over Ethernet (RFC 826), but for the addresses.
const ARP_REQUEST: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x08, 0x06, // to all, from, ARP
    0, 1, 0x08, 0x00, 6, 4, 0, 1, // Ethernet, IPv4, lengths of their addresses, request
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the sender's addresses
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the target's addresses, the first unknown
];

/// What is on its way out.
pub(crate) struct Outbox {
    set: SocketSet<'static>,
    carrier: SocketHandle,
    parked: Vec<Parked>,
    /// An ARP frame came in: parked datagrams may be sendable now.
    answered: bool,
    /// Tasks that wait for the card to have room.
    waiting: Vec<Waker>,
}

/// A datagram whose next hop has not answered yet.
struct Parked {
    port: u16,
    destination: SocketAddrV4,
    payload: Vec<u8>,
    attempts: u8,
    retry_at: Instant,
}

impl Outbox {
    /// An outbox for datagrams of up to `limit` bytes. What the carrier needs is taken here, and stays.
    pub(crate) fn new(limit: usize) -> Self {
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let unused = PacketBuffer::new(Vec::new(), Vec::new());
        let one = PacketBuffer::new(vec![PacketMetadata::EMPTY], vec![0; limit]);
        let carrier = set.add(Socket::new(unused, one));
        Outbox { set, carrier, parked: Vec::new(), answered: false, waiting: Vec::new() }
    }

    /// When a parked datagram is to be tried again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.parked.iter().map(|parked| parked.retry_at).min()
    }

    /// Bytes of the datagrams from `port` that are parked.
    pub(crate) fn parked_bytes(&self, port: u16) -> usize {
        let of_port = self.parked.iter().filter(|parked| parked.port == port);
        of_port.map(|parked| parked.payload.len()).sum()
    }

    /// Notes that an ARP frame came in.
    pub(crate) fn neighbor_answered(&mut self) {
        self.answered = true;
    }

    /// Wakes the tasks that wait for room.
    pub(crate) fn wake_senders(&mut self) {
        wake_all(&mut self.waiting);
    }
}

/// What became of a datagram.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    /// The next hop's hardware address is unknown. smoltcp may have asked for it.
    NoNeighbor {
        asked: bool,
    },
}

impl Stack {
    /// The largest UDP payload of one packet.
    pub(crate) fn datagram_limit(&self) -> usize {
        datagram_limit(&self.link)
    }

    /// Sends a datagram, or waits for the card to have room.
    pub(crate) fn poll_send(
        &mut self,
        waker: &Waker,
        now: Instant,
        port: u16,
        payload: &[u8],
        destination: SocketAddrV4,
    ) -> Poll<Result<(), Error>> {
        if payload.len() > self.datagram_limit() {
            return Poll::Ready(Err(Error::MessageTooLong));
        }
        self.link.now = now;
        if self.next_hop(*destination.ip()).is_none() {
            self.counters.udp_tx_unroutable.increment();
            return Poll::Ready(Ok(()));
        }
        if !self.link.reserve() {
            register(&mut self.outbox.waiting, waker);
            self.request();
            return Poll::Pending;
        }
        if let Outcome::NoNeighbor { asked } = self.carry(now, port, payload, destination) {
            self.park(now, port, payload, destination, asked);
        }
        self.request();
        Poll::Ready(Ok(()))
    }

    /// Lets the carrier write the datagram into a frame.
    fn carry(&mut self, now: Instant, port: u16, payload: &[u8], destination: SocketAddrV4) -> Outcome {
        let handle = self.outbox.carrier;
        let socket = self.outbox.set.get_mut::<Socket<'_>>(handle);
        socket.close();
        let written = socket.bind(port).is_ok() && socket.send_slice(payload, endpoint(destination)).is_ok();
        debug_assert!(written, "the carrier is empty and large enough");
        let frames = self.counters.tx_frames.get();
        self.interface.poll_egress(instant(now), &mut self.link, &mut self.outbox.set);
        if self.outbox.set.get::<Socket<'_>>(handle).can_send() {
            return Outcome::Sent;
        }
        // smoltcp keeps a socket silent after it missed a neighbour; put back into its place afresh, it is not.
        let carrier = self.outbox.set.remove(handle);
        self.outbox.carrier = self.outbox.set.add(carrier);
        Outcome::NoNeighbor { asked: self.counters.tx_frames.get() != frames }
    }

    fn park(&mut self, now: Instant, port: u16, payload: &[u8], destination: SocketAddrV4, asked: bool) {
        if self.outbox.parked.len() >= self.limits.parked {
            self.counters.udp_tx_no_neighbor.increment();
            return;
        }
        let Some(payload) = copy(payload).filter(|_| self.outbox.parked.try_reserve(1).is_ok()) else {
            self.counters.udp_tx_no_memory.increment();
            return;
        };
        self.counters.udp_tx_parked.increment();
        self.outbox.parked.push(Parked { port, destination, payload, attempts: 1, retry_at: now + RETRY });
        if !asked {
            self.ask(*destination.ip(), false, now);
        }
    }

    /// Tries the parked datagrams whose next hop may have answered, and gives up those it did not answer for.
    pub(crate) fn send_parked(&mut self, now: Instant) {
        let answered = core::mem::take(&mut self.outbox.answered);
        let mut index = 0;
        while let Some(parked) = self.outbox.parked.get_mut(index) {
            let due = parked.retry_at <= now;
            if !(due || answered) || !self.link.reserve() {
                index += 1;
                continue;
            }
            let (port, destination) = (parked.port, parked.destination);
            let payload = core::mem::take(&mut parked.payload);
            let outcome = self.carry(now, port, &payload, destination);
            let Some(parked) = self.outbox.parked.get_mut(index) else { return };
            parked.payload = payload;
            match outcome {
                Outcome::NoNeighbor { .. } if !due => {}
                Outcome::NoNeighbor { asked } if parked.attempts < ATTEMPTS => {
                    parked.attempts += 1;
                    parked.retry_at = now + RETRY;
                    if !asked {
                        self.ask(*destination.ip(), false, now);
                    }
                }
                given_up => {
                    if !matches!(given_up, Outcome::Sent) {
                        self.counters.udp_tx_no_neighbor.increment();
                    }
                    self.outbox.parked.swap_remove(index);
                    continue;
                }
            }
            index += 1;
        }
    }

    /// Asks who has the next hop towards `destination` (RFC 826), the same one at most once a second, and few of them.
    /// smoltcp asks too, but for all neighbours together at most once a second.
    pub(crate) fn ask(&mut self, destination: Ipv4Addr, is_stranger: bool, now: Instant) {
        let (Some(target), Some((address, _))) = (self.next_hop(destination), self.address) else { return };
        if !self.link.asked.may_ask(target, is_stranger, now) {
            return;
        }
        let Some(slot) = self.link.transmit(smoltcp::time::Instant::ZERO) else { return };
        let mut request = ARP_REQUEST;
        request[6..12].copy_from_slice(&self.hardware_address);
        request[22..28].copy_from_slice(&self.hardware_address);
        request[28..32].copy_from_slice(&address.octets());
        request[38..42].copy_from_slice(&target.octets());
        slot.consume(request.len(), |frame| frame.copy_from_slice(&request));
    }
}

/// The largest UDP payload of one packet through `link`.
pub(crate) fn datagram_limit(link: &Link) -> usize {
    let packet = link.capabilities().max_transmission_unit.saturating_sub(ETHERNET_HEADER);
    packet.saturating_sub(IPV4_HEADER + UDP_HEADER_LEN)
}

/// A copy of `bytes`, unless memory lacks.
fn copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy)
}
