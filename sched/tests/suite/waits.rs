//! What each task waits for, as the table of tasks tells it.

use std::future::{pending, poll_fn};

use unik_sched::sync::Event;
use unik_sched::time::{Instant, Time};
use unik_sched::{Spawner, select};

use crate::support::{Puppet, machine, millis};

/// A leaf that tells what it waits for, until the strings are pulled.
async fn noting(time: Time, puppet: Puppet, on: &'static str) {
    let mut wait = Box::pin(puppet.future());
    poll_fn(|cx| {
        let poll = wait.as_mut().poll(cx);
        if poll.is_pending() {
            time.waiting(on);
        }
        poll
    })
    .await;
}

/// Each task with what it waits for.
fn waits(spawner: &Spawner) -> String {
    let mut waits = Vec::new();
    spawner.tasks(&mut |task| waits.push(format!("{}: {}", task.name, task.waits_for)));
    waits.join(", ")
}

#[test]
fn a_task_waits_for_what_its_last_poll_noted() {
    let (_, time, mut executor) = machine(8);
    let (spawner, first, second) = (executor.spawner(), Puppet::default(), Puppet::default());
    let (clock, reading, writing) = (time.clone(), first.clone(), second.clone());
    let task = async move {
        noting(clock.clone(), reading, "read").await;
        noting(clock, writing, "write").await;
        pending().await
    };
    spawner.spawn("a", task).unwrap();
    executor.turn();
    assert_eq!(waits(&spawner), "a: read");
    first.wake();
    executor.turn();
    assert_eq!(waits(&spawner), "a: read", "it was woken for nothing");
    first.finish();
    executor.turn();
    assert_eq!(waits(&spawner), "a: write");
    second.finish();
    executor.turn();
    assert_eq!(waits(&spawner), "a: event", "nothing was noted");
}

#[test]
fn the_note_of_one_task_is_not_that_of_the_next() {
    let (_, time, mut executor) = machine(8);
    let (spawner, clock) = (executor.spawner(), time.clone());
    let hasty = async move { time.waiting("nothing, for it is done") };
    spawner.spawn("a", noting(clock, Puppet::default(), "read")).unwrap();
    spawner.spawn("b", pending()).unwrap();
    spawner.spawn("c", hasty).unwrap();
    spawner.spawn("d", async { Event::new().wait().await }).unwrap();
    executor.turn();
    assert_eq!(waits(&spawner), "a: read, b: event, d: event");
}

#[test]
fn a_sleep_waits_for_the_timer_even_without_end() {
    let (_, time, mut executor) = machine(8);
    let spawner = executor.spawner();
    spawner.spawn("a", time.sleep(millis(5))).unwrap();
    spawner.spawn("b", time.sleep_until(Instant::MAX)).unwrap();
    executor.turn();
    assert_eq!(waits(&spawner), "a: timer, b: timer");
}

#[test]
fn a_time_limit_hides_nothing_on_whichever_side_it_stands() {
    let (_, time, mut executor) = machine(8);
    let spawner = executor.spawner();
    let leaf = || noting(time.clone(), Puppet::default(), "read");
    let limited = time.timeout(millis(5), leaf());
    spawner.spawn("a", async { _ = limited.await }).unwrap();
    let (sleep, read) = (time.sleep(millis(5)), leaf());
    spawner.spawn("b", async { _ = select(sleep, read).await }).unwrap();
    let bare = time.timeout(millis(5), pending::<()>());
    spawner.spawn("c", async { _ = bare.await }).unwrap();
    executor.turn();
    assert_eq!(waits(&spawner), "a: read, b: read, c: timer");
}

#[test]
fn of_a_wait_that_was_given_up_nothing_is_told() {
    let (_, time, mut executor) = machine(8);
    let (spawner, order) = (executor.spawner(), Puppet::default());
    let (strings, clock) = (order.clone(), time.clone());
    let task = async move {
        let read = noting(clock.clone(), Puppet::default(), "read");
        select(read, strings.future()).await;
        noting(clock, Puppet::default(), "write").await;
    };
    spawner.spawn("a", task).unwrap();
    executor.turn();
    assert_eq!(waits(&spawner), "a: read");
    order.finish();
    executor.turn();
    assert_eq!(waits(&spawner), "a: write", "both were noted in this poll");
}

#[test]
fn the_next_main_task_does_not_wait_for_what_the_last_one_did() {
    let (_, time, mut executor) = machine(8);
    let (spawner, table) = (executor.spawner(), executor.spawner());
    let clock = time.clone();
    executor.block_on("first", async move { time.sleep(millis(1)).await });
    let seen = executor.block_on("second", async move { waits(&table) });
    assert_eq!(seen, "second: event");
    let inside = spawner.clone();
    let seen = executor.block_on("third", async move {
        clock.sleep(millis(1)).await;
        waits(&inside)
    });
    assert_eq!(seen, "third: timer", "it is polled for the second time");
}
