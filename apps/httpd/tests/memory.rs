//! A server whose memory runs out: the connection that needed it ends, and the next one is served.

mod common;

use common::checks;
use unik_httpd::{File, Kind, Server, Session, Settings, Step};
use unik_sched::time::Instant;
use unik_testkit::{Scarce, Scarcity};

#[global_allocator]
static HEAP: Scarce = Scarce;

/// What needs memory on its way: a long head, a path with escapes, parts, a redirect, a body.
const STREAM: &str = "GET /long.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,3-4\r\n\r\n\
    GET /%64ocs HTTP/1.1\r\nHost: a\r\n\r\n\
    GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n\
    GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
    GET /long.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=99-\r\n\r\n";

/// Serves a connection over which `stream` arrives; the octets of the responses, or `None` where it was reset.
fn serve(server: &Server<'_>, mut stream: &[u8]) -> Option<usize> {
    let mut session = Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO);
    let mut sent = 0;
    loop {
        match session.advance(server, Instant::ZERO, Some(checks::WALL)) {
            Step::Write => {
                let length = session.output().len();
                sent += length;
                session.sent(length, server.settings(), Instant::ZERO);
            }
            Step::Read if stream.is_empty() => return Some(sent),
            Step::Read => {
                let space = session.space();
                let length = space.len().min(stream.len());
                space[..length].copy_from_slice(&stream[..length]);
                session.received(length);
                stream = &stream[length..];
            }
            Step::Abort => return None,
            Step::Shut | Step::Close => unreachable!("the requests are good"),
        }
    }
}

#[test]
fn each_allocation_of_a_connection_may_fail_and_the_next_is_served() {
    let server = checks::server();
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n{STREAM}", "x".repeat(5000));
    let whole = serve(&server, long.as_bytes()).expect("there is memory");
    for number in 0.. {
        let before = server.counters().no_memory.get();
        let (served, failed) = Scarcity::Nth(number).during(|| serve(&server, long.as_bytes()));
        let counted = server.counters().no_memory.get() - before;
        // A path is told that the service is unavailable; all else ends the connection.
        assert!(served.is_none() == (counted > 0) && (failed > 0 || counted == 0), "{number}");
        assert_eq!(serve(&server, long.as_bytes()), Some(whole), "after allocation {number} failed");
        if failed == 0 {
            assert!(number >= 8, "{number} allocations");
            return;
        }
    }
}

#[test]
fn a_request_on_a_kept_connection_takes_no_memory() {
    let server = checks::server();
    let mut session = Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO);
    let request = b"GET /style.css HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nIf-Match: *\r\n\r\n";
    let mut turn = || {
        loop {
            match session.advance(&server, Instant::ZERO, Some(checks::WALL)) {
                Step::Write => {
                    let length = session.output().len();
                    session.sent(length, server.settings(), Instant::ZERO);
                }
                step => {
                    assert_eq!(step, Step::Read);
                    session.space()[..request.len()].copy_from_slice(request);
                    session.received(request.len());
                    return;
                }
            }
        }
    };
    turn();
    turn();
    let ((), failed) = Scarcity::From(0).during(|| (0..100).for_each(|_| turn()));
    assert_eq!(failed, 0);
    assert!(server.counters().successes.get() >= 100);
}

#[test]
fn numbers_for_which_there_is_no_memory_end_the_connection() {
    let mut server = checks::server();
    server.show(Box::new(|visit| (0..100).for_each(|number| visit(Kind::Counter, "door", "opened", number))));
    let request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let whole = serve(&server, request).expect("there is memory");
    for number in 0.. {
        let (served, failed) = Scarcity::Nth(number).during(|| serve(&server, request));
        assert_eq!(served, (failed == 0).then_some(whole), "allocation {number}");
        if failed == 0 {
            assert!(number >= 8, "{number} allocations");
            return;
        }
    }
}

#[test]
fn a_site_that_memory_does_not_hold_is_refused() {
    let files = ["a.css", "a.css.br", "b.html", "c/index.html"];
    let load = || {
        let mut files = files.iter().rev().map(|path| File { path, contents: b"x", modified: Some(1) });
        Server::load(&mut files, Settings::default()).is_ok()
    };
    for number in 0.. {
        let (loaded, failed) = Scarcity::From(number).during(load);
        assert_eq!(loaded, failed == 0);
        if failed == 0 {
            assert!(number >= 4, "{number} allocations");
            return;
        }
    }
}
