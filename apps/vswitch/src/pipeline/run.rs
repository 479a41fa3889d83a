//! What is done with one frame: the steps of programs, the actions of sets and of buckets.
//!
//! An output is put off until the next one or the next change of the frame, which first send a copy. So what is left at the end
//! can be sent in the buffer that the frame came in.

use super::{
    Counters, Destination, NO_COOKIE, Outside, PacketIn, Reason,
    action::{Action, Program, Step},
    fields::{Field, Fields, ICMP, ICMPV6, TCP, UDP, VLAN},
    flows::Flow,
    groups::{Bucket, DEPTH, Group, Groups, Kind},
    hash::mix,
    meters::{Excess, Meters, remark},
    ports::{self, Ports},
};
use crate::frame::{
    Frame,
    parse::{Parsed, parse},
    rewrite::{self, Change, set_field},
    tags,
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

/// Buckets that are done with one frame, tags that are put in and taken out, and octets that are kept of a frame meanwhile.
const MOST_BUCKETS_DONE: u32 = 256;
const MOST_TAGS: u32 = 32;
const KEPT: usize = 1024;
/// Octets of all frames that are kept.
pub(crate) const MOST_KEPT: usize = KEPT * DEPTH;
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

    #[inline(never)]
    pub(crate) fn packet_in(&mut self, reason: Reason, most: u16) {
        let is_muted =
            self.ports.get(self.ingress).is_some_and(|port| port.config & ports::NO_PACKET_IN != 0);
        let length = self.frame.total_len();
        let metered = self.meters.get_mut(super::meters::METER_CONTROLLER);
        let is_excess = metered.is_some_and(|meter| meter.measure(length, self.now) == Some(Excess::Drop));
        if is_muted || is_excess {
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

    fn rewrite(&mut self, action: &Action) -> Result<(), Dropped> {
        let Run { frame, parsed, .. } = self;
        match *action {
            Action::SetField(field, value) => self.set_field(field, u128::from_be_bytes(value)),
            Action::CopyTtlOut => {
                rewrite::copy_ttl(*frame, parsed, true);
            }
            Action::CopyTtlIn => {
                rewrite::copy_ttl(*frame, parsed, false);
            }
            Action::SetMplsTtl(ttl) => {
                rewrite::set_mpls_ttl(*frame, parsed, ttl);
            }
            Action::SetNwTtl(ttl) => {
                rewrite::set_ip_ttl(*frame, parsed, ttl);
            }
            Action::DecMplsTtl | Action::DecNwTtl => {
                let is_mpls = *action == Action::DecMplsTtl;
                if rewrite::decrement_ttl(*frame, parsed, is_mpls).is_err() {
                    self.counters.invalid_ttl.increment();
                    self.packet_in(Reason::InvalidTtl, u16::MAX);
                    return Err(Dropped);
                }
            }
            Action::SetVlanVid(vlan) => return self.set_vlan(Field::VLAN_VID, vlan),
            Action::SetVlanPcp(priority) => return self.set_vlan(Field::VLAN_PCP, priority.into()),
            Action::SetPort { is_source, port } => self.set_port(is_source, port),
            _ => return self.tag(action),
        }
        Ok(())
    }

    fn set_field(&mut self, field: Field, value: u128) {
        let change = set_field(self.frame, &mut self.parsed, field, value);
        self.is_stale |= change == Change::Layout;
    }

    /// OpenFlow 1.0, 5.2.4: a frame without a tag gets one.
    fn set_vlan(&mut self, field: Field, value: u16) -> Result<(), Dropped> {
        if self.parsed.fields.get(Field::VLAN_VID) == 0 {
            self.tag(&Action::PushVlan(VLAN))?;
            self.read();
        }
        self.set_field(field, value.into());
        Ok(())
    }

    fn set_port(&mut self, is_source: bool, port: u16) {
        let field = match (self.parsed.fields.protocol(), is_source) {
            (TCP, true) => Field::TCP_SRC,
            (TCP, false) => Field::TCP_DST,
            (UDP, true) => Field::UDP_SRC,
            (UDP, false) => Field::UDP_DST,
            (ICMP, true) => Field::ICMPV4_TYPE,
            (ICMP, false) => Field::ICMPV4_CODE,
            (ICMPV6, true) => Field::ICMPV6_TYPE,
            (ICMPV6, false) => Field::ICMPV6_CODE,
            (_, true) => Field::SCTP_SRC,
            (_, false) => Field::SCTP_DST,
        };
        self.set_field(field, port.into());
    }

    /// Puts a tag in or takes one out. A frame that has no room for one more is dropped.
    fn tag(&mut self, action: &Action) -> Result<(), Dropped> {
        self.tags_done += 1;
        let Run { frame, parsed, .. } = self;
        let (is_done, is_in, length) = match *action {
            _ if self.tags_done > MOST_TAGS => (false, true, 0),
            Action::PushVlan(kind) => (tags::push_vlan(*frame, kind), true, 4),
            Action::PushMpls(kind) => (tags::push_mpls(*frame, parsed, kind), true, 4),
            Action::PushPbb(kind) => (tags::push_pbb(*frame, parsed, kind), true, tags::SERVICE as isize),
            Action::PopVlan => (tags::pop_vlan(*frame), false, -4),
            Action::PopMpls(kind) => (tags::pop_mpls(*frame, parsed, kind), false, -4),
            _ => (tags::pop_pbb(*frame, parsed), false, -(tags::SERVICE as isize)),
        };
        if is_done {
            self.is_stale = true;
            self.moved += length;
        }
        // What has no tag to take out stays as it is.
        if is_done || !is_in {
            return Ok(());
        }
        self.counters.no_room.increment();
        Err(Dropped)
    }

    fn hash(&self) -> u64 {
        // Where the frame came from is no part of what it is.
        let Fields(words) = &self.parsed.fields;
        let first = words.first().copied().unwrap_or(0) & 0xffff_ffff;
        words.iter().skip(1).fold(mix(self.seed, first), |hash, word| mix(hash, *word))
    }

    /// Does the buckets of a group that it says. The frame is the same afterwards.
    fn group(&mut self, id: u32, depth: usize) -> Result<(), Dropped> {
        let groups = self.groups;
        let (Some(group), Some(depth)) = (groups.get(id), depth.checked_sub(1)) else { return Ok(()) };
        group.packets.increment();
        group.bytes.add(self.frame.total_len() as u64);
        if group.kind == Kind::All {
            return group.buckets.iter().try_for_each(|bucket| self.bucket(bucket, depth));
        }
        self.read();
        match self.choose(group).and_then(|at| group.buckets.get(at)) {
            Some(bucket) => self.bucket(bucket, depth),
            None => Ok(()),
        }
    }

    fn choose(&self, group: &Group) -> Option<usize> {
        let hash = if group.kind == Kind::Select { self.hash() } else { 0 };
        self.groups.choose(group, self.ports, hash)
    }

    #[inline(never)]
    fn bucket(&mut self, bucket: &Bucket, depth: usize) -> Result<(), Dropped> {
        self.buckets_done += 1;
        if self.buckets_done > MOST_BUCKETS_DONE {
            self.counters.endless.increment();
            return Err(Dropped);
        }
        bucket.packets.increment();
        bucket.bytes.add(self.frame.total_len() as u64);
        if bucket.actions.iter().all(Action::is_output) {
            let queue = self.queue;
            let done = bucket.actions.iter().try_for_each(|action| self.action(action, depth));
            self.queue = queue;
            return done;
        }
        self.in_copy(bucket, depth);
        Ok(())
    }

    /// Does a bucket that changes the frame, and changes it back.
    fn in_copy(&mut self, bucket: &Bucket, depth: usize) {
        let begin = self.kept.len();
        let bytes = self.frame.bytes();
        let length = bytes.len();
        let head = bytes.get(..KEPT).unwrap_or(bytes);
        if self.kept.capacity() - begin < head.len() {
            return;
        }
        self.kept.extend_from_slice(head);
        let before = (self.parsed, self.is_stale, self.queue);
        let moved = core::mem::take(&mut self.moved);
        // A bucket whose packet is dropped ends; the others do not.
        for action in &bucket.actions {
            if self.action(action, depth).is_err() {
                break;
            }
        }
        self.change();
        self.put_back(begin, length);
        self.kept.truncate(begin);
        (self.parsed, self.is_stale, self.queue) = before;
        self.moved = moved;
    }

    /// Makes the frame what it was: what was put in front is taken away again, and what was taken away is still there.
    fn put_back(&mut self, begin: usize, length: usize) {
        let moved = self.moved.unsigned_abs();
        let is_back =
            if self.moved > 0 { self.frame.trim_front(moved) } else { self.frame.grow_front(moved) };
        let kept = self.kept.get(begin..).unwrap_or_default();
        if is_back
            && self.frame.set_len(length)
            && let Some(place) = self.frame.bytes_mut().get_mut(..kept.len())
        {
            place.copy_from_slice(kept);
        }
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
