//! The service: zones out of files and from other servers, answers over UDP and TCP.
//!
//! UDP is answered in the buffers that the queries come in, by the task of the network; TCP is the matter of [`connections`],
//! zones that come and go that of [`maintenance`]. All share one [`Server`]. When the appliance is asked to end,
//! nothing new is accepted, and connections close behind the answers to what has arrived.

mod commands;
mod connections;
mod fetch;
mod maintenance;
#[cfg_attr(not(feature = "disk"), path = "service/no_storage.rs")]
mod storage;
mod zones;

pub use connections::{CLIENT_LIMIT, CONNECTION_LIMIT};
pub use storage::{Broken, Disk, Storage};
pub use zones::{CONFIGURATION, SUFFIX, is_zone, load};

use crate::configuration::ConfigurationError;
use crate::cookie::SECRET;
use crate::origin::{Clock, Origin, Transport};
use crate::server::Server;
use crate::settings::{BadSetting, Settings};
use alloc::rc::Rc;
use connections::Connections;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use maintenance::Maintenance;
use unik::net::{self, Datagram, Net, Reply, Verdict};
use unik::sync::Lines;
use unik::time::{Duration, Time};
use unik::{Commands, CounterSet, Destinations, Entropy, Files, Shutdown, Spawner, Syslog, log, yield_now};
use unik_sched::time::Instant;

/// The port of the protocol, for both transports.
const PORT: u16 = 53;
/// How long connections have for the answers that were begun, when the appliance is asked to end: less than the time that
/// it has itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets of lines about queries that wait to be carried, and the target that they have.
const LINES: usize = 64 * 1024;
const QUERIES: &str = "queries";
/// Turns of all tasks before the end, in which the network's takes what the card holds: one for that, and one for each task
/// that is woken on the way.
const LAST_TURNS: usize = 4;

/// The server, which is changed only between two answers.
pub type SharedServer = Rc<RefCell<Server>>;

/// What the service stands on.
pub struct Platform {
    /// Where queries come from, and where other servers are.
    pub net: Net,
    /// Starts its tasks.
    pub spawner: Spawner,
    /// Deadlines and pauses.
    pub time: Time,
    /// The date, which signatures need.
    pub clock: Option<unik::Clock>,
    /// Identifiers that nobody can guess.
    pub entropy: Entropy,
    /// What an operator can ask.
    pub commands: Option<Commands>,
    /// When to end.
    pub shutdown: Shutdown,
    /// Where zones are kept that were fetched.
    pub storage: Option<Storage>,
}

impl Clock for Platform {
    fn now(&self) -> Instant {
        self.time.now()
    }

    fn since_epoch(&self) -> Option<Duration> {
        self.clock.as_ref()?.since_epoch()
    }
}

