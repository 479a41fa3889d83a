//! Every type of record: what its data look like in a master file and on the wire, in the opinion of another
//! implementation, and the same data as octets (RFC 3597).

mod common;

use common::{answer, query, server, zone};
use domain::base::{Message, ParsedName, Record};
use domain::rdata::AllRecordData;
use std::fmt::Write;
use unik_dns::{Transport, Zone};

/// The data of the one record that answers for `a.example.org` and the type that `record` begins with, in the usual
/// zone with it: as text, and as octets without compression.
#[track_caller]
fn read(kind: &str, record: &str) -> (String, Vec<u8>) {
    // What denies by hashes makes no name that can be asked for; one below does.
    let below = if kind == "NSEC3" { "x.a A 192.0.2.1" } else { "" };
    let server = server(&[&zone(&format!("a {record}\n{below}"))]);
    let message =
        answer(&server, &query(&format!("a.example.org {kind}")), Transport::Tcp).expect("an answer");
    let message = Message::from_octets(message.as_slice()).expect("a header");
    let mut records = message.answer().expect("an answer section");
    let one = records.next().expect("a record").expect("a record");
    assert!(records.next().is_none());
    let one: Record<ParsedName<_>, AllRecordData<_, ParsedName<_>>> = one.into_any_record().expect("data");
    let mut octets = Vec::new();
    domain::base::rdata::ComposeRecordData::compose_rdata(one.data(), &mut octets).expect("room");
    (plain(&one.data().to_string()), octets)
}

/// What is shown, without the blanks and parentheses that make no difference.
fn plain(shown: &str) -> String {
    match shown.strip_prefix("\\# ").and_then(|octets| octets.split_once(' ')) {
        Some((length, octets)) => format!("\\# {length} {}", octets.replace(' ', "").to_uppercase()),
        None => shown.replace("( ", "").replace(" )", "").trim_end().to_owned(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02X}").expect("text");
        text
    })
}

/// Reads `data` as that of the type `kind`, which another implementation shows as `shown`; then once more as octets.
#[track_caller]
fn right(kind: &str, data: &str, shown: &str) {
    let (text, octets) = read(kind, &format!("{kind} {data}"));
    assert_eq!(text, plain(shown), "{kind} {data}");
    let generic = format!("{kind} \\# {} {}", octets.len(), hex(&octets));
    assert_eq!(read(kind, &generic), (text.clone(), octets.clone()), "{generic}");
    // In pieces, in small letters, and the type by its number.
    let (one, other) = octets.split_at(octets.len() / 2);
    let (one, other) = (hex(one).to_lowercase(), hex(other));
    let number = u16::from_be_bytes(*query(&format!("a. {kind}"))[15..].first_chunk().expect("a type"));
    let generic = format!("TYPE{number} \\# ( {}\n {one}\n {other} )", octets.len());
    assert_eq!(read(kind, &generic), (text, octets), "{generic}");
}

/// The same where the other implementation shows octets only.
#[track_caller]
fn right_octets(kind: &str, data: &str, octets: &[u8]) {
    assert_eq!(read(kind, &format!("{kind} {data}")).1, octets, "{kind} {data}");
    right(kind, data, format!("\\# {} {}", octets.len(), hex(octets)).trim_end());
}

/// What is wrong with `record` at `a`, in line 6 of a file, at `column`.
#[track_caller]
fn wrong(record: &str, column: u32, expected: &str) {
    let text = zone(&format!("a {record}"));
    let error = Zone::parse("f", text.as_bytes()).err().unwrap_or_else(|| panic!("no mistake in {record}"));
    let wanted = format!("f:6:{column}: expected {expected}");
    assert!(error.to_string().starts_with(&wanted), "about: {record}\nsaid:   {error}\nwanted: {wanted}");
}

