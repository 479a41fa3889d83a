//! A cache of a disk's pages with a fixed budget, which reads ahead.
//!
//! A [`Page`] is a buffer that the device has filled: the cache owns it and hands it out as it is, so what is sent from here is
//! copied once, by whoever sends it. Readers wait for pages; workers, tasks of their own, fetch them in requests that are as
//! long as what is asked for, and are wanted ahead, lies together. So a reader that is dropped leaves nothing half done, and what
//! is read ahead comes while its reader is busy with what it has.
//!
//! Neighbours: `frames` knows which page is where and which one goes next, `waiting` who waits for which page.
//! Invariant: a page that somebody holds stays as it is, and the cache takes no more memory than its pool, whatever is asked of it.
//! What is written to the disk meanwhile it does not see.

mod frames;
mod waiting;
mod worker;

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::ops::Deref;

use unik_sched::counter::CounterSet;
use unik_sched::has_memory;
use unik_sched::sync::Event;
use unik_sched::time::Time;
use unik_virtio::{Error, Pool};

use self::frames::{Frames, Held, Slot};
use self::waiting::Waiting;
use crate::device::SECTOR;
use crate::disk::{Disk, DiskError};

/// The most bytes of a page.
const PAGE: usize = 4096;
/// Hints at what is wanted soon that wait for a worker. More are dropped.
const HINTS: usize = 64;

unik_sched::counters! {
    /// What a cache has counted.
    pub struct CacheCounters {
        /// Pages that were there when they were asked for.
        hits,
        /// Pages that were not.
        misses,
        /// Pages that were read.
        pages_read,
        /// Of these, pages that nobody waited for.
        pages_ahead,
        /// Pages that were given up for others.
        evictions,
        /// Pages that could not be read.
        errors,
        /// Hints that were dropped, since there were too many.
        hints_dropped,
    }
}

/// A handle of a cache; clones are handles of the same one.
#[derive(Clone)]
pub struct Cache(Rc<Shared>);

struct Shared {
    disk: Disk,
    pool: Pool,
    time: Time,
    /// Bytes of a page, and of the disk as far as it has whole blocks.
    page: usize,
    length: u64,
    /// The most pages that one request fetches.
    most: u64,
    frames: RefCell<Frames>,
    waiting: Waiting,
    /// What is wanted soon: the first page, and how many.
    hints: RefCell<VecDeque<(u64, u64)>>,
    /// Who reads on and on, among whom the pages that are read ahead are divided.
    streams: Cell<usize>,
    /// There is something for workers to do.
    work: Event,
    /// A page is wanted, and all are in use.
    is_starved: Cell<bool>,
    counters: Rc<CacheCounters>,
}

impl Cache {
    /// How many workers are to be run.
    pub const WORKERS: usize = 2;

    /// A cache of `disk`, with as many pages as `pool` has buffers, which are such as [`Disk::BUFFER`] says. It may be the pool of
    /// the disk itself, if nothing else is read from that.
    ///
    /// # Errors
    /// [`DiskError::Impossible`] where the disk's blocks are larger than a page, or [`Error::NoMemory`] for its tables.
    pub fn try_new(disk: Disk, pool: Pool, time: Time) -> Result<Self, DiskError> {
        let properties = disk.properties();
        let page = disk.part().min(PAGE);
        let page = if page.is_power_of_two() { page } else { page.next_power_of_two() / 2 };
        if page < properties.block_size {
            return Err(DiskError::Impossible);
        }
        let count = pool.capacity();
        if !has_memory(size_of::<Shared>() + HINTS * size_of::<(u64, u64)>(), 3) {
            return Err(DiskError::Device(Error::NoMemory));
        }
        let frames = Frames::try_new(count).ok_or(DiskError::Device(Error::NoMemory))?;
        let blocks = properties.sectors / (properties.block_size / SECTOR) as u64;
        let most = (disk.limit() / page).min(count / (2 * Self::WORKERS)).max(1) as u64;
        Ok(Self(Rc::new(Shared {
            pool,
            time,
            page,
            length: blocks * properties.block_size as u64,
            most,
            frames: RefCell::new(frames),
            waiting: Waiting::default(),
            hints: RefCell::new(VecDeque::with_capacity(HINTS)),
            streams: Cell::new(0),
            work: Event::new(),
            is_starved: Cell::new(false),
            counters: Rc::new(CacheCounters::new()),
            disk,
        })))
    }

