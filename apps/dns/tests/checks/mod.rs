//! What must hold for any bytes whatever: used by the tests of hostile input and by the fuzz targets.

use domain::base::iana::{OptRcode, Rcode};
use domain::base::{Message, Name, ParsedName};
use domain::rdata::AllRecordData;
use std::str::FromStr;
use unik_dns::{Moment, Origin, Server, Transport, Zone};

/// Somebody who sends messages by `transport`.
pub(crate) fn origin(transport: Transport) -> Origin<'static> {
    Origin { client: [192, 0, 2, 99].into(), transport, clock: &Moment::START }
}

/// Hands `message` to `server` over each transport, and checks whatever comes back.
pub(crate) fn message(server: &Server, message: &[u8]) {
    let small = Transport::Udp { limit: 600 };
    for (transport, limit) in
        [(Transport::UDP, 1232), (small, 600), (Transport::Udp { limit: 0 }, 512), (Transport::Tcp, 65_535)]
    {
        let mut out = vec![0xa5; limit + 100];
        let Some(length) = server.answer(message, &origin(transport), &mut out) else {
            assert!(message.len() < 12 || message[2] & 0x80 != 0, "silence is for responses and fragments");
            continue;
        };
        assert!(length <= limit);
        assert_eq!(out[limit..], [0xa5; 100], "nothing is written behind the limit");
        let answer = &out[..length];
        let mut place = vec![0x5a; (limit + 100).max(message.len())];
        place[..message.len()].copy_from_slice(message);
        assert_eq!(server.answer_in_place(&mut place, message.len(), &origin(transport)), Some(length));
        assert_eq!(place[..length], *answer, "in its own place the answer is the same");
        assert_eq!(answer[..2], message[..2], "the identifier comes back");
        // QR is set, the opcode and RD come back; Z, AD, CD and RA are clear.
        assert_eq!(answer[2] & 0xf9, 0x80 | message[2] & 0x79);
        assert_eq!(answer[3] & 0xf0, 0);
        check_records(answer, message);
    }
}

fn check_records(answer: &[u8], query: &[u8]) {
    let parsed = Message::from_octets(answer).expect("a header");
    let mut questions = parsed.question();
    let asked = questions.next().map(|question| question.expect("a question"));
    assert!(questions.next().is_none());
    if asked.is_some() {
        let end = 12 + answer[12..].len().min(query.len() - 12);
        let echoed = answer[12..end].iter().zip(&query[12..]).take_while(|(a, b)| a == b).count();
        assert!(echoed >= 5, "the question comes back octet by octet");
    } else {
        assert_eq!(answer.len(), 12, "without a question there is nothing but a header");
        return;
    }
    let (_, answers, authorities, additional) = parsed.sections().expect("sections");
    for record in answers.chain(authorities).chain(additional) {
        let record = record.expect("a record");
        let kind = record.rtype();
        let data = record.into_any_record::<AllRecordData<_, ParsedName<_>>>();
        assert!(data.is_ok(), "the data of {kind}: {:?}", data.err());
    }
    let is_empty = parsed.header_counts().ancount() == 0 && parsed.header_counts().nscount() == 0;
    let header = parsed.header();
    assert!(
        !is_empty || header.rcode() != Rcode::NOERROR || header.tc() || opt_code(answer),
        "it says something"
    );
}

/// Whether the code of the answer is one that stands in the OPT record.
fn opt_code(answer: &[u8]) -> bool {
    let parsed = Message::from_octets(answer).expect("a header");
    parsed.opt().is_some_and(|opt| opt.rcode(parsed.header()) == OptRcode::BADVERS)
}

/// Reads `bytes` as a master file, which may include its own second half. A mistake has a place in the file; a zone answers
/// for its own name.
pub(crate) fn master_file(bytes: &[u8]) {
    let half = &bytes[bytes.len() / 2..];
    let include = |path: &str| match path {
        "fuzz.zone" => Some(("fuzz.zone", bytes)),
        "half" => Some(("half", half)),
        _ => None,
    };
    let zone = match Zone::read("fuzz.zone", bytes, &include) {
        Ok(zone) => zone,
        Err(error) => {
            let bytes = if error.file == "half" { half } else { bytes };
            let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
            let line = lines.get(error.line as usize - 1).expect("the line is in the file");
            assert!((1..=line.len() + 1).contains(&(error.column as usize)), "so is the column");
            assert!(error.to_string().contains(&format!("{}:", error.file)));
            return;
        }
    };
    assert!(zone.records() >= 2);
    let name: Name<Vec<u8>> = Name::from_str(&zone.name().to_string()).expect("the name reads back");
    let serial = zone.serial();
    let mut server = Server::new();
    assert!(server.add(zone).is_ok());
    let mut query = b"\0\x01\0\0\0\x01\0\0\0\0\0\0".to_vec();
    query.extend_from_slice(name.as_slice());
    query.extend_from_slice(&[0, 6, 0, 1]);
    message(&server, &query);
    let mut out = [0; 65_535];
    let length = server.answer(&query, &origin(Transport::Tcp), &mut out).expect("an answer");
    let soa = out[..length].windows(4).any(|octets| octets == serial.to_be_bytes());
    assert!(soa && out[2] & 0x04 != 0 && out[7] == 1, "the SOA record answers");
    // All other types, and a name below.
    for kind in (1..66_u16).chain([99, 108, 109, 255, 256, 257, 65_280]) {
        let end = query.len() - 4;
        query[end..end + 2].copy_from_slice(&kind.to_be_bytes());
        message(&server, &query);
        let mut below = query.clone();
        below.splice(12..12, *b"\x01*");
        message(&server, &below);
    }
}
