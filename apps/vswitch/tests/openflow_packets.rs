//! Frames that go to controllers and come from them, and what is told about the switch.

mod controller;

use controller::{Bench, Controller, Flow, action, apply, datagram, goto, matching, output, oxm};

const CONTROLLER: u32 = 0xffff_fffd;
const TABLE: u32 = 0xffff_fff9;

fn bench(version: u8) -> (Bench, Controller) {
    let mut bench = Bench::new();
    let controller = bench.controller(version);
    (bench, controller)
}

/// A PACKET_OUT of 1.3.
fn packet_out(buffer: u32, port: u32, actions: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let actions = actions.concat();
    let mut body = buffer.to_be_bytes().to_vec();
    body.extend(port.to_be_bytes());
    body.extend((actions.len() as u16).to_be_bytes());
    body.extend([0; 6]);
    body.extend(actions);
    body.extend(data);
    body
}

#[test]
fn a_frame_for_the_controller_says_where_it_comes_from() {
    let (mut bench, mut controller) = bench(4);
    let tunnel = controller::set_field(38, &[0, 0, 0, 0, 0, 0, 0, 9]);
    let metadata = [vec![0, 2, 0, 24, 0, 0, 0, 0], vec![0, 0, 0, 0, 0, 0, 0, 5], vec![0xff; 8]].concat();
    Flow::add(&[], &[apply(&[tunnel]), metadata, goto(3)]).send(&mut bench, &mut controller);
    let flow = Flow::add(&[], &[apply(&[output(CONTROLLER, 0xffff)])]);
    Flow { table: 3, cookie: 77, ..flow }.send(&mut bench, &mut controller);
    bench.frame(2, &datagram());
    controller.read(&mut bench);
    let message = controller.next();
    assert_eq!((message.kind, message.u32(0), message.u16(4)), (10, u32::MAX, 60));
    assert_eq!((message.body[6], message.body[7], message.u64(8)), (1, 3, 77));
    let fields = [
        oxm(0, &[0, 0, 0, 2], None),
        oxm(2, &[0, 0, 0, 0, 0, 0, 0, 5], None),
        oxm(38, &[0, 0, 0, 0, 0, 0, 0, 9], None),
    ];
    let wanted = matching(&fields);
    assert_eq!(message.body[16..16 + wanted.len()], wanted);
    assert_eq!(message.body[18 + wanted.len()..], datagram());
}

#[test]
fn the_beginning_of_a_frame_is_sent_and_the_frame_is_kept() {
    let (mut bench, mut controller) = bench(4);
    Flow::add(&[], &[apply(&[output(CONTROLLER, 20)])]).send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    let message = controller.next();
    let buffer = message.u32(0);
    assert_eq!((message.u16(4), message.body.len()), (60, 16 + 16 + 2 + 20));
    controller.command(&mut bench, 13, &packet_out(buffer, 1, &[output(2, 0)], &[]));
    assert_eq!(bench.take_left(), [(2, datagram())]);
    let again = controller.ask(&mut bench, 13, &packet_out(buffer, 1, &[output(2, 0)], &[]));
    assert_eq!(again.error(), (1, 7), "BUFFER_EMPTY");
    let unknown = controller.ask(&mut bench, 13, &packet_out(buffer + 1, 1, &[output(2, 0)], &[]));
    assert_eq!(unknown.error(), (1, 8), "BUFFER_UNKNOWN");
}

/// Where the frame begins in a PACKET_IN of 1.3 that says nothing but the port.
const HEAD: usize = 16 + 16 + 2;

