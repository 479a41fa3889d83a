//! Any bytes at all, in the place of what the host supplies at boot: command_line.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../kernel/tests/checks/mod.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod checks;

fuzz_target!(|bytes: &[u8]| checks::command_line(bytes));
