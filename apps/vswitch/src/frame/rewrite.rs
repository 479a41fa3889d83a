//! Rewrites the fields of a frame in place, and the checksums with them.
//!
//! A checksum that was wrong before is as wrong afterwards, as RFC 1624 has it; only that of SCTP is computed anew. A field that
//! the frame does not have is left alone.

use super::{
    Frame,
    checksum::{adjust, difference, put, seal_sctp},
    parse::{Layout, Parsed, be16, be32},
};
use crate::pipeline::fields::{
    ARP, Field, Fields, ICMP, ICMPV6, IPV4, IPV6, MPLS, MPLS_MULTICAST, Needs, PBB, SCTP, TCP, UDP,
};

/// What a rewriting did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: there is no such field.
    Nothing,
    /// The field has its value, in the frame and among the fields that were read.
    Value,
    /// The frame is to be read anew before its fields are looked at.
    Layout,
}

/// Octets of a frame in which a field stands.
struct Span {
    at: usize,
    octets: usize,
    shift: u32,
}

/// Which checksums a field is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sums {
    None,
    /// That of the IPv4 header.
    Header,
    /// That and the pseudo header's, or the latter alone for IPv6.
    Pseudo,
    /// That of the transport.
    Transport,
}

/// Whether a frame has what a field needs.
fn has(fields: &Fields, layout: &Layout, needs: Needs) -> bool {
    let (kind, protocol) = (fields.ethertype(), fields.protocol());
    let has_transport = layout.transport != 0;
    layout.network != 0
        && match needs {
            Needs::Nothing | Needs::InPort | Needs::Vlan => true,
            Needs::Ip => matches!(kind, IPV4 | IPV6),
            Needs::Ipv4 => kind == IPV4,
            Needs::Ipv6 => kind == IPV6,
            Needs::Protocol(number) => matches!(kind, IPV4 | IPV6) && has_transport && protocol == number,
            Needs::Icmpv4 => kind == IPV4 && has_transport && protocol == ICMP,
            Needs::Icmpv6 => kind == IPV6 && has_transport && protocol == ICMPV6,
            Needs::Arp => kind == ARP,
            Needs::Neighbor(one, other) => {
                let message = fields.get(Field::ICMPV6_TYPE);
                let is_one = message == one.into() || message == other.into();
                kind == IPV6 && has_transport && protocol == ICMPV6 && is_one
            }
            Needs::Mpls => matches!(kind, MPLS | MPLS_MULTICAST),
            Needs::Pbb => kind == PBB,
        }
}

/// Where a field stands. `None` if the frame has no such field.
fn find(fields: &Fields, layout: &Layout, field: Field) -> Option<(Span, Sums)> {
    let network = usize::from(layout.network);
    let transport = usize::from(layout.transport);
    let is_ipv6 = fields.ethertype() == IPV6;
    let span = |at, octets, shift, sums| Some((Span { at, octets, shift }, sums));
    match field {
        Field::ETH_DST => return span(0, 6, 0, Sums::None),
        Field::ETH_SRC => return span(6, 6, 0, Sums::None),
        Field::ETH_TYPE => return span(layout.ethertype.into(), 2, 0, Sums::None),
        Field::VLAN_VID | Field::VLAN_PCP if fields.get(Field::VLAN_VID) != 0 => {
            return span(14, 2, if field == Field::VLAN_PCP { 13 } else { 0 }, Sums::None);
        }
        _ => {}
    }
    if !has(fields, layout, field.place().needs) {
        return None;
    }
    match field {
        Field::IP_DSCP if is_ipv6 => span(network, 2, 6, Sums::None),
        Field::IP_ECN if is_ipv6 => span(network, 2, 4, Sums::None),
        Field::IP_DSCP => span(network + 1, 1, 2, Sums::Header),
        Field::IP_ECN => span(network + 1, 1, 0, Sums::Header),
        Field::IP_PROTO => span(layout.protocol.into(), 1, 0, Sums::Pseudo),
        Field::IPV4_SRC => span(network + 12, 4, 0, Sums::Pseudo),
        Field::IPV4_DST => span(network + 16, 4, 0, Sums::Pseudo),
        Field::TCP_SRC | Field::UDP_SRC | Field::SCTP_SRC => span(transport, 2, 0, Sums::Transport),
        Field::TCP_DST | Field::UDP_DST | Field::SCTP_DST => span(transport + 2, 2, 0, Sums::Transport),
        Field::ICMPV4_TYPE | Field::ICMPV6_TYPE => span(transport, 1, 0, Sums::Transport),
        Field::ICMPV4_CODE | Field::ICMPV6_CODE => span(transport + 1, 1, 0, Sums::Transport),
        Field::ARP_OP => span(network + 6, 2, 0, Sums::None),
        Field::ARP_SPA => span(network + 14, 4, 0, Sums::None),
        Field::ARP_TPA => span(network + 24, 4, 0, Sums::None),
        Field::ARP_SHA => span(network + 8, 6, 0, Sums::None),
        Field::ARP_THA => span(network + 18, 6, 0, Sums::None),
        Field::IPV6_SRC => span(network + 8, 16, 0, Sums::Pseudo),
        Field::IPV6_DST => span(network + 24, 16, 0, Sums::Pseudo),
        Field::IPV6_FLABEL => span(network, 4, 0, Sums::None),
        Field::IPV6_ND_TARGET => span(transport + 8, 16, 0, Sums::Transport),
        Field::IPV6_ND_SLL | Field::IPV6_ND_TLL if layout.link_layer != 0 => {
            span(layout.link_layer.into(), 6, 0, Sums::Transport)
        }
        Field::MPLS_LABEL => span(network, 4, 12, Sums::None),
        Field::MPLS_TC => span(network, 4, 9, Sums::None),
        Field::MPLS_BOS => span(network, 4, 8, Sums::None),
        Field::PBB_ISID => span(network, 4, 0, Sums::None),
        _ => None,
    }
}

