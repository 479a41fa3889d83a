//! Reads a frame: its fields, and where they stand.
//!
//! A header that is cut short or contradicts itself has no fields, nor has what follows it: they read as zero.

use crate::pipeline::fields::{
    ADVERTISEMENT, ARP, Field, Fields, ICMP, ICMPV6, IPV4, IPV6, MPLS, MPLS_MULTICAST, PBB, SCTP,
    SERVICE_VLAN, SOLICITATION, TAGGED, TCP, UDP, VLAN,
};

/// Tags that are read before the rest is taken for an unknown payload.
const MOST_TAGS: usize = 4;
/// Extension headers of one packet, and options of one message, that are read.
const MOST_HEADERS: usize = 12;
const MOST_OPTIONS: usize = 8;

/// Smaller numbers in the place of an EtherType are lengths (IEEE 802.3, 3.2.6), and OFP_DL_TYPE_NOT_ETH_TYPE.
const LEAST_TYPE: u16 = 0x600;
const NO_TYPE: u16 = 0x5ff;

/// Where the headers of a frame are. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The EtherType behind all tags.
    pub ethertype: u16,
    /// The header behind that, if there is a whole one of a kind that is known.
    pub network: u16,
    /// The octet that names the protocol of an IP packet.
    pub protocol: u16,
    /// The header behind those of IP.
    pub transport: u16,
    /// Where the IP packet ends.
    pub end: u16,
    /// The link-layer address in an option of neighbour discovery.
    pub link_layer: u16,
    /// The IP packet is a piece of another one.
    pub is_fragment: bool,
}

/// What a frame is read as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Its fields.
    pub fields: Fields,
    /// Where they are.
    pub layout: Layout,
}

/// Which octets of a frame decide over its fields: frames in which these are the same are read the same.
#[derive(Clone, Copy)]
pub(crate) struct Likeness {
    /// The first octets, in the order in which they stand.
    pub(crate) mask: [u64; Likeness::WORDS],
    /// Shorter frames may be read otherwise.
    pub(crate) least: usize,
}

impl Likeness {
    /// Words of a mask.
    pub(crate) const WORDS: usize = 5;

    const fn new(octets: [u8; 40], least: usize) -> Self {
        let (words, _) = octets.as_chunks::<8>();
        let [a, b, c, d, e] = *words else { panic!("five words are forty octets") };
        let mask = [
            u64::from_ne_bytes(a),
            u64::from_ne_bytes(b),
            u64::from_ne_bytes(c),
            u64::from_ne_bytes(d),
            u64::from_ne_bytes(e),
        ];
        Self { mask, least }
    }

    /// What decides over a frame. `None` if it is too short for that.
    #[inline]
    pub(crate) fn key(&self, frame: &[u8]) -> Option<[u64; Self::WORDS]> {
        let head = frame.get(..self.least)?.first_chunk::<{ 8 * Self::WORDS }>()?;
        // Written out: what this is compiled for leaves loops as they are.
        let word = |at: usize| head.get(at..at + 8)?.first_chunk().map(|octets| u64::from_ne_bytes(*octets));
        let [a, b, c, d, e] = self.mask;
        Some([word(0)? & a, word(8)? & b, word(16)? & c, word(24)? & d, word(32)? & e])
    }

    /// Of [`PACKET`], what decides over the bits of its fields that are `relevant`, and over the way that a switch without tables has
    /// for it: all of the first octets, as far as the type of service.
    pub(crate) fn of_packets(relevant: &Fields) -> Self {
        let Fields([_, _, target, source, addresses, ..]) = relevant;
        let mut octets = [0; 40];
        let mut put = |at: usize, value: &[u8]| {
            octets.iter_mut().skip(at).zip(value).for_each(|(octet, value)| *octet = *value);
        };
        put(0, &[0xff; 16]);
        // Whether it is a fragment, and the protocol.
        put(20, &[0x3f, 0xff, 0, 0xff]);
        put(26, &addresses.to_be_bytes());
        if source >> 48 != 0 || *target as u16 != 0 {
            put(34, &[0xff; 4]);
        }
        Self::new(octets, PLAIN)
    }
}

/// An IPv4 packet without options, in a frame without tags: all but total length, identification, TTL and checksum of its header, and
/// the ports or what stands in their place.
pub(crate) static PACKET: Likeness = {
    let mut octets = [0xff; 40];
    [octets[16], octets[17], octets[18], octets[19], octets[20]] = [0, 0, 0, 0, 0x3f];
    [octets[22], octets[24], octets[25], octets[38], octets[39]] = [0; 5];
    Likeness::new(octets, PLAIN)
};

