//! When a secondary asks its primaries, and when it gives a zone up (RFC 1034, 4.3.5; RFC 1996, 3.11 and 4).

use crate::zone::Timers;
use unik_sched::time::{Duration, Instant};

/// The first pause after all primaries of a zone that was never transferred have failed; it doubles with each further round.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Doublings of pauses: of the first one to 17 minutes.
const MOST_DOUBLINGS: u32 = 10;
/// The least time between two transfers: a zone of which we are told again and again is not fetched all the time.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// What a zone of ours waits for.
pub(crate) struct Schedule {
    /// The longest pause between two rounds, in seconds.
    most_pause: u32,
    primaries: usize,
    /// The primary that is asked next.
    next: usize,
    /// How many have been asked in vain since one answered.
    failures: usize,
    due: Instant,
    /// When the zone is given up; `None` where there is none.
    expires: Option<Instant>,
    is_running: bool,
    /// Somebody told of a new version: the primary that it was, or the next one.
    told: Option<Option<usize>>,
    /// When the last transfer began.
    began: Option<Instant>,
}

impl Schedule {
    /// A zone with so many `primaries`, which are asked at once, and of which there may be a version with these `timers`.
    /// As long as there is none, all are asked again after at most `most_pause` seconds.
    pub(crate) fn new(now: Instant, primaries: usize, most_pause: u32, timers: Option<Timers>) -> Self {
        Self {
            most_pause,
            primaries,
            next: 0,
            failures: 0,
            due: now,
            expires: timers.map(|timers| now + expire_after(timers)),
            is_running: false,
            told: None,
            began: None,
        }
    }

    /// The version that there is, with these `timers`, was confirmed `age` before it came.
    pub(crate) fn is_aged(&mut self, now: Instant, timers: Timers, age: Duration) {
        self.expires = Some(now + expire_after(timers).saturating_sub(age));
    }

    /// The next moment at which there is something to do.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        let due = (!self.is_running).then_some(self.due);
        due.into_iter().chain(self.expires).min()
    }

    /// The primary that is asked next, when, unless one is being asked, and when the zone is given up.
    pub(crate) fn state(&self) -> (usize, Option<Instant>, Option<Instant>) {
        (self.next, (!self.is_running).then_some(self.due), self.expires)
    }

    /// Since when it is time to ask, if it is.
    pub(crate) fn due_since(&self, now: Instant) -> Option<Instant> {
        (!self.is_running && self.due <= now).then_some(self.due)
    }

    /// When the zone is given up, if there is one.
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// The primary to ask now, if it is time. It is to be told how that ended.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<usize> {
        if self.is_running || now < self.due {
            return None;
        }
        self.is_running = true;
        self.began = Some(now);
        Some(self.next)
    }

    /// A primary has answered: the version that is served, with these `timers`, is its own. `random` spreads the next question.
    pub(crate) fn succeeded(&mut self, now: Instant, timers: Timers, random: u32) {
        self.is_running = false;
        self.failures = 0;
        self.expires = Some(now + expire_after(timers));
        self.due = now + spread(timers.refresh, random);
        self.again(now);
    }

    /// The primary asked last is of no use: the next one is asked at once, and after the last all after a pause.
    pub(crate) fn failed(&mut self, now: Instant, timers: Option<Timers>, random: u32) {
        self.is_running = false;
        self.failures += 1;
        self.next = (self.next + 1) % self.primaries.max(1);
        self.due = now;
        if self.failures.is_multiple_of(self.primaries.max(1)) {
            let rounds = (self.failures / self.primaries.max(1)) as u32;
            let doubled = FIRST_PAUSE * (1 << rounds.saturating_sub(1).min(MOST_DOUBLINGS));
            let most = Duration::from_secs(self.most_pause.into());
            self.due = now + timers.map_or(doubled.min(most), |timers| spread(timers.retry, random));
        }
        self.again(now);
    }

    /// Somebody told of a new version: `primary`, if it is one (RFC 1996, 3.11).
    pub(crate) fn told(&mut self, now: Instant, primary: Option<usize>) {
        self.told = Some(primary.or(self.told.flatten()));
        self.again(now);
    }

    /// The zone, if there is one, is not to be served any more.
    pub(crate) fn has_expired(&mut self, now: Instant) -> bool {
        let has_expired = self.expires.is_some_and(|expires| expires <= now);
        if has_expired {
            self.expires = None;
            // Without it, there is nothing to wait for.
            self.due = self.due.min(now);
        }
        has_expired
    }

    /// Asks soon, if somebody told of a new version and nobody is being asked.
    fn again(&mut self, now: Instant) {
        if let Some(primary) = self.told.filter(|_| !self.is_running) {
            self.told = None;
            self.next = primary.unwrap_or(self.next);
            let earliest = self.began.map_or(now, |began| began + LEAST_PAUSE);
            self.due = self.due.min(earliest.max(now));
        }
    }
}

fn expire_after(timers: Timers) -> Duration {
    Duration::from_secs(timers.expire.into())
}