#[test]
fn of_a_frame_that_no_buffer_is_long_enough_for_comes_as_much_as_is_wanted() {
    // What a card has put together (segmentation offload).
    let mut long = datagram();
    long.resize(9000, 7);
    for (most, sent) in [(128, 128), (0, 0), (0xffff, 9000), (9000, 9000), (8999, 8999)] {
        let (mut bench, mut controller) = bench(4);
        Flow::add(&[], &[apply(&[output(CONTROLLER, most)])]).send(&mut bench, &mut controller);
        bench.frame(1, &long);
        controller.read(&mut bench);
        let message = controller.next();
        assert_eq!((message.u32(0), message.u16(4)), (u32::MAX, 9000), "no buffer, and its whole length");
        assert_eq!(message.body[HEAD..], long[..sent]);
    }
    // Of one that a buffer holds, there is nothing more than that either.
    long.truncate(2048);
    let (mut bench, mut controller) = bench(4);
    Flow::add(&[], &[apply(&[output(CONTROLLER, 128)])]).send(&mut bench, &mut controller);
    bench.frame(1, &long);
    controller.read(&mut bench);
    let message = controller.next();
    assert_ne!(message.u32(0), u32::MAX);
    assert_eq!(message.body[HEAD..], long[..128]);
}

#[test]
fn the_longest_frame_is_cut_to_the_longest_message() {
    let mut long = datagram();
    long.resize(65_550, 7);
    // OFPCML_MAX, and the whole frame.
    for most in [0xffe5, 0xffff] {
        let (mut bench, mut controller) = bench(4);
        Flow::add(&[], &[apply(&[output(CONTROLLER, most)])]).send(&mut bench, &mut controller);
        bench.frame(1, &long);
        controller.read(&mut bench);
        let message = controller.next();
        assert_eq!((message.u32(0), message.u16(4)), (u32::MAX, 0xffff));
        let sent = message.body.len() - HEAD;
        assert!((65_400..65_536 - 8 - HEAD).contains(&sent), "{sent} octets");
        assert_eq!(message.body[HEAD..], long[..sent]);
        let again = controller.ask(&mut bench, 2, &[]);
        assert_eq!(again.kind, 3, "the next message begins where it should");
    }
    // The same without an entry, for a controller of 1.0.
    let (mut bench, mut controller) = bench(1);
    bench.frame(1, &long);
    controller.read(&mut bench);
    let message = controller.next();
    assert_eq!((message.kind, message.u32(0), message.body.len()), (10, u32::MAX, 10 + 128));
}

#[test]
fn a_new_entry_may_take_a_kept_frame() {
    let (mut bench, mut controller) = bench(4);
    Flow { priority: 0, ..Flow::add(&[], &[apply(&[output(CONTROLLER, 20)])]) }
        .send(&mut bench, &mut controller);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    let buffer = controller.next().u32(0);
    Flow { buffer, ..Flow::add(&[oxm(0, &[0, 0, 0, 1], None)], &[apply(&[output(3, 0)])]) }
        .send(&mut bench, &mut controller);
    assert_eq!(bench.take_left(), [(3, datagram())]);
}

#[test]
fn a_frame_from_a_controller_goes_where_that_says() {
    let (mut bench, mut controller) = bench(4);
    let mut send = |bench: &mut Bench, port: u32, actions: &[Vec<u8>]| {
        controller.command(bench, 13, &packet_out(u32::MAX, port, actions, &datagram()));
        bench.take_left().iter().map(|(port, _)| *port).collect::<Vec<_>>()
    };
    assert_eq!(send(&mut bench, CONTROLLER, &[output(2, 0), output(3, 0)]), [2, 3]);
    assert_eq!(send(&mut bench, CONTROLLER, &[output(0xffff_fffb, 0)]), [1, 2, 3], "FLOOD");
    assert_eq!(send(&mut bench, 2, &[output(0xffff_fffc, 0)]), [1, 3], "ALL");
    assert_eq!(send(&mut bench, 2, &[output(0xffff_fff8, 0)]), [2], "IN_PORT");
    assert_eq!(send(&mut bench, 2, &[output(2, 0)]), []);
    assert_eq!(send(&mut bench, 2, &[output(0xffff_fffa, 0)]), [0xffff_fffa], "NORMAL");
    assert_eq!(send(&mut bench, 2, &[output(60, 0)]), [], "no such port");
    assert_eq!(send(&mut bench, 2, &[]), []);
    Flow::add(&[oxm(0, &[0, 0, 0, 2], None)], &[apply(&[output(3, 0)])]).send(&mut bench, &mut controller);
    let tables = packet_out(
        u32::MAX,
        2,
        &[output(1, 0), output(TABLE, 0), action(17, 0x8100_0000), output(1, 0)],
        &datagram(),
    );
    controller.command(&mut bench, 13, &tables);
    let left = bench.take_left();
    let lengths: Vec<_> = left.iter().map(|(port, bytes)| (*port, bytes.len())).collect();
    assert_eq!(lengths, [(1, 60), (3, 60), (1, 64)]);
}

