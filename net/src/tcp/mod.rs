//! TCP (RFC 9293): listeners and streams over smoltcp's sockets.
//!
//! smoltcp shows every segment to every socket that it is given, and asks all of them when something is due. So each
//! connection has a set of sockets of its own ([`connection`]), an [`index`] finds the one that a segment names, and
//! [`table`] knows which of them need to be looked after: what a segment costs does not depend on how many connections
//! there are. [`listener`] is the way in, [`life`] what becomes of a connection, [`time_wait`] what is left of it.
//!
//! What smoltcp knows of a connection's quality it keeps to itself: a [`meter`] per connection measures it anew, from
//! the segments that pass the card. With that, [`recovery`] lets a connection go on where smoltcp would wait for long, or
//! for ever.

pub(crate) mod connection;
pub(crate) mod index;
pub(crate) mod lent;
pub(crate) mod life;
pub(crate) mod list;
pub(crate) mod listener;
pub(crate) mod meter;
mod recovery;
pub(crate) mod segment;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod time_wait;

pub use listener::{Listen, TcpListener};
pub use stream::{TcpReader, TcpStream, TcpWriter};
