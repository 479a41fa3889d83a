//! The queue of tasks that are ready to be polled, and the wakers that fill it.
//!
//! A waker is an `Arc` of a task's [`Header`]; waking puts the task's slot into a ring of atomics that has an entry
//! for every task there can be, so that it neither allocates nor locks nor fails, from any thread. Invariant: a
//! header puts its slot into the ring only if it is not there already, hence the ring never overflows.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// The ring. Entries are slot + 1, so that zero means: not written yet.
pub(crate) struct Ready {
    entries: Box<[AtomicU32]>,
    tail: AtomicUsize,
}

impl Ready {
    /// A ring for `capacity` headers.
    pub(crate) fn new(capacity: usize) -> Self {
        // A power of two, so that the positions may wrap around.
        let entries = (0..capacity.next_power_of_two()).map(|_| AtomicU32::new(0)).collect();
        Self { entries, tail: AtomicUsize::new(0) }
    }

    /// The position behind the last entry.
    pub(crate) fn end(&self) -> usize {
        self.tail.load(Ordering::Acquire)
    }

    /// Takes the entry at `position`; `None` when another thread is about to write it.
    pub(crate) fn take(&self, position: usize) -> Option<u32> {
        self.entry(position)?.swap(0, Ordering::Acquire).checked_sub(1)
    }

    fn push(&self, slot: u32) {
        let position = self.tail.fetch_add(1, Ordering::AcqRel);
        if let Some(entry) = self.entry(position) {
            entry.store(slot + 1, Ordering::Release);
        }
    }

    fn entry(&self, position: usize) -> Option<&AtomicU32> {
        self.entries.get(position & self.entries.len().wrapping_sub(1))
    }
}

/// The part of a task that its wakers share.
pub(crate) struct Header {
    ready: Arc<Ready>,
    slot: u32,
    state: AtomicU8,
    wakes: AtomicUsize,
}

/// The slot stands in the ring.
const QUEUED: u8 = 1;
/// The task has completed: wakes have no effect any more.
const DONE: u8 = 2;

impl Header {
    pub(crate) fn new(ready: Arc<Ready>, slot: u32) -> Self {
        Self { ready, slot, state: AtomicU8::new(0), wakes: AtomicUsize::new(0) }
    }

    /// Puts the task into the ring if it is not there. This must write even where nothing changes: it publishes
    /// what the waking thread did before to the poll that follows.
    pub(crate) fn schedule(&self) {
        if self.state.fetch_or(QUEUED, Ordering::AcqRel) == 0 {
            self.ready.push(self.slot);
        }
    }

    /// Its entry was taken: from here on a wake means another poll.
    pub(crate) fn start(&self) {
        self.state.fetch_and(!QUEUED, Ordering::AcqRel);
    }

    /// Makes all later wakes void. True if an entry is left in the ring, which stands for the slot until taken.
    pub(crate) fn finish(&self) -> bool {
        self.state.swap(DONE, Ordering::AcqRel) & QUEUED != 0
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.state.load(Ordering::Relaxed) == QUEUED
    }

    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed) as u64
    }
}

impl Wake for Header {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.schedule();
    }
}
