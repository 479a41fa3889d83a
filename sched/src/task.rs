//! One task: its future, its waker and its account.
//!
//! The main future of `block_on` is a task too, whose future stays on the stack of `block_on`. Invariant: the future
//! is out of its place while it is polled, so nothing is borrowed then.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Waker};
use core::time::Duration;

use crate::ready::Header;
use crate::time::Instant;

/// Names a task for as long as its executor lives; numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl TaskId {
    /// The number: 0 is the main task, others count from 1 in the order in which they were spawned.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What the executor knows about one task.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The name that it was spawned with.
    pub name: &'static str,
    /// Its number.
    pub id: TaskId,
    /// Times that it was polled, without a poll that goes on right now.
    pub polls: u64,
    /// Calls of its wakers; several before one poll count each.
    pub wakes: u64,
    /// The sum of the times that its polls took.
    pub run_time: Duration,
    /// The time that its longest poll took.
    pub longest_poll: Duration,
    /// Whether it waits to be polled.
    pub ready: bool,
    /// What its last poll noted that it waits for (see [`Time::waiting`](crate::time::Time::waiting)); "event" if it
    /// noted nothing, as all of [`sync`](crate::sync) does.
    pub waits_for: &'static str,
}

/// A spawned future, on the heap.
pub(crate) type BoxedFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The main future: its output stays with `block_on`, which alone knows its type.
pub(crate) type MainFuture<'a> = Pin<&'a mut dyn Future<Output = ()>>;

pub(crate) struct Task {
    header: Arc<Header>,
    waker: Waker,
    /// Empty in the main task while it does not run.
    name: Cell<&'static str>,
    id: TaskId,
    /// `None` while it is polled, when it has finished, and always in the main task.
    future: Cell<Option<BoxedFuture>>,
    polls: Cell<u64>,
    /// Nanoseconds, as the next.
    run_time: Cell<u64>,
    longest_poll: Cell<u64>,
    waits_for: Cell<Option<&'static str>>,
}

impl Task {
    pub(crate) fn new(header: Header, name: &'static str, id: TaskId, future: Option<BoxedFuture>) -> Self {
        let header = Arc::new(header);
        Self {
            waker: Waker::from(header.clone()),
            header,
            name: Cell::new(name),
            id,
            future: Cell::new(future),
            polls: Cell::new(0),
            run_time: Cell::new(0),
            longest_poll: Cell::new(0),
            waits_for: Cell::new(None),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name.get()
    }

    pub(crate) fn begin_main(&self, name: &'static str) {
        self.name.set(name);
        self.waits_for.set(None);
        self.schedule();
    }

    pub(crate) fn end_main(&self) {
        self.name.set("");
    }

    /// Whether this is the main task and nothing is blocked on.
    pub(crate) fn is_idle_main(&self) -> bool {
        self.id.0 == 0 && self.name.get().is_empty()
    }

    pub(crate) fn schedule(&self) {
        self.header.schedule();
    }

    /// Its entry was taken from the ready ring: hands out the future to be polled, if it has one.
    pub(crate) fn start(&self) -> Option<BoxedFuture> {
        self.header.start();
        self.future.take()
    }

    /// Polls what [`Self::start`] handed out, or the main future. True if the task is done.
    pub(crate) fn poll(&self, future: Option<BoxedFuture>, main: Option<&mut MainFuture<'_>>) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        if let Some(mut future) = future {
            // A completed future is dropped here, on its task's account.
            if future.as_mut().poll(&mut cx).is_ready() {
                return true;
            }
            self.future.set(Some(future));
        } else if let Some(main) = main {
            let _ = main.as_mut().poll(&mut cx);
        }
        false
    }

    /// Books a poll, and what it noted.
    pub(crate) fn account(&self, start: Instant, end: Instant, note: Option<&'static str>) {
        let time = end.as_nanos().saturating_sub(start.as_nanos());
        self.polls.set(self.polls.get() + 1);
        self.run_time.set(self.run_time.get().wrapping_add(time));
        self.longest_poll.set(self.longest_poll.get().max(time));
        self.waits_for.set(note);
    }

    /// Makes all later wakes void. True if an entry is left in the ready ring, which stands for the slot until
    /// taken.
    pub(crate) fn finish(&self) -> bool {
        self.header.finish()
    }

    pub(crate) fn info(&self) -> TaskInfo {
        TaskInfo {
            name: self.name.get(),
            id: self.id,
            polls: self.polls.get(),
            wakes: self.header.wakes(),
            run_time: Duration::from_nanos(self.run_time.get()),
            longest_poll: Duration::from_nanos(self.longest_poll.get()),
            ready: self.header.is_queued(),
            waits_for: self.waits_for.get().unwrap_or("event"),
        }
    }
}
