//! Wakers across threads, and what a wake costs.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use unik_sched::Executor;
use unik_sched::counter::Counter;
use unik_sched::sync::Event;
use unik_sched::time::{Instant, Platform, Time};

use crate::support::{Puppet, count, machine, millis};

#[test]
fn wakes_from_other_threads_are_not_lost() {
    const ROUNDS: usize = 200;
    let (_, _, mut executor) = machine(4);
    let (spawner, puppets) = (executor.spawner(), [(); 4].map(|()| Puppet::default()));
    for puppet in &puppets {
        spawner.spawn("puppet", puppet.future()).unwrap();
    }
    executor.turn();
    let wakers: Vec<_> = puppets.iter().map(Puppet::waker).collect();
    let threads: Vec<_> = wakers
        .into_iter()
        .map(|waker| {
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    waker.wake_by_ref();
                }
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        executor.turn();
    }
    while executor.turn() {}
    for puppet in &puppets {
        puppet.finish();
    }
    while executor.turn() {}
    assert_eq!(count(&*executor.counters(), "tasks_finished"), 4, "no wake is stuck in the ring");
}

/// A clock that keeps no records, which would allocate.
struct Quiet(Cell<Instant>);

impl Platform for Quiet {
    fn now(&self) -> Instant {
        self.0.get()
    }

    fn idle(&self, until: Option<Instant>) {
        self.0.set(until.expect("a timer is set"));
    }
}

#[test]
fn in_the_long_run_neither_wakes_nor_timers_nor_events_allocate() {
    let time = Time::new(Rc::new(Quiet(Cell::new(Instant::ZERO))));
    let mut executor = Executor::new(&time, 4);
    let (event, served, timeouts) = (Event::new(), Rc::new(Counter::new()), Rc::new(Counter::new()));
    let (waiting, limits, count, misses) = (event.clone(), time.clone(), served.clone(), timeouts.clone());
    let server = async move {
        loop {
            if limits.timeout(millis(50), waiting.wait()).await.is_ok() {
                count.increment();
            } else {
                misses.increment();
            }
        }
    };
    executor.spawner().spawn("server", server).unwrap();
    let mut round = |rounds: u32| {
        for _ in 0..rounds {
            event.set();
            executor.block_on("main", time.sleep(millis(60)));
        }
    };
    round(10);
    let allocations = allocation_counter::measure(|| round(1_000));
    assert_eq!((served.get(), timeouts.get()), (1_010, 1_010));
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
}
