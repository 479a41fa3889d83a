//! Signed zones: signatures, and proofs of what is not there.

mod common;
mod signed;

use common::{answer, ask_tcp, query_with_edns, sorted};
use signed::{QUESTIONS, ZONES};
use unik_dns::{Minimal, Server, Settings, Transport, Zone};

fn server(minimal: Minimal) -> Server {
    let mut server = Server::new();
    for (name, text) in ZONES {
        let zone = Zone::parse(name, text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        server.add(zone).expect("they have different names");
    }
    server.configure(Settings { minimal, ..Settings::default() });
    server
}

/// The answers of NSD to [`QUESTIONS`], each behind a line with its question; one of them is not NSD's, see the README.
const ANSWERS: &str = include_str!("signed/answers.txt");

/// Records of type `kind` in an answer.
fn count(text: &str, kind: &str) -> usize {
    text.lines().filter(|line| line.split(' ').nth(3) == Some(kind)).count()
}

#[test]
fn proofs_are_those_that_nsd_gives() {
    let server = server(Minimal::No);
    let mut expected = ANSWERS.split("? ").skip(1);
    for (apex, _) in ZONES {
        for question in QUESTIONS {
            let message = answer(&server, &signed::query(apex, question), Transport::Tcp).expect("an answer");
            let found = format!("{question} {apex}\n{}", signed::text(&message));
            assert_eq!(found, expected.next().expect("an answer for each question"));
        }
    }
    assert!(expected.next().is_none());
}

#[test]
fn without_do_nothing_is_told_of_signatures_unless_they_are_asked_for() {
    let server = server(Minimal::No);
    for (apex, _) in ZONES {
        for question in QUESTIONS {
            let (name, kind) = question.split_once(' ').expect("a name and a type");
            let name = if name == "@" { apex.to_owned() } else { format!("{name}.{apex}") };
            let text = ask_tcp(&server, &format!("{name} {kind}"));
            for hidden in ["RRSIG", "NSEC", "NSEC3", "DS"].iter().filter(|hidden| **hidden != kind) {
                assert_eq!(count(&text, hidden), 0, "{question}: {text}");
            }
        }
    }
    assert!(ask_tcp(&server, "nsec.test NSEC").starts_with("NOERROR aa\n= nsec.test. 300 NSEC "));
    assert!(ask_tcp(&server, "secure.nsec.test DS").starts_with("NOERROR aa\n= secure.nsec.test. 3600 DS "));
}

#[test]
fn names_of_hashes_are_not_there() {
    let server = server(Minimal::NoAuthority);
    let (_, text) = ZONES[1];
    let owners = text.lines().filter(|line| line.contains(" IN NSEC3 ")).map(|line| line.split(' ').next());
    let mut count = 0;
    for owner in owners.flatten() {
        for kind in ["NSEC3", "A", "RRSIG"] {
            assert!(ask_tcp(&server, &format!("{owner} {kind}")).starts_with("NXDOMAIN aa\n"));
        }
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn any_has_signatures_beside_each_set_and_not_twice() {
    let server = server(Minimal::NoAuthority);
    let query = query_with_edns("mail.nsec.test ANY", 4096, 0, true);
    let text = sorted(&answer(&server, &query, Transport::Tcp).expect("an answer"));
    assert_eq!((count(&text, "RRSIG"), text.lines().count()), (3, 1 + 6), "{text}");
    let text = sorted(&answer(&server, &query, Transport::UDP).expect("an answer"));
    assert_eq!(text.lines().count(), 3, "one set and its signature: {text}");
}

#[test]
fn a_proof_that_does_not_fit_is_told_over_a_stream() {
    let server = server(Minimal::NoAuthority);
    let query = query_with_edns("x.y.nsec3.test A", 512, 0, true);
    let message = answer(&server, &query, Transport::UDP).expect("an answer");
    assert!(message.len() <= 512 && common::text(&message).starts_with("NXDOMAIN aa tc\n"));
}

#[test]
fn a_chain_through_wildcards_has_a_proof_for_each() {
    let server = server(Minimal::NoAuthority);
    let text =
        signed::text(&answer(&server, &signed::query("nsec.test", "chain A"), Transport::Tcp).expect("one"));
    // q.v and y.w are both made by wildcards.
    assert_eq!(count(&text, "NSEC"), 2, "{text}");
    assert_eq!(text.matches("\n= ").count(), 6, "{text}");
}

#[test]
fn hashes_that_cost_too_much_are_refused() {
    let long = "ab".repeat(36);
    for (parameters, is_good) in [
        ("1 0 50 -", true),
        ("1 0 51 -", false),
        (&format!("1 0 50 {}", "ab".repeat(35)), true),
        (&format!("1 0 25 {long}"), true),
        (&format!("1 0 26 {long}"), false),
        (&format!("1 0 10 {}", "ab".repeat(255)), true),
        (&format!("1 0 11 {}", "ab".repeat(255)), false),
        // Nobody hashes with these.
        ("1 1 51 -", true),
        ("2 0 51 -", true),
    ] {
        let text = common::zone(&format!("@ NSEC3PARAM {parameters}"));
        let error = Zone::parse("t.zone", text.as_bytes()).err().map(|error| error.to_string());
        assert_eq!(error.is_none(), is_good, "{parameters}: {error:?}");
    }
}

#[test]
fn parameters_that_are_of_no_use_are_passed_over() {
    let (apex, text) = ZONES[1];
    let more = ["1 1 2 AABB", "2 0 2 AABB", "1 0 0 -", "1 0 1 AABB"];
    let more: String = more.iter().map(|rest| format!("{apex}. 0 IN NSEC3PARAM {rest}\n")).collect();
    let plain = common::server(&[text]);
    let other = common::server(&[&format!("{more}{text}")]);
    for question in ["nothing A", "mail TXT", "x.w A", "x.open A"] {
        let ask = |server: &Server| {
            answer(server, &signed::query(apex, question), Transport::Tcp).expect("an answer")
        };
        let text = signed::text(&ask(&plain));
        assert!(text.contains(" NSEC3 "), "{text}");
        assert_eq!(signed::text(&ask(&other)), text);
    }
    // With none of use, the zone has no proofs by hashes.
    let server = common::server(&[&text.replace("NSEC3PARAM 1 0", "NSEC3PARAM 1 1")]);
    let message = answer(&server, &signed::query(apex, "nothing A"), Transport::Tcp).expect("an answer");
    assert_eq!(count(&signed::text(&message), "NSEC3"), 0);
}

/// The beginning of a signed zone `apex`.
fn signed_zone(apex: &str, rest: &str) -> String {
    format!(
        "$ORIGIN {apex}.\n$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n\
         @ RRSIG SOA 13 2 300 20300101000000 20200101000000 1 @ AAAA\n{rest}\n"
    )
}

/// The answer of `zones` over a stream with proofs.
fn ask_proven(zones: &[&str], question: &str) -> String {
    let mut server = common::server(zones);
    server.configure(Settings { minimal: Minimal::No, ..Settings::default() });
    let query = query_with_edns(question, 4096, 0, true);
    signed::text(&answer(&server, &query, Transport::Tcp).expect("an answer"))
}

#[test]
fn a_wildcard_that_leads_into_another_zone_is_proven_by_names_of_its_own() {
    let one = signed_zone(
        "a.test",
        "* CNAME www.b.test.\n@ NSEC * NS SOA RRSIG NSEC\n* NSEC ns CNAME RRSIG NSEC\nns NSEC @ A RRSIG NSEC",
    );
    let other = signed_zone(
        "b.test",
        "www A 192.0.2.2\n@ NSEC ns NS SOA RRSIG NSEC\nns NSEC www A RRSIG NSEC\nwww NSEC @ A RRSIG NSEC",
    );
    let text = ask_proven(&[&one, &other], "x.a.test A");
    assert!(text.contains("\n^ ns.a.test. 300 NSEC a.test."), "{text}");
    assert!(text.contains("\n+ ns.b.test. 300 A 192.0.2.1\n"), "{text}");
    assert!(!text.contains("ns.b.test. 300 NSEC"), "{text}");
    // What the other zone then denies is told by names of the other.
    let text = ask_proven(&[&one, &other], "x.a.test TXT");
    assert!(text.contains("\n^ ns.a.test. 300 NSEC a.test."), "{text}");
    assert!(text.contains("\n^ www.b.test. 300 NSEC b.test."), "{text}");
    assert_eq!(count(&text, "NSEC"), 2, "{text}");
}

#[test]
fn a_wildcard_that_only_has_names_below_has_no_type_and_that_is_proven() {
    let zone = signed_zone(
        "w.test",
        "c.*.d TXT x\n@ NSEC c.*.d NS SOA RRSIG NSEC\nc.*.d NSEC ns TXT RRSIG NSEC\nns NSEC @ A RRSIG NSEC",
    );
    // The name is not there, and neither is a record at the wildcard (RFC 4035, 3.1.3.4).
    let text = ask_proven(&[&zone], "x.d.w.test A");
    assert!(text.starts_with("NOERROR aa\n"), "{text}");
    assert!(text.contains("\n^ c.*.d.w.test. 300 NSEC ns.w.test."), "{text}");
    assert!(text.contains("\n^ w.test. 300 NSEC c.*.d.w.test."), "{text}");
}

#[test]
fn names_beyond_the_reach_of_pointers_are_written_again() {
    let signature = "A".repeat(8000);
    let mut zone = signed_zone("t.test", "old DNAME new\n@ NSEC @ SOA\n");
    for i in 0..7 {
        zone += &format!(
            "c{i} CNAME c{}\nc{i} RRSIG CNAME 13 3 300 20300101000000 20200101000000 1 @ {signature}\n",
            i + 1
        );
    }
    zone += "c7 CNAME x.old\nx.new CNAME end\nend A 192.0.2.7\n";
    let text = ask_proven(&[&zone], "c0.t.test A");
    assert!(text.starts_with("NOERROR aa\n"), "{text}");
    for line in [
        "c6.t.test. 300 CNAME c7.t.test",
        "c7.t.test. 300 CNAME x.old.t.test",
        "old.t.test. 300 DNAME new.t.test",
        "x.old.t.test. 300 CNAME x.new.t.test",
        "x.new.t.test. 300 CNAME end.t.test",
        "end.t.test. 300 A 192.0.2.7",
    ] {
        assert!(text.contains(&format!("\n= {line}\n")), "{line}: {text}");
    }
    assert_eq!((count(&text, "CNAME"), count(&text, "RRSIG")), (10, 7), "{text}");
}
