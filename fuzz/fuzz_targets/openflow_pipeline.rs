//! Any bytes at all, as frames and what is done with them, and as entries beside a model of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../apps/vswitch/tests/checks/mod.rs"]
mod checks;
#[path = "../../apps/vswitch/tests/model/mod.rs"]
mod model;

fuzz_target!(|bytes: &[u8]| {
    checks::actions(bytes);
    model::compare(bytes);
    model::compare_overlaps(bytes);
});
