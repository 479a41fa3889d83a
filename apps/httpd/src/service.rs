//! The service: a site out of files, served over TCP.
//!
//! One task accepts, and each connection has one. All share a [`Server`]. A connection's task sleeps on its stream, on one
//! timer, which is set anew only when it would ring too late, and on its seat. When the appliance is asked to end, nothing new
//! is accepted, and connections close behind the responses to the requests that have begun to arrive.

#[cfg(feature = "disk")]
mod storage;
#[cfg(not(feature = "disk"))]
#[path = "service/no_storage.rs"]
mod storage;
mod watch;

use crate::access::Client;
use crate::configuration::ConfigurationError;
use crate::server::Server;
use crate::session::{LINGER, Session, Step};
use crate::settings::{BadSetting, Settings};
use crate::site::LoadError;
use crate::tls::{Conversation, Door};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString as _;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
pub use storage::Data;
use storage::{Reader, Storage};
#[cfg(feature = "disk")]
use unik::files::FileError;
use unik::io::{Read, Write};
use unik::net::{self, Listen, Net, TcpListener, TcpStream};
use unik::sync::{Event, Lines};
use unik::time::{Duration, Sleep, Time};
use unik::{
    Admitted, Clock, Destinations, Failure, Refusal, Seats, Shutdown, Spawner, Syslog, log, yield_now,
};
use unik_sched::has_memory;
use unik_sched::time::Instant;
pub use watch::watch;

/// The port of the protocol.
const PORT: u16 = 80;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;
/// What a connection receives ahead: the head of a request.
const RECEIVED: usize = 4096;
/// What it sends ahead, the most that memory allows.
const SENT: [usize; 7] = [256 * 1024, 128 * 1024, 64 * 1024, 32 * 1024, 16 * 1024, 8 * 1024, 4 * 1024];
/// Of so many that the network has memory for, one is served: handshakes, and connections that are being closed, take theirs too.
const SHARE: usize = 2;
/// How long connections have for the responses that were begun, when the appliance is asked to end: less than the time that
/// it has itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Turns of all tasks before the end, in which the network's takes what the card holds: one for that, and one for each task
/// that is woken on the way.
const LAST_TURNS: usize = 4;
/// Octets of the lines of the access log that wait to be carried, and the target that they have.
const LINES: usize = 64 * 1024;
const ACCESS: &str = "access";

const NO_FILES: &str = "there is nothing to serve: the data needs a file, such as index.html";

/// Why the service ended or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The data has no file.
    NoFiles,
    /// There is no memory for what is told of each file, or for the connections.
    NoMemory,
    /// A word of the configuration is wrong.
    Setting(BadSetting),
    /// The file `httpd.toml` of the data is wrong.
    Configuration(ConfigurationError<'static>),
    /// A file that is needed as a whole cannot be read.
    #[cfg(feature = "disk")]
    File(&'static str, FileError),
    /// A socket failed.
    Net(net::Error),
    /// The task that accepts cannot be started.
    TooManyTasks,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFiles => f.write_str(NO_FILES),
            Self::NoMemory => f.write_str("there is no memory to serve this data: give the machine more"),
            Self::Setting(error) => error.fmt(f),
            Self::Configuration(error) => error.fmt(f),
            #[cfg(feature = "disk")]
            Self::File(path, error) => {
                f.write_str(path)?;
                f.write_str(" cannot be read: ")?;
                error.fmt(f)
            }
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

impl From<LoadError<'static>> for Error {
    fn from(error: LoadError<'static>) -> Self {
        match error {
            LoadError::NoMemory => Self::NoMemory,
            LoadError::Configuration(error) => Self::Configuration(error),
        }
    }
}

/// What the configuration is to blame for ends the appliance as a mistake in a resource does.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoFiles | Error::Setting(_) | Error::Configuration(_) => {
                Self::Configuration(error.to_string())
            }
            #[cfg(feature = "disk")]
            Error::File(..) => Self::Configuration(error.to_string()),
            error => Self::Error(Box::new(error)),
        }
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

