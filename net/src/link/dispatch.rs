//! Where a packet to send goes: it is sealed, the table of routes says who gets it next, and that of neighbours on which
//! card, or keeps it until that is known.

use core::num::NonZeroU16;

use unik_virtio::Buffer;

use super::{Link, begin_frame};
use crate::{
    glance::{ETHERNET, IPV4_HEAD, SYN, Segment},
    ip::address::Address,
    ip::arp,
    ip::icmp::{ends, is_six},
    ip::neighbor::{Hardware, Parked, Waited},
    nic::{self, Frame, SegmentKind},
    segmentation::SEGMENTATION,
    tcp::segment::limit_segments,
};

/// Where the length of a TCP header is in a frame behind an IPv4 header without options (RFC 9293, 3.1).
const TCP_LENGTH: usize = IPV4_HEAD + 12;
/// The Ethernet address of all.
const ALL: Hardware = [0xff; 6];

/// What every way of IPv6 carries (RFC 8200, 5).
pub(crate) const CERTAIN: u16 = 1280;

impl Link {
    /// Seals a new packet, which is to be cut into segments with `size` bytes of payload if that is said, and sends it: to
    /// the card `to`, or to whom the routes lead.
    #[inline(never)]
    pub(super) fn finish(&mut self, mut buffer: Buffer, size: Option<NonZeroU16>, to: Option<Hardware>) {
        begin_frame(&mut buffer, self.host.hardware);
        if !matches!(self.packet_limits, [None, None]) {
            let is_six = is_six(&buffer);
            self.limit_own_segments(&mut buffer, is_six);
        }
        let mut frame = Frame::from(buffer);
        let peer = self.note(&mut frame.buffer);
        frame.seal(self.offloads);
        if SEGMENTATION && let Some(size) = size {
            let tcp = frame.buffer.get(TCP_LENGTH).map_or(0, |length| length >> 4) * 4;
            // A header has 60 bytes at most.
            let headers = IPV4_HEAD as u16 + u16::from(tcp);
            frame.offload.segment = Some(nic::Segment { kind: SegmentKind::Ipv4, size, headers });
        }
        if let Some(hardware) = to {
            return self.send_to(frame, hardware);
        }
        if let Some(peer) = peer {
            // The other end of a connection is one host.
            return self.route(frame, &peer);
        }
        let Some((_, destination)) = ends(&frame.buffer) else { return };
        match self.group(&destination) {
            Some(hardware) => self.send_to(frame, hardware),
            None => self.route(frame, &destination),
        }
    }

    /// Puts the hardware address of the next hop into a frame, and sends it.
    fn send_to(&mut self, mut frame: Frame, hardware: Hardware) {
        if let Some(place) = frame.buffer.first_chunk_mut() {
            *place = hardware;
        }
        self.send(frame);
    }

    /// The hardware address of the group that a packet is for, or of all, if it is not for one host.
    #[inline(always)]
    fn group(&self, destination: &Address) -> Option<Hardware> {
        if destination.is_multicast() {
            return Some(destination.group_hardware());
        }
        (*destination == Address::ALL || self.host.is_broadcast(destination)).then_some(ALL)
    }

    /// Sends a frame to whom the routes lead, or lets it wait until that one's hardware address is known.
    fn route(&mut self, frame: Frame, destination: &Address) {
        let Some(next_hop) = self.routes.next_hop_of_packet(destination) else {
            return self.counters.tx_unroutable.increment();
        };
        let way = self.neighbors.way(&next_hop, next_hop != *destination, self.now);
        match way.hardware {
            Some(hardware) => self.send_to(frame, hardware),
            None => self.park(&frame, next_hop),
        }
        if way.ask {
            self.ask(&next_hop);
        }
    }

    #[cold]
    fn park(&mut self, frame: &Frame, next_hop: Address) {
        // What is to be cut is too long to keep: TCP sends it again.
        let fits = frame.buffer.len() <= self.frame_limit
            && self.neighbors.park(next_hop, &frame.buffer, frame.offload, self.parking, self.now);
        let counter = if fits { &self.counters.tx_parked } else { &self.counters.tx_no_neighbor };
        counter.increment();
    }

    /// Asks who has an address on the link.
    #[cold]
    fn ask(&mut self, next_hop: &Address) {
        let source = self.host.source(next_hop);
        let Some(source) = source else { return };
        match (source.as_v4(), next_hop.as_v4()) {
            (Some(source), Some(target)) => {
                self.send_reply(&arp::question(self.host.hardware, source, target));
            }
            _ => self.solicit(&source, next_hop),
        }
    }

    /// Sends the packets that wait for neighbours who have answered, asks again for those who have not, and gives up.
    #[inline(never)]
    pub(crate) fn send_parked(&mut self) {
        let mut index = 0;
        loop {
            if !self.reserve() {
                // They are looked after when there is room.
                return self.neighbors.note_news();
            }
            let Some(waited) = self.neighbors.next_parked(&mut index, self.now) else { return };
            match waited {
                Waited::Found(hardware, parked) => self.unpark(&parked, hardware),
                Waited::Again(next_hop) => {
                    let is_router = self.routes.has_router(&next_hop);
                    if self.neighbors.way(&next_hop, is_router, self.now).ask {
                        self.ask(&next_hop);
                    }
                }
                Waited::InVain => self.counters.tx_no_neighbor.increment(),
            }
        }
    }

    fn unpark(&mut self, parked: &Parked, hardware: Hardware) {
        if let Some(mut buffer) = self.begin(parked.bytes.len()) {
            buffer.copy_from_slice(&parked.bytes);
            self.send_to(Frame { buffer, offload: parked.offload }, hardware);
        }
    }

    /// Lets the peer of the SYN in hand have no longer segments sent to it than the way there carries for certain. There is
    /// no search for what it carries beyond that (RFC 8200, 5: such a host sends no more than 1280 bytes); routers of IPv6
    /// cut no packets.
    pub(crate) fn limit_segments(&mut self, is_six: bool, is_on_link: bool) {
        let least = if is_six && !is_on_link { CERTAIN } else { u16::MAX };
        let limit = self.packet_limit(is_six).map_or(least, |limit| limit.min(least));
        if let Some(frame) = self.incoming.as_mut().filter(|_| limit < u16::MAX) {
            limit_segments(&mut frame.buffer, is_six, limit);
        }
    }

    /// Bytes of the longest packet of a version to send.
    pub(crate) fn packet_room(&self, is_six: bool) -> usize {
        let card = self.frame_limit().saturating_sub(ETHERNET);
        self.packet_limit(is_six).map_or(card, |limit| card.min(limit.into()))
    }

    /// Bytes of the longest frame that may answer the one in hand.
    #[inline]
    pub(crate) fn limit_in_hand(&self) -> usize {
        if let [None, None] = self.packet_limits {
            return self.frame_limit();
        }
        ETHERNET + self.packet_room(self.frame().is_some_and(is_six))
    }

    /// The longest packet of a version, where it is shorter than the card's.
    pub(crate) fn packet_limit(&self, is_six: bool) -> Option<u16> {
        self.packet_limits.get(usize::from(is_six)).copied().flatten()
    }

    /// Asks the peer of the new SYN for no longer segments than the link carries.
    #[cold]
    fn limit_own_segments(&self, frame: &mut [u8], is_six: bool) {
        if let Some(limit) = self.packet_limit(is_six)
            && Segment::of(frame).is_some_and(|segment| segment.flags & SYN != 0)
        {
            limit_segments(frame, is_six, limit);
        }
    }
}
