//! What holds whatever a client sends: shared by the tests and the fuzz target.
#![allow(dead_code, reason = "each user takes its part")]

use unik_httpd::{File, Server, Session, Settings, Step};
use unik_sched::time::Instant;

/// A moment of the wall clock: Sun, 06 Nov 1994 08:49:37 GMT.
pub(crate) const WALL: u64 = 784_111_777;

/// What came of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// All that was sent.
    pub(crate) sent: Vec<u8>,
    /// Whether more would have been heard.
    pub(crate) is_open: bool,
}

/// A site with something of everything.
pub(crate) fn server() -> Server<'static> {
    let file = |path, contents| File { path, contents, modified: Some(784_000_000) };
    let files = [
        file("404.html", b"<p>Not here"),
        file("a b.txt", b"spaced"),
        file("docs/index.html", b"<p>Docs"),
        file("index.html", b"<p>Hello"),
        file("long.txt", b"0123456789abcdefghijklmnopqrstuvwxyz"),
        file("style.css", b"body { margin: 0 }"),
        file("style.css.br", b"brotli"),
        file("style.css.gz", b"gzip it"),
        file("undated", b""),
    ];
    Server::load(&mut files.into_iter(), Settings::default()).expect("there is memory")
}

/// Lets `stream` arrive in pieces of the lengths that `next` gives, and takes what is sent in such pieces too.
pub(crate) fn converse(server: &Server<'_>, mut stream: &[u8], next: &mut dyn FnMut() -> usize) -> Outcome {
    let (settings, now) = (server.settings(), Instant::ZERO);
    let mut session = Session::new([192, 0, 2, 1].into(), settings, now);
    let (mut sent, mut is_open) = (Vec::new(), true);
    loop {
        match session.advance(server, now, Some(WALL)) {
            Step::Write => {
                let output = session.output();
                assert!(!output.is_empty(), "there is something to write");
                let length = next().clamp(1, output.len());
                sent.extend_from_slice(&output[..length]);
                session.sent(length, settings, now);
            }
            Step::Read if stream.is_empty() => return Outcome { sent, is_open },
            Step::Read => {
                let space = session.space();
                assert!(!space.is_empty(), "there is room to read into");
                let length = next().clamp(1, stream.len().min(space.len()));
                let (piece, rest) = stream.split_at(length);
                space[..length].copy_from_slice(piece);
                session.received(length);
                stream = rest;
            }
            Step::Shut => {
                assert!(is_open, "the sending half is closed once");
                is_open = false;
            }
            Step::Close | Step::Abort => return Outcome { sent, is_open: false },
        }
    }
}

/// An interim response: it is sent where the head comes alone, so whether there is one depends on how the stream is cut.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Outcome {
    /// Without interim responses.
    fn final_ones(mut self) -> Self {
        while let Some(at) = self.sent.windows(INTERIM.len()).position(|window| window == INTERIM) {
            self.sent.drain(at..at + INTERIM.len());
        }
        self
    }
}

/// The same outcome for a stream that arrives at once, byte by byte, and in pieces of lengths drawn from `seed`; and each
/// response is one.
pub(crate) fn stream(server: &Server<'_>, bytes: &[u8], seed: u64) -> Outcome {
    let whole = converse(server, bytes, &mut || usize::MAX);
    let wanted = whole.clone().final_ones();
    assert_eq!(converse(server, bytes, &mut || 1).final_ones(), wanted, "byte by byte");
    let mut state = seed | 1;
    let drawn = converse(server, bytes, &mut || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 97) as usize
    });
    assert_eq!(drawn.final_ones(), wanted, "cut by {seed}");
    responses(&whole.sent, bytes.windows(4).any(|window| window == b"HEAD"));
    whole
}

/// Checks that `sent` is responses, one behind the other, and gives their status codes. Those to HEAD cannot be told from others here.
pub(crate) fn responses(mut sent: &[u8], has_heads: bool) -> Vec<u16> {
    let mut codes = Vec::new();
    while !sent.is_empty() {
        let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a head ends") + 4;
        let (head, rest) = sent.split_at(end);
        let head = core::str::from_utf8(head).expect("a head is text");
        let mut lines = head.split_terminator("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let code: u16 = status[..3].parse().expect("a status code");
        let mut length = None;
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a field");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{line}");
            assert!(!value.bytes().any(|byte| byte.is_ascii_control()), "{line}");
            if name == "Content-Length" {
                assert!(length.replace(value.parse::<usize>().expect("a length")).is_none(), "{head}");
            }
        }
        let has_none = matches!(code, 100 | 204 | 304);
        assert_eq!(length.is_none(), has_none, "{head}");
        let length = length.unwrap_or(0);
        let is_bare = has_heads && (rest.starts_with(b"HTTP/1.1 ") || rest.len() < length);
        sent = if is_bare { rest } else { rest.get(length..).expect("all contents") };
        codes.push(code);
    }
    codes
}