/// A server of all files of `data` that serves as the configuration says, of which `get` gives the value of each word. Its access log, if it
/// has one, is carried by `syslog`, through `net`.
///
/// # Errors
/// [`Error::Setting`] and [`Error::Configuration`] name the word that is wrong, [`Error::NoFiles`] where there is nothing to serve, [`Error::NoMemory`].
#[inline(never)]
pub fn prepare(
    data: &Data,
    clock: &Clock,
    net: &Net,
    syslog: &Syslog,
    get: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<Rc<Server<'static>>, Error> {
    let settings = Settings::read(get)?;
    let now = clock.since_epoch().map(|now| now.as_secs());
    let mut server = storage::load(data, settings, now)?;
    if server.files() == 0 {
        return Err(Error::NoFiles);
    }
    log::info!("serves {} files", server.files());
    let key = "httpd.log_to";
    let to = get(key).map_or(Some(Destinations::default()), Destinations::parse);
    let to = to.ok_or(BadSetting::new(key, Destinations::EXPECTED))?;
    if server.settings().log.is_some() {
        let lines = Lines::try_new(LINES).ok_or(Error::NoMemory)?;
        syslog.carry(net, &lines, ACCESS, to);
        server.log_into(lines);
    } else {
        syslog.follow(net);
    }
    if !has_memory(size_of::<Server<'_>>() + size_of::<Shared>(), 2) {
        return Err(Error::NoMemory);
    }
    Ok(Rc::new(server))
}

/// A moment that has passed: none is told that lies behind the date of its response (RFC 9110, 8.8.2.1).
fn passed(moment: u32, now: Option<u64>) -> u32 {
    now.and_then(|now| u32::try_from(now).ok()).map_or(moment, |now| moment.min(now))
}

