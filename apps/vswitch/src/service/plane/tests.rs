//! What controllers do to a plane: they wake it, send by it, and see what passes.

use super::super::card::Card;
use super::super::control::{Control, LEARN};
use super::*;
use crate::openflow::ConnectionId;
use crate::pipeline::ports;
use crate::settings::{Controller, OpenFlowSettings, Transport};
use crate::{Mac, Settings};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::Waker;
use std::vec;
use std::vec::Vec;
use unik::ports::{Buffer, Checksum, Frame};
use unik_sched::time::Duration;
use unik_testkit::VirtualClock;
use unik_virtio::Pool;

const NOW: Instant = Instant::from_millis(1);
const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 0];

struct Bench {
    cards: Vec<Card>,
    plane: RefCell<Plane>,
    pool: Pool,
}

impl Bench {
    /// A plane of three ports that tables without entries are in charge of, and which calls so many controllers.
    fn new(chiefs: u16) -> Bench {
        Self::with(Settings::try_new(3).expect("there is memory"), chiefs)
    }

    /// The same, of which the third port mirrors what the first ones receive, or send, and with this controller's connection.
    fn mirroring(first: (bool, bool), second: (bool, bool)) -> (Bench, ConnectionId) {
        let mut settings = Settings::try_new(3).expect("there is memory");
        settings.mirror = Some(2);
        settings.ports[0].is_mirrored = first;
        settings.ports[1].is_mirrored = second;
        let bench = Self::with(settings, 0);
        let id = bench.connect(false).expect("there is room");
        bench.say(id, &HELLO);
        (bench, id)
    }

    fn with(mut settings: Settings, chiefs: u16) -> Bench {
        settings.ports.iter_mut().for_each(|port| port.lldp = Some(false));
        let address = |port| SocketAddr::from(([192, 0, 2, 1], 6653 + port));
        let controller = |port| Controller { transport: Transport::Tcp, address: address(port) };
        let controllers = (0..chiefs).map(controller).collect();
        let openflow = OpenFlowSettings { controllers, is_secure: true, flows: 16, ..Default::default() };
        let switch = Switch::try_new(&settings, &[Mac::default(); 3], 1).expect("there is memory");
        let pool = Pool::heap(64);
        let cards: Vec<Card> = (0..3).map(|_| Card::new(&pool)).collect();
        let names = ["port1", "port2", "port3"];
        let known = names.into_iter().map(|name| (name, [2, 0, 0, 0, 0, 0]));
        let control = Control::try_new(&openflow, 1, known, 1, NOW).unwrap_or_else(|_| panic!("memory"));
        let ports = cards.iter().zip(names).map(|(card, name)| Port { name, nic: Box::new(card.clone()) });
        let mut plane = Plane::new(Rc::new(RefCell::new(switch)), ports);
        plane.put_under(control);
        plane.turn(NOW);
        Bench { cards, plane: RefCell::new(plane), pool }
    }

    fn connect(&self, is_chief: bool) -> Option<ConnectionId> {
        self.plane.borrow_mut().command(|control, _| control.connect(is_chief))?.map(|(id, _)| id)
    }

    fn say(&self, id: ConnectionId, octets: &[u8]) {
        let mut plane = self.plane.borrow_mut();
        let taken = plane.command(|control, outputs| control.receive(id, octets, NOW, outputs));
        assert_eq!(taken, Some(Ok(octets.len())));
    }

    /// What waits for a controller, which takes it.
    fn hear(&self, id: ConnectionId) -> Vec<u8> {
        let mut plane = self.plane.borrow_mut();
        let heard = plane.command(|control, outputs| {
            let heard = control.output(id).to_vec();
            control.sent(id, heard.len(), NOW, outputs).map(|()| heard)
        });
        heard.expect("there are controllers").expect("it is not over")
    }

    fn sent(&self) -> [Vec<Vec<u8>>; 3] {
        [0, 1, 2].map(|port| {
            let sent = self.cards[port].sent();
            sent.iter().map(|frame| frame.buffer.parts().collect::<Vec<_>>().concat()).collect()
        })
    }

    /// How many copies were made for the port that mirrors.
    fn mirrored(&self) -> u64 {
        self.plane.borrow().switch.borrow().counters().mirrored.get()
    }

    fn counters(&self, port: usize) -> Rc<crate::PortCounters> {
        self.plane.borrow().switch.borrow().port_counters(port).expect("a port")
    }

    fn buffer(&self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.pool.allocate().expect("there are enough");
        buffer.copy_from(bytes).expect("it fits");
        buffer
    }

