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

/// The bits of a preference, and the value that has no meaning (RFC 4191, 2.1).
const PREFERENCE: u8 = 0x18;
const RESERVED: u8 = 0x10;

/// A well-formed message.
pub(super) struct Advertisement<'a> {
    /// For how long the router wants to be the default one, as an option would say it.
    pub(super) default: [u8; 8],
    options: &'a [u8],
}

/// What an option is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Prefix,
    Mtu,
    Route,
    Servers,
}

/// An option. All have their fields at the same places, almost, so one view does for them.
pub(super) struct Item<'a> {
    option: &'a [u8],
    /// As much of it as the longest one of a fixed length has; what is missing of a shorter one is zero.
    field: [u8; 32],
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
        // Here the reserved value is to be read as medium.
        let flags = if flags & PREFERENCE == RESERVED { 0 } else { flags };
        Some(Advertisement { default: [ROUTE, 1, 0, flags, 0, 0, high, low], options })
    }

    /// The options as they stand.
    pub(super) fn options(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.options;
        iter::from_fn(move || {
            let (option, after) = split(rest)?;
            rest = after;
            Some(option)
        })
    }
}

/// The first option and what follows it; its length counts units of eight bytes and is never 0.
fn split(options: &[u8]) -> Option<(&[u8], &[u8])> {
    match *options.get(1)? {
        0 => None,
        length => options.split_at_checked(usize::from(length) * 8),
    }
}

impl<'a> Item<'a> {
    pub(super) fn new(option: &'a [u8]) -> Self {
        let mut field = [0; 32];
        field.iter_mut().zip(option).for_each(|(to, from)| *to = *from);
        Item { option, field }
    }

    /// What it is about, if it is known and in order.
    pub(super) fn what(&self) -> Option<What> {
        let [kind, units, length, flags, ..] = self.field;
        match (kind, units) {
            (PREFIX, 4) if length <= 128 => Some(What::Prefix),
            (MTU, 1) => Some(What::Mtu),
            // As much of the prefix as its length needs (RFC 4191, 2.3).
            (ROUTE, 1..=3) if length <= 64 * (units - 1) && flags & PREFERENCE != RESERVED => {
                Some(What::Route)
            }
            (SERVERS, _) if units % 2 == 1 => Some(What::Servers),
            _ => None,
        }
    }

    /// How many bits of the network are its own.
    pub(super) fn length(&self) -> u8 {
        self.field[2]
    }

    pub(super) fn on_link(&self) -> bool {
        self.field[3] & ON_LINK != 0
    }

    pub(super) fn autonomous(&self) -> bool {
        self.field[3] & AUTONOMOUS != 0
    }

    /// How much the router would like to be taken: 1, 0 or -1, a number of two bits and a sign (RFC 4191, 2.1).
    pub(super) fn preference(&self) -> i8 {
        (self.field[3] << 3).cast_signed() >> 6
    }

    /// The lifetime in seconds; the MTU itself.
    pub(super) fn value(&self) -> u32 {
        (self.bits(4) >> 96) as u32
    }

    /// How many seconds of its life an address is preferred.
    pub(super) fn preferred(&self) -> u32 {
        (self.bits(8) >> 96) as u32
    }

    /// The first address of the network.
    pub(super) fn network(&self, what: What) -> u128 {
        self.bits(if what == What::Prefix { 16 } else { 8 }) & mask(self.length())
    }

    pub(super) fn servers(&self) -> &'a [[u8; 16]] {
        self.option.get(8..).unwrap_or_default().as_chunks().0
    }

    /// The 128 bits at `offset`.
    fn bits(&self, offset: usize) -> u128 {
        let bytes = self.field.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u128::from_be_bytes(*bytes))
    }
}

/// The bits of an address that are those of its network.
pub(super) fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)
}
