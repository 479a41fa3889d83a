//! What a conversation with a controller needs of a connection: octets both ways, and an end.

use core::fmt;
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

    /// Waits until what was taken is with the network.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more comes, as far as that is more than the end of the connection. It is to be flushed.
    fn end(&mut self) {}

    /// Ends at once, without what is on its way.
    fn abort(&mut self);
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The network failed.
    Net(Error),
    /// The other side is refused, or refuses, as this sentence says of it.
    #[cfg(feature = "tls")]
    Refused(&'static str),
    /// There is no memory for it.
    #[cfg(feature = "tls")]
    Memory,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Refused(sentence) => f.write_str(sentence),
            #[cfg(feature = "tls")]
            Self::Memory => f.write_str("there is no memory for it"),
        }
    }
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
