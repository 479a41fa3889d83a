//! Questions about names, and the records that answer them.

mod common;

use common::{answer, ask, ask_tcp, example, expect, query, query_with_edns, server, text, zone};
use unik_dns::Transport;

const SOA: &str =
    "^ example.org. 300 SOA ns1.example.org. hostmaster.example.org. 2025010101 7200 1800 1209600 300";

#[test]
fn a_name_gets_all_records_of_the_type_asked_for() {
    expect(
        &ask(&example(), "www.example.org A"),
        "NOERROR aa
         = www.example.org. 300 A 192.0.2.80
         = www.example.org. 300 A 192.0.2.81",
    );
}

#[test]
fn every_type_of_the_example_zone_is_answered() {
    let server = example();
    for (question, record) in [
        ("www.example.org AAAA", "300 AAAA 2001:db8::80"),
        ("docs.example.org CNAME", "3600 CNAME pages.example.net."),
        ("example.org TXT", "3600 TXT \"v=spf1 mx -all\""),
        ("quotes.example.org TXT", r#"3600 TXT "a \"quotation\", a \\ and octet 200: \200""#),
        ("printer.example.org PTR", "3600 PTR ipp.example.org."),
        (
            "example.org SOA",
            "3600 SOA ns1.example.org. hostmaster.example.org. 2025010101 7200 1800 1209600 300",
        ),
        ("80.2.0.192.in-addr.arpa PTR", "3600 PTR www.example.org."),
    ] {
        let owner = question.split(' ').next().unwrap();
        expect(&ask(&server, question), &format!("NOERROR aa\n= {owner}. {record}"));
    }
    expect(
        &ask(&server, "example.org CAA"),
        "NOERROR aa
         = example.org. 3600 CAA 0 issue \"ca.example.net\"
         = example.org. 3600 CAA 0 iodef \"mailto:security@example.org\"",
    );
}

#[test]
fn hosts_that_the_answer_names_come_with_their_addresses() {
    let server = example();
    expect(
        &ask(&server, "example.org MX"),
        "NOERROR aa
         = example.org. 3600 MX 10 mail.example.org.
         = example.org. 3600 MX 20 backup.example.net.
         + mail.example.org. 3600 A 192.0.2.25
         + mail.example.org. 3600 AAAA 2001:db8::25",
    );
    expect(
        &ask(&server, "_sip._udp.example.org SRV"),
        "NOERROR aa
         = _sip._udp.example.org. 3600 SRV 10 60 5060 sip1.example.org
         = _sip._udp.example.org. 3600 SRV 10 40 5060 sip2.example.org
         + sip1.example.org. 3600 A 192.0.2.61
         + sip2.example.org. 3600 A 192.0.2.62",
    );
    expect(
        &ask(&server, "example.org NS"),
        "NOERROR aa
         = example.org. 3600 NS ns1.example.org.
         = example.org. 3600 NS ns2.example.org.
         + ns1.example.org. 3600 A 192.0.2.53
         + ns1.example.org. 3600 AAAA 2001:db8::53
         + ns2.example.org. 3600 A 198.51.100.53
         + ns2.example.org. 3600 AAAA 2001:db8:1::53",
    );
}

#[test]
fn a_host_named_twice_is_added_once() {
    let server = server(&[&zone("@ MX 1 m\n@ MX 2 m\nm A 192.0.2.1")]);
    expect(
        &ask(&server, "example.org MX"),
        "NOERROR aa
         = example.org. 3600 MX 1 m.example.org.
         = example.org. 3600 MX 2 m.example.org.
         + m.example.org. 3600 A 192.0.2.1",
    );
}

#[test]
fn a_name_that_does_not_exist_is_denied_with_the_soa_record() {
    expect(&ask(&example(), "nothing.example.org A"), &format!("NXDOMAIN aa\n{SOA}"));
}

#[test]
fn a_type_that_does_not_exist_is_denied_without_an_error() {
    expect(&ask(&example(), "mail.example.org TXT"), &format!("NOERROR aa\n{SOA}"));
    expect(&ask(&example(), "mail.example.org TYPE65280"), &format!("NOERROR aa\n{SOA}"));
}

#[test]
fn a_name_between_others_exists_without_records() {
    expect(&ask(&example(), "_udp.example.org A"), &format!("NOERROR aa\n{SOA}"));
}

#[test]
fn a_name_that_only_stands_in_data_does_not_exist() {
    let server = server(&[&zone("@ MX 1 ghost")]);
    assert!(ask(&server, "ghost.example.org A").starts_with("NXDOMAIN aa"));
}

#[test]
fn the_negative_time_to_live_is_the_lower_of_two() {
    for (ttl, minimum, expected) in [("60", "1h", "60"), ("1h", "60", "60")] {
        let zone = format!("e. {ttl} SOA ns.f. h.f. 1 2 3 4 {minimum}\ne. 5 NS ns.f.");
        expect(
            &ask(&server(&[&zone]), "x.e A"),
            &format!("NXDOMAIN aa\n^ e. {expected} SOA ns.f. h.f. 1 2 3 4 {}", minimum.replace("1h", "3600")),
        );
    }
}

#[test]
fn questions_outside_the_zones_are_refused() {
    let server = example();
    for question in ["example.com A", "org NS", ". NS", "xexample.org A", "2.0.192.in-addr.arp SOA"] {
        expect(&ask(&server, question), "REFUSED");
    }
}

#[test]
fn the_zone_with_the_longest_name_answers() {
    let server = server(&[
        &zone("sub A 192.0.2.1\nsub2 A 192.0.2.3"),
        &zone("@ A 192.0.2.2").replace("$ORIGIN example.org.", "$ORIGIN sub.example.org."),
    ]);
    expect(&ask(&server, "sub.example.org A"), "NOERROR aa\n= sub.example.org. 3600 A 192.0.2.2");
    expect(&ask(&server, "sub2.example.org A"), "NOERROR aa\n= sub2.example.org. 3600 A 192.0.2.3");
}

#[test]
fn the_root_is_a_zone_like_others() {
    let server = server(&[". 5 SOA a.b. c.d. 1 2 3 4 5\n. 6 NS ns.x.\nns.x. 7 A 192.0.2.1\n"]);
    expect(&ask(&server, ". NS"), "NOERROR aa\n= . 6 NS ns.x.\n+ ns.x. 7 A 192.0.2.1");
    expect(&ask(&server, "y A"), "NXDOMAIN aa\n^ . 5 SOA a.b. c.d. 1 2 3 4 5");
}

#[test]
fn the_spelling_of_the_question_comes_back() {
    expect(&ask(&example(), "mAiL.ExAmPlE.oRg A"), "NOERROR aa\n= mAiL.ExAmPlE.oRg. 3600 A 192.0.2.25");
}

#[test]
fn aliases_are_followed_to_the_records() {
    let server = server(&[&zone("a CNAME b\nb CNAME c\nc A 192.0.2.1\nc MX 0 .")]);
    expect(
        &ask(&server, "a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 CNAME b.example.org.
         = b.example.org. 3600 CNAME c.example.org.
         = c.example.org. 3600 A 192.0.2.1",
    );
    expect(&ask(&server, "a.example.org CNAME"), "NOERROR aa\n= a.example.org. 3600 CNAME b.example.org.");
    expect(&ask(&server, "a.example.org ANY"), "NOERROR aa\n= a.example.org. 3600 CNAME b.example.org.");
}

#[test]
fn an_alias_may_lead_into_another_zone_of_the_server() {
    let other = zone("www A 192.0.2.7").replace("example.org", "example.net");
    let server = server(&[&zone("a CNAME www.example.net.\nb CNAME gone.example.net."), &other]);
    expect(
        &ask(&server, "a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 CNAME www.example.net.
         = www.example.net. 3600 A 192.0.2.7",
    );
    expect(
        &ask(&server, "b.example.org A"),
        "NXDOMAIN aa
         = b.example.org. 3600 CNAME gone.example.net.
         ^ example.net. 300 SOA ns.example.net. hostmaster.example.net. 1 7200 1800 1209600 300",
    );
}

#[test]
fn an_alias_out_of_the_zones_is_all_the_answer() {
    expect(
        &ask(&example(), "docs.example.org A"),
        "NOERROR aa\n= docs.example.org. 3600 CNAME pages.example.net.",
    );
}

#[test]
fn an_alias_to_a_missing_type_ends_with_the_soa_record() {
    expect(
        &ask(&example(), "web.example.org MX"),
        &format!("NOERROR aa\n= web.example.org. 3600 CNAME www.example.org.\n{SOA}"),
    );
}

#[test]
fn aliases_in_a_circle_are_told_once() {
    let other = zone("b CNAME a.example.com.").replace("example.org", "example.net");
    let other = other.replace("example.com", "example.org");
    let server = server(&[&zone("a CNAME b.example.net.\nself CNAME self\n*.w CNAME x.w"), &other]);
    expect(
        &ask(&server, "a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 CNAME b.example.net.
         = b.example.net. 3600 CNAME a.example.org.",
    );
    expect(
        &ask(&server, "self.example.org A"),
        "NOERROR aa\n= self.example.org. 3600 CNAME self.example.org.",
    );
    // The wildcard makes an alias of each name, and the second leads to itself.
    expect(
        &ask(&server, "q.w.example.org A"),
        "NOERROR aa
         = q.w.example.org. 3600 CNAME x.w.example.org.
         = x.w.example.org. 3600 CNAME x.w.example.org.",
    );
}

#[test]
fn a_long_chain_of_aliases_ends_after_ten() {
    let chain: String = (0..20).map(|i| format!("c{i} CNAME c{}\n", i + 1)).collect();
    let answer = ask(&server(&[&zone(&chain)]), "c0.example.org A");
    assert_eq!(answer.lines().count(), 1 + 10, "{answer}");
    assert!(answer.ends_with("= c9.example.org. 3600 CNAME c10.example.org.\n"), "{answer}");
}

#[test]
fn what_ten_aliases_lead_to_is_told() {
    for end in ["c10 A 192.0.2.1", "", "c10 TXT text"] {
        let chain: String = (0..10).map(|i| format!("c{i} CNAME c{}\n", i + 1)).collect();
        let answer = ask(&server(&[&zone(&(chain + end))]), "c0.example.org A");
        assert_eq!(answer.lines().count(), 1 + 10 + 1, "{answer}");
        let code = if end.is_empty() { "NXDOMAIN aa\n" } else { "NOERROR aa\n" };
        assert!(answer.starts_with(code), "{answer}");
    }
}

#[test]
fn a_delegation_is_referred_with_its_glue() {
    let referral = "NOERROR
         ^ lab.example.org. 86400 NS ns.lab.example.org.
         ^ lab.example.org. 86400 NS ns1.example.org.
         + ns.lab.example.org. 86400 A 203.0.113.53
         + ns.lab.example.org. 86400 AAAA 2001:db8:2::53
         + ns1.example.org. 3600 A 192.0.2.53
         + ns1.example.org. 3600 AAAA 2001:db8::53";
    for question in [
        "a.lab.example.org A",
        "x.y.lab.example.org MX",
        "lab.example.org A",
        "lab.example.org NS",
        "lab.example.org ANY",
        "ns.lab.example.org A",
    ] {
        expect(&ask(&example(), question), referral);
    }
}

#[test]
fn the_parent_of_a_delegation_answers_for_its_ds_records() {
    expect(&ask(&example(), "lab.example.org DS"), &format!("NOERROR aa\n{SOA}"));
    assert!(ask(&example(), "x.lab.example.org DS").starts_with("NOERROR\n^ lab.example.org. 86400 NS"));
    let child = zone("").replace("$ORIGIN example.org.", "$ORIGIN lab.example.org.");
    let server = server(&[include_str!("../zones/example.org.zone"), &child]);
    expect(&ask(&server, "lab.example.org DS"), &format!("NOERROR aa\n{SOA}"));
    assert!(ask(&server, "lab.example.org NS").starts_with("NOERROR aa\n= lab.example.org. 3600 NS"));
    assert!(ask(&server, "example.org DS").starts_with("NOERROR aa\n^ example.org."));
}

#[test]
fn an_alias_into_a_delegation_ends_with_the_referral() {
    let server = server(&[&zone("a CNAME x.sub\nsub NS ns.sub\nns.sub A 192.0.2.1")]);
    expect(
        &ask(&server, "a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 CNAME x.sub.example.org.
         ^ sub.example.org. 3600 NS ns.sub.example.org.
         + ns.sub.example.org. 3600 A 192.0.2.1",
    );
}

/// The zone of RFC 4592, 2.2.1, and the questions asked there.
#[test]
fn wildcards_answer_as_their_rfc_has_it() {
    let server = server(&["\
$ORIGIN example.
$TTL 3600
example.                 SOA   ns.example.com. hostmaster.example.com. 1 2 3 4 5
example.                 NS    ns.example.com.
example.                 NS    ns.example.net.
*.example.               TXT   \"this is a wildcard\"
*.example.               MX    10 host1.example.
sub.*.example.           TXT   \"this is not a wildcard\"
host1.example.           A     192.0.2.1
_ssh._tcp.host1.example. SRV   0 0 22 host1
_ssh._tcp.host2.example. SRV   0 0 22 host1
subdel.example.          NS    ns.example.com.
subdel.example.          NS    ns.example.net.
"]);
    let soa = "^ example. 5 SOA ns.example.com. hostmaster.example.com. 1 2 3 4 5";
    let host1 = "+ host1.example. 3600 A 192.0.2.1";
    for question in ["host3.example MX", "foo.bar.example MX"] {
        let owner = question.split(' ').next().unwrap();
        expect(
            &ask(&server, question),
            &format!("NOERROR aa\n= {owner}. 3600 MX 10 host1.example.\n{host1}"),
        );
    }
    expect(&ask(&server, "host3.example A"), &format!("NOERROR aa\n{soa}"));
    expect(
        &ask(&server, "foo.bar.example TXT"),
        "NOERROR aa\n= foo.bar.example. 3600 TXT \"this is a wildcard\"",
    );
    expect(&ask(&server, "host1.example MX"), &format!("NOERROR aa\n{soa}"));
    expect(&ask(&server, "sub.*.example MX"), &format!("NOERROR aa\n{soa}"));
    expect(&ask(&server, "_telnet._tcp.host1.example SRV"), &format!("NXDOMAIN aa\n{soa}"));
    let referral =
        "NOERROR\n^ subdel.example. 3600 NS ns.example.com.\n^ subdel.example. 3600 NS ns.example.net.";
    expect(&ask(&server, "host.subdel.example A"), referral);
    expect(&ask(&server, "ghost.*.example MX"), &format!("NXDOMAIN aa\n{soa}"));
    expect(
        &ask(&server, "*.example MX"),
        &format!("NOERROR aa\n= *.example. 3600 MX 10 host1.example.\n{host1}"),
    );
}

#[test]
fn a_wildcard_may_be_an_alias() {
    let server = server(&[&zone("*.w CNAME t\nt A 192.0.2.9")]);
    expect(
        &ask(&server, "any.thing.w.example.org A"),
        "NOERROR aa
         = any.thing.w.example.org. 3600 CNAME t.example.org.
         = t.example.org. 3600 A 192.0.2.9",
    );
}

#[test]
fn any_gets_one_set_in_a_datagram_and_all_over_a_stream() {
    let server = server(&[&zone("a A 192.0.2.1\na TXT hello\na MX 0 .\nb.empty A 192.0.2.2")]);
    expect(&ask(&server, "a.example.org ANY"), "NOERROR aa\n= a.example.org. 3600 A 192.0.2.1");
    expect(
        &ask_tcp(&server, "a.example.org ANY"),
        "NOERROR aa
         = a.example.org. 3600 A 192.0.2.1
         = a.example.org. 3600 MX 0 .
         = a.example.org. 3600 TXT \"hello\"",
    );
    assert!(ask(&server, "empty.example.org ANY").starts_with("NOERROR aa\n^ example.org. 300 SOA"));
    assert!(ask(&server, "c.example.org ANY").starts_with("NXDOMAIN aa\n^ example.org. 300 SOA"));
}

#[test]
fn names_are_compressed_except_where_they_must_not_be() {
    let server = example();
    let length = |question| answer(&server, &query(question), Transport::UDP).unwrap().len();
    // Header 12, question 21; a record 12; pointers 2; ns1 and ns2 4 more octets each; addresses.
    let question = 12 + 13 + 4;
    assert_eq!(length("example.org NS"), question + 2 * (12 + 4 + 2) + 2 * (12 + 4) + 2 * (12 + 16));
    // The targets of SRV are written in full, 18 octets, and pointed to by the addresses.
    let question = 12 + 23 + 4;
    assert_eq!(length("_sip._udp.example.org SRV"), question + 2 * (12 + 6 + 18) + 2 * (12 + 4));
}

fn many(kind_and_data: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).map(|i| format!("big {}\n", kind_and_data(i))).collect()
}

#[test]
fn an_answer_too_long_for_a_datagram_is_cut_and_whole_over_a_stream() {
    let server = server(&[&zone(&many(|i| format!("A 10.0.{}.{}", i / 256, i % 256), 1000))]);
    expect(&ask(&server, "big.example.org A"), "NOERROR aa tc");
    let whole = ask_tcp(&server, "big.example.org A");
    assert_eq!(whole.lines().count(), 1 + 1000);
    assert!(!whole.lines().next().unwrap().contains("tc"));
    assert_eq!(server.counters().truncated.get(), 1);
}

#[test]
fn the_client_says_how_long_a_datagram_may_be() {
    // 12 + 21 + 40 * 16 = 673 octets, and 11 more for OPT.
    let server = server(&[&zone(&many(|i| format!("A 10.0.0.{i}"), 40))]);
    let lines = |payload, limit| {
        let query = query_with_edns("big.example.org A", payload, 0, false);
        let answer = answer(&server, &query, Transport::Udp { limit }).unwrap();
        assert!(answer.len() <= 684);
        text(&answer).lines().count()
    };
    assert_eq!(lines(684, 1232), 1 + 40 + 1);
    assert_eq!(lines(683, 1232), 1 + 1);
    assert_eq!(lines(65535, 684), 1 + 40 + 1);
    assert_eq!(lines(65535, 683), 1 + 1);
    assert_eq!(lines(0, 1232), 1 + 1);
}

#[test]
fn addresses_that_do_not_fit_are_left_out_unless_they_are_glue() {
    let hosts: String = (0..13)
        .map(|i| format!("big NS n{i}.big\nn{i}.big A 10.0.0.{i}\nn{i}.big AAAA 2001:db8::{i}\n"))
        .collect();
    let servers = server(&[&zone(&hosts)]);
    let referral = ask(&servers, "x.big.example.org A");
    assert!(referral.starts_with("NOERROR tc\n"), "{referral}");
    assert_eq!(referral.matches(" NS ").count(), 13);

    let hosts = hosts.replace("NS", "MX 5").replace("big MX 5 n1.big\n", "");
    let servers = server(&[&zone(&hosts)]);
    let answer = ask(&servers, "big.example.org MX");
    assert!(answer.starts_with("NOERROR aa\n"), "{answer}");
    assert!(answer.matches('+').count() > 1);
    assert!(answer.matches('+').count() < 26);
}

#[test]
fn a_set_of_65535_octets_compresses_and_answers_over_a_stream() {
    let server = server(&[&zone(&many(|i| format!("MX {i} host{}.example.org.", i % 50), 239))]);
    let whole = ask_tcp(&server, "big.example.org MX");
    assert_eq!(whole.lines().count(), 1 + 239);
    let long = "x".repeat(250);
    let servers = common::server(&[&zone(&many(|i| format!("TXT \"{i} {long}\""), 200))]);
    let whole = ask_tcp(&servers, "big.example.org TXT");
    assert_eq!(whole.lines().count(), 1 + 200);
}

#[test]
fn names_beyond_the_reach_of_pointers_are_written_in_full() {
    let long = "x".repeat(200);
    let texts: String = (0..150).map(|i| format!("big TXT \"{i} {long}\"\n")).collect();
    let server = server(&[&zone(&format!(
        "{texts}big PTR {}.{}.\nbig SRV 1 2 3 far",
        "p".repeat(60),
        "q".repeat(60)
    ))]);
    let whole = ask_tcp(&server, "big.example.org ANY");
    assert_eq!(whole.lines().count(), 1 + 150 + 2, "{whole}");
    assert!(whole.ends_with("SRV 1 2 3 far.example.org\n"));
}

#[test]
fn a_question_finds_its_zone_whatever_the_one_before_was_for() {
    let named = |name: &str| zone("host A 192.0.2.1").replace("example.org.", name);
    let (parent, child, other) = (zone("x A 192.0.2.1"), named("sub.EXAMPLE.org."), named("xample.org."));
    let mut server = server(&[&parent, &other]);
    let questions = [
        ("x.example.org A", "= x.example.org. 3600 A 192.0.2.1"),
        ("host.xample.org A", "= host.xample.org. 3600 A 192.0.2.1"),
        ("X.Example.ORG A", "= X.Example.ORG. 3600 A 192.0.2.1"),
        ("x.org A", "REFUSED"),
        ("host.sub.example.org A", "= host.sub.example.org. 3600 A 192.0.2.1"),
        ("org A", "REFUSED"),
        ("sub.example.org DS", "^ example.org. 300 SOA"),
        ("sub.example.org MX", "^ sub.example.org. 300 SOA"),
    ];
    let answers = |server: &_, which: &[(&str, &str)]| {
        for (first, _) in which {
            for (second, expected) in which {
                ask(server, first);
                let answer = ask(server, second);
                assert!(answer.contains(expected), "{second} after {first}: {answer}");
            }
        }
    };
    answers(&server, &questions[..4]);
    // What is added below the zone that was asked last counts from then on.
    ask(&server, "x.example.org A");
    server.add(unik_dns::Zone::parse("sub.zone", child.as_bytes()).unwrap()).unwrap();
    answers(&server, &questions);
}
