//! Exclusive access that may be kept while a task waits for something else.
//!
//! What is only touched between two waits needs no mutex: tasks are not interrupted, a `Cell` or `RefCell` does.

use core::cell::{RefCell, RefMut};
use core::future::poll_fn;
use core::ops::{Deref, DerefMut};
use core::task::Poll;

use super::waiters::{Ticket, Waiters};

/// A value that one task at a time may use; put it into an `Rc` to share it.
///
/// Fair: who asked first gets it first, and nobody can take it past one that waits. A task that locks what it has
/// locked waits forever.
#[derive(Default)]
pub struct Mutex<T> {
    value: RefCell<T>,
    waiters: Waiters,
}

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> Self {
        Self { value: RefCell::new(value), waiters: Waiters::default() }
    }

    /// Waits until it is this caller's turn. Dropping the guard ends the turn.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        let mut ticket = Ticket::new(&self.waiters);
        let value = poll_fn(|cx| {
            if ticket.is_first()
                && let Ok(value) = self.value.try_borrow_mut()
            {
                ticket.leave();
                return Poll::Ready(value);
            }
            ticket.wait(cx.waker());
            Poll::Pending
        })
        .await;
        MutexGuard { value, _release: Release(&self.waiters) }
    }

    /// Access at once, if nobody has it or waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if !self.waiters.is_empty() {
            return None;
        }
        let value = self.value.try_borrow_mut().ok()?;
        Some(MutexGuard { value, _release: Release(&self.waiters) })
    }

    /// The value, when nobody shares the mutex any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// Exclusive access to the value of a [`Mutex`], until dropped.
#[must_use = "the mutex is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    // Dropped before `_release`, so that the next finds the value free.
    value: RefMut<'a, T>,
    _release: Release<'a>,
}

struct Release<'a>(&'a Waiters);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.wake_first();
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
