//! Any bytes at all, read as `httpd.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/httpd/tests/checks/configuration.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod checks;

fuzz_target!(|file: &[u8]| checks::configuration(file));
