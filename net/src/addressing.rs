//! Where this host's addresses and routes come from: the configuration, DHCP for IPv4 and the routers for IPv6; and how
//! they take effect.
//!
//! Each source keeps what it knows. Whenever one of them has learned something, the host's addresses and the table of
//! routes are made anew from all of them ([`Stack::take_addresses`]): nothing is added or taken away in place, so nothing
//! is left over.

use alloc::vec::Vec;
use core::{
    net::{IpAddr, Ipv4Addr},
    task::Waker,
};

use smoltcp::{iface::Interface, wire::IpCidr};
use unik_sched::time::{Duration, Instant};

use crate::{
    autoconf::{Action, Autoconf},
    config::{Config, Six},
    dhcp::{self, Client, Lease, Outgoing},
    ip::address::{Address, Network},
    ip::icmp::{ends, ip_address},
    link::Link,
    stack::{PAUSE, Stack, earlier, register, wake_all},
    udp::header::Datagram,
};

/// The ports of DHCP's clients and servers (RFC 2131, 4.1).
pub(crate) const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;

/// How long an application waits for a lease once there is an address of IPv6.
const PATIENCE: Duration = Duration::from_secs(3);

/// The sources, and who waits for them.
pub(crate) struct Addressing {
    config: Config,
    client: Option<Client>,
    autoconf: Option<Autoconf>,
    /// When the first address came that is good beyond the link.
    since: Option<Instant>,
    /// Tasks that wait for one.
    unconfigured: Vec<Waker>,
    /// When it is looked after, apart from what the sources say.
    retry_at: Option<Instant>,
    /// When a source has something to do, or who waits has waited long enough.
    due: Option<Instant>,
}

impl Addressing {
    pub(crate) fn new(config: Config, hardware: [u8; 6]) -> Self {
        let client = config.wants_lease().then(|| Client::new(hardware, None));
        let mut autoconf = (config.six() != Six::Off).then(|| Autoconf::new(hardware));
        if let (Six::Fixed(address, prefix), Some(autoconf)) = (config.six(), &mut autoconf) {
            // It is the first one.
            let _ = autoconf.add(address, prefix);
        }
        Addressing {
            config,
            client,
            autoconf,
            since: None,
            unconfigured: Vec::new(),
            retry_at: None,
            due: None,
        }
    }

    /// Whether an address of IPv4 is asked for.
    pub(crate) fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// When a source has something to do, or who waits has waited long enough.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Finds that out anew: after everything that changes it.
    #[inline(never)]
    fn plan(&mut self) {
        let client = self.client.as_ref().and_then(Client::due);
        let sources = earlier(client, self.autoconf.as_ref().and_then(Autoconf::due));
        let sources = match (sources, self.retry_at) {
            (Some(due), Some(retry_at)) => Some(due.max(retry_at)),
            (due, _) => due,
        };
        let waits = !self.unconfigured.is_empty();
        self.due = earlier(sources, self.since.filter(|_| waits).map(|since| since + PATIENCE));
    }
}

impl Stack {
    /// Whether an application can begin: there is an address of IPv4, or one of IPv6 and none of the other to come, at
    /// least not soon.
    pub(crate) fn is_configured(&self, now: Instant) -> bool {
        let addressing = &self.addressing;
        let is_patient = addressing.has_client() && !matches!(addressing.config.six(), Six::Fixed(..));
        self.link.host.v4().is_some()
            || addressing.since.is_some_and(|since| !is_patient || since + PATIENCE <= now)
    }

    /// Where packets of IPv4 to other networks go.
    pub(crate) fn gateway(&self) -> Option<Ipv4Addr> {
        let lease = self.addressing.client.as_ref().and_then(Client::lease);
        self.addressing.config.gateway().or(lease.and_then(|lease| lease.gateway))
    }

    /// The server of names at `index`: those that DHCP has given come first, then those of routers.
    pub(crate) fn name_server(&self, index: usize) -> Option<IpAddr> {
        let lease = self.addressing.client.as_ref().and_then(Client::lease);
        let four = lease.into_iter().flat_map(|lease| lease.name_servers).flatten().map(IpAddr::V4);
        let six = self.addressing.autoconf.iter().flat_map(Autoconf::servers).map(IpAddr::V6);
        four.chain(six).nth(index)
    }

    /// Wakes the task once an application can begin.
    pub(crate) fn register_unconfigured(&mut self, waker: &Waker) {
        register(&mut self.addressing.unconfigured, waker);
        self.addressing.plan();
        self.request();
    }

