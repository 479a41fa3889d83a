//! The mutex.

use std::rc::Rc;

use unik_sched::sync::Mutex;
use unik_sched::{select, yield_now};

use crate::support::{Puppet, Trace, machine, millis};

#[test]
fn whoever_asks_first_gets_it_first() {
    let (_, time, mut executor) = machine(8);
    let (trace, mutex) = (Trace::default(), Rc::new(Mutex::new(Vec::new())));
    for name in ["a", "b", "c"] {
        let (mutex, sleep) = (mutex.clone(), time.sleep_until(unik_sched::time::Instant::ZERO));
        let task = async move {
            let mut list = mutex.lock().await;
            sleep.await;
            yield_now().await;
            list.push(name);
        };
        executor.spawner().spawn(name, trace.clone().polls(name, task)).unwrap();
    }
    executor.block_on("main", time.sleep(millis(1)));
    assert_eq!(*mutex.try_lock().unwrap(), ["a", "b", "c"]);
    assert_eq!(trace.take(), "a b c a! b b! c c!", "each is polled only when it is its turn");
}

#[test]
fn one_that_locks_again_and_again_does_not_starve_another() {
    let (_, _, mut executor) = machine(8);
    let (trace, mutex) = (Trace::default(), Rc::new(Mutex::new(())));
    for name in ["a", "b"] {
        let (mutex, notes) = (mutex.clone(), trace.clone());
        let task = async move {
            for _ in 0..3 {
                let _guard = mutex.lock().await;
                notes.note(name);
                yield_now().await;
            }
        };
        executor.spawner().spawn(name, task).unwrap();
    }
    while executor.turn() {}
    assert_eq!(trace.take(), "a b a b a b");
}

#[test]
fn a_try_does_not_overtake_one_that_waits() {
    let (_, _, mut executor) = machine(8);
    let (trace, mutex) = (Trace::default(), Rc::new(Mutex::new(0)));
    let guard = mutex.try_lock().unwrap();
    assert!(mutex.try_lock().is_none());
    let waiting = mutex.clone();
    let task = async move { *waiting.lock().await += 1 };
    executor.spawner().spawn("a", trace.clone().polls("a", task)).unwrap();
    executor.turn();
    drop(guard);
    assert!(mutex.try_lock().is_none(), "it is a's turn");
    executor.turn();
    assert_eq!(trace.take(), "a a!");
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn the_turn_of_a_waiter_that_gave_up_goes_to_the_next() {
    let (_, _, mut executor) = machine(8);
    let (trace, mutex, puppet) = (Trace::default(), Rc::new(Mutex::new(0)), Puppet::default());
    let guard = mutex.try_lock().unwrap();
    let (first, second, stop) = (mutex.clone(), mutex.clone(), puppet.future());
    let impatient = async move {
        select(stop, async move { drop(first.lock().await) }).await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", impatient)).unwrap();
    let patient = async move { *second.lock().await += 1 };
    executor.spawner().spawn("b", trace.clone().polls("b", patient)).unwrap();
    executor.turn();
    assert_eq!(trace.take(), "a b");
    puppet.finish();
    drop(guard);
    while executor.turn() {}
    assert_eq!(trace.take(), "a! b!");
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn a_waiter_that_gave_up_before_its_turn_is_forgotten() {
    let (_, _, mut executor) = machine(8);
    let (trace, mutex, puppet) = (Trace::default(), Rc::new(Mutex::new(0)), Puppet::default());
    let guard = mutex.try_lock().unwrap();
    let (first, second, stop) = (mutex.clone(), mutex.clone(), puppet.future());
    let impatient = async move {
        select(stop, async move { drop(first.lock().await) }).await;
    };
    executor.spawner().spawn("a", trace.clone().polls("a", impatient)).unwrap();
    let patient = async move { *second.lock().await += 1 };
    executor.spawner().spawn("b", trace.clone().polls("b", patient)).unwrap();
    executor.turn();
    puppet.finish();
    assert!(!executor.turn());
    assert_eq!(trace.take(), "a b a!", "b is not woken in vain");
    drop(guard);
    executor.turn();
    assert_eq!(trace.take(), "b!");
    assert_eq!(Rc::try_unwrap(mutex).ok().unwrap().into_inner(), 1);
}
