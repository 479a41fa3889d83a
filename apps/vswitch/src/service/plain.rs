//! What stands in the place of TLS in images without it: nothing.

use super::Error;
use super::stream::Trouble;
use crate::settings::{OpenFlowSettings, Transport};
use unik::net::{Net, TcpStream};
use unik::{Failure, Files, Resource, System};

/// How a connection is made: without TLS there is one way.
pub(super) type Line = TcpStream;

/// What tells the date to TLS, where there is any.
pub struct Wall;

impl Resource for Wall {
    async fn take<const LOOKED: bool>(_: &System) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

/// The one way.
#[derive(Clone)]
pub(super) struct Door;

impl Door {
    #[inline]
    pub(super) fn open(_: &OpenFlowSettings, _: Option<&Files>, _: Wall) -> Result<Self, Error> {
        Ok(Self)
    }

    #[inline]
    pub(super) fn follow(&self, _: &Net) {}

    #[inline]
    pub(super) fn enter(&self, stream: TcpStream, _: Transport, _: bool) -> Result<Line, Trouble> {
        Ok(stream)
    }
}
