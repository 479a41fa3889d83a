//! Frames, the application's doings and the time, in any order, on a whole stack.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../net/tests/hostile/mod.rs"]
mod hostile;

fuzz_target!(|input: &[u8]| drop(hostile::conversation(input)));
