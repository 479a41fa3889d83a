//! The tables of controllers in a plane: when they decide where frames go, and what they are told of the ports.
//!
//! Without a controller to call, whoever connects programs the switch, which until then does by one entry what it does without
//! OpenFlow. With controllers to call, these are in charge while one of them is there. Invariant: a port's state, as controllers
//! see it, is that of its link and of the spanning tree.

use super::outputs::{Carried, Outputs};
use super::reports::{Report, Reports};
use crate::NoMemory;
use crate::frame::parse::{Likeness, Parsed};
use crate::openflow::{self, ConnectionId, Description, MOST_CONNECTIONS, Over, Role};
use crate::pipeline::{Datapath, Destination, Look, ports};
use crate::settings::{OpenFlowSettings, PORTS};
use crate::switch::Switch;
use alloc::vec::Vec;
use unik::sync::Event;
use unik_sched::time::{Duration, Instant};

/// How often entries are looked at whose time may be over; it is given in seconds.
const TICK: Duration = Duration::from_millis(500);

/// The messages of a controller that wants a switch to do by its tables what it does without (OpenFlow 1.3.5, 7.3.4.1): HELLO, and
/// FLOW_MOD with an entry for all frames, of the lowest priority, that applies OUTPUT to NORMAL.
pub(super) const LEARN: [u8; 88] = {
    let mut octets = [0; 88];
    let parts: [(usize, &[u8]); 6] = [
        (0, &[4, 0, 0, 8, 0, 0, 0, 0, 4, 14, 0, 80]),
        // No buffer, any port and any group.
        (40, &[0xff; 12]),
        // A match without fields.
        (56, &[0, 1, 0, 4]),
        // APPLY_ACTIONS.
        (64, &[0, 4, 0, 24]),
        // OUTPUT.
        (72, &[0, 0, 0, 16]),
        (76, &ports::NORMAL.to_be_bytes()),
    ];
    let mut part = 0;
    while part < parts.len() {
        let (at, bytes) = parts[part];
        let mut index = 0;
        while index < bytes.len() {
            octets[at + index] = bytes[index];
            index += 1;
        }
        part += 1;
    }
    octets
};

/// The tables, and the connections of those who program them.
pub(super) struct Control {
    switch: openflow::Switch,
    /// How controllers are.
    pub(super) reports: Reports,
    /// Each connection, and what tells its task that there is something to say.
    talks: Vec<(ConnectionId, Event)>,
    /// There are controllers that are called.
    has_chief: bool,
    /// How many more connections there may be of those who call, which leave room for those who are called.
    callers_left: usize,
    is_secure: bool,
    /// Those of them that are there.
    chiefs: usize,
    /// The states that controllers know of.
    states: [u32; PORTS],
    next_tick: Instant,
}

