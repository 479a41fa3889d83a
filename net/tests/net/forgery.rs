//! What somebody who knows the ends of a connection, or none of them, can do to it: and what a peer with old numbers hears.

use std::{future::poll_fn, net::Ipv4Addr};

use embedded_io_async::{Read, Write};
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{ArpOperation, IpAddress, IpProtocol, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber},
};
use unik_net::{Error, Net, TcpListener, TcpStream, wire::Conditions};
use unik_sched::time::Duration;

use crate::{
    frames::{BROADCAST, PEER, Peer, STACK, Segment, arp, ipv4, ping, read_arp, read_tcp, tcp},
    world::{LEFT, RIGHT, World, at},
};

const PORT: u16 = 1000;
const WINDOW: u16 = 8192;
/// A number that is nowhere near those of a connection.
const FAR: i32 = 0x4000_0000;

/// A segment from a port of the peer to one of the stack.
fn segment(
    ports: (u16, u16),
    control: TcpControl,
    (sequence, acknowledgement): (i32, Option<i32>),
    window: u16,
    data: &[u8],
) -> Vec<u8> {
    let repr = TcpRepr {
        src_port: ports.0,
        dst_port: ports.1,
        control,
        seq_number: TcpSeqNumber(sequence),
        ack_number: acknowledgement.map(TcpSeqNumber),
        window_len: window,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: data,
    };
    let mut payload = vec![0; repr.buffer_len()];
    let (from, to) = (IpAddress::Ipv4(RIGHT), IpAddress::Ipv4(LEFT));
    let mut packet = TcpPacket::new_unchecked(&mut payload[..]);
    repr.emit(&mut packet, &from, &to, &ChecksumCapabilities::default());
    ipv4(RIGHT, LEFT, IpProtocol::Tcp, &payload)
}

/// A segment to the listener.
fn said(control: TcpControl, numbers: (i32, i32), window: u16, data: &[u8]) -> Vec<u8> {
    segment((PORT, 80), control, (numbers.0, Some(numbers.1)), window, data)
}

/// Holds a conversation with a stack that listens on port 80 and knows the peer.
fn converse(conversation: impl AsyncFnOnce(TcpListener, &mut Peer, &Net)) {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    world.run(async {
        let listener = net.listen(80).await.unwrap();
        peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
        peer.hear().await.expect("the ARP answer");
        conversation(listener, &mut peer, &net).await;
    });
}

/// What the stack answers to the SYN with the number 5; the number behind its own.
async fn synchronised(peer: &mut Peer) -> i32 {
    peer.say(&segment((PORT, 80), TcpControl::Syn, (5, None), WINDOW, &[]));
    let answer = read_tcp(&peer.hear().await.unwrap()).unwrap();
    assert!(answer.syn);
    answer.sequence.wrapping_add(1)
}

/// A connection, and the next number of the stack; that of the peer is 6.
async fn connected(listener: &mut TcpListener, peer: &mut Peer, window: u16) -> (TcpStream, i32) {
    let next = synchronised(peer).await;
    peer.say(&said(TcpControl::None, (6, next), window, &[]));
    (listener.accept().await.unwrap().0, next)
}

