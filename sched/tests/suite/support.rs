//! What the tests share: a clock that jumps, a trace, and a future that is polled by hand.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use unik_sched::Executor;
use unik_sched::counter::CounterSet;
use unik_sched::time::{Instant, Platform, Time};

/// Virtual time: idling jumps to the deadline. Idling without one is a deadlock and fails the test.
#[derive(Default)]
pub(crate) struct Clock {
    now: Cell<Instant>,
    /// The deadlines that the executor went idle with.
    pub(crate) idles: RefCell<Vec<Option<Instant>>>,
    /// The tasks that were announced.
    pub(crate) announced: RefCell<Vec<Option<&'static str>>>,
    /// What each turn finds among the devices' events; the closure is called until it says that it is done.
    pub(crate) on_events: RefCell<Option<Box<dyn FnMut() -> bool>>>,
}

impl Clock {
    pub(crate) fn advance(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }
}

impl Platform for Clock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn poll_events(&self) {
        let handler = self.on_events.borrow_mut().take();
        if let Some(mut handler) = handler
            && !handler()
        {
            *self.on_events.borrow_mut() = Some(handler);
        }
    }

    fn idle(&self, until: Option<Instant>) {
        self.idles.borrow_mut().push(until);
        if let Some(until) = until {
            assert!(until > self.now.get(), "idle until {until:?}, which has passed");
            self.now.set(until);
        } else {
            assert!(self.on_events.borrow().is_some(), "idle forever, and no event is to come");
        }
    }

    fn running(&self, task: Option<&'static str>) {
        self.announced.borrow_mut().push(task);
    }
}

/// A machine, its time and an executor for `limit` tasks.
pub(crate) fn machine(limit: usize) -> (Rc<Clock>, Time, Executor) {
    let clock = Rc::new(Clock::default());
    let time = Time::new(clock.clone());
    let executor = Executor::new(&time, limit);
    (clock, time, executor)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// What was noted since the last call, joined by spaces.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(" ")
    }

    /// Notes `name` at each poll of `future`, and `name!` when it is ready.
    pub(crate) async fn polls<F: Future>(self, name: &'static str, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            self.note(if poll.is_ready() { format!("{name}!") } else { name.to_string() });
            poll
        })
        .await
    }
}

/// A future that the test holds the strings of.
#[derive(Clone, Default)]
pub(crate) struct Puppet(Rc<Strings>);

#[derive(Default)]
struct Strings {
    done: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Puppet {
    /// The waker of the last poll.
    pub(crate) fn waker(&self) -> Waker {
        self.0.waker.borrow().clone().expect("the puppet was polled")
    }

    pub(crate) fn wake(&self) {
        self.waker().wake();
    }

    /// Lets it be ready at the next poll, and wakes it.
    pub(crate) fn finish(&self) {
        self.0.done.set(true);
        self.wake();
    }

    pub(crate) fn future(&self) -> impl Future<Output = ()> + use<> {
        let strings = self.0.clone();
        poll_fn(move |cx| {
            strings.waker.replace(Some(cx.waker().clone()));
            if strings.done.get() { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

/// The value of one counter.
pub(crate) fn count(counters: &dyn CounterSet, name: &str) -> u64 {
    let mut found = None;
    counters.visit(&mut |known, value| {
        if known == name {
            found = Some(value);
        }
    });
    found.expect("a counter of that name")
}

/// Pseudo-random numbers from a seed; clones draw from the same sequence.
#[derive(Clone)]
pub(crate) struct Random(Rc<Cell<u64>>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        // Knuth, The Art of Computer Programming 2, 3.3.4: the multiplier of MMIX.
        let next =
            self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        (next >> 33) % bound
    }
}
