//! What appliances with TLS share: the cryptography that rustls has of ring, and keys and certificates out of files.
//!
//! [`provider`] gives rustls three ciphers, two ways to agree on keys, and nothing else, so that nothing else is linked;
//! [`sections`] and [`key`] read PEM (RFC 7468). What is done with it is the appliance's: which versions are spoken, who shows which
//! certificate, how octets move. Invariant: all cryptography comes from ring, whose random numbers are those of the machine.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod credentials;
mod provider;

pub use credentials::{BadCredentials, key, sections};
pub use provider::{provider, random};

use core::fmt;

/// Why there can be no TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file with a certificate or a key is wrong, or there is none.
    Credentials(BadCredentials),
    /// The machine has no random numbers that nobody can guess.
    NoRandomness,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::NoRandomness => {
                f.write_str("TLS needs random numbers that nobody can guess: random=weak is not enough")
            }
        }
    }
}

impl core::error::Error for Error {}

impl From<BadCredentials> for Error {
    fn from(error: BadCredentials) -> Self {
        Self::Credentials(error)
    }
}
