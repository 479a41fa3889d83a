//! The table of requests: who waits for each, and what has become of it.

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};
use core::mem;
use core::task::{Context, Poll, Waker};

use unik_virtio::Buffer;

use super::DiskCounters;
use crate::device::{Completion, Fault};

/// What has become of a request: its buffer, unless the device kept it, and whether it was done.
pub(super) type Outcome = (Option<Buffer>, Result<(), Fault>);

/// The tag that no request has.
const NO_TAG: u16 = u16::MAX;

/// The state of every tag.
pub(super) struct Requests {
    states: RefCell<Box<[State]>>,
    /// The first of the free tags, which are linked through their states.
    free: Cell<u16>,
    /// How many are abandoned.
    abandoned: Cell<u16>,
    /// How many flushes were not done.
    unflushed: Cell<u32>,
}

enum State {
    /// No request has it; then the next free tag.
    Free(u16),
    /// The device has the request, this is who waits for it, and whether it is a flush.
    Flying(Option<Waker>, bool),
    /// The device has the request, nobody waits for it, and whether it is a flush.
    Abandoned(bool),
    Done(Outcome),
}

impl Requests {
    /// A table for so many requests.
    pub(super) fn new(depth: usize) -> Self {
        // Tags are 16 bits, and one of them stands for none.
        let count = depth.min(usize::from(NO_TAG)) as u16;
        let link = |tag| State::Free(if tag + 1 < count { tag + 1 } else { NO_TAG });
        let free = Cell::new(if count > 0 { 0 } else { NO_TAG });
        let states = RefCell::new((0..count).map(link).collect());
        Self { states, free, abandoned: Cell::new(0), unflushed: Cell::new(0) }
    }

    /// How many flushes were not done, whether anybody waited for them or not.
    pub(super) fn unflushed(&self) -> u32 {
        self.unflushed.get()
    }

    /// Whether the device has requests that nobody waits for.
    pub(super) fn has_abandoned(&self) -> bool {
        self.abandoned.get() > 0
    }

    /// Whether a tag is free.
    pub(super) fn has_free(&self) -> bool {
        self.free.get() != NO_TAG
    }

    /// A tag for a request that is about to go to the device.
    pub(super) fn begin(&self, is_flush: bool) -> Option<u16> {
        let tag = self.free.get();
        let mut states = self.states.borrow_mut();
        let state = states.get_mut(usize::from(tag))?;
        let State::Free(next) = *state else { return None };
        *state = State::Flying(None, is_flush);
        self.free.set(next);
        Some(tag)
    }

    /// Frees the tag of a request that the device did not take.
    #[cold]
    pub(super) fn cancel(&self, tag: u16) {
        if let Some(state) = self.states.borrow_mut().get_mut(usize::from(tag)) {
            *state = State::Free(self.free.replace(tag));
        }
    }

    /// Notes what has become of a request: whom to wake.
    pub(super) fn settle(&self, completion: Completion, counters: &DiskCounters) -> Option<Waker> {
        if completion.result.is_err() {
            counters.errors.increment();
        }
        self.finish(completion.tag, Some(completion.data), completion.result)
    }

    /// Gives up one of the requests that somebody waits for, since the device is dead: whom to wake. `None` after the last.
    #[cold]
    pub(super) fn give_up(&self) -> Option<Waker> {
        loop {
            let flying = |state: &State| matches!(state, State::Flying(..));
            let tag = self.states.borrow().iter().position(flying)?;
            let waker = self.finish(tag as u16, None, Err(Fault::Dead));
            if waker.is_some() {
                return waker;
            }
        }
    }

    fn finish(&self, tag: u16, data: Option<Buffer>, result: Result<(), Fault>) -> Option<Waker> {
        let mut states = self.states.borrow_mut();
        let state = states.get_mut(usize::from(tag))?;
        match state {
            State::Flying(waker, is_flush) => {
                self.note(*is_flush, result);
                let waker = waker.take();
                *state = State::Done((data, result));
                waker
            }
            State::Abandoned(is_flush) => {
                self.note(*is_flush, result);
                self.abandoned.set(self.abandoned.get() - 1);
                *state = State::Free(self.free.replace(tag));
                None
            }
            // The device gives back what it has, and that once.
            State::Free(_) | State::Done(_) => None,
        }
    }

    /// Counts a flush that was not done.
    fn note(&self, is_flush: bool, result: Result<(), Fault>) {
        if is_flush && result.is_err() {
            self.unflushed.set(self.unflushed.get().wrapping_add(1));
        }
    }

    /// What has become of a request, whose tag is then free; or the task of `cx` is woken when it is known.
    pub(super) fn poll(&self, tag: u16, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut states = self.states.borrow_mut();
        let Some(state) = states.get_mut(usize::from(tag)) else {
            return Poll::Ready((None, Err(Fault::Dead)));
        };
        let mut replaced = None;
        match state {
            State::Flying(waker, _) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    replaced = waker.replace(cx.waker().clone());
                }
            }
            State::Done(_) => {
                let free = State::Free(self.free.replace(tag));
                if let State::Done(outcome) = mem::replace(state, free) {
                    return Poll::Ready(outcome);
                }
            }
            // It is asked for by the one that began it, until it has the outcome.
            State::Free(_) | State::Abandoned(_) => return Poll::Ready((None, Err(Fault::Dead))),
        }
        drop(states);
        // A foreign waker may come back here when it is dropped.
        drop(replaced);
        Poll::Pending
    }

    /// Nobody waits for a request any more. True if it was still with the device.
    pub(super) fn abandon(&self, tag: u16) -> bool {
        let mut states = self.states.borrow_mut();
        let Some(state) = states.get_mut(usize::from(tag)) else { return false };
        let (is_flying, next) = if let State::Flying(_, is_flush) = state {
            self.abandoned.set(self.abandoned.get() + 1);
            (true, State::Abandoned(*is_flush))
        } else {
            (false, State::Free(self.free.replace(tag)))
        };
        let old = mem::replace(state, next);
        drop(states);
        drop(old);
        is_flying
    }
}
