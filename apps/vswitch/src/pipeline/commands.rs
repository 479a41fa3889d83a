//! How a controller changes entries, and how time does. What is about groups, meters and ports is in `configure`.

use super::{
    Datapath,
    action::{Action, Program, Step},
    fields::Match,
    flows::{Flow, NewFlow},
    groups::GROUP_ANY,
    ports,
};
use crate::openflow::error::Refusal;
use core::time::Duration;
use unik_sched::time::Instant;

/// OFPFF_SEND_FLOW_REM.
pub const SEND_REMOVED: u16 = 1;
/// OFPFF_CHECK_OVERLAP.
pub const CHECK_OVERLAP: u16 = 1 << 1;
/// OFPFF_RESET_COUNTS.
pub const RESET_COUNTS: u16 = 1 << 2;
/// All flags that there are.
pub const FLOW_FLAGS: u16 = 0x1f;
/// OFPTT_ALL.
pub const ALL_TABLES: u8 = 0xff;
/// How often entries are looked through for those whose time is over.
const EXPIRY: Duration = Duration::from_millis(200);

/// What is done to entries, groups or meters (OFPFC_, in their order).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowCommand {
    /// A new entry, or one in place of its like.
    Add,
    /// Another program for all that are covered.
    Modify,
    /// Another program for the one with this match and priority.
    ModifyStrict,
    /// All that are covered go.
    Delete,
    /// The one with this match and priority goes.
    DeleteStrict,
}

/// A command about entries.
pub struct FlowMod {
    /// What is done.
    pub command: FlowCommand,
    /// A table, or all.
    pub table: u8,
    /// The number of the new entry, or of those that are meant.
    pub cookie: u64,
    /// The bits of it by which entries are chosen.
    pub cookie_mask: u64,
    /// Seconds, or zero.
    pub idle: u16,
    /// Seconds, or zero.
    pub hard: u16,
    /// That of the new entry.
    pub priority: u16,
    /// Only entries that send there go.
    pub out_port: u32,
    /// Only entries that use it go.
    pub out_group: u32,
    /// OFPFF_.
    pub flags: u16,
    /// What is wanted.
    pub matching: Match,
    /// What is done.
    pub program: Program,
    /// It came in OpenFlow 1.0: a modification of nothing adds, and gives another cookie.
    pub is_1_0: bool,
}

/// Which entries a request is about.
pub struct Filter {
    /// A table, or all.
    pub table: u8,
    /// Those that are covered.
    pub matching: Match,
    /// Those whose number has these bits.
    pub cookie: u64,
    /// Which bits these are.
    pub cookie_mask: u64,
    /// Those that send there.
    pub out_port: u32,
    /// Those that use it.
    pub out_group: u32,
}

/// Why an entry is gone (OFPRR_).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// There was no frame for too long.
    Idle = 0,
    /// Its time was over.
    Hard = 1,
    /// A controller said so.
    Deleted = 2,
    /// A group that it named is gone.
    Group = 3,
}

/// Who is told of entries that are gone, if these ask for it.
pub type OnRemoved<'a> = &'a mut dyn FnMut(&Flow, &Match, Gone);

/// The groups and the meter that a program names.
pub(super) fn groups_of(program: &Program) -> impl Iterator<Item = u32> {
    program.iter().filter_map(|step| match step {
        Step::Action(Action::Group(id)) => Some(*id),
        _ => None,
    })
}

pub(super) fn meters_of(program: &Program) -> impl Iterator<Item = u32> {
    program.iter().filter_map(|step| match step {
        Step::Meter(id) => Some(*id),
        _ => None,
    })
}

fn sends_to(program: &Program, wanted: u32) -> bool {
    program.iter().any(|step| match step {
        Step::Action(Action::Output { port, .. } | Action::Enqueue { port, .. }) => *port == wanted,
        _ => false,
    })
}

