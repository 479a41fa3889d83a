//! Conversations as bytes say them: advertisements, claims, the link and the time, in any order. What must hold however
//! routers lie is looked at after each step. The fuzz target `router_advertisement` is made of this file, too.

use std::{collections::BTreeMap, mem, net::Ipv6Addr, vec::Vec};

use super::{Action, Assigned, Autoconf};
use unik_sched::time::{Duration, Instant};

const HARDWARE: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);
/// Steps of time, in milliseconds.
const STEPS: [u64; 8] = [1, 500, 1000, 4000, 60_000, 1_800_000, 7_200_000, 86_400_000];
/// Actions of one moment: two for each address, one solicitation, and what runs out.
const ACTIONS: usize = 20;

/// What has happened in a conversation, and how often.
type Reached = BTreeMap<&'static str, usize>;

struct Conversation {
    autoconf: Autoconf,
    now: Instant,
    /// Before then there is no other solicitation.
    quiet: Instant,
    fixed: Vec<Ipv6Addr>,
    addresses: Vec<Assigned>,
    reached: Reached,
}

/// Holds the conversation that `input` says.
pub(crate) fn conversation(mut input: &[u8]) -> Reached {
    let mut conversation = Conversation {
        autoconf: Autoconf::new(HARDWARE),
        now: Instant::ZERO,
        quiet: Instant::ZERO,
        fixed: Vec::new(),
        addresses: Vec::new(),
        reached: Reached::new(),
    };
    conversation.settle();
    while let Some((what, rest)) = input.split_first_chunk::<2>() {
        input = rest;
        match what[0] % 8 {
            kind @ 0..=3 => {
                let (message, rest) = input.split_at(input.len().min(what[1].into()));
                input = rest;
                let router = Ipv6Addr::from(0xfe80 << 112 | u128::from(what[0] / 8));
                let mut message = message.to_vec();
                if kind > 0 {
                    repair(&mut message);
                }
                conversation.hear(router, &message);
            }
            4 => conversation.pass(Duration::from_millis(STEPS[usize::from(what[1] % 8)])),
            5 => conversation.claim(what[1].into()),
            6 if what[1] & 1 == 0 => {
                conversation.autoconf.link_returned(conversation.now);
                conversation.quiet = conversation.now;
            }
            6 => {
                let address = Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(what[1]));
                if conversation.autoconf.add(address, 64 + what[1] % 65) {
                    conversation.fixed.push(address);
                }
            }
            _ => conversation.wait(),
        }
        conversation.settle();
    }
    (0..24).for_each(|_| conversation.wait());
    conversation.reached
}

/// Makes an advertisement of it that is well-formed, if it is long enough.
fn repair(message: &mut Vec<u8>) {
    let mut at = 16;
    while at + 8 <= message.len() {
        message[at + 1] = message[at + 1].clamp(1, ((message.len() - at) / 8).min(255) as u8);
        at += usize::from(message[at + 1]) * 8;
    }
    message.truncate(at);
    message.iter_mut().zip([134, 0]).for_each(|(byte, right)| *byte = right);
}

impl Conversation {
    fn hear(&mut self, router: Ipv6Addr, message: &[u8]) {
        let before = self.addresses.clone();
        let Some(heard) = self.autoconf.receive(self.now, router, message) else {
            self.reach("refused", 1);
            return;
        };
        self.reach("changed", usize::from(heard.changed));
        self.reach("left out", usize::from(heard.left_out));
        for Assigned { address, .. } in before {
            let stays = self.autoconf.addresses().any(|after| after.address == address);
            assert!(stays, "an advertisement takes {address} away");
        }
    }

    fn claim(&mut self, which: usize) {
        let Some(claimed) = self.addresses.get(which % self.addresses.len().max(1)).copied() else { return };
        let gives_up = self.autoconf.duplicate(claimed.address);
        assert_eq!(gives_up, claimed.tentative, "{}", claimed.address);
        let address = claimed.address;
        assert_eq!(self.autoconf.addresses().all(|assigned| assigned.address != address), gives_up);
        self.reach("given up", usize::from(gives_up));
    }

    fn reach(&mut self, what: &'static str, count: usize) {
        *self.reached.entry(what).or_insert(0) += count;
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) {
        self.now = self.autoconf.due().unwrap_or(self.now);
        self.settle();
    }

    /// Does what is due, and looks at everything.
    fn settle(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.autoconf.poll(self.now, &mut || 0) {
            actions += 1;
            assert!(actions < ACTIONS, "there is no end of {action:?}");
            match action {
                Action::Solicit { source, tentative } => {
                    assert!(self.now >= self.quiet, "a solicitation follows the last one at once");
                    self.quiet = self.now + Duration::from_millis(3_600);
                    self.reach("solicitations", 1);
                    let is_own = |own: Assigned| own.address == source && own.tentative == tentative;
                    assert!(source.is_unspecified() || self.autoconf.addresses().any(is_own));
                }
                Action::Probe { target } => {
                    assert!(self.autoconf.addresses().any(|own| own.address == target && own.tentative));
                }
                Action::Changed => {}
            }
        }
        assert!(self.autoconf.due().is_none_or(|due| due > self.now), "nothing is due when all is done");
        self.check_addresses();
        self.check_routes();
        assert!(self.autoconf.mtu().is_none_or(|mtu| mtu >= 1280));
    }

    fn check_addresses(&mut self) {
        let (before, after) = (mem::take(&mut self.addresses), self.autoconf.addresses().collect::<Vec<_>>());
        assert!(after.len() <= 6);
        let find =
            |list: &[Assigned], own: &Assigned| list.iter().find(|old| old.address == own.address).copied();
        for own in &after {
            let address = own.address;
            assert!(address.segments()[..4] != [0; 4] && !address.is_multicast(), "{address} is no host's");
            let is_formed = address.segments()[4..] == LINK_LOCAL.segments()[4..] && own.prefix == 64;
            assert!(is_formed || self.fixed.contains(&address), "{address} comes from nowhere");
            assert_eq!(address.is_unicast_link_local(), address == LINK_LOCAL);
            assert!(!own.deprecated || is_formed);
            let old = find(&before, own);
            self.reach("formed", usize::from(old.is_none() && is_formed));
            self.reach("deprecated", usize::from(own.deprecated && old.is_some_and(|old| !old.deprecated)));
        }
        let is_gone = |old: &&Assigned| find(&after, old).is_none();
        self.reach("ended", before.iter().filter(is_gone).count());
        self.addresses = after;
    }

    fn check_routes(&mut self) {
        let routes: Vec<_> = self.autoconf.routes().collect();
        assert!(routes.len() <= 6 + 4 + 4 + 4);
        for (index, route) in routes.iter().enumerate() {
            // What was configured may be advertised as well.
            assert!(route.router.is_none() || !routes[..index].contains(route), "{route:?} is there twice");
            assert!(route.router.is_none_or(|router| router.is_unicast_link_local()));
            assert!(route.prefix == 0 || route.network.segments()[..4] != [0; 4], "{route:?} holds IPv4");
            assert!(route.prefix > 0 || route.router.is_some());
            self.reach("routes", usize::from(route.router.is_some()));
        }
        let servers: Vec<_> = self.autoconf.servers().collect();
        assert!(servers.len() <= 3 && !servers.iter().any(|server| server.is_multicast()));
        self.reach("servers", servers.len());
    }
}
