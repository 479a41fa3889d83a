//! What a connection takes is bounded: octets, memory, time.

mod common;

use common::{Response, checks, outcome, server_of, with_settings};
use unik_httpd::{BODY_LIMIT, LINGER, Server, Session, Settings, Step};
use unik_sched::time::{Duration, Instant};

/// A client that takes its time.
struct Client<'s> {
    server: &'s Server<'static>,
    session: Session<'static>,
    now: Instant,
    sent: Vec<u8>,
}

impl<'s> Client<'s> {
    fn new(server: &'s Server<'static>) -> Self {
        let now = Instant::ZERO;
        let session = Session::new([192, 0, 2, 1].into(), server.settings(), now);
        Self { server, session, now, sent: Vec::new() }
    }

    fn step(&mut self) -> Step {
        self.session.advance(self.server, self.now, None)
    }

    /// Sends `text`, and takes all that is sent until something else is to be done.
    fn say(&mut self, text: &str) -> Step {
        let mut text = text.as_bytes();
        loop {
            match self.step() {
                Step::Read if !text.is_empty() => {
                    let space = self.session.space();
                    let length = space.len().min(text.len());
                    space[..length].copy_from_slice(&text[..length]);
                    self.session.received(length);
                    text = &text[length..];
                }
                Step::Write => self.take(usize::MAX),
                step => return step,
            }
        }
    }

    /// Takes so many octets of what is sent next.
    fn take(&mut self, length: usize) {
        let output = self.session.output();
        let length = length.min(output.len());
        self.sent.extend_from_slice(&output[..length]);
        self.session.sent(length, self.server.settings(), self.now);
    }

    /// Lets the time of the session pass, and says how long that was.
    fn expire(&mut self) -> Duration {
        let waited = self.session.deadline().duration_since(self.now);
        self.now = self.session.deadline();
        self.session.expire(self.server, None);
        waited
    }
}

const REQUEST: &str = "GET /long.txt HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_connection_without_a_request_is_closed_silently() {
    let server = checks::server();
    let mut fresh = Client::new(&server);
    assert_eq!(fresh.say(""), Step::Read);
    assert_eq!((fresh.expire(), fresh.step()), (server.settings().head_time, Step::Close));
    let mut idle = Client::new(&server);
    assert_eq!(idle.say(REQUEST), Step::Read);
    let sent = idle.sent.len();
    assert_eq!((idle.expire(), idle.step()), (server.settings().idle_time, Step::Close));
    assert_eq!((fresh.sent.len(), idle.sent.len()), (0, sent));
    assert_eq!((server.counters().slow_requests.get(), server.counters().idle_closed.get()), (0, 2));
}

#[test]
fn a_request_that_comes_by_the_octet_has_its_time_and_no_more() {
    let server = checks::server();
    for (request, rest) in [(REQUEST, 5), ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n", 40)] {
        let mut client = Client::new(&server);
        assert_eq!(client.say(REQUEST), Step::Read);
        let begun = client.now;
        client.sent.clear();
        for byte in request.as_bytes().chunks(1).take(request.len() - rest.min(8)) {
            assert_eq!(client.say(core::str::from_utf8(byte).expect("text")), Step::Read);
            client.now += Duration::from_millis(10);
        }
        client.expire();
        assert_eq!(client.now, begun + server.settings().head_time, "octets do not prolong it");
        assert_eq!(client.say(""), Step::Close);
        let (response, _) = Response::split(&client.sent, false);
        assert_eq!((response.code, response.field("Connection")), (408, Some("close")));
    }
    assert_eq!(server.counters().slow_requests.get(), 2);
}

