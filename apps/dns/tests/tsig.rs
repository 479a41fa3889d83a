//! TSIG: what a server and a client make of signed messages, of which some are made and all are read by another implementation.

mod signing;

use domain::base::iana::{Class, Rcode, Rtype, TsigRcode};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::tsig::Time48;
use domain::tsig::{self as other, ClientSequence, ClientTransaction, ServerSequence, ServerTransaction};
use signing::*;
use std::str::FromStr;
use unik_dns::tsig::{Algorithm, Key, Request, Signer, Unverified, Verifier, check, error};

/// The algorithms that the other implementation has.
const ALGORITHMS: [(Algorithm, other::Algorithm); 3] = [
    (Algorithm::Sha256, other::Algorithm::Sha256),
    (Algorithm::Sha384, other::Algorithm::Sha384),
    (Algorithm::Sha512, other::Algorithm::Sha512),
];

fn others_key(algorithm: other::Algorithm) -> other::Key {
    let name = other::KeyName::from_str("Transfer.example.org").expect("a name");
    other::Key::new(algorithm, SECRET, name, None, None).expect("a key")
}

fn others_now() -> Time48 {
    Time48::from_u64(NOW)
}

fn parsed(message: &[u8]) -> Message<Vec<u8>> {
    Message::from_octets(message.to_vec()).expect("a header")
}

fn signer(message: &[u8], keys: &[Key], now: u64) -> Signer {
    match check(message, keys, now) {
        Request::Signed(signer) => signer,
        other => panic!("{}", text(&other)),
    }
}

fn text(request: &Request) -> String {
    match request {
        Request::Unsigned => "unsigned".to_owned(),
        Request::Malformed => "malformed".to_owned(),
        Request::Signed(_) => "signed".to_owned(),
        Request::Refused(refusal) => format!("refused {}", refusal.error()),
    }
}

/// What becomes of a request with `fields`.
fn checked(fields: &Fields) -> String {
    text(&check(&fields.sign(&[], false, &request()).0, &[key(Algorithm::Sha256)], NOW))
}

/// `message` as `signer` signs it.
fn sign(signer: &mut Signer, keys: &[Key], message: &[u8]) -> Vec<u8> {
    let mut buffer = roomy(message);
    let length = signer.sign(keys, &mut buffer, message.len(), NOW).expect("there is room");
    assert_eq!(length, message.len() + signer.room(keys));
    assert!(buffer[length..].iter().all(|octet| *octet == 0xa5), "nothing is written behind it");
    buffer.truncate(length);
    buffer
}

/// What answers a request that is refused, and the code of the refusal.
fn refused(message: &[u8], keys: &[Key], now: u64) -> (u16, Vec<u8>) {
    let Request::Refused(refusal) = check(message, keys, now) else { panic!("it is not refused") };
    let mut buffer = roomy(&message[..refusal.kept()]);
    let length = refusal.answer(keys, &mut buffer, now).expect("there is room");
    buffer.truncate(length);
    (refusal.error(), buffer)
}

#[test]
fn a_request_of_another_implementation_is_verified_and_its_answer_accepted_there() {
    for (ours, theirs) in ALGORITHMS {
        let mut message = MessageBuilder::new_vec().question();
        message.header_mut().set_id(0xcafe);
        message.push((Name::<Vec<u8>>::from_str("example.org").unwrap(), Rtype::SOA, Class::IN)).unwrap();
        let mut message = message.additional();
        let client = ClientTransaction::request(others_key(theirs), &mut message, others_now()).unwrap();
        let request = message.finish();
        let keys = [Key::try_new(b"\0", ours, SECRET).unwrap(), key(ours)];
        let mut signer = signer(&request, &keys, NOW + 300);
        assert_eq!(signer.key(), 1);
        let mut plain = answer(b'x');
        plain[..2].copy_from_slice(&request[..2]);
        let mut answer = parsed(&sign(&mut signer, &keys, &plain));
        client.answer(&mut answer, others_now()).expect("the answer is right");
        assert!(answer.as_slice().starts_with(&plain), "without the record, as it was");
    }
}

