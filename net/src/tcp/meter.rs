//! What is measured of one connection: its round trip time and the segments that were sent again.
//!
//! A [`Meter`] is told of the segments as they pass the card. One segment at a time is timed (RFC 6298, 3), and what
//! is on its way while something is sent again gives no sample, since nobody knows which copy is acknowledged (Karn's
//! rule). Nothing but figures for people depends on it: a forged acknowledgement can spoil those and nothing else.

use unik_sched::time::Instant;

/// Measures one connection. Numbers are those of TCP, which wrap around: two of them are compared by their distance.
#[derive(Clone, Copy, Default)]
pub(crate) struct Meter {
    begun: bool,
    /// The peer has closed its window: what is sent then are probes.
    window_closed: bool,
    /// The first number that is not acknowledged.
    oldest: u32,
    /// The number after the last one that was sent.
    next: u32,
    /// The number that the peer was told to be expected next.
    expected: u32,
    /// The number after the segment that is timed, and when that was sent.
    timed: Option<(u32, Instant)>,
    /// The smoothed round trip time in nanoseconds.
    round_trip: Option<u64>,
    retransmits: u32,
}

impl Meter {
    /// The smoothed round trip time in nanoseconds (RFC 6298, 2), once there was a sample.
    pub(crate) fn round_trip(&self) -> Option<u64> {
        self.round_trip
    }

    /// Segments that were sent again, in whole or in part.
    pub(crate) fn retransmits(&self) -> u32 {
        self.retransmits
    }

    /// The next number of this end, and the one that is expected from the peer.
    pub(crate) fn numbers(&self) -> (u32, u32) {
        (self.next, self.expected)
    }

    /// A segment is sent that tells the peer which number is expected next.
    pub(crate) fn told(&mut self, number: u32) {
        self.expected = number;
    }

    /// A segment is sent that takes `length` numbers from `sequence` on, where SYN and FIN take one each.
    pub(crate) fn sent(&mut self, sequence: u32, length: u32, now: Instant) {
        if length == 0 || self.window_closed {
            return;
        }
        if !self.begun {
            self.begun = true;
            self.oldest = sequence;
            self.next = sequence;
        }
        let end = sequence.wrapping_add(length);
        if !is_after(end, self.oldest) {
            // All of it is acknowledged: a question whether the peer is alive (RFC 9293, 3.8.4).
            return;
        }
        if is_after(self.next, sequence) {
            self.retransmits = self.retransmits.wrapping_add(1);
            self.timed = None;
        } else if self.timed.is_none() {
            self.timed = Some((end, now));
        }
        if is_after(end, self.next) {
            self.next = end;
        }
    }

    /// A segment came that expects `number` next and offers a window.
    pub(crate) fn acknowledged(&mut self, number: u32, window: u16, now: Instant) {
        self.window_closed = window == 0;
        if !is_after(number, self.oldest) || is_after(number, self.next) {
            return;
        }
        self.oldest = number;
        if let Some((end, sent)) = self.timed
            && !is_after(end, number)
        {
            self.timed = None;
            let sample = now.as_nanos().saturating_sub(sent.as_nanos());
            // RFC 6298, 2.2 and 2.3.
            self.round_trip =
                Some(self.round_trip.map_or(sample, |smoothed| smoothed - smoothed / 8 + sample / 8));
        }
    }
}

