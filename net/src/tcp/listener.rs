//! Accepting connections.

use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use unik_sched::time::Time;

use crate::{error::Error, stack::Shared, tcp::stream::TcpStream};

/// Accepts connections to one port. Dropping it resets those that were not accepted yet.
pub struct TcpListener {
    pub(crate) stack: Shared,
    pub(crate) time: Time,
    pub(crate) id: u32,
    pub(crate) port: u16,
}

impl TcpListener {
    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next connection and returns it with the address of its peer. Cancelling the wait loses none.
    ///
    /// # Errors
    /// None today: connections that fail before they are accepted are dropped and counted.
    pub fn accept(&mut self) -> impl Future<Output = Result<(TcpStream, SocketAddr), Error>> {
        poll_fn(|context| self.poll_accept(context))
    }

    /// The same without `async`, for callers that poll several sources.
    ///
    /// # Errors
    /// See [`TcpListener::accept`].
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<(TcpStream, SocketAddr), Error>> {
        let accepted = self.stack.borrow_mut().accept(self.id, context.waker());
        match accepted {
            Some((handle, peer)) => {
                let stream = TcpStream::new(self.stack.clone(), self.time.clone(), handle, peer);
                Poll::Ready(Ok((stream, peer.into())))
            }
            None => {
                self.time.waiting("tcp accept");
                Poll::Pending
            }
        }
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let now = self.time.now();
        self.stack.borrow_mut().close_listener(self.id, now);
    }
}
