//! Octets and frames from those who mean harm.

mod checks;
mod controller;
mod model;

use std::path::Path;

/// Numbers that look like chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 24) as u8
    }
}

/// Each file of `fuzz/corpus/<target>`.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).expect("octets")).collect()
}

/// The seeds as they are, and changed here and there.
fn replay(target: &str, times: u32, check: impl Fn(&[u8])) {
    for (number, seed) in (1..).zip(corpus(target)) {
        check(&seed);
        let mut chance = Chance(number);
        for _ in 0..times {
            let mut octets = seed.clone();
            for _ in 0..=chance.next() % 4 {
                let at = (usize::from(chance.next()) << 8 | usize::from(chance.next())) % octets.len().max(1);
                if let Some(octet) = octets.get_mut(at) {
                    *octet = chance.next();
                }
            }
            octets.truncate(
                octets.len().saturating_sub(usize::from(chance.next() % 64 / 40 * chance.next() % 50)),
            );
            check(&octets);
        }
    }
}

#[test]
fn messages_of_any_kind_do_no_harm() {
    replay("openflow_message", 2000, checks::messages);
}

#[test]
fn frames_and_entries_of_any_kind_do_no_harm() {
    replay("openflow_pipeline", 500, |octets| {
        checks::actions(octets);
        model::compare(octets);
    });
}

#[test]
fn chance_does_no_harm() {
    let mut chance = Chance(99);
    for _ in 0..3000 {
        let length = usize::from(chance.next()) * 4;
        let octets: Vec<u8> = (0..length).map(|_| chance.next()).collect();
        checks::messages(&octets);
        checks::actions(&octets);
    }
}
