//! DHCP against a little server that says what each test wants said.

use std::{cell::RefCell, net::Ipv4Addr, rc::Rc};

use smoltcp::wire::{ArpOperation, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};
use unik_net::{
    Config, Error, Net,
    resolver::{Resolver, Settings},
    wire::numbers,
};
use unik_sched::time::{Duration, Instant};

use crate::{
    frames::{PEER, Peer, STACK, arp, read_arp, read_udp, udp},
    world::{RIGHT, World, at},
};

const LEASED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 33);

/// How the server behaves; tests change it while it runs.
#[derive(Clone, Copy)]
struct Manners {
    answers: bool,
    refuses: bool,
    lease_seconds: u32,
    address: Ipv4Addr,
    mask: Ipv4Addr,
    /// Where the answers come from.
    server: Ipv4Addr,
    /// How far they miss the number of the question.
    off: u32,
    /// The longest packet, by what they say.
    mtu: u16,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            answers: true,
            refuses: false,
            lease_seconds: 600,
            address: LEASED,
            mask: Ipv4Addr::new(255, 255, 255, 0),
            server: RIGHT,
            off: 0,
            mtu: 1500,
        }
    }
}

/// The messages that the server got, with their times.
type Log = Rc<RefCell<Vec<(Instant, DhcpMessageType)>>>;

fn answer(request: &DhcpRepr<'_>, manners: Manners) -> Option<Vec<u8>> {
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request if manners.refuses => DhcpMessageType::Nak,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        _ => return None,
    };
    let repr = DhcpRepr {
        message_type,
        transaction_id: request.transaction_id.wrapping_add(manners.off),
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: manners.address,
        server_ip: RIGHT,
        router: Some(RIGHT),
        subnet_mask: Some(manners.mask),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(RIGHT),
        parameter_request_list: None,
        dns_servers: Some([RIGHT, LEASED].into_iter().collect()),
        max_size: None,
        lease_duration: Some(manners.lease_seconds),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[DhcpOption { kind: 26, data: &manners.mtu.to_be_bytes() }],
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).expect("there is room");
    Some(udp((manners.server, 67), (Ipv4Addr::BROADCAST, 68), &bytes))
}

async fn serve(mut peer: Peer, manners: Rc<RefCell<Manners>>, log: Log) {
    loop {
        let Some(frame) = peer.hear().await else { continue };
        if let Some((ArpOperation::Request, asker, RIGHT)) = read_arp(&frame) {
            peer.say(&arp(ArpOperation::Reply, (RIGHT, PEER), (asker, STACK), STACK));
        }
        let Some((68, 67, data)) = read_udp(&frame) else { continue };
        let packet = DhcpPacket::new_checked(&data[..]).expect("the client writes well");
        let request = DhcpRepr::parse(&packet).expect("the client writes well");
        assert_eq!(request.client_hardware_address, EthernetAddress(STACK));
        log.borrow_mut().push((peer.time.now(), request.message_type));
        let manners = *manners.borrow();
        if manners.answers
            && let Some(frame) = answer(&request, manners)
        {
            peer.say(&frame);
        }
    }
}

fn client_and_server(manners: Manners) -> (World, Net, Rc<RefCell<Manners>>, Log) {
    let mut world = World::new(Default::default(), 1);
    let end = world.left.take().unwrap();
    let net = world.stack("net0", end, Config::dhcp(), 1);
    let peer = Peer { end: world.right.take().unwrap(), time: world.time.clone() };
    let (manners, log) = (Rc::new(RefCell::new(manners)), Log::default());
    world.spawn("server", serve(peer, manners.clone(), log.clone()));
    (world, net, manners, log)
}

#[test]
fn a_lease_configures_address_and_gateway() {
    let (mut world, net, _manners, log) = client_and_server(Manners::default());
    assert_eq!(net.address(), None);
    world.run(net.configured());
    assert_eq!(net.address(), Some((LEASED, 24)));
    assert_eq!(net.gateway(), Some(RIGHT));
    assert!(world.time.now() < Instant::from_millis(10), "a lease takes two round trips, not a timeout");
    assert_eq!(log.borrow().len(), 2);
    world.run(net.configured());
}

#[test]
fn a_lease_tells_the_servers_of_names_and_how_long_packets_may_be() {
    let (mut world, net, _manners, _log) = client_and_server(Manners { mtu: 1400, ..Manners::default() });
    world.run(async {
        let mut socket = net.udp(5).await.unwrap();
        assert_eq!(socket.datagram_limit(), 1472);
        net.configured().await;
        assert_eq!(socket.datagram_limit(), 1372);
        assert_eq!(socket.send_to(&[0; 1373], at(RIGHT, 7)).await, Err(Error::MessageTooLong));
    });
    let servers = [0, 1, 2].map(|index| net.name_server_at(index));
    assert_eq!(servers, [Some(RIGHT.into()), Some(LEASED.into()), None]);
}

