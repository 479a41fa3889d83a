//! Input that nobody means well with, on what decides who may transfer zones. Seeds are printed, so a failure can be had again.

#[path = "checks/tsig.rs"]
mod checks;
#[path = "checks/configuration.rs"]
mod configuration;
mod random;
mod signing;
#[path = "checks/transfer.rs"]
mod transfer;

use random::Random;
use signing::{Fields, NAME, NOW, answer, key, mac, prior, request, signed_request};
use std::path::{Path, PathBuf};
use unik_dns::tsig::{Algorithm, Request, Unverified, Verifier, check};

/// Each file of `fuzz/corpus/<target>`.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Hands each change of one octet of `message` to `look`, but of those that say nothing: the identifier, for which another one
/// stands in the record, and the case of letters in the record.
fn each_change(message: &[u8], begin: usize, mut look: impl FnMut(&[u8], String)) {
    // Owner, fixed fields, and the name of the algorithm.
    let names = begin..begin + NAME.len() + 10 + 13;
    for at in 2..message.len() {
        for octet in 0..=u8::MAX {
            let is_same = if names.contains(&at) {
                octet.eq_ignore_ascii_case(&message[at])
            } else {
                octet == message[at]
            };
            if is_same {
                continue;
            }
            let mut changed = message.to_vec();
            changed[at] = octet;
            look(&changed, format!("octet {at} is {octet}"));
        }
    }
}

/// Whether the record at `begin` is none of TSIG any more.
fn has_other_type(message: &[u8], begin: usize) -> bool {
    message[begin + NAME.len()..][..2] != [0, 250]
}

#[test]
fn a_signed_request_that_was_changed_or_cut_is_signed_no_more() {
    let keys = [key(Algorithm::Sha256)];
    let (signed, _) = signed_request(&keys[0], NOW);
    for length in 0..signed.len() {
        assert!(matches!(check(&signed[..length], &keys, NOW), Request::Malformed), "{length} octets");
    }
    each_change(&signed, request().len(), |changed, what| {
        match check(changed, &keys, NOW) {
            Request::Signed(_) => panic!("{what}"),
            Request::Unsigned => assert!(has_other_type(changed, request().len()), "{what}"),
            Request::Malformed | Request::Refused(_) => {}
        }
        checks::request(changed);
    });
}

#[test]
fn an_answer_that_was_changed_or_cut_is_believed_no_more() {
    let key = key(Algorithm::Sha256);
    let (signed, verifier) = signed_request(&key, NOW);
    let (first, prior_mac) = Fields::default().sign(&prior(mac(&signed, 32)), false, &answer(0));
    let mut later = verifier.clone();
    later.verify(&key, &first, NOW).expect("it is right");
    let before = [prior(&prior_mac), answer(1)].concat();
    let (next, _) = Fields::default().sign(&before, true, &answer(2));
    later.verify(&key, &answer(1), NOW).expect("it need not be signed");
    let refuse = |verifier: &Verifier, message: &[u8], what: String| {
        let mut verifier = verifier.clone();
        if verifier.verify(&key, message, NOW).is_ok() {
            assert!(!verifier.is_complete() && has_other_type(message, answer(0).len()), "{what}");
        }
    };
    for (verifier, message) in [(&verifier, &first), (&later, &next)] {
        assert!(verifier.clone().verify(&key, message, NOW).is_ok());
        for length in 0..message.len() {
            refuse(verifier, &message[..length], format!("{length} octets"));
        }
        each_change(message, answer(0).len(), |changed, what| refuse(verifier, changed, what));
    }
}

#[test]
fn a_change_of_what_was_not_signed_comes_to_light_with_the_next_signature() {
    let key = key(Algorithm::Sha256);
    let (signed, mut verifier) = signed_request(&key, NOW);
    let (first, prior_mac) = Fields::default().sign(&prior(mac(&signed, 32)), false, &answer(0));
    verifier.verify(&key, &first, NOW).expect("it is right");
    let (last, _) = Fields::default().sign(&[prior(&prior_mac), answer(1)].concat(), true, &answer(2));
    each_change(&answer(1), answer(1).len(), |changed, what| {
        let mut verifier = verifier.clone();
        if verifier.verify(&key, changed, NOW).is_ok() {
            assert_eq!(verifier.verify(&key, &last, NOW), Err(Unverified::BadSignature), "{what}");
        }
    });
}

#[test]
fn mutated_and_random_signed_messages_do_no_harm() {
    let seeds: Vec<_> =
        corpus("dns_tsig").iter().map(|file| std::fs::read(file).expect("readable")).collect();
    let mut random = Random::new(1);
    for round in 0..20_000 {
        let mut message = seeds[round % seeds.len()].clone();
        random.mutate(&mut message);
        checks::message(&message);
    }
}

#[test]
fn the_corpus_of_signed_messages_does_no_harm() {
    for file in corpus("dns_tsig") {
        println!("{}", file.display());
        checks::message(&std::fs::read(file).expect("readable"));
    }
}

#[test]
fn mutated_configurations_do_no_harm() {
    let seeds: Vec<_> =
        corpus("dns_configuration").iter().map(|file| std::fs::read(file).expect("readable")).collect();
    let mut random = Random::new(2);
    for round in 0..30_000 {
        let mut file = seeds[round % seeds.len()].clone();
        random.mutate(&mut file);
        configuration::configuration(&file);
    }
}

#[test]
fn configurations_of_random_words_do_no_harm() {
    let mut random = Random::new(3);
    let words = [
        "key:",
        "zone:",
        "name:",
        "a",
        "b.c",
        ".",
        "algorithm:",
        "sha256",
        "secret:",
        "K2tf3TRjvQkVCmJF3/Z9vA==",
        "provide-xfr:",
        "allow-notify:",
        "notify:",
        "request-xfr:",
        "AXFR",
        "UDP",
        "NOKEY",
        "BLOCKED",
        "::",
        "::1/0",
        "1.2.3.4",
        "1.2.3.4/31",
        "1.2.3.4&255.0.0.0",
        "::-::ffff:0:0",
        "1.2.3.4@5",
        "zonefile:",
        "min-retry-time:",
        "5",
        "min-expire-time:",
        "refresh+retry+1",
        "\n",
        "\n",
        "#",
        "\"",
        "'",
        "\"x y\"",
        "\u{e4}",
        "\r",
        "\t",
    ];
    for _ in 0..20_000 {
        let mut file = String::new();
        for _ in 0..random.below(40) {
            file.push_str(random.one(&words));
            if random.below(8) > 0 {
                file.push(' ');
            }
        }
        configuration::configuration(file.as_bytes());
    }
}

#[test]
fn the_corpus_of_configurations_does_no_harm() {
    for file in corpus("dns_configuration") {
        println!("{}", file.display());
        configuration::configuration(&std::fs::read(file).expect("readable"));
    }
}

#[test]
fn the_corpus_of_transfers_and_mutations_of_it_do_no_harm() {
    let files: Vec<_> =
        corpus("dns_transfer").iter().map(|file| std::fs::read(file).expect("readable")).collect();
    files.iter().for_each(|file| transfer::transfer(file));
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let mut input = files[random.below(files.len())].clone();
        random.mutate(&mut input);
        // Lengths of messages that do not matter would hide all that stands behind them.
        let length = (input.len().saturating_sub(3) as u16).to_be_bytes();
        if let Some(place) = input.get_mut(1..3).filter(|_| random.below(2) == 0) {
            place.copy_from_slice(&length);
        }
        transfer::transfer(&input);
    }
}
