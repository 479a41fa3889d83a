//! TCP (RFC 9293): listeners and streams over smoltcp's sockets.
//!
//! smoltcp has no backlog: a socket must be listening before the SYN arrives. Here none ever waits. When a SYN for a
//! listener comes in, [`table`] prepares one socket for it just before the stack sees the frame, as long as the
//! backlog and the limit on connections allow; otherwise the stack finds no socket and answers with a reset. An idle
//! listener therefore costs no memory, whatever its backlog.
//!
//! What smoltcp knows of a connection's quality it keeps to itself: a [`meter`] per connection measures it anew, from
//! the segments that pass the card.

pub(crate) mod listener;
pub(crate) mod meter;
pub(crate) mod segment;
pub(crate) mod stream;
pub(crate) mod table;

pub use listener::TcpListener;
pub use stream::{TcpReader, TcpStream, TcpWriter};
