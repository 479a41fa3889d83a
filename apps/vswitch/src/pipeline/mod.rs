//! The data plane: flow tables, groups, meters and ports, and what becomes of a frame.
//!
//! A [`Datapath`] takes a frame in a buffer, looks its entries up in [`flows`] (or finds them in the flow cache), does what these
//! say, and gives the last output back, so that the buffer itself can be sent. Copies, and what controllers are to know, go to
//! an [`Outside`]. [`commands`] is how a controller changes it.
//!
//! Invariant: for one frame nothing is allocated, and what is done for it is bounded.

pub mod action;
mod alter;
mod buckets;
mod cache;
pub mod commands;
mod configure;
pub mod fields;
mod flow;
pub mod flows;
pub mod groups;
mod hash;
pub mod meters;
pub mod ports;
mod run;
mod shortcut;
mod tuple;

use self::{
    action::{Action, Program, Step},
    buckets::MOST_KEPT,
    cache::Cache,
    fields::Fields,
    flows::{Flows, NONE},
    groups::Groups,
    hash::mix,
    meters::Meters,
    ports::Ports,
    run::{MOST_SET, Run},
    shortcut::Shortcuts,
};
use crate::frame::{
    Copied, Frame,
    parse::{Likeness, Parsed, parse, parse_into},
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

unik_sched::counters! {
    /// What a [`Datapath`] counts beside its entries and ports.
    pub struct Counters {
        /// Frames that were taken.
        frames,
        /// Frames for which a table had no entry.
        unmatched,
        /// Frames that a meter dropped or kept from a controller.
        metered,
        /// Outputs to ports that are not there, or send nothing.
        not_sent,
        /// Frames whose TTL ran out.
        invalid_ttl,
        /// Frames that had no room for another tag.
        no_room,
        /// Frames that went through too many buckets.
        endless,
        /// Commands for which all entries were gone through, one by one.
        walks,
    }
}

/// Where a frame is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A port, [`ports::LOCAL`], or [`ports::NORMAL`]: what the switch does without a controller.
    pub port: u32,
    /// The queue of that port.
    pub queue: u32,
    /// The port that it came in on.
    pub ingress: u32,
}

/// What was found about a frame.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Its place in the flow cache.
    place: usize,
    /// What is done with it, if that is simple.
    pub(crate) simple: Option<Simple>,
    /// There is a short way for frames like it, by which it may have come: then it was not read.
    is_short: bool,
}

/// One entry sends the frame to one port, or leaves it to the switch, and does nothing else.
#[derive(Clone, Copy)]
pub(crate) struct Simple {
    entry: u32,
    /// The port, or [`ports::NORMAL`].
    pub(crate) port: u32,
}

/// Why a controller gets a frame (OFPR_).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No entry, or the one for all that have none.
    NoMatch = 0,
    /// An action says so.
    Action = 1,
    /// Its TTL ran out.
    InvalidTtl = 2,
}

/// A frame for controllers.
pub struct PacketIn<'a> {
    /// Why they get it.
    pub reason: Reason,
    /// The table that says so.
    pub table: u8,
    /// The number of the entry that does.
    pub cookie: u64,
    /// The port that it came in on.
    pub ingress: u32,
    /// What the pipeline has written.
    pub metadata: u64,
    /// The number of the tunnel.
    pub tunnel: u64,
    /// Octets that are wanted of it.
    pub most: u16,
    /// The frame.
    pub frame: &'a dyn Frame,
}

/// A controller's number for what has none.
pub const NO_COOKIE: u64 = u64::MAX;

/// What is around a datapath.
pub trait Outside {
    /// Sends a copy of a frame: it is needed after this.
    fn send(&mut self, destination: Destination, frame: &dyn Frame);

