//! The real-time clock of a PC (MC146818), read once for the wall clock.

/// A date and time as the clock's registers hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Second, minute, hour, day of month, month, year of the century.
    pub fields: [u8; 6],
    /// Status register B: how the fields are coded.
    pub status: u8,
}

/// Fields are binary rather than binary-coded decimal.
const BINARY: u8 = 1 << 2;
/// Hours are 0 to 23 rather than 1 to 12 with a bit for the afternoon.
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;

/// Seconds since the Unix epoch, taking the year to be one of 2000 to 2099. `None` where a field is out of its range.
pub fn unix_seconds(registers: Registers) -> Option<u64> {
    let [second, minute, hour, day, month, year] = registers.fields;
    let decode = |value: u8| match registers.status & BINARY {
        0 if value & 15 > 9 || value >> 4 > 9 => None,
        0 => Some((value >> 4) * 10 + (value & 15)),
        _ => Some(value),
    };
    let afternoon = hour & AFTERNOON != 0 && registers.status & HOURS_24 == 0;
    let mut hours = decode(if registers.status & HOURS_24 == 0 { hour & !AFTERNOON } else { hour })?;
    if registers.status & HOURS_24 == 0 {
        hours = (1..=12).contains(&hours).then_some(hours % 12 + if afternoon { 12 } else { 0 })?;
    }
    let (second, minute, day) = (decode(second)?, decode(minute)?, decode(day)?);
    let (month, year) = (decode(month)?, decode(year)?);
    if second > 59 || minute > 59 || hours > 23 || !(1..=31).contains(&day) || !(1..=12).contains(&month) {
        return None;
    }
    let days = days_since_epoch(2000 + u64::from(year), u64::from(month), u64::from(day));
    Some(((days * 24 + u64::from(hours)) * 60 + u64::from(minute)) * 60 + u64::from(second))
}

/// Days from 1970-01-01 in the Gregorian calendar; years count from March, so that leap days come last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(target_os = "none")]
pub(crate) use hardware::read;

#[cfg(target_os = "none")]
mod hardware {
    use super::{Registers, unix_seconds};
    use crate::port;

    /// Reads the clock. `None` where there is none, or it is never at rest.
    pub(crate) fn read() -> Option<u64> {
        const UPDATING: u8 = 1 << 7;
        // An update takes up to 2 ms; two equal readings outside one are consistent.
        for _ in 0..1_000 {
            if register(0x0a) & UPDATING == 0 {
                let first = registers();
                if first == registers() {
                    return unix_seconds(first);
                }
            }
        }
        None
    }

    fn registers() -> Registers {
        Registers { fields: [0, 2, 4, 7, 8, 9].map(register), status: register(0x0b) }
    }

    fn register(number: u8) -> u8 {
        port::write_u8(0x70, number);
        port::read_u8(0x71)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_coded_fields_make_a_date() {
        let fields = [0x59, 0x34, 0x23, 0x29, 0x02, 0x24];
        assert_eq!(unix_seconds(Registers { fields, status: HOURS_24 }), Some(1_709_249_699));
    }

    #[test]
    fn binary_fields_and_twelve_hours_are_understood() {
        let morning = [0, 0, 12, 1, 1, 0];
        assert_eq!(unix_seconds(Registers { fields: morning, status: BINARY }), Some(946_684_800));
        let evening = [0, 0, 11 | AFTERNOON, 1, 1, 0];
        assert_eq!(
            unix_seconds(Registers { fields: evening, status: BINARY }),
            Some(946_684_800 + 23 * 3_600)
        );
    }

    #[test]
    fn a_missing_clock_is_no_date() {
        assert_eq!(unix_seconds(Registers { fields: [0xff; 6], status: 0xff }), None);
        assert_eq!(unix_seconds(Registers { fields: [0; 6], status: HOURS_24 }), None);
    }
}
