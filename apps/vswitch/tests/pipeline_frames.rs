//! What actions make of frames: their checksums, their tags, and the buffer that they came in.

mod controller;

use controller::{Bench, Flow, action, apply, datagram, matching, output, oxm, seal, set_field};
use unik_vswitch::{
    frame::{
        Copied, Frame,
        parse::parse,
        rewrite::{Change, set_field as rewrite},
    },
    pipeline::{fields::Field, ports},
};

/// A frame with an IPv4 packet of this protocol, with right checksums.
fn packet(protocol: u8, payload: usize) -> Vec<u8> {
    let mut bytes = datagram();
    bytes.truncate(34);
    bytes[23] = protocol;
    bytes[16..18].copy_from_slice(&(20 + payload as u16).to_be_bytes());
    bytes.extend((0..payload).map(|at| at as u8 ^ 0x5a));
    match protocol {
        6 => bytes[46] = 0x50,
        17 => bytes[38..40].copy_from_slice(&(payload as u16).to_be_bytes()),
        _ => {}
    }
    seal(&mut bytes);
    bytes
}

#[test]
fn checksums_follow_every_field_that_is_set() {
    for protocol in [6u8, 17, 1] {
        for (field, value) in [
            (Field::IP_DSCP, 46u128),
            (Field::IP_ECN, 3),
            (Field::IPV4_SRC, 0xc0a8_0a0b),
            (Field::IPV4_DST, 0xffff_fffe),
            (Field::TCP_SRC, 0),
            (Field::TCP_DST, 0xffff),
            (Field::UDP_SRC, 1),
            (Field::UDP_DST, 65534),
            (Field::ICMPV4_TYPE, 0),
            (Field::ICMPV4_CODE, 255),
            (Field::ETH_DST, 0x0102_0304_0506),
        ] {
            for length in [20, 21, 64, 1400] {
                let mut frame = Copied::default();
                assert!(frame.fill(&packet(protocol, length)));
                let mut parsed = parse(frame.bytes());
                let change = rewrite(&mut frame, &mut parsed, field, value);
                let mut sealed = frame.bytes().to_vec();
                seal(&mut sealed);
                assert_eq!(frame.bytes(), sealed, "{field:?} of {protocol}");
                assert_eq!(parse(frame.bytes()).fields, parsed.fields);
                let has = protocol == 6 && matches!(field, Field::TCP_SRC | Field::TCP_DST)
                    || protocol == 17 && matches!(field, Field::UDP_SRC | Field::UDP_DST)
                    || protocol == 1 && matches!(field, Field::ICMPV4_TYPE | Field::ICMPV4_CODE)
                    || matches!(
                        field,
                        Field::IP_DSCP | Field::IP_ECN | Field::IPV4_SRC | Field::IPV4_DST | Field::ETH_DST
                    );
                assert_eq!(
                    change,
                    if has { Change::Value } else { Change::Nothing },
                    "{field:?} of {protocol}"
                );
            }
        }
    }
}

#[test]
fn a_datagram_without_a_checksum_stays_without_one() {
    let mut bytes = packet(17, 30);
    bytes[40..42].fill(0);
    let mut frame = Copied::default();
    assert!(frame.fill(&bytes));
    let mut parsed = parse(frame.bytes());
    rewrite(&mut frame, &mut parsed, Field::UDP_DST, 99);
    rewrite(&mut frame, &mut parsed, Field::IPV4_DST, 99);
    assert_eq!(frame.bytes()[40..42], [0, 0]);
}

/// A frame whose checksum at this place a card completes.
struct Partial(Copied, usize);

impl Frame for Partial {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }

    fn grow_front(&mut self, count: usize) -> bool {
        self.0.grow_front(count)
    }

    fn trim_front(&mut self, count: usize) -> bool {
        self.0.trim_front(count)
    }

    fn set_len(&mut self, length: usize) -> bool {
        self.0.set_len(length)
    }

    fn unfinished(&self) -> Option<usize> {
        Some(self.1)
    }
}

