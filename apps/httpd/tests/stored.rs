//! Contents that are not in memory: what is asked for, and what becomes of what cannot be read.

use unik_httpd::{File, Server, Session, Settings, Step, Stored};
use unik_sched::counter::CounterSet as _;
use unik_sched::time::Instant;

const LENGTH: usize = 5_000_000_000;

/// Octet `index` of the file that is not in memory.
fn octet(index: usize) -> u8 {
    (index % 251) as u8
}

fn server() -> Server<'static> {
    let files = [
        File { path: "index.html", contents: b"<p>Hello", modified: None },
        File { path: "large.bin", contents: b"", modified: Some(86_400) },
        File { path: "empty.txt", contents: b"", modified: None },
        File { path: "500.html", contents: b"", modified: None },
    ];
    let stored = |index: usize| {
        let length = [None, Some(LENGTH), Some(0), Some(100)][index]?;
        Some(Stored { file: index + 70, length, tag: index as u128 })
    };
    Server::load_stored(&mut files.into_iter(), &stored, Settings::default()).expect("there is memory")
}

/// How often the contents of a file can be read; the next time they cannot.
struct Disk(usize);

/// What is answered to `text`, up to `most` octets, and how it ends.
fn answer(server: &Server<'static>, text: &str, disk: &mut Disk, most: usize) -> (Vec<u8>, Step) {
    let now = Instant::ZERO;
    let mut session = Session::new([192, 0, 2, 1].into(), server.settings(), now);
    assert_eq!(session.advance(server, now, None), Step::Read);
    session.space()[..text.len()].copy_from_slice(text.as_bytes());
    session.received(text.len());
    let mut sent = Vec::new();
    loop {
        let step = session.advance(server, now, None);
        if step != Step::Write || sent.len() >= most {
            return (sent, step);
        }
        let Some(section) = session.section() else {
            let output = session.output();
            assert!(!output.is_empty());
            sent.extend_from_slice(output);
            session.sent(output.len(), server.settings(), now);
            continue;
        };
        assert!((71..=73).contains(&section.file) && section.start < section.end && section.end <= LENGTH);
        assert_eq!(section.is_first, sent.is_empty());
        if disk.0 == 0 {
            session.lost(server, now, None);
            continue;
        }
        disk.0 -= 1;
        if section.is_first {
            session.found(server);
            continue;
        }
        let count = (section.end - section.start).min(1000);
        sent.extend((section.start..section.start + count).map(octet));
        session.sent(count, server.settings(), now);
    }
}

fn unreadable(server: &Server<'_>) -> u64 {
    counted(server, "unreadable")
}

fn counted(server: &Server<'_>, counter: &str) -> u64 {
    let mut found = 0;
    server.visit(&mut |name, value| {
        if name == counter {
            found = value;
        }
    });
    found
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn contents_are_asked_for_when_it_is_their_turn() {
    let server = server();
    let (sent, step) = answer(&server, &get("/large.bin", ""), &mut Disk(100), 20_000);
    assert_eq!(step, Step::Write);
    let text = String::from_utf8_lossy(&sent);
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("Content-Length: 5000000000\r\n"), "{head}");
    assert!(head.contains("Last-Modified: Fri, 02 Jan 1970 00:00:00 GMT\r\n"), "{head}");
    assert!(head.ends_with("ETag: \"00000000000000000000000000000001\""), "{head}");
    let contents = &sent[head.len() + 4..];
    assert!(contents.iter().enumerate().all(|(index, byte)| *byte == octet(index)));
}

#[test]
fn what_has_no_contents_asks_for_none() {
    let server = server();
    for (request, status) in [
        (get("/large.bin", "If-None-Match: \"00000000000000000000000000000001\"\r\n"), "304"),
        (get("/large.bin", "Range: bytes=5000000000-\r\n"), "416"),
        (get("/empty.txt", ""), "200"),
        ("HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "200"),
    ] {
        let (sent, step) = answer(&server, &request, &mut Disk(0), usize::MAX);
        assert_eq!((&sent[9..12], step), (status.as_bytes(), Step::Read), "{request}");
    }
    assert_eq!(unreadable(&server), 0);
}

#[test]
fn a_range_begins_where_it_says() {
    let server = server();
    let request = get("/large.bin", "Range: bytes=4999998000-\r\n");
    let (sent, step) = answer(&server, &request, &mut Disk(100), usize::MAX);
    assert_eq!(step, Step::Read);
    let text = String::from_utf8_lossy(&sent);
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("Content-Range: bytes 4999998000-4999999999/5000000000"), "{head}");
    let contents = &sent[head.len() + 4..];
    assert_eq!(contents.len(), 2000);
    assert!(contents.iter().enumerate().all(|(index, byte)| *byte == octet(4_999_998_000 + index)));
}

