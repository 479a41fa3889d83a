//! A server whose memory runs out: the connection that needed it ends, and the next one is served.

mod common;

use common::{example, query};
use unik_dns::{MAX_ANSWER, Server, Session, Step, Transport};
use unik_sched::time::Instant;
use unik_testkit::{Scarce, Scarcity};

#[global_allocator]
static HEAP: Scarce = Scarce;

/// Three queries that come together, each behind its length.
fn queries() -> Vec<u8> {
    let mut stream = Vec::new();
    for question in ["www.example.org A", "example.org MX", "nowhere.example.org A"] {
        let query = query(question);
        stream.extend_from_slice(&u16::try_from(query.len()).expect("a query").to_be_bytes());
        stream.extend_from_slice(&query);
    }
    stream
}

/// Serves a connection over which `stream` arrives; the octets of the answers, or `None` where it was refused or ended.
fn serve(server: &Server, stream: &[u8], scratch: &mut [u8]) -> Option<usize> {
    let mut session = Session::try_new(Instant::ZERO)?;
    session.space()[..stream.len()].copy_from_slice(stream);
    session.received(stream.len());
    let mut sent = 0;
    loop {
        match session.advance(server, Instant::ZERO, scratch) {
            Step::Write => {
                sent += session.output().len();
                session.sent(Instant::ZERO);
            }
            Step::Read => return Some(sent),
            Step::Close => {
                assert!(session.is_starved(), "the queries are good");
                return None;
            }
        }
    }
}

#[test]
fn each_allocation_of_a_connection_may_fail_and_the_next_is_served() {
    let (server, stream) = (example(), queries());
    let mut scratch = vec![0; MAX_ANSWER];
    let whole = serve(&server, &stream, &mut scratch).expect("there is memory");
    for number in 0.. {
        let before = server.counters().no_memory.get();
        let (served, failed) = Scarcity::Nth(number).during(|| serve(&server, &stream, &mut scratch));
        assert_eq!(served.is_none(), failed > 0);
        // A connection that never began is counted by whoever accepted it.
        assert_eq!(server.counters().no_memory.get() - before, u64::from(failed > 0 && number > 0));
        assert_eq!(serve(&server, &stream, &mut scratch), Some(whole), "after allocation {number} failed");
        if failed == 0 {
            assert!(number >= 2, "a connection has a buffer for each direction");
            return;
        }
    }
}

#[test]
fn a_datagram_is_answered_without_memory() {
    let server = example();
    let mut out = [0; 1232];
    for question in ["www.example.org A", "example.org MX", "nowhere.example.org A", "example.com A"] {
        let query = query(question);
        let answer = Scarcity::From(0).during(|| server.answer(&query, Transport::UDP, &mut out));
        assert!(matches!(answer, (Some(_), 0)), "{question}: {answer:?}");
    }
}
