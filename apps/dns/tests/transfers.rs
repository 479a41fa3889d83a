//! Transfers out and in: whole zones (RFC 5936) and differences (RFC 1995).

mod common;
mod model;
mod random;
mod signed;
mod transferred;

use common::{EVERY_TYPE, answer, ask, query, query_with_edns, server, text, zone};
use random::Random;
use std::rc::Rc;
use transferred::{converse, differences, dump, receive, records};
use unik_dns::configuration::Configuration;
use unik_dns::{Progress, Server, TransferError, Transport, Zone};

const SECONDARY: [u8; 4] = [192, 0, 2, 2];
const STRANGER: [u8; 4] = [198, 51, 100, 1];

/// Lets 192.0.2.2 transfer `zone` from `server`.
fn provide(mut server: Server, zone: &str) -> Server {
    let plan = format!("zone:\n name: {zone}\n provide-xfr: 192.0.2.2 NOKEY\n");
    configure(&mut server, plan);
    server
}

/// Lets `server` keep to what `text` says.
fn configure(server: &mut Server, text: String) {
    let configuration = Configuration::parse("dns.conf", text.leak().as_bytes());
    server.follow(configuration.unwrap_or_else(|error| panic!("{error}"))).expect("memory");
}

/// The usual zone as version `serial`, with `rest`.
fn version(serial: u32, rest: &str) -> String {
    zone(rest).replace("hostmaster 1 ", &format!("hostmaster {serial} "))
}

