//! The switch forwards between machines, and between wires in the hands of a test.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Instant;

use cargo_unik::options::{Machine, Network};
use unik_tests::{Image, Setup, Vm, Wire};

/// A cable between two guests, which is gone after the test.
struct Cable(PathBuf);

impl Cable {
    fn new(name: &str) -> Cable {
        // Paths of Unix sockets are short (108 bytes), so this one is not below the target folder.
        let path = std::env::temp_dir().join(format!("unik-{}-{name}.cable", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Cable(path)
    }

    fn network(&self) -> Network {
        Network::Link(self.0.clone())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const BROADCAST: [u8; 6] = [0xff; 6];

fn host(number: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, number]
}

/// A frame of a protocol that nobody answers, with a number in it.
fn frame(to: [u8; 6], from: [u8; 6], number: usize) -> Vec<u8> {
    // IEEE 802, 9.2.3: a type for experiments
    let mut frame = [to, from].concat();
    frame.extend_from_slice(&[0x88, 0xb5]);
    frame.extend_from_slice(&number.to_be_bytes());
    frame.resize(60, 0x55);
    frame
}

/// The same with a tag.
fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    let mut tagged = frame.to_vec();
    tagged.splice(12..12, [0x81, 0, (tag >> 8) as u8, tag as u8]);
    tagged
}

fn switch() -> Setup {
    Vm::of(&Image::release("vswitch")).memory("16M").network(&[])
}

/// Waits for the next frame of those that are not the switch's own.
#[track_caller]
fn next(wire: &mut Wire) -> Vec<u8> {
    loop {
        let heard = wire.hear();
        if heard.get(12..14) != Some(&[0x88, 0xcc]) {
            return heard;
        }
    }
}

#[track_caller]
fn hears(wire: &mut Wire, expected: &[u8]) {
    assert_eq!(next(wire), expected);
}

#[track_caller]
fn hears_nothing(wire: &mut Wire) {
    while let Some(heard) = wire.receive() {
        assert_eq!(heard.get(12..14), Some(&[0x88, 0xcc][..]), "{heard:x?}");
    }
}

#[test]
fn two_machines_ping_each_other_through_a_third() {
    let (near, far) = (Cable::new("near"), Cable::new("far"));
    let mut switch = switch().link(near.network()).link(far.network()).monitor().boot();
    let ready = switch.line("ready: vswitch");
    assert!(ready.contains("net0 10.0.2.15/24, 2 ports"), "{ready}");
    let guest = |cable: &Cable, own: u8, other: u8| {
        let words = format!("net0.ip=192.168.7.{own}/24 to=192.168.7.{other}");
        Vm::of(&Image::release("ping")).memory("16M").link(cable.network()).words(&words).boot()
    };
    let mut one = guest(&near, 1, 2);
    let mut other = guest(&far, 2, 1);
    one.line("192.168.7.2 answers after");
    other.line("192.168.7.1 answers after");
    // One asks, the other learns of it by that, and answers: nothing went astray.
    assert!(switch.counter("port1.in_frames") >= 2 && switch.counter("port2.out_frames") >= 2);
    assert_eq!(switch.counter("port1.learned"), 1);
    assert_eq!(switch.counter("port2.learned"), 1);
    let addresses = switch.look("ask addresses");
    assert_eq!(addresses.lines().filter(|line| line.contains("learned")).count(), 2, "{addresses}");
    let ports = switch.look("ask ports");
    assert_eq!(ports.lines().filter(|line| line.contains("forwarding")).count(), 2, "{ports}");
    assert!(switch.look("ask vlans").contains("1,2"));
    assert!(switch.look("ask tree").contains("BRIDGE"));
}

#[test]
fn a_frame_goes_to_the_port_where_its_station_was_heard() {
    let mut wires = [Wire::new(), Wire::new(), Wire::new()];
    let setup = wires.iter().fold(switch().machine(Machine::Q35), |setup, wire| wire.join(setup));
    let mut vm = setup.boot();
    vm.line("ready: vswitch");
    let [one, two, three] = &mut wires;
    one.send(&frame(BROADCAST, host(1), 0));
    hears(two, &frame(BROADCAST, host(1), 0));
    hears(three, &frame(BROADCAST, host(1), 0));
    for number in 0..100 {
        two.send(&frame(host(1), host(2), number));
        hears(one, &frame(host(1), host(2), number));
        one.send(&frame(host(2), host(1), number));
        hears(two, &frame(host(2), host(1), number));
    }
    hears_nothing(three);
    // Nothing that bridges keep to themselves is passed on.
    one.send(&frame([1, 0x80, 0xc2, 0, 0, 3], host(1), 1));
    one.send(&frame(host(2), host(1), 2));
    hears(two, &frame(host(2), host(1), 2));
}

#[test]
fn vlans_are_apart_and_meet_on_a_trunk() {
    let mut wires = [Wire::new(), Wire::new(), Wire::new()];
    let words = "port1.vlan=10 port2.vlan=20 port3.trunk=10,20";
    let setup = wires.iter().fold(switch().words(words), |setup, wire| wire.join(setup));
    let mut vm = setup.boot();
    vm.line("ready: vswitch");
    let [one, two, trunk] = &mut wires;
    let call = frame(BROADCAST, host(1), 7);
    one.send(&call);
    hears(trunk, &tagged(&call, 10));
    let answer = frame(host(1), host(3), 8);
    trunk.send(&tagged(&answer, 10));
    hears(one, &answer);
    trunk.send(&tagged(&answer, 20));
    hears(two, &answer);
    // Another VLAN, and a tag where none is taken.
    trunk.send(&tagged(&answer, 30));
    one.send(&tagged(&call, 20));
    hears_nothing(one);
    hears_nothing(two);
    hears_nothing(trunk);
}

#[test]
fn a_storm_stays_where_it_began() {
    let mut wires = [Wire::new(), Wire::new()];
    let words = "port1.broadcast=10";
    let setup = wires.iter().fold(switch().words(words), |setup, wire| wire.join(setup));
    let mut vm = setup.monitor().boot();
    vm.line("ready: vswitch");
    let [one, two] = &mut wires;
    let begun = Instant::now();
    for number in 0..200 {
        one.send(&frame(BROADCAST, host(1), number));
    }
    // What is no storm passes behind it.
    two.send(&frame(host(1), host(2), 0));
    hears(one, &frame(host(1), host(2), 0));
    one.send(&frame(host(2), host(1), 1000));
    let mut passed = 0;
    while next(two) != frame(host(2), host(1), 1000) {
        passed += 1;
    }
    // A burst of eight, and ten a second, however long it took.
    let most = 9 + begun.elapsed().as_millis() as u64 / 100;
    assert!((8..=most).contains(&passed), "{passed} of 200 have passed, and not {most} at most");
    assert_eq!(vm.counter("port1.drop_broadcast"), 200 - passed);
}

#[test]
fn eight_ports_fit_into_the_memory_of_the_budget() {
    let mut wires: [Wire; 8] = std::array::from_fn(|_| Wire::new());
    let setup = Vm::of(&Image::release("vswitch")).memory("8M").network(&[]);
    let mut vm = wires.iter().fold(setup, |setup, wire| wire.join(setup)).boot();
    let ready = vm.line("ready: vswitch");
    assert!(ready.contains("8 ports"), "{ready}");
    let call = frame(BROADCAST, host(1), 1);
    let [first, others @ ..] = &mut wires;
    first.send(&call);
    others.iter_mut().for_each(|wire| hears(wire, &call));
    let [.., last] = others;
    last.send(&frame(host(1), host(8), 2));
    hears(first, &frame(host(1), host(8), 2));
}

#[test]
fn a_switch_without_a_port_says_so() {
    let mut vm = switch().boot();
    vm.line("error: the switch has no port");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn a_word_that_makes_no_sense_is_named() {
    let wire = Wire::new();
    let mut vm = wire.join(switch().words("port1.vlan=5000")).boot();
    vm.line("error: port1.vlan= needs a VLAN from 1 to 4094");
    assert_eq!(vm.exit_code(), 4);
    let folder = std::env::temp_dir().join(format!("unik-{}-vswitch", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    let written = std::fs::write(folder.join("vswitch.toml"), "[port1]\nvlan = 10\nspeed = 1\n");
    written.unwrap_or_else(|error| panic!("{error}"));
    let mut vm = wire.join(switch().data(&folder)).boot();
    vm.line("error: vswitch.toml:3: there is no key 'speed'");
    assert_eq!(vm.exit_code(), 4);
    let _ = std::fs::remove_dir_all(&folder);
    let mut vm = wire.join(switch().words("port2.vlan=5")).boot();
    vm.line("error: port2.vlan= needs a port that is there");
    assert_eq!(vm.exit_code(), 4);
}
