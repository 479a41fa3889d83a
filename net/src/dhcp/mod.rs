//! The address by DHCP for IPv4 (RFC 2131): a client that knows neither sockets nor clocks.
//!
//! * [`Client`] says what to send and when, and takes what servers answer; [`Lease`] is what it has got of them, as far as
//!   a host can believe and use it.
//! * `packet` is the wire format, with the options of RFC 2132 and the routes of RFC 3442.
//!
//! Whoever drives it sends what [`Client::poll`] writes from [`CLIENT_PORT`] to [`SERVER_PORT`], hands what comes back to
//! [`Client::receive`], and compares [`Client::lease`] with what the interface has. Addresses are not probed here, and
//! none is declined.
//!
//! A server is believed only in answers to our own question, which carries 32 random bits that come back. Leases are
//! counted from when they were asked for, so none is used longer than its server knows of.
//!
//! ```
//! use unik_net::dhcp::{Client, LENGTH, Outgoing};
//! use unik_sched::time::Instant;
//!
//! let mut client = Client::new([2, 0, 0, 0, 0, 1], None);
//! let (mut message, now) = ([0; LENGTH], Instant::ZERO);
//! let Outgoing { source, destination } = client.poll(now, &mut || 4, &mut message).expect("it is due at once");
//! assert!(source.is_unspecified() && destination.is_broadcast());
//! assert!(!client.receive(now, b"noise"));
//! assert_eq!(client.lease(), None);
//! assert_eq!(client.due(), Some(Instant::from_millis(754)), "a second, less a quarter, and what is random");
//! ```

mod client;
mod lease;
mod packet;

pub use client::{Client, Outgoing, REFUSAL_PAUSE, RENEWAL_PAUSE, TRIES};
pub use lease::{Hostname, LEASE_LEAST, Lease, NAME_SERVER_LIMIT, ROUTE_LIMIT, Route, Times};
pub use packet::{CLIENT_PORT, LENGTH, SERVER_PORT};
