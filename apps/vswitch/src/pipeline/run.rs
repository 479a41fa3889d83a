//! What is done with one frame: the steps of programs, the actions of sets and of buckets.
//!
//! An output is put off until the next one or the next change of the frame, which first send a copy. So what is left at the end
//! can be sent in the buffer that the frame came in.

use super::{
    Counters, Destination, NO_COOKIE, Outside, PacketIn, Reason,
    action::{Action, Program, Step},
    fields::Field,
    flows::Flow,
    groups::{DEPTH, Groups},
    meters::{Excess, Meters, remark},
    ports::{self, Ports},
};
use crate::frame::{
    Frame,
    parse::{Parsed, parse},
    rewrite::set_field,
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

/// Actions of a set: one of each kind, and one for each field.
pub(crate) const MOST_SET: usize = 64;

/// The frame is done with: it is dropped.
pub(crate) struct Dropped;

/// A frame on its way.
pub(crate) struct Run<'a> {
    pub(crate) frame: &'a mut dyn Frame,
    pub(crate) outside: &'a mut dyn Outside,
    pub(crate) groups: &'a Groups,
    pub(crate) meters: &'a mut Meters,
    pub(crate) ports: &'a mut Ports,
    pub(crate) counters: &'a Counters,
    pub(crate) kept: &'a mut Vec<u8>,
    pub(crate) parsed: Parsed,
    /// What was read does not hold any more.
    pub(crate) is_stale: bool,
    /// The frame was read more than once.
    pub(crate) is_read_anew: bool,
    /// Where it is to go as it is.
    pub(crate) pending: Option<Destination>,
    pub(crate) ingress: u32,
    pub(crate) queue: u32,
    pub(crate) table: u8,
    pub(crate) cookie: u64,
    pub(crate) reason: Reason,
    pub(crate) now: Instant,
    pub(crate) seed: u64,
    pub(crate) buckets_done: u32,
    pub(crate) tags_done: u32,
    /// By how much the front has grown.
    pub(crate) moved: isize,
}

/// What all frames share.
pub(crate) type Shared<'a> = (&'a Groups, &'a mut Meters, &'a mut Ports, &'a Counters, &'a mut Vec<u8>);

