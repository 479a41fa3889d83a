//! Writing replies in an image.
//!
//! The bytes are those that postcard's writer makes; this one takes half the room in an image.

use crate::frame::Stuffed;
use crate::message::{Address, Reply, Socket, Value};

/// Writes a reply as [`frame::encode`](crate::frame::encode) does.
#[inline(never)]
pub(crate) fn write(number: u32, reply: &Reply<'_>, room: &mut [u8]) -> Option<usize> {
    let mut frame = Stuffed::new(room)?;
    frame.number(number.into());
    match reply {
        Reply::Done => frame.number(0),
        Reply::Refused(refusal) => frame.numbers(&[1, *refusal as u64]),
        Reply::Welcome { version, name } => {
            frame.numbers(&[2, (*version).into()]);
            frame.text(name);
        }
        Reply::Fact(fact) => {
            frame.number(3);
            frame.text(fact.name);
            match fact.value {
                Value::Text(text) => {
                    frame.number(0);
                    frame.text(text);
                }
                Value::Number(value) => frame.numbers(&[1, value]),
                Value::Bytes(value) => frame.numbers(&[2, value]),
                Value::Duration(value) => frame.numbers(&[3, value]),
                Value::Date(value) => frame.numbers(&[4, value]),
            }
        }
        Reply::Task(task) => {
            frame.numbers(&[4, task.id]);
            frame.text(task.name);
            frame.number(task.ready.into());
            frame.text(task.waits_for);
            frame.numbers(&[task.polls, task.wakes, task.run_time, task.longest_poll]);
        }
        Reply::Counter { group, name, value } => {
            frame.number(5);
            frame.text(group);
            frame.text(name);
            frame.number(*value);
        }
        Reply::Socket(socket) => frame.socket(socket),
        Reply::Interface(name) => {
            frame.number(7);
            frame.text(name);
        }
        Reply::Record(record) => {
            frame.numbers(&[8, record.number, record.time, record.level as u64]);
            frame.text(record.target);
            frame.text(record.text);
        }
        Reply::Level { target, level } => {
            frame.number(9);
            frame.text(target);
            frame.number(*level as u64);
        }
        Reply::Frame(copy) => {
            frame.numbers(&[
                10,
                copy.time,
                copy.direction as u64,
                copy.length.into(),
                copy.bytes.len() as u64,
            ]);
            frame.bytes(copy.bytes);
        }
        Reply::Lost(count) => frame.numbers(&[11, *count]),
        Reply::Command { name, help } => {
            frame.number(12);
            frame.text(name);
            frame.text(help);
        }
        Reply::Line { text, cut } => {
            frame.number(13);
            frame.text(text);
            frame.number((*cut).into());
        }
        Reply::Declined { text, cut } => {
            frame.number(14);
            frame.text(text);
            frame.number((*cut).into());
        }
    }
    frame.finish()
}

