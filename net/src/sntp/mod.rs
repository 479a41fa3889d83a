//! The date from a server: SNTP (RFC 4330), the client mode of NTP (RFC 5905).
//!
//! * [`question`] and [`Answer`] are the wire format; [`Client`] decides what is believed and when to ask again. Both know
//!   neither sockets nor clocks.
//! * [`Sntp`] is the date that a stack has learned, [`SntpDriver`] the task that asks.
//!
//! A server is believed only in answers to our own question, which carries 64 random bits that come back. What is believed
//! moves the date and nothing else: monotonic time goes in and is never set.

mod client;
mod packet;
mod service;

pub use client::{AGREEMENT, Client, LEAP_LIMIT, TIMEOUT};
pub use packet::{Answer, LENGTH, PORT, Refusal, question};
pub use service::{Sntp, SntpCounters, SntpDriver};
