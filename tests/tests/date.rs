//! The date that an image takes from its machine, and from a server in the network.
#![forbid(unsafe_code)]

use std::net::{SocketAddr, UdpSocket};

use cargo_unik::options::Machine;
use unik_tests::{Image, PATIENCE, Setup, Vm};

/// 2001-02-03 04:05:06 UTC.
const START: u64 = 981_173_106;
/// Seconds that the boot may take on a busy computer.
const BOOT: u64 = 60;

/// A machine that starts at that date.
fn in_2001(image: &str) -> Setup {
    Vm::of(&Image::release(image)).qemu(["-rtc", "base=2001-02-03T04:05:06"])
}

/// The number at the end of the line that has `text`.
#[track_caller]
fn number(vm: &mut Vm, text: &str) -> u64 {
    let line = vm.line(text);
    let number = line.split_whitespace().last().and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| vm.fail("the line has no number"))
}

#[test]
fn the_real_time_clock_gives_the_date() {
    for machine in [Machine::Microvm, Machine::Q35, Machine::Pc] {
        let mut vm = in_2001("date").machine(machine).boot();
        let date = number(&mut vm, "since epoch ");
        assert_eq!(vm.exit_code(), 0);
        assert!((START..START + BOOT).contains(&date), "{date} on {machine}");
    }
}

/// 2031-01-01 00:00 UTC, and the same in seconds since 1900.
const SERVED: u64 = 1_924_992_000;
const SERVED_TIMESTAMP: u32 = (SERVED + 2_208_988_800) as u32;

/// Answers questions as a server in 2031, as long as there are any.
fn serve(socket: &UdpSocket) {
    let mut question = [0; 100];
    while let Ok((length, guest)) = socket.recv_from(&mut question) {
        assert_eq!((length, question[0]), (48, 0x23), "version 4, client");
        answer(socket, &question, guest);
    }
}

/// First gives a forged answer from 2033, then a good one.
fn answer(socket: &UdpSocket, question: &[u8], guest: SocketAddr) {
    let mut answer = [0; 48];
    answer[..2].copy_from_slice(&[0x24, 1]);
    let mut send = |originate: &[u8], seconds: u32| {
        answer[24..32].copy_from_slice(originate);
        for offset in [32, 40] {
            answer[offset..][..4].copy_from_slice(&seconds.to_be_bytes());
        }
        socket.send_to(&answer, guest).expect("the guest's network is a socket of this computer");
    };
    send(&[1; 8], SERVED_TIMESTAMP + 63_072_000);
    send(&question[40..48], SERVED_TIMESTAMP);
}

#[test]
fn a_server_corrects_the_date_and_leaves_time_alone() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("the patience is not zero");
    let port = socket.local_addr().expect("it was bound").port();
    // The guest reaches this computer by the address of its gateway.
    let words = format!("ntp=10.0.2.2:{port}");
    let mut vm = in_2001("net_date").network(&[]).words(&words).boot();
    let before = number(&mut vm, "machine ");
    assert!((START..START + BOOT).contains(&before), "{before}");
    // A question that was answered too late is asked again.
    std::thread::spawn(move || serve(&socket));
    let passed = number(&mut vm, "passed ");
    assert!(passed < 1_000 * BOOT, "{passed} ms of monotonic time for a leap of thirty years");
    let after = number(&mut vm, "corrected true ");
    assert!((SERVED..SERVED + BOOT).contains(&after), "{after}");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn without_a_server_the_date_stays_that_of_the_machine() {
    let mut vm = in_2001("net_date").network(&[]).boot();
    let date = number(&mut vm, "corrected false ");
    assert!((START..START + BOOT).contains(&date), "{date}");
    assert_eq!(vm.exit_code(), 0);
}

#[test]
fn a_server_without_an_address_is_a_mistake() {
    let mut vm = in_2001("net_date").network(&[]).words("ntp=pool.example.org").boot();
    vm.line("ntp=pool.example.org: expected an IP address");
    assert_eq!(vm.exit_code(), 4);
}
