//! Turning ticks of a counter into nanoseconds and back, without a division at run time.
//!
//! Pure arithmetic. A rate is a fixed-point factor with 32 fractional bits; products are taken in 128 bits, so nothing
//! wraps before 584 years have passed.

/// How many nanoseconds a tick takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds per tick, times 2^32.
    factor: u64,
}

impl Rate {
    /// Time stands still.
    pub const STOPPED: Self = Self { factor: 0 };
    /// One tick is one nanosecond.
    pub const GIGAHERTZ: Self = Self { factor: 1 << 32 };

    /// The rate of a counter that made `ticks` in `nanoseconds`. `None` where either is zero or the rate is absurd:
    /// below 1 MHz or above 100 GHz.
    pub fn measured(ticks: u64, nanoseconds: u64) -> Option<Self> {
        if ticks == 0 || nanoseconds == 0 {
            return None;
        }
        let factor = (u128::from(nanoseconds) << 32) / u128::from(ticks);
        Self::plausible(u64::try_from(factor).ok()?)
    }

    /// The rate of a counter of so many kilohertz. `None` where it is absurd, as in [`measured`](Self::measured).
    pub fn from_kilohertz(kilohertz: u32) -> Option<Self> {
        Self::measured(u64::from(kilohertz), 1_000_000)
    }

    /// The rate of a counter whose ticks are shifted left by `shift` (right where it is negative) and multiplied by
    /// `multiplier` / 2^32 to make nanoseconds. `None` where it is absurd, as in [`measured`](Self::measured).
    pub fn from_multiplier(multiplier: u32, shift: i8) -> Option<Self> {
        let (multiplier, places) = (u64::from(multiplier), u32::from(shift.unsigned_abs()));
        if places > 31 {
            return None;
        }
        Self::plausible(if shift < 0 { multiplier >> places } else { multiplier << places })
    }

    fn plausible(factor: u64) -> Option<Self> {
        let plausible = (1 << 32) / 100..=1000 << 32;
        plausible.contains(&factor).then_some(Self { factor })
    }

    /// Nanoseconds in so many ticks; saturates.
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        let product = (u128::from(ticks) * u128::from(self.factor)) >> 32;
        u64::try_from(product).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigahertz_counts_nanoseconds() {
        assert_eq!(Rate::GIGAHERTZ.nanoseconds(u64::MAX), u64::MAX);
        assert_eq!(Rate::from_kilohertz(1_000_000), Some(Rate::GIGAHERTZ));
    }

    #[test]
    fn a_rate_is_exact_to_a_part_in_a_billion() {
        let rate = Rate::from_kilohertz(2_400_000).unwrap();
        let hour = 3_600 * 2_400_000_000;
        assert!(rate.nanoseconds(hour).abs_diff(3_600_000_000_000) < 3_600);
    }

    #[test]
    fn a_multiplier_is_shifted_both_ways() {
        let half = u32::MAX / 2 + 1;
        assert_eq!(Rate::from_multiplier(half, 1), Some(Rate::GIGAHERTZ));
        assert_eq!(Rate::from_multiplier(half, 0), Rate::from_kilohertz(2_000_000));
        assert_eq!(Rate::from_multiplier(half, -1), Rate::from_kilohertz(4_000_000));
        for shift in [i8::MIN, -32, -7, 11, 31, 32, 127] {
            assert_eq!(Rate::from_multiplier(half, shift), None, "{shift}");
        }
        assert_eq!(Rate::from_multiplier(0, 0), None);
        assert_eq!(Rate::from_multiplier(0, 127), None);
    }

    #[test]
    fn absurd_rates_are_refused() {
        assert_eq!(Rate::measured(0, 1), None);
        assert_eq!(Rate::measured(1, 0), None);
        assert_eq!(Rate::measured(u64::MAX, 1), None);
        assert_eq!(Rate::measured(1, u64::MAX), None);
        assert_eq!(Rate::from_kilohertz(0), None);
        assert_eq!(Rate::from_kilohertz(999), None);
    }

    #[test]
    fn long_times_saturate() {
        let slow = Rate::from_kilohertz(1_000).unwrap();
        assert_eq!(slow.nanoseconds(u64::MAX), u64::MAX);
    }
}
