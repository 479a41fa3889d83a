//! Router advertisements, claims, the link and the time, in any order, on what a host makes of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

use autoconf::{Action, Assigned, Autoconf};

#[path = "../../net/src/autoconf/mod.rs"]
#[allow(dead_code, reason = "the stack uses the rest")]
mod autoconf;
#[path = "../../net/src/autoconf/hostile.rs"]
mod hostile;

fuzz_target!(|input: &[u8]| drop(hostile::conversation(input)));
