//! The log of an image, as a collector on this computer gets it.
#![forbid(unsafe_code)]

use std::net::UdpSocket;

use cargo_unik::options::Protocol;
use unik_tests::{Image, PATIENCE, Vm};

/// The next message.
fn message(vm: &mut Vm, collector: &UdpSocket) -> String {
    let mut bytes = [0; 2048];
    match collector.recv_from(&mut bytes) {
        Ok((length, _)) => String::from_utf8_lossy(&bytes[..length]).into_owned(),
        Err(error) => vm.fail(&format!("no message: {error}")),
    }
}

#[test]
fn a_collector_gets_every_record_once_and_nothing_about_the_sending() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    collector.set_read_timeout(Some(PATIENCE)).expect("the patience is not zero");
    let port = collector.local_addr().expect("it was bound").port();
    // The guest reaches this computer by the address of its gateway.
    let words = format!("log=trace log.syslog=10.0.2.2:{port}");
    let mut vm = Vm::of(&Image::release("log_afar"))
        .network(&[(Protocol::Udp, 7)])
        .words(&words)
        .monitor()
        .qemu(["-rtc", "base=2001-02-03T04:05:06"])
        .boot();
    vm.line("ready: log_afar");
    let mut messages = vec![message(&mut vm, &collector)];
    while !messages.last().is_some_and(|message| message.contains("logs afar")) {
        messages.push(message(&mut vm, &collector));
    }
    let warning = messages.pop().unwrap_or_default();
    assert!(warning.starts_with("<28>1 2001-02-03T04:0"), "{warning}");
    assert!(warning.ends_with("Z 10.0.2.15 log_afar - log_afar - this host logs afar"), "{warning}");
    // One by one: what has come back is not sent twice.
    let guest = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    for number in 0..20 {
        let sent = guest.send_to(format!("number {number}").as_bytes(), vm.address(Protocol::Udp, 7));
        sent.expect("the guest's network is a socket of this computer");
        let text = message(&mut vm, &collector);
        assert!(
            text.starts_with("<30>1 ") && text.contains(&format!("heard number {number} from ")),
            "{text}"
        );
    }
    assert_eq!(vm.counter("syslog.sent"), messages.len() as u64 + 21);
    assert_eq!((vm.counter("syslog.missed"), vm.counter("syslog.failed")), (0, 0));
    // The inspection channel is told of the log all the same.
    assert!(vm.look("log").contains("heard number 19"));
}

#[test]
fn a_collector_without_an_address_is_a_mistake() {
    let mut vm =
        Vm::of(&Image::release("log_afar")).network(&[]).words("log.syslog=collector.example").boot();
    vm.line("log.syslog=collector.example: expected an address");
    assert_eq!(vm.exit_code(), 4);
}
