//! The file `dns.conf`: what it says, whom it lets do what, and how its mistakes are told.

use core::net::{IpAddr, SocketAddr};
use unik_dns::configuration::{Access, Configuration, MAX_CONFIGURATION, allows};
use unik_dns::tsig::Algorithm;
use unik_testkit::{Scarce, Scarcity};

#[global_allocator]
static HEAP: Scarce = Scarce;

const EXAMPLE: &str = r#"
# Who may have what.
key:
    name: transfer.example.org
    algorithm: hmac-sha256
    secret: "K2tf3TRjvQkVCmJF3/Z9vA=="
key:
	name: "Other."
	secret: "K2tf3TRjvQkVCmJF3/Z9vA=="   # hmac-sha256 without a word
	algorithm: sha512

zone:
    name: example.org
    zonefile: zones/example.org.zone
    provide-xfr: 192.0.2.0/24 transfer.example.org
    provide-xfr: 192.0.2.66 BLOCKED
    provide-xfr: 2001:db8::/32 NOKEY
    notify: 192.0.2.9@5353 transfer.example.org
    notify: 2001:db8::9 NOKEY
zone: name: "2.0.192.in-addr.arpa."
    request-xfr: 192.0.2.1 Other.
    request-xfr: AXFR ::ffff:192.0.2.2@54 NOKEY
    allow-notify: 192.0.2.1-192.0.2.3 NOKEY
    min-refresh-time: 100
    max-retry-time: 50
    min-expire-time: refresh+retry+1
    size-limit-xfr: 1000000
    notify-retry: 3
    allow-axfr-fallback: no
"#;

