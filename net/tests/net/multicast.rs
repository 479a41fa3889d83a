//! Groups: two stacks that talk in one, and one stack that tells a hand-made peer of those that it has joined.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
};

use unik_net::{
    Config, Error, Frame, Net, Nic, Six, UdpSocket,
    wire::{Conditions, End},
};
use unik_sched::{
    counter::CounterSet,
    sync::Event,
    time::{Duration, Instant},
};
use unik_virtio::Buffer;

use crate::{
    frames::{PEER, Peer, STACK},
    world::{LEFT, RIGHT, World, fixed, pattern},
};

const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// The address that the stack has for its link, and that of a router there.
const OWN_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

/// The groups of most tests, all hosts, and all routers.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 129, 2, 3);
const GROUP_OF_SIX: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0x0102, 0x0304);
const ALL: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_OF_SIX: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ROUTERS_OF_SIX: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Messages.
const QUERY: u8 = 0x11;
const REPORT: u8 = 0x16;
const LEAVE: u8 = 0x17;
const QUERY_OF_SIX: u8 = 130;
const REPORT_OF_SIX: u8 = 131;
const DONE: u8 = 132;

/// Where the parts of a packet with a message are in its frame.
const OPTION: usize = 34;
const MESSAGE: usize = 38;
const EXTENSION: usize = 54;
const MESSAGE_OF_SIX: usize = 62;

const SECOND: Duration = Duration::from_secs(1);

fn config(address: Ipv4Addr, six: Ipv6Addr) -> Config {
    let config = fixed(address).with_six(Six::Fixed(six, 64)).expect("it is a host's");
    // With a router that it knows, it does not ask for others.
    config.with_gateway_of_six(ROUTER).expect("it is a host's")
}

fn two() -> (World, Net, Net) {
    let mut world = World::new(Conditions::default(), 1);
    let (left, right) = (world.left.take().unwrap(), world.right.take().unwrap());
    let left = world.stack("left", left, config(LEFT, OWN), 1);
    let right = world.stack("right", right, config(RIGHT, OTHER), 2);
    (world, left, right)
}

/// A stack whose addresses are its own by now, and a peer.
fn alone() -> (World, Net, Peer) {
    let mut world = World::new(Conditions::default(), 1);
    let card = world.left.take().unwrap();
    let net = world.stack("left", card, config(LEFT, OWN), 1);
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    world.run(async { while peer.hear_within(2 * SECOND).await.is_some() {} });
    (world, net, peer)
}

/// The sum of RFC 1071 with its complement: a checksum, or zero over what has a right one.
fn sum(bytes: &[u8]) -> [u8; 2] {
    let number = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(number).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// The Ethernet header of a frame to a group.
fn ethernet(from: [u8; 6], group: IpAddr) -> Vec<u8> {
    let (to, kind) = match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            ([1, 0, 0x5e, b & 0x7f, c, d], [8, 0])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            ([0x33, 0x33, a, b, c, d], [0x86, 0xdd])
        }
    };
    [&to[..], &from, &kind].concat()
}

/// A packet of IPv4 with options, to a group, in its frame.
fn packet(
    from: [u8; 6],
    ends: (Ipv4Addr, Ipv4Addr),
    head: [u8; 2],
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let (source, destination) = ends;
    let first = 0x45 + (options.len() / 4) as u8;
    let length = (20 + options.len() + payload.len()) as u8;
    let mut header = [
        &[first, 0, 0, length, 0, 0, 0x40, 0, head[0], head[1], 0, 0][..],
        &source.octets(),
        &destination.octets(),
        options,
    ]
    .concat();
    let checksum = sum(&header);
    header[10..12].copy_from_slice(&checksum);
    [ethernet(from, destination.into()), header, payload.to_vec()].concat()
}

/// A message of IGMPv2 (RFC 2236, 2), byte for byte.
fn igmp(from: [u8; 6], source: Ipv4Addr, to: Ipv4Addr, kind: u8, tenths: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut message = [&[kind, tenths, 0, 0][..], &group.octets()].concat();
    let checksum = sum(&message);
    message[2..4].copy_from_slice(&checksum);
    packet(from, (source, to), [1, 2], &[0x94, 4, 0, 0], &message)
}

