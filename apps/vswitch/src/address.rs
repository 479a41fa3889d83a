//! Ethernet addresses, as numbers: [`Mac`], and the [`Key`] of one in a VLAN.

use core::fmt::{self, Write as _};

/// The bits of an address.
const BITS: u64 = (1 << 48) - 1;
/// The bit of the first octet that groups have (IEEE 802, 8.2.2).
const GROUP: u64 = 1 << 40;
/// The addresses that no bridge passes on: 01-80-C2-00-00-00 to -0F (IEEE 802.1Q, table 8-1).
const RESERVED: u64 = 0x0180_c200_0000;
const RESERVED_MASK: u64 = !0xf;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mac(u64);

impl Mac {
    /// The address of all stations.
    pub const BROADCAST: Self = Self(BITS);

    /// The address of these octets.
    pub const fn new(octets: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = octets;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Destination and source of a frame, out of its first octets.
    #[inline]
    pub fn pair(head: &[u8; 14]) -> (Self, Self) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *head;
        let destination = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 16;
        let source = u64::from_be_bytes([e, f, g, h, i, j, k, l]) & BITS;
        (Self(destination), Self(source))
    }

    /// Its octets, in the order of the wire.
    pub fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Whether it is that of several stations.
    #[inline]
    pub fn is_group(self) -> bool {
        self.0 & GROUP != 0
    }

    /// Whether no bridge may pass on what is sent to it.
    #[inline]
    pub fn is_reserved(self) -> bool {
        self.0 & RESERVED_MASK == RESERVED
    }

    /// Whether a frame can come from it.
    #[inline]
    pub fn is_source(self) -> bool {
        !self.is_group() && self.0 != 0
    }

    /// The address that `text` is: six pairs of hexadecimal digits, with colons or hyphens between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2)?;
            *octet = u8::from_str_radix(part, 16).ok().filter(|_| !part.starts_with('+'))?;
        }
        parts.next().is_none().then_some(Self::new(octets))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.octets().into_iter().enumerate() {
            if index > 0 {
                f.write_char(':')?;
            }
            for digit in [octet >> 4, octet & 15] {
                f.write_char(char::from_digit(digit.into(), 16).unwrap_or('?'))?;
            }
        }
        Ok(())
    }
}

/// An address in a VLAN; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub(crate) u64);

impl Key {
    /// The key of an address in the VLAN of this number, which is 1 to 4094.
    #[inline]
    pub fn new(vlan: u16, address: Mac) -> Self {
        Self(u64::from(vlan) << 48 | address.0)
    }

    /// The VLAN.
    pub fn vlan(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The address.
    pub fn address(self) -> Mac {
        Mac(self.0 & BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        let address = Mac::parse("02:00:5E-10-00:ff").unwrap();
        assert_eq!(address.octets(), [2, 0, 0x5e, 0x10, 0, 0xff]);
        assert_eq!(address.to_string(), "02:00:5e:10:00:ff");
        for wrong in ["", "02:00:5e:10:00", "02:00:5e:10:00:ff:00", "2:0:5e:10:0:ff", "02:00:5e:10:00:+f"] {
            assert_eq!(Mac::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sixteen_addresses_are_reserved() {
        assert!(Mac::new([1, 0x80, 0xc2, 0, 0, 0]).is_reserved());
        assert!(Mac::new([1, 0x80, 0xc2, 0, 0, 15]).is_reserved());
        assert!(!Mac::new([1, 0x80, 0xc2, 0, 0, 16]).is_reserved());
        assert!(!Mac::BROADCAST.is_reserved());
    }

    #[test]
    fn a_frame_begins_with_destination_and_source() {
        let head = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0];
        let (destination, source) = Mac::pair(&head);
        assert_eq!(destination, Mac::new([1, 2, 3, 4, 5, 6]));
        assert_eq!(source, Mac::new([7, 8, 9, 10, 11, 12]));
        let key = Key::new(4094, source);
        assert_eq!((key.vlan(), key.address()), (4094, source));
    }
}
