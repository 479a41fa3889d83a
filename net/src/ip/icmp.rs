//! Control messages: ICMP (RFC 792) and ICMPv6 (RFC 4443). Echo requests are answered in the frame that they came in;
//! datagrams that nobody waits for are told of, not too often.

use smoltcp::wire::IpAddress;
use unik_sched::time::Instant;

use crate::{
    glance::{ETHERNET, IPV4, IPV4_HEAD, IPV6, IPV6_HEAD, TYPE_IPV4, TYPE_IPV6, ends_of_six, sender},
    ip::address::Address,
    ip::ndp,
    link::Link,
    nic::Frame,
    stack::Stack,
};
use unik_virtio::Buffer;

/// The protocols.
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMPV6: u8 = 58;

/// Messages, of one version and of the other.
pub(crate) const ECHO_REQUEST: [u8; 2] = [8, 128];
pub(crate) const ECHO_REPLY: [u8; 2] = [0, 129];
/// Nobody waits for the datagram: type and code.
const PORT_UNREACHABLE: [[u8; 2]; 2] = [[3, 3], [1, 4]];

/// Routers that a packet may pass (RFC 1700).
pub(crate) const HOP_LIMIT: u8 = 64;

/// Bytes of the header of a message, and of the longest packet with a message about another one: RFC 1812, 4.3.2.3, and
/// RFC 4443, 2.4 (c).
pub(crate) const HEADER: usize = 8;
const LONGEST: [usize; 2] = [576, 1280];

/// Whether a packet is of version 6.
#[inline(always)]
pub(crate) fn is_six(frame: &[u8]) -> bool {
    frame.get(12..ETHERNET) == Some(&TYPE_IPV6)
}

/// Where the message begins in a frame: behind the header of IPv4 with its options, or that of IPv6.
pub(crate) fn start(frame: &[u8]) -> usize {
    let options = frame.get(ETHERNET).map_or(0, |first| usize::from(first & 0xf) * 4);
    ETHERNET + if is_six(frame) { IPV6 } else { options }
}

/// The packet in a frame, without what stands behind it.
fn packet(frame: &[u8]) -> Option<&[u8]> {
    let (field, before) = if is_six(frame) { (18, IPV6) } else { (16, 0) };
    let length = usize::from(u16::from_be_bytes(*frame.get(field..)?.first_chunk()?));
    frame.get(ETHERNET..ETHERNET + before + length)
}

/// Whether the message in a frame asks for an answer.
pub(crate) fn is_question(frame: &[u8]) -> bool {
    frame.get(start(frame)) == Some(&ECHO_REQUEST[usize::from(is_six(frame))])
}

impl Stack {
    /// Handles the message in hand, which the gate has let in.
    #[inline(never)]
    pub(crate) fn hear_message(&mut self, now: Instant) {
        if self.link.frame().is_some_and(ndp::is_neighborly) {
            return self.hear_neighbor(now);
        }
        self.answer_echo();
    }

    /// Answers the echo request in hand, which the gate has let in.
    fn answer_echo(&mut self) {
        let (hardware, limit, offloads) =
            (self.link.host.hardware, self.link.limit_in_hand(), self.link.offloads);
        let Some(frame) = self.link.in_hand() else { return };
        if turn_round(&mut frame.buffer, hardware, limit).is_some() {
            frame.seal(offloads);
            self.link.send_back();
        } else {
            self.link.ignore();
        }
    }

    /// Tells the sender of the datagram in hand, which the gate has let in, that nobody waits for it: if it was sent to
    /// this host alone (RFC 1122, 3.2.2), and not too often (RFC 4443, 2.4 (f)).
    #[inline(never)]
    pub(crate) fn refuse_datagram(&mut self, now: Instant) {
        let Some(Frame { buffer, .. }) = self.link.take_in_hand() else { return };
        let Some((source, destination)) = ends(&buffer) else { return };
        if !self.link.host.has(&destination) || !self.errors.take(now) {
            return;
        }
        self.counters.icmp_unreachable.increment();
        let version = usize::from(is_six(&buffer));
        let packet = packet(&buffer).unwrap_or_default();
        let header = if version == 1 { IPV6 } else { IPV4 };
        let quoted = packet.get(..LONGEST[version] - header - HEADER).unwrap_or(packet);
        let protocol = if version == 1 { ICMPV6 } else { ICMP };
        let to = buffer.first_chunk::<12>().map(sender);
        let header = Header { source: destination, destination: source, protocol, hop_limit: HOP_LIMIT };
        let [kind, code] = PORT_UNREACHABLE[version];
        self.link.emit(&header, &[kind, code, 0, 0, 0, 0, 0, 0], quoted, to);
    }
}

/// The header of a packet to send.
pub(crate) struct Header {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
}

