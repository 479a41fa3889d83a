//! TCP packets cut into segments here, for cards that do not do it.
//!
//! [`Segments`] fills one buffer after the other; who has the buffers decides what happens where there is none. Each segment is a frame with
//! a checksum that is left to the card, or to [`Frame::settle`]. The packet stands behind whatever tags it had. Invariant: what a frame says
//! of itself is checked before it is believed, and at most [`MOST`] segments are made of one.

use unik_virtio::Buffer;

use crate::{
    checksum::{fold, store, sum},
    nic::{Checksum, Frame, SegmentKind},
};

/// The most segments of a packet: of 64 KiB with the least that a host must take at once (RFC 9293, 3.7.1: 536 octets), many times.
const MOST: usize = 2048;
/// Headers of IP without options (RFC 791, 3.1; RFC 8200, 3), and the most of IPv4.
const IPV4_HEADER: usize = 20;
const IPV4_MOST: usize = 60;
const IPV6_HEADER: usize = 40;
/// The protocol TCP.
const TCP: u8 = 6;
/// Where the sequence number and the flags stand in a TCP header (RFC 9293, 3.1).
const SEQUENCE: usize = 4;
const FLAGS: usize = 13;
/// Flags of the last segment alone, and of the first (RFC 3168, 6.1.2).
const FIN_PSH: u8 = 1 | 1 << 3;
const CWR: u8 = 1 << 7;

/// The segments of a frame that is too long for the link.
pub struct Segments {
    frame: Frame,
    kind: SegmentKind,
    /// Where the IP header and the TCP header begin, and where the data does.
    ip: usize,
    tcp: usize,
    headers: usize,
    /// Where the checksum is, from the start of the TCP header.
    field: u16,
    /// Octets of data of each segment but the last, of all, and of those that were made.
    size: usize,
    data: usize,
    done: usize,
    /// How many were made.
    number: u16,
}

impl Segments {
    /// Those of a frame, none of them longer than `longest` octets. `None` if it is not to be cut, contradicts itself, or would be cut into
    /// more than there may be.
    #[inline(never)]
    pub fn new(frame: Frame, longest: usize) -> Option<Self> {
        let segment = frame.offload.segment?;
        let Checksum::Partial { start, offset } = frame.offload.checksum else { return None };
        let (tcp, headers, total) =
            (usize::from(start), usize::from(segment.headers), frame.buffer.total_len());
        let head = frame.buffer.get(..headers)?;
        // The flags and the checksum are in the header.
        if headers < tcp + FLAGS.max(usize::from(offset) + 1) + 1 {
            return None;
        }
        let ip = find(head, tcp, total, segment.kind)?;
        let room = longest.min(Buffer::CAPACITY).saturating_sub(headers);
        let size = usize::from(segment.size.get()).min(room);
        let data = total.checked_sub(headers)?;
        if size == 0 || data == 0 || data.div_ceil(size) > MOST {
            return None;
        }
        let (kind, field) = (segment.kind, offset);
        Some(Self { frame, kind, ip, tcp, headers, field, size, data, done: 0, number: 0 })
    }

    /// The length of the next frame, if there is one.
    pub fn next_len(&self) -> Option<usize> {
        let left = self.data - self.done;
        (left > 0).then(|| self.headers + left.min(self.size))
    }

    /// Leaves the next one out.
    pub fn skip(&mut self) {
        self.done += self.size.min(self.data - self.done);
        self.number = self.number.wrapping_add(1);
    }

    /// Makes the next one in this buffer. `None` if there is none, or no room for it.
    #[inline(never)]
    pub fn fill(&mut self, mut buffer: Buffer) -> Option<Frame> {
        let length = self.next_len()?;
        buffer.set_len(length).ok()?;
        let (head, mut data) = buffer.split_at_mut_checked(self.headers)?;
        head.copy_from_slice(self.frame.buffer.get(..self.headers)?);
        // What is behind the headers, in as many parts as there are.
        let mut before = self.headers + self.done;
        for part in self.frame.buffer.parts() {
            let rest = part.get(before..).unwrap_or_default();
            before = before.saturating_sub(part.len());
            let (now, later) = data.split_at_mut(rest.len().min(data.len()));
            now.copy_from_slice(rest.get(..now.len())?);
            data = later;
            if data.is_empty() {
                break;
            }
        }
        self.adjust(head, length)?;
        self.skip();
        let checksum = Checksum::Partial { start: self.tcp as u16, offset: self.field }; // it came as such
        Some(Frame { buffer, offload: checksum.into() })
    }

    /// Writes into the headers what is another thing in each segment, of which this one makes a frame of `length` octets.
    #[inline(never)]
    fn adjust(&self, head: &mut [u8], length: usize) -> Option<()> {
        let (before, header) = head.split_at_mut_checked(self.tcp)?;
        let ip = before.get_mut(self.ip..)?;
        match self.kind {
            SegmentKind::Ipv4 => {
                // RFC 791, 3.1: the length, the identification, and the checksum of the header.
                put(ip, 2, (length - self.ip) as u16);
                put(ip, 4, number(ip, 4)?.wrapping_add(self.number));
                put(ip, 10, 0);
                let value = !fold(sum(ip));
                store(ip, 10, value);
            }
            // RFC 8200, 3: the length of what follows.
            SegmentKind::Ipv6 => put(ip, 4, (length - self.ip - IPV6_HEADER) as u16),
        }
        let place = header.get_mut(SEQUENCE..)?.first_chunk_mut::<4>()?;
        *place = u32::from_be_bytes(*place).wrapping_add(self.done as u32).to_be_bytes();
        let flags = header.get_mut(FLAGS)?;
        if self.done > 0 {
            *flags &= !CWR;
        }
        if self.done + self.size < self.data {
            *flags &= !FIN_PSH;
        }
        // The sum of the pseudo header, which has the length in it.
        let all = (self.headers + self.data - self.tcp) as u16;
        let own = (length - self.tcp) as u16;
        let field = usize::from(self.field);
        let pseudo = u64::from(number(header, field)?.swap_bytes());
        let value = fold(pseudo + u64::from(!all.swap_bytes()) + u64::from(own.swap_bytes()));
        store(header, field, value);
        Some(())
    }
}

/// Where the IP header begins that ends at `tcp`, in a frame of `total` octets: behind an Ethernet header, and tags perhaps.
#[inline(never)]
fn find(head: &[u8], tcp: usize, total: usize, kind: SegmentKind) -> Option<usize> {
    let is_there = |length: usize| {
        let ip = head.get(tcp.checked_sub(length)?..)?;
        let is_it = match kind {
            SegmentKind::Ipv4 => {
                usize::from(*ip.first()?) == 0x40 + length / 4
                    && *ip.get(9)? == TCP
                    && usize::from(number(ip, 2)?) == total - (tcp - length)
            }
            SegmentKind::Ipv6 => {
                *ip.first()? >> 4 == 6 && *ip.get(6)? == TCP && usize::from(number(ip, 4)?) == total - tcp
            }
        };
        is_it.then_some(tcp - length)
    };
    match kind {
        SegmentKind::Ipv4 => (IPV4_HEADER..=IPV4_MOST).step_by(4).find_map(is_there),
        SegmentKind::Ipv6 => is_there(IPV6_HEADER),
    }
}

/// The number of 16 bits at a place.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

/// Writes one.
fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value.to_be_bytes();
    }
}