    /// Gives this host the addresses and routes that its sources know of. Connections that used another address end.
    #[inline(never)]
    pub(crate) fn take_addresses(&mut self, now: Instant) {
        let Stack { link, addressing, .. } = self;
        let (host, routes) = (&mut link.host, &mut link.routes);
        host.clear();
        routes.clear();
        let of_six = addressing.autoconf.as_ref().and_then(Autoconf::mtu);
        let of_four = addressing.client.as_ref().and_then(Client::lease).and_then(|lease| lease.mtu);
        link.packet_limits = [of_four, of_six];
        let mut has_room = true;
        let mut route = |network: Network, via: Address| has_room &= routes.add(network, via);
        let lease = addressing.client.as_ref().and_then(Client::lease);
        let config = &addressing.config;
        let four = config.address().or(lease.map(|lease| (lease.address, lease.prefix)));
        let four = four.map(|(address, prefix)| Network::v4(address.octets(), prefix));
        // What is configured comes before what was learned: of equal routes the first one counts, and it has room.
        for (network, via) in config.routes() {
            route(*network, *via);
        }
        if let Some(gateway) = config.gateway_of_six() {
            route(Network { address: Address::UNSPECIFIED, bits: 0 }, gateway.into());
        }
        if let Some(network) = four {
            host.add(network);
            route(network, Address::UNSPECIFIED);
        }
        if let Some(gateway) = config.gateway().or(lease.and_then(|lease| lease.gateway)) {
            let gateway = Address::from(gateway);
            if four.is_some_and(|network| !network.contains(&gateway)) {
                // RFC 3442: a router may stand beside the network, on the wire all the same.
                route(Network { address: gateway, bits: 128 }, Address::UNSPECIFIED);
            }
            route(Network::v4([0; 4], 0), gateway);
        }
        for to in lease.into_iter().flat_map(|lease| &lease.routes).flatten() {
            let via = to.via.map_or(Address::UNSPECIFIED, Address::from);
            route(Network::v4(to.destination.octets(), to.prefix), via);
        }
        if let Some(autoconf) = &addressing.autoconf {
            // The better ones come first: those for other networks than the link, and of those the ones that last.
            for worse in 0..4 {
                for assigned in autoconf.addresses() {
                    let address = Address::from(assigned.address);
                    if u8::from(address.is_link_local()) * 2 + u8::from(assigned.deprecated) == worse {
                        let network = Network { address, bits: assigned.prefix };
                        host.add_with(network, assigned.tentative, assigned.deprecated);
                    }
                }
            }
            for preference in [i8::MAX, 1, 0, -1] {
                for to in autoconf.routes().filter(|to| to.preference == preference) {
                    let via = to.router.map_or(Address::UNSPECIFIED, Address::from);
                    route(Network { address: to.network.into(), bits: to.prefix }, via);
                }
            }
        }
        let is_global = |network: &Network| !network.address.is_link_local();
        let is_reached = host.networks().iter().any(is_global);
        addressing.since = addressing.since.filter(|_| is_reached).or(is_reached.then_some(now));
        // What still waits goes out with an address of ours, or not at all.
        let Link { host, neighbors, .. } = &mut self.link;
        neighbors.keep_parked(&|frame| ends(frame).is_some_and(|(source, _)| host.has(&source)));
        announce(&mut self.interface, self.link.host.networks());
        self.tcp.enqueue_all();
        if !has_room {
            self.complain("there is no room for all routes");
        }
        self.admit(now);
    }

    /// Lets applications begin that can, and looks when the next thing is to be done.
    #[inline(never)]
    fn admit(&mut self, now: Instant) {
        if self.is_configured(now) {
            wake_all(&mut self.addressing.unconfigured);
        }
        self.addressing.plan();
    }

    /// Lets the sources do what is due.
    #[inline(never)]
    pub(crate) fn follow_addresses(&mut self, now: Instant) {
        self.addressing.retry_at = None;
        if !self.link.reserve() {
            // They would believe that they have asked.
            self.addressing.retry_at = Some(now + PAUSE);
            return self.addressing.plan();
        }
        self.follow_lease(now);
        self.follow_routers(now);
        self.admit(now);
    }

    /// Lets the DHCP client say what is due.
    fn follow_lease(&mut self, now: Instant) {
        let Stack { addressing, random, .. } = self;
        let Some(client) = &mut addressing.client else { return };
        let had = client.lease().copied();
        let mut message = [0; dhcp::LENGTH];
        if let Some(Outgoing { source, destination }) = client.poll(now, random, &mut message) {
            self.send_datagram((source.into(), CLIENT_PORT), (destination.into(), SERVER_PORT), &message);
        }
        self.note_lease(had, now);
    }

