//! Echo requests to others: two stacks with each other, and one with a peer whose answers are not always right.

use std::net::IpAddr;

use smoltcp::wire::{ArpOperation, Icmpv4Packet, IpProtocol};
use unik_net::{Error, Net, Six, wire::Conditions};
use unik_sched::time::Duration;

use crate::{
    frames::{BROADCAST, PEER, Peer, arp, ipv4, read_ipv4},
    world::{LEFT, RIGHT, World, fixed, pattern, two, two_on},
};

const PATIENCE: Duration = Duration::from_secs(2);

#[test]
fn a_host_that_is_there_answers_and_the_way_takes_its_time() {
    let delay = Duration::from_millis(10);
    let (mut world, left, _right) = two_on(Conditions { delay, ..Conditions::default() }, 1);
    world.run(async {
        // The first one asks for the hardware address as well.
        left.ping(RIGHT.into(), b"", PATIENCE).await.unwrap();
        for length in [0, 1, 56, 1472] {
            let way = left.ping(RIGHT.into(), &pattern(length), PATIENCE).await.unwrap();
            assert!((2 * delay..3 * delay).contains(&way), "{way:?}");
        }
        assert_eq!(left.ping(RIGHT.into(), &pattern(1473), PATIENCE).await, Err(Error::MessageTooLong));
    });
    assert_eq!(left.counters().icmp_unheeded.get(), 0);
}

#[test]
fn a_host_of_version_6_answers_as_well() {
    let mut world = World::new(Conditions::default(), 1);
    let address = |last| [0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into();
    let config = |ip, last| fixed(ip).with_six(Six::Fixed(address(last), 64)).expect("it is a host's");
    let (left, right) = (world.left.take().unwrap(), world.right.take().unwrap());
    let left = world.stack("left", left, config(LEFT, 1), 1);
    let _right = world.stack("right", right, config(RIGHT, 2), 2);
    world.run(async {
        assert!(left.ping(address(2).into(), &pattern(100), PATIENCE).await.is_ok());
        assert_eq!(left.ping(address(3).into(), &pattern(100), PATIENCE).await, Err(Error::TimedOut));
    });
}

#[test]
fn whom_nobody_can_be_is_not_asked() {
    let (mut world, left, _right) = two();
    world.run(async {
        for text in
            ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "10.0.0.255", "127.0.0.1", "::1"]
        {
            let host: IpAddr = text.parse().unwrap();
            assert_eq!(left.ping(host, b"", PATIENCE).await, Err(Error::InvalidAddress), "{text}");
        }
        assert_eq!(
            left.ping([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), b"", PATIENCE).await,
            Err(Error::Unreachable)
        );
    });
    assert_eq!(left.counters().tx_frames.get(), 0);
}

/// The message with a right checksum, in a frame from `source`.
fn answer(source: std::net::Ipv4Addr, mut message: Vec<u8>) -> Vec<u8> {
    Icmpv4Packet::new_unchecked(&mut message[..]).fill_checksum();
    ipv4(source, LEFT, IpProtocol::Icmp, &message)
}

/// Hears the request, and makes the message of the answer.
async fn asked(peer: &mut Peer) -> Vec<u8> {
    loop {
        let frame = peer.hear().await.expect("the stack asks");
        if let Some((IpProtocol::Icmp, LEFT, RIGHT, mut message)) = read_ipv4(&frame) {
            assert_eq!(message[..2], [8, 0]);
            message[0] = 0;
            return message;
        }
    }
}

fn alone() -> (World, Net, Peer) {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
    (world, net, peer)
}

#[test]
fn what_answers_no_request_is_not_heeded_and_one_answer_is_enough() {
    let (mut world, net, mut peer) = alone();
    let time = world.time.clone();
    world.run(async {
        let asking = async {
            let way = net.ping(RIGHT.into(), b"there and back", PATIENCE).await;
            (way, time.now())
        };
        let answering = async {
            let good = asked(&mut peer).await;
            let with = |at: usize| {
                let mut other = good.clone();
                other[at] ^= 1;
                answer(RIGHT, other)
            };
            let mut spoilt = answer(RIGHT, good.clone());
            spoilt[36] ^= 1;
            let other = std::net::Ipv4Addr::new(10, 0, 0, 9);
            let longer = answer(RIGHT, [&good[..], b"!"].concat());
            // The code, both numbers, the bytes; another host; too long and too short; a wrong checksum.
            let wrong = [
                with(1),
                with(5),
                with(7),
                with(12),
                answer(other, good.clone()),
                longer,
                answer(RIGHT, good[..good.len() - 1].to_vec()),
            ];
            for frame in &wrong {
                peer.say(frame);
            }
            peer.say(&spoilt);
            peer.time.sleep(Duration::from_millis(100)).await;
            assert_eq!(net.counters().icmp_unheeded.get(), wrong.len() as u64);
            assert_eq!(net.counters().rx_spoilt.get(), 1);
            peer.say(&answer(RIGHT, good.clone()));
            good
        };
        let (way, good) = both(asking, answering).await;
        assert!((100..200).contains(&way.0.unwrap().as_millis()));
        let before = net.counters().icmp_unheeded.get();
        peer.say(&answer(RIGHT, good));
        peer.time.sleep(Duration::from_millis(10)).await;
        assert_eq!(net.counters().icmp_unheeded.get(), before + 1, "nobody waits any more");
    });
}

#[test]
fn requests_that_wait_are_few_and_forgotten_with_those_who_wait() {
    let (mut world, left, _right) = two();
    let nobody = IpAddr::from([10, 0, 0, 77]);
    let time = world.time.clone();
    for _ in 0..16 {
        let net = left.clone();
        world.spawn("asks", async move {
            assert_eq!(net.ping(nobody, b"", PATIENCE).await, Err(Error::TimedOut));
        });
    }
    world.run(async {
        time.sleep(Duration::from_millis(1)).await;
        assert_eq!(left.ping(RIGHT.into(), b"", PATIENCE).await, Err(Error::TooManySockets));
        time.sleep(PATIENCE).await;
        assert!(left.ping(RIGHT.into(), b"", PATIENCE).await.is_ok());
    });
}

/// Runs two conversations at the same time, to the end of both.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none()
            && let std::task::Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let std::task::Poll::Ready(output) = other.as_mut().poll(context)
        {
            second = Some(output);
        }
        if first.is_some() && second.is_some() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    (first.expect("it is over"), second.expect("it is over"))
}
