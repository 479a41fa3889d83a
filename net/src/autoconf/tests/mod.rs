//! What a host makes of its routers, as conversations in virtual time.

mod addresses;
mod messages;
mod routes;
mod start;

use std::{net::Ipv6Addr, vec, vec::Vec};

use super::{Action, Assigned, Autoconf, Heard, Route};
use unik_sched::time::{Duration, Instant};

const HARDWARE: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2606, 0, 0, 0, 0, 0, 0, 9);

const BOTH: u8 = 0xc0;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;
const HOUR: u32 = 3600;
const FOR_EVER: u32 = u32::MAX;

fn seconds(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn host() -> Autoconf {
    Autoconf::new(HARDWARE)
}

/// One that has asked all it asks at the start.
fn settled() -> Autoconf {
    let mut host = host();
    actions(&mut host, Instant::ZERO);
    host
}

fn actions(host: &mut Autoconf, now: Instant) -> Vec<Action> {
    core::iter::from_fn(|| host.poll(now, &mut || 100)).collect()
}

/// The network 2001:db8:N::/64, and the address of the host in it.
fn network(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0)
}

fn own(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0x5054, 0xff, 0xfe12, 0x3456)
}

fn advertisement(lifetime: u16, flags: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, flags];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend(options.concat());
    message
}

fn prefix(network: Ipv6Addr, length: u8, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let mut option = vec![3, 4, length, flags];
    option.extend(valid.to_be_bytes());
    option.extend(preferred.to_be_bytes());
    option.extend([0; 4]);
    option.extend(network.octets());
    option
}

fn route(network: Ipv6Addr, length: u8, flags: u8, lifetime: u32) -> Vec<u8> {
    let mut option = vec![24, 3, length, flags];
    option.extend(lifetime.to_be_bytes());
    option.extend(network.octets());
    option
}

fn servers(lifetime: u32, numbers: &[u16]) -> Vec<u8> {
    let mut option = vec![25, 1 + 2 * numbers.len() as u8, 0, 0];
    option.extend(lifetime.to_be_bytes());
    numbers.iter().for_each(|number| option.extend(network(*number).octets()));
    option
}

fn mtu(mtu: u32) -> Vec<u8> {
    [vec![5, 1, 0, 0], mtu.to_be_bytes().to_vec()].concat()
}

/// A router says these options, and that it is one for half an hour.
fn say(host: &mut Autoconf, now: Instant, options: &[Vec<u8>]) -> Heard {
    host.receive(now, ROUTER, &advertisement(1800, 0, options)).expect("it is well-formed")
}

fn addresses(host: &Autoconf) -> Vec<Ipv6Addr> {
    host.addresses().map(|own| own.address).collect()
}

fn find(host: &Autoconf, address: Ipv6Addr) -> Option<Assigned> {
    host.addresses().find(|own| own.address == address)
}

/// Who gets a packet for `destination`, by the routes that are told.
fn hop(host: &Autoconf, destination: Ipv6Addr) -> Option<Ipv6Addr> {
    let leads = |route: &Route| {
        let differs = destination.to_bits() ^ route.network.to_bits();
        differs.leading_zeros() >= u32::from(route.prefix)
    };
    let best = host.routes().filter(leads).max_by_key(|route| (route.prefix, route.preference))?;
    Some(best.router.unwrap_or(destination))
}

/// When an address leaves, if nobody says anything more.
fn end(host: &mut Autoconf, address: Ipv6Addr) -> Option<Instant> {
    for _ in 0..100 {
        let due = host.due()?;
        actions(host, due);
        if find(host, address).is_none() {
            return Some(due);
        }
    }
    None
}

const CHANGED: Heard = Heard { changed: true, left_out: 0 };
const SAME: Heard = Heard { changed: false, left_out: 0 };
