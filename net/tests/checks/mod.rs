//! What must hold for any frame whatever: used by the tests and by the fuzz target.

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{EthernetFrame, IpAddress, Ipv4Packet, Ipv4Repr, UdpPacket},
};
use unik_net::{
    Checksum,
    datagram::packet::{Answer, Host, Packet},
};

/// The host that the frames of the corpus are sent to.
pub(crate) const HOST: Host =
    Host { hardware: [2, 0, 0, 0, 0, 1], address: std::net::Ipv4Addr::new(10, 0, 0, 1), prefix: 24 };

/// Reads `frame` with and without checksums and answers it, shorter, longer and as it is.
pub(crate) fn frame(frame: &[u8]) {
    for known in [Checksum::Unverified, Checksum::Verified] {
        let Ok(packet) = Packet::parse(frame, &HOST, known) else { continue };
        assert!(packet.start() + packet.length() <= frame.len());
        let source = packet.source();
        assert!(source.port() != 0 && !source.ip().is_unspecified() && !source.ip().is_multicast());
        assert!(!source.ip().is_loopback() && source.ip() != HOST.address);
        let mut room = frame.to_vec();
        room.resize(2048, 0x5a);
        for (length, altered) in [(packet.length(), false), (packet.length(), true), (0, true), (1001, true)]
        {
            for offload in [false, true] {
                let mut answer = room.clone();
                let made = packet.answer(&mut answer, &HOST, length, altered, offload);
                if packet.start() + length > answer.len() {
                    assert_eq!(made, None);
                    continue;
                }
                let Answer { skipped, checksum } = made.expect("the frame is long enough");
                let answer = &mut answer[skipped..skipped + 42 + length];
                complete(answer, checksum);
                check_answer(frame, &packet, answer);
            }
        }
        assert_eq!(packet.answer(&mut frame[..41].to_vec(), &HOST, 0, true, false), None);
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
    assert_eq!(ethernet.src_addr().as_bytes(), HOST.hardware);
    let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
    let repr = Ipv4Repr::parse(&ip, &ChecksumCapabilities::default()).expect("a good header");
    assert_eq!((repr.src_addr, repr.hop_limit), (HOST.address, 64));
    assert_eq!(std::net::IpAddr::from(repr.dst_addr), packet.source().ip());
    let udp = UdpPacket::new_checked(ip.payload()).expect("a datagram");
    assert_eq!((udp.src_port(), udp.dst_port()), (packet.port(), packet.source().port()));
    assert_eq!(usize::from(udp.len()), ip.payload().len());
    let (from, to) = (IpAddress::Ipv4(repr.src_addr), IpAddress::Ipv4(repr.dst_addr));
    assert!(udp.checksum() != 0 && udp.verify_checksum(&from, &to), "the checksum is there and right");
}
