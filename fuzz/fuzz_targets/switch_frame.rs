//! Any frames, by any ports, into a learning switch, with the time and links that come and go.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/vswitch/tests/traffic/mod.rs"]
mod traffic;

fuzz_target!(|octets: &[u8]| traffic::traffic(octets));
