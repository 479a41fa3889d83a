//! Sleeping, timeouts, and the queue behind them.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Platform, Time, TimedOut};
use unik_sched::{Executor, select, yield_now};

use crate::support::{Clock, Random, Trace, count, machine, millis};

/// Spawns a task that sleeps and leaves a trace of its polls.
fn sleeper(executor: &Executor, trace: &Trace, time: &Time, name: &'static str, length: u64) {
    let sleep = time.sleep(millis(length));
    executor.spawner().spawn(name, trace.clone().polls(name, sleep)).expect("there is room");
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    let (clock, time, mut executor) = machine(8);
    let trace = Trace::default();
    for (name, length) in [("c", 30), ("a", 10), ("d", 40), ("b", 20)] {
        sleeper(&executor, &trace, &time, name, length);
    }
    executor.block_on("main", time.sleep(millis(40)));
    assert_eq!(trace.take(), "c a d b a! b! c! d!");
    assert_eq!(clock.now(), Instant::from_millis(40));
}

#[test]
fn equal_deadlines_fire_in_the_order_in_which_they_were_set() {
    let (_, time, mut executor) = machine(16);
    let trace = Trace::default();
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        sleeper(&executor, &trace, &time, name, 10);
    }
    executor.block_on("main", time.sleep(millis(10)));
    assert_eq!(trace.take(), "a b c d e f g a! b! c! d! e! f! g!");
}

#[test]
fn a_jump_of_the_clock_fires_all_that_it_passed_in_order() {
    let (clock, time, mut executor) = machine(8);
    let trace = Trace::default();
    for (name, length) in [("late", 5_000), ("b", 20), ("a", 10)] {
        sleeper(&executor, &trace, &time, name, length);
    }
    executor.turn();
    trace.take();
    clock.advance(millis(4_999));
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a! b!");
    clock.advance(millis(1));
    executor.turn();
    assert_eq!(trace.take(), "late!");
}

