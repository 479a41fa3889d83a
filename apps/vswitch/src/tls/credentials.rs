//! The switch's key and certificate, and the authorities that sign those of controllers, out of three files of the data.
//!
//! They are PEM (RFC 7468), as `ovs-pki` and openssl write them. Invariant: the certificate is that of the key.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::pem::{SectionKind, SliceIter};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use webpki::anchor_from_trusted_cert;

const KEY: &str = "tls/privkey.pem";
const CERTIFICATE: &str = "tls/cert.pem";
const AUTHORITIES: &str = "tls/cacert.pem";

/// Why key and certificates cannot be used, and in which file that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadCredentials {
    file: &'static str,
    why: &'static str,
}

impl fmt::Display for BadCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        f.write_str(": ")?;
        f.write_str(self.why)
    }
}

impl core::error::Error for BadCredentials {}

/// What is shown to controllers, and what theirs are checked by.
pub(super) struct Credentials {
    pub(super) own: Arc<SingleCertAndKey>,
    pub(super) authorities: Vec<TrustAnchor<'static>>,
}

impl Credentials {
    /// Reads all three files.
    ///
    /// # Errors
    /// Which file is wrong, and why.
    #[inline(never)]
    pub(super) fn load(read: &dyn Fn(&str) -> Option<&'static [u8]>) -> Result<Self, BadCredentials> {
        let sections = |file| {
            let contents = read(file).ok_or(MISSING).and_then(sections);
            contents.map_err(|why| BadCredentials { file, why })
        };
        let bad = |file, why| BadCredentials { file, why };
        let key = key(sections(KEY)?).map_err(|why| bad(KEY, why))?;
        let chain = certificates(sections(CERTIFICATE)?).map_err(|why| bad(CERTIFICATE, why))?;
        let own = CertifiedKey::new(chain, key);
        own.keys_match()
            .map_err(|_| bad(CERTIFICATE, "this is no certificate of the key in tls/privkey.pem"))?;
        let mut authorities = Vec::new();
        for authority in certificates(sections(AUTHORITIES)?).map_err(|why| bad(AUTHORITIES, why))? {
            let anchor = anchor_from_trusted_cert(&authority);
            let anchor = anchor.map_err(|_| bad(AUTHORITIES, "a certificate in it is damaged"))?;
            authorities.push(anchor.to_owned());
        }
        Ok(Self { own: Arc::new(own.into()), authorities })
    }
}

/// All that is in a file.
fn sections(contents: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, &'static str> {
    SliceIter::new(contents).collect::<Result<_, _>>().map_err(|_| "this is no PEM: it is damaged")
}

/// The key in a file.
fn key(sections: Vec<(SectionKind, Vec<u8>)>) -> Result<Arc<dyn SigningKey>, &'static str> {
    for (kind, der) in sections {
        let key = match kind {
            SectionKind::PrivateKey => PrivateKeyDer::Pkcs8(der.into()),
            SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
            SectionKind::RsaPrivateKey => return Err(WRONG_KEY),
            // Parameters of curves and the like.
            _ => continue,
        };
        return any_ecdsa_type(&key).map_err(|_| WRONG_KEY);
    }
    Err("there is no key in it, as PEM without a password")
}

/// The certificates in a file, of which there is one at least.
fn certificates(sections: Vec<(SectionKind, Vec<u8>)>) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let is_certificate = |(kind, _): &(SectionKind, Vec<u8>)| matches!(kind, SectionKind::Certificate);
    let all: Vec<_> =
        sections.into_iter().filter(is_certificate).map(|(_, der)| CertificateDer::from(der)).collect();
    if all.is_empty() { Err("there is no certificate in it, as PEM") } else { Ok(all) }
}

const MISSING: &str =
    "this file is not in the data: TLS needs tls/privkey.pem, tls/cert.pem and tls/cacert.pem";
const WRONG_KEY: &str = "this key is none of the kinds ECDSA P-256 and P-384, or it is damaged";
