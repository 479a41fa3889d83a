//! Listeners: who waits, who gives way, and what is left of a connection.

use embedded_io_async::{Read, Write};
use smoltcp::wire::{ArpOperation, TcpControl};
use unik_net::{Error, Limits, Listen, Net, TcpListener, wire::Conditions};
use unik_sched::time::{Duration, Instant};

use crate::{
    frames::{BROADCAST, PEER, Peer, Segment, arp, read_tcp, tcp},
    world::{LEFT, RIGHT, World, at, fixed, two},
};

/// A stack with limits of its own that listens on port 80, and a hand-made peer that has introduced itself.
struct Listening {
    world: World,
    net: Net,
    peer: Peer,
}

impl Listening {
    fn new(limits: Limits) -> Self {
        let mut world = World::new(Conditions::default(), 1);
        let end = world.left.take().unwrap();
        let net = world.stack("left", end, fixed(LEFT).with_limits(limits), 1);
        let peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
        Listening { world, net, peer }
    }

    /// Holds a conversation.
    fn run(mut self, conversation: impl AsyncFnOnce(TcpListener, &mut Peer, &Net)) {
        let (net, peer) = (&self.net, &mut self.peer);
        self.world.run(async {
            let listener = net.listen(80).await.unwrap();
            peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
            peer.hear().await.expect("the ARP answer");
            conversation(listener, peer, net).await;
        });
    }
}

/// What the stack answers to a segment from `port`.
async fn answer(
    peer: &mut Peer,
    port: u16,
    control: TcpControl,
    sequence: i32,
    acknowledgement: Option<i32>,
) -> Option<Segment> {
    peer.say(&tcp((RIGHT, port), (LEFT, 80), control, sequence, acknowledgement));
    read_tcp(&peer.hear_within(Duration::from_millis(200)).await?)
}

/// A connection from `port` whose handshake is complete; the stack's next number. The peer's is 6.
async fn open(peer: &mut Peer, port: u16) -> Option<i32> {
    let synchronised = answer(peer, port, TcpControl::Syn, 5, None).await?;
    assert!(synchronised.syn && synchronised.acknowledgement == 6);
    let behind = synchronised.sequence.wrapping_add(1);
    peer.say(&tcp((RIGHT, port), (LEFT, 80), TcpControl::None, 6, Some(behind)));
    Some(behind)
}

#[test]
fn connections_are_accepted_in_order() {
    let (mut world, left, right) = two();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let mut clients = Vec::new();
        for number in 0..5u8 {
            let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
            client.write_all(&[number]).await.unwrap();
            clients.push(client);
        }
        for number in 0..5 {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut byte = [0];
            server.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte[0], number);
        }
    });
}

#[test]
fn closing_a_listener_resets_who_waits_and_frees_the_port() {
    let (mut world, left, right) = two();
    world.run(async {
        let listener = right.listen(80).await.unwrap();
        let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
        drop(listener);
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).await, Err(Error::ConnectionReset));
        assert_eq!(left.connect(at(RIGHT, 80)).await.err(), Some(Error::ConnectionRefused));
        let _again = right.listen(80).await.unwrap();
        left.connect(at(RIGHT, 80)).await.unwrap();
    });
}

#[test]
fn who_finds_the_backlog_full_is_not_refused_and_gets_through_when_it_tries_again() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        let mut listener = right.listen(Listen::on(80).backlog(3)).await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(left.connect(at(RIGHT, 80)).await.unwrap());
        }
        let mut late = Box::pin(left.connect(at(RIGHT, 80)));
        assert!(time.timeout(Duration::from_millis(500), late.as_mut()).await.is_err(), "it waits");
        let (_first, _) = listener.accept().await.unwrap();
        clients.push(late.await.unwrap());
        for _ in 0..3 {
            listener.accept().await.unwrap();
        }
    });
    assert_eq!(right.counters().tcp_backlog_full.get(), 1);
    assert_eq!(right.counters().tcp_accepted.get(), 4);
}