/// Why the service ended or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No file of the data is a zone that can be served.
    NoZones,
    /// A word of the configuration is wrong.
    Setting(BadSetting),
    /// The file that says who may transfer zones is wrong.
    Configuration(ConfigurationError<'static>),
    /// There is no memory for what that file says, for connections, or for the log of queries.
    NoMemory,
    /// A socket failed.
    Net(net::Error),
    /// The task for TCP cannot be started.
    TooManyTasks,
    /// The disk cannot be used.
    Storage(Broken),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZones => {
                f.write_str("there is no zone to serve: the data needs a file NAME.zone without mistakes, or request-xfr: in dns.conf")
            }
            Self::Setting(error) => error.fmt(f),
            Self::Configuration(error) => error.fmt(f),
            Self::NoMemory => f.write_str("there is no memory for the zones of dns.conf, for connections, or for the log of queries"),
            Self::Net(error) => error.fmt(f),
            Self::TooManyTasks => f.write_str("the limit on tasks is reached"),
            Self::Storage(error) => {
                f.write_str("disk0: ")?;
                error.fmt(f)
            }
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

/// A server of the zones in `files` that answers as the configuration says, of which `get` gives the value of each word. Its secrets
/// are drawn from `entropy`.
///
/// # Errors
/// [`Error::Setting`] names the word that is wrong, [`Error::NoZones`] where there is nothing to serve.
#[inline(never)]
pub fn prepare(
    files: &Files,
    entropy: &Entropy,
    get: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<SharedServer, Error> {
    let settings = Settings::read(get)?;
    let mut server = load(files)?;
    let random = &mut || {
        let mut octets = [0; SECRET];
        entropy.fill(&mut octets);
        octets
    };
    server.configure(settings);
    if !server.protect(random) {
        log::error!("there is no memory to limit answers by dns.rrl: they are not limited");
    }
    Ok(Rc::new(RefCell::new(server)))
}

/// Lets `syslog` send the log through `net`, and carry the log of queries, where one is wanted, to where `dns.log-to=` says, of which
/// `get` gives the value.
///
/// # Errors
/// [`Error::Setting`], [`Error::NoMemory`].
#[inline(never)]
pub fn log_through(
    syslog: &Syslog,
    net: &Net,
    server: &SharedServer,
    get: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<(), Error> {
    let key = "dns.log-to";
    let to = get(key).map_or(Some(Destinations::default()), Destinations::parse);
    let to = to.ok_or(BadSetting::new(key, Destinations::EXPECTED))?;
    let mut server = server.borrow_mut();
    if server.settings().log_queries == 0 {
        syslog.follow(net);
        return Ok(());
    }
    let lines = Lines::try_new(LINES).ok_or(Error::NoMemory)?;
    syslog.carry(net, &lines, QUERIES, to);
    server.log_into(lines);
    Ok(())
}

/// Lets `registry` read what `server` counts.
pub fn count(server: &Server, registry: &unik::Counters) {
    let sets: [Rc<dyn CounterSet>; 3] =
        [server.counters().clone(), server.kinds().clone(), server.transfers().clone()];
    sets.into_iter().for_each(|set| registry.register("dns", set));
}

/// Answers queries on port 53 until the appliance is asked to end, and then finishes the answers that were begun.
///
/// # Errors
/// [`Error::Net`] where the port cannot be opened, [`Error::TooManyTasks`].
pub async fn serve(server: SharedServer, platform: Platform) -> Result<(), Error> {
    let platform = Rc::new(platform);
    if server.borrow().has_keys() && platform.date().is_none() {
        log::warn!(
            "this machine does not know the date, which signatures need: the keys of dns.conf are of no use"
        );
    }
    let maintenance = Maintenance::new(server.clone(), platform.clone());
    if let Some(commands) = &platform.commands {
        commands::register(commands, &maintenance);
    }
    let net = &platform.net;
    let answering = {
        let (server, platform, maintenance) = (server.clone(), platform.clone(), maintenance.clone());
        let handler = move |datagram: &Datagram, reply: &mut Reply<'_>| {
            let server = server.borrow();
            let verdict = answer(&server, datagram, reply, &*platform);
            if server.has_news() {
                maintenance.wake();
            }
            verdict
        };
        net.answer(PORT, handler)?
    };
    let listener = net.listen(PORT).await?;
    let connections = Connections::try_new(server, platform.clone(), maintenance.clone());
    let connections = Rc::new(connections.ok_or(Error::NoMemory)?);
    let acceptor = connections::accept(listener, connections.clone());
    platform.spawner.spawn("dns-tcp", acceptor).map_err(|_| Error::TooManyTasks)?;
    if maintenance.has_work() {
        let spawned = platform.spawner.spawn("dns-zones", maintenance::run(maintenance));
        spawned.map_err(|_| Error::TooManyTasks)?;
    }
    platform.shutdown.requested().await;
    for _ in 0..LAST_TURNS {
        yield_now().await;
    }
    let mut patience = platform.time.sleep(PATIENCE);
    poll_fn(|context| match connections.poll_empty(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => Pin::new(&mut patience).poll(context),
    })
    .await;
    drop(answering);
    Ok(())
}

/// Answers the query in `reply`, in its place.
fn answer(server: &Server, datagram: &Datagram, reply: &mut Reply<'_>, clock: &dyn Clock) -> Verdict {
    let length = reply.payload().len();
    let origin = Origin { client: datagram.source.ip(), transport: Transport::UDP, clock };
    match server.answer_in_place(reply.bytes_mut(), length, &origin) {
        Some(length) if reply.set_len(length).is_ok() => Verdict::Answer,
        _ => Verdict::Drop,
    }
}
