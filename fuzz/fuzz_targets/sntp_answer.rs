//! Any datagram at all, taken for the answer of a time server whose question it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unik_net::sntp::Client;
use unik_sched::time::{Duration, Instant};

fuzz_target!(|message: &[u8]| {
    // Its originate timestamp, so that the parser gets past the check that stops all others.
    let named = message.get(24..32).and_then(|bytes| bytes.try_into().ok());
    let nonce = named.map_or(0, u64::from_be_bytes);
    let now = Instant::from_millis(5_000);
    let mut client = Client::new();
    client.ask(Instant::from_millis(4_000), nonce);
    let believed = client.answer(now, message).is_ok();
    let date = client.date(now);
    assert_eq!(believed, date.is_some());
    // From 2026 to 2104, and half of the way.
    let plausible = Duration::from_secs(1_767_225_600)..=Duration::from_secs((1 << 32) + 2_085_978_497);
    assert!(date.is_none_or(|date| plausible.contains(&date)));
    assert!(client.pause(nonce).is_none_or(|pause| pause >= Duration::from_secs(15)));
});
