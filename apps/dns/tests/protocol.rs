//! Messages out of the ordinary: flags, codes, EDNS, and what is no query at all.

mod common;

use common::{answer, code, example, expect, origin, query, query_with_edns, text};
use domain::base::iana::Rcode;
use unik_dns::{Transport, UDP_PAYLOAD};

fn header_of(query: &[u8]) -> Option<[u8; 12]> {
    answer(&example(), query, Transport::UDP).map(|answer| {
        assert_eq!(answer.len(), 12, "nothing but a header");
        answer.try_into().expect("12 octets")
    })
}

/// Changes octets of an ordinary query.
fn changed(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut query = query("www.example.org A");
    change(&mut query);
    query
}

#[test]
fn identifier_and_question_come_back() {
    let query = query("www.example.org A");
    let answer = answer(&example(), &query, Transport::UDP).unwrap();
    assert_eq!(answer[..2], query[..2]);
    assert_eq!(answer[12..query.len()], query[12..]);
}

#[test]
fn recursion_desired_comes_back_and_other_flags_do_not() {
    for (asked, answered) in [(0x01, 0x84), (0x00, 0x84), (0x01, 0x85)] {
        let query = changed(|query| query[2] = asked);
        let message = answer(&example(), &query, Transport::UDP).unwrap();
        assert_eq!(message[2], 0x84 | asked, "{answered}");
    }
    // AA, TC, RA, Z, AD and CD of a query mean nothing here, nor does its code.
    let query = changed(|query| (query[2], query[3]) = (0x07, 0xff));
    let message = answer(&example(), &query, Transport::UDP).unwrap();
    assert_eq!(message[2..4], [0x85, 0x00]);
}

#[test]
fn what_is_shorter_than_a_header_gets_silence() {
    let query = query("www.example.org A");
    for length in 0..12 {
        assert_eq!(answer(&example(), &query[..length], Transport::UDP), None);
    }
}

#[test]
fn responses_get_silence() {
    assert_eq!(answer(&example(), &changed(|query| query[2] |= 0x80), Transport::UDP), None);
}

