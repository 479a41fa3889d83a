//! This host, as the frames that it receives and sends are held against it: its card and its addresses.

use crate::ip::address::{Address, Network};

/// Addresses that a host has at most.
const ADDRESS_LIMIT: usize = 8;

/// The host that a frame is held against.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its Ethernet address.
    pub hardware: [u8; 6],
    /// Its addresses with their networks; [`Address::UNSPECIFIED`] behind the last one.
    networks: [Network; ADDRESS_LIMIT],
    /// The addresses that stand for all hosts of each.
    all: [[Address; 2]; ADDRESS_LIMIT],
    count: usize,
    /// A bit for each that another host may have as well, and for each that what is new should not use.
    on_trial: u8,
    deprecated: u8,
}

const NONE: Network = Network { address: Address::UNSPECIFIED, bits: 0 };

impl Host {
    /// A host without addresses.
    pub const fn new(hardware: [u8; 6]) -> Self {
        Host {
            hardware,
            networks: [NONE; ADDRESS_LIMIT],
            all: [[Address::ALL; 2]; ADDRESS_LIMIT],
            count: 0,
            on_trial: 0,
            deprecated: 0,
        }
    }

    /// Takes its addresses away.
    pub fn clear(&mut self) {
        (self.count, self.on_trial, self.deprecated) = (0, 0, 0);
    }

    /// Gives it one more address, those to be preferred first. False when it has as many as it can.
    pub fn add(&mut self, network: Network) -> bool {
        let place = self.networks.get_mut(self.count).zip(self.all.get_mut(self.count));
        let Some((place, all)) = place else { return false };
        (*place, *all) = (network, network.all().unwrap_or([Address::ALL; 2]));
        self.count += 1;
        true
    }

    /// The same for one that may be another host's as well (RFC 4429), or that is deprecated (RFC 4862, 5.5.4).
    pub(crate) fn add_with(&mut self, network: Network, is_on_trial: bool, is_deprecated: bool) -> bool {
        // There are no more of them than bits.
        let bit = 1u8.checked_shl(self.count as u32).unwrap_or(0);
        let fits = self.add(network);
        if fits {
            self.on_trial |= if is_on_trial { bit } else { 0 };
            self.deprecated |= if is_deprecated { bit } else { 0 };
        }
        fits
    }

    /// Whether another host may have the address as well.
    pub(crate) fn is_on_trial(&self, address: &Address) -> bool {
        let place = self.networks().iter().position(|network| network.address == *address);
        place.is_some_and(|place| self.on_trial >> place & 1 == 1)
    }

    /// Its addresses.
    pub fn networks(&self) -> &[Network] {
        self.networks.get(..self.count).unwrap_or_default()
    }

    /// Whether it has an address.
    #[inline]
    pub fn has(&self, address: &Address) -> bool {
        self.networks().iter().any(|network| network.address == *address)
    }

    /// Whether it has no address that is good beyond its link.
    pub(crate) fn is_lost(&self) -> bool {
        self.networks().iter().all(|network| network.address.is_link_local())
    }

    /// Its address of version 4.
    pub fn v4(&self) -> Option<Network> {
        self.networks().iter().copied().find(|network| network.address.is_v4())
    }

    /// Whether it belongs to a group that neighbours use (RFC 4291, 2.8).
    pub(crate) fn is_in(&self, group: &Address) -> bool {
        let mut of_six = self.networks().iter().filter(|network| !network.address.is_v4());
        match *group {
            Address::ALL_NODES => of_six.next().is_some(),
            group => of_six.any(|network| network.address.solicited_node() == group),
        }
    }

    /// Whether somebody at `source` can be answered through the Ethernet address `hardware`: it is one host, another one,
    /// and no address that stands for itself alone or for none (RFC 1122, 3.2.1.3; RFC 6890, 2.2.2; RFC 4291, 2.5).
    #[inline(never)]
    pub(crate) fn can_answer(&self, source: &Address, hardware: [u8; 6]) -> bool {
        let is_one = hardware[0] & 1 == 0 && hardware != [0; 6] && hardware != self.hardware;
        is_one && source.is_host() && !self.has(source) && !self.is_broadcast(source)
    }

    /// Whether an address stands for all hosts of one of its networks.
    #[inline]
    pub(crate) fn is_broadcast(&self, address: &Address) -> bool {
        self.all.get(..self.count).unwrap_or_default().as_flattened().contains(address)
    }