/// The segments that come in the meantime.
async fn segments(peer: &mut Peer, meantime: Duration) -> Vec<Segment> {
    let (until, mut heard) = (peer.time.now() + meantime, Vec::new());
    loop {
        let left = until.duration_since(peer.time.now());
        match peer.hear_within(left).await {
            Some(frame) => heard.extend(read_tcp(&frame)),
            None => return heard,
        }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Begins one thing and does another meanwhile.
async fn beside<A>(one: impl Future<Output = A>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let mut goes_on = true;
    poll_fn(move |context| {
        goes_on = goes_on && one.as_mut().poll(context).is_pending();
        other.as_mut().poll(context)
    })
    .await;
}

#[test]
fn who_guesses_no_number_is_told_none() {
    converse(async |_listener, peer, _| {
        let wrong = synchronised(peer).await.wrapping_sub(100_000);
        peer.say(&said(TcpControl::None, (6, wrong), WINDOW, &[]));
        let [reset] = &segments(peer, millis(150)).await[..] else { panic!("one answer") };
        assert!(reset.rst && reset.sequence == wrong, "the reset has the number that was sent: {reset:?}");
    });
}

#[test]
fn a_handshake_that_somebody_disturbed_gives_a_whole_stream() {
    converse(async |mut listener, peer, _| {
        let next = synchronised(peer).await;
        peer.say(&said(TcpControl::None, (6, next.wrapping_sub(100_000)), WINDOW, &[]));
        segments(peer, millis(150)).await;
        peer.say(&said(TcpControl::None, (6, next), WINDOW, &[]));
        let (mut stream, _) = listener.accept().await.unwrap();
        peer.say(&said(TcpControl::Fin, (6, next), WINDOW, b"hello"));
        let mut bytes = [0; 16];
        assert_eq!(stream.read(&mut bytes).await, Ok(5));
        assert_eq!(stream.read(&mut bytes).await, Ok(0));
    });
}

#[test]
fn a_peer_with_an_old_connection_is_told_that_it_is_over() {
    converse(async |_listener, peer, net| {
        beside(net.connect(at(RIGHT, 99)), async {
            let syn = read_tcp(&peer.hear().await.unwrap()).unwrap();
            let old = syn.sequence.wrapping_sub(500_000);
            peer.say(&segment((99, syn.source), TcpControl::None, (77, Some(old)), WINDOW, &[]));
            let reset = read_tcp(&peer.hear().await.unwrap()).unwrap();
            assert!(reset.rst && reset.sequence == old, "RFC 9293, 3.5.1: {reset:?}");
        })
        .await;
    });
}

/// Lets the stack close first. The peer offers one window before, and another one at the end, and says FIN again later.
fn ends(before: u16, last: u16) {
    converse(async |mut listener, peer, _| {
        let (stream, _) = connected(&mut listener, peer, before).await;
        drop(stream);
        let fin = read_tcp(&peer.hear().await.unwrap()).unwrap();
        assert!(fin.fin);
        let next = fin.sequence.wrapping_add(1);
        peer.say(&said(TcpControl::None, (6, next), last, &[]));
        segments(peer, millis(150)).await;
        for pause in [0, 2] {
            peer.time.sleep(Duration::from_secs(pause)).await;
            peer.say(&said(TcpControl::Fin, (6, next), last, &[]));
            let answer = read_tcp(&peer.hear().await.unwrap()).unwrap();
            assert_eq!((answer.rst, answer.sequence, answer.acknowledgement), (false, next, 7));
        }
    });
}

#[test]
fn what_has_ended_waits_also_where_the_last_window_was_closed() {
    ends(WINDOW, 0);
}

#[test]
fn what_has_ended_knows_its_number_also_where_the_fin_found_a_closed_window() {
    ends(0, WINDOW);
}

#[test]
fn what_is_lost_is_sent_again_to_a_peer_that_goes_on_talking() {
    converse(async |mut listener, peer, _| {
        let (mut stream, next) = connected(&mut listener, peer, WINDOW).await;
        stream.write_all(&[7; 1000]).await.unwrap();
        let first = read_tcp(&peer.hear().await.unwrap()).unwrap().length as i32;
        let middle = next.wrapping_add(first);
        // The first part has come and fills the window; the second is lost, and the window opens again.
        peer.say(&said(TcpControl::None, (6, middle), 0, &[]));
        segments(peer, millis(5)).await;
        for number in 0..12 {
            peer.say(&said(TcpControl::Psh, (6 + number, middle), WINDOW, b"x"));
            for segment in segments(peer, millis(500)).await {
                if segment.length > 1 {
                    return;
                }
                if segment.length == 1 {
                    peer.say(&said(TcpControl::None, (7 + number, middle), WINDOW, &[]));
                }
            }
            stream.read_exact(&mut [0]).await.unwrap();
        }
        panic!("nothing was sent again in six seconds");
    });
}

#[test]
fn a_peer_that_is_silent_holds_up_nobody_else() {
    let third = Ipv4Addr::new(10, 0, 0, 9);
    converse(async |mut listener, peer, _| {
        let (mut stream, _) = connected(&mut listener, peer, WINDOW).await;
        stream.write_all(&[7; 100]).await.unwrap();
        segments(peer, Duration::from_secs(20)).await;
        peer.say(&ping(third, LEFT, b"who asks"));
        let until = peer.time.now() + Duration::from_secs(3);
        loop {
            let left = until.duration_since(peer.time.now());
            let frame = peer.hear_within(left).await.expect("the sender of the echo is answered");
            if frame[23] == 1 && frame[30..34] == third.octets() {
                return;
            }
        }
    });
}

#[test]
fn a_peer_that_comes_back_is_sent_what_waits_at_once() {
    converse(async |mut listener, peer, _| {
        let (mut stream, _) = connected(&mut listener, peer, WINDOW).await;
        stream.write_all(&[7; 100]).await.unwrap();
        // Three questions after its hardware address it does not answer: then that is forgotten, and it is asked again.
        let mut asked = 0;
        while asked <= 3 {
            let frame = peer.hear_within(Duration::from_secs(300)).await.expect("it is tried again");
            asked += u32::from(read_arp(&frame).is_some());
        }
        peer.say(&arp(ArpOperation::Reply, (RIGHT, PEER), (LEFT, STACK), STACK));
        let heard = segments(peer, Duration::from_secs(2)).await;
        assert!(heard.iter().any(|segment| segment.length == 100), "{heard:?}");
    });
}

#[test]
fn forged_segments_do_not_change_when_something_is_sent_again() {
    let times = |forges: bool| {
        let mut times = Vec::new();
        converse(async |mut listener, peer, _| {
            let (mut stream, next) = connected(&mut listener, peer, WINDOW).await;
            let forged = |number: usize| said(TcpControl::None, (FAR, next), (number % 2) as u16, &[]);
            if forges {
                peer.say(&forged(0));
                segments(peer, millis(150)).await;
            }
            let begun = peer.time.now();
            stream.write_all(&[7; 100]).await.unwrap();
            while peer.time.now().duration_since(begun) < Duration::from_secs(4) {
                let Some(frame) = peer.hear_within(Duration::from_secs(4)).await else { break };
                if read_tcp(&frame).is_some_and(|segment| segment.length == 100) {
                    times.push(peer.time.now().duration_since(begun).as_millis());
                    if forges {
                        peer.say(&forged(times.len()));
                    }
                }
            }
        });
        times
    };
    assert_eq!(times(true), times(false));
}

#[test]
fn forged_segments_are_no_signs_of_life() {
    converse(async |mut listener, peer, _| {
        let (mut stream, next) = connected(&mut listener, peer, WINDOW).await;
        stream.set_keep_alive(Some(Duration::from_secs(5)));
        let mut asked = 0;
        for _ in 0..10 {
            peer.say(&said(TcpControl::None, (FAR, next), WINDOW, &[]));
            asked += segments(peer, Duration::from_secs(3))
                .await
                .iter()
                .filter(|segment| segment.length == 1)
                .count();
        }
        assert!(asked >= 4, "in thirty seconds the peer was asked {asked} times");
    });
}

#[test]
fn forged_neighbours_leave_room_to_ask_for_others() {
    let wanted = Ipv4Addr::new(10, 0, 0, 50);
    converse(async |_listener, peer, net| {
        let mut socket = net.udp(5000).await.unwrap();
        let mut asked = 0;
        for round in 0..100u8 {
            for number in 0..4 {
                let source = Ipv4Addr::new(10, 0, 0, 100 + (round % 25) * 4 + number);
                peer.say(&tcp((source, 999), (LEFT, 80), TcpControl::Syn, 5, None));
            }
            if round % 10 == 5 {
                socket.send_to(b"hello", at(wanted, 7)).await.unwrap();
            }
            let until = peer.time.now() + millis(100);
            while let Some(frame) = peer.hear_within(until.duration_since(peer.time.now())).await {
                asked += usize::from(read_arp(&frame).is_some_and(|(_, _, target)| target == wanted));
            }
        }
        assert!(asked >= 5, "asked {asked} times");
    });
}

#[test]
fn nobody_connects_to_all_or_to_oneself() {
    converse(async |_listener, peer, net| {
        for address in [[10, 0, 0, 255], [10, 0, 0, 0], [127, 0, 0, 1], LEFT.octets()] {
            let refused = net.connect(at(address.into(), 99)).await.err();
            assert_eq!(refused, Some(Error::InvalidAddress), "{address:?}");
        }
        assert_eq!(peer.hear_within(millis(100)).await, None);
    });
}
