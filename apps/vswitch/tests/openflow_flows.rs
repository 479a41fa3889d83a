//! Entries: how they are added, changed, deleted, refused, and how they end.

mod controller;

use controller::{
    Bench, Controller, Flow, action, apply, datagram, goto, instruction, matching, output, oxm, set_field,
};

const CONTROLLER: u32 = 0xffff_fffd;

fn bench() -> (Bench, Controller) {
    let mut bench = Bench::new();
    let controller = bench.controller(4);
    (bench, controller)
}

fn ethertype(kind: u16) -> Vec<u8> {
    oxm(5, &kind.to_be_bytes(), None)
}

/// Table, priority, cookie and frames of all entries.
fn entries(bench: &mut Bench, controller: &mut Controller) -> Vec<(u8, u16, u64, u64)> {
    let mut body = vec![0xff, 0, 0, 0];
    body.extend([0xff; 8]);
    body.extend([0; 20]);
    body.extend(matching(&[]));
    let mut flows = &controller.multipart(bench, 1, &body)[..];
    let mut entries = Vec::new();
    while !flows.is_empty() {
        let (flow, rest) = flows.split_at(usize::from(u16::from_be_bytes([flows[0], flows[1]])));
        let number = |at: usize| u64::from_be_bytes(flow[at..at + 8].try_into().expect("eight octets"));
        entries.push((flow[2], u16::from_be_bytes([flow[12], flow[13]]), number(24), number(32)));
        flows = rest;
    }
    entries.sort();
    entries
}

#[test]
fn matches_that_are_not_right_are_refused_with_the_right_code() {
    let (mut bench, mut controller) = bench();
    let tcp = [ethertype(0x0800), oxm(10, &[6], None)];
    let cases: Vec<(Vec<Vec<u8>>, u16)> = vec![
        (vec![vec![0x80, 0, 5 << 1, 4, 8, 0, 0, 0]], 1), // a type of four octets
        (vec![vec![0x80, 0, 5 << 1, 2, 8]], 1),          // cut short
        (vec![vec![0x12, 0x34, 5 << 1, 2, 8, 0]], 6),    // another class
        (vec![vec![0xff, 0xff, 0, 4, 0, 0, 0, 1]], 6),   // of an experimenter
        (vec![oxm(40, &[0], None)], 6),                  // there is no such field
        (vec![oxm(5, &[8, 0], Some(&[0xff, 0xff]))], 8), // with a mask it cannot have
        (vec![ethertype(0x0800), oxm(11, &[10, 0, 0, 1], Some(&[255, 255, 255, 0]))], 5), // bits outside of the mask
        (vec![ethertype(0x0800), oxm(8, &[64], None)], 7),                                // of six bits
        (vec![oxm(6, &[0x20, 0], None)], 7),                                              // of thirteen
        (vec![ethertype(0x0800), ethertype(0x0800)], 10),                                 // twice
        (vec![oxm(11, &[10, 0, 0, 1], None)], 9), // an address of no type
        (vec![oxm(11, &[10, 0, 0, 1], None), ethertype(0x0800)], 9), // in the wrong order
        (vec![ethertype(0x86dd), oxm(11, &[10, 0, 0, 1], None)], 9), // of another type
        (vec![tcp.concat(), oxm(15, &[0, 53], None)], 9), // of another protocol
        (vec![oxm(7, &[3], None)], 9),            // a priority of no tag
        (vec![oxm(6, &[0, 0], None), oxm(7, &[3], None)], 9), // of one that is not there
        (vec![oxm(1, &[0, 0, 0, 1], None)], 9),   // a physical port of no port
        (vec![ethertype(0x86dd), oxm(10, &[58], None), oxm(29, &[128], None), oxm(31, &[0; 16], None)], 9),
        (vec![ethertype(0x86dd), oxm(10, &[58], None), oxm(29, &[136], None), oxm(32, &[0; 6], None)], 9),
        (vec![ethertype(0x0806), oxm(34, &[0, 0, 0, 1], None)], 9), // a label in ARP
    ];
    for (fields, code) in cases {
        let refused = Flow::add(&fields, &[]).refused(&mut bench, &mut controller);
        assert_eq!(refused, (4, code), "{fields:02x?}");
    }
    let mut flow = Flow::add(&[], &[]);
    flow.matching[1] = 0;
    assert_eq!(flow.refused(&mut bench, &mut controller), (4, 0), "a match of another type");
    flow.matching = vec![0, 1, 0, 3, 0, 0, 0, 0];
    assert_eq!(flow.refused(&mut bench, &mut controller), (4, 1));
    flow.matching = vec![0, 1, 0, 99, 0, 0, 0, 0];
    assert_eq!(flow.refused(&mut bench, &mut controller), (4, 1));
    assert_eq!(entries(&mut bench, &mut controller), []);
}

