//! A device: its transport, its queues, and the order of birth and death that keeps memory safe.
//!
//! Invariant: the memory of queues and of buffers in them is given back only after the device was reset and said so.
//! If it never says so, the memory is not given back at all.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem;

use virtio_drivers::transport::{DeviceStatus, InterruptStatus, Transport};
use virtio_drivers::{Hal, PAGE_SIZE};
use zerocopy::{FromBytes, IntoBytes};

use crate::queue::{Completion, Queue};
use crate::rings::SIZE_LIMIT;
use crate::{Batch, Buffer, Counters, Direction, Error, Pool, Rejected};

/// How often the status is read before a reset counts as failed.
const RESET_POLLS: usize = 100_000;
/// How often a configuration field is read before a device that keeps changing it is given up.
const CONFIGURATION_READS: usize = 16;

/// Feature bits 24 to 41 belong to queues and transports (virtio 1.2, 2.2): this crate decides on them.
const RESERVED_FEATURES: u64 = ((1 << 18) - 1) << 24;
/// A legacy device takes any arrangement of descriptors (virtio 1.2, 6.3).
const ANY_LAYOUT: u64 = 1 << 27;
/// The device takes tables of descriptors (virtio 1.2, 2.7.5.3).
const INDIRECT: u64 = 1 << 28;
/// Both sides say from where they want to be notified (virtio 1.2, 2.7.10).
const EVENT_INDEX: u64 = 1 << 29;
/// The device follows the standard, not the legacy interface.
const VERSION_1: u64 = 1 << 32;

/// A virtio device with its queues, driven through the memory of `H` and the registers of `T`.
pub struct Device<H: Hal + 'static, T: Transport> {
    transport: T,
    queues: Vec<Queue>,
    features: u64,
    legacy: bool,
    started: bool,
    /// An interrupt was acknowledged, and nothing has been completed since: it may be about something else.
    is_interrupted: bool,
    /// An interrupt came that no completion explains.
    is_unexplained: bool,
    hal: PhantomData<fn() -> H>,
}

/// What a device's interrupt was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interrupt {
    /// Some queue has completions.
    pub queue: bool,
    /// The configuration space changed.
    pub configuration: bool,
}

