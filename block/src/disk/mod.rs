//! Disks: what tasks read and write, over any [`BlockDevice`].
//!
//! A [`Disk`] cuts an operation into requests that the device takes, and keeps two of them under way, so that the device is
//! not idle while one is copied. The [`Driver`] runs beside it as a task of its own: it kicks the device once for all
//! requests of a turn, and takes what is done. Where the memory or the device has no room, operations wait in the order
//! in which they came, and none of them holds room while it waits. Futures that were begun and are not polled, though their
//! tasks were woken, are passed over where others would wait for them.
//!
//! Hypervisors join requests that follow each other, and let all of them fail where one does. So what could not be read or
//! written is asked for once more, block by block: it may have been another one's fault, and if not, the error names the block.
//!
//! Invariant: the buffer of a request belongs to the device until the device gives it back, whatever becomes of the future
//! that waits for it. A request whose future was dropped is done all the same, and nobody hears of it.

mod driver;
mod error;
mod fetch;
mod flight;
mod line;
mod requests;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::mem;

use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_virtio::{Buffer, Pool};

use crate::device::{BlockDevice, HEADROOM, Operation, Properties, SECTOR};
pub use driver::Driver;
pub use error::DiskError;
use flight::Flight;
use line::Line;
use requests::Requests;

/// Bytes in front of the data of a buffer: what a device may use, and so many that the data begins where hosts can move it
/// to and from their own devices without a copy.
const FRONT: usize = 512;
const _: () = assert!(FRONT >= HEADROOM);
/// The most bytes that one request moves.
const REQUEST_LIMIT: usize = 128 << 10;

unik_sched::counters! {
    /// What a disk has counted.
    pub struct DiskCounters {
        /// Requests that read.
        reads,
        /// Requests that write.
        writes,
        /// Requests that make durable what was written.
        flushes,
        /// Requests that discard or fill with zeroes.
        others,
        /// Sectors that were to be read.
        sectors_read,
        /// Sectors that were to be written.
        sectors_written,
        /// Requests that the device did not do.
        errors,
        /// Requests whose future was dropped before they were done.
        abandoned,
        /// Times that an operation waited for room.
        waits,
    }
}

/// A handle of a disk; clones are handles of the same one. Each hears once of a flush that failed, whoever asked for it; a
/// clone has heard what its original has.
///
/// Positions are sectors of 512 bytes; an operation is about whole blocks ([`Properties::block_size`]). Operations may be
/// done in any order: what depends on another one waits for it first. A future that is dropped leaves what was begun to the
/// device: of a write, any part may be done, even later than what is written next, until a [`Disk::flush`] has waited for it.
///
/// A future that was begun and is not polled keeps nobody else waiting: what was done for it may be taken back, and done once
/// more when it is polled again.
///
/// Nothing here allocates, and nothing is bounded in time: who does not want to wait for a device for ever says so
/// ([`Time::timeout`]).
#[derive(Clone)]
pub struct Disk {
    shared: Rc<Shared>,
    /// The number of flushes that were not done, as of the last one that was an error here.
    heard: Cell<u32>,
}

pub(crate) struct Shared {
    device: RefCell<Box<dyn BlockDevice>>,
    requests: Requests,
    pool: Pool,
    /// The most bytes in one buffer of a request, and sectors in all of them.
    part: usize,
    limit: u64,
    /// Who waits for room, in order.
    line: Line,
    /// Turns of the driver with somebody in the line, and nothing with the device.
    patience: Cell<usize>,
    /// The driver has something to kick the device for.
    submitted: Event,
    time: Time,
    counters: Rc<DiskCounters>,
}

