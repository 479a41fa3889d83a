//! Any bytes at all, taken for the index of a small site.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/httpd/tests/checks/index.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod checks;

fuzz_target!(|index: &[u8]| checks::index(index));
