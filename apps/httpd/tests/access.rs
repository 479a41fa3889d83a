//! The access log: one line for each response, in which nobody can write another one.

mod common;

use common::{checks, outcome, with_settings};
use std::time::Duration;
use unik_httpd::{Format, Server, Session, Settings, Step};
use unik_sched::sync::Lines;
use unik_sched::time::Instant;

fn server(format: Format) -> (Server<'static>, Lines) {
    let settings = Settings { log: Some(format), ..Settings::default() };
    let (mut server, lines) = (with_settings(&[("index.html", b"<p>Hello")], settings), lines());
    server.log_into(lines.clone());
    (server, lines)
}

fn lines() -> Lines {
    Lines::try_new(100_000).expect("there is memory")
}

fn taken(lines: &Lines) -> Vec<String> {
    let mut taken = Vec::new();
    while lines.take(&mut |_, text| taken.push(text.to_owned())) {}
    taken
}

/// What the log tells of the responses to `stream`, which arrives at once, and once more in pieces.
#[track_caller]
fn told(format: Format, stream: &str) -> Vec<String> {
    let (server, lines) = server(format);
    let whole = checks::converse(&server, stream.as_bytes(), &mut || usize::MAX);
    let told = taken(&lines);
    assert_eq!(outcome(&server, stream.as_bytes()), whole);
    lines.counters().visit(&mut |name, value| assert!(name != "cut" || value == 0, "no line is cut"));
    told
}

#[test]
fn a_line_tells_how_much_is_sent() {
    let started = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000]";
    for (request, line) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET / HTTP/1.1\" 200 8 \"-\" \"-\""),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "\"HEAD / HTTP/1.1\" 200 0 \"-\" \"-\""),
        ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "\"HEAD /x HTTP/1.1\" 404 0 \"-\" \"-\""),
        ("HEAD / HTTP/1.1\r\n\r\n", "\"HEAD / HTTP/1.1\" 400 0 \"-\" \"-\""),
        ("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n", "\"GET / HTTP/1.1\" 206 2 \"-\" \"-\""),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nReferer: b\r\nContent-Length: 3\r\nUser-Agent: c\r\n\r\nxyz",
            "\"PUT / HTTP/1.1\" 405 23 \"b\" \"c\"",
        ),
    ] {
        assert_eq!(told(Format::Combined, request), [format!("{started} {line}")], "{request}");
    }
}

#[test]
fn requests_that_come_together_have_a_line_each() {
    let stream = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.0\r\n\r\n";
    let lines = told(Format::Combined, stream);
    assert_eq!(lines.len(), 3);
    for (line, request) in lines.iter().zip(["GET / ", "GET /2 ", "GET /3 "]) {
        assert!(line.contains(request), "{lines:?}");
    }
}

#[test]
fn an_object_tells_the_same() {
    let request = "GET /a%20b?c HTTP/1.1\r\nHost: example.org:80\r\nUser-Agent: x\ty\"\\\u{e4}\r\n\r\n";
    let expected = concat!(
        "{\"time\":\"1994-11-06T08:49:37Z\",\"client\":\"192.0.2.1\",\"host\":\"example.org:80\",\"method\":\"GET\",",
        "\"target\":\"/a%20b?c\",\"referer\":null,\"user_agent\":\"x\\u0009y\\u0022\\u005c\\u00c3\\u00a4\",",
        "\"status\":404,\"octets\":14,\"duration\":0.000000}"
    );
    assert_eq!(told(Format::Json, request), [expected]);
}

#[test]
fn no_request_ends_its_quotes_or_its_line() {
    for (request, line) in [
        ("GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET /\\x1b[31m HTTP/1.1\" 400"),
        ("GET /\" HTTP/1.1\r\nHost: a\r\n\r\n", "\"GET /\\x22 HTTP/1.1\" 404"),
        ("GET /\nGET / HTTP/1.1\r\n\r\n", "\"GET /\" 400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \t\"\\\u{9b}\r\n\r\n", "\"\\x22\\x5c\\xc2\\x9b\""),
    ] {
        let lines = told(Format::Combined, request);
        assert!(lines.len() == 1 && lines[0].contains(line), "{lines:?}");
        let lines = [&lines[0], &told(Format::Json, request)[0]];
        assert!(!lines.iter().any(|line| line.bytes().any(|byte| byte.is_ascii_control())), "{lines:?}");
    }
}

#[test]
fn whatever_a_request_is_as_long_as_a_line_is_never_cut() {
    for filling in ["x", "\"", "\u{e4}"] {
        let long = filling.repeat(3000 / filling.len());
        let request = format!(
            "{} /{long} HTTP/1.1\r\nHost: {long}\r\nReferer: {long}\r\nUser-Agent: {long}\r\n\r\n",
            "M".repeat(500)
        );
        for format in [Format::Combined, Format::Json] {
            let lines = told(format, &request);
            assert!(lines.len() == 1 && lines[0].len() > 800 && lines[0].contains("..."), "{lines:?}");
        }
        let line = &told(Format::Json, &request)[0];
        assert!(line.starts_with('{') && line.ends_with('}') && line.matches('"').count() == 34, "{line}");
    }
}

#[test]
fn a_response_that_is_given_up_is_told_with_what_was_sent_of_it() {
    let (server, lines) = server(Format::Json);
    let mut session =
        Session::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), server.settings(), Instant::ZERO);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(session.advance(&server, Instant::ZERO, None), Step::Read);
    session.space()[..request.len()].copy_from_slice(request);
    session.received(request.len());
    assert_eq!(session.advance(&server, Instant::ZERO, None), Step::Write);
    let head = session.output().len();
    session.sent(head, server.settings(), Instant::ZERO);
    assert_eq!((session.advance(&server, Instant::ZERO, None), session.output().len()), (Step::Write, 8));
    session.sent(3, server.settings(), Instant::ZERO);
    let later = Instant::ZERO + Duration::from_micros(2_000_345);
    session.end(&server, later, None);
    session.end(&server, later, None);
    let told = taken(&lines);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("{\"time\":null,\"client\":\"2001:db8:0:0:0:0:0:1\","), "{told:?}");
    assert!(told[0].ends_with("\"status\":200,\"octets\":3,\"duration\":2.000345}"), "{told:?}");
}