    /// The address that it speaks to `destination` with: one that is good where that is, of those one that is not deprecated,
    /// and of those the one that is most like it (RFC 6724, 5: rules 2, 3 and 8). `None` when it has none of the version, or
    /// none that is good beyond the link (RFC 4291, 2.5.6).
    pub(crate) fn source(&self, destination: &Address) -> Option<Address> {
        let (is_v4, [first, second, ..]) = (destination.is_v4(), *destination.octets());
        let is_near = destination.is_link_local() || first == 0xff && second & 0xf <= 2;
        let mut best = None;
        for (place, Network { address, .. }) in self.networks().iter().enumerate() {
            if address.is_v4() != is_v4 || address.is_link_local() && !is_near {
                continue;
            }
            // One of version 4 is not near, and neither is where it is good.
            let is_good = address.is_link_local() == is_near;
            let is_current = self.deprecated >> place & 1 == 0;
            let worth = u16::from(is_good) << 9
                | u16::from(is_current) << 8
                | u16::from(address.common_bits(destination)).min(0xff);
            // The first of those that are equally good.
            if best.is_none_or(|(known, _)| worth > known) {
                best = Some((worth, *address));
            }
        }
        best.map(|(_, address)| address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn host() -> Host {
        let mut host = Host::new([2, 0, 0, 0, 0, 1]);
        for (text, bits) in [("10.0.0.1", 24), ("2001:db8:1::1", 64), ("2001:db8:2::1", 64), ("fe80::1", 64)]
        {
            assert!(host.add(Network::try_new(text.parse().unwrap(), bits).unwrap()));
        }
        host
    }

    #[test]
    fn it_speaks_to_each_with_the_address_that_is_good_there() {
        let host = host();
        for (to, from) in [
            ("10.0.0.7", "10.0.0.1"),
            ("8.8.8.8", "10.0.0.1"),
            ("255.255.255.255", "10.0.0.1"),
            ("2001:db8:1::9", "2001:db8:1::1"),
            ("2001:db8:2::9", "2001:db8:2::1"),
            ("2600::1", "2001:db8:1::1"),
            ("fe80::9", "fe80::1"),
            ("ff02::1", "fe80::1"),
            ("ff0e::1", "2001:db8:1::1"),
        ] {
            assert_eq!(host.source(&address(to)), Some(address(from)), "{to}");
        }
        assert_eq!(Host::new([2; 6]).source(&address("10.0.0.7")), None);
    }

    #[test]
    fn what_is_deprecated_is_used_last_and_what_is_good_on_the_link_not_beyond() {
        let mut host = Host::new([2; 6]);
        let network = |text: &str| Network::try_new(text.parse().unwrap(), 64).unwrap();
        assert!(host.add(network("fe80::1")));
        assert_eq!(host.source(&address("2001:db8:1::9")), None);
        assert!(host.add_with(network("2001:db8:1::1"), true, true));
        assert_eq!(host.source(&address("2001:db8:1::9")), Some(address("2001:db8:1::1")));
        assert!(host.add(network("2001:db8:2::1")));
        assert_eq!(host.source(&address("2001:db8:1::9")), Some(address("2001:db8:2::1")));
        assert!(host.is_on_trial(&address("2001:db8:1::1")) && !host.is_on_trial(&address("fe80::1")));
    }

    #[test]
    fn only_another_host_can_be_answered() {
        let (host, card) = (host(), [2, 0, 0, 0, 0, 9]);
        for who in ["10.0.0.2", "8.8.8.8", "2001:db8:1::2", "fe80::2"] {
            assert!(host.can_answer(&address(who), card), "{who}");
            for card in [[0; 6], [0xff; 6], [3, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 1]] {
                assert!(!host.can_answer(&address(who), card));
            }
        }
        for who in ["10.0.0.1", "10.0.0.255", "10.0.0.0", "fe80::1", "::", "ff02::1", "::1", "127.0.0.1"] {
            assert!(!host.can_answer(&address(who), card), "{who}");
        }
    }

    #[test]
    fn it_listens_in_the_groups_of_its_addresses() {
        let host = host();
        for (group, is_in) in
            [("ff02::1", true), ("ff02::1:ff00:1", true), ("ff02::1:ff00:2", false), ("ff02::2", false)]
        {
            assert_eq!(host.is_in(&address(group)), is_in, "{group}");
        }
        let mut host = Host::new([2; 6]);
        assert!(host.add(Network::v4([10, 0, 0, 1], 24)));
        assert!(!host.is_in(&Address::ALL_NODES));
    }

    #[test]
    fn it_has_no_more_addresses_than_it_has_room_for() {
        let mut host = Host::new([2; 6]);
        assert_eq!(
            (0..20).filter(|last| host.add(Network::v4([10, 0, 0, *last], 24))).count(),
            ADDRESS_LIMIT
        );
        host.clear();
        assert!(host.networks().is_empty());
    }
}
