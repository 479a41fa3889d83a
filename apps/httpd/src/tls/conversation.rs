//! A connection of either kind, with the methods of a [`Session`].

use super::secure::Secure;
use crate::server::Server;
use crate::session::{Session, Step};
use crate::settings::Settings;
use crate::stored::Section;
use alloc::boxed::Box;
use unik_sched::time::Instant;

/// A [`Session`], over TLS or without it.
pub struct Conversation<'a>(Kind<'a>);

#[expect(clippy::large_enum_variant, reason = "one without TLS is not to cost an allocation")]
enum Kind<'a> {
    Plain(Session<'a>),
    Secure(Box<Secure<'a>>),
}

impl<'a> From<Session<'a>> for Conversation<'a> {
    fn from(session: Session<'a>) -> Self {
        Self(Kind::Plain(session))
    }
}

impl<'a> Conversation<'a> {
    pub(super) fn secure(secure: Box<Secure<'a>>) -> Self {
        Self(Kind::Secure(secure))
    }

    fn session(&self) -> &Session<'a> {
        match &self.0 {
            Kind::Plain(session) => session,
            Kind::Secure(secure) => secure.session(),
        }
    }

    #[cfg(feature = "disk")]
    fn session_mut(&mut self) -> &mut Session<'a> {
        match &mut self.0 {
            Kind::Plain(session) => session,
            Kind::Secure(secure) => secure.session_mut(),
        }
    }

    /// As [`Session::space`].
    pub fn space(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Kind::Plain(session) => session.space(),
            Kind::Secure(secure) => secure.space(),
        }
    }

    /// As [`Session::received`].
    pub fn received(&mut self, length: usize) {
        match &mut self.0 {
            Kind::Plain(session) => session.received(length),
            Kind::Secure(secure) => secure.received(length),
        }
    }

    /// As [`Session::output`].
    pub fn output(&self) -> &[u8] {
        match &self.0 {
            Kind::Plain(session) => session.output(),
            Kind::Secure(secure) => secure.output(),
        }
    }

    /// As [`Session::sent`].
    pub fn sent(&mut self, length: usize, settings: &Settings, now: Instant) {
        match &mut self.0 {
            Kind::Plain(session) => session.sent(length, settings, now),
            Kind::Secure(secure) => secure.sent(length, settings, now),
        }
    }

    /// As [`Session::section`].
    #[inline]
    pub fn section(&self) -> Option<Section> {
        match &self.0 {
            Kind::Plain(session) => session.section(),
            Kind::Secure(secure) => secure.section(),
        }
    }

    /// As [`Session::enclose`].
    pub fn enclose(&mut self, contents: &[u8], server: &Server<'a>, now: Instant) -> bool {
        match &mut self.0 {
            Kind::Plain(session) => session.enclose(contents, server, now),
            Kind::Secure(secure) => secure.enclose(contents, server, now),
        }
    }

    /// As [`Session::found`].
    #[cfg(feature = "disk")]
    pub fn found(&mut self, server: &Server<'a>) {
        self.session_mut().found(server);
    }

    /// As [`Session::lost`].
    #[cfg(feature = "disk")]
    pub fn lost(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) {
        self.session_mut().lost(server, now, wall);
    }

    /// As [`Session::deadline`]: a handshake has the time of the first head.
    pub fn deadline(&self) -> Instant {
        self.session().deadline()
    }

    /// As [`Session::waits_since`].
    pub fn waits_since(&self) -> Instant {
        self.session().waits_since()
    }

    /// As [`Session::expire`].
    pub fn expire(&mut self, server: &Server<'a>, wall: Option<u64>) {
        match &mut self.0 {
            Kind::Plain(session) => session.expire(server, wall),
            Kind::Secure(secure) => secure.expire(server, wall),
        }
    }

    /// As [`Session::end`].
    pub fn end(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) {
        match &mut self.0 {
            Kind::Plain(session) => session.end(server, now, wall),
            Kind::Secure(secure) => secure.end(server, now, wall),
        }
    }

    /// As [`Session::finish`]. A handshake that is not over has come to nothing.
    pub fn finish(&mut self) {
        match &mut self.0 {
            Kind::Plain(session) => session.finish(),
            Kind::Secure(secure) => secure.finish(),
        }
    }

    /// As [`Session::is_last`].
    pub fn is_last(&self) -> bool {
        self.session().is_last()
    }

    /// As [`Session::advance`].
    pub fn advance(&mut self, server: &Server<'a>, now: Instant, wall: Option<u64>) -> Step {
        match &mut self.0 {
            Kind::Plain(session) => session.advance(server, now, wall),
            Kind::Secure(secure) => secure.advance(server, now, wall),
        }
    }
}
