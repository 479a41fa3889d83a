//! IPv6: two stacks with each other, and one with hand-made neighbours and routers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use embedded_io_async::{Read, Write};
use unik_net::{Config, Net, Six, Verdict, wire::Conditions};
use unik_sched::time::Duration;

use crate::{
    frames::{Peer, STACK},
    world::{LEFT, RIGHT, World, at, fixed, pattern},
};

const CARD: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
/// The addresses of the stack at the left end, of a peer, and of a router.
const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
const OWN_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Messages of ICMPv6.
const ECHO: u8 = 128;
const REPLY: u8 = 129;
const SOLICIT_ROUTER: u8 = 133;
const ROUTER_SAYS: u8 = 134;
const SOLICIT: u8 = 135;
const ADVERTISE: u8 = 136;

fn end(address: Ipv6Addr, port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

fn with(config: Config, address: Ipv6Addr) -> Config {
    config.with_six(Six::Fixed(address, 64)).expect("it is a host's")
}

/// Two stacks, each with an address of either version.
fn two(conditions: Conditions) -> (World, Net, Net) {
    let mut world = World::new(conditions, 1);
    let (left, right) = (world.left.take().unwrap(), world.right.take().unwrap());
    let left = world.stack("left", left, with(fixed(LEFT), OWN), 1);
    let right = world.stack("right", right, with(fixed(RIGHT), OTHER), 2);
    (world, left, right)
}

/// A stack with a fixed address of version 6, or one that listens to routers, and a peer. What it asks when it starts is
/// heard and gone.
async fn settle(peer: &mut Peer) {
    while peer.hear_within(Duration::from_secs(2)).await.is_some() {}
}

fn alone(config: Config) -> (World, Net, Peer) {
    let mut world = World::new(Conditions::default(), 1);
    let card = world.left.take().unwrap();
    let net = world.stack("left", card, config, 1);
    let peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    (world, net, peer)
}

fn known() -> Config {
    with(fixed(LEFT), OWN)
}

/// The Ethernet address of whom an address belongs to: the stack, or a group.
fn hardware(to: Ipv6Addr) -> [u8; 6] {
    let octets = to.octets();
    if to.is_multicast() { [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]] } else { STACK }
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What the checksum of a payload covers.
fn covered(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, protocol], payload].concat()
}

/// A packet of the peer, its checksum at `field` of the payload filled in.
fn packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    hops: u8,
    payload: &[u8],
    field: usize,
) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let checksum = sum(&covered(source, destination, protocol, &payload));
    payload[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    let length = (payload.len() as u16).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], protocol, hops];
    let ethernet = [&hardware(destination)[..], &CARD, &[0x86, 0xdd]].concat();
    [&ethernet[..], &head, &source.octets(), &destination.octets(), &payload].concat()
}

fn message(source: Ipv6Addr, destination: Ipv6Addr, hops: u8, message: &[u8]) -> Vec<u8> {
    packet(source, destination, 58, hops, message, 2)
}

/// A question for `target`, or an answer about it, with the peer's card in an option.
fn neighborly(kind: u8, source: Ipv6Addr, destination: Ipv6Addr, flags: u8, target: Ipv6Addr) -> Vec<u8> {
    let option = [if kind == SOLICIT { 1 } else { 2 }, 1];
    let option = if source.is_unspecified() { vec![] } else { [&option[..], &CARD].concat() };
    message(
        source,
        destination,
        255,
        &[&[kind, 0, 0, 0, flags, 0, 0, 0][..], &target.octets(), &option].concat(),
    )
}

fn udp(source: (Ipv6Addr, u16), destination: (Ipv6Addr, u16), data: &[u8]) -> Vec<u8> {
    let length = (8 + data.len()) as u16;
    let head = [source.1, destination.1, length, 0].map(u16::to_be_bytes).concat();
    packet(source.0, destination.0, 17, 64, &[&head[..], data].concat(), 6)
}

/// A packet as the peer hears it.
#[derive(Debug)]
struct Heard {
    to: [u8; 6],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    hops: u8,
    payload: Vec<u8>,
}

impl Heard {
    fn target(&self) -> Ipv6Addr {
        Ipv6Addr::from(*self.payload[8..].first_chunk::<16>().unwrap())
    }
}