/// A message of MLDv1 (RFC 2710, 3), byte for byte.
fn mld(from: [u8; 6], source: Ipv6Addr, to: Ipv6Addr, kind: u8, millis: u16, group: Ipv6Addr) -> Vec<u8> {
    let [high, low] = millis.to_be_bytes();
    let mut message = [&[kind, 0, 0, 0, high, low, 0, 0][..], &group.octets()].concat();
    let checksum = sum(&[&source.octets()[..], &to.octets(), &[0, 0, 0, 24, 0, 0, 0, 58], &message].concat());
    message[2..4].copy_from_slice(&checksum);
    let header = [&[0x60, 0, 0, 0, 0, 32, 0, 1][..], &source.octets(), &to.octets()].concat();
    [ethernet(from, to.into()), header, vec![58, 0, 5, 2, 0, 0, 1, 0], message].concat()
}

/// What the stack says of a group.
fn report(group: IpAddr) -> Vec<u8> {
    match group {
        IpAddr::V4(group) => igmp(STACK, LEFT, group, REPORT, 0, group),
        IpAddr::V6(group) => mld(STACK, OWN_LINK, group, REPORT_OF_SIX, 0, group),
    }
}

fn farewell(group: IpAddr) -> Vec<u8> {
    match group {
        IpAddr::V4(group) => igmp(STACK, LEFT, ROUTERS, LEAVE, 0, group),
        IpAddr::V6(group) => mld(STACK, OWN_LINK, ROUTERS_OF_SIX, DONE, 0, group),
    }
}

/// What another host says of a group.
fn other_report(group: IpAddr) -> Vec<u8> {
    match group {
        IpAddr::V4(group) => igmp(PEER, RIGHT, group, REPORT, 0, group),
        IpAddr::V6(group) => mld(PEER, ROUTER, group, REPORT_OF_SIX, 0, group),
    }
}

/// A router's question for the members of a group, or of all groups of the version, within some tenths of a second.
fn question(all: IpAddr, group: Option<IpAddr>, tenths: u8) -> Vec<u8> {
    match (all, group) {
        (IpAddr::V4(all), None) => igmp(PEER, RIGHT, all, QUERY, tenths, Ipv4Addr::UNSPECIFIED),
        (IpAddr::V6(all), None) => {
            mld(PEER, ROUTER, all, QUERY_OF_SIX, u16::from(tenths) * 100, Ipv6Addr::UNSPECIFIED)
        }
        (_, Some(IpAddr::V4(group))) => igmp(PEER, RIGHT, group, QUERY, tenths, group),
        (_, Some(IpAddr::V6(group))) => {
            mld(PEER, ROUTER, group, QUERY_OF_SIX, u16::from(tenths) * 100, group)
        }
    }
}

/// A datagram of the peer to a group.
fn datagram(source: IpAddr, group: IpAddr, port: u16, data: &[u8]) -> Vec<u8> {
    let length = (8 + data.len()) as u8;
    let [high, low] = port.to_be_bytes();
    let mut udp = [&[0, 9, high, low, 0, length, 0, 0][..], data].concat();
    match (source, group) {
        (IpAddr::V4(source), IpAddr::V4(group)) => packet(PEER, (source, group), [1, 17], &[], &udp),
        (IpAddr::V6(source), IpAddr::V6(group)) => {
            let ends = [source.octets(), group.octets()].concat();
            let checksum = sum(&[&ends[..], &[0, 0, 0, length, 0, 0, 0, 17], &udp].concat());
            udp[6..8].copy_from_slice(&checksum);
            [ethernet(PEER, group.into()), vec![0x60, 0, 0, 0, 0, length, 17, 1], ends, udp].concat()
        }
        _ => panic!("both are of one version"),
    }
}

/// Both versions: a group, all hosts, and who else is on the link.
fn versions() -> [(IpAddr, IpAddr, IpAddr); 2] {
    [(GROUP.into(), ALL.into(), RIGHT.into()), (GROUP_OF_SIX.into(), ALL_OF_SIX.into(), OTHER.into())]
}

/// Joins, and hears both reports; when the stack has no more to say of its own.
async fn joined(peer: &mut Peer, socket: &mut UdpSocket, group: IpAddr) -> Instant {
    socket.join(group).unwrap();
    for _ in 0..2 {
        assert_eq!(peer.hear_within(10 * SECOND).await, Some(report(group)));
    }
    peer.time.sleep(2 * SECOND).await;
    peer.time.now()
}

async fn silence(peer: &mut Peer, how_long: Duration) {
    assert_eq!(peer.hear_within(how_long).await, None);
}

