//! Any bytes at all, read as a master file.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/dns/tests/checks/mod.rs"]
mod checks;

fuzz_target!(|file: &[u8]| checks::master_file(file));