#[test]
fn a_zone_holds_every_type_at_once() {
    let text = zone(common::EVERY_TYPE);
    let held = Zone::parse("f", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(held.records(), 3 + common::EVERY_TYPE.trim().lines().count());
    // All that stand at one name come over a stream, in the order of their types.
    let server = server(&[&text]);
    let all = common::ask_tcp(&server, "a.example.org ANY");
    let kinds: Vec<_> = all.lines().filter_map(|line| line.split(' ').nth(3)).collect();
    let order = "PTR HINFO MX RP AFSDB KEY LOC SRV NAPTR KX SSHFP DHCID TLSA SMIMEA OPENPGPKEY SVCB EUI48 EUI64 URI CAA \
                 TYPE65280";
    assert_eq!(kinds, order.split(' ').collect::<Vec<_>>(), "{all}");
}

#[test]
fn types_of_rfc_1035_are_read() {
    right("A", "192.0.2.1", "192.0.2.1");
    right("AAAA", "2001:db8::1", "2001:db8::1");
    right("CNAME", "B", "B.example.org.");
    right("PTR", "b.", "b.");
    right("MX", "10 b", "10 b.example.org.");
    right("TXT", "one \"two three\" \\052", "\"one\" \"two three\" \"4\"");
    right("HINFO", "\"a b\" c", "\"a b\" \"c\"");
    wrong("HINFO x", 10, "a text");
    wrong("HINFO x y z", 13, "the end of the line");
    wrong(&format!("HINFO x {}", "y".repeat(256)), 11, "a text of at most 255");
}

#[test]
fn types_that_point_somewhere_are_read() {
    right("SRV", "0 5 443 host", "0 5 443 host.example.org");
    right("DNAME", "elsewhere.", "elsewhere.");
    right(
        "NAPTR",
        "100 10 \"u\" E2U+sip \"!^.*$!sip:a@b!\" .",
        "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
    );
    right("NAPTR", "1 2 \"\" \"\" \"\" b", "1 2 \"\" \"\" \"\" b.example.org.");
    right("RP", "admin.b. @", "admin.b. example.org.");
    right_octets("AFSDB", "1 b.", b"\0\x01\x01b\0");
    right_octets("KX", "1 b.", b"\0\x01\x01b\0");
    right_octets("URI", "10 1 \"https://example.org/\"", b"\0\x0a\0\x01https://example.org/");
    wrong("DNAME", 8, "a domain name");
    wrong("NAPTR 1 2 a b c", 18, "a domain name");
    wrong("NAPTR 1 x a b c .", 11, "a number from 0 to 65535");
    wrong("RP a@b c", 6, "a mailbox");
    wrong("RP a", 7, "a domain name");
    wrong("AFSDB 1", 10, "a domain name");
    right_octets("URI", "1 1 \"\"", b"\0\x01\0\x01");
    wrong("URI 1 1 a b", 13, "the end of the line");
}

#[test]
fn types_with_digests_and_keys_are_read() {
    right("CAA", "0 issue \"ca.example.net; a=b\"", "0 issue \"ca.example.net; a=b\"");
    right("SSHFP", "4 2 0123456789abcdef 0123456789ABCDEF", "4 2 0123456789ABCDEF0123456789ABCDEF");
    right("TLSA", "3 1 1 (0a\n 0B0\n c)", "3 1 1 0A0B0C");
    right("DS", "12345 8 2 cafe", "12345 8 2 cafe");
    right("DS", "12345 ed25519 2 CAFE", "12345 15 2 cafe");
    right("CDS", "0 0 0 00", "0 0 0 00");
    right("DNSKEY", "257 3 RSASHA256 AwEAAQ ==", "257 3 8 AwEAAQ==");
    right("CDNSKEY", "0 3 0 AA==", "0 3 0 AA==");
    right("ZONEMD", "1 1 1 00112233445566778899aabb", "1 1 1 00112233445566778899AABB");
    right("OPENPGPKEY", "AAEC Aw==", "AAECAw==");
    right_octets("SMIMEA", "3 0 0 abcd", b"\x03\0\0\xab\xcd");
    right_octets("KEY", "256 3 5 AAA=", b"\x01\0\x03\x05\0\0");
    right_octets("DHCID", "AAIB", b"\0\x02\x01");
    right_octets("EUI48", "00-00-5E-00-53-2a", b"\0\0\x5e\0\x53\x2a");
    right_octets("EUI64", "00-00-5e-ef-10-00-00-2a", b"\0\0\x5e\xef\x10\0\0\x2a");
    right("SPF", "\"v=spf1 -all\"", "\\# 12 0B763D73706631202D616C6C");
    wrong("SSHFP 4 2", 12, "hexadecimal digits");
    wrong("SSHFP 4 2 ab c", 16, "hexadecimal digits");
    wrong("SSHFP 4 2 ab gc", 16, "hexadecimal digits");
    wrong("TLSA 3 1 256 ab", 12, "a number from 0 to 255");
    wrong("DS 1 RSASHA 2 CAFE", 8, "an algorithm");
    wrong("DS 1 256 2 CAFE", 8, "an algorithm");
    wrong("DNSKEY 257 3 8 AwEAA", 18, "base64");
    wrong("DNSKEY 257 3 8 Aw.A", 18, "base64");
    wrong("OPENPGPKEY", 13, "base64");
    wrong("EUI48 00-00-5e-00-53", 9, "octets in hexadecimal");
    wrong("EUI48 00-00-5e-00-53-2a-00", 9, "octets in hexadecimal");
    wrong("EUI48 00-00-5e-00-532a", 9, "octets in hexadecimal");
    wrong("EUI64 0-000-5e-ef-10-00-00-2a", 9, "octets in hexadecimal");
    wrong("ZONEMD 1 1 1 00112233445566778899aa", 16, "at least 12 octets");
    wrong("ZONEMD 1 1 x 00", 14, "a number from 0 to 255");
}

#[test]
fn types_of_signatures_and_denial_are_read() {
    right(
        "RRSIG",
        "A 5 3 86400 20030322173103 ( 20030220173103 2642 Example.com. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr )",
        "A 5 3 86400 1048354263 1045762263 2642 Example.com. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr",
    );
    right("RRSIG", "TYPE1234 13 2 3600 5 4 3 @ AA==", "TYPE1234 13 2 3600 5 4 3 example.org. AA==");
    right("NSEC", "HOST A MX RRSIG NSEC TYPE1234", "HOST.example.org. A MX RRSIG NSEC TYPE1234");
    right("NSEC", ". nsec type1234 A", ". A NSEC TYPE1234");
    right(
        "NSEC3",
        "1 1 12 aabbccdd ( 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG )",
        "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NS SOA MX RRSIG DNSKEY NSEC3PARAM",
    );
    right("NSEC3PARAM", "1 0 0 -", "1 0 0 -");
    right("CSYNC", "66 3 A NS AAAA", "\\# 12 000000420003000460000008");
    wrong("RRSIG B 5 3 1 1 1 1 . AA==", 9, "a type such as");
    wrong("RRSIG A 5 3 1 20031322173103 1 1 . AA==", 17, "a time between 1970 and 2106");
    wrong("RRSIG A 5 3 1 1 1 1 .", 24, "base64");
    wrong("RRSIG A 5 3 1h 1 1 1 . AA==", 15, "a number from 0 to 4294967295");
    wrong("NSEC b A B", 12, "a type such as");
    wrong(
        &format!("NSEC {}", [&"x".repeat(63); 4].map(String::as_str).join(".")),
        8,
        "a name of at most 255",
    );
    wrong("NSEC3 1 1 12 abc 2t7b4g4v A", 16, "a salt");
    wrong("NSEC3 1 1 12 - 2t7b4g4w1 A", 18, "a hash in base32hex");
    wrong("NSEC3 1 1 12 - \"\" A", 18, "a hash in base32hex");
    wrong(&format!("NSEC3PARAM 1 0 0 {}", "ab".repeat(256)), 20, "a salt");
}

#[test]
fn the_case_of_a_name_that_is_signed_as_written_stays() {
    // RFC 6840, 5.1. The tree knows the name in another case.
    let text = zone("host A 192.0.2.1\na NSEC HOST.Example.ORG. A");
    let server = server(&[&text]);
    let answer = answer(&server, &query("a.example.org NSEC"), Transport::Tcp).expect("an answer");
    assert!(answer.windows(18).any(|octets| octets == b"\x04HOST\x07Example\x03ORG\0"));
}

#[test]
fn places_on_the_earth_are_read() {
    // RFC 1876, 2 and 4.
    let place = |sizes: [u8; 3], numbers: [u32; 3]| {
        let mut octets = vec![0];
        octets.extend(sizes);
        octets.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        octets
    };
    let origin = 1 << 31;
    let (latitude, longitude) =
        (origin + (42 * 3600 + 21 * 60 + 54) * 1000, origin - (71 * 3600 + 6 * 60 + 18) * 1000);
    let all = place([0x33, 0x16, 0x13], [latitude, longitude, 10_000_000 - 2400]);
    right_octets("LOC", "42 21 54 N 71 06 18 W -24m 30m", &all);
    let all = place([0x12, 0x16, 0x13], [origin, origin, 10_000_000]);
    right_octets("LOC", "0 N 0 E 0", &all);
    let all = place([0, 0x99, 0x99], [origin - 324_000_000, origin + 648_000_000, u32::MAX]);
    right_octets("LOC", "90 s 180 0 0.000 e 42849672.95m 0 90000000.00m 99999999.99", &all);
    let all = place([0x12, 0x16, 0x13], [origin + 1, origin + 60_010, 0]);
    right_octets("LOC", "0 0 0.001 N 0 1 0.01 E -100000.00m 1.99", &all);
    for (data, column) in [
        ("", 6),
        ("N", 7),
        ("91 N 0 E 0", 10),
        ("90 0 0.001 N 0 E 0", 18),
        ("1 60 N 0 E 0", 9),
        ("1 2 60 N 0 E 0", 11),
        ("1 2 3.0001 N 0 E 0", 11),
        ("1.5 N 0 E 0", 7),
        ("1 2 3 4 N 0 E 0", 13),
        ("1 E 0 N 0", 9),
        ("1 N 181 E 0", 11),
        ("1 N 1 E", 14),
        ("1 N 1 E -100000.01", 15),
        ("1 N 1 E 42849672.96", 15),
        ("1 N 1 E 0.", 15),
        ("1 N 1 E 0 100000000", 17),
        ("1 N 1 E 0 1mm", 17),
    ] {
        wrong(&format!("LOC {data}"), column, "a place such as");
    }
    wrong("LOC 1 N 1 E 0 1 1 1 1", 23, "the end of the line");
}

#[test]
fn parameters_of_services_are_read() {
    // RFC 9460, D.1 and D.2.
    for (data, shown) in [
        ("0 foo.example.com.", "0 foo.example.com."),
        ("1 .", "1 ."),
        ("16 foo.example.com. port=53", "16 foo.example.com. port=53"),
        ("1 foo.example.com. key667=hello", "1 foo.example.com. key667=hello"),
        (
            "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
            "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
        ),
        (
            "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
            "16 foo.example.org. mandatory=alpn,ipv4hint alpn=h2,h3-19 ipv4hint=192.0.2.1",
        ),
        ("1 . alpn=h2 no-default-alpn ech=AAEC", "1 . alpn=h2 nodefaultalpn ech=AAEC"),
        ("1 . ( port=\"853\"\n alpn=\"dot\" )", "1 . alpn=dot port=853"),
    ] {
        right("SVCB", data, shown);
        right("HTTPS", data, shown);
    }
    let octets = |data: &str| read("SVCB", &format!("SVCB {data}")).1;
    assert_eq!(octets(r#"1 . key667="hello\210qoo""#), b"\0\x01\0\x02\x9b\0\x09hello\xd2qoo");
    let escaped = b"\0\x10\0\0\x01\0\x0c\x08f\\oo,bar\x02h2";
    assert_eq!(octets(r#"16 . alpn="f\\\\oo\\,bar,h2""#), escaped);
    assert_eq!(octets(r"16 . alpn=f\\\092oo\092,bar,h2"), escaped);
    assert_eq!(octets("1 . dohpath=/dns-query{?dns}"), b"\0\x01\0\0\x07\0\x10/dns-query{?dns}");
    assert_eq!(octets("1 . ohttp"), b"\0\x01\0\0\x08\0\0");
    assert_eq!(octets("1 . key9 key3=\\000\\053"), b"\0\x01\0\0\x03\0\x02\x005\0\x09\0\0");

    for (data, column) in [
        ("port=1 port=2", 19),
        ("port=1 key3=ab", 19),
        ("port=65536", 12),
        ("port", 12),
        ("port=", 12),
        ("=1", 12),
        ("\"port=1\"", 12),
        ("Key667=1", 12),
        ("key0667=1", 12),
        ("key65536=1", 12),
        ("colour=red", 12),
        ("ipv4hint=192.0.2", 12),
        ("ipv4hint=", 12),
        ("ipv6hint=192.0.2.1", 12),
        ("mandatory=colour", 12),
        ("ech=A", 12),
        ("alpn=\"h2\"\"h3\"", 21),
        (r"alpn=h2\092", 12),
    ] {
        wrong(&format!("SVCB 1 . {data}"), column, "a parameter such as");
    }
    for data in [
        "mandatory=port",
        "mandatory=alpn,alpn alpn=h2",
        "mandatory=mandatory",
        "no-default-alpn",
        "alpn=h2 no-default-alpn=x",
        "alpn=",
        "alpn=h2,,h3",
        "ohttp=x",
        "dohpath=",
        "key65535=x",
        "key3=abc",
        "key1=abc",
    ] {
        wrong(&format!("SVCB 1 . {data}"), 12, "parameters that agree");
    }
    wrong(&format!("SVCB 1 . alpn={}", "x".repeat(256)), 12, "a parameter such as");
    wrong("SVCB . port=1", 8, "a number from 0 to 65535");
    wrong("SVCB 1 . port=\\1", 12, "a parameter such as");
}

#[test]
fn any_type_may_be_written_as_octets() {
    right_octets("TYPE65280", "\\# 3 (abC d 0E )", b"\xab\xcd\x0e");
    right_octets("TYPE65280", "\\# 0", b"");
    right_octets("TYPE20", "\\# 1 00", b"\0");
    right("A", "\\# 4 C0000201", "192.0.2.1");
    right("MX", "\\# 7 000a 0162 016f 00", "10 b.o.");
    wrong("TYPE65280 x", 13, "\\#, a length");
    wrong("TYPE65280", 12, "\\#, a length");
    wrong("TYPE65280 \"\\#\" 0", 13, "\\#, a length");
    wrong("A \\#", 7, "a number from 0 to 65535");
    wrong("A \\# 65536", 8, "a number from 0 to 65535");
    wrong("A \\# 4 C000020", 8, "the number of octets");
    wrong("A \\# 4 C00002010", 8, "the number of octets");
    wrong("A \\# 5 C0000201", 8, "the number of octets");
    wrong("A \\# 4 C0000x01", 10, "hexadecimal digits");
    assert_eq!(read("TXT", "TXT \"\\#\" 4").0, "\"#\" \"4\"");
}

#[test]
fn types_that_few_zones_have_are_known_by_name() {
    for (data, octets) in [
        ("MB b.", &b"\x01b\0"[..]),
        ("MG b.", b"\x01b\0"),
        ("MR b.", b"\x01b\0"),
        ("MINFO b. c.", b"\x01b\0\x01c\0"),
        ("RT 10 b.", b"\0\x0a\x01b\0"),
        ("PX 10 b. c.", b"\0\x0a\x01b\0\x01c\0"),
        ("X25 311061700956", b"\x0c311061700956"),
        ("GPOS 1 2 3", b"\x011\x012\x013"),
        ("CERT 1 2 RSASHA256 AQI=", b"\0\x01\0\x02\x08\x01\x02"),
        ("DLV 1 8 2 AA", b"\0\x01\x08\x02\xaa"),
        ("L32 10 192.0.2.1", b"\0\x0a\xc0\0\x02\x01"),
        ("NULL \\# 2 ABCD", b"\xab\xcd"),
        ("APL \\# 0", b""),
        ("IPSECKEY \\# 9 010102C0000201AABB", b"\x01\x01\x02\xc0\0\x02\x01\xaa\xbb"),
        ("NID \\# 10 000A00144FFFFF20EE64", b"\0\x0a\0\x14\x4f\xff\xff\x20\xee\x64"),
    ] {
        let (kind, data) = data.split_once(' ').expect("a type and its data");
        assert_eq!(read(kind, &format!("{kind} {data}")).1, octets, "{kind} {data}");
    }
    wrong("NID 10 0014:4fff:ff20:ee64", 7, "\\#, a length and hexadecimal digits");
    wrong("MINFO b.", 11, "a domain name");
}

#[test]
fn octets_that_are_no_data_of_their_type_are_refused() {
    for (kind, octets) in [
        ("A", "C00002"),
        ("A", "C000020100"),
        ("A", ""),
        ("AAAA", "C0000201"),
        ("NS", "0162"),
        ("NS", "01620000"),
        ("NS", "C00C"),
        ("NS", "4000"),
        ("MX", "000A"),
        ("TXT", ""),
        ("TXT", "0261"),
        ("SOA", "000000000001000000020000000300000004000000"),
        ("HINFO", "0161"),
        ("CAA", "000061"),
        ("CAA", "0005616263"),
        ("DS", "00010801"),
        ("DNSKEY", "01010308"),
        ("NSEC", "000001400001"),
        ("NSEC", "00000100"),
        ("NSEC3", "0100000000000101"),
        ("NSEC3PARAM", "0100000001"),
        ("LOC", "01121613800000008000000000989680"),
        ("LOC", "001216138000000080000000009896"),
        ("SVCB", "0001000003000100"),
        ("SVCB", "0001000003000200350003000200 35"),
        ("SVCB", "00010000040003C00002"),
        ("SVCB", "0001000001000102"),
        ("SVCB", "00010000010000"),
        ("SVCB", "000100000002"),
        ("URI", "000100"),
        ("ZONEMD", "000000010101000102030405060708090A"),
        ("EUI48", "0000000000"),
        ("EUI64", "000000000000000000"),
        ("RRSIG", "000108020000000100000001000000010001"),
        ("NAPTR", "000100020161016200"),
    ] {
        let octets = octets.replace(' ', "");
        wrong(
            &format!("{kind} \\# {} {octets}", octets.len() / 2),
            kind.len() as u32 + 4,
            "octets that are data",
        );
    }
}
