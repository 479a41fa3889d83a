//! Reading into buffers that the caller has and keeps: nothing is copied.

use core::cell::Cell;
use core::future::poll_fn;

use unik_virtio::{Buffer, Pool};

use super::{Data, Disk, DiskError, FRONT, SECTOR, Span};
use crate::device::{Fault, Operation};

impl Disk {
    /// Bytes that a buffer of a request holds at most.
    pub(crate) fn part(&self) -> usize {
        self.shared.part
    }

    /// Bytes that a request moves at most.
    pub(crate) fn limit(&self) -> usize {
        self.shared.limit as usize * SECTOR
    }

    /// A buffer of `pool` for `length` bytes of a request, as devices and their hosts like it.
    pub(crate) fn buffer_of(pool: &Pool, length: usize) -> Option<Buffer> {
        let mut buffer = pool.allocate()?;
        let front = FRONT.checked_sub(buffer.headroom())?;
        buffer.set_len(front).ok()?;
        buffer.trim_front(front)?;
        buffer.set_len(length).ok()?;
        Some(buffer)
    }

    /// Fills the buffers with what is stored from `sector` on, by one request. They are all of [`Disk::part`] bytes but the last
    /// one, and of [`Disk::limit`] bytes together at most.
    ///
    /// It is not asked for a second time: an error may be that of another request. `None` as an error: the answer was taken
    /// back, since nobody came for it.
    pub(crate) async fn fetch(&self, sector: u64, data: Buffer) -> Result<Buffer, Option<DiskError>> {
        let shared = &*self.shared;
        let length = data.total_len() as u64;
        let sectors = length / SECTOR as u64;
        let (limit, _) = shared.check(Operation::Read, sector, sectors, length)?;
        if sectors == 0 || sectors > limit {
            return Err(Some(DiskError::OutOfRange(sector)));
        }
        let span = Span { operation: Operation::Read, start: sector, done: 0, count: sectors as u32 };
        let data = Cell::new(Some(data));
        let data = Data::Within(&data);
        let flight = match shared.launch_at_once(span, &data)? {
            Some(flight) => flight,
            None => {
                shared.counters.waits.increment();
                shared.patience.set(0);
                shared.submitted.set();
                let mut place = shared.line.join();
                poll_fn(|cx| shared.poll_launch(&mut place, span, &data, cx)).await?
            }
        };
        let outcome = flight.await;
        shared.line.wake_first();
        match outcome {
            Some((Some(buffer), Ok(()))) => Ok(buffer),
            Some((_, Err(Fault::Unsupported))) => Err(Some(DiskError::Unsupported)),
            Some((_, Err(Fault::Failed))) => Err(Some(DiskError::Read(sector))),
            Some(_) => Err(Some(DiskError::Failed)),
            None => Err(None),
        }
    }
}
