//! Datagrams answered in place, between two stacks and with a peer that makes its frames by hand.

use std::{cell::Cell, fs, net::Ipv4Addr, path::Path, rc::Rc};

use smoltcp::wire::ArpOperation;
use unik_net::{
    Checksum, Direction, Error, Net, Verdict,
    datagram::packet::{Packet, Refusal},
    wire::Conditions,
};
use unik_sched::{sync::Event, time::Duration};
use unik_testkit::Random;

use crate::{
    checks::{self, host},
    frames::{BROADCAST, PEER, Peer, STACK, arp, read_ipv4, read_udp, udp},
    world::{LEFT, RIGHT, World, at, pattern, two, two_on},
};

/// A stack that the peer has made itself known to.
fn alone() -> (World, Net, Peer) {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
    world.run(async { peer.hear().await.expect("the ARP answer") });
    (world, net, peer)
}

/// Sets the checksum of the IPv4 header right, after a change.
fn seal(frame: &mut [u8]) {
    let header = usize::from(frame[14] & 0xf) * 4;
    frame[24..26].fill(0);
    let mut sum: u32 =
        frame[14..14 + header].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[test]
fn datagrams_of_any_length_are_echoed_without_a_socket() {
    let (mut world, left, right) = two();
    let echo = right.answer(7, |_, _| Verdict::Answer).unwrap();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        for length in [0, 1, 2, 3, 64, 511, 1472] {
            let sent = pattern(length);
            client.send_to(&sent, at(RIGHT, 7)).await.unwrap();
            let mut received = [0; 1500];
            assert_eq!(client.receive_from(&mut received).await.unwrap(), (length, at(RIGHT, 7)));
            assert_eq!(received[..length], sent);
        }
    });
    assert_eq!((echo.port(), right.counters().udp_answered.get()), (7, 7));
}

#[test]
fn an_answer_is_the_frame_that_a_socket_would_have_sent() {
    let answers = [false, true].map(|in_place| {
        let (mut world, net, mut peer) = alone();
        let mut socket = world.run(net.udp(7)).unwrap();
        let _echo = in_place.then(|| socket.answer(|_, _| Verdict::Answer).unwrap());
        if !in_place {
            world.spawn("echo", async move {
                let mut datagram = [0; 1500];
                loop {
                    let (length, peer) = socket.receive_from(&mut datagram).await.unwrap();
                    socket.send_to(&datagram[..length], peer).await.unwrap();
                }
            });
        }
        world.run(async {
            peer.say(&udp((RIGHT, 5000), (LEFT, 7), b"the same"));
            peer.hear().await.expect("an answer")
        })
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn the_handler_sees_who_asks_and_answers_what_it_likes() {
    let (mut world, net, mut peer) = alone();
    let _service = net.answer(9, |datagram, reply| {
        assert_eq!((datagram.source, datagram.destination), (at(RIGHT, 5000), at(LEFT, 9)));
        assert_eq!(reply.room(), 1472);
        assert_eq!(reply.set_len(1473), Err(Error::MessageTooLong));
        match reply.payload() {
            b"short" => reply.write(b"").unwrap(),
            b"long" => {
                let bytes = reply.bytes_mut();
                bytes.copy_from_slice(&pattern(1472));
                reply.set_len(1472).unwrap();
            }
            b"begin" => reply.set_len(2).unwrap(),
            other => panic!("nobody said {other:?}"),
        }
        Verdict::Answer
    });
    world.run(async {
        for (question, answer) in [("short", vec![]), ("long", pattern(1472)), ("begin", b"be".to_vec())] {
            peer.say(&udp((RIGHT, 5000), (LEFT, 9), question.as_bytes()));
            assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((9, 5000, answer)));
        }
    });
}

#[test]
fn a_datagram_without_a_checksum_is_answered_with_one() {
    let (mut world, net, mut peer) = alone();
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    let mut question = udp((RIGHT, 5000), (LEFT, 7), b"unchecked");
    question[40..42].fill(0);
    let answer = world.run(async {
        peer.say(&question);
        peer.hear().await.unwrap()
    });
    assert_ne!(answer[40..42], [0; 2]);
    assert_eq!(read_udp(&answer), Some((7, 5000, b"unchecked".to_vec())));
}

#[test]
fn options_of_the_question_are_not_in_the_answer() {
    let (mut world, net, mut peer) = alone();
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    let mut question = udp((RIGHT, 5000), (LEFT, 7), b"marked");
    // Two words of no operation, and 8 more bytes in all.
    question.splice(34..34, [1; 8]);
    question[14] = 0x47;
    question[17] += 8;
    seal(&mut question);
    let answer = world.run(async {
        peer.say(&question);
        peer.hear().await.unwrap()
    });
    assert_eq!(answer.len(), 42 + 6);
    assert_eq!(read_udp(&answer), Some((7, 5000, b"marked".to_vec())));
}

#[test]
fn frames_with_wrong_lengths_or_sums_are_dropped_and_counted() {
    let (mut world, net, mut peer) = alone();
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    let good = udp((RIGHT, 5000), (LEFT, 7), b"question");
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good.clone();
        change(&mut frame);
        frame
    };
    let bad = [
        changed(&|frame| frame[24] ^= 1),
        changed(&|frame| frame[45] ^= 1),
        changed(&|frame| frame[40] ^= 1),
        changed(&|frame| frame[39] += 1),
        changed(&|frame| frame[39] = 7),
        changed(&|frame| frame.truncate(frame.len() - 1)),
        changed(&|frame| {
            frame[17] = 27;
            seal(frame);
        }),
        changed(&|frame| {
            frame[14] = 0x4f;
            seal(&mut frame.iter().copied().chain([0; 60]).collect::<Vec<_>>());
        }),
    ];
    world.run(async {
        for frame in &bad {
            peer.say(frame);
            assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None);
        }
        // With padding behind it, as the shortest frames have.
        peer.say(&[&good[..], &[0; 10]].concat());
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5000, b"question".to_vec())));
    });
    assert_eq!(net.counters().udp_rx_malformed.get(), 7, "the last is no datagram to that port");
}

