//! Latches.

use std::rc::Rc;

use unik_sched::sync::{Event, Latch};
use unik_sched::{Either, select};

use crate::support::{Trace, machine};

#[test]
fn all_who_wait_hear_of_it_in_the_order_in_which_they_came() {
    let (_, _, mut executor) = machine(8);
    let (trace, latch) = (Trace::default(), Rc::new(Latch::new()));
    for name in ["a", "b", "c"] {
        let latch = latch.clone();
        let wait = trace.clone().polls(name, async move { latch.wait().await });
        executor.spawner().spawn(name, wait).unwrap();
    }
    executor.turn();
    assert_eq!(trace.take(), "a b c");
    latch.set();
    executor.turn();
    assert_eq!(trace.take(), "a! b! c!");
}

#[test]
fn whoever_comes_later_does_not_wait() {
    let (_, _, mut executor) = machine(0);
    let latch = Rc::new(Latch::new());
    assert!(!latch.is_set());
    latch.set();
    latch.set();
    for _ in 0..3 {
        executor.block_on("main", latch.wait());
    }
    assert!(latch.is_set());
}

#[test]
fn it_wins_over_something_that_never_happens() {
    let (_, _, mut executor) = machine(1);
    let (latch, never) = (Rc::new(Latch::new()), Event::new());
    let setter = latch.clone();
    executor.spawner().spawn("setter", async move { setter.set() }).unwrap();
    let first = executor.block_on("main", select(never.wait(), latch.wait()));
    assert_eq!(first, Either::Second(()));
}

#[test]
fn a_waiter_that_gave_up_is_not_woken() {
    let (_, _, mut executor) = machine(8);
    let (trace, latch, stop) = (Trace::default(), Rc::new(Latch::new()), Event::new());
    let (waited, stopped) = (latch.clone(), stop.clone());
    let wait = async move {
        select(stopped.wait(), waited.wait()).await;
        std::future::pending::<()>().await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", wait)).unwrap();
    executor.turn();
    stop.set();
    executor.turn();
    assert_eq!(trace.take(), "a a");
    latch.set();
    assert!(!executor.turn());
    assert_eq!(trace.take(), "");
}

#[test]
fn two_waits_of_one_task_are_two() {
    let (_, _, mut executor) = machine(8);
    let (trace, latch, stop) = (Trace::default(), Rc::new(Latch::new()), Event::new());
    let (waited, stopped) = (latch.clone(), stop.clone());
    let wait = async move {
        let first = async {
            select(stopped.wait(), waited.wait()).await;
            std::future::pending::<()>().await;
        };
        select(first, waited.wait()).await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", wait)).unwrap();
    executor.turn();
    stop.set();
    executor.turn();
    assert_eq!(trace.take(), "a a");
    latch.set();
    executor.turn();
    assert_eq!(trace.take(), "a!");
}
