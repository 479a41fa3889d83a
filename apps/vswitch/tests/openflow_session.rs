//! How a connection begins, lives and ends.

mod controller;

use controller::{Bench, Flow, apply, output};
use unik_vswitch::openflow::{MOST_CONNECTIONS, Role};

#[test]
fn the_highest_version_that_both_speak_is_spoken() {
    for (version, bitmap, agreed) in [
        (4, None, 4),
        (1, None, 1),
        (6, None, 4),
        (6, Some(0b10), 1),
        (4, Some(0b1_0010), 4),
        (5, Some(0b11_0000), 4),
    ] {
        let mut bench = Bench::new();
        let id = bench.switch.connect().expect("there is room");
        let mut hello = vec![version, 0, 0, 8, 0, 0, 0, 1];
        if let Some(bitmap) = bitmap {
            hello[3] = 16;
            hello.extend([0, 1, 0, 8, 0, 0, 0, bitmap]);
        }
        assert_eq!(bench.switch.receive(id, &hello, bench.now, &mut bench.left), Ok(16.min(hello.len())));
        assert_eq!(bench.switch.controller(id), Some((Role::Equal, agreed)));
        let ours = bench.switch.output(id);
        assert_eq!(ours[..4], [4, 0, 0, 16]);
        assert_eq!(ours[8..], [0, 1, 0, 8, 0, 0, 0, 0b1_0010]);
    }
}

#[test]
fn who_speaks_nothing_that_is_spoken_here_is_told_so() {
    for hello in [&[3u8, 0, 0, 8, 0, 0, 0, 1][..], &[5, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0b10_1000]]
    {
        let mut bench = Bench::new();
        let id = bench.switch.connect().expect("there is room");
        assert!(bench.switch.receive(id, hello, bench.now, &mut bench.left).is_err());
        let error = &bench.switch.output(id)[16..];
        assert_eq!(error[..2], [4, 1]);
        assert_eq!(error[8..12], [0, 0, 0, 0], "HELLO_FAILED, INCOMPATIBLE");
        assert!(error[12..].is_ascii());
        assert_eq!(bench.switch.controllers(), 0);
    }
}

#[test]
fn an_echo_comes_back_with_what_it_holds() {
    for version in [1, 4] {
        let mut bench = Bench::new();
        let mut controller = bench.controller(version);
        let answer = controller.ask(&mut bench, 2, b"anybody there?");
        assert_eq!((answer.version, answer.kind), (version, 3));
        assert_eq!(answer.body, b"anybody there?");
    }
}

#[test]
fn features_say_what_the_switch_is() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let features = controller.ask(&mut bench, 5, &[]);
    assert_eq!((features.kind, features.body.len()), (6, 24));
    assert_eq!(features.u64(0), 0x42);
    assert_eq!(features.body[12], 64, "tables");
    let mut old = bench.controller(1);
    let features = old.ask(&mut bench, 5, &[]);
    assert_eq!((features.kind, features.body.len()), (6, 24 + 3 * 48), "with the ports");
    assert_eq!(features.u16(24), 1);
    assert_eq!(&features.body[32..37], b"port1");
}

#[test]
fn a_configuration_is_kept_for_each_connection() {
    let mut bench = Bench::new();
    let (mut one, mut other) = (bench.controller(4), bench.controller(4));
    assert_eq!(one.ask(&mut bench, 7, &[]).body, [0, 0, 0, 128]);
    one.command(&mut bench, 9, &[0, 0, 1, 0]);
    assert_eq!(one.ask(&mut bench, 7, &[]).body, [0, 0, 1, 0]);
    assert_eq!(other.ask(&mut bench, 7, &[]).body, [0, 0, 0, 128]);
    assert_eq!(one.ask(&mut bench, 9, &[0, 2, 1, 0]).error(), (10, 0), "fragments are not put together");
}