#[test]
fn the_oldest_half_open_connection_gives_way_to_the_newest() {
    let limits = Limits { half_open: 2, ..Limits::default() };
    Listening::new(limits).run(async |mut listener, peer, net| {
        for port in 1000..1003 {
            let synchronised = answer(peer, port, TcpControl::Syn, 5, None).await.unwrap();
            assert!(synchronised.syn, "the backlog is not for those");
        }
        assert_eq!(net.counters().tcp_half_open_evicted.get(), 1);
        // A repeated SYN belongs to the connection that it began.
        peer.say(&tcp((RIGHT, 1001), (LEFT, 80), TcpControl::Syn, 5, None));
        peer.time.sleep(Duration::from_millis(100)).await;
        assert_eq!(net.counters().tcp_half_open_evicted.get(), 1);
        assert!(open(peer, 1003).await.is_some());
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.peer_address(), at(RIGHT, 1003));
        // Those that are never completed go by themselves.
        while peer.hear_within(Duration::from_secs(30)).await.is_some() {}
        assert_eq!(net.counters().tcp_closed.get(), 3);
    });
}

#[test]
fn who_answers_in_time_gets_through_a_flood_of_syns() {
    let limits = Limits { half_open: 64, tcp_bytes: 8 << 20, ..Limits::default() };
    Listening::new(limits).run(async |mut listener, peer, net| {
        let mut forged = 0;
        for client in 0..100 {
            // Fifty in ten milliseconds are 5,000 a second.
            for _ in 0..50 {
                forged += 1;
                peer.say(&tcp((RIGHT, 10_000 + forged), (LEFT, 80), TcpControl::Syn, 1, None));
            }
            peer.time.sleep(Duration::from_millis(9)).await;
            while peer.hear_within(Duration::ZERO).await.is_some() {}
            let begun = peer.time.now();
            peer.say(&tcp((RIGHT, 1000 + client), (LEFT, 80), TcpControl::Syn, 5, None));
            let synchronised = loop {
                let heard = peer.hear().await.and_then(|frame| read_tcp(&frame)).expect("the stack goes on");
                if heard.destination == 1000 + client {
                    break heard;
                }
            };
            let behind = synchronised.sequence.wrapping_add(1);
            peer.say(&tcp((RIGHT, 1000 + client), (LEFT, 80), TcpControl::None, 6, Some(behind)));
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.peer_address(), at(RIGHT, 1000 + client));
            assert!(peer.time.now().duration_since(begun) < Duration::from_millis(5));
        }
        assert!(net.counters().tcp_half_open_evicted.get() > 4000);
    });
}

#[test]
fn connections_that_are_refused_memory_by_a_limit_are_reset_unless_one_is_half_open() {
    let limits = Limits { connections: 2, ..Limits::default() };
    Listening::new(limits).run(async |_listener, peer, net| {
        assert!(open(peer, 1000).await.is_some() && open(peer, 1001).await.is_some());
        assert!(answer(peer, 1002, TcpControl::Syn, 5, None).await.unwrap().rst);
        assert_eq!(net.counters().tcp_limit_reached.get(), 1);
        peer.say(&tcp((RIGHT, 1001), (LEFT, 80), TcpControl::Rst, 6, None));
        peer.time.sleep(Duration::from_millis(1)).await;
        for port in 1003..1006 {
            assert!(answer(peer, port, TcpControl::Syn, 5, None).await.unwrap().syn);
        }
        assert_eq!(net.counters().tcp_half_open_evicted.get(), 2);
    });
}

#[test]
fn the_memory_of_all_connections_together_is_bounded() {
    let (receive, transmit) = (2048, 1024);
    let limits = Limits { tcp_bytes: 3 * (receive + transmit + 1024), ..Limits::default() };
    let mut listening = Listening::new(limits);
    let (net, peer) = (&listening.net, &mut listening.peer);
    listening.world.run(async {
        let listen = Listen::on(80).buffers(receive, transmit);
        let _listener = net.listen(listen).await.unwrap();
        assert_eq!(net.room(&listen), 3, "what it says beforehand");
        peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
        peer.hear().await.expect("the ARP answer");
        for port in 1000..1003 {
            assert!(open(peer, port).await.is_some());
        }
        assert!(answer(peer, 1003, TcpControl::Syn, 5, None).await.unwrap().rst);
        assert_eq!(net.connect(at(RIGHT, 80)).await.err(), Some(Error::TooManySockets));
    });
}

