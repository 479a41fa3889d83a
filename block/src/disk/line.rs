//! The line of those who wait for room.
//!
//! Only the first is woken, and it stays first until it has what it waits for or is dropped, unless it is sent to the end.
//! Invariant: no waker is woken or dropped while the line is borrowed, since foreign wakers may come back here.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::mem;
use core::task::{Context, Waker};

#[derive(Default)]
pub(super) struct Line {
    waiting: RefCell<Vec<(u64, Waker)>>,
    /// The number of the place that was given out last.
    last: Cell<u64>,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Wakes the first, which finds out whether there is room.
    pub(super) fn wake_first(&self) {
        // Its own statement: the line must not be borrowed while foreign code runs in `wake`.
        let waker = self.waiting.borrow().first().map(|(_, waker)| waker.clone());
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sends the first one, who does not come, to the end.
    #[cold]
    pub(super) fn pass(&self) {
        let waiting = &mut *self.waiting.borrow_mut();
        if !waiting.is_empty() {
            waiting.rotate_left(1);
        }
    }

    /// A place, from the first [`Place::is_first`] on.
    pub(super) fn join(&self) -> Place<'_> {
        Place { line: self, number: 0 }
    }
}

/// A place in the line, until it is dropped.
pub(super) struct Place<'a> {
    line: &'a Line,
    /// Zero: none yet.
    number: u64,
}

impl Place<'_> {
    /// Whether nobody is before it; if somebody is, or what is wanted is not there, the task of `cx` is woken.
    pub(super) fn is_first(&mut self, cx: &Context<'_>) -> bool {
        let mut waiting = self.line.waiting.borrow_mut();
        let place = waiting.iter().position(|(number, _)| *number == self.number);
        let mut replaced = None;
        if let Some((_, waker)) = place.and_then(|place| waiting.get_mut(place)) {
            if !waker.will_wake(cx.waker()) {
                replaced = Some(mem::replace(waker, cx.waker().clone()));
            }
        } else if waiting.try_reserve(1).is_err() {
            // Without memory for a place it asks again in every turn.
            cx.waker().wake_by_ref();
        } else {
            self.number = self.line.last.get() + 1;
            self.line.last.set(self.number);
            waiting.push((self.number, cx.waker().clone()));
        }
        let is_first = waiting.first().is_none_or(|(number, _)| *number == self.number);
        drop(waiting);
        drop(replaced);
        is_first
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.borrow_mut();
        let Some(place) = waiting.iter().position(|(number, _)| *number == self.number) else { return };
        let removed = waiting.remove(place);
        drop(waiting);
        drop(removed);
        if place == 0 {
            self.line.wake_first();
        }
    }
}
