//! IPv6 without configuration: what a host learns from its routers, and whether its addresses are its own.
//!
//! * [`Autoconf`] hears router advertisements (RFC 4861, 6.3), makes addresses of their prefixes (RFC 4862), asks for
//!   routers, and asks whether another host has an address. It knows neither frames nor cards: messages and the time go
//!   in, [`Action`]s come out. Who calls it has checked what stands around a message.
//! * [`advertisement`] reads the message; [`fact`] keeps what is known, each thing until it runs out.
//!
//! Decisions:
//! * Interface identifiers are those of the hardware address (EUI-64, RFC 4291, appendix A), not opaque ones (RFC 7217):
//!   this is a server, whose operator writes its address into a zone or a firewall before it starts for the first time,
//!   and can tell it from the `mac=` that the machine is given. Nothing is kept from one start to the next that a secret
//!   key could be, either. There are no temporary addresses (RFC 8981): who serves wants to be found.
//! * An address is used at once, while it is asked whether another host has it (RFC 4429): a start takes milliseconds,
//!   the answer would be waited for a second. For the same reason nothing waits a random time before the first message.
//! * Whoever is on the link can say what a router says. So nothing an advertisement says takes away an address at once
//!   (RFC 4862, 5.5.3), nor anything that was configured; and there is room for a few things of each kind only. The hop
//!   limit, with which it could make packets die after a few hops, and the times of the neighbour cache are the host's own.
//! * Search lists (RFC 8106, 5.2) are not heard: names are asked for in full. There is no DHCPv6.
//!
//! Invariant: what has run out stays until [`Autoconf::poll`] is called, which [`Autoconf::due`] says by then.

mod advertisement;
mod fact;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

use core::net::Ipv6Addr;

use unik_sched::time::Instant;

use advertisement::{Advertisement, Item, What, mask};
pub(crate) use fact::Heard;
use fact::{Check, Fact, Facts, Kind};

/// Seconds between the first solicitations, and how many these are (RFC 4861, 10).
const INTERVAL: u64 = 4;
const SOLICITATIONS: u8 = 3;
/// Then each pause is twice the one before, up to this many seconds (RFC 7559, 2).
const LONGEST_INTERVAL: u64 = 3600;

/// Milliseconds in which another host may say that an address is its own: RetransTimer (RFC 4862, 5.4; RFC 4861, 10).
const CLAIM: u64 = 1000;

/// The bits of a network in front of an interface identifier (RFC 4291, 2.5.1).
const PREFIX: u8 = 64;

/// The first address of the network that is every link's own (RFC 4291, 2.5.6).
const LINK_LOCAL: u128 = 0xfe80 << 112;

/// Every link carries packets of this size (RFC 8200, 5).
const MTU_LEAST: u16 = 1280;

/// The time does not go on behind this, so that nothing comes at [`Instant::MAX`], which is never.
const LATEST: Instant = Instant::from_nanos(u64::MAX - 1);

/// What is to be sent, or was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A router solicitation (RFC 4861, 4.1) to all routers. It tells the hardware address only where the source is
    /// neither unspecified nor `tentative` (RFC 4429, 3.3).
    Solicit { source: Ipv6Addr, tentative: bool },
    /// A neighbour solicitation for the address (RFC 4862, 5.4.2) from the unspecified one to the group of `target`,
    /// which the host has joined.
    Probe { target: Ipv6Addr },
    /// Something has run out, or an address is now known to be this host's own.
    Changed,
}

/// An address of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) address: Ipv6Addr,
    /// The length of its network. Whether the hosts of that are on the link stands in the routes.
    pub(crate) prefix: u8,
    /// What is new should use another one (RFC 4862, 5.5.4).
    pub(crate) deprecated: bool,
    /// Another host may yet have it (RFC 4429, 3.3): neighbour advertisements for it do not override, and no neighbour
    /// solicitation comes from it.
    pub(crate) tentative: bool,
}

/// Where the packets to a network go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) network: Ipv6Addr,
    pub(crate) prefix: u8,
    /// To this router; without one, to the destination itself.
    pub(crate) router: Option<Ipv6Addr>,
    /// Of two for the same network the one with the greater number is better (RFC 4191, 2.2): best is none but the link.
    pub(crate) preference: i8,
}

/// What one interface has learned.
pub(crate) struct Autoconf {
    /// The first one is the link-local address.
    facts: Facts,
    /// The lower half of all addresses that are made here.
    identifier: u64,
    /// Another host has the link-local address.
    failed: bool,
    mtu: Option<u16>,
    /// When the next solicitation is due, if no router is known, and how many there were.
    solicit: Option<Instant>,
    solicited: u8,
    /// When any of all this has to be looked at.
    due: Instant,
}

