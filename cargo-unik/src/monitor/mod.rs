//! Looks into running guests, through the inspection channel that `cargo unik run` gives each of them.
//!
//! A [`Connection`] speaks the protocol of `unik-monitor` over the Unix socket that [`find`] knows the path of; [`view`] is where
//! answers are shown; each command is a function over the two, in a module of its own. [`arguments`] reads their command lines.
//!
//! Invariant: the guest is not trusted. What it says is decoded or told as a sentence, is bounded in memory and in time, and reaches
//! the terminal with its control characters escaped.

pub mod arguments;
pub mod ask;
pub mod clock;
pub mod counters;
pub mod facts;
pub mod find;
pub mod log;
pub mod netstat;
pub mod pcapng;
pub mod ps;
pub mod summary;
pub mod tables;
pub mod tcpdump;
pub mod view;

#[cfg(test)]
mod command_tests;
#[cfg(test)]
#[path = "../../tests/fake/mod.rs"]
mod fake;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::TimeVal;
use unik_monitor::frame::{self, Decoder, REPLY_LIMIT, REQUEST_LIMIT};
use unik_monitor::{Refusal, Reply, Request, VERSION};

use crate::error::{Context, Error, Result};
use tables::printable;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The most answers to one request that comes to an end by itself, or to one that goes on after it was told to end.
pub const MOST_REPLIES: usize = 16 * 1024;
/// How often a wait without an end looks whether the user wants one.
const TICK: Duration = Duration::from_millis(100);

/// A conversation with a guest.
#[derive(Debug)]
pub struct Connection {
    /// The name of the appliance, as the guest calls itself, fit to be printed; its socket's path until it has said so.
    pub name: String,
    /// The version that the guest speaks.
    pub version: u16,
    /// Whether the guest has closed the channel.
    pub closed: bool,
    socket: UnixStream,
    stream: Stream,
    patience: Duration,
    /// The number of the last request. They begin anywhere, so that answers to an earlier conversation are told from ours.
    number: u32,
}

/// How a wait for an answer ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    Answered,
    TooLong,
    Stopped,
}

impl Connection {
    /// Connects to the socket at `path` and greets the guest behind it.
    ///
    /// # Errors
    /// Nobody listens there, nobody answers within `patience`, or the guest speaks another version.
    pub fn open(path: &Path, patience: Duration) -> Result<Connection> {
        let nobody = || {
            let name = printable(&path.to_string_lossy());
            Error::failed(format!("no virtual machine listens at {name}"))
        };
        Connection::try_open(path, patience)?.ok_or_else(nobody)
    }

    /// The same, but `None` where nobody listens.
    ///
    /// # Errors
    /// Nobody answers within `patience`, or the guest speaks another version.
    pub fn try_open(path: &Path, patience: Duration) -> Result<Option<Connection>> {
        let deadline = Instant::now() + patience;
        let name = printable(&path.to_string_lossy());
        let socket = match connect(path, patience) {
            Ok(socket) => socket,
            Err(Errno::ENOENT | Errno::ECONNREFUSED | Errno::ENOTSOCK) => return Ok(None),
            Err(Errno::EAGAIN) => return Err(silence(&name, patience)),
            Err(error) => return Err(error).or_cannot(|| format!("connect to {name}")),
        };
        socket.set_write_timeout(Some(patience)).or_cannot(|| format!("prepare the socket {name}"))?;
        let stream = Stream::new();
        let number = RandomState::new().build_hasher().finish() as u32;
        let mut connection =
            Connection { name, version: VERSION, closed: false, socket, stream, patience, number };
        // Ends what an earlier conversation may have left unfinished.
        connection.send(&[0])?;
        let number = connection.ask(&Request::Hello { version: VERSION })?;
        if connection.wait(number, Some(deadline), None)? != Waited::Answered {
            return Err(silence(&connection.name, patience));
        }
        let (version, name) = match connection.stream.reply() {
            Some(Reply::Welcome { version, name }) => (version, printable(name)),
            Some(Reply::Refused(Refusal::Version)) => return Err(connection.other_version("another version")),
            Some(Reply::Refused(refusal)) => return Err(connection.refused("greet the tool", refusal)),
            _ => return Err(connection.nonsense()),
        };
        if version != VERSION {
            return Err(connection.other_version(&format!("version {version}")));
        }
        (connection.version, connection.name) = (version, name);
        Ok(Some(connection))
    }