#[test]
fn a_request_of_ours_is_verified_by_another_implementation_and_its_answer_here() {
    for (ours, theirs) in ALGORITHMS {
        let key = key(ours);
        let (request, mut verifier) = signed_request(&key, NOW);
        assert_eq!(request.len(), signing::request().len() + key.room());
        let mut request = parsed(&request);
        let server = ServerTransaction::request(&others_key(theirs), &mut request, others_now());
        let server = server.ok().flatten().expect("the request is right");
        let mut message =
            MessageBuilder::new_vec().start_answer(&request, Rcode::NOERROR).unwrap().additional();
        server.answer(&mut message, others_now()).unwrap();
        let answer = message.finish();
        assert_eq!(verifier.verify(&key, &answer, NOW), Ok(signing::request().len()));
        assert!(verifier.is_complete());
    }
}

#[test]
fn an_algorithm_that_the_other_implementation_lacks_works_between_us() {
    let keys = [key(Algorithm::Sha224)];
    let (request, mut verifier) = signed_request(&keys[0], NOW);
    let answer = sign(&mut signer(&request, &keys, NOW), &keys, &answer(b'x'));
    assert!(verifier.verify(&keys[0], &answer, NOW).is_ok());
}

#[test]
fn the_messages_of_a_transfer_are_accepted_by_another_implementation_in_their_order() {
    let mut message = MessageBuilder::new_vec().question().additional();
    let mut client =
        ClientSequence::request(others_key(other::Algorithm::Sha256), &mut message, others_now()).unwrap();
    let (request, keys) = (message.finish(), [key(Algorithm::Sha256)]);
    let mut signer = signer(&request, &keys, NOW);
    for text in 0..5 {
        let mut plain = answer(text);
        plain[..2].copy_from_slice(&request[..2]);
        let mut signed = parsed(&sign(&mut signer, &keys, &plain));
        client.answer(&mut signed, others_now()).expect("the message is right");
    }
    client.done().expect("the last was signed");
}

#[test]
fn the_messages_of_a_transfer_from_another_implementation_are_accepted_in_their_order() {
    let key = key(Algorithm::Sha512);
    let (request, mut verifier) = signed_request(&key, NOW);
    let mut request = parsed(&request);
    let server = ServerSequence::request(&others_key(other::Algorithm::Sha512), &mut request, others_now());
    let mut server = server.ok().flatten().expect("the request is right");
    let mut messages = Vec::new();
    for _ in 0..3 {
        let mut message =
            MessageBuilder::new_vec().start_answer(&request, Rcode::NOERROR).unwrap().additional();
        server.answer(&mut message, others_now()).unwrap();
        messages.push(message.finish());
    }
    // The second is not believed before the first.
    assert_eq!(verifier.verify(&key, &messages[1], NOW), Err(Unverified::BadSignature));
    for message in &messages {
        assert!(verifier.verify(&key, message, NOW).is_ok());
    }
    assert_eq!(verifier.verify(&key, &messages[2], NOW), Err(Unverified::BadSignature), "not twice");
}

#[test]
fn a_message_that_is_not_signed_is_none_of_tsigs_business() {
    assert_eq!(text(&check(&request(), &[], NOW)), "unsigned");
    let (mut buffer, length) = (vec![0; 60], request().len());
    buffer[..length].copy_from_slice(&request());
    assert_eq!(text(&check(&buffer, &[], NOW)), "malformed", "octets behind the message");
    assert!(Verifier::sign(&key(Algorithm::Sha256), &mut buffer, length, NOW).is_none(), "no room");
    assert_eq!(buffer[..length], request(), "nothing is changed then");
    assert!(Verifier::sign(&key(Algorithm::Sha256), &mut [0; 500], 11, NOW).is_none(), "no header");
}