#[test]
fn a_reset_during_the_handshake_frees_its_place_in_the_backlog() {
    Listening::new(Limits::default()).run(async |_listener, peer, net| {
        for port in 1000..1020 {
            peer.say(&tcp((RIGHT, port), (LEFT, 80), TcpControl::Syn, 5, None));
            assert!(read_tcp(&peer.hear().await.unwrap()).unwrap().syn);
            peer.say(&tcp((RIGHT, port), (LEFT, 80), TcpControl::Rst, 6, None));
            peer.time.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(net.counters().tcp_closed.get(), 20);
    });
}

#[test]
fn a_corrupt_syn_makes_no_socket() {
    Listening::new(Limits::default()).run(async |_listener, peer, net| {
        let mut syn = tcp((RIGHT, 1000), (LEFT, 80), TcpControl::Syn, 5, None);
        *syn.last_mut().unwrap() ^= 1;
        peer.say(&syn);
        assert_eq!(peer.hear_within(Duration::from_secs(1)).await, None);
        let counters = net.counters();
        assert_eq!((counters.rx_spoilt.get(), counters.tcp_closed.get()), (1, 0));
    });
}

/// Lets the stack close first: its connection from `port` is in TIME-WAIT then. The stack's next number.
async fn rested(listener: &mut TcpListener, peer: &mut Peer, port: u16) -> i32 {
    let behind = open(peer, port).await.unwrap();
    drop(listener.accept().await.unwrap());
    let end = read_tcp(&peer.hear().await.unwrap()).unwrap();
    assert!(end.fin && end.sequence == behind);
    let behind = behind.wrapping_add(1);
    let last = answer(peer, port, TcpControl::Fin, 6, Some(behind)).await.unwrap();
    assert_eq!((last.sequence, last.acknowledgement, last.fin), (behind, 7, false));
    behind
}

#[test]
fn what_has_ended_holds_no_socket_and_answers_a_repeated_fin() {
    Listening::new(Limits::default()).run(async |mut listener, peer, net| {
        let behind = rested(&mut listener, peer, 1000).await;
        assert_eq!(net.counters().tcp_closed.get(), 1, "its buffers are free");
        for _ in 0..2 {
            let again = answer(peer, 1000, TcpControl::Fin, 6, Some(behind)).await.unwrap();
            assert_eq!((again.sequence, again.acknowledgement, again.rst), (behind, 7, false));
        }
        assert_eq!(answer(peer, 1000, TcpControl::None, 7, Some(behind)).await, None);
        peer.time.sleep(Duration::from_secs(11)).await;
        assert!(answer(peer, 1000, TcpControl::Fin, 6, Some(behind)).await.unwrap().rst, "it is forgotten");
    });
}

#[test]
fn a_syn_with_later_numbers_begins_anew_what_has_ended() {
    Listening::new(Limits::default()).run(async |mut listener, peer, net| {
        let behind = rested(&mut listener, peer, 1000).await;
        let old = answer(peer, 1000, TcpControl::Syn, 2, None).await.unwrap();
        assert!(!old.syn && old.sequence == behind, "an old one is only acknowledged");
        let synchronised = answer(peer, 1000, TcpControl::Syn, 100, None).await.unwrap();
        assert!(synchronised.syn && synchronised.acknowledgement == 101);
        assert_eq!(net.counters().tcp_closed.get(), 1);
    });
}

#[test]
fn the_oldest_that_has_ended_is_forgotten_when_there_are_too_many() {
    let limits = Limits { time_wait: 4, ..Limits::default() };
    Listening::new(limits).run(async |mut listener, peer, net| {
        let mut numbers = Vec::new();
        for port in 1000..1010 {
            numbers.push(rested(&mut listener, peer, port).await);
        }
        assert_eq!(net.counters().tcp_time_wait_evicted.get(), 6);
        for (port, behind) in (1000..1010).zip(numbers) {
            let again = answer(peer, port, TcpControl::Fin, 6, Some(behind)).await.unwrap();
            assert_eq!(again.rst, port < 1006, "{port}");
        }
    });
}

#[test]
fn thousands_of_connections_come_and_go_through_a_small_backlog() {
    let (mut world, left, right) = two();
    let (time, spawner) = (world.time.clone(), world.spawner());
    world.run(async {
        let mut listener = right.listen(Listen::on(80).backlog(8).buffers(1024, 1024)).await.unwrap();
        spawner
            .spawn("server", async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    stream.write_all(&byte).await.unwrap();
                }
            })
            .unwrap();
        for round in 0..150u8 {
            let mut clients = Vec::new();
            for _ in 0..20 {
                let mut client = left.connect(at(RIGHT, 80)).await.unwrap();
                client.write_all(&[round]).await.unwrap();
                clients.push(client);
            }
            for mut client in clients {
                let mut byte = [0];
                client.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte[0], round);
            }
        }
        time.sleep(Duration::from_secs(20)).await;
    });
    assert_eq!(right.counters().tcp_accepted.get(), 3000);
    assert_eq!((left.counters().tcp_closed.get(), right.counters().tcp_closed.get()), (3000, 3000));
    left.sockets(0, &mut |_, socket| panic!("nothing is left: {socket:?}"));
}

