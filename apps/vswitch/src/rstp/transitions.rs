//! The machines for role transitions and for topology changes (IEEE 802.1D-2004, 17.29, 17.31).

use super::port::{Change, MIGRATE_TIME, Port, Role, Transition};
use super::{HOLD, Tree};

impl Tree {
    /// The machine for role transitions.
    pub(super) fn transit(&mut self, index: usize) -> bool {
        let Some(port) = self.ports.get_mut(index).filter(|port| port.is_selected()) else { return false };
        if port.selected_role != port.role {
            port.take_role();
            return true;
        }
        match port.role {
            Role::Disabled => port.transit_disabled(),
            Role::Designated => port.transit_designated(),
            Role::Root => self.agree(index) || self.transit_root(index),
            Role::Alternate | Role::Backup => self.transit_alternate(index),
        }
    }

    /// Agrees to what the neighbour of a root or alternate port proposes, once no other port is in the way.
    fn agree(&mut self, index: usize) -> bool {
        let is_synced = self.ports.iter().all(|port| {
            port.is_selected() && port.role == port.selected_role && (port.synced || port.role == Role::Root)
        });
        let Some(port) = self.ports.get_mut(index) else { return false };
        if port.proposed && !port.agree {
            port.proposed = false;
            self.ports.iter_mut().for_each(|port| port.sync = true);
            return true;
        }
        let agrees = is_synced && !port.agree || port.proposed && port.agree;
        if agrees {
            (port.proposed, port.agree, port.new_info) = (false, true, true);
            port.sync &= port.role != Role::Root;
        }
        agrees
    }

    fn transit_root(&mut self, index: usize) -> bool {
        let others = || self.ports.iter().enumerate().filter(|(other, _)| *other != index);
        let is_rerooted = others().all(|(_, port)| port.timers.recent_root == 0);
        let Some(port) = self.ports.get_mut(index) else { return false };
        let full_delay = port.full_delay();
        let may = port.timers.forward_delay == 0 || is_rerooted && port.timers.recent_backup == 0;
        if !port.forward && !port.reroot {
            self.ports.iter_mut().for_each(|port| port.reroot = true);
        } else if port.reroot && port.forward {
            port.reroot = false;
        } else if may && !port.learn {
            port.learn = true;
            port.timers.forward_delay = port.forward_delay();
        } else if may && !port.forward {
            port.forward = true;
            port.timers.forward_delay = 0;
        } else if port.timers.recent_root != full_delay {
            port.timers.recent_root = full_delay;
        } else {
            return false;
        }
        true
    }

    fn transit_alternate(&mut self, index: usize) -> bool {
        let Some(port) = self.ports.get_mut(index) else { return false };
        if port.transition == Transition::Blocking {
            return port.settle();
        }
        if self.agree(index) {
            return true;
        }
        let Some(port) = self.ports.get_mut(index) else { return false };
        if port.timers.forward_delay != port.forward_delay() || port.sync || port.reroot || !port.synced {
            return port.settle();
        }
        let recent = 2 * port.hello_time();
        let is_recent = port.role == Role::Backup && port.timers.recent_backup != recent;
        if is_recent {
            port.timers.recent_backup = recent;
        }
        is_recent
    }

    /// The machine for topology changes.
    pub(super) fn change_topology(&mut self, index: usize) -> bool {
        let delay = self.root_times;
        let Some(port) = self.ports.get_mut(index) else { return false };
        let is_told = port.heard_change || port.heard_notice || port.heard_acknowledgment || port.propagate;
        let is_active = port.is_active() && !port.is_edge;
        match port.change {
            Change::Inactive if port.learn => port.watch(),
            Change::Learning if is_active && port.forward => {
                port.change = Change::Active;
                port.begin_change(delay.max_age, delay.delay);
                port.new_info = true;
                self.propagate(index);
            }
            Change::Learning if is_told => port.watch(),
            Change::Learning if !port.is_active() && !port.learn && !port.learning => {
                port.change = Change::Inactive;
                self.put_off += port.forget();
                port.timers.changing = 0;
                port.acknowledge = false;
            }
            Change::Active if !is_active => port.watch(),
            Change::Active if port.heard_notice || port.heard_change => {
                if port.heard_notice {
                    port.begin_change(delay.max_age, delay.delay);
                }
                (port.heard_notice, port.heard_change) = (false, false);
                port.acknowledge |= port.role == Role::Designated;
                self.propagate(index);
            }
            Change::Active if port.propagate => {
                port.begin_change(delay.max_age, delay.delay);
                self.put_off += port.forget();
                port.propagate = false;
            }
            Change::Active if port.heard_acknowledgment => {
                port.timers.changing = 0;
                port.heard_acknowledgment = false;
            }
            _ => return false,
        }
        true
    }