#[test]
fn all_forty_fields_can_be_matched_and_come_back_as_they_were() {
    let (mut bench, mut controller) = bench();
    let (v4, v6) = (ethertype(0x0800), ethertype(0x86dd));
    let protocol = |number: u8| oxm(10, &[number], None);
    let nd = |kind: u8| [v6.clone(), protocol(58), oxm(29, &[kind], None)].concat();
    let lists = [
        vec![
            oxm(0, &[0, 0, 0, 1], None),
            oxm(1, &[0, 0, 0, 1], None),
            oxm(2, &[0; 8], Some(&[1; 8])),
            oxm(38, &[9; 8], None),
        ],
        vec![
            oxm(3, &[2; 6], None),
            oxm(4, &[0; 6], Some(&[1, 0, 0, 0, 0, 0])),
            v4.clone(),
            oxm(6, &[0x10, 5], None),
            oxm(7, &[3], None),
        ],
        vec![
            v4.clone(),
            oxm(8, &[46], None),
            oxm(9, &[1], None),
            protocol(6),
            oxm(11, &[10, 0, 0, 0], Some(&[255, 0, 0, 0])),
            oxm(12, &[10, 1, 1, 1], None),
            oxm(13, &[0, 80], None),
            oxm(14, &[1, 187], None),
        ],
        vec![v4.clone(), protocol(17), oxm(15, &[0, 53], None), oxm(16, &[0, 54], None)],
        vec![v4.clone(), protocol(132), oxm(17, &[0, 53], None), oxm(18, &[0, 54], None)],
        vec![v4.clone(), protocol(1), oxm(19, &[8], None), oxm(20, &[0], None)],
        vec![
            ethertype(0x0806),
            oxm(21, &[0, 1], None),
            oxm(22, &[10, 0, 0, 1], None),
            oxm(23, &[10, 0, 0, 0], Some(&[255, 255, 0, 0])),
            oxm(24, &[2; 6], None),
            oxm(25, &[3; 6], None),
        ],
        vec![
            v6.clone(),
            oxm(26, &[0x20; 16], None),
            oxm(27, &[0; 16], Some(&[0x80; 16])),
            oxm(28, &[0, 0, 1, 0], None),
            oxm(39, &[0, 64], Some(&[0, 64])),
        ],
        vec![nd(135), oxm(30, &[0], None), oxm(31, &[7; 16], None), oxm(32, &[5; 6], None)],
        vec![nd(136), oxm(33, &[5; 6], None)],
        vec![ethertype(0x8847), oxm(34, &[0, 0, 1, 0], None), oxm(35, &[5], None), oxm(36, &[1], None)],
        vec![ethertype(0x88e7), oxm(37, &[0, 1, 0], Some(&[0, 1, 0]))],
    ];
    let mut seen = [false; 40];
    for (priority, fields) in (1..).zip(&lists) {
        Flow { priority, ..Flow::add(fields, &[]) }.send(&mut bench, &mut controller);
    }
    let mut body = vec![0xff, 0, 0, 0];
    body.extend([0xff; 8]);
    body.extend([0; 20]);
    body.extend(matching(&[]));
    let flows = controller.multipart(&mut bench, 1, &body);
    let mut rest = &flows[..];
    let mut found = 0;
    while !rest.is_empty() {
        let (flow, behind) = rest.split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        let wanted = matching(&lists[usize::from(flow[13]) - 1]);
        assert_eq!(flow[48..], wanted);
        let mut fields = &wanted[4..usize::from(u16::from_be_bytes([wanted[2], wanted[3]]))];
        while !fields.is_empty() {
            seen[usize::from(fields[2] >> 1)] = true;
            fields = &fields[4 + usize::from(fields[3])..];
        }
        found += 1;
        rest = behind;
    }
    assert_eq!(found, lists.len());
    assert_eq!(seen, [true; 40]);
}

