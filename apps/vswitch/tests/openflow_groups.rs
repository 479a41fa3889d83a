//! Groups and meters.

mod controller;

use controller::{Bench, Controller, Flow, action, apply, datagram, output, oxm, seal, set_field};

const ANY: u32 = u32::MAX;

fn bench() -> (Bench, Controller) {
    let mut bench = Bench::new();
    let controller = bench.controller(4);
    (bench, controller)
}

fn bucket(weight: u16, port: u32, group: u32, actions: &[Vec<u8>]) -> Vec<u8> {
    let actions = actions.concat();
    let mut octets = (actions.len() as u16 + 16).to_be_bytes().to_vec();
    octets.extend(weight.to_be_bytes());
    octets.extend(port.to_be_bytes());
    octets.extend(group.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend(actions);
    octets
}

fn group(command: u8, kind: u8, id: u32, buckets: &[Vec<u8>]) -> Vec<u8> {
    [&[0, command, kind, 0][..], &id.to_be_bytes(), &buckets.concat()].concat()
}

fn to(port: u32) -> Vec<u8> {
    bucket(0, ANY, ANY, &[output(port, 0)])
}

fn through(id: u32) -> Vec<u8> {
    action(22, id)
}

#[test]
fn each_bucket_of_all_has_a_frame_of_its_own() {
    let (mut bench, mut controller) = bench();
    let tagged = bucket(0, ANY, ANY, &[action(17, 0x8100_0000), set_field(6, &[0x10, 5]), output(2, 0)]);
    let other = bucket(0, ANY, ANY, &[set_field(3, &[2, 0, 0, 0, 0, 7]), output(3, 0)]);
    controller.command(&mut bench, 15, &group(0, 0, 1, &[tagged, other, to(3)]));
    Flow::add(&[], &[apply(&[through(1), output(2, 0)])]).send(&mut bench, &mut controller);
    let frame = datagram();
    let mut with_tag = frame.clone();
    with_tag.splice(12..12, [0x81, 0, 0, 5]);
    let mut readdressed = frame.clone();
    readdressed[5] = 7;
    let expected = [(2, with_tag), (3, readdressed), (3, frame.clone()), (2, frame.clone())];
    assert_eq!(bench.frame(1, &frame), expected);
}

#[test]
fn a_bucket_that_shortens_a_frame_gives_it_back_whole() {
    let (mut bench, mut controller) = bench();
    let popped = bucket(0, ANY, ANY, &[action(18, 0), action(18, 0), output(2, 0)]);
    controller.command(&mut bench, 15, &group(0, 0, 1, &[popped, to(3)]));
    Flow::add(&[], &[apply(&[through(1)])]).send(&mut bench, &mut controller);
    let mut frame = datagram();
    frame.truncate(56);
    let plain = frame.clone();
    frame.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]);
    let mut padded = plain;
    padded.resize(60, 0);
    assert_eq!(bench.frame(1, &frame), [(2, padded), (3, frame.clone())]);
}

#[test]
fn a_selection_follows_the_weights_and_keeps_to_a_flow() {
    let (mut bench, mut controller) = bench();
    let weighted = |weight: u16, port: u32| bucket(weight, ANY, ANY, &[output(port, 0)]);
    controller.command(&mut bench, 15, &group(0, 1, 1, &[weighted(1, 2), weighted(3, 3)]));
    Flow::add(&[], &[apply(&[through(1)])]).send(&mut bench, &mut controller);
    let mut counts = [0; 4];
    for number in 0..4000u16 {
        let mut frame = datagram();
        frame[34..36].copy_from_slice(&number.to_be_bytes());
        seal(&mut frame);
        let first = bench.frame(1, &frame);
        assert_eq!(first, bench.frame(1, &frame));
        counts[first[0].0 as usize] += 1;
    }
    assert!((900..1100).contains(&counts[2]) && counts[2] + counts[3] == 4000, "{counts:?}");
}

#[test]
fn a_failover_goes_to_the_first_that_is_alive() {
    let (mut bench, mut controller) = bench();
    let watching = |port: u32| bucket(0, port, ANY, &[output(port, 0)]);
    controller.command(&mut bench, 15, &group(0, 3, 1, &[watching(2), watching(3)]));
    let nested = bucket(0, ANY, 1, &[through(1)]);
    controller.command(&mut bench, 15, &group(0, 3, 2, &[nested]));
    Flow::add(&[], &[apply(&[through(2)])]).send(&mut bench, &mut controller);
    assert_eq!(bench.frame(1, &datagram())[0].0, 2);
    bench.switch.set_port_state(2, 1);
    assert_eq!(bench.frame(1, &datagram())[0].0, 3);
    bench.switch.set_port_state(3, 1);
    assert_eq!(bench.frame(1, &datagram()), []);
    bench.switch.set_port_state(2, 4);
    assert_eq!(bench.frame(1, &datagram())[0].0, 2);
}

