//! A guest on a hostile wire: whatever comes, it serves whoever asks in order, and nothing is left of the rest.
#![forbid(unsafe_code)]

use std::time::Instant;

use serde_json::Value;
use unik_tests::{Crowd, Image, PATIENCE, Storm, Vm, Wire};

/// Frames of one storm.
const FRAMES: usize = 30_000;

/// www.example.org, type A, class IN (RFC 1035, 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

#[track_caller]
fn numbers(vm: &mut Vm, command: &str) -> Value {
    let shown = vm.look(&format!("{command} --json"));
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error} in {shown}"))
}

/// The bytes of the heap in use, once nothing but listeners is left of all connections.
#[track_caller]
fn level(vm: &mut Vm) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    while vm.look("netstat").to_lowercase().lines().filter(|line| line.contains("tcp")).count() > 1
        || vm.look("ps").contains("dns-tcp-client")
    {
        if Instant::now() > deadline {
            let left = vm.look("netstat") + &vm.look("ps");
            vm.fail(&format!("connections are left\n{left}"));
        }
    }
    let facts = numbers(vm, "sysinfo");
    facts["heap-used"].as_u64().unwrap_or_else(|| panic!("{facts}"))
}

#[test]
fn storms_of_hostile_frames_leave_the_service_and_its_memory_as_they_were() {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&image).data(&zones)).memory("4M").monitor().boot();
    vm.line("ready: dns");
    let hardware = wire.resolve();
    let begun = Instant::now();
    let framed = [&(QUERY.len() as u16).to_be_bytes()[..], QUERY].concat();
    // What the tables take stays with them: the first storm makes them as large as they become.
    let levels = [1, 2].map(|seed| {
        for (number, frame) in Storm::new(hardware, 53, seed).take(FRAMES).enumerate() {
            wire.send(&frame);
            if number % 64 == 0 {
                wire.ignore();
            }
        }
        let mut crowd = Crowd::new(&mut wire, 53);
        assert_eq!(crowd.datagram(QUERY)[..2], QUERY[..2], "seed {seed}");
        assert_eq!(crowd.connect(50_000..50_001), (1, 0), "seed {seed}");
        crowd.ask(&framed, 1);
        crowd.leave();
        level(&mut vm)
    });
    assert!(levels[1] <= levels[0], "bytes in use after each storm: {levels:?}");
    let counters = numbers(&mut vm, "counters --all");
    let counted = |name: &str| counters[format!("net0.{name}")].as_u64().unwrap();
    assert!(counted("rx_frames") >= 2 * FRAMES as u64, "{counters}");
    for name in [
        "rx_bad_headers",
        "rx_martian",
        "rx_elsewhere",
        "rx_fragments",
        "icmp_unheeded",
        "neighbor_unasked",
        "address_conflicts",
        "tcp_strays",
        "tcp_half_open_evicted",
    ] {
        assert!(counted(name) > 100, "{name} in {counters}");
    }
    let words = vm.log().matches("another host has our address").count();
    // One a second, however long it took.
    let most = 2 + begun.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&words), "{words} lines about conflicts, and not {most} at most");
}