impl Filter {
    /// Whether it is about an entry.
    pub(crate) fn takes(&self, datapath: &Datapath, flow: &Flow) -> bool {
        (self.table == ALL_TABLES || self.table == flow.table)
            && flow.cookie & self.cookie_mask == self.cookie & self.cookie_mask
            && (self.out_port == ports::ANY || sends_to(&flow.program, self.out_port))
            && (self.out_group == GROUP_ANY || groups_of(&flow.program).any(|id| id == self.out_group))
            && datapath.flows.is_covered(flow, &self.matching)
    }
}

impl Datapath {
    /// Does a command about entries.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn flow_mod(&mut self, change: FlowMod, now: Instant, removed: OnRemoved<'_>) -> Result<(), Refusal> {
        let is_delete = matches!(change.command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        if change.table >= super::flows::TABLES && !(is_delete && change.table == ALL_TABLES) {
            return Err(Refusal::FLOW_TABLE);
        }
        if !is_delete {
            self.check_references(&change.program)?;
        }
        match change.command {
            FlowCommand::Add => self.add(change, now),
            FlowCommand::Modify | FlowCommand::ModifyStrict => self.modify(change, now),
            FlowCommand::Delete | FlowCommand::DeleteStrict => {
                self.delete(&change, removed);
                Ok(())
            }
        }
    }

    /// Whether all that a program names is there.
    fn check_references(&self, program: &Program) -> Result<(), Refusal> {
        if groups_of(program).any(|id| self.groups.get(id).is_none()) {
            return Err(Refusal::ACTION_OUT_GROUP);
        }
        if meters_of(program).any(|id| self.meters.get(id).is_none()) {
            return Err(Refusal::UNKNOWN_METER);
        }
        Ok(())
    }

    fn refer(&mut self, program: &Program, is_more: bool) {
        groups_of(program).for_each(|id| self.groups.refer_to(id, is_more));
        for id in meters_of(program) {
            if let Some(meter) = self.meters.get_mut(id) {
                meter.flows = if is_more { meter.flows + 1 } else { meter.flows.saturating_sub(1) };
            }
        }
    }

    /// Counts who is named by an entry, which has another program from now on, if one is given.
    #[inline(never)]
    fn exchange(&mut self, place: u32, program: Option<Program>) {
        let Some(flow) = self.flows.get_mut(place) else { return };
        let old = core::mem::take(&mut flow.program);
        let new = match program {
            Some(new) => {
                self.refer(&old, false);
                new
            }
            None => old,
        };
        self.refer(&new, true);
        if let Some(flow) = self.flows.get_mut(place) {
            flow.program = new;
        }
        self.flows.changed();
    }

    fn add(&mut self, change: FlowMod, now: Instant) -> Result<(), Refusal> {
        let FlowMod { table, priority, matching, flags, cookie, idle, hard, program, .. } = change;
        let walks = &self.counters.walks;
        if flags & CHECK_OVERLAP != 0 && self.flows.has_overlap(table, priority, &matching, walks) {
            return Err(Refusal::OVERLAP);
        }
        let mut new = NewFlow { table, priority, matching, program, cookie, idle, hard, flags };
        if let Some(place) = self.flows.find_same(table, priority, &matching) {
            let program = core::mem::take(&mut new.program);
            self.exchange(place, Some(program));
            self.flows.renew(place, &new, flags & RESET_COUNTS != 0, now);
            return Ok(());
        }
        let place = self.flows.add(new, now).ok_or(Refusal::TABLE_FULL)?;
        self.exchange(place, None);
        Ok(())
    }

