//! The other side in tests: an appliance with a little of everything, and a tool that reads all replies.

use unik_monitor::frame::{self, Decoder, REPLY_LIMIT, REQUEST_LIMIT};
use unik_monitor::{
    Commands, Direction, Frame, Level, List, Record, Refusal, Reply, Request, Session, Sources, Visit,
};

/// An appliance: what the session tells about.
#[derive(Default)]
pub(crate) struct Appliance {
    /// The values of its counters.
    pub(crate) counters: u64,
    /// The numbers of the records that its log still has.
    pub(crate) log: std::ops::Range<u64>,
    /// Frames that the capture holds.
    pub(crate) captured: Vec<Vec<u8>>,
    /// Whether it captures.
    pub(crate) capturing: bool,
    /// How it was told to end.
    pub(crate) ended: Option<bool>,
    /// Levels that were set.
    pub(crate) levels: Vec<(String, Option<Level>)>,
    /// Its own commands.
    pub(crate) commands: Commands,
}

impl Sources for Appliance {
    fn name(&self) -> &str {
        "test"
    }

    fn list(&mut self, list: List, position: u64, visit: Visit<'_>) {
        match list {
            List::Counters => {
                for value in position..self.counters {
                    if !visit(value + 1, &Reply::Counter { group: "test", name: "steps", value }) {
                        return;
                    }
                }
            }
            List::Records => {
                let missed = self.log.start.saturating_sub(position);
                if missed > 0 && !visit(self.log.start, &Reply::Lost(missed)) {
                    return;
                }
                for number in position.max(self.log.start)..self.log.end {
                    let record =
                        Record { number, time: number, level: Level::Info, target: "test", text: "a step" };
                    if !visit(number + 1, &Reply::Record(record)) {
                        return;
                    }
                }
            }
            List::Frames => {
                while let Some(bytes) = self.captured.first() {
                    let length = bytes.len() as u32;
                    let frame = Frame { time: 5, direction: Direction::Sent, length, bytes };
                    if !visit(0, &Reply::Frame(frame)) {
                        return;
                    }
                    self.captured.remove(0);
                }
            }
            List::Commands | List::Answer => self.commands.list(list, position, visit),
            _ => {}
        }
    }

    fn set_level(&mut self, target: &str, level: Option<Level>) -> Result<(), Refusal> {
        self.levels.push((target.to_owned(), level));
        Ok(())
    }

    fn start_capture(&mut self, interface: &str, _: usize) -> Result<(), Refusal> {
        match interface {
            "net0" if self.capturing => Err(Refusal::Busy),
            "net0" => {
                self.capturing = true;
                Ok(())
            }
            _ => Err(Refusal::NotFound),
        }
    }

    fn stop_capture(&mut self) {
        self.capturing = false;
    }

    fn end(&mut self, reboot: bool) -> Result<(), Refusal> {
        self.ended = Some(reboot);
        Ok(())
    }

    fn ask(&mut self, words: &str) -> Result<u64, Refusal> {
        self.commands.ask(words)
    }

    fn forget(&mut self) {
        self.stop_capture();
        self.commands.forget();
    }
}

/// The bytes of a request.
pub(crate) fn request(number: u32, request: Request<'_>) -> Vec<u8> {
    let mut room = [0; REQUEST_LIMIT];
    let length = frame::encode(number, &request, &mut room).expect("a request fits");
    room[..length].to_vec()
}

/// The replies in a stream, each with the number of its request, as text.
pub(crate) fn replies(stream: &[u8]) -> Vec<(u32, String)> {
    let (mut decoder, mut rest, mut found) = (Decoder::<REPLY_LIMIT>::new(), stream, Vec::new());
    while !rest.is_empty() {
        let (used, contents) = decoder.feed(rest);
        rest = &rest[used..];
        if let Some(contents) = contents {
            let (number, reply) =
                frame::decode::<Reply<'_>>(contents).expect("the guest writes whole frames");
            found.push((number, format!("{:?}", reply.expect("the guest writes replies"))));
        }
    }
    found
}

/// Everything the session has to say, read in portions of `room` bytes.
pub(crate) fn read_all(session: &mut Session, appliance: &mut Appliance, room: usize) -> Vec<(u32, String)> {
    let (mut stream, mut portion) = (Vec::new(), vec![0; room]);
    loop {
        match session.fill(appliance, &mut portion) {
            0 => return replies(&stream),
            length => stream.extend_from_slice(&portion[..length]),
        }
    }
}

/// Asks, and reads everything.
pub(crate) fn ask(session: &mut Session, appliance: &mut Appliance, bytes: &[u8]) -> Vec<(u32, String)> {
    assert_eq!(session.receive(bytes, appliance), bytes.len(), "all of it is taken");
    read_all(session, appliance, 2 * REPLY_LIMIT)
}
