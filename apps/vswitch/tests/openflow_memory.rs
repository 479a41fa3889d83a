//! What frames and entries take of the memory, and a switch whose memory runs out.

mod controller;

use controller::{Bench, Flow, action, apply, datagram, goto, matching, output, oxm, set_field};
use unik_testkit::{Scarce, Scarcity, Usage};
use unik_vswitch::{
    frame::Frame,
    openflow::{Description, Switch, Wires},
    pipeline::{Datapath, Destination, ports::Port},
};

#[global_allocator]
static HEAP: Scarce = Scarce;

/// A frame in a piece of memory that is there.
struct Fixed {
    octets: [u8; 512],
    start: usize,
    end: usize,
}

impl Frame for Fixed {
    fn bytes(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.start..self.end]
    }

    fn grow_front(&mut self, count: usize) -> bool {
        let start = self.start.checked_sub(count);
        self.start = start.unwrap_or(self.start);
        start.is_some()
    }

    fn trim_front(&mut self, count: usize) -> bool {
        self.start += count;
        true
    }

    fn set_len(&mut self, length: usize) -> bool {
        self.end = self.start + length;
        true
    }
}

fn fixed(bytes: &[u8]) -> Fixed {
    let mut frame = Fixed { octets: [0; 512], start: 100, end: 100 + bytes.len() };
    frame.bytes_mut().copy_from_slice(bytes);
    frame
}

struct Counted(usize);

impl Wires for Counted {
    fn send(&mut self, _: Destination, frame: &dyn Frame) {
        self.0 += frame.bytes().len();
    }
}

#[test]
fn a_frame_takes_no_memory() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let bucket = |actions: &[Vec<u8>]| {
        let actions = actions.concat();
        [&(actions.len() as u16 + 16).to_be_bytes()[..], &[0, 0], &[0xff; 8], &[0; 4], &actions].concat()
    };
    let tagged = bucket(&[action(17, 0x8100_0000), set_field(6, &[0x10, 5]), output(2, 0)]);
    let plain = bucket(&[action(18, 0), output(3, 0)]);
    controller.command(&mut bench, 15, &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &tagged, &plain].concat());
    let set = controller::instruction(3, &[action(26, 0x88e7_0000), output(2, 0)]);
    Flow::add(&[oxm(5, &[8, 0], None)], &[apply(&[action(22, 1), action(24, 0)]), set, goto(1)])
        .send(&mut bench, &mut controller);
    Flow { table: 1, ..Flow::add(&[], &[apply(&[output(3, 0)])]) }.send(&mut bench, &mut controller);
    let mut wires = Counted(0);
    let ((), usage) = Usage::of(|| {
        for _ in 0..50 {
            let mut frame = fixed(&datagram_here());
            let last = bench.switch.frame(1, &mut frame, bench.now, &mut wires);
            assert_eq!(last.map(|destination| destination.port), Some(2));
            assert_eq!(frame.bytes().len(), 60 + 18);
        }
    });
    assert_eq!(usage.peak, 0);
    assert_eq!(wires.0, 50 * (64 + 60 + 60));
}

/// The same as [`datagram`], made without memory.
fn datagram_here() -> [u8; 60] {
    let mut bytes = [0; 60];
    bytes[..24]
        .copy_from_slice(&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0, 0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17]);
    bytes[38..40].copy_from_slice(&[0, 26]);
    bytes
}

#[test]
fn an_entry_takes_three_hundred_octets_at_most() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let ((), usage) = Usage::of(|| {
        for number in 0..20_000u32 {
            let fields =
                [oxm(5, &[8, 0], None), oxm(11, &number.to_be_bytes(), None), oxm(12, &[10, 0, 0, 1], None)];
            Flow::add(&fields, &[apply(&[output(2, 0)])]).send(&mut bench, &mut controller);
        }
    });
    println!("{} octets for each entry", usage.kept / 20_000);
    assert!(usage.kept / 20_000 <= 300);
}

/// A session that asks for all kinds of memory.
fn session(messages: &[Vec<u8>]) {
    let Some(datapath) = Datapath::new(1, 100) else { return };
    let mut switch = Switch::new(datapath, 1, Description::default());
    let now = unik_sched::time::Instant::from_millis(1);
    let mut wires = Counted(0);
    for number in 1..=3 {
        if !switch.put_port(Port::new(number, [2, 0, 0, 0, 0, number as u8], "port", now)) {
            return;
        }
    }
    let Some(id) = switch.connect() else { return };
    for message in messages {
        let mut rest = &message[..];
        while !rest.is_empty() {
            let Ok(taken) = switch.receive(id, rest, now, &mut wires) else { return };
            rest = &rest[taken..];
            let count = switch.output(id).len();
            if switch.sent(id, count, now, &mut wires).is_err() {
                return;
            }
        }
        switch.frame(1, &mut fixed(&datagram_here()), now, &mut wires);
    }
}

#[test]
fn each_allocation_of_a_session_may_fail() {
    let message = |kind: u8, body: &[u8]| {
        [&[4, kind][..], &(body.len() as u16 + 8).to_be_bytes(), &[0, 0, 0, 1], body].concat()
    };
    let flow = |flow: Flow| message(14, &flow.body());
    let bucket = [&[0, 32, 0, 0][..], &[0xff; 8], &[0; 4], &output(2, 0)].concat();
    let list = |topic: u8, body: &[u8]| message(18, &[&[0, topic, 0, 0, 0, 0, 0, 0][..], body].concat());
    let mut all = vec![0xff, 0, 0, 0];
    all.extend([0xff; 8]);
    all.extend([0; 20]);
    all.extend(matching(&[]));
    let messages = [
        message(0, &[]),
        message(5, &[]),
        message(15, &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &bucket, &bucket].concat()),
        message(29, &[0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]),
        flow(Flow::add(&[oxm(5, &[8, 0], None)], &[apply(&[action(22, 1), output(0xffff_fffd, 20)])])),
        flow(Flow { priority: 0, ..Flow::add(&[], &[apply(&[output(0xffff_fffd, 0xffff)])]) }),
        flow(Flow { command: 1, ..Flow::add(&[], &[apply(&[output(3, 0)])]) }),
        list(1, &all),
        list(12, &[]),
        list(7, &[]),
        list(10, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        message(
            13,
            &[&[0xff; 4][..], &[0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0], &output(0xffff_fff9, 0), &datagram()]
                .concat(),
        ),
        flow(Flow { command: 3, ..Flow::add(&[], &[]) }),
    ];
    session(&messages);
    let mut failures = 0;
    for number in 0.. {
        let ((), failed) = Scarcity::Nth(number).during(|| session(&messages));
        if failed == 0 {
            break;
        }
        failures += 1;
    }
    assert!(failures > 30, "{failures} allocations");
    for number in 0..failures {
        Scarcity::From(number).during(|| session(&messages));
    }
}
