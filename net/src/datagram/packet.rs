//! A datagram in the frame that it came in, and the answer behind the same headers: no socket, no copy, no stack.
//!
//! [`port`] finds out cheaply whether a frame is worth a look; [`Packet::parse`] holds it against the rules of
//! Ethernet (RFC 894), IPv4 (RFC 791), UDP (RFC 768) and hosts (RFC 1122); [`Packet::answer`] turns the headers round.
//! Addresses are those of `core::net`, so that IPv6 changes no signature. Nothing that is in the frame is trusted, and
//! no bytes make any of this panic.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes of an Ethernet header, and of one of IPv4 without options and of UDP behind it.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
/// Bytes of the headers in front of an answer.
pub(crate) const HEADERS: usize = ETHERNET + IPV4 + UDP;

/// The type of frames that hold a packet of IPv4 (RFC 894).
const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// The protocol that is UDP (RFC 768).
const PROTOCOL_UDP: u8 = 17;
/// The flag "don't fragment" (RFC 791, 3.1), with which a packet needs no identification (RFC 6864, 4.1).
const DONT_FRAGMENT: u16 = 0x4000;
/// Routers that an answer may pass (RFC 1700).
const TIME_TO_LIVE: u8 = 64;

/// The host that a frame is held against.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its Ethernet address.
    pub hardware: [u8; 6],
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the prefix of its network.
    pub prefix: u8,
}

/// Whether the checksum of a received datagram is to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Proof {
    /// It is to be checked.
    #[default]
    Missing,
    /// The card has checked it, or the datagram has not left this machine and has none yet.
    Given,
}

/// Why a datagram is not shown to its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not sent to this host alone, or not sent whole: another part of the stack may know what to do.
    Elsewhere,
    /// Its lengths or checksums are wrong.
    Malformed,
    /// Its sender is nobody who could be answered.
    Unanswerable,
}

/// Where the parts of a datagram are in its frame, and who sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    source: Ipv4Addr,
    source_port: u16,
    port: u16,
    /// Where the payload begins: [`HEADERS`], and more where IPv4 has options.
    start: u16,
    length: u16,
    /// The checksum as it came, if it was checked here: it holds for an answer of the same bytes too.
    checked: Option<[u8; 2]>,
}

/// The port that a frame's datagram goes to, if it holds one. Nothing is checked that costs time.
pub fn port(frame: &[u8]) -> Option<u16> {
    let head: &[u8; HEADERS] = frame.first_chunk()?;
    let is_first = u16::from_be_bytes([head[20], head[21]]) & 0x3fff == 0;
    if [head[12], head[13]] != TYPE_IPV4 || head[23] != PROTOCOL_UDP || !is_first {
        return None;
    }
    let at = ETHERNET + header_length(head[14])? + 2;
    let port: &[u8; 2] = frame.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*port))
}

