//! TCP packets cut where no card does it.

use unik_net::{Checksum, Frame, Offload, Offloads, Segment, SegmentKind, Segments};
use unik_testkit::Random;
use unik_virtio::{Buffer, Pool};

use crate::world::pattern;

const ETHERNET: usize = 14;
const TCP: usize = 20;
const FIN: u8 = 1;
const PSH: u8 = 1 << 3;
const ACK: u8 = 1 << 4;
const CWR: u8 = 1 << 7;

/// A packet as it is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    kind: SegmentKind,
    /// Octets of options behind an IPv4 header, and of tags in front of it.
    options: usize,
    tags: usize,
    data: usize,
    size: u16,
}

const PLAIN: Wanted = Wanted { kind: SegmentKind::Ipv4, options: 0, tags: 0, data: 20_000, size: 1448 };

impl Wanted {
    fn ip(self) -> usize {
        ETHERNET + self.tags
    }

    fn tcp(self) -> usize {
        self.ip() + if self.kind == SegmentKind::Ipv4 { 20 + self.options } else { 40 }
    }

    fn headers(self) -> usize {
        self.tcp() + TCP
    }

    /// Its octets, with the sum of the pseudo header where the checksum is to be.
    fn bytes(self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend([0x81, 0, 0, 7].into_iter().cycle().take(self.tags));
        let length = (TCP + self.data) as u16;
        let addresses = if self.kind == SegmentKind::Ipv4 {
            let all = length + 20 + self.options as u16;
            frame.extend([8, 0, 0x45 + (self.options / 4) as u8, 0]);
            frame.extend(all.to_be_bytes());
            frame.extend([0xff, 0xfe, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
            // RFC 791, 3.1: options that say nothing.
            frame.extend(vec![1; self.options]);
            &frame[self.ip() + 12..self.ip() + 20]
        } else {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([6, 64]);
            frame.extend((0..32).map(|number| number * 7));
            &frame[self.ip() + 8..self.ip() + 40]
        };
        let words = addresses.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let mut sum = words.sum::<u32>() + 6 + u32::from(length);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let flags = FIN | PSH | ACK | CWR;
        frame.extend([0x12, 0x34, 0, 80, 0xff, 0xff, 0xff, 0, 0, 0, 0, 2, 0x50, flags, 1, 0]);
        frame.extend((sum as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(pattern(self.data));
        frame
    }

    fn offload(self) -> Offload {
        let checksum = Checksum::Partial { start: self.tcp() as u16, offset: 16 };
        let (size, headers) = (self.size.try_into().unwrap(), self.headers() as u16);
        Offload { checksum, segment: Some(Segment { kind: self.kind, size, headers }) }
    }

    fn frame(self, pool: &Pool) -> Frame {
        Frame { buffer: chain(pool, &self.bytes()), offload: self.offload() }
    }
}

/// Octets in as many buffers as they take.
fn chain(pool: &Pool, bytes: &[u8]) -> Buffer {
    let mut parts = bytes.chunks(Buffer::CAPACITY).map(|part| {
        let mut buffer = pool.allocate().unwrap();
        buffer.copy_from(part).unwrap();
        buffer
    });
    let mut first = parts.next().unwrap();
    parts.for_each(|part| assert!(first.append(part).is_ok()));
    first
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// All segments, as a card without offloads sends them.
fn cut(wanted: Wanted, longest: usize) -> Vec<Vec<u8>> {
    let pool = Pool::heap(64);
    let mut segments = Segments::new(wanted.frame(&pool), longest).expect("it can be cut");
    let mut all = Vec::new();
    while let Some(length) = segments.next_len() {
        let mut frame = segments.fill(pool.allocate().unwrap()).expect("there is room");
        assert_eq!(frame.buffer.len(), length);
        assert!(frame.settle(Offloads::default()));
        all.push(frame.buffer.to_vec());
    }
    drop(segments);
    assert_eq!(pool.available(), 64);
    all
}

#[test]
fn the_segments_of_a_packet_are_right_and_hold_what_it_held() {
    let six = Wanted { kind: SegmentKind::Ipv6, ..PLAIN };
    for wanted in [
        PLAIN,
        six,
        Wanted { data: 64_000, ..PLAIN },
        Wanted { data: 1449, ..six },
        Wanted { data: 1448, ..PLAIN },
        Wanted { data: 1, ..PLAIN },
        Wanted { options: 12, size: 535, ..PLAIN },
        Wanted { tags: 4, ..PLAIN },
        Wanted { tags: 8, ..six },
    ] {
        let (ip, tcp, headers) = (wanted.ip(), wanted.tcp(), wanted.headers());
        let all = cut(wanted, 1522);
        assert_eq!(all.len(), wanted.data.div_ceil(usize::from(wanted.size)));
        let mut data = Vec::new();
        for (number, segment) in all.iter().enumerate() {
            assert!(segment.len() <= headers + usize::from(wanted.size));
            // Without tags anybody can look.
            let mut plain = Frame::from(Pool::heap(1).allocate().unwrap());
            plain.buffer.copy_from(&[&segment[..12], &segment[12 + wanted.tags..]].concat()).unwrap();
            assert!(plain.is_intact());
            if wanted.kind == SegmentKind::Ipv4 {
                assert_eq!(word(segment, ip + 4), 0xfffe_u16.wrapping_add(number as u16));
            }
            let sequence = u32::from_be_bytes(segment[tcp + 4..tcp + 8].try_into().unwrap());
            assert_eq!(sequence, 0xffff_ff00_u32.wrapping_add(data.len() as u32));
            let last = if number + 1 == all.len() { FIN | PSH } else { 0 };
            let first = if number == 0 { CWR } else { 0 };
            assert_eq!(segment[tcp + 13], ACK | first | last);
            data.extend_from_slice(&segment[headers..]);
        }
        assert_eq!(data, pattern(wanted.data));
    }
}

#[test]
fn segments_that_the_link_does_not_carry_are_made_shorter() {
    let all = cut(PLAIN, 1014);
    assert!(all.iter().all(|segment| segment.len() <= 1014));
    assert_eq!(all.len(), PLAIN.data.div_ceil(1014 - PLAIN.headers()));
}

#[test]
fn one_that_is_left_out_leaves_the_others_as_they_are() {
    let pool = Pool::heap(64);
    let all = cut(PLAIN, 1522);
    let mut segments = Segments::new(PLAIN.frame(&pool), 1522).unwrap();
    segments.skip();
    let mut second = segments.fill(pool.allocate().unwrap()).unwrap();
    assert!(second.settle(Offloads::default()));
    assert_eq!(second.buffer.to_vec(), all[1]);
}

#[test]
fn a_packet_that_contradicts_itself_is_not_cut() {
    let pool = Pool::heap(64);
    let offload = PLAIN.offload();
    let spoilt = |place: usize, value: u8| {
        let mut bytes = PLAIN.bytes();
        bytes[place] = value;
        Segments::new(Frame { buffer: chain(&pool, &bytes), offload }, 1522)
    };
    assert!(spoilt(0, 0).is_some());
    assert!(spoilt(14, 0x46).is_none(), "a header that is longer");
    assert!(spoilt(16, 0).is_none(), "another length");
    assert!(spoilt(23, 17).is_none(), "another protocol");
    let with = |segment: Segment, checksum: Checksum| {
        let buffer = chain(&pool, &PLAIN.bytes());
        Segments::new(Frame { buffer, offload: Offload { checksum, segment: Some(segment) } }, 1522)
    };
    let segment = offload.segment.unwrap();
    assert!(with(Segment { kind: SegmentKind::Ipv6, ..segment }, offload.checksum).is_none());
    assert!(with(Segment { headers: 34, ..segment }, offload.checksum).is_none());
    assert!(with(Segment { headers: u16::MAX, ..segment }, offload.checksum).is_none());
    assert!(with(Segment { size: 1.try_into().unwrap(), ..segment }, offload.checksum).is_none(), "too many");
    assert!(with(segment, Checksum::Verified).is_none());
    assert!(with(segment, Checksum::Partial { start: 34, offset: 4000 }).is_none());
    let whole = Offload { segment: None, ..offload };
    assert!(Segments::new(Frame { buffer: chain(&pool, &PLAIN.bytes()), offload: whole }, 1522).is_none());
    assert!(Segments::new(PLAIN.frame(&pool), PLAIN.headers()).is_none(), "no room for data");
    assert!(Segments::new(Wanted { data: 0, ..PLAIN }.frame(&pool), 1522).is_none(), "no data");
    assert_eq!(pool.available(), 64);
}

#[test]
fn no_packet_makes_a_panic() {
    let seed = 0x5e65;
    println!("seed {seed:#x}");
    let (mut random, pool) = (Random::new(seed), Pool::heap(64));
    for round in 0..20_000 {
        let kind = if round % 2 == 0 { SegmentKind::Ipv4 } else { SegmentKind::Ipv6 };
        let wanted = Wanted { kind, data: random.below(6000), size: 1 + random.below(3000) as u16, ..PLAIN };
        let mut frame = wanted.frame(&pool);
        for _ in 0..random.below(3) {
            let place = random.below(80).min(frame.buffer.len() - 1);
            frame.buffer[place] = random.below(256) as u8;
        }
        if random.below(4) == 0 {
            let (start, offset) = (random.below(100) as u16, random.below(40) as u16);
            frame.offload.checksum = Checksum::Partial { start, offset };
        }
        if let Some(segment) = frame.offload.segment.as_mut().filter(|_| random.below(4) == 0) {
            segment.headers = random.below(200) as u16;
        }
        let Some(mut segments) = Segments::new(frame, 100 + random.below(3000)) else { continue };
        while let Some(length) = segments.next_len() {
            match segments.fill(pool.allocate().unwrap()) {
                Some(frame) => assert_eq!(frame.buffer.len(), length),
                None => segments.skip(),
            }
        }
    }
    assert_eq!(pool.available(), 64);
}
