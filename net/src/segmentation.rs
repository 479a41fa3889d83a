//! What smoltcp and its device say to each other about TCP packets that the card cuts.

use core::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{DeviceCapabilities, PacketMeta};

/// Whether TCP packets longer than the MTU are taken from cards and given to them.
pub(crate) const SEGMENTATION: bool = true;

/// The size of the segments that a packet is to be cut into, if it is.
pub(crate) fn size(meta: &PacketMeta) -> Option<NonZeroU16> {
    meta.segmentation_offload_size
}

/// Lets smoltcp write TCP packets into frames of up to `limit` bytes. Those of IPv4 alone: of IPv6 it drops them.
pub(crate) fn announce(capabilities: &mut DeviceCapabilities, limit: usize) {
    capabilities.segmentation.tcpv4 = NonZeroUsize::new(limit);
}
