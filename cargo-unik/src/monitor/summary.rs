//! What a frame is, in a line: who sends to whom, by which protocol, and what is worth knowing about it.
//!
//! The headers of Ethernet, ARP, IPv4, IPv6, ICMP, UDP and TCP; of everything else its number. Nothing of a frame's contents is shown as
//! text, so that no frame can speak to the terminal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is known of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Who sent it: address and port as far as there are any.
    pub source: String,
    /// For whom it is.
    pub destination: String,
    /// The innermost protocol.
    pub protocol: String,
    /// More about it; may be empty.
    pub details: String,
}

/// The most headers between IPv6 and what it carries that are followed.
const EXTENSIONS: usize = 8;

/// Reads the headers of a frame, as far as they are there.
pub fn summarise(frame: &[u8]) -> Summary {
    let (Some(destination), Some(source), Some(kind)) =
        (array::<6>(frame, 0), array::<6>(frame, 6), half(frame, 12))
    else {
        return Summary {
            source: "-".to_owned(),
            destination: "-".to_owned(),
            protocol: "cut".to_owned(),
            details: String::new(),
        };
    };
    // IEEE 802.1Q: a tag of four bytes, and then the type once more.
    let tagged = kind == 0x8100;
    let start = if tagged { 18 } else { 14 };
    let kind = if tagged { half(frame, 16).unwrap_or(kind) } else { kind };
    let packet = frame.get(start..).unwrap_or_default();
    let known = match kind {
        0x0800 => ipv4(packet),
        0x86dd => ipv6(packet),
        0x0806 => arp(packet),
        _ => None,
    };
    known.unwrap_or_else(|| Summary {
        source: hardware(source),
        destination: hardware(destination),
        protocol: format!("ethertype {kind:#06x}"),
        details: String::new(),
    })
}

/// RFC 826.
fn arp(packet: &[u8]) -> Option<Summary> {
    let (sender, target) = (array::<4>(packet, 14)?, array::<4>(packet, 24)?);
    let (sender, target) = (Ipv4Addr::from(sender), Ipv4Addr::from(target));
    let details = match half(packet, 6)? {
        1 => format!("who has {target}"),
        2 => format!("{sender} is at {}", hardware(array::<6>(packet, 8)?)),
        other => format!("operation {other}"),
    };
    let (source, destination) = (sender.to_string(), target.to_string());
    Some(Summary { source, destination, protocol: "ARP".to_owned(), details })
}

/// RFC 791, 3.1.
fn ipv4(packet: &[u8]) -> Option<Summary> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let total = usize::from(half(packet, 2)?);
    let fragment = half(packet, 6)? & 0x1fff;
    let protocol = *packet.get(9)?;
    let source = Ipv4Addr::from(array::<4>(packet, 12)?).into();
    let destination = Ipv4Addr::from(array::<4>(packet, 16)?).into();
    let payload = packet.get(header..total.min(packet.len())).unwrap_or_default();
    let length = total.saturating_sub(header);
    Some(transport(source, destination, protocol, payload, length, fragment > 0))
}

/// RFC 8200, 3 and 4.
fn ipv6(packet: &[u8]) -> Option<Summary> {
    let mut length = usize::from(half(packet, 4)?);
    let mut next = *packet.get(6)?;
    let source = Ipv6Addr::from(array::<16>(packet, 8)?).into();
    let destination = Ipv6Addr::from(array::<16>(packet, 24)?).into();
    let mut payload = packet.get(40..packet.len().min(40 + length)).unwrap_or_default();
    let mut fragment = false;
    for _ in 0..EXTENSIONS {
        // Hop-by-hop options, routing, fragment, destination options.
        let size = match (next, payload.get(1)) {
            (0 | 43 | 60, Some(size)) => 8 + usize::from(*size) * 8,
            (44, Some(_)) => {
                fragment |= half(payload, 2).is_some_and(|offset| offset & 0xfff8 != 0);
                8
            }
            _ => break,
        };
        next = payload[0];
        payload = payload.get(size..).unwrap_or_default();
        length = length.saturating_sub(size);
    }
    Some(transport(source, destination, next, payload, length, fragment))
}

/// What IP carries: `payload` is what was captured of its `length` bytes.
fn transport(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &[u8],
    length: usize,
    fragment: bool,
) -> Summary {
    let plain = |protocol: &str, details: String| Summary {
        source: source.to_string(),
        destination: destination.to_string(),
        protocol: protocol.to_owned(),
        details,
    };
    if fragment {
        return plain("IP fragment", format!("of protocol {protocol}"));
    }
    let kind = payload.first().copied().unwrap_or(u8::MAX);
    let with_ports = |protocol: &str, details: String| {
        let port = |offset| half(payload, offset);
        let (Some(from), Some(to)) = (port(0), port(2)) else { return plain(protocol, details) };
        Summary {
            source: SocketAddr::from((source, from)).to_string(),
            destination: SocketAddr::from((destination, to)).to_string(),
            protocol: protocol.to_owned(),
            details,
        }
    };
    match protocol {
        1 => plain("ICMP", name(kind, &ICMP)),
        58 => plain("ICMPv6", name(kind, &ICMP6)),
        6 => with_ports("TCP", tcp(payload, length).unwrap_or_default()),
        17 => with_ports("UDP", format!("data {}", length.saturating_sub(8))),
        _ => plain(&format!("IP protocol {protocol}"), String::new()),
    }
}

