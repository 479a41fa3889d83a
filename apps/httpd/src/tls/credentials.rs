//! Certificates with their keys, out of the files below `tls/`, and which of them a client is shown.
//!
//! A file holds a chain of certificates, a key, or both, as PEM (RFC 7468). Which key belongs to which chain follows from the
//! keys themselves, so names of files mean nothing. Invariant: each chain has the key of its first certificate.

use super::der::Certificate;
use crate::site::SECRETS;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::SectionKind;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use unik_tls::{BadCredentials, key, sections};

/// One chain and its key.
struct Credential {
    file: &'static str,
    chain: Arc<CertifiedKey>,
}

/// A file's part: a chain of certificates, or a key.
enum Part {
    Chain(Vec<CertificateDer<'static>>),
    Key(Arc<dyn SigningKey>),
}

/// All chains, of which the first is for clients that name no host, or one that none is for.
pub(super) struct Credentials(Vec<Credential>);

impl Credentials {
    /// Reads all files that are below `tls/`, in the order of their names.
    ///
    /// # Errors
    /// Which file is wrong, and why.
    #[inline(never)]
    pub(super) fn load(
        files: &mut dyn Iterator<Item = (&'static str, &'static [u8])>,
    ) -> Result<Self, BadCredentials> {
        let mut files: Vec<_> = files.filter(|(path, _)| path.starts_with(SECRETS)).collect();
        files.sort_unstable_by_key(|(path, _)| *path);
        let (mut chains, mut keys) = (Vec::new(), Vec::new());
        for (file, contents) in files {
            for part in read(contents).map_err(|why| BadCredentials { file, why })? {
                match part {
                    Part::Chain(chain) => chains.push((file, chain)),
                    Part::Key(key) => keys.push((file, key, false)),
                }
            }
        }
        let mut credentials = Vec::new();
        for (file, chain) in chains {
            let bad = |why| BadCredentials { file, why };
            let first = chain.first().and_then(|first| Certificate::parse(first));
            let first = first.ok_or(bad("its first certificate is damaged"))?;
            let own = |key: &&mut (&str, Arc<dyn SigningKey>, bool)| {
                key.1.public_key().is_some_and(|public| &*public == first.key)
            };
            let (_, key, is_used) =
                keys.iter_mut().find(own).ok_or(bad("no key in tls/ belongs to this certificate"))?;
            *is_used = true;
            let chain = Arc::new(CertifiedKey::new(chain, key.clone()));
            credentials.push(Credential { file, chain });
        }
        if let Some((file, ..)) = keys.iter().find(|key| !key.2) {
            return Err(BadCredentials { file, why: "no certificate in tls/ belongs to this key" });
        }
        if credentials.is_empty() {
            let why = "HTTPS needs a certificate and its key here, as PEM: put them into the data, or build without \
                       --features tls";
            return Err(BadCredentials { file: SECRETS, why });
        }
        Ok(Self(credentials))
    }

    /// Logs what is served, and warns of what clients will not take.
    #[inline(never)]
    pub(super) fn report(&self, now: Option<u64>) {
        for credential in &self.0 {
            let Some(certificate) = credential.certificate() else { continue };
            let file = credential.file;
            for name in certificate.names() {
                log::info!("serves HTTPS for {name} ({file})");
            }
            let (begin, end) = certificate.validity;
            match now {
                Some(now) if now < begin => log::warn!("{file}: this certificate is not valid yet"),
                Some(now) if now > end => log::warn!("{file}: this certificate has expired"),
                _ => {}
            }
        }
    }

    /// Bytes of the longest chain.
    pub(super) fn longest(&self) -> usize {
        let length =
            |credential: &Credential| credential.chain.cert.iter().map(|certificate| certificate.len()).sum();
        self.0.iter().map(length).max().unwrap_or(0)
    }

    /// The chain for a host: one that names it, else one for all hosts of its domain, else the first.
    fn choose(&self, host: Option<&str>) -> Option<&Credential> {
        let exact = |name: &str, host: &str| name.eq_ignore_ascii_case(host);
        let domain = |name: &str, host: &str| {
            // RFC 6125, 6.4.3: the star stands for one whole label.
            let (name, host) = (name.strip_prefix("*."), host.split_once('.'));
            name.zip(host).is_some_and(|(name, (_, host))| name.eq_ignore_ascii_case(host))
        };
        let find = |is_for: &dyn Fn(&str, &str) -> bool| {
            let host = host?;
            self.0.iter().find(|credential| {
                credential
                    .certificate()
                    .is_some_and(|certificate| certificate.names().any(|name| is_for(name, host)))
            })
        };
        find(&exact).or_else(|| find(&domain)).or(self.0.first())
    }
}

impl Credential {
    fn certificate(&self) -> Option<Certificate<'_>> {
        self.chain.cert.first().and_then(|first| Certificate::parse(first))
    }
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name()).map(|credential| credential.chain.clone())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// What is in a file.
///
/// # Errors
/// Why it is of no use.
fn read(contents: &[u8]) -> Result<Vec<Part>, &'static str> {
    let (mut chain, mut parts) = (Vec::new(), Vec::new());
    for section in sections(contents) {
        let (kind, der) = section?;
        if kind == SectionKind::Certificate {
            chain.push(CertificateDer::from(der));
        } else if let Some(key) = key(kind, der) {
            parts.push(Part::Key(key?));
        }
    }
    if !chain.is_empty() {
        parts.push(Part::Chain(chain));
    }
    if !parts.is_empty() {
        return Ok(parts);
    }
    let is_encrypted = contents.windows(9).any(|window| window == b"ENCRYPTED");
    Err(match is_encrypted {
        true => "this key is encrypted, and nobody is there to be asked for the password",
        false => "there is neither a certificate nor a key in it, as PEM",
    })
}