impl Packet {
    /// Reads the datagram in `frame`, which came to `host`.
    ///
    /// # Errors
    /// [`Refusal`], for what no handler is to see.
    pub fn parse(frame: &[u8], host: &Host, proof: Proof) -> Result<Self, Refusal> {
        let head: &[u8; HEADERS] = frame.first_chunk().ok_or(Refusal::Elsewhere)?;
        let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        // RFC 1122, 3.2.1.3 and 3.3.6: groups, in either layer, get no answer of this kind. Fragments have flag or offset.
        let is_ours = head[..6] == host.hardware && address(30) == host.address;
        let is_whole = number(20) & 0x3fff == 0;
        if !is_ours || !is_whole || [head[12], head[13]] != TYPE_IPV4 || head[23] != PROTOCOL_UDP {
            return Err(Refusal::Elsewhere);
        }
        let header = header_length(head[14]).ok_or(Refusal::Malformed)?;
        let packet = frame.get(ETHERNET..ETHERNET + usize::from(number(16))).ok_or(Refusal::Malformed)?;
        let (header, datagram) = packet.split_at_checked(header).ok_or(Refusal::Malformed)?;
        let udp: &[u8; UDP] = datagram.first_chunk().ok_or(Refusal::Malformed)?;
        let length = u16::from_be_bytes([udp[4], udp[5]]);
        // What is behind the datagram in its packet is no part of it.
        let datagram = datagram.get(..length.into()).filter(|datagram| datagram.len() >= UDP);
        let datagram = datagram.ok_or(Refusal::Malformed)?;
        if fold(sum(header)) != 0xffff {
            return Err(Refusal::Malformed);
        }
        // RFC 768: a checksum of zero is none.
        let checksum = Some([udp[6], udp[7]]).filter(|checksum| *checksum != [0; 2]);
        let checked = checksum.filter(|_| proof == Proof::Missing);
        let source = address(26);
        let pseudo = pseudo_sum(source, host.address, length);
        if checked.is_some() && fold(sum(datagram) + u64::from(pseudo)) != 0xffff {
            return Err(Refusal::Malformed);
        }
        let source_port = u16::from_be_bytes([udp[0], udp[1]]);
        if source_port == 0 || !host.can_answer(source, &head[6..12]) {
            return Err(Refusal::Unanswerable);
        }
        Ok(Packet {
            source,
            source_port,
            port: u16::from_be_bytes([udp[2], udp[3]]),
            // Both are below the length of a packet.
            start: (ETHERNET + header.len() + UDP) as u16,
            length: length - UDP as u16,
            checked,
        })
    }

    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.source), self.source_port)
    }

    /// The port that it goes to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the payload begins in the frame.
    pub fn start(&self) -> usize {
        self.start.into()
    }

    /// Bytes of the payload.
    pub fn length(&self) -> usize {
        self.length.into()
    }

    /// Writes the headers of the answer in front of its payload, of `length` bytes, which stands where that of the
    /// datagram stood. Gives the bytes of the frame in front of the answer, which are no part of it: those that options
    /// took. `altered` says whether the payload is another one.
    ///
    /// `None`, and nothing that could be sent, where the frame has less bytes than this needs.
    pub fn answer(&self, frame: &mut [u8], host: &Host, length: usize, altered: bool) -> Option<usize> {
        let skipped = self.start().checked_sub(HEADERS)?;
        let sender: [u8; 6] = *frame.get(6..)?.first_chunk()?;
        let frame = frame.get_mut(skipped..skipped + HEADERS + length)?;
        let (head, payload) = frame.split_first_chunk_mut::<HEADERS>()?;
        let total = u16::try_from(IPV4 + UDP + length).ok()?;
        let length = total - IPV4 as u16;
        let (source, target) = (host.address.octets(), self.source.octets());
        let header = 0x4500 + u32::from(total) + u32::from(DONT_FRAGMENT);
        let header = header + u32::from(u16::from_be_bytes([TIME_TO_LIVE, PROTOCOL_UDP]));
        let header = !fold((header + words(source) + words(target)).into());
        head[..6].copy_from_slice(&sender);
        head[6..12].copy_from_slice(&host.hardware);
        head[12..14].copy_from_slice(&TYPE_IPV4);
        head[14..16].copy_from_slice(&[0x45, 0]);
        head[16..18].copy_from_slice(&total.to_be_bytes());
        head[18..20].copy_from_slice(&[0; 2]);
        head[20..22].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
        head[22..24].copy_from_slice(&[TIME_TO_LIVE, PROTOCOL_UDP]);
        head[24..26].copy_from_slice(&header.to_be_bytes());
        head[26..30].copy_from_slice(&source);
        head[30..34].copy_from_slice(&target);
        head[34..36].copy_from_slice(&self.port.to_be_bytes());
        head[36..38].copy_from_slice(&self.source_port.to_be_bytes());
        head[38..40].copy_from_slice(&length.to_be_bytes());
        // Addresses and ports change places, which changes no sum.
        let kept = self.checked.filter(|_| !altered && length == self.length + UDP as u16);
        let checksum = kept.unwrap_or_else(|| {
            let ports = u32::from(self.port) + u32::from(self.source_port) + u32::from(length);
            let pseudo = pseudo_sum(self.source, host.address, length) + ports;
            match !fold(sum(payload) + u64::from(pseudo)) {
                0 => [0xff; 2],
                checksum => checksum.to_be_bytes(),
            }
        });
        head[40..42].copy_from_slice(&checksum);
        Some(skipped)
    }
}

impl Host {
    /// Whether somebody at `source` can be answered through the Ethernet address `hardware`: it is one host, another one,
    /// and no address that stands for itself alone or for none (RFC 1122, 3.2.1.3; RFC 6890, 2.2.2).
    fn can_answer(&self, source: Ipv4Addr, hardware: &[u8]) -> bool {
        let [first, ..] = source.octets();
        let host_bits = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        let is_group = matches!(first, 0 | 127 | 224..);
        // A network of one or two addresses has no broadcast (RFC 3021).
        let is_broadcast = host_bits > 1 && {
            let (source, own) = (u32::from(source), u32::from(self.address));
            source | host_bits == own | host_bits
                && (source & host_bits == host_bits || source & host_bits == 0)
        };
        let is_one = hardware.first().is_some_and(|first| first & 1 == 0) && hardware != [0; 6];
        is_one && !is_group && !is_broadcast && source != self.address && hardware != self.hardware
    }
}

/// Bytes of an IPv4 header that begins with `first`: version 4, and five words or more.
fn header_length(first: u8) -> Option<usize> {
    (first >> 4 == 4 && first & 0xf >= 5).then(|| usize::from(first & 0xf) * 4)
}

/// The two halves of an address, added.
fn words([first, second, third, fourth]: [u8; 4]) -> u32 {
    u32::from(u16::from_be_bytes([first, second])) + u32::from(u16::from_be_bytes([third, fourth]))
}

/// The sum over what UDP's checksum covers beside the datagram (RFC 768).
fn pseudo_sum(source: Ipv4Addr, destination: Ipv4Addr, length: u16) -> u32 {
    words(source.octets()) + words(destination.octets()) + u32::from(PROTOCOL_UDP) + u32::from(length)
}

/// The sum of `bytes` as big-endian numbers of 16 bits (RFC 1071), not folded; an odd last byte counts as if a zero
/// followed.
fn sum(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let mut sum = 0;
    for chunk in chunks {
        sum += u64::from(u32::from_ne_bytes(*chunk));
    }
    let mut last = [0; 4];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    sum += u64::from(u32::from_ne_bytes(last));
    // RFC 1071, 2 (B): the sum of swapped bytes is the swapped sum.
    u16::from_be_bytes(fold(sum).to_ne_bytes()).into()
}

/// The sum in 16 bits, with the carries brought round.
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}
