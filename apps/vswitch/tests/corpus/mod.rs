//! The seeds of the fuzz targets, as they are and changed: what an ordinary test does with them.

use std::path::Path;

/// Numbers that look like chance, the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u8 {
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
pub(crate) fn replay(target: &str, times: u32, check: impl Fn(&[u8])) {
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
