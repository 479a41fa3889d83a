//! HTTPS: TLS 1.3 and 1.2 by rustls (RFC 8446, RFC 5246), as a layer between a stream and a [`Session`](crate::Session).
//!
//! [`Tls::load`] reads certificates and keys, [`Tls::begin`] makes a [`Conversation`] of a session, which the service drives
//! as it drives a session. All of it is sans-IO. Neighbours: without the feature `tls`, `plain.rs` stands in the place of this
//! module, and nothing of it is left. Invariant: no early data, no client's certificates, no key of a server ever leaves.

mod conversation;
mod credentials;
mod der;
mod door;
mod secure;
mod ticket;

pub use conversation::Conversation;
pub use door::Door;

use crate::session::Session;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec;
use core::fmt;
use credentials::Credentials;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::ring::cipher_suite;
use rustls::pki_types::UnixTime;
use rustls::server::UnbufferedServerConnection;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite};
use secure::Secure;
use ticket::Tickets;
use unik_sched::counter::CounterSet;
use unik_sched::has_memory;
pub use unik_tls::{BadCredentials, Error};

/// Tells the seconds since the Unix epoch, where there is a clock.
pub type Wall = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// The one protocol that is spoken over TLS here (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";
/// What rustls takes in one turn of a handshake, beside so many copies of the chain of certificates. That it is enough is tried in
/// tests/tls_memory.rs.
const HANDSHAKE_MEMORY: usize = 24 * 1024;
const CHAIN_COPIES: usize = 4;
/// What the state of a connection takes when it begins.
const CONNECTION_MEMORY: usize = 8 * 1024;
const CONNECTION_BLOCKS: usize = 16;

unik_sched::counters! {
    /// What happened to connections of TLS.
    pub struct Counters {
        /// Handshakes that came to an end.
        handshakes,
        /// Those of them that went on where an earlier connection was.
        resumptions,
        /// Handshakes that could not be: no version, suite or protocol in common, or something broken.
        failed_handshakes,
        /// Handshakes that took too long.
        slow_handshakes,
        /// Connections broken off behind the handshake, by records that are none.
        failures,
        /// Connections that spoke HTTP without TLS.
        plain_requests,
        /// Connections ended because there was no memory for them.
        no_memory,
    }
}

/// Suites of TLS 1.2, behind those of 1.3.
static OLDER: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];
/// Certificates of others are never verified: clients have none.
const NOBODY: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms { all: &[], mapping: &[] };

/// What all connections of TLS share.
pub struct Tls {
    config: Arc<ServerConfig>,
    handshake_memory: usize,
    counters: Counters,
}

impl Tls {
    /// Reads certificates and keys out of `files`, of which it looks at those below `tls/`.
    ///
    /// # Errors
    /// [`Error::Credentials`] names the file that is wrong; [`Error::NoRandomness`].
    #[inline(never)]
    pub fn load(
        files: &mut dyn Iterator<Item = (&'static str, &'static [u8])>,
        wall: Wall,
    ) -> Result<Self, Error> {
        let credentials = Credentials::load(files)?;
        credentials.report(wall());
        let handshake_memory = HANDSHAKE_MEMORY + CHAIN_COPIES * credentials.longest();
        let tickets = Tickets::try_new(wall.clone()).ok_or(Error::NoRandomness)?;
        let provider = Arc::new(unik_tls::provider(&OLDER, NOBODY));
        let builder = ServerConfig::builder_with_details(provider, Arc::new(Moment(wall)));
        let builder =
            builder.with_protocol_versions(&[&TLS13, &TLS12]).expect("there are suites for both versions");
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(credentials));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.ticketer = Arc::new(tickets);
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), handshake_memory, counters: Counters::new() })
    }

    /// Puts a session behind TLS. `None` where there is no memory for that.
    #[inline(never)]
    pub fn begin<'a>(self: &Rc<Self>, session: Session<'a>) -> Option<Conversation<'a>> {
        let bytes = size_of::<Secure<'_>>() + CONNECTION_MEMORY;
        let connection = has_memory(bytes, CONNECTION_BLOCKS)
            .then(|| UnbufferedServerConnection::new(self.config.clone()).ok())
            .flatten();
        let Some(connection) = connection else {
            self.counters.no_memory.increment();
            return None;
        };
        Some(Conversation::secure(Box::new(Secure::new(session.secured(), connection, self.clone()))))
    }

    /// What one turn of a handshake may take.
    pub(crate) fn handshake_memory(&self) -> usize {
        self.handshake_memory
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// What it has counted, for whoever keeps a register of such.
impl CounterSet for Tls {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        self.counters.visit(visit);
    }
}

/// The clock as rustls wants it. Without one it is always the same moment, which matters to nothing but the age of tickets,
/// and those end with the machine.
struct Moment(Wall);

impl TimeProvider for Moment {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = (self.0)().unwrap_or(0);
        Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

/// Whether a session is behind TLS.
#[derive(Clone, Copy)]
pub(crate) struct Scheme {
    is_secure: bool,
}

impl Scheme {
    pub(crate) const PLAIN: Self = Self { is_secure: false };
    pub(crate) const SECURE: Self = Self { is_secure: true };

    /// Whether it is TLS.
    #[inline]
    pub(crate) fn is_secure(self) -> bool {
        self.is_secure
    }

    /// Whether clients are to come back over TLS, and to which port.
    #[inline]
    pub(crate) fn leads_to(self, redirect: Option<u16>) -> Option<u16> {
        redirect.filter(|_| !self.is_secure)
    }
}
