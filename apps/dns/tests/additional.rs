//! Records beside those asked for: addresses, glue, name servers.

mod common;

use common::{answer, ask, expect, query_with_edns, server, text, zone};
use unik_dns::{Minimal, Server, Settings, Transport};

fn with(minimal: Minimal, rest: &str) -> Server {
    let mut server = server(&[&zone(rest)]);
    server.configure(Settings { minimal, ..Settings::default() });
    server
}

const SERVERS: &str = "^ example.org. 3600 NS ns.example.org.";
const ADDRESS: &str = "+ ns.example.org. 3600 A 192.0.2.53";

#[test]
fn the_operator_chooses_what_an_answer_has_beside_the_records_asked_for() {
    let rest = "@ MX 1 m\nm A 192.0.2.1";
    let mail = "= example.org. 3600 MX 1 m.example.org.";
    let host = "+ m.example.org. 3600 A 192.0.2.1";
    for (minimal, beside) in [
        (Minimal::No, format!("{SERVERS}\n{host}\n{ADDRESS}")),
        (Minimal::NoAuthority, host.to_owned()),
        (Minimal::Yes, String::new()),
    ] {
        let server = with(minimal, rest);
        expect(&ask(&server, "example.org MX"), &format!("NOERROR aa\n{mail}\n{beside}"));
        let servers = format!("NOERROR aa\n{}\n{ADDRESS}", SERVERS.replace('^', "="));
        expect(&ask(&server, "example.org NS"), &servers);
    }
}

#[test]
fn name_servers_are_added_to_answers_and_to_nothing_else() {
    let server =
        with(Minimal::No, "w A 192.0.2.1\na CNAME w\nx CNAME y.example.net.\nsub NS ns.example.net.");
    let record = "= w.example.org. 3600 A 192.0.2.1";
    expect(&ask(&server, "w.example.org A"), &format!("NOERROR aa\n{record}\n{SERVERS}\n{ADDRESS}"));
    expect(
        &ask(&server, "a.example.org A"),
        &format!("NOERROR aa\n= a.example.org. 3600 CNAME w.example.org.\n{record}\n{SERVERS}\n{ADDRESS}"),
    );
    // An answer out of the zone, a denial, a referral, all records there are, a signature of a delegation.
    for question in [
        "x.example.org A",
        "w.example.org TXT",
        "no.example.org A",
        "sub.example.org A",
        "w.example.org ANY",
        "sub.example.org DS",
    ] {
        assert!(!ask(&server, question).contains(SERVERS), "{question}");
    }
}

#[test]
fn an_address_in_the_answer_is_not_added_to_it() {
    let server = with(Minimal::No, "ns AAAA 2001:db8::53\n@ MX 0 ns");
    expect(
        &ask(&server, "ns.example.org A"),
        &format!(
            "NOERROR aa\n= ns.example.org. 3600 A 192.0.2.53\n{SERVERS}\n+ ns.example.org. 3600 AAAA 2001:db8::53"
        ),
    );
    expect(
        &ask(&server, "example.org MX"),
        &format!(
            "NOERROR aa\n= example.org. 3600 MX 0 ns.example.org.\n{SERVERS}\n{ADDRESS}
             + ns.example.org. 3600 AAAA 2001:db8::53"
        ),
    );
}

#[test]
fn name_servers_that_do_not_fit_are_left_out() {
    let texts: String = (0..4).map(|i| format!("t TXT \"{i}{}\"\n", "x".repeat(99))).collect();
    let server = with(Minimal::No, &texts);
    let answer = ask(&server, "t.example.org TXT");
    assert!(answer.starts_with("NOERROR aa\n") && answer.contains(SERVERS), "{answer}");
    let texts: String = (0..4).map(|i| format!("t TXT \"{i}{}\"\n", "x".repeat(104))).collect();
    let answer = ask(&with(Minimal::No, &texts), "t.example.org TXT");
    assert!(answer.starts_with("NOERROR aa\n") && !answer.contains(SERVERS), "{answer}");
}

#[test]
fn a_host_that_a_wildcard_stands_for_has_its_addresses() {
    let server = server(&[&zone("@ MX 1 mail.w\n*.w A 192.0.2.1\n*.w AAAA 2001:db8::1")]);
    expect(
        &ask(&server, "example.org MX"),
        "NOERROR aa
         = example.org. 3600 MX 1 mail.w.example.org.
         + mail.w.example.org. 3600 A 192.0.2.1
         + mail.w.example.org. 3600 AAAA 2001:db8::1",
    );
}