/// Gives a field of a frame, which was read as `parsed`, a value.
pub fn set_field(frame: &mut dyn Frame, parsed: &mut Parsed, field: Field, value: u128) -> Change {
    if field == Field::TUNNEL_ID || field == Field::METADATA {
        parsed.fields.set(field, value);
        return Change::Value;
    }
    let Some((span, sums)) = find(&parsed.fields, &parsed.layout, field) else { return Change::Nothing };
    let unfinished = frame.unfinished();
    let bytes = frame.bytes_mut();
    let Some(place) = bytes.get(span.at..span.at + span.octets) else { return Change::Nothing };
    let old = place.iter().fold(0, |number, octet| number << 8 | u128::from(*octet));
    // Of VLAN_VID, the highest bit stands for the tag itself.
    let full = if field == Field::VLAN_VID { 0xfff } else { field.full() };
    let new = old & !(full << span.shift) | (value & full) << span.shift;
    let octets = new.to_be_bytes();
    let octets = octets.get(16 - span.octets..).unwrap_or_default();
    sum(bytes, parsed, &span, octets, sums, unfinished);
    put(bytes, span.at, octets);
    let layout = &parsed.layout;
    if sums == Sums::Transport && parsed.fields.protocol() == SCTP && !layout.is_fragment {
        seal_sctp(bytes, layout.transport.into(), layout.end.into());
    }
    match field {
        Field::ETH_TYPE | Field::IP_PROTO => Change::Layout,
        // What a message of neighbour discovery holds depends on its type.
        Field::ICMPV6_TYPE => Change::Layout,
        Field::VLAN_VID => {
            parsed.fields.set(field, value | 0x1000);
            Change::Value
        }
        _ => {
            parsed.fields.set(field, value);
            Change::Value
        }
    }
}

/// Where the checksum of the transport is, and whether the pseudo header is part of it.
fn transport_sum(parsed: &Parsed) -> Option<(usize, bool)> {
    let start = usize::from(parsed.layout.transport);
    if start == 0 {
        return None;
    }
    match parsed.fields.protocol() {
        TCP => Some((start + 16, true)),
        UDP => Some((start + 6, true)),
        ICMPV6 => Some((start + 2, true)),
        ICMP => Some((start + 2, false)),
        _ => None,
    }
}

