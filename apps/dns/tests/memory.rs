//! What a zone takes, and a server whose memory runs out: the connection that needed it ends, and the next one is served.

mod common;

use common::{example, origin, query, zone};
use std::fmt::Write;
use unik_dns::{MAX_ANSWER, Moment, Problem, Server, Session, Step, Transport, Zone};
use unik_sched::time::Instant;
use unik_testkit::{Random, Scarce, Scarcity, Usage};

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
    let mut session = Session::try_new([192, 0, 2, 99].into(), Instant::ZERO)?;
    session.space()[..stream.len()].copy_from_slice(stream);
    session.received(stream.len());
    let mut sent = 0;
    loop {
        match session.advance(server, &Moment::START, scratch) {
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
        let answer = Scarcity::From(0).during(|| server.answer(&query, &origin(Transport::UDP), &mut out));
        assert!(matches!(answer, (Some(_), 0)), "{question}: {answer:?}");
    }
}

/// Reads `text` while one allocation after the other fails, and says how many there were.
fn starve(text: &str) -> usize {
    for number in 0.. {
        let (read, failed) = Scarcity::Nth(number).during(|| Zone::parse("z.zone", text.as_bytes()));
        match read {
            Err(error) => {
                assert!(failed > 0, "{error}");
                assert!(error.to_string().ends_with(Problem::NoMemory.text()), "{error}");
            }
            Ok(_) if failed == 0 => return number,
            // What is only foreseen may fail.
            Ok(_) => {}
        }
    }
    unreachable!("there are fewer allocations than numbers")
}

#[test]
fn each_allocation_of_a_zone_in_the_making_may_fail_and_the_zone_fails_with_a_sentence() {
    let apart = "a TXT x\nb TXT y\na TXT z\nb TXT w\nc NSEC d A TYPE1234 NS\n";
    let generic = format!("g TYPE65280 \\# 700 {}\n", "0a".repeat(700));
    let parameters = "s SVCB 1 . alpn=h2,h3 port=53 ipv6hint=::,::,::,::\n";
    for records in
        [apart, &generic, parameters, common::EVERY_TYPE, "$GENERATE 1-300 host-$.a.b A 192.0.2.1\n"]
    {
        let allocations = starve(&zone(records));
        assert!(allocations >= 10, "{allocations} for {records}");
    }
}

#[test]
fn a_zone_larger_than_memory_fails_with_a_sentence_and_is_read_with_little_more_than_it_needs() {
    let lines: String = (0..20_000).map(|number| format!("host-{number} A 192.0.2.1\n")).collect();
    let text = zone(&lines);
    let (_, usage) = Usage::of(|| Zone::parse("z.zone", text.as_bytes()).is_ok());
    for eighth in 1..=9 {
        let bytes = usage.peak / 8 * eighth;
        let (read, _) = Scarcity::Bytes(bytes).during(|| Zone::parse("z.zone", text.as_bytes()));
        match read {
            Ok(_) => assert!(eighth > 4),
            Err(error) => {
                assert!(eighth < 9 && error.problem == Problem::NoMemory, "{eighth} eighths: {error}");
            }
        }
    }
}

#[test]
fn generated_records_promise_nothing_for_the_lines_behind_them() {
    let generated = zone("$GENERATE 1-50000 host-$ A 192.0.2.1\n");
    let more: String = (0..200).map(|number| format!("more-{number} A 192.0.2.1\n")).collect();
    let both = format!("{generated}{more}");
    let peak = |text: &str| Usage::of(|| Zone::parse("z.zone", text.as_bytes()).is_ok()).1.peak;
    let (alone, both) = (peak(&generated), peak(&both));
    println!("{alone} bytes at most, {both} with 200 records more");
    assert!(both < alone + alone / 8, "{alone} became {both}");
}

/// Names of a large zone.
const NAMES: usize = 50_000;

/// Reads a zone of [`NAMES`] names of several lengths, each with so many addresses; what a name took of the memory beyond its
/// label with the length and the addresses, at the end and at most.
fn beyond_the_wire(addresses: usize, is_shuffled: bool) -> (usize, usize) {
    let mut random = Random::new(1);
    let mut lines = Vec::new();
    let mut wire = 0;
    for name in 0..NAMES {
        let filling = "abcdefghij".get(..random.below(10)).expect("letters are octets");
        let label = format!("{name:x}{filling}");
        wire += 1 + label.len() + 4 * addresses;
        lines.extend((0..addresses).map(|number| format!("{label} A 10.{number}.0.{}", random.below(256))));
    }
    if is_shuffled {
        for place in 1..lines.len() {
            lines.swap(place, random.below(place + 1));
        }
    }
    let mut text = String::new();
    lines.iter().try_for_each(|line| writeln!(text, "{line}")).expect("a text takes all");
    let text = zone(&text);
    let (parsed, usage) = Usage::of(|| Zone::parse("large.zone", text.as_bytes()));
    assert_eq!(
        parsed.map(|zone| zone.records()).map_err(|error| error.to_string()),
        Ok(NAMES * addresses + 3)
    );
    let beyond = |bytes: usize| bytes.saturating_sub(wire) / NAMES;
    (beyond(usage.kept), beyond(usage.peak))
}

#[test]
fn a_name_takes_less_memory_than_its_text_would_in_a_table() {
    let (kept, peak) = beyond_the_wire(1, false);
    println!("{kept} bytes a name, {peak} while the zone is read");
    assert!(kept <= 36, "{kept} bytes a name beyond the wire");
    assert!(peak <= 66, "{peak} bytes a name beyond the wire while the zone is read");
}

#[test]
fn records_of_a_name_that_stand_far_apart_take_little_more() {
    let (in_order, _) = beyond_the_wire(4, false);
    let (shuffled, peak) = beyond_the_wire(4, true);
    println!("{in_order} bytes a name in order, {shuffled} in disorder, {peak} while the zone is read");
    assert!(shuffled <= in_order + 4 * (2 + 4) + 4, "their data are there twice at most");
    assert!(peak <= 4 * 66, "{peak} bytes a name beyond the wire while the zone is read");
}
