//! The ends of a simulated wire, and the task that announces what arrives at them.

use alloc::{rc::Rc, vec::Vec};
use core::{cell::RefCell, future::poll_fn, pin::pin, task::Poll};

use unik_sched::{
    counter::CounterSet,
    sync::Event,
    time::{Instant, Time},
};
use unik_virtio::{Buffer, Pool};

use super::{Conditions, Tap, random::Random};
use crate::nic::{Frame, Nic, Offloads};

/// Buffers of each end.
const BUFFERS: usize = 1024;

unik_sched::counters! {
    /// What happened to the frames that one end sent.
    pub struct WireCounters {
        /// Frames put onto the wire.
        sent,
        /// Frames lost on it.
        lost,
        /// Frames doubled.
        doubled,
        /// Frames that came late.
        late,
        /// Frames that came with a bit flipped.
        corrupted,
        /// Frames refused because the queue was full.
        refused,
        /// Frames dropped because they were to be cut into segments.
        unsupported,
    }
}

/// What both ends and the task share.
pub(super) struct Shared {
    conditions: Conditions,
    random: Random,
    ports: [Port; 2],
    /// Wakes the task when something is due earlier than it knows.
    changed: Event,
    tap: Option<Tap>,
}

/// One end's part of it.
struct Port {
    event: Event,
    /// Frames on their way to this end.
    arriving: Vec<Arrival>,
    /// When the frames that this end has queued leave it, in order.
    leaving: Vec<Instant>,
    /// This end waits for room in its queue.
    starved: bool,
    armed: bool,
    next_number: u64,
    counters: Rc<WireCounters>,
}

struct Arrival {
    due: Instant,
    /// Keeps frames with the same due time in order.
    number: u64,
    frame: Vec<u8>,
}

impl Shared {
    pub(super) fn new(conditions: Conditions, seed: u64) -> Self {
        let port = || Port {
            event: Event::new(),
            arriving: Vec::new(),
            leaving: Vec::new(),
            starved: false,
            armed: false,
            next_number: 0,
            counters: Rc::new(WireCounters::new()),
        };
        Shared {
            conditions,
            random: Random::new(seed),
            ports: [port(), port()],
            changed: Event::new(),
            tap: None,
        }
    }

    /// Announces what is due and returns when the next thing is.
    fn announce(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for port in &mut self.ports {
            port.leaving.retain(|leaves| *leaves > now);
            let has_room = port.starved && port.leaving.len() < self.conditions.queue;
            if port.armed && (has_room || port.arriving.iter().any(|arrival| arrival.due <= now)) {
                port.armed = false;
                port.event.set();
            }
            let arrivals = port.arriving.iter().map(|arrival| arrival.due);
            let departures = port.leaving.iter().copied().filter(|_| port.starved);
            for due in arrivals.chain(departures).filter(|due| *due > now) {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        next
    }

    /// Puts a frame onto the wire, unless the sender's queue is full.
    fn put(&mut self, now: Instant, side: usize, frame: &[u8]) -> bool {
        let conditions = self.conditions;
        let sender = &mut self.ports[side];
        sender.leaving.retain(|leaves| *leaves > now);
        if sender.leaving.len() >= conditions.queue {
            sender.counters.refused.increment();
            return false;
        }
        let free_from = sender.leaving.last().copied().unwrap_or(now).max(now);
        let leaves = free_from + conditions.interval;
        if leaves > now {
            sender.leaving.push(leaves);
        }
        let counters = sender.counters.clone();
        counters.sent.increment();
        if let Some(tap) = &self.tap {
            tap.record(now, frame);
        }
        self.changed.set();
        if self.random.happens(conditions.loss) {
            counters.lost.increment();
            return true;
        }
        let mut due = leaves + conditions.delay;
        if self.random.happens(conditions.reordering) {
            counters.late.increment();
            due += conditions.lateness;
        }
        let doubled = self.random.happens(conditions.duplication);
        counters.doubled.add(u64::from(doubled));
        let mut frame = frame.to_vec();
        if self.random.happens(conditions.corruption) {
            if is_arp(&frame) {
                counters.lost.increment();
                return true;
            }
            counters.corrupted.increment();
            let bit = self.random.below(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        let receiver = &mut self.ports[1 - side];
        for _ in 0..=usize::from(doubled) {
            let number = receiver.next_number;
            receiver.next_number += 1;
            receiver.arriving.push(Arrival { due, number, frame: frame.clone() });
        }
        true
    }

    /// Takes the frame that has been due at this end for longest.
    fn take(&mut self, now: Instant, side: usize) -> Option<Vec<u8>> {
        let arriving = &mut self.ports[side].arriving;
        let (index, first) =
            arriving.iter().enumerate().min_by_key(|(_, arrival)| (arrival.due, arrival.number))?;
        (first.due <= now).then(|| arriving.remove(index).frame)
    }
}

/// Whether an Ethernet frame carries address resolution (RFC 826).
fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06])
}

/// The task of a wire.
pub struct Wire {
    shared: Rc<RefCell<Shared>>,
    time: Time,
}

impl Wire {
    pub(super) fn new(shared: Rc<RefCell<Shared>>, time: Time) -> Self {
        Wire { shared, time }
    }

