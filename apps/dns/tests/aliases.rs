//! Redirections of whole trees (RFC 6672), and what is left of a zone that could not be loaded.

mod common;

use common::{ask, ask_tcp, example, expect, server, zone};
use unik_dns::Zone;

const SOA: &str = "^ example.org. 300 SOA ns.example.org. hostmaster.example.org. 1 7200 1800 1209600 300";

#[test]
fn names_below_a_redirection_are_told_as_aliases() {
    let server = server(&[&zone("old 600 DNAME new\nwww.new A 192.0.2.1\nnew A 192.0.2.2")]);
    expect(
        &ask(&server, "wWw.oLd.example.org A"),
        "NOERROR aa
         = oLd.example.org. 600 DNAME new.example.org.
         = wWw.oLd.example.org. 600 CNAME wWw.new.example.org.
         = wWw.new.example.org. 3600 A 192.0.2.1",
    );
    expect(
        &ask(&server, "x.old.example.org A"),
        &format!(
            "NXDOMAIN aa
             = old.example.org. 600 DNAME new.example.org.
             = x.old.example.org. 600 CNAME x.new.example.org.
             {SOA}"
        ),
    );
}

#[test]
fn the_owner_of_a_redirection_is_a_name_like_others() {
    let server = server(&[&zone("old DNAME new\nold A 192.0.2.1\nnew TXT text")]);
    expect(&ask(&server, "old.example.org A"), "NOERROR aa\n= old.example.org. 3600 A 192.0.2.1");
    expect(
        &ask(&server, "old.example.org DNAME"),
        "NOERROR aa\n= old.example.org. 3600 DNAME new.example.org.",
    );
    expect(&ask(&server, "old.example.org TXT"), &format!("NOERROR aa\n{SOA}"));
}

#[test]
fn who_asks_for_an_alias_gets_the_one_that_a_redirection_makes() {
    let server = server(&[&zone("old DNAME new\nwww.new CNAME x.new")]);
    expect(
        &ask(&server, "www.old.example.org CNAME"),
        "NOERROR aa
         = old.example.org. 3600 DNAME new.example.org.
         = www.old.example.org. 3600 CNAME www.new.example.org.",
    );
}

