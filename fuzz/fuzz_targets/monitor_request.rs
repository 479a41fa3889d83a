//! Any bytes at all from the host on the inspection channel: the session takes them in bounded portions, and what it
//! answers is whole frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unik_monitor::frame::{self, Decoder, REPLY_LIMIT};
use unik_monitor::{Level, List, Refusal, Reply, Session, Sources, Visit};

/// An appliance with a hundred counters and nothing else.
struct Appliance;

impl Sources for Appliance {
    fn name(&self) -> &str {
        "fuzz"
    }

    fn list(&mut self, list: List, position: u64, visit: Visit<'_>) {
        for value in position..if list == List::Counters { 100 } else { 1 } {
            if !visit(value + 1, &Reply::Counter { group: "fuzz", name: "steps", value }) {
                return;
            }
        }
    }

    fn set_level(&mut self, target: &str, _: Option<Level>) -> Result<(), Refusal> {
        if target.len() > 80 { Err(Refusal::Busy) } else { Ok(()) }
    }

    fn start_capture(&mut self, _: &str, _: usize) -> Result<(), Refusal> {
        Ok(())
    }

    fn stop_capture(&mut self) {}

    fn end(&mut self, _: bool) -> Result<(), Refusal> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (mut session, mut room) = (Session::new(), [0; REPLY_LIMIT]);
    let mut decoder = Decoder::<REPLY_LIMIT>::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = session.receive(rest, &mut Appliance);
        rest = &rest[taken..];
        loop {
            let length = session.fill(&mut Appliance, &mut room);
            if length == 0 {
                break;
            }
            let mut written = &room[..length];
            while !written.is_empty() {
                let (used, contents) = decoder.feed(written);
                written = &written[used..];
                let reply = contents.and_then(frame::decode::<Reply<'_>>);
                assert!(matches!(reply, Some((_, Some(_)))), "the guest writes whole replies");
            }
        }
        assert!(taken > 0 || rest.is_empty(), "a session that has said everything listens again");
    }
});
