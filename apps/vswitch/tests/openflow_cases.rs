//! The cases of a switch tester, played in memory: two switches, of which one is tested and the other counts what comes out.
//!
//! The cases are not part of this repository. The variable `VSWITCH_CASES` names a file with them, one thing a line, all octets
//! in hexadecimal digits: `case VERSION NAME x | DESCRIPTION` begins one; `flow`, `group` and `meter` are whole messages that
//! are sent first; `in` is a frame for port 1, and `packets RATE SECONDS` with lines `p LENGTH START` are many of them, in turn;
//! `egress`, `packet_in`, `miss TABLE` and `throughput KBPS PKTPS MESSAGE` say what is expected, the last one with the entry
//! that counts it. Without the variable there is nothing to play.

mod controller;

use controller::{Bench, Controller};
use unik_vswitch::pipeline::ports;

fn octets(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).expect("digits"))
        .collect()
}

/// Starts and ends of things with lengths, sorted, so that their order does not matter.
fn parts(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while octets.len() >= 4 {
        let length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        parts.push(octets[..length].to_vec());
        octets = &octets[length..];
    }
    parts.sort();
    parts
}

struct Play {
    bench: Bench,
    controller: Controller,
    counter: Bench,
    counting: Controller,
}

impl Play {
    fn new(version: u8) -> Play {
        let (mut bench, mut counter) = (Bench::new(), Bench::new());
        let (controller, counting) = (bench.controller(version), counter.controller(4));
        Play { bench, controller, counter, counting }
    }