/// Lets the checksums follow when `octets` are about to be written.
fn sum(bytes: &mut [u8], parsed: &Parsed, span: &Span, octets: &[u8], sums: Sums, unfinished: Option<usize>) {
    if sums == Sums::None {
        return;
    }
    let difference = difference(bytes, span.at, octets);
    if sums != Sums::Transport && parsed.fields.ethertype() == IPV4 {
        adjust(bytes, usize::from(parsed.layout.network) + 10, difference, false);
    }
    let Some((at, has_pseudo)) = transport_sum(parsed) else { return };
    let is_udp = parsed.fields.protocol() == UDP;
    // One that is unfinished elsewhere belongs to a packet within this one.
    let is_partial = unfinished == Some(at);
    let is_absent = is_udp && !is_partial && be16(bytes, at) == Some(0);
    let concerns = match sums {
        Sums::Pseudo => has_pseudo,
        Sums::Transport => !is_partial,
        Sums::None | Sums::Header => false,
    };
    if !concerns || is_absent {
        return;
    }
    // In the pseudo header of IPv6 a protocol stands in the lower half of a word, wherever it is in the packet.
    let difference = match (octets, bytes.get(span.at)) {
        ([new], Some(old)) if sums == Sums::Pseudo => u64::from(!u16::from(*old)) + u64::from(*new),
        _ => difference,
    };
    adjust(bytes, at, difference, is_partial);
    if is_udp && !is_partial && be16(bytes, at) == Some(0) {
        // RFC 768: zero would say that there is none.
        put(bytes, at, &[0xff; 2]);
    }
}

/// Gives a number of the lower octets of a header a value: for what is no field that is matched.
fn set_octet(frame: &mut dyn Frame, parsed: &Parsed, at: usize, value: u8, sums: Sums) -> bool {
    let bytes = frame.bytes_mut();
    if bytes.get(at).is_none() {
        return false;
    }
    sum(bytes, parsed, &Span { at, octets: 1, shift: 0 }, &[value], sums, None);
    put(bytes, at, &[value])
}

/// Where the TTL of an IP packet is.
fn ip_ttl(parsed: &Parsed) -> Option<usize> {
    let network = usize::from(parsed.layout.network);
    match parsed.fields.ethertype() {
        IPV4 if network != 0 => Some(network + 8),
        IPV6 if network != 0 => Some(network + 7),
        _ => None,
    }
}

/// Where the TTL of the outermost MPLS header is.
fn mpls_ttl(parsed: &Parsed) -> Option<usize> {
    has(&parsed.fields, &parsed.layout, Needs::Mpls).then(|| usize::from(parsed.layout.network) + 3)
}

/// Sets the TTL of an IP packet.
pub fn set_ip_ttl(frame: &mut dyn Frame, parsed: &Parsed, value: u8) -> bool {
    ip_ttl(parsed).is_some_and(|at| set_octet(frame, parsed, at, value, Sums::Header))
}

/// Sets the TTL of the outermost MPLS header.
pub fn set_mpls_ttl(frame: &mut dyn Frame, parsed: &Parsed, value: u8) -> bool {
    mpls_ttl(parsed).is_some_and(|at| set_octet(frame, parsed, at, value, Sums::None))
}

/// What became of a TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It is one less, or there is none.
    Valid,
    /// Nothing would be left: the packet may not be sent on (OpenFlow 1.3.5, 5.12).
    Invalid,
}

/// Takes one from the TTL of an IP packet or of the outermost MPLS header.
pub fn decrement_ttl(frame: &mut dyn Frame, parsed: &Parsed, is_mpls: bool) -> Ttl {
    let place = if is_mpls { mpls_ttl(parsed) } else { ip_ttl(parsed) };
    let Some(at) = place else { return Ttl::Valid };
    match frame.bytes().get(at).copied() {
        Some(ttl @ 2..) => {
            let sums = if is_mpls { Sums::None } else { Sums::Header };
            set_octet(frame, parsed, at, ttl - 1, sums);
            Ttl::Valid
        }
        Some(_) => Ttl::Invalid,
        None => Ttl::Valid,
    }
}

/// Copies the TTL between the outermost MPLS header and what follows it: another one, or an IP packet.
pub fn copy_ttl(frame: &mut dyn Frame, parsed: &Parsed, is_outwards: bool) -> bool {
    let Some(outer) = mpls_ttl(parsed) else { return false };
    let inner = usize::from(parsed.layout.network) + 4;
    let bytes = frame.bytes_mut();
    let Some(label) = be32(bytes, inner - 4) else { return false };
    let is_bottom = label & 0x100 != 0;
    let version = bytes.get(inner).map_or(0, |octet| octet >> 4);
    let (place, is_ipv4) = match (is_bottom, version) {
        (false, _) => (inner + 3, false),
        (true, 4) => (inner + 8, true),
        (true, 6) => (inner + 7, false),
        _ => return false,
    };
    let (from, to) = if is_outwards { (place, outer) } else { (outer, place) };
    let (Some(value), true) = (bytes.get(from).copied(), to < bytes.len()) else { return false };
    if is_ipv4 && !is_outwards {
        let difference = difference(bytes, to, &[value]);
        adjust(bytes, inner + 10, difference, false);
    }
    put(bytes, to, &[value])
}
