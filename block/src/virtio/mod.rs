//! The driver of virtio-blk (virtio 1.2, 5.2).
//!
//! What device and driver agree on, and what the device says of itself, is in `configuration`. A request travels in the
//! buffers of its data: its header and the byte for the device's status stand in front of the first one's data.
//!
//! The status is one that the device never gives until it writes another, so that a device which answers without a word
//! is heard to do so. Of what it reads, a device must have written all; what else it says of lengths is not looked at,
//! since devices disagree on what to count.
//!
//! Invariant: when [`BlockDevice::arm`] has returned false, the next completion raises an interrupt. A device that breaks
//! the rules of its queue is left alone from then on, and one line in the log says so.

mod configuration;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use core::mem;

use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::{Buffer, Device, Direction};
use virtio_drivers::{Hal, transport::Transport};

use crate::device::{BlockDevice, Completion, Fault, Operation, Properties, Request};
use crate::disk::DiskError;

/// The queue, and the entries that it shall have.
const QUEUE: usize = 0;
const QUEUE_SIZE: u16 = 128;
/// Entries that a request takes beside those of its data.
const ENTRIES: usize = 2;
/// The most requests at the same time.
const DEPTH: usize = QUEUE_SIZE as usize / (ENTRIES + 1);

/// Bytes of a request's header, and of what it says of sectors to discard or to fill with zeroes (virtio 1.2, 5.2.6).
const HEADER: usize = 16;
const SEGMENT: usize = 16;

/// Types of requests.
const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

/// Status: done, not done, and not known to the device.
const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;
/// No status of a device.
const UNANSWERED: u8 = 0xff;

unik_sched::counters! {
    /// What the driver of one virtio-blk device has counted.
    pub struct VirtioBlockCounters {
        /// Notifications of the device.
        kicks,
        /// Notifications that the device did not want.
        kicks_saved,
        /// Answers that cannot be: no status, or less read than was asked for.
        malformed,
        /// Times that the number of sectors changed.
        resized,
        /// Failures of the device; it is used no more after the first.
        failures,
    }
}

/// A virtio-blk device as a [`BlockDevice`].
pub struct VirtioBlock<H: Hal + 'static, T: Transport> {
    name: &'static str,
    device: Device<H, T>,
    event: Event,
    properties: Properties,
    /// What is known of the requests that the device has, by the number that its queue gave them.
    flying: Box<[Flying]>,
    /// Something was submitted since the last kick.
    unkicked: bool,
    /// Interrupts are asked for.
    armed: bool,
    failed: bool,
    counters: Rc<VirtioBlockCounters>,
}

/// A request that the device has.
#[derive(Clone, Copy, Default)]
struct Flying {
    tag: u16,
    /// Bytes that it must write if all is well.
    least: u32,
}

impl<H: Hal + 'static, T: Transport> VirtioBlock<H, T> {
    /// Sets the device up and starts it. `name` is what the log calls it, `event` what the platform sets on its interrupt.
    ///
    /// # Errors
    /// [`DiskError::Device`]: the device refuses its set-up, or memory is lacking. [`DiskError::Impossible`].
    #[inline(never)]
    pub fn try_new(name: &'static str, transport: T, event: Event) -> Result<Self, DiskError> {
        let mut device =
            Device::try_new(transport, configuration::WANTED, &[QUEUE_SIZE]).map_err(DiskError::Device)?;
        let most_parts = device.queue_size(QUEUE).saturating_sub(ENTRIES);
        let word = |word| device.read_config(configuration::offset(word));
        let mut properties = configuration::properties(device.features(), most_parts, &word)?;
        properties.sectors = read_sectors(&device).map_err(DiskError::Device)?;
        device.mask(QUEUE);
        device.start();
        Ok(Self {
            name,
            event,
            properties,
            flying: vec![Flying::default(); device.queue_size(QUEUE)].into(),
            device,
            unkicked: false,
            armed: false,
            failed: false,
            counters: Rc::new(VirtioBlockCounters::new()),
        })
    }

    /// Looks at the number of sectors, which changes with the device's configuration.
    #[cold]
    fn reconfigure(&mut self) {
        if let Ok(sectors) = read_sectors(&self.device)
            && sectors != mem::replace(&mut self.properties.sectors, sectors)
        {
            self.counters.resized.increment();
            log::info!("{}: has {sectors} sectors now", self.name);
        }
    }

    /// Gives the device up.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, error: unik_virtio::Error) {
        self.failed = true;
        self.counters.failures.increment();
        log::error!("{}: has failed and is used no more: {error}", self.name);
    }

    /// What the device made of a request: the data is as before, but for what was read into it.
    fn judge(&self, data: &mut Buffer, written: u32, least: u32) -> Result<(), Fault> {
        let status = data.grow_front(1).and_then(|front| front.first().copied()).unwrap_or(UNANSWERED);
        // Both were there when it was submitted.
        let _ = data.trim_front(1 + HEADER);
        match status {
            // A legacy device may say anything of lengths (virtio 1.2, 5.2.6.3).
            OK if written >= least || self.device.features() & configuration::VERSION_1 == 0 => Ok(()),
            UNSUPP => Err(Fault::Unsupported),
            IOERR => Err(Fault::Failed),
            _ => {
                self.counters.malformed.increment();
                Err(Fault::Failed)
            }
        }
    }
}

