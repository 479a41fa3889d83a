//! What is not for this host, or comes from nobody who could have sent it: dropped, counted by reason, and not answered.

use std::net::Ipv4Addr;

use smoltcp::wire::{ArpOperation, IpProtocol, TcpControl};
use unik_net::Net;
use unik_sched::time::Duration;

use crate::{
    frames::{
        BROADCAST, PEER, Peer, STACK, arp, ipv4, ping, read_arp, read_ipv4, read_tcp, read_udp, tcp, udp,
    },
    world::{LEFT, RIGHT, World, at},
};

/// The broadcast address of the network, a group, and somebody else in the network.
const ALL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const OTHER_CARD: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// Senders that no packet can have.
const MARTIANS: [Ipv4Addr; 9] = [
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(0, 1, 2, 3),
    GROUP,
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::BROADCAST,
    ALL,
    Ipv4Addr::new(10, 0, 0, 0),
    LEFT,
];

/// A stack that the peer has made itself known to.
fn alone() -> (World, Net, Peer) {
    let mut world = World::new(Default::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
    world.run(async { peer.hear().await.expect("the ARP answer") });
    (world, net, peer)
}

/// Says the frames, one by one. None of them is answered.
async fn unanswered(peer: &mut Peer, frames: &[Vec<u8>]) {
    for (index, frame) in frames.iter().enumerate() {
        peer.say(frame);
        assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None, "frame {index}");
    }
}

/// The same frame to another hardware address.
fn to(hardware: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&hardware);
    frame
}

/// The same frame from another hardware address.
fn from(hardware: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[6..12].copy_from_slice(&hardware);
    frame
}

fn syn(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    tcp((source, 5000), (destination, 80), TcpControl::Syn, 1, None)
}

#[test]
fn nothing_from_a_sender_that_cannot_be_is_heard() {
    let (mut world, net, mut peer) = alone();
    let mut frames = Vec::new();
    for source in MARTIANS {
        frames.extend([ping(source, LEFT, b"?"), udp((source, 5), (LEFT, 7), b"?"), syn(source, LEFT)]);
    }
    for hardware in [[0; 6], STACK, BROADCAST, [3, 0, 0, 0, 0, 1]] {
        frames.extend([from(hardware, ping(RIGHT, LEFT, b"?")), from(hardware, syn(RIGHT, LEFT))]);
    }
    world.run(async {
        let mut socket = net.udp(7).await.unwrap();
        let _listener = net.listen(80).await.unwrap();
        unanswered(&mut peer, &frames).await;
        assert_eq!(net.counters().rx_martian.get(), frames.len() as u64);
        peer.say(&udp((RIGHT, 5), (LEFT, 7), b"from somebody"));
        assert_eq!(socket.receive_from(&mut [0; 64]).await.unwrap(), (13, at(RIGHT, 5)));
    });
}

#[test]
fn what_is_for_others_or_for_all_without_reason_is_not_heard() {
    let (mut world, net, mut peer) = alone();
    let mut frames = Vec::new();
    for destination in [OTHER, ALL, GROUP, Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        for hardware in [STACK, BROADCAST] {
            frames.push(to(hardware, ping(RIGHT, destination, b"all?")));
            frames.push(to(hardware, syn(RIGHT, destination)));
        }
    }
    // To this host alone in one layer, and not in the other.
    for hardware in [BROADCAST, OTHER_CARD, [1, 0, 0x5e, 0, 0, 1]] {
        frames.push(to(hardware, ping(RIGHT, LEFT, b"?")));
        frames.push(to(hardware, syn(RIGHT, LEFT)));
        frames.push(to(hardware, udp((RIGHT, 5), (LEFT, 7), b"?")));
    }
    frames.push(udp((RIGHT, 5), (GROUP, 7), b"?"));
    // Somebody asks for an address; other protocols.
    frames.push(to(BROADCAST, udp((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), &[1; 240])));
    let mut other = ping(RIGHT, LEFT, b"?");
    (other[12], other[13]) = (0x88, 0xcc);
    frames.push(other);
    world.run(async {
        let _listener = net.listen(80).await.unwrap();
        let mut socket = net.udp(7).await.unwrap();
        unanswered(&mut peer, &frames).await;
        assert_eq!(net.counters().rx_elsewhere.get(), frames.len() as u64);
        for destination in [ALL, Ipv4Addr::BROADCAST] {
            peer.say(&to(BROADCAST, udp((RIGHT, 5), (destination, 7), b"all")));
            assert_eq!(socket.receive_from(&mut [0; 64]).await.unwrap(), (3, at(RIGHT, 5)));
        }
    });
}

