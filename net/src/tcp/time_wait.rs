//! Connections that only wait until nothing of them is on its way any more (TIME-WAIT, RFC 9293, 3.3.2).
//!
//! Nobody holds such a connection and nothing is queued in it, so it keeps no socket and no buffers: only its ends and
//! the two numbers that an answer to the peer's repeated FIN needs. All wait equally long, so they stand in the order
//! in which they end; when there is no room for another one the oldest gives way.

use alloc::vec::Vec;

use unik_sched::time::{Duration, Instant};

use crate::{
    glance::{FIN, Flow, RST, SYN, Segment},
    stack::extend,
    tcp::{index::FlowIndex, meter::is_after},
};

/// How long a connection waits. RFC 9293 says two maximum segment lifetimes, of two minutes each; this is long enough
/// for the networks of today.
const TIME_WAIT: Duration = Duration::from_secs(10);

/// A wait does not begin anew more often than this: each time takes a place of the ring.
const RESTART: Duration = Duration::from_secs(1);

/// The connections that wait, a ring.
pub(crate) struct TimeWait {
    /// By number.
    records: Vec<Option<Waiting>>,
    limit: usize,
    /// The number of the oldest one, and how many stand from there on, those that have left included.
    first: usize,
    count: usize,
    index: FlowIndex,
}

/// What is kept of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) flow: Flow,
    /// The next number here, and the number expected from the peer.
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    /// When it began to wait.
    pub(crate) since: Instant,
}

/// What a segment means to a connection that waits.
#[derive(Clone, Copy)]
pub(crate) enum Heard {
    /// There is no such connection, or no longer: the segment begins a new one.
    Unknown,
    /// Nothing is to be done.
    Nothing,
    /// It is acknowledged again.
    Repeated(Waiting),
}

impl TimeWait {
    /// Room for `limit` connections; `secret` is the key of the hash.
    pub(crate) fn new(limit: usize, secret: [u64; 2]) -> Self {
        TimeWait { records: Vec::new(), limit, first: 0, count: 0, index: FlowIndex::new(secret) }
    }

    /// When the oldest one has waited long enough.
    pub(crate) fn due(&self) -> Option<Instant> {
        // One that has left leaves a gap, which is closed when it comes first.
        let oldest = self.records.get(self.first).filter(|_| self.count > 0)?;
        Some(oldest.map_or(Instant::ZERO, |waiting| waiting.since + TIME_WAIT))
    }