#[test]
fn glue_is_told_with_delegations_and_name_servers_only() {
    let server = server(&[&zone(
        "sub NS ns.sub\nns.sub A 192.0.2.1\n@ MX 1 ns.sub\n@ MX 2 sub\nsub A 192.0.2.9\n@ NS ns.sub\ns SRV 1 2 3 ns.sub",
    )]);
    expect(
        &ask(&server, "example.org MX"),
        "NOERROR aa\n= example.org. 3600 MX 1 ns.sub.example.org.\n= example.org. 3600 MX 2 sub.example.org.",
    );
    expect(
        &ask(&server, "s.example.org SRV"),
        "NOERROR aa\n= s.example.org. 3600 SRV 1 2 3 ns.sub.example.org",
    );
    expect(
        &ask(&server, "example.org NS"),
        "NOERROR aa
         = example.org. 3600 NS ns.example.org.
         = example.org. 3600 NS ns.sub.example.org.
         + ns.example.org. 3600 A 192.0.2.53
         + ns.sub.example.org. 3600 A 192.0.2.1",
    );
}

/// A delegation with name servers of its own, behind as many in a neighbour's zone.
fn siblings(count: usize) -> String {
    let mut text = String::new();
    for i in 0..count {
        text += &format!("a NS n{i}.b\nb NS n{i}.b\nn{i}.b A 10.1.0.{i}\n");
    }
    for i in 0..3 {
        text += &format!("a NS m{i}.a\nm{i}.a A 10.2.0.{i}\n");
    }
    text
}

#[test]
fn glue_comes_before_that_of_a_neighbour() {
    // RFC 9471, 3.1 and 3.2.
    let server = server(&[&zone(&siblings(2))]);
    expect(
        &ask(&server, "x.a.example.org A"),
        "NOERROR
         ^ a.example.org. 3600 NS n0.b.example.org.
         ^ a.example.org. 3600 NS n1.b.example.org.
         ^ a.example.org. 3600 NS m0.a.example.org.
         ^ a.example.org. 3600 NS m1.a.example.org.
         ^ a.example.org. 3600 NS m2.a.example.org.
         + m0.a.example.org. 3600 A 10.2.0.0
         + m1.a.example.org. 3600 A 10.2.0.1
         + m2.a.example.org. 3600 A 10.2.0.2
         + n0.b.example.org. 3600 A 10.1.0.0
         + n1.b.example.org. 3600 A 10.1.0.1",
    );
}

#[test]
fn a_neighbours_glue_that_does_not_fit_is_left_out_and_the_answer_is_whole() {
    let server = server(&[&zone(&siblings(14))]);
    let answer = ask(&server, "x.a.example.org A");
    assert!(answer.starts_with("NOERROR\n"), "{answer}");
    assert_eq!(answer.matches(" A 10.2.").count(), 3);
    assert!((1..14).contains(&answer.matches(" A 10.1.").count()), "{answer}");
}

#[test]
fn as_much_glue_as_fits_is_told_beside_the_sign_that_some_is_missing() {
    let rest: String =
        (0..12).map(|i| format!("a NS n{i}.a\nn{i}.a A 10.0.0.{i}\nn{i}.a AAAA 2001:db8::{i}\n")).collect();
    let server = server(&[&zone(&rest)]);
    let query = query_with_edns("x.a.example.org A", 684, 0, false);
    let cut = text(&answer(&server, &query, Transport::UDP).unwrap());
    assert!(
        cut.starts_with("NOERROR tc\n") && cut.contains(" A 10.0.0.10") && !cut.contains("db8::9"),
        "{cut}"
    );
    let whole = text(&answer(&server, &common::query("x.a.example.org A"), Transport::Tcp).unwrap());
    assert!(whole.starts_with("NOERROR\n"), "{whole}");
    assert_eq!(whole.matches("\n+ ").count(), 24);
}

#[test]
fn a_name_server_that_is_also_a_mail_server_below_a_delegation_has_its_glue_once() {
    let server = with(Minimal::No, "a NS b\nb NS b\nb A 192.0.2.9\n@ NS b\nc MX 1 b\nc MX 2 ns");
    expect(
        &ask(&server, "c.example.org MX"),
        &format!(
            "NOERROR aa\n= c.example.org. 3600 MX 1 b.example.org.\n= c.example.org. 3600 MX 2 ns.example.org.
             {SERVERS}\n^ example.org. 3600 NS b.example.org.\n{ADDRESS}\n+ b.example.org. 3600 A 192.0.2.9"
        ),
    );
}

#[test]
fn a_service_has_the_addresses_of_its_host_or_of_its_own_name() {
    let server = server(&[&zone("@ HTTPS 1 . alpn=h2\n@ A 192.0.2.1\na SVCB 0 b\nb A 192.0.2.2")]);
    let ask = |question: &str| ask(&server, question);
    assert!(ask("example.org HTTPS").ends_with("\n+ example.org. 3600 A 192.0.2.1\n"));
    assert!(ask("a.example.org SVCB").ends_with("\n+ b.example.org. 3600 A 192.0.2.2\n"));
}
