//! A controller for tests: messages as octets, sent to a switch that stands on nothing but memory.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each file of tests uses a part of it"
)]

use std::collections::VecDeque;

use unik_sched::time::Instant;
use unik_vswitch::{
    frame::{Copied, Frame},
    openflow::{ConnectionId, Description, Switch, Wires},
    pipeline::{Datapath, Destination, ports::Port},
};

/// What left a switch.
#[derive(Default)]
pub struct Left(pub Vec<(Destination, Vec<u8>)>);

impl Wires for Left {
    fn send(&mut self, destination: Destination, frame: &dyn Frame) {
        self.0.push((destination, frame.bytes().to_vec()));
    }
}

/// A message that came from the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub version: u8,
    pub kind: u8,
    pub xid: u32,
    pub body: Vec<u8>,
}

impl Message {
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.body[at..at + 2].try_into().expect("two octets"))
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.body[at..at + 4].try_into().expect("four octets"))
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.body[at..at + 8].try_into().expect("eight octets"))
    }

    /// The type and the code of an error.
    pub fn error(&self) -> (u16, u16) {
        assert_eq!(self.kind, 1, "{self:?} is no error");
        (self.u16(0), self.u16(2))
    }
}

/// A switch with ports 1, 2 and 3, its clock, and what left it.
pub struct Bench {
    pub switch: Switch,
    pub now: Instant,
    pub left: Left,
}

/// A connection to it.
pub struct Controller {
    pub id: ConnectionId,
    pub version: u8,
    xid: u32,
    rest: Vec<u8>,
    pub messages: VecDeque<Message>,
}

impl Bench {
    pub fn new() -> Bench {
        let datapath = Datapath::new(7, 200_000).expect("there is memory");
        let mut switch = Switch::new(datapath, 0x42, Description::default());
        let now = Instant::from_millis(1000);
        for number in 1..=3u32 {
            let address = [2, 0, 0, 0, 0, number as u8];
            assert!(switch.put_port(Port::new(number, address, &format!("port{number}"), now)));
        }
        Bench { switch, now, left: Left::default() }
    }

    /// A controller that speaks this version, behind the first messages.
    pub fn controller(&mut self, version: u8) -> Controller {
        let id = self.switch.connect().expect("there is room for one more");
        let mut controller =
            Controller { id, version, xid: 100, rest: Vec::new(), messages: VecDeque::new() };
        controller.send(self, 0, &[]);
        assert_eq!(controller.next().kind, 0);
        controller
    }

    /// Lets a frame in, and gives what left: the frame itself last.
    pub fn frame(&mut self, port: u32, bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut frame = Copied::default();
        assert!(frame.fill(bytes));
        let last = self.switch.frame(port, &mut frame, self.now, &mut self.left);
        let mut left = self.take_left();
        left.extend(last.map(|to| (to.port, frame.bytes().to_vec())));
        left
    }

    pub fn take_left(&mut self) -> Vec<(u32, Vec<u8>)> {
        self.left.0.drain(..).map(|(to, bytes)| (to.port, bytes)).collect()
    }

    pub fn wait(&mut self, millis: u64) {
        self.now += std::time::Duration::from_millis(millis);
        self.switch.tick(self.now);
    }
}

impl Controller {
    /// Sends a message, and reads what the switch says.
    pub fn send(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) -> u32 {
        self.xid += 1;
        let length = (body.len() + 8) as u16;
        let mut octets = vec![self.version, kind];
        octets.extend(length.to_be_bytes());
        octets.extend(self.xid.to_be_bytes());
        octets.extend(body);
        self.send_raw(bench, &octets);
        self.xid
    }

    pub fn send_raw(&mut self, bench: &mut Bench, mut octets: &[u8]) -> bool {
        loop {
            let taken = bench.switch.receive(self.id, octets, bench.now, &mut bench.left);
            let Ok(taken) = taken else {
                self.read(bench);
                return false;
            };
            octets = &octets[taken..];
            self.read(bench);
            if octets.is_empty() {
                return true;
            }
        }
    }

    /// Reads all that waits.
    pub fn read(&mut self, bench: &mut Bench) {
        loop {
            let waiting = bench.switch.output(self.id);
            if waiting.is_empty() {
                break;
            }
            self.rest.extend(waiting);
            let count = waiting.len();
            let _ = bench.switch.sent(self.id, count, bench.now, &mut bench.left);
        }
        while self.rest.len() >= 8 {
            let length = usize::from(u16::from_be_bytes([self.rest[2], self.rest[3]]));
            assert!(length >= 8, "the switch sends no message without a header");
            if self.rest.len() < length {
                break;
            }
            let octets: Vec<u8> = self.rest.drain(..length).collect();
            self.messages.push_back(Message {
                version: octets[0],
                kind: octets[1],
                xid: u32::from_be_bytes(octets[4..8].try_into().expect("four octets")),
                body: octets[8..].to_vec(),
            });
        }
    }

    /// The next message of the switch.
    pub fn next(&mut self) -> Message {
        self.messages.pop_front().expect("the switch says something")
    }

    /// The answer to a message, which is the only thing that the switch says.
    pub fn ask(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) -> Message {
        let xid = self.send(bench, kind, body);
        let answer = self.next();
        assert_eq!(answer.xid, xid);
        assert_eq!(self.messages, [], "there is one answer");
        answer
    }

    /// The body of the answers to a multipart request, put together.
    pub fn multipart(&mut self, bench: &mut Bench, topic: u16, body: &[u8]) -> Vec<u8> {
        let is_1_0 = self.version == 1;
        let mut request = topic.to_be_bytes().to_vec();
        request.extend(if is_1_0 { vec![0; 2] } else { vec![0; 6] });
        request.extend(body);
        let xid = self.send(bench, if is_1_0 { 16 } else { 18 }, &request);
        let mut whole = Vec::new();
        loop {
            let part = self.next();
            assert_eq!((part.xid, part.kind), (xid, if is_1_0 { 17 } else { 19 }), "{part:?}");
            assert_eq!(part.u16(0), topic);
            whole.extend(&part.body[if is_1_0 { 4 } else { 8 }..]);
            if part.u16(2) == 0 {
                return whole;
            }
        }
    }

    /// Sends a message that is not answered, and makes sure that it was not.
    pub fn command(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) {
        self.send(bench, kind, body);
        assert_eq!(self.messages, [], "nothing is refused");
    }
}
