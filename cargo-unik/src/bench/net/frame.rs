//! Frames made by hand: the SYN of a client that does not exist.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::namespace::Hardware;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of an IPv4 header without options (RFC 791, 3.1).
const IPV4: usize = 20;
/// Bytes of a TCP header (RFC 9293, 3.1) with one option, the largest segment.
const TCP: usize = 24;
/// A SYN as a frame.
pub(crate) type Syn = [u8; ETHERNET + IPV4 + TCP];

/// The frame that asks `to` for a connection in the name of `from`.
pub(crate) fn syn(
    hardware: (Hardware, Hardware),
    from: SocketAddrV4,
    to: SocketAddrV4,
    sequence: u32,
) -> Syn {
    let mut frame = [0; ETHERNET + IPV4 + TCP];
    let (ethernet, packet) = frame.split_at_mut(ETHERNET);
    ethernet[..6].copy_from_slice(&hardware.1.0);
    ethernet[6..12].copy_from_slice(&hardware.0.0);
    ethernet[12..].copy_from_slice(&[0x08, 0x00]);
    let (header, segment) = packet.split_at_mut(IPV4);
    // Version 4, five words; "don't fragment"; 64 hops; TCP.
    header[0] = 0x45;
    header[3] = (IPV4 + TCP) as u8;
    header[6] = 0x40;
    (header[8], header[9]) = (64, 6);
    header[12..16].copy_from_slice(&from.ip().octets());
    header[16..20].copy_from_slice(&to.ip().octets());
    let sum = checksum(&[header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    segment[..2].copy_from_slice(&from.port().to_be_bytes());
    segment[2..4].copy_from_slice(&to.port().to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    // Six words; SYN; a window of 65,535; the largest segment, 1,460.
    (segment[12], segment[13]) = (6 << 4, 1 << 1);
    segment[14..16].copy_from_slice(&[0xff, 0xff]);
    segment[20..24].copy_from_slice(&[2, 4, 0x05, 0xb4]);
    let sum = checksum(&[&pseudo_header(*from.ip(), *to.ip(), TCP as u16), segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// RFC 9293, 3.1: addresses, protocol and length, which the checksum of a segment covers as well.
fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, length: u16) -> [u8; 12] {
    let mut header = [0; 12];
    header[..4].copy_from_slice(&from.octets());
    header[4..8].copy_from_slice(&to.octets());
    header[9] = 6;
    header[10..].copy_from_slice(&length.to_be_bytes());
    header
}

/// RFC 1071, over parts of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let mut sum: u32 = words.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Syn {
        let address = |text: &str| text.parse().unwrap();
        let hardware = (Hardware([2, 0, 0, 0, 0, 1]), Hardware([2, 0, 0, 0, 0, 2]));
        syn(hardware, address("198.18.0.1:1024"), address("10.90.0.2:7"), 0x0102_0304)
    }

    #[test]
    fn both_checksums_of_a_syn_are_right() {
        let frame = example();
        assert_eq!(checksum(&[&frame[14..34]]), 0);
        let pseudo = pseudo_header([198, 18, 0, 1].into(), [10, 90, 0, 2].into(), 24);
        assert_eq!(checksum(&[&pseudo, &frame[34..]]), 0);
    }

    #[test]
    fn a_syn_says_who_asks_whom() {
        let frame = example();
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        assert_eq!(frame[26..34], [198, 18, 0, 1, 10, 90, 0, 2]);
        assert_eq!(frame[34..42], [4, 0, 0, 7, 1, 2, 3, 4]);
        assert_eq!((frame[46], frame[47]), (0x60, 0x02));
    }

    #[test]
    fn the_example_of_the_rfc_has_its_sum() {
        // RFC 1071, 3
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), !0xddf2);
    }
}
