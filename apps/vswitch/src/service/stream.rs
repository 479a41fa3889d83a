//! What a conversation with a controller needs of a connection: octets both ways, and an end.

use core::pin::pin;
use core::task::{Context, Poll};
use unik::io::{Read as _, Write as _};
use unik::net::{Error, TcpStream};

/// A connection.
pub(super) trait Stream {
    /// Takes what has come, up to so much; none where the other side has said that nothing more comes.
    fn poll_read(&mut self, space: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>>;

    /// Gives octets to be sent; how many were taken.
    fn poll_write(&mut self, octets: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>>;

    /// Ends at once, without what is on its way.
    fn abort(&mut self);
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The network failed.
    Net(Error),
}

impl Stream for TcpStream {
    fn poll_read(&mut self, space: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        pin!(self.read(space)).poll(context).map_err(Trouble::Net)
    }

    fn poll_write(&mut self, octets: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, Trouble>> {
        pin!(self.write(octets)).poll(context).map_err(Trouble::Net)
    }

    fn abort(&mut self) {
        Self::abort(self);
    }
}
