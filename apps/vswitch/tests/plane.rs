//! Frames from card to card: in which buffer, in which form, and how often a card is told.

mod card;

use std::cell::RefCell;
use std::rc::Rc;

use card::Card;
use unik::CounterSet;
use unik::ports::{Buffer, Checksum, Frame, Offload, Offloads, Port, Segment, SegmentKind};
use unik_sched::time::Instant;
use unik_testkit::Random;
use unik_virtio::Pool;
use unik_vswitch::service::{Plane, SharedSwitch};
use unik_vswitch::{Mac, Name, Settings, Switch};

struct Bench {
    cards: Vec<Card>,
    plane: Plane,
    switch: SharedSwitch,
    pool: Pool,
}

const NAMES: [&str; 4] = ["port1", "port2", "port3", "port4"];

impl Bench {
    fn new(ports: usize, words: &[(&str, &str)]) -> Bench {
        let mut settings = Settings::try_new(ports).expect("there is memory");
        let own = (1..=ports).map(|port| (format!("port{port}"), "lldp", "off"));
        let words = words.iter().map(|(key, value)| {
            let (group, word) = key.split_once('.').expect("a group");
            (group.to_owned(), word, *value)
        });
        for (group, word, value) in own.chain(words) {
            let (name, _) = Name::find(&group, word).expect("it is known");
            settings.set(name, value).unwrap_or_else(|error| panic!("{error}"));
        }
        let switch = Switch::try_new(&settings, &vec![Mac::default(); ports], 1).expect("there is memory");
        let switch = Rc::new(RefCell::new(switch));
        let pool = Pool::heap(1024);
        let cards: Vec<Card> = (0..ports).map(|_| Card::new(&pool)).collect();
        let ports = cards.iter().zip(NAMES).map(|(card, name)| Port { name, nic: Box::new(card.clone()) });
        let plane = Plane::new(switch.clone(), ports);
        Bench { cards, plane, switch, pool }
    }

    /// Lets a card receive a frame; where its bytes are.
    fn receive(&self, port: usize, frame: &[u8]) -> *const u8 {
        let mut buffer = self.pool.allocate().expect("there are enough");
        buffer.copy_from(frame).expect("it fits");
        let place = buffer.as_ptr();
        self.cards[port].line().received.push_back(buffer.into());
        place
    }

    fn turn(&mut self) -> bool {
        self.plane.turn(Instant::from_millis(1))
    }

    /// What a card was given since this was last asked.
    fn sent(&self, port: usize) -> Vec<Frame> {
        self.cards[port].sent()
    }