fn read_sectors<H: Hal, T: Transport>(device: &Device<H, T>) -> Result<u64, unik_virtio::Error> {
    device.read_config(configuration::SECTORS).map(configuration::sectors)
}

/// Puts header and status in front of the data, and says how long the header is. `None` if there is no room.
fn address(request: &mut Request) -> Option<usize> {
    let Request { operation, sector, sectors, data, .. } = request;
    let (kind, place) = match operation {
        Operation::Read => (IN, *sector),
        Operation::Write => (OUT, *sector),
        Operation::Flush => (FLUSH, 0),
        Operation::Discard => (DISCARD, 0),
        Operation::WriteZeroes => (WRITE_ZEROES, 0),
    };
    if matches!(operation, Operation::Discard | Operation::WriteZeroes) {
        // Sector, number of sectors, and flags: nothing is to be unmapped that was to be zero.
        data.set_len(SEGMENT).ok()?;
        data.copy_from_slice(&(u128::from(*sector) | u128::from(*sectors) << 64).to_le_bytes());
    }
    let header = u128::from(kind) | u128::from(place) << 64;
    data.grow_front(HEADER)?.copy_from_slice(&header.to_le_bytes());
    data.grow_front(1)?.fill(UNANSWERED);
    data.trim_front(1)?;
    Some(HEADER)
}

impl<H: Hal + 'static, T: Transport> BlockDevice for VirtioBlock<H, T> {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn measure(&mut self) {
        // With messages (MSI-X), one interrupt about answers and about the configuration looks like one about answers.
        self.reconfigure();
    }

    fn depth(&self) -> usize {
        DEPTH
    }

    fn has_room(&self, parts: usize) -> bool {
        self.device.free(QUEUE) >= ENTRIES + parts.max(1)
    }

    fn submit(&mut self, mut request: Request) -> Result<(), Request> {
        let is_read = request.operation == Operation::Read;
        let least = if is_read { request.data.total_len() as u32 } else { 0 };
        let Some(header) = address(&mut request) else { return Err(request) };
        let direction = if is_read { Direction::FromDevice } else { Direction::ToDevice };
        match self.device.submit_request(QUEUE, request.data, header, direction) {
            Ok(id) => {
                if let Some(flying) = self.flying.get_mut(usize::from(id)) {
                    *flying = Flying { tag: request.tag, least };
                }
                self.unkicked = true;
                Ok(())
            }
            Err(rejected) => {
                request.data = rejected.buffer;
                // It was put there just now.
                let _ = request.data.trim_front(header);
                Err(request)
            }
        }
    }

    fn kick(&mut self) {
        if !mem::take(&mut self.unkicked) {
            return;
        }
        let kicked = self.device.kick(QUEUE);
        if kicked { &self.counters.kicks } else { &self.counters.kicks_saved }.increment();
    }

    fn complete(&mut self) -> Option<Completion> {
        if self.failed || !self.device.has_completions(QUEUE) {
            return None;
        }
        let completion = match self.device.complete_request(QUEUE) {
            Ok(completion) => completion?,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        let mut data = completion.buffer;
        let Flying { tag, least } = self.flying.get(usize::from(completion.id)).copied()?;
        let result = self.judge(&mut data, completion.written, least);
        Some(Completion { tag, data, result })
    }

    fn has_failed(&self) -> bool {
        self.failed
    }

    fn arm(&mut self) -> bool {
        if self.failed {
            return false;
        }
        self.armed = true;
        let is_answered = self.device.unmask(QUEUE);
        if self.device.take_unexplained() {
            self.reconfigure();
        }
        is_answered
    }

    fn disarm(&mut self) {
        // A level-triggered line would stay up otherwise, and an edge-triggered one would never rise again.
        if self.event.is_set() && self.device.acknowledge().configuration {
            self.reconfigure();
        }
        if mem::take(&mut self.armed) {
            self.device.mask(QUEUE);
        }
    }

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        self.counters.clone()
    }
}
