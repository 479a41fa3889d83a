//! Checksums of IP packets (RFC 1071): found right, filled in, or left to the card.
//!
//! smoltcp is told that the checksums of IPv4 headers, TCP and UDP are none of its business. A received frame is looked
//! at here once, and summed only if the card has not done so; a frame to send gets its checksums here, or the part that
//! the card wants in advance. Frames that pass from card to card need neither.
//!
//! The sum is one number of 128 bits, of which the carries are counted and added at the end (RFC 1071, 2 (C)): twelve instructions
//! for 32 bytes, the loop's own among them. Vector instructions are slow under an emulator.

use unik_virtio::Buffer;

use crate::{
    nic::{Checksum, Frame, Offload, Offloads, SegmentKind},
    segmentation::SEGMENTATION,
};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Types of Ethernet frames, and protocols of IP packets.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Bytes of an IPv6 header, and of an IPv4 header without options.
const IPV6_HEADER: usize = 40;
const IPV4_HEADER: usize = 20;
/// Where the checksum of an IPv4 packet is in its header (RFC 791, 3.1).
const IPV4_FIELD: usize = 10;
/// Where it is in the header of a TCP segment and of a datagram (RFC 9293, 3.1; RFC 768).
pub(crate) const TCP_FIELD: usize = 16;
const UDP_FIELD: usize = 6;
/// And in that of a message of ICMP, of either version (RFC 792, RFC 4443).
const ICMP_FIELD: usize = 2;
const UDP_HEADER: usize = 8;

/// The sum of numbers of 16 bits, the first byte of each being the lower one: by RFC 1071, 2 (B), the bytes of the result
/// are those of a field in a packet. It is not folded yet, and a last odd byte counts as if a zero followed. Of 2^17 bytes,
/// more than a frame has, it is below 2^48.
#[inline(never)]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (mut total, mut carries) = (0_u128, 0_u64);
    let mut add = |octets: &[u8; 16]| {
        let (sum, is_over) = total.overflowing_add(u128::from_le_bytes(*octets));
        total = sum;
        carries += u64::from(is_over);
    };
    let (pairs, rest) = bytes.as_chunks::<16>();
    let (pairs, last) = pairs.as_chunks::<2>();
    for [first, second] in pairs {
        add(first);
        add(second);
    }
    last.iter().for_each(add);
    let (low, high) = (total as u64, (total >> 64) as u64);
    let mut total = carries + (low & 0xffff_ffff) + (low >> 32) + (high & 0xffff_ffff) + (high >> 32);
    let (words, rest) = rest.as_chunks::<4>();
    for octets in words {
        total += word(*octets);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        total += word(last);
    }
    total
}

/// Two numbers.
fn word(octets: [u8; 4]) -> u64 {
    u32::from_le_bytes(octets).into()
}

/// A sum of 48 bits in 16: the carries are added until none is left.
#[inline]
pub(crate) fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The folded sum of `bytes` and what was summed before.
#[inline(never)]
fn sum_with(bytes: &[u8], before: u64) -> u16 {
    fold(sum(bytes) + before)
}

/// What there is to be summed in a frame.
#[derive(Default)]
struct Packet {
    /// The folded sum of an IPv4 header, if there is one.
    header: Option<u16>,
    /// Where the TCP segment or datagram begins and ends, from the start of the frame, and where its checksum is from
    /// its own start. The last is zero if there is none.
    start: u16,
    end: u16,
    field: u16,
    /// The sum of the pseudo header.
    pseudo: u16,
}

