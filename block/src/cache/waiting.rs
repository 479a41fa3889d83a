//! Who waits for which page.
//!
//! Invariant: no waker is woken or dropped while the list is borrowed, since foreign wakers may come back here.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::mem;
use core::task::{Context, Poll, Waker};

use super::frames::Slot;
use crate::disk::DiskError;

/// What has become of a page.
type Outcome = Result<Rc<Slot>, DiskError>;

#[derive(Default)]
pub(super) struct Waiting {
    readers: RefCell<Vec<Reader>>,
    /// The number of the reader that came last.
    last: Cell<u64>,
}

struct Reader {
    number: u64,
    page: u64,
    ahead: u64,
    state: State,
    waker: Waker,
}

enum State {
    Wanted,
    Coming,
    Done(Outcome),
}

impl Waiting {
    /// A place among the readers, from [`Ticket::joins`] on.
    pub(super) fn ticket(&self, page: u64, ahead: u64) -> Ticket<'_> {
        Ticket { waiting: self, page, ahead, number: 0 }
    }

    /// The page that has been wanted for longest and nobody fetches, and how many behind it are wanted.
    pub(super) fn first_wanted(&self) -> Option<(u64, u64)> {
        let readers = self.readers.borrow();
        let wanted = readers.iter().find(|reader| matches!(reader.state, State::Wanted))?;
        Some((wanted.page, wanted.ahead))
    }

    /// A page is being fetched.
    pub(super) fn comes(&self, page: u64) {
        let mut readers = self.readers.borrow_mut();
        for reader in readers.iter_mut() {
            if reader.page == page && matches!(reader.state, State::Wanted) {
                reader.state = State::Coming;
            }
        }
    }

    /// Tells all who wait for a page what has become of it.
    pub(super) fn settle(&self, page: u64, outcome: &Outcome) {
        loop {
            let mut readers = self.readers.borrow_mut();
            let is_unsettled =
                |reader: &&mut Reader| reader.page == page && !matches!(reader.state, State::Done(_));
            let Some(reader) = readers.iter_mut().find(is_unsettled) else { return };
            reader.state = State::Done(outcome.clone());
            let waker = reader.waker.clone();
            drop(readers);
            waker.wake();
        }
    }
}

pub(super) struct Ticket<'a> {
    waiting: &'a Waiting,
    page: u64,
    ahead: u64,
    /// Zero: none yet.
    number: u64,
}

impl Ticket<'_> {
    /// Takes a place, unless it has one: whether it was taken now.
    pub(super) fn joins(&mut self, cx: &Context<'_>) -> bool {
        if self.number != 0 {
            return false;
        }
        let mut readers = self.waiting.readers.borrow_mut();
        if readers.try_reserve(1).is_err() {
            // Without memory for a place it asks again in every turn.
            drop(readers);
            cx.waker().wake_by_ref();
            return false;
        }
        self.number = self.waiting.last.get() + 1;
        self.waiting.last.set(self.number);
        let Self { page, ahead, number, .. } = *self;
        readers.push(Reader { number, page, ahead, state: State::Wanted, waker: cx.waker().clone() });
        true
    }

    /// What has become of the page, or the task of `cx` is woken when that is known.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Outcome> {
        let mut readers = self.waiting.readers.borrow_mut();
        let mine = readers.iter_mut().find(|reader| reader.number == self.number);
        let Some(reader) = mine else { return Poll::Pending };
        if let State::Done(outcome) = &reader.state {
            return Poll::Ready(outcome.clone());
        }
        let mut replaced = None;
        if !reader.waker.will_wake(cx.waker()) {
            replaced = Some(mem::replace(&mut reader.waker, cx.waker().clone()));
        }
        drop(readers);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut readers = self.waiting.readers.borrow_mut();
        let place = readers.iter().position(|reader| reader.number == self.number);
        let removed = place.map(|place| readers.remove(place));
        drop(readers);
        drop(removed);
    }
}
