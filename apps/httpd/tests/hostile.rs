//! Input that nobody means well with. Seeds are printed, so a failure can be had again.

mod common;

use common::checks;
use std::path::Path;
use unik_testkit::Random;

/// Requests with something of everything, to be spoilt.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\n\r\n",
    "HEAD /docs?a HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /style.css HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0.5, br;q=1.0, *;q=0\r\n\r\n",
    "GET /long.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-3, 5-, -2\r\nIf-Range: \"a\"\r\n\r\n",
    "GET /long.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-3, 5-6, -2\r\n\r\n",
    "GET /a%20b.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: W/\"a\", \"b\"\r\nIf-Match: *\r\n\r\n",
    "GET /x/../docs/./ HTTP/1.0\r\nConnection: keep-alive\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    "GET http://a/%2e%2e HTTP/1.1\r\nHost: a\r\nIf-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
];

/// Changes, removes, repeats or inserts a few bytes, many of those that frame messages.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let frame = b"\r\n: \t,;\"\\%/0-\0\x80"[random.below(15)];
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = frame,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            4 => {
                let from = random.below(bytes.len() + 1);
                let part = bytes[from.min(at)..from.max(at)].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.insert(at, frame),
        }
    }
}

#[test]
fn spoilt_requests_do_no_harm_and_mean_the_same_however_they_are_cut() {
    let server = checks::server();
    let mut random = Random::new(1);
    for round in 0..20_000 {
        let mut stream = Vec::new();
        for _ in 0..=random.below(2) {
            stream.extend_from_slice(REQUESTS[random.below(REQUESTS.len())].as_bytes());
        }
        spoil(&mut random, &mut stream);
        checks::stream(&server, &stream, round);
    }
}

#[test]
fn noise_does_no_harm() {
    let server = checks::server();
    let mut random = Random::new(2);
    for round in 0..10_000 {
        let mut stream: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        if random.below(2) == 0 {
            stream.splice(0..0, *b"GET / HTTP/1.1\r\nHost: a\r\n");
        }
        checks::stream(&server, &stream, round);
    }
}

#[test]
fn the_corpus_of_requests_does_no_harm() {
    let server = checks::server();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/http_request");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        checks::stream(&server, &bytes, count);
        count += 1;
    }
    assert!(count as usize >= REQUESTS.len(), "{count} inputs");
}
