//! A moment on the machine's monotonic clock.
//!
//! Invariant: all arithmetic saturates, so no time that comes from outside can panic.

use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A moment, in nanoseconds since boot; 64 bits last for 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment of boot.
    pub const ZERO: Self = Self(0);
    /// The end of time: a deadline that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `micros` microseconds after boot; [`Self::MAX`] when that does not fit.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// `millis` milliseconds after boot; [`Self::MAX`] when that does not fit.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since boot.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since boot.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long ago `earlier` was at this moment; zero when it is later.
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment moved by `duration`, or `None` when that is past [`Self::MAX`].
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        let Some(nanos) = duration.as_secs().checked_mul(1_000_000_000) else {
            return None;
        };
        let Some(nanos) = nanos.checked_add(duration.subsec_nanos() as u64) else {
            return None;
        };
        match self.0.checked_add(nanos) {
            Some(moment) => Some(Self(moment)),
            None => None,
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Stops at [`Instant::MAX`].
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Stops at [`Instant::ZERO`].
    fn sub(self, duration: Duration) -> Self {
        Self::ZERO.checked_add(duration).map_or(Self::ZERO, |back| Self(self.0.saturating_sub(back.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let moment = Instant::from_millis(5);
        assert_eq!(moment + Duration::from_micros(7), Instant::from_nanos(5_007_000));
        assert_eq!(moment - Duration::from_millis(2), Instant::from_millis(3));
        assert_eq!(moment - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(moment + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::from_millis(u64::MAX), Instant::MAX);
        assert_eq!(moment.checked_add(Duration::MAX), None);
    }

    #[test]
    fn a_later_moment_is_zero_ago() {
        let (early, late) = (Instant::from_micros(1), Instant::from_micros(3));
        assert_eq!(late.duration_since(early), Duration::from_micros(2));
        assert_eq!(early.duration_since(late), Duration::ZERO);
    }
}
