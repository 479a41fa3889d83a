//! Requests and their responses: methods, connections, paths, pages.

mod common;

use common::{Response, ask, checks, get, outcome, server_of, with_settings};
use unik_httpd::{Kind, Settings};

#[test]
fn a_page_comes_with_its_fields() {
    let response = get(&checks::server(), "/", "");
    let expected = [
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Content-Length", "8"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Last-Modified", "Sat, 05 Nov 1994 01:46:40 GMT"),
        ("Accept-Ranges", "bytes"),
    ];
    for (name, value) in expected {
        assert_eq!(response.field(name), Some(value));
    }
    assert_eq!((response.code, response.text()), (200, "<p>Hello"));
    let etag = response.field("ETag").expect("an entity tag");
    assert!(etag.len() == 34 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(response.fields.len(), expected.len() + 1, "{response:?}");
}

#[test]
fn the_tag_tells_contents_from_others_and_is_the_same_tomorrow() {
    let server = server_of(&[("a", b"one"), ("b", b"one"), ("c", b"two"), ("d", b"")]);
    let tag = |path| get(&server, path, "").field("ETag").map(str::to_owned);
    assert_eq!(tag("/a"), tag("/b"));
    assert!(tag("/a") != tag("/c") && tag("/c") != tag("/d"));
    assert_eq!(tag("/a").as_deref(), Some("\"34d6dc9f5e57c46eac3b5ddacbb125b3\""));
}

#[test]
fn head_is_answered_as_get_without_contents() {
    let server = checks::server();
    for target in ["/", "/docs", "/nothing", "/style.css", "/undated"] {
        let (get, head) =
            (get(&server, target, ""), ask(&server, &format!("HEAD {target} HTTP/1.1\nHost: a")));
        assert_eq!((get.code, &get.fields), (head.code, &head.fields), "{target}");
    }
}

#[test]
fn what_is_wrong_with_a_head_is_told_without_contents_too() {
    let server = checks::server();
    for (code, rest) in [
        (400, "HTTP/1.1"),
        (400, "HTTP/1.1\nHost: a\nX : b"),
        (400, "HTTP/1.1\nHost: a\nX: \0"),
        (400, "HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\nx"),
        (413, "HTTP/1.1\nHost: a\nContent-Length: 65537"),
        (417, "HTTP/1.1\nHost: a\nExpect: tea"),
        (505, "HTTP/2.0"),
    ] {
        // That nothing follows the head is checked there.
        let head = ask(&server, &format!("HEAD / {rest}"));
        let get = ask(&server, &format!("GET / {rest}"));
        assert_eq!((head.code, &head.fields), (code, &get.fields), "{rest:?}");
    }
}

#[test]
fn methods_that_are_not_allowed_are_told_which_are() {
    let server = checks::server();
    for lines in ["POST / HTTP/1.1\nHost: a", "OPTIONS / HTTP/1.1\nHost: a"] {
        assert_eq!(ask(&server, lines).field("Allow"), Some("GET, HEAD, OPTIONS"), "{lines}");
    }
    assert_eq!(ask(&server, "BREW / HTTP/1.1\nHost: a").field("Allow"), None);
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let server = checks::server();
    let request = |target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream: String = ["/", "/nothing", "/long.txt", "/docs", "/undated"].map(request).concat().repeat(40);
    let outcome = outcome(&server, stream.as_bytes());
    assert_eq!(checks::responses(&outcome.sent, false), [200, 404, 200, 301, 200].repeat(40));
    assert!(outcome.is_open);
}

#[test]
fn the_client_decides_how_long_a_connection_is_kept() {
    let server = checks::server();
    for (version, connection, is_open, told) in [
        ("1.1", "", true, None),
        ("1.1", "Connection: close", false, Some("close")),
        ("1.1", "Connection: x, Close ,keep-alive", false, Some("close")),
        ("1.1", "Connection: keep-alive\r\nConnection: close", false, Some("close")),
        ("1.1", "Connection: closed", true, None),
        ("1.0", "", false, Some("close")),
        ("1.0", "Connection: keep-alive", true, Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close", false, Some("close")),
    ] {
        let lines = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}");
        let request = format!("{}\r\n\r\n", lines.trim_end());
        let outcome = outcome(&server, request.repeat(2).as_bytes());
        let (response, rest) = Response::split(&outcome.sent, false);
        assert_eq!((outcome.is_open, response.field("Connection")), (is_open, told), "{request}");
        assert_eq!(!rest.is_empty(), is_open, "{request}");
    }
}

#[test]
fn a_directory_is_answered_with_its_index_and_led_to_where_its_slash_lacks() {
    let server = checks::server();
    for target in ["/docs/", "/docs/index.html", "/x/../docs/", "//docs/./", "/d%6fcs/"] {
        let response = get(&server, target, "");
        assert_eq!((response.code, response.text()), (200, "<p>Docs"), "{target}");
    }
    for (target, location) in [
        ("/docs", "/docs/"),
        ("/docs?a=b?c", "/docs/?a=b?c"),
        ("/%64ocs", "/docs/"),
        ("//docs", "/docs/"),
        ("//example.net/../docs", "/docs/"),
        ("http://example.net/docs", "/docs/"),
    ] {
        let response = get(&server, target, "");
        assert_eq!((response.code, response.field("Location")), (301, Some(location)), "{target}");
    }
    let server = server_of(&[("a b/\u{e4}%/index.html", b""), ("a/b", b"")]);
    assert_eq!(get(&server, "/a%20b/%c3%a4%25", "").field("Location"), Some("/a%20b/%C3%A4%25/"));
    // One without an index is not there.
    assert_eq!((get(&server, "/a", "").code, get(&server, "/a/", "").code), (404, 404));
}

