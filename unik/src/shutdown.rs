//! Ending in order: who asks an appliance to end, and how long it has.
//!
//! A request comes from the machine's power button (in a process, from SIGTERM or SIGINT), from [`Shutdown::request`]
//! or from [`System::request`](crate::System::request). It raises a latch that any number of tasks await, and starts
//! the time that is left. Invariant: the first request decides, and from then on the image ends: when `main` returns,
//! or when its time is over.

use crate::backend::{self, Button};
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use unik_sched::sync::{Event, Latch};
use unik_sched::time::{Duration, Sleep, Time};

/// The time that `main` has after the request, unless `shutdown=SECONDS` says otherwise.
pub const DEFAULT_BOUND: Duration = Duration::from_secs(10);
/// The longest time that the configuration can give: about eighteen hours.
const SECONDS_LIMIT: u64 = 65_535;
const NAME: &str = "power";
const WORD: &str = "shutdown";

/// What an appliance is asked to do when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Switch the machine off, with the exit code that follows from `main`.
    PowerOff,
    /// Reset the machine. A process ends, as by [`Ending::PowerOff`]: whoever started it may start it again.
    Reboot,
}

unik_sched::counters! {
    /// What has asked an appliance to end.
    struct PowerCounters {
        /// Requests, from wherever.
        requests,
        /// Presses of the power button among them, or signals.
        presses,
        /// Times that the task was woken, by the button's interrupt, which others may share, or by a request.
        wakes,
    }
}

