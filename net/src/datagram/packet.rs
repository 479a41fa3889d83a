//! A datagram in the frame that it came in, and the answer behind the same headers: no socket, no copy, no stack.
//!
//! [`Packet::parse`] holds a frame against the rules of Ethernet (RFC 894, RFC 2464), IPv4 (RFC 791), IPv6 (RFC 8200), UDP
//! (RFC 768) and hosts (RFC 1122); [`Packet::answer`] turns the headers round. Nothing that is in the frame is trusted, and
//! no bytes make any of this panic.

use core::net::SocketAddr;

pub use crate::{
    ip::address::{Address, Network},
    ip::host::Host,
};

use crate::{
    checksum::{fold, sum},
    glance::{
        ETHERNET, IPV4, IPV4_HEAD, IPV6_HEAD, TYPE_IPV4, TYPE_IPV6, UDP as PROTOCOL_UDP, ends_of_six, sender,
    },
    ip::address::socket_address,
    ip::icmp::HOP_LIMIT,
    nic::Checksum,
};

/// Bytes of a header of UDP.
const UDP: usize = 8;
/// Bytes of the headers in front of an answer of version 4, and of one of version 6.
const HEADERS: usize = IPV4_HEAD + UDP;
const HEADERS_OF_SIX: usize = IPV6_HEAD + UDP;

/// How a header of version 4 without options begins.
const PLAIN: u8 = 0x45;

/// What is the same in the header of every answer, for its sum: no identification and the flag "don't fragment" (RFC 791,
/// 3.1; RFC 6864, 4.1), and the rest.
const FIXED: [[u8; 4]; 2] = [[0, 0, 0x40, 0], [PLAIN + HOP_LIMIT, PROTOCOL_UDP, 0, 0]];

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

