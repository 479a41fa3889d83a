//! The addresses of a host by its name: the stub resolver of the DNS (RFC 1034, 5.3.1; RFC 1035; RFC 1123, 6.1.3).
//!
//! * [`Name`] and [`Question`] are the wire format; [`Attempts`], [`Given`] and [`Cache`] decide whom to ask, for what, and
//!   what need not be asked again. None of them knows sockets or clocks.
//! * [`Resolver`] asks the servers of a network and answers in [`Addresses`].
//!
//! A server is believed in an answer to our own question alone: it comes from the server's address to a port opened for this
//! question, and carries its number and its words. What is behind the words is as good as the server, for nothing is signed.

mod addresses;
mod cache;
mod error;
mod name;
mod packet;
mod search;
mod service;

pub use addresses::{ADDRESS_LIMIT, Addresses};
pub use cache::{Cache, ENTRY_LIMIT};
pub use error::NameError;
pub use name::{NAME_LIMIT, Name};
pub use packet::{ALIAS_LIMIT, Answer, Kind, PAYLOAD_LIMIT, PORT, QUESTION_LIMIT, Question, Refusal};
pub use search::{Attempts, Given, SEARCH_LIMIT, SERVER_LIMIT, Settings};
pub use service::{Resolver, ResolverCounters};