    fn install(&mut self, what: &str, message: &[u8]) -> Result<(), String> {
        let Play { bench, controller, .. } = self;
        controller.send(bench, message[1], &message[8..]);
        if let Some(error) = controller.messages.pop_front() {
            return Err(format!("{what} refused: {:?}", error.error()));
        }
        match (what, controller.version) {
            ("flow", 1) => self.flow_is_there_1_0(message),
            ("flow", _) => self.flow_is_there(message),
            ("group", _) => {
                let groups = controller.multipart(bench, 7, &[]);
                (groups[2..] == message[10..] || groups[4..] == message[12..] && groups[2] == message[10])
                    .then_some(())
                    .ok_or(format!("group {groups:02x?}"))
            }
            _ => {
                let meters = controller.multipart(bench, 10, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
                (meters[2..] == message[10..]).then_some(()).ok_or(format!("meter {meters:02x?}"))
            }
        }
    }

    fn flow_is_there(&mut self, message: &[u8]) -> Result<(), String> {
        let any = [0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        let mut body = any.to_vec();
        body.extend([0; 16]);
        body.extend([0, 1, 0, 4, 0, 0, 0, 0]);
        let flows = self.controller.multipart(&mut self.bench, 1, &body);
        let length = |octets: &[u8]| usize::from(u16::from_be_bytes([octets[0], octets[1]]));
        let split = |octets: &[u8]| {
            let end = length(&octets[2..]).next_multiple_of(8);
            (octets[..end].to_vec(), parts(&octets[end..]))
        };
        let wanted = (split(&message[48..]), message[24], message[30..32].to_vec(), message[8..16].to_vec());
        let mut rest = &flows[..];
        while !rest.is_empty() {
            let flow = &rest[..length(rest)];
            rest = &rest[flow.len()..];
            if (split(&flow[48..]), flow[2], flow[12..14].to_vec(), flow[24..32].to_vec()) == wanted {
                return Ok(());
            }
        }
        Err(format!("no such flow: {flows:02x?}"))
    }

    fn flow_is_there_1_0(&mut self, message: &[u8]) -> Result<(), String> {
        let mut body = vec![0xff; 4];
        body.extend([0; 36]);
        body.extend([0xff, 0, 0xff, 0xff]);
        let flows = self.controller.multipart(&mut self.bench, 1, &body);
        let mut rest = &flows[..];
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let flow = &rest[..length];
            rest = &rest[length..];
            // Without the wildcards: the tester does not look at them.
            if flow[8..44] == message[12..48] && flow[88..] == message[72..] {
                return Ok(());
            }
        }
        Err(format!("no such flow: {flows:02x?} for {message:02x?}"))
    }

    /// Lets a frame in and hands what comes out to the other switch.
    fn pass(&mut self, frame: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let left = self.bench.frame(1, frame);
        self.controller.read(&mut self.bench);
        for (port, bytes) in &left {
            self.counter.now = self.bench.now;
            self.counter.frame(*port, bytes);
        }
        left
    }

    fn lookups(&self, table: u8) -> (u64, u64) {
        let table = self.bench.switch.datapath.flows.table(table).expect("a table");
        (table.lookups, table.matched)
    }

    fn expect(&mut self, kind: &str, frame: &[u8], rest: &str) -> Result<(), String> {
        match kind {
            "egress" => {
                let (left, wanted) = (self.pass(frame), octets(rest));
                (left == [(2, wanted.clone())])
                    .then_some(())
                    .ok_or(format!("{left:02x?}\ninstead of\n{wanted:02x?}"))
            }
            "packet_in" => {
                let left = self.pass(frame);
                let message = self.controller.messages.pop_front().ok_or("no packet-in")?;
                let (start, reason) = if self.controller.version == 1 {
                    (10, message.body[8])
                } else {
                    (18 + usize::from(message.u16(18)).next_multiple_of(8), message.body[6])
                };
                let is_right = left.is_empty() && message.kind == 10 && reason == 1;
                (is_right && message.body[start..] == octets(rest)[..])
                    .then_some(())
                    .ok_or(format!("{message:02x?}\ninstead of\n{rest}"))
            }
            _ => {
                let tables: Vec<u8> = rest.split(',').map(|table| table.parse().expect("a table")).collect();
                let before: Vec<_> = tables.iter().map(|table| self.lookups(*table)).collect();
                self.pass(frame);
                self.controller.messages.clear();
                let after: Vec<_> = tables.iter().map(|table| self.lookups(*table)).collect();
                let is_right = before.iter().zip(&after).all(|(b, a)| b.0 < a.0 && b.1 == a.1);
                is_right.then_some(()).ok_or(format!("table {rest}: {before:?}, then {after:?}"))
            }
        }
    }

    fn throughput(&mut self, stream: &Stream) -> Result<(), String> {
        for (.., message) in &stream.wanted {
            self.counting.command(&mut self.counter, 14, &message[8..]);
        }
        let count = stream.rate * stream.seconds;
        for number in 0..count {
            self.bench.now += std::time::Duration::from_nanos(1_000_000_000 / stream.rate);
            let frame = &stream.frames[number as usize % stream.frames.len()];
            self.pass(frame);
        }
        let flows = &self.counter.switch.datapath.flows;
        let mut found = String::new();
        let mut is_right = true;
        for (at, (kbps, pktps, _)) in (0..).zip(&stream.wanted) {
            let flow = flows.get(at).ok_or("no entry that counts")?;
            let (is, wanted) = if *kbps != 0 {
                (flow.bytes as f64, *kbps as f64 * stream.seconds as f64 * 128.0)
            } else {
                (flow.packets as f64, *pktps as f64 * stream.seconds as f64)
            };
            is_right &= (is - wanted).abs() <= wanted * 0.1;
            found += &format!("{is} of {wanted}; ");
        }
        is_right.then_some(()).ok_or(found)
    }
}

#[derive(Default)]
struct Stream {
    rate: u64,
    seconds: u64,
    frames: Vec<Vec<u8>>,
    wanted: Vec<(u64, u64, Vec<u8>)>,
}

/// Plays the lines of one case.
fn play(version: u8, lines: &[&str]) -> Result<(), String> {
    let mut play = Play::new(version);
    let mut frame = Vec::new();
    let mut stream: Option<Stream> = None;
    for line in lines {
        let (kind, rest) = line.split_once(' ').expect("a kind");
        let numbers: Vec<u64> = rest.split(' ').map_while(|word| word.parse().ok()).collect();
        match (kind, &mut stream) {
            ("flow" | "group" | "meter", _) => play.install(kind, &octets(rest))?,
            ("in", _) => frame = octets(rest),
            ("packets", _) => {
                stream = Some(Stream { rate: numbers[0], seconds: numbers[1], ..Stream::default() })
            }
            ("p", Some(stream)) => {
                let mut bytes = octets(rest.split(' ').nth(1).expect("octets"));
                bytes.resize(numbers[0] as usize, 0x11);
                stream.frames.push(bytes);
            }
            ("throughput", Some(stream)) => {
                let message = octets(rest.split(' ').nth(2).expect("octets"));
                stream.wanted.push((numbers[0], numbers[1], message));
            }
            _ => play.expect(kind, &frame, rest)?,
        }
    }
    stream.map_or(Ok(()), |stream| play.throughput(&stream))
}

#[test]
fn all_cases_of_the_tester_pass() {
    let Some(path) = std::env::var_os("VSWITCH_CASES") else { return };
    let text = std::fs::read_to_string(path).expect("the cases are there");
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("case ")).collect();
    let mut failed = 0;
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(lines.len());
        let version =
            lines[*start].split(' ').nth(1).and_then(|number| number.parse().ok()).expect("a version");
        if let Err(why) = play(version, &lines[start + 1..end]) {
            failed += 1;
            println!("{}\n    {why}", lines[*start]);
        }
    }
    assert!(starts.len() > 1000, "there are {} cases", starts.len());
    assert_eq!(failed, 0, "of {} cases", starts.len());
    assert_eq!(ports::ANY, u32::MAX);
}
