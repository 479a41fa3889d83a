//! Where a message came from, on which way, and when.

use crate::edns::Edns;
use core::net::IpAddr;
use unik_sched::time::{Duration, Instant};

/// The longest message over UDP in octets, asked for and sent: it passes every path of the Internet in one piece
/// (RFC 9715, 3.1).
pub const UDP_PAYLOAD: u16 = 1232;
/// The longest message over UDP to a client without EDNS (RFC 1035, 4.2.1).
const UDP_PLAIN: u16 = 512;

/// The way on which a message came, which bounds the length of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// One datagram.
    Udp {
        /// The longest answer in octets that may be sent, whatever the client takes: at most [`UDP_PAYLOAD`] unless
        /// the path is known. Never less than 512.
        limit: u16,
    },
    /// A stream with lengths in front of messages.
    Tcp,
}

impl Transport {
    /// UDP over a path that nobody knows.
    pub const UDP: Self = Self::Udp { limit: UDP_PAYLOAD };

    pub(crate) fn limit(self, edns: Option<Edns>) -> usize {
        let limit = match (self, edns) {
            (Self::Tcp, _) => u16::MAX,
            (Self::Udp { .. }, None) => UDP_PLAIN,
            // RFC 6891, 6.2.3: less than 512 means 512.
            (Self::Udp { limit }, Some(edns)) => edns.payload.min(limit).max(UDP_PLAIN),
        };
        limit.into()
    }
}

/// What tells a server the time, and is asked only where it matters.
pub trait Clock {
    /// The time since the start.
    fn now(&self) -> Instant;

    /// The time since the Unix epoch; `None` where nobody knows it.
    fn since_epoch(&self) -> Option<Duration>;

    /// Seconds since the Unix epoch, which signatures tell; `None` where nobody knows it.
    fn date(&self) -> Option<u64> {
        self.since_epoch().map(|since| since.as_secs())
    }

    /// Seconds since the Unix epoch, or where nobody knows it since the start, which come round (RFC 9018, 4.3).
    fn seconds(&self) -> u32 {
        let since = self.since_epoch().unwrap_or(self.now().duration_since(Instant::ZERO));
        since.as_secs() as u32
    }
}

/// A clock that stands still, for who knows the time already.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time since the start.
    pub now: Instant,
    /// The time since the Unix epoch, if it is known.
    pub since_epoch: Option<Duration>,
}

impl Moment {
    /// The start, on a day that nobody knows.
    pub const START: Self = Self { now: Instant::ZERO, since_epoch: None };
}

impl Clock for Moment {
    fn now(&self) -> Instant {
        self.now
    }

    fn since_epoch(&self) -> Option<Duration> {
        self.since_epoch
    }
}

/// Where a message came from, and when.
#[derive(Clone, Copy)]
pub struct Origin<'c> {
    /// Who sent it.
    pub client: IpAddr,
    /// On which way.
    pub transport: Transport,
    /// Asked for the time of its arrival.
    pub clock: &'c dyn Clock,
}
