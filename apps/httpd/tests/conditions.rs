//! Conditions (RFC 9110, 13), ranges (14) and compressed forms (12.5.3): how much of a file is sent, and in which form.

mod common;

use common::{ask, checks, get, server_of};
use unik_httpd::{File, Server, Settings};

const MODIFIED: &str = "Sat, 05 Nov 1994 01:46:40 GMT";
const BEFORE: &str = "Sat, 05 Nov 1994 01:46:39 GMT";
const LATER: &str = "Sunday, 06-Nov-94 08:49:37 GMT";

/// The code for a GET of `/long.txt` with these fields, in which `TAG` stands for its entity tag.
#[track_caller]
fn code(server: &Server<'_>, fields: &str) -> u16 {
    let plain = get(server, "/long.txt", "");
    let fields = fields.replace("TAG", plain.field("ETag").expect("a tag"));
    let fields = fields.replace("MODIFIED", MODIFIED).replace("BEFORE", BEFORE).replace("LATER", LATER);
    let response = get(server, "/long.txt", &fields);
    if response.code == 304 {
        assert_eq!((response.field("ETag"), response.field("Content-Length")), (plain.field("ETag"), None));
    }
    response.code
}

#[test]
fn a_client_that_has_the_contents_is_told_so() {
    let server = checks::server();
    for (code, fields) in [
        (304, "If-None-Match: TAG"),
        (304, "If-None-Match: W/TAG"),
        (304, "If-None-Match: *"),
        (304, "If-None-Match: \"a\", \"b,c\" ,W/\"d\",, TAG"),
        (304, "If-None-Match: \"a\"\nIf-None-Match: TAG"),
        (200, "If-None-Match: \"a\""),
        (200, "If-None-Match: "),
        (200, "If-None-Match: a, TAG"),
        (200, "If-None-Match: \"a"),
        (200, "If-None-Match: w/TAG"),
        (304, "If-Modified-Since: MODIFIED"),
        (304, "If-Modified-Since: LATER"),
        (200, "If-Modified-Since: BEFORE"),
        (200, "If-Modified-Since: yesterday"),
        (200, "If-Modified-Since: LATER\nIf-Modified-Since: LATER"),
        // The tag decides where both are there (RFC 9110, 13.1.3).
        (200, "If-Modified-Since: LATER\nIf-None-Match: \"a\""),
        (304, "If-Modified-Since: BEFORE\nIf-None-Match: TAG"),
    ] {
        assert_eq!(self::code(&server, fields), code, "{fields}");
    }
}

#[test]
fn a_client_that_believes_something_else_to_be_here_is_told_so() {
    let server = checks::server();
    for (code, fields) in [
        (200, "If-Match: TAG"),
        (200, "If-Match: *"),
        (200, "If-Match: \"a\",TAG"),
        (412, "If-Match: \"a\""),
        (412, "If-Match: W/TAG"),
        (412, "If-Match: a"),
        (200, "If-Unmodified-Since: MODIFIED"),
        (412, "If-Unmodified-Since: BEFORE"),
        (200, "If-Unmodified-Since: never"),
        // In the order of RFC 9110, 13.2.2.
        (200, "If-Match: TAG\nIf-Unmodified-Since: BEFORE"),
        (412, "If-Match: \"a\"\nIf-None-Match: TAG"),
        (412, "If-Unmodified-Since: BEFORE\nIf-None-Match: TAG"),
        (304, "If-Match: TAG\nIf-None-Match: TAG"),
        (304, "If-None-Match: TAG\nRange: bytes=0-1"),
        (412, "If-Match: \"a\"\nRange: bytes=0-1"),
    ] {
        assert_eq!(self::code(&server, fields), code, "{fields}");
    }
}

#[test]
fn without_a_date_conditions_on_it_mean_nothing() {
    let server = server_of(&[("a", b"a")]);
    for fields in ["If-Modified-Since", "If-Unmodified-Since"].map(|name| format!("{name}: {BEFORE}")) {
        let response = get(&server, "/a", &fields);
        assert_eq!((response.code, response.field("Last-Modified")), (200, None));
    }
}

#[test]
fn conditions_on_what_is_not_there_mean_nothing() {
    let server = checks::server();
    for fields in ["If-None-Match: *", "If-Match: *", "Range: bytes=0-1"] {
        assert_eq!(get(&server, "/nothing", fields).code, 404);
        assert_eq!(get(&server, "/docs", fields).code, 301);
    }
}

#[test]
fn one_part_is_sent_as_it_is() {
    let server = checks::server();
    for (range, text, told) in [
        ("0-3", "0123", "bytes 0-3/36"),
        ("30-", "uvwxyz", "bytes 30-35/36"),
        ("-1", "z", "bytes 35-35/36"),
        ("10-10,36-", "a", "bytes 10-10/36"),
        ("0-99", "0123456789abcdefghijklmnopqrstuvwxyz", "bytes 0-35/36"),
    ] {
        let response = get(&server, "/long.txt", &format!("Range: bytes={range}"));
        assert_eq!((response.code, response.text()), (206, text), "{range}");
        assert_eq!(response.field("Content-Range"), Some(told));
        assert_eq!(response.field("Content-Type"), Some("text/plain; charset=utf-8"));
        assert!(response.field("ETag").is_some() && response.field("Last-Modified").is_some());
    }
}