    /// Tells all other ports that the tree has changed.
    fn propagate(&mut self, index: usize) {
        let others = self.ports.iter_mut().enumerate().filter(|(other, _)| *other != index);
        others.for_each(|(_, port)| port.propagate = true);
    }
}

impl Port {
    /// Takes the role that was selected.
    fn take_role(&mut self) {
        self.role = self.selected_role;
        match self.role {
            Role::Root => self.timers.recent_root = self.full_delay(),
            Role::Designated => {}
            Role::Disabled | Role::Alternate | Role::Backup => {
                (self.learn, self.forward) = (false, false);
                self.transition = Transition::Blocking;
            }
        }
    }

    /// Ends the wait for a port to discard, if it does: nothing that goes on elsewhere has to wait for it.
    fn settle(&mut self) -> bool {
        if self.learning || self.forwarding {
            return false;
        }
        self.transition = Transition::Settled;
        self.timers.forward_delay =
            if self.role == Role::Disabled { self.max_age() } else { self.forward_delay() };
        self.timers.recent_root = 0;
        (self.synced, self.sync, self.reroot) = (true, false, false);
        true
    }

    fn transit_disabled(&mut self) -> bool {
        let is_unsettled = self.transition == Transition::Blocking
            || self.timers.forward_delay != self.max_age()
            || self.sync
            || self.reroot
            || !self.synced;
        is_unsettled && self.settle()
    }

    fn transit_designated(&mut self) -> bool {
        let is_recent = self.reroot && self.timers.recent_root != 0;
        let may = (self.timers.forward_delay == 0 || self.agreed || self.is_edge) && !is_recent && !self.sync;
        let must_not = self.sync && !self.synced || is_recent || self.disputed;
        if !self.forward && !self.agreed && !self.proposing && !self.is_edge {
            (self.proposing, self.new_info) = (true, true);
            self.timers.edge_delay = MIGRATE_TIME;
        } else if !self.synced && (!self.learning && !self.forwarding || self.agreed || self.is_edge)
            || self.sync && self.synced
        {
            self.timers.recent_root = 0;
            (self.synced, self.sync) = (true, false);
        } else if self.timers.recent_root == 0 && self.reroot {
            self.reroot = false;
        } else if must_not && !self.is_edge && (self.learn || self.forward) {
            (self.learn, self.forward, self.disputed) = (false, false, false);
            self.timers.forward_delay = self.forward_delay();
        } else if may && !self.learn {
            self.learn = true;
            self.timers.forward_delay = self.forward_delay();
        } else if may && !self.forward {
            self.forward = true;
            self.timers.forward_delay = 0;
            self.agreed = self.sends_rapid;
        } else {
            return false;
        }
        true
    }

    /// Is ready to hear of changes.
    fn watch(&mut self) {
        self.change = Change::Learning;
        (self.heard_change, self.heard_notice, self.heard_acknowledgment) = (false, false, false);
        self.propagate = false;
    }

    /// Has what was learned here forgotten. One where it is forgotten later, since that was done too often.
    fn forget(&mut self) -> u64 {
        self.flush = true;
        u64::from(self.flushed >= HOLD)
    }

    /// Tells of a change for a while, unless it does so already (17.21.7).
    fn begin_change(&mut self, max_age: u8, delay: u8) {
        if self.timers.changing == 0 {
            self.timers.changing =
                if self.sends_rapid { self.hello_time() + 1 } else { u16::from(max_age) + u16::from(delay) };
            self.new_info |= self.sends_rapid;
        }
    }
}