impl Stuffed<'_> {
    /// A number: seven bits in each byte, the lowest first, and a one above them where more follow.
    #[inline(never)]
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    #[inline(never)]
    fn numbers(&mut self, values: &[u64]) {
        values.iter().for_each(|value| self.number(*value));
    }

    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn socket(&mut self, socket: &Socket<'_>) {
        self.number(6);
        self.text(socket.interface);
        self.numbers(&[socket.protocol as u64, socket.state as u64]);
        self.end(&socket.local);
        self.number(socket.remote.is_some().into());
        if let Some(remote) = &socket.remote {
            self.end(remote);
        }
        self.numbers(&[
            socket.receive_queue.into(),
            socket.send_queue.into(),
            socket.round_trip.is_some().into(),
        ]);
        if let Some(time) = socket.round_trip {
            self.number(time.into());
        }
        self.numbers(&[socket.retransmits.into(), socket.age]);
    }

    /// An address, whose bytes are as many as its kind has, and a port.
    #[inline(never)]
    fn end(&mut self, (address, port): &(Address, u16)) {
        let (kind, bytes): (u8, &[u8]) = match address {
            Address::V4(bytes) => (0, bytes),
            Address::V6(bytes) => (1, bytes),
        };
        self.byte(kind);
        self.bytes(bytes);
        self.number((*port).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{REPLY_LIMIT, encode};
    use crate::{Direction, Fact, Frame, Level, Protocol, Record, Refusal, State, Task};
    use std::vec::Vec;

    const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 1 << 63, u64::MAX];
    const TEXTS: [&str; 3] = ["", "net0", "a name with an umlaut: tör"];

    fn replies(number: u64, text: &str) -> Vec<Reply<'_>> {
        let small = number as u32;
        let mut all = std::vec![
            Reply::Done,
            Reply::Welcome { version: number as u16, name: text },
            Reply::Task(Task {
                id: number,
                name: text,
                ready: number % 2 == 1,
                waits_for: text,
                polls: number,
                wakes: number / 3,
                run_time: number / 5,
                longest_poll: number / 7,
            }),
            Reply::Counter { group: text, name: "x", value: number },
            Reply::Interface(text),
            Reply::Lost(number),
            Reply::Command { name: "x", help: text },
            Reply::Line { text, cut: number % 2 == 1 },
            Reply::Declined { text, cut: number % 2 == 1 },
        ];
        let values =
            [Value::Text(text), Value::Number(number), Value::Bytes(number), Value::Duration(number)];
        all.extend(values.map(|value| Reply::Fact(Fact { name: text, value })));
        all.push(Reply::Fact(Fact { name: text, value: Value::Date(number) }));
        let refusals =
            [Refusal::Malformed, Refusal::Version, Refusal::NotFound, Refusal::Busy, Refusal::Unable];
        all.extend(refusals.map(Reply::Refused));
        for level in [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            all.push(Reply::Level { target: text, level });
            all.push(Reply::Record(Record { number, time: number / 2, level, target: text, text }));
        }
        for direction in [Direction::Received, Direction::Sent] {
            all.push(Reply::Frame(Frame { time: number, direction, length: small, bytes: text.as_bytes() }));
        }
        let socket = Socket {
            interface: text,
            protocol: Protocol::Udp,
            state: State::Open,
            local: (Address::V4([10, 0, 2, 15]), small as u16),
            remote: None,
            receive_queue: small,
            send_queue: small / 2,
            round_trip: None,
            retransmits: small / 3,
            age: number,
        };
        all.push(Reply::Socket(socket));
        let remote = Some((Address::V6([0xfe; 16]), 0));
        let connected = Socket { protocol: Protocol::Tcp, remote, round_trip: Some(small), ..socket };
        all.extend(
            [State::Closed, State::TimeWait].map(|state| Reply::Socket(Socket { state, ..connected })),
        );
        all
    }

    #[test]
    fn every_reply_is_written_as_postcard_writes_it() {
        for (number, text) in NUMBERS.into_iter().flat_map(|number| TEXTS.map(|text| (number, text))) {
            for reply in replies(number, text) {
                let (mut ours, mut theirs) = ([0; REPLY_LIMIT], [0; REPLY_LIMIT]);
                let length = write(number as u32, &reply, &mut ours);
                assert_eq!(length, encode(number as u32, &reply, &mut theirs), "{reply:?}");
                assert_eq!(ours[..length.unwrap()], theirs[..length.unwrap()], "{reply:?}");
            }
        }
    }

    #[test]
    fn a_reply_that_does_not_fit_is_none_at_every_length() {
        for reply in replies(u64::MAX, "net0") {
            let mut room = [0; REPLY_LIMIT];
            let whole = write(7, &reply, &mut room).unwrap();
            for length in 0..whole {
                assert_eq!(write(7, &reply, &mut room[..length]), None, "{reply:?} in {length} bytes");
            }
            assert_eq!(write(7, &reply, &mut room[..whole]), Some(whole));
        }
    }
}
