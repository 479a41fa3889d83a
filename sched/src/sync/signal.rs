//! A place for the latest value, and its case without a value, the event.
//!
//! Writing never waits: a value that nobody took is replaced. Suited to what only the newest state of matters: a
//! device that has news, a lease, a link that went up.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Context, Poll};

use super::waiters::{Ticket, Waiters};

/// Holds the latest value until somebody takes it; clones share it.
///
/// Any number may wait: each value goes to one of them, the one that has waited longest.
pub struct Signal<T>(Rc<Shared<T>>);

struct Shared<T> {
    value: RefCell<Option<T>>,
    waiters: Waiters,
}

impl<T> Signal<T> {
    /// A signal without a value.
    pub fn new() -> Self {
        Self(Rc::new(Shared { value: RefCell::new(None), waiters: Waiters::default() }))
    }

    /// Puts `value` there and wakes a waiter; returns the value that it replaces.
    pub fn set(&self, value: T) -> Option<T> {
        let replaced = self.0.value.replace(Some(value));
        self.0.waiters.wake_first();
        replaced
    }

    /// Whether a value is there.
    pub fn is_set(&self) -> bool {
        self.0.value.borrow().is_some()
    }

    /// Takes the value if there is one and nobody waits for it.
    #[inline]
    pub fn try_take(&self) -> Option<T> {
        if self.0.waiters.is_empty() { self.0.value.take() } else { None }
    }

    /// Waits for a value and takes it.
    pub async fn wait(&self) -> T {
        let mut ticket = Ticket::new(&self.0.waiters);
        poll_fn(|cx| {
            if ticket.is_first()
                && let Some(value) = self.0.value.take()
            {
                ticket.leave();
                return Poll::Ready(value);
            }
            ticket.wait(cx.waker());
            Poll::Pending
        })
        .await
    }

    /// Takes the value, or arranges that the task of `cx` is woken when one is there.
    ///
    /// For a single task that looks at several things in one poll: it keeps no place among those in
    /// [`wait`](Self::wait), who come first, and of several such callers the last is woken.
    pub fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(value) = self.try_take() {
            return Poll::Ready(value);
        }
        self.0.waiters.watch(cx.waker());
        Poll::Pending
    }
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Signal<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Something has happened: set by whoever knows, and stays set until it is taken. Clones share it.
///
/// Setting it twice before it is taken counts once. [`Platform::poll_events`](crate::time::Platform::poll_events)
/// may set it.
#[derive(Clone, Default)]
pub struct Event(Signal<()>);

impl Event {
    /// An event that has not happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// It has happened: wakes one waiter, the one that has waited longest.
    pub fn set(&self) {
        self.0.set(());
    }

    /// Whether it has happened and was not taken.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    /// Takes it if it has happened and nobody waits for it.
    #[inline]
    pub fn try_take(&self) -> bool {
        self.0.try_take().is_some()
    }

    /// Waits until it happens and takes it.
    pub async fn wait(&self) {
        self.0.wait().await;
    }

    /// Takes it, or arranges that the task of `cx` is woken; the same as [`Signal::poll_wait`].
    pub fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_wait(cx)
    }
}
