//! What stands in the place of TLS in images without it: nothing.

use crate::service::Data;
pub use crate::session::Session as Conversation;
use unik::{Clock, Counters, Failure};

/// Where connections come in: without TLS there is one way.
#[derive(Clone)]
pub struct Door;

impl Door {
    /// The one way.
    ///
    /// # Errors
    /// Never.
    #[inline]
    pub fn open(_: &Data, _: &Clock, _: &Counters) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Each way with the name of its task and its port, of which this is the one of HTTP.
    #[inline]
    pub(crate) fn entrances(self, port: u16) -> [(&'static str, u16, Self); 1] {
        [("http", port, self)]
    }

    /// What a session becomes that came in here.
    #[inline]
    pub(crate) fn begin<'a>(&self, session: Conversation<'a>) -> Option<Conversation<'a>> {
        Some(session)
    }
}

/// Without TLS there is one kind of connection.
#[derive(Clone, Copy)]
pub(crate) struct Scheme;

impl Scheme {
    pub(crate) const PLAIN: Self = Self;

    /// It is never TLS.
    #[inline]
    pub(crate) fn is_secure(self) -> bool {
        false
    }

    /// There is no other way to come back.
    #[inline]
    pub(crate) fn leads_to(self, _: Option<u16>) -> Option<u16> {
        None
    }
}
