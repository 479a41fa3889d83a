//! What a connection of TLS takes, and that it ends where there is no memory, and nothing else does.

mod tls_common;

use rustls::version::TLS13;
use tls_common::{Authority, Wire, called, caller, load};
use unik_testkit::{Scarce, Scarcity, Usage};
use unik_vswitch::tls::Trouble;

#[global_allocator]
static HEAP: Scarce = Scarce;

/// What a connection may take at most, in the heap, and when nothing moves: this is what the README says.
const MOST: usize = 80 * 1024;
const IDLE: usize = 10 * 1024;

#[test]
fn a_connection_takes_no_more_than_it_may() {
    let authority = Authority::new();
    let (switch, controller) = (authority.sign(), authority.sign());
    let tls = load(&switch, &authority.pem).expect("credentials");
    for is_called in [false, true] {
        let peer = || match is_called {
            true => called(&TLS13, &controller, &authority.pem),
            false => caller(&TLS13, Some(&controller)),
        };
        let mut wire = Wire::new(&tls, peer());
        let (begun, usage) = Usage::of(|| tls.begin(is_called));
        wire.switch = begun.expect("there is memory");
        let (mut kept, mut most) = (usage.kept, usage.peak);
        let mut count = |usage: Usage| {
            most = most.max(kept + usage.peak);
            kept += usage.kept;
            kept
        };
        // Only what the switch does is counted, with what it reads prepared.
        let (mut read, mut idle) = (Vec::with_capacity(1 << 20), 0);
        let (begun, usage) = Usage::of(|| wire.switch.begin(wire.now));
        begun.expect("there is memory");
        count(usage);
        wire.take_output();
        for round in 0..12 {
            let is_open = round > 6;
            if is_open {
                wire.hear(&[7; 40_000]);
            }
            wire.exchange();
            let (served, usage) = Usage::of(|| {
                if is_open {
                    wire.switch.write(&[7; 40_000])?;
                    wire.take_output();
                }
                wire.serve(&mut read)?;
                wire.take_output();
                // It waits for what comes next.
                wire.switch.space().map(|space| space.len())
            });
            served.expect("nothing is wrong");
            idle = count(usage);
        }
        println!("called {is_called}: most {most}, idle {idle}");
        assert_eq!(read.len(), 5 * 40_000);
        assert!(most < MOST && idle < IDLE, "most {most}, idle {idle}");
    }
}

#[test]
fn where_memory_ends_a_connection_ends_and_no_other() {
    let authority = Authority::new();
    let (switch, controller) = (authority.sign(), authority.sign());
    let tls = load(&switch, &authority.pem).expect("credentials");
    let mut lacked = 0;
    for is_called in [false, true] {
        // What the switch may take in one turn, from nothing on; what is under way has been allocated before.
        for bytes in (0..120_000).step_by(997) {
            let peer = match is_called {
                true => called(&TLS13, &controller, &authority.pem),
                false => caller(&TLS13, Some(&controller)),
            };
            let mut wire = Wire::new(&tls, peer);
            let mut read = Vec::with_capacity(1 << 16);
            let mut result = Scarcity::Bytes(bytes).during(|| wire.switch.begin(wire.now)).0;
            wire.hear(b"octets");
            for _ in 0..6 {
                if result.is_err() {
                    break;
                }
                wire.take_output();
                wire.exchange();
                result = Scarcity::Bytes(bytes).during(|| wire.serve(&mut read)).0;
            }
            assert!(matches!(result, Ok(()) | Err(Trouble::Memory)), "{result:?} with {bytes}");
            lacked += usize::from(result.is_err());
            assert!(result.is_err() || read == b"octets", "with {bytes}");
        }
    }
    assert!(lacked > 20, "{lacked}");
    let mut wire = Wire::new(&tls, caller(&TLS13, Some(&controller)));
    wire.hear(b"octets");
    assert_eq!(wire.talk().as_deref(), Ok(&b"octets"[..]));
}
