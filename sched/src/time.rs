//! Time: the one trait through which it enters, and the handle that sleeps are asked of.
//!
//! [`Platform`] is what a machine, a host process or a test supplies; [`Time`] is the handle that components keep, a
//! platform together with a queue of timers. The executor fires the timers at the start of each turn. Invariant: a
//! [`Sleep`] never completes before its deadline, and dropping it takes its timer out of the queue.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

pub use core::time::Duration;

use crate::counter::CounterSet;
pub use crate::instant::Instant;
use crate::timers::{TimerKey, TimerQueue};

crate::counters! {
    /// What the timer queue of one [`Time`] has done.
    struct TimeCounters {
        /// Timers put into the queue.
        set,
        /// Timers that reached their deadline.
        fired,
        /// Timers taken out before their deadline.
        cancelled,
        /// Polls of a sleep that found the queue full, or no memory for it: the sleep then asks again in every turn.
        refused,
    }
}

/// Timers that [`Time::new`] admits at the same time; [`Time::with_timer_limit`] takes another number.
pub const TIMER_LIMIT: usize = 4096;

/// What a [`Sleep`] notes; see [`Time::waiting`].
const TIMER: &str = "timer";

/// What the scheduler needs of the machine below it.
///
/// All methods are called on the thread of the executor, never while the scheduler holds a borrow: an
/// implementation may set events, wake tasks and spawn.
pub trait Platform {
    /// The time since boot. Never goes backwards.
    fn now(&self) -> Instant;

    /// Turns pending device interrupts into wakes; called once at the start of each turn of the executor.
    fn poll_events(&self) {}

    /// Called when nothing is ready: waits for an event of a device or for `until`, whichever comes first.
    ///
    /// May return early, and must return at once when `until` has passed or an event came after the last
    /// [`poll_events`](Self::poll_events): otherwise that event is slept through.
    fn idle(&self, until: Option<Instant>);

    /// Tells which task is polled from here on, `None` when none is: what a report of a crash names.
    fn running(&self, task: Option<&'static str>) {
        let _ = task;
    }
}

/// A handle of a clock and its timers; clones share both.
#[derive(Clone)]
pub struct Time(Rc<Shared>);

struct Shared {
    platform: Rc<dyn Platform>,
    timers: RefCell<TimerQueue<Waker>>,
    counters: TimeCounters,
    /// The time when it was last looked at between two polls.
    recent: Cell<Instant>,
    /// What the poll that goes on has noted.
    note: Cell<Option<&'static str>>,
}

impl Time {
    /// A clock on `platform` for at most [`TIMER_LIMIT`] timers.
    pub fn new(platform: Rc<dyn Platform>) -> Self {
        Self::with_timer_limit(platform, TIMER_LIMIT)
    }

    /// A clock on `platform` for at most `limit` timers at the same time.
    ///
    /// A sleep that finds the queue full still ends at the right time, but its task is polled in every turn until
    /// then; `refused` counts that.
    pub fn with_timer_limit(platform: Rc<dyn Platform>, limit: usize) -> Self {
        let timers = RefCell::new(TimerQueue::new(limit));
        let (counters, recent, note) = (TimeCounters::new(), Cell::new(Instant::ZERO), Cell::new(None));
        Self(Rc::new(Shared { platform, timers, counters, recent, note }))
    }

    /// The time since boot.
    // Asked for in many places, so it stands in the image once.
    #[inline(never)]
    pub fn now(&self) -> Instant {
        self.0.platform.now()
    }

    /// The time at which the executor began the poll that goes on, which costs nothing: for tasks that take one turn after
    /// the other and look at the clock first.
    #[inline]
    pub fn recent(&self) -> Instant {
        self.0.recent.get()
    }

    /// Notes the time between two polls.
    #[inline]
    pub(crate) fn note_now(&self, now: Instant) {
        self.0.recent.set(now);
    }