/// A frame without tags whose type is none that is read: its addresses, and the type.
static OPAQUE: Likeness = {
    let mut octets = [0; 40];
    let mut at = 0;
    while at < 16 {
        octets[at] = 0xff;
        at += 1;
    }
    Likeness::new(octets, 40)
};

impl Parsed {
    /// Whether it is an IPv4 packet without options, in a frame without tags, with a header behind that of IP.
    pub(crate) fn is_packet(&self) -> bool {
        let Layout { ethertype, network, protocol, transport, .. } = self.layout;
        (ethertype, network, protocol, transport) == (12, 14, 23, 34)
    }

    /// What other frames must have in common with this one, which stands in `frame`, to be read the same. `None` where that is not
    /// known.
    pub(crate) fn likeness(&self, frame: &[u8]) -> Option<&'static Likeness> {
        if self.layout.ethertype != 12 {
            return None;
        }
        if self.is_packet() {
            return (frame.len() >= PLAIN).then_some(&PACKET);
        }
        let kind = be16(frame, 12)?;
        let is_opaque =
            kind >= LEAST_TYPE && !matches!(kind, IPV4 | IPV6 | ARP | MPLS | MPLS_MULTICAST | PBB);
        is_opaque.then_some(&OPAQUE)
    }
}

#[inline]
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

#[inline]
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

