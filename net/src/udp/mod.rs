//! UDP sockets (RFC 768).
//!
//! Receiving goes through a bounded queue per socket ([`table`]). Sending goes straight into a frame of the card
//! ([`send`]).

pub(crate) mod header;
pub(crate) mod send;
pub(crate) mod table;

use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use unik_sched::time::Time;

use crate::{
    error::Error,
    ip::address::{Address, End, socket_address},
    stack::Shared,
};

/// A UDP socket bound to one port. Dropping it closes it.
pub struct UdpSocket {
    pub(crate) stack: Shared,
    pub(crate) time: Time,
    pub(crate) port: u16,
}

impl UdpSocket {
    /// The port that the socket is bound to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for a datagram, copies it to the beginning of `datagram` and returns its length and its sender. What
    /// does not fit is cut off, and counted. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// None today: what comes from outside is never an error here.
    pub fn receive_from(
        &mut self,
        datagram: &mut [u8],
    ) -> impl Future<Output = Result<(usize, SocketAddr), Error>> {
        poll_fn(move |context| self.poll_receive_from(context, datagram))
    }

    /// The same without `async`, for callers that poll several sources.
    ///
    /// # Errors
    /// See [`UdpSocket::receive_from`].
    pub fn poll_receive_from(
        &mut self,
        context: &mut Context<'_>,
        datagram: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr), Error>> {
        let stack = &mut *self.stack.borrow_mut();
        // There is one as long as this exists.
        let Some(bound) = stack.udp.find_mut(self.port) else { return Poll::Pending };
        if let Ok((sender, payload)) = bound.queue.dequeue() {
            if payload.len() > datagram.len() {
                stack.counters.udp_rx_truncated.increment();
            }
            let length = payload.len().min(datagram.len());
            datagram[..length].copy_from_slice(&payload[..length]);
            return Poll::Ready(Ok((length, socket_address(sender))));
        }
        bound.waker = Some(context.waker().clone());
        self.time.waiting("udp receive");
        Poll::Pending
    }

    /// Sends one datagram. Waits while the card has no room. As UDP promises no delivery, a datagram that no route
    /// leads for, or whose next hop does not answer, is dropped and counted: an answer to a sender that cannot be
    /// reached is no error of the application. What is sent to a group stays on the link (RFC 1112, 6.1).
    ///
    /// # Errors
    /// [`Error::InvalidAddress`], [`Error::MessageTooLong`].
    pub fn send_to(
        &mut self,
        datagram: &[u8],
        destination: SocketAddr,
    ) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |context| self.poll_send_to(context, datagram, destination))
    }

    /// The same without `async`.
    ///
    /// # Errors
    /// See [`UdpSocket::send_to`].
    pub fn poll_send_to(
        &mut self,
        context: &mut Context<'_>,
        datagram: &[u8],
        destination: SocketAddr,
    ) -> Poll<Result<(), Error>> {
        let destination = end(destination);
        if !send::is_destination(destination) {
            return Poll::Ready(Err(Error::InvalidAddress));
        }
        let now = self.time.now();
        let sent = self.stack.borrow_mut().poll_send(context.waker(), now, self.port, datagram, destination);
        if sent.is_pending() {
            self.time.waiting("udp send");
        }
        sent
    }

    /// The largest datagram that [`UdpSocket::send_to`] takes, in bytes: to addresses of IPv4; to those of IPv6 it is 20
    /// less.
    pub fn datagram_limit(&self) -> usize {
        self.stack.borrow().datagram_limit(false)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let stack = &mut *self.stack.borrow_mut();
        if stack.groups.leave(None, self.port, &mut stack.link) {
            stack.request();
        }
        stack.udp.remove(self.port);
        stack.counters.udp_closed.increment();
    }
}

/// An end as the standard library writes it. An IPv4 address may be written as IPv6 (`::ffff:10.0.0.1`).
pub(crate) fn end(address: SocketAddr) -> End {
    (Address::from(address.ip()), address.port())
}
