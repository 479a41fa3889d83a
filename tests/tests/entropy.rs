//! Random numbers: no two boots draw the same ones, and a machine without a source of them is refused.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::process::Command;

use unik_tests::{Image, Setup, Vm};

const BOOTS: usize = 100;
/// What QEMU needs for a processor with RDRAND; its default under TCG has none.
const WITH_RDRAND: [&str; 2] = ["-cpu", "max"];

/// The digits that an image prints which draws 32 bytes.
#[track_caller]
fn drawn(setup: Setup, strength: &str) -> String {
    let mut vm = setup.boot();
    let line = vm.line(&format!("random: {strength}"));
    let digits = line.split_whitespace().last().unwrap_or_default().to_owned();
    assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
    assert_eq!(vm.exit_code(), 0);
    digits
}

#[track_caller]
fn no_two_alike_in(boots: usize, setup: impl Fn() -> Setup) {
    let all: BTreeSet<String> = (0..boots).map(|_| drawn(setup(), "strong ")).collect();
    assert_eq!(all.len(), boots);
}

#[test]
fn a_hundred_boots_with_a_device_draw_a_hundred_different_numbers() {
    let image = Image::release("random");
    no_two_alike_in(BOOTS, || Vm::of(&image));
}

#[test]
fn a_hundred_boots_with_the_processor_alone_draw_a_hundred_different_numbers() {
    let image = Image::release("random");
    no_two_alike_in(BOOTS, || Vm::of(&image).entropy(false).qemu(WITH_RDRAND));
}

#[test]
fn both_sources_together_and_the_device_on_pci_work_too() {
    use cargo_unik::options::Machine;
    let image = Image::release("random");
    drawn(Vm::of(&image).qemu(WITH_RDRAND), "strong ");
    drawn(Vm::of(&image).machine(Machine::Q35), "strong ");
    drawn(Vm::of(&image).qemu(["-global", "virtio-mmio.force-legacy=true"]), "strong ");
}

#[test]
fn a_process_draws_from_its_host() {
    let (workspace, cargo) = (unik_tests::workspace(), cargo_unik::setup::cargo());
    let mut build = Command::new(cargo);
    build.current_dir(&workspace.root).args([
        "build",
        "--quiet",
        "--package",
        "unik-os",
        "--example",
        "random",
    ]);
    assert!(build.status().expect("cargo was there a moment ago").success());
    let draw = || {
        Command::new(workspace.target.join("debug/examples/random")).output().expect("it was built").stdout
    };
    let (one, other) = (draw(), draw());
    assert!(one.starts_with(b"INFO random: strong "), "{}", String::from_utf8_lossy(&one));
    assert_ne!(one.get(..84), other.get(..84));
}

#[test]
fn without_a_source_nobody_gets_numbers() {
    let mut vm = Vm::of(&Image::release("random")).entropy(false).boot();
    vm.line("this image needs random numbers: start it with -device virtio-rng-device");
    assert_eq!(vm.exit_code(), 4);
}

/// A device that reads from a file of this computer.
const FROM_ZERO: [&str; 4] =
    ["-object", "rng-random,id=file,filename=/dev/zero", "-device", "virtio-rng-device,rng=file"];

#[test]
fn a_device_that_gives_zeroes_is_no_source() {
    let image = Image::release("random");
    let mut vm = Vm::of(&image).entropy(false).qemu(FROM_ZERO).boot();
    vm.line("a source of random numbers gives constants");
    vm.line("this image needs random numbers");
    assert_eq!(vm.exit_code(), 4);
    no_two_alike_in(2, || Vm::of(&image).entropy(false).qemu(FROM_ZERO).qemu(WITH_RDRAND));
}

#[test]
fn a_device_that_answers_with_a_few_bytes_at_a_time_is_a_source() {
    let image = Image::release("random");
    let few = ["-device", "virtio-rng-device,max-bytes=7,period=20"];
    no_two_alike_in(2, || Vm::of(&image).entropy(false).qemu(few));
}

/// A device that speaks what virtio was before 1.0, which nobody drives on PCI.
const OF_OLD: [&str; 2] = ["-device", "virtio-rng-pci,disable-modern=on,disable-legacy=off"];

#[test]
fn a_device_that_cannot_be_used_is_named_and_the_processor_alone_is_a_source() {
    use cargo_unik::options::Machine;
    let image = Image::release("random");
    let setup = || Vm::of(&image).machine(Machine::Q35).entropy(false).qemu(OF_OLD);
    let mut vm = setup().qemu(WITH_RDRAND).boot();
    vm.line("the device for random numbers is not used: ");
    vm.line("random: strong ");
    assert_eq!(vm.exit_code(), 0);
    let mut vm = setup().boot();
    vm.line("the device for random numbers is not used: ");
    vm.line("this image needs random numbers");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn without_a_source_the_network_stays_closed() {
    let mut vm = Vm::of(&Image::release("echo")).network(&[]).entropy(false).boot();
    vm.line("or with -cpu max, or take some that can be guessed with random=weak");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn weak_numbers_are_given_to_whom_asks_for_them_with_a_warning() {
    let mut vm = Vm::of(&Image::release("echo")).network(&[]).entropy(false).words("random=weak").boot();
    vm.line("random numbers can be guessed");
    vm.line("ready: echo");
    let log = vm.log();
    assert_eq!(log.matches("guessed").count(), 1, "{log}");
    assert!(!log.contains("nothing in this image knows"), "{log}");
    drawn(Vm::of(&Image::release("random")).entropy(false).words("random=weak"), "weak ");
}

#[test]
fn leave_to_be_weak_changes_nothing_where_there_is_a_source() {
    let mut vm = Vm::of(&Image::release("random")).words("random=weak").boot();
    vm.line("strong ");
    assert_eq!(vm.exit_code(), 0);
    assert!(!vm.log().contains("guessed"));
}

#[test]
fn another_word_than_weak_is_a_mistake() {
    let mut vm = Vm::of(&Image::release("random")).words("random=strong").boot();
    vm.line("random= can only be weak");
    assert_eq!(vm.exit_code(), 4);
}
