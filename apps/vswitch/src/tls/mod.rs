//! TLS between switch and controller: TLS 1.3 by rustls (RFC 8446), where each side shows a certificate.
//!
//! [`Tls::load`] reads key and certificates, and [`Tls::begin`] makes a [`Channel`] of a connection: octets of records in and out on
//! one side, plain octets on the other. All of it is sans-IO; the date is handed in. Neighbours: without the feature `tls` nothing
//! of it is there, and `service/secure.rs` is what moves octets. Invariant: nothing plain passes before the other side has
//! shown a certificate that an authority in `tls/` has signed.

mod channel;
mod credentials;
mod peers;

use channel::Side;
pub use channel::{Channel, Trouble};

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use credentials::Credentials;
use peers::{SIGNATURES, Signed};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use unik_sched::has_memory;
pub use unik_tls::{BadCredentials, Error};

/// What the state of a connection takes when it begins.
const CONNECTION_MEMORY: usize = 12 * 1024;
const CONNECTION_BLOCKS: usize = 24;

/// What all connections of TLS share.
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    moment: Arc<Moment>,
}

impl Tls {
    /// Reads key, certificate and authorities, of which `read` gives the file of a name.
    ///
    /// # Errors
    /// [`Error::Credentials`] names the file that is wrong; [`Error::NoRandomness`].
    #[inline(never)]
    pub fn load(read: &dyn Fn(&str) -> Option<&'static [u8]>) -> Result<Self, Error> {
        let Credentials { own, authorities } = Credentials::load(read)?;
        unik_tls::random(&mut [0; 8]).ok_or(Error::NoRandomness)?;
        let (provider, moment) =
            (Arc::new(unik_tls::provider(&[], SIGNATURES)), Arc::new(Moment(AtomicU64::new(0))));
        let algorithms = provider.signature_verification_algorithms;
        let versions = &[&TLS13];
        let known = "there are suites for it";

        let builder = ClientConfig::builder_with_details(provider.clone(), moment.clone());
        let builder = builder.with_protocol_versions(versions).expect(known).dangerous();
        let signed = Arc::new(Signed { authorities, algorithms });
        let builder = builder.with_custom_certificate_verifier(signed.clone());
        let mut client = builder.with_client_cert_resolver(own.clone());
        client.resumption = Resumption::disabled();
        client.enable_sni = false;

        let builder = ServerConfig::builder_with_details(provider, moment.clone());
        let builder = builder.with_protocol_versions(versions).expect(known);
        let mut server = builder.with_client_cert_verifier(signed).with_cert_resolver(own);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server), moment })
    }

    /// Begins with a controller that was called, or has called. `None` where there is no memory for that.
    #[inline(never)]
    pub fn begin(&self, is_called: bool) -> Option<Channel> {
        if !has_memory(CONNECTION_MEMORY, CONNECTION_BLOCKS) {
            return None;
        }
        let moment = self.moment.clone();
        let side = if is_called {
            // It is not told, and no certificate has to bear it.
            let name = ServerName::try_from("controller").ok()?;
            Side::Client(UnbufferedClientConnection::new(self.client.clone(), name).ok()?)
        } else {
            Side::Server(UnbufferedServerConnection::new(self.server.clone()).ok()?)
        };
        Some(Channel::new(side, moment))
    }
}

/// The date as rustls wants it, in seconds since the Unix epoch, as of the last call; zero where nobody knows it. Then no
/// certificate is good.
struct Moment(AtomicU64);

impl Moment {
    fn set(&self, seconds: Option<u64>) {
        self.0.store(seconds.unwrap_or(0), Ordering::Relaxed);
    }
}

impl TimeProvider for Moment {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != 0)?;
        Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}