impl Header {
    /// Its bytes before so many of payload, but for the checksum, and how many they are (RFC 791, 3.1; RFC 8200, 3).
    fn bytes(&self, payload: usize) -> ([u8; IPV6], usize) {
        let mut bytes = [0; IPV6];
        if let (Some(source), Some(destination)) = (self.source.as_v4(), self.destination.as_v4()) {
            let [high, low] = ((IPV4 + payload) as u16).to_be_bytes();
            // No identification and the flag "don't fragment" (RFC 6864, 4.1).
            let [first, second] = [[0x45, 0, high, low], [0, 0, 0x40, 0]];
            let words = [first, second, [self.hop_limit, self.protocol, 0, 0], source, destination];
            if let Some(place) = bytes.as_chunks_mut().0.first_chunk_mut() {
                *place = words;
            }
            return (bytes, IPV4);
        }
        let [high, low] = (payload as u16).to_be_bytes();
        bytes[..8].copy_from_slice(&[0x60, 0, 0, 0, high, low, self.protocol, self.hop_limit]);
        bytes[8..24].copy_from_slice(self.source.octets());
        bytes[24..].copy_from_slice(self.destination.octets());
        (bytes, IPV6)
    }
}

impl Link {
    /// Sends a packet whose payload is the header `inner` and what comes behind that; checksums are seen to: to the card
    /// `to`, or to whom the routes lead. False when there is no room for it.
    #[inline(never)]
    pub(crate) fn emit(&mut self, header: &Header, inner: &[u8], rest: &[u8], to: Option<[u8; 6]>) -> bool {
        let Some(slot) = self.slot(to) else { return false };
        let payload = inner.len() + rest.len();
        let (bytes, length) = header.bytes(payload);
        slot.write(length + payload, |mut packet| {
            for part in [&bytes[..length], inner, rest] {
                let Some((place, behind)) = packet.split_at_mut_checked(part.len()) else { return };
                place.copy_from_slice(part);
                packet = behind;
            }
        });
        true
    }
}

/// An address in smoltcp's words.
pub(crate) fn ip_address(address: &Address) -> IpAddress {
    core::net::IpAddr::from(*address).into()
}

/// Whom a packet comes from, and whom it is for.
pub(crate) fn ends(frame: &[u8]) -> Option<(Address, Address)> {
    if is_six(frame) {
        let [source, destination] = ends_of_six(frame.first_chunk()?);
        return Some((source, destination));
    }
    let head: &[u8; IPV4_HEAD] = frame.first_chunk()?;
    let source = Address::v4([head[26], head[27], head[28], head[29]]);
    Some((source, Address::v4([head[30], head[31], head[32], head[33]])))
}

/// Makes the answer to the echo request in a frame out of it, but for its checksums. `None`, and nothing that could be
/// sent, where it is cut off or longer than may be sent.
fn turn_round(buffer: &mut Buffer, hardware: [u8; 6], limit: usize) -> Option<()> {
    let (source, destination) = ends(buffer)?;
    let version = usize::from(is_six(buffer));
    let start = start(buffer);
    let field = if version == 1 { 18 } else { 16 };
    let said = usize::from(u16::from_be_bytes(*buffer.get(field..)?.first_chunk()?));
    let total = if version == 1 { IPV6_HEAD + said } else { ETHERNET + said };
    if buffer.is_chained() || total > buffer.len() || total < start + HEADER {
        return None;
    }
    let to = sender::<12>(buffer.first_chunk()?);
    // What is behind the packet is no part of it, and options of IPv4 do not come back.
    buffer.set_len(total).ok()?;
    if version == 0 {
        buffer.trim_front(start.checked_sub(IPV4_HEAD)?)?;
    }
    if buffer.len() > limit {
        return None;
    }
    let length = buffer.len() - ETHERNET;
    buffer.get_mut(..6)?.copy_from_slice(&to);
    buffer.get_mut(6..12)?.copy_from_slice(&hardware);
    if version == 1 {
        let head: &mut [u8; IPV6_HEAD] = buffer.first_chunk_mut()?;
        head[14..18].copy_from_slice(&[0x60, 0, 0, 0]);
        head[21] = HOP_LIMIT;
        head[22..38].copy_from_slice(destination.octets());
        head[38..54].copy_from_slice(source.octets());
        *buffer.get_mut(IPV6_HEAD)? = ECHO_REPLY[1];
        return Some(());
    }
    let total = u16::try_from(length).ok()?.to_be_bytes();
    let head: &mut [u8; IPV4_HEAD] = buffer.first_chunk_mut()?;
    head[12..14].copy_from_slice(&TYPE_IPV4);
    // No identification and the flag "don't fragment" (RFC 6864, 4.1).
    head[14..26].copy_from_slice(&[0x45, 0, total[0], total[1], 0, 0, 0x40, 0, HOP_LIMIT, ICMP, 0, 0]);
    head[26..30].copy_from_slice(&destination.as_v4()?);
    head[30..34].copy_from_slice(&source.as_v4()?);
    *buffer.get_mut(IPV4_HEAD)? = ECHO_REPLY[0];
    Some(())
}
