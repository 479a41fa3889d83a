//! The addresses of a host, in the order in which to try them.

use core::{
    net::{IpAddr, Ipv4Addr},
    ops::Deref,
};

/// Addresses of a host that are looked at, those of both kinds together; each kind may have half of them.
pub const ADDRESS_LIMIT: usize = 16;

/// The addresses of a host, in the order in which to try them.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    list: [IpAddr; ADDRESS_LIMIT],
    length: usize,
}

impl Addresses {
    /// None.
    pub const fn new() -> Self {
        Self { list: [IpAddr::V4(Ipv4Addr::UNSPECIFIED); ADDRESS_LIMIT], length: 0 }
    }

    /// Adds one, unless `limit` are there already.
    pub(super) fn push(&mut self, address: IpAddr, limit: usize) {
        if let Some(place) = self.list.get_mut(self.length).filter(|_| self.length < limit) {
            *place = address;
            self.length += 1;
        }
    }

    /// Those of both kinds in turn, so that a kind that leads nowhere costs one attempt and not all (RFC 8305, 4): the
    /// newer kind first, as the default policy has it (RFC 6724, 2.1).
    pub(super) fn alternating(newer: &[IpAddr], older: &[IpAddr]) -> Self {
        let mut addresses = Self::new();
        for index in 0..ADDRESS_LIMIT {
            for address in [newer.get(index), older.get(index)].into_iter().flatten() {
                addresses.push(*address, ADDRESS_LIMIT);
            }
        }
        addresses
    }
}

impl Default for Addresses {
    fn default() -> Self {
        Self::new()
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        let mut addresses = Self::new();
        addresses.push(address, 1);
        addresses
    }
}

impl Deref for Addresses {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        self.list.get(..self.length).unwrap_or_default()
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Addresses {}
