//! Turns, fairness, wakes, and what the platform is told.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use unik_sched::sync::Event;
use unik_sched::time::{Instant, Platform};
use unik_sched::{Either, select, yield_now};

use crate::support::{Puppet, Trace, count, machine, millis};

#[test]
fn tasks_are_polled_in_the_order_in_which_they_were_woken() {
    let (_, _, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let puppets: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let puppet = Puppet::default();
            spawner.spawn(name, trace.clone().polls(name, puppet.future())).unwrap();
            puppet
        })
        .collect();
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a b c");
    for index in [2, 0, 1] {
        puppets[index].wake();
    }
    assert!(!executor.turn());
    assert_eq!(trace.take(), "c a b");
}

#[test]
fn a_turn_without_wakes_polls_nothing() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    executor.spawner().spawn("a", trace.clone().polls("a", pending())).unwrap();
    executor.turn();
    assert_eq!(trace.take(), "a");
    for _ in 0..3 {
        assert!(!executor.turn());
    }
    assert_eq!(trace.take(), "");
}

#[test]
fn a_task_that_is_always_ready_takes_turns_with_the_others() {
    let (_, _, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    for name in ["greedy", "modest"] {
        let busy = async {
            loop {
                yield_now().await;
            }
        };
        spawner.spawn(name, trace.clone().polls(name, busy)).unwrap();
    }
    for _ in 0..3 {
        assert!(executor.turn(), "both are ready again");
        assert_eq!(trace.take(), "greedy modest");
    }
}

#[test]
fn two_wakes_before_a_poll_are_one_poll() {
    let (_, _, mut executor) = machine(8);
    let (trace, puppet) = (Trace::default(), Puppet::default());
    executor.spawner().spawn("a", trace.clone().polls("a", puppet.future())).unwrap();
    executor.turn();
    trace.take();
    puppet.wake();
    puppet.wake();
    assert!(!executor.turn());
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a");
}

#[test]
fn a_wake_during_the_poll_is_one_more_poll_in_the_next_turn() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let mut polls = 0;
    let twice = poll_fn(move |cx| {
        polls += 1;
        if polls == 1 {
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
        }
        Poll::<()>::Pending
    });
    executor.spawner().spawn("a", trace.clone().polls("a", twice)).unwrap();
    assert!(executor.turn());
    assert_eq!(trace.take(), "a");
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a");
    assert!(!executor.turn());
    assert_eq!(trace.take(), "");
}

#[test]
fn a_task_woken_by_an_earlier_one_of_the_same_turn_waits_for_the_next() {
    let (_, _, mut executor) = machine(8);
    let (trace, spawner, puppet) = (Trace::default(), executor.spawner(), Puppet::default());
    spawner.spawn("late", trace.clone().polls("late", puppet.future())).unwrap();
    executor.turn();
    spawner.spawn("waker", trace.clone().polls("waker", async move { puppet.wake() })).unwrap();
    trace.take();
    assert!(executor.turn());
    assert_eq!(trace.take(), "waker!");
    assert!(!executor.turn());
    assert_eq!(trace.take(), "late");
}

#[test]
fn a_late_wake_of_a_finished_task_does_not_reach_its_successor() {
    let (_, _, mut executor) = machine(1);
    let (trace, spawner, old) = (Trace::default(), executor.spawner(), Puppet::default());
    spawner.spawn("old", trace.clone().polls("old", old.future())).unwrap();
    executor.turn();
    old.finish();
    executor.turn();
    spawner.spawn("new", trace.clone().polls("new", pending())).unwrap();
    executor.turn();
    assert_eq!(trace.take(), "old old! new");
    old.wake();
    assert!(!executor.turn());
    assert_eq!(trace.take(), "");
}

#[test]
fn a_task_that_wakes_itself_and_finishes_is_not_polled_again() {
    let (_, _, mut executor) = machine(2);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let last_words = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::Ready(())
    });
    spawner.spawn("old", trace.clone().polls("old", last_words)).unwrap();
    assert!(executor.turn(), "the wake is still to be looked at");
    spawner.spawn("new", trace.clone().polls("new", pending())).unwrap();
    assert!(!executor.turn());
    assert_eq!(trace.take(), "old! new", "and does not reach the new task");
    spawner.spawn("newer", pending()).expect("the slot of the old task is free by now");
}

