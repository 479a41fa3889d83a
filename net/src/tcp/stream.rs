//! A connection as the application holds it.

use core::{
    cell::Cell,
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use embedded_io_async::{ErrorType, Read, Write};
use smoltcp::socket::tcp::{RecvError, Socket, State};
use unik_sched::time::{Duration, Time};

use crate::{
    error::Error,
    stack::{Shared, duration},
    tcp::connection::{Connection, has_fin},
};

/// A TCP connection.
///
/// * `read` returns 0 once the peer has closed its half and everything before that was read.
/// * `write` queues bytes; [`Write::flush`] waits until the peer has acknowledged them.
/// * [`TcpStream::close`] closes this half only: reading goes on.
/// * Dropping a stream sends what is queued and a FIN in the background, for a bounded time.
///
/// All waits can be cancelled without losing bytes.
pub struct TcpStream {
    end: End,
}

/// The reading half of a [`TcpStream::split`].
pub struct TcpReader<'a> {
    end: &'a End,
}

/// The writing half of a [`TcpStream::split`].
pub struct TcpWriter<'a> {
    end: &'a End,
}

impl TcpStream {
    pub(crate) fn new(stack: Shared, time: Time, number: u32, peer: SocketAddr) -> Self {
        let (eof, closed) = (Cell::new(false), Cell::new(false));
        TcpStream { end: End { stack, time, number, peer, eof, closed } }
    }

    /// Waits until the connection that was begun is established.
    pub(crate) async fn established(self) -> Result<TcpStream, Error> {
        poll_fn(|context| self.end.poll_established(context)).await?;
        Ok(self)
    }

    /// The other end.
    pub fn peer_address(&self) -> SocketAddr {
        self.end.peer
    }

    /// Resets the connection when nothing was heard from the peer for so long; operations then fail with
    /// [`Error::TimedOut`]. `None`, the default, waits forever. With [`TcpStream::set_keep_alive`] a silent but
    /// living peer is heard from.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.end.with(|socket| socket.set_timeout(timeout.map(duration)));
    }

    /// Probes the peer after so long a silence (RFC 9293, 3.8.4). `None`, the default, does not.
    pub fn set_keep_alive(&mut self, interval: Option<Duration>) {
        if let Some(connection) = self.end.stack.borrow_mut().tcp.get_mut(self.end.number) {
            connection.keep_alive = interval;
        }
        self.end.with(|_| {});
    }

    /// Holds back small segments while others are unacknowledged (RFC 896), which costs time and saves packets. Off
    /// by default: what is written in one turn goes out together in any case.
    pub fn set_nagle(&mut self, enabled: bool) {
        self.end.with(|socket| socket.set_nagle_enabled(enabled));
    }

    /// Closes this half of the connection: FIN after everything written. Waits until the peer has acknowledged it.
    /// Reading goes on until the peer closes its half.
    ///
    /// # Errors
    /// [`Error::ConnectionReset`] or [`Error::TimedOut`] when the peer did not take everything.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.end.begin_close();
        poll_fn(|context| self.end.poll_closed(context)).await
    }

    /// Resets the connection: the peer sees an error, and what is queued is dropped.
    pub fn abort(&mut self) {
        self.end.closed.set(true);
        self.end.with(Socket::abort);
    }

    /// Two halves for two concurrent futures of one task.
    pub fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        (TcpReader { end: &self.end }, TcpWriter { end: &self.end })
    }
}

impl TcpWriter<'_> {
    /// See [`TcpStream::close`].
    ///
    /// # Errors
    /// See [`TcpStream::close`].
    pub async fn close(&mut self) -> Result<(), Error> {
        self.end.begin_close();
        poll_fn(|context| self.end.poll_closed(context)).await
    }
}

/// The operations, by shared reference, so that two halves can use them.
struct End {
    stack: Shared,
    time: Time,
    /// The number of its connection.
    number: u32,
    peer: SocketAddr,
    /// The peer's FIN has come, and everything before it was read.
    eof: Cell<bool>,
    /// This end has closed or aborted.
    closed: Cell<bool>,
}

