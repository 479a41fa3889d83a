//! The tests that RFC 8906 (BCP 231) has for servers, a row for each of its sections 8.1 and 8.2, and what a server tells about
//! itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

mod common;

use common::{answer, example, expect, query, text, zone};
use domain::base::iana::{Class, Rtype};
use domain::base::opt::AllOptData;
use domain::base::{Message, MessageBuilder, Name};
use std::str::FromStr;
use unik_dns::{Server, Settings, Transport};

const SOA: &str =
    "= example.org. 3600 SOA ns1.example.org. hostmaster.example.org. 2025010101 7200 1800 1209600 300";
const DENIAL: &str =
    "^ example.org. 300 SOA ns1.example.org. hostmaster.example.org. 2025010101 7200 1800 1209600 300";

/// A query as `dig` makes it: the octets of flags, a question, and an OPT record of version and flags with options.
struct Dig {
    question: &'static str,
    flags: [u8; 2],
    edns: Option<(u8, u16, &'static [u8])>,
    payload: u16,
    transport: Transport,
}

/// Neither RD nor AD, no EDNS: `+noedns +noad +norec`.
const PLAIN: Dig =
    Dig { question: "example.org SOA", flags: [0, 0], edns: None, payload: 4096, transport: Transport::UDP };

impl Dig {
    fn message(&self) -> Vec<u8> {
        let mut message = query(self.question);
        message[2..4].copy_from_slice(&self.flags);
        if let Some((version, flags, options)) = self.edns {
            message[11] = 1;
            let ([p0, p1], [f0, f1]) = (self.payload.to_be_bytes(), flags.to_be_bytes());
            message.extend([0, 0, 41, p0, p1, 0, version, f0, f1, 0, options.len() as u8]);
            message.extend_from_slice(options);
        }
        message
    }