    /// Lets the DHCP client have the datagram in hand, and counts it where the client has no use for it: only what it has
    /// asked for changes what it does next.
    pub(crate) fn hear_lease(&mut self, now: Instant) {
        let frame = self.link.take_in_hand();
        let datagram = frame.as_ref().and_then(|frame| {
            let datagram =
                Datagram::read(&frame.buffer).filter(|datagram| datagram.source.1 == SERVER_PORT)?;
            frame.buffer.get(datagram.payload)
        });
        let Some(client) = &mut self.addressing.client else { return };
        let had = client.lease().copied();
        if !datagram.is_some_and(|message| client.receive(now, message)) {
            return self.counters.dhcp_unasked.increment();
        }
        self.note_lease(had, now);
        self.addressing.plan();
    }

    /// Takes what the DHCP client has got, or lost, since it had `had`.
    fn note_lease(&mut self, had: Option<Lease>, now: Instant) {
        let lease = self.addressing.client.as_ref().and_then(Client::lease);
        match (had, lease) {
            (had, lease) if had.as_ref() == lease => return,
            (_, None) => {
                self.counters.dhcp_lost.increment();
                log::warn!("{}: the DHCP lease is lost: no address until a new one", self.name);
            }
            (_, Some(lease)) => {
                self.counters.dhcp_leases.increment();
                self.counters.dhcp_left_out.add(lease.left_out.into());
                log::info!("{}: address {}/{} by DHCP", self.name, lease.address, lease.prefix);
            }
        }
        self.take_addresses(now);
    }

    /// Lets the IPv6 side send what is due.
    fn follow_routers(&mut self, now: Instant) {
        let mut has_changed = false;
        // Without room they would believe that they have asked.
        while self.link.reserve() {
            let Stack { addressing, random, link, .. } = self;
            let action = addressing.autoconf.as_mut().and_then(|autoconf| autoconf.poll(now, random));
            match action {
                None => break,
                // Without anybody who listens nobody is asked.
                Some(Action::Solicit { .. }) if !addressing.config.hears_routers() => {}
                Some(Action::Solicit { source, tentative }) => {
                    link.solicit_routers(&source.into(), !tentative);
                }
                Some(Action::Probe { target }) => link.solicit(&Address::UNSPECIFIED, &target.into()),
                Some(Action::Changed) => has_changed = true,
            }
        }
        if has_changed {
            self.take_addresses(now);
        }
    }

    /// Handles the advertisement of a router in hand, which the gate has let in.
    pub(crate) fn hear_router(&mut self, now: Instant) {
        let frame = self.link.take_in_hand();
        let heard = frame.as_ref().and_then(|frame| {
            let (source, _) = ends(&frame.buffer)?;
            let message = crate::ip::ndp::message(&frame.buffer)?;
            let listens = self.addressing.config.hears_routers() && source.is_link_local();
            let autoconf = self.addressing.autoconf.as_mut().filter(|_| listens)?;
            autoconf.receive(now, (*source.octets()).into(), message)
        });
        match heard {
            Some(heard) => {
                self.counters.router_left_out.add(heard.left_out.into());
                if heard.changed {
                    self.take_addresses(now);
                }
            }
            None => self.counters.router_unheeded.increment(),
        }
        self.addressing.plan();
    }

    /// Gives up an address of IPv6 that another host has as well, if it is not known for certain to be ours.
    pub(crate) fn gives_up(&mut self, address: &Address, now: Instant) -> bool {
        let autoconf = self.addressing.autoconf.as_mut();
        let gives_up = autoconf.is_some_and(|autoconf| autoconf.duplicate((*address.octets()).into()));
        if gives_up {
            log::error!("{}: another host has our address of IPv6: it is given up", self.name);
            self.take_addresses(now);
        }
        gives_up
    }

    /// Asks anew for what the link may have changed while it was away.
    pub(crate) fn return_to_link(&mut self, now: Instant) {
        self.link.neighbors.forget_all();
        if let Some(client) = &mut self.addressing.client {
            client.link_returned(now);
        }
        if let Some(autoconf) = &mut self.addressing.autoconf {
            autoconf.link_returned(now);
        }
        // All are tried again, also those that another host had.
        self.take_addresses(now);
        self.addressing.plan();
    }
}

/// Tells smoltcp the addresses of this host: connections of others end.
fn announce(interface: &mut Interface, networks: &[Network]) {
    interface.update_ip_addrs(|list| {
        list.clear();
        for network in networks {
            // The list has as many places.
            let _ = list.push(IpCidr::new(ip_address(&network.address), network.prefix()));
        }
    });
}
