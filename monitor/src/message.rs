//! What tool and guest say to each other.
//!
//! The bytes are postcard's (its wire format, version 1): integers as variable-length numbers, text with its length in
//! front, variants by their place. New variants are added at the end, where an older side refuses them as unknown; any
//! other change is a new [`VERSION`].

use serde::{Deserialize, Serialize};

/// The version of the messages. Guest and tool of different versions do not understand each other.
pub const VERSION: u16 = 1;

/// The most bytes of a frame that are captured; of a longer one the beginning.
pub const CAPTURE_LIMIT: u16 = 1536;

/// The most bytes of what an appliance is asked: a command of its own, and its arguments.
pub const ASK_LIMIT: usize = 240;

/// The most bytes of a line that such a command writes.
pub const LINE_LIMIT: usize = 1024;

/// What a tool asks. Every request has a number, and each reply to it carries that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Begins a conversation; answered by [`Reply::Welcome`].
    Hello {
        /// The version that the tool speaks.
        version: u16,
    },
    /// What is running, and on what: [`Reply::Fact`]s, then [`Reply::Done`].
    Facts,
    /// All tasks: [`Reply::Task`]s, then [`Reply::Done`].
    Tasks,
    /// All counters: [`Reply::Counter`]s, then [`Reply::Done`].
    Counters,
    /// All sockets: [`Reply::Socket`]s, then [`Reply::Done`].
    Sockets,
    /// The network cards that can be listened to: [`Reply::Interface`]s, then [`Reply::Done`].
    Interfaces,
    /// The log as far as it is kept: [`Reply::Record`]s and [`Reply::Lost`].
    Log {
        /// Whether to go on with records as they come, until [`Request::Stop`]; else [`Reply::Done`] ends it.
        follow: bool,
    },
    /// Levels of the log in force: [`Reply::Level`]s, then [`Reply::Done`].
    Levels,
    /// Sets the level of a module and of all below it: [`Reply::Done`].
    SetLevel {
        /// The module's path, such as `unik_net::tcp`; empty for all that have no level of their own.
        target: &'a str,
        /// What is logged from now on; `None` gives the module the level of what it lies in.
        level: Option<Level>,
    },
    /// Copies of all frames of a network card as they pass: [`Reply::Frame`]s and [`Reply::Lost`], until
    /// [`Request::Stop`].
    Capture {
        /// The card's name, such as `net0`.
        interface: &'a str,
        /// The most bytes of each frame, up to [`CAPTURE_LIMIT`].
        length: u16,
    },
    /// Ends a request that goes on: that one is answered by [`Reply::Done`], and so is this one.
    Stop {
        /// The number of the request to end.
        request: u32,
    },
    /// Ends the appliance in order: [`Reply::Done`], and then it ends.
    End {
        /// Whether to start the machine again instead of switching it off.
        reboot: bool,
    },
    /// The commands of the appliance itself: [`Reply::Command`]s, then [`Reply::Done`].
    Commands,
    /// Has the appliance follow one of its commands, once: [`Reply::Line`]s or one [`Reply::Declined`], then [`Reply::Done`].
    Ask {
        /// The command's name and, behind a blank, its arguments: [`ASK_LIMIT`] bytes at most.
        words: &'a str,
    },
}

