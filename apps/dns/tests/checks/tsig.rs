//! What must hold for any bytes whatever as signed messages: used by the tests of hostile input and by a fuzz target.

use super::signing::{NAME, NOW, SECRET, key, roomy, signed_request};
use domain::base::Message;
use domain::rdata::tsig::Time48;
use domain::tsig::{Key, KeyName, ServerTransaction};
use std::str::FromStr;
use unik_dns::tsig::{Algorithm, Request, Unverified, check};

/// Takes `bytes` for a request, for an answer to one of ours, and for the messages of a transfer behind their lengths.
pub(crate) fn message(bytes: &[u8]) {
    request(bytes);
    answers(bytes);
}

/// Checks `message` as a request. What is signed is so in the eyes of another implementation too, and what is refused is answered
/// with NOTAUTH.
pub(crate) fn request(message: &[u8]) {
    let keys = [key(Algorithm::Sha256), key(Algorithm::Sha512)];
    match check(message, &keys, NOW) {
        Request::Unsigned | Request::Malformed => {}
        Request::Signed(mut signer) => {
            let algorithm = [domain::tsig::Algorithm::Sha256, domain::tsig::Algorithm::Sha512][signer.key()];
            let name = KeyName::from_str("transfer.example.org").expect("a name");
            let theirs = Key::new(algorithm, SECRET, name, None, None).expect("a key");
            let mut copy = Message::from_octets(lowered(message)).expect("a header");
            let verified = ServerTransaction::request(&theirs, &mut copy, Time48::from_u64(NOW));
            // A time in Other Data it digests in eight octets, of which there are six.
            let has_other = !message.ends_with(&[0, 0]);
            assert!(has_other || verified.is_ok_and(|transaction| transaction.is_some()));
            let mut buffer = roomy(&message[..12]);
            let length = signer.sign(&keys, &mut buffer, 12, NOW).expect("there is room");
            assert_eq!(length, 12 + signer.room(&keys));
        }
        Request::Refused(refusal) => {
            let kept = refusal.kept();
            let mut buffer = roomy(&message[..kept]);
            buffer.resize(kept + 1000, 0);
            let Some(length) = refusal.answer(&keys, &mut buffer, NOW) else {
                assert!(kept + 600 > usize::from(u16::MAX), "there is room");
                return;
            };
            let answer = &buffer[..length];
            assert_eq!((&answer[..2], answer[3]), (&message[..2], 9));
            assert_eq!(answer[12..kept], message[12..kept]);
            let (_, mut verifier) = signed_request(&keys[0], NOW);
            let error =
                match verifier.verify(&keys[0], answer, NOW).expect_err("it is the answer to something else")
                {
                    Unverified::Told(error) => error,
                    Unverified::BadSignature | Unverified::OtherKey => refusal.error(),
                    error => panic!("{error}"),
                };
            assert_eq!(error, refusal.error());
        }
    }
}

/// `message` with the name of its algorithm in lower case, because the other implementation knows no other.
fn lowered(message: &[u8]) -> Vec<u8> {
    let mut copy = message.to_vec();
    let is_name = |part: &[u8]| part.to_ascii_lowercase().starts_with(b"\x0bhmac-sha");
    if let Some(at) = message.windows(13).rposition(is_name) {
        copy[at..at + 13].make_ascii_lowercase();
    }
    copy
}

/// Verifies `bytes` as an answer, and as messages behind their lengths.
pub(crate) fn answers(mut bytes: &[u8]) {
    let key = key(Algorithm::Sha256);
    let (request, verifier) = signed_request(&key, NOW);
    if let Ok(length) = verifier.clone().verify(&key, bytes, NOW) {
        assert!(bytes[length..].to_ascii_lowercase().starts_with(NAME), "the first is signed");
    }
    assert!(verifier.clone().verify(&key, &request, NOW).is_err(), "a request is no answer");
    let mut verifier = verifier;
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let Some((message, behind)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            break;
        };
        if let Ok(length) = verifier.verify(&key, message, NOW) {
            assert_eq!(length == message.len(), !verifier.is_complete());
        }
        bytes = behind;
    }
}