    /// Completes when `duration` has passed, counted from this call.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Completes at `deadline`, at once when that has passed and never at [`Instant::MAX`].
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep { time: self.clone(), deadline, timer: None }
    }

    /// Runs `future` for at most `duration`, counted from this call; then drops it.
    ///
    /// # Errors
    /// [`TimedOut`] when the time is over and `future` is not ready in that same poll.
    pub fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, TimedOut>> + use<F> {
        let mut sleep = self.sleep(duration);
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| Err(TimedOut)),
            })
            .await
        }
    }

    /// Notes, in a poll that is about to return [`Poll::Pending`], what for: two or three words for people, such as
    /// "tcp read". They stand in [`TaskInfo::waits_for`](crate::TaskInfo::waits_for) until the task is polled again.
    ///
    /// Of several notes of one poll the last one counts, for what was noted before it may be over: a task that gave
    /// up one wait in this very poll now waits for something else. But a [`Sleep`] only counts where nothing else is
    /// noted: around another wait it is the bound of that, which tells less.
    pub fn waiting(&self, on: &'static str) {
        self.0.note.set(Some(on));
    }

    /// What was noted since the last call.
    pub(crate) fn take_note(&self) -> Option<&'static str> {
        self.0.note.take()
    }

    /// When the next timer is due, if there is any.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.timers.borrow().next_deadline()
    }

    /// Timers waiting now.
    pub fn timers(&self) -> usize {
        self.0.timers.borrow().len()
    }

    /// Wakes whoever waits for a timer that is due, earliest first; returns the time. The executor does so in every
    /// turn; only another executor needs to call it.
    pub fn expire(&self) -> Instant {
        let now = self.0.platform.now();
        self.expire_at(now);
        now
    }

    /// The same for a time that the clock has just shown.
    #[inline]
    pub(crate) fn expire_at(&self, now: Instant) {
        self.note_now(now);
        loop {
            // Its own statement: the queue must not be borrowed while foreign code runs in `wake`.
            let due = self.0.timers.borrow_mut().pop_due(now);
            let Some(waker) = due else { return };
            self.0.counters.fired.increment();
            waker.wake();
        }
    }

    /// The counters of the timers: `set`, `fired`, `cancelled`, and `refused` for polls of
    /// sleeps that found the queue full.
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        self.0.clone()
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.0.platform
    }

    /// Arranges that the timer of `key` wakes `waker`. False if it does not wait any more.
    #[inline]
    fn keep(&self, key: Option<TimerKey>, waker: &Waker) -> bool {
        let Some(key) = key else { return false };
        let mut timers = self.0.timers.borrow_mut();
        let Some(known) = timers.value_mut(key) else { return false };
        let replaced = (!known.will_wake(waker)).then(|| core::mem::replace(known, waker.clone()));
        drop(timers);
        drop(replaced);
        true
    }

    /// Arranges that `waker` is woken at `deadline`.
    fn set(&self, key: &mut Option<TimerKey>, deadline: Instant, waker: &Waker) {
        *key = self.0.timers.borrow_mut().insert(deadline, waker.clone());
        if key.is_some() {
            self.0.counters.set.increment();
        } else {
            self.0.counters.refused.increment();
            waker.wake_by_ref();
        }
    }

    fn cancel(&self, key: TimerKey) {
        let cancelled = self.0.timers.borrow_mut().cancel(key);
        if cancelled.is_some() {
            self.0.counters.cancelled.increment();
        }
    }
}

impl CounterSet for Shared {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        self.counters.visit(visit);
    }
}

/// Waits for a moment; made by [`Time::sleep`] and [`Time::sleep_until`]. Dropping it cancels the timer.
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    time: Time,
    deadline: Instant,
    timer: Option<TimerKey>,
}

impl Sleep {
    /// The moment at which it completes.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Moves the moment to `deadline`; takes effect at the next poll.
    pub fn reset(&mut self, deadline: Instant) {
        self.cancel();
        self.deadline = deadline;
    }

    #[inline(never)]
    fn cancel(&mut self) {
        if let Some(key) = self.timer.take() {
            self.time.cancel(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // As long as its timer waits, the executor has not seen the deadline pass: the clock is not looked at.
        if this.deadline != Instant::MAX && !this.time.keep(this.timer, cx.waker()) {
            if this.time.now() >= this.deadline {
                this.timer = None;
                return Poll::Ready(());
            }
            this.time.set(&mut this.timer, this.deadline, cx.waker());
        }
        let note = &this.time.0.note;
        note.set(note.get().or(Some(TIMER)));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The time given to [`Time::timeout`] was over first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not finished in the time allowed")
    }
}

impl core::error::Error for TimedOut {}
