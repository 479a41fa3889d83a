//! A datagram in the frame that it came in, and the answer behind the same headers: no socket, no copy, no stack.
//!
//! [`Packet::parse`] holds a frame against the rules of Ethernet (RFC 894), IPv4 (RFC 791), UDP (RFC 768) and hosts (RFC 1122); [`Packet::answer`] turns the headers round.
//! Addresses are those of `core::net`, so that IPv6 changes no signature. Nothing that is in the frame is trusted, and
//! no bytes make any of this panic.

use core::net::{IpAddr, SocketAddr};

pub use crate::host::Host;

use crate::{
    checksum::{fold, sum},
    nic::Checksum,
};

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
/// How a header of version 4 without options begins.
const PLAIN: u8 = 0x45;
/// Routers that an answer may pass (RFC 1700).
const TIME_TO_LIVE: u8 = 64;

/// What is the same in the header of every answer, for its sum: no identification and the flag "don't fragment" (RFC 791,
/// 3.1; RFC 6864, 4.1), and the rest.
const FIXED: [[u8; 4]; 2] = [[0, 0, 0x40, 0], [PLAIN + TIME_TO_LIVE, PROTOCOL_UDP, 0, 0]];

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
    source: [u8; 4],
    /// The ports of its sender and of its receiver.
    ports: [[u8; 2]; 2],
    /// Where the payload begins: [`HEADERS`], and more where IPv4 has options.
    start: u16,
    length: u16,
    /// The checksum as it came, if it was checked here: it holds for an answer of the same bytes too.
    checked: Option<[u8; 2]>,
}

/// A frame that holds an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The bytes in front of it, which are no part of it: those that options took.
    pub skipped: usize,
    /// What is left to do about its checksum.
    pub checksum: Checksum,
}

