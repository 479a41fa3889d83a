//! Numbers of master files: decimal numbers, times with units, and addresses.

/// The longest time to live in seconds (RFC 2181, 8).
const MAX_TIME: u32 = 0x7fff_ffff;

/// A decimal number up to `max`.
#[inline(never)]
pub(crate) fn decimal(text: &[u8], max: u32) -> Option<u32> {
    let mut number = 0_u32;
    for digit in text {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!text.is_empty() && number <= max).then_some(number)
}

/// A time in seconds: a number, or numbers with the units w, d, h, m, s (`1h30m`).
pub(super) fn time(text: &[u8]) -> Option<u32> {
    seconds(text).filter(|&time| time <= MAX_TIME)
}

/// A time to live: one with the upper bit set is none (RFC 2181, 8).
pub(super) fn time_to_live(text: &[u8]) -> Option<u32> {
    seconds(text).map(|time| if time > MAX_TIME { 0 } else { time })
}

fn seconds(text: &[u8]) -> Option<u32> {
    let mut total = 0_u32;
    let mut number = None;
    let mut has_unit = false;
    for &byte in text {
        let unit: u32 = match byte.to_ascii_lowercase() {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                number = Some(number.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 60 * 60,
            b'd' => 24 * 60 * 60,
            b'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        has_unit = true;
    }
    match number {
        None => has_unit.then_some(total),
        // A number without a unit stands alone.
        Some(number) => (!has_unit).then_some(number),
    }
}

/// Days of the months of a year that is no leap year.
const MONTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Seconds since 1970: as their number, or as `YYYYMMDDHHmmSS` (RFC 4034, 3.2).
#[inline(never)]
pub(super) fn date(text: &[u8]) -> Option<u32> {
    if text.len() != 14 {
        return decimal(text, u32::MAX);
    }
    let mut parts = [0; 7];
    for (part, pair) in parts.iter_mut().zip(text.chunks(2)) {
        *part = decimal(pair, 99)?;
    }
    let [century, year, month, day, hour, minute, second] = parts;
    let (year, day) = ((century * 100 + year).checked_sub(1970)?, day.checked_sub(1)?);
    // 1972 was the first leap year, and 2100 is none; later ones do not fit anyway.
    let leap_days = (year + 1) / 4 - u32::from(year > 2100 - 1970);
    let is_leap = year % 4 == 2 && year != 2100 - 1970;
    let mut days = year * 365 + leap_days + day;
    for (number, &length) in (1..).zip(&MONTHS) {
        let length = length + u32::from(is_leap && number == 2);
        if number == month {
            let is_time = day < length && hour < 24 && minute < 60 && second < 60;
            let seconds = u64::from(days) * 86_400 + u64::from(hour * 3600 + minute * 60 + second);
            return u32::try_from(seconds).ok().filter(|_| is_time);
        }
        days += length;
    }
    None
}

/// An address in dotted notation: four numbers without leading zeros.
pub(crate) fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let mut number = 0_u32;
        let mut digits = 0;
        while let Some(digit) =
            rest.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            // A zero in front of another digit; more than 255, long before the number has no room.
            if digits > 0 && number == 0 || number > 25 {
                return None;
            }
            number = number * 10 + u32::from(digit);
            digits += 1;
        }
        *octet = u8::try_from(number).ok().filter(|_| digits > 0)?;
        rest = rest.get(digits..)?;
    }
    rest.is_empty().then_some(octets)
}

/// An address in the notation of RFC 4291, 2.2: groups of hexadecimal digits, `::` once at most, the last two
/// groups perhaps in dotted notation.
pub(crate) fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    let mut octets = [0; 16];
    let mut filled = 0;
    let mut gap = None;
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix(b"::") {
        gap = Some(0);
        rest = behind;
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b':').unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(end)?;
        if part.contains(&b'.') {
            octets.get_mut(filled..filled + 4)?.copy_from_slice(&ipv4(part)?);
            filled += 4;
            if !behind.is_empty() {
                return None; // only the end may be dotted
            }
            break;
        }
        octets.get_mut(filled..filled + 2)?.copy_from_slice(&group(part)?);
        filled += 2;
        let Some(behind) = behind.strip_prefix(b":") else { break };
        rest = behind;
        if let Some(behind) = rest.strip_prefix(b":") {
            if gap.replace(filled).is_some() {
                return None;
            }
            rest = behind;
        } else if rest.is_empty() {
            return None; // a lone colon at the end
        }
    }
    match gap {
        None => (filled == 16).then_some(octets),
        // `::` stands for at least one group.
        Some(gap) if filled <= 14 => {
            let behind = octets.get_mut(gap..)?;
            behind.copy_within(..filled - gap, 16 - filled);
            behind.get_mut(..16 - filled)?.fill(0);
            Some(octets)
        }
        Some(_) => None,
    }
}

fn group(part: &[u8]) -> Option<[u8; 2]> {
    if part.is_empty() || part.len() > 4 {
        return None;
    }
    let mut number = 0_u16;
    for &digit in part {
        let digit = char::from(digit).to_digit(16)?;
        number = number << 4 | digit as u16; // below 16
    }
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::format;
    use std::string::String;

    #[test]
    fn times_are_numbers_or_numbers_with_units() {
        for (text, time) in [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("1h30m", Some(5400)),
            ("1W2D3H4M5S", Some(788_645)),
            ("2147483647", Some(2_147_483_647)),
            ("", None),
            ("h", None),
            ("1h30", None),
            ("1x", None),
            ("99999999999", None),
            ("4000000w", None),
            ("-1", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), time, "{text}");
        }
    }

    #[test]
    fn dates_are_seconds_since_1970_until_they_fit_no_more() {
        for (text, seconds) in [
            ("19700101000000", Some(0)),
            ("20040509183619", Some(1_084_127_779)), // as `date` has it
            ("20000229235959", Some(951_868_799)),
            ("20240301000000", Some(1_709_251_200)),
            ("20991231235959", Some(4_102_444_799)),
            ("21000301000000", Some(4_107_542_400)),
            ("21010101000000", Some(4_133_980_800)),
            ("21060207062815", Some(u32::MAX)),
            ("21060207062816", None),
            ("99991231235959", None),
            ("19691231235959", None),
            ("21000229000000", None),
            ("20230229000000", None),
            ("20231301000000", None),
            ("20230001000000", None),
            ("20230100000000", None),
            ("20230132000000", None),
            ("20230101240000", None),
            ("20230101006000", None),
            ("20230101000060", None),
            ("2023010100000x", None),
            ("1084127779", Some(1_084_127_779)),
            ("4294967296", None),
            ("", None),
        ] {
            assert_eq!(date(text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        let pieces =
            ["", "0", "1", "f", "00ff", "12345", "255", "256", "1.2.3.4", "1.2.3", ":", "::", ".", "g"];
        let mut state = 7_u32;
        let mut valid = 0;
        for round in 0..200_000 {
            let mut text = String::new();
            for _ in 0..round % 9 + 1 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
                if state >> 30 != 0 && !text.ends_with(':') {
                    text.push(':');
                }
            }
            let expected = text.parse::<Ipv6Addr>().ok().map(|address| address.octets());
            valid += u32::from(expected.is_some());
            assert_eq!(ipv6(text.as_bytes()), expected, "{text}");
            let text = text.replace(':', ".");
            let expected = text.parse::<Ipv4Addr>().ok().map(|address| address.octets());
            assert_eq!(ipv4(text.as_bytes()), expected, "{text}");
        }
        assert!(valid > 100, "{}", format!("only {valid} addresses were valid"));
    }
}