#[test]
fn a_frame_from_a_controller_that_is_not_right_is_refused() {
    let (mut bench, mut controller) = bench(4);
    for (body, error) in [
        (packet_out(u32::MAX, 0, &[], &[]), (1, 11)),
        (packet_out(u32::MAX, 0xffff_fffb, &[], &[]), (1, 11)),
        (packet_out(u32::MAX, 1, &[output(0, 0)], &[]), (2, 4)),
        (packet_out(u32::MAX, 1, &[], &[])[..12].to_vec(), (1, 6)),
        ([&packet_out(u32::MAX, 1, &[], &[])[..8], &[0, 8, 0, 0, 0, 0, 0, 0]].concat(), (1, 6)),
    ] {
        assert_eq!(controller.ask(&mut bench, 13, &body).error(), error, "{body:02x?}");
    }
    for short in [&[][..], &[1, 2, 3], &[0; 13]] {
        let actions = [action(18, 0), action(17, 0x8100_0000), action(24, 0), output(2, 0)];
        controller.command(&mut bench, 13, &packet_out(u32::MAX, 1, &actions, short));
    }
}

#[test]
fn a_ttl_that_runs_out_is_for_the_controller() {
    let (mut bench, mut controller) = bench(4);
    Flow { cookie: 3, ..Flow::add(&[oxm(5, &[8, 0], None)], &[apply(&[action(24, 0), output(2, 0)])]) }
        .send(&mut bench, &mut controller);
    let mut frame = datagram();
    frame[22] = 1;
    controller::seal(&mut frame);
    assert_eq!(bench.frame(1, &frame), []);
    controller.read(&mut bench);
    let message = controller.next();
    assert_eq!((message.kind, message.body[6], message.u64(8)), (10, 2, 3));
}

#[test]
fn openflow_1_0_gets_what_no_entry_takes() {
    let (mut bench, mut old) = bench(1);
    let mut new = bench.controller(4);
    old.command(&mut bench, 9, &[0, 0, 0, 20]);
    bench.frame(3, &datagram());
    old.read(&mut bench);
    new.read(&mut bench);
    assert_eq!(new.messages, []);
    let message = old.next();
    assert_eq!((message.kind, message.u16(4), message.u16(6), message.body[8]), (10, 60, 3, 0));
    assert_eq!(message.body[10..], datagram()[..20]);
    let mut body = message.body[..4].to_vec();
    body.extend([0, 3, 0, 8, 0, 0, 0, 8, 0xff, 0xfb, 0, 0]);
    old.command(&mut bench, 13, &body);
    assert_eq!(bench.take_left(), [(1, datagram()), (2, datagram())]);
}

#[test]
fn many_entries_are_listed_in_many_messages() {
    let (mut bench, mut controller) = bench(4);
    for number in 0..3000u32 {
        let address = number.to_be_bytes();
        Flow::add(&[oxm(5, &[8, 0], None), oxm(12, &address, None)], &[apply(&[output(2, 0)])])
            .send(&mut bench, &mut controller);
    }
    let mut body = vec![0xff, 0, 0, 0];
    body.extend([0xff; 8]);
    body.extend([0; 20]);
    body.extend(matching(&[]));
    let request = [&[0, 1, 0, 0, 0, 0, 0, 0][..], &body].concat();
    controller.send(&mut bench, 18, &request);
    let parts: Vec<_> = controller.messages.drain(..).collect();
    assert!(parts.len() > 5);
    assert!(parts.iter().rev().skip(1).all(|part| part.u16(2) == 1), "MORE");
    assert_eq!(parts.iter().map(|part| (part.body.len() - 8) / 96).sum::<usize>(), 3000);
    let sums = controller.multipart(&mut bench, 2, &body);
    assert_eq!(sums[16..20], 3000u32.to_be_bytes());
}

