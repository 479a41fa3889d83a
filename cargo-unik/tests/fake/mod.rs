//! A guest that is a thread: it listens at a Unix socket and speaks the protocol of the inspection channel, or as badly as a test wants.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use unik_monitor::frame::{self, Decoder, REPLY_LIMIT, REQUEST_LIMIT};
use unik_monitor::{
    Address, Direction, Fact, Frame, Level, Protocol, Record, Refusal, Reply, Request, Socket, State, Task,
    VERSION, Value,
};

/// The thread; it ends with this.
#[derive(Debug)]
pub(crate) struct Fake {
    path: PathBuf,
    ended: Arc<AtomicBool>,
}

/// The guest's end of a conversation.
#[derive(Debug)]
pub(crate) struct Peer(UnixStream);

/// What a script did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has answered, or not.
    Handled,
    /// It leaves the answer to [`answer`].
    Usual,
    /// The guest ends here.
    End,
}

impl Fake {
    /// A guest that answers as [`answer`] does.
    pub(crate) fn usual(path: &Path) -> Fake {
        Fake::start(path, |_, _, _| Turn::Usual)
    }

    /// A guest that answers as the script says. Like QEMU, it takes one connection at a time.
    pub(crate) fn start(
        path: &Path,
        mut script: impl FnMut(&mut Peer, u32, &Request<'_>) -> Turn + Send + 'static,
    ) -> Fake {
        let listener = UnixListener::bind(path).expect("nobody else has the path");
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if flag.load(Ordering::SeqCst)
                    || !converse(&mut Peer(socket.expect("a listener accepts")), &mut script)
                {
                    return;
                }
            }
        });
        Fake { path: path.to_owned(), ended }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread where it waits for connections.
        let _ = UnixStream::connect(&self.path);
    }
}

impl Peer {
    /// Sends a reply; whether anybody reads it is for the other side to know.
    pub(crate) fn say(&mut self, number: u32, reply: &Reply<'_>) {
        let mut room = [0; REPLY_LIMIT + 64];
        let length = frame::encode(number, reply, &mut room).expect("replies of tests fit");
        self.raw(&room[..length]);
    }

    /// Sends bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }
}

/// Answers one client until it is gone; false where the script wants the guest to end.
fn converse(peer: &mut Peer, script: &mut dyn FnMut(&mut Peer, u32, &Request<'_>) -> Turn) -> bool {
    let mut decoder = Decoder::<REQUEST_LIMIT>::new();
    let mut bytes = [0; 64];
    while let Ok(length @ 1..) = peer.0.read(&mut bytes) {
        let mut rest = &bytes[..length];
        while !rest.is_empty() {
            let (used, contents) = decoder.feed(rest);
            rest = &rest[used..];
            let Some(contents) = contents else { continue };
            let Some((number, Some(request))) = frame::decode::<Request<'_>>(contents) else {
                peer.say(0, &Reply::Refused(Refusal::Malformed));
                continue;
            };
            match script(peer, number, &request) {
                Turn::Handled => {}
                Turn::Usual => answer(peer, number, &request),
                Turn::End => return false,
            }
        }
    }
    true
}

/// What an appliance in good order answers.
pub(crate) fn answer(peer: &mut Peer, number: u32, request: &Request<'_>) {
    for reply in replies(request) {
        peer.say(number, &reply);
    }
    if let Request::Stop { request } = request {
        peer.say(*request, &Reply::Done);
    }
    if !matches!(request, Request::Hello { .. } | Request::Capture { .. } | Request::Log { follow: true }) {
        peer.say(number, &Reply::Done);
    }
}

