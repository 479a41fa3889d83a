//! Driver and device on two processors, as in life: here a missing fence shows.
//!
//! A lost wake is found without a clock: the side that waits looks whether the other one, by its own account, has
//! done all it was told of and waits as well. Then nothing can ever change.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::common::{TestDevice, device, number, pool, send};
use unik_testkit::{DeviceModel, DeviceQueue, Random};

/// How many buffers make the round in each test.
const ROUNDS: u32 = 100_000;

/// What the device's thread tells of itself.
#[derive(Default)]
struct Account {
    /// It sleeps until there is another notification.
    asleep: AtomicBool,
    /// The notifications that it had heard when it fell asleep.
    heard: AtomicU64,
    /// The chains it gave back, and raised an interrupt for if one was wanted.
    served: AtomicU64,
    /// It is to end.
    end: AtomicBool,
}

struct Worker {
    account: Arc<Account>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread that serves the device's first queue; it sleeps when there is nothing, or polls.
    fn start(model: &DeviceModel, polls: bool, seed: u64) -> Self {
        let queue = model.detach(0);
        let account = Arc::new(Account::default());
        let theirs = account.clone();
        let thread = thread::spawn(move || serve(queue, &theirs, polls, Random::new(seed)));
        Self { account, thread }
    }

    /// Panics if the device sleeps, has heard of everything, and so never wakes again.
    fn assert_awake(&self, model: &DeviceModel, value: u32) {
        let account = &*self.account;
        let stuck = account.asleep.load(Ordering::SeqCst)
            && account.heard.load(Ordering::SeqCst) == model.notifications(0)
            && account.asleep.load(Ordering::SeqCst)
            && account.served.load(Ordering::SeqCst) <= u64::from(value);
        assert!(!stuck, "the device sleeps and was not told of buffer {value}");
    }

    fn end(self) {
        self.account.end.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

fn serve(mut queue: DeviceQueue, account: &Account, polls: bool, mut random: Random) {
    while !account.end.load(Ordering::SeqCst) {
        let notifications = queue.notifications();
        while let Some(chain) = queue.take() {
            linger(&mut random);
            queue.give_back(&chain, b"");
            queue.signal();
            account.served.fetch_add(1, Ordering::SeqCst);
        }
        if polls || queue.want_notifications() {
            continue;
        }
        account.heard.store(notifications, Ordering::SeqCst);
        account.asleep.store(true, Ordering::SeqCst);
        while queue.notifications() == notifications && !account.end.load(Ordering::SeqCst) {
            spin_loop();
        }
        account.asleep.store(false, Ordering::SeqCst);
    }
}

/// Spends a little time, not always the same.
fn linger(random: &mut Random) {
    for _ in 0..random.below(100) {
        spin_loop();
    }
}

/// Waits by looking at the ring, without interrupts.
fn poll(device: &mut TestDevice, mut check: impl FnMut()) -> u32 {
    loop {
        if let Some(buffer) = device.complete(0).unwrap() {
            return number(&buffer);
        }
        check();
    }
}

#[test]
fn no_kick_is_lost_when_the_device_falls_asleep() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let mut random = Random::new(1);
        let worker = Worker::start(&model, false, 2);
        device.mask(0);
        for value in 0..ROUNDS {
            // The device has just given the last buffer back and is about to fall asleep.
            linger(&mut random);
            send(&mut device, &pool, value);
            device.kick(0);
            assert_eq!(poll(&mut device, || worker.assert_awake(&model, value)), value);
        }
        worker.end();
        println!("event index {event_index}: {:?}", device.counters());
        assert_eq!(device.counters().kicks, model.notifications(0));
    }
}

#[test]
fn no_interrupt_is_lost_when_the_driver_falls_asleep() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let mut random = Random::new(3);
        let worker = Worker::start(&model, true, 4);
        for value in 0..ROUNDS {
            device.mask(0);
            let interrupts = model.interrupts();
            send(&mut device, &pool, value);
            device.kick(0);
            // The device is about to give the buffer back while the driver falls asleep.
            linger(&mut random);
            if !device.unmask(0) {
                while model.interrupts() == interrupts {
                    let served = worker.account.served.load(Ordering::SeqCst);
                    let lost = served > u64::from(value) && model.interrupts() == interrupts;
                    assert!(!lost, "the driver sleeps and was not told of buffer {value}");
                    spin_loop();
                }
            }
            let buffer = device.complete(0).unwrap().unwrap();
            assert_eq!(number(&buffer), value);
        }
        worker.end();
        println!("event index {event_index}: {} interrupts", model.interrupts());
    }
}

#[test]
fn nothing_is_lost_when_both_sides_sleep() {
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let worker = Worker::start(&model, false, 5);
        let (mut sent, mut returned) = (0, 0);
        while returned < ROUNDS {
            let interrupts = model.interrupts();
            device.mask(0);
            while let Some(buffer) = device.complete(0).unwrap() {
                assert_eq!(number(&buffer), returned);
                returned += 1;
            }
            while sent < ROUNDS && device.free(0) > 0 {
                send(&mut device, &pool, sent);
                sent += 1;
            }
            device.kick(0);
            if returned == ROUNDS || device.unmask(0) {
                continue;
            }
            while model.interrupts() == interrupts {
                let served = worker.account.served.load(Ordering::SeqCst);
                worker.assert_awake(&model, sent - 1);
                let lost = served == u64::from(sent) && model.interrupts() == interrupts;
                assert!(!lost, "both sides sleep: {sent} sent, {returned} returned");
                spin_loop();
            }
        }
        worker.end();
        println!("event index {event_index}: {:?}, {} interrupts", device.counters(), model.interrupts());
    }
}
