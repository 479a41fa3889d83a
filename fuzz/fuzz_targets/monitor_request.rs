//! Any bytes at all from the host on the inspection channel: the session takes them in bounded portions, and what it
//! answers is whole frames.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use unik_monitor::frame::{self, Decoder, REPLY_LIMIT};
use unik_monitor::{Command, Commands, Declined, Level, Line, List, Refusal, Reply, Session, Sources, Visit};

/// An appliance with a hundred counters, a command, and nothing else.
struct Appliance(Commands);

/// Says its arguments so often as they have bytes, and more in each line.
struct Echo;

impl Command for Echo {
    fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
        line.push(arguments);
        if arguments.is_empty() { Err(Declined) } else { Ok(Some(1)) }
    }

    fn next(&self, arguments: &str, position: u64, line: &mut Line) -> Option<u64> {
        (0..position).for_each(|_| line.push(arguments));
        (position < arguments.len() as u64).then_some(position + 1)
    }
}

impl Sources for Appliance {
    fn name(&self) -> &str {
        "fuzz"
    }

    fn list(&mut self, list: List, position: u64, visit: Visit<'_>) {
        if matches!(list, List::Commands | List::Answer) {
            return self.0.list(list, position, visit);
        }
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

    fn ask(&mut self, words: &str) -> Result<u64, Refusal> {
        self.0.ask(words)
    }

    fn forget(&mut self) {
        self.stop_capture();
        self.0.forget();
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (mut session, mut room) = (Session::new(), [0; REPLY_LIMIT]);
    let mut appliance = Appliance(Commands::new());
    appliance.0.register("echo", "Says it again.", Rc::new(Echo));
    let mut decoder = Decoder::<REPLY_LIMIT>::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = session.receive(rest, &mut appliance);
        rest = &rest[taken..];
        loop {
            let length = session.fill(&mut appliance, &mut room);
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
