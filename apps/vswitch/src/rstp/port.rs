//! A port of the tree: the variables of its state machines (IEEE 802.1D-2004, 17.18, 17.19), in the words of the standard
//! where those are words.

use super::bpdu::Config;
use super::vector::{Times, Vector};
use crate::settings::Edge;

/// Seconds that a port waits before it believes what protocol its neighbours speak (17.13.9).
pub(crate) const MIGRATE_TIME: u16 = 3;

/// What a port is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Nothing: its link is down.
    Disabled,
    /// The way to the root.
    Root,
    /// The way to the root for whoever is behind it.
    Designated,
    /// Another way to the root.
    Alternate,
    /// Another way to a port of this bridge.
    Backup,
}

/// Where what is known of the tree at a port comes from (17.19.10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InfoIs {
    Disabled,
    Aged,
    Mine,
    Received,
}

/// The state of the machine for protocol migration (17.24).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Migration {
    Checking,
    Sensing,
    Selecting,
}

/// The state of the machine for role transitions (17.29), as far as it is none that is left at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transition {
    /// Discarding has been asked for, and is not done yet.
    Blocking,
    /// The role is taken.
    Settled,
}

/// The state of the machine for topology changes (17.31).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Inactive,
    Learning,
    Active,
}

/// The timers, in seconds that are left (17.17).
#[derive(Clone, Copy, Default)]
pub(super) struct Timers {
    pub(super) edge_delay: u16,
    pub(super) forward_delay: u16,
    pub(super) hello: u16,
    pub(super) migration: u16,
    pub(super) recent_backup: u16,
    pub(super) received: u16,
    pub(super) recent_root: u16,
    pub(super) changing: u16,
}

/// The variables of a port.
pub(super) struct Port {
    pub(super) id: u16,
    pub(super) cost: u32,
    pub(super) edge: Edge,
    pub(super) is_enabled: bool,
    pub(super) is_edge: bool,
    pub(super) timers: Timers,
    pub(super) sent: u16,
    /// How often what was learned here was forgotten, less one a second.
    pub(super) flushed: u16,

    pub(super) info_is: InfoIs,
    pub(super) vector: Vector,
    pub(super) times: Times,
    pub(super) designated: Vector,
    pub(super) designated_times: Times,
    /// What was received, until it is taken.
    pub(super) message: Option<Config>,

    pub(super) migration: Migration,
    pub(super) transition: Transition,
    pub(super) change: Change,
    pub(super) role: Role,
    pub(super) selected_role: Role,

    pub(super) reselect: bool,
    pub(super) selected: bool,
    pub(super) update_info: bool,
    pub(super) new_info: bool,
    pub(super) sends_rapid: bool,
    pub(super) heard_rapid: bool,
    pub(super) heard_stp: bool,
    pub(super) proposed: bool,
    pub(super) proposing: bool,
    pub(super) agree: bool,
    pub(super) agreed: bool,
    pub(super) disputed: bool,
    pub(super) sync: bool,
    pub(super) synced: bool,
    pub(super) reroot: bool,
    pub(super) learn: bool,
    pub(super) learning: bool,
    pub(super) forward: bool,
    pub(super) forwarding: bool,
    pub(super) heard_change: bool,
    pub(super) heard_notice: bool,
    pub(super) heard_acknowledgment: bool,
    pub(super) acknowledge: bool,
    pub(super) propagate: bool,
    /// What was learned here is to be forgotten.
    pub(super) flush: bool,
}

impl Port {
    pub(super) fn new(id: u16, cost: u32, edge: Edge, max_age: u8, delay: u8) -> Self {
        Self {
            id,
            cost,
            edge,
            is_enabled: false,
            is_edge: edge == Edge::On,
            timers: Timers {
                edge_delay: MIGRATE_TIME,
                forward_delay: max_age.into(),
                migration: MIGRATE_TIME,
                recent_root: delay.into(),
                ..Timers::default()
            },
            sent: 0,
            flushed: 0,
            info_is: InfoIs::Disabled,
            vector: Vector::default(),
            times: Times::default(),
            designated: Vector::default(),
            designated_times: Times::default(),
            message: None,
            migration: Migration::Checking,
            transition: Transition::Blocking,
            change: Change::Inactive,
            role: Role::Disabled,
            selected_role: Role::Disabled,
            reselect: true,
            selected: false,
            update_info: false,
            new_info: true,
            sends_rapid: true,
            heard_rapid: false,
            heard_stp: false,
            proposed: false,
            proposing: false,
            agree: false,
            agreed: false,
            disputed: false,
            sync: true,
            synced: false,
            reroot: true,
            learn: false,
            learning: false,
            forward: false,
            forwarding: false,
            heard_change: false,
            heard_notice: false,
            heard_acknowledgment: false,
            acknowledge: false,
            propagate: false,
            flush: true,
        }
    }

    /// Counts a second (17.22).
    pub(super) fn tick(&mut self) {
        let Timers {
            edge_delay,
            forward_delay,
            hello,
            migration,
            recent_backup,
            received,
            recent_root,
            changing,
        } = &mut self.timers;
        let all =
            [edge_delay, forward_delay, hello, migration, recent_backup, received, recent_root, changing];
        for timer in all.into_iter().chain([&mut self.sent, &mut self.flushed]) {
            *timer = timer.saturating_sub(1);
        }
    }

    /// How long a step towards forwarding takes here (17.20.5).
    pub(super) fn forward_delay(&self) -> u16 {
        if self.sends_rapid { self.hello_time() } else { self.full_delay() }
    }

    pub(super) fn full_delay(&self) -> u16 {
        self.designated_times.delay.into()
    }

    pub(super) fn hello_time(&self) -> u16 {
        self.designated_times.hello.max(1).into()
    }

    pub(super) fn max_age(&self) -> u16 {
        self.designated_times.max_age.into()
    }

    /// Whether its role is settled, so that what follows from it may be done.
    pub(super) fn is_selected(&self) -> bool {
        self.selected && !self.update_info
    }

    /// Whether it passes frames of the tree on, or shall.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.role, Role::Root | Role::Designated)
    }
}
