//! What a connection of TLS takes, and that it ends where there is no memory, and nothing else does.

mod tls_common;

use rcgen::PKCS_ECDSA_P256_SHA256 as P256;
use rustls::version::{TLS12, TLS13};
use std::io::Write as _;
use tls_common::{End, Wire, certificate, client, client_config, contents, leak, load, site};
use unik_httpd::{Session, Settings};
use unik_sched::time::Instant;
use unik_testkit::{Scarce, Scarcity, Usage};

#[global_allocator]
static HEAP: Scarce = Scarce;

/// What a connection may take at most, in the heap: this is what the README says.
const MOST: usize = 80 * 1024;
/// The same, for one that waits for a request.
const IDLE: usize = 10 * 1024;

#[test]
fn a_connection_takes_no_more_than_it_may() {
    let (der, chain, key) = certificate(&["example.org"], &P256);
    let tls = load(&vec![("tls/all.pem", leak(&(chain + &key)))]).expect("credentials");
    let server = site(Settings::default());
    for version in [&TLS13, &TLS12] {
        let config = client_config(&[&der], &[version], &[]);
        let mut client = client(&config, "example.org");
        let begin = || tls.begin(Session::new([192, 0, 2, 1].into(), server.settings(), Instant::ZERO));
        let (conversation, usage) = Usage::of(begin);
        println!("begun: {usage:?}");
        let mut kept = usage.kept;
        let mut wire = Wire::new(&server, &tls);
        wire.conversation = conversation.expect("there is memory");
        // Only what the server does is counted, with what it reads and writes prepared.
        wire.to_client.reserve(1 << 20);
        let mut most = usage.peak;
        let mut turn = |wire: &mut Wire<'_>| {
            let ((), usage) = Usage::of(|| wire.serve());
            println!("turn: {usage:?}");
            most = most.max(kept + usage.peak);
            kept += usage.kept;
            kept
        };
        let long = format!("GET /large.bin HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(7000));
        client.writer().write_all(format!("{}{long}", long.repeat(2)).as_bytes()).expect("memory takes all");
        for _ in 0..6 {
            while client.wants_write() {
                client.write_tls(&mut wire.to_server).expect("memory takes all");
            }
            turn(&mut wire);
            let sent = wire.to_client.clone();
            wire.to_client.clear();
            let mut rest = &sent[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).expect("memory gives all");
                client.process_new_packets().expect("records");
                let mut plain = vec![0; 20_000];
                while std::io::Read::read(&mut client.reader(), &mut plain).is_ok_and(|length| length > 0) {}
            }
        }
        let idle = turn(&mut wire);
        println!("most {most}, idle {idle}");
        assert!(most < MOST && idle < IDLE, "most {most}, idle {idle}");
        assert_eq!(server.counters().successes.get() % 3, 0);
    }
}

#[test]
fn where_memory_ends_a_connection_ends_and_no_other() {
    let (der, chain, key) = certificate(&["example.org"], &P256);
    let usual = load(&vec![("tls/all.pem", leak(&(chain.clone() + &key)))]).expect("credentials");
    let server = site(Settings::default());
    // A chain that is longer than the usual: what follows the first certificate is for clients.
    let (_, long, _) = certificate(&["a.long.name.that.makes.a.long.certificate.example"; 40], &P256);
    let long =
        load(&vec![("tls/all.pem", leak(&(chain.clone() + &long + &long + &key)))]).expect("credentials");
    for (version, tls) in [&TLS13, &TLS12, &TLS13, &TLS12].into_iter().zip([&usual, &usual, &long, &long]) {
        let config = client_config(&[&der], &[version], &[]);
        // What the server may take in one turn, from nothing on; what is under way has been allocated before.
        for bytes in (0..100_000).step_by(331) {
            let mut client = client(&config, "example.org");
            let mut wire = Wire::new(&server, tls);
            wire.to_client.reserve(1 << 20);
            client.writer().write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("memory takes all");
            for _ in 0..4 {
                while client.wants_write() {
                    client.write_tls(&mut wire.to_server).expect("memory takes all");
                }
                Scarcity::Bytes(bytes).during(|| wire.serve());
                let sent = wire.to_client.clone();
                wire.to_client.clear();
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    client.read_tls(&mut rest).expect("memory gives all");
                    client.process_new_packets().expect("records");
                }
            }
            assert!(wire.end.is_none() || wire.end == Some(End::Aborted), "{:?}", wire.end);
        }
        let mut client = client(&config, "example.org");
        assert_eq!(
            contents(&Wire::new(&server, tls).get(&mut client, "/").expect("a response")),
            b"<p>Hello"
        );
        assert!(tls.counters().no_memory.get() > 0);
    }
}
