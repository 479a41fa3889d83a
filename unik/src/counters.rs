//! The registry of counters: everything that components count, by name.

use crate::backend::{self, Interrupts, Memory};
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use unik_sched::counter::CounterSet;

/// The registry; clones share it. A counter's full name is `group.name`, for example `net0.rx_frames`.
#[derive(Clone, Default)]
pub struct Counters(Rc<RefCell<Vec<Entry>>>);

/// The group of the executor's counters.
const SCHEDULER: &str = "sched";

/// A group and a set of counters in it.
type Entry = (&'static str, Rc<dyn CounterSet>);

impl Counters {
    /// Adds a component's counters under `group`. Several sets may share a group.
    pub fn register(&self, group: &'static str, set: Rc<dyn CounterSet>) {
        self.0.borrow_mut().push((group, set));
    }

    /// Calls `visit` with group, name and value of every counter, in the order of registration.
    pub fn visit(&self, visit: &mut dyn FnMut(&'static str, &'static str, u64)) {
        for (group, set) in self.0.borrow().iter() {
            set.visit(&mut |name, value| visit(group, name, value));
        }
    }

    /// The same until `visit` returns false.
    pub fn visit_while(&self, visit: &mut dyn FnMut(&'static str, &'static str, u64) -> bool) {
        let mut goes_on = true;
        self.visit(&mut |group, name, value| goes_on = goes_on && visit(group, name, value));
    }

    /// What of the machine's memory is in use; a process has that of its host.
    pub fn memory(&self) -> Option<Memory> {
        backend::memory()
    }

    /// The registry of a system, with what every system counts. That is added by whoever asks for counters at all: no
    /// other image links it.
    pub(crate) fn of(system: &System) -> &Self {
        let counters = system.counters();
        if !counters.has(SCHEDULER) {
            counters.register(SCHEDULER, system.spawner().counters());
            counters.register("timers", system.time().counters());
            counters.register("interrupts", Rc::new(Interrupts));
        }
        counters
    }

    /// Whether something is registered under `group`.
    pub(crate) fn has(&self, group: &str) -> bool {
        self.0.borrow().iter().any(|(other, _)| *other == group)
    }

    /// The value of one counter; `None` where there is none of that name.
    pub fn get(&self, group: &str, name: &str) -> Option<u64> {
        let mut found = None;
        self.visit(&mut |its_group, its_name, value| {
            if its_group == group && its_name == name {
                found = Some(value);
            }
        });
        found
    }
}

impl Resource for Counters {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Ok(Self::of(system).clone()))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unik_sched::counters! {
        /// For the test.
        struct DoorCounters {
            /// Times that it was opened.
            opened,
        }
    }

    #[test]
    fn a_counter_is_found_by_group_and_name() {
        let (registry, door) = (Counters::default(), Rc::new(DoorCounters::new()));
        registry.register("door", door.clone());
        door.opened.add(3);
        assert_eq!(registry.get("door", "opened"), Some(3));
        assert_eq!(registry.get("door", "closed"), None);
        assert_eq!(registry.get("window", "opened"), None);
    }
}
