//! The switch: where each frame goes.
//!
//! [`Switch::forward`] looks at the head of a frame and says by which ports it leaves, and in which form ([`Route`]); the
//! frame itself stays where it is. Where it went is remembered for those behind it, until an address, a port or the second is another. What happens with time is done by [`Switch::poll`]. Parts: `table.rs` knows addresses,
//! `vlan.rs` VLANs, `storm.rs` how many frames may go to many. Invariant: a route never names the port that the frame came
//! from, nor one that is down, blocked or in another VLAN; a remembered route is the one that would be found.

use crate::NoMemory;
use crate::address::{Key, Mac};
use crate::counters::{PortCounters, SwitchCounters};
use crate::lldp::{self, Lldp, LldpCounters, Neighbor};
use crate::rstp::{self, Role, Tree};
use crate::settings::{CUSTOMER_TAG, DEFAULT_VLAN, Flood, Mode, PORTS, Settings};
use crate::storm::Allowance;
use crate::table::{Known, Learned, Table};
use crate::vlan::{Vlan, Vlans};
use alloc::rc::Rc;
use alloc::vec::Vec;
use unik_sched::counter::Counter;
use unik_sched::has_memory;
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
    /// It goes to one port, as it is.
    pub is_straight: bool,
    /// It is for the switch itself: see [`Switch::control`](crate::Switch::control).
    pub is_control: bool,
    /// What a tag says: priority and VLAN.
    pub tag: u16,
}

impl Route {
    /// The place of the port where the frame goes as it is, and nowhere else.
    #[inline]
    pub fn straight(&self) -> Option<usize> {
        self.is_straight.then(|| self.ports.trailing_zeros() as usize)
    }
}

/// Where frames with the same head from the same port went, and go, as long as nothing has changed.
#[derive(Clone, Copy, Default)]
struct Flow {
    /// The first octets of the frame: addresses, type, and what a tag says, if it is one.
    head: u128,
    /// When this was so, in changes of the switch, and the port that they came from: see [`Switch::state_at`].
    state: u64,
    /// The VLAN, by its place.
    vlan: u16,
    route: Route,
}

/// Flows that are remembered: a power of two.
const FLOWS: usize = 64;
/// Octets that decide over the way of a frame.
pub(crate) const HEAD: usize = 16;
/// An odd number whose multiples are spread over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// One change of the switch: the octet below is that of a port.
const CHANGE: u64 = 1 << 8;

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

impl Port {
    /// The tag of a frame, of which the last octets of the head are given; or which counter says why it is refused.
    #[inline]
    fn read_tag(&self, frame: &[u8], kind: [u8; 2]) -> Result<Option<u16>, &Counter> {
        if self.tag == 0 || u16::from_be_bytes(kind) != self.tag {
            return Ok(None);
        }
        let Some([.., high, low]) = frame.first_chunk::<{ HEADER + 2 }>() else {
            return Err(&self.counters.drop_short);
        };
        let tag = u16::from_be_bytes([*high, *low]);
        if self.mode == Mode::Access && tag & VLAN_BITS != 0 {
            return Err(&self.counters.drop_tag);
        }
        // A tag may say nothing but a priority (IEEE 802.1Q, 6.9).
        Ok(Some(if tag & VLAN_BITS == 0 { tag | self.vlan } else { tag }))
    }
}

/// The switch.
pub struct Switch {
    ports: Vec<Port>,
    flows: [Flow; FLOWS],
    /// Counts what may send a frame elsewhere than the one before it, by [`CHANGE`].
    epoch: u64,
    vlans: Vlans,
    table: Table,
    /// The time of the turn, and the second that it is in.
    now: Instant,
    second: u32,
    next_second: Instant,
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
    tree: Option<Tree>,
    lldp: Lldp,
    counters: Rc<SwitchCounters>,
    lldp_counters: Rc<LldpCounters>,
}

/// Octets of the longest frame that the switch sends of its own accord.
pub const OWN_FRAME: usize = lldp::FRAME;

/// The spanning tree, as it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeState {
    /// This bridge and the root: the priority of each, then its address.
    pub bridge: u64,
    /// The root.
    pub root: u64,
    /// What the way to it costs.
    pub cost: u32,
    /// The port that it leads through, if this is not the root.
    pub port: Option<usize>,
}

