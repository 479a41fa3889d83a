//! Connections: queries over TCP (RFC 7766).
//!
//! One task accepts and each connection has one, at most [`CONNECTION_LIMIT`] at the same time. `Clients` says who gets a
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
use core::net::{IpAddr, SocketAddr};
use core::pin::pin;
use core::task::{Context, Poll};
use unik::io::{Read, Write};
use unik::log;
use unik::net::{self, TcpListener, TcpStream};
use unik::sync::Event;
use unik::time::Duration;
use unik_sched::Pace;
use unik_sched::time::Instant;

/// Connections served at the same time. For a further one that which has waited longest for a query is closed (RFC 7766,
/// 6.2.3); if all are being answered, it is reset.
pub const CONNECTION_LIMIT: usize = 32;
/// Places for connections: some are about to be closed for others.
const PLACES: usize = CONNECTION_LIMIT + 8;
/// Those of one client (RFC 7766, 6.2.2): an IPv4 address, or the 64 bits of an IPv6 address that one network has.
pub const CLIENT_LIMIT: usize = 8;
/// Pieces that a connection reads which are still taken when the appliance is asked to end.
const LAST: u8 = 64;
/// The least time between two lines of the log about connections that are refused.
const COMPLAINT: Duration = Duration::from_secs(1);

/// What the connections share.
pub(super) struct Connections {
    server: SharedServer,
    platform: Rc<Platform>,
    /// Looks at what a query told of.
    maintenance: Rc<Maintenance>,
    clients: RefCell<Clients>,
    /// The connection in each place is to be closed for another one.
    displaced: [Event; PLACES],
    /// A connection has been closed.
    closed: Event,
    /// Room for one answer: it is built and copied without a wait in between.
    scratch: RefCell<Vec<u8>>,
    /// When to say next that connections are refused.
    complaint: Pace,
}

impl Connections {
    /// None yet.
    pub(super) fn new(server: SharedServer, platform: Rc<Platform>, maintenance: Rc<Maintenance>) -> Self {
        Self {
            server,
            platform,
            maintenance,
            clients: RefCell::new(Clients([None; PLACES])),
            displaced: core::array::from_fn(|_| Event::new()),
            closed: Event::new(),
            scratch: RefCell::new(vec![0; MAX_ANSWER]),
            complaint: Pace::new(COMPLAINT),
        }
    }

