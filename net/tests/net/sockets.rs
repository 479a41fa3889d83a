//! The list of sockets, and what is measured of connections.

use std::{cell::Cell, net::Ipv4Addr, rc::Rc};

use embedded_io_async::{Read, Write};
use smoltcp::wire::{ArpOperation, TcpControl};
use unik_net::{
    Config, Error, Net, Protocol, SocketInfo, SocketState, TcpListener, TcpStream, wire::Conditions,
};
use unik_sched::time::Duration;

use crate::{
    frames::{PEER, Peer, STACK, arp, read_arp, read_tcp, tcp},
    world::{LEFT, RIGHT, World, at, pattern, two, two_on},
};

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn list(net: &Net) -> Vec<SocketInfo> {
    let mut sockets = Vec::new();
    net.sockets(0, &mut |_, socket| {
        sockets.push(*socket);
        true
    });
    sockets
}

/// The only connection of a stack.
fn connection(net: &Net) -> SocketInfo {
    let connections: Vec<_> = list(net).into_iter().filter(|socket| socket.remote.is_some()).collect();
    let [connection] = connections.as_slice() else { panic!("{connections:?}") };
    *connection
}

fn states(left: &Net, right: &Net) -> (SocketState, SocketState) {
    (connection(left).state, connection(right).state)
}

/// A connection from left to right: its two ends, and the listener.
async fn pair(left: &Net, right: &Net) -> (TcpStream, TcpStream, TcpListener) {
    let mut listener = right.listen(80).await.unwrap();
    let client = left.connect(at(RIGHT, 80)).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server, listener)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn udp_sockets_come_first_then_listeners_then_connections() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let _dns = right.udp(53).await.unwrap();
        time.sleep(millis(5)).await;
        let (client, _server, _listener) = pair(&left, &right).await;
        time.sleep(millis(2)).await;
        let sockets = list(&right);
        let [dns, listener, server] = sockets.as_slice() else { panic!("{sockets:?}") };
        assert_eq!((dns.protocol, dns.state, dns.local), (Protocol::Udp, SocketState::Open, at(ANY, 53)));
        assert_eq!((dns.remote, dns.round_trip, dns.retransmits), (None, None, 0));
        assert_eq!((listener.protocol, listener.state), (Protocol::Tcp, SocketState::Listen));
        assert_eq!((listener.local, listener.remote), (at(ANY, 80), None));
        assert_eq!((server.protocol, server.state), (Protocol::Tcp, SocketState::Established));
        assert_eq!(server.local, at(RIGHT, 80));
        assert!(dns.age >= millis(7) && dns.age < millis(9), "{:?}", dns.age);
        assert!(listener.age >= millis(2) && listener.age < millis(4), "{:?}", listener.age);
        let seen = connection(&left);
        assert_eq!((seen.remote, seen.local.ip()), (Some(at(RIGHT, 80)), LEFT.into()));
        assert_eq!(server.remote, Some(seen.local));
        drop(client);
    });
}

#[test]
fn the_list_can_be_read_in_parts_by_someone_who_uses_the_stack_meanwhile() {
    let (mut world, left, _right) = two();
    world.run(async {
        let mut kept = Vec::new();
        for port in 1..=5 {
            kept.push(left.udp(port).await.unwrap());
        }
        let mut ports = Vec::new();
        for from in [0, 2, 4] {
            left.sockets(from, &mut |_, socket| {
                assert_eq!(left.address(), Some((LEFT, 24)));
                ports.push(socket.local.port());
                ports.len() % 2 != 0
            });
        }
        assert_eq!(ports, [1, 2, 3, 4, 5]);
        left.sockets(5, &mut |_, _| panic!("there is no sixth"));
        left.sockets(usize::MAX - 3, &mut |_, _| panic!("nor one so far out"));
    });
}