#[test]
fn messages_may_come_in_any_pieces() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let two = [4, 2, 0, 10, 0, 0, 0, 7, 1, 2, 4, 20, 0, 8, 0, 0, 0, 8];
    for octet in two {
        controller.send_raw(&mut bench, &[octet]);
    }
    controller.send_raw(&mut bench, &[two, two].concat());
    let kinds: Vec<_> = controller.messages.iter().map(|message| (message.kind, message.xid)).collect();
    assert_eq!(kinds, [(3, 7), (21, 8), (3, 7), (21, 8), (3, 7), (21, 8)]);
}

#[test]
fn a_refusal_repeats_the_first_64_octets() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let mut message = vec![4, 77, 0, 200, 0, 0, 0, 9];
    message.resize(200, 0xab);
    controller.send_raw(&mut bench, &message);
    let error = controller.next();
    assert_eq!((error.error(), error.xid), ((1, 1), 9), "BAD_TYPE");
    assert_eq!(error.body[4..], message[..64]);
    assert_eq!(controller.messages, []);
}

#[test]
fn messages_that_are_not_right_are_refused() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    for (message, error) in [
        (&[1u8, 5, 0, 8, 0, 0, 0, 1][..], (1, 0)), // another version
        (&[4, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], (1, 3)), // an experimenter
        (&[4, 9, 0, 8, 0, 0, 0, 1], (1, 6)),       // SET_CONFIG cut short
        (&[4, 14, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0], (1, 6)), // FLOW_MOD cut short
        (&[4, 18, 0, 16, 0, 0, 0, 1, 0, 99, 0, 0, 0, 0, 0, 0], (1, 2)), // no such list
        (&[4, 18, 0, 16, 0, 0, 0, 1, 0, 12, 0, 1, 0, 0, 0, 0], (1, 13)), // a request in parts
        (&[4, 24, 0, 24, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (11, 2)), // no such role
        (&[4, 28, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0], (1, 6)), // SET_ASYNC cut short
    ] {
        assert!(controller.send_raw(&mut bench, message));
        assert_eq!(controller.next().error(), error, "{message:02x?}");
    }
}

#[test]
fn a_length_that_cannot_be_ends_the_connection() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    assert!(!controller.send_raw(&mut bench, &[4, 2, 0, 7, 0, 0, 0, 1]));
    assert_eq!(controller.next().error(), (1, 6));
    assert_eq!(bench.switch.controllers(), 0);
}

#[test]
fn there_are_so_many_connections_and_no_more() {
    let mut bench = Bench::new();
    let ids: Vec<_> = (0..MOST_CONNECTIONS).map(|_| bench.switch.connect().expect("there is room")).collect();
    assert_eq!(bench.switch.connect(), None);
    bench.switch.disconnect(ids[3]);
    assert_eq!(bench.switch.connect(), Some(ids[3]));
}

fn role(number: u8, generation: u8) -> Vec<u8> {
    let mut body = vec![0, 0, 0, number];
    body.extend([0; 11]);
    body.push(generation);
    body
}

#[test]
fn there_is_one_master_and_a_slave_changes_nothing() {
    let mut bench = Bench::new();
    let (mut one, mut other) = (bench.controller(4), bench.controller(4));
    let answer = one.ask(&mut bench, 24, &role(2, 5));
    assert_eq!((answer.kind, answer.u32(0), answer.u64(8)), (25, 2, 5));
    assert_eq!(other.ask(&mut bench, 24, &role(2, 4)).error(), (11, 0), "STALE");
    assert_eq!(other.ask(&mut bench, 24, &role(2, 6)).u32(0), 2);
    assert_eq!(one.ask(&mut bench, 24, &role(0, 0)).u32(0), 3, "it is a slave now");
    let flow = Flow::add(&[], &[apply(&[output(2, 0)])]);
    assert_eq!(flow.refused(&mut bench, &mut one), (1, 10), "IS_SLAVE");
    flow.send(&mut bench, &mut other);
    assert_eq!(one.ask(&mut bench, 24, &role(1, 0)).u32(0), 1);
    flow.send(&mut bench, &mut one);
}

