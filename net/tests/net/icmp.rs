//! ARP and ICMP as a hand-made peer sees them.

use std::net::Ipv4Addr;

use smoltcp::wire::{ArpOperation, Icmpv4Message, Icmpv4Packet, IpProtocol};
use unik_sched::time::Duration;

use crate::{
    frames::{BROADCAST, PEER, Peer, STACK, arp, ping, read_arp, read_ipv4, tcp, udp},
    world::{LEFT, RIGHT, World},
};

fn peer_and_stack() -> (World, Peer, unik_net::Net) {
    let mut world = World::new(Default::default(), 1);
    let net = world.left();
    let peer = Peer { end: world.right.take().expect("the right end is free"), time: world.time.clone() };
    (world, peer, net)
}

/// Introduces the peer, as any host does before it says something.
async fn introduce(peer: &mut Peer) {
    peer.say(&arp(ArpOperation::Request, (RIGHT, PEER), (LEFT, [0; 6]), BROADCAST));
    let answer = peer.hear().await.expect("the stack answers an ARP request");
    assert_eq!(read_arp(&answer), Some((ArpOperation::Reply, LEFT, RIGHT)));
}

#[test]
fn an_arp_request_is_answered_with_the_hardware_address() {
    let (mut world, mut peer, net) = peer_and_stack();
    assert_eq!(net.hardware_address(), STACK);
    world.run(introduce(&mut peer));
}

#[test]
fn a_ping_is_answered_with_the_same_data() {
    let (mut world, mut peer, _net) = peer_and_stack();
    world.run(async {
        introduce(&mut peer).await;
        peer.say(&ping(RIGHT, LEFT, b"as it went in"));
        let answer = peer.hear().await.expect("the stack answers a ping");
        let (protocol, source, destination, payload) = read_ipv4(&answer).expect("the answer is IPv4");
        assert_eq!((protocol, source, destination), (IpProtocol::Icmp, LEFT, RIGHT));
        let packet = Icmpv4Packet::new_checked(&payload[..]).expect("the answer is ICMP");
        assert_eq!(packet.msg_type(), Icmpv4Message::EchoReply);
        assert_eq!((packet.echo_ident(), packet.echo_seq_no()), (7, 9));
        assert_eq!(packet.data(), b"as it went in");
        assert!(packet.verify_checksum());
    });
}

#[test]
fn a_ping_of_the_largest_size_is_answered() {
    let (mut world, mut peer, _net) = peer_and_stack();
    world.run(async {
        introduce(&mut peer).await;
        peer.say(&ping(RIGHT, LEFT, &[7; 1472]));
        assert_eq!(peer.hear().await.expect("the stack answers").len(), 1514);
    });
}

#[test]
fn a_datagram_to_a_closed_port_is_answered_with_port_unreachable() {
    let (mut world, mut peer, _net) = peer_and_stack();
    world.run(async {
        introduce(&mut peer).await;
        peer.say(&udp((RIGHT, 1000), (LEFT, 9), b"anybody?"));
        let answer = peer.hear().await.expect("the stack answers");
        let (_, _, _, payload) = read_ipv4(&answer).expect("the answer is IPv4");
        assert_eq!(
            Icmpv4Packet::new_checked(&payload[..]).unwrap().msg_type(),
            Icmpv4Message::DstUnreachable
        );
    });
}

#[test]
fn frames_for_others_and_malformed_frames_are_ignored() {
    let (mut world, mut peer, net) = peer_and_stack();
    world.run(async {
        introduce(&mut peer).await;
        peer.say(&ping(RIGHT, Ipv4Addr::new(10, 0, 0, 9), b"not for you"));
        peer.say(&ping(Ipv4Addr::UNSPECIFIED, LEFT, b"from nobody"));
        peer.say(&ping(Ipv4Addr::BROADCAST, LEFT, b"from everybody"));
        peer.say(&tcp((Ipv4Addr::UNSPECIFIED, 1), (LEFT, 80), smoltcp::wire::TcpControl::Syn, 1, None));
        peer.say(&udp((Ipv4Addr::UNSPECIFIED, 1), (LEFT, 80), b"from nobody"));
        let whole = ping(RIGHT, LEFT, b"cut");
        for end in 1..whole.len() {
            peer.say(&whole[..end]);
            if end % 32 == 0 {
                peer.time.sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(peer.hear().await, None);
        assert!(net.counters().rx_frames.get() > 40);
    });
}
