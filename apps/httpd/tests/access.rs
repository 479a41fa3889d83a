//! The access log: one line for each response, in which nobody can write another one.

mod common;

use common::{checks, outcome, with_settings};
use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use unik_httpd::Settings;

thread_local! {
    /// The lines of this test's thread.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "access" {
            LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// What the log tells of the responses to `stream`, which arrives once at once, and in pieces.
#[track_caller]
fn lines(stream: &str) -> Vec<String> {
    // The other test of this program may have been first.
    let _ = log::set_logger(&Lines);
    log::set_max_level(LevelFilter::Info);
    let settings = Settings { has_log: true, ..Settings::default() };
    let server = with_settings(&[("index.html", b"<p>Hello")], settings);
    LINES.with_borrow_mut(Vec::clear);
    let whole = checks::converse(&server, stream.as_bytes(), &mut || usize::MAX);
    let lines = LINES.take();
    assert_eq!(outcome(&server, stream.as_bytes()), whole);
    lines
}

#[test]
fn a_line_tells_how_much_is_sent() {
    let started = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000]";
    for (request, told) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET / HTTP/1.1\" 200 8 \"-\" \"-\""),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "\"HEAD / HTTP/1.1\" 200 0 \"-\" \"-\""),
        ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "\"HEAD /x HTTP/1.1\" 404 0 \"-\" \"-\""),
        ("HEAD / HTTP/1.1\r\n\r\n", "\"HEAD / HTTP/1.1\" 400 0 \"-\" \"-\""),
        ("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n", "\"GET / HTTP/1.1\" 206 2 \"-\" \"-\""),
    ] {
        assert_eq!(lines(request), [format!("{started} {told}")], "{request}");
    }
}

#[test]
fn no_request_ends_its_quotes_or_its_line() {
    for (request, told) in [
        ("GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET /\\x1b[31m HTTP/1.1\" 400"),
        ("GET /\" HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET /\\x22 HTTP/1.1\" 404"),
        ("GET /\nGET / HTTP/1.1\r\n\r\n", "\"GET /\" 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \t\"\\\u{9b}\r\n\r\n", "\"\\x22\\x5c\\xc2\\x9b\""),
    ] {
        let lines = lines(request);
        assert!(lines.len() == 1 && lines[0].contains(told), "{lines:?}");
        assert!(!lines[0].bytes().any(|byte| byte.is_ascii_control()), "{lines:?}");
    }
}
