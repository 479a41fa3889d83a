//! Signals and events.

use std::future::poll_fn;
use std::rc::Rc;

use unik_sched::sync::{Event, Signal};
use unik_sched::{Executor, select, yield_now};

use crate::support::{Puppet, Trace, machine};

fn waiter(executor: &Executor, trace: &Trace, name: &'static str, event: &Event) {
    let event = event.clone();
    executor
        .spawner()
        .spawn(name, trace.clone().polls(name, async move { event.wait().await }))
        .expect("there is room");
}

#[test]
fn a_signal_keeps_only_the_latest_value() {
    let (_, _, mut executor) = machine(0);
    let signal = Signal::new();
    assert_eq!(signal.set(1), None);
    assert_eq!(signal.set(2), Some(1));
    assert!(signal.is_set());
    assert_eq!(executor.block_on("main", signal.wait()), 2);
    assert!(!signal.is_set());
    assert_eq!(signal.try_take(), None);
}

#[test]
fn each_value_goes_to_the_one_that_has_waited_longest() {
    let (_, _, mut executor) = machine(8);
    let (trace, signal) = (Trace::default(), Signal::new());
    for name in ["a", "b"] {
        let (signal, notes) = (signal.clone(), trace.clone());
        let task = async move {
            let value = signal.wait().await;
            notes.note(format!("{name}={value}"));
        };
        executor.spawner().spawn(name, trace.clone().polls(name, task)).unwrap();
    }
    executor.turn();
    assert_eq!(trace.take(), "a b");
    signal.set(1);
    executor.turn();
    assert_eq!(trace.take(), "a=1 a!");
    signal.set(2);
    executor.turn();
    assert_eq!(trace.take(), "b=2 b!");
}

#[test]
fn an_event_set_twice_wakes_once_and_is_taken_once() {
    let (_, _, mut executor) = machine(8);
    let (trace, event) = (Trace::default(), Event::new());
    waiter(&executor, &trace, "a", &event);
    waiter(&executor, &trace, "b", &event);
    executor.turn();
    trace.take();
    event.set();
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "a!");
    assert!(!executor.turn());
    assert!(!event.is_set());
}

#[test]
fn an_event_set_before_anybody_waits_stays_set() {
    let (_, _, mut executor) = machine(8);
    let event = Event::new();
    event.set();
    executor.block_on("main", event.wait());
    assert!(!event.try_take());
    event.set();
    assert!(event.try_take());
}

#[test]
fn nobody_overtakes_a_waiter_that_was_woken() {
    let (_, _, mut executor) = machine(8);
    let (trace, event) = (Trace::default(), Event::new());
    waiter(&executor, &trace, "a", &event);
    executor.turn();
    event.set();
    assert!(!event.try_take(), "it belongs to a");
    waiter(&executor, &trace, "b", &event);
    executor.turn();
    assert_eq!(trace.take(), "a a! b");
}

#[test]
fn what_a_dropped_waiter_was_woken_for_goes_to_the_next() {
    let (_, _, mut executor) = machine(8);
    let (trace, event, puppet) = (Trace::default(), Event::new(), Puppet::default());
    let (first, stop) = (event.clone(), puppet.future());
    let impatient = async move {
        select(stop, first.wait()).await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", impatient)).unwrap();
    waiter(&executor, &trace, "b", &event);
    executor.turn();
    trace.take();
    puppet.finish();
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "a!");
    executor.turn();
    assert_eq!(trace.take(), "b!");
}

#[test]
fn a_waiter_dropped_from_the_middle_disturbs_nobody() {
    let (_, _, mut executor) = machine(8);
    let (trace, event, puppet) = (Trace::default(), Event::new(), Puppet::default());
    waiter(&executor, &trace, "a", &event);
    let (second, stop) = (event.clone(), puppet.future());
    let impatient = async move {
        select(stop, second.wait()).await;
    };
    executor.spawner().spawn("b", trace.clone().polls("b", impatient)).unwrap();
    waiter(&executor, &trace, "c", &event);
    executor.turn();
    puppet.finish();
    executor.turn();
    assert_eq!(trace.take(), "a b c b!");
    for expected in ["a!", "c!"] {
        event.set();
        executor.turn();
        assert_eq!(trace.take(), expected);
    }
}

#[test]
fn a_poll_arms_the_event_without_taking_a_place() {
    let (_, _, mut executor) = machine(8);
    let (trace, event) = (Trace::default(), Event::new());
    let polled = event.clone();
    let driver = async move {
        poll_fn(|cx| polled.poll_wait(cx)).await;
        poll_fn(|cx| polled.poll_wait(cx)).await;
    };
    executor.spawner().spawn("driver", trace.clone().polls("driver", driver)).unwrap();
    executor.turn();
    event.set();
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "driver driver");
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "driver!");
}

#[test]
fn those_in_the_queue_come_before_one_that_polls() {
    let (_, _, mut executor) = machine(8);
    let (trace, event) = (Trace::default(), Event::new());
    let polled = event.clone();
    let watcher = async move { poll_fn(|cx| polled.poll_wait(cx)).await };
    executor.spawner().spawn("watcher", trace.clone().polls("watcher", watcher)).unwrap();
    waiter(&executor, &trace, "waiter", &event);
    executor.turn();
    trace.take();
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "waiter!");
    event.set();
    executor.turn();
    assert_eq!(trace.take(), "watcher!");
}

#[test]
fn a_value_may_hold_the_signal_itself() {
    #[derive(Clone)]
    struct Knot(Rc<Signal<Knot>>);
    impl Drop for Knot {
        fn drop(&mut self) {
            let _ = self.0.is_set();
        }
    }
    let (_, _, mut executor) = machine(0);
    let knot = Knot(Rc::new(Signal::new()));
    knot.0.set(knot.clone());
    knot.0.set(knot.clone());
    executor.block_on("main", async {
        yield_now().await;
        drop(knot.0.wait().await);
    });
}
