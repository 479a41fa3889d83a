//! Driver and device on two processors, as in life.
//!
//! Each test aims at the moment in which one side falls asleep while the other one tells it of something. A missing
//! fence shows here in one run of a few, not in each.
//!
//! A lost wake is found without a clock: the side that waits looks whether the other one, by its own account, has
//! done all it was told of and waits as well. Then nothing can ever change.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::common::{TestDevice, device, number, numbered, pool, send};
use unik_testkit::{DeviceModel, DeviceQueue, Random};
use unik_virtio::{Buffer, Direction};

/// How many buffers make the round in each test.
const ROUNDS: u32 = 20_000;

/// One of these tests at a time: each wants two processors for itself.
static PROCESSORS: Mutex<()> = Mutex::new(());

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
    fn start(model: &DeviceModel, polls: bool) -> Self {
        let queue = model.detach(0);
        let account = Arc::new(Account::default());
        let theirs = account.clone();
        let thread = thread::spawn(move || serve(queue, &theirs, polls));
        Self { account, thread }
    }

    /// Panics if the device sleeps, has heard of everything, and so never wakes again.
    fn assert_awake(&self, model: &DeviceModel, value: u32) {
        self.assert_alive();
        let account = &*self.account;
        let stuck = account.asleep.load(Ordering::SeqCst)
            && account.heard.load(Ordering::SeqCst) == model.notifications(0)
            && account.asleep.load(Ordering::SeqCst)
            && account.served.load(Ordering::SeqCst) <= u64::from(value);
        assert!(!stuck, "the device sleeps and was not told of buffer {value}");
    }

    /// Panics if the device's thread did: then waiting for it is in vain.
    fn assert_alive(&self) {
        assert!(!self.thread.is_finished(), "the device's thread panicked");
    }

    fn end(self) {
        self.account.end.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
    }
}

fn serve(mut queue: DeviceQueue, account: &Account, polls: bool) {
    let mut patience = 0;
    while !account.end.load(Ordering::SeqCst) {
        let notifications = queue.notifications();
        queue.refuse_notifications();
        while let Some(chain) = queue.take() {
            queue.give_back(&chain, b"");
            queue.signal();
            account.served.fetch_add(1, Ordering::SeqCst);
        }
        if polls || queue.want_notifications() {
            pause(&mut patience);
            continue;
        }
        account.heard.store(notifications, Ordering::SeqCst);
        account.asleep.store(true, Ordering::SeqCst);
        while queue.notifications() == notifications && !account.end.load(Ordering::SeqCst) {
            pause(&mut patience);
        }
        account.asleep.store(false, Ordering::SeqCst);
    }
}

/// Waits a moment; where the other side has no processor of its own, lets it have this one now and then.
fn pause(patience: &mut u32) {
    *patience += 1;
    if patience.is_multiple_of(1000) {
        thread::yield_now();
    } else {
        spin_loop();
    }
}

/// Aims at the moment in which the other side falls asleep, or gives back: the one in which orders matter.
struct Aim {
    turns: usize,
    random: Random,
}

impl Aim {
    fn new(seed: u64) -> Self {
        Self { turns: 0, random: Random::new(seed) }
    }

    /// Spends about the time that the other side was seen to take.
    fn linger(&mut self) {
        for turn in 0..self.turns + self.random.below(16) {
            black_box(turn);
        }
    }

    /// Whether that was too short.
    fn adjust(&mut self, early: bool) {
        self.turns = if early { (self.turns + 2).min(20_000) } else { self.turns.saturating_sub(2) };
    }
}

/// Waits by looking at the ring, without interrupts.
fn poll(device: &mut TestDevice, mut check: impl FnMut()) -> u32 {
    let mut patience = 0;
    loop {
        if let Some(buffer) = device.complete(0).unwrap() {
            return number(&buffer);
        }
        check();
        pause(&mut patience);
    }
}

/// Waits by sleeping until there is an interrupt; the one for an earlier buffer may come late.
fn sleep(device: &mut TestDevice, model: &DeviceModel, worker: &Worker, aim: &mut Aim, value: u32) -> Buffer {
    let mut patience = 0;
    loop {
        let interrupts = model.interrupts();
        let early = !device.unmask(0);
        aim.adjust(early);
        if early {
            while model.interrupts() == interrupts {
                worker.assert_alive();
                let served = worker.account.served.load(Ordering::SeqCst);
                let lost = served > u64::from(value) && model.interrupts() == interrupts;
                assert!(!lost, "the driver sleeps and was not told of buffer {value}");
                pause(&mut patience);
            }
        }
        if let Some(buffer) = device.complete(0).unwrap() {
            return buffer;
        }
    }
}

#[test]
fn no_kick_is_lost_when_the_device_falls_asleep() {
    let _alone = PROCESSORS.lock().unwrap_or_else(PoisonError::into_inner);
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let mut aim = Aim::new(1);
        let worker = Worker::start(&model, false);
        device.mask(0);
        for value in 0..ROUNDS {
            // The device has just given the last buffer back and is about to fall asleep.
            let kicks = device.counters().kicks;
            let buffer = numbered(&pool, value);
            aim.linger();
            device.submit(0, buffer, Direction::ToDevice).unwrap();
            device.kick(0);
            aim.adjust(device.counters().kicks == kicks);
            assert_eq!(poll(&mut device, || worker.assert_awake(&model, value)), value);
        }
        worker.end();
        println!("event index {event_index}: {:?}", device.counters());
        assert_eq!(device.counters().kicks, model.notifications(0));
    }
}

#[test]
fn no_interrupt_is_lost_when_the_driver_falls_asleep() {
    let _alone = PROCESSORS.lock().unwrap_or_else(PoisonError::into_inner);
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let mut aim = Aim::new(2);
        let worker = Worker::start(&model, true);
        for value in 0..ROUNDS {
            device.mask(0);
            send(&mut device, &pool, value);
            device.kick(0);
            // The device is about to give the buffer back while the driver falls asleep.
            aim.linger();
            let buffer = sleep(&mut device, &model, &worker, &mut aim, value);
            assert_eq!(number(&buffer), value);
        }
        worker.end();
        println!("event index {event_index}: {} interrupts", model.interrupts());
    }
}

#[test]
fn nothing_is_lost_when_both_sides_sleep() {
    let _alone = PROCESSORS.lock().unwrap_or_else(PoisonError::into_inner);
    for event_index in [true, false] {
        let (mut device, model) = device(&[4], event_index);
        let pool = pool(4);
        let worker = Worker::start(&model, false);
        let (mut sent, mut returned, mut patience) = (0, 0, 0);
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
                pause(&mut patience);
            }
        }
        worker.end();
        println!("event index {event_index}: {:?}, {} interrupts", device.counters(), model.interrupts());
    }
}
