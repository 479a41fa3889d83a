//! Situations that a server of HTTP/1.1 has to get right, and requests in which others are hidden: each is understood in one way, or
//! not at all.

mod common;

#[path = "checks/probes.rs"]
mod probes;

use common::{Response, checks, outcome, with_settings};
use probes::{MARKER, SITUATIONS, SMUGGLED, Wanted};
use unik_httpd::{Server, Settings};

fn server() -> Server<'static> {
    with_settings(&[("index.html", b"<p>Hello")], Settings { echo: Some(""), ..Settings::default() })
}

#[test]
fn each_situation_comes_out_as_it_has_to() {
    let server = server();
    for (name, request, wanted) in SITUATIONS {
        let outcome = outcome(&server, request);
        match wanted {
            Wanted::Waits => assert_eq!((&outcome.sent[..], outcome.is_open), (&b""[..], true), "{name}"),
            Wanted::Answer(least, most, contents) => {
                let (response, rest) = Response::split(&outcome.sent, false);
                assert!((least..=most).contains(&response.code), "{name}: {}", response.code);
                assert!(contents.is_none_or(|contents| response.text() == contents), "{name}");
                assert_eq!(rest, b"", "{name}: one response");
            }
        }
    }
}

/// The statuses of the responses to these octets and to [`MARKER`] behind them.
fn codes(server: &Server<'_>, request: &[u8]) -> Vec<u16> {
    let stream = [request, MARKER].concat();
    checks::responses(&outcome(server, &stream).sent, request.starts_with(b"HEAD"))
}

#[test]
fn a_request_that_hides_another_is_refused_or_understood_as_one() {
    let server = server();
    for (name, request, wanted) in SMUGGLED {
        let mut wanted = wanted.to_vec();
        // Only what is not refused is followed by anything.
        if wanted.iter().all(|code| matches!(code, 200..300 | 405)) {
            wanted.push(404);
        }
        assert_eq!(codes(&server, request), wanted, "{name}");
    }
}

/// What an octet may be in a field (RFC 9110, 5.6.2 and 5.5).
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn is_in_value(octet: u8) -> bool {
    octet >= 0x80 || matches!(octet, b'\t' | b' '..=b'~')
}

/// Where in a field of the coding one more octet is put: in the text, `@` stands for it.
const PLACES: [&str; 10] = [
    "@Transfer-Encoding: chunked",
    "Transfer-Encoding@: chunked",
    "Transfer@Encoding: chunked",
    "Transfer-Encoding:@chunked",
    "Transfer-Encoding: chunked@",
    "Transfer-Encoding: chunk@ed",
    "X: a@Transfer-Encoding: chunked",
    "X: a\r@Transfer-Encoding: chunked",
    "X: a@\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked@X: a",
];

#[test]
fn one_octet_anywhere_in_a_coding_never_lets_a_request_be_understood_in_two_ways() {
    let server = server();
    let (mut refused, mut taken) = (0, 0);
    for place in PLACES {
        for octet in 0..=255_u8 {
            let mut field: Vec<u8> =
                place.bytes().map(|byte| if byte == b'@' { octet } else { byte }).collect();
            field.extend(b"\r\n");
            // Whoever goes by the length sees one request, and whoever goes by the coding two.
            let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n", hidden.len());
            let request = [head.as_bytes(), &field, b"\r\n", hidden.as_bytes()].concat();
            let codes = codes(&server, &request);
            // The field is another one by the grammar, and the length alone counts.
            let is_another = match place {
                "@Transfer-Encoding: chunked" | "Transfer-Encoding@: chunked" => is_token(octet),
                "Transfer@Encoding: chunked" => octet == b':' || is_token(octet) && octet != b'-',
                "X: a@Transfer-Encoding: chunked" => is_in_value(octet),
                _ => false,
            };
            if is_another {
                assert_eq!(codes, [200, 404], "{place:?} with {octet:#04x}");
                taken += 1;
            } else {
                assert_eq!(codes, [400], "{place:?} with {octet:#04x}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused + taken, PLACES.len() * 256);
    assert!(refused > 1800 && taken > 400, "{refused} and {taken}");
}
