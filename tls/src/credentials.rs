//! Keys and certificates as PEM, as openssl and `ovs-pki` write them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{SectionKind, SliceIter};
use rustls::sign::SigningKey;

/// Why certificates and keys cannot be used, and in which file that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadCredentials {
    /// The file.
    pub file: &'static str,
    /// What is wrong with it, as a sentence.
    pub why: &'static str,
}

impl fmt::Display for BadCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        f.write_str(": ")?;
        f.write_str(self.why)
    }
}

impl core::error::Error for BadCredentials {}

const DAMAGED: &str = "this is no PEM: it is damaged";
const WRONG_KEY: &str = "this key is none of the kinds ECDSA P-256 and P-384, or it is damaged";

/// All parts of a file, or, in the place of one, why the file is of no use.
pub fn sections(contents: &[u8]) -> impl Iterator<Item = Result<(SectionKind, Vec<u8>), &'static str>> {
    SliceIter::new(contents).map(|section| section.map_err(|_| DAMAGED))
}

/// The key in a part of a file. `None` if it is something else: a certificate, parameters of curves and the like.
///
/// # Errors
/// Why the key is of no use.
pub fn key(kind: SectionKind, der: Vec<u8>) -> Option<Result<Arc<dyn SigningKey>, &'static str>> {
    let key = match kind {
        SectionKind::PrivateKey => PrivateKeyDer::Pkcs8(der.into()),
        SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
        SectionKind::RsaPrivateKey => return Some(Err(WRONG_KEY)),
        _ => return None,
    };
    Some(any_ecdsa_type(&key).map_err(|_| WRONG_KEY))
}
