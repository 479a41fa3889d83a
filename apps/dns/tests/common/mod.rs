//! Questions as text and answers as text, read by another implementation of DNS than ours.
#![allow(dead_code, reason = "each test file uses its part")]

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, ParsedName, Record, ToName};
use domain::rdata::AllRecordData;
use std::fmt::Write;
use std::str::FromStr;
use unik_dns::{Moment, Origin, Server, Transport, Zone};

/// A server of one zone per text.
pub(crate) fn server(zones: &[&str]) -> Server {
    let mut server = Server::new();
    for zone in zones {
        let zone = Zone::parse("test.zone", zone.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        server.add(zone).unwrap_or_else(|error| panic!("{error}"));
    }
    server
}

/// A server of the example zones.
pub(crate) fn example() -> Server {
    server(&[
        include_str!("../../zones/example.org.zone"),
        include_str!("../../zones/2.0.192.in-addr.arpa.zone"),
    ])
}

/// A zone `example.org` of the usual beginning and `rest`.
pub(crate) fn zone(rest: &str) -> String {
    format!(
        "$ORIGIN example.org.\n$TTL 1h\n@ SOA ns hostmaster 1 2h 30m 2w 5m\n@ NS ns\nns A 192.0.2.53\n{rest}\n"
    )
}

/// A record of every type that is no part of the usual beginning.
pub(crate) const EVERY_TYPE: &str = r#"
@ RRSIG SOA 13 2 3600 20030322173103 20030220173103 2642 @ oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr
@ DNSKEY 257 3 ECDSAP256SHA256 AwEAAQ==
@ CDS 0 0 0 00
@ CDNSKEY 0 3 0 AA==
@ NSEC3PARAM 1 0 0 -
@ CSYNC 66 3 A NS AAAA
@ ZONEMD 1 1 1 00112233445566778899aabb
@ NSEC a A MX TYPE1234
@ HTTPS 1 . mandatory=alpn alpn="h2,h3" ipv4hint=192.0.2.1 ech=AAEC
@ SPF "v=spf1 -all"
2t7b4g4vsa5smi47k61mv5bv1a22bojr NSEC3 1 1 12 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA
sub NS ns.sub
sub DS 12345 8 2 CAFE
ns.sub AAAA 2001:db8::1
d DNAME elsewhere.
c CNAME a
c NSEC d CNAME RRSIG NSEC
c RRSIG CNAME 8 3 5 4 3 2 example.org. AA==
a HINFO "a b" c
a RP admin.a a
a AFSDB 1 a
a KX 1 a
a PTR a
a SRV 0 5 443 a
a NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .
a URI 10 1 "https://example.org/"
a CAA 0 issue "ca.example.net"
a SSHFP 4 2 0123456789abcdef
a TLSA 3 1 1 0a0b
a SMIMEA 3 0 0 abcd
a OPENPGPKEY AAECAw==
a DHCID AAIB
a KEY 256 3 5 AAA=
a EUI48 00-00-5e-00-53-2a
a EUI64 00-00-5e-ef-10-00-00-2a
a LOC 42 21 54 N 71 06 18 W -24m 30m
a SVCB 16 a port=853 key667="x"
a TYPE65280 \# 3 abcdef
a TYPE15 \# 5 000a 0161 00
"#;

/// A query for `question`, written `name TYPE`, with identifier 0x0123 and RD set.
pub(crate) fn query(question: &str) -> Vec<u8> {
    let (name, kind) = question.split_once(' ').expect("a name and a type");
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(0x0123);
    message.header_mut().set_rd(true);
    let mut message = message.question();
    let name = Name::<Vec<u8>>::from_str(name).expect("a name");
    message.push((name, Rtype::from_str(kind).expect("a type"), Class::IN)).expect("room");
    message.finish()
}

/// The same with an OPT record.
pub(crate) fn query_with_edns(question: &str, payload: u16, version: u8, dnssec_ok: bool) -> Vec<u8> {
    let mut query = query(question);
    query[11] = 1;
    let [p0, p1] = payload.to_be_bytes();
    query.extend([0, 0, 41, p0, p1, 0, version, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    query
}

/// Somebody who asks by `transport`.
pub(crate) fn origin(transport: Transport) -> Origin<'static> {
    Origin { client: [192, 0, 2, 99].into(), transport, clock: &Moment::START }
}

/// The answer to `query`, if there is one.
pub(crate) fn answer(server: &Server, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let mut out = vec![0xa5; 65_535];
    let length = server.answer(query, &origin(transport), &mut out)?;
    out.truncate(length);
    Some(out)
}

/// Asks over UDP without EDNS, and gives the answer as text.
pub(crate) fn ask(server: &Server, question: &str) -> String {
    text(&answer(server, &query(question), Transport::UDP).expect("an answer"))
}

/// Asks over TCP.
pub(crate) fn ask_tcp(server: &Server, question: &str) -> String {
    text(&answer(server, &query(question), Transport::Tcp).expect("an answer"))
}

/// A message as text: its code and flags, then a line for each record, `=`, `^` or `+` standing for answer, authority and
/// additional section, then what EDNS says.
pub(crate) fn text(message: &[u8]) -> String {
    let message = Message::from_octets(message).expect("a header");
    let header = message.header();
    assert!(header.qr() && !header.ra() && !header.ad() && !header.cd() && !header.z());
    let mut out = String::new();
    let opt = message.opt();
    let code = opt.as_ref().map_or_else(|| header.rcode().into(), |opt| opt.rcode(header));
    write!(out, "{code}").expect("text");
    if header.aa() {
        out.push_str(" aa");
    }
    if header.tc() {
        out.push_str(" tc");
    }
    out.push('\n');
    assert!(message.question().count() <= 1);
    let Ok((_, answer, authority, additional)) = message.sections() else { panic!("broken sections") };
    for (sign, section) in [('=', answer), ('^', authority), ('+', additional)] {
        for record in section {
            let record = record.expect("a record");
            if record.rtype() == Rtype::OPT {
                assert_eq!(sign, '+');
                continue;
            }
            let record: Record<ParsedName<_>, AllRecordData<_, ParsedName<_>>> =
                record.into_any_record().expect("data");
            assert_eq!(record.class(), Class::IN);
            let (owner, ttl) = (record.owner(), record.ttl().as_secs());
            writeln!(out, "{sign} {} {ttl} {} {}", owner.fmt_with_dot(), record.rtype(), record.data())
                .expect("text");
        }
    }
    if let Some(opt) = opt {
        let dnssec_ok = if opt.dnssec_ok() { " do" } else { "" };
        writeln!(out, "edns {} {}{dnssec_ok}", opt.version(), opt.udp_payload_size()).expect("text");
    }
    out
}

/// The text of a message with its records sorted by section, and without what EDNS says.
pub(crate) fn sorted(message: &[u8]) -> String {
    let text = text(message);
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("edns")).map(plain).collect();
    let rank = |line: &String| "=^+".find(&line[..1]).map_or(0, |place| place + 1);
    lines.sort_by(|one, other| (rank(one), one).cmp(&(rank(other), other)));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A line without the dot behind the last name, which some types are shown without.
pub(crate) fn plain(line: &str) -> String {
    line.strip_suffix('.').unwrap_or(line).to_owned()
}

/// The code of a message without a question section, for those with nothing but a header.
pub(crate) fn code(message: &[u8]) -> Rcode {
    Message::from_octets(message).expect("a header").header().rcode()
}

/// Compares an answer with what it should be; lines are trimmed, so that tests can indent.
#[track_caller]
pub(crate) fn expect(answer: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(lines(answer), lines(expected), "\nthe answer was:\n{answer}");
}
