//! Zones on their way between servers: whole (RFC 5936) or as differences (RFC 1995).
//!
//! [`Outgoing`] is a transfer that a secondary asked for, message by message, [`Incoming`] one that we asked for. What changed
//! between two versions of a zone is a [`Difference`], and a [`Journal`] keeps the last of them for those who ask. All of it is
//! sans-IO: sockets and time are elsewhere.

pub(crate) mod ask;
mod difference;
mod fetch;
mod incoming;
#[cfg(any(test, feature = "disk"))]
pub(crate) mod kept;
mod notices;
mod outgoing;
mod schedule;

pub(crate) use difference::{Difference, Journal};
pub(crate) use fetch::{Fetch, FetchError, Step, Wanted};
pub use incoming::{Incoming, Progress, TransferError};
pub(crate) use notices::Notices;
pub(crate) use outgoing::Outgoing;
pub(crate) use schedule::Schedule;

/// Whether `serial` is newer than `other` (RFC 1982, 3.2). Where the standard leaves it open, it is not.
pub(crate) fn is_newer(serial: u32, other: u32) -> bool {
    serial != other && serial.wrapping_sub(other) < 1 << 31
}
