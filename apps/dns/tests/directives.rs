//! Master files that include others, and lines that stand for many.

mod common;

use common::{ask, expect, zone};
use unik_dns::{Server, Zone, ZoneError};

/// Reads the first of `files`, which may include the others.
fn read<'f>(files: &'f [(&'f str, &'f str)], done: impl FnOnce(Result<Zone, ZoneError<'_>>)) {
    let find = |wanted: &str| {
        let file = files.iter().find(|(name, _)| *name == wanted);
        file.map(|(name, text)| (*name, text.as_bytes()))
    };
    let (name, text) = files[0];
    done(Zone::read(name, text.as_bytes(), &find));
}

/// A server of the zone that `lines` in the usual zone make together with `files`.
#[track_caller]
fn serve(lines: &str, files: &[(&str, &str)]) -> Server {
    let mut server = Server::new();
    let text = zone(lines);
    let files: Vec<_> = [("main.zone", text.as_str())].into_iter().chain(files.iter().copied()).collect();
    read(&files, |zone| server.add(zone.unwrap_or_else(|error| panic!("{error}"))).expect("the first"));
    server
}

/// What is wrong with `lines`, which begin in line 6 of `main.zone`, together with `files`.
#[track_caller]
fn check(lines: &str, files: &[(&str, &str)], expected: &str) {
    let text = zone(lines);
    let files: Vec<_> = [("main.zone", text.as_str())].into_iter().chain(files.iter().copied()).collect();
    read(&files, |zone| {
        let error = zone.err().unwrap_or_else(|| panic!("no mistake in {lines}"));
        assert!(
            error.to_string().starts_with(expected),
            "about: {lines}\nsaid:   {error}\nwanted: {expected}"
        );
    });
}

#[test]
fn records_of_an_included_file_belong_to_the_zone() {
    let server = serve(
        "$INCLUDE hosts\n$INCLUDE \"sub/mail list\" mail ; a comment\n$include \"sub/mail list\" again.org.example.org.",
        &[("hosts", "a A 192.0.2.1\n"), ("sub/mail list", "@ MX 5 a\nb 7 A 192.0.2.2")],
    );
    assert!(ask(&server, "a.example.org A").contains("= a.example.org. 3600 A 192.0.2.1"));
    assert!(ask(&server, "mail.example.org MX").contains("3600 MX 5 a.mail.example.org."));
    assert!(ask(&server, "b.again.org.example.org A").contains(" 7 A 192.0.2.2"));
}

#[test]
fn origin_and_owner_are_afterwards_what_they_were() {
    let server = serve(
        "a A 192.0.2.1\n$INCLUDE f sub\n TXT after\nb A 192.0.2.2",
        &[("f", " TXT inside\nc A 192.0.2.3\n$ORIGIN deep\nd A 192.0.2.4\n$TTL 9\n")],
    );
    // A file begins with the owner of the line before it.
    expect(
        &ask(&server, "a.example.org TXT"),
        "NOERROR aa
         = a.example.org. 9 TXT \"inside\"
         = a.example.org. 9 TXT \"after\"",
    );
    assert!(ask(&server, "c.sub.example.org A").contains(" 3600 A 192.0.2.3"));
    assert!(ask(&server, "d.deep.sub.example.org A").contains(" 3600 A 192.0.2.4"));
    // What $TTL says counts from there on (RFC 2308, 4), as in other servers.
    assert!(ask(&server, "b.example.org A").contains(" 9 A 192.0.2.2"));
}

#[test]
fn mistakes_name_the_file_that_they_stand_in() {
    let files =
        [("f", "a A 192.0.2.1\r\n\tA 192.0.2.256"), ("g", "$INCLUDE f\n"), ("h", ""), ("i", "b TXT (")];
    check("$INCLUDE f", &files, "f:2:4: expected an IPv4 address");
    check("$INCLUDE g\nc X", &files, "f:2:4: expected an IPv4 address");
    check("$INCLUDE h\nc X", &files, "main.zone:7:3: expected a TTL, the class IN or a type");
    check("$INCLUDE h\nc A 192.0.2.1", &[("h", "c CNAME d\n")], "h:1:1: expected no other record");
    check("$INCLUDE h\n$INCLUDE i", &files, "i:1:7: expected a closing parenthesis");
    check("$INCLUDE h x y", &files, "main.zone:6:14: expected the end of the line");
    check("$INCLUDE h x..y", &files, "main.zone:6:14: expected a label");
    check("$INCLUDE", &files, "main.zone:6:9: expected the path of a file");
    for path in ["nothing", "/f", "../f", "./f", "\"\"", "\\102", "h/", "F"] {
        check(&format!("$INCLUDE {path}"), &files, "main.zone:6:10: expected the path of a file of the data");
    }
}

#[test]
fn a_file_that_includes_itself_is_told() {
    let said = "expected at most 8 files in each other and 1024 in all: does one include itself?";
    check("$INCLUDE main.zone", &[], &format!("main.zone:6:10: {said}"));
    check("$INCLUDE f", &[("f", "\n$INCLUDE f")], &format!("main.zone: f:2:10: {said}"));
    let files = [("f", "\n$INCLUDE g"), ("g", "$INCLUDE h"), ("h", "$INCLUDE f")];
    check("$INCLUDE f", &files, &format!("main.zone: f:2:10: {said}"));
}