/// Looks for what is to be summed in a frame of `total` bytes, of which `head` are the first. `None` if an IP packet
/// contradicts itself, or is a part of one.
#[inline(never)]
fn find(head: &[u8], total: usize) -> Option<Packet> {
    let mut header = None;
    let (start, mut end, protocol, addresses) = match head.get(12..ETHERNET) {
        // RFC 791, 3.1.
        Some(kind) if kind == IPV4 => {
            let ip = head.get(ETHERNET..)?.first_chunk::<IPV4_HEADER>()?;
            let length = usize::from(ip[0] & 0xf) * 4;
            let is_whole = (ip[6] & 0x3f, ip[7]) == (0, 0);
            if ip[0] >> 4 != 4 || length < IPV4_HEADER || !is_whole {
                return None;
            }
            let (words, _) = ip.as_chunks();
            let &[first, second, third, source, target] = words.first_chunk()?;
            let addresses = word(source) + word(target);
            let mut sum_of_header = word(first) + word(second) + word(third) + addresses;
            // Most have no options.
            if length > IPV4_HEADER {
                sum_of_header += sum(head.get(ETHERNET + IPV4_HEADER..ETHERNET + length)?);
            }
            header = Some(fold(sum_of_header));
            let end = ETHERNET + usize::from(u16::from_be_bytes([ip[2], ip[3]]));
            (ETHERNET + length, end, ip[9], addresses)
        }
        // RFC 8200, 3. Of packets with extension headers only those are let through which are for ICMP.
        Some(kind) if kind == IPV6 => {
            let ip = head.get(ETHERNET..)?.first_chunk::<IPV6_HEADER>()?;
            let start = ETHERNET + IPV6_HEADER;
            let last = if ip[6] == 0 { *head.get(start)? } else { ip[6] };
            if !matches!((ip[6], last), (TCP | UDP, _) | (_, ICMPV6)) {
                return None;
            }
            (start, start + usize::from(u16::from_be_bytes([ip[4], ip[5]])), ip[6], sum(ip.get(8..)?))
        }
        _ => return Some(Packet::default()),
    };
    if end < start || end > total {
        return None;
    }
    let field = match protocol {
        TCP => TCP_FIELD,
        UDP => {
            let [.., high, low] = *head.get(start..)?.first_chunk::<UDP_FIELD>()?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length < UDP_HEADER || start + length > end {
                return None;
            }
            end = start + length;
            UDP_FIELD
        }
        ICMPV6 if header.is_none() => ICMP_FIELD,
        ICMP if header.is_some() => ICMP_FIELD,
        _ => return Some(Packet { header, ..Packet::default() }),
    };
    if start + field + 2 > end.min(head.len()) {
        return None;
    }
    // RFC 9293, 3.1; RFC 8200, 8.1. The length is the difference of two numbers of 16 bits.
    let length = (end - start) as u16;
    let pseudo = addresses + u64::from(u16::from(protocol).swap_bytes()) + u64::from(length.swap_bytes());
    // RFC 792: of IPv4, the message alone is summed.
    let pseudo = if protocol == ICMP { 0 } else { pseudo };
    let (start, field) = (start as u16, field as u16); // 74 and 16 at most
    Some(Packet { header, start, end: u16::try_from(end).ok()?, field, pseudo: fold(pseudo) })
}

impl Packet {
    /// Where the checksum of the segment or datagram is, if there is one.
    fn place(&self) -> Option<usize> {
        (self.field != 0).then_some(usize::from(self.start) + usize::from(self.field))
    }

    /// Whether that is right, or left out where it may be.
    fn is_right(&self, buffer: &Buffer, place: usize) -> bool {
        let may_lack = usize::from(self.field) == UDP_FIELD && self.header.is_some();
        if may_lack && buffer.get(place..place + 2) == Some(&[0; 2]) {
            return true;
        }
        let (start, end) = (usize::from(self.start), usize::from(self.end));
        let pseudo = u64::from(self.pseudo);
        let sum = if SEGMENTATION && buffer.is_chained() {
            fold(sum_parts(buffer, start, end) + pseudo)
        } else {
            sum_with(buffer.get(start..end).unwrap_or_default(), pseudo)
        };
        sum == 0xffff
    }
}

/// Whether a frame is what most are that come, a TCP segment over IPv4 without options, and intact. Any other one is for [`find`] to
/// judge.
#[inline]
fn is_plain_and_intact(frame: &[u8], is_verified: bool) -> bool {
    let Some((ethernet, rest)) = frame.split_first_chunk::<ETHERNET>() else { return false };
    let Some(header) = rest.first_chunk::<IPV4_HEADER>() else { return false };
    let is_whole = (header[6] & 0x3f, header[7]) == (0, 0);
    if [ethernet[12], ethernet[13]] != IPV4 || (header[0], header[9]) != (0x45, TCP) || !is_whole {
        return false;
    }
    let end = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let Some(segment) = rest.get(IPV4_HEADER..end).filter(|segment| segment.len() >= TCP_FIELD + 2) else {
        return false;
    };
    let (words, _) = header.as_chunks();
    let Some(&[first, second, third, source, target]) = words.first_chunk() else { return false };
    let addresses = word(source) + word(target);
    // The length is the difference of two numbers of 16 bits.
    let length = u64::from((segment.len() as u16).swap_bytes());
    let pseudo = addresses + u64::from(u16::from(TCP).swap_bytes()) + length;
    fold(word(first) + word(second) + word(third) + addresses) == 0xffff
        && (is_verified || sum_with(segment, pseudo) == 0xffff)
}