    fn count(&self, port: usize, name: &str) -> u64 {
        let mut found = None;
        self.switch.borrow().port_counters(port).expect("a port").visit(&mut |its, value| {
            if its == name {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Lets each port be heard at once, by a frame that goes nowhere else.
    fn introduce(&mut self) {
        for port in 0..self.cards.len() {
            self.receive(port, &frame(port as u8, port as u8));
            self.turn();
        }
        for port in 0..self.cards.len() {
            self.sent(port);
            self.cards[port].line().flushes = 0;
        }
    }
}

fn frame(to: u8, from: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, to, 2, 0, 0, 0, 1, from, 8, 0];
    frame.extend(0..46);
    frame
}

#[test]
fn a_frame_for_one_port_leaves_in_the_buffer_that_it_came_in() {
    let mut bench = Bench::new(3, &[]);
    bench.introduce();
    let place = bench.receive(0, &frame(1, 0));
    bench.turn();
    let sent = bench.sent(1);
    assert_eq!((sent.len(), sent[0].buffer.as_ptr()), (1, place));
    assert_eq!(sent[0].buffer[..], frame(1, 0));
    assert!(bench.sent(0).is_empty() && bench.sent(2).is_empty());
    assert_eq!((bench.count(1, "out_frames"), bench.count(1, "out_octets")), (1, 60));
}

#[test]
fn a_flood_is_copied_for_all_ports_but_one() {
    let mut bench = Bench::new(4, &[]);
    let mut call = frame(0, 1);
    call[..6].fill(0xff);
    let place = bench.receive(0, &call);
    let before = bench.pool.available();
    bench.turn();
    let sent: Vec<Frame> = (1..4).flat_map(|port| bench.sent(port)).collect();
    assert!(sent.len() == 3 && sent.iter().all(|frame| frame.buffer[..] == call));
    assert_eq!(sent.iter().filter(|frame| frame.buffer.as_ptr() == place).count(), 1);
    assert_eq!(bench.pool.available(), before - 2);
    drop(sent);
    assert_eq!(bench.pool.available(), 1024, "nothing is kept");
}

#[test]
fn a_card_is_told_once_of_64_frames() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    for _ in 0..640 {
        bench.receive(0, &frame(1, 0));
    }
    let mut turns = 0;
    while bench.turn() {
        turns += 1;
    }
    assert_eq!((bench.sent(1).len(), turns), (640, 10));
    assert!(bench.cards[1].line().flushes <= 11);
}

#[test]
fn a_busy_port_does_not_keep_others_waiting() {
    let mut bench = Bench::new(3, &[]);
    bench.introduce();
    for _ in 0..500 {
        bench.receive(0, &frame(2, 0));
    }
    bench.receive(1, &frame(2, 1));
    assert!(bench.turn(), "there is more");
    let sent = bench.sent(2);
    assert!(sent.len() == 65 && sent.iter().any(|sent| sent.buffer[..] == frame(2, 1)));
}

#[test]
fn frames_keep_their_order_whatever_is_left_to_do_about_them() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    for number in 0..100 {
        let mut frame = frame(1, 0);
        frame[59] = number;
        bench.receive(0, &frame);
        if number % 7 == 0 {
            let mut line = bench.cards[0].line();
            let offload = &mut line.received.back_mut().expect("it was just put there").offload;
            offload.checksum = Checksum::Partial { start: 34, offset: 6 };
        }
    }
    while bench.turn() {}
    let numbers: Vec<u8> = bench.sent(1).iter().map(|frame| frame.buffer[59]).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
}

#[test]
fn a_card_without_room_loses_frames_and_they_are_counted() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    bench.cards[1].line().room = 10;
    for _ in 0..30 {
        bench.receive(0, &frame(1, 0));
    }
    let before = bench.count(1, "out_frames");
    bench.turn();
    assert_eq!(bench.sent(1).len(), 10);
    assert_eq!((bench.count(1, "out_no_room"), bench.count(1, "out_frames") - before), (20, 10));
    assert_eq!(bench.pool.available(), 1024);
}

#[test]
fn what_is_too_long_for_a_card_is_not_sent() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    let mut long = frame(1, 0);
    long.resize(1518, 0);
    bench.receive(0, &long);
    long.push(0);
    bench.receive(0, &long);
    bench.turn();
    assert_eq!((bench.sent(1).len(), bench.count(1, "out_unfit")), (1, 1));
}

#[test]
fn tags_come_and_go_and_what_is_said_of_the_bytes_moves_along() {
    let mut bench = Bench::new(2, &[("port1.vlan", "10"), ("port2.trunk", "10"), ("port2.tag", "88a8")]);
    bench.receive(0, &frame(1, 0));
    bench.cards[0].line().received[0].offload.checksum = Checksum::Partial { start: 34, offset: 6 };
    bench.turn();
    let sent = bench.sent(1);
    let mut tagged = frame(1, 0);
    tagged.splice(12..12, [0x88, 0xa8, 0, 10]);
    assert_eq!(sent[0].buffer[..], tagged);
    assert_eq!(sent[0].offload.checksum, Checksum::Partial { start: 38, offset: 6 });
    // The answer comes with a tag and a priority, and leaves without.
    let mut answer = frame(0, 1);
    answer.splice(12..12, [0x88, 0xa8, 0xe0, 10]);
    let place = bench.receive(1, &answer);
    bench.turn();
    let sent = bench.sent(0);
    assert_eq!(sent[0].buffer[..], frame(0, 1));
    assert_eq!(sent[0].buffer.as_ptr(), place.wrapping_add(4), "in the same buffer");
}

#[test]
fn a_copy_of_what_passes_goes_to_the_port_that_mirrors() {
    let mut bench = Bench::new(3, &[("switch.mirror", "3"), ("port1.mirrored", "both")]);
    bench.introduce();
    bench.receive(0, &frame(1, 0));
    bench.receive(1, &frame(0, 1));
    bench.turn();
    assert_eq!((bench.sent(0).len(), bench.sent(1).len()), (1, 1));
    let copies: Vec<Vec<u8>> = bench.sent(2).iter().map(|frame| frame.buffer.to_vec()).collect();
    assert_eq!(copies, [frame(1, 0), frame(0, 1)]);
}

