//! This host, as the frames that it receives are held against it.

use core::net::Ipv4Addr;

/// The host that a frame is held against.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its Ethernet address.
    pub hardware: [u8; 6],
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the prefix of its network.
    pub prefix: u8,
}

impl Host {
    /// Whether somebody at `source` can be answered through the Ethernet address `hardware`: it is one host, another one,
    /// and no address that stands for itself alone or for none (RFC 1122, 3.2.1.3; RFC 6890, 2.2.2).
    #[inline]
    pub(crate) fn can_answer(&self, source: [u8; 4], hardware: [u8; 6]) -> bool {
        let [first, ..] = source;
        let source = u32::from_be_bytes(source);
        let is_group = matches!(first, 0 | 127 | 224..);
        let is_one = hardware[0] & 1 == 0 && hardware != [0; 6] && hardware != self.hardware;
        is_one && !is_group && !self.is_broadcast(source) && source != u32::from(self.address)
    }

    /// Whether an address stands for all hosts of the network: its last address, and of old its first. A network of two
    /// addresses or one has neither (RFC 3021).
    pub(crate) fn is_broadcast(&self, address: u32) -> bool {
        let host_bits = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        let within = address & host_bits;
        host_bits > 1
            && (within == 0 || within == host_bits)
            && address | host_bits == u32::from(self.address) | host_bits
    }
}