/// The sum of a piece of a frame of several buffers.
fn sum_parts(buffer: &Buffer, start: usize, end: usize) -> u64 {
    let (mut total, mut at) = (0, 0);
    for part in buffer.parts() {
        let from = start.saturating_sub(at).min(part.len());
        let to = end.saturating_sub(at).min(part.len());
        let sum = fold(sum(part.get(from..to).unwrap_or_default()));
        // Behind an odd number of bytes, the first one is the other half of a number.
        let is_odd = (at + from).saturating_sub(start) % 2 == 1;
        total += u64::from(if is_odd { sum.swap_bytes() } else { sum });
        at += part.len();
    }
    total
}

impl Frame {
    /// Whether the IP packet in a received frame is whole, and its checksums are right: that of an IPv4 header, and
    /// that of a TCP segment or datagram unless the card has looked. What is no IP packet is.
    pub fn is_intact(&self) -> bool {
        let buffer = &self.buffer;
        if is_plain_and_intact(buffer, self.offload.checksum != Checksum::Unverified) {
            return true;
        }
        let total = if SEGMENTATION { buffer.total_len() } else { buffer.len() };
        let Some(packet) = find(buffer, total) else { return false };
        packet.header.is_none_or(|header| header == 0xffff)
            && (self.offload.checksum != Checksum::Unverified
                || packet.place().is_none_or(|place| packet.is_right(buffer, place)))
    }

    /// Fills in the checksums of the IP packet in a frame of one buffer, whatever stands there now: that of an IPv4
    /// header, and that of a TCP segment or datagram unless the card does it. What stands behind such a packet is cut
    /// off. No other offload is left.
    #[inline(never)]
    pub fn seal(&mut self, offloads: Offloads) {
        self.offload = Offload::default();
        let length = self.buffer.len();
        let bytes = &mut self.buffer[..];
        let Some(packet) = find(bytes, length) else { return };
        if let Some(header) = packet.header {
            // Without what stands there now (RFC 1624, 3).
            let place = bytes.get(ETHERNET + IPV4_FIELD..).and_then(<[u8]>::first_chunk);
            let now = place.map_or(0, |field| u16::from_le_bytes(*field));
            store(bytes, ETHERNET + IPV4_FIELD, !fold(u64::from(header) + u64::from(!now)));
        }
        let Some(place) = packet.place() else { return };
        store(bytes, place, packet.pseudo);
        if offloads.checksum {
            self.offload.checksum = Checksum::Partial { start: packet.start, offset: packet.field };
        } else {
            let summed = bytes.get_mut(packet.start.into()..packet.end.into());
            complete(summed.unwrap_or_default(), packet.field.into());
        }
        // The packet ends inside of the buffer.
        let _ = self.buffer.set_len(packet.end.into());
    }

    /// Does itself what is left to do about a frame where a card that it is sent on does not. False if it cannot, or
    /// if the frame contradicts itself: then it cannot be sent on that card.
    #[inline]
    pub fn settle(&mut self, offloads: Offloads) -> bool {
        let is_single = self.offload.segment.is_none() && !self.buffer.is_chained();
        match self.offload.checksum {
            Checksum::Partial { start, offset } if offloads.checksum && is_single => {
                usize::from(start) + usize::from(offset) + 2 <= self.buffer.len()
            }
            Checksum::Unverified | Checksum::Verified => is_single,
            Checksum::Partial { .. } => self.settle_here(offloads),
        }
    }

    #[inline(never)]
    fn settle_here(&mut self, offloads: Offloads) -> bool {
        let length = self.buffer.len();
        let segment = self.offload.segment;
        // Only what is to be cut takes several buffers.
        let is_apart = segment.is_none() && self.buffer.is_chained();
        let Checksum::Partial { start, offset } = self.offload.checksum else {
            return segment.is_none() && !is_apart;
        };
        let (start, field) = (usize::from(start), usize::from(start) + usize::from(offset));
        if is_apart || field + 2 > length {
            return false;
        }
        if let Some(segment) = segment {
            let cuts = match segment.kind {
                SegmentKind::Ipv4 => offloads.segment_ipv4,
                SegmentKind::Ipv6 => offloads.segment_ipv6,
            };
            return cuts && usize::from(segment.headers) <= length;
        }
        if !offloads.checksum {
            complete(self.buffer.get_mut(start..).unwrap_or_default(), field - start);
            self.offload.checksum = Checksum::Unverified;
        }
        true
    }
}

/// Completes the checksum of a segment or datagram, in whose field the sum of the pseudo header stands.
#[inline(never)]
fn complete(bytes: &mut [u8], field: usize) {
    let value = !sum_with(bytes, 0);
    // Zero would say that there is none (RFC 768); the other zero is as good for TCP.
    store(bytes, field, if value == 0 { !0 } else { value });
}

/// Writes a folded sum into a packet.
pub(crate) fn store(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests;
