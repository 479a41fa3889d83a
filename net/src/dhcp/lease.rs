//! What a server grants, as far as a host can believe and use it.

use core::net::Ipv4Addr;

use unik_sched::time::{Duration, Instant};

use super::packet::{
    LEASE_TIME, MASK, MTU, NAME_SERVERS, REBINDING_TIME, RENEWAL_TIME, ROUTERS, ROUTES, Reply,
};
use crate::config::is_host;

/// Routes of a lease, beside the one to the gateway.
pub const ROUTE_LIMIT: usize = 4;
/// Servers of names of a lease.
pub const NAME_SERVER_LIMIT: usize = 3;

/// The shortest lease that is taken, in seconds: shorter ones would be asked for again and again and hardly be used.
pub const LEASE_LEAST: u32 = 10;
/// The length of a lease of which the server does not say how long it lasts, although it must (RFC 2131, table 3).
const LEASE_USUAL: u32 = 3600;
/// The length of a lease without an end (RFC 2131, 3.3).
const INFINITE: u32 = u32::MAX;
/// The packet that every host takes (RFC 791, 3.2): no smaller limit is believed.
const MTU_LEAST: u16 = 576;

/// What a server has granted to this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address of this host.
    pub address: Ipv4Addr,
    /// Bits of the prefix of its network, 1 to 32.
    pub prefix: u8,
    /// Whom packets go to that no other route is for. It is on the wire even where the prefix does not say so.
    pub gateway: Option<Ipv4Addr>,
    /// Other routes (RFC 3442).
    pub routes: [Option<Route>; ROUTE_LIMIT],
    /// Servers of names, the preferred one first.
    pub name_servers: [Option<Ipv4Addr>; NAME_SERVER_LIMIT],
    /// The largest IP packet on this wire in bytes, at least 576.
    pub mtu: Option<u16>,
    /// The server by its identifier.
    pub server: Ipv4Addr,
    /// How many routes and servers of names found no room here.
    pub left_out: u16,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads to: the first address of a network.
    pub destination: Ipv4Addr,
    /// Bits of the prefix of that network, 0 to 32.
    pub prefix: u8,
    /// Through whom; `None` where the network is on the wire.
    pub via: Option<Ipv4Addr>,
}

/// When a lease is looked after (RFC 2131, 4.4.5); [`Instant::MAX`] where it has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When its server is asked to renew it (T1).
    pub renew: Instant,
    /// When any server is asked (T2).
    pub rebind: Instant,
    /// When it is over.
    pub expire: Instant,
}

/// The name that a host tells servers: letters, digits, hyphens and dots (RFC 1123, 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hostname {
    bytes: [u8; Self::LIMIT],
    length: u8,
}

impl Hostname {
    /// The longest name in bytes: that of a label (RFC 1035, 2.3.4).
    pub const LIMIT: usize = 63;

    /// Reads a name.
    ///
    /// ```
    /// use unik_net::dhcp::Hostname;
    ///
    /// assert_eq!(Hostname::parse("dns-1").unwrap().as_bytes(), b"dns-1");
    /// assert_eq!(Hostname::parse("two words"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        if text.is_empty() || !text.bytes().all(is_good) {
            return None;
        }
        let mut name = Hostname { bytes: [0; Self::LIMIT], length: text.len() as u8 };
        name.bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(name)
    }

    /// Its bytes, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

impl Times {
    /// Reads the times of a lease that was asked for at `asked`. What a server says of the first two is taken only where it
    /// makes sense; otherwise they are a half and seven eighths of the whole (RFC 2131, 4.4.5). `None` where the lease is
    /// too short.
    pub(super) fn read(reply: &Reply<'_>, asked: Instant) -> Option<Self> {
        let lease = if reply.option(LEASE_TIME).is_empty() { LEASE_USUAL } else { reply.number(LEASE_TIME) };
        if lease < LEASE_LEAST {
            return None;
        }
        let (mut renew, mut rebind) = (reply.number(RENEWAL_TIME), reply.number(REBINDING_TIME));
        if rebind == 0 || rebind >= lease {
            rebind = lease - lease / 8;
        }
        if renew == 0 || renew >= rebind {
            renew = rebind.min(lease / 2);
        }
        let after = |seconds: u32| match lease {
            INFINITE => Instant::MAX,
            _ => asked + Duration::from_secs(seconds.into()),
        };
        Some(Times { renew: after(renew), rebind: after(rebind), expire: after(lease) })
    }
}