#[test]
fn two_stacks_talk_in_a_group_of_either_version() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    world.run(async {
        for (group, ..) in versions() {
            let (mut one, mut other) = (left.udp(5000).await.unwrap(), right.udp(5000).await.unwrap());
            let mut beside = right.udp(5001).await.unwrap();
            one.join(group).unwrap();
            other.join(group).unwrap();
            let mut bytes = [0; 1500];
            for length in [0, 1, 700, 1452] {
                let sent = pattern(length);
                one.send_to(&sent, SocketAddr::new(group, 5000)).await.unwrap();
                let (received, from) = other.receive_from(&mut bytes).await.unwrap();
                assert_eq!((received, from.port()), (length, 5000));
                assert_eq!(bytes[..length], sent);
                other.send_to(&sent, SocketAddr::new(group, 5000)).await.unwrap();
                assert_eq!(one.receive_from(&mut bytes).await.unwrap().0, length);
            }
            // A socket that has not joined hears nothing, and neither does one that has left.
            other.leave(group).unwrap();
            one.send_to(b"who?", SocketAddr::new(group, 5000)).await.unwrap();
            one.send_to(b"who?", SocketAddr::new(group, 5001)).await.unwrap();
            assert!(time.timeout(SECOND, other.receive_from(&mut bytes)).await.is_err());
            assert!(time.timeout(SECOND, beside.receive_from(&mut bytes)).await.is_err());
        }
    });
    assert_eq!(right.counters().icmp_unreachable.get(), 0);
}

#[test]
fn what_is_sent_to_a_group_stays_on_the_link() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (group, ..) in versions() {
            socket.send_to(b"near", SocketAddr::new(group, 9)).await.unwrap();
            let frame = peer.hear().await.unwrap();
            let limit = if group.is_ipv4() { frame[22] } else { frame[21] };
            assert_eq!((limit, &frame[..14]), (1, &ethernet(STACK, group)[..]));
        }
    });
}

#[test]
fn a_group_is_reported_twice_and_left_with_its_last_socket() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        for (group, ..) in versions() {
            let (mut one, mut other) = (net.udp(1).await.unwrap(), net.udp(2).await.unwrap());
            let begin = peer.time.now();
            one.join(group).unwrap();
            assert_eq!(peer.hear().await, Some(report(group)));
            assert!(peer.time.now().duration_since(begin) < SECOND / 10, "the first one is said at once");
            assert_eq!(peer.hear_within(10 * SECOND).await, Some(report(group)));
            assert!(peer.time.now().duration_since(begin) >= SECOND);
            other.join(group).unwrap();
            other.join(group).unwrap();
            one.leave(group).unwrap();
            assert_eq!(one.leave(group), Err(Error::InvalidAddress));
            silence(&mut peer, 30 * SECOND).await;
            drop(other);
            assert_eq!(peer.hear().await, Some(farewell(group)));
            drop(one);
            silence(&mut peer, 30 * SECOND).await;
        }
    });
}

#[test]
fn a_query_is_answered_in_time_unless_another_host_does() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (group, all, _) in versions() {
            joined(&mut peer, &mut socket, group).await;
            let mut waits = Vec::new();
            for asked in [None, Some(group), None, Some(group)] {
                let begin = peer.time.now();
                peer.say(&question(all, asked, 50));
                assert_eq!(peer.hear_within(6 * SECOND).await, Some(report(group)));
                let wait = peer.time.now().duration_since(begin);
                assert!(wait <= 5 * SECOND + SECOND / 100, "{wait:?}");
                waits.push(wait);
                silence(&mut peer, 12 * SECOND).await;
            }
            waits.dedup();
            assert_eq!(waits.len(), 4, "the moment is drawn by lot: {waits:?}");
            peer.say(&question(all, None, 50));
            peer.say(&other_report(group));
            silence(&mut peer, 12 * SECOND).await;
            // Others are not answered for.
            let foreign = if group.is_ipv4() {
                IpAddr::from([239, 1, 1, 1])
            } else {
                Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 9).into()
            };
            peer.say(&question(all, Some(foreign), 1));
            silence(&mut peer, 12 * SECOND).await;
            socket.leave(group).unwrap();
            assert_eq!(peer.hear().await, Some(farewell(group)));
            peer.say(&question(all, None, 1));
            silence(&mut peer, 12 * SECOND).await;
        }
    });
}

#[test]
fn a_report_of_another_host_spares_the_second_one() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (group, ..) in versions() {
            socket.join(group).unwrap();
            assert_eq!(peer.hear().await, Some(report(group)));
            peer.say(&other_report(group));
            silence(&mut peer, 30 * SECOND).await;
        }
    });
}

