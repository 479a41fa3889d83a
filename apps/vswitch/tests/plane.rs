//! Frames from card to card: in which buffer, in which form, and how often a card is told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use unik::CounterSet;
use unik::ports::{BatchNic, Buffer, Checksum, Frame, Nic, Port};
use unik::sync::Event;
use unik_sched::time::Instant;
use unik_virtio::Pool;
use unik_vswitch::service::{Plane, SharedSwitch};
use unik_vswitch::{Mac, Name, Settings, Switch};

/// Both ends of a card: what it has received and what it was given.
#[derive(Default)]
struct Line {
    received: VecDeque<Frame>,
    sent: Vec<Frame>,
    room: usize,
    flushes: usize,
}

#[derive(Clone)]
struct Card(Rc<RefCell<Line>>, Event, Pool);

unik_sched::counters! {
    /// None.
    struct NoCounters {}
}

impl Nic for Card {
    fn hardware_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 0]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self) -> Option<Frame> {
        self.0.borrow_mut().received.pop_front()
    }

    fn allocate(&mut self, _: usize) -> Option<Buffer> {
        self.2.allocate()
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        let mut line = self.0.borrow_mut();
        if line.sent.len() >= line.room {
            return Err(frame);
        }
        line.sent.push(frame);
        Ok(())
    }

    fn flush(&mut self) {
        self.0.borrow_mut().flushes += 1;
    }

    fn arm(&mut self) -> bool {
        false
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.1.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(NoCounters::new())
    }
}

impl BatchNic for Card {}

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
        let card = || {
            let line = Line { room: usize::MAX, ..Line::default() };
            Card(Rc::new(RefCell::new(line)), Event::new(), pool.clone())
        };
        let cards: Vec<Card> = (0..ports).map(|_| card()).collect();
        let ports = cards.iter().zip(NAMES).map(|(card, name)| Port { name, nic: Box::new(card.clone()) });
        let plane = Plane::new(switch.clone(), ports);
        Bench { cards, plane, switch, pool }
    }

    /// Lets a card receive a frame; where its bytes are.
    fn receive(&self, port: usize, frame: &[u8]) -> *const u8 {
        let mut buffer = self.pool.allocate().expect("there are enough");
        buffer.copy_from(frame).expect("it fits");
        let place = buffer.as_ptr();
        self.cards[port].0.borrow_mut().received.push_back(buffer.into());
        place
    }

    fn turn(&mut self) -> bool {
        self.plane.turn(Instant::from_millis(1))
    }

    /// What a card was given since this was last asked.
    fn sent(&self, port: usize) -> Vec<Frame> {
        std::mem::take(&mut self.cards[port].0.borrow_mut().sent)
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
            self.cards[port].0.borrow_mut().flushes = 0;
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
    assert!(bench.cards[1].0.borrow().flushes <= 11);
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
            let mut line = bench.cards[0].0.borrow_mut();
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
    bench.cards[1].0.borrow_mut().room = 10;
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
    bench.cards[0].0.borrow_mut().received[0].offload.checksum = Checksum::Partial { start: 34, offset: 6 };
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
