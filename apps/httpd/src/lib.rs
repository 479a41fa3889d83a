//! A static web server, without its sockets.
//!
//! [`Server::load`] takes files and makes what is told of each, [`Session`] is one connection's share of the work. All of
//! it is sans-IO: bytes in, bytes out, no clock but the times handed in, so the same code runs in an image, in a Linux
//! process, in tests and under a fuzzer.
//!
//! Neighbours: `service.rs` gives it sockets, `main.rs` a machine. Invariant: no input makes it panic, contents are sent from
//! where they lie, and what a connection takes is bounded.
//!
//! ```
//! use unik_httpd::{File, Server, Session, Settings, Step};
//! use unik_sched::time::Instant;
//!
//! let page = File { path: "index.html", contents: b"<p>Hello", modified: None };
//! let server = Server::load(&mut [page].into_iter(), Settings::default()).expect("there is memory");
//! let now = Instant::ZERO;
//! let mut session = Session::new([192, 0, 2, 1].into(), server.settings(), now);
//!
//! let request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
//! assert_eq!(session.advance(&server, now, None), Step::Read);
//! session.space()[..request.len()].copy_from_slice(request);
//! session.received(request.len());
//!
//! let mut response = Vec::new();
//! while session.advance(&server, now, None) == Step::Write {
//!     let output = session.output();
//!     response.extend_from_slice(output);
//!     session.sent(output.len(), server.settings(), now);
//! }
//! assert!(response.starts_with(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n"));
//! assert!(response.ends_with(b"\r\n\r\n<p>Hello"));
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod access;
mod body;
mod coding;
mod condition;
mod configuration;
mod counters;
mod date;
mod hash;
mod listing;
mod media;
mod metrics;
mod output;
mod path;
mod range;
mod request;
mod response;
mod route;
mod scan;
mod server;
pub mod service;
mod session;
mod settings;
mod site;
mod status;
#[cfg(feature = "disk")]
mod stored;
#[cfg(not(feature = "disk"))]
#[path = "no_stored.rs"]
mod stored;
mod text;
#[cfg_attr(not(feature = "tls"), path = "plain.rs")]
pub mod tls;

pub use access::Format;
pub use body::BODY_LIMIT;
pub use configuration::{CONFIGURATION, Configuration, ConfigurationError};
pub use counters::Counters;
pub use media::compresses;
pub use metrics::{Kind, Numbers};
pub use server::Server;
pub use session::{LINGER, Session, Step};
pub use settings::{BadSetting, Settings};
pub use site::{FORMS, File, INDEX, LoadError, is_hidden};
#[cfg(feature = "disk")]
pub use stored::{Section, Stored};