#[test]
fn a_connection_waits_for_its_neighbour_no_longer_than_the_answer_takes() {
    let mut world = World::new(Conditions::default(), 1);
    // Clocks count nanoseconds, and smoltcp microseconds.
    world.clock.advance(Duration::from_nanos(1_234_567));
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let clients = net.clone();
    world.spawn("clients", async move {
        // The first asks for a neighbour that does not exist: smoltcp then asks for no other one for a second.
        let mut nowhere = Box::pin(clients.connect(at([10, 0, 0, 77].into(), 80)));
        let mut there = Box::pin(clients.connect(at(RIGHT, 80)));
        std::future::poll_fn(|context| {
            assert!(nowhere.as_mut().poll(context).is_pending());
            there.as_mut().poll(context).map(|_| ())
        })
        .await;
    });
    world.run(async {
        let asked: Vec<_> = [peer.hear().await, peer.hear().await].into_iter().flatten().collect();
        assert!(asked.iter().all(|frame| frame[12..14] == [8, 6]), "both are asked for at once");
        peer.time.sleep(Duration::from_millis(300)).await;
        peer.say(&arp(
            ArpOperation::Reply,
            (RIGHT, PEER),
            (LEFT, crate::frames::STACK),
            crate::frames::STACK,
        ));
        let heard = peer.hear_within(Duration::from_millis(1)).await.expect("the SYN");
        assert!(read_tcp(&heard).unwrap().syn);
    });
    assert!(world.time.now() < Instant::from_millis(400));
}

#[test]
fn who_asks_for_a_connection_and_cannot_be_found_leaves_nothing_behind() {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let time = world.time.clone();
    world.run(async {
        let _listener = net.listen(80).await.unwrap();
        for port in 1..=10 {
            peer.say(&tcp((RIGHT, port), (LEFT, 80), TcpControl::Syn, 1, None));
        }
        time.sleep(Duration::from_secs(1)).await;
        let count = || {
            let mut count = 0;
            net.sockets(0, &mut |_, _| {
                count += 1;
                true
            });
            count
        };
        assert_eq!(count(), 11);
        time.sleep(Duration::from_secs(25)).await;
        assert_eq!(count(), 1, "only the listener");
    });
    assert_eq!(net.counters().tcp_closed.get(), 10);
}