/// Three to four quarters of so many seconds, so that zones that came together do not go on together; one at least, so that a
/// zone which says 0 keeps nobody busy.
fn spread(seconds: u32, random: u32) -> Duration {
    let milliseconds = u64::from(seconds) * 1000;
    // Of 42 bits a quarter, and of the random ones sixteen, so that the product has a place.
    let spread = Duration::from_millis(milliseconds - ((milliseconds / 4 * u64::from(random >> 16)) >> 16));
    spread.max(LEAST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const MOST: u32 = 1_209_600;
    const TIMERS: Timers = Timers { refresh: 7200, retry: 600, expire: 86_400 };

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_zone_that_was_never_transferred_is_asked_for_at_once_and_then_ever_more_rarely() {
        let mut schedule = Schedule::new(at(0), 1, MOST, None);
        let (mut now, mut pauses) = (at(0), Vec::new());
        for _ in 0..13 {
            assert_eq!(schedule.begin(now), Some(0));
            assert_eq!(schedule.begin(now), None, "one at a time");
            assert_eq!(schedule.wakes(), None);
            schedule.failed(now, None, 0);
            let wakes = schedule.wakes().unwrap();
            pauses.push(wakes.duration_since(now).as_secs());
            now = wakes;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
    }

    #[test]
    fn when_one_primary_fails_the_next_is_asked_at_once() {
        let mut schedule = Schedule::new(at(0), 3, MOST, None);
        for primary in [0, 1, 2] {
            assert_eq!(schedule.begin(at(5)), Some(primary));
            schedule.failed(at(5), None, 0);
        }
        assert_eq!(schedule.begin(at(5)), None);
        assert_eq!(schedule.begin(at(6)), Some(0));
        schedule.succeeded(at(6), TIMERS, 0);
        assert_eq!(schedule.wakes(), Some(at(6 + 7200)));
    }

    #[test]
    fn a_zone_is_asked_for_again_after_its_refresh_time_and_after_its_retry_time_when_that_failed() {
        let mut schedule = Schedule::new(at(0), 1, MOST, Some(TIMERS));
        assert_eq!(schedule.begin(at(0)), Some(0));
        schedule.succeeded(at(10), TIMERS, 0);
        assert_eq!(schedule.begin(at(7209)), None);
        assert_eq!(schedule.begin(at(7210)), Some(0));
        schedule.failed(at(7215), Some(TIMERS), 0);
        assert_eq!(schedule.wakes(), Some(at(7815)));
    }

    #[test]
    fn a_zone_expires_when_no_primary_answered_for_so_long_and_not_before() {
        let mut schedule = Schedule::new(at(0), 1, MOST, Some(TIMERS));
        schedule.begin(at(0));
        schedule.succeeded(at(100), TIMERS, 0);
        schedule.begin(at(8000));
        schedule.failed(at(8000), Some(TIMERS), 0);
        assert!(!schedule.has_expired(at(86_499)));
        assert!(schedule.has_expired(at(86_500)));
        assert!(!schedule.has_expired(at(86_501)), "once");
        assert_eq!(schedule.begin(at(86_501)), Some(0), "it is asked for all the same");
    }

    #[test]
    fn a_version_that_was_confirmed_before_is_given_up_earlier() {
        let mut schedule = Schedule::new(at(10), 1, MOST, Some(TIMERS));
        schedule.is_aged(at(10), TIMERS, Duration::from_secs(86_000));
        assert_eq!(schedule.begin(at(10)), Some(0), "it is asked for at once");
        assert!(!schedule.has_expired(at(409)));
        assert!(schedule.has_expired(at(410)));
    }

    #[test]
    fn who_tells_of_a_new_version_is_asked_but_not_more_than_once_a_second() {
        let mut schedule = Schedule::new(at(0), 2, MOST, Some(TIMERS));
        schedule.begin(at(0));
        schedule.told(at(0), Some(1));
        assert_eq!(schedule.begin(at(0)), None, "it is being asked for");
        schedule.succeeded(at(0), TIMERS, 0);
        assert_eq!(schedule.wakes(), Some(at(1)));
        assert_eq!(schedule.begin(at(1)), Some(1));
        schedule.succeeded(at(30), TIMERS, 0);
        schedule.told(at(50), None);
        assert_eq!(schedule.begin(at(50)), Some(1));
    }

    #[test]
    fn times_are_spread_and_never_nothing() {
        let mut schedule = Schedule::new(at(0), 1, 4, None);
        for (pause, now) in [(1, 0), (2, 1), (4, 3), (4, 7)] {
            schedule.begin(at(now));
            schedule.failed(at(now), None, 0);
            assert_eq!(schedule.wakes(), Some(at(now + pause)), "no longer than is allowed");
        }
        schedule.begin(at(11));
        schedule.succeeded(at(11), TIMERS, u32::MAX);
        let wakes = schedule.wakes().unwrap().duration_since(at(11));
        assert!((5400..5401).contains(&wakes.as_secs()), "{wakes:?}");
        schedule.begin(at(6000));
        schedule.failed(at(6000), Some(Timers { retry: 0, ..TIMERS }), 0);
        assert_eq!(schedule.wakes(), Some(at(6001)));
    }
    #[test]
    fn the_longest_refresh_that_the_configuration_allows_does_not_overflow() {
        let mut schedule = Schedule::new(at(0), 1, MOST, None);
        schedule.begin(at(0));
        schedule.succeeded(at(0), Timers { refresh: u32::MAX, ..TIMERS }, u32::MAX);
        assert!(schedule.wakes().unwrap() <= at(86_400), "the zone expires before");
    }

    #[test]
    fn who_tells_while_another_fails_is_asked() {
        let mut schedule = Schedule::new(at(0), 3, MOST, Some(TIMERS));
        assert_eq!(schedule.begin(at(0)), Some(0));
        schedule.told(at(1), Some(1));
        schedule.failed(at(2), Some(TIMERS), 0);
        assert_eq!(schedule.begin(at(2)), Some(1));
    }

    #[test]
    fn a_zone_that_expires_before_its_refresh_is_asked_for_when_it_expires() {
        let mut schedule = Schedule::new(at(0), 1, MOST, None);
        schedule.begin(at(0));
        schedule.succeeded(at(0), Timers { expire: 60, ..TIMERS }, 0);
        assert!(schedule.has_expired(at(60)));
        assert_eq!(schedule.begin(at(60)), Some(0));
    }
}
