//! A first look at a received frame: what it is about, before the stack parses it in full.
//!
//! The look decides whether a connection is to be prepared for a SYN, and what to count. It checks no checksum and
//! trusts nothing: whatever it says is only acted upon once the stack has accepted the frame.

use core::net::{Ipv4Addr, SocketAddrV4};

/// The two ends of a TCP segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) source: (Ipv4Addr, u16),
    pub(crate) destination: (Ipv4Addr, u16),
}

impl Flow {
    /// The end elsewhere of a segment that was received.
    pub(crate) fn peer(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.source.0, self.source.1)
    }

    /// The end here of a segment that was received.
    pub(crate) fn local(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.destination.0, self.destination.1)
    }
}

/// What a frame is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glance {
    /// Address resolution: somebody's hardware address may now be known.
    Arp,
    /// A datagram, not an empty one, to this port.
    Udp(u16),
    /// An attempt to connect: SYN without ACK.
    Syn(Flow),
    /// A reset.
    Reset(Flow),
    /// Anything else.
    Other,
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The bytes that are looked at in every packet: Ethernet, IPv4 without options, and ports.
const HEAD: usize = 14 + 20 + 8;
/// Where the flags of a TCP segment are.
const TCP_FLAGS: usize = 14 + 20 + 13;

impl Glance {
    /// Looks at an Ethernet frame with an IPv4 packet in it: RFC 791, 3.1; RFC 768; RFC 9293, 3.1. Packets with IP
    /// options, which hardly any network passes on, are seen as [`Glance::Other`].
    pub(crate) fn of(frame: &[u8]) -> Glance {
        let Some(head) = frame.first_chunk::<HEAD>() else { return Glance::Other };
        if (head[12], head[13]) == (0x08, 0x06) {
            return Glance::Arp;
        }
        let is_whole = (head[20] & 0x1f, head[21]) == (0, 0);
        if (head[12], head[13], head[14]) != (0x08, 0x00, 0x45) || !is_whole {
            return Glance::Other;
        }
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        if head[23] == 17 && number(38) != 8 {
            return Glance::Udp(number(36));
        }
        let Some(flags) = frame.get(TCP_FLAGS).filter(|_| head[23] == 6) else { return Glance::Other };
        let flow = Flow { source: (address(26), number(34)), destination: (address(30), number(36)) };
        match flags & (SYN | RST | ACK) {
            SYN => Glance::Syn(flow),
            flags if flags & RST != 0 => Glance::Reset(flow),
            _ => Glance::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flow, Glance};

    fn tcp(flags: u8) -> [u8; 54] {
        let mut frame = [0; 54];
        frame[12] = 0x08;
        frame[14] = 0x45;
        frame[23] = 6;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..38].copy_from_slice(&[0x10, 0x00, 0x00, 80]);
        frame[47] = flags;
        frame
    }

    #[test]
    fn a_syn_and_a_reset_are_told_from_other_segments() {
        let flow = Flow { source: ([10, 0, 0, 1].into(), 0x1000), destination: ([10, 0, 0, 2].into(), 80) };
        assert!(Glance::of(&tcp(0x02)) == Glance::Syn(flow));
        assert!(Glance::of(&tcp(0x14)) == Glance::Reset(flow));
        assert!(Glance::of(&tcp(0x12)) == Glance::Other);
        assert!(Glance::of(&tcp(0x10)) == Glance::Other);
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let mut frame = tcp(0x02);
        frame[21] = 1;
        assert!(Glance::of(&frame) == Glance::Other);
    }

    #[test]
    fn no_cut_of_a_frame_panics() {
        for end in 0..54 {
            let _ = Glance::of(&tcp(0x02)[..end]);
        }
        let mut frame = tcp(0x02);
        frame[14] = 0x4f;
        assert!(Glance::of(&frame) == Glance::Other);
    }
}
