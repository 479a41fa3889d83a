//! Dates as they stand in fields: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), from and to seconds since the
//! Unix epoch.
//!
//! [`write`] makes the one form that is sent; [`parse`] reads the two obsolete ones too.

/// Bytes of a date.
pub(crate) const LENGTH: usize = 29;

const DAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
const DAY: u64 = 86_400;
/// The last second of the year 9999, behind which four digits do not tell the year.
const LAST: u64 = 253_402_300_799;
/// From the first of March of the year 0 to the Unix epoch. Years that begin in March end with the day that leap years add.
const TO_EPOCH: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;

/// The date of a moment, in seconds since the Unix epoch; what lies behind the year 9999 is told as its end.
#[inline(never)]
pub(crate) fn write(seconds: u64) -> [u8; LENGTH] {
    let seconds = seconds.min(LAST);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let mut put = |at: usize, part: &[u8]| {
        if let Some(place) = text.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    put(0, named(DAYS, days % 7));
    put(5, &digits(day));
    put(8, named(MONTHS, month));
    put(12, &digits(year / 100));
    put(14, &digits(year % 100));
    put(17, &digits(second / 3600));
    put(20, &digits(second / 60 % 60));
    put(23, &digits(second % 60));
    text
}

/// The same moment as RFC 3339 tells it: `1994-11-06T08:49:37Z`.
#[inline(never)]
pub(crate) fn write_rfc3339(seconds: u64) -> [u8; 20] {
    let seconds = seconds.min(LAST);
    let (year, month, day) = civil(seconds / DAY);
    let second = seconds % DAY;
    let pairs = [year / 100, year % 100, month + 1, day, second / 3600, second / 60 % 60, second % 60];
    let mut text = *b"1970-01-01T00:00:00Z";
    for (at, pair) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(pairs) {
        if let Some(place) = text.get_mut(at..at + 2) {
            place.copy_from_slice(&digits(pair));
        }
    }
    text
}

/// The moment of a date in any of the three forms, in seconds since the Unix epoch. `None` if it is none, or lies before that.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    let comma = text.iter().position(|&byte| byte == b',');
    let (day, month, year, time) = match (comma, text) {
        // Sun, 06 Nov 1994 08:49:37 GMT
        (Some(3), [_, _, _, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', time @ ..]) => {
            let year = number(&[*y1, *y2])? * 100 + number(&[*y3, *y4])?;
            (number(&[*d1, *d2])?, [*m1, *m2, *m3], year, time.strip_suffix(b" GMT")?)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        (Some(comma @ 6..=9), _) => match text.get(comma + 1..)? {
            [b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', time @ ..] => {
                // Whatever year it is now: the web has no older dates, and this form is not made any more.
                let year = number(&[*y1, *y2])?;
                let year = if year < 70 { 2000 + year } else { 1900 + year };
                (number(&[*d1, *d2])?, [*m1, *m2, *m3], year, time.strip_suffix(b" GMT")?)
            }
            _ => return None,
        },
        // Sun Nov  6 08:49:37 1994
        (None, [_, _, _, b' ', m1, m2, m3, b' ', d1, d2, b' ', rest @ ..]) => {
            let (time, year) = rest.split_at_checked(8)?;
            let [b' ', y1, y2, y3, y4] = year else { return None };
            let tens = if *d1 == b' ' { b'0' } else { *d1 };
            let year = number(&[*y1, *y2])? * 100 + number(&[*y3, *y4])?;
            (number(&[tens, *d2])?, [*m1, *m2, *m3], year, time)
        }
        _ => return None,
    };
    let month = MONTHS.chunks_exact(3).position(|name| *name == month)? as u64;
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    // A leap second is the first of the next minute.
    if year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day);
    // The 31st of a month of 30 days is none.
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Year, month from 0 and day from 1 of a day since the Unix epoch.
#[inline(never)]
fn civil(days: u64) -> (u64, u64, u64) {
    let (era, day) = ((days + TO_EPOCH) / ERA, (days + TO_EPOCH) % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on: five of them have 153 days, whichever five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    (era * 400 + year + u64::from(month < 2), month, day)
}

/// The reverse of [`civil`], from the year 1970 on.
pub(crate) fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month < 2);
    let (era, year) = (year / 400, year % 400);
    let month = (month + 10) % 12;
    let day = (153 * month + 2) / 5 + day - 1;
    era * ERA + year * 365 + year / 4 - year / 100 + day - TO_EPOCH
}

fn named(names: &[u8], index: u64) -> &[u8] {
    names.chunks_exact(3).nth(index as usize).unwrap_or(b"???")
}

fn digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// The number that two digits make.
fn number(digits: &[u8; 2]) -> Option<u64> {
    let [tens, ones] = digits.map(|digit| u64::from(digit.wrapping_sub(b'0')));
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: u64 = 784_111_777;

    #[test]
    fn a_moment_is_told_in_the_form_of_today_and_read_in_all_three() {
        assert_eq!(&write(MOMENT), b"Sun, 06 Nov 1994 08:49:37 GMT");
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text.as_bytes()), Some(MOMENT), "{text}");
        }
        assert_eq!(parse(b"Friday, 01-Jan-38 00:00:00 GMT"), Some(2_145_916_800));
    }

    #[test]
    fn every_day_until_the_year_2401_is_read_as_it_was_told() {
        for day in 0..157_800 {
            let moment = day * DAY + day % DAY;
            assert_eq!(parse(&write(moment)), Some(moment), "day {day}");
        }
        assert_eq!(&write(951_827_696), b"Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(&write(4_107_542_400), b"Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(&write(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(&write_rfc3339(951_827_696), b"2000-02-29T12:34:56Z");
        assert_eq!(&write_rfc3339(u64::MAX), b"9999-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Thu, 29 Feb 2001 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 19x4 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov  6 08:49",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
