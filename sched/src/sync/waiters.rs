//! The queue of those who wait for one thing, which the other modules here share.
//!
//! A [`Ticket`] is a place in the queue for as long as it lives. Only the first in the queue is woken, and it stays
//! first until it has taken what it was woken for or is dropped, which wakes the next. Those who use the queue let
//! nobody take anything past it, so the first finds what it was woken for. Invariant: no waker is woken or dropped
//! while the queue is borrowed, since foreign wakers may come back here.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;
use core::task::Waker;

#[derive(Default)]
pub(super) struct Waiters(RefCell<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiter>,
    /// The first has been woken and has not come yet.
    woken: bool,
    last_number: u64,
    /// One that waits without a place, served when nobody has a place.
    watcher: Option<Waker>,
}

struct Waiter {
    number: u64,
    waker: Waker,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().waiting.is_empty()
    }

    /// Wakes the first, unless that was done and it has not come yet. To be called whenever there is something to
    /// be had.
    pub(super) fn wake_first(&self) {
        let mut queue = self.0.borrow_mut();
        let waker = if queue.woken {
            None
        } else if let Some(first) = queue.waiting.first() {
            let waker = first.waker.clone();
            queue.woken = true;
            Some(waker)
        } else {
            queue.watcher.take()
        };
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes all, who find out that there is nothing to wait for any more.
    pub(super) fn wake_all(&self) {
        let mut index = 0;
        loop {
            // Its own statement: the queue must not be borrowed while foreign code runs in `wake`.
            let waker = self.0.borrow().waiting.get(index).map(|waiter| waiter.waker.clone());
            let Some(waker) = waker else { break };
            waker.wake();
            index += 1;
        }
    }

    /// Waits without a place in the queue; the last caller counts.
    pub(super) fn watch(&self, waker: &Waker) {
        let mut queue = self.0.borrow_mut();
        if queue.watcher.as_ref().is_some_and(|watcher| watcher.will_wake(waker)) {
            return;
        }
        let replaced = queue.watcher.replace(waker.clone());
        drop(queue);
        drop(replaced);
    }
}

/// A place in the queue from the first [`Self::wait`] to [`Self::leave`] or drop.
pub(super) struct Ticket<'a> {
    waiters: &'a Waiters,
    /// Zero: no place.
    number: u64,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(waiters: &'a Waiters) -> Self {
        Self { waiters, number: 0 }
    }

    /// Whether nobody came earlier.
    pub(super) fn is_first(&self) -> bool {
        self.waiters.0.borrow().waiting.first().is_none_or(|first| first.number == self.number)
    }

    /// Takes a place or keeps it, to be woken by `waker`.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let mut queue = self.waiters.0.borrow_mut();
        let Some(place) = queue.waiting.iter().position(|waiter| waiter.number == self.number) else {
            if queue.waiting.try_reserve(1).is_err() {
                // Without memory for a place it asks again in every turn.
                drop(queue);
                waker.wake_by_ref();
                return;
            }
            queue.last_number += 1;
            self.number = queue.last_number;
            queue.waiting.push(Waiter { number: self.number, waker: waker.clone() });
            return;
        };
        let mut replaced = None;
        if let Some(waiter) = queue.waiting.get_mut(place)
            && !waiter.waker.will_wake(waker)
        {
            replaced = Some(mem::replace(&mut waiter.waker, waker.clone()));
        }
        drop(queue);
        drop(replaced);
    }

    /// Gives the place up after taking what was waited for.
    pub(super) fn leave(&mut self) {
        self.remove();
    }

    /// True if a wake is lost thereby.
    fn remove(&mut self) -> bool {
        let number = mem::take(&mut self.number);
        if number == 0 {
            return false;
        }
        let mut queue = self.waiters.0.borrow_mut();
        let Some(place) = queue.waiting.iter().position(|waiter| waiter.number == number) else {
            return false;
        };
        let removed = queue.waiting.remove(place);
        let lost = place == 0 && mem::take(&mut queue.woken);
        drop(queue);
        drop(removed);
        lost
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.remove() {
            self.waiters.wake_first();
        }
    }
}