/// What each port has sent, and what is counted of ports, VLANs and the switch.
type Outcome = (Vec<Vec<Vec<u8>>>, Vec<(String, u64)>, Vec<(u16, u64, u64, u64)>);

/// What becomes of random frames between four ports, many of which go the way of the one before.
fn outcome(words: &[(&str, &str)], is_single: bool, seed: u64) -> Outcome {
    let mut bench = Bench::new(4, words);
    bench.cards.iter().for_each(|card| card.line().is_single = is_single);
    let mut random = Random::new(seed);
    let mut last = (0, frame(1, 0));
    let mut sent = vec![Vec::new(); 4];
    for _ in 0..200 {
        for _ in 0..random.below(60) {
            if random.below(4) == 0 {
                last = (random.below(4), frame(random.below(5) as u8, random.below(5) as u8));
                match random.below(12) {
                    0 => last.1[..6].fill(0xff),
                    1 => drop(last.1.splice(12..12, [0x81, 0, 0, random.below(3) as u8])),
                    2 => last.1.truncate(random.below(20)),
                    3 => last.1.resize(1500 + random.below(30), 0),
                    _ => {}
                }
            }
            if !last.1.is_empty() {
                bench.receive(last.0, &last.1);
            }
        }
        while bench.turn() {}
        for (port, all) in sent.iter_mut().enumerate() {
            all.extend(bench.sent(port).iter().map(|frame| frame.buffer.to_vec()));
        }
    }
    assert_eq!(bench.pool.available(), 1024, "nothing is kept");
    let mut counts = Vec::new();
    for port in 0..4 {
        let counters = bench.switch.borrow().port_counters(port).expect("a port");
        counters.visit(&mut |name, value| counts.push((format!("{port} {name}"), value)));
    }
    let vlans = bench.switch.borrow();
    let vlans = vlans.vlans().iter().map(|vlan| (vlan.number, vlan.frames, vlan.octets, vlan.flooded));
    (sent, counts, vlans.collect())
}

#[test]
fn frames_in_batches_go_the_ways_that_they_go_one_by_one() {
    let vlans = [("port1.vlan", "2"), ("port2.trunk", "1-2"), ("port3.vlan", "2")];
    let mirror = [("switch.mirror", "3"), ("port1.mirrored", "out"), ("port2.mirrored", "in")];
    for (words, seed) in [(&[][..], 1), (&vlans, 2), (&mirror, 3), (&[("port1.isolated", "on")], 4)] {
        let one_by_one = outcome(words, true, seed);
        assert_eq!(outcome(words, false, seed), one_by_one, "{words:?}");
        let all: usize = one_by_one.0.iter().map(Vec::len).sum();
        assert!(all > 1000, "{all}");
    }
}

/// Octets of headers and of data of a long packet, and of the data of its segments.
const HEADERS: usize = 54;
const DATA: usize = 60_000;
const SIZE: u16 = 1460;

/// A frame with a TCP packet over IPv4, with the sum of the pseudo header where its checksum is to be.
fn long_frame() -> Vec<u8> {
    let mut long = frame(1, 0);
    long.truncate(14);
    let length = (20 + DATA) as u16;
    long.extend([0x45, 0]);
    long.extend((length + 20).to_be_bytes());
    long.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    let sum = 0x0a00 + 2 + 0x0a00 + 1 + 6 + u32::from(length);
    let sum = (sum & 0xffff) + (sum >> 16);
    long.extend([0x12, 0x34, 0, 80, 0, 0, 0, 0, 0, 0, 0, 2, 0x50, 0x18, 1, 0]);
    long.extend((sum as u16).to_be_bytes());
    long.extend([0, 0]);
    long.extend((0..DATA).map(|number| ((number * 31) >> 4) as u8));
    long
}

impl Bench {
    /// Lets a card receive a long packet, in several buffers; where its first bytes are.
    fn receive_long(&self, port: usize) -> *const u8 {
        self.receive_cut(port, SIZE)
    }

