//! UDP sockets, over a simulated wire and against a hand-made peer.

use std::net::Ipv4Addr;

use smoltcp::wire::ArpOperation;
use unik_net::{Error, wire::Conditions};
use unik_sched::time::Duration;

use crate::{
    frames::{BROADCAST, PEER, Peer, arp, read_arp, read_udp, udp},
    world::{LEFT, RIGHT, World, at, fixed, pattern, two, two_on},
};

#[test]
fn a_datagram_is_echoed_between_two_stacks() {
    let (mut world, left, right) = two();
    let mut server = world.run(async { right.udp(7).await }).unwrap();
    world.spawn("echo", async move {
        let mut datagram = [0; 1500];
        loop {
            let (length, peer) = server.receive_from(&mut datagram).await.unwrap();
            server.send_to(&datagram[..length], peer).await.unwrap();
        }
    });
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        for length in [0, 1, 512, 1472] {
            let sent = pattern(length);
            client.send_to(&sent, at(RIGHT, 7)).await.unwrap();
            let mut received = [0; 1500];
            assert_eq!(client.receive_from(&mut received).await.unwrap(), (length, at(RIGHT, 7)));
            assert_eq!(received[..length], sent);
        }
    });
    assert_eq!(left.counters().tx_parked.get(), 1);
    assert_eq!(left.counters().tx_no_neighbor.get(), 0);
}

#[test]
fn ports_are_given_once_and_come_back() {
    let (mut world, left, _right) = two();
    world.run(async {
        let socket = left.udp(53).await.unwrap();
        assert_eq!(left.udp(53).await.err(), Some(Error::PortInUse));
        drop(socket);
        assert_eq!(left.udp(53).await.unwrap().port(), 53);
        let (one, other) = (left.udp(0).await.unwrap(), left.udp(0).await.unwrap());
        assert_ne!(one.port(), other.port());
        assert!(one.port() >= 49152);
        assert!(one.port().abs_diff(other.port()) > 1, "each port is drawn: none tells of another");
    });
}

#[test]
fn bad_destinations_and_sizes_are_errors_of_the_caller() {
    let (mut world, left, _right) = two();
    world.run(async {
        let mut socket = left.udp(0).await.unwrap();
        assert_eq!(socket.datagram_limit(), 1472);
        assert_eq!(socket.send_to(&[0; 1473], at(RIGHT, 7)).await, Err(Error::MessageTooLong));
        assert_eq!(socket.send_to(b"x", at(RIGHT, 0)).await, Err(Error::InvalidAddress));
        assert_eq!(socket.send_to(b"x", at(Ipv4Addr::UNSPECIFIED, 7)).await, Err(Error::InvalidAddress));
        assert_eq!(socket.send_to(b"x", "[::]:7".parse().unwrap()).await, Err(Error::InvalidAddress));
    });
}

#[test]
fn an_answer_that_no_route_leads_for_is_dropped_and_counted() {
    let (mut world, left, _right) = two();
    world.run(async {
        let mut socket = left.udp(0).await.unwrap();
        assert_eq!(socket.send_to(b"x", at(Ipv4Addr::new(8, 8, 8, 8), 53)).await, Ok(()));
        assert_eq!(socket.send_to(b"x", "[fe80::1]:53".parse().unwrap()).await, Ok(()));
    });
    assert_eq!(left.counters().tx_unroutable.get(), 2);
}

#[test]
fn a_dead_neighbor_holds_up_nobody_else() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    let started = time.now();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        let mut server = right.udp(7).await.unwrap();
        let mut datagram = [0; 64];
        client.send_to(b"hello", at(RIGHT, 7)).await.unwrap();
        server.receive_from(&mut datagram).await.unwrap();
        for round in 0..10 {
            client.send_to(b"to nobody", at(Ipv4Addr::new(10, 0, 0, 100 + round), 7)).await.unwrap();
            client.send_to(b"to somebody", at(RIGHT, 7)).await.unwrap();
            assert_eq!(server.receive_from(&mut datagram).await.unwrap().0, 11);
        }
        assert!(time.now().duration_since(started) < Duration::from_millis(100));
    });
    let counters = left.counters();
    assert_eq!(counters.tx_parked.get(), 11);
    world.run(world.time.clone().sleep(Duration::from_secs(5)));
    assert_eq!(counters.tx_no_neighbor.get(), 10);
    // Each was asked for three times; with the one who answered.
    let asked = world
        .tap
        .frames()
        .iter()
        .filter(|(_, frame)| read_arp(frame).is_some_and(|arp| arp.1 == LEFT))
        .count();
    assert!((31..=45).contains(&asked), "{asked} requests");
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        let mut server = right.udp(7).await.unwrap();
        for number in 0..100u8 {
            client.send_to(&[number], at(RIGHT, 7)).await.unwrap();
            time.sleep(Duration::from_millis(1)).await;
        }
        let mut datagram = [0; 64];
        for number in 0..32 {
            assert_eq!(server.receive_from(&mut datagram).await.unwrap().0, 1);
            assert_eq!(datagram[0], number);
        }
    });
    assert_eq!(right.counters().udp_rx_dropped.get(), 68);
}