#[test]
fn the_record_is_the_last_one_and_there_is_one() {
    let keys = [key(Algorithm::Sha256)];
    let (signed, _) = Fields::default().sign(&[], false, &request());
    assert_eq!(text(&check(&signed, &keys, NOW)), "signed");
    let (twice, _) = Fields::default().sign(&[], false, &signed);
    assert_eq!(text(&check(&twice, &keys, NOW)), "malformed");
    let mut not_last = [&signed[..], &[0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]].concat();
    not_last[11] += 1;
    assert_eq!(text(&check(&not_last, &keys, NOW)), "malformed");
    for count in [7, 9] {
        let mut elsewhere = signed.clone();
        (elsewhere[11], elsewhere[count]) = (0, 1);
        assert_eq!(text(&check(&elsewhere, &keys, NOW)), "malformed", "it is additional");
    }
    for fields in [
        Fields { class: 1, ..Fields::default() },
        Fields { ttl: 1, ..Fields::default() },
        Fields { algorithm: b"\xc0\x0c".to_vec(), ..Fields::default() },
        Fields { algorithm: Vec::new(), ..Fields::default() },
    ] {
        assert_eq!(checked(&fields), "malformed");
    }
}

#[test]
fn names_count_without_their_case_and_the_owner_may_be_compressed() {
    let names = Fields { name: NAME.to_ascii_uppercase(), ..Fields::default() };
    assert_eq!(checked(&names), "signed");
    assert_eq!(checked(&Fields { algorithm: b"\x0bHMAC-Sha256\0".to_vec(), ..names }), "signed");
    // The MAC is that of the name written in full.
    let (mut signed, _) = Fields::default().sign(&[], false, &request());
    let begin = request().len();
    signed.splice(begin + 9..begin + NAME.len(), [0xc0, 12]);
    assert_eq!(text(&check(&signed, &[key(Algorithm::Sha256)], NOW)), "signed");
}

#[test]
fn another_identifier_than_the_original_one_does_no_harm() {
    // RFC 8945, 4.2: whoever forwards a message gives it one of its own.
    let keys = [key(Algorithm::Sha256)];
    let (mut signed, mut verifier) = signed_request(&keys[0], NOW);
    signed[..2].copy_from_slice(&[0xbe, 0xef]);
    let mut signer = signer(&signed, &keys, NOW);
    let mut plain = answer(b'x');
    plain[..2].copy_from_slice(&[0xbe, 0xef]);
    let mut answer = sign(&mut signer, &keys, &plain);
    assert_eq!(answer[answer.len() - 6..], [0x12, 0x34, 0, 0, 0, 0]);
    answer[..2].copy_from_slice(&[0x12, 0x34]);
    assert_eq!(verifier.verify(&keys[0], &answer, NOW), Ok(plain.len()));
}

#[test]
fn a_key_that_nobody_knows_is_refused_without_a_signature() {
    let (signed, mut verifier) = signed_request(&key(Algorithm::Sha256), NOW);
    let elsewhere = Key::try_new(b"\x05other\0", Algorithm::Sha256, SECRET).unwrap();
    for keys in [&[][..], &[elsewhere], &[key(Algorithm::Sha512)]] {
        let (code, answer) = refused(&signed, keys, NOW);
        assert_eq!(code, error::BAD_KEY);
        assert_eq!(answer[..12], [0x12, 0x34, 0x81, 9, 0, 1, 0, 0, 0, 0, 0, 1], "NOTAUTH");
        assert_eq!(answer[12..29], request()[12..]);
        let parsed = parsed(&answer);
        let record = parsed.additional().unwrap().next().unwrap().unwrap();
        assert_eq!(
            (record.owner().to_string().as_str(), record.class()),
            ("transfer.example.org", Class::ANY)
        );
        let record = record.into_record::<domain::rdata::Tsig<_, _>>().unwrap().unwrap();
        assert_eq!((record.data().error(), record.data().mac_slice()), (TsigRcode::BADKEY, &[][..]));
        let expected = Err(Unverified::Told(error::BAD_KEY));
        assert_eq!(verifier.verify(&key(Algorithm::Sha256), &answer, NOW), expected);
    }
    assert_eq!(checked(&Fields { algorithm: b"\x08hmac-md5\0".to_vec(), ..Fields::default() }), "refused 17");
}

