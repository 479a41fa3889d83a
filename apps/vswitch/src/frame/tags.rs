//! Puts tags into a frame and takes them out: VLAN, MPLS and the service tag of provider backbone bridges.
//!
//! A new tag stands in front of all of its kind (OpenFlow 1.3.5, 5.12): a VLAN tag and a service tag right behind the addresses, an
//! MPLS header behind the VLAN tags. What goes in front of a frame is taken from the room there.

use super::{
    Frame,
    checksum::put,
    parse::{Parsed, be16, be32},
};
use crate::pipeline::fields::{Field, IPV4, IPV6, MPLS, MPLS_MULTICAST, PBB, SERVICE_VLAN, VLAN};

/// Octets of the two addresses.
const ADDRESSES: usize = 12;
/// Octets of a service tag: EtherType, flags and identifier, and the addresses within.
pub(crate) const SERVICE: usize = 18;

/// Moves the first `count` octets of a frame forward by `length`, into room taken from in front of it.
fn open(frame: &mut dyn Frame, count: usize, length: usize) -> bool {
    if frame.bytes().len() < count || !frame.grow_front(length) {
        return false;
    }
    let bytes = frame.bytes_mut();
    if bytes.len() < length + count {
        return false;
    }
    bytes.copy_within(length..length + count, 0);
    true
}

/// Takes `length` octets out behind the first `count`.
fn close(frame: &mut dyn Frame, count: usize, length: usize) -> bool {
    let bytes = frame.bytes_mut();
    if bytes.len() < count + length {
        return false;
    }
    bytes.copy_within(..count, length);
    frame.trim_front(length) && pad(frame)
}

/// Octets of the shortest frame (IEEE 802.3, 3.2.8).
const SHORTEST: usize = 60;

/// Fills a frame that has become too short with zeros. One that has no room behind stays short.
fn pad(frame: &mut dyn Frame) -> bool {
    let length = frame.bytes().len();
    if length < SHORTEST && frame.total_len() == length && frame.set_len(SHORTEST) {
        frame.bytes_mut().iter_mut().skip(length).for_each(|octet| *octet = 0);
    }
    true
}

/// Puts a VLAN tag in front. It has the values of the one that was there, or zero.
pub fn push_vlan(frame: &mut dyn Frame, kind: u16) -> bool {
    let control = match be16(frame.bytes(), ADDRESSES) {
        Some(VLAN | SERVICE_VLAN) => be16(frame.bytes(), ADDRESSES + 2).unwrap_or(0),
        _ => 0,
    };
    let [a, b] = kind.to_be_bytes();
    let [c, d] = control.to_be_bytes();
    open(frame, ADDRESSES, 4) && put(frame.bytes_mut(), ADDRESSES, &[a, b, c, d])
}

/// Takes the outermost VLAN tag out.
pub fn pop_vlan(frame: &mut dyn Frame) -> bool {
    matches!(be16(frame.bytes(), ADDRESSES), Some(VLAN | SERVICE_VLAN)) && close(frame, ADDRESSES, 4)
}

/// Puts an MPLS header in front of what is behind the VLAN tags. It has the values of the one that was there; or else label
/// zero, and the TTL of an IP packet, or none.
pub fn push_mpls(frame: &mut dyn Frame, parsed: &Parsed, kind: u16) -> bool {
    let at = usize::from(parsed.layout.ethertype);
    let network = usize::from(parsed.layout.network);
    if at == 0 {
        return false;
    }
    let bytes = frame.bytes();
    let ttl = |offset: usize| bytes.get(network + offset).copied().unwrap_or(0);
    let entry = match parsed.fields.ethertype() {
        // Bottom of the stack is the one that is there.
        MPLS | MPLS_MULTICAST if network != 0 => be32(bytes, network).unwrap_or(0) & !0x100,
        IPV4 if network != 0 => 0x100 | u32::from(ttl(8)),
        IPV6 if network != 0 => 0x100 | u32::from(ttl(7)),
        _ => 0x100,
    };
    let count = at + 2;
    open(frame, count, 4)
        && put(frame.bytes_mut(), at, &kind.to_be_bytes())
        && put(frame.bytes_mut(), count, &entry.to_be_bytes())
}

/// Takes the outermost MPLS header out; what is behind it is of this kind.
pub fn pop_mpls(frame: &mut dyn Frame, parsed: &Parsed, kind: u16) -> bool {
    let at = usize::from(parsed.layout.ethertype);
    let is_mpls = matches!(parsed.fields.ethertype(), MPLS | MPLS_MULTICAST) && parsed.layout.network != 0;
    // The type moves with what is in front of the header.
    is_mpls && put(frame.bytes_mut(), at, &kind.to_be_bytes()) && close(frame, at + 2, 4)
}

/// Puts a service tag in front (IEEE 802.1Q, 9.7). The addresses are copied to those within; the service is that of the tag that
/// was there, or zero, and the priority that of the VLAN tag.
pub fn push_pbb(frame: &mut dyn Frame, parsed: &Parsed, kind: u16) -> bool {
    let priority = parsed.fields.get(Field::VLAN_PCP) as u32;
    let service =
        if parsed.fields.ethertype() == PBB { parsed.fields.get(Field::PBB_ISID) as u32 } else { 0 };
    let Some(addresses) = frame.bytes().first_chunk::<ADDRESSES>().copied() else { return false };
    let [a, b] = kind.to_be_bytes();
    let [c, d, e, f] = (priority << 29 | service).to_be_bytes();
    open(frame, ADDRESSES, SERVICE)
        && put(frame.bytes_mut(), ADDRESSES, &[a, b, c, d, e, f])
        && put(frame.bytes_mut(), ADDRESSES + 6, &addresses)
}

/// Takes the outermost service tag out; the addresses within become those of the frame.
pub fn pop_pbb(frame: &mut dyn Frame, parsed: &Parsed) -> bool {
    let at = usize::from(parsed.layout.ethertype);
    if parsed.fields.ethertype() != PBB || parsed.layout.network == 0 {
        return false;
    }
    let inner = frame.bytes().get(at + 6..).and_then(|rest| rest.first_chunk::<ADDRESSES>()).copied();
    let Some(addresses) = inner else { return false };
    // What stands behind the tag is a type again, in the place of that of the tag.
    put(frame.bytes_mut(), 0, &addresses) && close(frame, at, SERVICE)
}
