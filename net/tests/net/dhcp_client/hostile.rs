//! Messages that nobody would send who means well.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::dhcp_checks;

/// An acknowledgement with all that is read of one, as an input of the checks.
fn rich(stage: u8, kind: u8) -> Vec<u8> {
    let mut answer = Conversation::new().next().answer(kind);
    answer = answer.with(6, &[9, 9, 9, 9]).with(26, &[5, 120]);
    answer = answer.with(58, &[0, 0, 1, 0]).with(59, &[0, 0, 2, 0]);
    answer = answer.with(121, &[24, 192, 0, 2, 10, 0, 0, 7, 0, 10, 0, 0, 2]);
    [vec![stage], answer.bytes()].concat()
}

#[test]
fn no_cut_and_no_flip_of_a_message_does_harm() {
    for (stage, kind) in [(0, OFFER), (1, ACK), (4, ACK), (5, ACK)] {
        let good = rich(stage, kind);
        assert_eq!(dhcp_checks::message(&good), Some((stage, true)));
        for length in 0..good.len() {
            dhcp_checks::message(&good[..length]);
        }
        // What is between the hardware address and the cookie is not read.
        for at in (0..35).chain(237..good.len()) {
            for bit in 0..8 {
                let mut message = good.clone();
                message[at] ^= 1 << bit;
                dhcp_checks::message(&message);
            }
        }
    }
}

#[test]
fn the_corpus_of_messages_and_its_mutations_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/dhcp_message");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut random = Random::new(6);
    let mut reached = BTreeSet::new();
    for file in files {
        let input = fs::read(&file).unwrap();
        reached.extend(dhcp_checks::message(&input));
        for _ in 0..100 {
            dhcp_checks::message(&random.spoilt(&input));
        }
    }
    // Each state hears what it takes and what it does not; one that has its lease takes nothing.
    let all = (0..6).flat_map(|stage| [(stage, false), (stage, true)]).filter(|reach| *reach != (2, true));
    let never: Vec<_> = all.filter(|reach| !reached.contains(reach)).collect();
    assert!(never.is_empty(), "the corpus never reaches {never:?}");
}

#[test]
fn a_server_that_takes_everything_back_is_not_asked_faster() {
    // Each lease as short as it can be, and refused when it is to be renewed.
    let mut conversation = Conversation::new();
    let mut messages = 0;
    while let Some(said) = conversation.until(Instant::ZERO + seconds(1000)) {
        messages += 1;
        let kind = match (said.kind, said.own.is_unspecified()) {
            (DhcpMessageType::Discover, _) => OFFER,
            (_, true) => ACK,
            (_, false) => NAK,
        };
        assert!(conversation.hear(said.answer(kind).lasting(10).with(58, &[0, 0, 0, 1])));
    }
    assert!(
        (2990..3010).contains(&messages),
        "{messages}: three for each second, since renewal is due after one"
    );
}

#[test]
fn any_bytes_at_all_are_heard_without_harm() {
    let mut random = Random::new(7);
    for _ in 0..3000 {
        let mut input = rich(random.below(8) as u8, [OFFER, ACK, NAK][random.below(3)]);
        let length = random.below(300);
        let mut options = vec![0; length];
        random.fill(&mut options);
        input.splice(241 + random.below(20).., options);
        dhcp_checks::message(&input);
    }
}