#[test]
fn the_name_servers_of_a_lease_are_those_that_a_resolver_asks() {
    let (mut world, net, _manners, _log) = client_and_server(Manners::default());
    let resolver = Resolver::new(net.clone(), Settings::new(), numbers(3));
    assert_eq!(resolver.servers(), [None; 3]);
    world.run(net.configured());
    assert_eq!(resolver.servers(), [Some(at(RIGHT, 53)), Some(at(LEASED, 53)), None]);
}

#[test]
fn a_server_that_comes_late_is_found() {
    let (mut world, net, manners, _log) = client_and_server(Manners { answers: false, ..Manners::default() });
    let time = world.time.clone();
    world.spawn("late", async move {
        time.sleep(Duration::from_secs(60)).await;
        manners.borrow_mut().answers = true;
    });
    world.run(net.configured());
    assert!(world.time.now() < Instant::from_millis(70_000));
}

#[test]
fn a_lease_is_renewed_at_half_its_time_without_being_lost() {
    let (mut world, net, _manners, log) = client_and_server(Manners::default());
    world.run(net.configured());
    world.run(world.time.clone().sleep(Duration::from_secs(3600)));
    assert_eq!(net.address(), Some((LEASED, 24)));
    assert_eq!((net.counters().dhcp_leases.get(), net.counters().dhcp_lost.get()), (1, 0));
    let log = log.borrow();
    assert!((12..=14).contains(&log.len()), "{} messages in an hour of leases of ten minutes", log.len());
    assert!(log[2].0 >= Instant::from_millis(299_000) && log[2].0 <= Instant::from_millis(301_000));
}

#[test]
fn a_lease_that_is_not_renewed_is_lost_and_a_new_one_taken() {
    let (mut world, net, manners, _log) = client_and_server(Manners::default());
    let time = world.time.clone();
    world.run(async {
        net.configured().await;
        manners.borrow_mut().answers = false;
        time.sleep(Duration::from_secs(590)).await;
        assert_eq!(net.address(), Some((LEASED, 24)));
        time.sleep(Duration::from_secs(20)).await;
        assert_eq!((net.address(), net.gateway()), (None, None));
        let mut socket = net.udp(0).await.unwrap();
        assert_eq!(socket.send_to(b"into the void", at(RIGHT, 7)).await, Ok(()));
        assert_eq!(net.counters().tx_unroutable.get(), 1);
        manners.borrow_mut().answers = true;
        net.configured().await;
        assert_eq!(net.address(), Some((LEASED, 24)));
    });
    assert_eq!((net.counters().dhcp_leases.get(), net.counters().dhcp_lost.get()), (2, 1));
}

#[test]
fn a_refusal_gives_the_address_up_and_asks_again() {
    let (mut world, net, manners, _log) = client_and_server(Manners::default());
    let time = world.time.clone();
    world.run(async {
        net.configured().await;
        manners.borrow_mut().refuses = true;
        time.sleep(Duration::from_secs(305)).await;
        assert_eq!(net.address(), None);
        *manners.borrow_mut() = Manners { address: Ipv4Addr::new(10, 0, 0, 34), ..Manners::default() };
        net.configured().await;
        assert_eq!(net.address(), Some((Ipv4Addr::new(10, 0, 0, 34), 24)));
    });
}

#[test]
fn addresses_that_no_host_can_have_are_not_taken() {
    for (address, mask) in [
        (Ipv4Addr::LOCALHOST, Ipv4Addr::new(255, 0, 0, 0)),
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(255, 0, 0, 0)),
        (Ipv4Addr::BROADCAST, Ipv4Addr::new(255, 0, 0, 0)),
        (Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(255, 0, 0, 0)),
        (LEASED, Ipv4Addr::new(255, 0, 255, 0)),
    ] {
        let (mut world, net, _manners, _log) =
            client_and_server(Manners { address, mask, ..Manners::default() });
        let time = world.time.clone();
        world.run(async {
            assert!(time.timeout(Duration::from_secs(100), net.configured()).await.is_err());
        });
        assert_eq!(net.address(), None);
    }
}

#[test]
fn answers_to_somebody_elses_question_are_dropped_and_counted() {
    let (mut world, net, manners, log) = client_and_server(Manners { off: 1, ..Manners::default() });
    let time = world.time.clone();
    world.run(async {
        assert!(time.timeout(Duration::from_secs(100), net.configured()).await.is_err());
        let asked = log.borrow().len() as u64;
        assert!(asked > 2);
        assert_eq!(net.counters().dhcp_unasked.get(), asked);
        manners.borrow_mut().off = 0;
        net.configured().await;
        assert_eq!(net.counters().dhcp_unasked.get(), asked);
    });
}

#[test]
fn a_server_without_an_address_leases_none() {
    for server in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST] {
        let (mut world, net, manners, log) = client_and_server(Manners { server, ..Manners::default() });
        let time = world.time.clone();
        world.run(async {
            assert!(time.timeout(Duration::from_secs(1000), net.configured()).await.is_err());
            assert_eq!(net.counters().rx_martian.get(), log.borrow().len() as u64);
            manners.borrow_mut().server = RIGHT;
            net.configured().await;
            // The lease is renewed at an address.
            time.sleep(Duration::from_secs(3600)).await;
        });
        assert_eq!(net.counters().dhcp_leases.get(), 1);
    }
}