fn parse(text: &str) -> Zone {
    Zone::parse("test.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// A server that has had each of `versions`, and now has the last.
fn history(versions: &[String]) -> Server {
    let mut server = provide(server(&[&versions[0]]), "example.org");
    versions[1..].iter().for_each(|version| server.replace(parse(version)).expect("memory"));
    server
}

/// Takes what `primary` gives to who has `current`, and serves it.
fn fetch(primary: &Server, current: Option<Zone>) -> Result<Server, TransferError> {
    let query = match &current {
        Some(zone) => differences("example.org", zone.serial()),
        None => query("example.org AXFR"),
    };
    let (messages, is_closed) = converse(primary, SECONDARY, &[query]);
    assert!(!is_closed);
    let mut server = Server::new();
    match receive("example.org", current.map(Rc::new), &messages)? {
        Progress::Zone(zone) => server.add(zone).expect("the first zone"),
        Progress::Current => {}
        Progress::More => panic!("the end is missing"),
    }
    Ok(provide(server, "example.org"))
}

#[test]
fn a_whole_zone_begins_and_ends_with_its_soa_record() {
    let server =
        provide(server(&[&zone("www A 192.0.2.80\nsub NS ns.sub\nns.sub A 192.0.2.9")]), "example.org");
    let (messages, is_closed) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    assert_eq!((messages.len(), is_closed), (1, false));
    let soa = "example.org. 3600 SOA ns.example.org. hostmaster.example.org. 1 7200 1800 1209600 300";
    let mut records = records(&messages);
    assert_eq!((records.remove(0).as_str(), records.pop().as_deref()), (soa, Some(soa)));
    records.sort();
    assert_eq!(
        records,
        [
            "example.org. 3600 NS ns.example.org.",
            "ns.example.org. 3600 A 192.0.2.53",
            "ns.sub.example.org. 3600 A 192.0.2.9",
            "sub.example.org. 3600 NS ns.sub.example.org.",
            "www.example.org. 3600 A 192.0.2.80",
        ]
    );
    assert!(text(&messages[0]).starts_with("NOERROR aa\n"));
}

#[test]
fn records_of_every_type_arrive_as_they_left() {
    let primary = provide(server(&[&zone(EVERY_TYPE)]), "example.org");
    let secondary = fetch(&primary, None).unwrap();
    let records = dump(&secondary, "example.org");
    assert_eq!(records, dump(&primary, "example.org"));
    assert_eq!(records.len(), secondary.zones().next().unwrap().records());
}

#[test]
fn signed_zones_arrive_whole_and_deny_as_before() {
    for (name, text) in signed::ZONES {
        let primary = provide(server(&[text]), name);
        let (messages, _) = converse(&primary, SECONDARY, &[query(&format!("{name} AXFR"))]);
        let Ok(Progress::Zone(zone)) = receive(name, None, &messages) else { panic!("no zone") };
        let mut secondary = Server::new();
        secondary.add(zone).unwrap();
        for question in signed::QUESTIONS {
            let query = signed::query(name, question);
            let [ours, theirs] = [&primary, &secondary]
                .map(|server| common::sorted(&answer(server, &query, Transport::Tcp).unwrap()));
            assert_eq!(ours, theirs, "{name}: {question}");
        }
    }
}

#[test]
fn a_zone_of_many_messages_arrives_and_other_queries_wait_for_its_end() {
    let rest: String = (0..5000).map(|i| format!("host{i} A 192.0.2.{}\n", i % 250)).collect();
    let primary = provide(server(&[&zone(&rest)]), "example.org");
    let queries = [query("host7.example.org A"), query("example.org AXFR"), query("host9.example.org A")];
    let (messages, _) = converse(&primary, SECONDARY, &queries);
    let [first, transfer @ .., last] = messages.as_slice() else { panic!() };
    assert!(text(first).contains("192.0.2.7") && text(last).contains("192.0.2.9"));
    assert!((5..12).contains(&transfer.len()), "{} messages", transfer.len());
    assert!(
        transfer[1..].iter().all(|message| message[4..6] == [0, 0]),
        "the question stands in the first alone"
    );
    let Ok(Progress::Zone(zone)) = receive("example.org", None, transfer) else { panic!("no zone") };
    assert_eq!(zone.records(), 5003);
}

#[test]
fn who_may_not_transfer_is_refused() {
    let server = provide(server(&[&zone("")]), "example.org");
    for (client, question, code) in [
        (STRANGER, "example.org AXFR", "REFUSED"),
        (STRANGER, "example.org IXFR", "REFUSED"),
        (SECONDARY, "www.example.org AXFR", "NOTAUTH"),
        (SECONDARY, "example.com AXFR", "NOTAUTH"),
    ] {
        let query = if question.ends_with("IXFR") { differences("example.org", 0) } else { query(question) };
        let (messages, _) = converse(&server, client, &[query]);
        assert_eq!(text(&messages[0]).trim_end(), code, "{question}");
    }
    // A whole zone does not fit in a datagram, whoever asks for it.
    let datagram = answer(&server, &query("example.org AXFR"), Transport::UDP).unwrap();
    assert_eq!(text(&datagram).trim_end(), "REFUSED");
}

#[test]
fn a_transfer_is_answered_with_edns_where_it_was_asked_for_with_it() {
    let server = provide(server(&[&zone("")]), "example.org");
    let query = query_with_edns("example.org AXFR", 1232, 0, true);
    let (messages, _) = converse(&server, SECONDARY, &[query]);
    assert!(text(&messages[0]).ends_with("edns 0 1232 do\n"));
}

#[test]
fn differences_are_told_version_by_version() {
    let server =
        history(&[version(1, "a A 192.0.2.1"), version(2, "b A 192.0.2.2"), version(4, "b A 192.0.2.3")]);
    let (messages, _) = converse(&server, SECONDARY, &[differences("example.org", 1)]);
    let told: Vec<_> = records(&messages)
        .iter()
        .map(|record| {
            let words: Vec<_> = record.split(' ').collect();
            match words[2] {
                "SOA" => words[5].to_owned(),
                _ => format!("{} {}", words[0].trim_end_matches(".example.org."), words[3]),
            }
        })
        .collect();
    assert_eq!(
        told,
        ["4", "1", "a 192.0.2.1", "2", "b 192.0.2.2", "2", "b 192.0.2.2", "4", "b 192.0.2.3", "4"]
    );
    let (messages, _) = converse(&server, SECONDARY, &[differences("example.org", 2)]);
    assert_eq!(records(&messages).len(), 6);
}

#[test]
fn who_has_the_last_version_or_a_newer_one_is_told_its_number_alone() {
    let server = history(&[version(1, ""), version(2, "")]);
    for serial in [2, 3] {
        let (messages, _) = converse(&server, SECONDARY, &[differences("example.org", serial)]);
        assert_eq!(records(&messages).len(), 1);
    }
    let fetched = fetch(&server, Some(parse(&version(2, "")))).unwrap();
    assert_eq!(fetched.zones().count(), 0, "there is nothing to serve anew");
}

#[test]
fn who_has_a_version_that_nobody_remembers_gets_the_whole() {
    let server = history(&[version(5, "a A 192.0.2.1"), version(6, "b A 192.0.2.2")]);
    let (messages, _) = converse(&server, SECONDARY, &[differences("example.org", 3)]);
    assert_eq!(records(&messages).len(), 5, "SOA, NS, two addresses, SOA");
    let fetched = fetch(&server, Some(parse(&version(3, "")))).unwrap();
    assert_eq!(dump(&fetched, "example.org"), dump(&server, "example.org"));
}

#[test]
fn a_datagram_for_differences_tells_the_last_version() {
    let mut server = history(&[version(1, ""), version(2, "a A 192.0.2.1")]);
    let plan = "zone:\n name: example.org\n provide-xfr: 192.0.2.99 NOKEY\n";
    configure(&mut server, plan.to_owned());
    let datagram = answer(&server, &differences("example.org", 1), Transport::UDP).unwrap();
    assert_eq!(records(&[datagram]), [soa(2)]);
}

fn soa(serial: u32) -> String {
    format!("example.org. 3600 SOA ns.example.org. hostmaster.example.org. {serial} 7200 1800 1209600 300")
}

/// Lines in lower case, sorted.
fn lower(lines: Vec<String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
    lines.sort();
    lines
}

#[test]
fn differences_make_of_the_old_version_the_new_one_whatever_changed() {
    let mut random = Random::new(5);
    for round in 0..200 {
        let mut some = |most: usize| -> String {
            let target = random.below(3);
            (0..random.below(most))
                .map(|_| match random.below(6) {
                    0 => format!(
                        "n{} {} A 192.0.2.{}\n",
                        random.below(5),
                        60 * (1 + random.below(2)),
                        random.below(4)
                    ),
                    1 => format!("n{} MX 10 N{}.X{}\n", random.below(5), random.below(5), random.below(3)),
                    2 => format!("*.w{} TXT t{}\n", random.below(3), random.below(3)),
                    3 => format!("c{} CNAME n{target}\n", random.below(3)),
                    4 => format!("d{} RRSIG A 8 3 6{} 4 3 2 @ AA==\n", random.below(3), random.below(2)),
                    _ => format!("x{0} NAPTR 1 1 u e !a! n{0}.other.\n", random.below(4)),
                })
                .collect()
        };
        let texts: Vec<_> = (0..4).map(|_| some(40)).collect();
        let versions: Vec<_> = texts.iter().zip(1..).map(|(rest, serial)| version(serial, rest)).collect();
        let primary = history(&versions);
        for old in 0..3 {
            let fetched = fetch(&primary, Some(parse(&versions[old]))).unwrap();
            // A name keeps the letters in which it came first.
            let all = |server| lower(dump(server, "example.org"));
            assert_eq!(all(&fetched), all(&primary), "round {round}, from {old}");
            // As the operator's own server would answer.
            let model = server(&[&versions[3]]);
            for question in
                ["n1.example.org A", "a.w1.example.org TXT", "c1.example.org A", "nowhere.example.org A"]
            {
                let told = |server| lower(ask(server, question).lines().map(str::to_owned).collect());
                assert_eq!(told(&fetched), told(&model), "round {round}: {question}");
            }
        }
    }
}

#[test]
fn differences_to_another_zone_than_ours_are_refused() {
    let server = history(&[version(1, "a A 192.0.2.1"), version(2, "b A 192.0.2.2")]);
    // We have the number, but not the record that goes.
    let error = fetch(&server, Some(parse(&version(1, "a A 192.0.2.7")))).err().unwrap();
    assert_eq!(
        error.to_string(),
        "what the primary sends is no zone: expected a record of the zone to remove"
    );
}

#[test]
fn what_is_no_transfer_is_refused() {
    let server = provide(server(&[&zone("a A 192.0.2.1")]), "example.org");
    let (messages, _) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    let message = &messages[0];
    assert!(matches!(receive("example.org", None, &[]), Ok(Progress::More)));
    assert!(matches!(receive("example.com", None, &messages), Err(TransferError::Malformed)), "another zone");
    for cut in 12..message.len() {
        let received = receive("example.org", None, &[message[..cut].to_vec()]);
        assert!(matches!(received, Err(TransferError::Malformed)), "cut to {cut}");
    }
    // The answer ends without its last record: then it goes on in the next message.
    let mut early = message.clone();
    early[7] -= 1;
    assert!(matches!(receive("example.org", None, &[early.clone()]), Ok(Progress::More)));
    // What follows the last record is too much.
    let mut twice = message.clone();
    twice[7] += 1;
    twice.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
    assert!(matches!(receive("example.org", None, &[twice]), Err(TransferError::Malformed)));
    let mut elsewhere = early;
    elsewhere[7] += 1;
    let end = elsewhere.len();
    elsewhere.truncate(end - 45);
    assert!(receive("example.org", None, &[elsewhere]).is_err());
}

#[test]
fn a_record_outside_of_the_zone_makes_the_transfer_fail() {
    let server = provide(server(&[&zone("a A 192.0.2.1")]), "example.org");
    let (mut messages, _) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    // The owner of the first NS record becomes the root.
    let message = &mut messages[0];
    let at = message.windows(4).position(|octets| octets == [0, 2, 0, 1]).unwrap();
    message.splice(at - 2..at, [0]);
    let error = receive("example.org", None, &messages).err().unwrap();
    assert!(error.to_string().starts_with("what the primary sends is no zone: expected an owner"), "{error}");
}

#[test]
fn a_zone_larger_than_allowed_is_given_up() {
    let server = provide(server(&[&zone("a A 192.0.2.1")]), "example.org");
    let (messages, _) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    let name = transferred::wire("example.org");
    let mut incoming = unik_dns::Incoming::new(None, messages[0].len() - 1);
    assert!(matches!(incoming.take(&name, &messages[0]), Err(TransferError::TooLong)));
}

#[test]
fn what_other_servers_tolerate_is_taken_from_them() {
    // An alias beside other records, a name server without an address, a record below a DNAME record.
    let records = ["x.example.org A", "d.example.org DNAME"];
    let server = provide(server(&[&zone("x A 192.0.2.1\nd DNAME e\nq A 192.0.2.2")]), "example.org");
    let (mut messages, _) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    let message = &mut messages[0];
    let at = message.windows(2).position(|octets| octets == b"\x01q").unwrap();
    message[at + 1] = b'd';
    let Ok(Progress::Zone(zone)) = receive("example.org", None, &messages) else { panic!("no zone") };
    let mut secondary = Server::new();
    secondary.add(zone).unwrap();
    for question in records {
        assert!(ask(&secondary, question).starts_with("NOERROR aa"), "{question}");
    }
}

#[test]
fn a_mutated_transfer_is_taken_or_refused_and_nothing_else() {
    let server = history(&[version(1, EVERY_TYPE), version(2, "a A 192.0.2.1\nb MX 1 a")]);
    let (whole, _) = converse(&server, SECONDARY, &[query("example.org AXFR")]);
    let (changes, _) = converse(&server, SECONDARY, &[differences("example.org", 1)]);
    let current = Rc::new(parse(&version(1, EVERY_TYPE)));
    let mut random = Random::new(9);
    for _ in 0..20_000 {
        let (mut message, current) = if random.below(2) == 0 {
            (whole[0].clone(), None)
        } else {
            (changes[0].clone(), Some(current.clone()))
        };
        random.mutate(&mut message);
        if let Ok(Progress::Zone(zone)) = receive("example.org", current, &[message]) {
            let mut server = Server::new();
            server.add(zone).unwrap();
            ask(&server, "a.example.org MX");
        }
    }
}