#[test]
fn queues_hold_what_was_not_read_and_what_was_not_acknowledged() {
    let mut world = World::new(Conditions::default(), 1);
    let (left, right) = (world.left(), world.right());
    let (time, wire) = (world.time.clone(), world.wire.as_ref().unwrap().controls());
    world.run(async {
        let (mut client, mut server, _listener) = pair(&left, &right).await;
        client.write_all(&[1; 700]).await.unwrap();
        assert_eq!((connection(&left).send_queue, connection(&right).receive_queue), (700, 0));
        client.flush().await.unwrap();
        assert_eq!((connection(&left).send_queue, connection(&right).receive_queue), (0, 700));
        server.read_exact(&mut [0; 600]).await.unwrap();
        assert_eq!(connection(&right).receive_queue, 100);
        wire(Conditions { loss: 1000, ..Conditions::default() });
        server.write_all(&[2; 50]).await.unwrap();
        time.sleep(millis(100)).await;
        assert_eq!((connection(&right).send_queue, connection(&left).receive_queue), (50, 0));
        wire(Conditions::default());
        server.flush().await.unwrap();
        assert_eq!((connection(&right).send_queue, connection(&left).receive_queue), (0, 50));
        assert_eq!((connection(&right).retransmits, connection(&left).retransmits), (1, 0));
    });
}

#[test]
fn datagrams_stand_in_the_queues_of_their_sockets() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let _service = right.udp(7).await.unwrap();
        let mut client = left.udp(1000).await.unwrap();
        client.send_to(&[1; 30], at(RIGHT, 7)).await.unwrap();
        client.send_to(&[1; 12], at(RIGHT, 7)).await.unwrap();
        assert_eq!(list(&left)[0].send_queue, 42, "the address of the next hop is not known yet");
        time.sleep(millis(10)).await;
        assert_eq!((list(&left)[0].send_queue, list(&right)[0].receive_queue), (0, 42));
    });
}

#[test]
fn a_listener_queues_the_connections_that_are_not_accepted() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let _one = left.connect(at(RIGHT, 80)).await.unwrap();
        let _other = left.connect(at(RIGHT, 80)).await.unwrap();
        time.sleep(millis(1)).await;
        assert_eq!(list(&right)[0].receive_queue, 2);
        let _accepted = listener.accept().await.unwrap();
        assert_eq!(list(&right)[0].receive_queue, 1);
        assert_eq!(list(&right).len(), 3, "those that wait are connections as well");
    });
}

#[test]
fn the_states_of_a_connection_follow_its_life() {
    use SocketState::{CloseWait, Closed, Established, FinWait2, SynSent, TimeWait};
    let (mut world, left, right) = two();
    let (time, failure) = (world.time.clone(), Rc::new(Cell::new(None)));
    let (attempt, noted) = (left.clone(), failure.clone());
    world.spawn("attempt", async move {
        let failure = attempt.connect(at(Ipv4Addr::new(10, 0, 0, 9), 80)).await.err();
        noted.set(failure);
    });
    world.run(async {
        time.sleep(millis(10)).await;
        assert_eq!(connection(&left).state, SynSent);
        assert_eq!(connection(&left).remote, Some(at(Ipv4Addr::new(10, 0, 0, 9), 80)));
        time.sleep(Duration::from_secs(40)).await;
        assert_eq!(failure.get(), Some(Error::TimedOut));
        let (mut client, mut server, _listener) = pair(&left, &right).await;
        time.sleep(millis(1)).await;
        assert_eq!(states(&left, &right), (Established, Established));
        client.close().await.unwrap();
        assert_eq!(states(&left, &right), (FinWait2, CloseWait));
        server.close().await.unwrap();
        time.sleep(millis(1)).await;
        assert_eq!(states(&left, &right), (TimeWait, Closed));
        let (ended, peer) = (connection(&right), connection(&left));
        assert_eq!((ended.local, ended.remote), (at(RIGHT, 80), Some(peer.local)), "its ends stay known");
        drop((client, server));
        time.sleep(Duration::from_secs(15)).await;
        assert_eq!((list(&left).len(), list(&right).len()), (0, 1), "only the listener is left");
    });
}

#[test]
fn the_client_of_dhcp_is_not_a_socket_of_the_application() {
    let mut world = World::new(Conditions::default(), 1);
    let end = world.left.take().unwrap();
    let net = world.stack("net0", end, Config::dhcp(), 1);
    world.run(world.time.clone().sleep(millis(100)));
    assert!(net.counters().tx_frames.get() > 0, "it is at work");
    assert_eq!(list(&net), []);
}

