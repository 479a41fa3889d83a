//! Addresses of both versions of IP in one form: those of version 4 as IPv6 maps them (RFC 4291, 2.5.5.2).
//!
//! Tables, comparisons and prefixes then have one case. On the wire a mapped address is nobody's: [`crate::ip::gate`] lets
//! none in, so what looks like version 4 here always is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What an address of version 4 begins with in IPv6's form.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
/// The bits of these bytes: a prefix of version 4 is that much longer in IPv6's form.
const MAPPED_BITS: u8 = 96;

/// An address of either version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address([u8; 16]);

/// An address, or the beginning of one, and how many bits of it name the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The address; of a network, the rest is of no meaning.
    pub address: Address,
    /// The bits, in the form of version 6.
    pub bits: u8,
}

impl Address {
    /// No address.
    pub const UNSPECIFIED: Self = Self([0; 16]);
    /// All hosts of the link, of version 4 (RFC 919, 7).
    pub const ALL: Self = Self::v4([255; 4]);
    /// All nodes of the link (RFC 4291, 2.7.1).
    pub const ALL_NODES: Self = Self([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    /// All routers of the link.
    pub const ALL_ROUTERS: Self = Self([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

    /// An address of version 4.
    #[inline]
    pub const fn v4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// An address of version 6.
    #[inline]
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets of version 6.
    #[inline]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// The octets of version 4, if it is of that.
    #[inline]
    pub fn as_v4(&self) -> Option<[u8; 4]> {
        let (mapped, octets) = self.0.split_last_chunk::<4>()?;
        (mapped == MAPPED).then_some(*octets)
    }

    /// Whether it is of version 4.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.0.first_chunk() == Some(&MAPPED)
    }

    /// Whether it is no address, of either version.
    pub fn is_unspecified(&self) -> bool {
        self.0 == [0; 16] || self.as_v4() == Some([0; 4])
    }

    /// Whether it names a group (RFC 4291, 2.7; RFC 5771).
    pub fn is_multicast(&self) -> bool {
        self.0[0] == 0xff || self.as_v4().is_some_and(|octets| matches!(octets[0], 224..240))
    }

    /// Whether it is good on one link alone (RFC 4291, 2.5.6).
    pub fn is_link_local(&self) -> bool {
        self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80
    }

    /// Whether a host can have it: no group, nobody, and not this host itself.
    pub fn is_host(&self) -> bool {
        match self.as_v4() {
            Some([first, ..]) => first != 0 && first != 127 && first < 224,
            // RFC 4291, 2.5.2 and 2.5.3: what is left of ::/96 are old forms of version 4.
            None => self.0[0] != 0xff && self.0.first_chunk() != Some(&[0; 12]),
        }
    }

    /// The group in which whoever has the address listens for questions (RFC 4291, 2.7.1).
    pub fn solicited_node(&self) -> Self {
        let [.., a, b, c] = self.0;
        Self([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
    }

    /// The Ethernet address of a group (RFC 1112, 6.4; RFC 2464, 7).
    pub fn group_hardware(&self) -> [u8; 6] {
        let [.., a, b, c, d] = self.0;
        if self.is_v4() { [1, 0, 0x5e, b & 0x7f, c, d] } else { [0x33, 0x33, a, b, c, d] }
    }

    #[inline]
    fn number(&self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// How many bits at the beginning of two addresses are the same.
    pub fn common_bits(&self, other: &Self) -> u8 {
        (self.number() ^ other.number()).leading_zeros() as u8 // 128 at most
    }
}

impl Network {
    /// The network of an address of version 4 whose prefix has so many bits. More than 32 are 32.
    pub fn v4(address: [u8; 4], bits: u8) -> Self {
        Self { address: Address::v4(address), bits: MAPPED_BITS + bits.min(32) }
    }

    /// The network of an address of either version with a prefix as long as that version has it. `None` when it is
    /// longer than an address.
    pub fn try_new(address: IpAddr, bits: u8) -> Option<Self> {
        let (limit, base) = if address.is_ipv4() { (32, MAPPED_BITS) } else { (128, 0) };
        (bits <= limit).then(|| Self { address: address.into(), bits: base + bits })
    }

    /// The length of the prefix as the address's version has it.
    pub fn prefix(&self) -> u8 {
        if self.address.is_v4() { self.bits.saturating_sub(MAPPED_BITS) } else { self.bits }
    }

    /// Whether an address is one of the network: of the same version, and with the same beginning.
    #[inline]
    pub fn contains(&self, address: &Address) -> bool {
        self.address.common_bits(address) >= self.bits
            && (self.bits >= MAPPED_BITS || self.address.is_v4() == address.is_v4())
    }

    /// The addresses that stand for all hosts of the network: of version 4 its last address, and of old its first. A network
    /// of two addresses or one has neither (RFC 3021).
    pub fn all(&self) -> Option<[Address; 2]> {
        let own = u32::from_be_bytes(self.address.as_v4()?);
        let rest = u32::MAX.checked_shr(self.prefix().into()).unwrap_or(0);
        let all = [own & !rest, own | rest].map(|address| Address::v4(address.to_be_bytes()));
        (rest > 1).then_some(all)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::v4(address.octets()),
            IpAddr::V6(address) => Self(address.octets()),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::v4(address.octets())
    }
}

impl From<Ipv6Addr> for Address {
    fn from(address: Ipv6Addr) -> Self {
        Self(address.octets())
    }
}

impl From<Address> for IpAddr {
    #[inline]
    fn from(address: Address) -> Self {
        match address.as_v4() {
            Some(octets) => IpAddr::V4(octets.into()),
            None => IpAddr::V6(address.0.into()),
        }
    }
}

/// An address and a port.
pub(crate) type End = (Address, u16);

/// The end as the standard library writes it.
pub(crate) fn socket_address((address, port): End) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn six(text: &str) -> Address {
        text.parse::<Ipv6Addr>().unwrap().into()
    }

    fn four(octets: [u8; 4]) -> Address {
        Address::v4(octets)
    }

    #[test]
    fn both_versions_come_back_as_they_were() {
        for text in ["10.0.2.15", "0.0.0.0", "2001:db8::1", "::", "::1", "fe80::5054:ff:fe12:3456"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Address::from(address)), address);
        }
        let mapped: IpAddr = "::ffff:10.0.2.15".parse().unwrap();
        assert_eq!(IpAddr::from(Address::from(mapped)), IpAddr::from([10, 0, 2, 15]));
    }

    #[test]
    fn a_network_holds_the_addresses_of_its_version_that_begin_like_it() {
        let network = Network::v4([10, 0, 2, 15], 24);
        assert!(network.contains(&four([10, 0, 2, 200])) && !network.contains(&four([10, 0, 3, 15])));
        let all = Network::v4([0; 4], 0);
        assert!(all.contains(&four([8, 8, 8, 8])) && !all.contains(&six("2001:db8::1")));
        let all = Network { address: Address::UNSPECIFIED, bits: 0 };
        assert!(all.contains(&six("2001:db8::1")) && !all.contains(&four([8, 8, 8, 8])));
        let one = Network::try_new("2001:db8::1".parse().unwrap(), 128).unwrap();
        assert!(one.contains(&six("2001:db8::1")) && !one.contains(&six("2001:db8::2")));
        assert_eq!(Network::try_new([10, 0, 0, 1].into(), 33), None);
        assert_eq!(Network::try_new([10, 0, 0, 1].into(), 8).map(|network| network.prefix()), Some(8));
    }

    #[test]
    fn the_ends_of_a_network_of_version_4_are_for_all() {
        let network = Network::v4([10, 0, 2, 15], 24);
        assert_eq!(network.all(), Some([four([10, 0, 2, 0]), four([10, 0, 2, 255])]));
        let network = Network::v4([10, 0, 2, 15], 30);
        assert_eq!(network.all(), Some([four([10, 0, 2, 12]), four([10, 0, 2, 15])]));
        assert_eq!(Network::v4([10, 0, 2, 15], 0).all(), Some([four([0; 4]), four([255; 4])]));
        for bits in [31, 32] {
            assert_eq!(Network::v4([10, 0, 0, 0], bits).all(), None);
        }
        assert_eq!(Network::try_new("2001:db8::1".parse().unwrap(), 64).unwrap().all(), None);
    }

    #[test]
    fn groups_have_their_hardware_addresses() {
        assert_eq!(four([224, 128, 2, 3]).group_hardware(), [1, 0, 0x5e, 0, 2, 3]);
        assert_eq!(six("fe80::1:2").solicited_node(), six("ff02::1:ff01:2"));
        assert_eq!(six("ff02::1:ff01:2").group_hardware(), [0x33, 0x33, 0xff, 1, 0, 2]);
    }

    #[test]
    fn not_every_address_is_a_hosts() {
        for text in ["::", "::1", "ff02::1", "::10.0.0.1"] {
            assert!(!six(text).is_host(), "{text}");
        }
        assert!(six("2001:db8::1").is_host() && six("fe80::1").is_host());
        for octets in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
            assert!(!four(octets).is_host());
        }
    }
}