    /// Records everything that is put onto the wire from now on.
    pub fn tap(&self) -> Tap {
        self.shared.borrow_mut().tap.get_or_insert_with(Tap::new).clone()
    }

    /// Changes the conditions for the frames to come.
    pub fn controls(&self) -> impl Fn(Conditions) + use<> {
        let shared = self.shared.clone();
        move |conditions| shared.borrow_mut().conditions = conditions
    }

    /// Announces frames to their ends, for ever.
    pub async fn run(self) {
        let changed = self.shared.borrow().changed.clone();
        loop {
            let next = self.shared.borrow_mut().announce(self.time.now());
            let mut timer = pin!(next.map(|next| self.time.sleep_until(next)));
            poll_fn(|context| {
                if changed.poll_wait(context).is_ready() {
                    return Poll::Ready(());
                }
                match timer.as_mut().as_pin_mut() {
                    Some(timer) => timer.poll(context).map(drop),
                    None => Poll::Pending,
                }
            })
            .await;
        }
    }
}

/// One end of a wire, as a network card.
pub struct End {
    shared: Rc<RefCell<Shared>>,
    time: Time,
    side: usize,
    pool: Pool,
}

impl End {
    pub(super) fn new(shared: Rc<RefCell<Shared>>, time: Time, side: usize) -> Self {
        End { shared, time, side, pool: Pool::heap(BUFFERS) }
    }

    /// What happened to the frames that this end sent.
    pub fn wire_counters(&self) -> Rc<WireCounters> {
        self.shared.borrow().ports[self.side].counters.clone()
    }
}

impl Nic for End {
    fn hardware_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 1 + self.side as u8]
    }

    fn mtu(&self) -> usize {
        self.shared.borrow().conditions.mtu
    }

    fn receive(&mut self) -> Option<Frame> {
        let bytes = self.shared.borrow_mut().take(self.time.now(), self.side)?;
        let mut buffer = self.pool.allocate()?;
        buffer.copy_from(&bytes).ok()?;
        Some(buffer.into())
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        self.pool.allocate()
    }

    fn transmit(&mut self, mut frame: Frame) -> Result<(), Frame> {
        let shared = &mut *self.shared.borrow_mut();
        if !frame.settle(Offloads::default()) {
            shared.ports[self.side].counters.unsupported.increment();
            return Ok(());
        }
        if shared.put(self.time.now(), self.side, &frame.buffer) {
            shared.ports[self.side].starved = false;
            Ok(())
        } else {
            shared.ports[self.side].starved = true;
            Err(frame)
        }
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        let now = self.time.now();
        let shared = &mut *self.shared.borrow_mut();
        let port = &mut shared.ports[self.side];
        port.leaving.retain(|leaves| *leaves > now);
        let has_room = port.starved && port.leaving.len() < shared.conditions.queue;
        if has_room || port.arriving.iter().any(|arrival| arrival.due <= now) {
            return true;
        }
        port.armed = true;
        // What this end waits for may be due earlier than the task of the wire knows.
        shared.changed.set();
        false
    }

    fn disarm(&mut self) {
        self.shared.borrow_mut().ports[self.side].armed = false;
    }

    fn event(&self) -> Event {
        self.shared.borrow().ports[self.side].event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.wire_counters()
    }
}