/// The data of an operation.
enum Data<'a> {
    None,
    Into(&'a mut [u8]),
    From(&'a [u8]),
    /// It is to be read into these buffers, which are taken when the request is made.
    Within(&'a Cell<Option<Buffer>>),
}

impl Disk {
    /// Bytes of a buffer of the pool that a disk should have: those of one page of data, and what stands in front of it.
    pub const BUFFER: usize = FRONT + 4096;

    /// A disk over `device`, with `pool` for what is under way, and its driver, which is to be run as a task.
    ///
    /// # Errors
    /// [`DiskError::Impossible`]: its blocks do not fit into a request.
    pub fn try_new(
        device: Box<dyn BlockDevice>,
        pool: Pool,
        time: Time,
    ) -> Result<(Self, Driver), DiskError> {
        let Properties { block_size, most_parts, most_bytes, .. } = *device.properties();
        let room = (pool.room() + Buffer::HEADROOM).saturating_sub(FRONT);
        let part = room.min(most_bytes) / SECTOR * SECTOR;
        if part == 0 {
            return Err(DiskError::Impossible);
        }
        // Half of the pool, so that one request can be got ready while another is under way.
        let parts = most_parts.min(pool.capacity() / 2).min(REQUEST_LIMIT.div_ceil(part)).max(1);
        let limit = parts * part / block_size * block_size / SECTOR;
        if limit == 0 {
            return Err(DiskError::Impossible);
        }
        let requests = Requests::new(device.depth());
        let event = device.event();
        let shared = Rc::new(Shared {
            device: RefCell::new(device),
            requests,
            pool,
            part,
            limit: limit as u64,
            line: Line::default(),
            patience: Cell::new(0),
            submitted: Event::new(),
            time,
            counters: Rc::new(DiskCounters::new()),
        });
        let heard = Cell::new(0);
        Ok((Self { shared: shared.clone(), heard }, Driver { shared, event }))
    }

    /// What the device is and does; the number of sectors is that of now.
    pub fn properties(&self) -> Properties {
        *self.shared.device.borrow().properties()
    }

    /// Fills `bytes` with what is stored from `sector` on.
    ///
    /// # Errors
    /// [`DiskError`]; `bytes` then hold anything.
    pub fn read<'a>(
        &'a self,
        sector: u64,
        bytes: &'a mut [u8],
    ) -> impl Future<Output = Result<(), DiskError>> + 'a {
        let length = bytes.len() as u64;
        self.transfer(Operation::Read, sector, length / SECTOR as u64, length, Data::Into(bytes))
    }

    /// Stores `bytes` from `sector` on. They are durable once a [`Disk::flush`] that began later is done.
    ///
    /// # Errors
    /// [`DiskError`]; any part may then be stored.
    pub fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> impl Future<Output = Result<(), DiskError>> + 'a {
        let length = bytes.len() as u64;
        self.transfer(Operation::Write, sector, length / SECTOR as u64, length, Data::From(bytes))
    }

    /// Makes durable all writes that were done before this began, after those have been done whose futures were dropped. On a
    /// read-only disk there is nothing to do.
    ///
    /// # Errors
    /// [`DiskError::NoFlush`]: the device does not say when what was written is durable. Nothing else makes it so.
    /// [`DiskError::Flush`]: this flush failed, or another one since the last that was such an error on this handle, of
    /// whomever. A device may forget what it could not keep, so that the next flush succeeds and means nothing.
    pub async fn flush(&self) -> Result<(), DiskError> {
        let heard = self.heard.get();
        let result = self.transfer(Operation::Flush, 0, 0, 0, Data::None).await;
        let failed = self.shared.requests.unflushed();
        if failed == heard {
            return result;
        }
        self.heard.set(failed);
        result.and(Err(DiskError::Flush))
    }

    /// Forgets `sectors` sectors from `sector` on, which hold anything afterwards.
    ///
    /// # Errors
    /// [`DiskError::Unsupported`] where [`Properties::most_discarded`] is zero, and others.
    pub fn discard(&self, sector: u64, sectors: u64) -> impl Future<Output = Result<(), DiskError>> + '_ {
        self.transfer(Operation::Discard, sector, sectors, 0, Data::None)
    }

    /// Fills `sectors` sectors from `sector` on with zeroes.
    ///
    /// # Errors
    /// [`DiskError::Unsupported`] where [`Properties::most_zeroed`] is zero, and others.
    pub fn write_zeroes(
        &self,
        sector: u64,
        sectors: u64,
    ) -> impl Future<Output = Result<(), DiskError>> + '_ {
        self.transfer(Operation::WriteZeroes, sector, sectors, 0, Data::None)
    }

    /// Whether nothing is under way, and nobody waits for room.
    pub fn is_idle(&self) -> bool {
        self.shared.requests.are_done() && self.shared.line.len() == 0
    }

    /// What is counted here.
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        self.shared.counters.clone()
    }

    /// What the device counts.
    pub fn device_counters(&self) -> Rc<dyn CounterSet> {
        self.shared.device.borrow().counters()
    }

    // One state machine for all operations.
    async fn transfer(
        &self,
        operation: Operation,
        first: u64,
        sectors: u64,
        length: u64,
        mut data: Data<'_>,
    ) -> Result<(), DiskError> {
        let shared = &*self.shared;
        let (limit, block) = shared.check(operation, first, sectors, length)?;
        let is_flush = operation == Operation::Flush;
        if limit == 0 || (sectors == 0 && !is_flush) {
            return Ok(());
        }
        let (mut done, mut is_complete) = (0, false);
        let mut before: Option<Flight<'_>> = None;
        // The request that failed first, and up to where one block is asked for at a time because of such a one.
        let mut failed = None;
        let mut careful_until = 0;
        loop {
            let mut flight = None;
            let is_free = before.as_ref().is_none_or(|before| before.span().done >= careful_until);
            if !is_complete && failed.is_none() && is_free {
                let count = (sectors - done).min(if done < careful_until { block } else { limit }) as u32;
                let span = Span { operation, start: first, done, count };
                flight = shared.launch_at_once(span, &data)?;
                // Nobody holds room while it waits for more.
                if flight.is_none() && before.is_none() {
                    shared.counters.waits.increment();
                    shared.patience.set(0);
                    shared.submitted.set();
                    let mut place = shared.line.join();
                    flight = Some(poll_fn(|cx| shared.poll_launch(&mut place, span, &data, cx)).await?);
                }
                if flight.is_some() {
                    done += u64::from(count);
                    is_complete = done == sectors;
                }
            }
            match mem::replace(&mut before, flight) {
                Some(flight) => {
                    let span = flight.span();
                    let outcome = flight.await;
                    if let Err(error) = shared.land(span, outcome, &mut data) {
                        failed = failed.or(Some((span, error)));
                    }
                }
                None if before.is_some() => {}
                // Nothing is under way: what comes after an error finds the device done with all of the operation.
                None => match failed.take() {
                    None => return Ok(()),
                    Some((span, error)) => {
                        (done, is_complete) = (span.done, false);
                        if let Some(error) = error {
                            if span.done < careful_until || !error.may_be_of_another() {
                                return Err(error);
                            }
                            careful_until = done + u64::from(span.count);
                        }
                    }
                },
            }
        }
    }
}