#[test]
fn commands_that_are_not_right_are_refused() {
    let (mut bench, mut controller) = bench();
    let flow = Flow::add(&[], &[]);
    let cases = [
        (Flow { command: 5, ..flow.clone() }, (5, 6)),
        (Flow { table: 0xff, ..flow.clone() }, (5, 2)),
        (Flow { table: 64, ..flow.clone() }, (5, 2)),
        (Flow { flags: 0x20, ..flow.clone() }, (5, 7)),
        (Flow { instructions: goto(0), ..flow.clone() }, (3, 2)),
        (Flow { instructions: goto(64), ..flow.clone() }, (3, 2)),
        (Flow { instructions: vec![0, 9, 0, 8, 0, 0, 0, 0], ..flow.clone() }, (3, 0)),
        (Flow { instructions: vec![0xff, 0xff, 0, 8, 0, 0, 0, 1], ..flow.clone() }, (3, 5)),
        (Flow { instructions: vec![0, 1, 0, 7, 1, 0, 0, 0], ..flow.clone() }, (3, 7)),
        (Flow { instructions: vec![0, 2, 0, 8, 0, 0, 0, 0], ..flow.clone() }, (3, 7)),
        (Flow { instructions: [goto(1), goto(2)].concat(), ..flow.clone() }, (3, 1)),
        (Flow { instructions: vec![0, 6, 0, 8, 0, 0, 0, 5], ..flow.clone() }, (12, 3)),
        (Flow { buffer: 5, ..flow.clone() }, (1, 8)),
    ];
    for (flow, error) in cases {
        assert_eq!(flow.refused(&mut bench, &mut controller), error, "{:02x?}", flow.instructions);
    }
}

#[test]
fn actions_that_are_not_right_are_refused() {
    let (mut bench, mut controller) = bench();
    let cases = [
        (vec![0, 99, 0, 8, 0, 0, 0, 0], (2, 0)),
        (vec![0, 17, 0, 16, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (2, 1)),
        (vec![0, 17, 0, 4, 0, 0, 0, 0], (2, 1)),
        (vec![0xff, 0xff, 0, 8, 0, 0, 0, 1], (2, 2)),
        (output(0, 0), (2, 4)),
        (output(0xffff_ffff, 0), (2, 4)),
        (output(0xffff_ff01, 0), (2, 4)),
        (action(17, 0x0800_0000), (2, 5)),
        (action(19, 0x0800_0000), (2, 5)),
        (action(26, 0x0800_0000), (2, 5)),
        (action(22, 7), (2, 9)),
        (action(22, 0xffff_ff01), (2, 9)),
        (set_field(13, &[0, 80]), (2, 10)),
        (set_field(7, &[3]), (2, 10)),
        (set_field(0, &[0, 0, 0, 1]), (2, 13)),
        (set_field(2, &[0; 8]), (2, 13)),
        (set_field(39, &[0, 1]), (2, 13)),
        (set_field(41, &[0, 1]), (2, 13)),
        (set_field(5, &[8, 0, 0]), (2, 14)),
        (set_field(6, &[0, 5]), (2, 15)),
        (set_field(6, &[0x20, 5]), (2, 15)),
    ];
    for (list, error) in cases {
        for kind in [3, 4] {
            let flow = Flow::add(&[], &[instruction(kind, std::slice::from_ref(&list))]);
            assert_eq!(flow.refused(&mut bench, &mut controller), error, "{list:02x?}");
        }
    }
    let many = vec![output(2, 0); 257];
    assert_eq!(Flow::add(&[], &[apply(&many)]).refused(&mut bench, &mut controller), (2, 7));
    // What an action makes of a frame is there for the next one.
    Flow::add(&[], &[apply(&[action(17, 0x8100_0000), set_field(7, &[3])])])
        .send(&mut bench, &mut controller);
    Flow::add(&[], &[apply(&[action(19, 0x8847_0000), set_field(34, &[0, 0, 1, 0])])])
        .send(&mut bench, &mut controller);
    let popped = [action(18, 0), set_field(7, &[3])];
    let tagged = [oxm(6, &[0x10, 5], None)];
    assert_eq!(Flow::add(&tagged, &[apply(&popped)]).refused(&mut bench, &mut controller), (2, 10));
}

#[test]
fn an_entry_takes_the_place_of_its_like() {
    let (mut bench, mut controller) = bench();
    let flow = Flow { cookie: 1, ..Flow::add(&[], &[apply(&[output(2, 0)])]) };
    flow.send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    Flow { cookie: 2, ..flow.clone() }.send(&mut bench, &mut controller);
    assert_eq!(entries(&mut bench, &mut controller), [(0, 100, 2, 1)], "the counters stay");
    Flow { cookie: 3, flags: 4, ..flow.clone() }.send(&mut bench, &mut controller);
    assert_eq!(entries(&mut bench, &mut controller), [(0, 100, 3, 0)]);
    Flow { priority: 99, ..flow.clone() }.send(&mut bench, &mut controller);
    Flow { table: 1, ..flow }.send(&mut bench, &mut controller);
    assert_eq!(entries(&mut bench, &mut controller).len(), 3);
}

#[test]
fn an_overlap_is_refused_where_that_is_asked_for() {
    let (mut bench, mut controller) = bench();
    let wide = Flow::add(&[ethertype(0x0800), oxm(11, &[10, 0, 0, 0], Some(&[255, 0, 0, 0]))], &[]);
    wide.send(&mut bench, &mut controller);
    let narrow = Flow::add(&[ethertype(0x0800), oxm(12, &[10, 0, 0, 1], None)], &[]);
    assert_eq!(Flow { flags: 2, ..narrow.clone() }.refused(&mut bench, &mut controller), (5, 3));
    Flow { flags: 2, priority: 7, ..narrow.clone() }.send(&mut bench, &mut controller);
    let apart = Flow::add(&[ethertype(0x0800), oxm(11, &[11, 0, 0, 1], None)], &[]);
    Flow { flags: 2, ..apart }.send(&mut bench, &mut controller);
    narrow.send(&mut bench, &mut controller);
}

#[test]
fn modifications_change_what_is_done_and_nothing_else() {
    let (mut bench, mut controller) = bench();
    let one = Flow { cookie: 1, ..Flow::add(&[ethertype(0x0800)], &[apply(&[output(2, 0)])]) };
    one.send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    let all = Flow { command: 1, cookie: 9, ..Flow::add(&[], &[apply(&[output(3, 0)])]) };
    Flow { cookie_mask: u64::MAX, ..all.clone() }.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 2, "its cookie is another one");
    Flow { command: 2, ..all.clone() }.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 2, "its match is another one");
    all.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 3);
    assert_eq!(entries(&mut bench, &mut controller), [(0, 100, 1, 4)]);
    let strict = Flow { command: 2, ..one.clone() };
    Flow { priority: 7, ..strict.clone() }.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 3);
    strict.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 2);
}