/// Whether one number comes after another.
pub(crate) fn is_after(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::{Instant, Meter};

    const WINDOW: u16 = 1000;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn millis(meter: &Meter) -> Option<u64> {
        meter.round_trip().map(|nanos| nanos / 1_000_000)
    }

    /// A connection whose SYN was answered after 40 ms.
    fn connected(first: u32) -> Meter {
        let mut meter = Meter::default();
        meter.sent(first, 1, at(0));
        assert_eq!(millis(&meter), None);
        meter.acknowledged(first.wrapping_add(1), WINDOW, at(40));
        meter
    }

    #[test]
    fn the_handshake_gives_the_first_sample_and_later_ones_count_an_eighth() {
        let mut meter = connected(7);
        assert_eq!(millis(&meter), Some(40));
        meter.sent(8, 100, at(100));
        meter.acknowledged(108, WINDOW, at(220));
        assert_eq!(millis(&meter), Some(50));
        assert_eq!(meter.retransmits(), 0);
    }

    #[test]
    fn one_segment_is_timed_at_a_time_and_only_all_of_it() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.sent(101, 100, at(130));
        meter.acknowledged(51, WINDOW, at(135));
        assert_eq!(millis(&meter), Some(40), "half of it is not all of it");
        meter.acknowledged(201, WINDOW, at(140));
        meter.acknowledged(201, WINDOW, at(900));
        assert_eq!(millis(&meter), Some(40), "40 ms again, and the second segment was not timed");
        meter.sent(201, 1, at(1000));
        meter.acknowledged(202, WINDOW, at(1120));
        assert_eq!(millis(&meter), Some(50));
    }

    #[test]
    fn what_is_sent_again_is_counted_and_gives_no_sample() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.sent(101, 100, at(101));
        meter.sent(1, 100, at(1100));
        meter.acknowledged(201, WINDOW, at(1101));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(40), 1));
        meter.sent(201, 10, at(2000));
        meter.acknowledged(211, WINDOW, at(2120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 1), "what is new is timed again");
    }

    #[test]
    fn a_segment_that_repeats_a_part_counts_and_goes_on_from_its_end() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.acknowledged(51, WINDOW, at(150));
        meter.sent(51, 150, at(1100));
        assert_eq!(meter.retransmits(), 1);
        meter.sent(201, 10, at(1101));
        assert_eq!(meter.retransmits(), 1, "it follows on what was sent before");
        meter.acknowledged(211, WINDOW, at(1221));
        assert_eq!(millis(&meter), Some(50));
    }

    #[test]
    fn syn_and_fin_are_segments_too() {
        let mut meter = Meter::default();
        meter.sent(5, 1, at(0));
        meter.sent(5, 1, at(1000));
        meter.acknowledged(6, WINDOW, at(1040));
        assert_eq!((millis(&meter), meter.retransmits()), (None, 1), "which SYN was answered nobody knows");
        meter.sent(6, 1, at(2000));
        meter.acknowledged(7, WINDOW, at(2040));
        assert_eq!(millis(&meter), Some(40));
        meter.sent(7, 0, at(3000));
        assert_eq!(meter.retransmits(), 1, "an acknowledgement alone takes no numbers");
    }

    #[test]
    fn numbers_wrap_around() {
        let mut meter = connected(u32::MAX - 1);
        meter.sent(u32::MAX, 100, at(100));
        meter.sent(99, 100, at(101));
        assert_eq!(meter.retransmits(), 0);
        meter.sent(u32::MAX, 100, at(1100));
        assert_eq!(meter.retransmits(), 1);
        meter.acknowledged(199, WINDOW, at(1101));
        meter.sent(199, 1, at(2000));
        meter.acknowledged(200, WINDOW, at(2120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 1));
    }

    #[test]
    fn acknowledgements_of_what_was_never_sent_or_long_ago_give_no_sample() {
        let mut meter = Meter::default();
        meter.acknowledged(1, WINDOW, at(1));
        meter.sent(1000, 1, at(10));
        for number in [999, 1000, 1002, 1000 + (1 << 31), 0] {
            meter.acknowledged(number, WINDOW, at(20));
        }
        assert_eq!(millis(&meter), None);
        meter.acknowledged(1001, WINDOW, at(50));
        assert_eq!(millis(&meter), Some(40));
    }

    #[test]
    fn probes_of_a_silent_peer_or_of_a_closed_window_are_not_sent_again() {
        let mut meter = connected(0);
        meter.sent(0, 1, at(60_000));
        meter.sent(0, 1, at(120_000));
        meter.acknowledged(1, 0, at(120_000));
        meter.sent(1, 1, at(121_000));
        meter.sent(1, 1, at(123_000));
        meter.acknowledged(1, WINDOW, at(123_040));
        meter.sent(1, 100, at(124_000));
        meter.acknowledged(101, WINDOW, at(124_120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 0));
    }

    #[test]
    fn a_clock_that_stands_still_gives_a_sample_of_nothing() {
        let mut meter = Meter::default();
        meter.sent(0, 1, at(9));
        meter.acknowledged(1, WINDOW, at(9));
        assert_eq!(meter.round_trip(), Some(0));
    }
}
