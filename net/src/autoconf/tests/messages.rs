//! Messages that are malformed, lie or say too much, and any bytes at all.

use std::{collections::BTreeMap, fs, path::Path};

use super::{super::hostile::conversation, *};
use unik_testkit::Random;

#[test]
fn networks_that_no_router_can_give_are_ignored() {
    let mut host = settled();
    for text in ["fe80::", "fe80:0:0:1::", "ff02::", "::", "::1", "::ffff:10.0.0.0"] {
        let odd: Ipv6Addr = text.parse().expect("an address");
        for length in [9, 10, 64, 104] {
            let options = [prefix(odd, length, BOTH, HOUR, HOUR), route(odd, length, 0, HOUR)];
            let heard = host.receive(Instant::ZERO, ROUTER, &advertisement(0, 0, &options));
            assert_eq!(heard, Some(SAME), "{odd}/{length}");
        }
        let server = [vec![25, 3, 0, 0, 0, 0, 1, 0], odd.octets().to_vec()].concat();
        if !odd.is_unicast_link_local() {
            let heard = host.receive(Instant::ZERO, ROUTER, &advertisement(0, 0, &[server]));
            assert_eq!(heard, Some(SAME), "{odd}");
        }
    }
    say(&mut host, Instant::ZERO, &[prefix(FAR, 0, BOTH, HOUR, HOUR)]);
    assert_eq!(hop(&host, FAR), Some(ROUTER), "not all the world is on the link");
}

#[test]
fn what_finds_no_room_is_left_out_and_said() {
    let mut host = settled();
    let prefixes: Vec<_> = (0..7).map(|number| prefix(network(number), 64, BOTH, HOUR, HOUR)).collect();
    // The link-local address is there already.
    assert_eq!(say(&mut host, Instant::ZERO, &prefixes), Heard { changed: true, left_out: 3 + 2 });
    assert_eq!(addresses(&host), [LINK_LOCAL, own(0), own(1), own(2), own(3), own(4)]);
    assert!(!host.add(own(8), 64));
    let routes: Vec<_> = (20..26).map(|number| route(network(number), 48, 0, HOUR)).collect();
    assert_eq!(say(&mut host, Instant::ZERO, &routes), Heard { changed: true, left_out: 2 });
    let list = servers(HOUR, &[31, 32, 33, 34]);
    assert_eq!(say(&mut host, Instant::ZERO, &[list]), Heard { changed: true, left_out: 1 });
    for last in 2..=5 {
        let router = Ipv6Addr::from_bits(ROUTER.to_bits() - 1 + last);
        let heard = host.receive(Instant::ZERO, router, &advertisement(9, 0, &[]));
        assert_eq!(heard, Some(Heard { changed: last < 5, left_out: u16::from(last == 5) }));
    }
    assert_eq!(host.receive(Instant::ZERO, FAR, &advertisement(0, 0, &[])), Some(SAME), "it wants no room");
    // What is over makes room.
    let heard = host.receive(seconds(9), FAR, &advertisement(9, 0, &[]));
    assert_eq!(heard, Some(CHANGED));
}

#[test]
fn the_packets_of_a_link_have_a_least_length() {
    let mut host = settled();
    for (said, known) in
        [(1279, None), (1280, Some(1280)), (0, Some(1280)), (65536, Some(1280)), (1500, Some(1500))]
    {
        say(&mut host, Instant::ZERO, &[mtu(said)]);
        assert_eq!(host.mtu(), known);
    }
}

fn full() -> Vec<u8> {
    let options = [
        vec![1, 1, 2, 0, 0, 0, 0, 1],
        prefix(network(1), 64, BOTH, HOUR, HOUR),
        mtu(1400),
        route(network(2), 48, 0, HOUR),
        servers(HOUR, &[3, 4]),
        vec![200, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    advertisement(1800, 0, &options)
}

#[test]
fn a_message_that_is_cut_or_has_an_option_without_length_is_discarded_whole() {
    let message = full();
    let mut starts = vec![16];
    while let Some(length) = message.get(starts[starts.len() - 1] + 1) {
        starts.push(starts[starts.len() - 1] + usize::from(*length) * 8);
    }
    assert_eq!(starts.len(), 7);
    let is_untouched = |host: &Autoconf| {
        host.mtu().is_none()
            && host.routes().count() == 1
            && host.servers().next().is_none()
            && addresses(host).len() == 1
    };
    for length in 0..=message.len() {
        let mut host = settled();
        let heard = host.receive(Instant::ZERO, ROUTER, &message[..length]);
        assert_eq!(heard.is_some(), starts.contains(&length), "{length}");
        assert_eq!(is_untouched(&host), heard.is_none());
    }
    for (at, value) in starts.iter().take(6).map(|start| (start + 1, 0)).chain([(0, 133), (1, 1)]) {
        let mut host = settled();
        let mut bad = message.clone();
        bad[at] = value;
        assert_eq!(host.receive(Instant::ZERO, ROUTER, &bad), None);
        assert!(is_untouched(&host));
    }
}

#[test]
fn at_the_end_of_time_nothing_is_lost_and_nothing_goes_on_for_ever() {
    let mut host = settled();
    say(&mut host, Instant::MAX, &[prefix(network(1), 64, BOTH, FOR_EVER, HOUR)]);
    assert!(actions(&mut host, Instant::MAX).len() < 5);
    assert_eq!(addresses(&host), [LINK_LOCAL, own(1)]);
    assert_eq!(host.due(), None);
}

#[test]
fn options_of_another_length_than_theirs_are_ignored() {
    for mut option in [mtu(1400), prefix(network(1), 64, BOTH, HOUR, HOUR)] {
        option[1] += 1;
        option.extend([0; 8]);
        let mut host = settled();
        assert_eq!(host.receive(Instant::ZERO, ROUTER, &advertisement(0, 0, &[option])), Some(SAME));
    }
}

/// As a step of a conversation of `hostile`.
fn step(message: &[u8]) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("it is short");
    [&[0, length], message].concat()
}

#[test]
fn every_cut_and_every_flip_of_an_advertisement_does_no_harm() {
    let message = full();
    let follow = [7, 0, 5, 1, 4, 3, 7, 0, 7, 0];
    for at in 0..message.len() {
        conversation(&[&step(&message[..at])[..], &follow].concat());
        for value in (0..8).map(|bit| message[at] ^ 1 << bit).chain([0, 255]) {
            let mut flipped = message.clone();
            flipped[at] = value;
            let twice = [step(&flipped), follow.to_vec(), step(&message), step(&flipped)].concat();
            conversation(&twice);
        }
    }
}

/// What happens in the corpus: inputs that reach nothing would find nothing.
const REACHED: [&str; 10] = [
    "refused",
    "changed",
    "left out",
    "formed",
    "deprecated",
    "ended",
    "given up",
    "solicitations",
    "routes",
    "servers",
];

#[test]
fn the_corpus_of_conversations_and_its_mutations_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/router_advertisement");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the corpus is there").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut total = BTreeMap::new();
    let mut random = Random::new(11);
    for file in &files {
        let input = fs::read(file).expect("a file");
        conversation(&input).into_iter().for_each(|(what, count)| *total.entry(what).or_insert(0) += count);
        for _ in 0..1000 {
            conversation(&random.spoilt(&input));
        }
    }
    let never: Vec<_> =
        REACHED.into_iter().filter(|what| total.get(what).is_none_or(|count| *count == 0)).collect();
    assert!(never.is_empty(), "the corpus never reaches {never:?} of {total:?}");
}
