//! How often something is done that strangers cause.

use unik_sched::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// So many times in a second.
pub(crate) struct Allowance {
    each: u8,
    left: u8,
    until: Instant,
}

impl Allowance {
    /// `each` times.
    pub(crate) const fn new(each: u8) -> Self {
        Allowance { each, left: each, until: Instant::ZERO }
    }

    /// Takes one of those that are left. False when there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.until <= now {
            (self.left, self.until) = (self.each, now + SECOND);
        }
        let is_left = self.left > 0;
        self.left -= u8::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own() {
        let mut allowance = Allowance::new(2);
        let taken =
            [0, 1, 2, 999, 1000, 1001, 1999, 5000].map(|millis| allowance.take(Instant::from_millis(millis)));
        assert_eq!(taken, [true, true, false, false, true, true, false, true]);
    }
}