impl Lease {
    /// Reads what a server offers or grants. `None` where no host can have the address in such a network.
    pub(super) fn read(reply: &Reply<'_>) -> Option<Self> {
        let address = reply.address;
        let prefix = match reply.option(MASK) {
            [] => natural_prefix(address),
            _ => mask_prefix(reply.number(MASK))?,
        };
        let mut lease = Lease {
            address,
            prefix,
            gateway: None,
            routes: [None; ROUTE_LIMIT],
            name_servers: [None; NAME_SERVER_LIMIT],
            mtu: None,
            server: reply.server,
            left_out: 0,
        };
        if !lease.is_member(address) {
            return None;
        }
        if let &[high, low] = reply.option(MTU) {
            lease.mtu = Some(u16::from_be_bytes([high, low])).filter(|mtu| *mtu >= MTU_LEAST);
        }
        for server in reply.hosts(NAME_SERVERS) {
            match lease.name_servers.iter_mut().find(|room| room.is_none()) {
                Some(room) => *room = Some(server),
                None => lease.left_out += 1,
            }
        }
        match reply.option(ROUTES) {
            [] => lease.gateway = reply.hosts(ROUTERS).find(|router| lease.reaches(*router)),
            // Then the routers do not count, even if there is no route to everywhere (RFC 3442).
            routes => lease.take_routes(routes),
        }
        Some(lease)
    }

    /// Takes the routes over (RFC 3442): a width, as many bytes of the destination as that needs, a router.
    fn take_routes(&mut self, mut option: &[u8]) {
        let mut count = 0;
        while let Some((route, rest)) = split_route(option) {
            option = rest;
            if route.prefix == 0 && route.via.is_some() {
                self.gateway = self.gateway.or(route.via);
            } else if let Some(room) = self.routes.get_mut(count) {
                *room = Some(route);
                count += 1;
            } else {
                self.left_out += 1;
            }
        }
        // Only now, since a router may be on the wire by a route that stands behind.
        for index in 0..ROUTE_LIMIT {
            let via = self.routes[index].and_then(|route| route.via);
            if via.is_some_and(|via| !self.reaches(via)) {
                self.routes[index] = None;
            }
        }
        self.gateway = self.gateway.filter(|gateway| self.reaches(*gateway));
    }

    /// Whether packets can be handed to another host at this address: it is in the network, or on the wire by a route,
    /// or this host has a network to itself alone, as in clouds whose routers are outside of it. Any other router outside of
    /// the network is a mistake of whoever set the server up, and not believed.
    fn reaches(&self, other: Ipv4Addr) -> bool {
        let is_on_wire =
            |route: &Route| route.via.is_none() && is_within(other, route.destination, route.prefix);
        let is_near = || self.prefix == 32 || self.routes.iter().flatten().any(is_on_wire);
        other != self.address && is_host(other) && (self.is_member(other) || is_near())
    }

    /// Whether a host in the network can have the address: neither its first nor its last, if there are more than two
    /// (RFC 1122, 3.2.1.3; RFC 3021).
    fn is_member(&self, other: Ipv4Addr) -> bool {
        let host_bits = !bits(self.prefix);
        let within = u32::from(other) & host_bits;
        let is_one = host_bits <= 1 || (within != 0 && within != host_bits);
        is_host(other) && is_within(other, self.address, self.prefix) && is_one
    }
}

/// The first of the routes in an option, and what is behind it.
fn split_route(option: &[u8]) -> Option<(Route, &[u8])> {
    let (&prefix, rest) = option.split_first().filter(|(prefix, _)| **prefix <= 32)?;
    let (significant, rest) = rest.split_at_checked(usize::from(prefix.div_ceil(8)))?;
    let (via, rest) = rest.split_first_chunk::<4>()?;
    let mut destination = [0; 4];
    destination.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
    let route = Route {
        // Bits behind the prefix are to be ignored (RFC 3442).
        destination: Ipv4Addr::from(u32::from_be_bytes(destination) & bits(prefix)),
        prefix,
        via: Some(Ipv4Addr::from(*via)).filter(|via| !via.is_unspecified()),
    };
    Some((route, rest))
}

/// A prefix as the bits of a mask.
fn bits(prefix: u8) -> u32 {
    !u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

fn is_within(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    (u32::from(address) ^ u32::from(network)) & bits(prefix) == 0
}

/// The prefix that a mask stands for. `None` when its bits have gaps, or it has none.
fn mask_prefix(mask: u32) -> Option<u8> {
    let prefix = mask.leading_ones() as u8;
    (prefix > 0 && mask == bits(prefix)).then_some(prefix)
}

/// The prefix of the address's class, which holds where a server names no mask (RFC 950, 2.1). Networks are seldom as
/// large today, but hosts of this network are found by it, which they would not be if it were taken for smaller.
fn natural_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}