/// What one request is about.
#[derive(Clone, Copy)]
struct Span {
    operation: Operation,
    /// Where the operation starts.
    start: u64,
    /// Sectors from there on that other requests are about, and then those of this one.
    done: u64,
    count: u32,
}

impl Span {
    fn sector(&self) -> u64 {
        self.start + self.done
    }

    /// Its bytes in the data of the operation, which are in memory.
    fn bytes(&self) -> core::ops::Range<usize> {
        let start = self.done as usize * SECTOR;
        start..start + self.count as usize * SECTOR
    }
}

impl Shared {
    /// Whether an operation can be done at all: then, how many sectors one request of it is about at most, zero where there is
    /// nothing to do, and how many a block has.
    #[inline(never)]
    fn check(
        &self,
        operation: Operation,
        sector: u64,
        sectors: u64,
        length: u64,
    ) -> Result<(u64, u64), DiskError> {
        let mut device = self.device.borrow_mut();
        if device.has_failed() {
            return Err(DiskError::Failed);
        }
        let properties = device.properties();
        let block = (properties.block_size / SECTOR) as u64;
        let most = match operation {
            Operation::Read => self.limit,
            Operation::Flush if properties.is_read_only => return Ok((0, 1)),
            Operation::Flush if properties.can_flush => return Ok((1, 1)),
            Operation::Flush => return Err(DiskError::NoFlush),
            _ if properties.is_read_only => return Err(DiskError::ReadOnly),
            Operation::Write => self.limit,
            Operation::Discard => u64::from(properties.most_discarded) / block * block,
            Operation::WriteZeroes => u64::from(properties.most_zeroed) / block * block,
        };
        if most == 0 {
            return Err(DiskError::Unsupported);
        }
        let is_whole = length.is_multiple_of(SECTOR as u64);
        if !is_whole || !sector.is_multiple_of(block) || !sectors.is_multiple_of(block) {
            return Err(DiskError::Unaligned(sector));
        }
        let end = sector.checked_add(sectors).ok_or(DiskError::OutOfRange(sector))?;
        if end > properties.sectors {
            device.measure();
            if end > device.properties().sectors {
                return Err(DiskError::OutOfRange(sector));
            }
        }
        Ok((most, block))
    }
}
