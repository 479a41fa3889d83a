//! Any stream of requests at all, on a connection to a server of a small site, cut in different ways.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;
use unik_httpd::Server;

#[path = "../../apps/httpd/tests/checks/mod.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod checks;

thread_local! {
    static SERVER: LazyCell<Server<'static>> = const { LazyCell::new(checks::server) };
}

fuzz_target!(|stream: &[u8]| {
    let seed = stream.iter().fold(1, |seed: u64, &byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    SERVER.with(|server| checks::stream(server, stream, seed));
});