#[test]
fn groups_that_are_not_right_are_refused() {
    let (mut bench, mut controller) = bench();
    controller.command(&mut bench, 15, &group(0, 0, 1, &[to(2)]));
    controller.command(&mut bench, 15, &group(0, 2, 2, &[bucket(0, ANY, ANY, &[through(1)])]));
    let cases = [
        (group(0, 0, 1, &[to(2)]), 0),
        (group(0, 0, 0xffff_ff01, &[to(2)]), 1),
        (group(0, 2, 5, &[to(2), to(3)]), 1),
        (group(0, 0, 5, &[bucket(2, ANY, ANY, &[output(2, 0)])]), 1),
        (group(1, 0, 1, &[bucket(0, ANY, ANY, &[through(2)])]), 7),
        (group(1, 0, 1, &[bucket(0, ANY, ANY, &[through(1)])]), 7),
        (group(1, 3, 1, &[bucket(0, ANY, 2, &[output(2, 0)])]), 7),
        (group(1, 0, 9, &[to(2)]), 8),
        (group(2, 0, 1, &[]), 9),
        (group(0, 4, 5, &[to(2)]), 10),
        (group(3, 0, 5, &[to(2)]), 11),
        (group(0, 0, 5, &[vec![0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), 12),
        (group(0, 0, 5, &[vec![0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), 12),
        (group(0, 3, 5, &[to(2)]), 13),
    ];
    for (body, code) in cases {
        assert_eq!(controller.ask(&mut bench, 15, &body).error(), (6, code), "{body:02x?}");
    }
    let missing = group(0, 0, 5, &[bucket(0, ANY, ANY, &[through(77)])]);
    assert_eq!(controller.ask(&mut bench, 15, &missing).error(), (2, 9));
}

#[test]
fn chains_of_groups_are_bounded() {
    let (mut bench, mut controller) = bench();
    controller.command(&mut bench, 15, &group(0, 0, 0, &[to(2)]));
    let mut deepest = 0;
    for id in 1..20 {
        let twice = [bucket(0, ANY, ANY, &[through(id - 1)]), bucket(0, ANY, ANY, &[through(id - 1)])];
        controller.send(&mut bench, 15, &group(0, 0, id, &twice));
        match controller.messages.pop_front() {
            None => deepest = id,
            Some(error) => {
                assert_eq!(error.error(), (6, 7));
                break;
            }
        }
    }
    Flow::add(&[], &[apply(&[through(deepest)])]).send(&mut bench, &mut controller);
    assert!((4..8).contains(&deepest), "{deepest}");
    assert_eq!(bench.frame(1, &datagram()).len(), 1 << deepest);
}

#[test]
fn a_group_that_goes_takes_its_entries_along() {
    let (mut bench, mut controller) = bench();
    controller.command(&mut bench, 15, &group(0, 0, 1, &[to(2)]));
    Flow { flags: 1, cookie: 5, ..Flow::add(&[], &[apply(&[through(1)])]) }.send(&mut bench, &mut controller);
    Flow { priority: 1, ..Flow::add(&[], &[apply(&[output(3, 0)])]) }.send(&mut bench, &mut controller);
    let counted = controller.multipart(&mut bench, 6, &[0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(counted[8..12], [0, 0, 0, 1], "one entry names it");
    controller.send(&mut bench, 15, &group(2, 0, 1, &[]));
    let message = controller.next();
    assert_eq!((message.kind, message.u64(0), message.body[10]), (11, 5, 3), "GROUP_DELETE");
    assert_eq!(bench.frame(1, &datagram())[0].0, 3);
    assert_eq!(controller.multipart(&mut bench, 7, &[]), []);
}

#[test]
fn what_groups_have_done_is_counted() {
    let (mut bench, mut controller) = bench();
    controller.command(&mut bench, 15, &group(0, 0, 1, &[to(2), to(3)]));
    Flow::add(&[], &[apply(&[through(1)])]).send(&mut bench, &mut controller);
    (0..3).for_each(|_| drop(bench.frame(1, &datagram())));
    bench.wait(2000);
    let group = controller.multipart(&mut bench, 6, &[0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0]);
    let number = |at: usize| u64::from_be_bytes(group[at..at + 8].try_into().expect("eight octets"));
    assert_eq!(group.len(), 72);
    assert_eq!([16, 24, 40, 48, 56, 64].map(number), [3, 180, 3, 180, 3, 180]);
    assert_eq!(number(32), 2 << 32);
}

fn meter(command: u8, flags: u8, id: u32, bands: &[(u8, u32, u32, u8)]) -> Vec<u8> {
    let mut octets = vec![0, command, 0, flags];
    octets.extend(id.to_be_bytes());
    for (kind, rate, burst, level) in bands {
        octets.extend([0, *kind, 0, 16]);
        octets.extend(rate.to_be_bytes());
        octets.extend(burst.to_be_bytes());
        octets.extend([*level, 0, 0, 0]);
    }
    octets
}

fn metered(id: u32, actions: &[Vec<u8>]) -> Flow {
    let limit = [&[0, 6, 0, 8][..], &id.to_be_bytes()].concat();
    Flow::add(&[], &[limit, apply(actions)])
}

#[test]
fn a_meter_lets_as_many_frames_pass_as_its_rate_says() {
    let (mut bench, mut controller) = bench();
    // A hundred frames a second, and ten at once.
    controller.command(&mut bench, 29, &meter(0, 2 | 4, 1, &[(1, 100, 10, 0)]));
    metered(1, &[output(2, 0)]).send(&mut bench, &mut controller);
    let passed = (0..50).filter(|_| !bench.frame(1, &datagram()).is_empty()).count();
    assert_eq!(passed, 10);
    let mut passed = 0;
    for _ in 0..1000 {
        bench.wait(1);
        passed += bench.frame(1, &datagram()).len();
    }
    assert!((99..=101).contains(&passed), "{passed}");
    let counted = controller.multipart(&mut bench, 9, &[0, 0, 0, 1, 0, 0, 0, 0]);
    let number = |at: usize| u64::from_be_bytes(counted[at..at + 8].try_into().expect("eight octets"));
    assert_eq!(counted[12..16], [0, 0, 0, 1], "one entry");
    assert_eq!((number(16), number(40)), (1050, 1050 - 10 - passed as u64));
}

#[test]
fn a_meter_raises_the_drop_precedence() {
    let (mut bench, mut controller) = bench();
    // A kilobit a second: the first frame is within it, as no bucket is smaller than a packet may be.
    controller.command(&mut bench, 29, &meter(0, 1 | 4, 1, &[(2, 1, 1, 1), (1, 2, 600, 0)]));
    metered(1, &[output(2, 0)]).send(&mut bench, &mut controller);
    let mut frame = datagram();
    frame[15] = 18 << 2;
    frame.resize(1500, 0);
    frame[16..18].copy_from_slice(&1400u16.to_be_bytes());
    frame[38..40].copy_from_slice(&1380u16.to_be_bytes());
    seal(&mut frame);
    let mut remarked = frame.clone();
    remarked[15] = 20 << 2;
    seal(&mut remarked);
    let passed: Vec<_> = (0..60).map(|_| bench.frame(1, &frame)).collect();
    let count =
        |wanted: &[u8]| passed.iter().filter(|left| left.first().is_some_and(|out| out.1 == wanted)).count();
    assert_eq!(count(&frame), 43, "525 kilobits");
    assert_eq!(count(&remarked), 7, "75 more");
    assert_eq!(passed.iter().filter(|left| left.is_empty()).count(), 10);
}

#[test]
fn meters_that_are_not_right_are_refused() {
    let (mut bench, mut controller) = bench();
    let drop = [(1, 100, 0, 0)];
    controller.command(&mut bench, 29, &meter(0, 1, 1, &drop));
    let cases = [
        (meter(0, 1, 1, &drop), 1),
        (meter(0, 1, 0, &drop), 2),
        (meter(0, 1, 0xffff_0001, &drop), 2),
        (meter(1, 1, 9, &drop), 3),
        (meter(3, 1, 9, &drop), 4),
        (meter(0, 3, 9, &drop), 5),
        (meter(0, 16, 9, &drop), 5),
        (meter(0, 1, 9, &[(1, 0, 0, 0)]), 6),
        (meter(0, 1, 9, &[(7, 1, 0, 0)]), 8),
        (meter(0, 1, 9, &[(1, 1, 0, 0); 9]), 11),
    ];
    for (body, code) in cases {
        assert_eq!(controller.ask(&mut bench, 29, &body).error(), (12, code), "{body:02x?}");
    }
    let mut short = meter(0, 1, 9, &drop);
    short.truncate(20);
    assert_eq!(controller.ask(&mut bench, 29, &short).error(), (1, 6));
}

#[test]
fn a_meter_that_goes_takes_its_entries_along() {
    let (mut bench, mut controller) = bench();
    controller.command(&mut bench, 29, &meter(0, 1, 1, &[(1, 100, 0, 0)]));
    controller.command(&mut bench, 29, &meter(0, 2, 2, &[(1, 100, 0, 0)]));
    metered(1, &[output(2, 0)]).send(&mut bench, &mut controller);
    let other = metered(2, &[output(3, 0)]);
    Flow { priority: 7, matching: controller::matching(&[oxm(0, &[0, 0, 0, 1], None)]), ..other }
        .send(&mut bench, &mut controller);
    controller.command(&mut bench, 29, &meter(2, 0, 1, &[]));
    assert_eq!(bench.frame(1, &datagram())[0].0, 3);
    controller.command(&mut bench, 29, &meter(2, 0, u32::MAX, &[]));
    assert_eq!(bench.frame(1, &datagram()), []);
    assert_eq!(controller.multipart(&mut bench, 10, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), []);
}
