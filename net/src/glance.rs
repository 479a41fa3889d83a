//! A first look at a received frame: whom it concerns, before the stack parses it in full.
//!
//! The look decides which sockets the stack is shown together with the frame. It checks no checksum and trusts nothing:
//! whatever it says is only acted upon once the stack has accepted the frame.

use core::net::{Ipv4Addr, SocketAddrV4};

/// The two ends of a connection, as the segments name them that are received: the peer is the source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) source: (Ipv4Addr, u16),
    pub(crate) destination: (Ipv4Addr, u16),
}

impl Flow {
    /// The end elsewhere.
    pub(crate) fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.source.0, self.source.1)
    }

    /// The end here.
    pub(crate) fn local(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.destination.0, self.destination.1)
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

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// The bytes that are looked at in every packet: Ethernet, and IPv4 without options.
const HEAD: usize = ETHERNET + 20;

/// The protocols (RFC 791, 3.1: the numbers are IANA's).
const TCP: u8 = 6;
const UDP: u8 = 17;

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

    /// Reads the headers of an IPv4 packet: its first 20 bytes, what follows the options, and the bytes of all.
    fn read(head: &[u8; 20], tcp: &[u8; 20], bytes: u32) -> Segment {
        let flags = tcp[13];
        Segment {
            flow: Flow {
                source: (address([head[12], head[13], head[14], head[15]]), short(tcp, 0)),
                destination: (address([head[16], head[17], head[18], head[19]]), short(tcp, 2)),
            },
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
    /// Looks at an Ethernet frame with an IPv4 packet in it: RFC 791, 3.1; RFC 768; RFC 9293, 3.1.
    #[inline]
    pub(crate) fn of(frame: &[u8]) -> Glance {
        Self::look(frame).unwrap_or(Glance::Other)
    }

    #[inline]
    fn look(frame: &[u8]) -> Option<Glance> {
        let head = frame.first_chunk::<HEAD>()?;
        if (head[12], head[13]) == (0x08, 0x06) {
            return Some(Glance::Arp);
        }
        let is_whole = (head[20] & 0x3f, head[21]) == (0, 0);
        if (head[12], head[13], head[14] >> 4) != (0x08, 0x00, 4) || !is_whole {
            return None;
        }
        let header = usize::from(head[14] & 0x0f) * 4;
        let payload = frame.get(ETHERNET + header.max(20)..)?;
        if head[23] == UDP {
            return payload.first_chunk::<8>().map(|udp| Glance::Udp(short(udp, 2)));
        }
        let tcp = payload.first_chunk::<20>().filter(|_| head[23] == TCP)?;
        let bytes = u32::from(short(head, 16)).saturating_sub(header as u32);
        let (_, ip) = head.split_last_chunk::<20>()?;
        Some(Glance::Tcp(Segment::read(ip, tcp, bytes)))
    }
}

/// Changes the number of a TCP segment that this end sends: behind an IPv4 header without options, and not sealed yet.
pub(crate) fn renumber(frame: &mut [u8], sequence: u32) {
    if let Some(place) = frame.get_mut(HEAD + 4..HEAD + 8) {
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

#[inline]
fn address(octets: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::from(octets)
}

#[cfg(test)]
mod tests {
    use super::{ACK, FIN, Flow, Glance, RST, SYN, Segment};

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
        let flow = Flow { source: ([10, 0, 0, 1].into(), 0x1000), destination: ([10, 0, 0, 2].into(), 80) };
        for options in [0, 4, 40] {
            let segment = Segment::of(&tcp(ACK, options)).expect("a segment");
            assert!(segment.flow == flow);
            assert_eq!((segment.sequence, segment.acknowledgement, segment.window), (7, 256, 0x2000));
            assert_eq!((segment.flags, segment.length), (ACK, 10));
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
