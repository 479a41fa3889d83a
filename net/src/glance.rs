//! A first look at a received frame: whom it concerns, before the stack parses it in full.
//!
//! The look decides which sockets the stack is shown together with the frame. It checks no checksum and trusts nothing:
//! whatever it says is only acted upon once the stack has accepted the frame.

use core::net::SocketAddr;

use crate::ip::address::{Address, End, socket_address};

/// The two ends of a connection, as the segments name them that are received: the peer is the source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) source: End,
    pub(crate) destination: End,
}

impl Flow {
    /// The end elsewhere.
    pub(crate) fn peer(&self) -> SocketAddr {
        socket_address(self.source)
    }

    /// The end here.
    pub(crate) fn local(&self) -> SocketAddr {
        socket_address(self.destination)
    }
}

/// What a frame is about.
#[derive(Clone, Copy)]
pub(crate) enum Glance {
    /// Address resolution: somebody's hardware address may now be known.
    Arp,
    /// A datagram to this port.
    Udp(u16),
    /// A segment of TCP.
    Tcp(Segment),
    /// Anything else.
    Other,
}

/// The header of a TCP segment, as far as it is looked at (RFC 9293, 3.1).
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) flow: Flow,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// The numbers that it takes: bytes, SYN and FIN.
    pub(crate) length: u32,
}

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// Bytes of an Ethernet header: two addresses and a type.
pub(crate) const ETHERNET: usize = 14;
/// The types of frames (RFC 894, RFC 826, RFC 2464).
pub(crate) const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
pub(crate) const TYPE_ARP: [u8; 2] = [0x08, 0x06];
pub(crate) const TYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Bytes of a header of IPv4 without options, and of one of IPv6.
pub(crate) const IPV4: usize = 20;
pub(crate) const IPV6: usize = 40;
/// The bytes that every packet of IPv4 has in its frame, and every one of IPv6.
pub(crate) const IPV4_HEAD: usize = ETHERNET + IPV4;
pub(crate) const IPV6_HEAD: usize = ETHERNET + IPV6;

/// The protocols (RFC 791, 3.1: the numbers are IANA's).
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

impl Segment {
    /// Whether it asks for a new connection.
    pub(crate) fn is_opening(&self) -> bool {
        self.flags & (SYN | RST | ACK) == SYN
    }

    /// Reads the headers of an Ethernet frame with a TCP segment in it. `None` for any other frame.
    pub(crate) fn of(frame: &[u8]) -> Option<Segment> {
        match Glance::of(frame) {
            Glance::Tcp(segment) => Some(segment),
            _ => None,
        }
    }

    /// Reads the header of a segment of so many `bytes`, which goes from one address to another.
    #[inline(always)]
    fn read(source: Address, destination: Address, tcp: &[u8; 20], bytes: u32) -> Segment {
        let flags = tcp[13];
        Segment {
            flow: Flow { source: (source, short(tcp, 0)), destination: (destination, short(tcp, 2)) },
            sequence: long(tcp, 4),
            acknowledgement: long(tcp, 8),
            flags,
            window: short(tcp, 14),
            length: bytes.saturating_sub(u32::from(tcp[12] >> 4) * 4)
                + u32::from(flags & FIN != 0)
                + u32::from(flags & SYN != 0),
        }
    }
}

impl Glance {
    /// Looks at an Ethernet frame with an IP packet in it: RFC 791, 3.1; RFC 8200, 3; RFC 768; RFC 9293, 3.1.
    #[inline]
    pub(crate) fn of(frame: &[u8]) -> Glance {
        // Each is made where the caller wants it: a segment is large, as values go.
        let Some(head) = frame.first_chunk::<IPV4_HEAD>() else { return Glance::Other };
        match [head[12], head[13]] {
            TYPE_IPV4 => {}
            TYPE_IPV6 => return Self::look_at_six(frame).unwrap_or(Glance::Other),
            TYPE_ARP => return Glance::Arp,
            _ => return Glance::Other,
        }
        let is_whole = (head[20] & 0x3f, head[21]) == (0, 0);
        if head[14] >> 4 != 4 || !is_whole {
            return Glance::Other;
        }
        let header = usize::from(head[14] & 0x0f) * 4;
        let payload = frame.get(ETHERNET + header.max(IPV4)..).unwrap_or_default();
        match (head[23], payload.first_chunk::<20>()) {
            (TCP, Some(tcp)) => {
                let bytes = u32::from(short(head, 16)).saturating_sub(header as u32);
                let source = Address::v4([head[26], head[27], head[28], head[29]]);
                let destination = Address::v4([head[30], head[31], head[32], head[33]]);
                Glance::Tcp(Segment::read(source, destination, tcp, bytes))
            }
            (UDP, _) => match payload.first_chunk::<8>() {
                Some(udp) => Glance::Udp(short(udp, 2)),
                None => Glance::Other,
            },
            _ => Glance::Other,
        }
    }

    #[inline(never)]
    fn look_at_six(frame: &[u8]) -> Option<Glance> {
        let (head, payload) = frame.split_first_chunk::<IPV6_HEAD>()?;
        let [source, destination] = ends_of_six(head);
        match head[20] {
            // What looks like version 4 is nobody's address on the wire (RFC 4942, 2.2).
            _ if head[14] >> 4 != 6 || source.is_v4() || destination.is_v4() => None,
            UDP => payload.first_chunk::<8>().map(|udp| Glance::Udp(short(udp, 2))),
            TCP => {
                let tcp = payload.first_chunk::<20>()?;
                Some(Glance::Tcp(Segment::read(source, destination, tcp, short(head, 18).into())))
            }
            _ => None,
        }
    }
}