#[test]
fn nobody_is_answered_who_cannot_be_one_other_host() {
    let (mut world, net, mut peer) = alone();
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    let sources = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(0, 1, 2, 3),
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(240, 0, 0, 1),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(10, 0, 0, 255),
        Ipv4Addr::new(10, 0, 0, 0),
        LEFT,
    ];
    let mut bad: Vec<_> = sources.iter().map(|source| udp((*source, 5000), (LEFT, 7), b"?")).collect();
    bad.push(udp((RIGHT, 0), (LEFT, 7), b"?"));
    for hardware in [[0; 6], STACK, [3, 0, 0, 0, 0, 1], BROADCAST] {
        let mut frame = udp((RIGHT, 5000), (LEFT, 7), b"?");
        frame[6..12].copy_from_slice(&hardware);
        bad.push(frame);
    }
    world.run(async {
        for frame in &bad {
            peer.say(frame);
            assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None);
        }
        // From another network, through whoever brought it.
        peer.say(&udp((Ipv4Addr::new(192, 0, 2, 255), 5000), (LEFT, 7), b"far"));
        let answer = peer.hear().await.unwrap();
        assert_eq!(answer[..6], PEER);
        assert_eq!(read_udp(&answer), Some((7, 5000, b"far".to_vec())));
    });
    assert_eq!(net.counters().udp_rx_unanswerable.get(), bad.len() as u64);
}

#[test]
fn what_a_handler_passes_on_goes_to_the_socket_of_the_port() {
    let (mut world, net, mut peer) = alone();
    let mut socket = world.run(net.udp(7)).unwrap();
    let _service = socket.answer(|_, reply| match reply.payload().first() {
        Some(b'q') => Verdict::Queue,
        Some(b'd') => Verdict::Drop,
        Some(b'a') => Verdict::Answer,
        _ => {
            reply.bytes_mut()[0] = b'!';
            Verdict::Queue
        }
    });
    world.run(async {
        for text in ["drop", "queue", "spoilt", "answer", "quit"] {
            peer.say(&udp((RIGHT, 5000), (LEFT, 7), text.as_bytes()));
        }
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5000, b"answer".to_vec())));
        let mut datagram = [0; 64];
        for text in ["queue", "quit"] {
            assert_eq!(socket.receive_from(&mut datagram).await.unwrap(), (text.len(), at(RIGHT, 5000)));
            assert_eq!(&datagram[..text.len()], text.as_bytes());
        }
        assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None);
    });
    let counters = net.counters();
    let counted =
        [&counters.udp_refused, &counters.udp_passed, &counters.udp_reply_failed, &counters.udp_answered];
    assert_eq!(counted.map(|counter| counter.get()), [1, 2, 1, 1]);
}