fn read(frame: &[u8]) -> Option<Heard> {
    if frame[12..14] != [0x86, 0xdd] {
        return None;
    }
    assert_eq!((frame[14], usize::from(frame[18]) << 8 | usize::from(frame[19])), (0x60, frame.len() - 54));
    let address = |at: usize| Ipv6Addr::from(*frame[at..].first_chunk::<16>().unwrap());
    let (source, destination, payload) = (address(22), address(38), frame[54..].to_vec());
    assert_eq!(sum(&covered(source, destination, frame[20], &payload)), 0, "the checksum is right");
    let to = *frame.first_chunk().unwrap();
    Some(Heard { to, source, destination, protocol: frame[20], hops: frame[21], payload })
}

async fn hear(peer: &mut Peer) -> Heard {
    loop {
        let frame = peer.hear().await.expect("the stack says something");
        if let Some(heard) = read(&frame) {
            return heard;
        }
    }
}

#[test]
fn datagrams_of_any_length_go_both_ways_and_are_answered_in_place() {
    let (mut world, left, right) = two(Conditions::default());
    let echo = right.answer(7, |datagram, _| {
        assert_eq!(datagram.destination, end(OTHER, 7));
        Verdict::Answer
    });
    let _echo = echo.unwrap();
    world.run(async {
        let (mut client, mut server) = (left.udp(0).await.unwrap(), right.udp(9).await.unwrap());
        let mut received = [0; 1500];
        for length in [0, 1, 2, 63, 64, 511, 1452] {
            let sent = pattern(length);
            client.send_to(&sent, end(OTHER, 7)).await.unwrap();
            assert_eq!(client.receive_from(&mut received).await.unwrap(), (length, end(OTHER, 7)));
            assert_eq!(received[..length], sent);
            client.send_to(&sent, end(OTHER, 9)).await.unwrap();
            assert_eq!(server.receive_from(&mut received).await.unwrap(), (length, end(OWN, client.port())));
            assert_eq!(received[..length], sent);
        }
        let too_long = client.send_to(&[0; 1453], end(OTHER, 7)).await;
        assert_eq!(too_long, Err(unik_net::Error::MessageTooLong));
    });
    assert_eq!(right.counters().udp_answered.get(), 7);
}

#[test]
fn one_listener_takes_connections_of_both_versions() {
    let (mut world, left, right) = two(Conditions::default());
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        for address in [at(RIGHT, 80), end(OTHER, 80)] {
            let mut client = left.connect(address).await.unwrap();
            let (mut server, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.is_ipv6(), address.is_ipv6());
            assert_eq!((client.peer_address(), server.peer_address()), (address, peer));
            let mut bytes = [0; 8];
            client.write_all(b"question").await.unwrap();
            server.read_exact(&mut bytes).await.unwrap();
            server.write_all(&bytes).await.unwrap();
            client.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"question");
        }
        let mut sockets = Vec::new();
        left.sockets(0, &mut |_, socket| {
            sockets.extend(socket.remote);
            true
        });
        assert!(sockets.contains(&end(OTHER, 80)), "{sockets:?}");
    });
}

#[test]
fn much_data_arrives_over_a_bad_wire() {
    let conditions =
        Conditions { loss: 20, reordering: 20, duplication: 10, corruption: 10, ..Conditions::default() };
    let (mut world, left, right) = two(conditions);
    let spawner = world.spawner();
    world.run(async {
        let mut listener = right.listen(80).await.unwrap();
        let sent = pattern(200_000);
        let mut client = left.connect(end(OTHER, 80)).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let expected = sent.clone();
        spawner
            .spawn("sender", async move {
                client.write_all(&sent).await.unwrap();
                client.close().await.unwrap();
            })
            .unwrap();
        let (mut received, mut bytes) = (Vec::new(), [0; 4096]);
        loop {
            match server.read(&mut bytes).await.unwrap() {
                0 => break,
                length => received.extend_from_slice(&bytes[..length]),
            }
        }
        assert!(received == expected);
    });
}

