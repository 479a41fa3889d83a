//! Neighbours and ways out of IPv4, where strangers make a host ask for those that are not there.

use std::net::{Ipv4Addr, SocketAddr};

use smoltcp::wire::{ArpOperation, TcpControl};
use unik_net::{Config, Net};
use unik_sched::time::Duration;

use crate::{
    frames::{BROADCAST, PEER, Peer, STACK, arp, read_arp, read_udp, tcp},
    world::{LEFT, World, at, fixed},
};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const FAR: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

fn alone(config: Config) -> (World, Net, Peer) {
    let mut world = World::new(Default::default(), 1);
    let card = world.left.take().unwrap();
    let net = world.stack("left", card, config, 1);
    let peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    (world, net, peer)
}

/// So many of sixty datagrams by way of the gateway, and to as many neighbours that are there, arrive within a minute in
/// which a service answers `forged` senders a second in vain.
fn arrive(forged: u32, knows_gateway: bool) -> (u32, u32) {
    let config = Config::fixed(LEFT, 16).and_then(|config| config.with_gateway(GATEWAY)).unwrap();
    let (mut world, net, mut peer) = alone(config);
    world.run(async {
        let mut socket = net.udp(9).await.unwrap();
        let (mut number, mut far, mut near) = (0u32, 0, 0);
        if knows_gateway {
            peer.say(&arp(ArpOperation::Request, (GATEWAY, PEER), (LEFT, [0; 6]), BROADCAST));
        }
        for tick in 0..6000u32 {
            if tick * forged / 100 != (tick + 1) * forged / 100 {
                number += 1;
                let stranger = [10, 0, 1 + (number / 250) as u8, 1 + (number % 250) as u8];
                socket.send_to(b"answer", SocketAddr::from((stranger, 7))).await.unwrap();
            }
            if tick % 100 == 50 {
                socket.send_to(b"far", at(FAR, 7)).await.unwrap();
                let neighbor = [10, 0, 200, 1 + (tick / 100) as u8];
                socket.send_to(b"near", SocketAddr::from((neighbor, 7))).await.unwrap();
            }
            while let Some(frame) = peer.hear_within(Duration::ZERO).await {
                if let Some((_, asker, target)) = read_arp(&frame) {
                    if target == GATEWAY || target.octets()[2] == 200 {
                        peer.say(&arp(ArpOperation::Reply, (target, PEER), (asker, STACK), STACK));
                    }
                } else if let Some((_, _, data)) = read_udp(&frame) {
                    far += u32::from(data == b"far");
                    near += u32::from(data == b"near");
                }
            }
            peer.time.sleep(Duration::from_millis(10)).await;
        }
        (far, near)
    })
}

#[test]
fn forged_senders_cut_no_way_out_off() {
    for forged in [0, 10, 20, 40, 100] {
        for knows_gateway in [false, true] {
            let (far, near) = arrive(forged, knows_gateway);
            assert!(far >= 59, "{forged} forged a second: {far} of 60 by way of the gateway");
            // Of those who are not known yet strangers can hold up some: questions are few.
            assert!(forged > 10 || near >= 59, "{forged} forged a second: {near} of 60 to neighbours");
        }
    }
}

#[test]
fn one_who_wants_to_know_whether_an_address_is_free_is_told_that_it_is_not() {
    let (mut world, net, mut peer) = alone(fixed(LEFT));
    world.run(async {
        peer.say(&arp(ArpOperation::Request, (Ipv4Addr::UNSPECIFIED, PEER), (LEFT, [0; 6]), BROADCAST));
        let answer = peer.hear().await.expect("an answer");
        assert_eq!(read_arp(&answer), Some((ArpOperation::Reply, LEFT, Ipv4Addr::UNSPECIFIED)));
        assert_eq!(answer[..6], PEER);
    });
    assert_eq!(net.counters().rx_martian.get(), 0);
}

#[test]
fn nobody_is_accepted_whom_no_route_leads_to() {
    let (mut world, net, mut peer) = alone(fixed(LEFT));
    world.run(async {
        let _listener = net.listen(80).await.unwrap();
        peer.say(&tcp((FAR, 5000), (LEFT, 80), TcpControl::Syn, 1, None));
        assert_eq!(peer.hear_within(Duration::from_secs(2)).await, None);
    });
    assert_eq!(net.counters().tx_unroutable.get(), 1);
}

#[test]
fn a_host_asks_nobody_for_itself() {
    let (mut world, net, mut peer) = alone(fixed(LEFT));
    world.run(async {
        let mut socket = net.udp(9).await.unwrap();
        assert_eq!(socket.send_to(b"x", at(LEFT, 9)).await, Ok(()));
        let lost = socket.send_to(b"x", at(Ipv4Addr::LOCALHOST, 9)).await;
        assert_eq!(lost, Err(unik_net::Error::InvalidAddress));
        assert_eq!(peer.hear_within(Duration::from_secs(2)).await, None);
    });
    assert_eq!(net.counters().tx_unroutable.get(), 1);
}
