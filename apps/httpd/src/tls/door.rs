//! How the service comes by TLS: the one part of it that knows the system.

use super::{Conversation, Tls};
use crate::service::Data;
use crate::session::Session;
use alloc::rc::Rc;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use unik::{Clock, Counters, Failure};

/// The port of HTTPS (RFC 9110, 4.2.2).
const PORT: u16 = 443;

/// Where connections come in: with TLS, or without it.
#[derive(Clone)]
pub struct Door {
    tls: Rc<Tls>,
    is_secure: bool,
}

impl Door {
    /// The door without TLS, behind which is the other one. What that counts is registered.
    ///
    /// # Errors
    /// [`Failure::Configuration`] names the certificate or key that is wrong.
    pub fn open(data: &Data, clock: &Clock, counters: &Counters) -> Result<Self, Failure> {
        let clock = clock.clone();
        let wall = Arc::new(move || clock.since_epoch().map(|since| since.as_secs()));
        let tls = Tls::load(&mut data.in_memory(), wall);
        let tls = Rc::new(tls.map_err(|error| Failure::Configuration(error.to_string()))?);
        counters.register("httpd.tls", tls.clone());
        Ok(Self { tls, is_secure: false })
    }

    /// Both doors with the names of their tasks and their ports, of which this is the one of HTTP.
    pub(crate) fn entrances(self, port: u16) -> [(&'static str, u16, Self); 2] {
        let secure = Self { tls: self.tls.clone(), is_secure: true };
        [("http", port, self), ("https", PORT, secure)]
    }

    /// What a session becomes that came in here. `None` where there is no memory for that.
    pub(crate) fn begin<'a>(&self, session: Session<'a>) -> Option<Conversation<'a>> {
        if self.is_secure { self.tls.begin(session) } else { Some(session.into()) }
    }
}