    /// Sends a request and gives its number.
    ///
    /// # Errors
    /// The guest has ended or does not read, or the request is too long.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<u32> {
        // Guests answer what has no number under 0.
        self.number = self.number.wrapping_add(1).max(1);
        let mut room = [0; REQUEST_LIMIT];
        let Some(length) = frame::encode(self.number, request, &mut room) else {
            return Err(Error::usage(format!(
                "a name is longer than a request can hold ({REQUEST_LIMIT} bytes)"
            )));
        };
        self.send(&room[..length])?;
        Ok(self.number)
    }

    /// The next answer to a request, which has to come soon.
    ///
    /// # Errors
    /// It does not come, or makes no sense, or the guest has ended.
    pub fn answer(&mut self, number: u32) -> Result<Reply<'_>> {
        if self.wait(number, Some(Instant::now() + self.patience), None)? != Waited::Answered {
            let patience = self.patience;
            return Err(Error::failed(format!(
                "{} stopped answering: nothing came for {patience:?}",
                self.name
            )));
        }
        self.understood()
    }

    /// The next answer to a request that goes on, however long it takes; `None` once `stop` is set.
    ///
    /// # Errors
    /// It makes no sense, or the guest has ended.
    pub fn next(&mut self, number: u32, stop: &AtomicBool) -> Result<Option<Reply<'_>>> {
        match self.wait(number, None, Some(stop))? {
            Waited::Answered => self.understood().map(Some),
            Waited::TooLong | Waited::Stopped => Ok(None),
        }
    }

    /// Whether more of what the guest said is here already.
    pub fn has_more(&self) -> bool {
        self.stream.unread > self.stream.read
    }

    /// Asks for something that comes to an end, and shows each answer to `take`, which tells whether it was one.
    ///
    /// # Errors
    /// The guest refuses to do `what`, says something else, goes on without end, or is gone; or what `take` says.
    pub fn list(
        &mut self,
        request: &Request<'_>,
        what: &str,
        take: &mut dyn FnMut(Reply<'_>) -> Result<bool>,
    ) -> Result<()> {
        let number = self.ask(request)?;
        for _ in 0..MOST_REPLIES {
            match self.answer(number)? {
                Reply::Done => return Ok(()),
                Reply::Refused(refusal) => return Err(self.refused(what, refusal)),
                reply => {
                    if !take(reply)? {
                        return Err(self.nonsense());
                    }
                }
            }
        }
        Err(Error::failed(format!("{} does not come to an end: it gave {MOST_REPLIES} answers", self.name)))
    }

    /// Ends a request that goes on. What was still on its way goes to `take`.
    ///
    /// # Errors
    /// The guest does not end it in time or within [`MOST_REPLIES`], or has ended itself.
    pub fn stop(&mut self, request: u32, take: &mut dyn FnMut(Reply<'_>) -> Result<()>) -> Result<()> {
        self.ask(&Request::Stop { request })?;
        let deadline = Instant::now() + self.patience;
        for _ in 0..MOST_REPLIES {
            if self.wait(request, Some(deadline), None)? != Waited::Answered {
                break;
            }
            match self.understood()? {
                Reply::Done | Reply::Refused(_) => return Ok(()),
                reply => take(reply)?,
            }
            // A wait finds what is here already at any time.
            if Instant::now() >= deadline {
                break;
            }
        }
        Err(Error::failed(format!("{} did not end what it was asked to end", self.name)))
    }

    /// Waits for the guest to close the channel; whether it did.
    pub fn closes(&mut self) -> bool {
        let deadline = Instant::now() + self.patience;
        // No request has the number 0: whatever comes is skipped.
        self.wait(0, Some(deadline), None).is_err()
    }

    /// The sentence for a refusal to do `what`.
    pub fn refused(&self, what: &str, refusal: Refusal) -> Error {
        let why = match refusal {
            Refusal::Malformed => "it does not know the request; build image and tool from the same version",
            Refusal::Version => "it speaks another version; build image and tool from the same version",
            Refusal::NotFound => "there is nothing of that name",
            Refusal::Busy => "somebody does that already, or as many as possible do",
            Refusal::Unable => "what that takes is not there, such as memory",
        };
        Error::failed(format!("{} does not {what}: {why}", self.name))
    }

    /// The sentence for an answer that is none.
    pub fn nonsense(&self) -> Error {
        let help = "build image and tool from the same version";
        Error::failed(format!("{} says something that this tool does not understand; {help}", self.name))
    }

    fn other_version(&self, which: &str) -> Error {
        Error::failed(format!(
            "{} speaks {which} of the channel and this tool version {VERSION}: build image and tool from the same version",
            self.name
        ))
    }

    fn understood(&self) -> Result<Reply<'_>> {
        self.stream.reply().ok_or_else(|| self.nonsense())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.socket.write_all(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => silence(&self.name, self.patience),
            _ => self.ended(),
        })
    }

    fn ended(&mut self) -> Error {
        self.closed = true;
        Error::failed(format!("{} has ended: the channel is closed", self.name))
    }

    /// Reads until an answer to `number` is complete; others are skipped.
    fn wait(&mut self, number: u32, deadline: Option<Instant>, stop: Option<&AtomicBool>) -> Result<Waited> {
        loop {
            if self.stream.cut(number) {
                return Ok(Waited::Answered);
            }
            if stop.is_some_and(|stop| stop.load(Ordering::SeqCst)) {
                return Ok(Waited::Stopped);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = left.unwrap_or(TICK);
            if pause.is_zero() {
                return Ok(Waited::TooLong);
            }
            self.socket.set_read_timeout(Some(pause)).or_cannot(|| "set a limit to a wait".to_owned())?;
            match self.socket.read(&mut self.stream.buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(length) => (self.stream.read, self.stream.unread) = (0, length),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(self.ended()),
                },
            }
        }
    }
}