#[test]
fn a_datagram_to_all_is_left_to_the_socket() {
    let (mut world, net, mut peer) = alone();
    let mut socket = world.run(net.udp(7)).unwrap();
    let _echo = socket.answer(|_, _| Verdict::Answer);
    world.run(async {
        peer.say(&udp((RIGHT, 5000), (Ipv4Addr::BROADCAST, 7), b"all"));
        let mut datagram = [0; 64];
        assert_eq!(socket.receive_from(&mut datagram).await.unwrap(), (3, at(RIGHT, 5000)));
    });
    assert_eq!(net.counters().udp_answered.get(), 0);
}

#[test]
fn without_a_socket_what_is_passed_on_is_refused_as_for_any_closed_port() {
    let (mut world, net, mut peer) = alone();
    let _service = net.answer(7, |_, _| Verdict::Queue);
    let answer = world.run(async {
        peer.say(&udp((RIGHT, 5000), (LEFT, 7), b"anybody?"));
        peer.hear().await.unwrap()
    });
    let (protocol, ..) = read_ipv4(&answer).expect("a packet");
    assert_eq!(protocol, smoltcp::wire::IpProtocol::Icmp);
}

#[test]
fn a_port_has_one_handler_and_belongs_to_whoever_has_it_first() {
    let (mut world, left, _right) = two();
    world.run(async {
        let echo = left.answer(7, |_, _| Verdict::Answer).unwrap();
        assert_eq!(left.answer(7, |_, _| Verdict::Drop).err(), Some(Error::PortInUse));
        assert_eq!(left.udp(7).await.err(), Some(Error::PortInUse));
        assert_eq!(left.answer(0, |_, _| Verdict::Drop).err(), Some(Error::InvalidAddress));
        drop(echo);
        let socket = left.udp(7).await.unwrap();
        assert_eq!(left.answer(7, |_, _| Verdict::Drop).err(), Some(Error::PortInUse));
        let beside = socket.answer(|_, _| Verdict::Drop).unwrap();
        assert_eq!(socket.answer(|_, _| Verdict::Drop).err(), Some(Error::PortInUse));
        drop(socket);
        assert_eq!(left.udp(7).await.err(), Some(Error::PortInUse), "the handler still has it");
        drop(beside);
        assert!(left.udp(7).await.is_ok());
        let many: Vec<_> = (1..=16).map(|port| left.answer(port, |_, _| Verdict::Drop).unwrap()).collect();
        assert_eq!(left.answer(17, |_, _| Verdict::Drop).err(), Some(Error::TooManySockets));
        drop(many);
        assert!(left.answer(17, |_, _| Verdict::Drop).is_ok());
    });
}

#[test]
fn a_handler_is_called_until_its_registration_ends_and_then_dropped() {
    let (mut world, net, mut peer) = alone();
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let service = net.answer(7, move |_, _| {
        count.set(count.get() + 1);
        Verdict::Drop
    });
    world.run(async {
        peer.say(&udp((RIGHT, 5000), (LEFT, 7), b"one"));
        assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None);
        drop(service);
        assert_eq!(Rc::strong_count(&calls), 1);
        peer.say(&udp((RIGHT, 5000), (LEFT, 7), b"two"));
        assert!(read_udp(&peer.hear().await.unwrap()).is_none(), "the port is closed");
    });
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_handler_is_listed_as_a_socket_between_sockets_and_listeners() {
    let (mut world, left, _right) = two();
    world.run(async {
        let _socket = left.udp(1).await.unwrap();
        let _listener = left.listen(3).await.unwrap();
        let _service = left.answer(2, |_, _| Verdict::Drop).unwrap();
        for from in 0..4 {
            let mut ports = Vec::new();
            left.sockets(from, &mut |_, socket| {
                ports.push(socket.local.port());
                true
            });
            assert_eq!(ports, [1, 2, 3][from..]);
        }
    });
}

