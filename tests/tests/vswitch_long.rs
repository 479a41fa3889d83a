//! TCP through the switch between taps whose cards have offloads, and to one that has none: what the kernel sends in long packets arrives as it
//! was sent, and is cut only where it has to be.
//!
//! Each end is in a network namespace of its own, so that the kernel really sends.
#![forbid(unsafe_code)]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cargo_unik::options::Network;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};
use unik_tests::{Image, Vm};

/// Set where the test runs in its namespace.
const INSIDE: &str = "UNIK_TESTS_LONG";
const TEST: &str = "long_packets_pass_and_are_cut_where_a_card_does_not";
/// Octets that are sent, and the data of one segment.
const DATA: usize = 8_000_000;
const SEGMENT: u64 = 1448;
/// Frames of other protocols, at most.
const OTHERS: u64 = 100;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the far ends listen.
const PORT: u16 = 5001;

fn ip(words: &str) {
    let mut command = Command::new("ip");
    let status = command.args(words.split(' ')).status().expect("iproute2 is there");
    assert!(status.success(), "ip {words}: {status}");
}

fn pattern() -> Vec<u8> {
    (0..DATA).map(|number| ((number * 31) >> 7) as u8).collect()
}

/// A station in a namespace of its own thread, behind this tap: what it is sent by the first who calls.
fn station(tap: &'static str, address: &'static str) -> JoinHandle<Vec<u8>> {
    let (tell, told) = channel();
    let (begin, begun): (_, Receiver<()>) = channel();
    let station = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace of its own");
        tell.send(gettid()).expect("the test waits");
        begun.recv_timeout(PATIENCE).expect("the tap comes");
        ip(&format!("address add {address}/24 dev {tap}"));
        ip(&format!("link set dev {tap} up"));
        let listener = TcpListener::bind((address, PORT)).expect("the address was just added");
        tell.send(gettid()).expect("the test waits");
        let (mut stream, _) = listener.accept().expect("somebody calls");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("it comes to an end");
        heard
    });
    let thread: Pid = told.recv_timeout(PATIENCE).expect("the thread starts");
    ip(&format!("link set dev {tap} netns {thread}"));
    begin.send(()).expect("the thread waits");
    told.recv_timeout(PATIENCE).expect("it listens");
    station
}

#[test]
fn long_packets_pass_and_are_cut_where_a_card_does_not() {
    if std::env::var_os(INSIDE).is_none() {
        // Built out here: there are no networks inside. Where namespaces are forbidden it was not run, and that is no success.
        Image::release("vswitch");
        let this = std::env::current_exe().expect("the test is a program");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--"]).arg(this).env(INSIDE, "1");
        let status = command.args(["--exact", TEST, "--nocapture"]).status().expect("unshare is there");
        assert!(status.success(), "{status}");
        return;
    }
    for tap in ["near", "far", "plain"] {
        ip(&format!("tuntap add dev {tap} mode tap"));
    }
    ip("address add 192.168.7.1/24 dev near");
    ip("link set dev near up");
    let tap = |name: &str| Network::Tap(name.to_owned());
    let setup =
        Vm::of(&Image::release("vswitch")).memory("16M").network(&[]).link(tap("near")).link(tap("far"));
    // QEMU has no offloads where it is told not to speak of them.
    let plain = "tap,id=plain,ifname=plain,script=no,downscript=no,vnet_hdr=off";
    let card = "virtio-net-device,netdev=plain,mac=52:54:00:00:00:77";
    let mut vm = setup.qemu(["-netdev", plain, "-device", card]).monitor().boot();
    let ready = vm.line("ready: vswitch");
    assert!(ready.contains("3 ports"), "{ready}");
    let segments = DATA as u64 / SEGMENT;
    let ends = [("far", "192.168.7.2", "port2", false), ("plain", "192.168.7.3", "port3", true)];
    for (tap, address, port, is_cut) in ends {
        let station = station(tap, address);
        let before = vm.counter("port1.in_frames");
        let mut stream =
            TcpStream::connect((address, PORT)).unwrap_or_else(|error| vm.fail(&error.to_string()));
        stream.set_write_timeout(Some(PATIENCE)).expect("it is no zero");
        stream.write_all(&pattern()).expect("it is taken");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let heard = station.join().expect("the station has heard it");
        assert!(heard == pattern(), "{} of {DATA} octets, or others", heard.len());
        let (received, sent) =
            (vm.counter("port1.in_frames") - before, vm.counter(&format!("{port}.out_frames")));
        // How long packets are is the kernel's affair: they are shorter where the way is slow.
        assert!(received < segments, "{received} frames came from the tap: none was long");
        if is_cut {
            assert!(sent >= segments, "{sent} frames left for {segments} segments");
        } else {
            assert!(sent <= received + OTHERS, "{sent} frames left for {received}: some were cut");
        }
    }
    for port in 1..=3 {
        assert_eq!(vm.counter(&format!("port{port}.out_unfit")), 0);
    }
}