#[test]
fn storms_of_queries_are_answered_once_a_second() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (group, all, _) in versions() {
            let mut now = joined(&mut peer, &mut socket, group).await;
            let (end, mut answers) = (now + 10 * SECOND, 0);
            while now < end {
                for tenths in [0, 1, 2, 255] {
                    peer.say(&question(all, None, tenths));
                    peer.say(&question(all, Some(group), tenths));
                }
                while let Some(frame) = peer.hear_within(Duration::from_millis(5)).await {
                    assert_eq!(frame, report(group));
                    answers += 1;
                }
                now = peer.time.now();
            }
            assert!((9..=11).contains(&answers), "{answers} answers in ten seconds");
            socket.leave(group).unwrap();
            while peer.hear_within(SECOND).await.is_some() {}
        }
    });
}

/// The message with one byte of the frame changed and its own checksum right again, but for the header's.
fn with(mut frame: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    frame[at] = value;
    if frame[12] == 8 {
        frame[24..26].copy_from_slice(&[0; 2]);
        let checksum = sum(&frame[14..MESSAGE]);
        frame[24..26].copy_from_slice(&checksum);
    }
    frame
}

#[test]
fn queries_that_are_forged_or_cut_are_not_heard() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (group, all, _) in versions() {
            joined(&mut peer, &mut socket, group).await;
            let good = question(all, None, 1);
            let is_four = group.is_ipv4();
            // The hop limit, the option, the message itself, and the card that it is for.
            let places = if is_four {
                [22, OPTION, OPTION + 1, MESSAGE, MESSAGE + 1, MESSAGE + 7, 5]
            } else {
                [21, EXTENSION, EXTENSION + 2, MESSAGE_OF_SIX, MESSAGE_OF_SIX + 5, MESSAGE_OF_SIX + 23, 5]
            };
            for at in places {
                peer.say(&with(good.clone(), at, good[at] ^ 2));
            }
            for end in 0..good.len() {
                peer.say(&good[..end]);
                peer.time.sleep(Duration::from_millis(1)).await;
            }
            // From somebody who is not on the link, or is nobody; to one group for another one; to all for one.
            if let (IpAddr::V4(group), IpAddr::V4(all)) = (group, all) {
                peer.say(&igmp(PEER, Ipv4Addr::LOCALHOST, all, QUERY, 1, Ipv4Addr::UNSPECIFIED));
                peer.say(&igmp(PEER, RIGHT, group, QUERY, 1, Ipv4Addr::UNSPECIFIED));
                peer.say(&igmp(PEER, RIGHT, all, QUERY, 1, group));
            } else if let (IpAddr::V6(group), IpAddr::V6(all)) = (group, all) {
                for source in [OTHER, Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST, OWN_LINK] {
                    peer.say(&mld(PEER, source, all, QUERY_OF_SIX, 100, Ipv6Addr::UNSPECIFIED));
                }
                peer.say(&mld(PEER, ROUTER, group, QUERY_OF_SIX, 100, Ipv6Addr::UNSPECIFIED));
                peer.say(&mld(PEER, ROUTER, all, QUERY_OF_SIX, 100, group));
            }
            silence(&mut peer, 5 * SECOND).await;
            peer.say(&good);
            assert_eq!(peer.hear().await, Some(report(group)), "and the good one is");
        }
        // A switch that has no address asks as well (RFC 4541, 2.1.1).
        silence(&mut peer, 2 * SECOND).await;
        peer.say(&igmp(PEER, Ipv4Addr::UNSPECIFIED, ALL, QUERY, 1, Ipv4Addr::UNSPECIFIED));
        assert_eq!(peer.hear().await, Some(report(GROUP.into())));
    });
}

#[test]
fn datagrams_to_groups_reach_the_sockets_that_have_joined_and_nobody_else() {
    let (mut world, net, mut peer) = alone();
    let counters = net.counters();
    world.run(async {
        let (mut member, mut other) = (net.udp(5000).await.unwrap(), net.udp(5001).await.unwrap());
        for (group, all, source) in versions() {
            let before = counters.rx_elsewhere.get();
            let good = datagram(source, group, 5000, b"one");
            // Before anybody has joined; the query with its datagram.
            peer.say(&good);
            peer.say(&question(all, None, 0));
            silence(&mut peer, SECOND).await;
            joined(&mut peer, &mut member, group).await;
            let nobody = IpAddr::from([0, 0, 0, 0]);
            if group.is_ipv4() {
                peer.say(&datagram(nobody, group, 5000, b"nobody"));
                peer.say(&with(good.clone(), 20, 0x20));
            }
            let mut near = good.clone();
            near[5] ^= 1;
            peer.say(&near);
            near[..6].copy_from_slice(&STACK);
            peer.say(&near);
            near[..6].copy_from_slice(&[0xff; 6]);
            peer.say(&near);
            peer.say(&datagram(source, all, 5000, b"all"));
            peer.say(&datagram(source, group, 5001, b"beside"));
            peer.say(&datagram(source, group, 5002, b"no port"));
            for end in 0..good.len() {
                peer.say(&good[..end]);
                peer.time.sleep(Duration::from_millis(1)).await;
            }
            silence(&mut peer, SECOND).await;
            peer.say(&good);
            let mut bytes = [0; 100];
            let received = member.receive_from(&mut bytes).await.unwrap();
            assert_eq!((received, &bytes[..3]), ((3, SocketAddr::new(source, 9)), &b"one"[..]));
            assert!(peer.time.timeout(SECOND, member.receive_from(&mut bytes)).await.is_err());
            assert!(peer.time.timeout(SECOND, other.receive_from(&mut bytes)).await.is_err());
            assert!(counters.rx_elsewhere.get() >= before + 7);
        }
    });
}

