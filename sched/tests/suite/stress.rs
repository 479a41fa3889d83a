//! Everything at once, with waits given up at random: no wake is lost and none is spurious.

use std::cell::Cell;
use std::rc::Rc;

use unik_sched::sync::{Mutex, channel};
use unik_sched::time::Time;

use crate::support::{Random, machine, millis};

/// Waits of each worker.
const ROUNDS: u32 = 200;

/// Locks the mutex or gives up; holds it for a while.
async fn lock(time: &Time, mutex: &Mutex<u32>, random: &Random) {
    let patience = millis(1 + random.below(6));
    if let Ok(mut guard) = time.timeout(patience, mutex.lock()).await {
        let before = *guard;
        time.sleep(millis(random.below(4))).await;
        assert_eq!(*guard, before, "nobody else was in");
        *guard += 1;
    }
}

#[test]
fn waits_given_up_at_random_lose_no_wake() {
    for seed in 1..=10 {
        println!("seed {seed}");
        let (_, time, mut executor) = machine(8);
        let (random, mutex) = (Random::new(seed), Rc::new(Mutex::new(0)));
        let (sender, mut receiver) = channel(2);
        let sent = Rc::new(Cell::new(0));
        for name in ["a", "b", "c", "d", "e", "f"] {
            let (time, mutex, random) = (time.clone(), mutex.clone(), random.clone());
            let (sender, sent) = (sender.clone(), sent.clone());
            let worker = async move {
                for _ in 0..ROUNDS {
                    lock(&time, &mutex, &random).await;
                    let patience = millis(1 + random.below(6));
                    if time.timeout(patience, sender.send(name)).await.is_ok() {
                        sent.set(sent.get() + 1);
                    }
                }
            };
            executor.spawner().spawn(name, worker).expect("there is room");
        }
        drop(sender);
        // A lost wake ends in idling without a deadline, which the clock of the tests does not forgive.
        let spawner = executor.spawner();
        let received = executor.block_on("main", async {
            let mut received = 0;
            while receiver.receive().await.is_some() {
                received += 1;
                time.sleep(millis(random.below(3))).await;
                spawner.tasks(&mut |task| {
                    assert!(task.polls <= task.wakes + 1, "a poll without a wake: {task:?}");
                });
            }
            received
        });
        assert_eq!(received, sent.get());
        assert!(received > 0 && *mutex.try_lock().expect("nobody is left") > 0);
        assert_eq!(time.timers(), 0);
    }
}