#[test]
fn frames_whose_headers_are_cut_are_counted() {
    let (mut world, net, mut peer) = alone();
    let whole = ping(RIGHT, LEFT, b"cut");
    let mut frames: Vec<_> = (1..34).map(|end| whole[..end].to_vec()).collect();
    for first in [0x44, 0x65, 0x05] {
        let mut frame = whole.clone();
        frame[14] = first;
        frames.push(frame);
    }
    let question = arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST);
    frames.push(question[..41].to_vec());
    for (at, value) in [(15, 6), (17, 6), (18, 8), (19, 16), (20, 1), (21, 3)] {
        let mut frame = question.clone();
        frame[at] = value;
        frames.push(frame);
    }
    world.run(unanswered(&mut peer, &frames));
    assert_eq!(net.counters().rx_bad_headers.get(), frames.len() as u64);
}

#[test]
fn pieces_of_packets_are_not_taken_for_whole_ones() {
    let (mut world, net, mut peer) = alone();
    let mut frames = Vec::new();
    for (flags, offset) in [(0x20, 0), (0, 1), (0x20, 185), (0x1f, 0xff)] {
        for mut frame in [ping(RIGHT, LEFT, b"piece"), udp((RIGHT, 5), (LEFT, 7), b"piece"), syn(RIGHT, LEFT)]
        {
            (frame[20], frame[21]) = (flags, offset);
            frames.push(frame);
        }
    }
    world.run(async {
        let _socket = net.udp(7).await.unwrap();
        let _listener = net.listen(80).await.unwrap();
        unanswered(&mut peer, &frames).await;
    });
    assert_eq!(net.counters().rx_fragments.get(), frames.len() as u64);
}

#[test]
fn messages_about_packets_that_were_never_sent_are_not_heeded() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut listener = net.listen(80).await.unwrap();
        let (stream, hello) = open(&mut peer, &mut listener).await;
        // Unreachable, quench, redirect, time exceeded, bad parameter, and answers to no question: about a segment of
        // the connection that there is, and of one that there is not.
        let mut frames = Vec::new();
        for kind in [0, 3, 4, 5, 11, 12, 14, 16, 18, 255] {
            for port in [5000, 5001] {
                let about = tcp((LEFT, 80), (RIGHT, port), TcpControl::None, hello, Some(2));
                let mut message = vec![kind, 1, 0, 0, 0, 0, 0, 0];
                message.extend_from_slice(&about[14..42]);
                let sum = smoltcp::wire::checksum::data(&message);
                message[2..4].copy_from_slice(&(!sum).to_be_bytes());
                frames.push(ipv4(RIGHT, LEFT, IpProtocol::Icmp, &message));
            }
        }
        unanswered(&mut peer, &frames).await;
        assert_eq!(net.counters().icmp_unheeded.get(), frames.len() as u64);
        assert_eq!(states(&net), 1, "the connection stands");
        drop(stream);
    });
}

/// Opens a connection; with the first sequence number of the stack.
async fn open(peer: &mut Peer, listener: &mut unik_net::TcpListener) -> (unik_net::TcpStream, i32) {
    peer.say(&syn(RIGHT, LEFT));
    let answer = read_tcp(&peer.hear().await.unwrap()).expect("a segment");
    assert!(answer.syn && !answer.rst);
    peer.say(&tcp((RIGHT, 5000), (LEFT, 80), TcpControl::None, 2, Some(answer.sequence + 1)));
    (listener.accept().await.unwrap().0, answer.sequence)
}

/// Connections that are established.
fn states(net: &Net) -> usize {
    let mut count = 0;
    net.sockets(0, &mut |_, socket| {
        count += usize::from(socket.state == unik_net::SocketState::Established);
        true
    });
    count
}