impl<'a> Run<'a> {
    #[inline]
    pub(crate) fn new(
        ingress: u32,
        frame: &'a mut dyn Frame,
        parsed: Parsed,
        now: Instant,
        outside: &'a mut dyn Outside,
        (groups, meters, ports, counters, kept): Shared<'a>,
        seed: u64,
    ) -> Run<'a> {
        kept.clear();
        Run {
            frame,
            outside,
            groups,
            meters,
            ports,
            counters,
            kept,
            parsed,
            is_stale: false,
            is_read_anew: false,
            pending: None,
            ingress,
            queue: 0,
            table: 0,
            cookie: NO_COOKIE,
            reason: Reason::Action,
            now,
            seed,
            buckets_done: 0,
            tags_done: 0,
            moved: 0,
        }
    }

    /// An entry has been found for the frame.
    #[inline]
    pub(crate) fn enter(&mut self, flow: &Flow) {
        self.table = flow.table;
        self.cookie = flow.cookie;
        // OpenFlow 1.3.5, 5.4: the entry for all that have none is the one that wants nothing, with the lowest priority.
        self.reason = if flow.is_table_miss() { Reason::NoMatch } else { Reason::Action };
    }

    /// A table has no entry for the frame: it is dropped, but for what was sent before.
    #[inline(never)]
    pub(crate) fn unmatched(&mut self, table: u8) {
        self.counters.unmatched.increment();
        if self.is_muted() {
            return;
        }
        self.outside.unmatched(&PacketIn {
            reason: Reason::NoMatch,
            table,
            cookie: NO_COOKIE,
            ingress: self.ingress,
            metadata: self.parsed.fields.get(Field::METADATA) as u64,
            tunnel: self.parsed.fields.get(Field::TUNNEL_ID) as u64,
            most: u16::MAX,
            frame: self.frame,
        });
    }

    /// Does what an entry says. The next table, if there is one.
    #[inline]
    pub(crate) fn program(
        &mut self,
        program: &Program,
        set: &mut Vec<Action>,
    ) -> Result<Option<u8>, Dropped> {
        let mut is_written = false;
        for step in program {
            match step {
                Step::Apply => is_written = false,
                Step::Action(action) if is_written => write(set, action),
                Step::Action(Action::Output { port, most }) => self.output(*port, *most),
                Step::Action(action) => self.action(action, DEPTH)?,
                Step::Write => is_written = true,
                Step::Clear => set.clear(),
                Step::Meter(id) => self.meter(*id)?,
                Step::Metadata(value, mask) => {
                    let word = self.parsed.fields.get(Field::METADATA) as u64;
                    self.parsed.fields.set(Field::METADATA, (word & !mask | value & mask).into());
                }
                Step::Goto(table) => return Ok(Some(*table)),
            }
        }
        Ok(None)
    }

    /// Does the actions of a set. A group stands in the way of an output (OpenFlow 1.3.5, 5.10).
    #[inline(never)]
    pub(crate) fn set(&mut self, set: &[Action]) -> Result<(), Dropped> {
        let has_group = set.iter().any(|action| matches!(action, Action::Group(_)));
        for action in set {
            if !has_group || !matches!(action, Action::Output { .. } | Action::Enqueue { .. }) {
                self.action(action, DEPTH)?;
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn meter(&mut self, id: u32) -> Result<(), Dropped> {
        let length = self.frame.total_len();
        let Some(meter) = self.meters.get_mut(id) else { return Ok(()) };
        match meter.measure(length, self.now) {
            None => Ok(()),
            Some(Excess::Drop) => {
                self.counters.metered.increment();
                Err(Dropped)
            }
            Some(Excess::Remark(level)) => {
                self.read();
                let dscp = self.parsed.fields.get(Field::IP_DSCP) as u8;
                if let Some(dscp) = remark(dscp, level) {
                    self.change();
                    set_field(self.frame, &mut self.parsed, Field::IP_DSCP, dscp.into());
                }
                Ok(())
            }
        }
    }

    /// Reads the frame anew if what was read does not hold any more.
    #[inline]
    pub(crate) fn read(&mut self) {
        if self.is_stale {
            self.read_anew();
        }
    }

    #[inline(never)]
    fn read_anew(&mut self) {
        let old = self.parsed.fields;
        self.parsed = parse(self.frame.bytes());
        for field in [Field::IN_PORT, Field::IN_PHY_PORT, Field::METADATA, Field::TUNNEL_ID] {
            self.parsed.fields.set(field, old.get(field));
        }
        self.is_stale = false;
        self.is_read_anew = true;
    }

    /// The frame is about to be changed: what goes out as it is goes now.
    #[inline]
    pub(crate) fn change(&mut self) {
        if let Some(destination) = self.pending.take() {
            self.outside.send(destination, self.frame);
        }
    }

    fn emit(&mut self, port: u32) {
        let destination = Destination { port, queue: self.queue, ingress: self.ingress };
        if let Some(before) = self.pending.replace(destination) {
            self.outside.send(before, self.frame);
        }
    }

    fn send(&mut self, port: u32) {
        let length = self.frame.total_len();
        if self.ports.sends(port, length) {
            self.emit(port);
        } else {
            self.counters.not_sent.increment();
        }
    }

    /// Sends the frame to a port.
    #[inline]
    fn output(&mut self, port: u32, most: u16) {
        match port {
            ports::CONTROLLER => self.packet_in(self.reason, most),
            // OpenFlow 1.3.5, 4.5: a frame leaves by the port it came in on only if that is said by this name.
            ports::IN_PORT => self.send(self.ingress),
            ports::ALL | ports::FLOOD => {
                let mut at = 0;
                while let Some((next, port)) = self.ports.next_flooded(at, self.ingress, port == ports::ALL) {
                    self.send(port);
                    at = next;
                }
            }
            ports::NORMAL => self.emit(ports::NORMAL),
            // That of a message is done where the message is read.
            ports::TABLE | ports::ANY => {}
            port if port == self.ingress => {
                self.counters.not_sent.increment();
            }
            port => self.send(port),
        }
    }

    /// Whether no frames of the port that this one came in on are for controllers.
    fn is_muted(&self) -> bool {
        self.ports.get(self.ingress).is_some_and(|port| port.config & ports::NO_PACKET_IN != 0)
    }

    #[inline(never)]
    pub(crate) fn packet_in(&mut self, reason: Reason, most: u16) {
        let length = self.frame.total_len();
        let metered = self.meters.get_mut(super::meters::METER_CONTROLLER);
        let is_excess = metered.is_some_and(|meter| meter.measure(length, self.now) == Some(Excess::Drop));
        if self.is_muted() || is_excess {
            self.counters.metered.increment();
            return;
        }
        let fields = &self.parsed.fields;
        self.outside.packet_in(&PacketIn {
            reason,
            table: self.table,
            cookie: self.cookie,
            ingress: self.ingress,
            metadata: fields.get(Field::METADATA) as u64,
            tunnel: fields.get(Field::TUNNEL_ID) as u64,
            most,
            frame: self.frame,
        });
    }

    /// Does an action.
    #[inline(never)]
    pub(crate) fn action(&mut self, action: &Action, depth: usize) -> Result<(), Dropped> {
        match action {
            Action::Output { port, most } => self.output(*port, *most),
            Action::Enqueue { port, queue } => {
                let before = core::mem::replace(&mut self.queue, *queue);
                self.output(*port, u16::MAX);
                self.queue = before;
            }
            Action::SetQueue(queue) => self.queue = *queue,
            Action::Group(id) => return self.group(*id, depth),
            _ => {
                self.read();
                self.change();
                return self.rewrite(action);
            }
        }
        Ok(())
    }
}

/// Puts an action into a set, in place of one that gives way to it, where its rank says.
fn write(set: &mut Vec<Action>, action: &Action) {
    if let Some(place) = set.iter_mut().find(|other| other.gives_way_to(action)) {
        *place = *action;
        return;
    }
    let at = set.iter().position(|other| other.rank() > action.rank()).unwrap_or(set.len());
    if set.len() < set.capacity() {
        set.insert(at, *action);
    }
}
