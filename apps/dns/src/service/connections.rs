//! Connections: queries over TCP (RFC 7766).
//!
//! One task accepts and each connection has one, at most [`CONNECTION_LIMIT`] at the same time. [`Seats`] say who gets a
//! place, and who has to leave for another.

use super::maintenance::Maintenance;
use super::{Platform, SharedServer};
use crate::origin::Clock;
use crate::session::{MAX_ANSWER, Session, Step};
use crate::text::End;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use unik::io::{Read, Write};
use unik::net::{self, TcpListener, TcpStream};
use unik::sync::Event;
use unik::{Refusal, Seats, log};

/// Connections served at the same time. For a further one that which has waited longest for a query is closed (RFC 7766,
/// 6.2.3); if all are being answered, it is reset.
pub const CONNECTION_LIMIT: usize = 32;
/// Those of one client (RFC 7766, 6.2.2): an IPv4 address, or the 64 bits of an IPv6 address that one network has.
pub const CLIENT_LIMIT: usize = 8;
/// Pieces that a connection reads which are still taken when the appliance is asked to end.
const LAST: u8 = 64;

/// What the connections share.
pub(super) struct Connections {
    server: SharedServer,
    platform: Rc<Platform>,
    /// Looks at what a query told of.
    maintenance: Rc<Maintenance>,
    seats: RefCell<Seats>,
    /// A connection has been closed.
    closed: Event,
    /// Room for one answer: it is built and copied without a wait in between.
    scratch: RefCell<Vec<u8>>,
}

impl Connections {
    /// None yet; and for ever, if there is no memory for some.
    pub(super) fn try_new(
        server: SharedServer,
        platform: Rc<Platform>,
        maintenance: Rc<Maintenance>,
    ) -> Option<Self> {
        let client_limit = Some(CLIENT_LIMIT).filter(|_| !server.borrow().settings().is_shared);
        Some(Self {
            server,
            platform,
            maintenance,
            seats: RefCell::new(Seats::try_new(CONNECTION_LIMIT, client_limit)?),
            closed: Event::new(),
            scratch: RefCell::new(vec![0; MAX_ANSWER]),
        })
    }