    fn modify(&mut self, change: FlowMod, now: Instant) -> Result<(), Refusal> {
        let filter = change.filter();
        let is_strict = change.command == FlowCommand::ModifyStrict;
        let mut is_found = false;
        let mut place = 0;
        while let Some(at) = self.next_place(&mut place, &change, &filter, is_strict) {
            is_found = true;
            let mut program = Program::new();
            if program.try_reserve_exact(change.program.len()).is_err() {
                return Err(Refusal::TABLE_FULL);
            }
            program.extend_from_slice(&change.program);
            self.exchange(at, Some(program));
            let Some(flow) = self.flows.get_mut(at) else { continue };
            if change.flags & RESET_COUNTS != 0 && !change.is_1_0 {
                (flow.packets, flow.bytes) = (0, 0);
            }
            if change.is_1_0 {
                flow.cookie = change.cookie;
            }
        }
        if !is_found && change.is_1_0 {
            return self.add(change, now);
        }
        Ok(())
    }

    /// The next entry that a command is about, at `place` or behind it.
    fn next_place(&self, place: &mut u32, change: &FlowMod, filter: &Filter, is_strict: bool) -> Option<u32> {
        if is_strict && change.table != ALL_TABLES {
            // There is one at most.
            let at = self.flows.find_same(change.table, change.priority, &change.matching)?;
            let is_meant = *place == 0 && filter.takes(self, self.flows.get(at)?);
            *place = u32::MAX;
            return is_meant.then_some(at);
        }
        if *place == 0 {
            self.counters.walks.increment();
        }
        while *place < self.flows.places() {
            let at = *place;
            *place += 1;
            let is_same = |flow: &Flow| {
                flow.priority == change.priority && self.flows.matching(flow) == change.matching
            };
            let meant = self.flows.get(at).filter(|flow| filter.takes(self, flow));
            if meant.is_some_and(|flow| !is_strict || is_same(flow)) {
                return Some(at);
            }
        }
        None
    }

    fn delete(&mut self, change: &FlowMod, removed: OnRemoved<'_>) {
        let filter = change.filter();
        let is_strict = change.command == FlowCommand::DeleteStrict;
        let mut place = 0;
        while let Some(at) = self.next_place(&mut place, change, &filter, is_strict) {
            self.remove(at, Gone::Deleted, removed);
        }
    }

    /// Takes an entry out and tells of it.
    #[inline(never)]
    fn remove(&mut self, place: u32, gone: Gone, removed: OnRemoved<'_>) {
        let Some(flow) = self.flows.get(place) else { return };
        let matching = self.flows.matching(flow);
        let Some(flow) = self.flows.remove(place) else { return };
        self.refer(&flow.program, false);
        if flow.flags & SEND_REMOVED != 0 {
            removed(&flow, &matching, gone);
        }
    }

    /// Takes out all entries that `is_meant` says.
    #[inline(never)]
    pub(super) fn remove_if(&mut self, gone: Gone, is_meant: &dyn Fn(&Flow) -> bool, removed: OnRemoved<'_>) {
        for place in 0..self.flows.places() {
            if self.flows.get(place).is_some_and(is_meant) {
                self.remove(place, gone, removed);
            }
        }
    }

    /// Lets time pass: entries end.
    pub fn tick(&mut self, now: Instant, removed: OnRemoved<'_>) {
        if self.flows.timed() == 0 || now < self.next_expiry {
            return;
        }
        self.next_expiry = now + EXPIRY;
        let is_over = |seconds: u16, since: Instant| {
            seconds != 0 && now.duration_since(since) >= Duration::from_secs(seconds.into())
        };
        for place in 0..self.flows.places() {
            let Some(flow) = self.flows.get(place) else { continue };
            if is_over(flow.hard, flow.created) {
                self.remove(place, Gone::Hard, removed);
            } else if is_over(flow.idle, flow.used) {
                self.remove(place, Gone::Idle, removed);
            }
        }
    }
}

impl FlowMod {
    fn filter(&self) -> Filter {
        let is_delete = matches!(self.command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        Filter {
            table: self.table,
            matching: self.matching,
            cookie: self.cookie,
            cookie_mask: self.cookie_mask,
            // OpenFlow 1.3.5, 6.4: these two choose what is deleted, and nothing else.
            out_port: if is_delete { self.out_port } else { ports::ANY },
            out_group: if is_delete { self.out_group } else { GROUP_ANY },
        }
    }
}
