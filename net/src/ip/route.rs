//! The table of routes: where a packet goes next.

use alloc::vec::Vec;

use crate::ip::address::{Address, Network};

/// Routes that a stack has, those of its own networks and the ways out included.
pub(crate) const ROUTE_LIMIT: usize = 24;

/// Where the packets to a network go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) network: Network,
    /// The router; [`Address::UNSPECIFIED`] where the network is on the link.
    pub(crate) via: Address,
}

/// The routes of a stack, those of longer prefixes first.
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a route behind those that it does not come before. False when there is no room.
    #[inline(never)]
    pub(crate) fn add(&mut self, network: Network, via: Address) -> bool {
        let fits = self.0.len() < ROUTE_LIMIT && self.0.try_reserve(1).is_ok();
        if fits {
            let place = self.0.partition_point(|route| route.network.bits >= network.bits);
            self.0.insert(place, Route { network, via });
        }
        fits
    }

    /// Whether packets go by way of a router with this address.
    pub(crate) fn has_router(&self, address: &Address) -> bool {
        self.0.iter().any(|route| route.via == *address)
    }

    /// The address on the link that a packet to one host goes to. `None` when no route leads there.
    #[inline(never)]
    pub(crate) fn next_hop(&self, destination: &Address) -> Option<Address> {
        self.next_hop_of_packet(destination)
    }

    /// The same where every packet passes.
    #[inline(always)]
    pub(crate) fn next_hop_of_packet(&self, destination: &Address) -> Option<Address> {
        for route in &self.0 {
            if route.network.contains(destination) {
                return Some(if route.via == Address::UNSPECIFIED { *destination } else { route.via });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let address = Address::v4;
        let mut routes = Routes::new();
        assert_eq!(routes.next_hop(&address([10, 0, 0, 2])), None);
        assert!(routes.add(Network::v4([0; 4], 0), address([10, 0, 0, 254])));
        assert!(routes.add(Network::v4([10, 0, 0, 1], 24), Address::UNSPECIFIED));
        assert!(routes.add(Network::v4([192, 168, 0, 0], 16), address([10, 0, 0, 253])));
        assert!(routes.add(Network::v4([192, 168, 7, 0], 24), address([10, 0, 0, 252])));
        for (to, next) in [
            ([10, 0, 0, 2], [10, 0, 0, 2]),
            ([8, 8, 8, 8], [10, 0, 0, 254]),
            ([192, 168, 1, 1], [10, 0, 0, 253]),
            ([192, 168, 7, 1], [10, 0, 0, 252]),
        ] {
            assert_eq!(routes.next_hop(&address(to)), Some(address(next)));
        }
        let six = Address::v6([0x20; 16]);
        assert_eq!(routes.next_hop(&six), None, "each version has its own way out");
        let router = Address::v6([0xfe; 16]);
        assert!(routes.add(Network { address: Address::UNSPECIFIED, bits: 0 }, router));
        assert_eq!(routes.next_hop(&six), Some(router));
        assert_eq!(routes.next_hop(&address([8, 8, 8, 8])), Some(address([10, 0, 0, 254])));
        routes.clear();
        assert_eq!(routes.next_hop(&six), None);
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut routes = Routes::new();
        let added =
            (0..=u8::MAX).filter(|last| routes.add(Network::v4([10, 0, *last, 0], 24), Address::UNSPECIFIED));
        assert_eq!(added.count(), ROUTE_LIMIT);
    }
}
