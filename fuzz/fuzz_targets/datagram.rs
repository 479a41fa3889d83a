//! Any frame at all, read as a datagram and answered in place.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../net/tests/checks/mod.rs"]
mod checks;

fuzz_target!(|frame: &[u8]| checks::frame(frame));
