//! What must hold for any frame whatever: used by the tests and by the fuzz target.

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{EthernetFrame, IpAddress, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, UdpPacket},
};
use unik_net::{
    Checksum,
    datagram::packet::{Answer, Host, Network, Packet},
};

/// The host that the frames of the corpus are sent to.
pub(crate) fn host() -> Host {
    let mut host = Host::new([2, 0, 0, 0, 0, 1]);
    for (text, bits) in [("10.0.0.1", 24), ("2001:db8::1", 64)] {
        let network = Network::try_new(text.parse().expect("an address"), bits).expect("a prefix");
        assert!(host.add(network));
    }
    host
}

/// Reads `frame` with and without checksums and answers it, shorter, longer and as it is.
pub(crate) fn frame(frame: &[u8]) {
    let host = &host();
    for known in [Checksum::Unverified, Checksum::Verified] {
        let Ok(packet) = Packet::parse(frame, host, known) else { continue };
        assert!(packet.start() + packet.length() <= frame.len());
        let source = packet.source();
        assert!(source.port() != 0 && !source.ip().is_unspecified() && !source.ip().is_multicast());
        assert!(!source.ip().is_loopback() && source.ip() != packet.destination().ip());
        let mut room = frame.to_vec();
        room.resize(2048, 0x5a);
        for (length, altered) in [(packet.length(), false), (packet.length(), true), (0, true), (1001, true)]
        {
            for offload in [false, true] {
                let mut answer = room.clone();
                let made = packet.answer(&mut answer, host, length, altered, offload);
                if packet.start() + length > answer.len() {
                    assert_eq!(made, None);
                    continue;
                }
                let Answer { skipped, checksum } = made.expect("the frame is long enough");
                let answer = &mut answer[skipped..skipped + packet.headers() + length];
                complete(answer, checksum);
                check_answer(frame, &packet, answer);
            }
        }
        let cut = packet.headers() - 1;
        assert_eq!(packet.answer(&mut frame[..cut].to_vec(), host, 0, true, false), None);
    }
}

/// Does what a card does about a checksum.
fn complete(frame: &mut [u8], checksum: Checksum) {
    let Checksum::Partial { start, offset } = checksum else { return };
    let (start, offset) = (usize::from(start), usize::from(offset));
    let mut sum = 0u32;
    for pair in frame[start..].chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = if sum == 0xffff { 0xffff } else { !(sum as u16) };
    frame[start + offset..start + offset + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Another reader of frames finds the answer in order, and sent to whoever asked.
fn check_answer(asked: &[u8], packet: &Packet, answer: &[u8]) {
    let ethernet = EthernetFrame::new_checked(answer).expect("a frame");
    assert_eq!(ethernet.dst_addr().as_bytes(), &asked[6..12]);
    assert_eq!(ethernet.src_addr().as_bytes(), host().hardware);
    let checksums = ChecksumCapabilities::default();
    let (from, to, hops, payload) = if packet.source().is_ipv4() {
        let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
        let repr = Ipv4Repr::parse(&ip, &checksums).expect("a good header");
        (IpAddress::Ipv4(repr.src_addr), IpAddress::Ipv4(repr.dst_addr), repr.hop_limit, ip.payload())
    } else {
        let ip = Ipv6Packet::new_checked(ethernet.payload()).expect("a packet");
        let repr = Ipv6Repr::parse(&ip).expect("a good header");
        (IpAddress::Ipv6(repr.src_addr), IpAddress::Ipv6(repr.dst_addr), repr.hop_limit, ip.payload())
    };
    let udp = UdpPacket::new_checked(payload).expect("a datagram");
    assert_eq!((from.into(), udp.src_port()), (packet.destination().ip(), packet.destination().port()));
    assert_eq!((to.into(), udp.dst_port()), (packet.source().ip(), packet.source().port()));
    assert_eq!((usize::from(udp.len()), hops), (payload.len(), 64));
    assert!(udp.checksum() != 0 && udp.verify_checksum(&from, &to), "the checksum is there and right");
}
