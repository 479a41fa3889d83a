//! The service: zones out of files, answers over UDP and TCP.
//!
//! UDP is answered in the buffers that the queries come in, by the task of the network; TCP has a task that accepts, and one
//! for each connection, at most [`CONNECTION_LIMIT`] at the same time (RFC 7766, 6.2.2). All share one [`Server`]. When the appliance is asked to end,
//! nothing new is accepted, and connections close behind the answers to what has arrived.

use crate::master::ZoneError;
use crate::server::{Server, Transport};
use crate::session::{MAX_ANSWER, Session, Step};
use crate::settings::{BadSetting, Settings};
use crate::zone::Zone;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::pin::{Pin, pin};
use core::task::Poll;
use unik::io::{Read, Write};
use unik::net::{self, Net, Reply, TcpListener, TcpStream, Verdict};
use unik::sync::Event;
use unik::time::{Duration, Time};
use unik::{Files, Shutdown, Spawner, log, yield_now};
use unik_sched::Pace;
use unik_sched::time::Instant;

/// The port of the protocol, for both transports.
const PORT: u16 = 53;
/// Connections served at the same time. For a further one that which has waited longest for a query is closed (RFC 7766,
/// 6.2.3); if all are being answered, it is reset.
pub const CONNECTION_LIMIT: usize = 32;
/// Places for connections: some are about to be closed for others.
const PLACES: usize = CONNECTION_LIMIT + 8;
/// Those of one client (RFC 7766, 6.2.2): an IPv4 address, or the 64 bits of an IPv6 address that one network has.
pub const CLIENT_LIMIT: usize = 8;
/// How long connections have for the answers that were begun, when the appliance is asked to end: less than the time that
/// it has itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pieces that a connection reads which are still taken when the appliance is asked to end.
const LAST: u8 = 64;
/// Turns of all tasks before the end, in which the network's takes what the card holds: one for that, and one for each task
/// that is woken on the way.
const LAST_TURNS: usize = 4;
/// The least time between two lines of the log about connections that are refused.
const COMPLAINT: Duration = Duration::from_secs(1);
/// The ending of a zone's master file; files that it includes have another.
pub const SUFFIX: &str = ".zone";

/// Why the service ended or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No file of the data is a zone that can be served.
    NoZones,
    /// A word of the configuration is wrong.
    Setting(BadSetting),
    /// A socket failed.
    Net(net::Error),
    /// The task for TCP cannot be started.
    TooManyTasks,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZones => {
                f.write_str("there is no zone to serve: the data needs a file NAME.zone without mistakes")
            }
            Self::Setting(error) => error.fmt(f),
            Self::Net(error) => error.fmt(f),
            Self::TooManyTasks => f.write_str("the limit on tasks is reached"),
        }
    }
}

impl core::error::Error for Error {}

