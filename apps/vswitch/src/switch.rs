//! The switch: where each frame goes.
//!
//! [`Switch::forward`] looks at the head of a frame and says by which ports it leaves, and in which form ([`Route`]); the
//! frame itself stays where it is. What happens with time is done by [`Switch::poll`]. Parts: `table.rs` knows addresses,
//! `vlan.rs` VLANs, `storm.rs` how many frames may go to many. Invariant: a route never names the port that the frame came
//! from, nor one that is down, blocked or in another VLAN.

use crate::NoMemory;
use crate::address::{Key, Mac};
use crate::counters::{PortCounters, SwitchCounters};
use crate::settings::{Flood, Mode, PORTS, Settings};
use crate::storm::Allowance;
use crate::table::{Known, Learned, Table};
use crate::vlan::{Vlan, Vlans};
use alloc::rc::Rc;
use alloc::vec::Vec;
use unik_sched::time::{Duration, Instant};

/// Octets of a header without a tag, and of a tag.
pub const HEADER: usize = 14;
/// Octets of a tag (IEEE 802.1Q, 9.3).
pub const TAG: usize = 4;
/// The bits of a tag that name the VLAN.
const VLAN_BITS: u16 = 0xfff;
/// How often a part of the table is looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// Where a frame goes. No bit in `ports`: nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// The ports that it leaves by, a bit for each.
    pub ports: u8,
    /// Those of all ports that it leaves without a tag.
    pub plain: u8,
    /// It came with a tag that is one here.
    pub is_tagged: bool,
    /// It is to be copied to the port that mirrors, as it came.
    pub is_mirrored: bool,
    /// It is for the switch itself: see [`Switch::control`](crate::Switch::control).
    pub is_control: bool,
    /// What a tag says: priority and VLAN.
    pub tag: u16,
}

/// What is known of a port.
struct Port {
    mode: Mode,
    /// The VLAN of what has no tag; 0: none.
    vlan: u16,
    /// The type of a tag; 0: tags are not looked at.
    tag: u16,
    /// The ports that frames from here may go to, a bit for each.
    reach: u8,
    is_mirrored_in: bool,
    storm: [Allowance; 3],
    counters: Rc<PortCounters>,
}

/// The switch.
pub struct Switch {
    ports: Vec<Port>,
    vlans: Vlans,
    table: Table,
    /// The time of the turn, and the second that it is in.
    now: Instant,
    second: u32,
    next_sweep: Instant,
    /// Ports whose link is up, that learn, and that forward, a bit for each.
    up: u8,
    learning: u8,
    forwarding: u8,
    /// Ports that do not reach each other.
    isolated: u8,
    /// Ports of which what goes out is copied, and the port that copies go to.
    mirrored_out: u8,
    mirror: Option<usize>,
    counters: Rc<SwitchCounters>,
}

impl Switch {
    /// A switch with all its ports down. Nobody can choose addresses that get in each other's way who does not know `seed`.
    ///
    /// # Errors
    /// There is no memory for its tables.
    pub fn try_new(settings: &Settings, seed: u64) -> Result<Self, NoMemory> {
        let mut table = Table::try_new(settings.table, settings.ageing, seed)?;
        for (key, port) in &settings.statics {
            if !table.fix(*key, *port) {
                log::warn!("no room in the table for the configured address {}", key.address());
            }
        }
        let vlans = Vlans::try_new(&settings.ports, settings.mirror)?;
        let mut ports = Vec::new();
        ports.try_reserve_exact(settings.ports.len()).map_err(|_| NoMemory)?;
        let (mut isolated, mut mirrored_out) = (0, 0);
        for (index, port) in settings.ports.iter().enumerate().take(PORTS) {
            isolated |= u8::from(port.is_isolated) << index;
            mirrored_out |= u8::from(port.is_mirrored.1) << index;
            ports.push(Port {
                mode: port.mode,
                vlan: port.vlan,
                tag: if port.mode == Mode::Tunnel { 0 } else { port.tag },
                reach: 0,
                is_mirrored_in: port.is_mirrored.0 && settings.mirror.is_some(),
                storm: port.storm.map(Allowance::new),
                counters: Rc::default(),
            });
        }
        let mirrored_out = if settings.mirror.is_some() { mirrored_out } else { 0 };
        Ok(Self {
            ports,
            vlans,
            table,
            now: Instant::ZERO,
            second: 0,
            next_sweep: Instant::ZERO,
            up: 0,
            learning: 0,
            forwarding: 0,
            isolated,
            mirrored_out,
            mirror: settings.mirror,
            counters: Rc::default(),
        })
    }