/// The addresses of a packet of IPv6 in its frame: whom it comes from, and whom it is for.
#[inline]
pub(crate) fn ends_of_six(head: &[u8; IPV6_HEAD]) -> [Address; 2] {
    let at = |at: usize| {
        let octets = head.get(at..).and_then(|bytes| bytes.first_chunk());
        octets.map_or(Address::UNSPECIFIED, |octets| Address::v6(*octets))
    };
    [at(22), at(38)]
}

/// The hardware address that a frame comes from.
#[inline]
pub(crate) fn sender<const N: usize>(head: &[u8; N]) -> [u8; 6] {
    head.get(6..).and_then(|bytes| bytes.first_chunk()).copied().unwrap_or_default()
}

/// Changes the number of a TCP segment that this end sends: behind an IP header without options, and not sealed yet.
pub(crate) fn renumber(frame: &mut [u8], sequence: u32) {
    let is_six = frame.get(14).is_some_and(|first| first >> 4 == 6);
    let at = if is_six { IPV6_HEAD } else { IPV4_HEAD } + 4;
    if let Some(place) = frame.get_mut(at..at + 4) {
        place.copy_from_slice(&sequence.to_be_bytes());
    }
}

#[inline]
fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

#[inline]
fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::{ACK, Address, FIN, Flow, Glance, RST, SYN, Segment, renumber};

    /// A segment with ten bytes of data, behind `options` bytes of IP options.
    fn tcp(flags: u8, options: usize) -> std::vec::Vec<u8> {
        let mut frame = std::vec![0; 64 + options];
        frame[12] = 0x08;
        frame[14] = 0x45 + (options / 4) as u8;
        frame[17] = (50 + options) as u8;
        frame[23] = 6;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let tcp = &mut frame[34 + options..];
        tcp[..14].copy_from_slice(&[0x10, 0x00, 0x00, 80, 0, 0, 0, 7, 0, 0, 1, 0, 0x50, flags]);
        tcp[14..16].copy_from_slice(&[0x20, 0]);
        frame
    }

    #[test]
    fn the_headers_of_a_segment_are_read() {
        let end = |last, port| (Address::v4([10, 0, 0, last]), port);
        let flow = Flow { source: end(1, 0x1000), destination: end(2, 80) };
        for options in [0, 4, 40] {
            let segment = Segment::of(&tcp(ACK, options)).expect("a segment");
            assert!(segment.flow == flow);
            assert_eq!((segment.sequence, segment.acknowledgement, segment.window), (7, 256, 0x2000));
            assert_eq!((segment.flags, segment.length), (ACK, 10));
        }
    }

    #[test]
    fn the_headers_of_a_segment_of_version_6_are_read_and_its_number_changed() {
        let mut frame = std::vec![0; 14 + 40 + 30];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame[14..21].copy_from_slice(&[0x60, 0, 0, 0, 0, 30, 6]);
        frame[22] = 0x20;
        frame[38] = 0x21;
        frame[54..68].copy_from_slice(&[0x10, 0x00, 0x00, 80, 0, 0, 0, 7, 0, 0, 1, 0, 0x50, ACK]);
        let segment = Segment::of(&frame).expect("a segment");
        assert!(segment.flow.source == (Address::v6(*frame[22..38].first_chunk().unwrap()), 0x1000));
        assert!(segment.flow.destination == (Address::v6(*frame[38..54].first_chunk().unwrap()), 80));
        assert_eq!((segment.sequence, segment.length), (7, 10));
        renumber(&mut frame, 99);
        assert_eq!(Segment::of(&frame).map(|segment| segment.sequence), Some(99));
        frame[20] = 17;
        assert!(matches!(Glance::of(&frame), Glance::Udp(80)));
        for end in 0..frame.len() {
            let _ = Glance::of(&frame[..end]);
        }
    }

    #[test]
    fn syn_and_fin_take_a_number_each() {
        let length = |flags| Segment::of(&tcp(flags, 0)).map(|segment| segment.length);
        assert_eq!((length(SYN), length(FIN | ACK), length(RST)), (Some(11), Some(11), Some(10)));
    }

    #[test]
    fn a_syn_alone_opens() {
        let opens = |flags| Segment::of(&tcp(flags, 0)).is_some_and(|segment| segment.is_opening());
        assert!(opens(SYN) && opens(SYN | 0xc0));
        assert!(!opens(SYN | ACK) && !opens(SYN | RST) && !opens(ACK));
    }

    #[test]
    fn fragments_have_no_ports() {
        for (at, value) in [(21, 1), (20, 0x20)] {
            let mut frame = tcp(SYN, 0);
            frame[at] = value;
            assert!(matches!(Glance::of(&frame), Glance::Other));
        }
    }

    #[test]
    fn datagrams_are_known_by_their_port() {
        let mut frame = tcp(0, 8);
        frame[23] = 17;
        assert!(matches!(Glance::of(&frame), Glance::Udp(80)));
        assert!(matches!(Glance::of(&frame[..14 + 28 + 7]), Glance::Other));
    }

    #[test]
    fn no_cut_of_a_frame_panics() {
        for options in [0, 12, 40] {
            let frame = tcp(SYN, options);
            for end in 0..frame.len() {
                let _ = Glance::of(&frame[..end]);
            }
        }
        let mut frame = tcp(SYN, 0);
        for value in 0..=255 {
            frame[14] = value;
            let _ = Glance::of(&frame);
        }
    }
}