/// One answer of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply<'a> {
    /// The request is answered, nothing more follows.
    Done,
    /// The request is not answered.
    Refused(Refusal),
    /// The answer to [`Request::Hello`].
    Welcome {
        /// The version that the guest speaks.
        version: u16,
        /// The name of the appliance.
        name: &'a str,
    },
    /// Something known about what is running.
    Fact(#[serde(borrow)] Fact<'a>),
    /// A task.
    Task(#[serde(borrow)] Task<'a>),
    /// A counter; its full name is `group.name`.
    Counter {
        /// The component that counts.
        group: &'a str,
        /// What it counts.
        name: &'a str,
        /// The count so far.
        value: u64,
    },
    /// A socket.
    Socket(#[serde(borrow)] Socket<'a>),
    /// The name of a network card.
    Interface(&'a str),
    /// A record of the log.
    Record(#[serde(borrow)] Record<'a>),
    /// A level of the log in force.
    Level {
        /// The module's path; empty for all that have no level of their own.
        target: &'a str,
        /// What is logged.
        level: Level,
    },
    /// A frame that passed a network card.
    Frame(#[serde(borrow)] Frame<'a>),
    /// So many records or frames were lost here, because they came faster than they were read.
    Lost(u64),
    /// A command of the appliance itself.
    Command {
        /// Its name.
        name: &'a str,
        /// A sentence about it.
        help: &'a str,
    },
    /// A line of the answer to [`Request::Ask`]. Cells of a table are separated by tabs.
    Line {
        /// Its text, of [`LINE_LIMIT`] bytes at most.
        text: &'a str,
        /// Whether its end is missing, because it was longer than that.
        cut: bool,
    },
    /// The command was not followed.
    Declined {
        /// The appliance's sentence about why.
        text: &'a str,
        /// Whether its end is missing.
        cut: bool,
    },
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The bytes were no request; the number is 0 where not even that could be read.
    Malformed,
    /// The guest speaks another version.
    Version,
    /// There is no network card, request, module or command of that name or number.
    NotFound,
    /// Somebody does that already, or as many as possible do.
    Busy,
    /// This appliance cannot do it now: what it takes is not there, such as memory.
    Unable,
}

/// Something known about what is running: a name and a value, shown as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<'a> {
    /// What it is, such as `uptime`.
    pub name: &'a str,
    /// Its value.
    #[serde(borrow)]
    pub value: Value<'a>,
}

/// The value of a [`Fact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value<'a> {
    /// Words.
    Text(&'a str),
    /// A number of things.
    Number(u64),
    /// An amount of memory, in bytes.
    Bytes(u64),
    /// A span of time, in nanoseconds.
    Duration(u64),
    /// A date, in nanoseconds since the Unix epoch.
    Date(u64),
}

/// What the scheduler knows of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task<'a> {
    /// Its number: 0 is `main`.
    pub id: u64,
    /// The name it was started with.
    pub name: &'a str,
    /// Whether it is about to run; otherwise it waits.
    pub ready: bool,
    /// What it waits for.
    pub waits_for: &'a str,
    /// Times it was polled.
    pub polls: u64,
    /// Times it was woken.
    pub wakes: u64,
    /// Nanoseconds that it ran in all.
    pub run_time: u64,
    /// Nanoseconds of its longest poll.
    pub longest_poll: u64,
}

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket<'a> {
    /// The network card whose stack it belongs to.
    pub interface: &'a str,
    /// What it speaks.
    pub protocol: Protocol,
    /// What it is doing; for TCP the states of RFC 9293, 3.3.2.
    pub state: State,
    /// Address and port on this side.
    pub local: (Address, u16),
    /// Address and port on the other side, where there is one.
    pub remote: Option<(Address, u16)>,
    /// Bytes received that the application has not taken yet; for a listener, connections not accepted yet.
    pub receive_queue: u32,
    /// Bytes that wait to be sent or to be acknowledged.
    pub send_queue: u32,
    /// The smoothed round trip time in microseconds (RFC 6298), where one was measured.
    pub round_trip: Option<u32>,
    /// Segments that were sent again.
    pub retransmits: u32,
    /// Nanoseconds since it was opened.
    pub age: u64,
}

/// A protocol that has sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Datagrams (RFC 768).
    Udp,
    /// Connections (RFC 9293).
    Tcp,
}

/// What a socket is doing. All but `Open` are states of TCP (RFC 9293, 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the RFC")]
pub enum State {
    /// A UDP socket.
    Open,
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// An IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// The four bytes of IPv4, in the order of the wire.
    V4([u8; 4]),
    /// The sixteen bytes of IPv6.
    V6([u8; 16]),
}

/// A record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// Its number: they count from 0 without a gap.
    pub number: u64,
    /// Nanoseconds since the start.
    pub time: u64,
    /// How grave it is.
    pub level: Level,
    /// The module that wrote it.
    pub target: &'a str,
    /// What it says; the end is missing where it was too long.
    pub text: &'a str,
}

/// A level of the log; each lets those before it pass as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Nothing.
    Off,
    /// The operator must act.
    Error,
    /// Something works less well.
    Warn,
    /// Once per event of a life-cycle.
    Info,
    /// Per connection.
    Debug,
    /// Per packet.
    Trace,
}

/// A frame that passed a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame<'a> {
    /// Nanoseconds since the start.
    pub time: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Its bytes on the wire, without a check sequence.
    pub length: u32,
    /// Its first bytes, from the destination address on.
    pub bytes: &'a [u8],
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// To the appliance.
    Received,
    /// From the appliance.
    Sent,
}
