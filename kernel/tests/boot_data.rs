//! Bytes that the host supplies at boot: what the fuzz corpora hold, and mutations of it, do no harm.

use std::fs;
use std::path::Path;
use unik_testkit::Random;

mod checks;

/// Mutations of each file of a corpus.
const MUTATIONS: usize = 2_000;

/// Shows each file of `fuzz/corpus/<target>` to `check`, as it is and with bytes changed, cut and repeated.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).expect("there is a corpus");
    let mut count = 0;
    for file in files {
        let bytes = fs::read(file.expect("it can be listed").path()).expect("it can be read");
        check(&bytes);
        let seed = bytes.len() as u64;
        println!("{target}: seed {seed}");
        let mut random = Random::new(seed);
        for _ in 0..MUTATIONS {
            check(&mutated(&bytes, &mut random));
        }
        count += 1;
    }
    assert!(count > 0, "the corpus of {target} is empty");
}

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            _ => bytes[at] = random.next_u64() as u8,
        }
        bytes.truncate(1 << 16);
    }
    bytes
}

#[test]
fn start_info_and_memory_maps() {
    replay("boot_start_info", checks::start_info);
}

#[test]
fn tables_of_acpi() {
    replay("boot_acpi", checks::acpi);
}

#[test]
fn capabilities_on_pci() {
    replay("boot_pci", checks::pci);
}

#[test]
fn command_lines() {
    replay("boot_command_line", checks::command_line);
}

#[test]
fn clocks() {
    replay("boot_clock", checks::clock);
}
