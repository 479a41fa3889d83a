//! What is measured of one connection: its round trip time and the segments that were sent again.
//!
//! A [`Meter`] is told of the segments as they pass the card. One segment at a time is timed (RFC 6298, 3), and what
//! is on its way while something is sent again gives no sample, since nobody knows which copy is acknowledged (Karn's
//! rule). When something is sent again depends on it ([`crate::tcp::recovery`]), so it hears only what smoltcp accepts or what
//! is near the numbers that are expected.

use unik_sched::time::Instant;

use crate::glance::{ACK, RST, Segment};

/// How long a peer may hold an acknowledgement back (RFC 8985, 7.2: WCDelAckT), and how long one that has more than two
/// segments to acknowledge, which it does at once (RFC 9293, 3.8.6.3); in nanoseconds.
const DELAYED: u64 = 200_000_000;
const PROMPT: u64 = 10_000_000;

/// Two segments, in bytes.
const SEVERAL: u32 = 2 * 1460;

/// The longest wait before it is doubled, in nanoseconds, and how often it is.
const WAIT_LIMIT: u64 = 60_000_000_000;
const BACKOFF_LIMIT: u32 = 8;

/// How far the numbers of a segment may be from those that are expected: the largest window in use, and more.
const NEAR: u32 = 1 << 20;

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
    /// The window that it was told with it, as it stands in the segment.
    told_window: u16,
    /// The number after the segment that is timed, and when that was sent.
    timed: Option<(u32, Instant)>,
    /// The smoothed round trip time in nanoseconds.
    round_trip: Option<u64>,
    retransmits: u32,
    /// How much the samples vary, in nanoseconds.
    variance: u64,
    /// Since when nothing new was acknowledged, while something is on its way, and nothing was sent again.
    since: Instant,
    /// How often something was sent again since something new was acknowledged.
    repeats: u32,
    /// Questions whether the peer is alive that smoltcp is about to send, and how far behind the next number they go.
    questions: u8,
    distance: u32,
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

    /// How many numbers are on their way.
    pub(crate) fn flight(&self) -> u32 {
        self.next.wrapping_sub(self.oldest)
    }

    /// The next `count` segments with one byte, which is zero, are questions whether the peer is alive. They go out with
    /// a number that lies `distance` behind the next one.
    pub(crate) fn question(&mut self, count: u8, distance: u32) {
        self.questions = count;
        self.distance = distance;
    }

    /// The number that a segment goes out with if it is not the one that smoltcp gave to it.
    ///
    /// * One that takes no numbers has the next one (RFC 9293, 3.10.7.4: SND.NXT). While smoltcp sends something again it
    ///   gives it the number of that, which the peer has long received. Two ends that do so at once would each drop what
    ///   the other acknowledges, for ever. A reset has the number that it answers (RFC 9293, 3.10.7).
    /// * A question has one that the peer is done with: see [`Meter::question`].
    pub(crate) fn renumbered(&mut self, segment: &Segment, bytes: &[u8]) -> Option<u32> {
        if !self.begun {
            return None;
        }
        if self.questions > 0 && segment.length == 1 && segment.flags == ACK && bytes.last() == Some(&0) {
            self.questions -= 1;
            return Some(self.next.wrapping_sub(self.distance));
        }
        let is_old = segment.length == 0 && is_after(self.next, segment.sequence);
        (is_old && segment.flags & RST == 0).then_some(self.next)
    }

    /// Since when nothing new was acknowledged, and nothing was sent again.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Whether the peer takes no more at present.
    pub(crate) fn is_window_closed(&self) -> bool {
        self.window_closed
    }

    /// Whether a segment can be the peer's: its numbers are near those that are expected (RFC 5961, 5).
    pub(crate) fn is_plausible(&self, segment: &Segment) -> bool {
        let is_near = |one: u32, other: u32| one.wrapping_sub(other).cast_signed().unsigned_abs() <= NEAR;
        is_near(segment.sequence, self.expected)
            && (segment.flags & ACK == 0 || is_near(segment.acknowledgement, self.next))
    }

    /// When what is on its way is to be sent again.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        let smoothed = self.round_trip?;
        let flight = self.flight();
        if flight == 0 && !self.window_closed {
            return None;
        }
        let is_prompt = self.repeats == 0 && flight > SEVERAL && !self.window_closed;
        let delay = if is_prompt { PROMPT } else { DELAYED };
        let wait = smoothed + (4 * self.variance).max(smoothed) + delay;
        let wait = wait.min(WAIT_LIMIT) << self.repeats.saturating_sub(1).min(BACKOFF_LIMIT);
        Some(Instant::from_nanos(self.since.as_nanos().saturating_add(wait)))
    }

    /// All that is on its way is sent again.
    pub(crate) fn rewind(&mut self, now: Instant) {
        (self.since, self.repeats) = (now, self.repeats + 1);
    }

    /// A segment is sent that tells the peer which number is expected next.
    pub(crate) fn told(&mut self, number: u32, window: u16) {
        self.expected = number;
        self.told_window = window;
    }

    /// The number behind the last one that the peer may send, where its window counts in units of `1 << shift`.
    pub(crate) fn edge(&self, shift: u32) -> u32 {
        self.expected.wrapping_add(u32::from(self.told_window) << shift)
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
        if self.oldest == self.next || is_after(self.next, sequence) {
            self.since = now;
        }
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

    /// Whether a segment that offers this window closes or opens it.
    pub(crate) fn turns(&self, window: u16) -> bool {
        self.window_closed != (window == 0)
    }

    /// A segment came that closes the window or opens it.
    pub(crate) fn turned(&mut self, now: Instant) {
        (self.window_closed, self.since, self.repeats) = (!self.window_closed, now, 0);
    }

    /// A segment came, and was accepted, that expects `number` next.
    pub(crate) fn acknowledged(&mut self, number: u32, now: Instant) {
        if !is_after(number, self.oldest) {
            return;
        }
        if is_after(number, self.next) {
            self.next = number;
        }
        self.oldest = number;
        self.since = now;
        self.repeats = 0;
        if let Some((end, sent)) = self.timed
            && !is_after(end, number)
        {
            self.timed = None;
            let sample = now.as_nanos().saturating_sub(sent.as_nanos());
            // RFC 6298, 2.2 and 2.3.
            self.variance = match self.round_trip {
                Some(smoothed) => self.variance - self.variance / 4 + smoothed.abs_diff(sample) / 4,
                None => sample / 2,
            };
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
    use super::{ACK, Instant, Meter, Segment};

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
        meter.acknowledged(first.wrapping_add(1), at(40));
        meter
    }

    #[test]
    fn the_handshake_gives_the_first_sample_and_later_ones_count_an_eighth() {
        let mut meter = connected(7);
        assert_eq!(millis(&meter), Some(40));
        meter.sent(8, 100, at(100));
        meter.acknowledged(108, at(220));
        assert_eq!(millis(&meter), Some(50));
        assert_eq!(meter.retransmits(), 0);
    }

    #[test]
    fn one_segment_is_timed_at_a_time_and_only_all_of_it() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.sent(101, 100, at(130));
        meter.acknowledged(51, at(135));
        assert_eq!(millis(&meter), Some(40), "half of it is not all of it");
        meter.acknowledged(201, at(140));
        meter.acknowledged(201, at(900));
        assert_eq!(millis(&meter), Some(40), "40 ms again, and the second segment was not timed");
        meter.sent(201, 1, at(1000));
        meter.acknowledged(202, at(1120));
        assert_eq!(millis(&meter), Some(50));
    }

    #[test]
    fn what_is_sent_again_is_counted_and_gives_no_sample() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.sent(101, 100, at(101));
        meter.sent(1, 100, at(1100));
        meter.acknowledged(201, at(1101));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(40), 1));
        meter.sent(201, 10, at(2000));
        meter.acknowledged(211, at(2120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 1), "what is new is timed again");
    }

    #[test]
    fn a_segment_that_repeats_a_part_counts_and_goes_on_from_its_end() {
        let mut meter = connected(0);
        meter.sent(1, 100, at(100));
        meter.acknowledged(51, at(150));
        meter.sent(51, 150, at(1100));
        assert_eq!(meter.retransmits(), 1);
        meter.sent(201, 10, at(1101));
        assert_eq!(meter.retransmits(), 1, "it follows on what was sent before");
        meter.acknowledged(211, at(1221));
        assert_eq!(millis(&meter), Some(50));
    }

    #[test]
    fn syn_and_fin_are_segments_too() {
        let mut meter = Meter::default();
        meter.sent(5, 1, at(0));
        meter.sent(5, 1, at(1000));
        meter.acknowledged(6, at(1040));
        assert_eq!((millis(&meter), meter.retransmits()), (None, 1), "which SYN was answered nobody knows");
        meter.sent(6, 1, at(2000));
        meter.acknowledged(7, at(2040));
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
        meter.acknowledged(199, at(1101));
        meter.sent(199, 1, at(2000));
        meter.acknowledged(200, at(2120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 1));
    }

    #[test]
    fn acknowledgements_of_long_ago_give_no_sample() {
        let mut meter = Meter::default();
        meter.acknowledged(1, at(1));
        meter.sent(1000, 1, at(10));
        for number in [999, 1000, 1000 + (1 << 31), 0] {
            meter.acknowledged(number, at(20));
        }
        assert_eq!(millis(&meter), None);
        meter.acknowledged(1001, at(50));
        assert_eq!(millis(&meter), Some(40));
    }

    #[test]
    fn probes_of_a_silent_peer_or_of_a_closed_window_are_not_sent_again() {
        let mut meter = connected(0);
        meter.sent(0, 1, at(60_000));
        meter.sent(0, 1, at(120_000));
        meter.acknowledged(1, at(120_000));
        assert!(meter.turns(0) && !meter.turns(1));
        meter.turned(at(120_000));
        meter.sent(1, 1, at(121_000));
        meter.sent(1, 1, at(123_000));
        meter.turned(at(123_040));
        meter.acknowledged(1, at(123_040));
        meter.sent(1, 100, at(124_000));
        meter.acknowledged(101, at(124_120));
        assert_eq!((millis(&meter), meter.retransmits()), (Some(50), 0));
    }

    #[test]
    fn a_clock_that_stands_still_gives_a_sample_of_nothing() {
        let mut meter = Meter::default();
        meter.sent(0, 1, at(9));
        meter.acknowledged(1, at(9));
        assert_eq!(meter.round_trip(), Some(0));
    }

    #[test]
    fn what_is_on_its_way_is_overdue_after_the_time_that_an_answer_may_take() {
        let mut meter = connected(0);
        assert_eq!(meter.overdue_at(), None, "nothing is on its way");
        // 40 ms, as much for its variance (twice the first sample's half), and what an acknowledgement may be held back.
        meter.sent(1, 100, at(100));
        assert_eq!(meter.overdue_at(), Some(at(100 + 40 + 80 + 200)));
        meter.sent(101, 4000, at(101));
        assert_eq!(
            meter.overdue_at(),
            Some(at(100 + 40 + 80 + 10)),
            "several segments are acknowledged at once"
        );
        meter.rewind(at(230));
        meter.sent(1, 1460, at(230));
        assert_eq!(meter.overdue_at(), Some(at(230 + 40 + 80 + 200)));
        meter.rewind(at(550));
        assert_eq!(
            meter.overdue_at(),
            Some(at(550 + 2 * (40 + 80 + 200))),
            "the second wait is twice as long"
        );
        meter.acknowledged(101, at(600));
        assert_eq!(meter.overdue_at(), Some(at(600 + 40 + 80 + 10)));
        meter.acknowledged(4101, at(700));
        assert_eq!(meter.overdue_at(), None);
    }

    #[test]
    fn a_closed_window_is_asked_for_after_the_same_time() {
        let mut meter = connected(0);
        meter.turned(at(100));
        assert_eq!(meter.overdue_at(), Some(at(100 + 40 + 80 + 200)));
        meter.turned(at(150));
        assert_eq!(meter.overdue_at(), None);
    }

    #[test]
    fn acknowledgements_have_the_next_number_and_questions_one_that_is_long_past() {
        let segment = |sequence, length| Segment {
            flow: crate::glance::Flow {
                source: (crate::ip::address::Address::v4([10, 0, 0, 1]), 1),
                destination: (crate::ip::address::Address::v4([10, 0, 0, 2]), 2),
            },
            sequence,
            acknowledgement: 9,
            flags: ACK,
            window: 10,
            length,
        };
        let mut meter = connected(0);
        meter.sent(1, 1000, at(100));
        assert_eq!(meter.renumbered(&segment(1001, 0), &[]), None);
        assert_eq!(meter.renumbered(&segment(1, 0), &[]), Some(1001));
        assert_eq!(meter.renumbered(&segment(1000, 1), &[0]), None, "nothing was asked");
        meter.question(1, 5000);
        assert_eq!(meter.renumbered(&segment(1000, 1), &[7]), None, "a byte of the stream");
        assert_eq!(meter.renumbered(&segment(1000, 1), &[0]), Some(1001_u32.wrapping_sub(5000)));
        assert_eq!(meter.renumbered(&segment(1000, 1), &[0]), None, "one question was announced");
    }
}