impl Switch {
    /// A switch with all its ports down, whose cards have these addresses. Nobody can choose addresses that get in each other's
    /// way who does not know `seed`.
    ///
    /// # Errors
    /// There is no memory for its tables.
    pub fn try_new(settings: &Settings, addresses: &[Mac], seed: u64) -> Result<Self, NoMemory> {
        let mut table = Table::try_new(settings.table, settings.ageing, seed)?;
        for (key, port) in &settings.statics {
            if !table.fix(*key, *port) {
                log::warn!("no room in the table for the configured address {}", key.address());
            }
        }
        let vlans = Vlans::try_new(&settings.ports, settings.mirror)?;
        let mut ports = Vec::new();
        ports.try_reserve_exact(settings.ports.len()).map_err(|_| NoMemory)?;
        // What is counted is shared, and shared memory is not asked for but taken.
        let counted = size_of::<PortCounters>() * PORTS + size_of::<(SwitchCounters, LldpCounters)>();
        if !has_memory(counted, PORTS + 2) {
            return Err(NoMemory);
        }
        let (counters, lldp_counters) = (Rc::default(), Rc::default());
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
        let tree = if settings.has_rstp { Some(Tree::try_new(settings, addresses)?) } else { None };
        // A controller finds its switches by frames of its own, and takes what comes by a port for what it asked for.
        let usual = !settings.openflow.is_on();
        let used = settings.ports.iter().enumerate();
        let used = used.map(|(index, port)| port.lldp.unwrap_or(usual) && settings.mirror != Some(index));
        let lldp = Lldp::try_new(used, addresses)?;
        let mirrored_out = if settings.mirror.is_some() { mirrored_out } else { 0 };
        Ok(Self {
            ports,
            flows: [Flow::default(); FLOWS],
            epoch: CHANGE,
            vlans,
            table,
            now: Instant::ZERO,
            second: 0,
            next_second: Instant::ZERO,
            next_sweep: Instant::ZERO,
            up: 0,
            learning: 0,
            forwarding: 0,
            isolated,
            mirrored_out,
            mirror: settings.mirror,
            tree,
            lldp,
            counters,
            lldp_counters,
        })
    }

    /// Tells what time it is, for everything until it is told anew.
    pub fn begin(&mut self, now: Instant) {
        self.now = now;
        if now >= self.next_second {
            self.second = (now.as_millis() / 1000) as u32;
            self.next_second = Instant::from_millis((u64::from(self.second) + 1) * 1000);
            self.epoch += CHANGE;
        }
    }

    /// Counts frames that came in by a port, and their octets.
    #[inline]
    pub fn receive(&self, ingress: usize, frames: usize, octets: usize) {
        if let Some(port) = self.ports.get(ingress) {
            port.counters.in_frames.add(frames as u64);
            port.counters.in_octets.add(octets as u64);
        }
    }

    /// Says where a frame from this port goes. Of the frame only the head is looked at; `length` is its length as a whole.
    #[inline]
    pub fn forward(&mut self, ingress: usize, frame: &[u8], length: usize) -> Route {
        if let Some(head) = first_octets(frame) {
            let state = self.state_at(ingress);
            if let Some(flow) = self.flows.get(place(head))
                && flow.head == head
                && flow.state == state
                && let Some(vlan) = self.vlans.at(flow.vlan)
            {
                vlan.frames += 1;
                vlan.octets += length as u64;
                return flow.route;
            }
        }
        self.find(ingress, frame, length)
    }

    /// Counts frames that go the way of the one before them: from the same port, and with the same head.
    #[inline]
    pub fn repeat(&mut self, route: Route, frames: usize, octets: usize) {
        if frames != 0
            && let Some(vlan) = self.vlans.find(route.tag & VLAN_BITS)
        {
            vlan.frames += frames as u64;
            vlan.octets += octets as u64;
        }
    }

    /// What is the same for all frames from a port as long as nothing changes. There are less than 256 ports.
    #[inline]
    fn state_at(&self, ingress: usize) -> u64 {
        self.epoch | ingress as u64
    }

    /// The same, for a frame that is the first of its flow for a while.
    #[inline(never)]
    fn find(&mut self, ingress: usize, frame: &[u8], length: usize) -> Route {
        let bit = 1u8 << (ingress & 7);
        let Some(port) = self.ports.get_mut(ingress) else { return Route::default() };
        let counters = &*port.counters;
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
        match port.read_tag(frame, [high, low]) {
            Ok(tag) => (route.tag, route.is_tagged) = (tag.unwrap_or(port.vlan), tag.is_some()),
            Err(reason) => return refuse(route, reason),
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
            learned => {
                self.epoch += CHANGE;
                note(learned, counters, &self.counters);
            }
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
            None => match flood(port, vlan, destination, length, self.now) {
                true => reached,
                false => return route,
            },
        };
        if route.ports == 0 {
            return refuse(route, &port.counters.drop_nowhere);
        }
        route.is_mirrored |= route.ports & self.mirrored_out != 0;
        let is_plain = route.plain & route.ports != 0;
        route.is_straight = found.is_some() && is_plain && !route.is_tagged && !route.is_mirrored;
        if let Some(head) = first_octets(frame).filter(|_| found.is_some()) {
            let state = self.state_at(ingress);
            if let Some(flow) = self.flows.get_mut(place(head)) {
                let vlan = self.vlans.place(number);
                *flow = Flow { head, state, vlan, route };
            }
        }
        route
    }

