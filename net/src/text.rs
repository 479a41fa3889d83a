//! Addresses as text. `core`'s own parsers take several kilobytes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads an IPv4 address like `10.0.2.2`, at a fraction of the bytes that the parser of `core` takes.
pub(crate) fn parse_address(text: &str) -> Option<Ipv4Addr> {
    let ([a, b, c, d, _], 4) = parse_numbers(text)? else { return None };
    Some(Ipv4Addr::new(a, b, c, d))
}

/// Reads an address of either version.
pub(crate) fn parse_any(text: &str) -> Option<IpAddr> {
    if text.bytes().any(|byte| byte == b':') {
        return parse_six(text.as_bytes()).map(IpAddr::V6);
    }
    parse_address(text).map(IpAddr::V4)
}

/// Reads an address of either version, and the port behind a colon, or else `port`: an address of IPv6 with a port stands
/// in brackets.
pub fn parse_end(text: &str, port: u16) -> Option<SocketAddr> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    let is_alone = bytes.first() != Some(&b'[') && bytes.iter().filter(|byte| **byte == b':').count() != 1;
    let Some(colon) = colon.filter(|_| !is_alone) else {
        return Some(SocketAddr::new(parse_any(text)?, port));
    };
    let address = text.get(..colon)?;
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let port = text.get(colon + 1..)?.parse().ok().filter(|port| *port != 0)?;
    Some(SocketAddr::new(parse_any(address)?, port))
}

/// Reads an address of either version with the length of a prefix: `10.0.2.15/24`, `2001:db8::15/64`.
pub(crate) fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let slash = text.bytes().position(|byte| byte == b'/')?;
    let address = parse_any(text.get(..slash)?)?;
    let digits = text.get(slash + 1..)?;
    let ([prefix, ..], 1) = parse_numbers(digits)? else { return None };
    Some((address, prefix))
}

/// Up to four decimal numbers of one byte, without leading zeros and with dots between them, and perhaps a fifth; and how
/// many there were.
fn parse_numbers(text: &str) -> Option<([u8; 5], usize)> {
    let (mut numbers, mut index, mut digits) = ([0u8; 5], 0, 0);
    for byte in text.bytes() {
        let number = numbers.get_mut(index)?;
        match byte {
            b'0'..=b'9' if digits == 0 || *number > 0 => {
                *number = number.checked_mul(10)?.checked_add(byte - b'0')?;
                digits += 1;
            }
            b'.' if digits > 0 => (index, digits) = (index + 1, 0),
            _ => return None,
        }
    }
    (digits > 0).then_some((numbers, index + 1))
}

/// Groups of an address of IPv6.
const GROUPS: usize = 8;

/// Hexadecimal numbers between colons, with `::` for groups of zeros (RFC 4291, 2.2, without the form that ends in an
/// address of IPv4).
fn parse_six(mut rest: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0u16; GROUPS], 0, None);
    if let Some(behind) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), behind);
    }
    while let [_, ..] = rest {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (group, behind) = rest.split_at_checked(digits).filter(|_| matches!(digits, 1..=4))?;
        let place = groups.get_mut(count)?;
        for byte in group {
            *place = *place << 4 | u16::try_from(char::from(*byte).to_digit(16)?).ok()?;
        }
        count += 1;
        rest = match behind {
            [] => behind,
            [b':', b':', behind @ ..] if gap.is_none() => {
                gap = Some(count);
                behind
            }
            [b':', behind @ ..] if !behind.is_empty() => behind,
            _ => return None,
        };
    }
    if let Some(gap) = gap {
        // The groups behind the gap go to the end.
        groups.get_mut(gap..).filter(|_| count < GROUPS)?.rotate_right(GROUPS - count);
    }
    (count == GROUPS || gap.is_some()).then(|| Ipv6Addr::from(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_version_6_are_read_as_the_standard_library_reads_them() {
        for text in [
            "::",
            "::1",
            "1::",
            "2001:db8::15",
            "fe80::5054:ff:fe12:3456",
            "1:2:3:4:5:6:7:8",
            "1:2:3::6:7:8",
            "ABCD:ef::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "0001::0",
            "",
            ":",
            ":::",
            "1",
            "1:2",
            "1::2::3",
            "12345::",
            "g::",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            ":1",
            "1:",
            "1::2:",
            "fe80::1%0",
            " ::1",
            "::1/64",
        ] {
            assert_eq!(parse_six(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn a_port_stands_behind_a_colon() {
        for (text, end) in [
            ("10.0.0.1", Some("10.0.0.1:53")),
            ("10.0.0.1:54", Some("10.0.0.1:54")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:54", Some("[2001:db8::1]:54")),
            ("10.0.0.1:0", None),
            ("10.0.0.1:65536", None),
            ("[2001:db8::1]", None),
            ("[2001:db8::1:54", None),
            ("", None),
        ] {
            assert_eq!(parse_end(text, 53), end.map(|end| end.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn networks_of_either_version_are_read() {
        let read = |text: &str| parse_network(text);
        assert_eq!(read("10.0.2.15/24"), Some(([10, 0, 2, 15].into(), 24)));
        assert_eq!(read("2001:db8::15/64").map(|network| network.1), Some(64));
        for wrong in [
            "10.0.2.15",
            "10.0.2/24",
            "10.0.2.15/",
            "10.0.2.15/256",
            "10.0.2.15/1.2",
            "/24",
            "::/x",
            "1.2.3.4.5/8",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
