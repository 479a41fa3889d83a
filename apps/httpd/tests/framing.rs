//! Framing: where requests begin and end, which a server and whoever stands in front of it must see alike.

mod common;

use common::{checks, outcome};

/// Each is refused with its status, and nothing behind it is heard. The second request of those that hide one would be found
/// where another server sees the first one end.
const REFUSED: &[(u16, &str)] = &[
    // The request line (RFC 9112, 3).
    (400, "GET /\r\nHost: a\r\n\r\n"),
    (400, "GET\r\nHost: a\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    (400, "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET example.org:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (421, "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    // The ends of lines (2.2).
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (400, "GET / HTTP/1.1\rHost: a\r\r"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 40\r\n\r\n"),
    (400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Fields (5).
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb: c\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX[: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7f}\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n\u{e4}: a\r\n\r\n"),
    // The host (3.2).
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [a.b/]\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\n\r\n"),
    // Lengths (6.2, 6.3), with a request hidden in what another server takes for a body.
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5;\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\r\n: 5\r\n\r\nhello"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 5\r\n\r\nhello"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    // Codings (6.1, 6.3).
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\nQ"),
    (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\n chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        501,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Chunks (7.1), to a method that is not even allowed.
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\na\r\n0\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\na\r\n0\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 a\r\na\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n a\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"),
    // Expectations (RFC 9110, 10.1.1).
    (417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"),
    (417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, tea\r\nContent-Length: 1\r\n\r\n"),
];

#[test]
fn what_two_servers_could_understand_differently_is_refused_and_nothing_is_heard_behind_it() {
    let server = checks::server();
    for &(status, request) in REFUSED {
        let stream = format!("{request}GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let outcome = outcome(&server, stream.as_bytes());
        assert_eq!(checks::responses(&outcome.sent, false), [status], "{request:?}");
        assert!(!outcome.is_open, "{request:?}");
    }
    assert_eq!(server.counters().refused.get() as usize, 3 * REFUSED.len());
}

/// Each is answered, and so is the next one.
const TAKEN: &[(u16, &str)] = &[
    (200, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nhOST:a:80\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost:\t a-b.example_c:\t\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost: a%2db\r\n\r\n"),
    (200, "GET HTTP://example.org:80/ HTTP/1.1\r\nHost: other\r\n\r\n"),
    (200, "GET http://example.org HTTP/1.1\r\nHost: other\r\n\r\n"),
    (200, "GET /?a=b?c&d HTTP/1.1\r\nHost: a\r\n\r\n"),
    (200, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \u{e4}\t\"\\ \r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    (200, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\nhello"),
    (200, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tChunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    (
        200,
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0005;a;b=c ; d=\"e;\\\"\"\r\nhello\r\n0\r\n\r\n",
    ),
    (405, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    (
        405,
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n000\r\nX: a\r\n\r\n",
    ),
    (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    (501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (204, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (204, "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (204, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    (404, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
];

#[test]
fn what_is_unusual_and_clear_is_answered_and_the_next_request_too() {
    let server = checks::server();
    for &(status, request) in TAKEN {
        // An empty line in front of a request is passed over (RFC 9112, 2.2).
        let stream = format!("{request}\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let outcome = outcome(&server, stream.as_bytes());
        assert_eq!(checks::responses(&outcome.sent, false), [status, 200], "{request:?}");
        assert!(outcome.is_open, "{request:?}");
    }
}

#[test]
fn each_prefix_of_a_request_waits_for_the_rest() {
    let server = checks::server();
    let request =
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: a\r\n\r\n";
    for length in 0..request.len() {
        let outcome = outcome(&server, &request[..length]);
        assert_eq!((outcome.sent.len(), outcome.is_open), (0, true), "{length} bytes");
    }
}