#[test]
fn a_router_gives_an_address_and_the_way_out() {
    let (mut world, net, mut peer) = alone(Config::dhcp());
    let own = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0xff, 0xfe00, 1);
    world.run(async {
        let asked = loop {
            let heard = hear(&mut peer).await;
            if heard.payload[0] == SOLICIT_ROUTER {
                break heard;
            }
        };
        assert_eq!((asked.hops, asked.to), (255, [0x33, 0x33, 0, 0, 0, 2]));
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 0).octets();
        let option =
            [&[3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x07, 0x08, 0, 0, 0, 0][..], &prefix].concat();
        let said = [&[ROUTER_SAYS, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0][..], &option].concat();
        for (hops, source) in [(254, ROUTER), (255, OTHER)] {
            peer.say(&message(source, ALL_NODES, hops, &said));
        }
        settle(&mut peer).await;
        assert_eq!(net.address_at(1), None, "only the link's own router, from the link, is believed");
        peer.say(&message(ROUTER, ALL_NODES, 255, &said));
        net.configured().await;
        assert_eq!(net.address_at(0), Some((IpAddr::V6(own), 64)));
        assert_eq!(net.address_at(1), Some((IpAddr::V6(OWN_LINK), 64)));
        let mut socket = net.udp(0).await.unwrap();
        socket.send_to(b"far away", end("2600::1".parse().unwrap(), 7)).await.unwrap();
        let asked = loop {
            let heard = hear(&mut peer).await;
            if heard.payload[0] == SOLICIT && heard.target() == ROUTER {
                break heard;
            }
        };
        peer.say(&neighborly(ADVERTISE, ROUTER, asked.source, 0xe0, ROUTER));
        let sent = loop {
            let heard = hear(&mut peer).await;
            if heard.protocol == 17 {
                break heard;
            }
        };
        assert_eq!((sent.to, sent.source, &sent.payload[8..]), (CARD, own, &b"far away"[..]));
    });
}

#[test]
fn an_address_is_tried_at_the_start_and_given_up_when_another_host_has_it() {
    for claims in [false, true] {
        let (mut world, net, mut peer) = alone(known());
        world.run(async {
            let tried = hear(&mut peer).await;
            assert_eq!(
                (tried.payload[0], tried.source, tried.payload.len()),
                (SOLICIT, Ipv6Addr::UNSPECIFIED, 24)
            );
            assert_eq!(tried.destination.octets()[..13], [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff]);
            let claim = neighborly(ADVERTISE, OWN, ALL_NODES, 0x20, OWN);
            if claims {
                peer.say(&claim);
            }
            settle(&mut peer).await;
            assert_eq!(net.address_at(1).is_some_and(|(address, _)| address == IpAddr::V6(OWN)), !claims);
            if !claims {
                // It is ours for certain: who comes later is told.
                peer.say(&claim);
                let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
                peer.say(&neighborly(SOLICIT, Ipv6Addr::UNSPECIFIED, group, 0, OWN));
                let told = hear(&mut peer).await;
                assert_eq!((told.payload[0], told.destination, told.target()), (ADVERTISE, ALL_NODES, OWN));
                assert_eq!(told.payload[4] & 0x60, 0x20, "it is no answer, and overrides");
                assert_eq!(net.address_at(1), Some((IpAddr::V6(OWN), 64)));
            }
            assert_eq!(net.counters().address_conflicts.get(), 1);
        });
    }
}

#[test]
fn neighbours_are_answered_and_only_those_who_were_asked_are_believed() {
    let (mut world, net, mut peer) = alone(known());
    let third = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
    world.run(async {
        settle(&mut peer).await;
        peer.say(&neighborly(SOLICIT, OTHER, "ff02::1:ff00:1".parse().unwrap(), 0, OWN));
        let answer = hear(&mut peer).await;
        assert_eq!((answer.to, answer.destination, answer.source, answer.hops), (CARD, OTHER, OWN, 255));
        assert_eq!((answer.payload[0], answer.payload[4], answer.target()), (ADVERTISE, 0x60, OWN));
        assert_eq!(answer.payload[24..], [&[2, 1][..], &STACK].concat());
        let mut socket = net.udp(5).await.unwrap();
        // Whoever has asked is known.
        socket.send_to(b"at once", end(OTHER, 7)).await.unwrap();
        assert_eq!(hear(&mut peer).await.payload[8..], *b"at once");
        peer.say(&neighborly(ADVERTISE, third, OWN, 0xe0, third));
        assert_eq!(peer.hear_within(Duration::from_millis(20)).await, None);
        socket.send_to(b"later", end(third, 7)).await.unwrap();
        let asked = hear(&mut peer).await;
        assert_eq!((asked.payload[0], asked.target(), asked.source), (SOLICIT, third, OWN));
        assert_eq!(asked.payload[24..], [&[1, 1][..], &STACK].concat());
        assert_eq!(net.counters().neighbor_unasked.get(), 1);
        peer.say(&neighborly(ADVERTISE, third, OWN, 0xe0, third));
        assert_eq!(hear(&mut peer).await.payload[8..], *b"later");
        assert_eq!(net.counters().tx_parked.get(), 1);
    });
}