#[test]
fn the_name_of_an_unknown_key_comes_back_in_full_even_if_it_was_compressed() {
    // It points into a record that the answer does not have.
    let mut message = request();
    message[11] = 1;
    message.extend(b"\x05other\0\0\x10\0\x01\0\0\0\0\0\0");
    let (signed, _) =
        Fields { name: b"\x03one\xc0\x1d".to_vec(), ..Fields::default() }.sign(&[], false, &message);
    let (code, answer) = refused(&signed, &[], NOW);
    assert_eq!(code, error::BAD_KEY);
    assert_eq!(answer[29..43], *b"\x03one\x05other\0\0\xfa\0");
}

#[test]
fn a_wrong_secret_is_refused_without_a_signature() {
    let (signed, mut verifier) = signed_request(&key(Algorithm::Sha256), NOW);
    let keys = [Key::try_new(NAME, Algorithm::Sha256, b"something else").unwrap()];
    let (code, answer) = refused(&signed, &keys, NOW);
    assert_eq!(code, error::BAD_SIGNATURE);
    let expected = Err(Unverified::Told(error::BAD_SIGNATURE));
    assert_eq!(verifier.verify(&key(Algorithm::Sha256), &answer, NOW), expected);
}

#[test]
fn clocks_may_be_apart_by_the_fudge_and_the_refusal_tells_the_time() {
    for (time, fudge, expected) in [
        (NOW - 300, 300, "signed"),
        (NOW + 300, 300, "signed"),
        (NOW - 301, 300, "refused 18"),
        (NOW + 301, 300, "refused 18"),
        (NOW - 1, 0, "refused 18"),
        (0, 65_535, "refused 18"),
        ((1 << 48) - 1, 300, "refused 18"),
    ] {
        assert_eq!(checked(&Fields { time, fudge, ..Fields::default() }), expected);
    }
    let keys = [key(Algorithm::Sha256)];
    let (signed, mut verifier) = signed_request(&keys[0], NOW);
    let (code, answer) = refused(&signed, &keys, NOW + 1000);
    assert_eq!(code, error::BAD_TIME);
    // The client finds it good at its own time, and so is told that of the server.
    assert_eq!(verifier.verify(&keys[0], &answer, NOW), Err(Unverified::RefusedTime(NOW + 1000)));
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(verifier.verify(&keys[0], &forged, NOW), Err(Unverified::BadSignature));
}

#[test]
fn a_mac_that_is_cut_is_refused_as_far_as_it_is_one() {
    for (mac, expected) in [
        (33, "malformed"),
        (32, "signed"),
        (31, "refused 22"),
        (16, "refused 22"),
        (15, "malformed"),
        (0, "malformed"),
    ] {
        assert_eq!(checked(&Fields { mac, ..Fields::default() }), expected, "{mac} octets");
    }
    let late = Fields { mac: 20, time: NOW - 999, ..Fields::default() };
    assert_eq!(checked(&late), "refused 18", "the time is looked at before");
    // The refusal is signed, with the MAC of the request as it came.
    let keys = [key(Algorithm::Sha256)];
    let (signed, mac) = Fields { mac: 20, ..Fields::default() }.sign(&[], false, &request());
    let (_, answer) = refused(&signed, &keys, NOW);
    let mut plain = request();
    plain[2..4].copy_from_slice(&[0x81, 9]);
    assert_eq!(Fields { error: 22, ..Fields::default() }.sign(&prior(&mac), false, &plain).0, answer);
}

#[test]
fn a_refusal_that_does_not_fit_is_none() {
    let (signed, _) = signed_request(&key(Algorithm::Sha256), NOW);
    let Request::Refused(refusal) = check(&signed, &[], NOW) else { panic!("it is not refused") };
    let (_, answer) = refused(&signed, &[], NOW);
    for room in 0..answer.len() {
        let mut buffer = signed.clone();
        buffer.truncate(room);
        assert_eq!(refusal.answer(&[], &mut buffer, NOW), None);
    }
    // It is shorter than the request: it fits where that stands.
    let mut place = signed;
    assert_eq!(refusal.answer(&[], &mut place, NOW), Some(answer.len()));
    assert_eq!(place[..answer.len()], answer);
}