/// The request to end; copies share it. An image that takes it hears the power button.
///
/// When `main` returns within [`Shutdown::bound`] after the request, the exit code is what follows from `main`. After
/// that time the machine is switched off with code 1.
///
/// ```no_run
/// # use unik::{Shutdown, time::{Duration, Time}};
/// #[unik::main]
/// async fn main(shutdown: Shutdown, time: Time) {
///     while !shutdown.is_requested() {
///         // Work that may be interrupted here, and nowhere else.
///         let _ = time.timeout(Duration::from_secs(1), shutdown.requested()).await;
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Shutdown(&'static State);

struct State {
    time: Time,
    bound: Duration,
    requested: Latch,
    ending: Cell<Ending>,
    /// What the task is woken by: the button, and a request.
    news: Event,
    counters: Rc<PowerCounters>,
}

impl Shutdown {
    fn new(time: &Time, bound: Duration) -> Self {
        Self(Box::leak(Box::new(State {
            time: time.clone(),
            bound,
            requested: Latch::new(),
            ending: Cell::new(Ending::PowerOff),
            news: Event::new(),
            counters: Rc::default(),
        })))
    }

    /// Hears requests from here on. Not a future, so that it is built with this crate and as small.
    #[inline(never)]
    fn open(system: &System) -> Result<Self, Failure> {
        if let Some(taken) = system.shutdown().get() {
            return Ok(*taken);
        }
        let Some(bound) = bound(system.config().get(WORD)) else {
            return Err(Failure::Configuration("shutdown= takes a number of seconds, 65535 at most".into()));
        };
        let shutdown = Self::new(system.time(), bound);
        // It was empty a moment ago, and nothing else ran since.
        let _ = system.shutdown().set(shutdown);
        system.counters().register(NAME, shutdown.0.counters.clone());
        let button = backend::open_button(system.backend(), &shutdown.0.news);
        match system.spawner().spawn(NAME, shutdown.guard(button)) {
            Ok(_) => Ok(shutdown),
            Err(_) => Err(Failure::Configuration("there is no room for the task of the power button".into())),
        }
    }

    /// Waits for the request; at once when there was one.
    pub fn requested(&self) -> impl Future<Output = ()> + use<> {
        self.0.requested.wait()
    }

    /// Whether there was a request.
    pub fn is_requested(&self) -> bool {
        self.0.requested.is_set()
    }

    /// The time from the request to the end of everything.
    pub fn bound(&self) -> Duration {
        self.0.bound
    }

    /// Asks the appliance itself to end. The first request decides over the ending; others are only counted.
    pub fn request(&self, ending: Ending) {
        let state = self.0;
        state.counters.requests.increment();
        if self.is_requested() {
            return;
        }
        state.ending.set(ending);
        if ending == Ending::Reboot {
            backend::reset_at_end();
        }
        log::info!("asked to end, within {} s", state.bound.as_secs());
        state.requested.set();
        state.news.set();
    }

    /// Turns presses of the button into requests, until the time after a request is over.
    async fn watch(self, button: Option<Button>) {
        let state = self.0;
        let mut end: Option<Sleep> = None;
        poll_fn(|cx| {
            loop {
                // Before the first wait too: it may have been pressed while the appliance started.
                if button.as_ref().is_some_and(Button::take) {
                    state.counters.presses.increment();
                    self.request(Ending::PowerOff);
                }
                if state.news.poll_wait(cx).is_pending() {
                    break;
                }
                state.counters.wakes.increment();
            }
            if !self.is_requested() {
                return Poll::Pending;
            }
            let end = end.get_or_insert_with(|| state.time.sleep(state.bound));
            Pin::new(end).poll(cx)
        })
        .await;
    }

    /// The task: ends the image where `main` did not.
    async fn guard(self, button: Option<Button>) {
        self.watch(button).await;
        backend::print(format_args!("error: main did not return within {} s\n", self.0.bound.as_secs()));
        backend::end(self.0.ending.get(), false);
    }
}

impl Resource for Shutdown {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Self::open(system))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

/// The time that the configuration gives; `None` where it is none.
fn bound(word: Option<&str>) -> Option<Duration> {
    let Some(word) = word else { return Some(DEFAULT_BOUND) };
    // A fifth of the bytes that parsing takes in core.
    let mut seconds = 0;
    for byte in word.bytes() {
        seconds = seconds * 10 + u64::from(char::from(byte).to_digit(10)?);
        if seconds > SECONDS_LIMIT {
            return None;
        }
    }
    (!word.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use unik_sched::Executor;
    use unik_sched::time::Instant;
    use unik_testkit::VirtualClock;

    fn machine() -> (Time, Executor) {
        let time = Time::new(VirtualClock::new());
        let executor = Executor::new(&time, 8);
        (time, executor)
    }

    #[test]
    fn any_number_of_tasks_hears_of_a_request_and_it_stays() {
        let (time, mut executor) = machine();
        let (shutdown, heard) = (Shutdown::new(&time, DEFAULT_BOUND), Rc::new(Cell::new(0)));
        for _ in 0..3 {
            let heard = heard.clone();
            let task = async move {
                shutdown.requested().await;
                heard.set(heard.get() + 1);
            };
            executor.spawner().spawn("waiter", task).unwrap();
        }
        executor.turn();
        assert_eq!((heard.get(), shutdown.is_requested()), (0, false));
        shutdown.request(Ending::PowerOff);
        executor.turn();
        assert_eq!((heard.get(), shutdown.is_requested()), (3, true));
        executor.block_on("main", shutdown.requested());
    }

    #[test]
    fn the_time_begins_with_the_request_and_ends_after_the_bound() {
        let (time, mut executor) = machine();
        let shutdown = Shutdown::new(&time, Duration::from_secs(7));
        let (later, clock) = (shutdown, time.clone());
        let task = async move {
            clock.sleep(Duration::from_secs(100)).await;
            later.request(Ending::PowerOff);
            clock.sleep(Duration::from_secs(3)).await;
            later.request(Ending::PowerOff);
        };
        executor.spawner().spawn("button", task).unwrap();
        executor.block_on("main", shutdown.watch(None));
        assert_eq!(time.now(), Instant::ZERO + Duration::from_secs(107));
    }

    #[test]
    fn the_first_request_decides_and_all_are_counted() {
        let shutdown = Shutdown::new(&machine().0, DEFAULT_BOUND);
        for ending in [Ending::Reboot, Ending::PowerOff, Ending::PowerOff] {
            shutdown.request(ending);
        }
        assert_eq!(shutdown.0.ending.get(), Ending::Reboot);
        assert_eq!(shutdown.0.counters.requests.get(), 3);
    }

    #[test]
    fn the_bound_is_a_number_of_seconds() {
        assert_eq!(bound(None), Some(DEFAULT_BOUND));
        assert_eq!(bound(Some("0")), Some(Duration::ZERO));
        assert_eq!(bound(Some("300")), Some(Duration::from_secs(300)));
        for wrong in ["", "-1", "1.5", "65536", "soon"] {
            assert_eq!(bound(Some(wrong)), None, "{wrong}");
        }
    }
}
