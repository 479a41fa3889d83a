//! One request of an operation, from the memory for it to what has become of it.

use core::pin::Pin;
use core::task::{Context, Poll};

use unik_virtio::Buffer;

use super::line::Place;
use super::requests::{Begun, Outcome};
use super::{Data, DiskError, FRONT, SECTOR, Shared, Span};
use crate::device::{Fault, Operation, Request};

/// A request that is under way.
pub(super) struct Flight<'a> {
    shared: &'a Shared,
    span: Span,
    begun: Begun,
    is_over: bool,
}

impl Shared {
    /// Sends a request on its way, if there is room and nobody waits for some.
    pub(super) fn launch_at_once(
        &self,
        span: Span,
        data: &Data<'_>,
    ) -> Result<Option<Flight<'_>>, DiskError> {
        if self.line.len() > 0 { Ok(None) } else { self.try_launch(span, data) }
    }

    /// Sends a request on its way if this is the first place in the line and there is room, or has the task of `cx` woken when
    /// it may be so.
    pub(super) fn poll_launch(
        &self,
        place: &mut Place<'_>,
        span: Span,
        data: &Data<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Flight<'_>, DiskError>> {
        if place.is_first(cx)
            && let Some(launched) = self.try_launch(span, data).transpose()
        {
            return Poll::Ready(launched);
        }
        self.time.waiting("disk room");
        Poll::Pending
    }

    #[inline(never)]
    fn try_launch(&self, span: Span, data: &Data<'_>) -> Result<Option<Flight<'_>>, DiskError> {
        let mut device = self.device.borrow_mut();
        if device.has_failed() {
            return Err(DiskError::Failed);
        }
        let length = match span.operation {
            Operation::Read | Operation::Write => span.count as usize * SECTOR,
            _ => 0,
        };
        let parts = length.div_ceil(self.part).max(1);
        // What is done when a flush begins is durable after it, and writes that nobody waits for shall be done.
        let must_wait = span.operation == Operation::Flush && self.requests.has_abandoned();
        if must_wait || !device.has_room(parts) || !self.requests.has_free() {
            return Ok(None);
        }
        let buffer = match data {
            Data::Within(buffer) => buffer.take(),
            _ => self.allocate(parts, length, data, span),
        };
        let Some(buffer) = buffer else { return Ok(None) };
        let Some(begun) = self.requests.begin(span.operation == Operation::Flush) else { return Ok(None) };
        let sector = if span.operation == Operation::Flush { 0 } else { span.sector() };
        let request =
            Request { operation: span.operation, sector, sectors: span.count, data: buffer, tag: begun.tag };
        if device.submit(request).is_err() {
            // It said that it had room: waiting for more would have no end.
            self.requests.cancel(begun.tag);
            return Err(DiskError::Impossible);
        }
        drop(device);
        self.count(span);
        self.patience.set(0);
        self.submitted.set();
        Ok(Some(Flight { shared: self, span, begun, is_over: false }))
    }

    /// As many buffers as hold `length` bytes, with those of the data that are to be written. `None` if there are not so many.
    fn allocate(&self, parts: usize, length: usize, data: &Data<'_>, span: Span) -> Option<Buffer> {
        if self.pool.available() < parts {
            return None;
        }
        let mut source = match data {
            Data::From(bytes) => bytes.get(span.bytes())?,
            _ => &[],
        };
        let mut rest = length;
        let mut next = || {
            let mut buffer = self.pool.allocate()?;
            // What is in front of the data: headroom for the device, and aligned for its host.
            let front = FRONT.checked_sub(buffer.headroom())?;
            buffer.set_len(front).ok()?;
            buffer.trim_front(front)?;
            let count = rest.min(self.part);
            rest -= count;
            buffer.set_len(count).ok()?;
            if let Some((part, more)) = source.split_at_checked(count) {
                buffer.copy_from_slice(part);
                source = more;
            }
            Some(buffer)
        };
        let mut first = next()?;
        for _ in 1..parts {
            first.append(next()?).ok()?;
        }
        Some(first)
    }

    fn count(&self, span: Span) {
        let counters = &self.counters;
        let (requests, sectors) = match span.operation {
            Operation::Read => (&counters.reads, Some(&counters.sectors_read)),
            Operation::Write => (&counters.writes, Some(&counters.sectors_written)),
            Operation::Flush => (&counters.flushes, None),
            Operation::Discard | Operation::WriteZeroes => (&counters.others, None),
        };
        requests.increment();
        if let Some(sectors) = sectors {
            sectors.add(span.count.into());
        }
    }

    /// Takes what has become of a request. The error is `None` where that was revoked.
    #[inline(never)]
    pub(super) fn land(
        &self,
        span: Span,
        outcome: Option<Outcome>,
        data: &mut Data<'_>,
    ) -> Result<(), Option<DiskError>> {
        let Some(outcome) = outcome else { return Err(None) };
        let result = arrive(span, &outcome, data);
        drop(outcome);
        self.line.wake_first();
        result.map_err(Some)
    }
}

/// Copies what was read to where it is wanted, or says what went wrong.
fn arrive(span: Span, outcome: &Outcome, data: &mut Data<'_>) -> Result<(), DiskError> {
    match outcome {
        (Some(buffer), Ok(())) => {
            if let Data::Into(bytes) = data
                && let Some(mut target) = bytes.get_mut(span.bytes())
            {
                for part in buffer.parts() {
                    let Some((now, later)) = target.split_at_mut_checked(part.len()) else { break };
                    now.copy_from_slice(part);
                    target = later;
                }
            }
            Ok(())
        }
        (_, Err(Fault::Unsupported)) => Err(DiskError::Unsupported),
        (_, Err(Fault::Failed)) => Err(match span.operation {
            Operation::Read => DiskError::Read(span.sector()),
            Operation::Write => DiskError::Write(span.sector()),
            Operation::Flush => DiskError::Flush,
            Operation::Discard => DiskError::Discard(span.sector()),
            Operation::WriteZeroes => DiskError::WriteZeroes(span.sector()),
        }),
        _ => Err(DiskError::Failed),
    }
}

impl Flight<'_> {
    pub(super) fn span(&self) -> Span {
        self.span
    }
}

impl Future for Flight<'_> {
    type Output = Option<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let outcome = self.shared.requests.poll(self.begun, cx);
        self.is_over = outcome.is_ready();
        if !self.is_over {
            self.shared.time.waiting("disk");
        }
        outcome
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if self.shared.requests.abandon(self.begun) {
            self.shared.counters.abandoned.increment();
        } else {
            self.shared.line.wake_first();
        }
    }
}