fn parse(text: &str) -> Configuration<'_> {
    Configuration::parse("dns.conf", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn mistake(text: &str) -> String {
    match Configuration::parse("dns.conf", text.as_bytes()) {
        Ok(_) => panic!("there is no mistake in {text}"),
        Err(error) => error.to_string(),
    }
}

/// A file with this in its one zone, and a key `k`.
fn zone(rest: &str) -> String {
    format!("key:\nname: k\nsecret: K2tf3TRjvQkVCmJF3/Z9vA==\nzone:\nname: z\n{rest}\n")
}

/// Whether a client may have the zone with this in its clause.
fn may(rest: &str, client: &str, key: Option<usize>) -> bool {
    let client: IpAddr = client.parse().expect("an address");
    allows(parse(&zone(rest)).zones()[0].provide(), client, key)
}

#[test]
fn the_example_says_what_it_says() {
    let configuration = parse(EXAMPLE);
    let keys: Vec<_> = configuration.keys().iter().map(|key| (key.name(), key.algorithm())).collect();
    let name = &b"\x08transfer\x07example\x03org\0"[..];
    assert_eq!(keys, [(name, Algorithm::Sha256), (b"\x05other\0", Algorithm::Sha512)]);
    let [first, second] = configuration.zones() else { panic!("there are two") };
    assert_eq!((first.name(), first.file()), (&b"example.org"[..], Some("zones/example.org.zone")));
    let access: Vec<_> = first.provide().iter().map(|rule| rule.access()).collect();
    assert_eq!(access, [Access::Key(0), Access::Blocked, Access::NoKey]);
    let notify: Vec<_> = first.notify().iter().map(|peer| (peer.address().to_string(), peer.key())).collect();
    assert_eq!(notify, [("192.0.2.9:5353".to_owned(), Some(0)), ("[2001:db8::9]:53".to_owned(), None)]);
    assert_eq!((first.allow_notify().len(), first.request().len(), first.size_limit()), (0, 0, None));
    assert_eq!((first.notify_retry(), first.allows_axfr_fallback()), (5, true));
    assert_eq!((second.name(), second.file()), (&b"2.0.192.in-addr.arpa."[..], None));
    let request: Vec<_> =
        second.request().iter().map(|peer| (peer.address(), peer.key(), peer.is_axfr_only())).collect();
    let [one, two] = ["192.0.2.1:53", "192.0.2.2:54"].map(|text| text.parse::<SocketAddr>().unwrap());
    assert_eq!(request, [(one, Some(1), false), (two, None, true)]);
    assert!(allows(second.allow_notify(), "192.0.2.3".parse().unwrap(), None));
    assert_eq!((second.size_limit(), second.notify_retry()), (Some(1_000_000), 3));
    assert!(!second.allows_axfr_fallback());
}

#[test]
fn times_are_kept_within_their_limits() {
    let configuration = parse(EXAMPLE);
    let [first, second] = configuration.zones() else { panic!("there are two") };
    assert_eq!(first.limit([7200, 1800, 1_209_600]), [7200, 1800, 1_209_600]);
    assert_eq!(first.limit([u32::MAX; 3]), [2_419_200, 1_209_600, u32::MAX]);
    assert_eq!(second.limit([10, 60, 100]), [100, 50, 151]);
    assert_eq!(second.limit([10, 60, 1000]), [100, 50, 1000]);
    let text = zone("min-refresh-time: 3000000\nmin-retry-time: 0\nmax-retry-time: 7\nmin-expire-time: 9");
    assert_eq!(
        parse(&text).zones()[0].limit([1, 1, 1]),
        [3_000_000, 1, 9],
        "longer than the longest unless that is said"
    );
}

#[test]
fn a_zone_is_found_by_its_name() {
    let configuration = parse(EXAMPLE);
    let found = |name: &[u8]| configuration.zone(name).map(|zone| zone.name());
    assert_eq!(found(b"\x07EXAMPLE\x03org\0"), Some(&b"example.org"[..]));
    assert_eq!(found(b"\x012\x010\x03192\x07in-addr\x04arpa\0"), Some(&b"2.0.192.in-addr.arpa."[..]));
    for name in [&b"\0"[..], b"\x03org\0", b"\x01a\x07example\x03org\0", b"\x07example", b"", b"\xc0\0"] {
        assert_eq!(found(name), None);
    }
    let root = parse("zone: name: .");
    assert_eq!(root.zone(b"\0").map(|zone| zone.name()), Some(&b"."[..]));
    assert_eq!(root.zones()[0].wire_name().unwrap().octets(), b"\0");
    assert!(parse("# nothing").zone(b"\0").is_none());
}

#[test]
fn one_rule_has_to_allow_and_none_may_block() {
    let rest = "provide-xfr: 192.0.2.0/24 k\nprovide-xfr: 192.0.2.66 BLOCKED\nprovide-xfr: 192.0.2.67 NOKEY";
    assert!(may(rest, "192.0.2.1", Some(0)) && may(rest, "192.0.2.67", Some(0)));
    assert!(may(rest, "192.0.2.67", None));
    assert!(!may(rest, "192.0.2.1", None), "the key has to sign");
    assert!(!may(rest, "192.0.2.1", Some(1)), "and no other");
    assert!(!may(rest, "192.0.2.66", Some(0)), "blocked behind what allows it");
    assert!(!may("provide-xfr: 192.0.2.1 NOKEY", "192.0.2.1", Some(0)), "NOKEY is for what is not signed");
    assert!(!may("", "192.0.2.1", None), "nobody was named");
}

#[test]
fn addresses_are_one_a_prefix_a_mask_or_a_range() {
    for (addresses, inside, outside) in [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.77/26", "192.0.2.64 192.0.2.127", "192.0.2.63 192.0.2.128 2001:db8::1"),
        ("0.0.0.0/0", "0.0.0.0 255.255.255.255 ::ffff:1.2.3.4", ":: ::1 2001:db8::1 ::fffe:1.2.3.4"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.0 192.0.2.2"),
        ("192.0.2.9&255.255.255.248", "192.0.2.8 192.0.2.15", "192.0.2.7 192.0.2.16"),
        ("192.0.2.9&0.0.0.0", "8.8.8.8", "::"),
        ("192.0.2.5-192.0.3.9", "192.0.2.5 192.0.2.255 192.0.3.9", "192.0.2.4 192.0.3.10"),
        ("2001:db8::/33", "2001:db8:: 2001:db8:7fff::", "2001:db8:8000:: 192.0.2.1"),
        ("::/0", ":: ffff:: ::1 2001:db8::1", "192.0.2.1 ::ffff:192.0.2.1"),
        ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::&ffff:ffff::", "2001:db8:1::", "2001:db9::"),
        ("2001:db8::1-2001:db8::ff", "2001:db8::1 2001:db8::ff", "2001:db8:: 2001:db8::100"),
        ("::ffff:192.0.2.0/120", "192.0.2.255 ::ffff:192.0.2.1", "192.0.3.0"),
    ] {
        let rest = format!("provide-xfr: {addresses} NOKEY");
        assert!(inside.split(' ').all(|client| may(&rest, client, None)), "{addresses}");
        assert!(!outside.split(' ').any(|client| may(&rest, client, None)), "{addresses}");
    }
    for addresses in [
        "",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.0/33",
        "192.0.2.0/",
        "192.0.2.0/x",
        "192.0.2.0/24/24",
        "::/129",
        "192.0.2.1&255.0.255.0",
        "192.0.2.1&ffff::",
        "::1&255.0.0.0",
        "192.0.2.9-192.0.2.8",
        "192.0.2.1-2001:db8::",
        "2001:db8::-192.0.2.1",
        "192.0.2.1-",
        "-",
        "/",
        "&",
        "localhost",
        "192.0.2.1%eth0",
        "::1::",
    ] {
        let told = mistake(&zone(&format!("provide-xfr: \"{addresses}\" NOKEY")));
        assert!(
            told.starts_with("dns.conf:6:14: expected an address, or addresses as in "),
            "{addresses}: {told}"
        );
    }
}

#[test]
fn keys_may_be_named_before_they_are_there() {
    let configuration = parse(
        "zone:\nname: z\nprovide-xfr: ::1 B\nprovide-xfr: ::1 a.\n\
         key: name: A secret: K2tf3TRjvQkVCmJF3/Z9vA==\nkey: name: b secret: K2tf3TRjvQkVCmJF3/Z9vA==\n",
    );
    let names: Vec<_> = configuration.keys().iter().map(|key| key.name()).collect();
    assert_eq!(names, [b"\x01b\0", b"\x01a\0"]);
    let access: Vec<_> = configuration.zones()[0].provide().iter().map(|rule| rule.access()).collect();
    assert_eq!(access, [Access::Key(0), Access::Key(1)]);
}

#[test]
fn blanks_quotation_marks_and_comments_are_as_with_nsd() {
    assert_eq!(parse("").zones().len(), 0);
    for text in [
        "\u{feff}zone:\r\n\tname:\"a\"#b\r\n",
        "zone: name: a zonefile: \"b # c'd\"",
        "zone: # x\n#\nname: a # b\n\n",
    ] {
        assert_eq!(parse(text).zones()[0].name(), b"a");
    }
    assert_eq!(parse("zone: name: a#b").zones()[0].name(), b"a#b", "a comment begins where a word could");
    assert!(mistake("zone:name: a").starts_with("dns.conf:1:1: expected key: or zone:"));
}

#[test]
fn mistakes_are_told_with_their_place_and_what_was_expected() {
    let long = "x".repeat(64);
    for (text, expected) in [
        ("server:\n", "1:1: expected key: or zone:, the clauses that are known here"),
        ("include: other.conf", "1:1: expected key: or zone:, the clauses that are known here"),
        ("  provide-xfr: 192.0.2.1 NOKEY", "1:3: expected key: or zone:, the clauses that are known here"),
        ("zone:\nname: a\npattern:", "3:1: expected name:, zonefile:, "),
        ("zone:\nname: \u{e4} x", "2:7: expected a domain name without escapes, such as example.org"),
        ("zone:\nname: a\u{e4}", "2:7: expected a domain name without escapes, such as example.org"),
        ("zone:\n \"name:\" a", "2:2: expected name:, zonefile:, "),
        ("zone:\n name: a\n zonefile: b c", "3:14: expected name:, zonefile:, "),
        (
            "key:\n name: a\n provide-xfr: ::1 NOKEY",
            "3:2: expected name:, algorithm: or secret:, all that a key has",
        ),
        ("zone:\n name: \"a", "2:8: expected a closing quotation mark for this one on the same line"),
        ("zone:\n name:\n a", "2:7: expected a value behind this, on the same line"),
        ("zone:\n name: # a", "2:7: expected a value behind this, on the same line"),
        ("zone:\n name: a\n request-xfr: AXFR", "3:19: expected a value behind this, on the same line"),
        ("zone:\n name: a\n request-xfr: ::1 # k", "3:18: expected a value behind this, on the same line"),
        ("zone: name: a name: b", "1:15: expected this once in a clause"),
        ("zone: name: a\nzone:\nzone: name: b", "2:1: expected a name: in this clause"),
        ("zone: name: a\nzone: zonefile: b", "2:1: expected a name: in this clause"),
        (
            "zone: name: a.b\nzone: name: A.B.",
            "2:13: expected another name: there is a clause of this one already",
        ),
        ("key: name: a", "1:1: expected a secret: in this clause"),
        ("key: secret: K2tf3TRjvQkVCmJF3/Z9vA==", "1:1: expected a name: in this clause"),
        ("key: algorithm: hmac-md5", "1:17: expected hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512"),
        (
            "key: algorithm: hmac-hmac-sha256",
            "1:17: expected hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512",
        ),
    ] {
        let told = mistake(text);
        assert!(told.starts_with(&format!("dns.conf:{expected}")), "{text}: {told}");
    }
    for name in [".a", "a..b", "..", "\"\"", "a\\.b", "\"a b\"", &long, &"x.".repeat(128)] {
        let told = mistake(&format!("zone: name: {name}"));
        assert_eq!(
            told, "dns.conf:1:13: expected a domain name without escapes, such as example.org",
            "{name}"
        );
    }
    for secret in
        ["K2tf3TRjvQkVCmJF3/Z9vA", "K2tf3TRjvQkVCmJF3/Z9", "\"\u{e4}\"", "=", "K2tf3TRjvQkVCmJF3/Z9v="]
    {
        let told = mistake(&format!("key: name: a secret: {secret}"));
        let expected = "expected at least 16 octets in base64, padded with = to groups of four";
        assert_eq!(told, format!("dns.conf:1:22: {expected}"));
    }
    let twice = "key: name: a secret: K2tf3TRjvQkVCmJF3/Z9vA==\n".repeat(2);
    assert_eq!(
        mistake(&twice),
        "dns.conf:2:12: expected another name: there is a clause of this one already"
    );
}

#[test]
fn mistakes_in_what_a_zone_has_are_told_too() {
    for (rest, expected) in [
        (
            "provide-xfr: 192.0.2.1@53 NOKEY",
            "6:14: expected addresses without a port: whoever asks may have any",
        ),
        (
            "provide-xfr: 192.0.2.1 other",
            "6:24: expected NOKEY, or the name of a key that this file has a key: clause",
        ),
        (
            "provide-xfr: 192.0.2.1 nokey",
            "6:24: expected NOKEY, or the name of a key that this file has a key: clause",
        ),
        ("notify: 192.0.2.1 BLOCKED", "6:19: expected NOKEY or the name of a key"),
        (
            "notify: AXFR 192.0.2.1 NOKEY",
            "6:9: expected an address, with @ and a port unless that is 53, as in ",
        ),
        (
            "notify: 192.0.2.0/24 NOKEY",
            "6:9: expected an address, with @ and a port unless that is 53, as in ",
        ),
        (
            "notify: 192.0.2.1@0 NOKEY",
            "6:9: expected an address, with @ and a port unless that is 53, as in ",
        ),
        (
            "notify: 192.0.2.1@65536 NOKEY",
            "6:9: expected an address, with @ and a port unless that is 53, as in ",
        ),
        ("notify: 192.0.2.1@ NOKEY", "6:9: expected an address, with @ and a port unless that is 53, as in "),
        (
            "request-xfr: UDP 192.0.2.1 k",
            "6:14: expected an address or AXFR: nothing is transferred over UDP here",
        ),
        ("request-xfr: 192.0.2.1 k tls", "6:26: expected name:, zonefile:, "),
        ("zonefile: /etc/z", "6:11: expected the path of a file of the data, from its root on, as in "),
        ("zonefile: %s.zone", "6:11: expected the path of a file of the data, from its root on, as in "),
        ("zonefile: \"\"", "6:11: expected the path of a file of the data, from its root on, as in "),
        ("min-refresh-time: 1h", "6:19: expected a number up to 4294967295"),
        (
            "min-refresh-time: 3\nmax-refresh-time: 2",
            "7:19: expected a least time that is no longer than the longest",
        ),
        (
            "max-retry-time: 4\nmin-retry-time: 5",
            "7:17: expected a least time that is no longer than the longest",
        ),
        (
            "min-retry-time: 5\nmax-retry-time: 4",
            "7:17: expected a least time that is no longer than the longest",
        ),
        ("min-expire-time: refresh", "6:18: expected a number up to 4294967295"),
        ("notify-retry: 256", "6:15: expected a number up to 255"),
        ("allow-axfr-fallback: maybe", "6:22: expected yes or no"),
        ("zonefile: a\nzonefile: b", "7:1: expected this once in a clause"),
    ] {
        let told = mistake(&zone(rest));
        assert!(told.starts_with(&format!("dns.conf:{expected}")), "{rest}: {told}");
    }
}

#[test]
fn there_is_a_limit_on_everything() {
    let many = |count: usize| zone(&"provide-xfr: ::1 NOKEY\n".repeat(count));
    assert_eq!(parse(&many(16)).zones()[0].provide().len(), 16);
    assert_eq!(mistake(&many(17)), "dns.conf:22:14: expected at most 16 of these in a zone");
    let keys = |count: usize| -> String {
        (0..count).map(|i| format!("key: name: k{i} secret: K2tf3TRjvQkVCmJF3/Z9vA==\n")).collect()
    };
    assert_eq!(parse(&keys(256)).keys().len(), 256);
    assert_eq!(mistake(&keys(257)), "dns.conf:257:12: expected at most 256 keys");
    let long = "#".repeat(MAX_CONFIGURATION);
    assert_eq!(parse(&long).zones().len(), 0);
    assert_eq!(mistake(&(long + "#")), "dns.conf:1:1: expected at most 1 MiB");
}

#[test]
fn tens_of_thousands_of_zones_are_read_in_a_moment() {
    let text: String = (0..30_000).map(|i| format!("zone: name: z{i}.example\n")).collect();
    let start = std::time::Instant::now();
    let configuration = parse(&text);
    assert_eq!(configuration.zones().len(), 30_000);
    assert_eq!(configuration.zone(b"\x06z29999\x07example\0").unwrap().name(), b"z29999.example");
    assert!(start.elapsed().as_secs() < 5, "each was compared with all others");
}

#[test]
fn each_allocation_may_fail_and_is_told() {
    let mut refused = 0;
    for number in 0.. {
        let (read, failed) =
            Scarcity::Nth(number).during(|| Configuration::parse("dns.conf", EXAMPLE.as_bytes()).err());
        if failed == 0 {
            assert!(read.is_none() && number > 8);
            return;
        }
        // A table of names may stay smaller than it should be.
        let told = read.map(|error| error.expected);
        assert!(told.is_none_or(|told| told == "expected more memory: the keys and zones do not fit"));
        refused += usize::from(told.is_some());
        assert!(refused > number / 2, "allocation {number}");
    }
}