#[test]
fn an_echo_is_answered_and_a_datagram_to_nobody_is_told_of() {
    let (mut world, net, mut peer) = alone(known());
    world.run(async {
        settle(&mut peer).await;
        for data in [&b""[..], b"as it went in", &[7; 1440]] {
            let request = [&[ECHO, 0, 0, 0, 1, 2, 3, 4][..], data].concat();
            peer.say(&message(OTHER, OWN, 9, &request));
            let answer = hear(&mut peer).await;
            assert_eq!((answer.to, answer.source, answer.destination, answer.hops), (CARD, OWN, OTHER, 64));
            assert_eq!((answer.payload[0], &answer.payload[4..]), (REPLY, &request[4..]));
        }
        let question = udp((OTHER, 9), (OWN, 5000), &[1; 1300]);
        peer.say(&question);
        let told = hear(&mut peer).await;
        assert_eq!((told.destination, &told.payload[..2], told.payload.len()), (OTHER, &[1, 4][..], 1240));
        assert_eq!(told.payload[8..], question[14..14 + 1232]);
        assert_eq!(net.counters().icmp_unreachable.get(), 1);
    });
}

#[test]
fn what_cannot_be_or_is_for_others_is_dropped_and_counted() {
    let (mut world, net, mut peer) = alone(known());
    let mapped = |last| Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, last);
    let echo = [ECHO, 0, 0, 0, 1, 2, 3, 4];
    world.run(async {
        settle(&mut peer).await;
        let _listener = net.listen(80).await.unwrap();
        let _socket = net.udp(7).await.unwrap();
        let counters = net.counters();
        for source in [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST, ALL_NODES, OWN, mapped(2)] {
            peer.say(&message(source, OWN, 64, &echo));
            peer.say(&udp((source, 5), (OWN, 7), b"?"));
        }
        peer.say(&udp((OTHER, 5), (mapped(1), 7), b"?"));
        for destination in [ALL_NODES, "ff02::1:ff00:1".parse().unwrap(), OTHER, Ipv6Addr::LOCALHOST] {
            peer.say(&message(OTHER, destination, 64, &echo));
        }
        for protocol in [0, 43, 44, 60, 51] {
            peer.say(&packet(OTHER, OWN, protocol, 64, &[58, 0, 0, 0, 0, 0, 0, 0], 6));
        }
        // Beyond the link nobody is a neighbour.
        let mut far = neighborly(SOLICIT, OTHER, OWN, 0, OWN);
        far[21] = 64;
        peer.say(&far);
        // Without a checksum, and with a wrong one.
        for value in [0, 7] {
            let mut datagram = udp((OTHER, 5), (OWN, 7), b"?");
            (datagram[60], datagram[61]) = (0, value);
            peer.say(&datagram);
        }
        assert_eq!(peer.hear_within(Duration::from_secs(1)).await, None);
        assert_eq!((counters.rx_martian.get(), counters.rx_elsewhere.get()), (11, 4));
        assert_eq!((counters.rx_fragments.get(), counters.rx_extensions.get()), (1, 4));
        assert_eq!((counters.icmp_unheeded.get(), counters.rx_spoilt.get()), (1, 2));
    });
}

/// Its addresses, in their order.
fn addresses(net: &Net) -> Vec<IpAddr> {
    (0..).map_while(|index| net.address_at(index)).map(|(address, _)| address).collect()
}

/// An advertisement of a router with a prefix and a preference in its flags.
fn advertisement(flags: u8) -> Vec<u8> {
    let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 0).octets();
    let option = [&[3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x07, 0x08, 0, 0, 0, 0][..], &prefix].concat();
    let said = [&[ROUTER_SAYS, 0, 0, 0, 64, flags, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0][..], &option].concat();
    message(ROUTER, ALL_NODES, 255, &said)
}

#[test]
fn what_comes_back_of_its_own_frames_is_nobody_elses_claim() {
    let (mut world, net, mut peer) = alone(known());
    world.run(async {
        for _ in 0..2 {
            let own = peer.hear().await.expect("both addresses are tried");
            peer.say(&own);
        }
        settle(&mut peer).await;
        assert_eq!(addresses(&net), [IpAddr::from(LEFT), OWN.into(), OWN_LINK.into()]);
        assert_eq!(net.counters().rx_martian.get(), 2);
    });
}

