//! Conversations with a server: requests in, responses out.
#![allow(dead_code, reason = "each test file uses its part")]

#[path = "../checks/mod.rs"]
pub(crate) mod checks;

use checks::Outcome;
use unik_httpd::{File, Server, Settings};

/// A response in its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) contents: Vec<u8>,
}

impl Response {
    /// The value of a field that comes once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|field| field.0 == name).map(|field| &*field.1);
        let value = values.next();
        assert!(values.next().is_none(), "{name} comes once");
        value
    }

    pub(crate) fn text(&self) -> &str {
        core::str::from_utf8(&self.contents).expect("text")
    }

    /// The first of `sent`, and what follows. Where it answers a HEAD, no contents follow.
    pub(crate) fn split(sent: &[u8], is_head: bool) -> (Self, &[u8]) {
        let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a head ends");
        let head = core::str::from_utf8(&sent[..end]).expect("text");
        let mut lines = head.split("\r\n");
        let code = lines.next().expect("a line")[9..12].parse().expect("a code");
        let split =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = lines.map(|line| split(line).expect("a field")).collect();
        let mut response = Self { code, fields, contents: Vec::new() };
        let length = response.field("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        let (contents, rest) = sent[end + 4..].split_at(if is_head { 0 } else { length });
        response.contents = contents.to_vec();
        (response, rest)
    }
}

/// A server of these files, none with a date.
pub(crate) fn server_of(files: &[(&'static str, &'static [u8])]) -> Server<'static> {
    with_settings(files, Settings::default())
}

pub(crate) fn with_settings(files: &[(&'static str, &'static [u8])], settings: Settings) -> Server<'static> {
    let mut files = files.iter().map(|&(path, contents)| File { path, contents, modified: None });
    Server::load(&mut files, settings).expect("there is memory")
}

/// What comes of a stream, however it is cut.
#[track_caller]
pub(crate) fn outcome(server: &Server<'_>, stream: &[u8]) -> Outcome {
    checks::stream(server, stream, 7)
}

/// The response to a request whose lines are these, on a connection of its own.
#[track_caller]
pub(crate) fn ask(server: &Server<'_>, lines: &str) -> Response {
    let request = format!("{}\r\n\r\n", lines.replace('\n', "\r\n"));
    let outcome = outcome(server, request.as_bytes());
    let (response, rest) = Response::split(&outcome.sent, lines.starts_with("HEAD"));
    assert_eq!(rest, b"", "one response to {lines}");
    response
}

/// The response to a GET of `target` with these further fields.
#[track_caller]
pub(crate) fn get(server: &Server<'_>, target: &str, fields: &str) -> Response {
    let fields = if fields.is_empty() { String::new() } else { format!("\n{fields}") };
    ask(server, &format!("GET {target} HTTP/1.1\nHost: example.org{fields}"))
}