#[test]
fn a_dropped_sleep_wakes_nobody() {
    let (clock, time, mut executor) = machine(8);
    let (trace, sleep) = (Trace::default(), time.sleep(millis(10)));
    let task = async move {
        select(sleep, yield_now()).await;
        pending::<()>().await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", task)).unwrap();
    executor.turn();
    assert_eq!(time.timers(), 1);
    executor.turn();
    assert_eq!((time.timers(), time.next_deadline()), (0, None));
    trace.take();
    clock.advance(millis(20));
    assert!(!executor.turn());
    assert_eq!(trace.take(), "");
    assert_eq!(count(&*time.counters(), "cancelled"), 1);
}

#[test]
fn a_sleep_dropped_after_it_fired_leaves_other_timers_alone() {
    let (clock, time, mut executor) = machine(8);
    let mut fired = time.sleep(millis(1));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(Pin::new(&mut fired).poll(&mut cx).is_pending());
    clock.advance(millis(1));
    executor.turn();
    let mut other = time.sleep(millis(1));
    assert!(Pin::new(&mut other).poll(&mut cx).is_pending());
    drop(fired);
    assert_eq!(time.timers(), 1, "the new timer sits where the old one was");
}

#[test]
fn a_deadline_that_has_passed_is_ready_without_a_timer() {
    let (clock, time, mut executor) = machine(8);
    clock.advance(millis(5));
    executor.block_on("main", time.sleep_until(Instant::from_millis(3)));
    executor.block_on("main", time.sleep(Duration::ZERO));
    assert_eq!(count(&*time.counters(), "set"), 0);
    assert!(clock.idles.borrow().is_empty());
}

#[test]
fn the_end_of_time_never_comes() {
    let (_, time, mut executor) = machine(8);
    executor.spawner().spawn("a", time.sleep(Duration::MAX)).unwrap();
    assert!(!executor.turn());
    assert_eq!(time.next_deadline(), None);
}

#[test]
fn a_sleep_polled_again_for_another_reason_keeps_its_one_timer() {
    let (_, time, mut executor) = machine(8);
    let (sleep, event) = (time.sleep(millis(10)), Event::new());
    let both = select(sleep, async {
        for _ in 0..3 {
            yield_now().await;
        }
        event.wait().await;
    });
    executor.block_on("main", both);
    assert_eq!((count(&*time.counters(), "set"), count(&*time.counters(), "fired")), (1, 1));
}

#[test]
fn a_sleep_that_moves_to_another_task_wakes_that_one() {
    let (_, time, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let parcel = Rc::new(RefCell::new(time.sleep(millis(10))));
    let first = parcel.clone();
    let poll_once = std::future::poll_fn(move |cx| {
        let _ = Pin::new(&mut *first.borrow_mut()).poll(cx);
        Poll::<()>::Pending
    });
    spawner.spawn("first", trace.clone().polls("first", poll_once)).unwrap();
    executor.turn();
    let second = std::future::poll_fn(move |cx| Pin::new(&mut *parcel.borrow_mut()).poll(cx));
    spawner.spawn("second", trace.clone().polls("second", second)).unwrap();
    executor.block_on("main", time.sleep(millis(20)));
    assert_eq!(trace.take(), "first second second!");
}

#[test]
fn a_sleep_can_be_moved_to_another_moment() {
    let (clock, time, mut executor) = machine(8);
    let mut sleep = time.sleep(millis(10));
    executor.block_on("main", select(&mut sleep, yield_now()));
    sleep.reset(Instant::from_millis(30));
    assert_eq!((time.timers(), sleep.deadline()), (0, Instant::from_millis(30)));
    executor.block_on("main", sleep);
    assert_eq!(clock.now(), Instant::from_millis(30));
}

#[test]
fn a_timeout_gives_what_was_ready_in_time_and_takes_its_timer_back() {
    let (clock, time, mut executor) = machine(8);
    let slow = time.sleep(millis(5));
    let limited = time.timeout(millis(10), async {
        slow.await;
        "done"
    });
    assert_eq!(executor.block_on("main", limited), Ok("done"));
    assert_eq!((clock.now(), time.timers()), (Instant::from_millis(5), 0));
}

#[test]
fn a_timeout_drops_what_takes_too_long() {
    let (clock, time, mut executor) = machine(8);
    let slow = time.sleep(millis(50));
    let result = executor.block_on("main", time.timeout(millis(10), slow));
    assert_eq!(result, Err(TimedOut));
    assert_eq!((clock.now(), time.timers()), (Instant::from_millis(10), 0));
}

#[test]
fn ready_at_the_last_moment_is_in_time() {
    let (_, time, mut executor) = machine(8);
    let exact = time.sleep(millis(10));
    assert_eq!(executor.block_on("main", time.timeout(millis(10), exact)), Ok(()));
}

#[test]
fn more_sleeps_than_the_queue_admits_still_end_at_their_time() {
    let clock = Rc::new(Clock::default());
    let time = Time::with_timer_limit(clock.clone(), 2);
    let mut executor = Executor::new(&time, 8);
    let trace = Trace::default();
    let ends = |name, length| {
        let (trace, clock, sleep) = (trace.clone(), clock.clone(), time.sleep(millis(length)));
        async move {
            sleep.await;
            trace.note(format!("{name}@{}", clock.now().as_millis()));
        }
    };
    for (name, length) in [("a", 3), ("b", 9), ("c", 4), ("d", 3)] {
        executor.spawner().spawn(name, ends(name, length)).unwrap();
    }
    assert!(executor.turn(), "c and d ask again in every turn");
    for _ in 0..10 {
        executor.turn();
        assert!(time.timers() <= 2);
        clock.advance(millis(1));
    }
    assert_eq!(trace.take(), "d@3 a@3 c@4 b@9");
    assert!(count(&*time.counters(), "refused") > 0);
}

/// A sleep of the model: its deadline, its future, and whether it was seen to be ready.
type Modelled = (Instant, Option<unik_sched::time::Sleep>);

#[test]
fn a_thousand_random_timers_behave_like_a_sorted_list() {
    const SEED: u64 = 0x5eed_0000_0007;
    let (clock, time, _) = machine(0);
    let random = Random::new(SEED);
    let mut model: Vec<Modelled> = Vec::new();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for step in 0..5_000 {
        match random.below(4) {
            0 | 1 => {
                let deadline = clock.now() + millis(1 + random.below(50));
                let mut sleep = time.sleep_until(deadline);
                assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
                model.push((deadline, Some(sleep)));
            }
            2 if !model.is_empty() => {
                let victim = random.below(model.len() as u64) as usize;
                model.swap_remove(victim);
            }
            _ => {
                clock.advance(millis(random.below(3)));
                time.expire();
                model.retain(|(deadline, _)| *deadline > clock.now());
            }
        }
        let earliest = model.iter().map(|(deadline, _)| *deadline).min();
        assert_eq!(time.next_deadline(), earliest, "seed {SEED:#x}, step {step}");
        assert_eq!(time.timers(), model.len(), "seed {SEED:#x}, step {step}");
    }
}
