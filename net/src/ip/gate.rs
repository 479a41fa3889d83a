//! The gate: which received frames concern this host, and come from another one that can have sent them.
//!
//! What is refused here costs a few comparisons and a counter, and no parser sees it. Two kinds of frames do not come
//! by: datagrams for a handler are held against the same rules by [`crate::datagram::packet`], and segments of an open
//! connection have ends that passed when it began. Checksums are looked at behind the gate.

use crate::{
    counters::NetCounters,
    glance::{ETHERNET, IPV4_HEAD, IPV6_HEAD, TCP, TYPE_ARP, TYPE_IPV4, TYPE_IPV6, UDP, ends_of_six, sender},
    ip::address::Address,
    ip::host::Host,
    ip::icmp::{self, ICMP, ICMPV6},
    ip::ndp,
};

/// The bytes that every packet of ARP has in its frame.
const RESOLUTION: usize = ETHERNET + 28;
/// What address resolution for IPv4 over Ethernet begins with (RFC 826): the kinds and lengths of both addresses.
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
/// The header of a piece of a packet of IPv6 (RFC 8200, 4.5).
const FRAGMENT: u8 = 44;

/// Why a frame is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Its headers are cut off or make no sense.
    Malformed,
    /// Its sender is nobody, everybody, or this host.
    Martian,
    /// It is for somebody else, or for a group, and not of the kind that groups are sent.
    Elsewhere,
    /// A piece of a packet: they are not put together here.
    Fragment,
    /// A packet of IPv6 with headers that nobody here reads.
    Extension,
    /// Another host has our address.
    Conflict,
    /// A message of ICMP that asks for nothing: an answer to no question of ours, or an error.
    Unheeded,
}

impl Refusal {
    /// Counts it.
    pub(crate) fn count(self, counters: &NetCounters) {
        let counter = match self {
            Refusal::Malformed => &counters.rx_bad_headers,
            Refusal::Martian => &counters.rx_martian,
            Refusal::Elsewhere => &counters.rx_elsewhere,
            Refusal::Fragment => &counters.rx_fragments,
            Refusal::Extension => &counters.rx_extensions,
            Refusal::Conflict => &counters.address_conflicts,
            Refusal::Unheeded => &counters.icmp_unheeded,
        };
        counter.increment();
    }
}

/// Holds a frame against the rules. `is_lease` says that it is for the DHCP client, which hears what is sent to an
/// address that it does not have yet (RFC 2131, 4.1).
#[inline(never)]
pub(crate) fn judge(frame: &[u8], host: &Host, is_lease: bool) -> Result<(), Refusal> {
    let header: &[u8; ETHERNET] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    let is_group = header[0] & 1 != 0;
    if !is_group && header[..6] != host.hardware {
        return Err(Refusal::Elsewhere);
    }
    match [header[12], header[13]] {
        TYPE_IPV4 => packet(frame, host, is_group, is_lease),
        TYPE_IPV6 => packet_of_six(frame, host, is_group),
        TYPE_ARP => resolution(frame, host),
        _ => Err(Refusal::Elsewhere),
    }
}

/// A packet of IPv4: RFC 791, 3.1; RFC 1122, 3.2.1.3, 3.2.2, 3.3.6 and 4.2.3.10.
fn packet(frame: &[u8], host: &Host, is_group: bool, is_lease: bool) -> Result<(), Refusal> {
    let head: &[u8; IPV4_HEAD] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    if head[14] >> 4 != 4 || head[14] & 0xf < 5 {
        return Err(Refusal::Malformed);
    }
    let source = Address::v4([head[26], head[27], head[28], head[29]]);
    let destination = Address::v4([head[30], head[31], head[32], head[33]]);
    let (protocol, is_ours) = (head[23], host.has(&destination));
    if source.is_unspecified() && !is_ours && !is_lease {
        // One who asks others for an address.
        return Err(Refusal::Elsewhere);
    }
    if !host.can_answer(&source, sender(head)) {
        return Err(Refusal::Martian);
    }
    if (head[20] & 0x3f, head[21]) != (0, 0) {
        return Err(Refusal::Fragment);
    }
    // One host, in both layers, or all hosts of the network and a datagram.
    let is_all = || destination == Address::ALL || host.is_broadcast(&destination);
    let is_for_all = || protocol == UDP && is_all() && host.v4().is_some();
    if !(is_lease || is_ours && !is_group || is_for_all()) {
        return Err(Refusal::Elsewhere);
    }
    if protocol == ICMP && !icmp::is_question(frame) {
        return Err(Refusal::Unheeded);
    }
    Ok(())
}

/// A packet of IPv6: RFC 8200, 3 and 4; RFC 4291, 2.5 to 2.8; RFC 4861, 6.1 and 7.1.
fn packet_of_six(frame: &[u8], host: &Host, is_group: bool) -> Result<(), Refusal> {
    let head: &[u8; IPV6_HEAD] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    if head[14] >> 4 != 6 {
        return Err(Refusal::Malformed);
    }
    let [source, destination] = ends_of_six(head);
    let protocol = head[20];
    let is_neighborly = protocol == ICMPV6 && ndp::is_neighborly(frame);
    // One who tries an address has none yet (RFC 4862, 5.4.2).
    let has_none = source == Address::UNSPECIFIED && is_neighborly && sender(head) != host.hardware;
    // One who has an address of ours says so in its own name (RFC 4862, 5.4.4).
    let is_rival = is_neighborly && host.has(&source) && sender(head) != host.hardware;
    let is_someone = has_none || is_rival || host.can_answer(&source, sender(head));
    if source.is_v4() || destination.is_v4() || !is_someone {
        return Err(Refusal::Martian);
    }
    match protocol {
        TCP | UDP | ICMPV6 => {}
        FRAGMENT => return Err(Refusal::Fragment),
        _ => return Err(Refusal::Extension),
    }
    let is_ours = !is_group && host.has(&destination);
    if !(is_ours || is_neighborly && host.is_in(&destination)) {
        return Err(Refusal::Elsewhere);
    }
    if protocol == ICMPV6 && !is_neighborly && !icmp::is_question(frame) {
        return Err(Refusal::Unheeded);
    }
    Ok(())
}

/// A packet of ARP: RFC 826; RFC 5227, 2.4.
fn resolution(frame: &[u8], host: &Host) -> Result<(), Refusal> {
    let packet: &[u8; RESOLUTION] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    let hardware = [packet[22], packet[23], packet[24], packet[25], packet[26], packet[27]];
    let source = Address::v4([packet[28], packet[29], packet[30], packet[31]]);
    if packet[14..20] != ETHERNET_AND_IPV4 || packet[20] != 0 {
        return Err(Refusal::Malformed);
    }
    if host.has(&source) && hardware != host.hardware {
        return Err(Refusal::Conflict);
    }
    if !host.has(&Address::v4([packet[38], packet[39], packet[40], packet[41]])) {
        return Err(Refusal::Elsewhere);
    }
    // RFC 5227, 2.1.1: one who wants to know whether it can have the address has none yet.
    let is_probe = source.is_unspecified() && packet[21] == 1;
    let other = if is_probe { Address::v4([192, 0, 2, 1]) } else { source };
    if !host.can_answer(&other, hardware) {
        return Err(Refusal::Martian);
    }
    if !matches!(packet[21], 1 | 2) {
        return Err(Refusal::Malformed);
    }
    Ok(())
}
