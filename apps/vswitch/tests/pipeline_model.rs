//! The flow tables, the search and the cache against a list that is gone through from end to end.

mod model;

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