#[test]
fn the_round_trip_of_a_wire_is_measured_at_both_ends() {
    let conditions = Conditions { delay: millis(20), ..Conditions::default() };
    let (mut world, left, right) = two_on(conditions, 1);
    let time = world.time.clone();
    world.run(async {
        // The hardware address is not asked for in between.
        left.udp(0).await.unwrap().send_to(b"here", at(RIGHT, 7)).await.unwrap();
        time.sleep(millis(100)).await;
        let (mut client, mut server, _listener) = pair(&left, &right).await;
        assert_eq!(connection(&left).round_trip, Some(millis(40)), "SYN and its answer");
        assert_eq!(connection(&right).round_trip, Some(millis(40)), "that and its answer");
        for _ in 0..50 {
            client.write_all(b"question").await.unwrap();
            server.read_exact(&mut [0; 8]).await.unwrap();
            server.write_all(b"answer").await.unwrap();
            client.read_exact(&mut [0; 6]).await.unwrap();
        }
        for net in [&left, &right] {
            let connection = connection(net);
            let round_trip = connection.round_trip.expect("it was measured");
            assert!(round_trip >= millis(40) && round_trip < millis(51), "{round_trip:?}");
            assert_eq!(connection.retransmits, 0);
        }
    });
}

/// Segments of the left end that begin below the highest number sent before, as a witness of the wire counts them.
fn repeated(world: &World, port: u16) -> u32 {
    let (mut next, mut repeated) = (None::<i32>, 0);
    for (_, frame) in world.tap.frames() {
        let Some(segment) = read_tcp(&frame).filter(|segment| segment.source == port) else { continue };
        let length = segment.length as i32 + i32::from(segment.syn) + i32::from(segment.fin);
        let end = segment.sequence.wrapping_add(length);
        let known = next.unwrap_or(segment.sequence);
        repeated += u32::from(length > 0 && segment.sequence.wrapping_sub(known) < 0);
        if next.is_none() || end.wrapping_sub(known) > 0 {
            next = Some(end);
        }
    }
    repeated
}

#[test]
fn what_is_sent_again_over_a_bad_wire_is_counted_and_does_not_spoil_the_round_trip() {
    let mut seen = 0;
    for seed in 0..20 {
        let conditions = Conditions { loss: 50, delay: millis(5), ..Conditions::default() };
        let (mut world, left, right) = two_on(conditions, seed);
        let (client, mut server, _listener) = world.run(pair(&left, &right));
        world.spawn("reader", async move {
            while server.read(&mut [0; 2000]).await.expect("the connection holds") > 0 {}
        });
        let (client, counted) = world.run(async {
            let mut client = client;
            client.write_all(&pattern(40_000)).await.unwrap();
            client.flush().await.unwrap();
            let counted = connection(&left);
            (client, counted)
        });
        assert_eq!(counted.retransmits, repeated(&world, counted.local.port()), "seed {seed}");
        let round_trip = counted.round_trip.unwrap_or_default();
        assert!(round_trip < millis(500), "seed {seed}: no sample spans a retransmission: {round_trip:?}");
        seen += counted.retransmits;
        drop(client);
    }
    assert!(seen > 20, "the wires were bad: {seen}");
}

#[test]
fn segments_that_answer_nothing_measure_nothing_and_harm_nothing() {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let client = net.clone();
    world.spawn("client", async move {
        let _stream = client.connect(at(RIGHT, 80)).await.unwrap();
        std::future::pending::<()>().await;
    });
    world.run(async {
        assert!(peer.hear().await.is_some_and(|frame| read_arp(&frame).is_some()));
        peer.say(&arp(ArpOperation::Reply, (RIGHT, PEER), (LEFT, STACK), STACK));
        let syn = read_tcp(&peer.hear().await.unwrap()).unwrap();
        let answer = |number| {
            tcp((RIGHT, 80), (LEFT, syn.source), TcpControl::Syn, 9, Some(syn.sequence.wrapping_add(number)))
        };
        let right = answer(1);
        for end in 0..right.len() - 1 {
            peer.say(&right[..end]);
        }
        for number in [-1, 0, 2, i32::MAX, i32::MIN] {
            peer.say(&answer(number));
        }
        // A fragment of a larger packet.
        let mut fragment = right.clone();
        fragment[21] = 3;
        peer.say(&fragment);
        peer.time.sleep(millis(100)).await;
        let waiting = connection(&net);
        assert_eq!((waiting.state, waiting.round_trip), (SocketState::SynSent, None));
        peer.say(&right);
        peer.time.sleep(millis(1)).await;
        let made = connection(&net);
        assert_eq!(made.state, SocketState::Established);
        let round_trip = made.round_trip.expect("it was measured now");
        assert!(round_trip > millis(100) && round_trip < millis(102), "{round_trip:?}");
    });
}