#[test]
fn an_event_of_a_device_is_served_in_the_turn_that_finds_it() {
    let (clock, _, mut executor) = machine(8);
    let (trace, event) = (Trace::default(), Event::new());
    let waiting = event.clone();
    executor
        .spawner()
        .spawn("driver", trace.clone().polls("driver", async move { waiting.wait().await }))
        .unwrap();
    executor.turn();
    *clock.on_events.borrow_mut() = Some(Box::new(move || {
        event.set();
        true
    }));
    executor.turn();
    assert_eq!(trace.take(), "driver driver!");
}

#[test]
fn with_nothing_to_do_the_platform_idles_until_the_next_deadline() {
    let (clock, time, mut executor) = machine(8);
    let sleeper = time.clone();
    executor.spawner().spawn("later", async move { sleeper.sleep(millis(9)).await }).unwrap();
    let sleeper = time.clone();
    executor.block_on("main", async move { sleeper.sleep(millis(5)).await });
    assert_eq!(*clock.idles.borrow(), [Some(Instant::from_millis(5))]);
    assert_eq!(time.next_deadline(), Some(Instant::from_millis(9)), "the other task goes on sleeping");
    assert_eq!(count(&*executor.counters(), "idles"), 1);
}

#[test]
fn without_timers_the_platform_idles_for_good() {
    let (clock, _, mut executor) = machine(8);
    let event = Event::new();
    let (device, mut turns) = (event.clone(), 0);
    *clock.on_events.borrow_mut() = Some(Box::new(move || {
        turns += 1;
        if turns == 3 {
            device.set();
        }
        turns == 3
    }));
    executor.block_on("main", event.wait());
    assert_eq!(*clock.idles.borrow(), [None, None]);
}

#[test]
fn the_main_future_takes_its_turn_like_any_task() {
    let (_, _, mut executor) = machine(8);
    let trace = Trace::default();
    let busy = async {
        loop {
            yield_now().await;
        }
    };
    executor.spawner().spawn("a", trace.clone().polls("a", busy)).unwrap();
    let main = async {
        yield_now().await;
        yield_now().await;
        7
    };
    assert_eq!(executor.block_on("main", trace.clone().polls("main", main)), 7);
    assert_eq!(trace.take(), "a main a main a main!");
}

#[test]
fn an_executor_can_be_blocked_on_again() {
    let (_, _, mut executor) = machine(8);
    let (trace, first) = (Trace::default(), Puppet::default());
    let strings = first.clone();
    executor.block_on("first", select(trace.clone().polls("first", first.future()), async {}));
    strings.wake();
    executor.turn();
    strings.wake();
    let second = trace.clone().polls("second", yield_now());
    executor.block_on("second", second);
    assert_eq!(trace.take(), "first second second!");
}

#[test]
fn the_platform_is_told_who_runs() {
    let (clock, _, mut executor) = machine(8);
    executor.spawner().spawn("a", async {}).unwrap();
    executor.block_on("main", yield_now());
    let expected = [Some("a"), Some("main"), None, Some("main"), None];
    assert_eq!(*clock.announced.borrow(), expected);
}

#[test]
fn the_first_of_two_futures_wins_a_tie() {
    let (_, time, mut executor) = machine(8);
    let both = select(async { 1 }, async { 2 });
    assert_eq!(executor.block_on("main", both), Either::First(1));
    let one = select(pending::<()>(), time.sleep(millis(1)));
    assert_eq!(executor.block_on("main", one), Either::Second(()));
}

#[test]
fn two_executors_share_one_clock() {
    let (clock, time, mut one) = machine(8);
    let mut two = unik_sched::Executor::new(&time, 8);
    one.spawner()
        .spawn("a", {
            let time = time.clone();
            async move { time.sleep(millis(1)).await }
        })
        .unwrap();
    one.turn();
    two.block_on("main", time.sleep(millis(2)));
    assert!(!one.turn());
    assert_eq!(count(&*one.counters(), "tasks_finished"), 1);
    assert_eq!(clock.now(), Instant::from_millis(2));
    assert_eq!(Rc::strong_count(&clock), 2);
}
