//! What fetches pages.

use alloc::rc::Rc;

use unik_virtio::{Buffer, Error};

use super::Shared;
use super::frames::Held;
use crate::device::SECTOR;
use crate::disk::{Disk, DiskError};

/// Fetches what is wanted, for ever.
pub(super) async fn run(shared: Rc<Shared>) {
    loop {
        match shared.next_job() {
            Some(job) => shared.fetch(job).await,
            None => shared.work.wait().await,
        }
    }
}

/// Pages that lie together, for which there is room.
struct Job {
    first: u64,
    count: u64,
    /// Nobody waits for the first one.
    is_hint: bool,
}

impl Shared {
    /// What is to be fetched next: what somebody waits for, then what will be wanted soon.
    fn next_job(&self) -> Option<Job> {
        let job = self.next_wanted()?.or_else(|| self.next_hint());
        if job.is_some() && (self.waiting.first_wanted().is_some() || !self.hints.borrow().is_empty()) {
            // There is more to do, for another worker.
            self.work.set();
        }
        job
    }

    /// `None` where no page can be given up, `Some(None)` where nobody waits for one.
    fn next_wanted(&self) -> Option<Option<Job>> {
        while let Some((page, ahead)) = self.waiting.first_wanted() {
            // Its own statement: the frames must not be borrowed while foreign code runs in `settle`.
            let held = self.frames.borrow_mut().get(page);
            match held {
                Held::Here(slot) => self.waiting.settle(page, &Ok(slot)),
                Held::Coming => self.waiting.comes(page),
                Held::No => {
                    let Some(count) = self.claim(page, ahead.saturating_add(1)) else {
                        self.is_starved.set(true);
                        return None;
                    };
                    (page..page + count).for_each(|page| self.waiting.comes(page));
                    return Some(Some(Job { first: page, count, is_hint: false }));
                }
            }
        }
        Some(None)
    }

    fn next_hint(&self) -> Option<Job> {
        let mut hints = self.hints.borrow_mut();
        while let Some((first, count)) = hints.pop_front() {
            let frames = self.frames.borrow();
            let here =
                (first..first.saturating_add(count)).take_while(|&page| frames.has(page)).count() as u64;
            drop(frames);
            let (page, left) = (first + here, count - here);
            if left == 0 || self.bytes_of(page) == 0 {
                continue;
            }
            let count = self.claim(page, left)?;
            if count < left {
                hints.push_front((page + count, left - count));
            }
            return Some(Job { first: page, count, is_hint: true });
        }
        None
    }

    /// Makes room for a page that is not here, and for those behind it that are not, up to so many. `None` if there is no room.
    fn claim(&self, first: u64, count: u64) -> Option<u64> {
        let mut frames = self.frames.borrow_mut();
        let mut claimed = 0;
        while claimed < count.min(self.most) {
            let page = first + claimed;
            if claimed > 0 && (frames.has(page) || self.bytes_of(page) == 0) {
                break;
            }
            let Some(has_evicted) = frames.claim(page) else { break };
            if has_evicted {
                self.counters.evictions.increment();
            }
            claimed += 1;
        }
        (claimed > 0).then_some(claimed)
    }

    /// Bytes of a page: fewer in the last one, and none behind it.
    fn bytes_of(&self, page: u64) -> usize {
        let start = page.checked_mul(self.page as u64);
        let left = start.map_or(0, |start| self.length.saturating_sub(start));
        left.min(self.page as u64) as usize
    }

    async fn fetch(&self, job: Job) {
        let (mut at, end) = (job.first, job.first + job.count);
        // Where a request fails, it may be for one page of it, or for another request that it was joined with.
        let mut most = job.count;
        while at < end {
            let count = most.min(end - at);
            match self.read(at, count).await {
                Ok(buffer) => self.fill(at, buffer, job.is_hint),
                Err(None) => continue,
                Err(Some(_)) if count > 1 => {
                    most = 1;
                    continue;
                }
                Err(Some(error)) => {
                    self.counters.errors.increment();
                    self.frames.borrow_mut().forget(at);
                    self.waiting.settle(at, &Err(error));
                }
            }
            at += count;
        }
        if self.is_starved.take() {
            self.work.set();
        }
    }

    async fn read(&self, first: u64, count: u64) -> Result<Buffer, Option<DiskError>> {
        let sector = first * (self.page / SECTOR) as u64;
        let mut pages = (first..first + count).map(|page| Disk::buffer_of(&self.pool, self.bytes_of(page)));
        let no_memory = Some(DiskError::Device(Error::NoMemory));
        let mut data = pages.next().flatten().ok_or(no_memory)?;
        for page in pages {
            data.append(page.ok_or(no_memory)?).map_err(|_| no_memory)?;
        }
        self.disk.fetch(sector, data).await
    }

    /// Puts pages that were read where they belong, and tells those who wait for them.
    fn fill(&self, first: u64, buffer: Buffer, is_hint: bool) {
        let (mut page, mut rest) = (first, Some(buffer));
        while let Some(mut buffer) = rest {
            rest = buffer.split_off();
            self.counters.pages_read.increment();
            if is_hint || page > first {
                self.counters.pages_ahead.increment();
            }
            let slot = self.frames.borrow_mut().fill(page, buffer);
            if let Some(slot) = slot {
                self.waiting.settle(page, &Ok(slot));
            }
            page += 1;
        }
    }
}
