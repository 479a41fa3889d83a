//! Master files: what they may say, and what is said about their mistakes.

mod common;

use common::{ask, ask_tcp, expect, server, zone};
use unik_dns::Zone;

/// The one record that answers `question` in the usual zone with `lines`, from its TTL on.
#[track_caller]
fn only(lines: &str, question: &str) -> String {
    let answer = ask_tcp(&server(&[&zone(lines)]), question);
    let mut records = answer.lines().filter_map(|line| line.strip_prefix("= "));
    let record = records.next().unwrap_or_else(|| panic!("no answer: {answer}"));
    assert_eq!(records.next(), None);
    record.split_once(' ').expect("an owner").1.to_owned()
}

#[test]
fn ttl_and_class_may_be_left_out_or_stand_in_either_order() {
    for (line, ttl) in [
        ("a A 192.0.2.1", 3600),
        ("a IN A 192.0.2.1", 3600),
        ("a 7 A 192.0.2.1", 7),
        ("a 7 IN A 192.0.2.1", 7),
        ("a in 7 a 192.0.2.1", 7),
        ("a 1h30m A 192.0.2.1", 5400),
        ("a\t1W2d3H4m5s\tIN\tA\t192.0.2.1\t", 788_645),
        ("a 0 A 192.0.2.1 ; a comment", 0),
        ("a CLASS1 7 A 192.0.2.1", 7),
        ("a 7 class1 A 192.0.2.1", 7),
        ("a 2147483647 A 192.0.2.1", 2_147_483_647),
        ("a 2147483648 A 192.0.2.1", 0),
        ("$TTL 4294967295\na A 192.0.2.1", 0),
        ("a A 192.0.2.1;a comment", 3600),
        ("a A 192.0.2.1\r", 3600),
        ("$TTL 8\na A 192.0.2.1", 8),
        ("$ttl 1d\n$TTL 9 ; nine\na A 192.0.2.1", 9),
    ] {
        assert_eq!(only(line, "a.example.org A"), format!("{ttl} A 192.0.2.1"), "{line}");
    }
}

#[test]
fn without_a_default_the_last_stated_ttl_counts_and_the_minimum_for_the_soa_record() {
    let server = server(&["e. SOA n.f. h.f. 1 2 3 4 77\ne. NS n.f.\na.e. 5 A 192.0.2.1\nb.e. A 192.0.2.2\n"]);
    for (question, ttl) in [("e NS", 77), ("a.e A", 5), ("b.e A", 5)] {
        assert!(ask(&server, question).contains(&format!(". {ttl} ")), "{question}");
    }
}

#[test]
fn names_are_relative_to_the_origin_unless_they_end_with_a_dot() {
    assert_eq!(only("a CNAME b", "a.example.org CNAME"), "3600 CNAME b.example.org.");
    assert_eq!(only("a CNAME b.", "a.example.org CNAME"), "3600 CNAME b.");
    assert_eq!(only("a CNAME @", "a.example.org CNAME"), "3600 CNAME example.org.");
    assert_eq!(only("a CNAME b\u{fc}", "a.example.org CNAME"), "3600 CNAME b\\195\\188.example.org.");
    assert_eq!(only("a CNAME .", "a.example.org CNAME"), "3600 CNAME .");
    assert_eq!(only("A.Example.ORG. CNAME b", "a.example.org CNAME"), "3600 CNAME b.example.org.");
    assert_eq!(only("$ORIGIN sub\na CNAME @", "a.sub.example.org CNAME"), "3600 CNAME sub.example.org.");
    assert_eq!(only("$ORIGIN org.\na.example CNAME @", "a.example.org CNAME"), "3600 CNAME org.");
    assert_eq!(only("$ORIGIN .\na.example.org CNAME b", "a.example.org CNAME"), "3600 CNAME b.");
}

#[test]
fn a_line_that_begins_with_a_blank_has_the_owner_before() {
    assert_eq!(only("a A 192.0.2.1\n TXT t", "a.example.org TXT"), "3600 TXT \"t\"");
    assert_eq!(only("a A 192.0.2.1\n\n\t; nothing\n\n\t  5 TXT t", "a.example.org TXT"), "5 TXT \"t\"");
    // An origin in between does not change it.
    assert_eq!(only("a A 192.0.2.1\n$ORIGIN x.\n TXT t", "a.example.org TXT"), "3600 TXT \"t\"");
}