    /// Tells controllers of a frame.
    fn packet_in(&mut self, event: &PacketIn<'_>);

    /// There is no entry for a frame. Controllers that speak OpenFlow 1.0 get it; to others, nothing happens.
    fn unmatched(&mut self, event: &PacketIn<'_>);
}

/// A data plane.
pub struct Datapath {
    /// The flow tables.
    pub flows: Flows,
    /// The groups.
    pub groups: Groups,
    /// The meters.
    pub meters: Meters,
    /// The ports.
    pub ports: Ports,
    /// What is counted.
    pub counters: Counters,
    cache: Cache,
    shortcuts: Shortcuts,
    set: Vec<Action>,
    kept: Vec<u8>,
    seed: u64,
    next_expiry: Instant,
}

impl Datapath {
    /// A data plane without ports and entries, for so many of these at most. `None` without memory for it. The seed should be
    /// known to nobody who sends frames.
    pub fn new(seed: u64, most_flows: usize) -> Option<Datapath> {
        let (mut set, mut kept) = (Vec::new(), Vec::new());
        set.try_reserve_exact(MOST_SET).ok()?;
        kept.try_reserve_exact(MOST_KEPT).ok()?;
        Some(Datapath {
            flows: Flows::new(seed, most_flows)?,
            groups: Groups::default(),
            meters: Meters::default(),
            ports: Ports::default(),
            counters: Counters::new(),
            cache: Cache::new()?,
            shortcuts: Shortcuts::new(seed)?,
            set,
            kept,
            seed: mix(seed, 2),
            next_expiry: Instant::ZERO,
        })
    }

    /// How often the flow cache knew a frame, and how often not.
    pub fn cache_counters(&self) -> (u64, u64) {
        (self.cache.hits, self.cache.misses)
    }

    /// Takes a frame that came in on a port. What it gives back is where the frame itself is to go; all other outputs were copies.
    pub fn frame(
        &mut self,
        ingress: u32,
        frame: &mut dyn Frame,
        now: Instant,
        outside: &mut dyn Outside,
    ) -> Option<Destination> {
        let mut parsed = Parsed::default();
        let look = self.look(ingress, frame.bytes(), &mut parsed);
        self.proceed(ingress, &look, &parsed, frame, now, outside)
    }

    /// Looks up a frame that came in on a port, which is read into `parsed` if more than one port may be wanted for it. Nothing is done
    /// yet, and nothing is counted but for the cache.
    #[inline]
    pub(crate) fn look(&mut self, ingress: u32, frame: &[u8], parsed: &mut Parsed) -> Look {
        if let Some(simple) = self.shortcuts.find(&self.flows, ingress, frame) {
            self.cache.hits += 1;
            return Look { place: 0, simple: Some(simple), is_short: true };
        }
        self.look_long(ingress, frame, parsed)
    }

    /// The same for a frame for which there is no short way.
    #[inline(never)]
    fn look_long(&mut self, ingress: u32, frame: &[u8], parsed: &mut Parsed) -> Look {
        *parsed = Parsed::default();
        parse_into(frame, parsed);
        parsed.fields.came_in_on(ingress);
        let (place, hash) = self.cache.place(&self.flows, &parsed.fields);
        // What most frames are for: one entry, one port.
        let known = self.cache.simple(place);
        let simple = known.or_else(|| self.look_up(place, hash, &parsed.fields));
        let simple = simple.map(|(entry, port)| Simple { entry, port });
        // A frame that came in by that port may share a place with others.
        let simple = simple.filter(|simple| self.ports.forwards(ingress, simple.port));
        let mut look = Look { place, simple, is_short: false };
        // Those that come once are not worth it.
        if let Some(simple) = simple.filter(|_| known.is_some())
            && parsed.is_packet()
        {
            look.is_short = self.shortcuts.add(&self.flows, ingress, frame, simple);
        }
        look
    }

    /// What other frames must have in common with one that was looked up, to be done with as simply.
    #[inline]
    pub(crate) fn likeness(&self, look: &Look, parsed: &Parsed, frame: &[u8]) -> Option<&Likeness> {
        if look.is_short { Some(self.shortcuts.likeness()) } else { parsed.likeness(frame) }
    }

    /// Counts frames that one entry sends to one port, as was found, for that entry.
    #[inline]
    pub(crate) fn hit(&mut self, look: &Look, frames: usize, octets: usize, now: Instant) {
        let Some(Simple { entry, .. }) = look.simple else { return };
        self.cache.hits += frames as u64 - 1;
        self.flows.hit(entry, frames as u64, octets as u64, now);
    }

    /// Counts frames that entries of the first table have sent to one port, for whatever is not one entry.
    pub(crate) fn count(&mut self, ingress: u32, port: u32, frames: usize, octets: usize) {
        let (frames, octets) = (frames as u64, octets as u64);
        self.counters.frames.add(frames);
        self.ports.count(ingress, port, frames, octets);
        self.flows.count(0, true, frames);
    }

    /// Does with a frame what was found. What it gives back is where the frame itself is to go; all other outputs were copies.
    pub(crate) fn proceed(
        &mut self,
        ingress: u32,
        look: &Look,
        parsed: &Parsed,
        frame: &mut dyn Frame,
        now: Instant,
        outside: &mut dyn Outside,
    ) -> Option<Destination> {
        let length = frame.total_len();
        if let Some(Simple { port, .. }) = look.simple {
            self.hit(look, 1, length, now);
            self.count(ingress, port, 1, length);
            return Some(Destination { port, queue: 0, ingress });
        }
        self.counters.frames.increment();
        if !self.ports.received(ingress, length) {
            return None;
        }
        self.pipeline(ingress, look.place, frame, parsed, now, outside)
    }

    /// Looks up the first entry of a frame that the cache does not know, and the port if it is sent to that and no more.
    #[inline(never)]
    fn look_up(&mut self, place: usize, hash: u64, fields: &Fields) -> Option<(u32, u32)> {
        if self.cache.step(place, 0).is_some() {
            return None;
        }
        let entry = self.flows.find_hashed(0, fields, Some(hash));
        self.cache.keep(place, 0, entry.unwrap_or(NONE));
        let port = simple_port(&self.flows.get(entry?)?.program)?;
        self.cache.keep_simple(place, port);
        Some((entry?, port))
    }

    /// Lets a frame, whose place in the cache this is, go through the tables.
    #[inline(never)]
    fn pipeline(
        &mut self,
        ingress: u32,
        place: usize,
        frame: &mut dyn Frame,
        parsed: &Parsed,
        now: Instant,
        outside: &mut dyn Outside,
    ) -> Option<Destination> {
        let length = frame.total_len();
        let Datapath { flows, groups, meters, ports, counters, cache, set, kept, seed, .. } = self;
        let mut run =
            Run::new(ingress, frame, *parsed, now, outside, (groups, meters, ports, counters, kept), *seed);
        set.clear();
        let mut table = 0;
        for step in 0.. {
            run.read();
            let cached = if run.is_read_anew { None } else { cache.step(place, step) };
            let entry = cached.unwrap_or_else(|| {
                let entry = flows.find(table, &run.parsed.fields).unwrap_or(NONE);
                if !run.is_read_anew {
                    cache.keep(place, step, entry);
                }
                entry
            });
            flows.count(table, entry != NONE, 1);
            let Some(flow) = flows.hit(entry, 1, length as u64, now) else {
                run.unmatched(table);
                break;
            };
            run.enter(flow);
            match run.program(&flow.program, set) {
                Ok(Some(next)) => table = next,
                Ok(None) if set.is_empty() => break,
                Ok(None) => {
                    // What is dropped here is done with anyway.
                    let _ = run.set(set);
                    break;
                }
                Err(_) => break,
            }
        }
        run.pending
    }

    /// Does with a frame what a controller says. It goes from here as copies.
    pub fn packet_out(
        &mut self,
        ingress: u32,
        bytes: &[u8],
        actions: &[Action],
        now: Instant,
        outside: &mut dyn Outside,
    ) {
        let mut frame = Copied::default();
        if !frame.fill(bytes) {
            return;
        }
        let mut parsed = parse(bytes);
        parsed.fields.came_in_on(ingress);
        let to_tables = |action: &Action| matches!(action, Action::Output { port: ports::TABLE, .. });
        let mut queue = 0;
        for part in actions.split_inclusive(to_tables) {
            let Datapath { groups, meters, ports, counters, kept, seed, .. } = self;
            let shared = (&*groups, meters, ports, &*counters, kept);
            let mut run = Run::new(ingress, &mut frame, parsed, now, outside, shared, *seed);
            run.is_stale = true;
            run.queue = queue;
            let done = part.iter().try_for_each(|action| run.action(action, groups::DEPTH));
            run.change();
            run.read();
            (parsed, queue) = (run.parsed, run.queue);
            if done.is_err() {
                return;
            }
            if part.last().is_some_and(to_tables) {
                self.copy_through_tables(ingress, frame.bytes(), &parsed, now, outside);
            }
        }
    }

    /// Lets a copy of a frame from a controller go through the tables.
    #[inline(never)]
    fn copy_through_tables(
        &mut self,
        ingress: u32,
        bytes: &[u8],
        parsed: &Parsed,
        now: Instant,
        outside: &mut dyn Outside,
    ) {
        let mut copy = Copied::default();
        let (place, _) = self.cache.place(&self.flows, &parsed.fields);
        if copy.fill(bytes)
            && let Some(destination) = self.pipeline(ingress, place, &mut copy, parsed, now, outside)
        {
            outside.send(destination, &copy);
        }
    }
}

/// The port that a program sends to, if that is all it does.
fn simple_port(program: &Program) -> Option<u32> {
    match program[..] {
        [Step::Apply, Step::Action(Action::Output { port, .. })]
            if port <= ports::MAX || port == ports::NORMAL =>
        {
            Some(port)
        }
        _ => None,
    }
}