    /// Waits until there is none any more.
    pub(super) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<()> {
        while !self.seats.borrow().is_empty() {
            if self.closed.poll_wait(context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Takes notice that the connection in `place` is closed.
    fn leave(&self, place: usize) {
        self.seats.borrow_mut().leave(place);
        self.closed.set();
    }

    /// Counts a connection that there is no memory for.
    fn starved(&self, client: SocketAddr) {
        self.server.borrow().counters().no_memory.increment();
        self.complain(client, Refusal::NoMemory);
    }

    /// Says, not too often, why a connection is refused.
    fn complain(&self, client: SocketAddr, why: Refusal) {
        self.seats.borrow().complain(self.platform.now(), &End(client), why);
    }
}

/// Takes connections until the appliance is asked to end.
pub(super) async fn accept(mut listener: TcpListener, shared: Rc<Connections>) {
    let mut ending = pin!(shared.platform.shutdown.requested());
    loop {
        let accepted = poll_fn(|context| match ending.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(context).map(Some),
        });
        let (mut stream, client) = match accepted.await {
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                log::error!("TCP is not served any more: {error}");
                return;
            }
            None => return,
        };
        let admitted = shared.seats.borrow_mut().admit(client.ip(), None);
        let place = match admitted {
            Ok(admitted) => admitted.place,
            Err(why) => {
                shared.server.borrow().counters().connections_refused.increment();
                shared.complain(client, why);
                stream.abort();
                continue;
            }
        };
        let Some(session) = Session::try_new(client.ip(), shared.platform.now()) else {
            shared.leave(place);
            shared.starved(client);
            stream.abort();
            continue;
        };
        let task = {
            let shared = shared.clone();
            async move {
                if let Err(error) = converse(&mut stream, session, &shared, place).await {
                    log::debug!("connection of {}: {error}", End(client));
                }
                if shared.platform.shutdown.is_requested() {
                    // What was written is to arrive before the machine is gone; a client that is gone does not matter.
                    let _ = stream.close().await;
                }
                shared.leave(place);
            }
        };
        if shared.platform.spawner.spawn("dns-tcp-client", task).is_err() {
            shared.leave(place);
            shared.starved(client);
        }
    }
}

/// Serves one connection until either side has had enough.
async fn converse(
    stream: &mut TcpStream,
    mut session: Session,
    shared: &Connections,
    place: usize,
) -> Result<(), net::Error> {
    let time = &shared.platform.time;
    let mut is_displaced = false;
    let (mut ending, mut last) = (pin!(shared.platform.shutdown.requested()), Last(LAST));
    loop {
        let step = {
            let server = shared.server.borrow();
            let step = session.advance(&server, &*shared.platform, &mut shared.scratch.borrow_mut());
            if server.has_news() {
                shared.maintenance.wake();
            }
            step
        };
        let until = (step == Step::Read).then_some(session.deadline());
        let left = session.deadline().duration_since(time.now());
        let moved = async {
            match step {
                Step::Read => {
                    // The request to end, or another connection, ends the stream behind what has arrived, as the client may.
                    let mut read = pin!(stream.read(session.space()));
                    let next = poll_fn(|context| {
                        let ends = ending.as_mut().poll(context).is_ready();
                        is_displaced |= shared.seats.borrow_mut().wait(place, until, context.waker());
                        last.take(ends || is_displaced, read.as_mut().poll(context))
                    });
                    next.await.unwrap_or(Ok(0))
                }
                Step::Write => {
                    // It waits for nothing that is the client's to say.
                    shared.seats.borrow_mut().wait(place, None, Waker::noop());
                    stream.write_all(session.output()).await.map(|()| 0)
                }
                Step::Close => Ok(0),
            }
        };
        match (step, time.timeout(left, moved).await) {
            (Step::Write, Ok(written)) => {
                written?;
                session.sent(time.now());
            }
            (Step::Write, Err(_)) => {
                stream.abort();
                return Ok(());
            }
            (Step::Close, _) if session.is_starved() => {
                stream.abort();
                return Ok(());
            }
            (Step::Close, _) | (Step::Read, Err(_) | Ok(Ok(0))) => return Ok(()),
            (Step::Read, Ok(received)) => session.received(received?),
        }
    }
}

/// How much is still taken of what has arrived, when the appliance is asked to end: a client that goes on is not to keep it.
struct Last(u8);

impl Last {
    /// What has `arrived`; when the appliance `ends`, nothing more once there was nothing or enough.
    fn take<T>(&mut self, ends: bool, arrived: Poll<T>) -> Poll<Option<T>> {
        match arrived {
            arrived if !ends => arrived.map(Some),
            Poll::Ready(arrived) if self.0 > 0 => {
                self.0 -= 1;
                Poll::Ready(Some(arrived))
            }
            _ => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_by_the_end_is_taken_and_nothing_is_waited_for() {
        let mut last = Last(LAST);
        for query in 0..1000 {
            assert_eq!(last.take(false, Poll::Ready(query)), Poll::Ready(Some(query)), "no end, no limit");
        }
        assert_eq!(last.take::<()>(false, Poll::Pending), Poll::Pending);
        assert_eq!(last.take(true, Poll::Ready(1)), Poll::Ready(Some(1)));
        assert_eq!(last.take(true, Poll::Ready(2)), Poll::Ready(Some(2)));
        assert_eq!(last.take::<()>(true, Poll::Pending), Poll::Ready(None));
    }

    #[test]
    fn a_client_that_goes_on_does_not_keep_the_appliance_from_ending() {
        let mut last = Last(LAST);
        let taken = (0..).take_while(|query| {
            last.take(true, Poll::Ready(*query)).map(|taken| taken.is_some()) == Poll::Ready(true)
        });
        assert_eq!(taken.count(), usize::from(LAST));
    }
}
