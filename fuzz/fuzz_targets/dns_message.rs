//! Any message at all, handed to a server of the example zones.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;
use unik_dns::{Server, Zone};

#[path = "../../apps/dns/tests/checks/mod.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod checks;

thread_local! {
    static SERVER: LazyCell<Server> = const {
        LazyCell::new(|| {
            let mut server = Server::new();
            for text in [
                include_str!("../../apps/dns/zones/example.org.zone"),
                include_str!("../../apps/dns/zones/2.0.192.in-addr.arpa.zone"),
            ] {
                let zone = Zone::parse("example", text.as_bytes()).expect("the example zones are good");
                server.add(zone).expect("they have different names");
            }
            server
        })
    };
}

fuzz_target!(|message: &[u8]| SERVER.with(|server| checks::message(server, message)));