#[test]
fn each_list_has_its_length() {
    let (mut bench, mut controller) = bench(4);
    bench.frame(1, &datagram());
    let any = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(controller.multipart(&mut bench, 0, &[]).len(), 1056);
    let tables = controller.multipart(&mut bench, 3, &[]);
    assert_eq!(
        (tables.len(), &tables[8..24]),
        (64 * 24, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..])
    );
    let counters = controller.multipart(&mut bench, 4, &any);
    assert_eq!((counters.len(), counters[15], counters[31]), (3 * 112, 1, 60));
    assert_eq!(controller.multipart(&mut bench, 4, &[0, 0, 0, 2, 0, 0, 0, 0]).len(), 112);
    assert_eq!(controller.multipart(&mut bench, 5, &[0xff; 8]).len(), 3 * 40);
    assert_eq!(controller.multipart(&mut bench, 8, &[]).len(), 40);
    assert_eq!(controller.multipart(&mut bench, 11, &[]).len(), 16);
    assert_eq!(controller.multipart(&mut bench, 13, &[]).len(), 3 * 64);
    let features = controller.multipart(&mut bench, 12, &[]);
    let mut rest = &features[..];
    let mut tables = 0;
    while !rest.is_empty() {
        let (table, behind) = rest.split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        assert_eq!(table[2], tables);
        let mut properties = &table[64..];
        while !properties.is_empty() {
            let length = usize::from(u16::from_be_bytes([properties[2], properties[3]]));
            properties = &properties[length.next_multiple_of(8)..];
        }
        tables += 1;
        rest = behind;
    }
    assert_eq!(tables, 64);
    for (topic, body, error) in [
        (4u8, [0, 0, 0, 9, 0, 0, 0, 0], (1, 11)),
        (5, [0, 0, 0, 9, 0, 0, 0, 0], (9, 0)),
        (5, [0, 0, 0, 1, 0, 0, 0, 7], (9, 1)),
        (9, [0, 0, 0, 9, 0, 0, 0, 0], (12, 3)),
        (12, [0; 8], (13, 5)),
    ] {
        let request = [&[0, topic, 0, 0, 0, 0, 0, 0][..], &body].concat();
        assert_eq!(controller.ask(&mut bench, 18, &request).error(), error);
    }
    assert_eq!(controller.ask(&mut bench, 22, &any).body.len(), 8 + 3 * 16);
}

#[test]
fn each_list_of_openflow_1_0_has_its_length() {
    let (mut bench, mut controller) = bench(1);
    assert_eq!(controller.multipart(&mut bench, 0, &[]).len(), 1056);
    assert_eq!(controller.multipart(&mut bench, 3, &[]).len(), 64 * 64);
    assert_eq!(controller.multipart(&mut bench, 4, &[0xff, 0xff, 0, 0, 0, 0, 0, 0]).len(), 3 * 104);
    assert_eq!(
        controller.multipart(&mut bench, 5, &[0xff, 0xfc, 0, 0, 0xff, 0xff, 0xff, 0xff]).len(),
        3 * 32
    );
    assert_eq!(controller.ask(&mut bench, 16, &[0, 13, 0, 0]).error(), (1, 2), "BAD_STAT");
    assert_eq!(controller.ask(&mut bench, 24, &[0; 16]).error(), (1, 1), "no roles");
    assert_eq!(controller.ask(&mut bench, 20, &[0, 1, 0, 0]).body.len(), 8 + 8);
}

#[test]
fn a_port_can_be_kept_from_controllers() {
    let (mut bench, mut controller) = bench(1);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    assert_eq!(controller.next().kind, 10);
    // OFPPC_NO_PACKET_IN.
    let body = [&[0, 1, 2, 0, 0, 0, 0, 1][..], &[0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    controller.send(&mut bench, 15, &body);
    assert_eq!(controller.next().kind, 12);
    bench.frame(1, &datagram());
    controller.read(&mut bench);
    assert_eq!(controller.messages, []);
}
