//! Any message at all, heard by a client of DHCP in any of its states.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../net/tests/checks/dhcp.rs"]
mod checks;

fuzz_target!(|input: &[u8]| {
    checks::message(input);
});