#[test]
fn parts_come_one_after_the_other() {
    let server = server();
    let request = get("/large.bin", "Range: bytes=0-1,10-2509,-1\r\n");
    let (sent, step) = answer(&server, &request, &mut Disk(100), usize::MAX);
    assert_eq!(step, Step::Read);
    let end = sent.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&sent[..end]);
    assert!(head.contains(&format!("Content-Length: {}\r\n", sent.len() - end)), "{head}");
    let long: Vec<u8> = (10..2510).map(octet).collect();
    assert!(sent.windows(2500).any(|window| window == long));
}

#[test]
fn what_cannot_be_read_is_said_if_nothing_is_sent_yet() {
    let server = server();
    // The page that tells of it cannot be read either, and so there is no answer at all.
    let (sent, step) = answer(&server, &get("/large.bin", ""), &mut Disk(0), usize::MAX);
    assert_eq!((sent.len(), step, unreadable(&server)), (0, Step::Abort, 2));
    let files = [File { path: "large.bin", contents: b"", modified: None }];
    let stored = |_| Some(Stored { file: 71, length: 10_000, tag: 1 });
    let server = Server::load_stored(&mut files.into_iter(), &stored, Settings::default()).expect("memory");
    let (sent, step) = answer(&server, &get("/large.bin", ""), &mut Disk(0), usize::MAX);
    let text = String::from_utf8_lossy(&sent);
    assert!(text.starts_with("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n500 Internal Server Error\n"), "{text}");
    assert_eq!((step, unreadable(&server)), (Step::Shut, 1));
    // In the middle nothing can be said.
    let (sent, step) = answer(&server, &get("/large.bin", ""), &mut Disk(4), usize::MAX);
    assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\n") && sent.len() > 3000 && sent.len() < 4000);
    assert_eq!((step, unreadable(&server)), (Step::Abort, 2));
}

#[test]
fn a_response_is_counted_as_what_it_became() {
    let server = server();
    let (_, step) = answer(&server, &get("/large.bin", "Range: bytes=0-9\r\n"), &mut Disk(100), usize::MAX);
    assert_eq!((step, counted(&server, "successes"), counted(&server, "server_errors")), (Step::Read, 1, 0));
    let (sent, _) = answer(&server, &get("/large.bin", ""), &mut Disk(0), usize::MAX);
    assert!(sent.is_empty());
    assert_eq!(
        (counted(&server, "successes"), counted(&server, "server_errors")),
        (1, 0),
        "nothing was said"
    );
    // The page that tells of what cannot be read can be read this time.
    let files = [
        File { path: "large.bin", contents: b"", modified: None },
        File { path: "500.html", contents: b"<p>Sorry", modified: None },
    ];
    let stored = |index| (index == 0).then_some(Stored { file: 71, length: 10_000, tag: 1 });
    let server = Server::load_stored(&mut files.into_iter(), &stored, Settings::default()).expect("memory");
    let (sent, _) = answer(&server, &get("/large.bin", ""), &mut Disk(0), usize::MAX);
    assert!(sent.ends_with(b"\r\n\r\n<p>Sorry"));
    assert_eq!((counted(&server, "successes"), counted(&server, "server_errors")), (0, 1));
}

#[test]
fn a_site_on_a_disk_is_served_as_its_configuration_says() {
    let configuration = "[[host]]\nnames = ['b']\nroot = '/b'\nlisting = true\n\
        [[header]]\nending = '.css'\nset = { Cache-Control = 'max-age=60' }\n";
    let file = |path, contents| File { path, contents, modified: None };
    let files = [
        file("httpd.toml", configuration.as_bytes()),
        file("a.css", b""),
        file("a.css.br", b""),
        file("b/c.bin", b""),
    ];
    let stored = |index| {
        let length = [None, Some(9000), Some(3000), Some(1234)][index]?;
        Some(Stored { file: index + 70, length, tag: index as u128 })
    };
    let server =
        Server::load_stored(&mut files.into_iter(), &stored, Settings::default()).expect("a right site");
    let (sent, step) = answer(&server, &get("/a.css", "Accept-Encoding: br\r\n"), &mut Disk(100), usize::MAX);
    assert_eq!(step, Step::Read);
    let end = sent.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&sent[..end]);
    for line in
        ["Content-Length: 3000", "Content-Encoding: br", "Vary: Accept-Encoding", "Cache-Control: max-age=60"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    assert_eq!(sent.len() - end, 3000);
    let request = "GET /c.bin HTTP/1.1\r\nHost: b\r\n\r\n";
    let (sent, _) = answer(&server, request, &mut Disk(100), usize::MAX);
    assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n"));
    let (sent, _) = answer(&server, "GET / HTTP/1.1\r\nHost: b\r\n\r\n", &mut Disk(0), usize::MAX);
    let list = String::from_utf8_lossy(&sent);
    assert!(list.contains("c.bin") && list.contains("1234"), "{list}");
}