#[test]
fn a_query_cut_anywhere_is_malformed() {
    let query = query_with_edns("www.example.org A", 1232, 0, false);
    for length in 12..query.len() {
        let header = header_of(&query[..length]).unwrap();
        assert_eq!(header, [0x01, 0x23, 0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

/// RFC 1996, 3.1: the opcode of notices.
const NOTIFY: u8 = 4;

#[test]
fn other_opcodes_are_not_implemented() {
    for opcode in (1..16).filter(|opcode| *opcode != NOTIFY) {
        let header = header_of(&changed(|query| query[2] = opcode << 3)).unwrap();
        assert_eq!(header[2..], [0x80 | opcode << 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn a_query_has_one_question_and_no_answers() {
    for (place, count) in [(5, 0), (5, 2), (4, 1), (7, 1), (9, 1), (11, 1)] {
        let header = header_of(&changed(|query| query[place] = count)).unwrap();
        assert_eq!(header[3], 1, "octet {place}");
    }
}

#[test]
fn octets_behind_the_query_are_malformed() {
    assert_eq!(header_of(&changed(|query| query.push(0))).unwrap()[3], 1);
}

#[test]
fn compression_and_long_names_in_a_question_are_malformed() {
    let mut query = query("www.example.org A");
    query.splice(12..29, [0xc0, 12]);
    assert_eq!(header_of(&query).unwrap()[3], 1);
    query.splice(12..14, [1, b'a'].repeat(128).into_iter().chain([0]));
    assert_eq!(header_of(&query).unwrap()[3], 1);
    query.splice(12..14, []);
    let refused = answer(&example(), &query, Transport::UDP).unwrap();
    assert_eq!(code(&refused), Rcode::REFUSED);
}

#[test]
fn other_classes_are_refused() {
    for class in [2, 4, 254] {
        let query = changed(|query| *query.last_mut().unwrap() = class);
        expect(&text(&answer(&example(), &query, Transport::UDP).unwrap()), "REFUSED");
    }
}

#[test]
fn transfers_are_refused() {
    for kind in ["AXFR", "IXFR"] {
        for transport in [Transport::UDP, Transport::Tcp] {
            let query = query(&format!("example.org {kind}"));
            expect(&text(&answer(&example(), &query, transport).unwrap()), "REFUSED");
        }
    }
}

#[test]
fn types_that_cannot_be_asked_for_are_malformed_and_obsolete_ones_not_implemented() {
    for (kind, code) in [("OPT", 1), ("TSIG", 1), ("TKEY", 1), ("MAILA", 4), ("MAILB", 4)] {
        assert_eq!(header_of(&query(&format!("example.org {kind}"))).unwrap()[3], code, "{kind}");
    }
}

#[test]
fn edns_is_answered_with_edns() {
    let ask = |query: Vec<u8>| text(&answer(&example(), &query, Transport::UDP).unwrap());
    let record = "= mail.example.org. 3600 A 192.0.2.25";
    for (dnssec_ok, shown) in [(false, ""), (true, " do")] {
        let query = query_with_edns("mail.example.org A", 4096, 0, dnssec_ok);
        expect(&ask(query), &format!("NOERROR aa\n{record}\nedns 0 {UDP_PAYLOAD}{shown}"));
    }
    let query = query_with_edns("mail.example.com A", 4096, 0, false);
    expect(&ask(query), "REFUSED\nedns 0 1232");
}

#[test]
fn unknown_versions_of_edns_are_told_the_version_known() {
    for version in [1, 255] {
        let query = query_with_edns("mail.example.org A", 4096, version, false);
        let answer = answer(&example(), &query, Transport::UDP).unwrap();
        expect(&text(&answer), "BADVERS\nedns 0 1232");
    }
}

#[test]
fn a_second_opt_record_or_one_with_a_name_is_malformed() {
    let once = query_with_edns("mail.example.org A", 4096, 0, false);
    let mut twice = once.clone();
    twice[11] = 2;
    twice.extend_from_slice(&once[once.len() - 11..]);
    assert_eq!(header_of(&twice).unwrap()[3], 1);
    let mut named = once.clone();
    named.splice(once.len() - 11..once.len() - 10, [1, b'a', 0]);
    assert_eq!(header_of(&named).unwrap()[3], 1);
}

#[test]
fn options_are_passed_over_if_they_are_whole() {
    let with = |options: &[u8], length: u8| {
        let mut query = query_with_edns("mail.example.org A", 4096, 0, false);
        *query.last_mut().unwrap() = length;
        query.extend_from_slice(options);
        answer(&example(), &query, Transport::UDP).unwrap()
    };
    // A cookie and padding.
    let options = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 12, 0, 2, 0, 0];
    assert_eq!(code(&with(&options, 18)), Rcode::NOERROR);
    assert_eq!(code(&with(&options[..17], 17)), Rcode::FORMERR);
    assert_eq!(code(&with(&options[..14], 14)), Rcode::FORMERR);
    assert_eq!(code(&with(&options, 255)), Rcode::FORMERR);
}

#[test]
fn other_additional_records_are_passed_over() {
    let mut query = query_with_edns("mail.example.org A", 4096, 0, false);
    query[11] = 2;
    query.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\0\0\0\0\0\x04\x7f\0\0\x01");
    expect(
        &text(&answer(&example(), &query, Transport::UDP).unwrap()),
        "NOERROR aa\n= mail.example.org. 3600 A 192.0.2.25\nedns 0 1232",
    );
}

#[test]
fn a_buffer_without_room_for_the_answer_cuts_it_short() {
    let server = example();
    let query = query("www.example.org A");
    for room in 0..100 {
        let mut out = vec![0; room];
        match server.answer(&query, &origin(Transport::Tcp), &mut out) {
            None => assert!(room < query.len()),
            Some(length) if room < query.len() + 32 => {
                assert_eq!(length, query.len());
                expect(&text(&out[..length]), "NOERROR aa tc");
            }
            Some(length) => assert_eq!(length, query.len() + 32),
        }
    }
}

#[test]
fn each_query_is_counted_by_the_way_it_ended() {
    let mut server = example();
    server.add_failed(b"broken.test").unwrap();
    let send = |message: &[u8]| drop(answer(&server, message, Transport::UDP));
    send(b"short");
    send(&query("www.example.org A"));
    send(&query("lab.example.org A"));
    send(&query("no.example.org A"));
    send(&query("example.com A"));
    send(&query("x.broken.test A"));
    send(&query("example.org OPT"));
    send(&changed(|query| query[2] = 0x28));
    send(&query_with_edns("example.org A", 512, 1, false));
    answer(&server, &query("mail.example.org A"), Transport::Tcp);
    let mut counted = Vec::new();
    unik_sched::counter::CounterSet::visit(&**server.counters(), &mut |name, value| {
        counted.push((name, value))
    });
    assert_eq!(
        counted,
        [
            ("queries", 10),
            ("tcp_queries", 1),
            ("ignored", 1),
            ("answered", 3),
            ("name_errors", 1),
            ("malformed", 1),
            ("not_implemented", 1),
            ("refused", 1),
            ("not_authoritative", 0),
            ("bad_versions", 1),
            ("failures", 1),
            ("limited", 0),
            ("slipped", 0),
            ("good_cookies", 0),
            ("bad_cookies", 0),
            ("truncated", 0),
            ("referrals", 1),
            ("connections_refused", 0),
            ("no_memory", 0),
        ]
    );
}
