//! Raw ports: an image, and a process, that joins two network cards.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use cargo_unik::options::Machine;
use unik_tests::{Image, Vm, Wire, workspace};

/// Frames of one burst: fewer than fit into any queue on the way.
const BURST: usize = 30;

/// A frame that tells where it stands in a burst.
fn frame(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + number) as u8).collect()
}

/// Sends frames of all lengths in both directions, one by one and in bursts, and expects each at the other end.
#[track_caller]
fn forwards(one: &mut Wire, other: &mut Wire) {
    for length in [60, 64, 1000, 1514] {
        for number in 0..3 {
            passes(one, other, number, length);
            passes(other, one, number + 100, length);
        }
    }
    for round in 0..10 {
        for number in 0..BURST {
            one.send(&frame(round + number, 60 + number));
        }
        for number in 0..BURST {
            assert_eq!(other.hear(), frame(round + number, 60 + number), "{number} of {round}");
        }
    }
}

#[track_caller]
fn passes(from: &mut Wire, to: &mut Wire, number: usize, length: usize) {
    from.send(&frame(number, length));
    assert_eq!(to.hear(), frame(number, length));
}

#[test]
fn frames_pass_between_two_cards_of_a_microvm() {
    let (mut one, mut other) = (Wire::new(), Wire::new());
    let mut vm = other.join(one.join(Vm::of(&Image::release("forward")))).boot();
    let ready = vm.line("ready: forward");
    assert!(ready.contains("2 ports"), "{ready}");
    forwards(&mut one, &mut other);
}

#[test]
fn frames_pass_between_two_cards_of_a_pc() {
    let (mut one, mut other) = (Wire::new(), Wire::new());
    let setup = Vm::of(&Image::release("forward")).machine(Machine::Q35).memory("16M").monitor();
    let mut vm = other.join(one.join(setup)).boot();
    vm.line("ready: forward");
    forwards(&mut one, &mut other);
    let counters = vm.look("counters");
    for group in ["cable", "port0", "port1"] {
        assert!(counters.contains(group), "{group} is counted:\n{counters}");
    }
}

#[test]
fn one_card_is_no_cable() {
    let one = Wire::new();
    let mut vm = one.join(Vm::of(&Image::release("forward"))).boot();
    vm.line("error: a cable has two ends");
    assert_eq!(vm.exit_code(), 1);
    let mut vm = Vm::of(&Image::release("forward")).boot();
    vm.line("error: this image needs network devices of its own");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn frames_pass_between_two_links_of_a_process() {
    let (root, cargo) = (workspace().root, cargo_unik::setup::cargo());
    let example = ["build", "--quiet", "--package", "unik-os", "--example", "forward"];
    let built = Command::new(&cargo).current_dir(&root).args(example).status().expect("cargo is there");
    assert!(built.success());
    let (mut one, mut other) = (Wire::new(), Wire::new());
    let mut command = Command::new(workspace().target.join("debug/examples/forward"));
    for wire in [&one, &other] {
        command.arg("--net").arg(format!("link:{}", wire.path().display()));
    }
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("it was just built");
    let console = BufReader::new(child.stdout.take().expect("the console is a pipe"));
    let ready = console.lines().map_while(Result::ok).find(|line| line.starts_with("ready: "));
    // The outcome is looked at when the process is gone.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| forwards(&mut one, &mut other)));
    let _ = child.kill();
    let _ = child.wait();
    assert!(ready.is_some_and(|line| line.contains("2 ports")));
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
