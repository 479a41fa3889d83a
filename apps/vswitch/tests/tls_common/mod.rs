//! Controllers with TLS: rustls as it is at one end of a wire of octets, a channel of the switch at the other.
#![allow(dead_code, reason = "each test file uses its part")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use unik_vswitch::tls::{Channel, Error, Tls, Trouble};

/// A moment in the validity of all certificates here but those that say otherwise: in 2026.
pub(crate) const NOW: u64 = 1_790_000_000;

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Credential {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority::called("an authority")
    }

    pub(crate) fn called(name: &str) -> Authority {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn sign(&self) -> Credential {
        self.sign_until(2040)
    }

    /// One that is good until the beginning of this year.
    pub(crate) fn sign_until(&self, year: i32) -> Credential {
        let mut params = CertificateParams::new(["no host is called so".to_owned()]).unwrap_or_default();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Credential { certificate, key: key.serialize_pem() }
    }
}

/// The switch, with these files.
pub(crate) fn load(own: &Credential, authorities: &str) -> Result<Tls, Error> {
    let leak = |text: &str| -> &'static [u8] { text.to_owned().leak().as_bytes() };
    let (key, certificate) = (leak(&own.key), leak(&own.certificate));
    let authorities = leak(authorities);
    Tls::load(&|name| match name {
        "tls/privkey.pem" => Some(key),
        "tls/cert.pem" => Some(certificate),
        "tls/cacert.pem" => Some(authorities),
        _ => None,
    })
}

#[derive(Debug)]
struct Fixed;

impl rustls::time_provider::TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(NOW)))
    }
}

/// A controller that believes whom it calls: what is tested is whom the switch believes.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384]
    }
}

fn parts(own: &Credential) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
    (chain.collect::<Result<_, _>>().expect("a chain"), key)
}

/// A controller that calls, with a certificate or without one.
pub(crate) fn caller(version: &'static SupportedProtocolVersion, own: Option<&Credential>) -> Connection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Fixed));
    let builder = builder.with_protocol_versions(&[version]).expect("a version").dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Credulous));
    let config = match own.map(parts) {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("its key"),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("switch").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client").into()
}

/// A controller that is called, and wants certificates of this authority.
pub(crate) fn called(
    version: &'static SupportedProtocolVersion,
    own: &Credential,
    authority: &str,
) -> Connection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(Fixed));
    let builder = builder.with_protocol_versions(&[version]).expect("a version");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let builder = builder.with_client_cert_verifier(verifier.expect("a verifier"));
    let (chain, key) = parts(own);
    let config = builder.with_single_cert(chain, key).expect("its key");
    ServerConnection::new(Arc::new(config)).expect("a server").into()
}

/// What becomes of octets on their way.
pub(crate) type Damage = Box<dyn FnMut(&mut [u8])>;

/// Both ends of a connection.
pub(crate) struct Wire {
    pub(crate) switch: Channel,
    pub(crate) controller: Connection,
    /// The date, as the switch knows it.
    pub(crate) now: Option<u64>,
    /// The longest piece that moves at once.
    pub(crate) piece: usize,
    pub(crate) to_switch: Vec<u8>,
    pub(crate) to_controller: Vec<u8>,
    /// What becomes of octets on their way to the switch.
    pub(crate) damage: Damage,
    /// What the controller has read, and why it has given up.
    pub(crate) read: Vec<u8>,
    pub(crate) complaint: Option<rustls::Error>,
}

impl Wire {
    pub(crate) fn new(tls: &Tls, controller: Connection) -> Wire {
        let is_called = matches!(controller, Connection::Server(_));
        let switch = tls.begin(is_called).expect("there is memory");
        let (to_switch, to_controller, read) = (Vec::new(), Vec::with_capacity(1 << 20), Vec::new());
        let (now, piece, complaint) = (Some(NOW), usize::MAX, None);
        let damage = Box::new(|_: &mut [u8]| {});
        Wire { switch, controller, now, piece, to_switch, to_controller, damage, read, complaint }
    }

    /// Lets both sides talk until neither has anything to say; what the switch has read, or why it has given up.
    pub(crate) fn talk(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut read = Vec::new();
        let mut result = self.switch.begin(self.now);
        loop {
            self.collect();
            if result.is_err() || self.to_switch.is_empty() && self.to_controller.is_empty() {
                self.deliver();
                return result.map(|()| read);
            }
            self.deliver();
            self.collect();
            (self.damage)(&mut self.to_switch);
            result = self.serve(&mut read);
        }
    }

    /// Lets the switch take what has come.
    pub(crate) fn serve(&mut self, read: &mut Vec<u8>) -> Result<(), Trouble> {
        while !self.to_switch.is_empty() {
            let space = self.switch.space()?;
            let length = space.len().min(self.piece).min(self.to_switch.len());
            space[..length].copy_from_slice(&self.to_switch[..length]);
            self.to_switch.drain(..length);
            self.switch.received(length, self.now)?;
            let mut piece = [0; 1000];
            loop {
                let length = self.switch.read(&mut piece);
                read.extend(&piece[..length]);
                if length == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Has the switch say something.
    pub(crate) fn say(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            self.collect();
            assert!(self.switch.has_room());
            let count = self.switch.write(octets).expect("there is memory");
            octets = &octets[count..];
        }
    }

    /// Has the controller say something.
    pub(crate) fn hear(&mut self, octets: &[u8]) {
        self.controller.writer().write_all(octets).expect("memory takes all");
    }

    /// Takes what the switch wants to send.
    pub(crate) fn take_output(&mut self) {
        while !self.switch.output().is_empty() {
            let output = self.switch.output();
            let length = output.len().min(self.piece);
            self.to_controller.extend(&output[..length]);
            self.switch.sent(length);
        }
    }

    /// Lets the controller take what there is for it, and say what it wants to.
    pub(crate) fn exchange(&mut self) {
        self.deliver();
        self.collect();
    }

    /// Takes what either side wants to send.
    fn collect(&mut self) {
        self.take_output();
        while self.controller.wants_write() {
            self.controller.write_tls(&mut self.to_switch).expect("memory takes all");
        }
    }

    /// Lets the controller take what has come.
    fn deliver(&mut self) {
        let sent = self.to_controller.clone();
        self.to_controller.clear();
        let mut rest = &sent[..];
        while !rest.is_empty() && self.complaint.is_none() {
            self.controller.read_tls(&mut rest).expect("memory gives all");
            match self.controller.process_new_packets() {
                Ok(state) => {
                    let mut plain = vec![0; state.plaintext_bytes_to_read()];
                    self.controller.reader().read_exact(&mut plain).expect("what there is");
                    self.read.extend(plain);
                }
                Err(error) => self.complaint = Some(error),
            }
        }
    }
}
