//! Contents that are not in memory, over TLS.

mod tls_common;

use rcgen::PKCS_ECDSA_P256_SHA256 as P256;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::io::{Read as _, Write as _};
use tls_common::{certificate, client, client_config, contents, leak, load};
use unik_httpd::tls::Conversation;
use unik_httpd::{File, Server, Session, Settings, Step, Stored};
use unik_sched::counter::CounterSet as _;
use unik_sched::time::Instant;

const LENGTH: usize = 100_000;

/// Octet `index` of the file that is not in memory.
fn octet(index: usize) -> u8 {
    (index % 251) as u8
}

fn server() -> Server<'static> {
    let files = [
        File { path: "index.html", contents: b"<p>Hello", modified: None },
        File { path: "large.bin", contents: b"", modified: None },
    ];
    let stored = |index| (index == 1).then_some(Stored { file: 7, length: LENGTH, tag: 1 });
    Server::load_stored(&mut files.into_iter(), &stored, Settings::default()).expect("there is memory")
}

/// Moves octets to the client until the server waits for more, with a disk whose contents can be read so many times in pieces of
/// 4096. Gives the last step.
fn serve(
    server: &Server<'static>,
    conversation: &mut Conversation<'static>,
    (mut to_server, to_client): (&[u8], &mut Vec<u8>),
    reads: &mut usize,
) -> Step {
    let now = Instant::ZERO;
    loop {
        match conversation.advance(server, now, None) {
            Step::Write => {}
            Step::Read if !to_server.is_empty() => {
                let space = conversation.space();
                let length = space.len().min(to_server.len());
                space[..length].copy_from_slice(&to_server[..length]);
                to_server = &to_server[length..];
                conversation.received(length);
                continue;
            }
            step => return step,
        }
        let Some(section) = conversation.section() else {
            let output = conversation.output();
            assert!(!output.is_empty(), "there is something to write");
            to_client.extend_from_slice(output);
            conversation.sent(output.len(), server.settings(), now);
            continue;
        };
        assert!(section.file == 7 && section.start < section.end && section.end <= LENGTH);
        if *reads == 0 {
            conversation.lost(server, now, None);
            continue;
        }
        *reads -= 1;
        if section.is_first {
            conversation.found(server);
            continue;
        }
        let page: Vec<u8> = (section.start..section.end).take(4096).map(octet).collect();
        assert!(conversation.enclose(&page, server, now), "it is put into records");
    }
}

/// What a client reads that asks for this over TLS, and how the server leaves it.
fn ask(
    server: &Server<'static>,
    version: &'static SupportedProtocolVersion,
    requests: &str,
    mut reads: usize,
) -> (Vec<u8>, Step) {
    let (der, chain, key) = certificate(&["example.org"], &P256);
    let tls = load(&vec![("tls/chain.pem", leak(&chain)), ("tls/key.pem", leak(&key))]).expect("credentials");
    let mut client = client(&client_config(&[&der], &[version], &[b"http/1.1"]), "example.org");
    let session = Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO);
    let mut conversation = tls.begin(session).expect("there is memory");
    client.writer().write_all(requests.as_bytes()).expect("memory takes all");
    let (mut read, mut step) = (Vec::new(), Step::Read);
    while client.wants_write() {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut to_server).expect("memory takes all");
        }
        step = serve(server, &mut conversation, (&to_server, &mut to_client), &mut reads);
        let mut rest = &to_client[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory gives all");
            let state = client.process_new_packets().expect("right records");
            let start = read.len();
            read.resize(start + state.plaintext_bytes_to_read(), 0);
            client.reader().read_exact(&mut read[start..]).expect("what there is");
        }
    }
    (read, step)
}

fn unreadable(server: &Server<'_>) -> u64 {
    let mut found = 0;
    server.visit(&mut |name, value| {
        if name == "unreadable" {
            found = value;
        }
    });
    found
}

const LARGE: &str = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
const PAGE: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn contents_of_a_disk_go_through_tls() {
    let server = server();
    for version in [&TLS13, &TLS12] {
        let (read, step) = ask(&server, version, LARGE, usize::MAX);
        assert!(contents(&read).iter().copied().eq((0..LENGTH).map(octet)));
        assert_eq!(step, Step::Read);
        let range = "GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=90000-\r\n\r\n";
        let (read, step) = ask(&server, version, range, usize::MAX);
        assert!(read.starts_with(b"HTTP/1.1 206 ") && step == Step::Read);
        assert!(read.ends_with(&(90_000..LENGTH).map(octet).collect::<Vec<_>>()));
        // Behind others, and in front of them.
        let (read, _) = ask(&server, version, &format!("{PAGE}{LARGE}{PAGE}"), usize::MAX);
        assert!(contents(&read).starts_with(b"<p>HelloHTTP/1.1 200 OK\r\n"));
        let large = contents(&contents(&read)[8..]);
        assert!(large[..LENGTH].iter().copied().eq((0..LENGTH).map(octet)));
        assert_eq!(contents(&large[LENGTH..]), b"<p>Hello");
    }
    assert_eq!(unreadable(&server), 0);
}

#[test]
fn what_cannot_be_read_ends_a_connection_of_tls_as_it_does_others() {
    let server = server();
    for version in [&TLS13, &TLS12] {
        let before = unreadable(&server);
        let (read, step) = ask(&server, version, &format!("{PAGE}{LARGE}"), 0);
        assert!(contents(&read).starts_with(b"<p>HelloHTTP/1.1 500 Internal Server Error\r\n"));
        assert_eq!((step, unreadable(&server)), (Step::Shut, before + 1));
        let (read, step) = ask(&server, version, LARGE, 5);
        assert!(read.is_empty() || read.starts_with(b"HTTP/1.1 200 OK\r\n") && read.len() < LENGTH);
        assert_eq!((step, unreadable(&server)), (Step::Abort, before + 2));
    }
}
