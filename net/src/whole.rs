//! No TCP packet is longer than the MTU: what stands in for `segmentation` without the feature.

use core::num::NonZeroU16;

use smoltcp::phy::{DeviceCapabilities, PacketMeta};

/// Whether TCP packets longer than the MTU are taken from cards and given to them.
pub(crate) const SEGMENTATION: bool = false;

/// No packet is to be cut.
pub(crate) fn size(_: &PacketMeta) -> Option<NonZeroU16> {
    None
}

/// smoltcp has nothing to be told.
pub(crate) fn announce(_: &mut DeviceCapabilities, _: usize) {}
