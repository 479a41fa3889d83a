//! Numbers of master files: decimal numbers, times with units, and addresses.

/// The longest time to live in seconds (RFC 2181, 8).
const MAX_TIME: u32 = 0x7fff_ffff;

/// A decimal number up to `max`.
pub(super) fn decimal(text: &[u8], max: u32) -> Option<u32> {
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

/// An address in dotted notation: four numbers without leading zeros.
pub(super) fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 || (part.len() > 1 && part.starts_with(b"0")) {
            return None;
        }
        let mut number = 0_u32;
        for digit in part {
            number = number * 10 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        *octet = u8::try_from(number).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// An address in the notation of RFC 4291, 2.2: groups of hexadecimal digits, `::` once at most, the last two
/// groups perhaps in dotted notation.
pub(super) fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
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