    /// Waits until there is none any more.
    pub(super) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<()> {
        while !self.clients.borrow().is_empty() {
            if self.closed.poll_wait(context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Takes notice that the connection in `place` is closed.
    fn leave(&self, place: usize) {
        // It may have closed by itself.
        self.displaced.get(place).map(Event::try_take);
        self.clients.borrow_mut().leave(place);
        self.closed.set();
    }

    /// Counts a connection that there is no memory for.
    fn starved(&self, client: SocketAddr) {
        self.server.borrow().counters().no_memory.increment();
        self.complain(client, "there is no memory for it");
    }

    /// Says, not too often, why a connection is refused.
    fn complain(&self, client: SocketAddr, why: &str) {
        if let Some(held_back) = self.complaint.admit(self.platform.now()) {
            log::warn!("connection of {} refused, after {held_back} others: {why}", End(client));
        }
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
        let (place, displaced) =
            match shared.clients.borrow_mut().admit(client.ip(), shared.server.borrow().settings().is_shared)
            {
                Ok(places) => places,
                Err(why) => {
                    shared.server.borrow().counters().connections_refused.increment();
                    shared.complain(client, why);
                    stream.abort();
                    continue;
                }
            };
        if let Some(event) = displaced.and_then(|place| shared.displaced.get(place)) {
            event.set();
        }
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
        shared.clients.borrow_mut().wait(place, until);
        let left = session.deadline().duration_since(time.now());
        let moved = async {
            match step {
                Step::Read => {
                    // The request to end, or another connection, ends the stream behind what has arrived, as the client may.
                    let mut read = pin!(stream.read(session.space()));
                    let next = poll_fn(|context| {
                        let ends = ending.as_mut().poll(context).is_ready();
                        let displaced = shared.displaced.get(place);
                        is_displaced |= displaced.is_some_and(|event| event.poll_wait(context).is_ready());
                        last.take(ends || is_displaced, read.as_mut().poll(context))
                    });
                    next.await.unwrap_or(Ok(0))
                }
                Step::Write => stream.write_all(session.output()).await.map(|()| 0),
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

/// A connection as the others see it.
#[derive(Clone, Copy)]
struct Seat {
    client: u64,
    /// When it is closed if no whole query arrives; `None` while an answer is being sent.
    waits_until: Option<Instant>,
    /// It is closed for another one.
    is_leaving: bool,
}

/// The connections, in places.
struct Clients([Option<Seat>; PLACES]);

impl Clients {
    /// A place for a connection of the client at `address`, which may be that of all clients, and the place of the one that is
    /// to be closed for it, if there is one.
    ///
    /// # Errors
    /// Why there is none.
    fn admit(&mut self, address: IpAddr, is_shared: bool) -> Result<(usize, Option<usize>), &'static str> {
        let client = match address {
            IpAddr::V4(address) => u32::from(address).into(),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        let staying = || self.0.iter().flatten().filter(|seat| !seat.is_leaving);
        if staying().filter(|seat| seat.client == client).count() >= CLIENT_LIMIT && !is_shared {
            return Err("the limit on connections of one client is reached");
        }
        let is_full = staying().count() >= CONNECTION_LIMIT;
        let free = self.0.iter().position(Option::is_none);
        let free = free.ok_or("the limit on connections is reached")?;
        let mut displaced = None;
        if is_full {
            let seats = self.0.iter_mut().enumerate();
            let waiting = seats.filter_map(|(index, seat)| {
                let seat = seat.as_mut().filter(|seat| !seat.is_leaving)?;
                Some((seat.waits_until?, index, seat))
            });
            let longest = waiting.min_by_key(|(until, index, _)| (*until, *index));
            let (_, index, seat) = longest.ok_or("the limit on connections is reached")?;
            seat.is_leaving = true;
            displaced = Some(index);
        }
        if let Some(place) = self.0.get_mut(free) {
            *place = Some(Seat { client, waits_until: None, is_leaving: false });
        }
        Ok((free, displaced))
    }

    /// The connection in `place` waits for a query until then, or sends an answer.
    fn wait(&mut self, place: usize, until: Option<Instant>) {
        if let Some(Some(seat)) = self.0.get_mut(place) {
            seat.waits_until = until;
        }
    }

    fn leave(&mut self, place: usize) {
        if let Some(place) = self.0.get_mut(place) {
            *place = None;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
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
    fn one_client_does_not_take_all_connections() {
        let mut clients = Clients([None; PLACES]);
        let [one, other] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        for place in 0..CLIENT_LIMIT {
            assert_eq!(clients.admit(one, false), Ok((place, None)));
        }
        assert!(clients.admit(one, false).is_err());
        assert_eq!(clients.admit(other, false), Ok((CLIENT_LIMIT, None)));
        clients.leave(3);
        assert_eq!(clients.admit(one, false), Ok((3, None)));
        // All addresses of one network of IPv6 are one client's.
        for host in 0..CLIENT_LIMIT as u16 {
            assert!(clients.admit(IpAddr::from([0x2001, 0xdb8, 0, 0, 1, 2, 3, host]), false).is_ok());
        }
        assert!(clients.admit(IpAddr::from([0x2001, 0xdb8, 0, 0, 9, 9, 9, 9]), false).is_err());
        assert!(clients.admit(IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]), false).is_ok());
    }

    #[test]
    fn clients_that_share_an_address_share_all_connections() {
        let mut clients = Clients([None; PLACES]);
        assert!(clients.is_empty());
        for place in 0..CONNECTION_LIMIT {
            assert_eq!(clients.admit(IpAddr::from([10, 0, 2, 2]), true), Ok((place, None)));
        }
        assert!(clients.admit(IpAddr::from([10, 0, 2, 2]), true).is_err());
        (0..CONNECTION_LIMIT).for_each(|place| clients.leave(place));
        assert!(clients.is_empty());
    }

    #[test]
    fn the_connection_that_waits_longest_is_closed_for_a_new_one() {
        let mut clients = Clients([None; PLACES]);
        let client = IpAddr::from([10, 0, 2, 2]);
        let until = |place: usize| Instant::ZERO + Duration::from_secs(100 - place as u64);
        for place in 0..CONNECTION_LIMIT {
            assert_eq!(clients.admit(client, true), Ok((place, None)));
            clients.wait(place, Some(until(place)));
        }
        // The last has waited longest, but is being answered; each is closed for one other.
        clients.wait(CONNECTION_LIMIT - 1, None);
        for (place, displaced) in (CONNECTION_LIMIT..PLACES).zip((0..CONNECTION_LIMIT - 1).rev()) {
            assert_eq!(clients.admit(client, true), Ok((place, Some(displaced))));
        }
        assert!(clients.admit(client, true).is_err(), "those that were told to close have not done it");
        clients.leave(CONNECTION_LIMIT - 2);
        let next = (CONNECTION_LIMIT - 2, Some(CONNECTION_LIMIT - 2 - (PLACES - CONNECTION_LIMIT)));
        assert_eq!(clients.admit(client, true), Ok(next));
        // A client at its limit closes no others.
        (0..PLACES).for_each(|place| clients.leave(place));
        for place in 0..CLIENT_LIMIT {
            assert_eq!(clients.admit(client, false), Ok((place, None)));
        }
        for other in 0..CONNECTION_LIMIT - CLIENT_LIMIT {
            let (place, _) = clients.admit(IpAddr::from([192, 0, 2, other as u8]), false).unwrap();
            clients.wait(place, Some(until(place)));
        }
        assert!(clients.admit(client, false).is_err());
        let longest = (CONNECTION_LIMIT, Some(CONNECTION_LIMIT - 1));
        assert_eq!(clients.admit(IpAddr::from([198, 51, 100, 1]), false), Ok(longest));
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
