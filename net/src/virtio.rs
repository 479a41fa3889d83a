//! The driver of virtio-net (virtio 1.2, 5.1).
//!
//! Receive buffers are posted before the device starts, so a frame that arrives with the first breath of the machine
//! has somewhere to go; they are replaced in batches. The device's header goes into the headroom of a buffer, frames
//! are never moved. Sent buffers are taken back lazily, when room is needed: the device raises no interrupt for
//! them unless the stack waits for room.
//!
//! Invariant: when [`Nic::arm`] has returned false, the next received frame raises an interrupt, and so does the next
//! sent frame if the driver was refused room before. A device that breaks the rules of its queues is left alone from
//! then on: nothing is received, what is sent vanishes, one line in the log says so.

use alloc::rc::Rc;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::{Buffer, Device, Direction, Pool};
use virtio_drivers::{Hal, transport::Transport};

use crate::{
    error::Error,
    nic::{Frame, Nic},
};

/// The device has a hardware address (virtio 1.2, 5.1.3).
const FEATURE_MAC: u64 = 1 << 5;
/// The device says whether its link is up.
const FEATURE_STATUS: u64 = 1 << 16;
/// The device follows the standard: its header is two bytes longer (virtio 1.2, 5.1.6.1).
const FEATURE_VERSION_1: u64 = 1 << 32;

/// Where the configuration space holds the link's status (virtio 1.2, 5.1.4).
const CONFIG_STATUS: usize = 6;
const STATUS_LINK_UP: u16 = 1;

/// Bytes of the header without and with the field `num_buffers`.
const LEGACY_HEADER: usize = 10;
const HEADER: usize = 12;

/// The queues (virtio 1.2, 5.1.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// Entries asked for, each queue.
const QUEUE_SIZE: u16 = 64;

/// Received buffers are replaced when so many are missing, or at the latest when the driver flushes.
const REFILL: usize = 16;

/// What stands in for the address of a device that has none.
const FALLBACK_ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 1];

unik_sched::counters! {
    /// What the driver of one virtio-net device has counted.
    pub struct VirtioNetCounters {
        /// Buffers posted to be received into.
        rx_posted,
        /// Frames too short to be any, dropped.
        rx_malformed,
        /// Times that no buffer was left to post.
        rx_no_buffer,
        /// Sent buffers taken back.
        tx_reclaimed,
        /// Times that there was no room to transmit.
        tx_no_room,
        /// Frames dropped because the device had failed.
        tx_failed,
        /// Failures of the device; it is used no more after the first.
        failures,
        /// Notifications of the device.
        kicks,
        /// Notifications that the device did not want.
        kicks_saved,
    }
}

/// A virtio-net device as a [`Nic`].
pub struct VirtioNet<H: Hal + 'static, T: Transport> {
    device: Device<H, T>,
    pool: Pool,
    event: Event,
    address: [u8; 6],
    /// Bytes in front of each frame.
    header: usize,
    /// Receive buffers that the device has, and how many it shall have.
    posted: usize,
    wanted: usize,
    /// Frames were queued since the last kick.
    unkicked: bool,
    /// Room to transmit was refused: an interrupt shall tell when there is.
    starved: bool,
    /// Interrupts are asked for.
    armed: bool,
    failed: bool,
    counters: Rc<VirtioNetCounters>,
}

