//! Ending in order: the power button, the time that is left, and a reset.
#![forbid(unsafe_code)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use cargo_unik::options::{Machine, Protocol};
use unik_tests::{Image, Setup, Vm};

/// The exit code of an image whose `main` did not return in time.
const LATE: u8 = 1;

fn image() -> Setup {
    Vm::of(&Image::release("shutdown")).controlled()
}

/// A microvm with the event device that its power button is in.
fn with_acpi(setup: Setup) -> Setup {
    setup.qemu(["-machine", "acpi=on"])
}

#[track_caller]
fn ends_in_order(setup: Setup) {
    let mut vm = setup.boot();
    vm.line("ready: shutdown");
    vm.press_power_button();
    vm.line("asked to end, within 10 s");
    vm.line("finished");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn the_power_button_of_q35_is_heard() {
    ends_in_order(image().machine(Machine::Q35));
}

#[test]
fn the_power_button_of_pc_is_heard() {
    ends_in_order(image().machine(Machine::Pc));
}

#[test]
fn the_power_button_of_microvm_with_acpi_is_heard() {
    ends_in_order(with_acpi(image()));
}

#[test]
fn a_microvm_without_acpi_has_no_button_and_works_all_the_same() {
    let mut vm = image().words("work=reboot").boot();
    vm.line("finished");
    vm.is_reset();
}

#[track_caller]
fn hears_a_second_press(setup: Setup) {
    let mut vm = setup.words("work=twice").boot();
    vm.line("ready: shutdown");
    vm.press_power_button();
    vm.line("asked to end, within 10 s");
    vm.press_power_button();
    vm.line("finished");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn a_second_press_is_an_interrupt_of_its_own_on_q35() {
    hears_a_second_press(image().machine(Machine::Q35));
}

#[test]
fn a_second_press_is_an_interrupt_of_its_own_on_pc() {
    hears_a_second_press(image().machine(Machine::Pc));
}

#[test]
fn a_second_press_is_an_interrupt_of_its_own_on_microvm() {
    hears_a_second_press(with_acpi(image()));
}

#[test]
fn an_image_that_goes_on_in_spite_of_the_request_is_switched_off() {
    let mut vm = image().machine(Machine::Q35).words("work=endless shutdown=1").boot();
    vm.line("ready: shutdown");
    vm.press_power_button();
    vm.press_power_button();
    vm.line("error: main did not return within 1 s");
    assert_eq!(vm.exit_code(), LATE);
    assert!(!vm.log().contains("finished"), "{}", vm.log());
}

#[track_caller]
fn reboots(setup: Setup) {
    let mut vm = setup.words("work=reboot").boot();
    vm.line("done, and once more");
    vm.line("finished");
    // QEMU was told not to boot again: it ends by the reset.
    vm.is_reset();
}

#[test]
fn a_reboot_is_a_reset_of_q35() {
    reboots(image().machine(Machine::Q35));
}

#[test]
fn a_reboot_is_a_reset_of_pc() {
    reboots(image().machine(Machine::Pc));
}

#[test]
fn a_reboot_is_a_reset_of_microvm_with_acpi() {
    reboots(with_acpi(image()));
}

#[track_caller]
fn boots_again(setup: Setup) {
    // The last word on what QEMU does at a reset: what a machine does.
    let mut vm = setup.qemu(["-action", "reboot=reset"]).words("work=reboot").boot();
    for _ in 0..2 {
        vm.line("done, and once more");
        vm.line("ready: shutdown");
    }
}

#[test]
fn after_a_reboot_q35_boots_again() {
    boots_again(image().machine(Machine::Q35));
}

#[test]
fn after_a_reboot_microvm_boots_again() {
    boots_again(image());
}

/// The port of dns, and the question that the tests ask: www.example.org, type A, behind its length (RFC 1035, 4.2.2).
const PORT: u16 = 53;
const QUESTION: &[u8] = b"\x00\x21\x00\x07\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

fn dns(machine: Machine) -> Vm {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    let setup = Vm::of(&image).network(&[(Protocol::Tcp, PORT)]).data(&zones).machine(machine).controlled();
    let mut vm = if machine == Machine::Microvm { with_acpi(setup) } else { setup }.boot();
    vm.line("ready: dns");
    vm
}

/// Reads an answer, whole; false at the end of the stream, which is at the end of an answer.
fn answered(stream: &mut TcpStream) -> bool {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).expect("an answer, or the end") == 0 {
        return false;
    }
    stream.read_exact(&mut length[1..]).expect("the length is whole");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("the answer is whole");
    assert_eq!(&answer[..2], &QUESTION[2..4]);
    true
}

#[track_caller]
fn dns_closes_its_connections_and_ends(machine: Machine) {
    let mut vm = dns(machine);
    let mut stream = vm.connect(PORT);
    stream.write_all(QUESTION).expect("the connection is open");
    assert!(answered(&mut stream));
    vm.press_power_button();
    // The connection is closed and not reset, although the client might have gone on.
    assert!(!answered(&mut stream));
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn dns_closes_its_connections_and_ends_on_q35() {
    dns_closes_its_connections_and_ends(Machine::Q35);
}

#[test]
fn dns_closes_its_connections_and_ends_on_pc() {
    dns_closes_its_connections_and_ends(Machine::Pc);
}

#[test]
fn dns_closes_its_connections_and_ends_on_microvm() {
    dns_closes_its_connections_and_ends(Machine::Microvm);
}

#[test]
fn a_client_in_the_middle_of_its_answers_gets_them_whole() {
    // More answers than fit into all buffers on the way, so that the server waits for the client in the middle of one.
    const QUESTIONS: usize = 20_000;
    let mut vm = dns(Machine::Q35);
    let mut stream = vm.connect(PORT);
    let mut writer = stream.try_clone().expect("a stream can be cloned");
    // It fails when the server closes.
    let asking = std::thread::spawn(move || writer.write_all(&QUESTION.repeat(QUESTIONS)));
    assert!(answered(&mut stream));
    vm.press_power_button();
    vm.line("asked to end");
    let answers = std::iter::repeat_with(|| answered(&mut stream)).take_while(|answered| *answered).count();
    assert!(answers > 0);
    assert_eq!(vm.exit_code(), 0);
    let _ = asking.join();
}

#[test]
fn a_time_that_is_none_is_a_mistake_of_configuration() {
    let mut vm = image().words("shutdown=soon").boot();
    vm.line("error: shutdown= takes a number of seconds, 65535 at most");
    assert_eq!(vm.exit_code(), 4);
}

#[test]
fn an_image_without_the_parameter_ends_at_once_when_it_is_asked_to() {
    let mut vm = Vm::of(&Image::release("nothing_to_do")).boot();
    vm.line("there is nothing to do");
    assert_eq!(vm.exit_code(), 0);
    assert!(!vm.log().contains("ERROR") && !vm.log().contains("ready: "), "{}", vm.log());
}

#[test]
fn an_image_that_does_not_ask_for_it_does_not_hear_the_button() {
    let hears = |app: &str| {
        let image = Image::release(app);
        let symbols =
            cargo_unik::symbols::Symbols::open(&image.debug, &unik_tests::workspace().root).expect("symbols");
        symbols.table().iter().any(|symbol| symbol.name.contains("unik_kernel::button"))
    };
    assert!(hears("shutdown"));
    assert!(!hears("hello"));
}
