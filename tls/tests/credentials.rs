//! What is read out of files, and what rustls is given, as their users see it.
#![forbid(unsafe_code)]

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rustls::pki_types::pem::SectionKind;
use rustls::{SignatureScheme, crypto::WebPkiSupportedAlgorithms};
use unik_tls::{BadCredentials, Error, key, provider, random, sections};

const WRONG: &str = "this key is none of the kinds ECDSA P-256 and P-384, or it is damaged";

fn kinds(text: &str) -> Vec<Result<SectionKind, &'static str>> {
    sections(text.as_bytes()).map(|section| section.map(|(kind, _)| kind)).collect()
}

#[test]
fn a_file_may_have_several_parts_and_words_between_them() {
    let pair = KeyPair::generate().expect("a key");
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let text = format!("a chain\n{certificate}subject=CN = a\r\n{certificate}{}", pair.serialize_pem());
    let all = [SectionKind::Certificate, SectionKind::Certificate, SectionKind::PrivateKey];
    assert_eq!(kinds(&text), all.map(Ok));
    assert_eq!(kinds("no part at all"), []);
    let damaged = "this is no PEM: it is damaged";
    assert_eq!(kinds("-----BEGIN CERTIFICATE-----\nMAA=\n"), [Err(damaged)]);
    assert_eq!(kinds(&certificate.replace("MAA", "%%%")), [Err(damaged)]);
}

#[test]
fn whatever_stands_in_a_file_it_is_read_to_its_end() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for at in 0..certificate.len() {
        for octet in [0, b'-', b'\n', 0xff] {
            let mut bytes = certificate.repeat(2).into_bytes();
            bytes[at] = octet;
            assert!(sections(&bytes).count() <= 3);
        }
    }
}

#[test]
fn keys_of_two_kinds_sign_and_all_others_are_refused() {
    let read = |algorithm| {
        let pair = KeyPair::generate_for(algorithm).expect("a key");
        key(SectionKind::PrivateKey, pair.serialize_der()).expect("it is a key")
    };
    for (algorithm, scheme) in [
        (&PKCS_ECDSA_P256_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256),
        (&PKCS_ECDSA_P384_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384),
    ] {
        let key = read(algorithm).expect("it is of use");
        let signer = key.choose_scheme(&[scheme]).expect("it signs so");
        assert!(signer.sign(b"what is said").is_ok());
    }
    assert_eq!(read(&PKCS_ED25519).err(), Some(WRONG));
    for (kind, der) in [(SectionKind::PrivateKey, vec![0x30, 0]), (SectionKind::EcPrivateKey, vec![])] {
        assert_eq!(key(kind, der).expect("it is said to be a key").err(), Some(WRONG));
    }
    assert_eq!(key(SectionKind::RsaPrivateKey, vec![1]).expect("a key").err(), Some(WRONG));
    assert!(key(SectionKind::Certificate, vec![0x30, 0]).is_none(), "that is no key");
}

#[test]
fn rustls_gets_what_is_named_and_no_more() {
    let none = WebPkiSupportedAlgorithms { all: &[], mapping: &[] };
    let provider = provider(&[], none);
    assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (3, 2));
    assert!(
        provider.cipher_suites.iter().all(|suite| suite.tls13().is_some_and(|suite| suite.quic.is_none()))
    );
    let (mut one, mut other) = ([0; 32], [0; 32]);
    random(&mut one).expect("this computer has random numbers");
    provider.secure_random.fill(&mut other).expect("the same ones");
    assert!(one != other && one != [0; 32]);
}

#[test]
fn errors_are_sentences_that_name_the_file() {
    let error = Error::from(BadCredentials { file: "tls/key.pem", why: "there is none" });
    assert_eq!(error.to_string(), "tls/key.pem: there is none");
    let sentence = "TLS needs random numbers that nobody can guess: random=weak is not enough";
    assert_eq!(Error::NoRandomness.to_string(), sentence);
}