fn replies(request: &Request<'_>) -> Vec<Reply<'static>> {
    match request {
        Request::Hello { .. } => vec![Reply::Welcome { version: VERSION, name: "dns" }],
        Request::Facts => [
            ("version", Value::Text("0.1.0")),
            ("uptime", Value::Duration(5_000_000_000)),
            ("date", Value::Date(1_798_761_604_000_000_000)),
            ("memory", Value::Bytes(8 << 20)),
            ("slots", Value::Number(8000)),
        ]
        .map(|(name, value)| Reply::Fact(Fact { name, value }))
        .into(),
        Request::Tasks => {
            let card = Task { id: 1, name: "net0", ready: true, waits_for: "", polls: 1, ..MAIN };
            vec![Reply::Task(MAIN), Reply::Task(card)]
        }
        Request::Counters => [("net0", "rx_frames", 12), ("net0", "rx_errors", 0), ("dns", "queries", 3)]
            .map(|(group, name, value)| Reply::Counter { group, name, value })
            .into(),
        Request::Sockets => sockets(),
        Request::Interfaces => vec![Reply::Interface("net0")],
        Request::Log { .. } => {
            vec![Reply::Lost(2), record(2, Level::Info, "listens"), record(3, Level::Warn, "\x1b[2J")]
        }
        Request::Levels => vec![
            Reply::Level { target: "", level: Level::Info },
            Reply::Level { target: "unik_net::tcp", level: Level::Debug },
        ],
        Request::Capture { .. } => {
            vec![frame(0, Direction::Received), Reply::Lost(4), frame(1, Direction::Sent)]
        }
        Request::Commands => [("zones", "Lists the zones."), ("reload", "Reads a zone again.")]
            .map(|(name, help)| Reply::Command { name, help })
            .into(),
        Request::Ask { words: "zones" } => ["2 zones", "ZONE\t RECORDS", "example.org\t35", "\x1b[2J\t7"]
            .map(|text| Reply::Line { text, cut: false })
            .into(),
        Request::Ask { words: "reload example.org" } => vec![Reply::Line { text: "35 records", cut: true }],
        Request::Ask { .. } => vec![Reply::Declined { text: "there is no such \x1bzone", cut: false }],
        Request::SetLevel { .. } | Request::Stop { .. } | Request::End { .. } => vec![],
    }
}

/// The task of an appliance's `main`.
pub(crate) const MAIN: Task<'static> = Task {
    id: 0,
    name: "main",
    ready: false,
    waits_for: "udp 53",
    polls: 12,
    wakes: 11,
    run_time: 1_234_567,
    longest_poll: 98_765,
};

fn sockets() -> Vec<Reply<'static>> {
    let listener = Socket {
        interface: "net0",
        protocol: Protocol::Udp,
        state: State::Open,
        local: (Address::V4([0; 4]), 53),
        remote: None,
        receive_queue: 0,
        send_queue: 0,
        round_trip: None,
        retransmits: 0,
        age: 61_000_000_000,
    };
    let connection = Socket {
        protocol: Protocol::Tcp,
        state: State::CloseWait,
        local: (Address::V6([0xfe; 16]), 53),
        remote: Some((Address::V4([10, 0, 2, 2]), 40000)),
        receive_queue: 7,
        send_queue: 512,
        round_trip: Some(1500),
        retransmits: 1,
        ..listener
    };
    vec![Reply::Socket(listener), Reply::Socket(connection)]
}

/// A record of the log.
pub(crate) fn record(number: u64, level: Level, text: &'static str) -> Reply<'static> {
    Reply::Record(Record { number, time: 1_234_567_890, level, target: "unik_dns", text })
}

/// A datagram from 10.0.2.2 to 10.0.2.15.
pub(crate) fn frame(second: u64, direction: Direction) -> Reply<'static> {
    const BYTES: [u8; 46] = *b"\x52\x54\x00\x12\x34\x56\x52\x55\x01\x00\x02\x02\x08\x00\x45\x00\x00\x20\x00\x00\x00\x00\x40\x11\x00\x00\
        \x0a\x00\x02\x02\x0a\x00\x02\x0f\x9c\x40\x00\x35\x00\x0c\x00\x00\x01\x02\x03\x04";
    Reply::Frame(Frame { time: second * 1_000_000_000, direction, length: 60, bytes: &BYTES })
}
