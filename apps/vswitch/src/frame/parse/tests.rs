//! What decides over the fields of a frame, against reading it.

use super::*;
use std::vec::Vec;
use unik_testkit::Random;

/// Whatever the short way reads, the long one reads too.
#[test]
fn plain_frames_are_read_like_all_others() {
    let mut random = Random::new(7);
    let mut next = || random.next_u64() as u8;
    let mut plain_ones = 0;
    for _ in 0..20_000 {
        let mut frame: Vec<u8> = (0..50 + next() % 30).map(|_| next()).collect();
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[20] = if next() % 8 == 0 { next() } else { 0x40 };
        frame[21] = next() % 8 / 7;
        frame[23] = [6, 17, 1, next()][usize::from(next() % 4)];
        let (mut short, mut long) = (Parsed::default(), Parsed::default());
        if plain(&frame, &mut short).is_some() {
            parse_any(&frame, &mut long);
            assert_eq!(short, long, "{frame:02x?}");
            plain_ones += 1;
        }
    }
    assert!(plain_ones > 3000);
}

/// Frames that differ only in what does not decide are read the same.
#[test]
fn frames_that_are_alike_have_the_same_fields() {
    let mut random = Random::new(9);
    let mut next = || random.next_u64() as u8;
    let mut count = [0; 2];
    for _ in 0..50_000 {
        let mut frame: Vec<u8> = (0..16 + usize::from(next() % 90)).map(|_| next()).collect();
        let kind = [[8, 0], [8, 6], [0x86, 0xdd], [0x88, 0xb5], [0x81, 0], [next(), next()]];
        frame[12..14].copy_from_slice(&kind[usize::from(next() % 6)]);
        frame[14] = [0x45, 0x45, 0x45, next()][usize::from(next() % 4)];
        if let [_, _, _, _, ..] = frame[16..] {
            frame.get_mut(20..22).into_iter().for_each(|fragment| fragment.fill(next() & 0x40));
            frame
                .get_mut(23)
                .into_iter()
                .for_each(|protocol| *protocol = [6, 17, 1, 132][usize::from(next() % 4)]);
        }
        let parsed = parse(&frame);
        let Some(likeness) = parsed.likeness(&frame) else { continue };
        if frame.len() < likeness.least {
            continue;
        }
        count[usize::from(core::ptr::eq(likeness, &PACKET))] += 1;
        let mask: Vec<u8> = likeness.mask.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut other: Vec<u8> = (0..likeness.least + usize::from(next() % 90)).map(|_| next()).collect();
        for ((octet, kept), mask) in other.iter_mut().zip(&frame).zip(mask) {
            *octet = *octet & !mask | kept & mask;
        }
        assert_eq!(parse(&other).fields, parsed.fields, "{frame:02x?} {other:02x?}");
    }
    assert!(count[0] > 1000 && count[1] > 1000, "{count:?}");
}

/// Packets that differ only in what no entry looks at are the same to all entries.
#[test]
fn packets_that_are_alike_have_the_same_relevant_bits() {
    let mut random = Random::new(11);
    let mut count = 0;
    for _ in 0..50_000 {
        let mut next = || random.next_u64();
        let mut octets = |count: usize| -> Vec<u8> { (0..count).map(|_| next() as u8).collect() };
        let (mut frame, noise) = (octets(70), octets(70));
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[20..22].copy_from_slice(&[noise[0] & 0x40, 0]);
        frame[23] = [6, 17, 1, 132][usize::from(noise[1] % 4)];
        // Some words whole, some in part, some not at all.
        let mut relevant = Fields([0; 16]);
        for word in &mut relevant.0 {
            *word = [0, u64::MAX, next(), next() & next() & next()][next() as usize % 4];
        }
        let parsed = parse(&frame);
        assert!(parsed.is_packet());
        let likeness = Likeness::of_packets(&relevant);
        let mask: Vec<u8> = likeness.mask.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut other = noise;
        for ((octet, kept), mask) in other.iter_mut().zip(&frame).zip(mask) {
            *octet = *octet & !mask | kept & mask;
        }
        assert_eq!(likeness.key(&frame), likeness.key(&other));
        let parsed_other = parse(&other);
        assert!(parsed_other.is_packet(), "{frame:02x?} {other:02x?}");
        let pairs = parsed.fields.0.iter().zip(&parsed_other.fields.0).zip(&relevant.0);
        for ((one, other), relevant) in pairs {
            assert_eq!(one & relevant, other & relevant, "{frame:02x?}");
            count += usize::from(one != other);
        }
        assert_eq!(likeness.key(&frame[..53]), None, "of a shorter one it is not known what it is");
    }
    assert!(count > 10_000, "{count} words differ that do not matter");
}
