//! Images with two networks, and two images that share one.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use cargo_unik::options::{Machine, Network, Protocol};
use unik_tests::{Image, Vm};

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

/// This computer asks the relay in one network, which asks an echo in another one.
fn relays(machine: Machine, name: &str) {
    let cable = Cable::new(name);
    let words = "net1.ip=192.168.7.1/24 to=192.168.7.2";
    let near = Vm::of(&Image::release("relay")).machine(machine).memory("16M").network(&[(Protocol::Udp, 7)]);
    let mut relay = near.link(cable.network()).words(words).monitor().boot();
    let ready = relay.line("ready: relay");
    assert!(ready.contains("net0 10.0.2.15/24, net1 192.168.7.1/24"), "{ready}");
    // The relay waits at the cable, this one finds it waiting.
    let far = Vm::of(&Image::release("echo")).machine(machine).memory("16M").link(cable.network());
    let mut echo = far.words("net0.ip=192.168.7.2/24").boot();
    echo.line("ready: echo");
    for number in 0..20 {
        let text = format!("through two networks, {number}");
        assert_eq!(relay.ask(7, text.as_bytes()), text.as_bytes());
    }
    assert!(relay.counter("net0.rx_frames") >= 20 && relay.counter("net1.rx_frames") >= 20);
    let sockets = relay.look("netstat");
    assert!(sockets.contains("net0") && sockets.contains("net1"), "{sockets}");
}

#[test]
fn an_image_relays_between_two_networks_of_a_microvm() {
    relays(Machine::Microvm, "microvm");
}

#[test]
fn an_image_relays_between_two_networks_of_a_pc() {
    relays(Machine::Q35, "q35");
}

#[test]
fn a_second_network_that_is_missing_is_a_sentence() {
    let mut vm = Vm::of(&Image::release("relay")).network(&[]).words("net1.ip=192.168.7.1/24").boot();
    vm.line("this image needs a network device");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn words_for_a_second_network_are_known_only_where_there_is_one() {
    let mut vm = Vm::of(&Image::release("echo")).network(&[]).words("net1.ip=192.168.7.1/24").boot();
    vm.line("nothing in this image knows the configuration word net1.ip");
}
