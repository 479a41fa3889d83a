//! An authoritative DNS server, without its sockets.
//!
//! [`Zone::parse`] reads a master file, [`Server`] holds zones and answers messages, [`Session`] is one TCP
//! connection's share of the work. All of it is sans-IO: bytes in, bytes out, no clock but the `Instant`s handed
//! in, so the same code runs in an image, in a Linux process, in tests and under a fuzzer.
//!
//! Neighbours: `service.rs` gives it sockets, `main.rs` a machine. Invariant: no input makes it panic, and answering
//! a query allocates nothing.
//!
//! ```
//! use unik_dns::{Moment, Origin, Server, Transport, Zone};
//!
//! let text = b"\
//! $ORIGIN example.org.
//! $TTL 1h
//! @    SOA ns1 hostmaster 1 2h 30m 2w 5m
//!      NS  ns1
//! ns1  A   192.0.2.53
//! ";
//! let zone = Zone::parse("example.org.zone", text)?;
//! let mut server = Server::new();
//! server.add(zone)?;
//!
//! // Identifier 7, one question: ns1.example.org, type A, class IN.
//! let query = b"\x00\x07\0\0\0\x01\0\0\0\0\0\0\x03ns1\x07example\x03org\0\0\x01\0\x01";
//! let mut answer = [0; 512];
//! let client = [192, 0, 2, 1].into();
//! let origin = Origin { client, transport: Transport::UDP, clock: &Moment::START };
//! let length = server.answer(query, &origin, &mut answer).expect("it is a query");
//! assert_eq!(answer[..length].last_chunk(), Some(&[192, 0, 2, 53]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod configuration;
mod cookie;
mod counters;
mod denial;
mod draft;
mod edns;
mod kind;
mod labels;
mod limit;
mod master;
mod origin;
mod query;
mod response;
mod server;
mod servers;
pub mod service;
mod session;
mod settings;
mod sha1;
mod text;
mod transfer;
mod tree;
pub mod tsig;
mod writer;
mod zone;

pub use cookie::{SECRET, Secret, Secrets};
pub use counters::{Counters, KindCounters, TransferCounters};
pub use master::{Include, MAX_FILE, Problem, ZoneError};
pub use origin::{Clock, Moment, Origin, Transport, UDP_PAYLOAD};
pub use server::{Duplicate, Server};
pub use session::{IDLE, MAX_ANSWER, MAX_QUERY, Session, Step};
pub use settings::{BadSetting, Cookies, Limit, MAX_TEXT, Minimal, Settings};
pub use transfer::{Incoming, Progress, TransferError};
pub use zone::Zone;
