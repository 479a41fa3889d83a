//! Machines of all kinds: how their devices interrupt, how many there may be, and what the bad ones may do.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::net::UdpSocket;

use cargo_unik::options::{Machine, Network, Protocol};
use unik_tests::{Image, Qtest, Setup, Vm};

const ECHO: &[(Protocol, u16)] = &[(Protocol::Udp, 7)];
const DNS: &[(Protocol, u16)] = &[(Protocol::Udp, 53)];
const ALL: [Machine; 3] = [Machine::Microvm, Machine::Q35, Machine::Pc];
const PCI: [Machine; 2] = [Machine::Q35, Machine::Pc];
/// QEMU's devices on PCI without MSI-X: they have a pin.
const PINS: [&str; 6] = [
    "-global",
    "virtio-net-pci.vectors=0",
    "-global",
    "virtio-serial-pci.vectors=0",
    "-global",
    "virtio-rng-pci.vectors=0",
];

/// www.example.org, type A, class IN (RFC 1035, 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

#[track_caller]
fn echoes(setup: Setup) {
    let mut vm = setup.network(ECHO).boot();
    vm.line("ready: echo");
    for length in [1, 100, 1472] {
        let datagram: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        assert_eq!(vm.ask(7, &datagram), datagram);
    }
}

fn echo(machine: Machine) -> Setup {
    Vm::of(&Image::release("echo")).machine(machine)
}

/// A name server that can be looked into, up and running.
fn server(machine: Machine, change: impl FnOnce(Setup) -> Setup) -> Vm {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap();
    let setup = Vm::of(&image).machine(machine).network(DNS).data(&zones).monitor();
    let mut vm = change(setup).boot();
    vm.line("ready: dns");
    vm
}

#[test]
fn nine_cards_four_disks_and_more_processors_do_no_harm() {
    for (machine, processors) in ALL.into_iter().zip(["2", "4", "2"]) {
        let setup = echo(machine).network(ECHO).qemu(["-smp", processors]);
        let setup = (1..9).fold(setup, |setup, _| setup.link(Network::User));
        let mut vm = (0..4).fold(setup, |setup, _| setup.disk()).boot();
        vm.line("ready: echo");
        assert_eq!(vm.ask(7, b"hello"), b"hello");
    }
}

#[test]
fn queues_beyond_the_two_that_are_used_are_left_alone() {
    let queues = ["-global", "virtio-net-pci.mq=on", "-global", "virtio-blk-pci.num-queues=4"];
    for machine in PCI {
        echoes(echo(machine).disk().qemu(queues));
    }
    echoes(echo(Machine::Microvm).qemu(["-global", "virtio-net-device.mq=on"]));
}

#[test]
fn without_msi_x_a_card_interrupts_by_its_pin() {
    for machine in PCI {
        echoes(echo(machine).qemu(PINS));
    }
}

#[test]
fn a_card_and_a_channel_on_one_pin_are_both_heard() {
    for machine in PCI {
        // Slots that are four apart have the same pin (QEMU's pc and q35), and the channel comes behind the cards.
        let cards = |setup: Setup| (1..4).fold(setup, |setup, _| setup.link(Network::User));
        let mut vm = server(machine, |setup| cards(setup).qemu(PINS));
        for _ in 0..20 {
            assert!(vm.ask(53, QUERY).len() > QUERY.len());
            assert!(vm.look("ps").contains("tcp accept"));
        }
        assert_eq!(vm.counter("interrupts.storms"), 0);
        assert!(vm.counter("interrupts.taken") >= 20);
    }
}

#[test]
fn interrupts_that_are_nobodys_are_counted_and_do_no_harm() {
    for machine in ALL {
        let mut vm = server(machine, Setup::qtest);
        let before = vm.counter("interrupts.spurious");
        // The last line, which no device has; the vector of interrupts that vanished; and one beyond.
        for vector in [63, 64, 200] {
            vm.hand().interrupt(vector);
        }
        assert_eq!(vm.counter("interrupts.spurious"), before + 3);
        assert!(vm.ask(53, QUERY).len() > QUERY.len());
    }
}

#[test]
fn a_line_that_storms_is_kept_quiet_and_its_card_goes_on() {
    const LEVEL: u64 = 1 << 15;
    const MASKED: u64 = 1 << 16;
    let mut vm = server(Machine::Microvm, Setup::qtest);
    // A pin that interrupts for as long as it is up does so until the driver's task has run.
    for pin in 0..24 {
        vm.hand().io_apic(0x10 + 2 * pin, |entry| if entry & MASKED == 0 { entry | LEVEL } else { entry });
    }
    for _ in 0..20 {
        assert!(vm.ask(53, QUERY).len() > QUERY.len());
    }
    assert!(vm.counter("interrupts.storms") > 0);
    let log = vm.look("log");
    assert!(log.contains(" storms: its device is looked at every 10 ms"), "{log}");
}

/// Where the driver's area of a queue of the card is, on PCI bus 0 in this slot (virtio 1.2, 4.1.4.3).
fn available_ring(hand: &mut Qtest, slot: u32, queue: u16) -> u64 {
    let mut configuration = |register: u32| {
        hand.ask(&format!("outl 0xcf8 {:#x}", 1 << 31 | slot << 11 | register));
        value(&hand.ask("inl 0xcfc"))
    };
    // Register 4 of the base addresses holds the structures, the common one first, as QEMU makes them.
    let common = configuration(0x20) & !15 | configuration(0x24) << 32;
    hand.ask(&format!("writew {:#x} {queue}", common + 22));
    let low = value(&hand.ask(&format!("readl {:#x}", common + 40)));
    low | value(&hand.ask(&format!("readl {:#x}", common + 44))) << 32
}

fn value(answer: &str) -> u64 {
    u64::from_str_radix(answer.trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn a_card_that_gives_itself_up_fails_alone() {
    // The card has the slot behind that of the source of random numbers.
    for (machine, slot, pins) in [(Machine::Q35, 2, false), (Machine::Q35, 2, true), (Machine::Pc, 3, false)]
    {
        let mut vm = server(machine, |setup| if pins { setup.qtest().qemu(PINS) } else { setup.qtest() });
        let address = vm.address(Protocol::Udp, 53);
        assert!(vm.ask(53, QUERY).len() > QUERY.len());
        // QEMU gives a device up that is offered what does not exist.
        let ring = available_ring(vm.hand(), slot, 0);
        vm.hand().ask(&format!("memset {:#x} 128 0xff", ring + 4));
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.send_to(QUERY, address).unwrap();
        vm.line("a network device has failed and is used no more: the device says that it must be reset");
        assert_eq!(vm.counter("net0.failures"), 1);
        assert!(vm.look("ps").contains("tcp accept"), "the appliance and its channel go on");
        assert_eq!(vm.log().matches("has failed").count(), 1);
    }
}