/// RFC 9293, 3.1: the flags as letters, the sequence number, that of what is acknowledged, and the length of the data.
fn tcp(segment: &[u8], length: usize) -> Option<String> {
    let (sequence, acknowledged) = (word(segment, 4)?, word(segment, 8)?);
    let (header, flags) = (usize::from(segment.get(12)? >> 4) * 4, *segment.get(13)?);
    let letters: String = "FSRPAU"
        .chars()
        .enumerate()
        .filter(|(bit, _)| flags >> bit & 1 == 1)
        .map(|(_, letter)| letter)
        .collect();
    let mut text = format!("[{letters}] seq {sequence}");
    if flags & 0x10 != 0 {
        text += &format!(" ack {acknowledged}");
    }
    Some(format!("{text} window {} data {}", half(segment, 14)?, length.saturating_sub(header)))
}

/// RFC 792.
const ICMP: [(u8, &str); 5] = [
    (0, "echo reply"),
    (3, "destination unreachable"),
    (5, "redirect"),
    (8, "echo request"),
    (11, "time exceeded"),
];

/// RFC 4443 and RFC 4861.
const ICMP6: [(u8, &str); 9] = [
    (1, "destination unreachable"),
    (2, "packet too big"),
    (3, "time exceeded"),
    (128, "echo request"),
    (129, "echo reply"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbour solicitation"),
    (136, "neighbour advertisement"),
];

fn name(kind: u8, names: &[(u8, &str)]) -> String {
    let known = names.iter().find(|(number, _)| *number == kind);
    known.map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned())
}

fn hardware(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

fn array<const LENGTH: usize>(bytes: &[u8], offset: usize) -> Option<[u8; LENGTH]> {
    bytes.get(offset..offset + LENGTH)?.try_into().ok()
}

fn half(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_be_bytes)
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn line(hexadecimal: &str) -> String {
        let Summary { source, destination, protocol, details } = summarise(&bytes(hexadecimal));
        format!("{source} > {destination} {protocol} {details}")
    }

    const V4: &str = "525400123456 525501000202 0800 45000020 00000000 40";
    const ADDRESSES: &str = "0000 0a000202 0a00020f";

    #[test]
    fn a_datagram_shows_its_ports_and_the_length_of_its_data() {
        let udp = format!("{V4}11 {ADDRESSES} 9c40 0035 000c 0000 01020304");
        assert_eq!(line(&udp), "10.0.2.2:40000 > 10.0.2.15:53 UDP data 4");
        let tagged = udp.replace(" 0800 ", " 8100 0007 0800 ");
        assert_eq!(line(&tagged), line(&udp));
    }

    #[test]
    fn a_segment_shows_its_flags_and_numbers() {
        let tcp = "525400123456 525501000202 0800 4500002c 00000000 4006 0000 0a000202 0a00020f \
                   9c40 0035 00000001 00000002 6012 2000 0000 0000 020405b4";
        assert_eq!(line(tcp), "10.0.2.2:40000 > 10.0.2.15:53 TCP [SA] seq 1 ack 2 window 8192 data 0");
    }

    #[test]
    fn ping_and_arp_are_named() {
        let ping = format!("{V4}01 {ADDRESSES} 0800 0000 00000000 00000000");
        assert_eq!(line(&ping), "10.0.2.2 > 10.0.2.15 ICMP echo request");
        let request =
            "ffffffffffff 525501000202 0806 0001 0800 0604 0001 525501000202 0a000202 000000000000 0a00020f";
        assert_eq!(line(request), "10.0.2.2 > 10.0.2.15 ARP who has 10.0.2.15");
    }

    #[test]
    fn headers_of_ipv6_are_skipped_as_far_as_they_go() {
        let solicitation = "3333ff000001 525400123456 86dd 60000000 0010 00 ff fe800000000000000000000000000001 \
                            ff0200000000000000000001ff000001 3a00050200000100 8700000000000000";
        assert_eq!(line(solicitation), "fe80::1 > ff02::1:ff00:1 ICMPv6 neighbour solicitation");
    }

    #[test]
    fn a_fragment_is_told_from_what_begins_a_datagram() {
        let fragment =
            format!("{V4}11 {ADDRESSES} 9c40 0035").replace("45000020 00000000", "45000020 00000010");
        assert_eq!(line(&fragment), "10.0.2.2 > 10.0.2.15 IP fragment of protocol 17");
    }

    #[test]
    fn no_frame_is_too_short_or_too_strange() {
        let frames = [
            format!("{V4}11 {ADDRESSES} 9c40 0035 000c 0000"),
            "3333ff000001 525400123456 86dd 60000000 ffff 00 ff fe800000000000000000000000000001 \
             ff0200000000000000000001ff000001 3aff050200000100"
                .to_owned(),
        ];
        for frame in frames.map(|frame| bytes(&frame)) {
            for length in 0..frame.len() {
                summarise(&frame[..length]);
                let mut strange = frame.clone();
                strange[length] = 0xff;
                summarise(&strange);
            }
        }
        assert_eq!(
            line("ffffffffffff 525400123456 88cc"),
            "52:54:00:12:34:56 > ff:ff:ff:ff:ff:ff ethertype 0x88cc "
        );
        assert_eq!(line(""), "- > - cut ");
    }
}