    /// Says where a frame goes that came in by no port: a controller's. Nothing is learned from it. Without a tag (IEEE 802.1Q) it is
    /// of the VLAN that ports have unless told otherwise.
    #[cold]
    #[inline(never)]
    pub fn forward_own(&mut self, frame: &[u8]) -> Route {
        let Some(head) = frame.first_chunk::<HEADER>() else { return Route::default() };
        let (destination, [.., high, low]) = (Mac::pair(head).0, *head);
        if destination.is_reserved() {
            return Route::default();
        }
        let mut route = Route { tag: DEFAULT_VLAN, ..Route::default() };
        if u16::from_be_bytes([high, low]) == CUSTOMER_TAG {
            let Some([.., high, low]) = frame.first_chunk::<{ HEADER + 2 }>() else { return route };
            let tag = u16::from_be_bytes([*high, *low]);
            route.is_tagged = true;
            route.tag = if tag & VLAN_BITS == 0 { tag | DEFAULT_VLAN } else { tag };
        }
        let number = route.tag & VLAN_BITS;
        let Some(vlan) = self.vlans.find(number) else { return route };
        route.plain = vlan.plain;
        let reached = vlan.members & self.forwarding;
        let known = self.table.find(Key::new(number, destination), self.second);
        let found = known.filter(|_| !destination.is_group());
        route.ports = found.map_or(reached, |egress| reached & 1 << (egress & 7));
        route.is_mirrored = route.ports & self.mirrored_out != 0;
        route
    }

    /// Whether a frame is of the spanning tree, and there is one: it is for the switch, whoever else decides where frames go.
    #[inline]
    pub fn is_greeting(&self, frame: &[u8]) -> bool {
        self.tree.is_some()
            && frame.first_chunk::<HEADER>().is_some_and(|head| Mac::pair(head).0 == rstp::BRIDGES)
    }

    /// Takes a frame whose [`Route`] says that it is for the switch itself.
    #[cold]
    #[inline(never)]
    pub fn control(&mut self, ingress: usize, frame: &[u8]) {
        let Some((port, head)) = self.ports.get(ingress).zip(frame.first_chunk::<HEADER>()) else { return };
        let ((destination, _), [.., high, low]) = (Mac::pair(head), *head);
        if destination == rstp::BRIDGES
            && let Some(tree) = &mut self.tree
        {
            if tree.receive(ingress, frame) {
                self.counters.bpdus.increment();
            } else {
                self.counters.bad_bpdus.increment();
            }
            self.follow_tree();
        } else if u16::from_be_bytes([high, low]) == lldp::TYPE {
            // Any of the three addresses of LLDP will do (IEEE 802.1AB, 7.1).
            self.lldp.receive(ingress, frame, self.now, &self.lldp_counters);
        } else {
            port.counters.drop_reserved.increment();
        }
    }

    /// Whether there may be something for [`Self::next_own`].
    #[inline]
    pub fn may_speak(&self) -> bool {
        self.tree.is_some() || self.lldp.deadline() <= self.now
    }

