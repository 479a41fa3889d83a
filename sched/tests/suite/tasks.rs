//! Spawning, limits, the table of tasks, and the end of the executor.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use unik_sched::{Error, Spawner, select, yield_now};

use crate::support::{Puppet, Trace, count, machine, millis};

/// Runs something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn names(spawner: &Spawner) -> Vec<&'static str> {
    let mut names = Vec::new();
    spawner.tasks(&mut |task| names.push(task.name));
    names
}

#[test]
fn a_task_spawned_by_a_task_starts_in_the_next_turn() {
    let (_, _, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let (inner, child) = (spawner.clone(), trace.clone().polls("child", async {}));
    let parent = async move {
        inner.spawn("child", child).unwrap();
    };
    spawner.spawn("parent", trace.clone().polls("parent", parent)).unwrap();
    assert!(executor.turn());
    assert_eq!(trace.take(), "parent!");
    assert!(!executor.turn());
    assert_eq!(trace.take(), "child!");
}

#[test]
fn one_task_more_than_the_limit_is_refused_and_counted() {
    let (_, _, mut executor) = machine(2);
    let (spawner, puppet) = (executor.spawner(), Puppet::default());
    spawner.spawn("a", puppet.future()).unwrap();
    spawner.spawn("b", pending()).unwrap();
    assert_eq!(spawner.spawn("c", pending()), Err(Error::TooManyTasks));
    assert_eq!(count(&*executor.counters(), "tasks_refused"), 1);
    executor.turn();
    puppet.finish();
    executor.turn();
    spawner.spawn("c", pending()).expect("the end of a made room");
    assert_eq!(names(&spawner), ["c", "b"]);
}

#[test]
fn a_refused_future_is_dropped_where_it_may_spawn_again() {
    let (_, _, executor) = machine(0);
    let spawner = executor.spawner();
    let again = spawner.clone();
    let stubborn = OnDrop(move || {
        let _ = again.spawn("again", async {});
    });
    let refused = spawner.spawn("a", async move { drop(stubborn) });
    assert_eq!(refused, Err(Error::TooManyTasks));
    assert_eq!(count(&*executor.counters(), "tasks_refused"), 2);
}

#[test]
fn a_finished_future_is_dropped_where_it_may_spawn() {
    let (_, _, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let (heir_spawner, heir_trace) = (spawner.clone(), trace.clone());
    let mut guard = Some(OnDrop(move || {
        heir_spawner.spawn("heir", heir_trace.clone().polls("heir", async {})).unwrap();
    }));
    let future = std::future::poll_fn(move |_| {
        let _ = &mut guard;
        std::task::Poll::Ready(())
    });
    spawner.spawn("a", future).unwrap();
    executor.turn();
    executor.turn();
    assert_eq!(trace.take(), "heir!");
}

#[test]
fn many_generations_of_tasks_reuse_their_slots() {
    let (_, _, mut executor) = machine(3);
    let (spawner, count) = (executor.spawner(), Rc::new(Cell::new(0)));
    for generation in 1..=100 {
        for name in ["a", "b", "c"] {
            let count = count.clone();
            let task = async move {
                yield_now().await;
                count.set(count.get() + 1);
            };
            spawner.spawn(name, task).unwrap();
        }
        assert!(executor.turn());
        assert!(!executor.turn());
        assert_eq!(count.get(), 3 * generation);
    }
    assert_eq!(names(&spawner).len(), 0);
}

#[test]
fn the_table_tells_of_each_task_what_it_did() {
    let (clock, time, mut executor) = machine(8);
    let (spawner, puppet, hard) = (executor.spawner(), Puppet::default(), clock.clone());
    let strings = puppet.clone();
    let id = spawner
        .spawn("worker", async move {
            hard.advance(millis(3));
            puppet.future().await;
            hard.advance(millis(1));
            pending().await
        })
        .unwrap();
    let table = spawner.clone();
    executor.block_on("main", async move {
        time.sleep(millis(10)).await;
        strings.finish();
        strings.wake();
        let mut seen = Vec::new();
        table.tasks(&mut |task| seen.push(*task));
        let [main, worker] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!((main.name, main.polls, main.wakes, main.ready), ("main", 1, 1, false));
        assert_eq!((worker.name, worker.id, worker.polls, worker.wakes), ("worker", id, 1, 2));
        assert_eq!((worker.run_time, worker.longest_poll, worker.ready), (millis(3), millis(3), true));
        yield_now().await;
        table.tasks(&mut |task| seen.push(*task));
        let worker = seen.last().unwrap();
        assert_eq!((worker.polls, worker.run_time, worker.longest_poll), (2, millis(4), millis(3)));
        assert!(!worker.ready);
    });
    assert_eq!(names(&spawner), ["worker"], "main is over");
}

#[test]
fn whoever_reads_the_table_may_spawn() {
    let (_, _, executor) = machine(2);
    let spawner = executor.spawner();
    spawner.spawn("a", pending()).unwrap();
    let mut seen = 0;
    spawner.tasks(&mut |task| {
        seen += 1;
        let _ = spawner.spawn("b", pending());
        assert_eq!(task.name, ["a", "b"][seen - 1]);
    });
    assert_eq!(seen, 2);
}

#[test]
fn a_table_read_in_parts_tells_of_each_task_once() {
    let (_, _, mut executor) = machine(8);
    let (spawner, puppet) = (executor.spawner(), Puppet::default());
    spawner.spawn("a", pending()).unwrap();
    spawner.spawn("b", puppet.future()).unwrap();
    spawner.spawn("c", pending()).unwrap();
    spawner.spawn("d", pending()).unwrap();
    executor.turn();
    let mut from = 0;
    let mut read = |room: usize| {
        let mut names = Vec::new();
        spawner.tasks_from(from, &mut |next, task| {
            if names.len() == room {
                return false;
            }
            names.push(task.name);
            from = next;
            true
        });
        names
    };
    assert_eq!(read(0), [""; 0], "what found no room is read next");
    assert_eq!(read(1), ["a"]);
    assert_eq!(read(1), ["b"]);
    puppet.finish();
    executor.turn();
    assert_eq!(read(1), ["c"], "the end of one before it moves nothing");
    assert_eq!(read(9), ["d"]);
    assert_eq!(read(9), [""; 0]);
    spawner.tasks_from(u32::MAX, &mut |_, _| panic!("no task is there"));
}

#[test]
fn numbers_of_tasks_are_not_used_again() {
    let (_, _, mut executor) = machine(1);
    let spawner = executor.spawner();
    let first = spawner.spawn("a", async {}).unwrap();
    executor.turn();
    let second = spawner.spawn("a", async {}).unwrap();
    assert!(second > first);
}

#[test]
fn dropping_the_executor_drops_its_tasks_and_orphans_its_spawners() {
    let (_, time, mut executor) = machine(8);
    let (trace, spawner) = (Trace::default(), executor.spawner());
    let (own_spawner, own_trace) = (spawner.clone(), trace.clone());
    let guard = OnDrop(move || {
        let orphan = own_spawner.spawn("orphan", async {});
        own_trace.note(format!("dropped: {}", orphan.unwrap_err()));
    });
    let sleep = time.sleep(millis(1));
    spawner
        .spawn("a", async move {
            let _guard = guard;
            sleep.await;
        })
        .unwrap();
    executor.turn();
    assert_eq!(time.timers(), 1);
    drop(executor);
    assert_eq!(trace.take(), "dropped: the executor of this spawner has ended");
    assert_eq!(time.timers(), 0);
    assert_eq!(names(&spawner).len(), 0);
}

#[test]
fn a_panic_that_is_caught_ends_only_its_task() {
    let (_, _, mut executor) = machine(2);
    let (trace, spawner, puppet) = (Trace::default(), executor.spawner(), Puppet::default());
    let strings = puppet.clone();
    let bad = async move {
        select(strings.future(), async { panic!("on purpose") }).await;
    };
    spawner.spawn("bad", bad).unwrap();
    spawner.spawn("good", trace.clone().polls("good", async {})).unwrap();
    let turn = std::panic::AssertUnwindSafe(|| executor.turn());
    assert!(std::panic::catch_unwind(turn).is_err());
    executor.turn();
    assert_eq!(trace.take(), "good!");
    puppet.wake();
    executor.turn();
    spawner.spawn("heir", trace.clone().polls("heir", pending())).unwrap();
    executor.turn();
    puppet.wake();
    executor.turn();
    assert_eq!(trace.take(), "heir", "wakes of the dead do not reach it");
}

#[test]
fn the_executor_counts_what_it_does() {
    let (_, time, mut executor) = machine(1);
    let spawner = executor.spawner();
    spawner.spawn("a", async {}).unwrap();
    let _ = spawner.spawn("b", async {});
    executor.block_on("main", time.sleep(millis(1)));
    let mut seen = Vec::new();
    executor.counters().visit(&mut |name, value| seen.push((name, value)));
    let expected =
        [("turns", 2), ("idles", 1), ("tasks_spawned", 1), ("tasks_finished", 1), ("tasks_refused", 1)];
    assert_eq!(seen, expected);
}
