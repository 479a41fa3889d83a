//! What the driver of virtio-net agrees on with a device (virtio 1.2, 5.1.3).

use crate::nic::LONG_FRAMES;

/// The device completes checksums.
pub(super) const CSUM: u64 = 1 << 0;
/// The driver completes checksums, and is told which ones were found right.
pub(super) const GUEST_CSUM: u64 = 1 << 1;
/// The device says which MTU its link has.
pub(super) const MTU: u64 = 1 << 3;
/// The device has a hardware address.
pub(super) const MAC: u64 = 1 << 5;
/// The driver takes TCP packets longer than the MTU.
const GUEST_TSO4: u64 = 1 << 7;
const GUEST_TSO6: u64 = 1 << 8;
pub(super) const GUEST_TSO: u64 = GUEST_TSO4 | GUEST_TSO6;
/// The device cuts TCP packets.
pub(super) const HOST_TSO4: u64 = 1 << 11;
pub(super) const HOST_TSO6: u64 = 1 << 12;
/// A received frame may take several buffers.
const MRG_RXBUF: u64 = 1 << 15;
/// The device says whether its link is up.
pub(super) const STATUS: u64 = 1 << 16;
/// A legacy device takes any arrangement of descriptors (virtio 1.2, 6.3).
const ANY_LAYOUT: u64 = 1 << 27;
/// The device follows the standard.
pub(super) const VERSION_1: u64 = 1 << 32;

/// What is wanted of the features offered, where `mergeable` says whether packets longer than the MTU are, and enough buffers can be
/// posted for the longest one there is.
///
/// Cutting needs checksums to be completed, and long packets are received in several buffers: a device that could fill
/// only one with them is not asked for them, nor one that wants its header apart.
pub(super) fn choose(offered: u64, mergeable: bool) -> u64 {
    let has = |features: u64| offered & features == features;
    let mut wanted = CSUM | GUEST_CSUM | MTU | MAC | STATUS;
    if LONG_FRAMES && offered & (VERSION_1 | ANY_LAYOUT) != 0 {
        if has(CSUM) {
            wanted |= HOST_TSO4 | HOST_TSO6;
        }
        if has(GUEST_CSUM | MRG_RXBUF) && offered & GUEST_TSO != 0 && mergeable {
            wanted |= MRG_RXBUF | GUEST_TSO;
        }
    }
    offered & wanted
}