impl End {
    /// Changes the socket and lets the driver see to the consequences.
    fn with(&self, change: impl FnOnce(&mut Socket<'static>)) {
        let stack = &mut *self.stack.borrow_mut();
        if let Some(connection) = stack.tcp.get_mut(self.number) {
            change(connection.socket_mut());
        }
        stack.touch(self.number);
    }

    /// Looks at the connection, which exists as long as its stream, and perhaps lets the driver see to it.
    fn poll<T>(
        &self,
        look: impl FnOnce(&mut Connection, &mut bool) -> Poll<Result<T, Option<Error>>>,
    ) -> Poll<Result<T, Error>> {
        let stack = &mut *self.stack.borrow_mut();
        let Some(connection) = stack.tcp.get_mut(self.number) else { return Poll::Ready(Err(Error::Closed)) };
        let mut touched = false;
        let looked = look(connection, &mut touched);
        let reset = connection.reset;
        if touched {
            stack.touch(self.number);
        }
        // Why a closed connection is closed.
        looked.map_err(|error| match error {
            Some(error) => error,
            None if reset => Error::ConnectionReset,
            None if self.closed.get() => Error::Closed,
            None if stack.link.host.is_lost() => Error::NotConfigured,
            None => Error::TimedOut,
        })
    }

    fn poll_established(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(|connection, _| {
            let reset = connection.reset;
            let socket = connection.socket_mut();
            match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_recv_waker(context.waker());
                    self.time.waiting("tcp connect");
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(reset.then_some(Error::ConnectionRefused))),
                _ => {
                    socket.set_timeout(None);
                    Poll::Ready(Ok(()))
                }
            }
        })
    }

    fn poll_read(&self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize, Error>> {
        if bytes.is_empty() || self.eof.get() {
            return Poll::Ready(Ok(0));
        }
        self.poll(|connection, touched| {
            let finished = connection.finished;
            let socket = connection.socket_mut();
            let queued = socket.recv_queue();
            // There is nothing most times, behind what was read before: the buffer is not looked into for that.
            let read = if queued == 0 && socket.may_recv() { Ok(0) } else { socket.recv_slice(bytes) };
            match read {
                Ok(0) => {
                    socket.register_recv_waker(context.waker());
                    self.time.waiting("tcp read");
                    Poll::Pending
                }
                Ok(length) => {
                    // The window offered to the peer grows noticeably only when at least half of it was used up.
                    *touched = queued >= socket.recv_capacity() / 2;
                    self.eof.set(has_fin(socket.state()) && !socket.can_recv());
                    Poll::Ready(Ok(length))
                }
                Err(error) => {
                    let length = connection.read_leftover(bytes);
                    if length == 0 && error != RecvError::Finished && !finished {
                        return Poll::Ready(Err(None));
                    }
                    self.eof.set(length == 0);
                    Poll::Ready(Ok(length))
                }
            }
        })
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        self.poll(|connection, touched| {
            if self.closed.get() {
                return Poll::Ready(Err(None));
            }
            let socket = connection.socket_mut();
            // Where the buffer cannot take all, it takes half of what it holds or nothing: each acknowledgement would let a segment of
            // its size go, and the peer acknowledge that. What waits is on its way, so that much comes free.
            let room = socket.send_capacity() - socket.send_queue();
            let wanted = bytes.len().min(socket.send_capacity() / 2);
            let sent = if socket.may_send() && room < wanted { Ok(0) } else { socket.send_slice(bytes) };
            match sent {
                Ok(0) if !bytes.is_empty() => {
                    socket.register_send_waker(context.waker());
                    self.time.waiting("tcp write");
                    Poll::Pending
                }
                Ok(length) => {
                    *touched = true;
                    Poll::Ready(Ok(length))
                }
                Err(_) => Poll::Ready(Err(None)),
            }
        })
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(|connection, _| {
            let socket = connection.socket_mut();
            if socket.send_queue() == 0 {
                return Poll::Ready(Ok(()));
            }
            if socket.state() == State::Closed {
                return Poll::Ready(Err(None));
            }
            socket.register_send_waker(context.waker());
            self.time.waiting("tcp flush");
            Poll::Pending
        })
    }

    fn begin_close(&self) {
        self.closed.set(true);
        let stack = &mut *self.stack.borrow_mut();
        if let Some(connection) = stack.tcp.get_mut(self.number) {
            connection.close();
        }
        stack.touch(self.number);
    }

    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(|connection, _| {
            let reset = connection.reset;
            let closing = connection.closing;
            let socket = connection.socket_mut();
            match socket.state() {
                State::FinWait1 | State::Closing | State::LastAck | State::CloseWait
                    if closing || socket.state() != State::CloseWait =>
                {
                    socket.register_send_waker(context.waker());
                    self.time.waiting("tcp close");
                    Poll::Pending
                }
                State::Closed if reset => Poll::Ready(Err(Some(Error::ConnectionReset))),
                State::Closed if socket.send_queue() > 0 => Poll::Ready(Err(Some(Error::TimedOut))),
                _ => Poll::Ready(Ok(())),
            }
        })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let now = self.time.now();
        self.stack.borrow_mut().part(self.number, now);
    }
}

impl ErrorType for TcpStream {
    type Error = Error;
}

impl ErrorType for TcpReader<'_> {
    type Error = Error;
}

impl ErrorType for TcpWriter<'_> {
    type Error = Error;
}

impl Read for TcpStream {
    fn read(&mut self, bytes: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |context| self.end.poll_read(context, bytes))
    }
}

impl Read for TcpReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |context| self.end.poll_read(context, bytes))
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |context| self.end.poll_write(context, bytes))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|context| self.end.poll_flush(context))
    }
}

impl Write for TcpWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, Error>> {
        poll_fn(move |context| self.end.poll_write(context, bytes))
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|context| self.end.poll_flush(context))
    }
}