/// Answers requests on port 80, and on that of HTTPS where `door` leads there, until the appliance is asked to end, and then
/// finishes the responses that were begun.
///
/// # Errors
/// [`Error::Net`] where the port cannot be opened, [`Error::NoMemory`], [`Error::TooManyTasks`].
pub async fn serve(
    net: &Net,
    (server, data): (Rc<Server<'static>>, Data),
    door: Door,
    spawner: &Spawner,
    time: &Time,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let (sent, seats) = dimension(net, server.settings()).ok_or(Error::NoMemory)?;
    let shared = Shared::new(server, data.into(), time, clock, shutdown, seats);
    for (name, port, door) in door.entrances(PORT) {
        start(net, listen(port, sent), &shared, door, name, spawner).await?;
    }
    shutdown.requested().await;
    for _ in 0..LAST_TURNS {
        yield_now().await;
    }
    shared.seats.borrow_mut().wake();
    let mut patience = time.sleep(PATIENCE);
    poll_fn(|context| {
        while !shared.seats.borrow().is_empty() {
            if shared.closed.poll_wait(context).is_pending() {
                return Pin::new(&mut patience).poll(context);
            }
        }
        Poll::Ready(())
    })
    .await;
    Ok(())
}

/// Listens, and starts the task that accepts.
async fn start(
    net: &Net,
    listen: Listen,
    shared: &Rc<Shared>,
    door: Door,
    name: &'static str,
    spawner: &Spawner,
) -> Result<(), Error> {
    let listener = net.listen(listen).await?;
    let acceptor = accept(listener, shared.clone(), door, spawner.clone());
    spawner.spawn(name, acceptor).map(drop).map_err(|_| Error::TooManyTasks)
}

/// How to listen on a port for connections that send so much ahead.
fn listen(port: u16, sent: usize) -> Listen {
    Listen::on(port).backlog(BACKLOG).buffers(RECEIVED, sent)
}

/// What a connection sends ahead, and seats for as many as are wanted, or as the network has memory for.
#[inline(never)]
fn dimension(net: &Net, settings: &Settings) -> Option<(usize, Seats)> {
    let mut dimensions = SENT.into_iter().map(|sent| (sent, net.room(&listen(PORT, sent)) / SHARE));
    let is_enough = |(_, room): &(usize, usize)| *room >= settings.connections;
    let least = SENT.len() - 1;
    let (sent, room) = dimensions.clone().find(is_enough).or_else(|| dimensions.nth(least))?;
    let connections = settings.connections.min(room).max(1);
    if connections < settings.connections {
        log::info!("there is memory for {connections} connections");
    }
    let client_limit = Some(settings.client_connections).filter(|_| !settings.is_shared);
    Some((sent, Seats::try_new(connections, client_limit)?))
}

/// What the connections share.
struct Shared {
    server: Rc<Server<'static>>,
    time: Time,
    clock: Clock,
    /// The second since the Unix epoch, and until when it is that.
    wall: Cell<(Instant, Option<u64>)>,
    shutdown: Shutdown,
    seats: RefCell<Seats>,
    /// A connection has been closed.
    closed: Event,
    /// Where the files are that are not in memory.
    storage: Storage,
}

impl Shared {
    fn new(
        server: Rc<Server<'static>>,
        storage: Storage,
        time: &Time,
        clock: Clock,
        shutdown: Shutdown,
        seats: Seats,
    ) -> Rc<Self> {
        Rc::new(Self {
            server,
            time: time.clone(),
            clock,
            wall: Cell::new((Instant::ZERO, None)),
            shutdown,
            seats: RefCell::new(seats),
            closed: Event::new(),
            storage,
        })
    }

    /// The second since the Unix epoch.
    #[inline]
    fn wall(&self, now: Instant) -> Option<u64> {
        match self.wall.get() {
            (until, wall) if now < until => wall,
            _ => self.look_at_clock(now),
        }
    }

    #[inline(never)]
    fn look_at_clock(&self, now: Instant) -> Option<u64> {
        let wall = self.clock.since_epoch();
        let rest = wall.map_or(Duration::ZERO, |wall| Duration::from_nanos(wall.subsec_nanos().into()));
        let wall = wall.map(|wall| wall.as_secs());
        self.wall.set((now + (Duration::from_secs(1) - rest), wall));
        wall
    }

    /// Takes notice that the connection in `place` is closed.
    fn leave(&self, place: usize) {
        self.seats.borrow_mut().leave(place);
        self.server.is_open(false);
        self.closed.set();
    }

    /// Says, not too often, why a connection is refused.
    #[inline(never)]
    fn complain(&self, client: SocketAddr, why: Refusal) {
        self.seats.borrow().complain(self.time.now(), &Client(client.ip()), why);
    }

    /// A place for a connection of `client`, if there is one.
    #[inline(never)]
    fn admit(&self, client: SocketAddr) -> Option<Admitted> {
        let counters = self.server.counters();
        counters.connections.increment();
        let admitted = self.seats.borrow_mut().admit(client.ip(), Some(self.time.now()));
        match admitted {
            Ok(admitted) => {
                self.server.is_open(true);
                if admitted.displaces {
                    counters.connections_displaced.increment();
                }
                Some(admitted)
            }
            Err(why) => {
                counters.connections_refused.increment();
                self.complain(client, why);
                None
            }
        }
    }
}

async fn accept(mut listener: TcpListener, shared: Rc<Shared>, door: Door, spawner: Spawner) {
    let mut ending = pin!(shared.shutdown.requested());
    loop {
        let accepted = poll_fn(|context| match ending.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(context).map(Some),
        });
        let (mut stream, client) = match accepted.await {
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                log::error!("nothing is served any more: {error}");
                return;
            }
            None => return,
        };
        let Some(Admitted { place, displaces }) = shared.admit(client) else {
            stream.abort();
            continue;
        };
        let task = connection(stream, client, door.clone(), shared.clone(), place);
        if spawner.spawn("http-client", task).is_err() {
            shared.leave(place);
            shared.server.counters().no_memory.increment();
            shared.complain(client, Refusal::NoMemory);
        }
        if displaces {
            // The other one leaves before the next one comes.
            yield_now().await;
        }
    }
}

/// Serves one connection, and frees its place.
async fn connection(mut stream: TcpStream, client: SocketAddr, door: Door, shared: Rc<Shared>, place: usize) {
    let session = Session::new(client.ip(), shared.server.settings(), shared.time.now());
    let Some(mut session) = door.begin(session) else {
        stream.abort();
        return shared.leave(place);
    };
    let mut timer = shared.time.sleep_until(session.deadline());
    if let Err(error) = converse(&mut stream, &mut session, &shared, place, &mut timer).await {
        log::debug!("connection of {}: {error}", Client(client.ip()));
    }
    let now = shared.time.recent();
    session.end(&shared.server, now, shared.wall(now));
    drop(session);
    part(&mut stream, &shared, place, &mut timer).await;
    shared.leave(place);
}