#[test]
fn ports_that_change_are_told_of_to_those_who_want_to_know() {
    let mut bench = Bench::new();
    let (mut one, mut other) = (bench.controller(4), bench.controller(1));
    // Nothing of ports that are modified.
    let masks: Vec<u8> = [7u32, 0, 3, 7, 15, 0].iter().flat_map(|mask| mask.to_be_bytes()).collect();
    one.command(&mut bench, 28, &masks);
    assert_eq!(one.ask(&mut bench, 26, &[]).body, masks);
    bench.switch.set_port_state(2, 1);
    bench.switch.set_port_state(2, 1);
    bench.switch.remove_port(3);
    one.read(&mut bench);
    other.read(&mut bench);
    let status = one.next();
    assert_eq!((status.kind, status.body[0], status.u32(8), status.body.len()), (12, 1, 3, 72));
    assert_eq!(one.messages, []);
    let status = other.next();
    assert_eq!((status.kind, status.body[0], status.u16(8), status.body.len()), (12, 2, 2, 56));
    assert_eq!(status.u32(8 + 28), 1, "its link is down");
    assert_eq!(other.next().body[0], 1);
}

#[test]
fn a_port_is_configured() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let body = |port: u8, last: u8, config: u8, mask: u8| {
        let mut body = vec![0, 0, 0, port, 0, 0, 0, 0, 2, 0, 0, 0, 0, last, 0, 0];
        body.extend([0, 0, 0, config, 0, 0, 0, mask, 0, 0, 0, 0, 0, 0, 0, 0]);
        body
    };
    assert_eq!(controller.ask(&mut bench, 16, &body(9, 2, 1, 1)).error(), (7, 0));
    assert_eq!(controller.ask(&mut bench, 16, &body(2, 3, 1, 1)).error(), (7, 1));
    assert_eq!(controller.ask(&mut bench, 16, &body(2, 2, 2, 2)).error(), (7, 2));
    controller.send(&mut bench, 16, &body(2, 2, 1, 1));
    let status = controller.next();
    assert_eq!((status.kind, status.body[0], status.u32(8), status.u32(8 + 32)), (12, 2, 2, 1));
    Flow::add(&[], &[apply(&[output(2, 0), output(3, 0)])]).send(&mut bench, &mut controller);
    let frame = controller::datagram();
    assert_eq!(bench.frame(1, &frame), [(3, frame.clone())], "the port is down");
    assert_eq!(bench.frame(2, &frame), []);
}

#[test]
fn a_controller_that_does_not_read_loses_events_and_holds_up_nothing() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    Flow::add(&[], &[apply(&[output(0xffff_fffd, 0xffff), output(2, 0)])]).send(&mut bench, &mut controller);
    let mut frame = controller::datagram();
    frame.resize(1500, 0);
    for _ in 0..1000 {
        assert_eq!(bench.frame(1, &frame).len(), 1);
    }
    assert!(bench.switch.output(controller.id).len() < 600_000);
    assert!(bench.switch.counters().lost.get() > 500);
    // Nothing more is read from it.
    let echo = [4, 2, 0, 8, 0, 0, 0, 1].repeat(20_000);
    let taken = bench.switch.receive(controller.id, &echo, bench.now, &mut bench.left).expect("it lives");
    assert!(taken < echo.len());
}

#[test]
fn a_controller_can_be_asked_whether_it_is_there() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(1);
    bench.switch.probe(controller.id);
    controller.read(&mut bench);
    let message = controller.next();
    assert_eq!((message.version, message.kind, message.body.len()), (1, 2, 0));
    assert_eq!(bench.switch.last_refusal(), None);
    controller.ask(&mut bench, 99, &[]);
    let last = bench.switch.last_refusal().map(|(refusal, kind)| (refusal.kind, refusal.code, kind));
    assert_eq!(last, Some((1, 1, 99)));
}