    /// Writes the next frame that the switch has to send of its own accord, if there is one: its port and its length.
    pub fn next_own(&mut self, frame: &mut [u8; OWN_FRAME]) -> Option<(usize, usize)> {
        if let Some(tree) = &mut self.tree
            && let Some(space) = frame.first_chunk_mut::<{ rstp::FRAME }>()
            && let Some(port) = tree.next(space)
        {
            return Some((port, rstp::FRAME));
        }
        if self.lldp.deadline() > self.now {
            return None;
        }
        frame.fill(0);
        let next = self.lldp.next(self.now, frame);
        self.lldp_counters.out_frames.add(next.is_some().into());
        next
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        self.begin(now);
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.counters.aged.add(self.table.sweep(self.second) as u64);
        }
        if now >= self.lldp.deadline() {
            self.lldp.poll(now, &self.lldp_counters);
        }
        if let Some(tree) = &mut self.tree
            && now >= tree.deadline()
        {
            tree.poll(now);
            self.follow_tree();
        }
    }

    /// When [`Self::poll`] and [`Self::next_own`] are to be called again. What is only to be forgotten waits for company, so that
    /// a switch that nobody uses sleeps.
    pub fn deadline(&self) -> Instant {
        let sweep = if self.table.is_empty() { Instant::MAX } else { self.next_sweep };
        let tree = self.tree.as_ref().map_or(Instant::MAX, Tree::deadline);
        sweep.min(tree).min(self.lldp.deadline())
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
        let is_mirror = self.mirror == Some(port);
        self.lldp.set_link(port, is_up, self.now);
        match &mut self.tree {
            Some(tree) => {
                tree.set_enabled(port, is_up && !is_mirror);
                self.follow_tree();
            }
            None => self.arrange(self.up, self.up),
        }
    }

    /// Does what the tree says.
    fn follow_tree(&mut self) {
        let Some(tree) = &mut self.tree else { return };
        let ((learning, forwarding), (flush, put_off)) = (tree.active(), tree.take_flush());
        self.counters.flushes_put_off.add(put_off);
        if flush != 0 {
            self.flush(flush);
        }
        if (learning, forwarding) != (self.learning, self.forwarding) {
            self.arrange(learning, forwarding);
        }
    }

    /// Says which ports learn and which forward, of those that are up.
    fn arrange(&mut self, learning: u8, forwarding: u8) {
        self.epoch += CHANGE;
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
        self.epoch += CHANGE;
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

    /// Whether what a port receives is copied to the port that mirrors.
    #[inline]
    pub fn mirrors_received(&self, port: usize) -> bool {
        self.ports.get(port).is_some_and(|port| port.is_mirrored_in)
    }

    /// Whether what a port sends is copied to the port that mirrors.
    #[inline]
    pub fn mirrors_sent(&self, port: usize) -> bool {
        port < PORTS && self.mirrored_out >> (port & 7) & 1 != 0
    }

    /// The first address at a position or behind it, and the position behind that.
    pub fn address_at(&self, position: usize) -> Option<(Known, usize)> {
        self.table.at(position, self.second)
    }

    /// The VLANs, in their order.
    pub fn vlans(&self) -> &[Vlan] {
        self.vlans.all()
    }

    /// What is counted of LLDP.
    pub fn lldp_counters(&self) -> Rc<LldpCounters> {
        self.lldp_counters.clone()
    }

    /// The neighbours that LLDP has told of.
    pub fn neighbors(&self) -> &[Neighbor] {
        self.lldp.neighbors()
    }

    /// The time of the turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The spanning tree, where there is one.
    pub fn tree(&self) -> Option<TreeState> {
        let tree = self.tree.as_ref()?;
        let (root, cost, port) = tree.root();
        Some(TreeState { bridge: tree.bridge(), root, cost, port })
    }

    /// What a port is for in the spanning tree, and whether it leads to hosts alone.
    pub fn role(&self, port: usize) -> Option<(Role, bool)> {
        self.tree.as_ref()?.role(port)
    }

    /// How a port is: its link is up, it learns, it forwards.
    pub fn state(&self, port: usize) -> (bool, bool, bool) {
        let has = |set: u8| set & 1u8 << (port & 7) != 0;
        (has(self.up), has(self.learning), has(self.forwarding))
    }
}

/// What decides over the way of a frame, from one port and as long as nothing changes. `None` where it is too short.
#[inline]
fn first_octets(frame: &[u8]) -> Option<u128> {
    frame.first_chunk::<HEAD>().map(|head| u128::from_le_bytes(*head))
}

/// Where a flow is remembered.
#[inline]
fn place(head: u128) -> usize {
    let mixed = (head as u64 ^ ((head >> 64) as u64).rotate_left(23)).wrapping_mul(SPREAD);
    (mixed >> 32) as usize % FLOWS
}

/// Whether a frame without a port of its own may go to many.
#[inline(never)]
fn flood(port: &mut Port, vlan: &mut Vlan, destination: Mac, length: usize, now: Instant) -> bool {
    let counters = &*port.counters;
    let (kind, reason) = if destination == Mac::BROADCAST {
        (Flood::Broadcast, &counters.drop_broadcast)
    } else if destination.is_group() {
        (Flood::Multicast, &counters.drop_multicast)
    } else {
        (Flood::Unknown, &counters.drop_unknown)
    };
    let may = port.storm.get_mut(kind as usize).is_none_or(|allowance| allowance.take(length, now));
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
fn drop(reason: &Counter) -> Route {
    reason.increment();
    Route::default()
}

/// Counts why a frame goes nowhere, but for a copy of it.
#[cold]
fn refuse(route: Route, reason: &Counter) -> Route {
    reason.increment();
    Route { ports: 0, ..route }
}
