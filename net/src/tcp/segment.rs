//! Segments that the stack sends by itself, without a socket, and what it changes in those that come in.

use crate::{
    glance::{ACK, ETHERNET, IPV6_HEAD, TCP},
    ip::icmp::{HOP_LIMIT, Header},
    stack::Stack,
    tcp::time_wait::Waiting,
};

impl Stack {
    /// Acknowledges once more all that came from the peer of a connection that only waits (RFC 9293, 3.10.7.4).
    pub(crate) fn acknowledge(&mut self, waiting: &Waiting) {
        let (peer, local) = (waiting.flow.source, waiting.flow.destination);
        let [from, to] = [local.1, peer.1].map(u16::to_be_bytes);
        let mut segment = [0; 20];
        segment[..2].copy_from_slice(&from);
        segment[2..4].copy_from_slice(&to);
        segment[4..8].copy_from_slice(&waiting.sequence.to_be_bytes());
        segment[8..12].copy_from_slice(&waiting.acknowledgement.to_be_bytes());
        // No options, and no window: the peer has sent all it had.
        (segment[12], segment[13]) = (5 << 4, ACK);
        let (source, destination) = (local.0, peer.0);
        let header = Header { source, destination, protocol: TCP, hop_limit: HOP_LIMIT };
        let to = self.link.sender();
        self.link.emit(&header, &segment, &[], to);
    }
}

/// The options of a segment (RFC 9293, 3.1): the end of them, one that is a byte alone, and the longest segment.
const END: u8 = 0;
const PADDING: u8 = 1;
const LONGEST_SEGMENT: u8 = 2;

/// Makes the longest segment that a SYN asks for no longer than fits into packets of `limit` bytes. Of one that came in, the
/// checksum was looked at before; of one to be sent it is seen to later.
pub(crate) fn limit_segments(frame: &mut [u8], is_six: bool, limit: u16) {
    let words = frame.get(ETHERNET).map_or(0, |first| usize::from(first & 0xf));
    let (start, headers) = if is_six { (IPV6_HEAD, 60) } else { (ETHERNET + 4 * words, 40) };
    let limit = limit.saturating_sub(headers);
    let Some(header) = frame.get_mut(start..) else { return };
    let length = header.get(12).map_or(0, |length| usize::from(length >> 4) * 4);
    let mut options = header.get_mut(20..length).unwrap_or_default();
    loop {
        let skipped = match options {
            [] | [END, ..] => return,
            [PADDING, ..] => 1,
            [LONGEST_SEGMENT, 4, high, low, ..] => {
                [*high, *low] = u16::from_be_bytes([*high, *low]).min(limit).to_be_bytes();
                return;
            }
            [_, length, ..] => usize::from(*length).max(2),
            [_] => return,
        };
        options = core::mem::take(&mut options).get_mut(skipped..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_option_of_the_longest_segment_changes_and_no_options_do_harm() {
        let segment = |options: &[u8]| {
            let mut frame = std::vec![0; IPV6_HEAD + 20];
            frame[IPV6_HEAD + 12] = (5 + options.len().div_ceil(4) as u8) << 4;
            frame.extend_from_slice(options);
            frame.resize(IPV6_HEAD + 20 + options.len().div_ceil(4) * 4, 0);
            frame
        };
        let limited = |options: &[u8]| {
            let mut frame = segment(options);
            limit_segments(&mut frame, true, 1280);
            frame[IPV6_HEAD + 20..][..options.len()].to_vec()
        };
        assert_eq!(limited(&[1, 1, 3, 3, 7, 2, 4, 0x05, 0xa0]), [1, 1, 3, 3, 7, 2, 4, 0x04, 0xc4]);
        assert_eq!(limited(&[2, 4, 0x02, 0x18]), [2, 4, 0x02, 0x18]);
        for options in [&[][..], &[0, 2, 4, 9, 9], &[8], &[8, 0], &[8, 200, 1], &[2], &[5, 1, 5, 1]] {
            assert_eq!(limited(options), options);
        }
        for end in 0..IPV6_HEAD + 24 {
            limit_segments(&mut segment(&[2, 4, 0x05, 0xa0])[..end], true, 0);
            limit_segments(&mut segment(&[2, 4, 0x05, 0xa0])[..end], false, 0);
        }
    }
}