#[test]
fn of_a_checksum_that_the_card_completes_only_the_pseudo_header_follows() {
    let pseudo = |bytes: &[u8]| {
        let mut sum = 17 + (bytes.len() as u32 - 34);
        sum += bytes[26..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_be_bytes()
    };
    let mut bytes = packet(17, 30);
    let sum = pseudo(&bytes);
    bytes[40..42].copy_from_slice(&sum);
    let mut frame = Partial(Copied::default(), 40);
    assert!(frame.0.fill(&bytes));
    let mut parsed = parse(frame.bytes());
    rewrite(&mut frame, &mut parsed, Field::UDP_DST, 99);
    assert_eq!(frame.bytes()[40..42], sum);
    rewrite(&mut frame, &mut parsed, Field::IPV4_SRC, 0x0102_0304);
    assert_eq!(frame.bytes()[40..42], pseudo(frame.bytes()));
}

/// A guest that leaves the checksum of a packet in a tunnel to the card has completed that of the tunnel.
#[test]
fn a_checksum_that_is_complete_follows_though_one_within_is_not() {
    let inner = packet(17, 30);
    let mut bytes = packet(17, 16 + inner.len());
    bytes.truncate(50);
    bytes.extend(&inner);
    seal(&mut bytes);
    let within = 50 + 40;
    for (field, value) in [(Field::IPV4_DST, 0x0a00_0099u128), (Field::UDP_DST, 8472), (Field::UDP_SRC, 77)] {
        for is_absent in [false, true] {
            let mut frame = Partial(Copied::default(), within);
            assert!(frame.0.fill(&bytes));
            if is_absent {
                frame.bytes_mut()[40..42].fill(0);
            }
            let mut parsed = parse(frame.bytes());
            assert_eq!(rewrite(&mut frame, &mut parsed, field, value), Change::Value);
            let mut sealed = frame.bytes().to_vec();
            seal(&mut sealed);
            if is_absent {
                sealed[40..42].fill(0);
            }
            assert_eq!(frame.bytes(), sealed, "{field:?}");
            assert_eq!(frame.bytes()[50..], bytes[50..], "what is within stays as it is");
        }
    }
}

#[test]
fn the_last_output_takes_the_buffer_and_all_others_take_copies() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    Flow::add(&[], &[apply(&[output(2, 0), output(3, 0)])]).send(&mut bench, &mut controller);
    let mut frame = Copied::default();
    assert!(frame.fill(&datagram()));
    let last = bench.switch.frame(1, &mut frame, bench.now, &mut bench.left);
    assert_eq!(last.map(|destination| (destination.port, destination.ingress)), Some((3, 1)));
    assert_eq!(bench.take_left(), [(2, datagram())]);
}

#[test]
fn each_output_sees_the_frame_as_it_was_then() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    let list = [output(2, 0), action(24, 0), output(3, 0), action(17, 0x8100_0000), set_field(6, &[0x10, 9])];
    let flow = Flow::add(&[oxm(5, &[8, 0], None)], &[apply(&[list.concat(), output(2, 0)])]);
    flow.send(&mut bench, &mut controller);
    let mut older = datagram();
    older[22] -= 1;
    seal(&mut older);
    let mut tagged = older.clone();
    tagged.splice(12..12, [0x81, 0, 0, 9]);
    assert_eq!(bench.frame(1, &datagram()), [(2, datagram()), (3, older), (2, tagged)]);
}

#[test]
fn frames_of_one_kind_share_what_the_cache_knows() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    Flow::add(&[oxm(3, &[2, 0, 0, 0, 0, 9], None)], &[apply(&[output(2, 0)])])
        .send(&mut bench, &mut controller);
    for number in 0..100u8 {
        let mut frame = datagram();
        frame[29] = number;
        assert_eq!(bench.frame(1, &frame).len(), 1);
    }
    assert_eq!(bench.switch.datapath.cache_counters(), (99, 1));
    // Another entry, that looks at the address: each is a kind of its own.
    let closer = [oxm(5, &[8, 0], None), oxm(11, &[10, 0, 0, 7], None)];
    Flow { priority: 200, ..Flow::add(&closer, &[apply(&[output(3, 0)])]) }.send(&mut bench, &mut controller);
    for number in 0..100u8 {
        let mut frame = datagram();
        frame[29] = number;
        let port = if number == 7 { 3 } else { 2 };
        assert_eq!(bench.frame(1, &frame)[0].0, port);
    }
    assert_eq!(bench.switch.datapath.cache_counters(), (99, 101));
}