impl Autoconf {
    /// An interface with a link-local address of this hardware address (RFC 4291, 2.5.6).
    pub(crate) fn new(hardware: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = hardware;
        let identifier = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        let mut autoconf = Autoconf {
            facts: Facts::new(),
            identifier,
            failed: false,
            mtu: None,
            solicit: Some(Instant::ZERO),
            solicited: 0,
            due: Instant::ZERO,
        };
        let link_local = autoconf.address_in(LINK_LOCAL);
        autoconf.add(link_local, PREFIX);
        autoconf
    }

    /// Adds an address that was configured; its network is on the link. False where there is no room for it.
    pub(crate) fn add(&mut self, address: Ipv6Addr, prefix: u8) -> bool {
        let mut heard = Heard::default();
        self.facts.note(Instant::ZERO, &mut Fact::new(Kind::Address, address, prefix), &mut heard);
        self.due = Instant::ZERO;
        heard.left_out == 0
    }

    /// Hears an advertisement, an ICMPv6 message from its type on, that the link-local address `router` has sent with a
    /// hop limit of 255 and the right checksum. `None`, and nothing is done, where it is malformed.
    pub(crate) fn receive(&mut self, now: Instant, router: Ipv6Addr, message: &[u8]) -> Option<Heard> {
        let now = now.min(LATEST);
        let advertisement = Advertisement::parse(message)?;
        let mut heard = Heard { changed: self.facts.expire(now), left_out: 0 };
        self.take(now, router, &advertisement.default, &mut heard);
        // A route to everywhere among them replaces what the header says (RFC 4191, 3.1).
        for option in advertisement.options() {
            self.take(now, router, option, &mut heard);
        }
        if self.has_router() {
            (self.solicit, self.solicited) = (None, 0);
        }
        self.due = Instant::ZERO;
        Some(heard)
    }

    /// Says one thing that is to be done; called again until there is none. Numbers of `random` spread what many hosts
    /// would do at the same time.
    pub(crate) fn poll(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) -> Option<Action> {
        let now = now.min(LATEST);
        if now < self.due {
            return None;
        }
        let action = self.act(now, random);
        if action.is_none() {
            self.due = self.facts.due().min(self.solicit.unwrap_or(Instant::MAX));
        }
        action
    }

    /// When [`Autoconf::poll`] has something to do, or may have.
    pub(crate) fn due(&self) -> Option<Instant> {
        Some(self.due).filter(|due| *due != Instant::MAX)
    }

    /// Another host has claimed the address, by an advertisement for it or by asking, from the unspecified address,
    /// whether somebody has it. Frames of this host's own that come back to it are no claims (RFC 4862, 5.4.3). True
    /// when it is given up, which can only be while it is `tentative` (RFC 4862, 5.4.4). With the link-local address go
    /// all those with the same interface identifier: there is a second card like this one (RFC 4862, 5.4.5).
    pub(crate) fn duplicate(&mut self, address: Ipv6Addr) -> bool {
        let is_open = |fact: &&mut Fact| matches!(fact.check, Check::Due | Check::Until(_));
        let Some(fact) = self.facts.address(address).filter(is_open) else { return false };
        fact.check = Check::Failed;
        if address == self.address_in(LINK_LOCAL) {
            self.failed = true;
            self.facts.addresses().filter(|fact| !fact.fixed).for_each(|fact| fact.check = Check::Failed);
        }
        self.due = Instant::ZERO;
        true
    }

    /// The link has come back, perhaps to another network: asks for routers and about all addresses again. What was
    /// learned stays until it runs out.
    pub(crate) fn link_returned(&mut self, now: Instant) {
        (self.solicit, self.solicited, self.failed, self.mtu) = (Some(now), 0, false, None);
        self.facts.addresses().for_each(|fact| fact.check = Check::Due);
        self.due = Instant::ZERO;
    }

