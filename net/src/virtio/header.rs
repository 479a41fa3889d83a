//! The header that stands in front of each frame (virtio 1.2, 5.1.6).
//!
//! What a device writes into it is checked against the frame behind it: a place outside of the frame, a kind of
//! segmentation that was not agreed on or one without a checksum to complete make a frame malformed. The length of
//! headers that it names is not looked at, since devices are free to give a wrong one.

use core::num::NonZeroU16;

use crate::{
    checksum::TCP_FIELD,
    nic::{Checksum, LONG_FRAMES, Offload, Segment, SegmentKind},
};

/// Bytes of the header with the field `num_buffers`, and of that of a legacy device without it.
pub(super) const LENGTH: usize = 12;
pub(super) const LEGACY_LENGTH: usize = 10;

/// Flag: the checksum is to be completed.
const NEEDS_CSUM: u8 = 1;
/// Flag: the checksum was found right.
const DATA_VALID: u8 = 2;

/// Kinds of segmentation.
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// The least bytes of a TCP header, and where its length is (RFC 9293, 3.1).
const TCP_HEADER: usize = 20;
const TCP_LENGTH: usize = 12;

/// The header of a received frame, without `num_buffers`.
#[derive(Clone, Copy)]
pub(super) struct Header([u8; LEGACY_LENGTH]);

impl Header {
    /// The header at the start of `bytes`.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Header)
    }

    /// What it says of the frame behind it, which begins with `head`. `None` if that cannot be.
    #[inline]
    pub(super) fn offload(self, head: &[u8], merges: bool) -> Option<Offload> {
        let mut offload = Offload::default();
        if self.0[0] & NEEDS_CSUM != 0 {
            let [.., s, t, o, p] = self.0;
            let (start, offset) = (u16::from_le_bytes([s, t]), u16::from_le_bytes([o, p]));
            if usize::from(start) + usize::from(offset) + 2 > head.len() {
                return None;
            }
            offload.checksum = Checksum::Partial { start, offset };
        } else if self.0[0] & DATA_VALID != 0 {
            offload.checksum = Checksum::Verified;
        }
        if self.0[1] != GSO_NONE {
            if !LONG_FRAMES || !merges {
                return None;
            }
            offload.segment = Some(self.segment(head, offload.checksum)?);
        }
        Some(offload)
    }

    fn segment(self, head: &[u8], checksum: Checksum) -> Option<Segment> {
        let kind = match self.0[1] {
            GSO_TCPV4 => SegmentKind::Ipv4,
            GSO_TCPV6 => SegmentKind::Ipv6,
            _ => return None,
        };
        let Checksum::Partial { start, offset } = checksum else { return None };
        let start = usize::from(start);
        let length = usize::from(head.get(start + TCP_LENGTH)? >> 4) * 4;
        let headers = start + length;
        let is_tcp = usize::from(offset) == TCP_FIELD && length >= TCP_HEADER && headers <= head.len();
        // It ends inside of a buffer of at most 2^16 bytes.
        let headers = u16::try_from(headers).ok().filter(|_| is_tcp)?;
        Some(Segment { kind, size: NonZeroU16::new(u16::from_le_bytes([self.0[4], self.0[5]]))?, headers })
    }
}

/// How many buffers the frame takes that begins with this header, where the device merges them.
pub(super) fn buffers(bytes: &[u8]) -> u16 {
    bytes.get(LEGACY_LENGTH..).and_then(<[u8]>::first_chunk).map_or(0, |count| u16::from_le_bytes(*count))
}

/// Writes the header of a frame to send.
#[inline]
pub(super) fn write(offload: &Offload, header: &mut [u8]) {
    // Flags, kind, length of the headers, size of the segments, and where the checksum begins.
    let (mut first, mut field) = (0, 0);
    if let Checksum::Partial { start, offset } = offload.checksum {
        first = u64::from(start) << 48 | u64::from(NEEDS_CSUM);
        field = offset;
        if LONG_FRAMES && let Some(segment) = offload.segment {
            let kind = match segment.kind {
                SegmentKind::Ipv4 => GSO_TCPV4,
                SegmentKind::Ipv6 => GSO_TCPV6,
            };
            let size = u64::from(segment.size.get()) << 32 | u64::from(segment.headers) << 16;
            first |= size | u64::from(kind) << 8;
        }
    }
    if let Some((place, rest)) = header.split_first_chunk_mut() {
        *place = first.to_le_bytes();
        // No buffers are said of a frame to send, where there is a place for their number.
        if let Some(place) = rest.first_chunk_mut() {
            *place = u32::from(field).to_le_bytes();
        } else if let Some(place) = rest.first_chunk_mut() {
            *place = field.to_le_bytes();
        }
    }
}
