//! From the guest's time, nanoseconds since its start, to the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use unik_monitor::{Reply, Request, Value};

use crate::error::Result;
use crate::monitor::Connection;

/// When a guest was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds since the Unix epoch.
    start: u64,
}

impl Clock {
    /// Asks the guest. One that knows no date is measured by this computer's; one that does not know how long it runs either is taken
    /// to have been started now.
    ///
    /// # Errors
    /// The guest does not tell its facts.
    pub fn of(connection: &mut Connection) -> Result<Clock> {
        let (mut date, mut uptime) = (None, None);
        connection.list(&Request::Facts, "tell its facts", &mut |reply| {
            let Reply::Fact(fact) = reply else { return Ok(false) };
            match (fact.name, fact.value) {
                ("date", Value::Date(value)) => date = Some(value),
                ("uptime", Value::Duration(value)) => uptime = Some(value),
                _ => {}
            }
            Ok(true)
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Clock::new(date, uptime, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// From what a guest says of itself, and this computer's date.
    pub fn new(date: Option<u64>, uptime: Option<u64>, now: u64) -> Clock {
        Clock { start: date.unwrap_or(now).saturating_sub(uptime.unwrap_or(0)) }
    }

    /// The time of day of a time of the guest, in nanoseconds since the Unix epoch.
    pub fn date(self, time: u64) -> u64 {
        self.start.saturating_add(time)
    }
}

/// The time of a day in nanoseconds since the Unix epoch, as `13:05:01.123456` in UTC.
pub fn time_of_day(date: u64) -> String {
    let seconds = date / 1_000_000_000 % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:06}", date % 1_000_000_000 / 1000)
}

/// A date in nanoseconds since the Unix epoch, as `2026-11-25 13:05:01 UTC`.
pub fn day(date: u64) -> String {
    let (mut year, mut left) = (1970, date / 86_400_000_000_000);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    for days in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if left < days {
            break;
        }
        left -= days;
    }
    format!("{year}-{month:02}-{:02} {} UTC", left + 1, &time_of_day(date)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_s_own_date_goes_before_this_computer_s() {
        assert_eq!(Clock::new(Some(1_000), Some(400), 9_000).date(50), 650);
        assert_eq!(Clock::new(None, Some(400), 9_000).date(50), 8_650);
        assert_eq!(Clock::new(None, None, 9_000).date(50), 9_050);
        assert_eq!(Clock::new(Some(1), Some(u64::MAX), 0).date(u64::MAX), u64::MAX);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(day(seconds * 1_000_000_000), text);
        }
        assert_eq!(time_of_day(86_399_123_456_789), "23:59:59.123456");
        assert!(day(u64::MAX).starts_with("2554-"));
    }
}