#[test]
fn no_spelling_leads_out_of_the_tree_or_into_a_name() {
    let server = server_of(&[
        ("etc/passwd", b"ours"),
        ("..a", b"dots"),
        ("b..a", b"more dots"),
        ("%2e", b"percent"),
        ("a\\b", b"other"),
    ]);
    for (target, code) in [
        ("/etc/passwd", 200),
        ("/..a", 404),
        ("/b..a", 200),
        ("/%252e", 200),
        ("/a%5cb", 200),
        ("/../etc/passwd", 400),
        ("/%2e%2e/etc/passwd", 400),
        ("/x/..%2f../etc/passwd", 404),
        ("/etc%2fpasswd", 404),
        ("/etc\\passwd", 404),
        ("/etc/passwd%00.html", 400),
        ("/etc/passwd/", 404),
        ("/etc/passwd/.", 404),
        ("/ETC/passwd", 404),
        ("/%c0%ae%c0%ae/etc/passwd", 404),
        ("/etc/./../etc/passwd", 200),
        ("/;/etc/passwd", 404),
    ] {
        assert_eq!(get(&server, target, "").code, code, "{target}");
    }
}

#[test]
fn types_tell_their_characters_only_where_the_contents_have_them() {
    let server = server_of(&[
        ("a.html", b"\xc3\xa4"),
        ("b.html", b"\xe4"),
        ("c.png", b"png"),
        ("d", b"text"),
        ("e.json", b"{}"),
    ]);
    for (target, media_type) in [
        ("/a.html", "text/html; charset=utf-8"),
        ("/b.html", "text/html"),
        ("/c.png", "image/png"),
        ("/d", "application/octet-stream"),
        ("/e.json", "application/json"),
    ] {
        assert_eq!(get(&server, target, "").field("Content-Type"), Some(media_type));
    }
}

#[test]
fn errors_are_told_on_pages_of_the_site_where_it_has_them() {
    let server = checks::server();
    let missing = get(&server, "/nothing", "");
    assert_eq!((missing.code, missing.text()), (404, "<p>Not here"));
    assert_eq!(missing.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!((missing.field("ETag"), missing.field("Last-Modified")), (None, None));
    let refused = get(&server, "/%", "");
    assert_eq!((refused.code, refused.text()), (400, "400 Bad Request\n"));
    // Asked for by its name it is a page like others.
    assert_eq!(get(&server, "/404.html", "").code, 200);
}

#[test]
fn whether_the_server_is_well_is_told_where_the_site_has_no_such_file() {
    let (site, file) = (checks::server(), server_of(&[("healthz", b"mine")]));
    let well = get(&site, "/healthz", "");
    assert_eq!((well.code, well.field("Cache-Control")), (200, Some("no-store")));
    assert_eq!(get(&file, "/healthz", "").text(), "mine");
    let settings = Settings { health: None, ..Settings::default() };
    assert_eq!(get(&with_settings(&[("a", b"")], settings), "/healthz", "").code, 404);
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let files =
        [("z.txt", &b"z"[..]), ("a/index.html", b"a"), ("index.html", b"i"), ("a.b", b"b"), ("a/b", b"c")];
    let server = server_of(&files);
    for (target, text) in [("/z.txt", "z"), ("/a/", "a"), ("/", "i"), ("/a.b", "b"), ("/a/b", "c")] {
        assert_eq!(get(&server, target, "").text(), text);
    }
}

#[test]
fn what_came_of_requests_is_counted() {
    let server = checks::server();
    let stream = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /docs HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n\
                  BREW / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    checks::converse(&server, stream.as_bytes(), &mut || usize::MAX);
    let counters = server.counters();
    let counted = [
        &counters.requests,
        &counters.successes,
        &counters.redirections,
        &counters.client_errors,
        &counters.server_errors,
        &counters.refused,
    ];
    assert_eq!(counted.map(|counter| counter.get()), [5, 1, 1, 2, 1, 1]);
}

#[test]
fn numbers_are_served_where_they_are_shown_and_nowhere_else() {
    let server = server_of(&[("index.html", b"<p>Hello")]);
    assert_eq!(get(&server, "/metrics", "").code, 404);
    let mut server = server_of(&[]);
    server.show(Box::new(|visit| visit(Kind::Counter, "door", "opened", 3)));
    let response = get(&server, "/metrics", "Accept: application/openmetrics-text");
    assert_eq!(
        response.field("Content-Type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(response.text().ends_with("\nunik_door_opened_total 3\n# EOF\n"), "{}", response.text());
    let head = ask(&server, "HEAD /metrics HTTP/1.1\nHost: a");
    assert_eq!((head.code, head.contents.len()), (200, 0));
    assert_eq!(head.field("Content-Length"), response.field("Content-Length"));
    assert_eq!((get(&server, "/", "").code, get(&server, "/metrics/", "").code), (404, 404));
}