#[test]
fn up_to_99_messages_between_two_signed_ones_need_no_signature() {
    let key = key(Algorithm::Sha256);
    let (signed, mut verifier) = signed_request(&key, NOW);
    assert_eq!(verifier.verify(&key, &answer(0), NOW), Err(Unverified::Unsigned), "the first does");
    assert!(!verifier.is_complete());
    let request_mac = prior(mac(&signed, 32));
    let (first, mac) = Fields::default().sign(&request_mac, false, &answer(0));
    assert_eq!(verifier.verify(&key, &first, NOW), Ok(answer(0).len()));
    let mut before = prior(&mac);
    for text in 0..99 {
        assert_eq!(verifier.verify(&key, &answer(text), NOW), Ok(answer(0).len()));
        assert!(!verifier.is_complete(), "the last does too");
        before.extend(answer(text));
    }
    assert_eq!(verifier.verify(&key, &answer(99), NOW), Err(Unverified::Unsigned), "one too many");
    let (last, mac) = Fields::default().sign(&before, true, &answer(99));
    assert_eq!(verifier.clone().verify(&key, &last, NOW + 999), Err(Unverified::BadTime));
    assert_eq!(verifier.verify(&key, &last, NOW), Ok(answer(99).len()));
    assert!(verifier.is_complete());
    // One that was changed on the way comes to light.
    assert!(verifier.verify(&key, &answer(1), NOW).is_ok());
    let (next, _) = Fields::default().sign(&[prior(&mac), answer(2)].concat(), true, &answer(3));
    assert_eq!(verifier.verify(&key, &next, NOW), Err(Unverified::BadSignature));
}

#[test]
fn an_answer_is_believed_only_as_the_answer_to_the_request() {
    let key = key(Algorithm::Sha256);
    let (signed, verifier) = signed_request(&key, NOW);
    let request_mac = prior(mac(&signed, 32));
    let verify = |fields: &Fields, prior: &[u8]| {
        verifier.clone().verify(&key, &fields.sign(prior, false, &answer(0)).0, NOW)
    };
    let good = Fields::default();
    assert_eq!(verify(&good, &request_mac), Ok(answer(0).len()));
    assert_eq!(verify(&good, &[]), Err(Unverified::BadSignature));
    for (fields, expected) in [
        (Fields { name: b"\x05other\0".to_vec(), ..good.clone() }, Unverified::OtherKey),
        (Fields { algorithm: b"\x0bhmac-sha512\0".to_vec(), ..good.clone() }, Unverified::OtherKey),
        (Fields { time: NOW - 301, ..good.clone() }, Unverified::BadTime),
        (Fields { mac: 20, ..good.clone() }, Unverified::Truncated),
        (Fields { mac: 0, ..good.clone() }, Unverified::Malformed),
        (Fields { error: 22, ..good.clone() }, Unverified::Refused(22)),
        (Fields { error: 18, ..good.clone() }, Unverified::Refused(18)),
        (Fields { error: 17, mac: 0, ..good.clone() }, Unverified::Told(17)),
        (Fields { error: 18, mac: 0, other: vec![0; 6], ..good.clone() }, Unverified::Told(18)),
        (Fields { error: 17, ..good.clone() }, Unverified::Refused(17)),
    ] {
        assert_eq!(verify(&fields, &request_mac), Err(expected));
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn a_key_has_a_name_and_keeps_its_secret() {
    for name in [&b""[..], b"\x03a", b"\x01a\0\0", b"\xc0\0", &[1; 300]] {
        assert!(Key::try_new(name, Algorithm::Sha256, SECRET).is_none());
    }
    let key = Key::try_new(b"\x01A\0", Algorithm::Sha256, SECRET).unwrap();
    assert_eq!((key.name(), key.algorithm()), (&b"\x01a\0"[..], Algorithm::Sha256));
    assert_eq!(format!("{key:?}"), "Key");
}
