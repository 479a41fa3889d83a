//! UDP sockets (RFC 768).
//!
//! Receiving goes through a bounded queue per socket ([`table`]). Sending goes straight into a frame of the card,
//! or waits in the [`outbox`] while the next hop's hardware address is asked for: a destination that does not
//! answer holds up nobody else.

pub(crate) mod outbox;
pub(crate) mod table;

use core::{
    future::poll_fn,
    net::{IpAddr, SocketAddr, SocketAddrV4},
    task::{Context, Poll},
};

use smoltcp::wire::{IpAddress, IpEndpoint};
use unik_sched::time::Time;

use crate::{error::Error, stack::Shared};

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
        let socket = bound.socket_mut();
        while let Ok((payload, sender)) = socket.recv() {
            let port = sender.endpoint.port;
            let IpAddr::V4(address) = sender.endpoint.addr.into() else { continue };
            // RFC 768: a source port of zero is none.
            if port == 0 {
                stack.counters.udp_rx_unanswerable.increment();
                continue;
            }
            if payload.len() > datagram.len() {
                stack.counters.udp_rx_truncated.increment();
            }
            let length = payload.len().min(datagram.len());
            datagram[..length].copy_from_slice(&payload[..length]);
            return Poll::Ready(Ok((length, SocketAddrV4::new(address, port).into())));
        }
        socket.register_recv_waker(context.waker());
        self.time.waiting("udp receive");
        Poll::Pending
    }

    /// Sends one datagram. Waits while the card has no room. As UDP promises no delivery, a datagram that no route
    /// leads for, or whose next hop does not answer, is dropped and counted: an answer to a sender that cannot be
    /// reached is no error of the application.
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
        let destination = match destination {
            SocketAddr::V4(to) if to.port() != 0 && !to.ip().is_unspecified() => to,
            _ => return Poll::Ready(Err(Error::InvalidAddress)),
        };
        let now = self.time.now();
        let sent = self.stack.borrow_mut().poll_send(context.waker(), now, self.port, datagram, destination);
        if sent.is_pending() {
            self.time.waiting("udp send");
        }
        sent
    }

    /// The largest datagram that [`UdpSocket::send_to`] takes, in bytes.
    pub fn datagram_limit(&self) -> usize {
        self.stack.borrow().datagram_limit()
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let stack = &mut *self.stack.borrow_mut();
        stack.udp.remove(self.port);
        stack.counters.udp_closed.increment();
    }
}

/// An endpoint in smoltcp's words.
pub(crate) fn endpoint(address: SocketAddrV4) -> IpEndpoint {
    IpEndpoint { addr: IpAddress::Ipv4(*address.ip()), port: address.port() }
}

/// The IPv4 form of an address that may be written as IPv6 (`::ffff:10.0.0.1`).
pub(crate) fn to_v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address.ip() {
        IpAddr::V4(ip) => Some(SocketAddrV4::new(ip, address.port())),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map(|ip| SocketAddrV4::new(ip, address.port())),
    }
}