/// What has come from the guest, and the last answer in it.
struct Stream {
    buffer: Vec<u8>,
    /// What is between the two has not been looked at.
    read: usize,
    unread: usize,
    decoder: Decoder<REPLY_LIMIT>,
    answer: Vec<u8>,
}

impl Stream {
    fn new() -> Stream {
        let buffer = vec![0; 64 * 1024];
        Stream { buffer, read: 0, unread: 0, decoder: Decoder::new(), answer: Vec::new() }
    }

    /// Looks for an answer to `number` in what is here.
    fn cut(&mut self, number: u32) -> bool {
        while self.read < self.unread {
            let (used, contents) = self.decoder.feed(&self.buffer[self.read..self.unread]);
            self.read += used;
            let Some(contents) = contents else { continue };
            if frame::decode::<Reply<'_>>(contents).is_some_and(|(of, _)| of == number) {
                self.answer.clear();
                self.answer.extend_from_slice(contents);
                return true;
            }
        }
        false
    }

    /// The last answer; `None` where it is no reply.
    fn reply(&self) -> Option<Reply<'_>> {
        frame::decode(&self.answer).and_then(|(_, reply)| reply)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} unread bytes", self.unread - self.read)
    }
}

/// Connects to a Unix socket; `EAGAIN` where as many others wait there as may, for `patience`.
fn connect(path: &Path, patience: Duration) -> nix::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::new(patience.as_secs().cast_signed(), i64::from(patience.subsec_micros()));
    // socket(7): SO_SNDTIMEO limits connect as well; a limit of zero would be none.
    socket::setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    socket::connect(socket.as_raw_fd(), &address)?;
    Ok(UnixStream::from(socket))
}

/// Whether a virtual machine, or anybody else, listens at a Unix socket.
///
/// # Errors
/// It cannot be told.
pub fn is_alive(path: &Path) -> Result<bool> {
    match connect(path, Duration::from_millis(1)) {
        Ok(_) | Err(Errno::EAGAIN) => Ok(true),
        Err(Errno::ENOENT | Errno::ECONNREFUSED | Errno::ENOTSOCK) => Ok(false),
        Err(error) => Err(error).or_cannot(|| format!("look at the socket {}", path.display())),
    }
}

fn silence(name: &str, patience: Duration) -> Error {
    Error::failed(format!(
        "nobody answers at {name} within {patience:?}: another tool is connected, the image has no Monitor, or the guest hangs"
    ))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
