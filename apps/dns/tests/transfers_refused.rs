//! Transfers that are no good, in either direction: by class, by version, by what is in them.

mod common;
mod transferred;

use common::{answer, ask, query, query_with_edns, server, text, zone};
use std::rc::Rc;
use transferred::{converse, differences, receive};
use unik_dns::configuration::Configuration;
use unik_dns::{Limit, Progress, Server, Settings, TransferError, Transport, Zone};
use unik_sched::counter::CounterSet;

const SECONDARY: [u8; 4] = [192, 0, 2, 2];

/// A server of the usual zone that gives it to 192.0.2.2, and is told by 192.0.2.2 of newer ones.
fn primary() -> Server {
    let mut server = server(&[&zone("")]);
    let text = "zone:\n name: example.org\n provide-xfr: 192.0.2.2 NOKEY\n allow-notify: 192.0.2.2 NOKEY\n";
    let configuration = Configuration::parse("dns.conf", text.as_bytes());
    server.follow(configuration.unwrap_or_else(|error| panic!("{error}"))).expect("memory");
    server
}

/// The usual zone as version `serial`, with `rest`.
fn version(serial: u32, rest: &str) -> Zone {
    let text = zone(rest).replace("hostmaster 1 ", &format!("hostmaster {serial} "));
    Zone::parse("test.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// A record whose owner is `label` below the name of the question, or that name.
fn record(label: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = label.to_vec();
    record.extend([0xc0, 12]);
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 14, 16]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// The SOA record of version `serial`.
fn soa(serial: u32) -> Vec<u8> {
    let mut data = b"\x02ns\xc0\x0c\x0ahostmaster\xc0\x0c".to_vec();
    [serial, 7200, 1800, 1_209_600, 300].iter().for_each(|number| data.extend(number.to_be_bytes()));
    record(b"", 6, &data)
}

/// An answer with these records to a question for `kind`.
fn message(kind: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = query(&format!("example.org {kind}"));
    message[2] |= 0x84;
    message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
    message.extend(records.concat());
    message
}

#[test]
fn a_transfer_in_another_class_or_with_another_version_of_edns_is_none() {
    for class in [3, 4, 254, 255] {
        for mut query in [query("example.org AXFR"), differences("example.org", 0)] {
            query[28] = class;
            let (messages, _) = converse(&primary(), SECONDARY, &[query]);
            assert_eq!((messages[0][3] & 15, messages[0][7]), (5, 0), "class {class}");
        }
    }
    let query = query_with_edns("example.org AXFR", 1232, 1, false);
    let (messages, _) = converse(&primary(), SECONDARY, &[query]);
    assert!(text(&messages[0]).starts_with("BADVERS"));
}

#[test]
fn a_transfer_is_counted_as_a_query_is() {
    let server = primary();
    converse(&server, SECONDARY, &[query("example.org AXFR"), differences("example.org", 1)]);
    let mut counted = Vec::new();
    let sets: [&dyn CounterSet; 3] = [&**server.kinds(), &**server.counters(), &**server.transfers()];
    sets.iter().for_each(|set| set.visit(&mut |name, value| counted.push((name, value))));
    counted.retain(|(_, value)| *value > 0);
    let queries = [("queries", 2), ("tcp_queries", 2), ("answered", 2)];
    let expected: Vec<_> =
        [("type_ixfr", 1), ("type_axfr", 1)].into_iter().chain(queries).chain([("axfr_out", 1)]).collect();
    assert_eq!(counted, expected);
}

#[test]
fn what_is_no_type_of_a_record_is_taken_from_nobody() {
    for kind in [0, 41, 128, 249, 250, 251, 252, 255] {
        let message = message("AXFR", &[soa(1), record(b"\x01a", kind, b"data"), soa(1)]);
        let error = receive("example.org", None, &[message]).err();
        assert!(matches!(error, Some(TransferError::Zone(_))), "type {kind}: {error:?}");
    }
}

#[test]
fn what_is_added_twice_and_removed_once_is_gone() {
    let address = record(b"\x01a", 1, &[192, 0, 2, 1]);
    let records = [soa(3), soa(1), soa(2), address.clone(), soa(2), address, soa(3), soa(3)];
    let current = Rc::new(version(1, "a A 192.0.2.1"));
    let changed = receive("example.org", Some(current), &[message("IXFR", &records)]);
    let Ok(Progress::Zone(zone)) = changed else { panic!("no zone") };
    let mut server = Server::new();
    server.add(zone).expect("the first zone");
    assert!(ask(&server, "a.example.org A").starts_with("NXDOMAIN"));
}

#[test]
fn an_older_version_is_not_taken() {
    let address = record(b"\x01a", 1, &[192, 0, 2, 1]);
    let ns = record(b"", 2, b"\x02ns\xc0\x0c");
    for records in [vec![soa(3)], vec![soa(3), ns, address, soa(3)]] {
        let current = Rc::new(version(5, ""));
        let error = receive("example.org", Some(current), &[message("IXFR", &records)]).err();
        assert_eq!(error, Some(TransferError::Older));
    }
}

#[test]
fn notices_are_taken_from_those_who_may_tell_in_the_class_of_the_zone() {
    let notice = |class| {
        let mut query = query("example.org SOA");
        query[2] = 0x24;
        query[28] = class;
        query
    };
    for (client, class, flags, code) in
        [(SECONDARY, 1, 0xa4, 0), (SECONDARY, 3, 0xa0, 5), ([198, 51, 100, 1], 1, 0xa0, 5)]
    {
        let server = primary();
        let (messages, _) = converse(&server, client, &[notice(class)]);
        assert_eq!((messages[0][2], messages[0][3]), (flags, code), "class {class} from {client:?}");
        assert_eq!(server.transfers().notices_in.get(), u64::from(code == 0));
    }
    let mut elsewhere = query("example.com SOA");
    elsewhere[2] = 0x24;
    let (messages, _) = converse(&primary(), SECONDARY, &[elsewhere]);
    assert_eq!(messages[0][3], 9, "NOTAUTH");
}

#[test]
fn answers_to_signatures_that_are_no_good_are_limited_too() {
    let mut server = server(&[&zone("")]);
    server.configure(Settings { limit: Some(Limit { rate: 1, slip: 0 }), ..Settings::default() });
    assert!(server.protect(&mut || [7; 16]));
    let mut signed = query("example.org A");
    signed[11] = 1;
    signed.extend(b"\x01k\x00\x00\xfa\x00\xff\x00\x00\x00\x00\x00\x1d\x0bhmac-sha256\x00");
    signed.extend([0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 0, 0, 0, 0, 0, 0]);
    let answers: Vec<_> = (0..100).filter_map(|_| answer(&server, &signed, Transport::UDP)).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0][3] & 15, 9, "NOTAUTH, with BADKEY in its record");
}