#[test]
fn a_storm_of_resets_ends_nothing_and_is_not_answered() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut listener = net.listen(80).await.unwrap();
        let (_stream, _) = open(&mut peer, &mut listener).await;
        let mut strays = 0;
        for number in 0..1000 {
            // From other ports, and for the connection but far outside of its window.
            let port = 5000 + number as u16 % 10;
            strays += u64::from(port != 5000);
            let sequence = 1_000_000 + number * 1000;
            peer.say(&tcp((RIGHT, port), (LEFT, 80), TcpControl::Rst, sequence, None));
        }
        let mut answers = 0;
        while let Some(frame) = peer.hear_within(Duration::from_millis(50)).await {
            assert_eq!(read_tcp(&frame).expect("a segment").destination, 5000);
            answers += 1;
        }
        assert!(answers <= 1, "{answers} answers");
        assert_eq!((net.counters().tcp_strays.get(), net.counters().tcp_resets.get()), (strays, 0));
        assert_eq!(states(&net), 1, "the connection stands");
    });
}

#[test]
fn a_segment_to_no_connection_is_refused_and_counted() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        peer.say(&tcp((RIGHT, 5000), (LEFT, 80), TcpControl::Fin, 1, Some(7)));
        assert!(read_tcp(&peer.hear().await.unwrap()).unwrap().rst);
    });
    assert_eq!(net.counters().tcp_strays.get(), 1);
}

#[test]
fn an_answer_about_a_hardware_address_is_believed_only_when_it_was_asked_for() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let lie = |address| arp(ArpOperation::Reply, (address, OTHER_CARD), (LEFT, STACK), STACK);
        unanswered(&mut peer, &[lie(RIGHT), lie(OTHER), to(BROADCAST, lie(RIGHT))]).await;
        assert_eq!(net.counters().neighbor_unasked.get(), 3);
        // Where the peer is, is known as before.
        peer.say(&ping(RIGHT, LEFT, b"where?"));
        assert_eq!(peer.hear().await.unwrap()[..6], PEER);
        // The other one is asked for, and the first answer counts.
        let mut socket = net.udp(7).await.unwrap();
        socket.send_to(b"hello", at(OTHER, 7)).await.unwrap();
        let question = peer.hear().await.unwrap();
        assert_eq!(read_arp(&question), Some((ArpOperation::Request, LEFT, OTHER)));
        peer.say(&arp(ArpOperation::Reply, (OTHER, PEER), (LEFT, STACK), STACK));
        peer.say(&lie(OTHER));
        assert_eq!(read_udp(&peer.hear().await.unwrap()), Some((7, 7, b"hello".to_vec())));
        socket.send_to(b"again", at(OTHER, 7)).await.unwrap();
        assert_eq!(peer.hear().await.unwrap()[..6], PEER);
        assert_eq!(net.counters().neighbor_unasked.get(), 4);
    });
}

#[test]
fn questions_about_hardware_addresses_from_nobody_or_for_others_teach_nothing() {
    let (mut world, net, mut peer) = alone();
    let ask = |sender, target| arp(ArpOperation::Request, sender, (target, [0; 6]), BROADCAST);
    world.run(async {
        let martians = [
            ask((ALL, PEER), LEFT),
            ask((GROUP, PEER), LEFT),
            ask((RIGHT, BROADCAST), LEFT),
            ask((RIGHT, STACK), LEFT),
        ];
        unanswered(&mut peer, &martians).await;
        unanswered(&mut peer, &[ask((RIGHT, OTHER_CARD), OTHER), ask((RIGHT, OTHER_CARD), RIGHT)]).await;
        peer.say(&ping(RIGHT, LEFT, b"where?"));
        assert_eq!(peer.hear().await.unwrap()[..6], PEER);
    });
    assert_eq!((net.counters().rx_martian.get(), net.counters().rx_elsewhere.get()), (4, 2));
}

#[test]
fn another_host_with_our_address_is_counted_and_changes_nothing() {
    let (mut world, net, mut peer) = alone();
    let claim = |operation, to| arp(operation, (LEFT, OTHER_CARD), (LEFT, STACK), to);
    let claims = [
        claim(ArpOperation::Request, BROADCAST),
        claim(ArpOperation::Reply, BROADCAST),
        claim(ArpOperation::Reply, STACK),
        arp(ArpOperation::Request, (LEFT, OTHER_CARD), (OTHER, [0; 6]), BROADCAST),
    ];
    world.run(async {
        unanswered(&mut peer, &claims).await;
        peer.say(&ping(RIGHT, LEFT, b"still there?"));
        assert_eq!(read_ipv4(&peer.hear().await.unwrap()).unwrap().1, LEFT);
    });
    assert_eq!(net.counters().address_conflicts.get(), claims.len() as u64);
}