/// Where the parts of a datagram are in its frame, who sent it, and to which address of this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    source: Address,
    destination: Address,
    /// The ports of its sender and of its receiver.
    ports: [[u8; 2]; 2],
    /// Where the payload begins: behind the headers, and more where IPv4 has options.
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
        if [head[12], head[13]] != TYPE_IPV4 {
            return Self::parse_six(frame, host, checksum);
        }
        let destination = Address::v4([head[30], head[31], head[32], head[33]]);
        // RFC 1122, 3.2.1.3 and 3.3.6: groups, in either layer, get no answer of this kind.
        let is_ours = head[..6] == host.hardware && host.has(&destination);
        if !is_ours || head[23] != PROTOCOL_UDP || is_fragment(head) {
            return Err(Refusal::Elsewhere);
        }
        let header = header_length(head[14]).ok_or(Refusal::Malformed)?;
        let total = usize::from(u16::from_be_bytes([head[16], head[17]]));
        let packet = frame.get(ETHERNET..ETHERNET + total).ok_or(Refusal::Malformed)?;
        let (header, datagram) = packet.split_at_checked(header).ok_or(Refusal::Malformed)?;
        let header_sum = match header.as_chunks() {
            // Without options: most are like that.
            ([a, b, c, d, e], []) => word(*a) + word(*b) + word(*c) + word(*d) + word(*e),
            _ => sum(header),
        };
        if fold(header_sum) != 0xffff {
            return Err(Refusal::Malformed);
        }
        let source = Address::v4([head[26], head[27], head[28], head[29]]);
        let at = ETHERNET + header.len();
        if !host.can_answer(&source, sender(head)) {
            return Err(Refusal::Unanswerable);
        }
        Packet::read([source, destination], datagram, at, checksum)
    }

    /// The same for a frame with a packet of IPv6.
    #[inline(never)]
    fn parse_six(frame: &[u8], host: &Host, checksum: Checksum) -> Result<Self, Refusal> {
        let (head, rest) = frame.split_first_chunk::<IPV6_HEAD>().ok_or(Refusal::Elsewhere)?;
        let ends = ends_of_six(head);
        let is_ours = head[..6] == host.hardware && host.has(&ends[1]) && !ends[1].is_v4();
        if [head[12], head[13]] != TYPE_IPV6 || head[14] >> 4 != 6 || head[20] != PROTOCOL_UDP || !is_ours {
            return Err(Refusal::Elsewhere);
        }
        let datagram = rest.get(..u16::from_be_bytes([head[18], head[19]]).into());
        let datagram = datagram.ok_or(Refusal::Malformed)?;
        // On the wire, what looks like version 4 in version 6 is nobody's address.
        if ends[0].is_v4() || !host.can_answer(&ends[0], sender(head)) {
            return Err(Refusal::Unanswerable);
        }
        Packet::read(ends, datagram, IPV6_HEAD, checksum)
    }

    /// Reads the header of the `datagram` that begins in its frame at `at`.
    #[inline]
    fn read(ends: [Address; 2], datagram: &[u8], at: usize, checksum: Checksum) -> Result<Self, Refusal> {
        let [source, destination] = ends;
        let udp: &[u8; UDP] = datagram.first_chunk().ok_or(Refusal::Malformed)?;
        let length = [udp[4], udp[5]];
        // What is behind the datagram in its packet is no part of it.
        let datagram = datagram.get(..u16::from_be_bytes(length).into()).filter(|bytes| bytes.len() >= UDP);
        let datagram = datagram.ok_or(Refusal::Malformed)?;
        // RFC 768: a checksum of zero is none; RFC 8200, 8.1: not so in IPv6.
        let field = Some([udp[6], udp[7]]).filter(|field| *field != [0; 2]);
        if field.is_none() && !source.is_v4() {
            return Err(Refusal::Malformed);
        }
        let checked = field.filter(|_| checksum == Checksum::Unverified);
        if checked.is_some() && fold(sum(datagram) + pseudo_sum(&source, &destination, length)) != 0xffff {
            return Err(Refusal::Malformed);
        }
        let ports = [[udp[0], udp[1]], [udp[2], udp[3]]];
        if ports[0] == [0; 2] {
            return Err(Refusal::Unanswerable);
        }
        Ok(Packet {
            source,
            destination,
            ports,
            // Both are below the length of a packet.
            start: (at + UDP) as u16,
            length: (datagram.len() - UDP) as u16,
            checked,
        })
    }

    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        socket_address((self.source, u16::from_be_bytes(self.ports[0])))
    }

    /// The address of this host, and the port, that it goes to.
    pub fn destination(&self) -> SocketAddr {
        socket_address((self.destination, u16::from_be_bytes(self.ports[1])))
    }

    /// Bytes of the headers in front of an answer.
    pub fn headers(&self) -> usize {
        if self.destination.is_v4() { HEADERS } else { HEADERS_OF_SIX }
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
        let skipped = self.start().checked_sub(self.headers())?;
        let peer: [u8; 6] = *frame.get(6..)?.first_chunk()?;
        let frame = frame.get_mut(skipped..skipped + self.headers() + length)?;
        let size = UDP + length;
        frame.get_mut(..6)?.copy_from_slice(&peer);
        frame.get_mut(6..12)?.copy_from_slice(&host.hardware);
        if self.destination.is_v4() { self.head(frame, size) } else { self.head_of_six(frame, size) }?;
        let size = (size as u16).to_be_bytes(); // below the length of the packet
        let (head, payload) = frame.split_at_mut_checked(self.headers())?;
        let head: &mut [u8; UDP] = head.last_chunk_mut()?;
        let [from, to] = self.ports;
        // Addresses and ports change places, which changes no sum.
        let kept = self.checked.filter(|_| !altered && length == self.length());
        let (field, checksum) = match kept {
            Some(field) => (field, Checksum::Unverified),
            None => {
                let pseudo = pseudo_sum(&self.source, &self.destination, size);
                if offload {
                    let start = (self.headers() - UDP) as u16; // 54 at most
                    (fold(pseudo).to_le_bytes(), Checksum::Partial { start, offset: 6 })
                } else {
                    let rest = word([from[0], from[1], to[0], to[1]]) + word([0, 0, size[0], size[1]]);
                    let field = !fold(sum(payload) + pseudo + rest);
                    (if field == 0 { [0xff; 2] } else { field.to_le_bytes() }, Checksum::Unverified)
                }
            }
        };
        *head = [to[0], to[1], from[0], from[1], size[0], size[1], field[0], field[1]];
        Some(Answer { skipped, checksum })
    }

    /// Writes the header of a packet of version 4 in front of `size` bytes.
    #[inline]
    fn head(&self, frame: &mut [u8], size: usize) -> Option<()> {
        let (source, target) = (self.destination.as_v4()?, self.source.as_v4()?);
        let total = u16::try_from(IPV4 + size).ok()?.to_be_bytes();
        let sum_of_header =
            word(source) + word(target) + word(FIXED[0]) + word(FIXED[1]) + word([0, 0, total[0], total[1]]);
        let header = (!fold(sum_of_header)).to_le_bytes();
        let head: &mut [u8; IPV4_HEAD] = frame.first_chunk_mut()?;
        head[12..14].copy_from_slice(&TYPE_IPV4);
        head[14..18].copy_from_slice(&[PLAIN, 0, total[0], total[1]]);
        head[18..22].copy_from_slice(&FIXED[0]);
        head[22..26].copy_from_slice(&[HOP_LIMIT, PROTOCOL_UDP, header[0], header[1]]);
        head[26..30].copy_from_slice(&source);
        head[30..34].copy_from_slice(&target);
        Some(())
    }

    /// Writes the header of a packet of version 6 in front of `size` bytes.
    #[inline(never)]
    fn head_of_six(&self, frame: &mut [u8], size: usize) -> Option<()> {
        let [size0, size1] = u16::try_from(size).ok()?.to_be_bytes();
        let head: &mut [u8; IPV6_HEAD] = frame.first_chunk_mut()?;
        head[12..14].copy_from_slice(&TYPE_IPV6);
        head[14..22].copy_from_slice(&[0x60, 0, 0, 0, size0, size1, PROTOCOL_UDP, HOP_LIMIT]);
        head[22..38].copy_from_slice(self.destination.octets());
        head[38..].copy_from_slice(self.source.octets());
        Some(())
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

/// What UDP's checksum covers beside the datagram (RFC 768; RFC 8200, 8.1). What version 6 puts in front of an address of
/// version 4 sums up to nothing.
#[inline]
fn pseudo_sum(one: &Address, other: &Address, length: [u8; 2]) -> u64 {
    let sum = |address: &Address| {
        let number = u128::from_le_bytes(*address.octets());
        let (low, high) = (number as u64, (number >> 64) as u64);
        (low & 0xffff_ffff) + (low >> 32) + (high & 0xffff_ffff) + (high >> 32)
    };
    sum(one) + sum(other) + word([0, PROTOCOL_UDP, length[0], length[1]])
}