    fn receive(&self, port: usize, frame: Frame) {
        self.cards[port].line().received.push_back(frame);
        self.plane.borrow_mut().turn(NOW);
    }
}

/// An entry for all frames, which sends them to this port.
fn entry(port: u32) -> Vec<u8> {
    let mut message = LEARN[8..].to_vec();
    message[68..72].copy_from_slice(&port.to_be_bytes());
    message[72..74].fill(0xff);
    message
}

fn frame(to: u8, from: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 1, to, 2, 0, 0, 0, 1, from, 8, 0];
    frame.resize(60, 0);
    frame
}

/// A PACKET_OUT of a frame that came in by no port, to NORMAL.
fn normal(frame: &[u8]) -> Vec<u8> {
    let mut message = vec![4, 13, 0, (40 + frame.len()) as u8, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff];
    message.extend(ports::CONTROLLER.to_be_bytes());
    message.extend([0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
    message.extend(ports::NORMAL.to_be_bytes());
    message.extend([0; 8]);
    message.extend(frame);
    message
}

#[test]
fn an_entry_that_comes_while_the_plane_sleeps_is_looked_after_in_time() {
    let bench = Bench::new(0);
    let id = bench.connect(false).expect("there is room");
    bench.say(id, &HELLO);
    let clock = VirtualClock::new();
    let time = Time::new(clock);
    let mut run = pin!(Plane::run(&bench.plane, &time));
    let mut context = Context::from_waker(Waker::noop());
    // An entry that stays for ever is nothing to wake for.
    bench.say(id, &entry(ports::CONTROLLER));
    for _ in 0..4 {
        assert!(run.as_mut().poll(&mut context).is_pending());
    }
    let far = time.next_deadline().is_none_or(|due| due > NOW + Duration::from_secs(60));
    assert!(far, "there is nothing to look after: {:?}", time.next_deadline());
    let mut timed = entry(ports::CONTROLLER);
    timed[26..28].copy_from_slice(&5u16.to_be_bytes());
    bench.say(id, &timed);
    for _ in 0..4 {
        assert!(run.as_mut().poll(&mut context).is_pending());
    }
    assert!(time.next_deadline().is_some_and(|due| due <= NOW + Duration::from_secs(1)));
}

#[test]
fn what_comes_due_while_the_plane_works_is_done_once() {
    let bench = Bench::new(0);
    let clock = VirtualClock::new();
    let time = Time::new(clock.clone());
    let mut run = pin!(Plane::run(&bench.plane, &time));
    let mut context = Context::from_waker(Waker::noop());
    // An address to look after; that it is time to do so is seen only when the plane is about to sleep.
    bench.receive(0, bench.buffer(&frame(1, 0)).into());
    let id = bench.connect(false).expect("there is room");
    bench.say(id, &[&HELLO[..], &entry(ports::NORMAL)].concat());
    bench.receive(0, bench.buffer(&frame(1, 0)).into());
    {
        let mut line = bench.cards[0].line();
        (line.clock, line.pause) = (Some(clock), Duration::from_secs(2));
    }
    assert!(run.as_mut().poll(&mut context).is_pending());
    assert!(time.next_deadline().is_some_and(|due| due > time.now()));
}

#[test]
fn what_a_controller_sends_by_normal_goes_where_it_was_heard_or_everywhere() {
    let bench = Bench::new(0);
    let id = bench.connect(false).expect("there is room");
    bench.say(id, &HELLO);
    bench.say(id, &entry(ports::NORMAL));
    bench.receive(1, bench.buffer(&frame(9, 2)).into());
    bench.sent();
    bench.say(id, &normal(&frame(2, 7)));
    assert_eq!(bench.sent(), [vec![], vec![frame(2, 7)], vec![]]);
    bench.say(id, &normal(&frame(8, 7)));
    assert_eq!(bench.sent(), [vec![frame(8, 7)], vec![frame(8, 7)], vec![frame(8, 7)]]);
    // Nothing was learned from it.
    bench.receive(1, bench.buffer(&frame(7, 2)).into());
    assert_eq!(bench.sent(), [vec![frame(7, 2)], vec![], vec![frame(7, 2)]]);
}

#[test]
fn a_controller_sees_a_frame_whole_and_with_its_checksum() {
    let bench = Bench::new(0);
    let id = bench.connect(false).expect("there is room");
    bench.say(id, &HELLO);
    bench.say(id, &entry(ports::CONTROLLER));
    bench.hear(id);
    // Words that sum up to 0x1111 + 0x2222 behind byte 34, with the sum of a pseudo header, 0x0100, in the third one.
    let mut octets = frame(1, 0);
    octets[34..40].copy_from_slice(&[0x11, 0x11, 0x22, 0x22, 0x01, 0x00]);
    let mut first = bench.buffer(&octets[..50]);
    first.append(bench.buffer(&octets[50..])).unwrap_or_else(|_| panic!("one pool"));
    let mut partial = Frame::from(first);
    partial.offload.checksum = Checksum::Partial { start: 34, offset: 4 };
    bench.receive(0, partial);
    octets[38..40].copy_from_slice(&(!0x3433u16).to_be_bytes());
    assert!(bench.hear(id).ends_with(&octets));
}

#[test]
fn those_who_call_leave_room_for_those_who_are_called() {
    let bench = Bench::new(2);
    let callers: Vec<_> = core::iter::from_fn(|| bench.connect(false)).collect();
    assert_eq!(callers.len(), 6);
    let chiefs = [bench.connect(true), bench.connect(true)];
    assert!(chiefs.iter().all(Option::is_some));
    let mut plane = bench.plane.borrow_mut();
    plane.command(|control, _| control.disconnect(callers[0], false, false));
    drop(plane);
    assert!(bench.connect(false).is_some() && bench.connect(false).is_none());
}

#[test]
fn of_a_frame_in_several_buffers_that_is_lost_no_octet_is_counted() {
    let bench = Bench::new(0);
    let id = bench.connect(false).expect("there is room");
    bench.say(id, &HELLO);
    bench.say(id, &entry(2));
    let counters = bench.counters(1);
    let receive = || {
        let mut first = bench.buffer(&frame(1, 0)[..40]);
        first.append(bench.buffer(&frame(1, 0)[40..])).unwrap_or_else(|_| panic!("one pool"));
        bench.receive(0, first.into());
        (counters.out_frames.get(), counters.out_octets.get(), counters.out_no_room.get())
    };
    assert_eq!(receive(), (1, 60, 0));
    bench.cards[1].line().room = 0;
    assert_eq!(receive(), (1, 60, 1));
}

#[test]
fn what_mirrored_ports_receive_and_send_is_copied_whatever_the_tables_say() {
    let (none, received, sent, both) = ((false, false), (true, false), (false, true), (true, true));
    for (first, second, copies) in
        [(none, none, 0), (received, none, 1), (none, sent, 1), (sent, received, 0), (both, both, 1)]
    {
        let (bench, id) = Bench::mirroring(first, second);
        // Without an entry it goes nowhere: what is received is copied all the same.
        bench.receive(0, bench.buffer(&frame(1, 7)).into());
        let received = usize::from(first.0);
        assert_eq!(bench.sent(), [vec![], vec![], vec![frame(1, 7); received]]);
        for port in [2, ports::FLOOD, ports::NORMAL] {
            bench.say(id, &entry(port));
            bench.receive(0, bench.buffer(&frame(1, 7)).into());
            let expected = [vec![], vec![frame(1, 7)], vec![frame(1, 7); copies]];
            assert_eq!(bench.sent(), expected, "{first:?} {second:?} to {port:#x}");
        }
        assert_eq!(bench.mirrored(), (received + 3 * copies) as u64);
    }
}

#[test]
fn what_a_controller_sends_by_a_mirrored_port_is_copied() {
    let (bench, id) = Bench::mirroring((true, false), (false, true));
    let mut message = normal(&frame(1, 7));
    message[28..32].copy_from_slice(&2u32.to_be_bytes());
    bench.say(id, &message);
    assert_eq!(bench.sent(), [vec![], vec![frame(1, 7)], vec![frame(1, 7)]]);
    bench.say(id, &normal(&frame(1, 7)));
    assert_eq!(bench.sent(), [vec![frame(1, 7)], vec![frame(1, 7)], vec![frame(1, 7)]]);
}

#[test]
fn a_frame_that_an_entry_changes_is_copied_as_it_came_or_as_it_leaves() {
    for (first, second, is_changed) in
        [((true, true), (true, true), false), ((false, true), (false, true), true)]
    {
        let (bench, id) = Bench::mirroring(first, second);
        // OpenFlow 1.3.5, 7.2.5: POP_VLAN before the output.
        let mut message = entry(2);
        message.splice(64..64, [0, 18, 0, 8, 0, 0, 0, 0]);
        (message[3], message[59]) = (88, 32);
        bench.say(id, &message);
        let mut tagged = frame(1, 7);
        tagged.resize(64, 0);
        tagged.splice(12..12, [0x81, 0, 0, 5]);
        let mut plain = tagged.clone();
        plain.drain(12..16);
        bench.receive(0, bench.buffer(&tagged).into());
        let copy = if is_changed { plain.clone() } else { tagged };
        assert_eq!(bench.sent(), [vec![], vec![plain], vec![copy]]);
    }
}

/// A MULTIPART_REQUEST for all of this kind: flow entries (1), with any port, group and table, or ports (4).
fn statistics(kind: u8) -> Vec<u8> {
    let body = match kind {
        1 => [&[0xff, 0, 0, 0][..], &[0xff; 8], &[0; 20], &[0, 1, 0, 4, 0, 0, 0, 0]].concat(),
        _ => vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    };
    [&[4, 18, 0, 16 + body.len() as u8, 0, 0, 0, 7, 0, kind, 0, 0, 0, 0, 0, 0][..], &body].concat()
}

#[test]
fn frames_in_batches_are_counted_for_entry_and_ports_as_one_by_one() {
    let outcome = |port, is_single| {
        let bench = Bench::new(0);
        bench.cards.iter().for_each(|card| card.line().is_single = is_single);
        let mut sent: [Vec<Vec<u8>>; 3] = Default::default();
        let id = bench.connect(false).expect("room for one");
        bench.say(id, &[&HELLO[..], &entry(port)].concat());
        for round in 0..20 {
            for (ingress, count) in [(0, 20), (1, 3), (0, 30), (2, 1)] {
                let (to, from) = ((ingress + round) % 3, ingress);
                for number in 0..count {
                    let mut frame = frame(to as u8, from as u8);
                    // Some are whole datagrams, of two flows, and some are cut short.
                    let length = 40 + count % 7;
                    frame[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, number, 0, 0, 64, 17]);
                    frame[35] = number / 7;
                    frame.truncate(usize::from(if number % 5 == 4 { length } else { 60 }));
                    bench.cards[ingress].line().received.push_back(bench.buffer(&frame).into());
                }
            }
            while bench.plane.borrow_mut().turn(NOW) {}
            sent.iter_mut().zip(bench.sent()).for_each(|(all, some)| all.extend(some));
        }
        bench.hear(id);
        bench.say(id, &[statistics(1), statistics(4)].concat());
        let counts = [0, 1, 2].map(|port| {
            let counters = bench.counters(port);
            [&counters.in_frames, &counters.in_octets, &counters.out_frames, &counters.out_octets]
                .map(|c| c.get())
        });
        (sent, bench.hear(id), counts)
    };
    for port in [2, ports::NORMAL, ports::IN_PORT] {
        let (sent, told, counts) = outcome(port, false);
        assert_eq!((sent, told, counts), outcome(port, true), "{port:x}");
        let (sent, told, counts) = outcome(port, false);
        assert!(sent.iter().map(Vec::len).sum::<usize>() > 300);
        assert_eq!([counts[0][0], counts[1][0], counts[2][0]], [1000, 60, 20]);
        // OpenFlow 1.3.5, 7.3.5.2: what the entry has counted.
        assert_eq!(told[16 + 32..16 + 40], 1080_u64.to_be_bytes());
    }
}

/// A PORT_MOD (OpenFlow 1.3.5, 7.3.4.3) that gives the second port this configuration.
fn configure(config: u32) -> Vec<u8> {
    let mut message = vec![4, 16, 0, 40, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    message.extend([config, 0x65, 0].iter().flat_map(|word| word.to_be_bytes()));
    message.extend([0; 4]);
    message
}

#[test]
fn ports_that_take_or_send_nothing_do_so_in_batches_too() {
    let outcome = |config, is_single| {
        let bench = Bench::new(0);
        bench.cards.iter().for_each(|card| card.line().is_single = is_single);
        let id = bench.connect(false).expect("room for one");
        bench.say(id, &[&HELLO[..], &entry(2), &configure(config)].concat());
        for number in 0..20 {
            for ingress in 0..3 {
                let datagram = frame(1, ingress as u8 + u8::from(number % 4 == 3));
                bench.cards[ingress].line().received.push_back(bench.buffer(&datagram).into());
            }
            if number % 7 == 6 {
                while bench.plane.borrow_mut().turn(NOW) {}
            }
        }
        while bench.plane.borrow_mut().turn(NOW) {}
        let sent = bench.sent();
        bench.hear(id);
        bench.say(id, &[statistics(1), statistics(4)].concat());
        (sent, bench.hear(id))
    };
    for (config, expected) in [(0, 40), (ports::PORT_DOWN, 0), (ports::NO_RECV, 40), (ports::NO_FWD, 0)] {
        let (sent, told) = outcome(config, false);
        assert_eq!(sent[1].len(), expected, "{config}");
        assert!((sent, told) == outcome(config, true), "{config}");
    }
}