    /// Tells what time it is, for everything until it is told anew.
    pub fn begin(&mut self, now: Instant) {
        self.now = now;
        self.second = (now.as_millis() / 1000) as u32;
    }

    /// Says where a frame from this port goes. Of the frame only the head is looked at; `length` is its length as a whole.
    #[inline]
    pub fn forward(&mut self, ingress: usize, frame: &[u8], length: usize) -> Route {
        let bit = 1u8 << (ingress & 7);
        let Some(port) = self.ports.get_mut(ingress) else { return Route::default() };
        let counters = &*port.counters;
        counters.in_frames.increment();
        counters.in_octets.add(length as u64);
        let Some(head) = frame.first_chunk::<HEADER>() else { return drop(&counters.drop_short) };
        let (destination, source) = Mac::pair(head);
        let [.., high, low] = *head;
        let mut route = Route { is_mirrored: port.is_mirrored_in, ..Route::default() };
        if !source.is_source() {
            return refuse(route, &counters.drop_source);
        }
        if destination.is_reserved() {
            return Route { is_control: true, ..route };
        }
        route.tag = port.vlan;
        if port.tag != 0 && u16::from_be_bytes([high, low]) == port.tag {
            let Some([.., high, low]) = frame.first_chunk::<{ HEADER + 2 }>() else {
                return refuse(route, &counters.drop_short);
            };
            let tag = u16::from_be_bytes([*high, *low]);
            route.is_tagged = true;
            // A tag may say nothing but a priority (IEEE 802.1Q, 6.9).
            route.tag = if tag & VLAN_BITS == 0 { tag | port.vlan } else { tag };
            if port.mode == Mode::Access && tag & VLAN_BITS != 0 {
                return refuse(route, &counters.drop_tag);
            }
        }
        let number = route.tag & VLAN_BITS;
        let Some(vlan) = self.vlans.find(number).filter(|vlan| vlan.members & bit != 0) else {
            let reason = if number == 0 { &counters.drop_tag } else { &counters.drop_vlan };
            return refuse(route, reason);
        };
        vlan.frames += 1;
        vlan.octets += length as u64;
        if self.learning & bit == 0 {
            return refuse(route, &counters.drop_blocked);
        }
        match self.table.learn(Key::new(number, source), ingress, self.second) {
            Learned::Known => {}
            learned => note(learned, counters, &self.counters),
        }
        if self.forwarding & bit == 0 {
            return refuse(route, &counters.drop_blocked);
        }
        route.plain = vlan.plain;
        let reached = port.reach & vlan.members;
        let found = if destination.is_group() {
            None
        } else {
            self.table.find(Key::new(number, destination), self.second)
        };
        route.ports = match found {
            Some(egress) if egress == ingress => return refuse(route, &counters.drop_local),
            Some(egress) => reached & 1 << (egress & 7),
            None => match flood(port, vlan, destination, self.now) {
                true => reached,
                false => return route,
            },
        };
        if route.ports == 0 {
            return refuse(route, &port.counters.drop_nowhere);
        }
        route.is_mirrored |= route.ports & self.mirrored_out != 0;
        route
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        self.begin(now);
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.counters.aged.add(self.table.sweep(self.second) as u64);
        }
    }

    /// When [`Self::poll`] is to be called again.
    pub fn deadline(&self) -> Instant {
        self.next_sweep
    }

    /// Says that the link of a port is up, or down. What was heard at a port that goes down is forgotten.
    pub fn set_link(&mut self, port: usize, is_up: bool) {
        let bit = 1u8 << (port & 7);
        if is_up == (self.up & bit != 0) {
            return;
        }
        self.up ^= bit;
        if !is_up {
            self.flush(bit);
        }
        self.arrange(self.up, self.up);
    }

    /// Says which ports learn and which forward, of those that are up.
    fn arrange(&mut self, learning: u8, forwarding: u8) {
        let mirror = self.mirror.map_or(0, |port| 1u8 << (port & 7));
        self.learning = learning & self.up & !mirror;
        self.forwarding = forwarding & self.up & !mirror;
        for (index, port) in self.ports.iter_mut().enumerate() {
            let own = 1u8 << index;
            let apart = if self.isolated & own != 0 { self.isolated } else { 0 };
            port.reach = self.forwarding & !own & !apart;
        }
    }

    /// Forgets what was heard at these ports.
    fn flush(&mut self, ports: u8) {
        self.counters.flushed.add(self.table.flush(ports) as u64);
    }

    /// What is counted of a port.
    pub fn port_counters(&self, port: usize) -> Option<Rc<PortCounters>> {
        self.ports.get(port).map(|port| port.counters.clone())
    }

    /// What is counted of the switch.
    pub fn counters(&self) -> Rc<SwitchCounters> {
        self.counters.clone()
    }

    /// How many ports there are.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// The type of a tag on frames that leave by a port.
    pub fn tag(&self, port: usize) -> u16 {
        self.ports.get(port).map_or(0, |port| port.tag)
    }

    /// The port that copies go to.
    pub fn mirror(&self) -> Option<usize> {
        self.mirror
    }

    /// The first address at a position or behind it, and the position behind that.
    pub fn address_at(&self, position: usize) -> Option<(Known, usize)> {
        self.table.at(position, self.second)
    }

    /// The VLANs, in their order.
    pub fn vlans(&self) -> &[Vlan] {
        self.vlans.all()
    }

    /// How a port is: its link is up, it learns, it forwards.
    pub fn state(&self, port: usize) -> (bool, bool, bool) {
        let has = |set: u8| set & 1u8 << (port & 7) != 0;
        (has(self.up), has(self.learning), has(self.forwarding))
    }
}

