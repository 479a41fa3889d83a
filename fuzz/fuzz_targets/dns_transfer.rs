//! Any messages at all, taken as the transfer of a zone, whole or as differences.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/dns/tests/checks/transfer.rs"]
mod checks;

fuzz_target!(|messages: &[u8]| checks::transfer(messages));