    /// What fetches pages, to be run as a task of its own, [`Cache::WORKERS`] times.
    pub fn worker(&self) -> impl Future<Output = ()> + use<> {
        worker::run(self.0.clone())
    }

    /// The disk below.
    pub fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// Bytes of a page, a power of two and whole blocks.
    pub fn page_size(&self) -> usize {
        self.0.page
    }

    /// How many bytes the disk had when the cache was made. Its last page may be a short one.
    pub fn disk_length(&self) -> u64 {
        self.0.length
    }

    /// What is counted here.
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        self.0.counters.clone()
    }

    /// The page with this number. If it is not there, it is fetched, and up to `ahead` pages behind it with it.
    ///
    /// # Errors
    /// [`DiskError`] of this page; one behind it is no error.
    pub async fn page(&self, number: u64, ahead: u64) -> Result<Page, DiskError> {
        let shared = &*self.0;
        if number.checked_mul(shared.page as u64).is_none_or(|start| start >= shared.length) {
            return Err(DiskError::OutOfRange(number.saturating_mul((shared.page / SECTOR) as u64)));
        }
        if let Some(page) = self.try_page(number) {
            return Ok(page);
        }
        shared.counters.misses.increment();
        let mut ticket = shared.waiting.ticket(number, ahead);
        let slot = poll_fn(|cx| {
            if ticket.joins(cx) {
                shared.work.set();
            }
            shared.time.waiting("page");
            ticket.poll(cx)
        });
        Ok(self.hand_out(slot.await?))
    }

    /// The page with this number, if it is there.
    pub fn try_page(&self, number: u64) -> Option<Page> {
        let Held::Here(slot) = self.0.frames.borrow_mut().get(number) else { return None };
        self.0.counters.hits.increment();
        Some(self.hand_out(slot))
    }

    /// Has pages fetched that will be asked for soon, as far as there is time and room for that.
    pub fn expect(&self, first: u64, count: u64) {
        let mut hints = self.0.hints.borrow_mut();
        if hints.len() == HINTS {
            self.0.counters.hints_dropped.increment();
            return;
        }
        hints.push_back((first, count));
        drop(hints);
        self.0.work.set();
    }

    /// Takes notice of somebody who reads on and on.
    pub fn stream(&self) -> Stream {
        self.0.streams.set(self.0.streams.get() + 1);
        Stream { cache: self.clone(), expected: 0..0 }
    }

    fn hand_out(&self, slot: Rc<Slot>) -> Page {
        Page { slot, shared: self.0.clone() }
    }
}

/// A page, which stays as it is for as long as this is held. It dereferences to its bytes.
///
/// Whoever holds it for long takes it from the budget of all others.
pub struct Page {
    slot: Rc<Slot>,
    shared: Rc<Shared>,
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.slot.bytes()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The worker looks in a turn of its own, when the page is free.
        if self.shared.is_starved.take() {
            self.shared.work.set();
        }
    }
}

/// Somebody who reads on and on, for whom pages are fetched ahead.
pub struct Stream {
    cache: Cache,
    /// The pages that were hinted at last.
    expected: core::ops::Range<u64>,
}

impl Stream {
    /// How many pages are fetched ahead of one reader: a request full, or less where many share the cache.
    fn window(&self) -> u64 {
        let shared = &*self.cache.0;
        let share = shared.pool.capacity() / (2 * shared.streams.get().max(1));
        shared.most.min(share as u64)
    }

    /// The page with this number, of which it is known that all up to `end` are wanted next.
    ///
    /// # Errors
    /// Those of [`Cache::page`].
    pub async fn page(&mut self, number: u64, end: u64) -> Result<Page, DiskError> {
        let window = self.window();
        if !self.expected.contains(&number) {
            self.expected = number..number;
        }
        // Half a window before the end of what was hinted at, the next one is.
        let known = self.expected.end.max(number + 1);
        if known < end && known - number <= window / 2 + 1 {
            // What is not there comes with the page itself.
            let next = (known + window).min(end);
            let is_here = self.cache.0.frames.borrow().has(number);
            self.expected = number..next;
            if is_here {
                self.cache.expect(known, next - known);
            }
        }
        let ahead = self.expected.end.saturating_sub(number + 1).min(window);
        self.cache.page(number, ahead).await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.cache.0.streams;
        streams.set(streams.get().saturating_sub(1));
    }
}