#[test]
fn a_datagram_longer_than_the_reader_expects_is_cut_and_counted() {
    let (mut world, left, right) = two();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        let mut server = right.udp(7).await.unwrap();
        client.send_to(b"a long story", at(RIGHT, 7)).await.unwrap();
        let mut short = [0; 6];
        assert_eq!(server.receive_from(&mut short).await.unwrap().0, 6);
        assert_eq!(&short, b"a long");
    });
    assert_eq!(right.counters().udp_rx_truncated.get(), 1);
}

#[test]
fn a_sender_that_cannot_be_answered_is_not_shown_to_the_application() {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    world.run(async {
        let mut socket = net.udp(7).await.unwrap();
        peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
        peer.say(&udp((Ipv4Addr::UNSPECIFIED, 5), (LEFT, 7), b"from nowhere"));
        peer.say(&udp((RIGHT, 0), (LEFT, 7), b"from no port"));
        peer.say(&udp((RIGHT, 5), (LEFT, 7), b"from somebody"));
        let mut datagram = [0; 64];
        let (length, sender) = socket.receive_from(&mut datagram).await.unwrap();
        assert_eq!((&datagram[..length], sender), (&b"from somebody"[..], at(RIGHT, 5)));
        socket.send_to(b"hello", sender).await.unwrap();
        peer.hear().await.expect("the ARP answer");
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 5, b"hello".to_vec())));
    });
    assert_eq!((net.counters().udp_rx_unanswerable.get(), net.counters().rx_martian.get()), (1, 1));
}

#[test]
fn the_gateway_is_asked_for_what_lies_elsewhere() {
    let mut world = World::new(Conditions::default(), 1);
    let end = world.left.take().unwrap();
    let config = fixed(LEFT).with_gateway(RIGHT).unwrap();
    let net = world.stack("left", end, config, 1);
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    world.run(async {
        let mut socket = net.udp(1000).await.unwrap();
        socket.send_to(b"far", at(Ipv4Addr::new(8, 8, 8, 8), 53)).await.unwrap();
        assert_eq!(read_arp(&peer.hear().await.unwrap()), Some((ArpOperation::Request, LEFT, RIGHT)));
        peer.say(&arp(
            ArpOperation::Reply,
            (RIGHT, PEER),
            (LEFT, crate::frames::STACK),
            crate::frames::STACK,
        ));
        let frame = peer.hear().await.unwrap();
        assert_eq!(frame[..6], PEER);
        assert_eq!(read_udp(&frame), Some((1000, 53, b"far".to_vec())));
    });
}

#[test]
fn a_full_transmit_queue_makes_the_sender_wait_and_loses_no_wake_up() {
    let conditions = Conditions { queue: 4, interval: Duration::from_micros(100), ..Conditions::default() };
    let (mut world, left, right) = two_on(conditions, 3);
    let mut server = world.run(async { right.udp(7).await }).unwrap();
    world.run(async {
        let mut client = left.udp(0).await.unwrap();
        client.send_to(&[255], at(RIGHT, 7)).await.unwrap();
        let mut datagram = [0; 64];
        server.receive_from(&mut datagram).await.unwrap();
        for number in 0..200u8 {
            client.send_to(&[number], at(RIGHT, 7)).await.unwrap();
            if number % 20 == 19 {
                for expected in number - 19..=number {
                    server.receive_from(&mut datagram).await.unwrap();
                    assert_eq!(datagram[0], expected);
                }
            }
        }
    });
    assert!(left.counters().tx_blocked.get() > 0, "the queue was full at times");
}