#[test]
fn several_parts_stand_between_boundaries() {
    let response = get(&checks::server(), "/long.txt", "Range: bytes=0-1, -2,10-12");
    let media_type = response.field("Content-Type").expect("a type");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect("parts");
    let part = |range, text| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/36\r\n\r\n{text}"
        )
    };
    let parts = [part("0-1", "01"), part("34-35", "yz"), part("10-12", "abc")].concat();
    assert_eq!(response.text(), format!("{parts}\r\n--{boundary}--\r\n"));
    assert_eq!((response.code, response.field("Content-Range")), (206, None));
}

#[test]
fn parts_are_followed_by_the_next_response() {
    let server = checks::server();
    let request = "GET /long.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,2-2\r\n\r\n".repeat(3);
    let outcome = common::outcome(&server, request.as_bytes());
    assert_eq!(checks::responses(&outcome.sent, false), [206; 3]);
}

#[test]
fn ranges_that_are_not_there_or_ask_for_too_much() {
    let server = checks::server();
    let behind = get(&server, "/long.txt", "Range: bytes=36-");
    assert_eq!((behind.code, behind.field("Content-Range")), (416, Some("bytes */36")));
    let many = format!("Range: bytes={}", vec!["0-0"; 17].join(","));
    for fields in [
        "Range: bytes=0-,0-",
        "Range: lines=1-2",
        "Range: bytes=2-1",
        "Range: bytes=0-1\nRange: bytes=0-1",
        &many,
    ] {
        let response = get(&server, "/long.txt", fields);
        assert_eq!((response.code, response.contents.len()), (200, 36), "{fields}");
    }
    assert_eq!(get(&server, "/undated", "Range: bytes=0-").code, 200);
    let head = ask(&server, "HEAD /long.txt HTTP/1.1\nHost: a\nRange: bytes=0-1");
    assert_eq!((head.code, head.field("Content-Length")), (200, Some("36")));
}

#[test]
fn a_range_is_sent_if_it_is_of_the_state_that_the_client_knows() {
    let server = checks::server();
    for (code, condition) in [
        (206, "TAG"),
        (206, "MODIFIED"),
        (200, "W/TAG"),
        (200, "\"a\""),
        (200, "BEFORE"),
        (200, "LATER"),
        (200, ""),
        (200, "TAG, TAG"),
        (200, "TAG\nIf-Range: TAG"),
    ] {
        let fields = format!("Range: bytes=0-1\nIf-Range: {condition}");
        assert_eq!(self::code(&server, &fields), code, "{condition}");
    }
    assert_eq!(code(&server, "Range: bytes=36-\nIf-Range: \"a\""), 200, "no range, no 416");
    assert_eq!(code(&server, "If-Range: \"a\""), 200);
}

#[test]
fn a_date_of_this_second_is_no_reason_to_send_a_part() {
    for (modified, code) in [(checks::WALL - 1, 206), (checks::WALL, 200)] {
        let modified = u32::try_from(modified).expect("a date of today");
        let file = File { path: "a", contents: b"contents", modified: Some(modified) };
        let server = Server::load(&mut [file].into_iter(), Settings::default()).expect("there is memory");
        let date = get(&server, "/a", "").field("Last-Modified").expect("a date").to_owned();
        let response = get(&server, "/a", &format!("Range: bytes=0-1\nIf-Range: {date}"));
        assert_eq!(response.code, code, "{date}");
    }
}

#[test]
fn compressed_forms_are_sent_to_those_who_take_them() {
    let server = checks::server();
    for (wishes, coding, text) in [
        (None, None, "body { margin: 0 }"),
        (Some("gzip"), Some("gzip"), "gzip it"),
        (Some("gzip, br"), Some("br"), "brotli"),
        (Some("gzip;q=1, br;q=0.9"), Some("gzip"), "gzip it"),
        (Some("zstd"), None, "body { margin: 0 }"),
        (Some("*"), Some("br"), "brotli"),
        (Some("*, br;q=0"), Some("gzip"), "gzip it"),
        (Some("identity, gzip;q=0.5"), None, "body { margin: 0 }"),
        (Some("gzip;q=0"), None, "body { margin: 0 }"),
        (Some("identity;q=0"), None, "body { margin: 0 }"),
        (Some(""), None, "body { margin: 0 }"),
    ] {
        let fields = wishes.map_or(String::new(), |wishes| format!("Accept-Encoding: {wishes}"));
        let response = get(&server, "/style.css", &fields);
        assert_eq!((response.field("Content-Encoding"), response.text()), (coding, text), "{wishes:?}");
        assert_eq!(response.field("Vary"), Some("Accept-Encoding"), "{wishes:?}");
        assert_eq!(response.field("Content-Type"), Some("text/css; charset=utf-8"), "{wishes:?}");
        // Each form has a tag of its own, and parts of its own.
        let tag = response.field("ETag").expect("a tag");
        let again = get(&server, "/style.css", format!("{fields}\nIf-None-Match: {tag}").trim_start());
        assert_eq!((again.code, again.field("Vary")), (304, Some("Accept-Encoding")));
        let part = get(&server, "/style.css", format!("{fields}\nRange: bytes=0-2").trim_start());
        assert_eq!((part.text(), part.field("Content-Encoding")), (&text[..3], coding));
    }
    // What has only one form does not depend on wishes, and the compressed one is a file too.
    assert_eq!(get(&server, "/", "Accept-Encoding: gzip").field("Vary"), None);
    let file = get(&server, "/style.css.gz", "Accept-Encoding: gzip");
    assert_eq!(
        (file.field("Content-Type"), file.field("Content-Encoding")),
        (Some("application/gzip"), None)
    );
}
