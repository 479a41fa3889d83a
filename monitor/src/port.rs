//! The seam between a session and whatever carries its bytes.

use alloc::rc::Rc;

use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_virtio::Buffer;

/// One end of a stream to the host, which somebody there may open, close, and forget to read.
///
/// Nothing blocks. Before the task of the channel sleeps it calls [`arm`](Port::arm); when that returns false, the port
/// sets its [`event`](Port::event) as soon as there is news.
pub trait Port {
    /// Whether somebody opened or closed the port since the last call: a conversation, if there was one, is over.
    ///
    /// To be asked behind [`receive`](Port::receive) as well, before the bytes are looked at: whoever opens the port does
    /// so before sending anything, and may do both between two calls.
    fn restarted(&mut self) -> bool;

    /// The next bytes from the host, in the buffer they came in. `None`: nothing for now.
    fn receive(&mut self) -> Option<Buffer>;

    /// Gives a buffer back that [`receive`](Port::receive) handed out, for more bytes.
    fn give_back(&mut self, buffer: Buffer);

    /// An empty buffer to fill and send. `None` while nobody listens, or the host has not read what was sent before.
    fn allocate(&mut self) -> Option<Buffer>;

    /// Sends the bytes of a buffer; they may lie there until the next [`flush`](Port::flush).
    fn send(&mut self, buffer: Buffer);

    /// Tells the host of everything since the last call.
    fn flush(&mut self);

    /// Whether the host has taken everything that was sent.
    fn is_drained(&mut self) -> bool;

    /// Wants to be told of news: of bytes from the host if `listens`, of room for more to send where there was none, and
    /// of an opening or closing. True if there is news already: do not sleep then.
    fn arm(&mut self, listens: bool) -> bool;

    /// Wants no news, and takes note of what was told.
    fn disarm(&mut self);

    /// What is set when there is news.
    fn event(&self) -> Event;

    /// What the port has counted.
    fn counters(&self) -> Rc<dyn CounterSet>;
}
