//! Sums against a naive one, and frames of all kinds, whole and spoilt.

use std::vec::Vec;

use unik_virtio::{Buffer, Pool};

use super::{Checksum, Frame, Offload, Offloads, SegmentKind, fold, sum, sum_parts};
use crate::{nic::Segment, wire::numbers};

const CARD: Offloads = Offloads { checksum: true, segment_ipv4: true, segment_ipv6: false, merge: false };

/// RFC 1071, 4.1, word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn bytes(random: &mut crate::Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random() as u8).collect()
}

/// A frame in buffers of these lengths, the last of which takes what is left.
fn frame(parts: &[usize], bytes: &[u8]) -> Frame {
    let pool = Pool::heap(parts.len() + 1);
    let mut rest = bytes;
    let mut first: Option<Buffer> = None;
    for length in parts.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(length.min(rest.len()));
        let mut buffer = pool.allocate().unwrap();
        buffer.copy_from(now).unwrap();
        rest = later;
        match &mut first {
            None => first = Some(buffer),
            Some(first) => assert!(first.append(buffer).is_ok()),
        }
        if rest.is_empty() {
            break;
        }
    }
    first.unwrap().into()
}

/// An Ethernet frame with an IPv4 packet, all of whose checksums are zero, and a padding.
fn ipv4(protocol: u8, options: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    let length = (20 + options + payload.len()) as u16;
    frame.extend([
        0x45 + options as u8 / 4,
        0,
        (length >> 8) as u8,
        length as u8,
        0,
        7,
        0x40,
        0,
        64,
        protocol,
    ]);
    frame.extend([0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.resize(34 + options, 1);
    frame.extend(payload);
    frame.extend([0xaa; 5]);
    frame
}

fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend([(payload.len() >> 8) as u8, payload.len() as u8, protocol, 64]);
    frame.extend(1..33);
    frame.extend(payload);
    frame
}

fn udp(data: &[u8]) -> Vec<u8> {
    let length = 8 + data.len();
    let mut packet = Vec::from([0, 53, 0x30, 0x39, (length >> 8) as u8, length as u8, 0, 0]);
    packet.extend(data);
    packet
}

fn tcp(data: &[u8]) -> Vec<u8> {
    let mut packet = Vec::from([0, 80, 0x30, 0x39, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    packet.extend(data);
    packet
}

/// Frames with TCP and UDP over both protocols, and where their checksums are.
fn kinds(data: &[u8]) -> [(Vec<u8>, usize); 6] {
    [
        (ipv4(6, 0, &tcp(data)), 34 + 16),
        (ipv4(17, 0, &udp(data)), 34 + 6),
        (ipv4(6, 12, &tcp(data)), 46 + 16),
        (ipv4(17, 40, &udp(data)), 74 + 6),
        (ipv6(6, &tcp(data)), 54 + 16),
        (ipv6(17, &udp(data)), 54 + 6),
    ]
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame(&[], bytes);
    frame.seal(Offloads::default());
    assert_eq!(frame.offload, Offload::default());
    frame.buffer.to_vec()
}

#[test]
fn the_sum_is_that_of_the_naive_way() {
    let seed = 11;
    std::println!("seed {seed}");
    let mut random = numbers(seed);
    for round in 0..2000_usize {
        let length = if round < 200 { round } else { random() as usize % 3000 };
        let mut bytes = bytes(&mut random, length);
        if round % 7 == 0 {
            bytes.fill(0xff);
        }
        assert_eq!(fold(sum(&bytes)).swap_bytes(), naive(&bytes), "{length} bytes");
    }
}

#[test]
fn the_sum_of_parts_is_that_of_the_whole_however_they_are_cut() {
    let seed = 12;
    std::println!("seed {seed}");
    let mut random = numbers(seed);
    for _ in 0..2000 {
        let length = 1 + random() as usize % 1900;
        let bytes = bytes(&mut random, length);
        let cuts: Vec<usize> = (0..2 + random() as usize % 9).map(|_| 1 + random() as usize % 700).collect();
        let frame = frame(&cuts, &bytes);
        let start = random() as usize % length;
        let end = start + random() as usize % (length - start);
        assert_eq!(fold(sum_parts(&frame.buffer, start, end)), fold(sum(&bytes[start..end])));
    }
}

#[test]
fn the_largest_sums_do_not_overflow() {
    assert_eq!(fold(sum(&[0xff; 65536])), 0xffff);
    for (sum, folded) in [(0, 0), (0xffff, 0xffff), (0x1_0000, 1), (0x1_ffff_ffff, 1)] {
        assert_eq!(fold(sum), folded, "{sum:x}");
    }
    assert_eq!(fold((1 << 48) - 1), 0xffff);
}

#[test]
fn a_sealed_frame_is_intact_and_its_sums_are_those_of_the_naive_way() {
    for length in [0, 1, 2, 17, 1400] {
        let data = bytes(&mut numbers(3), length);
        for (number, (bytes, field)) in kinds(&data).into_iter().enumerate() {
            let bytes = sealed(&bytes);
            assert!(frame(&[], &bytes).is_intact(), "kind {number} with {length} bytes");
            let padded = [&bytes[..], &[0xaa; 5]].concat();
            assert!(frame(&[], &padded).is_intact(), "what follows is not looked at");
            if bytes[12] == 8 {
                let header = 14 + usize::from(bytes[14] & 15) * 4;
                assert_eq!(naive(&bytes[14..header]), 0xffff);
                let packet = &bytes[header..];
                let mut all = bytes[26..34].to_vec();
                all.extend([0, bytes[23], (packet.len() >> 8) as u8, packet.len() as u8]);
                all.extend(packet);
                assert_eq!(naive(&all), 0xffff);
            }
            assert_ne!(bytes[field..field + 2], [0, 0]);
        }
    }
}

#[test]
fn sealing_again_changes_nothing() {
    for (bytes, _) in kinds(b"hello") {
        let once = sealed(&bytes);
        assert_eq!(sealed(&once), once);
    }
}

#[test]
fn every_single_bit_counts() {
    for (bytes, _) in kinds(b"hello, world") {
        let bytes = sealed(&bytes);
        // Of the header of IPv6 only the addresses, the length and the protocol are summed.
        let is_ipv4 = bytes[12] == 8;
        let from = if is_ipv4 { 14 } else { 18 };
        for at in from..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x10;
            assert_eq!(frame(&[], &spoilt).is_intact(), !is_ipv4 && at == 21, "byte {at}");
        }
    }
}

#[test]
fn what_the_card_has_verified_is_not_summed_but_looked_at() {
    let bytes = sealed(&ipv4(6, 0, &tcp(b"hello")));
    for checksum in [Checksum::Verified, Checksum::Partial { start: 34, offset: 16 }] {
        let offload = Offload { checksum, segment: None };
        let mut spoilt = bytes.clone();
        spoilt[54] ^= 1;
        assert!(Frame { offload, ..frame(&[], &spoilt) }.is_intact());
        spoilt[15] ^= 1;
        assert!(!Frame { offload, ..frame(&[], &spoilt) }.is_intact(), "the IPv4 header is checked");
        let mut fragment = ipv4(6, 0, &tcp(b"hello"));
        fragment[20] = 0x20;
        let fragment = sealed(&fragment);
        assert!(!Frame { offload, ..frame(&[], &fragment) }.is_intact(), "it is not whole");
    }
}

#[test]
fn a_frame_in_several_buffers_is_summed_wherever_it_is_cut() {
    let data = bytes(&mut numbers(5), 3000);
    for (bytes, _) in kinds(&data[..1300]) {
        let bytes = sealed(&bytes);
        for cut in [90, 91, 92, 501, 1300] {
            assert!(frame(&[cut], &bytes).is_intact());
            assert!(frame(&[cut, 1, 1, 77], &bytes).is_intact());
            let mut spoilt = bytes.clone();
            spoilt[cut] ^= 1;
            assert!(!frame(&[cut, 3, 1], &spoilt).is_intact());
        }
    }
}

#[test]
fn a_datagram_without_a_checksum_is_intact_and_gets_one() {
    let mut bytes = sealed(&ipv4(17, 0, &udp(b"hello")));
    bytes[40..42].fill(0);
    assert!(frame(&[], &bytes).is_intact());
    assert_ne!(sealed(&bytes)[40..42], [0, 0]);
    // One whose sum is zero gets the other zero.
    let zero = (0..=u16::MAX).map(|word| ipv4(17, 0, &udp(&word.to_be_bytes())));
    let sums = zero.map(|bytes| sealed(&bytes)[40..42].to_vec());
    let mut seen = 0;
    for sum in sums {
        assert_ne!(sum, [0, 0]);
        seen += usize::from(sum == [0xff, 0xff]);
    }
    assert!(seen >= 1);
}

#[test]
fn a_card_is_left_the_sum_that_it_wants_and_what_it_makes_of_it_is_right() {
    for (bytes, field) in kinds(b"hello, world") {
        let mut frame = frame(&[], &bytes);
        frame.seal(CARD);
        let Checksum::Partial { start, offset } = frame.offload.checksum else {
            panic!("it is left to the card")
        };
        assert_eq!(usize::from(start + offset), field);
        let length = bytes.len() - if bytes[12] == 8 { 5 } else { 0 };
        assert_eq!(frame.buffer.len(), length, "the card would sum the padding too");
        assert!(frame.settle(Offloads::default()));
        assert_eq!(frame.offload, Offload::default());
        assert_eq!(frame.buffer[..], sealed(&bytes));
        assert!(frame.is_intact());
    }
}

#[test]
fn other_frames_are_left_alone() {
    let arp = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4];
    for bytes in [&arp[..], &arp[..13], &[]] {
        let mut frame = frame(&[], bytes);
        assert!(frame.is_intact());
        frame.seal(CARD);
        assert_eq!((&frame.buffer[..], frame.offload), (bytes, Offload::default()));
    }
}

#[test]
fn messages_of_either_version_are_summed() {
    let message = [8, 0, 1, 2, 3, 4, 5, 6, 7];
    let message_of_six = [128, 0, 1, 2, 3, 4, 5, 6, 7];
    for bytes in [ipv4(1, 0, &message), ipv4(1, 8, &message), ipv6(58, &message_of_six)] {
        assert!(!frame(&[], &bytes).is_intact());
        let mut bytes = sealed(&bytes);
        assert!(frame(&[], &bytes).is_intact());
        *bytes.last_mut().unwrap() ^= 1;
        assert!(!frame(&[], &bytes).is_intact());
    }
    use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, Ipv6Address};
    assert!(Icmpv4Packet::new_checked(&sealed(&ipv4(1, 0, &message))[34..]).unwrap().verify_checksum());
    let bytes = sealed(&ipv6(58, &message_of_six));
    let at = |at: usize| Ipv6Address::from(*bytes[at..].first_chunk::<16>().unwrap());
    assert!(Icmpv6Packet::new_checked(&bytes[54..]).unwrap().verify_checksum(&at(22), &at(38)));
}

