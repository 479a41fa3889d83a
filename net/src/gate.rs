//! The gate: which received frames concern this host, and come from another one that can have sent them.
//!
//! What is refused here costs a few comparisons and a counter, and no parser sees it. Two kinds of frames do not come
//! by: datagrams for a handler are held against the same rules by [`crate::datagram::packet`], and segments of an open
//! connection have ends that passed when it began. Checksums are looked at behind the gate.

use core::net::Ipv4Addr;

use unik_sched::time::Instant;

use crate::{asked::Asked, counters::NetCounters, host::Host, link::ETHERNET_HEADER};

/// The bytes that every packet of IPv4 has in its frame.
const HEAD: usize = ETHERNET_HEADER + 20;
/// The bytes that every packet of ARP has in its frame.
const RESOLUTION: usize = ETHERNET_HEADER + 28;
/// What address resolution for IPv4 over Ethernet begins with (RFC 826): the kinds and lengths of both addresses.
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// The types of frames (RFC 894, RFC 826).
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
/// The protocols (RFC 791, 3.1: the numbers are IANA's), and a message of the first (RFC 792).
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ECHO_REQUEST: u8 = 8;

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
    /// An answer about a hardware address that was not asked for.
    Unasked,
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
            Refusal::Unasked => &counters.arp_unasked,
            Refusal::Conflict => &counters.arp_conflicts,
            Refusal::Unheeded => &counters.icmp_unheeded,
        };
        counter.increment();
    }
}

/// Holds a frame against the rules. `is_lease` says that it is for the DHCP client, which hears what is sent to an
/// address that it does not have yet (RFC 2131, 4.1).
#[inline(never)]
pub(crate) fn judge(
    frame: &[u8],
    host: &Host,
    is_lease: bool,
    asked: &mut Asked,
    now: Instant,
) -> Result<(), Refusal> {
    let header: &[u8; ETHERNET_HEADER] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    let is_group = header[0] & 1 != 0;
    if !is_group && header[..6] != host.hardware {
        return Err(Refusal::Elsewhere);
    }
    match [header[12], header[13]] {
        IPV4 => packet(frame, host, is_group, is_lease),
        ARP => resolution(frame, host, asked, now),
        _ => Err(Refusal::Elsewhere),
    }
}

/// A packet of IPv4: RFC 791, 3.1; RFC 1122, 3.2.1.3, 3.2.2, 3.3.6 and 4.2.3.10.
fn packet(frame: &[u8], host: &Host, is_group: bool, is_lease: bool) -> Result<(), Refusal> {
    let head: &[u8; HEAD] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    let header = usize::from(head[14] & 0xf) * 4;
    if head[14] >> 4 != 4 || header < 20 {
        return Err(Refusal::Malformed);
    }
    let source = [head[26], head[27], head[28], head[29]];
    let destination = u32::from_be_bytes([head[30], head[31], head[32], head[33]]);
    let (own, protocol) = (u32::from(host.address), head[23]);
    let is_ours = destination == own && own != 0;
    if source == [0; 4] && !is_ours && !is_lease {
        // One who asks others for an address.
        return Err(Refusal::Elsewhere);
    }
    if !host.can_answer(source, sender(head)) {
        return Err(Refusal::Martian);
    }
    if (head[20] & 0x3f, head[21]) != (0, 0) {
        return Err(Refusal::Fragment);
    }
    // One host, in both layers, or all hosts of the network and a datagram.
    let is_for_all = protocol == UDP && (destination == u32::MAX || host.is_broadcast(destination));
    if !(is_lease || is_for_all || is_ours && !is_group) {
        return Err(Refusal::Elsewhere);
    }
    if protocol == ICMP && frame.get(ETHERNET_HEADER + header) != Some(&ECHO_REQUEST) {
        return Err(Refusal::Unheeded);
    }
    Ok(())
}

/// A packet of ARP: RFC 826; RFC 5227, 2.4.
fn resolution(frame: &[u8], host: &Host, asked: &mut Asked, now: Instant) -> Result<(), Refusal> {
    let packet: &[u8; RESOLUTION] = frame.first_chunk().ok_or(Refusal::Malformed)?;
    let hardware = [packet[22], packet[23], packet[24], packet[25], packet[26], packet[27]];
    let source = [packet[28], packet[29], packet[30], packet[31]];
    let own = host.address.octets();
    if packet[14..20] != ETHERNET_AND_IPV4 || packet[20] != 0 {
        return Err(Refusal::Malformed);
    }
    if source == own && !host.address.is_unspecified() && hardware != host.hardware {
        return Err(Refusal::Conflict);
    }
    if packet[38..42] != own || host.address.is_unspecified() {
        return Err(Refusal::Elsewhere);
    }
    if !host.can_answer(source, hardware) {
        return Err(Refusal::Martian);
    }
    match packet[21] {
        1 => Ok(()),
        2 if asked.answered(Ipv4Addr::from(source), now) => Ok(()),
        2 => Err(Refusal::Unasked),
        _ => Err(Refusal::Malformed),
    }
}

/// Whose hardware address a frame to send asks for, if it does.
pub(crate) fn question(frame: &[u8]) -> Option<Ipv4Addr> {
    let packet: &[u8; RESOLUTION] = frame.first_chunk()?;
    let is_question = [packet[12], packet[13]] == ARP && packet[21] == 1;
    is_question.then(|| Ipv4Addr::new(packet[38], packet[39], packet[40], packet[41]))
}

/// The hardware address that a frame comes from.
fn sender(head: &[u8; HEAD]) -> [u8; 6] {
    [head[6], head[7], head[8], head[9], head[10], head[11]]
}