#[test]
fn questions_wait_for_a_card_that_has_no_room_for_answers() {
    let delay = Duration::from_millis(1);
    let mut world = World::new(Conditions { delay, ..Conditions::default() }, 1);
    let change = world.wire.as_ref().unwrap().controls();
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    world.run(async {
        for number in 0..20 {
            peer.say(&udp((RIGHT, 5000), (LEFT, 7), &[number]));
        }
        // All are on their way; the queue for the answers holds two, and what is sent takes a millisecond.
        change(Conditions { queue: 2, interval: Duration::from_millis(1), ..Conditions::default() });
        for number in 0..20 {
            assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5000, vec![number])));
        }
    });
    let counters = net.counters();
    assert_eq!(counters.udp_answered.get(), 20);
    assert_eq!((counters.tx_frames.get(), counters.tx_replies_dropped.get()), (20, 0));
}

#[test]
fn answers_are_dropped_and_counted_where_a_card_has_no_room_for_long() {
    let mut world = World::new(Conditions::default(), 1);
    let change = world.wire.as_ref().unwrap().controls();
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let _echo = net.answer(7, |_, _| Verdict::Answer);
    let time = world.time.clone();
    world.run(async {
        for number in 0..20 {
            peer.say(&udp((RIGHT, 5000), (LEFT, 7), &[number]));
        }
        change(Conditions { queue: 0, ..Conditions::default() });
        time.sleep(Duration::from_millis(9)).await;
        assert!(net.counters().udp_answered.get() <= 2, "they wait");
        time.sleep(Duration::from_millis(100)).await;
        assert_eq!(net.counters().udp_answered.get(), 20);
        assert_eq!(net.counters().tx_replies_dropped.get(), 19);
        assert!(net.counters().turns.get() < 200, "nothing spins meanwhile");
        change(Conditions::default());
        // The one that was held.
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5000, vec![0])));
        peer.say(&udp((RIGHT, 5000), (LEFT, 7), b"last"));
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5000, b"last".to_vec())));
    });
}

#[test]
fn a_capture_sees_the_question_and_the_answer() {
    let (mut world, left, right) = two_on(Conditions::default(), 1);
    let _echo = right.answer(7, |_, _| Verdict::Answer);
    let mut capture = right.capture(usize::MAX, Event::new()).expect("no other capture runs");
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        client.send_to(b"seen", at(RIGHT, 7)).await.unwrap();
        client.receive_from(&mut [0; 8]).await.unwrap();
    });
    let mut seen = Vec::new();
    capture.read(&mut |frame| {
        if read_udp(frame.bytes).is_some_and(|(_, _, payload)| payload == b"seen") {
            seen.push(frame.direction);
        }
        true
    });
    assert_eq!(seen, [Direction::Received, Direction::Sent]);
}

#[test]
fn a_host_alone_on_its_prefix_answers_every_neighbour() {
    let (host, mut lonely) = (host(), unik_net::datagram::packet::Host::new(host().hardware));
    assert!(lonely.add(unik_net::datagram::packet::Network::v4(LEFT.octets(), 32)));
    for last in [0, 2, 255] {
        let frame = udp((Ipv4Addr::new(10, 0, 0, last), 5), (LEFT, 7), b"?");
        assert!(Packet::parse(&frame, &lonely, Checksum::Unverified).is_ok());
        assert_eq!(Packet::parse(&frame, &host, Checksum::Unverified).is_ok(), last == 2);
    }
    let fragment = &mut udp((RIGHT, 5), (LEFT, 7), b"?");
    for (flags, offset) in [(0x20, 0), (0, 1), (0x1f, 0xff)] {
        (fragment[20], fragment[21]) = (flags, offset);
        assert_eq!(Packet::parse(fragment, &host, Checksum::Unverified), Err(Refusal::Elsewhere));
    }
}

#[test]
fn the_corpus_of_frames_and_its_mutations_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/datagram");
    let mut answered = 0;
    let host = host();
    let mut random = Random::new(4);
    for file in fs::read_dir(folder).expect("the corpus is there") {
        let frame = fs::read(file.unwrap().path()).unwrap();
        answered += usize::from(Packet::parse(&frame, &host, Checksum::Unverified).is_ok());
        for end in 0..=frame.len() {
            checks::frame(&frame[..end]);
        }
        for _ in 0..2000 {
            let mut frame = frame.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(frame.len());
                frame[at] = random.next_u64() as u8;
            }
            checks::frame(&frame);
        }
    }
    assert!(answered >= 3, "some of them are in order");
}
