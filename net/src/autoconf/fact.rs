//! What is known for a time: addresses, networks, routers and servers in one list.
//!
//! They differ in what they mean, but all come, are said again, run out and have no more room than their kind allows:
//! one table and one loop do for all of them.

use core::net::Ipv6Addr;

use unik_sched::time::{Duration, Instant};

/// What a fact is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address of this host.
    Address,
    /// A network whose hosts are reached without a router.
    OnLink,
    /// A default router.
    Router,
    /// A network behind a router.
    Route,
    /// A name server.
    Server,
}

/// How many facts of each kind there may be: the link-local address, a fixed one and four more; four networks on the
/// link, four routers and four routes (RFC 4861, 6.3.4, wants two); three servers (RFC 8106, 5.3.1).
const LIMITS: [usize; 5] = [6, 4, 4, 4, 3];
const COUNT: usize = LIMITS[0] + LIMITS[1] + LIMITS[2] + LIMITS[3] + LIMITS[4];

/// An advertisement leaves an address this long if it does not make its life longer (RFC 4862, 5.5.3).
const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);

/// How far an address is with the question whether another host has it (RFC 4862, 5.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The question is to be asked.
    Due,
    /// It was asked; nobody may claim the address until then.
    Until(Instant),
    /// Nobody has claimed it. Everything but addresses is so from the start.
    Passed,
    /// Another host has it.
    Failed,
}

#[derive(Clone, Copy)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    /// The address, or the first one of the network. Of a fixed address all the network is on the link.
    pub(super) address: Ipv6Addr,
    /// How many bits of it are those of the network.
    pub(super) length: u8,
    /// Who leads to the network; unspecified where nobody does.
    pub(super) router: Ipv6Addr,
    /// The preference of a router (RFC 4191, 2.2); of an address, -1 once it is deprecated.
    pub(super) rank: i8,
    pub(super) check: Check,
    /// Whether it was configured, so that no advertisement changes it.
    pub(super) fixed: bool,
    /// When an address becomes deprecated.
    pub(super) preferred: Instant,
    /// When it is over.
    pub(super) until: Instant,
}

impl Fact {
    /// A fixed fact of a kind, for ever.
    pub(super) fn new(kind: Kind, address: Ipv6Addr, length: u8) -> Self {
        let check = if kind == Kind::Address { Check::Due } else { Check::Passed };
        let (router, preferred, until) = (Ipv6Addr::UNSPECIFIED, Instant::MAX, Instant::MAX);
        Fact { kind, address, length, router, rank: 0, check, fixed: true, preferred, until }
    }

    /// Whether it tells where packets go.
    pub(super) fn leads(&self) -> bool {
        match self.kind {
            Kind::Address => self.fixed,
            Kind::Server => false,
            Kind::OnLink | Kind::Router | Kind::Route => true,
        }
    }

    /// Whether it is about the same thing.
    fn is(&self, other: &Fact) -> bool {
        let is_same_network = self.length == other.length || self.kind == Kind::Address;
        is_same_network && (self.kind, self.address, self.router) == (other.kind, other.address, other.router)
    }
}

/// What an advertisement has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Something is other than before: the addresses, the routes, the servers or the MTU.
    pub(crate) changed: bool,
    /// How many things found no room and are left out.
    pub(crate) left_out: u16,
}

/// The facts. Places are never moved, so that the first one stays the first.
pub(super) struct Facts([Option<Fact>; COUNT]);

impl Facts {
    pub(super) fn new() -> Self {
        Facts([None; COUNT])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter().flatten()
    }

    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Fact> {
        self.iter().filter(move |fact| fact.kind == kind)
    }

    pub(super) fn address(&mut self, address: Ipv6Addr) -> Option<&mut Fact> {
        self.addresses().find(|fact| fact.address == address)
    }

    /// The addresses of this host.
    pub(super) fn addresses(&mut self) -> impl Iterator<Item = &mut Fact> {
        self.0.iter_mut().flatten().filter(|fact| fact.kind == Kind::Address)
    }

    /// Takes in a fact, new or said again; one that is over already is taken away.
    pub(super) fn note(&mut self, now: Instant, fact: &mut Fact, heard: &mut Heard) {
        let known = self.0.iter().position(|place| place.is_some_and(|known| known.is(fact)));
        let free = || self.0.iter().position(Option::is_none);
        let has_room = || self.of(fact.kind).count() < LIMITS[fact.kind as usize];
        let index = known.or_else(|| free().filter(|_| has_room()));
        let place = index.and_then(|index| self.0.get_mut(index));
        let mut was = None;
        if let Some(Some(known)) = &place {
            if known.fixed {
                return;
            }
            if fact.kind == Kind::Address {
                fact.until = fact.until.max(known.until.min(now + TWO_HOURS));
            }
            was = Some(known.rank);
            fact.check = known.check;
        }
        let is_over = fact.until <= now;
        match place {
            Some(place) => {
                *place = if is_over { None } else { Some(*fact) };
                heard.changed |= was != place.map(|fact| fact.rank);
            }
            None => heard.left_out = heard.left_out.saturating_add(u16::from(!is_over)),
        }
    }

    /// Takes away what is over. True when something has become another.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for place in &mut self.0 {
            let Some(fact) = place else { continue };
            if fact.preferred <= now {
                (fact.rank, fact.preferred) = (-1, Instant::MAX);
                changed = true;
            }
            if matches!(fact.check, Check::Until(end) if end <= now) {
                fact.check = Check::Passed;
                changed = true;
            }
            if fact.until <= now {
                *place = None;
                changed = true;
            }
        }
        changed
    }

    /// When the next of them has to be looked at.
    pub(super) fn due(&self) -> Instant {
        let mut due = Instant::MAX;
        for fact in self.iter() {
            let check = match fact.check {
                Check::Due => Instant::ZERO,
                Check::Until(end) => end,
                Check::Passed | Check::Failed => Instant::MAX,
            };
            due = due.min(check).min(fact.preferred).min(fact.until);
        }
        due
    }
}