    /// The addresses of this host.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Assigned> {
        self.facts.of(Kind::Address).filter(|fact| fact.check != Check::Failed).map(|fact| Assigned {
            address: fact.address,
            prefix: fact.length,
            deprecated: fact.rank < 0,
            tentative: fact.check != Check::Passed,
        })
    }

    /// The networks on the link and behind routers; a default router is one for the network of all addresses.
    pub(crate) fn routes(&self) -> impl Iterator<Item = Route> {
        self.facts.iter().filter(|fact| fact.leads()).map(|fact| {
            let router = Some(fact.router).filter(|router| !router.is_unspecified());
            Route {
                network: Ipv6Addr::from_bits(fact.address.to_bits() & mask(fact.length)),
                prefix: fact.length,
                router,
                preference: if router.is_some() { fact.rank } else { i8::MAX },
            }
        })
    }

    /// The name servers.
    pub(crate) fn servers(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.facts.of(Kind::Server).map(|fact| fact.address)
    }

    /// The longest packet that the link carries, by its routers.
    pub(crate) fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    /// Takes in what a router says in one option.
    fn take(&mut self, now: Instant, router: Ipv6Addr, option: &[u8], heard: &mut Heard) {
        let item = Item::new(option);
        let Some(what) = item.what() else { return };
        let (value, network) = (item.value(), item.network(what));
        let mut fact = Fact::new(Kind::OnLink, Ipv6Addr::from_bits(network), item.length());
        (fact.fixed, fact.until) = (false, end(now, value));
        match what {
            What::Mtu => {
                let mtu = u16::try_from(value).ok().filter(|mtu| *mtu >= MTU_LEAST);
                if mtu.is_some() {
                    heard.changed |= self.mtu != mtu;
                    self.mtu = mtu;
                }
                return;
            }
            What::Servers => {
                (fact.kind, fact.length) = (Kind::Server, 128);
                for server in item.servers() {
                    fact.address = Ipv6Addr::from(*server);
                    if is_unicast(fact.address.to_bits()) {
                        self.facts.note(now, &mut fact, heard);
                    }
                }
                return;
            }
            What::Route => {
                fact.kind = if fact.length == 0 { Kind::Router } else { Kind::Route };
                (fact.router, fact.rank) = (router, item.preference());
            }
            What::Prefix => {}
        }
        if fact.kind != Kind::Router && !is_network(network) {
            return;
        }
        if what == What::Route || item.on_link() {
            self.facts.note(now, &mut fact, heard);
        }
        if what == What::Prefix && item.autonomous() && fact.length == PREFIX && item.preferred() <= value {
            self.form(now, network, item.preferred(), &mut fact, heard);
        }
    }

    /// Makes the address in a network, or lets it live on (RFC 4862, 5.5.3).
    fn form(&mut self, now: Instant, network: u128, preferred: u32, fact: &mut Fact, heard: &mut Heard) {
        (fact.kind, fact.address) = (Kind::Address, self.address_in(network));
        fact.check = if self.failed { Check::Failed } else { Check::Due };
        if preferred == 0 {
            fact.rank = -1;
        } else {
            fact.preferred = end(now, preferred);
        }
        self.facts.note(now, fact, heard);
    }

    /// The address of this interface in a network.
    fn address_in(&self, network: u128) -> Ipv6Addr {
        Ipv6Addr::from_bits(network | u128::from(self.identifier))
    }

    fn act(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) -> Option<Action> {
        if self.facts.expire(now) {
            return Some(Action::Changed);
        }
        if let Some(fact) = self.facts.addresses().find(|fact| fact.check == Check::Due) {
            fact.check = Check::Until(later(now, CLAIM));
            return Some(Action::Probe { target: fact.address });
        }
        match self.solicit {
            Some(due) if due > now => return None,
            None if self.has_router() => return None,
            _ => {}
        }
        // When the last router has gone, its other hosts know it at the same time: even the first one waits.
        let is_due = self.solicit.is_some();
        self.solicited = self.solicited.saturating_add(u8::from(is_due));
        self.solicit = Some(later(now, self.pause(random())));
        // Without any address there is nothing to route.
        let own = self.facts.of(Kind::Address).find(|fact| fact.check != Check::Failed).filter(|_| is_due)?;
        let source = if self.failed { Ipv6Addr::UNSPECIFIED } else { own.address };
        Some(Action::Solicit { source, tentative: own.check != Check::Passed })
    }

    fn has_router(&self) -> bool {
        self.facts.of(Kind::Router).next().is_some()
    }

    /// Milliseconds that the next solicitation waits: a tenth more or less than its time.
    fn pause(&self, random: u64) -> u64 {
        let doublings = self.solicited.saturating_sub(SOLICITATIONS - 1).min(10);
        let seconds = (INTERVAL << doublings).min(LONGEST_INTERVAL);
        seconds * (900 + random % 201)
    }
}

/// The end of a lifetime; one of all ones has none (RFC 4861, 4.6.2).
fn end(now: Instant, lifetime: u32) -> Instant {
    if lifetime == u32::MAX { Instant::MAX } else { later(now, u64::from(lifetime) * 1000) }
}

/// So many milliseconds later.
fn later(now: Instant, millis: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(millis.saturating_mul(1_000_000)))
}

/// Whether an address is one of hosts: no group, and none of those that begin with 64 zeros, where the unspecified
/// address, the loopback and IPv4 stand (RFC 4291, 2.4 and 2.5).
fn is_unicast(address: u128) -> bool {
    address >> 64 != 0 && address >> 120 != 0xff
}

/// Whether a network, by its first address, is one that a router can speak of: the link-local one needs none.
fn is_network(first: u128) -> bool {
    is_unicast(first) && first >> 118 != 0xfe80 >> 6
}
