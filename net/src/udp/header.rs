//! A datagram in its frame (RFC 768, in a packet of IPv4 or IPv6), for the sockets.

use core::ops::Range;

use crate::{
    ip::address::End,
    ip::icmp::{ends, is_six, start},
};

/// Bytes of the header.
pub(crate) const HEADER: usize = 8;

/// Where a datagram is in its frame, and whose it is.
pub(crate) struct Datagram {
    pub(crate) source: End,
    pub(crate) payload: Range<usize>,
}

impl Datagram {
    /// Reads the headers of a frame that is known to hold a whole datagram.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let (source, _) = ends(frame)?;
        let start = start(frame);
        let header: &[u8; HEADER] = frame.get(start..)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let payload = start + HEADER..start + length.max(HEADER);
        frame.get(payload.clone())?;
        Some(Datagram { source: (source, u16::from_be_bytes([header[0], header[1]])), payload })
    }
}

/// The port that the datagram in a frame comes from, and its bytes. `None` for any other frame.
pub(crate) fn sent_from(frame: &[u8]) -> Option<(u16, usize)> {
    let protocol = if is_six(frame) { 20 } else { 23 };
    let datagram = Datagram::read(frame).filter(|_| frame.get(protocol) == Some(&crate::glance::UDP))?;
    Some((datagram.source.1, datagram.payload.len()))
}
