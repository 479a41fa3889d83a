//! How often something may be said: once in a while, with the number of times that it was not.
//!
//! A stranger who causes a line of the log with every packet would otherwise fill the log, and the serial port with it.

use core::cell::Cell;
use core::time::Duration;

use crate::instant::Instant;

/// Lets something happen at most once in a period.
///
/// ```
/// use std::time::Duration;
/// use unik_sched::Pace;
/// use unik_sched::time::Instant;
///
/// let pace = Pace::new(Duration::from_secs(1));
/// assert_eq!(pace.admit(Instant::from_millis(10)), Some(0));
/// assert_eq!(pace.admit(Instant::from_millis(20)), None);
/// assert_eq!(pace.admit(Instant::from_millis(1010)), Some(1), "one was held back");
/// ```
#[derive(Debug)]
pub struct Pace {
    period: Duration,
    /// When it may happen again.
    next: Cell<Instant>,
    held_back: Cell<u64>,
}

impl Pace {
    /// At most once in `period`; the first time at once.
    pub const fn new(period: Duration) -> Self {
        Self { period, next: Cell::new(Instant::ZERO), held_back: Cell::new(0) }
    }

    /// Whether it may happen at `now`, and how many times it was held back since it last did.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        if now < self.next.get() {
            self.held_back.set(self.held_back.get() + 1);
            return None;
        }
        self.next.set(now + self.period);
        Some(self.held_back.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_time_is_admitted_and_the_next_within_the_period_is_not() {
        let pace = Pace::new(SECOND);
        assert_eq!(pace.admit(Instant::ZERO), Some(0));
        assert_eq!(pace.admit(Instant::ZERO), None);
        assert_eq!(pace.admit(Instant::from_millis(999)), None);
    }

    #[test]
    fn what_was_held_back_is_told_once() {
        let pace = Pace::new(SECOND);
        assert_eq!(pace.admit(Instant::from_millis(5)), Some(0));
        for _ in 0..1000 {
            assert_eq!(pace.admit(Instant::from_millis(1004)), None);
        }
        assert_eq!(pace.admit(Instant::from_millis(1005)), Some(1000));
        assert_eq!(pace.admit(Instant::from_millis(2005)), Some(0));
    }

    #[test]
    fn a_flood_of_a_minute_is_admitted_sixty_times() {
        let pace = Pace::new(SECOND);
        let admitted = (0..60_000).filter(|time| pace.admit(Instant::from_millis(*time)).is_some()).count();
        assert_eq!(admitted, 60);
    }

    #[test]
    fn at_the_end_of_time_it_is_held_back_and_nothing_overflows() {
        let pace = Pace::new(Duration::MAX);
        assert_eq!(pace.admit(Instant::ZERO), Some(0));
        assert_eq!(pace.admit(Instant::from_nanos(u64::MAX - 1)), None);
    }
}
