//! Storm control: how many frames a port may have sent to many others.

use unik_sched::time::{Duration, Instant};

/// What one frame takes of an allowance, in which a nanosecond gives as many units as frames are allowed a second.
const FRAME: u64 = 1_000_000_000;
/// Frames that may come at once, as a part of those of a second, and at least so many.
const BURST_PART: u64 = 8;
const BURST_LEAST: u64 = 8;
/// Octets that are not more than one frame: a packet that is to be cut into many is as many as it may become at least.
const OCTETS: usize = 2048;

/// An allowance of frames that fills with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Frames a second; 0: there is no limit.
    rate: u64,
    left: u64,
    since: Instant,
}

impl Allowance {
    /// A full one.
    pub(crate) fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self { rate, left: Self::most(rate), since: Instant::ZERO }
    }

    fn most(rate: u64) -> u64 {
        (rate / BURST_PART).max(BURST_LEAST) * FRAME
    }

    /// Takes the part of a frame of this length. False if too little is left.
    #[inline]
    pub(crate) fn take(&mut self, length: usize, now: Instant) -> bool {
        self.rate == 0 || self.take_limited(length, now)
    }

    #[inline(never)]
    fn take_limited(&mut self, length: usize, now: Instant) -> bool {
        let passed = now.duration_since(self.since).min(Duration::from_secs(1));
        self.since = now;
        let gained = passed.as_nanos() as u64 * self.rate; // at most 10^9 * 10^7
        self.left = self.left.saturating_add(gained).min(Self::most(self.rate));
        // The longest passes too, where there is all that there can be.
        let part = ((1 + length / OCTETS) as u64 * FRAME).min(Self::most(self.rate));
        match self.left.checked_sub(part) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(allowance: &mut Allowance, from: u64, to: u64) -> usize {
        (from..to).filter(|millis| allowance.take(1514, Instant::from_millis(*millis))).count()
    }

    #[test]
    fn a_storm_passes_at_the_rate_that_is_allowed() {
        let mut allowance = Allowance::new(100);
        let first = passed(&mut allowance, 1000, 2000);
        assert!((110..=113).contains(&first), "{first}");
        assert_eq!(passed(&mut allowance, 2000, 12_000), 1000);
        // Silence gives a burst and no more.
        let burst = (0..100).filter(|_| allowance.take(60, Instant::from_millis(60_000))).count();
        assert_eq!(burst, 12);
    }

    #[test]
    fn a_packet_that_becomes_many_frames_counts_as_many() {
        let mut allowance = Allowance::new(1000);
        let mut at = |length, millis| allowance.take(length, Instant::from_millis(millis));
        let passed = (1000..11_000).filter(|millis| at(65_549, *millis)).count();
        assert!((303..=313).contains(&passed), "{passed}: 33 each");
        // It is not shut out where no burst is as large.
        let mut small = Allowance::new(10);
        let passed =
            (1000..11_000).filter(|millis| small.take(65_549, Instant::from_millis(*millis))).count();
        assert!((12..=14).contains(&passed), "{passed}");
    }

    #[test]
    fn without_a_limit_everything_passes() {
        assert_eq!(passed(&mut Allowance::new(0), 0, 1000), 1000);
    }
}