impl Packet {
    /// Reads the datagram in `frame`, which came to `host`. `checksum` is what the card knows of its checksum.
    ///
    /// # Errors
    /// [`Refusal`], for what no handler is to see.
    pub fn parse(frame: &[u8], host: &Host, checksum: Checksum) -> Result<Self, Refusal> {
        let head: &[u8; HEADERS] = frame.first_chunk().ok_or(Refusal::Elsewhere)?;
        // RFC 1122, 3.2.1.3 and 3.3.6: groups, in either layer, get no answer of this kind.
        let is_ours = head[..6] == host.hardware && head[30..34] == host.address.octets();
        if !is_ours || [head[12], head[13]] != TYPE_IPV4 || head[23] != PROTOCOL_UDP || is_fragment(head) {
            return Err(Refusal::Elsewhere);
        }
        let header = header_length(head[14]).ok_or(Refusal::Malformed)?;
        let total = usize::from(u16::from_be_bytes([head[16], head[17]]));
        let packet = frame.get(ETHERNET..ETHERNET + total).ok_or(Refusal::Malformed)?;
        let (header, datagram) = packet.split_at_checked(header).ok_or(Refusal::Malformed)?;
        let udp: &[u8; UDP] = datagram.first_chunk().ok_or(Refusal::Malformed)?;
        let length = [udp[4], udp[5]];
        // What is behind the datagram in its packet is no part of it.
        let datagram = datagram.get(..u16::from_be_bytes(length).into()).filter(|bytes| bytes.len() >= UDP);
        let datagram = datagram.ok_or(Refusal::Malformed)?;
        let header_sum = match header.first_chunk::<IPV4>() {
            Some(plain) if header.len() == IPV4 => plain.as_chunks().0.iter().map(|bytes| word(*bytes)).sum(),
            _ => sum(header),
        };
        if fold(header_sum) != 0xffff {
            return Err(Refusal::Malformed);
        }
        let source = [head[26], head[27], head[28], head[29]];
        // RFC 768: a checksum of zero is none.
        let field = Some([udp[6], udp[7]]).filter(|field| *field != [0; 2]);
        let checked = field.filter(|_| checksum == Checksum::Unverified);
        if checked.is_some() && fold(sum(datagram) + pseudo_sum(source, host, length)) != 0xffff {
            return Err(Refusal::Malformed);
        }
        let hardware = [head[6], head[7], head[8], head[9], head[10], head[11]];
        let ports = [[udp[0], udp[1]], [udp[2], udp[3]]];
        if ports[0] == [0; 2] || !host.can_answer(source, hardware) {
            return Err(Refusal::Unanswerable);
        }
        Ok(Packet {
            source,
            ports,
            // Both are below the length of a packet.
            start: (ETHERNET + header.len() + UDP) as u16,
            length: (datagram.len() - UDP) as u16,
            checked,
        })
    }

    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.source.into()), u16::from_be_bytes(self.ports[0]))
    }

    /// The port that it goes to.
    pub fn port(&self) -> u16 {
        u16::from_be_bytes(self.ports[1])
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
    /// datagram stood. `altered` says whether it is another one, and `offload` whether the card completes its checksum.
    ///
    /// `None`, and nothing that could be sent, where the frame has less bytes than this needs.
    pub fn answer(
        &self,
        frame: &mut [u8],
        host: &Host,
        length: usize,
        altered: bool,
        offload: bool,
    ) -> Option<Answer> {
        let skipped = self.start().checked_sub(HEADERS)?;
        let sender: [u8; 6] = *frame.get(6..)?.first_chunk()?;
        let frame = frame.get_mut(skipped..skipped + HEADERS + length)?;
        let (head, payload) = frame.split_first_chunk_mut::<HEADERS>()?;
        let total = u16::try_from(IPV4 + UDP + length).ok()?.to_be_bytes();
        let size = ((UDP + length) as u16).to_be_bytes(); // below the total
        let [from, to] = self.ports;
        let (source, target) = (host.address.octets(), self.source);
        let sum_of_header =
            word(source) + word(target) + word(FIXED[0]) + word(FIXED[1]) + word([0, 0, total[0], total[1]]);
        let header = (!fold(sum_of_header)).to_le_bytes();
        head[..6].copy_from_slice(&sender);
        head[6..12].copy_from_slice(&host.hardware);
        head[12..14].copy_from_slice(&TYPE_IPV4);
        head[14..18].copy_from_slice(&[PLAIN, 0, total[0], total[1]]);
        head[18..22].copy_from_slice(&FIXED[0]);
        head[22..26].copy_from_slice(&[TIME_TO_LIVE, PROTOCOL_UDP, header[0], header[1]]);
        head[26..30].copy_from_slice(&source);
        head[30..34].copy_from_slice(&target);
        head[34..36].copy_from_slice(&to);
        head[36..38].copy_from_slice(&from);
        // Addresses and ports change places, which changes no sum.
        let kept = self.checked.filter(|_| !altered && length == self.length());
        let (field, checksum) = match kept {
            Some(field) => (field, Checksum::Unverified),
            None => {
                let pseudo = pseudo_sum(target, host, size);
                if offload {
                    let partial = Checksum::Partial { start: (ETHERNET + IPV4) as u16, offset: 6 };
                    (fold(pseudo).to_le_bytes(), partial)
                } else {
                    let rest = word([from[0], from[1], to[0], to[1]]) + word([0, 0, size[0], size[1]]);
                    let field = !fold(sum(payload) + pseudo + rest);
                    (if field == 0 { [0xff; 2] } else { field.to_le_bytes() }, Checksum::Unverified)
                }
            }
        };
        head[38..40].copy_from_slice(&size);
        head[40..42].copy_from_slice(&field);
        Some(Answer { skipped, checksum })
    }
}

/// Whether it is a piece of a packet: the first ones have a flag, the others an offset (RFC 791, 3.1).
fn is_fragment(head: &[u8; HEADERS]) -> bool {
    (head[20] & 0x3f, head[21]) != (0, 0)
}

/// Bytes of an IPv4 header that begins with `first`: version 4, and five words or more.
#[inline]
fn header_length(first: u8) -> Option<usize> {
    (PLAIN..0x50).contains(&first).then(|| usize::from(first & 0xf) * 4)
}

// Sums are those of RFC 1071 over numbers of 16 bits in little-endian order: by its section 2 (B) the sum of swapped
// bytes is the swapped sum, so the bytes are turned nowhere. They are folded last.

/// Two numbers.
fn word(bytes: [u8; 4]) -> u64 {
    u32::from_le_bytes(bytes).into()
}

/// What UDP's checksum covers beside the datagram (RFC 768).
fn pseudo_sum(peer: [u8; 4], host: &Host, length: [u8; 2]) -> u64 {
    word(peer) + word(host.address.octets()) + word([0, PROTOCOL_UDP, length[0], length[1]])
}