#[test]
fn included_files_have_their_limits() {
    let names: Vec<_> = (0..10).map(|i| format!("f{i}")).collect();
    let texts: Vec<_> = (0..10).map(|i| format!("$INCLUDE f{}", i + 1)).collect();
    let deep = |depth: usize| {
        let mut files: Vec<_> = names.iter().zip(&texts).map(|(n, t)| (n.as_str(), t.as_str())).collect();
        files[depth].1 = "a A 192.0.2.1";
        files
    };
    // With the zone's own file there are eight.
    assert!(ask(&serve("$INCLUDE f0", &deep(6)), "a.example.org A").contains("192.0.2.1"));
    check("$INCLUDE f0", &deep(7), "main.zone: f6:1:10: expected at most 8 files");
    let many = |count| "$INCLUDE f\n".repeat(count);
    serve(&many(1023), &[("f", "a A 192.0.2.1")]);
    check(&many(1024), &[("f", "a A 192.0.2.1")], "main.zone:1029:10: expected at most 8 files");
    let big = format!("; {}", "x".repeat(100 << 20));
    check("$INCLUDE f\n$INCLUDE f\n$INCLUDE f", &[("f", &big)], "main.zone:8:10: expected at most 256 MiB");
}

#[test]
fn one_line_stands_for_many() {
    let server = serve(
        "$GENERATE 1-3 host-$ A 192.0.2.$\n\
         $GENERATE 0-6/3 ${10,3}\t7 IN TXT \"at $\" \"$$\" ; $ is the number\n\
         $generate 1-2 $.0-63 NS ns.${0,2,x}.net.\r\n\
         $GENERATE 8-9 ${0,3,n}.ip6 PTR host-$\n\
         $GENERATE 5-5 alias CNAME host-$\n\
         $GENERATE 1-2 mail IN MX \"0 mx$.net.\"\n\
         $GENERATE 5-5 $.old DNAME $.new",
        &[],
    );
    for (question, answer) in [
        ("host-1.example.org A", "3600 A 192.0.2.1"),
        ("host-3.example.org A", "3600 A 192.0.2.3"),
        ("010.example.org TXT", "7 TXT \"at 0\" \"$\""),
        ("016.example.org TXT", "7 TXT \"at 6\" \"$\""),
        ("2.0-63.example.org A", "3600 NS ns.02.net."),
        ("9.0.ip6.example.org PTR", "3600 PTR host-9.example.org."),
        ("mail.example.org MX", "3600 MX 0 mx2.net."),
        ("alias.example.org CNAME", "3600 CNAME host-5.example.org."),
        ("5.old.example.org DNAME", "3600 DNAME 5.new.example.org."),
    ] {
        let said = ask(&server, question);
        assert!(said.contains(answer), "{question}: {said}");
    }
    for missing in ["host-0", "host-4", "011", "019", "5"] {
        assert!(ask(&server, &format!("{missing}.example.org A")).starts_with("NXDOMAIN"), "{missing}");
    }
}

#[test]
fn generated_records_do_not_change_the_owner() {
    let server = serve("a A 192.0.2.1\n$GENERATE 1-2 b$ A 192.0.2.$\n TXT after", &[]);
    assert!(ask(&server, "a.example.org TXT").contains("TXT \"after\""));
}

#[test]
fn mistakes_in_generated_records_are_named_with_their_line() {
    for (line, place, expected) in [
        ("$GENERATE", "6:10", "start-stop"),
        ("$GENERATE 1 a A 192.0.2.$", "6:11", "start-stop"),
        ("$GENERATE 1-2", "6:1", "a record with $"),
        ("$GENERATE 1-2 ; nothing", "6:1", "a record with $"),
        ("$GENERATE 1-2 a", "6:1", "a TTL, the class IN or a type"),
        (" $GENERATE 250-256 a$ A 192.0.2.$", "6:2", "an IPv4 address"),
        ("$GENERATE 1-2 ${-2} A 192.0.2.$", "6:1", "a record with $"),
        ("$GENERATE 1-2 a${0 A 192.0.2.$", "6:1", "a record with $"),
        ("$GENERATE 1-2 a A (", "6:1", "a closing parenthesis"),
        ("$GENERATE 1-2 a A 192.0.2.$ )", "6:1", "no closing parenthesis"),
        ("$GENERATE 1-2 a CNAME b$", "6:1", "no other record at this name"),
        ("$GENERATE 1-2 $$ORIGIN x", "6:1", "a TTL, the class IN or a type"),
        ("$GENERATE 0-2147483647 a$ A 192.0.2.1", "6:11", "lines of at most 16 MiB"),
    ] {
        check(line, &[], &format!("main.zone:{place}: expected {expected}"));
    }
}

#[test]
fn the_lines_of_all_directives_together_have_a_limit() {
    let long = format!("$GENERATE 1-9 a$ A 192.0.2.$ ;{}\n", "x".repeat(1 << 20));
    serve(&long, &[]);
    check(&format!("{long}{long}"), &[], "main.zone:7:11: expected lines of at most 16 MiB");
}

#[test]
fn a_mistake_tells_the_name_of_its_zone_if_it_is_known() {
    for (text, zone) in [
        ("$ORIGIN Example.org.\n@ X", Some("Example.org.")),
        ("$ORIGIN .\n$ORIGIN a.\n$ORIGIN b.\n@ X", Some("a.")),
        ("$ORIGIN org.\nexample 5 SOA a b x", Some("example.org.")),
        ("a. 5 SOA a. b. 1 2 3 4 5\nb. SOA a. b. 1 2 3 4 5", Some("a.")),
        ("a. 5 SOA a. b. 1 2 3 4 5", Some("a.")),
        (". 5 SOA a. b. 1 2 3 4 5", Some("")),
        ("$ORIGIN .\n@ X", None),
        ("a. X", None),
        ("", None),
    ] {
        let error = Zone::parse("f", text.as_bytes()).err().expect("a mistake");
        assert_eq!(error.zone.as_deref(), zone.map(str::as_bytes), "{text}");
        assert_eq!(error.has_soa, text.contains("SOA"), "{text}");
    }
}
