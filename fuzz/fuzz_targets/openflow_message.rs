//! Any bytes at all, as what a controller sends to a switch, with frames in between.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/vswitch/tests/checks/mod.rs"]
mod checks;

fuzz_target!(|bytes: &[u8]| checks::messages(bytes));
