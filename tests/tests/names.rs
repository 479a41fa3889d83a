//! Names that an image finds the addresses of, by a server on this computer.
#![forbid(unsafe_code)]

use std::net::UdpSocket;
use std::sync::mpsc::channel;

use unik_tests::{Image, PATIENCE, Setup, Vm};

/// The image that resolves a name, in a network with a server on this port of this computer.
fn resolving(port: u16, name: &str) -> Setup {
    // The guest reaches this computer by the address of its gateway.
    let words = format!("net0.dns=10.0.2.2:{port} net0.search=example.org name={name}");
    Vm::of(&Image::release("resolve")).network(&[]).words(&words)
}

/// Answers questions, each first with a forged answer and then with what `records` makes of it. Gives the first, which is asked
/// again where the answer was late.
fn serve(socket: UdpSocket, code: u8, records: &'static [u8]) -> Vec<u8> {
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, guest)) = socket.recv_from(&mut question) {
            let mut answer = question[..length - 11].to_vec();
            let count = u8::from(!records.is_empty());
            answer[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
            answer.extend(records);
            let mut forged = answer.clone();
            forged[0] ^= 0x80;
            for message in [forged, answer] {
                socket.send_to(&message, guest).expect("the guest's network is a socket of this computer");
            }
            // Who waits for the first has gone by the second.
            let _ = sender.send(question[12..length - 11].to_vec());
        }
    });
    asked.recv().expect("a question within the test's patience")
}

fn server() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("the patience is not zero");
    let port = socket.local_addr().expect("it was bound").port();
    (socket, port)
}

#[test]
fn a_server_tells_the_address_of_a_name_below_that_of_the_search() {
    let (socket, port) = server();
    let mut vm = resolving(port, "host").boot();
    // Nobody is at that address of the guest's network.
    let asked = serve(socket, 0, &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 2, 99]);
    assert_eq!(asked, b"\x04host\x07example\x03org\0\0\x01\0\x01");
    vm.line("host has the address 10.0.2.99");
}

#[test]
fn a_name_that_does_not_exist_is_an_error_of_the_application() {
    let (socket, port) = server();
    let mut vm = resolving(port, "host.").boot();
    serve(socket, 3, &[]);
    vm.line("error: there is no such name");
    assert_eq!(vm.exit_code(), 1);
}

#[test]
fn a_server_without_an_address_is_a_mistake() {
    let mut vm = Vm::of(&Image::release("resolve")).network(&[]).words("net0.dns=ns.example.org").boot();
    vm.line("net0.dns=ns.example.org: expected up to three addresses");
    assert_eq!(vm.exit_code(), 4);
}