impl Control {
    /// Tables for a switch whose cards have these names and addresses. Nobody outside may know `seed`.
    ///
    /// # Errors
    /// There is no memory.
    pub(super) fn try_new(
        settings: &OpenFlowSettings,
        datapath: u64,
        cards: impl Iterator<Item = (&'static str, [u8; 6])>,
        seed: u64,
        now: Instant,
    ) -> Result<Self, NoMemory> {
        let tables = Datapath::new(seed, settings.flows).ok_or(NoMemory)?;
        let mut switch = openflow::Switch::new(tables, datapath, Description::default());
        for (number, (name, address)) in (1..).zip(cards) {
            let port = ports::Port::new(number, address, name, now);
            if !switch.put_port(port) {
                return Err(NoMemory);
            }
        }
        let mut talks = Vec::new();
        talks.try_reserve_exact(MOST_CONNECTIONS).map_err(|_| NoMemory)?;
        let reports = Reports::try_new(&settings.controllers, MOST_CONNECTIONS).ok_or(NoMemory)?;
        let has_chief = !settings.controllers.is_empty();
        let callers_left = MOST_CONNECTIONS.saturating_sub(settings.controllers.len());
        let states = [ports::LIVE; PORTS];
        let is_secure = settings.is_secure;
        let mut control = Self {
            switch,
            reports,
            talks,
            has_chief,
            callers_left,
            is_secure,
            chiefs: 0,
            states,
            next_tick: now + TICK,
        };
        if !has_chief && !is_secure {
            control.learn(now)?;
        }
        Ok(control)
    }

    /// Puts in the entry that makes a learning switch of this.
    fn learn(&mut self, now: Instant) -> Result<(), NoMemory> {
        struct Nowhere;
        impl openflow::Wires for Nowhere {
            fn send(&mut self, _: Destination, _: &dyn crate::frame::Frame) {}
        }
        let id = self.switch.connect().ok_or(NoMemory)?;
        let received = self.switch.receive(id, &LEARN, now, &mut Nowhere);
        self.switch.disconnect(id);
        if received.is_err() || self.switch.datapath.flows.is_empty() { Err(NoMemory) } else { Ok(()) }
    }

    /// Whether the tables decide where frames go.
    #[inline]
    pub(super) fn is_in_charge(&self) -> bool {
        !self.has_chief || self.is_secure || self.chiefs != 0
    }

    /// Looks up a frame that a card received, which is read into `parsed`.
    #[inline]
    pub(super) fn look(&mut self, ingress: usize, frame: &[u8], parsed: &mut Parsed) -> Look {
        self.switch.datapath.look(ingress as u32 + 1, frame, parsed)
    }

    /// What other frames must have in common with one that was looked up, to go the same way.
    pub(super) fn likeness(&self, look: &Look, parsed: &Parsed, frame: &[u8]) -> Option<&Likeness> {
        self.switch.datapath.likeness(look, parsed, frame)
    }

    /// Counts frames that go the way that was found, where that is a simple one, for the entry that says so.
    pub(super) fn hit(&mut self, look: &Look, frames: usize, octets: usize, now: Instant) {
        self.switch.datapath.hit(look, frames, octets, now);
    }

    /// Counts frames that go to a port in such a way, for the ports.
    pub(super) fn count(&mut self, ingress: usize, port: u32, frames: usize, octets: usize) {
        self.switch.datapath.count(ingress as u32 + 1, port, frames, octets);
    }

    /// Does with a frame that was looked up what the tables say; where it is to go itself.
    pub(super) fn proceed(
        &mut self,
        ingress: usize,
        look: &Look,
        parsed: &Parsed,
        frame: &mut Carried,
        now: Instant,
        outputs: &mut Outputs<'_>,
    ) -> Option<Destination> {
        self.switch.proceed(ingress as u32 + 1, look, parsed, frame, now, outputs)
    }

    /// Does what is due, and tells of ports that have changed.
    pub(super) fn poll(&mut self, switch: &Switch, now: Instant) {
        for (index, known) in self.states.iter_mut().enumerate().take(switch.ports()) {
            let (is_up, _, forwards) = switch.state(index);
            let state = match (is_up, forwards) {
                (false, _) => ports::LINK_DOWN,
                (true, false) => ports::BLOCKED,
                (true, true) => ports::LIVE,
            };
            if *known != state {
                *known = state;
                self.switch.set_port_state(index as u32 + 1, state);
            }
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.switch.tick(now);
        }
    }

    /// When [`Control::poll`] is due at the latest: entries that stay for ever keep nobody awake.
    pub(super) fn deadline(&self) -> Instant {
        if self.switch.datapath.flows.timed() == 0 { Instant::MAX } else { self.next_tick }
    }

    /// Wakes the tasks of connections over which there is something to say.
    pub(super) fn wake(&self) {
        for (id, event) in &self.talks {
            if !self.switch.output(*id).is_empty() {
                event.set();
            }
        }
    }

    /// Begins a connection with a controller that is called, or calls. `None` if there are too many.
    pub(super) fn connect(&mut self, is_chief: bool) -> Option<(ConnectionId, Event)> {
        let left = self.callers_left.checked_sub(usize::from(!is_chief))?;
        let talk = (self.switch.connect()?, Event::new());
        self.callers_left = left;
        self.talks.push(talk.clone());
        Some(talk)
    }

    /// A connection is gone, with a controller that is called, or calls; `led` says that it was counted as one that is there.
    pub(super) fn disconnect(&mut self, id: ConnectionId, is_chief: bool, led: bool) {
        self.callers_left += usize::from(!is_chief);
        self.switch.disconnect(id);
        self.talks.retain(|(other, _)| *other != id);
        self.chiefs -= usize::from(led);
    }

    /// How the controller at a position is, and its role and version where it has one.
    pub(super) fn report(&self, position: usize) -> Option<(&Report, Option<(Role, u8)>)> {
        let report = self.reports.get(position)?;
        Some((report, report.id.and_then(|id| self.switch.controller(id))))
    }

    /// Whether the other end of a connection has said which version it speaks.
    pub(super) fn has_agreed(&self, id: ConnectionId) -> bool {
        self.switch.controller(id).is_some_and(|(_, version)| version != 0)
    }

    /// One more of the controllers that are called is there.
    pub(super) fn follow(&mut self) {
        self.chiefs += 1;
    }

    /// What is to be sent over a connection.
    pub(super) fn output(&self, id: ConnectionId) -> &[u8] {
        self.switch.output(id)
    }

    /// So much of it has been sent.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn sent(
        &mut self,
        id: ConnectionId,
        count: usize,
        now: Instant,
        outputs: &mut Outputs<'_>,
    ) -> Result<(), Over> {
        self.switch.sent(id, count, now, outputs)
    }

    /// Octets have come over a connection; how many of them were taken.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) fn receive(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        now: Instant,
        outputs: &mut Outputs<'_>,
    ) -> Result<usize, Over> {
        self.switch.receive(id, bytes, now, outputs)
    }

    /// Nothing more comes over a connection: what was asked is answered, and nothing else is told.
    pub(super) fn hush(&mut self, id: ConnectionId) {
        self.switch.hush(id);
    }

    /// Asks the other end of a connection whether it is still there.
    pub(super) fn probe(&mut self, id: ConnectionId) {
        self.switch.probe(id);
    }
}
