//! Addresses: those that may do something, and those that something is done with.
//!
//! All are kept as numbers of IPv6, those of IPv4 as the ones mapped there (RFC 4291, 2.5.5.2), so that one is the same however
//! it is written and however a client's arrives.

use super::Reader;
use super::scanner::Word;
use crate::master::{decimal, ipv4, ipv6};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port of the protocol.
const PORT: u16 = 53;

/// What an address has to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `NOKEY`: nothing, and so no signature either.
    NoKey,
    /// `BLOCKED`: it may not, whatever it shows.
    Blocked,
    /// The signature of the key that has this place in [`Configuration::keys`](super::Configuration::keys).
    Key(usize),
}

/// A server, or addresses of clients, and the key with which messages to or from there are signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    first: u128,
    last: u128,
    access: Access,
    port: u16,
    is_axfr_only: bool,
}

/// Whether `client`, whose message was signed with `key`, may do what `entries` are about: one of them allows it, and none blocks
/// it, in whatever order they stand.
pub fn allows(entries: &[Entry], client: IpAddr, key: Option<usize>) -> bool {
    let client = match client {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let client = client.to_bits();
    let mut is_allowed = false;
    for entry in entries {
        // Every IPv6 address is not every IPv4 address.
        if client < entry.first || client > entry.last || is_v4(client) != is_v4(entry.first) {
            continue;
        }
        match entry.access {
            Access::Blocked => return false,
            Access::NoKey => is_allowed |= key.is_none(),
            Access::Key(wanted) => is_allowed |= key == Some(wanted),
        }
    }
    is_allowed
}

impl Entry {
    /// What clients have to show.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The place of the key among [`Configuration::keys`](super::Configuration::keys), if there is one.
    pub fn key(&self) -> Option<usize> {
        if let Access::Key(key) = self.access { Some(key) } else { None }
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        let address = if is_v4(self.first) {
            IpAddr::V4(Ipv4Addr::from_bits(self.first as u32)) // the lower bits
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.first))
        };
        SocketAddr::new(address, self.port)
    }

    /// Whether the server is asked for the zone as a whole only, never for what has changed.
    pub fn is_axfr_only(&self) -> bool {
        self.is_axfr_only
    }
}

impl<'f> Reader<'f> {
    /// Reads the addresses of clients that begin with the last word, and what they have to show.
    pub(super) fn clients(&mut self) -> Option<Entry> {
        let word = self.scanner.word;
        if word.text.contains(&b'@') {
            return self
                .scanner
                .fail(word.at, "expected addresses without a port: whoever asks may have any");
        }
        let Some((first, last)) = addresses(word.text) else {
            let expected = "expected an address, or addresses as in 192.0.2.0/24, 192.0.2.0&255.255.255.0 or \
                            192.0.2.1-192.0.2.9";
            return self.scanner.fail(word.at, expected);
        };
        Some(Entry { first, last, access: self.access()?, port: 0, is_axfr_only: false })
    }

    /// Reads a server whose entry begins with the last word.
    pub(super) fn server(&mut self, is_request: bool) -> Option<Entry> {
        let mut word = self.scanner.word;
        let is_axfr_only = is_request && word.text == b"AXFR";
        if is_axfr_only {
            word = self.value()?;
        } else if is_request && word.text == b"UDP" {
            let expected = "expected an address or AXFR: nothing is transferred over UDP here";
            return self.scanner.fail(word.at, expected);
        }
        let Some((first, port)) = address_and_port(word) else {
            let expected = "expected an address, with @ and a port unless that is 53, as in 192.0.2.1@5353";
            return self.scanner.fail(word.at, expected);
        };
        let access = self.access()?;
        if access == Access::Blocked {
            return self.scanner.fail(self.scanner.word.at, "expected NOKEY or the name of a key");
        }
        Some(Entry { first, last: first, access, port, is_axfr_only })
    }

    /// Reads what an address has to show.
    #[inline(never)]
    fn access(&mut self) -> Option<Access> {
        let word = self.value()?;
        Some(match word.text {
            b"NOKEY" => Access::NoKey,
            b"BLOCKED" => Access::Blocked,
            _ => Access::Key(self.slot(word)?),
        })
    }
}

/// The first and the last of the addresses that `text` says.
fn addresses(text: &[u8]) -> Option<(u128, u128)> {
    let Some(end) = text.iter().position(|octet| matches!(octet, b'/' | b'&' | b'-')) else {
        return address(text).map(|one| (one, one));
    };
    let (one, rest) = text.split_at_checked(end)?;
    let (sign, other) = rest.split_first()?;
    let is_short = !one.contains(&b':');
    let one = address(one)?;
    if *sign == b'/' {
        // Bits that an address in the form of IPv4 does not show.
        let hidden = if is_short { 96 } else { 0 };
        let behind = u128::MAX.checked_shr(hidden + decimal(other, 128 - hidden)?).unwrap_or(0);
        return Some((one & !behind, one | behind));
    }
    let short = !other.contains(&b':');
    let other = address(other)?;
    if *sign == b'-' {
        return (one <= other && is_v4(one) == is_v4(other)).then_some((one, other));
    }
    let behind = if is_short { !other & u128::from(u32::MAX) } else { !other };
    // A mask that leaves out bits in between is none of a network.
    (short == is_short && behind & behind.wrapping_add(1) == 0).then_some((one & !behind, one | behind))
}

/// An address, and the port behind its `@`.
fn address_and_port(word: Word<'_>) -> Option<(u128, u16)> {
    let mut parts = word.text.splitn(2, |octet| *octet == b'@');
    let address = address(parts.next()?)?;
    let port = match parts.next() {
        None => PORT,
        Some(port) => decimal(port, u16::MAX.into()).filter(|port| *port > 0)? as u16, // it is one
    };
    Some((address, port))
}

/// The number of an address.
#[inline(never)]
fn address(text: &[u8]) -> Option<u128> {
    match ipv4(text) {
        Some(octets) => Some(0xffff << 32 | u128::from(u32::from_be_bytes(octets))),
        None => Some(u128::from_be_bytes(ipv6(text)?)),
    }
}

/// Whether the number is one of an IPv4 address.
fn is_v4(number: u128) -> bool {
    number >> 32 == 0xffff
}
