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
pub(crate) struct Left(pub(crate) Vec<(Destination, Vec<u8>)>);

impl Wires for Left {
    fn send(&mut self, destination: Destination, frame: &dyn Frame) {
        self.0.push((destination, frame.bytes().to_vec()));
    }
}

/// A message that came from the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.body[at..at + 2].try_into().expect("two octets"))
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.body[at..at + 4].try_into().expect("four octets"))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.body[at..at + 8].try_into().expect("eight octets"))
    }

    /// The type and the code of an error.
    pub(crate) fn error(&self) -> (u16, u16) {
        assert_eq!(self.kind, 1, "{self:?} is no error");
        (self.u16(0), self.u16(2))
    }
}

/// A switch with ports 1, 2 and 3, its clock, and what left it.
pub(crate) struct Bench {
    pub(crate) switch: Switch,
    pub(crate) now: Instant,
    pub(crate) left: Left,
}

/// A connection to it.
pub(crate) struct Controller {
    pub(crate) id: ConnectionId,
    pub(crate) version: u8,
    xid: u32,
    rest: Vec<u8>,
    pub(crate) messages: VecDeque<Message>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
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
    pub(crate) fn controller(&mut self, version: u8) -> Controller {
        let id = self.switch.connect().expect("there is room for one more");
        let mut controller =
            Controller { id, version, xid: 100, rest: Vec::new(), messages: VecDeque::new() };
        controller.send(self, 0, &[]);
        assert_eq!(controller.next().kind, 0);
        controller
    }

    /// Lets a frame in, and gives what left: the frame itself last.
    pub(crate) fn frame(&mut self, port: u32, bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut frame = Copied::default();
        assert!(frame.fill(bytes));
        let last = self.switch.frame(port, &mut frame, self.now, &mut self.left);
        let mut left = self.take_left();
        left.extend(last.map(|to| (to.port, frame.bytes().to_vec())));
        left
    }

    pub(crate) fn take_left(&mut self) -> Vec<(u32, Vec<u8>)> {
        self.left.0.drain(..).map(|(to, bytes)| (to.port, bytes)).collect()
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += std::time::Duration::from_millis(millis);
        self.switch.tick(self.now);
    }
}

impl Controller {
    /// Sends a message, and reads what the switch says.
    pub(crate) fn send(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) -> u32 {
        self.xid += 1;
        let length = (body.len() + 8) as u16;
        let mut octets = vec![self.version, kind];
        octets.extend(length.to_be_bytes());
        octets.extend(self.xid.to_be_bytes());
        octets.extend(body);
        self.send_raw(bench, &octets);
        self.xid
    }

    pub(crate) fn send_raw(&mut self, bench: &mut Bench, mut octets: &[u8]) -> bool {
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
    pub(crate) fn read(&mut self, bench: &mut Bench) {
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
    pub(crate) fn next(&mut self) -> Message {
        self.messages.pop_front().expect("the switch says something")
    }

    /// The answer to a message, which is the only thing that the switch says.
    pub(crate) fn ask(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) -> Message {
        let xid = self.send(bench, kind, body);
        let answer = self.next();
        assert_eq!(answer.xid, xid);
        assert_eq!(self.messages, [], "there is one answer");
        answer
    }

    /// The body of the answers to a multipart request, put together.
    pub(crate) fn multipart(&mut self, bench: &mut Bench, topic: u16, body: &[u8]) -> Vec<u8> {
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
    pub(crate) fn command(&mut self, bench: &mut Bench, kind: u8, body: &[u8]) {
        self.send(bench, kind, body);
        assert_eq!(self.messages, [], "nothing is refused");
    }
}

/// The header and the value of a field, with a mask behind it or not.
pub(crate) fn oxm(field: u8, value: &[u8], mask: Option<&[u8]>) -> Vec<u8> {
    let length = value.len() << usize::from(mask.is_some());
    let mut octets = vec![0x80, 0, field << 1 | u8::from(mask.is_some()), length as u8];
    octets.extend(value);
    octets.extend(mask.unwrap_or_default());
    octets
}

/// A match of these fields.
pub(crate) fn matching(fields: &[Vec<u8>]) -> Vec<u8> {
    let fields = fields.concat();
    let mut octets = vec![0, 1];
    octets.extend((fields.len() as u16 + 4).to_be_bytes());
    octets.extend(fields);
    octets.resize(octets.len().next_multiple_of(8), 0);
    octets
}

/// An action with four octets of arguments.
pub(crate) fn action(kind: u16, argument: u32) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &[0, 8], &argument.to_be_bytes()].concat()
}

pub(crate) fn output(port: u32, most: u16) -> Vec<u8> {
    [&[0, 0, 0, 16][..], &port.to_be_bytes(), &most.to_be_bytes(), &[0; 6]].concat()
}

pub(crate) fn set_field(field: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 25, 0, 0];
    octets.extend(oxm(field, value, None));
    octets.resize(octets.len().next_multiple_of(8), 0);
    octets[3] = octets.len() as u8;
    octets
}

