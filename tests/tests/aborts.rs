//! Clients that reset their connections, in whatever state these are, cost the web server nothing that lasts.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use unik_tests::{Crowd, Image, PATIENCE, Vm, Wire};

/// Connections that are reset in the same state together, and how often that is done in each.
const TOGETHER: u16 = 50;
const ROUNDS: usize = 5;

/// What is said on a connection before it is reset, and whether that is answered.
const SAID: [(&str, &[u8], bool); 7] = [
    ("nothing", b"", false),
    ("half a head", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", false),
    ("half a body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc", false),
    ("a request of which the response is on its way", b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ("a request that was answered", b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ("the last request", b"GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true),
    ("what is refused", b"GET /\x01 HTTP/1.1\r\n\r\n", true),
];

/// Waits until nothing but the listener and tasks of the image's own are left of all connections; the bytes of the heap in use.
#[track_caller]
fn level(vm: &mut Vm) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    while vm.look("netstat").to_lowercase().lines().filter(|line| line.contains("tcp")).count() > 1
        || vm.look("ps").contains("http-client")
    {
        if Instant::now() > deadline {
            let left = vm.look("netstat") + &vm.look("ps");
            vm.fail(&format!("connections are left\n{left}"));
        }
    }
    let shown = vm.look("sysinfo --json");
    let facts: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error} in {shown}"));
    facts["heap-used"].as_u64().unwrap_or_else(|| panic!("{facts}"))
}

#[test]
fn two_thousand_connections_that_are_reset_in_every_state_leave_the_memory_as_it_was() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("aborts");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder of this test program can be written");
    std::fs::write(folder.join("small.txt"), "small").expect("the folder was just made");
    std::fs::write(folder.join("large.bin"), vec![7; 300_000]).expect("the folder was just made");
    let mut wire = Wire::new();
    let words = "httpd.client_connections=1000 httpd.log=json";
    let setup = Vm::of(&Image::release("httpd")).data(&folder).words(words);
    let mut vm = wire.plug(setup).monitor().boot();
    vm.line("ready: httpd");
    let mut crowd = Crowd::new(&mut wire, 80);
    let (mut levels, mut first, mut accepted) = (Vec::new(), 10_000, 0);
    for _ in 0..ROUNDS {
        crowd.knock(first..first + TOGETHER);
        first += TOGETHER;
        for (state, said, is_answered) in SAID {
            assert_eq!(crowd.connect(first..first + TOGETHER), (TOGETHER.into(), 0), "{state}");
            first += TOGETHER;
            accepted += u64::from(TOGETHER);
            let deadline = Instant::now() + PATIENCE;
            while vm.counter("httpd.connections") < accepted {
                assert!(Instant::now() < deadline, "{accepted} connections are accepted");
            }
            crowd.ask(said, if is_answered { TOGETHER.into() } else { 0 });
            crowd.leave();
        }
        levels.push(level(&mut vm));
    }
    // What the tables take stays with them: the first round makes them as large as they become.
    assert!(levels.iter().all(|level| *level <= levels[0]), "bytes in use after each round: {levels:?}");
    let answered = 4 * ROUNDS as u64 * u64::from(TOGETHER);
    assert!(vm.counter("access.written") >= answered * 3 / 4, "the log has those that were answered");
    assert_eq!((vm.counter("httpd.no_memory"), vm.counter("httpd.connections_refused")), (0, 0));
    assert_eq!(crowd.connect(first..first + 1), (1, 0));
    // The next one is served.
    crowd.ask(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n", 1);
}
