//! Any bytes at all, read as `dns.conf`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/dns/tests/checks/configuration.rs"]
mod checks;

fuzz_target!(|file: &[u8]| checks::configuration(file));