/// An instruction with actions: 3 to write them, 4 to apply them.
pub(crate) fn instruction(kind: u16, actions: &[Vec<u8>]) -> Vec<u8> {
    let actions = actions.concat();
    let length = actions.len() as u16 + 8;
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), &[0; 4], &actions].concat()
}

pub(crate) fn apply(actions: &[Vec<u8>]) -> Vec<u8> {
    instruction(4, actions)
}

pub(crate) fn goto(table: u8) -> Vec<u8> {
    vec![0, 1, 0, 8, table, 0, 0, 0]
}

/// A FLOW_MOD of 1.3.
#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) cookie: u64,
    pub(crate) cookie_mask: u64,
    pub(crate) table: u8,
    pub(crate) command: u8,
    pub(crate) idle: u16,
    pub(crate) hard: u16,
    pub(crate) priority: u16,
    pub(crate) buffer: u32,
    pub(crate) out_port: u32,
    pub(crate) out_group: u32,
    pub(crate) flags: u16,
    pub(crate) matching: Vec<u8>,
    pub(crate) instructions: Vec<u8>,
}

impl Flow {
    pub(crate) fn add(fields: &[Vec<u8>], instructions: &[Vec<u8>]) -> Flow {
        Flow {
            cookie: 0,
            cookie_mask: 0,
            table: 0,
            command: 0,
            idle: 0,
            hard: 0,
            priority: 100,
            buffer: u32::MAX,
            out_port: u32::MAX,
            out_group: u32::MAX,
            flags: 0,
            matching: matching(fields),
            instructions: instructions.concat(),
        }
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut octets = self.cookie.to_be_bytes().to_vec();
        octets.extend(self.cookie_mask.to_be_bytes());
        octets.extend([self.table, self.command]);
        for number in [self.idle, self.hard, self.priority] {
            octets.extend(number.to_be_bytes());
        }
        for number in [self.buffer, self.out_port, self.out_group] {
            octets.extend(number.to_be_bytes());
        }
        octets.extend(self.flags.to_be_bytes());
        octets.extend([0; 2]);
        octets.extend(&self.matching);
        octets.extend(&self.instructions);
        octets
    }

    pub(crate) fn send(&self, bench: &mut Bench, controller: &mut Controller) {
        controller.command(bench, 14, &self.body());
    }

    /// Sends it, and gives the type and the code of the error that comes back.
    pub(crate) fn refused(&self, bench: &mut Bench, controller: &mut Controller) -> (u16, u16) {
        controller.ask(bench, 14, &self.body()).error()
    }
}

/// A frame of Ethernet with an IPv4 packet and a UDP datagram, with right checksums.
pub(crate) fn datagram() -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0];
    bytes.extend([0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0, 53, 0x30, 0x39, 0, 26, 0, 0]);
    bytes.extend(b"eighteen octets..!");
    seal(&mut bytes);
    bytes
}

fn sum(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Fills in the checksums of IPv4, and of TCP, UDP or ICMP within, computed from nothing.
pub(crate) fn seal(bytes: &mut [u8]) {
    bytes[24..26].fill(0);
    let header = fold(sum(&bytes[14..34]));
    bytes[24..26].copy_from_slice(&header.to_be_bytes());
    let end = 14 + usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let protocol = bytes[23];
    let (at, pseudo) = match protocol {
        6 => (34 + 16, true),
        17 => (34 + 6, true),
        1 => (34 + 2, false),
        _ => return,
    };
    bytes[at..at + 2].fill(0);
    let above = if pseudo { sum(&bytes[26..34]) + u32::from(protocol) + (end - 34) as u32 } else { 0 };
    let mut value = fold(above + sum(&bytes[34..end]));
    if protocol == 17 && value == 0 {
        value = 0xffff;
    }
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