#[test]
fn all_hosts_are_a_group_that_is_joined_without_a_word() {
    let (mut world, net, mut peer) = alone();
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        for (_, all, source) in versions() {
            socket.join(all).unwrap();
            peer.say(&question(all, None, 1));
            peer.say(&datagram(source, all, 5000, b"to all"));
            assert_eq!(socket.receive_from(&mut [0; 100]).await.unwrap(), (6, SocketAddr::new(source, 9)));
            socket.leave(all).unwrap();
            silence(&mut peer, 12 * SECOND).await;
        }
    });
}

#[test]
fn what_is_no_group_is_not_joined_and_groups_are_few() {
    let mut world = World::new(Conditions::default(), 1);
    let net = world.left();
    world.run(async {
        let (mut one, mut other) = (net.udp(1).await.unwrap(), net.udp(2).await.unwrap());
        for text in
            ["10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "fe80::1", "ff00::1", "ff01::1", "ff11::5"]
        {
            assert_eq!(one.join(text.parse().unwrap()), Err(Error::InvalidAddress), "{text}");
        }
        assert_eq!(one.join(GROUP_OF_SIX.into()), Err(Error::NotConfigured));
        for last in 0..8 {
            one.join([239, 0, 0, last].into()).unwrap();
        }
        assert_eq!(other.join([239, 0, 0, 8].into()), Err(Error::TooManySockets));
        assert_eq!(other.leave([239, 0, 0, 8].into()), Err(Error::InvalidAddress));
        other.join([239, 0, 0, 7].into()).unwrap();
        drop(one);
        for last in 8..15 {
            other.join([239, 0, 0, last].into()).unwrap();
        }
        assert_eq!(other.join([239, 0, 0, 99].into()), Err(Error::TooManySockets));
    });
}

/// A card whose cable can be pulled.
struct Pulled {
    end: End,
    is_up: Rc<Cell<bool>>,
}

impl Nic for Pulled {
    fn hardware_address(&self) -> [u8; 6] {
        self.end.hardware_address()
    }

    fn mtu(&self) -> usize {
        self.end.mtu()
    }

    fn is_link_up(&self) -> bool {
        self.is_up.get()
    }

    fn receive(&mut self) -> Option<Frame> {
        self.end.receive()
    }

    fn allocate(&mut self, length: usize) -> Option<Buffer> {
        self.end.allocate(length)
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        self.end.transmit(frame)
    }

    fn flush(&mut self) {
        self.end.flush();
    }

    fn arm(&mut self) -> bool {
        self.end.arm()
    }

    fn disarm(&mut self) {
        self.end.disarm();
    }

    fn event(&self) -> Event {
        self.end.event()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.end.counters()
    }
}

#[test]
fn groups_are_reported_anew_when_the_link_comes_back() {
    let mut world = World::new(Conditions::default(), 1);
    let is_up = Rc::new(Cell::new(true));
    let card = Pulled { end: world.left.take().unwrap(), is_up: is_up.clone() };
    let event = card.event();
    let net = world.stack("left", card, fixed(LEFT), 1);
    let mut peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let group = IpAddr::from(GROUP);
    world.run(async {
        let mut socket = net.udp(5000).await.unwrap();
        joined(&mut peer, &mut socket, group).await;
        for up in [false, true] {
            silence(&mut peer, 12 * SECOND).await;
            is_up.set(up);
            event.set();
        }
        for _ in 0..2 {
            assert_eq!(peer.hear_within(10 * SECOND).await, Some(report(group)));
        }
        silence(&mut peer, 12 * SECOND).await;
    });
}
