//! Any bytes at all, as signed requests, answers, and messages of transfers.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/dns/tests/checks/tsig.rs"]
mod checks;
#[path = "../../apps/dns/tests/signing/mod.rs"]
mod signing;

fuzz_target!(|bytes: &[u8]| checks::message(bytes));
