//! Synchronisation between the tasks of one executor: [`Signal`], [`Event`], [`Latch`], [`channel`], [`Lines`] and
//! [`Mutex`].
//!
//! All of them serve waiters in the order in which they began to wait, wake one waiter for one thing to be had, and
//! let a waiter be dropped at any time: what it was woken for then goes to the next. A latch alone is never used up,
//! and wakes them all. They belong to one thread and need no atomics. Invariant: nobody overtakes a waiter, so a woken
//! waiter finds what it was woken for.

mod channel;
mod latch;
mod lines;
mod mutex;
mod signal;
mod waiters;

pub use channel::{Closed, Receiver, Sender, TryReceiveError, TrySendError, channel};
pub use latch::Latch;
pub use lines::{Line, Lines};
pub use mutex::{Mutex, MutexGuard};
pub use signal::{Event, Signal};
