//! TCP packets longer than a link carries, which one card has put together and another one is to cut.
//!
//! They pass as they are where the other card cuts them. Where it does not, or would make segments that its link does not carry, they are
//! cut here: a port is as good as another one, whatever their cards do. Invariant: of a packet as much is counted as is sent.

use super::cards::Card;
use crate::switch::TAG;
use unik::ports::{Frame, Segment, SegmentKind, Segments};

impl Card {
    /// Whether the card cuts a packet by itself, and its link carries what that makes of it.
    #[inline(never)]
    pub(super) fn cuts(&self, segment: Segment) -> bool {
        let offloads = self.nic.offloads();
        let cuts = match segment.kind {
            SegmentKind::Ipv4 => offloads.segment_ipv4,
            SegmentKind::Ipv6 => offloads.segment_ipv6,
        };
        cuts && length(segment) <= self.longest
    }

    /// Sends the segments of a packet.
    #[cold]
    #[inline(never)]
    pub(super) fn transmit_segments(&mut self, frame: Frame, segment: Segment) {
        let fits = length(segment) <= self.longest;
        // Without a tag, of which nothing is known here, a frame has so much less.
        let longest = self.longest - if fits { 0 } else { TAG };
        let Some(mut segments) = Segments::new(frame, longest) else {
            return self.counters.out_unfit.increment();
        };
        while let Some(length) = segments.next_len() {
            let mut buffer = self.nic.allocate(length);
            if buffer.is_none() {
                // Once more after the card was told of what it has: it may be done with that.
                self.nic.flush();
                buffer = self.nic.allocate(length);
            }
            match buffer.and_then(|buffer| segments.fill(buffer)) {
                Some(frame) => self.transmit(frame, length),
                None => {
                    segments.skip();
                    self.counters.out_no_buffer.increment();
                }
            }
        }
    }
}

/// The longest frame that a packet is cut into.
fn length(segment: Segment) -> usize {
    usize::from(segment.headers) + usize::from(segment.size.get())
}
