//! The handlers of one stack by their ports, and what becomes of a frame that one of them is for.

use alloc::{rc::Rc, vec::Vec};

use super::{
    Datagram, Handler, InPlace, Reply, Verdict,
    packet::{Answer, Host, Packet, Refusal},
};
use crate::{
    counters::NetCounters,
    error::Error,
    link::Link,
    nic::Frame,
    socket_info::{Protocol, SocketInfo, SocketState},
};
use unik_sched::time::Instant;

/// Handlers that one stack may have: they are looked through for every datagram.
const HANDLER_LIMIT: usize = 16;

/// The handlers.
pub(crate) struct Table {
    entries: Vec<Entry>,
    counters: Rc<NetCounters>,
}

struct Entry {
    port: u16,
    handler: Handler,
    opened: Instant,
}

/// What became of a frame.
enum Fate {
    /// It holds the answer.
    Answered,
    /// It is as it was.
    Passed,
    Dropped,
}

impl Table {
    pub(crate) fn new(counters: Rc<NetCounters>) -> Self {
        Table { entries: Vec::new(), counters }
    }

    pub(crate) fn add(&mut self, port: u16, handler: Handler, now: Instant) -> Result<(), Error> {
        if port == 0 {
            return Err(Error::InvalidAddress);
        }
        if self.has(port) {
            return Err(Error::PortInUse);
        }
        if self.entries.len() >= HANDLER_LIMIT {
            return Err(Error::TooManySockets);
        }
        self.entries.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.entries.push(Entry { port, handler, opened: now });
        Ok(())
    }

    pub(crate) fn remove(&mut self, port: u16) -> Option<Handler> {
        let index = self.entries.iter().position(|entry| entry.port == port)?;
        Some(self.entries.remove(index).handler)
    }
}

impl InPlace for Table {
    fn receive(&mut self, port: u16, link: &mut Link) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.port == port) else { return false };
        let (limit, offload) = (link.limit_in_hand(), link.offloads.checksum);
        let (Some(frame), host) = link.in_hand_of() else { return false };
        match entry.handle(frame, host, limit, offload, &self.counters) {
            Fate::Answered => link.send_back(),
            Fate::Passed => return false,
            Fate::Dropped => link.ignore(),
        }
        true
    }

    fn has(&self, port: u16) -> bool {
        self.entries.iter().any(|entry| entry.port == port)
    }

    fn info(&self, index: usize, now: Instant) -> Option<SocketInfo> {
        let entry = self.entries.get(index)?;
        Some(SocketInfo::new(Protocol::Udp, SocketState::Open, entry.port, entry.opened, now))
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn table(&mut self) -> &mut Table {
        self
    }
}

impl Entry {
    /// Shows the datagram in `frame` to the handler, and makes the frame of its answer out of it, of at most `limit`
    /// bytes. `offload` says whether the card completes checksums.
    fn handle(
        &mut self,
        frame: &mut Frame,
        host: &Host,
        limit: usize,
        offload: bool,
        counters: &NetCounters,
    ) -> Fate {
        let Frame { buffer: frame, offload: known } = frame;
        if frame.is_chained() {
            return Fate::Passed;
        }
        // It is large, and stays where it is.
        let parsed = Packet::parse(frame, host, known.checksum);
        let packet = match &parsed {
            Ok(packet) => packet,
            Err(Refusal::Elsewhere) => return Fate::Passed,
            Err(Refusal::Malformed) => {
                counters.udp_rx_malformed.increment();
                return Fate::Dropped;
            }
            Err(Refusal::Unanswerable) => {
                counters.udp_rx_unanswerable.increment();
                return Fate::Dropped;
            }
        };
        let (start, received) = (packet.start(), frame.len());
        let headers = packet.headers();
        let room = limit.saturating_sub(headers).min(frame.room().saturating_sub(start));
        // A received packet may be longer than one that may be sent: the answer is not, and the question is shown whole.
        let room = room.max(packet.length());
        if frame.set_len(start + room).is_err() {
            return Fate::Passed;
        }
        let Some(payload) = frame.get_mut(start..) else { return Fate::Passed };
        let mut reply = Reply::new(payload, packet.length());
        let datagram = Datagram { source: packet.source(), destination: packet.destination() };
        let verdict = (self.handler)(&datagram, &mut reply);
        let (length, altered) = (reply.length, reply.altered);
        match verdict {
            Verdict::Answer => {
                let answer = packet.answer(frame, host, length, altered, offload);
                let Some(Answer { skipped, checksum }) = answer.filter(|_| headers + length <= limit) else {
                    counters.udp_reply_failed.increment();
                    return Fate::Dropped;
                };
                if skipped > 0 {
                    // Never beyond the length: the headers are behind it.
                    let _ = frame.trim_front(skipped);
                }
                *known = checksum.into();
                // Shorter than it is.
                let _ = frame.set_len(headers + length);
                counters.udp_answered.increment();
                Fate::Answered
            }
            Verdict::Queue if !altered => {
                // As long as it was.
                let _ = frame.set_len(received);
                counters.udp_passed.increment();
                Fate::Passed
            }
            Verdict::Queue => {
                counters.udp_reply_failed.increment();
                Fate::Dropped
            }
            Verdict::Drop => {
                counters.udp_refused.increment();
                Fate::Dropped
            }
        }
    }
}
