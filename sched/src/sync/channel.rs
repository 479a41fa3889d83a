//! A bounded queue of messages from any number of senders to one receiver.
//!
//! A full queue makes senders wait (or is told to [`Sender::try_send`], and counted), so a slow receiver slows its
//! senders down instead of filling the memory. Invariant: messages arrive in the order in which their senders asked
//! to send.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use super::waiters::{Ticket, Waiters};
use crate::counter::Counter;

/// A channel for at most `capacity` messages (at least one), whose memory is set aside at once.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let capacity = capacity.max(1);
    let shared = Rc::new(Shared {
        messages: RefCell::new(VecDeque::with_capacity(capacity)),
        capacity,
        closed: Cell::new(false),
        senders: Cell::new(1),
        room: Waiters::default(),
        news: Waiters::default(),
        refused: Counter::new(),
    });
    (Sender(shared.clone()), Receiver(shared))
}

struct Shared<T> {
    messages: RefCell<VecDeque<T>>,
    capacity: usize,
    /// The receiver takes no more messages than are there.
    closed: Cell<bool>,
    senders: Cell<usize>,
    /// Senders that wait.
    room: Waiters,
    /// The receiver, as a watcher.
    news: Waiters,
    refused: Counter,
}

impl<T> Shared<T> {
    fn has_room(&self) -> bool {
        self.messages.borrow().len() < self.capacity
    }

    fn push(&self, message: T) {
        self.messages.borrow_mut().push_back(message);
        self.news.wake_first();
    }

    /// Takes the oldest message; tells senders of the room.
    fn pop(&self) -> Option<T> {
        let message = self.messages.borrow_mut().pop_front()?;
        self.room.wake_first();
        Some(message)
    }

    fn is_finished(&self) -> bool {
        self.closed.get() || self.senders.get() == 0
    }
}

/// The end of a channel that messages are put in; clones send to the same receiver.
pub struct Sender<T>(Rc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends `message`, waiting while the channel is full. Dropping the future before it is ready sends nothing.
    ///
    /// # Errors
    /// [`Closed`] with the message when there is no receiver any more.
    pub async fn send(&self, message: T) -> Result<(), Closed<T>> {
        let shared = &*self.0;
        let mut ticket = Ticket::new(&shared.room);
        let open = poll_fn(|cx| {
            if shared.closed.get() {
                Poll::Ready(false)
            } else if ticket.is_first() && shared.has_room() {
                Poll::Ready(true)
            } else {
                ticket.wait(cx.waker());
                Poll::Pending
            }
        })
        .await;
        ticket.leave();
        if !open {
            return Err(Closed(message));
        }
        shared.push(message);
        if shared.has_room() {
            shared.room.wake_first();
        }
        Ok(())
    }

    /// Sends `message` if there is room now and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError`] with the message.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let shared = &*self.0;
        if shared.closed.get() {
            return Err(TrySendError::Closed(message));
        }
        if !shared.has_room() || !shared.room.is_empty() {
            shared.refused.increment();
            return Err(TrySendError::Full(message));
        }
        shared.push(message);
        Ok(())
    }

    /// Whether the receiver is gone or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.set(self.0.senders.get() + 1);
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = self.0.senders.get() - 1;
        self.0.senders.set(left);
        if left == 0 {
            self.0.news.wake_first();
        }
    }
}

/// The end of a channel that messages come out of. Dropping it closes the channel and drops what is in it.
pub struct Receiver<T>(Rc<Shared<T>>);

impl<T> Receiver<T> {
    /// Waits for the next message; `None` when the channel is empty and closed or all senders are gone.
    pub async fn receive(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// The same as [`receive`](Self::receive) for a task that looks at several things in one poll.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(message) = self.0.pop() {
            return Poll::Ready(Some(message));
        }
        if self.0.is_finished() {
            return Poll::Ready(None);
        }
        self.0.news.watch(cx.waker());
        Poll::Pending
    }

    /// Takes the next message if there is one now.
    ///
    /// # Errors
    /// [`TryReceiveError`] says whether there can be one later.
    pub fn try_receive(&mut self) -> Result<T, TryReceiveError> {
        match self.0.pop() {
            Some(message) => Ok(message),
            None if self.0.is_finished() => Err(TryReceiveError::Closed),
            None => Err(TryReceiveError::Empty),
        }
    }

    /// Admits no more messages; those in the channel can still be received.
    pub fn close(&mut self) {
        self.0.closed.set(true);
        self.0.room.wake_all();
    }

    /// Messages in the channel.
    pub fn len(&self) -> usize {
        self.0.messages.borrow().len()
    }

    /// Whether no message is in the channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that the channel can hold.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// How often [`Sender::try_send`] found the channel full.
    pub fn refused(&self) -> u64 {
        self.0.refused.get()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // Taken out first: dropping a message may run code that looks at this channel.
        let messages = self.0.messages.take();
        drop(messages);
    }
}

/// The receiver is gone; the message comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T>(pub T);

/// Why a message was not sent at once; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The channel is full, or others wait to send.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// Why no message was received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryReceiveError {
    /// No message is there yet.
    Empty,
    /// The channel is empty, and closed or without senders: no message will come.
    Closed,
}

const CLOSED: &str = "the channel is closed";

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

// Not derived: a message need not be `Debug` for its error to be.
impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the channel is full",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        })
    }
}

impl fmt::Display for TryReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => CLOSED,
        })
    }
}

impl<T> core::error::Error for Closed<T> {}
impl<T> core::error::Error for TrySendError<T> {}
impl core::error::Error for TryReceiveError {}
