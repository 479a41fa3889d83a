//! Router advertisements on the wire (RFC 4861, 4.2), and the options of them that mean something here.

use core::iter;

/// The type of the message (RFC 4861, 4.2).
const ADVERTISEMENT: u8 = 134;

/// Options: the prefix information and the MTU (RFC 4861, 4.6), the route information (RFC 4191, 2.3), the recursive
/// name servers (RFC 8106, 5.1).
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const ROUTE: u8 = 24;
const SERVERS: u8 = 25;

/// The flags of a prefix (RFC 4861, 4.6.2).
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// A well-formed message.
pub(super) struct Advertisement<'a> {
    /// What packets should start with; 0 says nothing.
    /// How much the router would like to be the default one: 1, 0 or -1 (RFC 4191, 2.2).
    pub(super) preference: i8,
    /// How many seconds it wants to be one.
    pub(super) lifetime: u16,
    options: &'a [u8],
}

/// What an option says. Networks are masked, lifetimes in seconds.
pub(super) enum Item<'a> {
    Prefix { network: u128, length: u8, on_link: bool, autonomous: bool, valid: u32, preferred: u32 },
    Mtu(u32),
    Route { network: u128, length: u8, preference: i8, lifetime: u32 },
    Servers { addresses: &'a [[u8; 16]], lifetime: u32 },
}

impl<'a> Advertisement<'a> {
    /// Reads a message from its type on; `None` where the whole must be discarded (RFC 4861, 6.1.2).
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, options) = message.split_first_chunk::<16>()?;
        let [ADVERTISEMENT, 0, _, _, _, flags, high, low, ..] = *header else { return None };
        let mut rest = options;
        while !rest.is_empty() {
            rest = split(rest)?.1;
        }
        // A reserved value is to be read as medium.
        let preference = preference(flags).unwrap_or(0);
        Some(Advertisement { preference, lifetime: u16::from_be_bytes([high, low]), options })
    }

    /// The options that are known and in order, as they stand.
    pub(super) fn items(&self) -> impl Iterator<Item = Item<'a>> {
        let mut rest = self.options;
        let options = iter::from_fn(move || {
            let (option, after) = split(rest)?;
            rest = after;
            Some(option)
        });
        options.filter_map(item)
    }
}

/// The first option and what follows it; its length counts units of eight bytes and is never 0.
fn split(options: &[u8]) -> Option<(&[u8], &[u8])> {
    match *options.get(1)? {
        0 => None,
        length => options.split_at_checked(usize::from(length) * 8),
    }
}

fn item(option: &[u8]) -> Option<Item<'_>> {
    // The longest one of a fixed length; what is missing of a shorter one is zero.
    let mut field = [0; 32];
    field.iter_mut().zip(option).for_each(|(to, from)| *to = *from);
    let [kind, _, length, flags, ..] = field;
    Some(match (kind, option.len()) {
        (PREFIX, 32) if length <= 128 => Item::Prefix {
            network: bits(&field, 16) & mask(length),
            length,
            on_link: flags & ON_LINK != 0,
            autonomous: flags & AUTONOMOUS != 0,
            valid: seconds(&field, 4),
            preferred: seconds(&field, 8),
        },
        (MTU, 8) => Item::Mtu(seconds(&field, 4)),
        // As much of the prefix as its length needs (RFC 4191, 2.3).
        (ROUTE, size @ 8..=24) if length <= 128 && size >= 8 + usize::from(length.div_ceil(64)) * 8 => {
            Item::Route {
                network: bits(&field, 8) & mask(length),
                length,
                preference: preference(flags)?,
                lifetime: seconds(&field, 4),
            }
        }
        (SERVERS, _) => {
            let (addresses, rest) = option.get(8..)?.as_chunks();
            if !rest.is_empty() {
                return None;
            }
            Item::Servers { addresses, lifetime: seconds(&field, 4) }
        }
        _ => return None,
    })
}

/// The preference of a router, or `None` for the value that has no meaning (RFC 4191, 2.1).
fn preference(flags: u8) -> Option<i8> {
    [Some(0), Some(1), None, Some(-1)][usize::from(flags >> 3 & 3)]
}

/// The bits of an address that are those of its network.
pub(super) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)
}

/// The 32 bits at `offset`.
fn seconds(field: &[u8; 32], offset: usize) -> u32 {
    (bits(field, offset) >> 96) as u32
}

/// The 128 bits at `offset`.
fn bits(field: &[u8; 32], offset: usize) -> u128 {
    field.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
