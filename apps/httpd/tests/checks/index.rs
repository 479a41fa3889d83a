//! What holds for any index of a site: shared by the tests and the fuzz target.
#![allow(dead_code, reason = "each user takes its part")]

use unik_httpd::{FORMS, File, INDEX, Server, Session, Settings, Step};
use unik_sched::time::Instant;

/// The files of a small site, with a form as packing makes them.
pub(crate) const FILES: [(&str, &[u8]); 6] = [
    (".httpd/forms/a/style.css.br", b"brotli"),
    ("404.html", b"missing"),
    ("a/index.html", b"a"),
    ("a/style.css", b"style"),
    ("a/style.css.gz", b"gzipped"),
    (
        "httpd.toml",
        b"[[header]]\nending = '.css'\nset = { X-A = 'b' }\n[[host]]\nnames = ['a']\nroot = '/a'\n",
    ),
];

/// What is asked of it.
const REQUESTS: [&str; 5] = [
    "GET /style.css HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n",
    "GET /style.css HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1,3-4\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "GET /style.css HTTP/1.1\r\nHost: a\r\nIf-Range: \"x\"\r\nRange: bytes=1-\r\n\r\n",
];

/// A server of the small site with `index` as its index.
pub(crate) fn server(index: &[u8]) -> Server<'_> {
    assert!(FILES[0].0.starts_with(FORMS));
    let file = |(path, contents)| File { path, contents, modified: None };
    let mut files = FILES.into_iter().chain([(INDEX, index)]).map(file);
    Server::load(&mut files, Settings::default()).expect("the files are good")
}

/// All that a server sends to each request.
pub(crate) fn responses(server: &Server<'_>) -> Vec<Vec<u8>> {
    let ask = |request: &&str| {
        let mut session = Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO);
        assert_eq!(session.advance(server, Instant::ZERO, None), Step::Read);
        session.space()[..request.len()].copy_from_slice(request.as_bytes());
        session.received(request.len());
        let mut sent = Vec::new();
        while session.advance(server, Instant::ZERO, None) == Step::Write {
            let output = session.output();
            sent.extend_from_slice(output);
            session.sent(output.len(), server.settings(), Instant::ZERO);
        }
        sent
    };
    REQUESTS.iter().map(ask).collect()
}

/// Takes `index` for that of the small site: whatever it says, files are served with the lengths that they have.
pub(crate) fn index(index: &[u8]) {
    for response in responses(&server(index)) {
        let text = String::from_utf8_lossy(&response);
        let status = text.get(..12).expect("a status");
        assert!(["HTTP/1.1 200", "HTTP/1.1 206", "HTTP/1.1 304", "HTTP/1.1 404"].contains(&status), "{text}");
        if status.ends_with("200") {
            let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            let contents = ["brotli", "style", "gzipped", "a", "missing"];
            assert!(contents.iter().any(|known| known.len() == length && text.ends_with(known)), "{text}");
        }
    }
}