    /// The same, to be cut into segments of so much data.
    fn receive_cut(&self, port: usize, size: u16) -> *const u8 {
        let frame = long_frame();
        let mut parts = frame.chunks(Buffer::CAPACITY).map(|part| {
            let mut buffer = self.pool.allocate().expect("there are enough");
            buffer.copy_from(part).expect("it fits");
            buffer
        });
        let mut first = parts.next().expect("there is one");
        parts.for_each(|part| assert!(first.append(part).is_ok()));
        let place = first.as_ptr();
        let size = size.try_into().expect("it is not zero");
        let segment = Segment { kind: SegmentKind::Ipv4, size, headers: HEADERS as u16 };
        let checksum = Checksum::Partial { start: 34, offset: 16 };
        let offload = Offload { checksum, segment: Some(segment) };
        self.cards[port].line().received.push_back(Frame { buffer: first, offload });
        place
    }

    fn cutting(&self, port: usize) {
        let offloads = Offloads { checksum: true, segment_ipv4: true, ..Offloads::default() };
        self.cards[port].line().offloads = offloads;
    }
}

/// Checks that frames are the segments of [`long_frame`], whose headers are so much longer.
fn are_its_segments(sent: &mut [Frame], tag: usize) {
    assert_eq!(sent.len(), DATA.div_ceil(SIZE.into()));
    let mut data = Vec::new();
    for frame in sent {
        assert!(frame.offload.segment.is_none() && frame.settle(Offloads::default()));
        let mut plain = frame.buffer.to_vec();
        plain.drain(12..12 + tag);
        frame.buffer.copy_from(&plain).expect("it is shorter");
        assert!(frame.is_intact());
        data.extend_from_slice(&plain[HEADERS..]);
    }
    assert_eq!(data, long_frame()[HEADERS..]);
}

#[test]
fn a_long_packet_passes_as_it_is_to_a_card_that_cuts_it() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    bench.cutting(1);
    let place = bench.receive_long(0);
    let before = bench.count(1, "out_octets");
    bench.turn();
    let sent = bench.sent(1);
    assert_eq!((sent.len(), sent[0].buffer.as_ptr()), (1, place));
    assert_eq!(sent[0].buffer.parts().collect::<Vec<_>>().concat(), long_frame());
    assert_eq!(bench.count(1, "out_octets") - before, (HEADERS + DATA) as u64);
}

#[test]
fn a_long_packet_is_cut_for_a_card_that_does_not() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    bench.receive_long(0);
    let before = bench.count(1, "out_frames");
    bench.turn();
    let mut sent = bench.sent(1);
    assert_eq!(bench.count(1, "out_frames") - before, sent.len() as u64);
    are_its_segments(&mut sent, 0);
    drop(sent);
    assert_eq!(bench.pool.available(), 1024, "nothing is kept");
}

#[test]
fn a_long_packet_is_cut_in_a_vlan_too_and_passes_in_both_forms_when_it_is_for_all() {
    let words = [("port1.vlan", "10"), ("port2.trunk", "10"), ("port3.vlan", "10")];
    let mut bench = Bench::new(3, &words);
    bench.cutting(2);
    bench.receive_long(0);
    bench.turn();
    are_its_segments(&mut bench.sent(1), 4);
    let sent = bench.sent(2);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].buffer.parts().collect::<Vec<_>>().concat(), long_frame());
}

#[test]
fn segments_for_which_there_is_no_room_are_counted() {
    let mut bench = Bench::new(2, &[]);
    bench.introduce();
    bench.cards[1].line().room = 10;
    bench.receive_long(0);
    bench.turn();
    let all = DATA.div_ceil(SIZE.into()) as u64;
    assert_eq!((bench.sent(1).len() as u64, bench.count(1, "out_no_room")), (10, all - 10));
    assert_eq!(bench.pool.available(), 1024);
}

#[test]
fn packets_in_very_many_segments_do_not_keep_other_ports_waiting() {
    let mut bench = Bench::new(3, &[]);
    bench.introduce();
    bench.cards[1].line().room = 0;
    for _ in 0..20 {
        bench.receive_cut(0, 30);
    }
    bench.receive(1, &frame(2, 1));
    assert!(bench.turn(), "there is more");
    assert_eq!(bench.sent(2).len(), 1);
    // Two packets of 2000 segments are more than enough for a turn.
    assert_eq!(bench.count(1, "out_no_room"), 4000);
    let mut turns = 1;
    while bench.turn() {
        turns += 1;
    }
    assert_eq!((turns, bench.count(1, "out_no_room")), (10, 40_000));
}
