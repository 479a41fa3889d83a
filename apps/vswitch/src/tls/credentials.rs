//! The switch's key and certificate, and the authorities that sign those of controllers, out of three files of the data.
//!
//! They are PEM (RFC 7468), as `ovs-pki` and openssl write them. Invariant: the certificate is that of the key.

use alloc::sync::Arc;
use alloc::vec::Vec;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use unik_tls::{BadCredentials, sections};
use webpki::anchor_from_trusted_cert;

const KEY: &str = "tls/privkey.pem";
const CERTIFICATE: &str = "tls/cert.pem";
const AUTHORITIES: &str = "tls/cacert.pem";

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
        let bad = |file, why| BadCredentials { file, why };
        let contents = |file| read(file).ok_or(bad(file, MISSING));
        let key = key(contents(KEY)?).map_err(|why| bad(KEY, why))?;
        let chain = certificates(contents(CERTIFICATE)?).map_err(|why| bad(CERTIFICATE, why))?;
        let own = CertifiedKey::new(chain, key);
        own.keys_match()
            .map_err(|_| bad(CERTIFICATE, "this is no certificate of the key in tls/privkey.pem"))?;
        let mut authorities = Vec::new();
        for authority in certificates(contents(AUTHORITIES)?).map_err(|why| bad(AUTHORITIES, why))? {
            let anchor = anchor_from_trusted_cert(&authority);
            let anchor = anchor.map_err(|_| bad(AUTHORITIES, "a certificate in it is damaged"))?;
            authorities.push(anchor.to_owned());
        }
        Ok(Self { own: Arc::new(own.into()), authorities })
    }
}

/// The key in a file.
fn key(contents: &[u8]) -> Result<Arc<dyn SigningKey>, &'static str> {
    for section in sections(contents) {
        let (kind, der) = section?;
        if let Some(key) = unik_tls::key(kind, der) {
            return key;
        }
    }
    Err("there is no key in it, as PEM without a password")
}

/// The certificates in a file, of which there is one at least.
fn certificates(contents: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut all = Vec::new();
    for section in sections(contents) {
        if let (SectionKind::Certificate, der) = section? {
            all.push(CertificateDer::from(der));
        }
    }
    if all.is_empty() { Err("there is no certificate in it, as PEM") } else { Ok(all) }
}

const MISSING: &str =
    "this file is not in the data: TLS needs tls/privkey.pem, tls/cert.pem and tls/cacert.pem";
