//! The flow tables, the search and the cache against a list that is gone through from end to end.

mod model;

use unik_vswitch::{
    openflow::error::Refusal,
    pipeline::{
        Datapath,
        fields::{Field, Match},
    },
};

/// Numbers that look like chance, the same in every run.
fn octets(mut seed: u64, count: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn frames_go_where_a_list_of_entries_says() {
    let (mut hits, mut misses) = (0, 0);
    for seed in 1..400 {
        println!("seed {seed}");
        let (known, unknown) = model::compare(&octets(seed, 4000));
        hits += known;
        misses += unknown;
    }
    assert!(hits > 1000 && misses > 1000, "{hits} frames were known, {misses} were not");
}

#[test]
fn entries_overlap_where_a_list_of_them_says_so() {
    let refused: usize = (1..400).map(|seed| model::compare_overlaps(&octets(seed, 4000))).sum();
    assert!(refused > 10_000, "{refused} entries overlap");
}

#[test]
fn among_a_hundred_thousand_entries_an_overlap_is_found_without_going_through_them() {
    let mut datapath = Datapath::new(3, 200_000).expect("there is memory");
    let flow = |fields: &[(Field, u128)]| {
        let mut matching = Match::ANY;
        fields.iter().for_each(|(field, value)| matching.want(*field, *value));
        matching
    };
    let ip = (Field::ETH_TYPE, 0x0800);
    // Entries for networks, of another priority each, and those that look at no bit of an address.
    for number in 0..32 {
        let mut network = flow(&[ip]);
        network.want_masked(Field::IPV4_DST, 10 << number, 0xffff_ffff << number & 0xffff_ffff);
        assert_eq!(model::add(&mut datapath, 0, number, network), Ok(()));
    }
    assert_eq!(model::add(&mut datapath, 0, 100, flow(&[(Field::ETH_TYPE, 0x0806)])), Ok(()));
    let before = datapath.counters.walks.get();
    for number in 0..100_000 {
        let exact = flow(&[ip, (Field::IPV4_SRC, number), (Field::IPV4_DST, 7)]);
        assert_eq!(model::add(&mut datapath, 0, 100, exact), Ok(()));
        assert_eq!(model::add(&mut datapath, 0, 100, exact), Err(Refusal::OVERLAP));
    }
    assert_eq!(datapath.counters.walks.get(), before);
    // Of what is wider than they are, nothing less than all of them says that.
    let wide = flow(&[ip, (Field::IPV4_DST, 8)]);
    assert_eq!(model::add(&mut datapath, 0, 100, wide), Ok(()));
    assert_eq!(datapath.counters.walks.get(), before + 1);
    // Not where none of them has the priority.
    assert_eq!(model::add(&mut datapath, 0, 101, wide), Ok(()));
    assert_eq!(datapath.counters.walks.get(), before + 1);
}