#[test]
fn deletions_choose_by_match_cookie_and_output() {
    let (mut bench, mut controller) = bench();
    let kinds: [(u16, u64, u32); 3] = [(0x0800, 1, 2), (0x0806, 2, 2), (0x86dd, 3, 3)];
    let fill = |bench: &mut Bench, controller: &mut Controller| {
        for (kind, cookie, port) in kinds {
            let flow = Flow::add(&[ethertype(kind)], &[apply(&[output(port, 0)])]);
            Flow { cookie, table: cookie as u8, ..flow }.send(bench, controller);
        }
    };
    let all = Flow { command: 3, table: 0xff, ..Flow::add(&[], &[]) };
    for (delete, left) in [
        (all.clone(), vec![]),
        (Flow { table: 2, ..all.clone() }, vec![1, 3]),
        (Flow { out_port: 2, ..all.clone() }, vec![3]),
        (Flow { cookie: 1, cookie_mask: 1, ..all.clone() }, vec![2]),
        (Flow { matching: matching(&[ethertype(0x86dd)]), ..all.clone() }, vec![1, 2]),
        (Flow { command: 4, ..all.clone() }, vec![1, 2, 3]),
        (Flow { command: 4, matching: matching(&[ethertype(0x86dd)]), ..all.clone() }, vec![1, 2]),
        (
            Flow {
                command: 4,
                table: 3,
                priority: 7,
                matching: matching(&[ethertype(0x86dd)]),
                ..all.clone()
            },
            vec![1, 2, 3],
        ),
        (Flow { command: 4, table: 3, matching: matching(&[ethertype(0x86dd)]), ..all.clone() }, vec![1, 2]),
        (Flow { out_group: 5, ..all.clone() }, vec![1, 2, 3]),
    ] {
        fill(&mut bench, &mut controller);
        delete.send(&mut bench, &mut controller);
        let cookies: Vec<u64> = entries(&mut bench, &mut controller).iter().map(|entry| entry.2).collect();
        assert_eq!(cookies, left);
    }
}

#[test]
fn entries_end_when_their_time_is_over_and_say_so() {
    let (mut bench, mut controller) = bench();
    let flow = Flow { flags: 1, ..Flow::add(&[ethertype(0x0800)], &[apply(&[output(2, 0)])]) };
    Flow { idle: 2, cookie: 1, priority: 1, ..flow.clone() }.send(&mut bench, &mut controller);
    Flow { hard: 3, cookie: 2, priority: 2, ..flow.clone() }.send(&mut bench, &mut controller);
    Flow { hard: 3, cookie: 3, priority: 3, flags: 0, matching: matching(&[]), ..flow }
        .send(&mut bench, &mut controller);
    bench.wait(1900);
    bench.wait(1100);
    controller.read(&mut bench);
    let removed = [controller.next(), controller.next()];
    for (message, (cookie, reason)) in removed.iter().zip([(1, 0), (2, 1)]) {
        assert_eq!((message.kind, message.u64(0), message.body[10]), (11, cookie, reason));
        assert_eq!(message.u32(12), 3, "seconds");
        assert_eq!(message.body[40..], matching(&[ethertype(0x0800)]));
    }
    assert_eq!(controller.messages, [], "the third was to go without a word");
    assert_eq!(entries(&mut bench, &mut controller), []);
}