impl<H: Hal + 'static, T: Transport> VirtioNet<H, T> {
    /// Buffers that a pool for one device should have: both queues filled, a few in other hands.
    pub const BUFFERS: usize = 2 * QUEUE_SIZE as usize;

    /// Sets the device up, posts receive buffers from `pool` and starts it. `event` is what the platform sets on the
    /// device's interrupt. At most half of the pool is posted, so that there is something left to transmit with.
    ///
    /// # Errors
    /// [`Error::Device`]: the device refuses its set-up, or memory is lacking.
    #[inline(never)]
    pub fn try_new(transport: T, pool: Pool, event: Event) -> Result<Self, Error> {
        let device = Device::try_new(transport, FEATURE_MAC | FEATURE_STATUS, &[QUEUE_SIZE, QUEUE_SIZE])?;
        let address = if device.features() & FEATURE_MAC == 0 {
            log::warn!("the network device has no address of its own");
            FALLBACK_ADDRESS
        } else {
            device.read_config(0)?
        };
        let header = if device.features() & FEATURE_VERSION_1 == 0 { LEGACY_HEADER } else { HEADER };
        let entries = if device.any_layout() { 1 } else { 2 };
        let wanted = (device.queue_size(RECEIVE) / entries).min(pool.capacity() / 2).max(1);
        let mut card = VirtioNet {
            device,
            pool,
            event,
            address,
            header,
            posted: 0,
            wanted,
            unkicked: false,
            starved: false,
            armed: false,
            failed: false,
            counters: Rc::new(VirtioNetCounters::new()),
        };
        card.device.mask(RECEIVE);
        card.device.mask(TRANSMIT);
        card.refill();
        card.device.start();
        card.count_kicks();
        Ok(card)
    }

    /// Posts buffers to be received into.
    fn refill(&mut self) {
        while self.posted < self.wanted {
            if self.pool.available() == 0 {
                self.reclaim();
            }
            let Some(mut buffer) = self.pool.allocate() else {
                self.counters.rx_no_buffer.increment();
                // With nothing to receive into, a sent buffer is what there is to wait for.
                self.starved |= self.posted == 0;
                return;
            };
            if buffer.grow_front(self.header).is_none()
                || self.submit(RECEIVE, buffer, Direction::FromDevice).is_err()
            {
                return;
            }
            self.posted += 1;
            self.counters.rx_posted.increment();
        }
    }

    /// Hands a buffer that begins with the header to the device.
    fn submit(&mut self, queue: usize, buffer: Buffer, direction: Direction) -> Result<(), Buffer> {
        let submitted = if self.device.any_layout() {
            self.device.submit(queue, buffer, direction)
        } else {
            self.device.submit_split(queue, buffer, self.header, direction)
        };
        submitted.map_err(|rejected| rejected.buffer)
    }

    /// Takes a buffer that the device is done with.
    fn complete(&mut self, queue: usize) -> Option<Buffer> {
        if self.failed {
            return None;
        }
        match self.device.complete(queue) {
            Ok(buffer) => buffer,
            Err(error) => {
                self.failed = true;
                self.counters.failures.increment();
                log::error!("a network device has failed and is used no more: {error}");
                None
            }
        }
    }

    /// Takes back what was sent.
    fn reclaim(&mut self) {
        while self.complete(TRANSMIT).is_some() {
            self.counters.tx_reclaimed.increment();
        }
    }

    /// Whether the transmit queue takes another frame, after taking back what was sent if need be.
    fn has_room(&mut self) -> bool {
        let entries = if self.device.any_layout() { 1 } else { 2 };
        if self.device.free(TRANSMIT) < entries || self.pool.available() == 0 {
            self.reclaim();
        }
        self.failed || self.device.free(TRANSMIT) >= entries
    }

    /// Takes over what the queues have counted.
    fn count_kicks(&self) {
        let queues = self.device.counters();
        self.counters.kicks.add(queues.kicks.wrapping_sub(self.counters.kicks.get()));
        self.counters.kicks_saved.add(queues.kicks_saved.wrapping_sub(self.counters.kicks_saved.get()));
    }

    /// Remembers that the stack waits for room.
    fn refuse_room(&mut self) {
        self.starved = true;
        self.counters.tx_no_room.increment();
    }
}

impl<H: Hal + 'static, T: Transport> Nic for VirtioNet<H, T> {
    fn hardware_address(&self) -> [u8; 6] {
        self.address
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn is_link_up(&self) -> bool {
        self.device.features() & FEATURE_STATUS == 0
            || self.device.read_config::<u16>(CONFIG_STATUS).is_ok_and(|status| status & STATUS_LINK_UP != 0)
    }

    fn receive(&mut self) -> Option<Frame> {
        loop {
            let mut frame = self.complete(RECEIVE)?;
            self.posted = self.posted.saturating_sub(1);
            if self.posted + REFILL <= self.wanted {
                self.refill();
            }
            if frame.trim_front(self.header).is_some() && !frame.is_empty() {
                return Some(frame.into());
            }
            self.counters.rx_malformed.increment();
        }
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        let buffer = if self.has_room() { self.pool.allocate() } else { None };
        match buffer {
            Some(_) => self.starved = false,
            None => self.refuse_room(),
        }
        buffer
    }

    fn transmit(&mut self, mut frame: Frame) -> Result<(), Frame> {
        if !self.has_room() {
            self.refuse_room();
            return Err(frame);
        }
        let Some(header) = frame.buffer.grow_front(self.header) else { return Err(frame) };
        header.fill(0);
        if self.failed {
            self.counters.tx_failed.increment();
            return Ok(());
        }
        self.unkicked = true;
        self.submit(TRANSMIT, frame.buffer, Direction::ToDevice).map_err(|mut buffer| {
            // It was as long before the header went in front.
            let _ = buffer.trim_front(self.header);
            self.refuse_room();
            Frame { buffer, offload: frame.offload }
        })
    }

    fn flush(&mut self) {
        if self.failed {
            return;
        }
        self.refill();
        self.device.kick(RECEIVE);
        if core::mem::take(&mut self.unkicked) {
            self.device.kick(TRANSMIT);
        }
        self.count_kicks();
    }

    fn arm(&mut self) -> bool {
        if self.failed {
            return false;
        }
        self.armed = true;
        let received = self.device.unmask(RECEIVE);
        let sent = self.starved && self.device.unmask(TRANSMIT);
        received || sent
    }

    fn disarm(&mut self) {
        if self.event.is_set() {
            // A level-triggered line would stay up otherwise, and an edge-triggered one would never rise again.
            self.device.acknowledge();
        }
        if core::mem::take(&mut self.armed) {
            self.device.mask(RECEIVE);
            self.device.mask(TRANSMIT);
        }
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}
