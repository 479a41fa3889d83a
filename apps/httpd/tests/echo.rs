//! The path where a body is echoed, for those who want one.

mod common;

use common::{Response, ask, outcome, with_settings};
use unik_httpd::{BODY_LIMIT, Server, Settings};

fn server(echo: Option<&'static str>) -> Server<'static> {
    with_settings(&[("index.html", b"<p>Hello")], Settings { echo, ..Settings::default() })
}

#[test]
fn a_body_comes_back_however_it_is_framed_and_the_next_request_is_answered() {
    let server = server(Some("echo"));
    for request in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo?a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\nX: a\r\n\r\n",
    ] {
        let stream =
            format!("{request}POST /echo HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let outcome = outcome(&server, stream.as_bytes());
        let (first, rest) = Response::split(&outcome.sent, false);
        assert_eq!((first.code, first.text()), (200, "hello"), "{request:?}");
        assert_eq!(first.field("Content-Type"), Some("application/octet-stream"));
        let (second, rest) = Response::split(rest, false);
        assert_eq!((second.code, second.text()), (200, ""), "what was kept is forgotten");
        let (third, rest) = Response::split(rest, false);
        assert_eq!((third.code, third.text(), rest.len()), (200, "<p>Hello", 0));
    }
}

#[test]
fn a_body_of_the_longest_kind_comes_back_and_a_longer_one_is_refused() {
    let server = server(Some("echo"));
    let post = |length: u64| {
        let body: String = (0..length).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
        let stream = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        let (response, _) = Response::split(&outcome(&server, stream.as_bytes()).sent, false);
        (response.code, response.contents == body.as_bytes())
    };
    assert_eq!(post(BODY_LIMIT), (200, true));
    assert_eq!(post(BODY_LIMIT + 1), (413, false));
}

#[test]
fn only_the_path_that_was_chosen_and_only_post_is_echoed() {
    let server_with = server(Some("echo"));
    let post = |server: &Server<'_>, method: &str, path: &str| {
        ask(server, &format!("{method} {path} HTTP/1.1\nHost: a\nContent-Length: 0"))
    };
    for path in ["/", "/echo/", "/Echo", "/%65cho", "/echo/a"] {
        assert_eq!(post(&server_with, "POST", path).code, 405, "{path}");
    }
    let refused = post(&server_with, "PUT", "/echo");
    assert_eq!((refused.code, refused.field("Allow")), (405, Some("GET, HEAD, OPTIONS, POST")));
    let options = ask(&server_with, "OPTIONS /echo HTTP/1.1\nHost: a");
    assert_eq!((options.code, options.field("Allow")), (204, Some("GET, HEAD, OPTIONS, POST")));
    let without = post(&server(None), "POST", "/echo");
    assert_eq!((without.code, without.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn a_body_that_waits_for_an_interim_response_gets_it_and_comes_back() {
    let server = server(Some(""));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(outcome(&server, head).sent, b"HTTP/1.1 100 Continue\r\n\r\n");
    let outcome = outcome(&server, &[&head[..], b"ab"].concat());
    let (response, rest) = Response::split(&outcome.sent, false);
    assert_eq!((response.code, response.text(), rest.len()), (200, "ab", 0));
}
