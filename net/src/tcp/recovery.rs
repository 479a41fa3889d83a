//! What is done beside smoltcp so that a connection whose segments get lost, or whose peer falls silent, goes on.
//!
//! smoltcp's keep-alive sends a byte of its own at the number before the next one. While something is on its way that is
//! the place of a byte which the peer may still lack, and would take for one of the stream's. Here such questions go out
//! with a number that the peer is done with for certain, and smoltcp never asks by itself.

use smoltcp::{
    iface::{Interface, PollResult, SocketSet},
    socket::tcp::State,
    time::Instant as Moment,
};
use unik_sched::time::{Duration, Instant};

use crate::{
    glance::{FIN, Segment},
    link::Link,
    stack::{deadline, earlier, instant},
    tcp::{
        connection::Connection,
        meter::{Meter, is_after},
    },
};

/// Questions that are asked at once of a peer whose window or acknowledgements may have got lost. The answers to three of
/// them make smoltcp send again what is on its way (RFC 5681, 3.2); the first one may tell something new.
const QUESTIONS: u8 = 4;

/// How long the answers to these are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is waited for while no timer runs.
enum Lack {
    Nothing,
    /// An acknowledgement. smoltcp forgets the timer of one when a segment that closes the window comes late, or comes
    /// while something is on its way, and when three acknowledgements come twice while only a FIN is.
    Acknowledgement,
    /// Any sign of life.
    Sign,
}

/// Sends one segment if smoltcp wants to: whether it did. One copy of what is large stands here.
#[inline(never)]
pub(crate) fn egress(
    interface: &mut Interface,
    link: &mut Link,
    set: &mut SocketSet<'static>,
    at: Moment,
) -> bool {
    interface.poll_egress(at, link, set) != PollResult::None
}

/// When smoltcp wants to look at a connection again.
#[inline(never)]
pub(crate) fn due(interface: &mut Interface, set: &SocketSet<'static>, at: Moment) -> Option<Instant> {
    interface.poll_at(at, set).map(deadline)
}

impl Connection {
    /// When a connection is to be looked after next that smoltcp wants to look after at `due`, and whose meter the link
    /// has. The peer is asked where smoltcp waits for something without a timer.
    pub(crate) fn help(
        &mut self,
        due: Option<Instant>,
        interface: &mut Interface,
        link: &mut Link,
        now: Instant,
    ) -> Option<Instant> {
        let at = instant(now);
        if due.is_some() && !self.only_times_out(interface, at) {
            return self.hurry(due, interface, link, now);
        }
        let progress = link.meter.as_ref().map_or(Instant::ZERO, Meter::since);
        let (questions, since, wait) = match (self.lack(), self.keep_alive) {
            (Lack::Acknowledgement, _) => (QUESTIONS, progress, PATIENCE),
            (Lack::Sign, Some(interval)) => (1, self.heard, interval),
            _ => return due,
        };
        if since.max(self.asked) + wait <= now {
            if questions > 1 {
                link.counters().tcp_unstuck.increment();
            }
            self.asked = now;
            self.ask(questions, interface, link, at);
        }
        earlier(due, Some(since.max(self.asked) + wait))
    }

    /// Sends again what smoltcp would send again at `next`, if that is too late: when it is to be looked after next.
    fn hurry(
        &mut self,
        next: Option<Instant>,
        interface: &mut Interface,
        link: &mut Link,
        now: Instant,
    ) -> Option<Instant> {
        let overdue = link.meter.as_ref().and_then(Meter::overdue_at);
        let (Some(later), Some(overdue)) = (next, overdue) else { return next };
        if later <= now || self.state() == State::TimeWait {
            return next;
        }
        if overdue > now || !link.reserve() {
            return earlier(next, Some(overdue));
        }
        if let Some(meter) = link.meter.as_mut() {
            meter.rewind(now);
        }
        let timeout = self.socket().timeout();
        self.socket_mut().set_timeout(None);
        // smoltcp is shown the later time only to rewind, and what it sends then goes out now. A probe of a closed window it
        // sends at that time alone.
        link.refuses = !link.meter.as_ref().is_some_and(Meter::is_window_closed);
        egress(interface, link, &mut self.set, instant(later));
        if core::mem::take(&mut link.refuses) {
            egress(interface, link, &mut self.set, instant(now));
        }
        self.socket_mut().set_timeout(timeout);
        earlier(due(interface, &self.set, instant(now)), link.meter.as_ref().and_then(Meter::overdue_at))
    }

    /// Whether a segment with a FIN has more bytes than the window takes: smoltcp would cut those off and take the FIN,
    /// so that the stream ended early without a sign. The peer sends it again once there is room.
    pub(crate) fn ends_beyond_window(&self, segment: &Segment) -> bool {
        if segment.flags & FIN == 0 || segment.length <= 1 {
            return false;
        }
        // RFC 7323, 2.3. A peer that does not scale is trusted with more: it could only shorten what it sends.
        let shift = (usize::BITS - self.socket().recv_capacity().leading_zeros()).saturating_sub(16);
        let end = segment.sequence.wrapping_add(segment.length);
        is_after(end, self.meter.edge(shift).wrapping_add(1))
    }

    /// Whether no timer runs but the one for the patience of the application.
    fn only_times_out(&mut self, interface: &mut Interface, at: Moment) -> bool {
        let Some(timeout) = self.socket().timeout() else { return false };
        self.socket_mut().set_timeout(None);
        let is_timed = due(interface, &self.set, at).is_some();
        self.socket_mut().set_timeout(Some(timeout));
        !is_timed
    }

    fn lack(&self) -> Lack {
        let socket = self.socket();
        match socket.state() {
            State::FinWait1 | State::Closing | State::LastAck => Lack::Acknowledgement,
            State::Established | State::CloseWait if socket.send_queue() > 0 => Lack::Acknowledgement,
            State::Established | State::CloseWait | State::FinWait2 => Lack::Sign,
            _ => Lack::Nothing,
        }
    }

    /// Asks whether the peer is alive (RFC 9293, 3.8.4). The answers tell what it has received, and its window.
    fn ask(&mut self, questions: u8, interface: &mut Interface, link: &mut Link, at: Moment) {
        let Some(meter) = link.meter.as_mut() else { return };
        // What may be on its way, and a FIN, is younger than this.
        meter.question(questions, self.socket().send_capacity() as u32 + 2);
        self.socket_mut().set_keep_alive(Some(smoltcp::time::Duration::ZERO));
        let mut asked = false;
        for left in (0..questions).rev() {
            if left == 0 {
                self.socket_mut().set_keep_alive(None);
            }
            asked = egress(interface, link, &mut self.set, at);
        }
        if let Some(meter) = link.meter.as_mut() {
            // One that could not be sent comes later by itself.
            meter.question(u8::from(!asked), self.socket().send_capacity() as u32 + 2);
        }
    }
}