#[test]
fn packets_that_contradict_themselves_are_not_intact_and_nothing_panics() {
    for (bytes, _) in kinds(b"hello, world") {
        let bytes = sealed(&bytes);
        for end in 0..bytes.len() {
            let mut cut = frame(&[], &bytes[..end]);
            // Without a whole Ethernet header it is no IP packet.
            assert_eq!(cut.is_intact(), end < 14, "{end} bytes");
            cut.seal(CARD);
            cut.seal(Offloads::default());
        }
    }
    let seed = 13;
    std::println!("seed {seed}");
    let mut random = numbers(seed);
    for _ in 0..100_000 {
        let length = random() as usize % 90;
        let mut bytes = bytes(&mut random, length);
        if let Some(kind) = bytes.get_mut(12..15) {
            kind.copy_from_slice(if random().is_multiple_of(2) {
                &[8, 0, 0x45]
            } else {
                &[0x86, 0xdd, 0x60]
            });
        }
        let mut frame = frame(&[random() as usize % 60], &bytes);
        frame.is_intact();
        frame.settle(CARD);
        let mut whole = self::frame(&[], &bytes);
        whole.seal(if random().is_multiple_of(2) { CARD } else { Offloads::default() });
    }
}

#[test]
fn what_nobody_does_about_a_frame_is_said() {
    let bytes = ipv4(6, 0, &tcp(b"hello, world"));
    let segment = |kind, headers| Segment { kind, size: 1448.try_into().unwrap(), headers };
    let mut long = frame(&[], &bytes);
    let partial = Checksum::Partial { start: 34, offset: 16 };
    let mut settles = |offload, offloads| {
        long.offload = offload;
        long.settle(offloads)
    };
    let ipv4 = Some(segment(SegmentKind::Ipv4, 54));
    assert!(settles(Offload { checksum: partial, segment: ipv4 }, CARD));
    assert!(!settles(Offload { checksum: partial, segment: ipv4 }, Offloads::default()));
    assert!(!settles(Offload { checksum: Checksum::Unverified, segment: ipv4 }, CARD));
    let ipv6 = Some(segment(SegmentKind::Ipv6, 54));
    assert!(!settles(Offload { checksum: partial, segment: ipv6 }, CARD));
    let beyond = Some(segment(SegmentKind::Ipv4, 2000));
    assert!(!settles(Offload { checksum: partial, segment: beyond }, CARD));
    for (start, offset) in [(34, 60), (200, 0), (0xffff, 0xffff)] {
        let lost = Offload { checksum: Checksum::Partial { start, offset }, segment: None };
        assert!(!settles(lost, CARD));
        assert!(!settles(lost, Offloads::default()));
    }
    let mut apart = frame(&[60], &bytes);
    assert!(!apart.settle(CARD), "only what is to be cut takes several buffers");
    apart.offload.checksum = partial;
    assert!(!apart.settle(CARD));
}