#[test]
fn a_frame_keeps_an_idle_entry_alive() {
    let (mut bench, mut controller) = bench();
    Flow { idle: 2, ..Flow::add(&[], &[apply(&[output(2, 0)])]) }.send(&mut bench, &mut controller);
    for _ in 0..5 {
        bench.wait(1500);
        assert_eq!(bench.frame(1, &datagram()).len(), 1);
    }
    bench.wait(2000);
    assert_eq!(bench.frame(1, &datagram()), []);
}

#[test]
fn a_deleted_entry_is_told_of_if_it_asked_for_that() {
    let (mut bench, mut controller) = bench();
    let mut old = bench.controller(1);
    Flow { flags: 1, cookie: 7, ..Flow::add(&[ethertype(0x0800)], &[]) }.send(&mut bench, &mut controller);
    controller.send(&mut bench, 14, &Flow { command: 3, ..Flow::add(&[], &[]) }.body());
    let message = controller.next();
    assert_eq!((message.kind, message.u64(0), message.body[10]), (11, 7, 2));
    old.read(&mut bench);
    let message = old.next();
    assert_eq!((message.version, message.kind, message.body.len()), (1, 11, 80));
    assert_eq!((message.u64(40), message.body[50], message.u16(22)), (7, 2, 0x0800));
}

#[test]
fn a_table_without_an_entry_drops_and_the_entry_for_all_others_does_not() {
    let (mut bench, mut controller) = bench();
    assert_eq!(bench.frame(1, &datagram()), []);
    controller.read(&mut bench);
    assert_eq!(controller.messages, []);
    Flow { priority: 0, ..Flow::add(&[], &[apply(&[output(CONTROLLER, 0xffff)])]) }
        .send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    let message = controller.next();
    assert_eq!((message.kind, message.body[6]), (10, 0), "NO_MATCH");
    Flow { priority: 1, ..Flow::add(&[], &[apply(&[output(CONTROLLER, 0xffff)])]) }
        .send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    assert_eq!(controller.next().body[6], 1, "ACTION");
}

#[test]
fn tables_metadata_and_action_sets_work_together() {
    let (mut bench, mut controller) = bench();
    let metadata = [vec![0, 2, 0, 24, 0, 0, 0, 0], vec![0; 7], vec![5], vec![0; 7], vec![7]].concat();
    let write = |actions: &[Vec<u8>]| instruction(3, actions);
    // The set is done in its own order, and an output in a later table takes the place of the first.
    let tags = [output(2, 0), set_field(6, &[0x10, 7]), action(17, 0x8100_0000)];
    let flow =
        Flow::add(&[], &[write(&[tags[2].clone(), tags[0].clone(), tags[1].clone()]), metadata, goto(2)]);
    flow.send(&mut bench, &mut controller);
    let second =
        Flow { table: 2, ..Flow::add(&[oxm(2, &[0, 0, 0, 0, 0, 0, 0, 5], None)], &[write(&[output(3, 0)])]) };
    second.send(&mut bench, &mut controller);
    let mut expected = datagram();
    expected.splice(12..12, [0x81, 0, 0, 7]);
    assert_eq!(bench.frame(1, &datagram()), [(3, expected)]);
    let clear = Flow { instructions: instruction(5, &[]), ..second };
    clear.send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram()), []);
}

#[test]
fn a_table_that_is_full_says_so() {
    let mut bench = Bench::new();
    bench.switch.datapath = unik_vswitch::pipeline::Datapath::new(1, 10).expect("there is memory");
    let mut controller = bench.controller(4);
    for priority in 1..=10 {
        Flow { priority, ..Flow::add(&[], &[]) }.send(&mut bench, &mut controller);
    }
    assert_eq!(Flow { priority: 11, ..Flow::add(&[], &[]) }.refused(&mut bench, &mut controller), (5, 1));
    Flow { priority: 10, ..Flow::add(&[], &[]) }.send(&mut bench, &mut controller);
}