/// Closes a connection, which keeps its place until the client has taken everything and closed it too. Otherwise one client
/// could have as many as there is memory for, by not taking what it asks for.
async fn part(stream: &mut TcpStream, shared: &Shared, place: usize, timer: &mut Sleep) {
    let since = shared.time.recent();
    timer.reset(since + shared.server.settings().idle_time);
    let mut is_taken = false;
    poll_fn(|context| {
        if !is_taken && pin!(stream.close()).poll(context).is_ready() {
            is_taken = true;
            timer.reset(shared.time.recent() + LINGER);
        }
        // What it still says is thrown away. One that is gone has taken all that it ever will.
        let mut space = [0; 64];
        let mut read = pin!(stream.read(&mut space)).poll(context);
        while let Poll::Ready(Ok(1..)) = read {
            read = pin!(stream.read(&mut space)).poll(context);
        }
        // The machine may go when everything has arrived.
        if is_taken && (read.is_ready() || shared.shutdown.is_requested()) {
            return Poll::Ready(());
        }
        let is_displaced = shared.seats.borrow_mut().wait(place, Some(since), context.waker());
        if is_displaced || Pin::new(&mut *timer).poll(context).is_ready() {
            if !is_taken {
                shared.server.counters().slow_responses.increment();
            }
            stream.abort();
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// What ends a wait.
enum Wake {
    /// So many octets were read or written.
    Moved(usize),
    /// The appliance was asked to end.
    Ending,
    /// The connection was asked to leave for another one.
    Displaced,
    /// The client took too long.
    Expired,
}

/// Serves one connection until either side has had enough.
async fn converse(
    stream: &mut TcpStream,
    session: &mut Conversation<'static>,
    shared: &Shared,
    place: usize,
    timer: &mut Sleep,
) -> Result<(), net::Error> {
    let server = &*shared.server;
    let mut reader = Reader::default();
    loop {
        let now = shared.time.recent();
        let step = session.advance(server, now, shared.wall(now));
        match step {
            Step::Read | Step::Write => {}
            Step::Close => return Ok(()),
            Step::Abort => {
                stream.abort();
                return Ok(());
            }
            Step::Shut => {
                shut(stream).await;
                continue;
            }
        }
        let event = if let Some(section) = session.section() {
            let went_on =
                storage::go_on(stream, session, shared, place, timer, (&mut reader, section)).await?;
            let Some(event) = went_on else { continue };
            event
        } else {
            let moved = poll_fn(|context| {
                let moved = if step == Step::Read {
                    pin!(stream.read(session.space())).poll(context)
                } else {
                    pin!(stream.write(session.output())).poll(context)
                };
                match moved {
                    Poll::Ready(moved) => Poll::Ready(moved.map(Wake::Moved)),
                    Poll::Pending => wait(session, shared, place, timer, context).map(Ok),
                }
            });
            moved.await?
        };
        match (event, step) {
            (Wake::Moved(0), Step::Read) => return Ok(()),
            (Wake::Moved(length), Step::Read) => session.received(length),
            (Wake::Moved(length), _) => {
                server.counters().octets.add(length as u64);
                session.sent(length, server.settings(), shared.time.recent());
            }
            (Wake::Ending, _) => session.finish(),
            (Wake::Displaced, _) => {
                // A client that does not answer would keep the memory of one that is closed in order.
                stream.abort();
                return Ok(());
            }
            (Wake::Expired, _) => session.expire(server, shared.wall(shared.time.recent())),
        }
    }
}

/// What else may end a wait than the stream.
fn wait(
    session: &Conversation<'_>,
    shared: &Shared,
    place: usize,
    timer: &mut Sleep,
    context: &mut Context<'_>,
) -> Poll<Wake> {
    if shared.shutdown.is_requested() && !session.is_last() {
        return Poll::Ready(Wake::Ending);
    }
    if shared.seats.borrow_mut().wait(place, Some(session.waits_since()), context.waker()) {
        return Poll::Ready(Wake::Displaced);
    }
    let deadline = session.deadline();
    if timer.deadline() > deadline {
        timer.reset(deadline);
    }
    // One that rings early has nothing to say, and is set to the time that is now the right one.
    while Pin::new(&mut *timer).poll(context).is_ready() {
        if timer.deadline() >= deadline {
            return Poll::Ready(Wake::Expired);
        }
        timer.reset(deadline);
    }
    Poll::Pending
}

/// Closes the sending half, without a wait for the client's consent.
fn shut(stream: &mut TcpStream) -> impl Future<Output = ()> {
    poll_fn(|context| {
        let _ = pin!(stream.close()).poll(context);
        Poll::Ready(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_modified_in_the_future_was_modified_now() {
        assert_eq!((passed(5, Some(4)), passed(5, Some(5)), passed(5, Some(6))), (4, 5, 5));
        assert_eq!((passed(5, None), passed(5, Some(u64::MAX))), (5, 5));
    }
}