    fn ask(&self, server: &Server) -> Vec<u8> {
        answer(server, &self.message(), self.transport).expect("RFC 8906, 3: silence is never right")
    }
}

/// Answers to one query: the text that the helper makes of it has the flags AA and TC, what EDNS says, and is checked for
/// flags that must be clear.
#[track_caller]
fn check(dig: &Dig, expected: &str) {
    let message = dig.ask(&example());
    expect(&text(&message), expected);
    let asked = dig.flags[0] & 1;
    assert_eq!(message[2] & 1, asked, "RD comes back as it came");
}

#[test]
fn section_8_1_plain_dns() {
    let plain = || Dig { ..PLAIN };
    // 8.1.1: is the server configured for the zone?
    check(&PLAIN, &format!("NOERROR aa\n{SOA}"));
    // 8.1.2: unknown types.
    check(&Dig { question: "example.org TYPE1000", ..plain() }, &format!("NOERROR aa\n{DENIAL}"));
    // 8.1.3.1 to 8.1.3.4: CD, AD, the reserved bit, RD.
    for flags in [[0, 0x10], [0, 0x20], [0, 0x40], [1, 0]] {
        check(&Dig { flags, ..plain() }, &format!("NOERROR aa\n{SOA}"));
    }
    // 8.1.5: TCP.
    check(&Dig { transport: Transport::Tcp, ..plain() }, &format!("NOERROR aa\n{SOA}"));
}

#[test]
fn section_8_1_4_unknown_opcodes() {
    // That of notices (RFC 1996) is known.
    for opcode in (1..16).filter(|opcode| *opcode != 4) {
        let mut whole = PLAIN.message();
        whole[2] = opcode << 3;
        let header = [&[1, 0x23, opcode << 3, 0][..], &[0; 8]].concat();
        for message in [whole, header] {
            let answer = answer(&example(), &message, Transport::UDP).unwrap();
            assert_eq!(answer, [&[1, 0x23, 0x80 | opcode << 3, 4][..], &[0; 8]].concat(), "opcode {opcode}");
        }
    }
}

#[test]
fn section_8_2_extended_dns() {
    let with = |edns| Dig { edns: Some(edns), ..PLAIN };
    let whole = format!("NOERROR aa\n{SOA}\nedns 0 1232");
    let bad_version = "BADVERS\nedns 0 1232";
    let unknown: &[u8] = &[0, 100, 0, 0];
    // 8.2.1: minimal EDNS.
    check(&with((0, 0, &[])), &whole);
    // 8.2.2: another version.
    check(&with((1, 0, &[])), bad_version);
    // 8.2.3: an unknown option.
    check(&with((0, 0, unknown)), &whole);
    // 8.2.4: an unknown flag.
    check(&with((0, 0x40, &[])), &whole);
    // 8.2.5 and 8.2.6: another version with an unknown flag, and with an unknown option.
    check(&with((1, 0x40, &[])), bad_version);
    check(&with((1, 0, unknown)), bad_version);
    // 8.2.8 and 8.2.9: DO, and another version with it.
    check(&with((0, 0x8000, &[])), &format!("{whole} do"));
    check(&with((1, 0x8000, &[])), &format!("{bad_version} do"));
    // 8.2.10: several options that are defined: NSID, a cookie, a subnet, EXPIRE.
    let options: &[u8] = b"\0\x03\0\0\0\x0a\0\x0812345678\0\x08\0\x04\0\x01\0\0\0\x09\0\0";
    check(&with((0, 0, options)), &whole);
    for edns in [(0, 0x40, unknown), (0, 0, unknown), (1, 0x40, unknown), (1, 0, unknown), (0, 0, options)] {
        let message = with(edns).ask(&example());
        assert_eq!(message[message.len() - 4..], [0; 4], "no unknown flag and no option comes back");
    }
}

#[test]
fn section_8_2_7_a_truncated_answer() {
    let texts: String = (0..20).map(|i| format!("@ TXT \"{i} {}\"\n", "x".repeat(100))).collect();
    let server = common::server(&[&zone(&texts)]);
    let dig = Dig { question: "example.org TXT", payload: 512, edns: Some((0, 0x8000, &[])), ..PLAIN };
    let message = dig.ask(&server);
    assert!(message.len() <= 512);
    expect(&text(&message), "NOERROR aa tc\nedns 0 1232 do");
}

fn configured(settings: Settings) -> Server {
    let mut server = example();
    server.configure(settings);
    server
}

/// Asks in the class CHAOS; the code, and the text of the answer.
fn chaos(server: &Server, name: &str, kind: Rtype) -> (u8, String) {
    let mut message = MessageBuilder::new_vec().question();
    message.push((Name::<Vec<u8>>::from_str(name).unwrap(), kind, Class::CH)).unwrap();
    let message = answer(server, &message.finish(), Transport::UDP).unwrap();
    assert_eq!(message[2] & 4, 0, "nobody is an authority for CHAOS");
    let parsed = Message::from_octets(&message).unwrap();
    let text = parsed.answer().unwrap().map(|record| {
        let record = record.unwrap();
        assert_eq!((record.class(), record.rtype(), record.ttl().as_secs()), (Class::CH, Rtype::TXT, 0));
        let record = record.into_record::<domain::rdata::Txt<_>>().unwrap().unwrap();
        record.data().to_string()
    });
    (message[3], text.collect())
}

#[test]
fn a_server_tells_its_version_and_name_to_those_who_ask() {
    let server = configured(Settings { version: "unik", id: "ns7", ..Settings::default() });
    for (name, told) in [
        ("version.bind", "\"unik\""),
        ("VERSION.server", "\"unik\""),
        ("hostname.bind", "\"ns7\""),
        ("id.Server", "\"ns7\""),
    ] {
        for kind in [Rtype::TXT, Rtype::ANY] {
            assert_eq!(chaos(&server, name, kind), (0, told.to_owned()), "{name}");
        }
        assert_eq!(chaos(&server, name, Rtype::A), (5, String::new()), "{name}");
    }
    for name in ["version", "x.version.bind", "authors.bind", "example.org", "."] {
        assert_eq!(chaos(&server, name, Rtype::TXT), (5, String::new()), "{name}");
    }
}

#[test]
fn what_the_operator_does_not_tell_is_refused() {
    for name in ["version.bind", "id.server"] {
        assert_eq!(chaos(&example(), name, Rtype::TXT), (5, String::new()));
    }
}

/// The options of the answer to a query with `options`, as their codes and data.
fn options(
    server: &Server,
    question: &str,
    class: u16,
    options: &[u8],
    transport: Transport,
) -> Vec<(u16, Vec<u8>)> {
    let mut query = query(question);
    let end = query.len();
    query[end - 2..].copy_from_slice(&class.to_be_bytes());
    query[11] = 1;
    query.extend([0, 0, 41, 16, 0, 0, 0, 0, 0, 0, options.len() as u8]);
    query.extend_from_slice(options);
    let message = answer(server, &query, transport).unwrap();
    let opt = Message::from_octets(&message).unwrap().opt().expect("an OPT record");
    let found = opt.opt().iter::<AllOptData<_, _>>().map(|option| match option.unwrap() {
        AllOptData::Nsid(id) => (3, id.as_slice().to_vec()),
        AllOptData::TcpKeepalive(time) => (11, u16::from(time.timeout().unwrap()).to_be_bytes().to_vec()),
        AllOptData::ExtendedError(error) => {
            assert!(error.text().is_none());
            (15, error.code().to_int().to_be_bytes().to_vec())
        }
        other => panic!("{other:?}"),
    });
    found.collect()
}

#[test]
fn the_name_of_the_server_comes_as_an_option_to_those_who_ask() {
    let server = configured(Settings { id: "ns7", ..Settings::default() });
    let nsid = [0, 3, 0, 0];
    let ask = |server, question| options(server, question, 1, &nsid, Transport::UDP);
    assert_eq!(ask(&server, "mail.example.org A"), [(3, b"ns7".to_vec())]);
    assert_eq!(ask(&server, "example.com A"), [(3, b"ns7".to_vec()), (15, vec![0, 20])]);
    assert_eq!(ask(&example(), "mail.example.org A"), []);
    assert_eq!(options(&server, "mail.example.org A", 1, &[], Transport::UDP), []);
}

#[test]
fn a_connection_is_told_how_long_it_is_kept_and_a_datagram_is_not() {
    let ask = |option: &[u8], transport| options(&example(), "mail.example.org A", 1, option, transport);
    assert_eq!(ask(&[0, 11, 0, 0], Transport::Tcp), [(11, vec![0, 100])], "10 s in units of 100 ms");
    assert_eq!(ask(&[0, 11, 0, 0], Transport::UDP), []);
    assert_eq!(ask(&[0, 11, 0, 2, 0, 1], Transport::Tcp), [], "RFC 7828, 3.1: a client tells no time");
    assert_eq!(ask(&[], Transport::Tcp), []);
}

#[test]
fn why_there_is_no_answer_is_told_to_those_who_use_edns() {
    let mut server = example();
    server.add_failed(b"broken.test").unwrap();
    for (question, class, reason) in [
        ("example.com A", 1, 20),
        ("x.broken.test A", 1, 14),
        ("example.org A", 4, 21),
        ("example.org AXFR", 1, 18),
        ("version.bind TXT", 3, 18),
        ("authors.bind TXT", 3, 21),
    ] {
        assert_eq!(
            options(&server, question, class, &[], Transport::UDP),
            [(15, vec![0, reason])],
            "{question}"
        );
    }
}

#[test]
fn what_does_not_fit_is_an_option_less_and_no_record_less() {
    // 12 + 21 + 10 * 16 octets, and 11 for OPT: 204. With the name of the server, 208 + 64.
    let addresses: String = (0..20).map(|i| format!("big A 10.0.0.{i}\n")).collect();
    let mut server = common::server(&[&zone(&addresses)]);
    server.configure(Settings { id: "i".repeat(64).leak(), ..Settings::default() });
    let mut longest = [vec![63], vec![b'q'; 63]].concat().repeat(3);
    longest.extend([vec![49], vec![b'q'; 49]].concat());
    longest.extend(b"\x07example\x03org\0");
    assert_eq!(longest.len(), 255);
    let mut query = b"\0\x01\0\0\0\x01\0\0\0\0\0\x01".to_vec();
    query.extend_from_slice(&longest);
    query.extend(b"\0\x01\0\x01\0\0\x29\x02\0\0\0\0\0\0\x04\0\x03\0\0");
    let message = answer(&server, &query, Transport::UDP).unwrap();
    assert!(message.len() <= 512);
    assert!(text(&message).starts_with("NXDOMAIN aa\n^ example.org."));
}

#[test]
fn a_question_for_all_classes_is_answered_from_one_that_is_no_authority_for_all() {
    let all = |question| {
        let mut query = query(question);
        *query.last_mut().unwrap() = 255;
        text(&answer(&example(), &query, Transport::UDP).unwrap())
    };
    expect(&all("mail.example.org A"), "NOERROR\n= mail.example.org. 3600 A 192.0.2.25");
    expect(&all("mail.example.org TXT"), "NOERROR");
    expect(&all("no.example.org TXT"), "NXDOMAIN");
    assert!(all("x.lab.example.org A").starts_with("NOERROR\n^ lab.example.org. 86400 NS"));
    expect(&all("example.com A"), "REFUSED");
}