#[test]
fn what_is_on_trial_takes_no_place_of_anothers() {
    let (mut world, net, mut peer) = alone(known());
    world.run(async {
        let mut socket = net.udp(0).await.unwrap();
        socket.send_to(b"x", end(OTHER, 7)).await.unwrap();
        peer.say(&neighborly(SOLICIT, OTHER, "ff02::1:ff00:1".parse().unwrap(), 0, OWN));
        let (mut asked, mut answered) = (0, 0);
        while let Some(frame) = peer.hear_within(Duration::from_millis(100)).await {
            let Some(heard) = read(&frame) else { continue };
            match heard.payload[0] {
                SOLICIT => {
                    assert_eq!(heard.payload.len(), 24, "without its card");
                    asked += usize::from(!heard.source.is_unspecified());
                }
                ADVERTISE => {
                    assert_eq!(heard.payload[4] & 0x60, 0x40, "an answer that overrides nothing");
                    answered += 1;
                }
                _ => {}
            }
        }
        assert_eq!((asked, answered), (1, 1));
    });
}

#[test]
fn what_waits_is_not_sent_from_an_address_that_was_given_up() {
    let (mut world, net, mut peer) = alone(known());
    world.run(async {
        let mut socket = net.udp(0).await.unwrap();
        socket.send_to(b"parked", end(OTHER, 7)).await.unwrap();
        assert_eq!(hear(&mut peer).await.payload[0], SOLICIT);
        peer.say(&neighborly(ADVERTISE, OWN, ALL_NODES, 0x20, OWN));
        peer.time.sleep(Duration::from_millis(10)).await;
        assert!(!addresses(&net).contains(&OWN.into()));
        peer.say(&neighborly(SOLICIT, OTHER, "ff02::1:ff00:1".parse().unwrap(), 0, OWN_LINK));
        while let Some(frame) = peer.hear_within(Duration::from_secs(1)).await {
            assert!(read(&frame).is_none_or(|heard| heard.protocol != 17));
        }
    });
}

#[test]
fn a_configured_way_out_comes_before_what_routers_say() {
    let gateway: Ipv6Addr = "fe80::1".parse().unwrap();
    let config = Config::dhcp().with_six(Six::Auto).and_then(|config| config.with_gateway_of_six(gateway));
    let (mut world, net, mut peer) = alone(config.expect("both are possible"));
    world.run(async {
        settle(&mut peer).await;
        peer.say(&advertisement(0x08));
        net.configured().await;
        let mut socket = net.udp(0).await.unwrap();
        socket.send_to(b"far away", end("2600::1".parse().unwrap(), 7)).await.unwrap();
        let asked = loop {
            let heard = hear(&mut peer).await;
            if heard.payload[0] == SOLICIT && !heard.source.is_unspecified() {
                break heard;
            }
        };
        assert_eq!(asked.target(), gateway);
    });
}

#[test]
fn a_fixed_address_of_ipv6_alone_is_waited_for_by_nobody() {
    for config in [Config::dhcp(), Config::without_four()] {
        let (mut world, net, peer) = alone(config.with_six(Six::Fixed(OWN, 64)).unwrap());
        let begun = peer.time.now();
        world.run(net.configured());
        assert_eq!(peer.time.now(), begun);
    }
    let (mut world, net, mut peer) = alone(Config::without_four());
    world.run(async {
        settle(&mut peer).await;
        let begun = peer.time.now();
        peer.say(&advertisement(0));
        net.configured().await;
        assert!(peer.time.now().duration_since(begun) < Duration::from_millis(10));
    });
}

#[test]
fn far_hosts_are_sent_what_every_way_carries_and_nothing_from_a_link_local_address() {
    let (mut world, net, mut peer) = alone(Config::without_four());
    let far = end("2600::1".parse().unwrap(), 7);
    world.run(async {
        settle(&mut peer).await;
        let alone =
            message(ROUTER, ALL_NODES, 255, &[ROUTER_SAYS, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        peer.say(&alone);
        peer.time.sleep(Duration::from_millis(10)).await;
        let mut socket = net.udp(0).await.unwrap();
        socket.send_to(b"far away", far).await.unwrap();
        assert_eq!(net.counters().tx_unroutable.get(), 1);
        assert_eq!(net.connect(far).await.err(), Some(unik_net::Error::NotConfigured));
        peer.say(&advertisement(0));
        net.configured().await;
        assert_eq!(socket.send_to(&[0; 1232], far).await, Ok(()));
        assert_eq!(socket.send_to(&[0; 1233], far).await, Err(unik_net::Error::MessageTooLong));
        let near = end("2001:db8:0:7::2".parse().unwrap(), 7);
        assert_eq!(socket.send_to(&[0; 1452], near).await, Ok(()));
    });
}
