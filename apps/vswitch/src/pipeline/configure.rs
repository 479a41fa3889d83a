//! How a controller changes groups, meters and ports.

use super::{
    Datapath,
    commands::{Gone, OnRemoved, groups_of, meters_of},
    groups::{Bucket, DEPTH, GROUP_ALL, GROUP_ANY, Group, Kind, MOST_BUCKETS},
    meters::{Band, METER_ALL, METER_CONTROLLER, METER_MAX, METER_SLOWPATH, MOST_BANDS},
    ports::{self, Port},
};
use crate::openflow::error::Refusal;
use alloc::vec::Vec;
use unik_sched::time::Instant;

impl Datapath {
    /// Adds a group.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn add_group(
        &mut self,
        id: u32,
        kind: Kind,
        buckets: Vec<Bucket>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.groups.get(id).is_some() {
            return Err(Refusal::GROUP_EXISTS);
        }
        self.check_buckets(id, kind, &buckets)?;
        let group = Group {
            id,
            kind,
            buckets,
            created: now,
            packets: Default::default(),
            bytes: Default::default(),
            references: 0,
        };
        if !self.groups.add(group) {
            return Err(Refusal::OUT_OF_GROUPS);
        }
        self.count_buckets(id, true);
        Ok(())
    }

    /// Gives a group other buckets.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn modify_group(&mut self, id: u32, kind: Kind, buckets: Vec<Bucket>) -> Result<(), Refusal> {
        if self.groups.get(id).is_none() {
            return Err(Refusal::UNKNOWN_GROUP);
        }
        self.check_buckets(id, kind, &buckets)?;
        self.count_buckets(id, false);
        if let Some(group) = self.groups.get_mut(id) {
            group.kind = kind;
            group.buckets = buckets;
        }
        self.count_buckets(id, true);
        Ok(())
    }

    #[inline(never)]
    fn count_buckets(&mut self, id: u32, is_more: bool) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let buckets = core::mem::take(&mut group.buckets);
        self.groups.refer(&buckets, is_more);
        if let Some(group) = self.groups.get_mut(id) {
            group.buckets = buckets;
        }
    }

    fn check_buckets(&self, id: u32, kind: Kind, buckets: &[Bucket]) -> Result<(), Refusal> {
        if id > super::groups::GROUP_MAX || kind == Kind::Indirect && buckets.len() != 1 {
            return Err(Refusal::INVALID_GROUP);
        }
        if self.groups.buckets_but(id) + buckets.len() > MOST_BUCKETS {
            return Err(Refusal::OUT_OF_BUCKETS);
        }
        for bucket in buckets {
            let watches_nothing = bucket.watch_port == ports::ANY && bucket.watch_group == GROUP_ANY;
            if kind == Kind::FastFailover && watches_nothing {
                return Err(Refusal::BAD_WATCH);
            }
            if kind != Kind::Select && bucket.weight > 1 {
                return Err(Refusal::INVALID_GROUP);
            }
        }
        if self.groups.leads_to(buckets, id, DEPTH - 2) {
            return Err(Refusal::LOOP);
        }
        let mut named = buckets.iter().flat_map(Bucket::groups);
        if named.any(|next| self.groups.get(next).is_none()) {
            return Err(Refusal::ACTION_OUT_GROUP);
        }
        Ok(())
    }

    /// Takes a group out, or all, and the entries that name it.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn delete_group(&mut self, id: u32, removed: OnRemoved<'_>) -> Result<(), Refusal> {
        if id == GROUP_ALL {
            self.remove_if(Gone::Group, &|flow| groups_of(&flow.program).next().is_some(), removed);
            self.groups.clear();
            return Ok(());
        }
        let mut named = self.groups.all().iter().flat_map(|group| &group.buckets).flat_map(Bucket::groups);
        let is_named = named.any(|other| other == id);
        drop(named);
        if is_named {
            return Err(Refusal::CHAINED_GROUP);
        }
        self.remove_if(Gone::Group, &|flow| groups_of(&flow.program).any(|other| other == id), removed);
        self.count_buckets(id, false);
        self.groups.remove(id);
        Ok(())
    }

    /// Adds a meter, or gives one other bands.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn set_meter(
        &mut self,
        id: u32,
        flags: u16,
        bands: Vec<Band>,
        is_new: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        if id == 0 || id > METER_MAX && !matches!(id, METER_CONTROLLER | METER_SLOWPATH) {
            return Err(Refusal::INVALID_METER);
        }
        if bands.len() > MOST_BANDS {
            return Err(Refusal::OUT_OF_BANDS);
        }
        match (self.meters.get(id).is_some(), is_new) {
            (true, true) => return Err(Refusal::METER_EXISTS),
            (false, false) => return Err(Refusal::UNKNOWN_METER),
            (true, false) => self.meters.modify(id, flags, bands, now),
            (false, true) => {
                if !self.meters.add(id, flags, bands, now) {
                    return Err(Refusal::OUT_OF_METERS);
                }
            }
        }
        Ok(())
    }

    /// Takes a meter out, or all, and the entries that name it.
    pub fn delete_meter(&mut self, id: u32, removed: OnRemoved<'_>) {
        let is_meant = |other: u32| id == METER_ALL || other == id;
        self.remove_if(Gone::Deleted, &|flow| meters_of(&flow.program).any(is_meant), removed);
        self.meters.remove(id);
    }

    /// Changes what a port does. What it is then, unless nothing has changed.
    ///
    /// # Errors
    /// What the controller is told; nothing has changed.
    pub fn port_mod(
        &mut self,
        number: u32,
        address: [u8; 6],
        config: u32,
        mask: u32,
    ) -> Result<Option<&Port>, Refusal> {
        let Some(port) = self.ports.get_mut(number) else { return Err(Refusal::PORT_MOD_PORT) };
        if port.address != address {
            return Err(Refusal::PORT_MOD_ADDRESS);
        }
        let new = port.config & !mask | config & mask;
        let is_changed = new != port.config;
        port.config = new;
        if is_changed {
            self.flows.changed();
        }
        Ok(is_changed.then_some(&*port))
    }

    /// Adds a port, or puts it in place of another one. False without room for it.
    pub fn put_port(&mut self, port: Port) -> bool {
        self.flows.changed();
        self.ports.put(port)
    }

    /// Takes a port away.
    pub fn remove_port(&mut self, number: u32) -> Option<Port> {
        self.flows.changed();
        self.ports.remove(number)
    }

    /// Says what a port's link, and whoever blocks it, do (OFPPS_). What it is then, unless nothing has changed.
    pub fn set_port_state(&mut self, number: u32, state: u32) -> Option<&Port> {
        let port = self.ports.get_mut(number)?;
        let is_changed = port.state != state;
        port.state = state;
        if is_changed {
            self.flows.changed();
        }
        is_changed.then_some(&*port)
    }
}
