//! What can go wrong at a socket: one small `Copy` enum, each variant a sentence.

use core::fmt;

use embedded_io_async::ErrorKind;

/// Why an operation on a socket, a stack or a device failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Another socket of this stack has the port.
    PortInUse,
    /// Every port of the dynamic range is taken.
    NoPortLeft,
    /// The limit on connections, sockets or groups is reached.
    TooManySockets,
    /// There is no memory for a connection or a socket.
    NoMemory,
    /// The interface has no address (yet, or any more).
    NotConfigured,
    /// No route leads to the address.
    Unreachable,
    /// The address cannot be a destination: unspecified, or port 0; or it is no group that can be joined or left.
    InvalidAddress,
    /// The datagram is larger than the interface can send in one packet.
    MessageTooLong,
    /// The peer answered the connection attempt with a reset.
    ConnectionRefused,
    /// The peer reset the connection.
    ConnectionReset,
    /// The peer stayed silent for longer than the timeout.
    TimedOut,
    /// This end has closed the connection for writing.
    Closed,
    /// The device or its ring failed.
    Device(unik_virtio::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::PortInUse => "another socket uses this port",
            Error::NoPortLeft => "no free port is left in the dynamic range",
            Error::TooManySockets => "the limit on sockets is reached",
            Error::NoMemory => "there is no memory for a socket",
            Error::NotConfigured => "the interface has no address",
            Error::Unreachable => "no route leads to the address: a gateway may be missing",
            Error::InvalidAddress => "the address cannot be a destination",
            Error::MessageTooLong => "the datagram does not fit into one packet",
            Error::ConnectionRefused => "the peer refused the connection",
            Error::ConnectionReset => "the peer reset the connection",
            Error::TimedOut => "the peer did not answer in time",
            Error::Closed => "this end has closed the connection",
            Error::Device(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for Error {}

impl From<unik_virtio::Error> for Error {
    fn from(error: unik_virtio::Error) -> Self {
        Error::Device(error)
    }
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::PortInUse | Error::NoPortLeft => ErrorKind::AddrInUse,
            Error::TooManySockets | Error::NoMemory => ErrorKind::OutOfMemory,
            Error::NotConfigured | Error::Unreachable => ErrorKind::AddrNotAvailable,
            Error::InvalidAddress | Error::MessageTooLong => ErrorKind::InvalidInput,
            Error::ConnectionRefused => ErrorKind::ConnectionRefused,
            Error::ConnectionReset => ErrorKind::ConnectionReset,
            Error::TimedOut => ErrorKind::TimedOut,
            Error::Closed => ErrorKind::BrokenPipe,
            Error::Device(_) => ErrorKind::Other,
        }
    }
}
