//! Input that nobody means well with. Seeds are printed, so a failure can be had again.

mod checks;
mod common;
mod random;
mod signed;

use common::{example, query, query_with_edns, server, zone};
use random::Random;
use std::path::{Path, PathBuf};
use unik_dns::{Server, Zone};

/// Zones with everything in them that answers can be made of.
fn everything() -> Server {
    let many: String = (0..100).map(|i| format!("many A 10.0.0.{i}\nmany MX {i} many\n")).collect();
    let rest = format!(
        "{many}*.w TXT wild\n*.w MX 1 a.w\na.b.c CNAME x.w\nl CNAME l\nsub NS ns.sub\nsub NS ns.else.\nns.sub A 10.0.0.1\nx CNAME www.example.net.\n*.alias CNAME q.alias\nlong TXT {}",
        "z".repeat(255)
    );
    let other = zone("www CNAME x.example.org.\n").replace("example.org", "example.net");
    let (rest, other) = (zone(&rest), other.replace("x.example.net", "x.example.org"));
    let mut zones = vec![&*rest, &*other, include_str!("../zones/2.0.192.in-addr.arpa.zone")];
    zones.extend(signed::ZONES.map(|(_, text)| text));
    server(&zones)
}

fn queries() -> Vec<Vec<u8>> {
    let names = "many a.w b.w a.b.c b.c l sub x.sub x www alias y.alias long deep.down.w nothing";
    let kinds =
        ["A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "DS", "ANY", "AXFR", "OPT", "TYPE999"];
    let mut queries = Vec::new();
    for name in names.split(' ') {
        for kind in kinds {
            for zone in ["example.org", "example.net", "2.0.192.in-addr.arpa", "else"] {
                queries.push(query(&format!("{name}.{zone} {kind}")));
            }
            queries.push(query_with_edns(&format!("{name}.example.org {kind}"), 1400, 0, true));
        }
    }
    for (apex, _) in signed::ZONES {
        queries.extend(signed::QUESTIONS.map(|question| signed::query(apex, question)));
    }
    queries
}

#[test]
fn every_ordinary_query_is_answered_in_good_order() {
    let server = everything();
    for query in queries() {
        checks::message(&server, &query);
    }
}

#[test]
fn mutated_queries_do_no_harm() {
    let server = everything();
    let queries = queries();
    let mut random = Random::new(1);
    for _ in 0..30_000 {
        let mut query = queries[random.below(queries.len())].clone();
        random.mutate(&mut query);
        checks::message(&server, &query);
    }
}

#[test]
fn random_messages_do_no_harm() {
    let server = everything();
    let mut random = Random::new(2);
    for _ in 0..10_000 {
        let mut message: Vec<u8> = (0..random.below(100)).map(|_| random.below(256) as u8).collect();
        // Half of them begin like a query.
        if random.below(2) == 0 && message.len() > 12 {
            message[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, random.below(3) as u8]);
        }
        checks::message(&server, &message);
    }
}

#[test]
fn queries_of_thousands_of_records_do_no_harm() {
    let server = example();
    let mut query = query("www.example.org A");
    query[10..12].copy_from_slice(&[0xff, 0xff]);
    query.extend([0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0].repeat(5900));
    checks::message(&server, &query);
}

#[test]
fn mutated_master_files_do_no_harm() {
    let mut random = Random::new(3);
    let examples = [
        include_str!("../zones/example.org.zone").to_owned(),
        include_str!("../zones/2.0.192.in-addr.arpa.zone").to_owned(),
        zone("a CNAME b\n*.c MX 1 d\ne NS f.e\nf.e A 1.2.3.4"),
        zone(common::EVERY_TYPE),
    ];
    for round in 0..10_000 {
        let mut file = examples[round % examples.len()].clone().into_bytes();
        random.mutate(&mut file);
        checks::master_file(&file);
    }
}

#[test]
fn master_files_of_random_words_do_no_harm() {
    let mut random = Random::new(4);
    let words = [
        "@",
        ".",
        "a",
        "b.",
        "*",
        "a.b",
        "\n",
        "\n",
        "\n",
        " ",
        "(",
        ")",
        "\"",
        ";",
        "\\",
        "\\000",
        "IN",
        "5",
        "1h",
        "65536",
        "SOA",
        "NS",
        "A",
        "AAAA",
        "CNAME",
        "MX",
        "TXT",
        "PTR",
        "SRV",
        "CAA",
        "$ORIGIN",
        "$INCLUDE half",
        "$GENERATE 1-3",
        "$",
        "${1,2,n}",
        "NSEC",
        "RRSIG",
        "DNAME",
        "SVCB",
        "LOC",
        "NAPTR",
        "TYPE1",
        "TYPE9",
        "\\#",
        "alpn=h2",
        "port=",
        "\"1\"",
        "N",
        "E",
        "0",
        "1",
        "ab",
        "$TTL",
        "1.2.3.4",
        "::1",
        "\u{e9}",
        "\t",
        "\r\n",
    ];
    for _ in 0..10_000 {
        let mut file = String::new();
        if random.below(3) > 0 {
            file.push_str("$TTL 5\n$ORIGIN a.\n@ SOA b c 1 2 3 4 5\n@ NS b.\n");
        }
        for _ in 0..random.below(60) {
            file.push_str(random.one(&words));
            if random.below(5) > 0 {
                file.push(' ');
            }
        }
        checks::master_file(file.as_bytes());
    }
}

#[test]
fn a_zone_of_records_upon_records_is_read_in_a_moment() {
    let mut text = zone("");
    for i in 0..100_000 {
        text.push_str(&format!("h{i}.d{}.x A 10.{}.{}.{}\n", i % 100, i >> 16, i >> 8 & 255, i & 255));
    }
    let server = server(&[&text]);
    assert!(common::ask(&server, "h99999.d99.x.example.org A").contains("A 10.1.134.159"));
    checks::message(&server, &query("h99999.d98.x.example.org A"));
}

#[test]
fn copies_of_the_last_record_of_a_long_set_cost_no_more_than_those_of_the_first() {
    let record = |number: usize| format!("many A 10.0.{}.{}\n", number >> 8, number & 255);
    let records: String = (0..3000).map(record).collect();
    let took = |number: usize| {
        let text = zone(&format!("{records}{}", record(number).repeat(50_000)));
        let start = run_time();
        let read = Zone::parse("z.zone", text.as_bytes()).map(|zone| zone.records());
        assert_eq!(read.map_err(|error| error.to_string()), Ok(3000 + 3));
        run_time() - start
    };
    let (first, last) = (took(0), took(2999));
    println!("{first} ns with copies of the first, {last} ns with copies of the last");
    assert!(last < 8 * first, "the whole set was looked at for each");
}

/// How long this thread has run, in nanoseconds: what others do on this computer adds nothing (Linux, scheduler/sched-stats.rst).
fn run_time() -> u64 {
    // It is counted up to the last time that the processor was given away.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts it");
    told.split(' ').next().and_then(|time| time.parse().ok()).expect("a time comes first")
}

/// Each file of `fuzz/corpus/<target>`.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_corpus_of_messages_does_no_harm() {
    let server = everything();
    let example = example();
    for file in corpus("dns_message") {
        println!("{}", file.display());
        let message = std::fs::read(file).expect("readable");
        checks::message(&server, &message);
        checks::message(&example, &message);
    }
}

#[test]
fn the_corpus_of_master_files_does_no_harm() {
    for file in corpus("dns_master_file") {
        println!("{}", file.display());
        checks::master_file(&std::fs::read(file).expect("readable"));
    }
}
