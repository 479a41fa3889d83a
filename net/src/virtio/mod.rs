//! The driver of virtio-net (virtio 1.2, 5.1).
//!
//! What device and driver do for each other is chosen in `features`; the header in front of each frame, which says what is
//! left to do about it, is read and written in `header`. Any subset of the features serves.
//!
//! Receive buffers are posted before the device starts, so a frame that arrives with the first breath of the machine
//! has somewhere to go; they are replaced in batches, and a few that are missing are not worth a word to the device. The device's header goes into the headroom of a buffer, frames
//! are never moved. Sent buffers are taken back lazily, when room is needed: the device raises no interrupt for
//! them unless the stack waits for room.
//!
//! Invariant: when [`Nic::arm`] has returned false, the next received frame raises an interrupt, and so does the next
//! sent frame if the driver was refused room before. A device that breaks the rules of its queues is left alone from
//! then on: nothing is received, what is sent vanishes, one line in the log says so.

mod features;
mod header;

use alloc::rc::Rc;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::{Batch, Buffer, Device, Direction, NET_HEADER, Pool};
use virtio_drivers::{Hal, transport::Transport};

use crate::{
    error::Error,
    glance::ETHERNET,
    nic::{BatchNic, Frame, LONG_FRAMES, Nic, Offloads},
    segmentation::SEGMENTATION,
};
use header::Header;

/// Where the configuration space holds the link's status and its MTU (virtio 1.2, 5.1.4).
const CONFIG_STATUS: usize = 6;
const STATUS_LINK_UP: u16 = 1;
const CONFIG_MTU: usize = 10;

/// The MTU of a device that names none, and the least there is (RFC 791, 3.1).
const MTU: usize = 1500;
const MTU_LEAST: usize = 68;
/// The largest: a frame fits into a buffer.
const MTU_MOST: usize = Buffer::CAPACITY - ETHERNET;

/// The queues (virtio 1.2, 5.1.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// Entries asked for, each queue.
const QUEUE_SIZE: u16 = if SEGMENTATION { 128 } else { 64 };
/// The same of a port, where a long frame takes many: as many as QEMU has.
const PORT_QUEUE_SIZE: u16 = if LONG_FRAMES { 256 } else { 64 };

/// Bytes of the longest frame that is put together from several buffers: what one large buffer holds without headroom.
const MERGED_LIMIT: usize = 65472;
/// Buffers of 2 KiB that such a frame takes.
const MERGED_BUFFERS: usize = MERGED_LIMIT.div_ceil(Buffer::CAPACITY);

/// Received buffers are replaced when so many are missing.
const REFILL: usize = 16;

/// What stands in for the address of a device that has none.
const FALLBACK_ADDRESS: [u8; 6] = [2, 0, 0, 0, 0, 1];