#[test]
fn a_frame_that_was_seen_before_heeds_its_port_and_what_has_become_of_ports() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    Flow::add(&[oxm(5, &[8, 0], None)], &[apply(&[output(2, 0)])]).send(&mut bench, &mut controller);
    let arrives =
        |bench: &mut Bench, from| (0..3).map(|_| bench.frame(from, &datagram()).len()).sum::<usize>();
    assert!(datagram().len() >= 54, "it is one that needs not be read");
    assert_eq!(arrives(&mut bench, 1), 3);
    assert_eq!(arrives(&mut bench, 2), 0, "none leaves by the port it came in on");
    assert_eq!(arrives(&mut bench, 3), 3);
    let address = bench.switch.datapath.ports.get(2).expect("there is one").address;
    for (config, expected) in [(ports::NO_FWD, 0), (0, 3), (ports::PORT_DOWN, 0), (0, 3)] {
        let mask = ports::NO_FWD | ports::PORT_DOWN;
        assert!(bench.switch.datapath.port_mod(2, address, config, mask).is_ok());
        assert_eq!(arrives(&mut bench, 1), expected, "{config}");
    }
    for (state, expected) in [(ports::LINK_DOWN, 0), (ports::LIVE, 3), (ports::BLOCKED, 0), (ports::LIVE, 3)]
    {
        bench.switch.set_port_state(2, state);
        assert_eq!(arrives(&mut bench, 1), expected, "{state}");
    }
    let port = bench.switch.datapath.remove_port(2).expect("there is one");
    assert_eq!(arrives(&mut bench, 1), 0);
    assert!(bench.switch.datapath.put_port(port));
    assert_eq!(arrives(&mut bench, 1), 3);
}

#[test]
fn what_the_cache_knows_ends_where_a_tag_is_taken_out() {
    let mut bench = Bench::new();
    let mut controller = bench.controller(4);
    Flow::add(&[oxm(5, &[0x88, 0x47], None)], &[apply(&[action(20, 0x0800_0000)]), controller::goto(1)])
        .send(&mut bench, &mut controller);
    for (address, port) in [(1, 2), (2, 3)] {
        let fields = [oxm(5, &[8, 0], None), oxm(11, &[10, 0, 0, address], None)];
        Flow { table: 1, ..Flow::add(&fields, &[apply(&[output(port, 0)])]) }
            .send(&mut bench, &mut controller);
    }
    for (address, port) in [(1u8, 2), (2, 3), (1, 2), (2, 3)] {
        let mut frame = datagram();
        frame[29] = address;
        frame[12..14].copy_from_slice(&[0x88, 0x47]);
        frame.splice(14..14, [0, 0, 0x11, 64]);
        assert_eq!(bench.frame(1, &frame)[0].0, port);
    }
    assert_eq!(matching(&[]).len(), 8);
}

#[test]
fn an_ipv4_packet_in_pieces_has_ports_in_the_first_alone() {
    let mut first = packet(17, 64);
    first[20] = 0x20;
    let mut second = packet(17, 64);
    second[21] = 8;
    assert_ne!(parse(&first).fields.get(Field::UDP_SRC), 0);
    assert_eq!(parse(&second).fields.get(Field::UDP_SRC), 0);
    assert_eq!(parse(&second).fields.get(Field::IP_PROTO), 17);
}

#[test]
fn a_frame_with_a_length_has_the_type_that_snap_says() {
    let mut frame = vec![2; 12];
    frame.extend([0, 46, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06]);
    frame.resize(60, 0);
    assert_eq!(parse(&frame).fields.get(Field::ETH_TYPE), 0x0806);
    frame[14] = 0x42;
    assert_eq!(parse(&frame).fields.get(Field::ETH_TYPE), 0x05ff);
}
