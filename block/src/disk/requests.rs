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
    /// How many the device has.
    with_device: Cell<u16>,
    /// The number of the request that was begun last.
    last: Cell<u32>,
    /// How many flushes were not done.
    unflushed: Cell<u32>,
}

enum State {
    /// No request has it; then the next free tag.
    Free(u16),
    /// The device has the request, this is who waits for it, and whether it is a flush.
    Flying(u32, Option<Waker>, bool),
    /// The device has the request, nobody waits for it, and whether it is a flush.
    Abandoned(bool),
    Done(u32, Outcome),
}

/// A request that was begun: its tag, and a number, since another request has the tag after [`Requests::revoke`].
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub(super) tag: u16,
    number: u32,
}

impl Requests {
    /// A table for so many requests.
    pub(super) fn new(depth: usize) -> Self {
        // Tags are 16 bits, and one of them stands for none.
        let count = depth.min(usize::from(NO_TAG)) as u16;
        let link = |tag| State::Free(if tag + 1 < count { tag + 1 } else { NO_TAG });
        let free = Cell::new(if count > 0 { 0 } else { NO_TAG });
        let states = RefCell::new((0..count).map(link).collect());
        let (abandoned, with_device) = (Cell::new(0), Cell::new(0));
        Self { states, free, abandoned, with_device, last: Cell::new(0), unflushed: Cell::new(0) }
    }

    /// How many flushes were not done, whether anybody waited for them or not.
    pub(super) fn unflushed(&self) -> u32 {
        self.unflushed.get()
    }

    /// Whether the device has requests that nobody waits for.
    pub(super) fn has_abandoned(&self) -> bool {
        self.abandoned.get() > 0
    }

    /// Whether the device has none.
    pub(super) fn are_done(&self) -> bool {
        self.with_device.get() == 0
    }

    /// Whether a tag is free.
    pub(super) fn has_free(&self) -> bool {
        self.free.get() != NO_TAG
    }

    /// A tag for a request that is about to go to the device.
    pub(super) fn begin(&self, is_flush: bool) -> Option<Begun> {
        let tag = self.free.get();
        let mut states = self.states.borrow_mut();
        let state = states.get_mut(usize::from(tag))?;
        let State::Free(next) = *state else { return None };
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        *state = State::Flying(number, None, is_flush);
        self.free.set(next);
        self.with_device.set(self.with_device.get() + 1);
        Some(Begun { tag, number })
    }

    /// Frees the tag of a request that the device did not take.
    #[cold]
    pub(super) fn cancel(&self, tag: u16) {
        if let Some(state) = self.states.borrow_mut().get_mut(usize::from(tag)) {
            *state = State::Free(self.free.replace(tag));
            self.with_device.set(self.with_device.get() - 1);
        }
    }

    /// Takes back what was done and nobody has come for, whose tags and buffers others wait for. It is asked for again.
    #[cold]
    pub(super) fn revoke(&self) {
        for (tag, state) in (0..).zip(self.states.borrow_mut().iter_mut()) {
            if matches!(state, State::Done(..)) {
                *state = State::Free(self.free.replace(tag));
            }
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
            State::Flying(number, waker, is_flush) => {
                self.note(*is_flush, result);
                let waker = waker.take();
                *state = State::Done(*number, (data, result));
                waker
            }
            State::Abandoned(is_flush) => {
                self.note(*is_flush, result);
                self.abandoned.set(self.abandoned.get() - 1);
                *state = State::Free(self.free.replace(tag));
                None
            }
            // The device gives back what it has, and that once.
            State::Free(_) | State::Done(..) => None,
        }
    }

    /// The device is done with a request; a flush that was not done is counted.
    fn note(&self, is_flush: bool, result: Result<(), Fault>) {
        self.with_device.set(self.with_device.get() - 1);
        if is_flush && result.is_err() {
            self.unflushed.set(self.unflushed.get().wrapping_add(1));
        }
    }

    /// What has become of a request, whose tag is then free, `None` if that was revoked; or the task of `cx` is woken when it is
    /// known.
    pub(super) fn poll(&self, begun: Begun, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let mut states = self.states.borrow_mut();
        let Some(state) = states.get_mut(usize::from(begun.tag)) else { return Poll::Ready(None) };
        let mut replaced = None;
        match state {
            State::Flying(number, waker, _) if *number == begun.number => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    replaced = waker.replace(cx.waker().clone());
                }
            }
            State::Done(number, _) if *number == begun.number => {
                let free = State::Free(self.free.replace(begun.tag));
                if let State::Done(_, outcome) = mem::replace(state, free) {
                    return Poll::Ready(Some(outcome));
                }
            }
            _ => return Poll::Ready(None),
        }
        drop(states);
        // A foreign waker may come back here when it is dropped.
        drop(replaced);
        Poll::Pending
    }

    /// Nobody waits for a request any more. True if it was still with the device.
    pub(super) fn abandon(&self, begun: Begun) -> bool {
        let mut states = self.states.borrow_mut();
        let Some(state) = states.get_mut(usize::from(begun.tag)) else { return false };
        let (is_flying, next) = match state {
            State::Flying(number, _, is_flush) if *number == begun.number => {
                self.abandoned.set(self.abandoned.get() + 1);
                (true, State::Abandoned(*is_flush))
            }
            State::Done(number, _) if *number == begun.number => {
                (false, State::Free(self.free.replace(begun.tag)))
            }
            _ => return false,
        };
        let old = mem::replace(state, next);
        drop(states);
        drop(old);
        is_flying
    }
}
