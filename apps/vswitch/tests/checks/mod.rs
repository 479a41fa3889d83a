//! What must hold for any octets from a controller, for any frame and for any list of actions: used by the tests of hostile
//! input and by fuzz targets.
#![allow(dead_code, reason = "each user takes its part")]

use unik_sched::time::Instant;
use unik_vswitch::{
    frame::{Copied, Frame},
    openflow::{Description, Switch, Wires},
    pipeline::{
        Datapath, Destination, Outside, PacketIn,
        action::{Action, Step},
        commands::{FlowCommand, FlowMod},
        fields::{Field, Match},
        groups::{Bucket, GROUP_ANY, Kind},
        ports::{self, Port},
    },
};

/// What leaves is dropped.
struct Nowhere;

impl Wires for Nowhere {
    fn send(&mut self, _: Destination, frame: &dyn Frame) {
        assert!(frame.bytes().len() < 1 << 17);
    }
}

/// Takes `octets` for what a controller sends: as it is, in pieces of any length, or as the bodies of messages with right
/// headers, with frames in between. All that the switch says are messages.
pub(crate) fn messages(octets: &[u8]) {
    let Some((mode, rest)) = octets.split_first() else { return };
    let Some(datapath) = Datapath::new(1, 500) else { return };
    let mut switch = Switch::new(datapath, 1, Description::default());
    let now = Instant::from_millis(5000);
    for number in 1..=3 {
        assert!(switch.put_port(Port::new(number, [2, 0, 0, 0, 0, number as u8], "port", now)));
    }
    let Some(id) = switch.connect() else { return };
    let version = if mode & 1 == 0 { 4 } else { 1 };
    let mut stream = vec![version, 0, 0, 8, 0, 0, 0, 1];
    if mode & 2 == 0 {
        stream.extend(framed(version, rest));
    } else {
        stream.extend(rest);
    }
    let piece = usize::from(mode >> 2) + 1;
    for (number, mut part) in stream.chunks(piece * 7).enumerate() {
        while !part.is_empty() {
            let Ok(taken) = switch.receive(id, part, now, &mut Nowhere) else { return said(&switch, id) };
            part = &part[taken..];
            said(&switch, id);
            let count = switch.output(id).len();
            assert!(taken > 0 || count > 0, "it goes on");
            if switch.sent(id, count, now, &mut Nowhere).is_err() {
                return;
            }
        }
        let mut frame = Copied::default();
        assert!(frame.fill(rest.get(number..).unwrap_or_default()));
        switch.frame(number as u32 % 4, &mut frame, now, &mut Nowhere);
        switch.tick(Instant::from_millis(5000 + number as u64 * 100));
    }
}

/// The octets as bodies of messages: a type and a length for each.
fn framed(version: u8, mut octets: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [kind, length, rest @ ..] = octets {
        let (body, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        stream.extend([version, kind % 31]);
        stream.extend((body.len() as u16 + 8).to_be_bytes());
        stream.extend([0; 4]);
        stream.extend(body);
        octets = behind;
    }
    stream
}

fn said(switch: &Switch, id: unik_vswitch::openflow::ConnectionId) {
    let mut said = switch.output(id);
    while !said.is_empty() {
        let length = usize::from(u16::from_be_bytes([said[2], said[3]]));
        assert!(length >= 8 && matches!(said[0], 1 | 4), "{said:02x?}");
        said = &said[length..];
    }
}

/// What went out.
#[derive(Default)]
struct Sent(Vec<(u32, Vec<u8>)>);

impl Outside for Sent {
    fn send(&mut self, destination: Destination, frame: &dyn Frame) {
        self.0.push((destination.port, frame.bytes().to_vec()));
    }

    fn packet_in(&mut self, _: &PacketIn<'_>) {}

    fn unmatched(&mut self, _: &PacketIn<'_>) {}
}

/// An action that some octets say.
fn action(kind: u8, argument: u8, value: [u8; 16]) -> Action {
    let tag = [0x8100, 0x88a8][usize::from(argument & 1)];
    match kind % 20 {
        0 => Action::CopyTtlOut,
        1 => Action::CopyTtlIn,
        2 => Action::SetMplsTtl(argument),
        3 => Action::DecMplsTtl,
        4 => Action::PushVlan(tag),
        5 => Action::PopVlan,
        6 => Action::PushMpls(0x8847),
        7 => Action::PopMpls([0x0800, 0x86dd, 0x8847, 0x0806][usize::from(argument % 4)]),
        8 => Action::SetNwTtl(argument),
        9 => Action::DecNwTtl,
        10 => Action::PushPbb(0x88e7),
        11 => Action::PopPbb,
        12 => Action::SetVlanVid(u16::from(argument)),
        13 => Action::SetVlanPcp(argument & 7),
        14 => Action::SetPort { is_source: argument & 1 == 0, port: u16::from(argument) << 4 },
        15 => Action::Output { port: u32::from(argument % 4), most: 0 },
        _ => Action::SetField(Field::new(argument % 40).unwrap_or(Field::ETH_DST), value),
    }
}

/// Does a list of actions with a frame, by a group. The group's own frame is any; the frame that came in goes on as it was.
pub(crate) fn actions(octets: &[u8]) {
    let mut at = octets;
    let mut list = Vec::new();
    while let [kind, argument, rest @ ..] = at {
        at = rest;
        if *kind == 0xff || list.len() > 40 {
            break;
        }
        let mut value = [0; 16];
        value.iter_mut().rev().zip(rest).for_each(|(to, from)| *to = *from);
        list.push(action(*kind, *argument, value));
    }
    list.push(Action::Output { port: 2, most: 0 });
    let mut bytes = at.to_vec();
    bytes.resize(bytes.len().max(60), 0);
    let Some(mut datapath) = Datapath::new(1, 10) else { return };
    for number in 1..=3 {
        assert!(datapath.put_port(Port::new(number, [2; 6], "port", Instant::ZERO)));
    }
    let bucket = Bucket {
        weight: 0,
        watch_port: ports::ANY,
        watch_group: GROUP_ANY,
        actions: list,
        packets: Default::default(),
        bytes: Default::default(),
    };
    assert_eq!(datapath.add_group(1, Kind::All, vec![bucket], Instant::ZERO), Ok(()));
    let output = Step::Action(Action::Output { port: 3, most: 0 });
    let flow = FlowMod {
        command: FlowCommand::Add,
        table: 0,
        cookie: 0,
        cookie_mask: 0,
        idle: 0,
        hard: 0,
        priority: 1,
        out_port: ports::ANY,
        out_group: GROUP_ANY,
        flags: 0,
        matching: Match::ANY,
        program: vec![Step::Apply, output, Step::Action(Action::Group(1)), output],
        is_1_0: false,
    };
    assert_eq!(datapath.flow_mod(flow, Instant::ZERO, &mut |_, _, _| ()), Ok(()));
    let mut frame = Copied::default();
    assert!(frame.fill(&bytes));
    let mut sent = Sent::default();
    let last = datapath.frame(1, &mut frame, Instant::ZERO, &mut sent);
    assert_eq!(sent.0.first(), Some(&(3, bytes.clone())));
    assert_eq!(last.map(|destination| destination.port), Some(3));
    assert_eq!(frame.bytes(), bytes, "a bucket has a frame of its own");
}
