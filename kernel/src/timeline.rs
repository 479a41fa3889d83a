//! From readings of a counter to time that never goes backwards, and from time to the date.
//!
//! Pure arithmetic. [`Timeline`] is the monotonic clock: whatever the counter does and whenever the rate changes, a later
//! reading is never smaller. An [`Anchor`] puts the date beside it: setting another date touches no timeline.

use crate::rate::Rate;
use core::time::Duration;

/// Time in nanoseconds, by a counter.
#[derive(Debug)]
pub struct Timeline {
    /// A reading of the counter, and the time it stood for.
    base: (u64, u64),
    rate: Rate,
    /// The largest time that was read.
    last: u64,
}

impl Timeline {
    /// Time that is zero where the counter shows `counter`.
    pub const fn new(counter: u64, rate: Rate) -> Self {
        Self { base: (counter, 0), rate, last: 0 }
    }

    /// The time where the counter shows `counter`; the time read before where that would be later. Saturates.
    #[inline]
    pub fn read(&mut self, counter: u64) -> u64 {
        let elapsed = self.rate.nanoseconds(counter.saturating_sub(self.base.0));
        self.last = self.last.max(self.base.1.saturating_add(elapsed));
        self.last
    }

    /// Goes on with another rate from where the counter shows `counter`.
    pub fn change_rate(&mut self, counter: u64, rate: Rate) {
        self.base = (counter, self.read(counter));
        self.rate = rate;
    }
}

/// The date at one moment of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    moment: u64,
    since_epoch: Duration,
}

impl Anchor {
    /// At `moment`, in nanoseconds, so much time has passed since the Unix epoch.
    pub const fn new(moment: u64, since_epoch: Duration) -> Self {
        Self { moment, since_epoch }
    }

    /// Time since the Unix epoch at another moment, which is not before the anchor's.
    pub fn at(self, moment: u64) -> Duration {
        self.since_epoch.saturating_add(Duration::from_nanos(moment.saturating_sub(self.moment)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(kilohertz: u32) -> Rate {
        Rate::from_kilohertz(kilohertz).unwrap()
    }

    #[test]
    fn time_starts_where_the_counter_stood() {
        let mut timeline = Timeline::new(1_000, rate(2_000_000));
        assert_eq!(timeline.read(1_000), 0);
        assert_eq!(timeline.read(3_000), 1_000);
    }

    #[test]
    fn a_counter_that_goes_back_holds_time_still() {
        let mut timeline = Timeline::new(1_000, Rate::GIGAHERTZ);
        assert_eq!(timeline.read(5_000), 4_000);
        assert_eq!(timeline.read(2_000), 4_000);
        assert_eq!(timeline.read(0), 4_000);
        assert_eq!(timeline.read(5_001), 4_001);
    }

    #[test]
    fn another_rate_neither_jumps_nor_goes_back() {
        let mut timeline = Timeline::new(0, Rate::GIGAHERTZ);
        assert_eq!(timeline.read(10_000), 10_000);
        timeline.change_rate(10_000, rate(2_000_000));
        assert_eq!(timeline.read(10_000), 10_000);
        assert_eq!(timeline.read(12_000), 11_000);
        timeline.change_rate(8_000, rate(1_000_000));
        assert_eq!(timeline.read(9_000), 12_000, "from the counter of the change on");
    }

    #[test]
    fn long_times_saturate() {
        let mut timeline = Timeline::new(0, rate(1_000));
        assert_eq!(timeline.read(u64::MAX), u64::MAX);
        timeline.change_rate(u64::MAX, Rate::GIGAHERTZ);
        assert_eq!(timeline.read(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_leap_of_the_date_leaves_the_timeline_alone() {
        let mut timeline = Timeline::new(0, Rate::GIGAHERTZ);
        let mut date = Anchor::new(timeline.read(1_000), Duration::from_secs(1_700_000_000));
        for leap in [0, 4_000_000_000, 1] {
            let before = timeline.read(2_000);
            date = Anchor::new(before, Duration::from_secs(leap));
            assert_eq!(date.at(before), Duration::from_secs(leap));
            assert_eq!(timeline.read(2_000), before);
        }
        assert_eq!(date.at(timeline.read(1_000_002_000)), Duration::from_secs(2));
        assert_eq!(date.at(0), Duration::from_secs(1), "never before the anchor");
        assert_eq!(Anchor::new(0, Duration::MAX).at(u64::MAX), Duration::MAX);
    }
}
