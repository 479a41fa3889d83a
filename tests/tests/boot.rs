//! The machines boot: hello on every kind, a console, an exit.
#![forbid(unsafe_code)]

use cargo_unik::options::Machine;
use unik_tests::{Image, Vm};

fn says_hello_on(machine: Machine) {
    let mut vm = Vm::of(&Image::release("hello")).machine(machine).boot();
    vm.line("hello, world");
    let ready = vm.line("ready: hello in ");
    assert!(cargo_unik::bench::read_ready(&ready).is_some(), "no times in '{ready}'");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn hello_boots_on_microvm() {
    says_hello_on(Machine::Microvm);
}

#[test]
fn hello_boots_on_q35() {
    says_hello_on(Machine::Q35);
}

#[test]
fn hello_boots_on_pc() {
    says_hello_on(Machine::Pc);
}

#[test]
fn hello_runs_in_as_little_memory_as_each_machine_starts_with() {
    for (machine, memory) in [(Machine::Microvm, "2M"), (Machine::Q35, "2M"), (Machine::Pc, "2M")] {
        let mut vm = Vm::of(&Image::release("hello")).machine(machine).memory(memory).boot();
        vm.line("hello, world");
        assert_eq!(vm.exit_code(), 0);
    }
}

#[test]
fn hello_boots_as_the_image_that_one_debugs() {
    let mut vm = Vm::of(&Image::debug("hello")).boot();
    vm.line("hello, world");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn an_image_with_symbols_boots_as_the_stripped_one_does() {
    let image = Image::release("hello");
    let mut vm = Vm::of(&Image::linked(&image.debug)).boot();
    vm.line("hello, world");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn microvm_with_acpi_and_its_twenty_four_slots_boots_too() {
    let mut vm = Vm::of(&Image::release("hello")).qemu(["-machine", "acpi=on"]).boot();
    vm.line("hello, world");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn an_image_that_has_nothing_to_do_exits_with_zero() {
    assert_eq!(Vm::of(&Image::release("exit")).boot().exit_code(), 0);
}

#[test]
fn an_application_whose_device_is_missing_says_which_and_ends() {
    let mut vm = Vm::of(&Image::release("echo")).boot();
    vm.line("network device");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn a_word_that_nobody_knows_is_named_on_the_console() {
    let mut vm = Vm::of(&Image::release("hello")).words("colour=blue").boot();
    vm.line("colour");
}