unik_sched::counters! {
    /// What the driver of one virtio-net device has counted.
    pub struct VirtioNetCounters {
        /// Buffers posted to be received into.
        rx_posted,
        /// Frames dropped because they or what the device said of them could not be.
        rx_malformed,
        /// Times that no buffer was left to post.
        rx_no_buffer,
        /// Sent buffers taken back.
        tx_reclaimed,
        /// Times that there was no room to transmit.
        tx_no_room,
        /// Frames dropped because the device had failed.
        tx_failed,
        /// Frames dropped because the device does not do what was left to do about them.
        tx_unsupported,
        /// Times that the link went up or down.
        link_changes,
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
    /// What is received into.
    receive: Pool,
    /// Buffers for frames that the device cuts.
    large: Option<Pool>,
    event: Event,
    address: [u8; 6],
    mtu: usize,
    offloads: Offloads,
    /// The device says which received checksums are right, or to be completed.
    verifies: bool,
    /// Bytes in front of each frame, and descriptors that one buffer takes.
    header: usize,
    entries: usize,
    is_link_up: bool,
    /// Receive buffers that the device has, and how many it shall have.
    posted: usize,
    wanted: usize,
    /// How many of these may be missing.
    slack: usize,
    /// Receive buffers were posted, or frames queued, since the last kick.
    unposted: bool,
    unkicked: bool,
    /// Room to transmit was refused: an interrupt shall tell when there is.
    starved: bool,
    /// Interrupts are asked for: about received frames, and about sent ones too.
    armed: bool,
    watches_sent: bool,
    failed: bool,
    counters: Rc<VirtioNetCounters>,
}

impl<H: Hal + 'static, T: Transport> VirtioNet<H, T> {
    /// Buffers that a pool for one device should have: both queues filled, a few in other hands.
    pub const BUFFERS: usize = 2 * QUEUE_SIZE as usize;

    /// The same for a [port](VirtioNet::try_port).
    pub const PORT_BUFFERS: usize = 2 * PORT_QUEUE_SIZE as usize;

    /// Sets the device up, posts receive buffers from `pool` and starts it. `event` is what the platform sets on the
    /// device's interrupt. At most half of the pool is posted, so that there is something left to transmit with.
    ///
    /// # Errors
    /// [`Error::Device`]: the device refuses its set-up, or memory is lacking.
    pub fn try_new(transport: T, pool: Pool, event: Event) -> Result<Self, Error> {
        Self::try_receiving(transport, pool, &|| None, event)
    }

    /// As [`VirtioNet::try_new`], for a device that may receive frames longer than the MTU: it does so into buffers of
    /// `large`, if that gives a pool, so that such a frame is in one piece. They hold short frames as well, one each: what
    /// keeps frames should leave this alone.
    ///
    /// # Errors
    /// As [`VirtioNet::try_new`].
    #[inline(never)]
    pub fn try_receiving(
        transport: T,
        pool: Pool,
        large: &dyn Fn() -> Option<Pool>,
        event: Event,
    ) -> Result<Self, Error> {
        Self::try_with(transport, pool, None, Some(large), event)
    }

    /// As [`VirtioNet::try_new`], for a card whose frames leave by others, with which it shares `pool`: at most so many of its
    /// buffers are `posted`. Its queues are longer, since what they do not hold is lost.
    ///
    /// # Errors
    /// As [`VirtioNet::try_new`].
    pub fn try_port(transport: T, pool: Pool, posted: usize, event: Event) -> Result<Self, Error> {
        Self::try_with(transport, pool, Some(posted), None, event)
    }

    /// As both, for a port where it is said how many buffers are `posted`.
    fn try_with(
        transport: T,
        pool: Pool,
        posted: Option<usize>,
        large: Option<&dyn Fn() -> Option<Pool>>,
        event: Event,
    ) -> Result<Self, Error> {
        // What a stack does not know it is not given.
        let (queue, is_long) =
            if posted.is_some() { (PORT_QUEUE_SIZE, LONG_FRAMES) } else { (QUEUE_SIZE, SEGMENTATION) };
        let posted = posted.unwrap_or(pool.capacity() / 2);
        // While the packet that fills them is being read, a second one can be received.
        let mergeable = is_long && posted > MERGED_BUFFERS;
        let choose = |offered| features::choose(offered, mergeable);
        let device = Device::try_choosing(transport, &choose, &[queue, queue])?;
        let has = |feature| device.features() & feature != 0;
        let address = if has(features::MAC) {
            device.read_config(0)?
        } else {
            log::warn!("the network device has no address of its own");
            FALLBACK_ADDRESS
        };
        let mtu = if has(features::MTU) { usize::from(device.read_config::<u16>(CONFIG_MTU)?) } else { MTU };
        let offloads = Offloads {
            checksum: has(features::CSUM),
            segment_ipv4: has(features::HOST_TSO4),
            segment_ipv6: has(features::HOST_TSO6),
            merge: has(features::GUEST_TSO),
        };
        let verifies = has(features::GUEST_CSUM);
        let is_long = has(features::VERSION_1) || offloads.merge;
        let header = if is_long { header::LENGTH } else { header::LEGACY_LENGTH };
        let entries = if device.any_layout() { 1 } else { 2 };
        let large = large.filter(|_| SEGMENTATION && offloads.merge).and_then(|large| large());
        let posted = large.as_ref().map_or(posted, |large| large.capacity() / 2);
        let receive = large.unwrap_or(pool.clone());
        let wanted = (device.queue_size(RECEIVE) / entries).min(posted).max(1);
        // What is left holds the longest frame.
        let least = if offloads.merge { MERGED_LIMIT.div_ceil(receive.room()) } else { 1 };
        let slack = wanted.saturating_sub(least).min(wanted / 4).min(REFILL - 1);
        let mut card = VirtioNet {
            device,
            pool,
            receive,
            large: None,
            event,
            address,
            mtu: mtu.clamp(MTU_LEAST, MTU_MOST),
            offloads,
            verifies,
            header,
            entries,
            is_link_up: true,
            posted: 0,
            wanted,
            slack,
            unposted: false,
            unkicked: false,
            starved: false,
            armed: false,
            watches_sent: false,
            failed: false,
            counters: Rc::new(VirtioNetCounters::new()),
        };
        card.is_link_up = card.read_link();
        card.device.mask(RECEIVE);
        card.device.mask(TRANSMIT);
        card.refill();
        card.device.start();
        let queues = card.device.counters();
        card.counters.kicks.add(queues.kicks);
        card.counters.kicks_saved.add(queues.kicks_saved);
        Ok(card)
    }

    /// Takes frames longer than the MTU into buffers of `pool`, if the device cuts them.
    pub fn with_large(mut self, pool: Pool) -> Self {
        self.large = Some(pool);
        self
    }

    /// Whether the device says that its link is up; a device that does not say has it up.
    fn read_link(&self) -> bool {
        self.device.features() & features::STATUS == 0
            || self.device.read_config::<u16>(CONFIG_STATUS).is_ok_and(|status| status & STATUS_LINK_UP != 0)
    }

    /// Looks at the link after the device said that its configuration changed. True if the link did.
    #[cold]
    fn reconfigure(&mut self) -> bool {
        let has_changed = self.read_link() != self.is_link_up;
        if has_changed {
            self.is_link_up = !self.is_link_up;
            self.counters.link_changes.increment();
        }
        has_changed
    }

    /// Takes off the header that the device put in front of a frame, and what it says. `None` if it cannot be a frame.
    #[inline]
    fn unwrap(&mut self, frame: &mut Frame) -> Option<()> {
        let buffer = &mut frame.buffer;
        if self.verifies {
            let header = Header::of(buffer)?;
            let count = header::buffers(buffer);
            buffer.trim_front(self.header)?;
            frame.offload = header.offload(buffer, self.offloads.merge)?;
            if LONG_FRAMES && self.offloads.merge && count != 1 {
                self.merge(buffer, count)?;
                // Only what is to be cut is longer than one buffer.
                frame.offload.segment?;
            }
        } else {
            buffer.trim_front(self.header)?;
        }
        (!buffer.is_empty()).then_some(())
    }

    /// Takes the rest of a frame of `count` buffers. `None` if there is less, or more than a frame can have.
    #[inline(never)]
    fn merge(&mut self, first: &mut Buffer, count: u16) -> Option<()> {
        if !(1..=MERGED_BUFFERS).contains(&usize::from(count)) {
            return None;
        }
        let mut total = first.len();
        for _ in 1..count {
            let buffer = self.take_received()?;
            total += buffer.len();
            if buffer.is_empty() || total > MERGED_LIMIT {
                return None;
            }
            first.append(buffer).ok()?;
        }
        Some(())
    }

    /// Takes the next frame that is one.
    #[inline(never)]
    fn receive_next(&mut self) -> Option<Frame> {
        loop {
            let mut frame = Frame::from(self.take_received()?);
            if self.posted + self.slack < self.wanted {
                self.refill();
            }
            if self.unwrap(&mut frame).is_some() {
                return Some(frame);
            }
            self.counters.rx_malformed.increment();
        }
    }

    /// Takes a buffer that the device filled.
    #[inline]
    fn take_received(&mut self) -> Option<Buffer> {
        if self.failed {
            return None;
        }
        let buffer = match self.device.complete(RECEIVE) {
            Ok(buffer) => buffer?,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        self.posted = self.posted.saturating_sub(1);
        Some(buffer)
    }

    /// Posts buffers to be received into.
    fn refill(&mut self) {
        let missing = self.wanted - self.posted;
        if self.receive.available() < missing {
            self.reclaim();
        }
        let posted = self.device.post(RECEIVE, &self.receive, self.header, missing);
        self.posted += posted;
        self.unposted |= posted > 0;
        self.counters.rx_posted.add(posted as u64);
        if posted < missing && self.receive.available() == 0 {
            self.counters.rx_no_buffer.increment();
            // With nothing to receive into, a sent buffer is what there is to wait for.
            self.starved |= self.posted == 0;
        }
    }

    /// Hands a buffer that begins with the header to the device.
    fn submit(&mut self, queue: usize, buffer: Buffer, direction: Direction) -> Result<(), Buffer> {
        let submitted = if LONG_FRAMES && buffer.is_chained() {
            self.device.submit_chain(queue, buffer)
        } else if self.device.any_layout() {
            self.device.submit(queue, buffer, direction)
        } else {
            self.device.submit_split(queue, buffer, self.header, direction)
        };
        submitted.map_err(|rejected| rejected.buffer)
    }

    /// Takes back what was sent.
    fn reclaim(&mut self) {
        if self.failed {
            return;
        }
        match self.device.reclaim(TRANSMIT) {
            Ok(count) => self.counters.tx_reclaimed.add(count as u64),
            Err(error) => self.fail(error),
        }
    }

    /// Takes back what was sent. True if there was something.
    #[cold]
    #[inline(never)]
    fn has_freed(&mut self) -> bool {
        let before = self.pool.available();
        self.reclaim();
        self.pool.available() > before
    }

    /// Gives the device up.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, error: unik_virtio::Error) {
        self.failed = true;
        self.counters.failures.increment();
        log::error!("a network device has failed and is used no more: {error}");
    }

    /// Whether the transmit queue takes another frame, after taking back what was sent if need be.
    fn has_room(&mut self) -> bool {
        let lacks_large = || SEGMENTATION && self.large.as_ref().is_some_and(|pool| pool.available() == 0);
        if self.device.free(TRANSMIT) < self.entries || self.pool.available() == 0 || lacks_large() {
            self.reclaim();
            return self.failed || self.device.free(TRANSMIT) >= self.entries;
        }
        true
    }

    /// Tells the device of what it was given, if it wants to know.
    fn kick(&mut self, queue: usize) {
        let kicked = self.device.kick(queue);
        if kicked { &self.counters.kicks } else { &self.counters.kicks_saved }.increment();
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
        self.mtu
    }

    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn is_link_up(&self) -> bool {
        self.is_link_up
    }

    #[inline]
    fn receive(&mut self) -> Option<Frame> {
        // There is nothing most times: the rest stands apart.
        if self.device.has_completions(RECEIVE) { self.receive_next() } else { None }
    }

    fn allocate(&mut self, length: usize) -> Option<Buffer> {
        let is_large = SEGMENTATION && length > Buffer::CAPACITY;
        let has_room = self.has_room();
        let pool = if is_large { self.large.as_ref() } else { Some(&self.pool) };
        let buffer = pool.filter(|_| has_room).and_then(Pool::allocate);
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
        if self.failed {
            self.counters.tx_failed.increment();
            return Ok(());
        }
        if !frame.settle(self.offloads) {
            self.counters.tx_unsupported.increment();
            return Ok(());
        }
        let Some(header) = frame.buffer.grow_front(self.header) else { return Err(frame) };
        header::write(&frame.offload, header);
        self.unkicked = true;
        let Err(mut buffer) = self.submit(TRANSMIT, frame.buffer, Direction::ToDevice) else { return Ok(()) };
        // It was as long before the header went in front.
        let _ = buffer.trim_front(self.header);
        if LONG_FRAMES
            && buffer.is_chained()
            && self.device.free(TRANSMIT) == self.device.queue_size(TRANSMIT)
        {
            // It will never fit.
            self.counters.tx_unsupported.increment();
            return Ok(());
        }
        self.refuse_room();
        Err(Frame { buffer, offload: frame.offload })
    }

    fn flush(&mut self) {
        if self.failed {
            return;
        }
        if self.posted + self.slack < self.wanted {
            self.refill();
        }
        if core::mem::take(&mut self.unposted) {
            self.kick(RECEIVE);
        }
        if core::mem::take(&mut self.unkicked) {
            self.kick(TRANSMIT);
        }
    }

    fn arm(&mut self) -> bool {
        if self.failed {
            return false;
        }
        self.armed = true;
        // A device waits for as many buffers as the longest frame takes. Those that lack, here or at another card of the pool, may be
        // among the sent ones.
        let lacks = LONG_FRAMES && self.offloads.merge && self.pool.available() < MERGED_BUFFERS;
        let freed = lacks && self.has_freed();
        let watches_sent = self.starved || lacks;
        self.watches_sent |= watches_sent;
        let received = self.device.unmask(RECEIVE);
        let sent = watches_sent && self.device.unmask(TRANSMIT);
        let has_changed = self.device.take_unexplained() && self.reconfigure();
        freed || received || sent || has_changed
    }

    fn disarm(&mut self) {
        if self.event.is_set() {
            // A level-triggered line would stay up otherwise, and an edge-triggered one would never rise again.
            if self.device.acknowledge().configuration {
                self.reconfigure();
            }
        }
        if core::mem::take(&mut self.armed) {
            self.device.mask(RECEIVE);
            if core::mem::take(&mut self.watches_sent) {
                self.device.mask(TRANSMIT);
            }
        }
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}

impl<H: Hal + 'static, T: Transport> BatchNic for VirtioNet<H, T> {
    fn receive_batch(&mut self, batch: &mut Batch) -> usize {
        // Older devices are served frame by frame.
        if self.failed || self.header != NET_HEADER {
            return 0;
        }
        match self.device.receive_batch(RECEIVE, batch) {
            Ok(count) => {
                self.posted = self.posted.saturating_sub(count);
                count
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
    }

    fn is_idle(&self) -> bool {
        !self.device.has_completions(RECEIVE)
    }

    fn transmit_batch(&mut self, batch: &mut Batch) {
        if !self.failed && self.device.free(TRANSMIT) < self.entries * batch.len() {
            match self.device.reclaim_batch(TRANSMIT) {
                Ok(count) => self.counters.tx_reclaimed.add(count as u64),
                Err(error) => self.fail(error),
            }
        }
        if self.failed {
            while let Some(buffer) = batch.pop() {
                drop(buffer);
                self.counters.tx_failed.increment();
            }
        }
        if self.header == NET_HEADER && self.entries == 1 {
            self.unkicked |= self.device.send_batch(TRANSMIT, batch) > 0;
        }
        if !batch.is_empty() && self.device.free(TRANSMIT) < self.entries {
            self.refuse_room();
        }
    }
}