#[test]
fn a_redirection_may_lead_to_another_zone_and_out_of_all() {
    let other = zone("www A 192.0.2.7").replace("example.org", "example.net");
    let server = server(&[&zone("a DNAME example.net.\nb DNAME example.com.\nc DNAME ."), &other]);
    expect(
        &ask(&server, "www.a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 DNAME example.net.
         = www.a.example.org. 3600 CNAME www.example.net.
         = www.example.net. 3600 A 192.0.2.7",
    );
    expect(
        &ask(&server, "www.b.example.org A"),
        "NOERROR aa
         = b.example.org. 3600 DNAME example.com.
         = www.b.example.org. 3600 CNAME www.example.com.",
    );
    expect(
        &ask(&server, "www.c.example.org A"),
        "NOERROR aa
         = c.example.org. 3600 DNAME .
         = www.c.example.org. 3600 CNAME www.",
    );
}

#[test]
fn the_apex_may_be_redirected_beside_its_own_records() {
    let server = server(&["$ORIGIN e.\n$TTL 60\n@ SOA ns.f. h.f. 1 2 3 4 5\n@ NS ns.f.\n@ DNAME f."]);
    expect(&ask(&server, "e NS"), "NOERROR aa\n= e. 60 NS ns.f.");
    expect(&ask(&server, "a.b.e A"), "NOERROR aa\n= e. 60 DNAME f.\n= a.b.e. 60 CNAME a.b.f.");
}

#[test]
fn a_redirection_is_told_once_however_often_it_serves() {
    let server = server(&[&zone("old DNAME new\na.new CNAME b.old\nb.new A 192.0.2.1")]);
    expect(
        &ask(&server, "a.old.example.org A"),
        "NOERROR aa
         = old.example.org. 3600 DNAME new.example.org.
         = a.old.example.org. 3600 CNAME a.new.example.org.
         = a.new.example.org. 3600 CNAME b.old.example.org.
         = b.old.example.org. 3600 CNAME b.new.example.org.
         = b.new.example.org. 3600 A 192.0.2.1",
    );
}

#[test]
fn a_redirection_that_is_asked_for_and_was_told_on_the_way_is_not_told_again() {
    let server = server(&[&zone("a DNAME @")]);
    expect(
        &ask(&server, "a.a.example.org DNAME"),
        "NOERROR aa
         = a.example.org. 3600 DNAME example.org.
         = a.a.example.org. 3600 CNAME a.example.org.",
    );
}

#[test]
fn redirections_in_a_circle_and_into_themselves_end() {
    let server = server(&[&zone("a DNAME b\nb DNAME a\nself DNAME x.self")]);
    expect(
        &ask(&server, "q.a.example.org A"),
        "NOERROR aa
         = a.example.org. 3600 DNAME b.example.org.
         = q.a.example.org. 3600 CNAME q.b.example.org.
         = b.example.org. 3600 DNAME a.example.org.
         = q.b.example.org. 3600 CNAME q.a.example.org.",
    );
    expect(
        &ask(&server, "q.self.example.org A"),
        "NOERROR aa
         = self.example.org. 3600 DNAME x.self.example.org.
         = q.self.example.org. 3600 CNAME q.x.self.example.org.",
    );
}

#[test]
fn a_name_that_a_redirection_makes_too_long_is_told_so() {
    let label = "l".repeat(60);
    let server = server(&[&zone(&format!("s DNAME {label}.{label}.{label}"))]);
    // Three labels of 61 octets and example.org of 13 leave 59 octets: a label of 58 and its length.
    let fits = "q".repeat(58);
    let answer = ask(&server, &format!("{fits}.s.example.org A"));
    assert!(answer.starts_with("NXDOMAIN aa\n"), "{answer}");
    assert!(answer.contains(&format!("CNAME {fits}.{label}.{label}.{label}.example.org.")), "{answer}");
    expect(
        &ask(&server, &format!("{fits}q.s.example.org A")),
        &format!("YXDOMAIN aa\n= s.example.org. 3600 DNAME {label}.{label}.{label}.example.org."),
    );
}

#[test]
fn a_redirection_that_does_not_fit_is_cut_short() {
    let label = "l".repeat(60);
    let chain: String = (0..5).map(|i| format!("d{i} DNAME d{}\n", i + 1)).collect();
    let server = server(&[&zone(&format!("{chain}{label}.{label}.{label}.d5 A 192.0.2.1"))]);
    let question = format!("{label}.{label}.{label}.d0.example.org A");
    let answer = ask(&server, &question);
    assert!(answer.starts_with("NOERROR aa tc\n"), "{answer}");
    assert!(answer.lines().last().unwrap().contains(" DNAME "), "{answer}");
    let whole = ask_tcp(&server, &question);
    assert!(whole.starts_with("NOERROR aa\n") && whole.lines().count() == 1 + 5 * 2 + 1, "{whole}");
}

#[test]
fn a_wildcard_with_a_redirection_is_a_record_like_others() {
    let server = server(&[&zone("*.w DNAME new\nx.new A 192.0.2.1")]);
    expect(
        &ask(&server, "x.w.example.org DNAME"),
        "NOERROR aa\n= x.w.example.org. 3600 DNAME new.example.org.",
    );
    expect(&ask(&server, "x.w.example.org A"), &format!("NOERROR aa\n{SOA}"));
    expect(
        &ask(&server, "x.*.w.example.org A"),
        "NOERROR aa
         = *.w.example.org. 3600 DNAME new.example.org.
         = x.*.w.example.org. 3600 CNAME x.new.example.org.
         = x.new.example.org. 3600 A 192.0.2.1",
    );
}

#[test]
fn what_cannot_be_beside_or_below_a_redirection_is_refused() {
    for (rest, expected) in [
        ("a DNAME b\na DNAME c", "expected one DNAME record alone"),
        ("a DNAME b\na CNAME c", "expected no other record at this name, because it has a CNAME record"),
        ("a DNAME b\na NS c.\n", "expected one DNAME record alone"),
        ("x.a A 192.0.2.1\na DNAME b", "expected no record below a name with a DNAME record"),
        ("a DNAME b\ny.x.a NS c.", "expected no record below a name with a DNAME record"),
        ("a DNAME b\nsub NS ns.a", "expected an A or AAAA record for this name server"),
    ] {
        let zone = zone(rest);
        let error = Zone::parse("t.zone", zone.as_bytes()).err().expect("it makes no zone").to_string();
        assert!(error.contains(expected), "{rest}: {error}");
    }
}

#[test]
fn a_zone_that_could_not_be_loaded_fails_and_the_others_are_served() {
    let mut server = example();
    for name in ["broken.example.org", "example.net.", "Example.COM"] {
        server.add_failed(name.as_bytes()).unwrap();
    }
    for question in ["broken.example.org SOA", "x.y.broken.example.org A", "example.net A", "a.example.com A"]
    {
        expect(&ask(&server, question), "SERVFAIL");
    }
    expect(&ask(&server, "mail.example.org A"), "NOERROR aa\n= mail.example.org. 3600 A 192.0.2.25");
    expect(&ask(&server, "com NS"), "REFUSED");
    // The zone above answers for what only a parent can know.
    assert!(ask(&server, "broken.example.org DS").starts_with("NXDOMAIN aa\n^ example.org."));
    assert_eq!(server.counters().failures.get(), 4);
}

#[test]
fn a_zone_that_another_file_holds_is_served_whichever_comes_first() {
    let mut server = server(&[&zone("")]);
    assert!(server.add_failed(b"example.org").is_err());
    assert!(server.add_failed(b"a..b").is_err());
    server.add_failed(b"example.net").unwrap();
    let text = zone("").replace("example.org", "example.net");
    server.add(Zone::parse("t.zone", text.as_bytes()).unwrap()).unwrap();
    for question in ["ns.example.org A", "ns.example.net A"] {
        assert!(ask(&server, question).starts_with("NOERROR aa\n"));
    }
}