    /// Forgets those that have waited long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        while self.due().is_some_and(|due| due <= now) {
            self.forget_oldest();
        }
    }

    /// Keeps a connection. True when an older one had to give way, or this one where there is no memory. The memory is
    /// taken for all at once, when the first one comes.
    pub(crate) fn keep(&mut self, waiting: Waiting) -> bool {
        let fits = self.index.try_reserve(self.limit) && extend(&mut self.records, self.limit, None);
        if !fits || self.limit == 0 {
            return true;
        }
        let is_full = self.count == self.limit;
        if is_full {
            self.forget_oldest();
        }
        let number = self.wrap(self.count);
        if let Some(record) = self.records.get_mut(number) {
            *record = Some(waiting);
            self.index.insert(&waiting.flow, number as u32);
            self.count += 1;
        }
        is_full
    }

    /// The one at a position, counted from the oldest.
    pub(crate) fn get(&self, position: usize) -> Option<&Waiting> {
        self.records.get(self.wrap(position))?.as_ref().filter(|_| position < self.count)
    }

    /// Positions that are in use.
    pub(crate) fn positions(&self) -> usize {
        self.count
    }

    /// Whether a connection with these ends waits.
    pub(crate) fn knows(&self, flow: &Flow) -> bool {
        self.index.find(flow).is_some()
    }

    /// Takes note of a segment (RFC 9293, 3.10.7.4).
    pub(crate) fn hear(&mut self, segment: &Segment, now: Instant) -> Heard {
        let Some(number) = self.index.find(&segment.flow) else { return Heard::Unknown };
        let Some(Some(waiting)) = self.records.get(number as usize).copied() else { return Heard::Unknown };
        if segment.flags & RST != 0 {
            // RFC 1337: a reset must not end the wait.
            return Heard::Nothing;
        }
        if segment.is_opening() && is_after(segment.sequence, waiting.acknowledgement) {
            // Numbers that are beyond all old ones begin a new connection (RFC 9293, 3.6.1).
            self.forget(number);
            return Heard::Unknown;
        }
        if segment.flags & (FIN | SYN) == 0 && segment.length == 0 {
            return Heard::Nothing;
        }
        if segment.flags & (FIN | SYN) == FIN && waiting.since + RESTART <= now {
            // The wait begins anew: the peer has not heard of its end yet.
            self.forget(number);
            self.keep(Waiting { since: now, ..waiting });
        }
        Heard::Repeated(waiting)
    }

    fn forget(&mut self, number: u32) {
        self.index.remove(number);
        if let Some(record) = self.records.get_mut(number as usize) {
            *record = None;
        }
    }

    fn wrap(&self, position: usize) -> usize {
        let number = self.first.saturating_add(position);
        if number >= self.records.len() { number.saturating_sub(self.records.len()) } else { number }
    }

    fn forget_oldest(&mut self) {
        self.forget(self.first as u32);
        self.first = self.wrap(1);
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FIN, Flow, Heard, Instant, SYN, Segment, TimeWait, Waiting};
    use crate::{
        glance::{ACK, RST},
        ip::address::Address,
    };

    fn flow(port: u16) -> Flow {
        Flow { source: (Address::v4([10, 0, 0, 1]), port), destination: (Address::v4([10, 0, 0, 2]), 80) }
    }

    fn waiting(port: u16, millis: u64) -> Waiting {
        Waiting { flow: flow(port), sequence: 100, acknowledgement: 500, since: Instant::from_millis(millis) }
    }

    fn segment(port: u16, flags: u8, sequence: u32, length: u32) -> Segment {
        Segment { flow: flow(port), sequence, acknowledgement: 100, flags, window: 10, length }
    }

    fn is_known(table: &mut TimeWait, port: u16) -> bool {
        !matches!(table.hear(&segment(port, ACK, 500, 0), Instant::ZERO), Heard::Unknown)
    }

    #[test]
    fn a_connection_is_known_until_it_has_waited_long_enough() {
        let mut table = TimeWait::new(100, [1, 2]);
        assert_eq!(table.due(), None);
        for port in 1..=50 {
            assert!(!table.keep(waiting(port, u64::from(port))));
        }
        assert_eq!(table.due(), Some(Instant::from_millis(10_001)));
        table.expire(Instant::from_millis(10_020));
        for port in 1..=50 {
            assert_eq!(is_known(&mut table, port), port > 20, "{port}");
        }
        table.expire(Instant::from_millis(10_050));
        assert_eq!((table.due(), table.positions()), (None, 0));
    }

    #[test]
    fn the_oldest_gives_way_when_there_is_no_room() {
        let mut table = TimeWait::new(20, [1, 2]);
        let gave_way = (1..=50).filter(|port| table.keep(waiting(*port, u64::from(*port)))).count();
        assert_eq!((gave_way, table.positions()), (30, 20));
        for port in 1..=50 {
            assert_eq!(is_known(&mut table, port), port > 30, "{port}");
        }
        let kept: std::vec::Vec<_> =
            (0..20).filter_map(|position| table.get(position)).map(|waiting| waiting.flow.source.1).collect();
        assert!(kept.iter().copied().eq(31..=50), "{kept:?}");
        assert!(TimeWait::new(0, [1, 2]).keep(waiting(1, 1)));
    }

    #[test]
    fn what_was_sent_again_is_acknowledged_again() {
        let mut table = TimeWait::new(8, [1, 2]);
        table.keep(waiting(1, 0));
        let answered =
            |table: &mut TimeWait, segment| matches!(table.hear(&segment, Instant::ZERO), Heard::Repeated(_));
        assert!(answered(&mut table, segment(1, FIN | ACK, 499, 1)));
        assert!(answered(&mut table, segment(1, ACK, 480, 20)));
        assert!(!answered(&mut table, segment(1, ACK, 500, 0)), "an acknowledgement asks for nothing");
        assert!(!answered(&mut table, segment(2, FIN | ACK, 499, 1)));
    }

    #[test]
    fn a_reset_ends_nothing_and_a_later_syn_begins_anew() {
        let mut table = TimeWait::new(8, [1, 2]);
        table.keep(waiting(1, 0));
        table.keep(waiting(2, 1));
        assert!(matches!(table.hear(&segment(1, RST, 500, 0), Instant::ZERO), Heard::Nothing));
        assert!(
            matches!(table.hear(&segment(1, SYN, 400, 1), Instant::ZERO), Heard::Repeated(_)),
            "an old SYN"
        );
        assert!(matches!(table.hear(&segment(1, SYN, 501, 1), Instant::ZERO), Heard::Unknown));
        assert!(!is_known(&mut table, 1) && is_known(&mut table, 2));
        assert_eq!(table.due(), Some(Instant::ZERO), "the gap is closed at once");
        table.expire(Instant::ZERO + Duration::from_millis(1));
        assert_eq!(table.due(), Some(Instant::from_millis(10_001)));
    }

    #[test]
    fn the_wait_begins_anew_with_a_repeated_fin() {
        let mut table = TimeWait::new(2, [1, 2]);
        table.keep(waiting(1, 0));
        table.keep(waiting(2, 1));
        let fin = segment(1, FIN | ACK, 499, 1);
        for millis in [5, 999, 7000, 7999] {
            assert!(matches!(table.hear(&fin, Instant::from_millis(millis)), Heard::Repeated(_)));
        }
        table.expire(Instant::from_millis(16_999));
        assert!(is_known(&mut table, 1) && !is_known(&mut table, 2));
        table.expire(Instant::from_millis(17_000));
        assert_eq!((table.due(), table.positions()), (None, 0));
    }
}
