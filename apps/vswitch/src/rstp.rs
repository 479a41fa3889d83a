//! The spanning tree: RSTP, which keeps a network without loops and finds another way where one is lost (IEEE 802.1D-2004,
//! clause 17).
//!
//! [`Tree`] has the state machines of all ports, sans-IO: BPDUs, links and seconds in, BPDUs out, and what ports may do.
//! A machine goes from state to state as long as it can ([`Tree::run`]); what waits is a state here, what is left at once
//! is a step of a function. Parts: `bpdu.rs` reads and writes, `vector.rs` compares, `port.rs` has the variables,
//! `information.rs`, `roles.rs` and `transitions.rs` the machines. Invariant: a port forwards only when its role and the
//! agreement of its neighbour, or time, allow it.

mod bpdu;
mod information;
mod port;
mod roles;
mod transitions;
mod vector;

use crate::NoMemory;
use crate::address::Mac;
use crate::settings::{Edge, Settings};
use alloc::vec::Vec;
pub(crate) use bpdu::{BRIDGES, FRAME};
use bpdu::{Bpdu, Config, Sender};
pub use port::Role;
use port::{Migration, Port};
use unik_sched::time::{Duration, Instant};
use vector::{Times, Vector};

/// Messages that a port may send at once, and one a second from then on (17.13.12). As often what was learned at a port is forgotten, so
/// that a neighbour which keeps to this gets every change of its heeded at once, and another one is no nuisance.
const HOLD: u16 = 6;
/// What a way through a port costs where nothing is said: a link of 1 Gb/s (17.14).
const COST: u32 = 20_000;
/// Rounds of all machines after one event. They settle in far fewer; a mistake in them is to cost no more than this.
const ROUNDS: usize = 256;

/// The tree, as one bridge knows it.
pub(crate) struct Tree {
    ports: Vec<Port>,
    /// The addresses that messages come from.
    addresses: Vec<Mac>,
    /// This bridge: its priority, then its address.
    bridge: u64,
    times: Times,
    root: Vector,
    root_times: Times,
    root_port: Option<usize>,
    next_tick: Instant,
    /// How often something was to be forgotten that had been so too often, and is so later.
    put_off: u64,
}

impl Tree {
    /// A tree of one bridge, with all ports down. The first of the addresses is the bridge's.
    pub(crate) fn try_new(settings: &Settings, addresses: &[Mac]) -> Result<Self, NoMemory> {
        let address = addresses.first().map_or([0; 6], |address| address.octets());
        let [a, b, c, d, e, f] = address;
        let [high, low] = settings.priority.to_be_bytes();
        let times =
            Times { age: 0, max_age: settings.max_age, hello: settings.hello, delay: settings.forward_delay };
        let mut tree = Self {
            ports: Vec::new(),
            addresses: Vec::new(),
            bridge: u64::from_be_bytes([high, low, a, b, c, d, e, f]),
            times,
            root: Vector::default(),
            root_times: times,
            root_port: None,
            next_tick: Instant::ZERO,
            put_off: 0,
        };
        tree.ports.try_reserve_exact(settings.ports.len()).map_err(|_| NoMemory)?;
        tree.addresses.try_reserve_exact(settings.ports.len()).map_err(|_| NoMemory)?;
        for (number, port) in (1..).zip(&settings.ports) {
            let id = u16::from(port.priority) << 8 | number;
            let cost = if port.cost == 0 { COST } else { port.cost };
            tree.ports.push(Port::new(id, cost, port.edge, times.max_age, times.delay));
            tree.addresses.push(addresses.get(tree.addresses.len()).copied().unwrap_or_default());
        }
        tree.run();
        Ok(tree)
    }

    /// Says that a port can be used, or cannot.
    pub(crate) fn set_enabled(&mut self, port: usize, is_enabled: bool) {
        if let Some(port) = self.ports.get_mut(port).filter(|port| port.is_enabled != is_enabled) {
            port.is_enabled = is_enabled;
            self.run();
        }
    }

    /// Takes a frame for bridges. False if it is none that is valid.
    pub(crate) fn receive(&mut self, index: usize, frame: &[u8]) -> bool {
        let Some(bpdu) = Bpdu::parse(frame) else { return false };
        let Some(port) = self.ports.get_mut(index).filter(|port| port.is_enabled) else { return false };
        let is_rapid = match bpdu {
            // It is this port's own, which came back (9.3.4).
            Bpdu::Config(config) if config.vector.bridge == self.bridge && config.vector.port == port.id => {
                return false;
            }
            Bpdu::Config(config) => {
                port.message = Some(config);
                config.is_rapid
            }
            Bpdu::Changed => {
                port.heard_notice = true;
                false
            }
        };
        // Updating the version (17.21.22), and the machine that receives (17.23)
        port.heard_rapid |= is_rapid;
        port.heard_stp |= !is_rapid;
        port.is_edge = false;
        port.timers.edge_delay = port::MIGRATE_TIME;
        self.run();
        true
    }

    /// Lets a second pass, when it has.
    pub(crate) fn poll(&mut self, now: Instant) {
        const SECOND: Duration = Duration::from_secs(1);
        if now < self.next_tick {
            return;
        }
        // A clock that was held up is not run after.
        self.next_tick = (self.next_tick + SECOND).max(now);
        self.ports.iter_mut().for_each(Port::tick);
        self.run();
    }

    /// When [`Self::poll`] is to be called again.
    pub(crate) fn deadline(&self) -> Instant {
        self.next_tick
    }