#[test]
fn parentheses_make_one_record_of_several_lines() {
    let record = "10 MX 5 m.example.org.";
    for line in [
        "a 10 MX ( 5 m )",
        "a 10 MX (5 m)",
        "a ( 10\n MX ; comment )\n\n5\n m ; another\n)",
        "a 10 ( MX ( 5 ) m )",
        "a 10 MX 5 (\nm)",
        "a 10 MX 5 m (\n)",
    ] {
        assert_eq!(only(line, "a.example.org MX"), record, "{line}");
    }
}

#[test]
fn texts_may_be_quoted_and_escaped() {
    for (data, shown) in [
        ("plain", r#""plain""#),
        (r#""two words""#, r#""two words""#),
        (r#"one two "three four""#, r#""one" "two" "three four""#),
        (r#""a""b""#, r#""a" "b""#),
        (r#""""#, r#""""#),
        (r#""; no ( comment )""#, r#""; no ( comment )""#),
        (r#"semi\;colon\ blank\"quote\\back"#, r#""semi;colon blank\"quote\\back""#),
        (r"\065\066\067", r#""ABC""#),
        (r#""\000\255""#, r#""\000\255""#),
        ("\"caf\u{e9}\"", r#""caf\195\169""#),
        ("@ $TTL", r#""@" "$TTL""#),
    ] {
        assert_eq!(only(&format!("a TXT {data}"), "a.example.org TXT"), format!("3600 TXT {shown}"));
    }
    let longest = "x".repeat(255);
    assert_eq!(only(&format!("a TXT {longest}"), "a.example.org TXT"), format!("3600 TXT \"{longest}\""));
}

#[test]
fn names_may_be_escaped() {
    assert_eq!(only(r"a CNAME x\.y.z.", "a.example.org CNAME"), r"3600 CNAME x\.y.z.");
    assert_eq!(only(r"a CNAME \120\046.", "a.example.org CNAME"), r"3600 CNAME x\..");
    assert_eq!(only(r"\a CNAME \@", "a.example.org CNAME"), "3600 CNAME @.example.org.");
    assert_eq!(only(r"\097 CNAME b\.", "a.example.org CNAME"), r"3600 CNAME b\..example.org.");
    assert_eq!(only("_a-b/c CNAME b", "_a-b/c.example.org CNAME"), "3600 CNAME b.example.org.");
}

#[test]
fn addresses_are_read_in_all_their_notations() {
    for (text, shown) in [
        ("::", "::"),
        ("::1", "::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1::8", "1::8"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ] {
        assert_eq!(only(&format!("a AAAA {text}"), "a.example.org AAAA"), format!("3600 AAAA {shown}"));
    }
}

#[test]
fn equal_records_are_one_and_the_lowest_ttl_counts_for_all() {
    let zone =
        zone("a 30 A 192.0.2.1\nb A 192.0.2.1\nA 20 A 192.0.2.1\na 40 A 192.0.2.2\na NS N.x.\na NS n.X.");
    assert_eq!(Zone::parse("", zone.as_bytes()).unwrap().records(), 7);
    let zone = zone.replace("a NS", "c NS");
    expect(
        &ask(&server(&[&zone]), "a.example.org A"),
        "NOERROR aa
         = a.example.org. 20 A 192.0.2.1
         = a.example.org. 20 A 192.0.2.2",
    );
}

#[test]
fn records_may_stand_in_any_order() {
    let text = "$ORIGIN e.\n$TTL 5\na.b A 192.0.2.1\n@ NS n.f.\na.b TXT x\n@ SOA n.f. h.f. 1 2 3 4 5\na.b A 192.0.2.2\n";
    expect(&ask(&server(&[text]), "a.b.e A"), "NOERROR aa\n= a.b.e. 5 A 192.0.2.1\n= a.b.e. 5 A 192.0.2.2");
}

#[test]
fn a_zone_tells_its_name_serial_number_and_records() {
    let zone = zone("a A 192.0.2.1");
    let zone = Zone::parse("", zone.as_bytes()).unwrap();
    assert_eq!((zone.name().to_string().as_str(), zone.serial(), zone.records()), ("example.org.", 1, 4));
    let root = Zone::parse("", b". SOA a. b. 4294967295 2 3 4 5\n. NS a.\na. A 192.0.2.1").unwrap();
    assert_eq!((root.name().to_string().as_str(), root.serial()), (".", u32::MAX));
    let odd = Zone::parse(
        "",
        br"\.\032\200A. SOA b. c. 1 2 3 4 5
        NS b.",
    )
    .unwrap();
    assert_eq!(odd.name().to_string(), r"\.\032\200A.");
}

#[test]
fn a_byte_order_mark_and_a_missing_last_newline_do_no_harm() {
    let text = format!("\u{feff}{}", zone("").trim_end());
    assert!(Zone::parse("", text.as_bytes()).is_ok());
}

/// What is said about `text`.
#[track_caller]
fn mistake(text: &str) -> String {
    match Zone::parse("f.zone", text.as_bytes()) {
        Ok(_) => panic!("no mistake found in {text}"),
        Err(error) => error.to_string(),
    }
}

/// The place and the beginning of what is said about line 6 of the usual zone, and any that follow.
#[track_caller]
fn check(lines: &str, place: &str, expected: &str) {
    let said = mistake(&zone(lines));
    let wanted = format!("f.zone:{place}: expected {expected}");
    assert!(said.starts_with(&wanted), "about: {lines}\nsaid:   {said}\nwanted: {wanted}");
}

#[test]
fn mistakes_in_words_are_named_with_their_place() {
    check("a TXT \"open", "6:7", "a closing quotation mark");
    check("a TXT \"open\nb TXT \"", "6:7", "a closing quotation mark");
    check("a TXT ( b", "6:7", "a closing parenthesis");
    check("a TXT ( ( b )\n", "6:7", "a closing parenthesis");
    check("a TXT b )", "6:9", "no closing parenthesis");
    check("a TXT b\\", "6:8", "a character or three digits");
    check("a TXT xy\\25", "6:9", "a character or three digits");
    check("a TXT \"xy\\256\"", "6:10", "a character or three digits");
    check("a TXT \\25a", "6:7", "a character or three digits");
}

#[test]
fn mistakes_in_entries_are_named_with_their_place() {
    check("$DATE today", "6:1", "$ORIGIN, $TTL, $INCLUDE or $GENERATE");
    check("  $", "6:3", "$ORIGIN, $TTL, $INCLUDE or $GENERATE");
    check("$INCLUDE other", "6:10", "the path of a file of the data");
    check("  $GENERATE 9-1 a A 192.0.2.$", "6:13", "start-stop");
    check("$ORIGIN", "6:8", "a domain name");
    check("$ORIGIN a b", "6:11", "the end of the line");
    check("$TTL", "6:5", "a time");
    check("$TTL 1x", "6:6", "a time");
    check("$TTL 4294967296", "6:6", "a time");
    check("a", "6:2", "a TTL, the class IN or a type");
    check("a ; comment", "6:2", "a TTL, the class IN or a type");
    check("a 5 IN", "6:7", "a TTL, the class IN or a type");
    check("a IN IN A 192.0.2.1", "6:6", "a TTL, the class IN or a type");
    for kind in ["B", "TYPE65536", "TYPE", "ANY", "OPT", "AXFR", "TYPE0", "TYPE41", "TYPE128", "TYPE255"] {
        check(&format!("a {kind} x"), "6:3", "a TTL, the class IN or a type such as A, MX or TYPE65280");
    }
    check("a \"A\" 192.0.2.1", "6:3", "a TTL, the class IN or a type");
    for class in ["CH", "hs", "CLASS3", "class65535", "CLASS0"] {
        check(&format!("a {class} TXT x"), "6:3", "the class IN");
    }
    check("a CLASS65536 TXT x", "6:3", "a TTL, the class IN or a type");
    check("a CLASS1 IN TXT x", "6:10", "a TTL, the class IN or a type");
    check("a 99999999999 A 192.0.2.1", "6:3", "a time");
    check("a A 192.0.2.1 extra", "6:15", "the end of the line");
    assert_eq!(
        mistake(" A 192.0.2.1"),
        "f.zone:1:2: expected an owner name at the start of the line, because no record before has one"
    );
    assert!(mistake("a. NS b.").starts_with("f.zone:1:4: expected a TTL before the type"));
}

#[test]
fn mistakes_in_names_are_named_with_their_place() {
    check("a..b A 192.0.2.1", "6:3", "a label of at least one character");
    check(".a A 192.0.2.1", "6:1", "a label of at least one character");
    check("\"a\" A 192.0.2.1", "6:1", "a domain name");
    check("a CNAME b\u{1}cher", "6:10", "a character that can be printed");
    check(&format!("{} A 192.0.2.1", "x".repeat(64)), "6:64", "a label of at most 63");
    let long = [&"x".repeat(63); 4].map(String::as_str).join(".");
    check(&format!("{long} A 192.0.2.1"), "6:1", "a name of at most 255");
    check(&format!("a MX 0 {long}."), "6:8", "a name of at most 255");
    check(&format!("a MX 0 {}", "y.".repeat(128)), "6:262", "a name of at most 255");
    assert!(mistake("@ 5 A 192.0.2.1").starts_with("f.zone:1:1: expected a name that ends with a dot"));
    assert!(mistake("a. 5 MX 1 b").starts_with("f.zone:1:11: expected a name that ends with a dot"));
    assert!(mistake("a. 5 SOA b. c@d. 1 2 3 4 5").starts_with("f.zone:1:13: expected a mailbox"));
}

#[test]
fn mistakes_in_data_are_named_with_their_place() {
    for (line, place, expected) in [
        ("a A", "6:4", "an IPv4 address"),
        ("a A 192.0.2", "6:5", "an IPv4 address"),
        ("a A 192.0.2.256", "6:5", "an IPv4 address"),
        ("a A 192.0.2.01", "6:5", "an IPv4 address"),
        ("a A ::1", "6:5", "an IPv4 address"),
        ("a AAAA 192.0.2.1", "6:8", "an IPv6 address"),
        ("a AAAA 1::2::3", "6:8", "an IPv6 address"),
        ("a AAAA 1:2:3:4:5:6:7:8:9", "6:8", "an IPv6 address"),
        ("a MX m", "6:6", "a number from 0 to 65535"),
        ("a MX 65536 m", "6:6", "a number from 0 to 65535"),
        ("a MX 10", "6:8", "a domain name"),
        ("a NS", "6:5", "a domain name"),
        ("a SRV 1 2 x t", "6:11", "a number from 0 to 65535"),
        ("a SRV 1 2", "6:10", "a number from 0 to 65535"),
        ("a TXT", "6:6", "a text"),
        ("a CAA 256 issue x", "6:7", "a number from 0 to 255"),
        ("a CAA 0 is-sue x", "6:9", "a tag"),
        ("a CAA 0 \"\" x", "6:9", "a tag"),
        ("a CAA 0 issue", "6:14", "a text"),
        ("a SOA b c", "6:10", "a number from 0 to 4294967295"),
        ("a SOA b c 4294967296", "6:11", "a number from 0 to 4294967295"),
        ("a SOA b c 1 2 3 4", "6:18", "a time"),
        ("a SOA b c 1 2 3x 4 5", "6:15", "a time"),
    ] {
        check(line, place, expected);
    }
    check(&format!("a TXT {}", "x".repeat(256)), "6:7", "a text of at most 255");
    check(&format!("a CAA 0 issue {}", "x".repeat(65_530)), "6:3", "data of at most 65535");
}

#[test]
fn a_place_in_a_record_of_many_lines_is_that_of_the_word() {
    check("a MX ( ; one\n  10 ; two\n  b..c )", "8:5", "a label of at least one character");
    // Columns count characters, not octets.
    check("a TXT \"\u{e9}\u{20ac}\" )", "6:12", "no closing parenthesis");
}

#[test]
fn what_makes_no_zone_is_refused() {
    let end = "; the end\n";
    assert_eq!(
        mistake(&format!("e. 5 NS n.\n{end}")),
        "f.zone:3:1: expected a SOA record somewhere in the file: it names the zone"
    );
    assert!(mistake("").starts_with("f.zone:1:1: expected a SOA record"));
    check("@ SOA ns hostmaster 2 2h 30m 2w 5m", "6:1", "no second SOA record");
    check("a.org. A 192.0.2.1", "6:1", "an owner at or below the owner of the SOA record");
    check("org. A 192.0.2.1", "6:1", "an owner at or below the owner of the SOA record");
    check(". A 192.0.2.1", "6:1", "an owner at or below the owner of the SOA record");
    check("xexample.org. A 192.0.2.1", "6:1", "an owner at or below the owner of the SOA record");
    let without_servers = zone("").replace("@ NS ns\n", "");
    assert!(mistake(&without_servers).starts_with("f.zone:3:1: expected at least one NS record"));
}

#[test]
fn an_alias_must_be_alone_at_its_name() {
    for lines in ["a A 192.0.2.1\na CNAME b", "a CNAME b\na CNAME c", "a CNAME b\na TXT c", "@ CNAME b"] {
        let said = mistake(&zone(lines));
        assert!(
            said.contains("expected no other record at this name, because it has a CNAME"),
            "{lines}: {said}"
        );
    }
    assert_eq!(only("a CNAME b\na CNAME B", "a.example.org CNAME"), "3600 CNAME b.example.org.");
}

#[test]
fn what_signs_or_denies_stands_beside_an_alias() {
    let beside = "a CNAME b\na NSEC b CNAME\na RRSIG CNAME 8 3 5 4 3 2 @ AA==\na KEY 256 3 5 AA==";
    assert_eq!(only(beside, "a.example.org CNAME"), "3600 CNAME b.example.org.");
    check(&format!("{beside}\na DS 1 8 2 AA"), "6:1", "no other record at this name");
}

#[test]
fn names_below_a_redirection_have_no_records() {
    assert_eq!(only("d DNAME e.", "d.example.org DNAME"), "3600 DNAME e.");
    assert_eq!(only("d DNAME e.\nd TXT x\nbd A 192.0.2.1", "d.example.org TXT"), "3600 TXT \"x\"");
    check("d DNAME e.\nd DNAME f.", "7:1", "one DNAME record alone");
    check("d DNAME e.\nd CNAME f.", "7:1", "no other record at this name");
    check("d NS ns\nd DNAME e.", "7:1", "one DNAME record alone");
    check("a.b.d TXT x\nd DNAME e.", "6:1", "no record below a name with a DNAME record");
    // A zone may redirect all below it; what denies and signs its names stands there all the same.
    let apex = "$ORIGIN e.\n$TTL 5\n@ SOA n.f. h.f. 1 2 3 4 5\n@ NS n.f.\n@ DNAME g.\n";
    let hash = "2t7b4g4v NSEC3 1 1 12 - 2t7b4g4v A\n2t7b4g4v RRSIG NSEC3 8 2 5 4 3 2 e. AA==\n";
    assert!(Zone::parse("", format!("{apex}{hash}").as_bytes()).is_ok());
    assert!(mistake(&format!("{apex}{hash}a TXT x")).starts_with("f.zone:8:1: expected no record below"));
}

#[test]
fn a_name_has_its_limit_of_types() {
    let types = |count| (0..count).map(|i| format!("a TYPE{} \\# 0\n", 65_000 + i)).collect::<String>();
    assert!(Zone::parse("", zone(&types(64)).as_bytes()).is_ok());
    check(&types(65), "70:1", "records of at most 64 types");
}

#[test]
fn name_servers_in_the_zone_need_addresses() {
    check("@ NS ns2", "6:1", "an A or AAAA record for this name server");
    check("sub NS ns.sub", "6:1", "an A or AAAA record for this name server");
    check("sub NS sub", "6:1", "an A or AAAA record for this name server");
    check("ns3 CNAME ns\nsub NS ns3", "7:1", "a name server with an address of its own");

    for lines in [
        "sub NS ns.sub\nns.sub AAAA ::1",
        "sub NS ns.other.\nsub NS ns.example.com.",
        // The delegated zone other tells the address of its own names.
        "sub NS ns.other\nother NS ns.example.com.",
        "*.w A 192.0.2.1\nsub NS any.w",
    ] {
        let text = zone(lines);
        assert_eq!(Zone::parse("f", text.as_bytes()).err(), None, "{lines}");
    }
}

#[test]
fn a_wildcard_cannot_be_delegated() {
    check("*.a NS ns", "6:1", "no NS record at a wildcard");
}

#[test]
fn sets_have_their_limits() {
    let servers = |count| (0..count).map(|i| format!("sub NS ns{i}.x.\n")).collect::<String>();
    assert!(Zone::parse("", zone(&servers(64)).as_bytes()).is_ok());
    check(&servers(65), "70:1", "at most 64 NS records");
    let texts = |count| (0..count).map(|i| format!("sub TXT {i:0200}\n")).collect::<String>();
    assert!(Zone::parse("", zone(&texts(306)).as_bytes()).is_ok());
    check(&texts(307), "312:1", "records of this name and type that fit together");
}