#[test]
fn a_response_that_is_taken_by_the_octet_has_its_time_and_no_more() {
    let contents: &[u8] = vec![b'x'; 1_000_000].leak();
    let server = server_of(&[("long.txt", contents)]);
    let settings = *server.settings();
    let mut client = Client::new(&server);
    while client.step() != Step::Write {
        client.session.space()[..REQUEST.len()].copy_from_slice(REQUEST.as_bytes());
        client.session.received(REQUEST.len());
    }
    let mut taken = 0;
    while client.session.deadline() > client.now + Duration::from_secs(1) {
        client.take(100);
        taken += 100;
        client.now += Duration::from_secs(1);
    }
    let least = settings.idle_time.as_secs() as usize * 100;
    assert!((least..2 * least).contains(&taken), "{taken} octets");
    client.expire();
    assert_eq!((client.step(), server.counters().slow_responses.get()), (Step::Abort, 1));
    // Who takes as much as is asked for gets all of it.
    let mut client = Client::new(&server);
    client.session.space();
    assert_eq!(client.step(), Step::Read);
    client.session.space()[..REQUEST.len()].copy_from_slice(REQUEST.as_bytes());
    client.session.received(REQUEST.len());
    while client.step() == Step::Write {
        assert!(client.session.deadline() > client.now);
        client.take(settings.rate);
        client.now += Duration::from_secs(1);
    }
    assert!(client.sent.ends_with(contents));
    assert_eq!(client.session.deadline(), client.now - Duration::from_secs(1) + settings.idle_time);
}

#[test]
fn a_refusal_has_its_time_however_long_ago_the_last_response_was() {
    let page: &[u8] = vec![b'x'; 100_000].leak();
    let server = server_of(&[("400.html", page), ("long.txt", b"")]);
    let settings = *server.settings();
    let mut client = Client::new(&server);
    assert_eq!(client.say(REQUEST), Step::Read);
    client.now += settings.idle_time - Duration::from_secs(1);
    assert_eq!(client.say(""), Step::Read);
    client.session.space()[..1].copy_from_slice(b"\n");
    client.session.received(1);
    assert_eq!(client.step(), Step::Write);
    let refused = client.now;
    client.now += Duration::from_secs(5);
    client.take(1000);
    client.take(1);
    assert_eq!(client.session.deadline(), refused + settings.idle_time);
    assert_eq!(client.say(""), Step::Shut);
    assert!(client.sent.ends_with(page));
}

#[test]
fn who_waits_longest_is_known() {
    let server = checks::server();
    let mut client = Client::new(&server);
    client.now = Instant::from_millis(5000);
    assert_eq!(client.say("GET / HTTP/1.1\r\n"), Step::Read);
    assert_eq!(client.session.waits_since(), Instant::ZERO, "half a request is none");
    client.say("Host: a\r\n\r\n");
    assert_eq!(client.session.waits_since(), client.now);
}

#[test]
fn a_refused_client_is_listened_to_for_a_while() {
    let server = checks::server();
    let mut client = Client::new(&server);
    assert_eq!(
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\nhello"),
        Step::Shut
    );
    let (response, rest) = Response::split(&client.sent, false);
    assert_eq!((response.code, response.field("Connection"), rest), (405, Some("close"), &b""[..]));
    assert_eq!(client.say(&"x".repeat(100_000)), Step::Read);
    assert_eq!((client.expire(), client.step()), (LINGER, Step::Close));
    // Not for ever.
    let mut client = Client::new(&server);
    client.say("\n");
    assert_eq!(client.say(&"x".repeat(300_000)), Step::Close);
}

#[test]
fn heads_are_bounded() {
    let settings = Settings { head: 2048, ..Settings::default() };
    let server = with_settings(&[("index.html", b"")], settings);
    let line = |length: usize| "x".repeat(length);
    for (code, request) in [
        (404, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", line(1000))),
        (414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", line(1024))),
        (414, line(3000)),
        (200, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", line(1000))),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", line(1024))),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {0}\r\nX: {0}\r\nX: {0}\r\n\r\n", line(900))),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X:\r\n".repeat(1000))),
    ] {
        let outcome = outcome(&server, request.as_bytes());
        assert_eq!(checks::responses(&outcome.sent, false), [code], "{request}");
        assert_eq!(outcome.is_open, code < 405, "{request}");
    }
}

