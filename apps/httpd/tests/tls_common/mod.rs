//! Conversations over TLS: a client of rustls at one end of a wire of octets, a server at the other.
#![allow(dead_code, reason = "each test file uses its part")]

use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use unik_httpd::tls::{Conversation, Error, Tls};
use unik_httpd::{File, Server, Session, Settings, Step};
use unik_sched::time::Instant;

/// A moment of the wall clock in the validity of all certificates here: in 2026.
pub(crate) const NOW: u64 = 1_790_000_000;

/// Files of the data.
pub(crate) type Files = Vec<(&'static str, &'static [u8])>;

/// A certificate signed by its own key, and that key, both as PEM.
pub(crate) fn certificate(
    names: &[&str],
    kind: &'static SignatureAlgorithm,
) -> (CertificateDer<'static>, String, String) {
    let key = KeyPair::generate_for(kind).expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    (certificate.der().clone(), certificate.pem(), key.serialize_pem())
}

pub(crate) fn leak(text: &str) -> &'static [u8] {
    text.to_owned().leak().as_bytes()
}

/// The site of all tests, with a page that takes many records.
pub(crate) fn site(settings: Settings) -> Server<'static> {
    let large: &'static [u8] = Box::leak(large().into_boxed_slice());
    let file = |path, contents| File { path, contents, modified: None };
    let files = [file("index.html", b"<p>Hello"), file("large.bin", large)];
    Server::load(&mut files.into_iter(), settings).expect("there is memory")
}

pub(crate) fn large() -> Vec<u8> {
    (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A clock that a test may turn, and what reads it.
pub(crate) fn clock() -> (Arc<AtomicU64>, unik_httpd::tls::Wall) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let read = clock.clone();
    (clock, Arc::new(move || Some(read.load(Ordering::Relaxed))))
}

pub(crate) fn load(files: &Files) -> Result<Rc<Tls>, Error> {
    Tls::load(&mut files.iter().copied(), clock().1).map(Rc::new)
}

/// A client that trusts these certificates.
pub(crate) fn client_config(
    trusted: &[&CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> Arc<ClientConfig> {
    #[derive(Debug)]
    struct Fixed;
    impl rustls::time_provider::TimeProvider for Fixed {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(NOW)))
        }
    }
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Fixed));
    let builder = builder.with_protocol_versions(versions).expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

pub(crate) fn client(config: &Arc<ClientConfig>, name: &'static str) -> ClientConnection {
    let name = ServerName::try_from(name).expect("a name");
    ClientConnection::new(config.clone(), name).expect("a client")
}

/// How the server left the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Shut,
    Closed,
    Aborted,
}

/// The server's end of a wire.
pub(crate) struct Wire<'s> {
    pub(crate) server: &'s Server<'static>,
    pub(crate) conversation: Conversation<'static>,
    pub(crate) now: Instant,
    /// The longest piece that is moved at once.
    pub(crate) piece: usize,
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    pub(crate) end: Option<End>,
}

impl<'s> Wire<'s> {
    pub(crate) fn new(server: &'s Server<'static>, tls: &Rc<Tls>) -> Self {
        let session = Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO);
        let conversation = tls.begin(session).expect("there is memory");
        let (to_server, to_client) = (Vec::new(), Vec::new());
        Self { server, conversation, now: Instant::ZERO, piece: usize::MAX, to_server, to_client, end: None }
    }

    /// Lets the server take what has arrived, and say what it has to say.
    pub(crate) fn serve(&mut self) {
        while self.end != Some(End::Closed) && self.end != Some(End::Aborted) {
            match self.conversation.advance(self.server, self.now, Some(NOW)) {
                Step::Write => {
                    let output = self.conversation.output();
                    assert!(!output.is_empty(), "there is something to write");
                    let length = output.len().min(self.piece);
                    self.to_client.extend_from_slice(&output[..length]);
                    self.conversation.sent(length, self.server.settings(), self.now);
                }
                Step::Read if self.to_server.is_empty() => return,
                Step::Read => {
                    let space = self.conversation.space();
                    assert!(!space.is_empty(), "there is room to read into");
                    let length = space.len().min(self.piece).min(self.to_server.len());
                    space[..length].copy_from_slice(&self.to_server[..length]);
                    self.to_server.drain(..length);
                    self.conversation.received(length);
                }
                Step::Shut => self.end = Some(End::Shut),
                Step::Close => self.end = Some(End::Closed),
                Step::Abort => self.end = Some(End::Aborted),
            }
        }
    }

    /// Lets both sides talk until neither has anything to say; what the client has read, or why it gave up.
    pub(crate) fn talk(&mut self, client: &mut ClientConnection) -> Result<Vec<u8>, rustls::Error> {
        let mut read = Vec::new();
        loop {
            let mut moved = false;
            while client.wants_write() {
                client.write_tls(&mut self.to_server).expect("memory takes all");
                moved = true;
            }
            self.serve();
            let mut waiting = std::mem::take(&mut self.to_client);
            let mut rest = &waiting[..];
            while !rest.is_empty() {
                moved = true;
                let length = client.read_tls(&mut rest).expect("memory gives all");
                assert!(length > 0, "nothing comes behind the end: {}", rest.escape_ascii());
                let state = client.process_new_packets()?;
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                client.reader().read_exact(&mut plain).expect("what there is");
                read.extend(plain);
            }
            waiting.clear();
            if !moved {
                return Ok(read);
            }
        }
    }

    /// Asks for a target; the whole response.
    pub(crate) fn get(
        &mut self,
        client: &mut ClientConnection,
        target: &str,
    ) -> Result<Vec<u8>, rustls::Error> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: example.org\r\n\r\n");
        client.writer().write_all(request.as_bytes()).expect("memory takes all");
        self.talk(client)
    }
}

/// What is behind the head of a response.
#[track_caller]
pub(crate) fn contents(response: &[u8]) -> &[u8] {
    assert!(
        response.starts_with(b"HTTP/1.1 200 OK\r\n"),
        "{}",
        response[..response.len().min(200)].escape_ascii()
    );
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("a head ends");
    &response[end + 4..]
}