impl From<BadSetting> for Error {
    fn from(error: BadSetting) -> Self {
        Self::Setting(error)
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

/// Reads every `*.zone` of `files`, with what they include out of the others. A file with a mistake is named in the log, and the
/// others are served; questions for the zone that it should have held get SERVFAIL, by the name of the file and by what it says.
///
/// # Errors
/// [`Error::NoZones`] where none is left.
#[inline(never)]
pub fn load(files: &Files) -> Result<Server, Error> {
    let mut server = Server::new();
    let include = |wanted: &str| files.iter().find(|(path, _)| *path == wanted);
    for (path, contents) in files.iter().filter(|(path, _)| path.ends_with(SUFFIX)) {
        match Zone::read(path, contents, &include) {
            Ok(zone) => {
                log::info!(
                    "{path}: zone {}, serial {}, {} records",
                    zone.name(),
                    zone.serial(),
                    zone.records()
                );
                if let Err(error) = server.add(zone) {
                    log::error!("{path}: {error}; this one is not served");
                }
            }
            Err(error) => {
                log::error!("{error}; this zone is not served");
                fail(&mut server, path, &error);
            }
        }
    }
    if server.zones().is_empty() { Err(Error::NoZones) } else { Ok(server) }
}

/// Lets questions for the zone that the file at `path` should have held get SERVFAIL.
#[inline(never)]
fn fail(server: &mut Server, path: &str, error: &ZoneError<'_>) {
    let start = path.bytes().rposition(|octet| octet == b'/').map_or(0, |slash| slash + 1);
    let end = path.len().saturating_sub(SUFFIX.len());
    let named = path.as_bytes().get(start..end).unwrap_or_default();
    // An origin may lie above the zone: it says which one that is where neither a SOA record does nor the file's name.
    let told = error.zone.as_deref().filter(|_| error.has_soa || !named.contains(&b'.'));
    let named = Some(named).filter(|named| !named.is_empty());
    for name in [named, told].into_iter().flatten() {
        // Where another file holds that zone, nothing is amiss.
        let _ = server.add_failed(name);
    }
}

/// A server of the zones in `files` that answers as the configuration says, of which `get` gives the value of each word.
///
/// # Errors
/// [`Error::Setting`] names the word that is wrong, [`Error::NoZones`] where there is nothing to serve.
#[inline(never)]
pub fn prepare(files: &Files, get: &dyn Fn(&str) -> Option<&'static str>) -> Result<Rc<Server>, Error> {
    let settings = Settings::read(get)?;
    let mut server = load(files)?;
    server.configure(settings);
    Ok(Rc::new(server))
}

/// Answers queries on port 53 until the appliance is asked to end, and then finishes the answers that were begun.
///
/// # Errors
/// [`Error::Net`] where the port cannot be opened, [`Error::TooManyTasks`].
pub async fn serve(
    net: &Net,
    server: Rc<Server>,
    spawner: &Spawner,
    time: &Time,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let answering = {
        let server = server.clone();
        net.answer(PORT, move |_, reply| answer(&server, reply))?
    };
    let listener = net.listen(PORT).await?;
    let shared = Rc::new(Shared {
        server,
        time: time.clone(),
        shutdown,
        clients: RefCell::new(Clients([None; PLACES])),
        displaced: core::array::from_fn(|_| Event::new()),
        closed: Event::new(),
        scratch: RefCell::new(vec![0; MAX_ANSWER]),
        complaint: Pace::new(COMPLAINT),
    });
    let acceptor = accept(listener, shared.clone(), spawner.clone());
    spawner.spawn("dns-tcp", acceptor).map_err(|_| Error::TooManyTasks)?;
    shutdown.requested().await;
    for _ in 0..LAST_TURNS {
        yield_now().await;
    }
    let mut patience = time.sleep(PATIENCE);
    poll_fn(|context| {
        while !shared.clients.borrow().is_empty() {
            if shared.closed.poll_wait(context).is_pending() {
                return Pin::new(&mut patience).poll(context);
            }
        }
        Poll::Ready(())
    })
    .await;
    drop(answering);
    Ok(())
}

/// Answers the query in `reply`, in its place.
fn answer(server: &Server, reply: &mut Reply<'_>) -> Verdict {
    let length = reply.payload().len();
    match server.answer_in_place(reply.bytes_mut(), length, Transport::UDP) {
        Some(length) if reply.set_len(length).is_ok() => Verdict::Answer,
        _ => Verdict::Drop,
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

/// A client as the log names it: all groups of an IPv6 address, because what leaves out zeros takes more than a kilobyte.
struct Client(SocketAddr);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(address) => write!(f, "{}:{}", address.ip(), address.port()),
            SocketAddr::V6(address) => {
                let mut sign = '[';
                for group in address.ip().segments() {
                    write!(f, "{sign}{group:x}")?;
                    sign = ':';
                }
                write!(f, "]:{}", address.port())
            }
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

/// What the connections share.
struct Shared {
    server: Rc<Server>,
    time: Time,
    shutdown: Shutdown,
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

impl Shared {
    /// Takes notice that the connection in `place` is closed.
    fn leave(&self, place: usize) {
        // It may have closed by itself.
        self.displaced.get(place).map(Event::try_take);
        self.clients.borrow_mut().leave(place);
        self.closed.set();
    }

    /// Counts a connection that there is no memory for.
    fn starved(&self, client: SocketAddr) {
        self.server.counters().no_memory.increment();
        self.complain(client, "there is no memory for it");
    }

    /// Says, not too often, why a connection is refused.
    fn complain(&self, client: SocketAddr, why: &str) {
        if let Some(held_back) = self.complaint.admit(self.time.now()) {
            log::warn!("connection of {} refused, after {held_back} others: {why}", Client(client));
        }
    }
}

async fn accept(mut listener: TcpListener, shared: Rc<Shared>, spawner: Spawner) {
    let mut ending = pin!(shared.shutdown.requested());
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
            match shared.clients.borrow_mut().admit(client.ip(), shared.server.settings().is_shared) {
                Ok(places) => places,
                Err(why) => {
                    shared.server.counters().connections_refused.increment();
                    shared.complain(client, why);
                    stream.abort();
                    continue;
                }
            };
        if let Some(event) = displaced.and_then(|place| shared.displaced.get(place)) {
            event.set();
        }
        let Some(session) = Session::try_new(shared.time.now()) else {
            shared.leave(place);
            shared.starved(client);
            stream.abort();
            continue;
        };
        let task = {
            let shared = shared.clone();
            async move {
                if let Err(error) = converse(&mut stream, session, &shared, place).await {
                    log::debug!("connection of {}: {error}", Client(client));
                }
                if shared.shutdown.is_requested() {
                    // What was written is to arrive before the machine is gone; a client that is gone does not matter.
                    let _ = stream.close().await;
                }
                shared.leave(place);
            }
        };
        if spawner.spawn("dns-tcp-client", task).is_err() {
            shared.leave(place);
            shared.starved(client);
        }
    }
}

/// Serves one connection until either side has had enough.
async fn converse(
    stream: &mut TcpStream,
    mut session: Session,
    shared: &Shared,
    place: usize,
) -> Result<(), net::Error> {
    let time = &shared.time;
    let mut is_displaced = false;
    let (mut ending, mut last) = (pin!(shared.shutdown.requested()), Last(LAST));
    loop {
        let step = session.advance(&shared.server, time.now(), &mut shared.scratch.borrow_mut());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_broken_file_fails_the_zone_it_is_called_after_and_the_owner_of_its_soa_record() {
        let soa = " 5 SOA n. h. 1 2 3 4 5\n";
        for (path, text, fails, is_left) in [
            ("a/example.org.zone", "$ORIGIN org.\n@ X", "example.org", "org"),
            ("a/example.org.zone", &format!("example.net.{soa}"), "example.org example.net", "org"),
            ("main.zone", "$ORIGIN example.org.\n@ X", "example.org", "org"),
            ("main.zone", &format!("$ORIGIN org.\nexample{soa}"), "example.org", "org"),
            ("org.zone", "x", "org", "example.org"),
            ("a/.zone", "x", "", "."),
        ] {
            let mut server = Server::new();
            let error = Zone::parse(path, text.as_bytes()).err().expect("a mistake");
            fail(&mut server, path, &error);
            for name in fails.split_terminator(' ') {
                assert!(server.add_failed(name.as_bytes()).is_err(), "{path} with {text}");
            }
            assert!(server.add_failed(is_left.as_bytes()).is_ok(), "{path} with {text}");
        }
    }

    #[test]
    fn clients_of_both_versions_are_named_with_address_and_port() {
        for text in ["192.0.2.1:53", "[2001:db8:1:2:3:4:5:6]:65535"] {
            assert_eq!(format!("{}", Client(text.parse().unwrap())), text);
        }
    }

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
