//! Something that happens once and stays so.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Set once, and set for ever: whoever waits, now or later, hears of it.
///
/// The difference to an [`Event`](super::Event): nobody takes it, so any number may wait for the same thing. Those who
/// share it keep a reference.
#[derive(Default)]
pub struct Latch {
    is_set: Cell<bool>,
    /// One for each wait that has begun and goes on. Equal ones stand for each other.
    waiting: RefCell<Vec<Waker>>,
}

impl Latch {
    /// A latch that is not set.
    pub const fn new() -> Self {
        Self { is_set: Cell::new(false), waiting: RefCell::new(Vec::new()) }
    }

    /// Sets it and wakes all who wait. Setting it again changes nothing.
    pub fn set(&self) {
        self.is_set.set(true);
        // Its own statement: the list must not be borrowed while foreign code runs in `wake`.
        let waiting = self.waiting.take();
        for waker in waiting {
            waker.wake();
        }
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Waits until it is set; at once when it was.
    pub fn wait(&self) -> impl Future<Output = ()> {
        Wait { latch: self, waker: None }
    }
}

struct Wait<'a> {
    latch: &'a Latch,
    /// What stands for this wait among those that wait.
    waker: Option<Waker>,
}

impl Wait<'_> {
    fn leave(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let mut waiting = self.latch.waiting.borrow_mut();
        let place = waiting.iter().position(|other| other.will_wake(&waker));
        let removed = place.map(|place| waiting.swap_remove(place));
        drop(waiting);
        drop(removed);
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.latch.is_set() {
            return Poll::Ready(());
        }
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.leave();
            let mut waiting = self.latch.waiting.borrow_mut();
            if waiting.try_reserve(1).is_err() {
                // Without memory for a place it asks again in every turn.
                drop(waiting);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            waiting.push(cx.waker().clone());
            drop(waiting);
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