/// Whether a frame without a port of its own may go to many.
#[inline(never)]
fn flood(port: &mut Port, vlan: &mut Vlan, destination: Mac, now: Instant) -> bool {
    let counters = &*port.counters;
    let (kind, reason) = if destination == Mac::BROADCAST {
        (Flood::Broadcast, &counters.drop_broadcast)
    } else if destination.is_group() {
        (Flood::Multicast, &counters.drop_multicast)
    } else {
        (Flood::Unknown, &counters.drop_unknown)
    };
    let may = port.storm.get_mut(kind as usize).is_none_or(|allowance| allowance.take(now));
    if may {
        vlan.flooded += 1;
        counters.flooded.increment();
    } else {
        reason.increment();
    }
    may
}

/// Counts what came of an address that was not known where it was heard.
#[cold]
fn note(learned: Learned, port: &PortCounters, switch: &SwitchCounters) {
    match learned {
        Learned::Known => {}
        Learned::Moved => port.moved.increment(),
        Learned::New => port.learned.increment(),
        Learned::Evicted => {
            port.learned.increment();
            switch.evicted.increment();
        }
        Learned::Fixed => switch.misplaced.increment(),
        Learned::Full => switch.full.increment(),
    }
}

#[cold]
fn drop(reason: &unik_sched::counter::Counter) -> Route {
    reason.increment();
    Route::default()
}

/// Counts why a frame goes nowhere, but for a copy of it.
#[cold]
fn refuse(route: Route, reason: &unik_sched::counter::Counter) -> Route {
    reason.increment();
    Route { ports: 0, ..route }
}