    /// Writes the next message that is to be sent, if there is one, and says by which port (17.26).
    pub(crate) fn next(&mut self, frame: &mut [u8; FRAME]) -> Option<usize> {
        for (index, (port, address)) in self.ports.iter_mut().zip(&self.addresses).enumerate() {
            if !port.is_enabled || !port.is_selected() {
                continue;
            }
            let is_designated = port.role == Role::Designated;
            if port.timers.hello == 0 {
                port.new_info |= is_designated || port.role == Role::Root && port.timers.changing != 0;
                port.timers.hello = port.hello_time();
            }
            if !port.new_info || port.sent >= HOLD {
                continue;
            }
            let bpdu = match (port.sends_rapid, port.role) {
                (true, _) | (false, Role::Designated) => Bpdu::Config(message(port)),
                (false, Role::Root) => Bpdu::Changed,
                _ => continue,
            };
            bpdu.write(*address, frame);
            port.new_info = false;
            port.acknowledge &= port.role == Role::Root && !port.sends_rapid;
            port.sent += 1;
            port.timers.hello = port.hello_time();
            return Some(index);
        }
        None
    }

    /// The ports that learn, and those that forward, a bit for each.
    pub(crate) fn active(&self) -> (u8, u8) {
        self.ports.iter().enumerate().fold((0, 0), |(learning, forwarding), (index, port)| {
            (learning | u8::from(port.learning) << index, forwarding | u8::from(port.forwarding) << index)
        })
    }

    /// The ports at which everything is to be forgotten, since this was last asked, and how often that was put off.
    pub(crate) fn take_flush(&mut self) -> (u8, u64) {
        let mut ports = 0;
        for (index, port) in self.ports.iter_mut().enumerate() {
            if port.flush && port.flushed < HOLD {
                port.flush = false;
                port.flushed += 1;
                ports |= 1 << index;
            }
        }
        (ports, core::mem::take(&mut self.put_off))
    }

    /// What a port is for, and whether it leads to hosts alone.
    pub(crate) fn role(&self, port: usize) -> Option<(Role, bool)> {
        self.ports.get(port).map(|port| (port.role, port.is_edge))
    }

    /// The root, what the way to it costs, and the port that it leads through.
    pub(crate) fn root(&self) -> (u64, u32, Option<usize>) {
        (self.root.root, self.root.cost, self.root_port)
    }

    /// This bridge.
    pub(crate) fn bridge(&self) -> u64 {
        self.bridge
    }

    /// Lets all machines go as far as they can.
    fn run(&mut self) {
        for _ in 0..ROUNDS {
            let mut has_moved = false;
            if self.ports.iter().any(|port| port.reselect) {
                self.select_roles();
                has_moved = true;
            }
            for index in 0..self.ports.len() {
                has_moved |= self.migrate(index);
                has_moved |= self.inform(index);
                has_moved |= self.transit(index);
                has_moved |= self.change_topology(index);
            }
            if !has_moved {
                return;
            }
        }
        log::error!("the spanning tree does not settle");
    }

    /// The machines for protocol migration and for the detection of bridges (17.24, 17.25), and for the states of a port (17.30).
    fn migrate(&mut self, index: usize) -> bool {
        let Some(port) = self.ports.get_mut(index) else { return false };
        let is_quiet = port.timers.migration == 0;
        match port.migration {
            Migration::Checking if is_quiet => {
                port.migration = Migration::Sensing;
                (port.heard_rapid, port.heard_stp) = (false, false);
                return true;
            }
            Migration::Checking if port.timers.migration != port::MIGRATE_TIME && !port.is_enabled => {
                port.check();
                return true;
            }
            Migration::Sensing if !port.is_enabled || !port.sends_rapid && port.heard_rapid => {
                port.check();
                return true;
            }
            Migration::Sensing if port.sends_rapid && port.heard_stp => {
                port.migration = Migration::Selecting;
                port.sends_rapid = false;
                port.timers.migration = port::MIGRATE_TIME;
                return true;
            }
            Migration::Selecting if is_quiet || !port.is_enabled => {
                port.migration = Migration::Sensing;
                (port.heard_rapid, port.heard_stp) = (false, false);
                return true;
            }
            _ => {}
        }
        if !port.is_enabled {
            // The machine that receives starts anew with the link (17.23).
            port.timers.edge_delay = port::MIGRATE_TIME;
        }
        let becomes_edge = !port.is_enabled && port.edge == Edge::On
            || port.timers.edge_delay == 0 && port.edge == Edge::Auto && port.sends_rapid && port.proposing;
        let ends_edge = !port.is_enabled && port.edge != Edge::On;
        if !port.is_edge && becomes_edge || port.is_edge && ends_edge {
            port.is_edge = !port.is_edge;
            return true;
        }
        let before = (port.learning, port.forwarding);
        if port.forwarding && !port.forward || port.learning && !port.learn {
            (port.learning, port.forwarding) = (false, false);
        } else if port.learn && !port.learning {
            port.learning = true;
        } else if port.learning && port.forward {
            port.forwarding = true;
        }
        before != (port.learning, port.forwarding)
    }
}

impl Port {
    /// Believes that its neighbours speak RSTP, until they are heard.
    fn check(&mut self) {
        self.migration = Migration::Checking;
        self.sends_rapid = true;
        self.timers.migration = port::MIGRATE_TIME;
    }
}

/// What a port says of the tree (17.21.19, 17.21.20).
fn message(port: &Port) -> Config {
    Config {
        is_rapid: port.sends_rapid,
        sender: match port.role {
            Role::Designated => Sender::Designated,
            Role::Root => Sender::Root,
            _ => Sender::Alternate,
        },
        vector: port.designated,
        times: port.designated_times,
        is_changed: port.timers.changing != 0,
        is_acknowledged: !port.sends_rapid && port.acknowledge,
        proposes: port.proposing,
        agrees: port.agree,
        learns: port.learning,
        forwards: port.forwarding,
    }
}