#[test]
fn bodies_are_read_up_to_a_bound() {
    let server = checks::server();
    let limit = BODY_LIMIT as usize;
    let with = |length: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
    };
    let chunk = format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000));
    let chunks = |count| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(count)
        )
    };
    for (code, request) in [
        (200, with(limit)),
        (413, with(limit + 1)),
        (200, chunks(60)),
        (413, chunks(70)),
        (405, with(limit + 1).replace("GET", "PUT")),
        (413, chunks(70).replace("GET", "PUT")),
        (431, format!("{}\r\nX: {}\r\n\r\n", chunks(1).trim_end(), "x".repeat(1024))),
    ] {
        let outcome = checks::converse(&server, request.as_bytes(), &mut || 800);
        assert_eq!(checks::responses(&outcome.sent, false), [code], "{}", &request[..90]);
        assert_eq!(outcome.is_open, code == 200);
    }
}

#[test]
fn a_body_that_waits_is_asked_for_only_if_it_is_read() {
    let server = checks::server();
    let head = |method, length| {
        format!("{method} / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut client = Client::new(&server);
    assert_eq!(client.say(&head("GET", 5)), Step::Read);
    assert_eq!(client.sent, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.say("hello"), Step::Read);
    assert_eq!(checks::responses(&client.sent, false), [100, 200]);
    let mut slow = Client::new(&server);
    slow.now += Duration::from_secs(3);
    assert_eq!(slow.say(&head("GET", 5)), Step::Read);
    assert_eq!(slow.session.waits_since(), Instant::ZERO, "all is still waiting for the request");
    assert_eq!((slow.expire(), slow.say("")), (server.settings().head_time, Step::Close));
    // Where the head does not come alone, nobody waits; and nothing else depends on how the stream is cut.
    let together = outcome(&server, format!("{}hello", head("GET", 5)).as_bytes());
    assert_eq!(checks::responses(&together.sent, false), [200]);
    for (code, method, length) in [(405, "PUT", 5), (413, "GET", 99_999_999), (405, "PUT", 99_999_999)] {
        let mut client = Client::new(&server);
        assert_eq!(client.say(&head(method, length)), Step::Shut);
        assert_eq!(checks::responses(&client.sent, false), [code]);
    }
    // HTTP/1.0 knows nothing of it, and who sends the body at once need not be asked for it.
    for request in [
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        let outcome = outcome(&server, request.as_bytes());
        assert_eq!(checks::responses(&outcome.sent, false), [200], "{request}");
    }
}

#[test]
fn at_the_end_what_has_begun_is_answered_and_nothing_else() {
    let server = checks::server();
    let mut idle = Client::new(&server);
    idle.say(REQUEST);
    idle.session.finish();
    assert_eq!(idle.step(), Step::Close);
    let mut client = Client::new(&server);
    assert_eq!(client.say("GET /healthz HTTP/1.1\r\n"), Step::Read);
    client.session.finish();
    assert_eq!(client.say(&format!("Host: a\r\n\r\n{REQUEST}")), Step::Close);
    let (response, rest) = Response::split(&client.sent, false);
    assert_eq!((response.code, response.field("Connection"), rest), (503, Some("close"), &b""[..]));
}

#[test]
fn a_chunk_that_is_too_long_is_refused_before_it_is_sent() {
    let server = checks::server();
    let head = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, begins) in [
        ("FFFF", None),
        ("10001", Some(&b"HTTP/1.1 413 "[..])),
        ("8000\r\n", None),
        ("FFFFFFFF", Some(&b"HTTP/1.1 413 "[..])),
        ("5\r\nhello\r\nFFFB", Some(&b"HTTP/1.1 413 "[..])),
    ] {
        let sent = outcome(&server, format!("{head}{chunks}\r\n").as_bytes()).sent;
        assert_eq!(sent.get(..13), begins, "{chunks}");
    }
}
