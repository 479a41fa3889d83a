//! Datagrams answered in place: in the buffer that they came in, by a function that the driver task calls.
//!
//! A service that makes each answer from the datagram itself (names, time, echo) registers such a function for a port,
//! with [`Net::answer`], or with [`UdpSocket::answer`] beside a socket of its own, which gets what the function passes
//! on. Nothing is queued or copied, and no task but the driver's runs. [`packet`] judges the frames and turns their
//! headers round; [`table`] knows the functions. A stack holds the table as an [`InPlace`] that only a registration
//! makes, so an image without one links none of this.
//!
//! Whoever answers datagrams that ask nothing can be made to talk to another one like it for ever, by a single datagram
//! with a forged sender: a function should not answer answers, and echo and the like are for networks that one trusts.

pub mod packet;
mod table;

use alloc::boxed::Box;
use core::net::SocketAddr;

use unik_sched::time::Time;

use crate::{error::Error, link::Link, net::Net, socket_info::SocketInfo, stack::Shared, udp::UdpSocket};
use table::Table;

/// Where a datagram comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// The address and the port of this host that it was sent to.
    pub destination: SocketAddr,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What the [`Reply`] holds is sent to the datagram's sender.
    Answer,
    /// It goes to the socket of the port, as if there were no handler. One whose bytes were changed cannot, and is
    /// dropped and counted.
    Queue,
    /// Nobody sees it any more.
    Drop,
}

/// The place of a datagram's payload, in which the answer is made. It holds the payload at first, so a handler that
/// changes nothing sends that back.
pub struct Reply<'a> {
    /// From the first byte of the payload to the last that an answer may have.
    bytes: &'a mut [u8],
    length: usize,
    altered: bool,
}

impl<'a> Reply<'a> {
    fn new(bytes: &'a mut [u8], length: usize) -> Self {
        Reply { bytes, length, altered: false }
    }

    /// What it holds.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The length of the longest answer: one that fills a packet.
    pub fn room(&self) -> usize {
        self.bytes.len()
    }

    /// All the room, which begins with what it holds; behind that are bytes of earlier datagrams, for nobody to see.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.altered = true;
        self.bytes
    }

    /// Makes the first `length` bytes of the room what it holds.
    ///
    /// # Errors
    /// [`Error::MessageTooLong`] beyond [`Reply::room`]; nothing changes.
    pub fn set_len(&mut self, length: usize) -> Result<(), Error> {
        if length > self.room() {
            return Err(Error::MessageTooLong);
        }
        self.altered |= length != self.length;
        self.length = length;
        Ok(())
    }

    /// Replaces what it holds by a copy of `answer`.
    ///
    /// # Errors
    /// See [`Reply::set_len`].
    pub fn write(&mut self, answer: &[u8]) -> Result<(), Error> {
        self.set_len(answer.len())?;
        self.bytes_mut().get_mut(..answer.len()).unwrap_or_default().copy_from_slice(answer);
        Ok(())
    }
}

/// What answers the datagrams to a port.
pub(crate) type Handler = Box<dyn FnMut(&Datagram, &mut Reply<'_>) -> Verdict>;

/// The handlers of a stack, as the stack sees them.
pub(crate) trait InPlace {
    /// Looks at the frame in hand, which holds a datagram to `port`. True when nothing is left of it to do.
    fn receive(&mut self, port: u16, link: &mut Link) -> bool;

    /// Whether `port` has a handler.
    fn has(&self, port: u16) -> bool;

    /// What can be told of the handler at `index`.
    fn info(&self, index: usize, now: unik_sched::time::Instant) -> Option<SocketInfo>;

    /// How many handlers there are.
    fn len(&self) -> usize;

    /// The table itself.
    fn table(&mut self) -> &mut Table;
}

/// A handler of datagrams as it is registered. Dropping it takes the handler away.
#[must_use = "the handler is taken away when this is dropped"]
pub struct Answering {
    stack: Shared,
    port: u16,
}

impl Answering {
    /// The port whose datagrams are answered.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Its own statement: the handler is dropped when nothing is borrowed.
        let handler =
            self.stack.borrow_mut().in_place.as_mut().and_then(|table| table.table().remove(self.port));
        drop(handler);
    }
}

impl Net {
    /// Lets `handler` answer the datagrams to `port`, each in the buffer that it came in, until the returned value is
    /// dropped. What it sees is a datagram that was sent whole, to this host alone, by somebody who can be answered;
    /// others go to a socket of the port, if there is one, or are dropped.
    ///
    /// The driver task calls it and does nothing else meanwhile, so it should take microseconds. It may wake tasks
    /// ([`unik_sched::sync::Event`]) but must not use this network: the stack is in use, and a call of it would panic.
    ///
    /// ```
    /// # use unik_net::{Answering, Error, Net, Verdict};
    /// /// Says how long each datagram was.
    /// fn measure(net: &Net) -> Result<Answering, Error> {
    ///     net.answer(1000, |datagram, reply| {
    ///         let length = reply.payload().len() as u16;
    ///         match reply.write(&length.to_be_bytes()) {
    ///             Ok(()) if datagram.source.port() > 1023 => Verdict::Answer,
    ///             _ => Verdict::Drop,
    ///         }
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::PortInUse`] by a socket or another handler, [`Error::TooManySockets`], [`Error::NoMemory`],
    /// [`Error::InvalidAddress`] for port 0.
    pub fn answer(
        &self,
        port: u16,
        handler: impl FnMut(&Datagram, &mut Reply<'_>) -> Verdict + 'static,
    ) -> Result<Answering, Error> {
        if self.stack.borrow().udp.has(port) {
            return Err(Error::PortInUse);
        }
        register(&self.stack, &self.time, port, Box::new(handler))
    }
}

impl UdpSocket {
    /// Lets `handler` answer the datagrams to the socket's port in place, as [`Net::answer`] does; the socket receives
    /// what is left to it.
    ///
    /// # Errors
    /// [`Error::PortInUse`] by another handler, [`Error::TooManySockets`], [`Error::NoMemory`].
    pub fn answer(
        &self,
        handler: impl FnMut(&Datagram, &mut Reply<'_>) -> Verdict + 'static,
    ) -> Result<Answering, Error> {
        register(&self.stack, &self.time, self.port, Box::new(handler))
    }
}

/// Puts a handler into the table, which the first one makes.
#[inline(never)]
fn register(stack: &Shared, time: &Time, port: u16, handler: Handler) -> Result<Answering, Error> {
    let stack_in_use = &mut *stack.borrow_mut();
    let counters = &stack_in_use.counters;
    let table = stack_in_use.in_place.get_or_insert_with(|| Box::new(Table::new(counters.clone())));
    table.table().add(port, handler, time.now())?;
    Ok(Answering { stack: stack.clone(), port })
}