#[inline]
fn be48(bytes: &[u8], at: usize) -> Option<u64> {
    let [a, b, c, d, e, f] = *bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

#[inline]
fn be128(bytes: &[u8], at: usize) -> Option<u128> {
    bytes.get(at..)?.first_chunk().map(|octets| u128::from_be_bytes(*octets))
}

/// Reads a frame. The fields that do not stand in it are zero.
pub fn parse(frame: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    parse_into(frame, &mut parsed);
    parsed
}

/// Reads a frame into fields that are all zero.
#[inline(always)]
pub(crate) fn parse_into(frame: &[u8], parsed: &mut Parsed) {
    if plain(frame, parsed).is_none() {
        parse_any(frame, parsed);
    }
}

#[inline(never)]
fn parse_any(frame: &[u8], parsed: &mut Parsed) {
    let head = frame.get(..super::HEAD).unwrap_or(frame);
    // What could not be read stays as it is.
    let _ = ethernet(head, frame.len(), parsed);
}

/// Octets of the headers of a TCP segment in an IPv4 packet without options, in a frame without tags.
const PLAIN: usize = 54;

/// Reads what most frames are: TCP or UDP in a whole IPv4 packet without options. `None`, and nothing has been read, for others.
/// What it finds is what [`ethernet`] would, with one check of a length instead of a dozen.
#[inline(always)]
fn plain(frame: &[u8], parsed: &mut Parsed) -> Option<()> {
    let head = frame.first_chunk::<PLAIN>()?;
    let word = |at: usize| head.get(at..at + 8)?.first_chunk().map(|octets| u64::from_be_bytes(*octets));
    let (target, source, first) = (word(0)?, word(6)?, word(14)?);
    let second = word(22)?;
    let protocol = (second >> 48) as u8;
    // Version and length of the header, and the bits and the place of a fragment.
    let is_plain = source as u16 == IPV4 && first >> 56 == 0x45 && first & 0x3fff == 0;
    if !is_plain || !matches!(protocol, TCP | UDP) {
        return None;
    }
    let ports = word(34)?;
    let words = &mut parsed.fields.0;
    words[0] = u64::from(IPV4) << 16;
    words[1] = target & !0xffff | u64::from(protocol) << 8 | first >> 48 & 0xff;
    words[2] = source & !0xffff | ports >> 32 & 0xffff;
    words[3] = ports & 0xffff << 48;
    words[4] = word(26)?;
    let end = (14 + usize::from((first >> 32) as u16)).min(frame.len()).min(usize::from(u16::MAX)) as u16;
    parsed.layout = Layout {
        ethertype: 12,
        network: 14,
        protocol: 23,
        transport: 34,
        end,
        link_layer: 0,
        is_fragment: false,
    };
    Some(())
}

fn ethernet(head: &[u8], total: usize, parsed: &mut Parsed) -> Option<()> {
    let Parsed { fields, layout } = parsed;
    fields.0[1] = be48(head, 0)? << 16;
    fields.0[2] = be48(head, 6)? << 16;
    let mut at = 12;
    let mut kind = be16(head, at)?;
    if matches!(kind, VLAN | SERVICE_VLAN) {
        // The outermost tag is the one that has fields; DEI is no part of them.
        let control = be16(head, at + 2)?;
        fields.0[0] = u64::from(control & 0xe000 | TAGGED | control & 0x0fff);
        for _ in 0..MOST_TAGS {
            if !matches!(kind, VLAN | SERVICE_VLAN) {
                break;
            }
            at += 4;
            kind = be16(head, at)?;
        }
    }
    layout.ethertype = at as u16;
    if kind < LEAST_TYPE {
        fields.0[0] |= u64::from(behind_length(head, at + 2)) << 16;
        return None;
    }
    fields.0[0] |= u64::from(kind) << 16;
    at += 2;
    match kind {
        IPV4 => ipv4(head, at, total, parsed),
        IPV6 => ipv6(head, at, total, parsed),
        ARP => arp(head, at, parsed),
        MPLS | MPLS_MULTICAST => {
            fields.0[3] = u64::from(be32(head, at)? >> 8) << 24;
            layout.network = at as u16;
            Some(())
        }
        PBB => {
            // Flags and the identifier of the service, then the inner header.
            be16(head, at + 16)?;
            fields.0[3] = u64::from(be32(head, at)? & 0x00ff_ffff);
            layout.network = at as u16;
            Some(())
        }
        _ => None,
    }
}

/// The type of a frame of IEEE 802.3 that has a length in its place: what a SNAP header says, or a number that no type has
/// (OpenFlow 1.0.0, 3.4).
fn behind_length(head: &[u8], at: usize) -> u16 {
    const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
    let is_snap = head.get(at..at + 6) == Some(&SNAP);
    if is_snap { be16(head, at + 6).unwrap_or(NO_TYPE) } else { NO_TYPE }
}

fn arp(head: &[u8], at: usize, parsed: &mut Parsed) -> Option<()> {
    let Parsed { fields, layout } = parsed;
    // RFC 826, for Ethernet and IPv4.
    if be32(head, at)? != 0x0001_0800 || be16(head, at + 4)? != 0x0604 {
        return None;
    }
    let target = be32(head, at + 24)?;
    layout.network = at as u16;
    fields.0[1] |= u64::from(be16(head, at + 6)?);
    fields.0[4] = u64::from(be32(head, at + 14)?) << 32 | u64::from(target);
    fields.0[11] = be48(head, at + 8)? << 16;
    fields.0[12] = be48(head, at + 18)? << 16;
    Some(())
}

fn ipv4(head: &[u8], at: usize, total: usize, parsed: &mut Parsed) -> Option<()> {
    let Parsed { fields, layout } = parsed;
    let header = head.get(at..)?.first_chunk::<20>()?;
    let length = usize::from(header[0] & 0xf) * 4;
    // RFC 791, 3.1.
    if header[0] >> 4 != 4 || length < 20 || at + length > head.len() {
        return None;
    }
    layout.network = at as u16;
    layout.protocol = (at + 9) as u16;
    fields.0[1] |= u64::from(header[9]) << 8 | u64::from(header[1]);
    let [.., a, b, c, d, e, f, g, h] = *header;
    fields.0[4] = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let end = at + usize::from(u16::from_be_bytes([header[2], header[3]]));
    layout.end = end.min(total).min(usize::from(u16::MAX)) as u16;
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    layout.is_fragment = fragment & 0x3fff != 0;
    if fragment & 0x1fff != 0 {
        return None;
    }
    transport(head, at + length, header[9], parsed)
}

fn ipv6(head: &[u8], at: usize, total: usize, parsed: &mut Parsed) -> Option<()> {
    let Parsed { fields, layout } = parsed;
    let first = be32(head, at)?;
    let destination = be128(head, at + 24)?;
    if first >> 28 != 6 {
        return None;
    }
    layout.network = at as u16;
    let end = at + 40 + usize::from(be16(head, at + 4)?);
    layout.end = end.min(total).min(usize::from(u16::MAX)) as u16;
    fields.0[1] |= u64::from(first >> 20 & 0xff);
    fields.0[13] = u64::from(first & 0x000f_ffff);
    fields.set(Field::IPV6_SRC, be128(head, at + 8)?);
    fields.set(Field::IPV6_DST, destination);
    extensions(head, at, parsed)
}

/// The bits of IPV6_EXTHDR (OpenFlow 1.3.5, 7.2.3.8), and their place in the order that RFC 8200, 4.1 recommends.
const NO_NEXT: u16 = 1;
const ESP: u16 = 1 << 1;
const AUTHENTICATION: u16 = 1 << 2;
const DESTINATION: u16 = 1 << 3;
const FRAGMENT: u16 = 1 << 4;
const ROUTING: u16 = 1 << 5;
const HOP: u16 = 1 << 6;
const REPEATED: u16 = 1 << 7;
const OUT_OF_ORDER: u16 = 1 << 8;

/// Follows the extension headers to what an IPv6 packet carries.
fn extensions(head: &[u8], network: usize, parsed: &mut Parsed) -> Option<()> {
    let mut name = network + 6;
    let mut at = network + 40;
    let mut seen = 0u16;
    let mut last_rank = 0;
    let mut is_later = false;
    for _ in 0..MOST_HEADERS {
        let next = *head.get(name)?;
        // Twice is once too often for all but the options for the destination, which may also stand before a routing header.
        let (bit, rank) = match next {
            0 => (HOP, 1),
            60 if seen & (ROUTING | FRAGMENT | AUTHENTICATION | ESP | DESTINATION) == 0 => (DESTINATION, 2),
            43 => (ROUTING, 3),
            44 => (FRAGMENT, 4),
            51 => (AUTHENTICATION, 5),
            50 => (ESP, 6),
            60 => (DESTINATION, 7),
            59 => (NO_NEXT, 8),
            _ => (0, 8),
        };
        if seen & bit != 0 && !(rank == 7 && last_rank < 7) {
            seen |= REPEATED;
        }
        if rank < last_rank {
            seen |= OUT_OF_ORDER;
        }
        last_rank = rank;
        seen |= bit;
        parsed.fields.0[11] = u64::from(seen);
        parsed.layout.protocol = name as u16;
        parsed.fields.0[1] = parsed.fields.0[1] & !0xff00 | u64::from(next) << 8;
        let length = match bit {
            0 | NO_NEXT | ESP => break,
            FRAGMENT => {
                parsed.layout.is_fragment = true;
                is_later |= be16(head, at + 2)? & 0xfff8 != 0;
                8
            }
            // RFC 4302, 2.2: in units of four octets, less two.
            AUTHENTICATION => (usize::from(*head.get(at + 1)?) + 2) * 4,
            _ => (usize::from(*head.get(at + 1)?) + 1) * 8,
        };
        name = at;
        at += length;
    }
    if is_later {
        return None;
    }
    transport(head, at, parsed.fields.protocol(), parsed)
}

fn transport(head: &[u8], at: usize, protocol: u8, parsed: &mut Parsed) -> Option<()> {
    let ports = be32(head, at)?;
    let Parsed { fields, layout } = parsed;
    match protocol {
        TCP | UDP | SCTP => {
            let whole = match protocol {
                TCP => 20,
                UDP => 8,
                _ => 12,
            };
            head.get(at..at + whole)?;
            fields.0[3] = u64::from(ports >> 16) << 48;
            fields.0[2] |= u64::from(ports & 0xffff);
        }
        ICMP if fields.ethertype() == IPV4 => icmp(ports, fields),
        ICMPV6 if fields.ethertype() == IPV6 => {
            icmp(ports, fields);
            layout.transport = at as u16;
            return neighbor(head, at, parsed);
        }
        _ => return None,
    }
    layout.transport = at as u16;
    Some(())
}

fn icmp(first: u32, fields: &mut Fields) {
    fields.0[3] = u64::from(first >> 24) << 48;
    fields.0[2] |= u64::from(first >> 16 & 0xff);
}

/// RFC 4861, 4.3 and 4.4: the target, and the address in an option.
fn neighbor(head: &[u8], at: usize, parsed: &mut Parsed) -> Option<()> {
    let wanted = match *head.get(at)? {
        SOLICITATION => 1,
        ADVERTISEMENT => 2,
        _ => return None,
    };
    parsed.fields.set(Field::IPV6_ND_TARGET, be128(head, at + 8)?);
    let mut option = at + 24;
    for _ in 0..MOST_OPTIONS {
        let [kind, units] = *head.get(option..)?.first_chunk()?;
        if kind == wanted && units == 1 {
            let address = be48(head, option + 2)?;
            parsed.layout.link_layer = (option + 2) as u16;
            let field = if wanted == 1 { Field::IPV6_ND_SLL } else { Field::IPV6_ND_TLL };
            parsed.fields.set(field, address.into());
            return Some(());
        }
        if units == 0 {
            return None;
        }
        option += usize::from(units) * 8;
    }
    None
}

#[cfg(test)]
mod tests;
