//! A guest on the network: echoed datagrams, ARP, ping, an address by DHCP, both kinds of virtio transport.
#![forbid(unsafe_code)]

use std::net::Ipv6Addr;

use cargo_unik::options::{Machine, Protocol};
use unik_tests::{Image, Vm, Wire};

const ECHO: &[(Protocol, u16)] = &[(Protocol::Udp, 7)];

#[track_caller]
fn echoes(mut vm: Vm, ready: &str) {
    vm.line(ready);
    for length in [1, 8, 100, 1472] {
        let datagram: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        assert_eq!(vm.ask(7, &datagram), datagram);
    }
}

#[test]
fn datagrams_are_echoed_on_microvm() {
    echoes(Vm::of(&Image::release("echo")).network(ECHO).boot(), "ready: echo");
}

#[test]
fn datagrams_are_echoed_on_q35() {
    echoes(Vm::of(&Image::release("echo")).machine(Machine::Q35).network(ECHO).boot(), "ready: echo");
}

#[test]
fn datagrams_are_echoed_on_pc() {
    echoes(Vm::of(&Image::release("echo")).machine(Machine::Pc).network(ECHO).boot(), "ready: echo");
}

#[test]
fn a_link_that_goes_down_and_comes_back_is_told_of() {
    for machine in [Machine::Microvm, Machine::Q35] {
        let setup = Vm::of(&Image::release("echo")).machine(machine).network(ECHO);
        let mut vm = setup.controlled().boot();
        vm.line("ready: echo");
        vm.set_link(false);
        vm.line("net0: the link is down");
        vm.set_link(true);
        vm.line("net0: the link is up");
        assert_eq!(vm.ask(7, b"back"), b"back");
    }
}

#[test]
fn datagrams_are_echoed_over_the_transport_of_old() {
    let legacy = ["-global", "virtio-mmio.force-legacy=true"];
    echoes(Vm::of(&Image::release("echo")).network(ECHO).qemu(legacy).boot(), "ready: echo");
}

#[test]
fn datagrams_are_echoed_where_microvm_has_acpi() {
    echoes(Vm::of(&Image::release("echo")).network(ECHO).qemu(["-machine", "acpi=on"]).boot(), "ready: echo");
}

#[test]
fn datagrams_are_echoed_in_the_buffers_that_they_come_in() {
    for machine in [Machine::Microvm, Machine::Q35] {
        let vm = Vm::of(&Image::release("echo_in_place")).machine(machine).network(ECHO).boot();
        echoes(vm, "ready: echo_in_place");
    }
}

#[test]
fn an_address_comes_by_dhcp() {
    let mut vm = Vm::of(&Image::release("echo")).dhcp(ECHO).boot();
    let ready = vm.line("ready: echo");
    assert!(ready.contains("10.0.2.15/24"), "{ready}");
    assert_eq!(vm.ask(7, b"hello"), b"hello");
}

#[test]
fn a_guest_answers_arp_and_ping() {
    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&Image::release("echo"))).boot();
    vm.line("ready: echo");
    let hardware = wire.resolve();
    // What stands in between depends on the wire: two machines at one switch are not to have one address.
    assert!(matches!(hardware, [0x52, 0x54, _, _, 0x34, 0x56]), "{hardware:x?}");
    for length in [0, 1, 56, 1400] {
        let contents = vec![0xa5; length];
        assert_eq!(wire.ping(hardware, &contents), contents);
    }
}

#[test]
fn a_guest_on_a_pc_answers_arp_and_ping() {
    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&Image::release("echo")).machine(Machine::Q35)).boot();
    vm.line("ready: echo");
    let hardware = wire.resolve();
    assert_eq!(wire.ping(hardware, b"ping"), b"ping");
}

#[test]
fn a_guest_speaks_ipv6() {
    let address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x15];
    let mut wire = Wire::new();
    let setup = wire.plug(Vm::of(&Image::release("echo"))).words("net0.ip6=fd00::15/64");
    let mut vm = setup.boot();
    let ready = vm.line("ready: echo");
    let hardware = wire.resolve_six(address);
    // RFC 4291, appendix A: the address of the card, with one bit turned and two octets in between.
    let [a, b, c, d, e, f] = hardware.map(u16::from);
    let own = Ipv6Addr::new(0xfe80, 0, 0, 0, (a ^ 2) << 8 | b, c << 8 | 0xff, 0xfe00 | d, e << 8 | f);
    assert!(ready.contains(&format!("net0 10.0.2.15/24, fd00::15/64, {own}/64)")), "{ready}");
    assert_eq!(hardware, wire.resolve());
    for length in [0, 1, 56, 1400] {
        let contents = vec![0xa5; length];
        let echo = [&[128, 0, 0, 0, 1, 2, 3, 4], &contents[..]].concat();
        let reply = wire.ask_six(hardware, address, 58, &echo, 2);
        assert_eq!((reply[0], &reply[4..]), (129, &echo[4..]));
        // From port 9 to port 7.
        let [high, low] = (8 + length as u16).to_be_bytes();
        let datagram = [&[0, 9, 0, 7, high, low, 0, 0], &contents[..]].concat();
        let reply = wire.ask_six(hardware, address, 17, &datagram, 6);
        assert_eq!((&reply[..4], &reply[8..]), (&[0, 7, 0, 9][..], &contents[..]));
    }
}

#[test]
fn frames_of_any_length_and_content_do_no_harm() {
    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&Image::release("echo"))).boot();
    vm.line("ready: echo");
    let hardware = wire.resolve();
    // A generator without state to seed: the n-th byte of the m-th frame is a hash of both.
    let noise = |frame: usize, index: usize| {
        (frame * 7919 + index * 104_729).wrapping_mul(2_654_435_761).to_be_bytes()[5]
    };
    for frame in 0..200_usize {
        let length = 1 + frame * 7 % 1514;
        let mut bytes: Vec<u8> = (0..length).map(|index| noise(frame, index)).collect();
        // Most of them look like something: addressed to the guest, IPv4 or ARP.
        for (at, byte) in hardware.iter().enumerate().take(length) {
            bytes[at] = *byte;
        }
        if length > 14 && frame % 4 != 0 {
            bytes[12..14].copy_from_slice(if frame % 4 == 1 { &[8, 6] } else { &[8, 0] });
            bytes[14] = if frame % 4 == 2 { 0x45 } else { bytes[14] };
        }
        wire.send(&bytes);
    }
    assert_eq!(wire.ping(hardware, b"still there"), b"still there");
}