impl<H: Hal + 'static, T: Transport> Device<H, T> {
    /// Resets the device, agrees on features and sets up one queue per entry of `queue_sizes`.
    ///
    /// `supported` are the feature bits of its type that the driver understands; those of queues and transports are
    /// decided here. A queue gets the size wished for, less if the device offers less, rounded down to a power of two.
    /// The device does not run before [`Device::start`]; buffers may be submitted before that.
    ///
    /// # Errors
    /// [`Error::ResetTimeout`], [`Error::FeaturesRefused`], [`Error::NoSuchQueue`], [`Error::NoMemory`].
    pub fn try_new(transport: T, supported: u64, queue_sizes: &[u16]) -> Result<Self, Error> {
        Self::try_choosing(transport, &|offered| offered & supported, queue_sizes)
    }

    /// As [`Device::try_new`], where `choose` says which of the features that the device offers are wanted: for those
    /// that make sense only with others.
    ///
    /// # Errors
    /// As [`Device::try_new`].
    pub fn try_choosing(
        transport: T,
        choose: &dyn Fn(u64) -> u64,
        queue_sizes: &[u16],
    ) -> Result<Self, Error> {
        let legacy = transport.requires_legacy_layout();
        let mut device = Self {
            transport,
            queues: Vec::new(),
            features: 0,
            legacy,
            started: false,
            is_interrupted: false,
            is_unexplained: false,
            hal: PhantomData,
        };
        // virtio 1.2, 3.1.1 gives the order of the steps.
        if !device.reset() {
            return Err(Error::ResetTimeout);
        }
        device.negotiate(choose)?;
        device.queues.reserve_exact(queue_sizes.len());
        for (index, &size) in (0_u16..).zip(queue_sizes) {
            device.add_queue(index, size)?;
        }
        Ok(device)
    }

    #[inline(never)]
    fn negotiate(&mut self, choose: &dyn Fn(u64) -> u64) -> Result<(), Error> {
        self.transport.set_status(DeviceStatus::ACKNOWLEDGE);
        self.transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let ours = if self.legacy { ANY_LAYOUT } else { VERSION_1 } | EVENT_INDEX | INDIRECT;
        let offered = self.transport.read_device_features();
        self.features = offered & (choose(offered) & !RESERVED_FEATURES | ours);
        if !self.legacy && self.features & VERSION_1 == 0 {
            return Err(Error::FeaturesRefused);
        }
        self.transport.write_driver_features(self.features);
        if self.legacy {
            // A legacy device has no FEATURES_OK (virtio 1.2, 3.1.2), but wants the page size (4.2.4).
            self.transport.set_guest_page_size(PAGE_SIZE as u32);
            return Ok(());
        }
        self.transport.set_status(self.accepted());
        if self.transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            Ok(())
        } else {
            Err(Error::FeaturesRefused)
        }
    }

    /// The status before [`Device::start`].
    fn accepted(&self) -> DeviceStatus {
        let driver = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        if self.legacy { driver } else { driver | DeviceStatus::FEATURES_OK }
    }

    #[inline(never)]
    fn add_queue(&mut self, index: u16, wished: u16) -> Result<(), Error> {
        let offered = self.transport.max_queue_size(index).min(u32::from(SIZE_LIMIT)) as u16;
        let size = wished.min(offered);
        if size == 0 || self.transport.queue_used(index) {
            return Err(Error::NoSuchQueue);
        }
        let has = |feature: u64| self.features & feature != 0;
        let queue = Queue::try_new::<H>(size, self.legacy, has(EVENT_INDEX), has(INDIRECT))?;
        let (descriptors, available, used) = queue.rings().addresses();
        let size = u32::from(queue.rings().size());
        // From here on the device knows the memory: the queue belongs to `self`, whose drop resets first.
        self.queues.push(queue);
        self.transport.queue_set(index, size, descriptors, available, used);
        Ok(())
    }

    /// Resets the device; whether it says that it is done (virtio 1.2, 4.1.4.3.2).
    fn reset(&mut self) -> bool {
        self.transport.set_status(DeviceStatus::empty());
        (0..RESET_POLLS).any(|_| self.transport.get_status() == DeviceStatus::empty())
    }

    /// The feature bits agreed on, those of queues and transports included.
    #[inline]
    pub fn features(&self) -> u64 {
        self.features
    }

    /// Whether one descriptor may hold a header and what follows it; if not, [`Device::submit_split`] is needed.
    #[inline]
    pub fn any_layout(&self) -> bool {
        self.features & (VERSION_1 | ANY_LAYOUT) != 0
    }

    /// Reads a field of the device's configuration space, `offset` bytes from its start.
    ///
    /// # Errors
    /// [`Error::NoSuchConfiguration`] if it is not there or not aligned, or changed each time it was read.
    pub fn read_config<X: FromBytes + IntoBytes>(&self, offset: usize) -> Result<X, Error> {
        let aligned = align_of::<X>() <= 4 && offset.is_multiple_of(align_of::<X>());
        if !aligned || offset.checked_add(size_of::<X>()).is_none() {
            return Err(Error::NoSuchConfiguration);
        }
        for _ in 0..CONFIGURATION_READS {
            let before = self.generation();
            let value = self.transport.read_config_space(offset).map_err(|_| Error::NoSuchConfiguration)?;
            if before == self.generation() {
                return Ok(value);
            }
        }
        Err(Error::NoSuchConfiguration)
    }

    /// Legacy devices have no generation (virtio 1.2, 2.5.4).
    fn generation(&self) -> u32 {
        if self.legacy { 0 } else { self.transport.read_config_generation() }
    }

    /// Lets the device run, and tells it of what was submitted before.
    pub fn start(&mut self) {
        self.transport.set_status(self.accepted() | DeviceStatus::DRIVER_OK);
        self.started = true;
        for queue in 0..self.queues.len() {
            self.kick(queue);
        }
    }

    /// Hands a single buffer to the device: its data ([`Direction::ToDevice`]) or, to be written, all the room from the start
    /// of its data to its end ([`Direction::FromDevice`]). The device may not notice before [`Device::kick`].
    ///
    /// # Errors
    /// [`Rejected`] holds the buffer and the reason; [`Error::BadLength`] if it is empty or others follow it.
    #[inline]
    pub fn submit(&mut self, queue: usize, buffer: Buffer, direction: Direction) -> Result<(), Rejected> {
        let Some(queue) = self.queues.get_mut(queue) else { return reject(buffer, Error::NoSuchQueue) };
        if !buffer.pool().reached_by::<H>() {
            return reject(buffer, Error::ForeignBuffer);
        }
        queue.submit(buffer, direction)
    }

    /// Hands up to `count` buffers of `pool` to the device, to be written from `header` bytes in front of where their
    /// data starts: how many the pool had and the queue took. The header gets a descriptor of its own unless
    /// [`Device::any_layout`].
    pub fn post(&mut self, queue: usize, pool: &Pool, header: usize, count: usize) -> usize {
        let is_split = !self.any_layout();
        match self.queues.get_mut(queue) {
            Some(queue) if pool.reached_by::<H>() => match is_split {
                true => queue.post_split(pool, header, count),
                false => queue.post(pool, header, count),
            },
            _ => 0,
        }
    }

    /// As [`Device::submit`], with a descriptor of its own for the first `header` bytes, as legacy devices want it
    /// unless [`Device::any_layout`].
    ///
    /// # Errors
    /// [`Rejected`]; [`Error::BadLength`] unless the header is shorter than the whole and not empty.
    pub fn submit_split(
        &mut self,
        queue: usize,
        buffer: Buffer,
        header: usize,
        direction: Direction,
    ) -> Result<(), Rejected> {
        let Some(queue) = self.queues.get_mut(queue) else { return reject(buffer, Error::NoSuchQueue) };
        if !buffer.pool().reached_by::<H>() {
            return reject(buffer, Error::ForeignBuffer);
        }
        queue.submit_split(buffer, header, direction)
    }

    /// Hands the data of a buffer, and of those that follow it, to the device to be read. Where the device takes tables
    /// of descriptors and the buffer's pool has one more to write it into, that takes one descriptor of the queue.
    ///
    /// The device must take [any layout](Device::any_layout).
    ///
    /// # Errors
    /// [`Rejected`]; [`Error::BadLength`] if one of the buffers is empty.
    pub fn submit_chain(&mut self, queue: usize, buffer: Buffer) -> Result<(), Rejected> {
        let Some(queue) = self.queues.get_mut(queue) else { return reject(buffer, Error::NoSuchQueue) };
        if !buffer.pool().reached_by::<H>() {
            return reject(buffer, Error::ForeignBuffer);
        }
        queue.submit_chain(buffer)
    }

    /// Hands a request to the device: it reads the first `question` bytes of the data, then reads or writes the rest of the
    /// data, which goes on in the buffers that follow, and at last writes one byte, its verdict, in front of the question.
    /// [`Device::complete_request`] gives it back under the number that this returns.
    ///
    /// # Errors
    /// [`Rejected`]; [`Error::BadLength`] if there is no question, no headroom for the verdict, or one of the buffers that
    /// follow is empty.
    pub fn submit_request(
        &mut self,
        queue: usize,
        buffer: Buffer,
        question: usize,
        direction: Direction,
    ) -> Result<u16, Rejected> {
        let Some(queue) = self.queues.get_mut(queue) else { return reject(buffer, Error::NoSuchQueue) };
        if !buffer.pool().reached_by::<H>() {
            return reject(buffer, Error::ForeignBuffer);
        }
        queue.submit_request(buffer, question, direction)
    }

    /// Takes back the next request that the device has answered, in the order the device chose.
    ///
    /// The lengths of its buffers are those that they were submitted with.
    ///
    /// # Errors
    /// As [`Device::complete`], but any number of bytes is let pass.
    pub fn complete_request(&mut self, queue: usize) -> Result<Option<Completion>, Error> {
        let Some(queue) = self.queues.get_mut(queue) else { return Err(Error::NoSuchQueue) };
        self.is_interrupted &= !queue.has_completions();
        queue.complete_request()
    }

    /// Takes back the next buffer that the device is done with, in the order the device chose.
    ///
    /// Of a buffer submitted with [`Direction::FromDevice`] the length is what the device says it wrote.
    ///
    /// # Errors
    /// [`Error::DeviceBroken`] if the device returned what it does not have or wrote more than there was room for; the
    /// queue is dead from then on and keeps its buffers. [`Error::NeedsReset`] if the device gave itself up.
    /// [`Error::NoSuchQueue`].
    #[inline]
    pub fn complete(&mut self, queue: usize) -> Result<Option<Buffer>, Error> {
        let Some(queue) = self.queues.get_mut(queue) else { return Err(Error::NoSuchQueue) };
        self.is_interrupted &= !queue.has_completions();
        queue.complete()
    }

    /// As [`Device::reclaim`], for those who have much to take back: it is longer and takes less time.
    ///
    /// # Errors
    /// As [`Device::complete`].
    pub fn reclaim_batch(&mut self, queue: usize) -> Result<usize, Error> {
        let count = self.queues.get_mut(queue).ok_or(Error::NoSuchQueue)?.reclaim_batch()?;
        self.is_interrupted &= count == 0;
        Ok(count)
    }

    /// Takes received network frames, as many as the batch has room for, without the headers of [`NET_HEADER`] bytes that stand
    /// in front of them, up to the first whose header says something or that was not posted by [`Device::post`]: how many.
    /// [`Device::complete`] takes that one.
    ///
    /// # Errors
    /// As [`Device::complete`].
    pub fn receive_batch(&mut self, queue: usize, batch: &mut Batch) -> Result<usize, Error> {
        let count = self.queues.get_mut(queue).ok_or(Error::NoSuchQueue)?.receive_batch(batch)?;
        self.is_interrupted &= count == 0;
        Ok(count)
    }

    /// Hands network frames to the device, in front of each a header of [`NET_HEADER`] bytes that says nothing, as long as there
    /// is room: how many. What does not stand in a single buffer that the device reaches, with room in front, is left, as is
    /// all behind it: [`Device::submit`] says why. The device must take [any layout](Device::any_layout).
    pub fn send_batch(&mut self, queue: usize, batch: &mut Batch) -> usize {
        self.queues.get_mut(queue).map_or(0, |queue| queue.send_batch(batch))
    }

    /// Whether [`Device::complete`] has something to tell: a buffer, or that the queue is dead. It costs less.
    #[inline]
    pub fn has_completions(&self, queue: usize) -> bool {
        self.queues.get(queue).is_none_or(Queue::has_completions)
    }

    /// Takes back all buffers that the device is done with, and gives them to their pools: how many there were.
    ///
    /// # Errors
    /// As [`Device::complete`].
    pub fn reclaim(&mut self, queue: usize) -> Result<usize, Error> {
        let count = self.queues.get_mut(queue).ok_or(Error::NoSuchQueue)?.reclaim()?;
        self.is_interrupted &= count == 0;
        Ok(count)
    }

    /// Notifies the device of all that was submitted to the queue since the last kick, if it wants to know. True if it
    /// was.
    ///
    /// Before [`Device::start`] it does nothing; `start` makes up for it.
    #[inline]
    pub fn kick(&mut self, queue: usize) -> bool {
        let wanted = self.started && self.queues.get_mut(queue).is_some_and(Queue::wants_kick);
        if wanted {
            self.transport.notify(queue as u16);
        }
        wanted
    }

    /// Asks the device for no interrupts about this queue; single ones may still come.
    #[inline]
    pub fn mask(&mut self, queue: usize) {
        if self.is_interrupted && self.features & EVENT_INDEX != 0 {
            // The interrupt that was asked for has come, and no other was.
            return;
        }
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.mask();
        }
    }

    /// Asks the device for an interrupt at the next completion of this queue.
    ///
    /// True if there are completions already: the caller must go on with them, the interrupt may never come. True also if
    /// the device gave itself up, which [`Device::complete`] then says.
    #[inline]
    pub fn unmask(&mut self, queue: usize) -> bool {
        if self.is_interrupted && self.has_given_up() {
            return true;
        }
        self.queues.get_mut(queue).is_some_and(Queue::unmask)
    }

    /// Whether the device says that only a reset helps, of which an interrupt tells (virtio 1.2, 2.1.1). It is asked only
    /// where no completion explains the interrupt: reading the status is dear.
    #[cold]
    #[inline(never)]
    fn has_given_up(&mut self) -> bool {
        self.is_interrupted = false;
        self.is_unexplained = true;
        let given_up = self.transport.get_status().contains(DeviceStatus::DEVICE_NEEDS_RESET);
        if given_up {
            self.queues.iter_mut().for_each(|queue| queue.end(Error::NeedsReset));
        }
        given_up
    }

    /// Whether there was an interrupt, since this was last asked, that no completion explains. A device with messages of
    /// its own (MSI-X) does not say that its configuration has changed: this is how it can be told.
    #[inline]
    pub fn take_unexplained(&mut self) -> bool {
        mem::take(&mut self.is_unexplained)
    }

    /// Acknowledges the device's interrupt and says what it was about.
    #[inline]
    pub fn acknowledge(&mut self) -> Interrupt {
        self.is_interrupted = true;
        let status = self.transport.ack_interrupt();
        Interrupt {
            queue: status.contains(InterruptStatus::QUEUE_INTERRUPT),
            configuration: status.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT),
        }
    }

    /// Descriptors of the queue that are free: that many more buffers it takes (half as many if split).
    #[inline]
    pub fn free(&self, queue: usize) -> usize {
        self.queues.get(queue).map_or(0, |queue| usize::from(queue.free()))
    }

    /// Entries of the queue.
    pub fn queue_size(&self, queue: usize) -> usize {
        self.queues.get(queue).map_or(0, |queue| usize::from(queue.rings().size()))
    }

    /// Whether some queue is dead because the device broke the rules.
    pub fn is_broken(&self) -> bool {
        self.queues.iter().any(Queue::is_broken)
    }

    /// What happened on one queue since the device was set up.
    pub fn queue_counters(&self, queue: usize) -> Counters {
        self.queues.get(queue).map_or_else(Counters::default, Queue::counters)
    }

    /// What happened on all queues since the device was set up.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for queue in self.queues.iter().map(Queue::counters) {
            sum.kicks += queue.kicks;
            sum.kicks_saved += queue.kicks_saved;
            sum.completions += queue.completions;
            sum.device_errors += queue.device_errors;
        }
        sum
    }
}

impl<H: Hal + 'static, T: Transport> Drop for Device<H, T> {
    fn drop(&mut self) {
        if !self.reset() {
            // The device may go on writing: better to lose the memory than to share it.
            mem::forget(mem::take(&mut self.queues));
        }
    }
}

#[cold]
fn reject<T>(buffer: Buffer, reason: Error) -> Result<T, Rejected> {
    Err(Rejected { buffer, reason })
}
