//! The machine below the scheduler: the monotonic clock, and ppoll on the files that somebody watches.
//!
//! A [`Watch`] stands for one file and one event. It is armed for one piece of news: when that comes, the event is set
//! and the watch is disarmed, so that news which nobody has looked at yet does not keep the process awake.
//! Invariant: [`HostPlatform::idle`] looks at all armed watches before it waits, so nothing is slept through.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::time;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Platform};

/// How long news may wait while the tasks keep the processor: a system call per turn would cost more than most turns.
const POLL_INTERVAL: Duration = Duration::from_micros(50);

unik_sched::counters! {
    /// What a platform has done.
    pub struct PlatformCounters {
        /// System calls that waited, or would have had there been no news.
        idles,
        /// System calls that only looked for news.
        looks,
        /// Events set.
        news,
        /// System calls that failed or that a signal interrupted.
        interrupted,
    }
}

/// The host as a [`Platform`].
pub struct HostPlatform {
    start: time::Instant,
    looked: Cell<Instant>,
    watched: RefCell<Vec<Weak<Watched>>>,
    counters: Rc<PlatformCounters>,
}

impl HostPlatform {
    /// A platform whose time begins now.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            start: time::Instant::now(),
            looked: Cell::new(Instant::ZERO),
            watched: RefCell::default(),
            counters: Rc::default(),
        })
    }

    /// Watches `file`: after [`Watch::arm`], `event` is set once when there is news of it. Ends when the watch is dropped.
    pub fn watch(&self, file: Rc<dyn AsFd>, event: Event) -> Watch {
        let watched = Rc::new(Watched { file, event, interest: Cell::new(PollFlags::empty()) });
        let mut all = self.watched.borrow_mut();
        all.retain(|other| other.strong_count() > 0);
        all.push(Rc::downgrade(&watched));
        Watch(watched)
    }

    /// What the platform has counted.
    pub fn counters(&self) -> Rc<PlatformCounters> {
        self.counters.clone()
    }

    /// Waits for news of the armed files for at most `timeout` and sets the events.
    fn wait(&self, timeout: Option<Duration>) {
        let armed: Vec<_> = {
            let all = self.watched.borrow();
            all.iter()
                .filter_map(Weak::upgrade)
                .filter(|watched| !watched.interest.get().is_empty())
                .collect()
        };
        let nothing_to_see = armed.is_empty() && timeout == Some(Duration::ZERO);
        if nothing_to_see {
            return;
        }
        let mut files: Vec<_> = armed
            .iter()
            .map(|watched| PollFd::from_borrowed_fd(watched.file.as_fd(), watched.interest.get()))
            .collect();
        // A time too long for the system call is as good as none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        if poll(&mut files, timeout.as_ref()).is_err() {
            self.counters.interrupted.increment();
            return;
        }
        for (file, watched) in files.iter().zip(&armed) {
            // Errors and hang-ups are news as well: whoever reads or writes next hears of them.
            if !file.revents().is_empty() {
                watched.interest.set(PollFlags::empty());
                watched.event.set();
                self.counters.news.increment();
            }
        }
    }
}

impl Platform for HostPlatform {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn poll_events(&self) {
        let now = self.now();
        if now.duration_since(self.looked.get()) >= POLL_INTERVAL {
            self.looked.set(now);
            self.counters.looks.increment();
            self.wait(Some(Duration::ZERO));
        }
    }

    fn idle(&self, until: Option<Instant>) {
        self.counters.idles.increment();
        self.wait(until.map(|until| until.duration_since(self.now())));
        self.looked.set(self.now());
    }
}

/// A file that a platform watches; made by [`HostPlatform::watch`].
pub struct Watch(Rc<Watched>);

struct Watched {
    file: Rc<dyn AsFd>,
    event: Event,
    interest: Cell<PollFlags>,
}

/// What counts as news of a file. Errors and hang-ups always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read.
    Read,
    /// Something can be written.
    Write,
    /// Something can be read, or written.
    ReadOrWrite,
}

impl Watch {
    /// Wants to be told of the next news, of what there already is too.
    pub fn arm(&self, interest: Interest) {
        self.0.interest.set(match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
            Interest::ReadOrWrite => PollFlags::IN | PollFlags::OUT,
        });
    }

    /// Wants to be told of nothing.
    pub fn disarm(&self) {
        self.0.interest.set(PollFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn watched_pair(platform: &HostPlatform) -> (UnixStream, Rc<UnixStream>, Watch, Event) {
        let (far, near) = UnixStream::pair().unwrap();
        let (near, event) = (Rc::new(near), Event::new());
        let watch = platform.watch(near.clone(), event.clone());
        (far, near, watch, event)
    }

    #[test]
    fn idling_ends_at_the_deadline_and_not_before() {
        let platform = HostPlatform::new();
        let deadline = platform.now() + Duration::from_micros(300);
        while platform.now() < deadline {
            platform.idle(Some(deadline));
        }
        platform.idle(Some(Instant::ZERO));
        // a wait that cannot be told from a signal is over after one call
        assert!(platform.counters().idles.get() <= 2 + platform.counters().interrupted.get());
    }

    #[test]
    fn idling_ends_with_news_and_sets_the_event_once() {
        let platform = HostPlatform::new();
        let (mut far, near, watch, event) = watched_pair(&platform);
        watch.arm(Interest::Read);
        far.write_all(b"x").unwrap();
        platform.idle(None);
        assert!(event.try_take());
        // the byte is still there, but the watch is not armed for it
        platform.idle(Some(Instant::ZERO));
        assert!(!event.is_set());
        watch.arm(Interest::Read);
        platform.idle(None);
        assert!(event.try_take());
        assert_eq!((&*near).read(&mut [0; 8]).unwrap(), 1);
        watch.arm(Interest::Read);
        platform.idle(Some(Instant::ZERO));
        assert!(!event.is_set());
    }

    #[test]
    fn room_to_write_is_news_for_whoever_asks_for_it() {
        let platform = HostPlatform::new();
        let (_far, _near, watch, event) = watched_pair(&platform);
        watch.arm(Interest::Read);
        platform.idle(Some(Instant::ZERO));
        assert!(!event.is_set());
        watch.arm(Interest::ReadOrWrite);
        platform.idle(None);
        assert!(event.is_set());
    }

    #[test]
    fn the_other_end_going_away_is_news() {
        let platform = HostPlatform::new();
        let (far, _near, watch, event) = watched_pair(&platform);
        watch.arm(Interest::Read);
        drop(far);
        platform.idle(None);
        assert!(event.is_set());
    }

    #[test]
    fn a_busy_executor_gets_its_news_without_ever_idling() {
        let platform = HostPlatform::new();
        let (mut far, _near, watch, event) = watched_pair(&platform);
        watch.arm(Interest::Read);
        far.write_all(b"x").unwrap();
        while !event.is_set() {
            platform.poll_events();
        }
        assert_eq!(platform.counters().looks.get(), 1);
    }

    #[test]
    fn a_dropped_or_disarmed_watch_sets_nothing() {
        let platform = HostPlatform::new();
        let (mut far, _near, watch, event) = watched_pair(&platform);
        far.write_all(b"x").unwrap();
        watch.arm(Interest::Read);
        watch.disarm();
        platform.idle(Some(Instant::ZERO));
        watch.arm(Interest::Read);
        drop(watch);
        platform.idle(Some(Instant::ZERO));
        assert!(!event.is_set());
        assert_eq!(platform.counters().news.get(), 0);
    }
}
