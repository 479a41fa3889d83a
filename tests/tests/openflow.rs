//! A switch that controllers program: frames are in the hands of the test, and so is the controller.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use cargo_unik::options::Protocol;
use unik_tests::{Image, PATIENCE, Setup, Vm, Wire};

/// The port of the protocol (OpenFlow 1.3.5, 6.3.1).
const PORT: u16 = 6653;
/// OpenFlow 1.3, and types of its messages (7.1).
const VERSION: u8 = 4;
const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const FEATURES_REQUEST: u8 = 5;
const FEATURES_REPLY: u8 = 6;
const PACKET_IN: u8 = 10;
const PACKET_OUT: u8 = 13;
const FLOW_MOD: u8 = 14;
const BARRIER_REQUEST: u8 = 20;
const BARRIER_REPLY: u8 = 21;
/// The port that is the controller (7.2.1), and a frame that no buffer holds.
const CONTROLLER: u32 = 0xffff_fffd;
const NO_BUFFER: [u8; 4] = [0xff; 4];
/// How long a peer is waited for that is not expected to say anything.
const SHORT: Duration = Duration::from_millis(300);

/// The test as a controller.
struct Controller(TcpStream);

impl Controller {
    /// Begins: each side says which version it speaks.
    #[track_caller]
    fn begin(stream: TcpStream) -> Controller {
        let timeout = stream.set_read_timeout(Some(PATIENCE));
        timeout.unwrap_or_else(|error| panic!("{error}"));
        let mut controller = Controller(stream);
        controller.send(HELLO, &[]);
        controller.expect(HELLO);
        controller
    }

    #[track_caller]
    fn call(vm: &mut Vm) -> Controller {
        Controller::begin(vm.connect(PORT))
    }

    /// Waits until the switch calls.
    #[track_caller]
    fn await_call(listener: &TcpListener) -> Controller {
        let deadline = Instant::now() + PATIENCE;
        listener.set_nonblocking(true).unwrap_or_else(|error| panic!("{error}"));
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap_or_else(|error| panic!("{error}"));
                    return Controller::begin(stream);
                }
                Err(error) => assert!(Instant::now() < deadline, "the switch does not call: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn send(&mut self, kind: u8, body: &[u8]) {
        let length = u16::try_from(8 + body.len()).unwrap_or_else(|_| panic!("no message is that long"));
        let message = [&[VERSION, kind], &length.to_be_bytes()[..], &[0, 0, 0, 7], body].concat();
        self.0.write_all(&message).unwrap_or_else(|error| panic!("the switch takes nothing: {error}"));
    }

    /// The next message that asks for no sign of life: its type and its body.
    fn next(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        loop {
            let mut header = [0; 8];
            self.0.read_exact(&mut header)?;
            let [_, kind, high, low, ..] = header;
            let mut body = vec![0; usize::from(u16::from_be_bytes([high, low])).saturating_sub(8)];
            self.0.read_exact(&mut body)?;
            if kind != ECHO_REQUEST {
                return Ok((kind, body));
            }
            self.send(ECHO_REPLY, &body);
        }
    }

    /// The body of the next message, which is to be of this type.
    #[track_caller]
    fn expect(&mut self, kind: u8) -> Vec<u8> {
        let (found, body) = self.next().unwrap_or_else(|error| panic!("no message of type {kind}: {error}"));
        assert_eq!(found, kind, "{body:x?}");
        body
    }

    /// Puts in an entry: what comes by one port leaves by another one.
    #[track_caller]
    fn lead(&mut self, from: u32, to: u32) {
        // OpenFlow 1.3.5, 7.3.4.1: cookie and mask, table 0, ADD, no timeouts, priority 100, no buffer, any port and group, no flags.
        let mut body = [0; 18].to_vec();
        body.extend_from_slice(&[0, 0, 0, 0, 0, 100]);
        body.extend_from_slice(&[0xff; 12]);
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&came_by(from));
        // 7.2.4: APPLY_ACTIONS
        body.extend_from_slice(&[0, 4, 0, 24, 0, 0, 0, 0]);
        body.extend_from_slice(&output(to));
        self.send(FLOW_MOD, &body);
        self.settle();
    }

    /// Waits until all that was said has been done.
    #[track_caller]
    fn settle(&mut self) {
        self.send(BARRIER_REQUEST, &[]);
        self.expect(BARRIER_REPLY);
    }

    /// Has a frame leave by a port.
    #[track_caller]
    fn put_out(&mut self, port: u32, frame: &[u8]) {
        // OpenFlow 1.3.5, 7.3.7
        let head = [&NO_BUFFER[..], &CONTROLLER.to_be_bytes(), &[0, 16], &[0; 6]].concat();
        self.send(PACKET_OUT, &[&head[..], &output(port), frame].concat());
    }
}

/// OpenFlow 1.3.5, 7.2.3: OFPXMT_OXM with OXM_OF_IN_PORT, and padding.
fn came_by(port: u32) -> Vec<u8> {
    [&[0, 1, 0, 12, 0x80, 0, 0, 4], &port.to_be_bytes()[..], &[0; 4]].concat()
}

/// OpenFlow 1.3.5, 7.2.5: OFPAT_OUTPUT of the whole frame.
fn output(port: u32) -> Vec<u8> {
    [&[0, 0, 0, 16], &port.to_be_bytes()[..], &[0xff, 0xff], &[0; 6]].concat()
}

/// A frame to all of a protocol that nobody answers, with a number in it.
fn frame(from: u8, number: u32) -> Vec<u8> {
    // IEEE 802, 9.2.3: a type for experiments
    let mut frame = [&[0xff; 6][..], &[2, 0, 0, 0, 1, from], &[0x88, 0xb5], &number.to_be_bytes()].concat();
    frame.resize(60, 0x55);
    frame
}

/// A switch with two ports of the test's, and what it is told of controllers.
fn switch(wires: &[Wire; 2], words: &str) -> Setup {
    let setup = Vm::of(&Image::release("vswitch")).memory("16M").network(&[(Protocol::Tcp, PORT)]);
    wires.iter().fold(setup, |setup, wire| wire.join(setup)).words(words)
}

/// Waits for a frame.
#[track_caller]
fn hears(wire: &mut Wire, expected: &[u8]) {
    assert_eq!(wire.hear(), expected);
}

/// Sends frames with numbers from here on into one wire until the other one hears the last that was sent; gives that one's number.
#[track_caller]
fn passes(from: &mut Wire, to: &mut Wire, first: u32) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    for number in first.. {
        from.send(&frame(1, number));
        while let Some(heard) = to.receive() {
            if heard == frame(1, number) {
                return number;
            }
        }
        assert!(Instant::now() < deadline, "no frame passes");
    }
    unreachable!("there are more numbers than time")
}

/// Sends frames with numbers from here on until none is heard at the other end, and has the controller put one out there, behind
/// all that were on their way: nothing comes after that. Gives the number of the next.
#[track_caller]
fn stops(from: &mut Wire, to: &mut Wire, controller: &mut Controller, first: u32) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    for number in first.. {
        from.send(&frame(1, number));
        if to.receive().is_none() {
            controller.put_out(2, &frame(3, number));
            while to.hear() != frame(3, number) {}
            from.send(&frame(1, number + 1));
            assert_eq!(to.receive(), None, "nobody has said that frames pass");
            return number + 2;
        }
        assert!(Instant::now() < deadline, "frames still pass");
    }
    unreachable!("there are more numbers than time")
}

#[test]
fn a_controller_that_calls_sees_frames_and_says_where_they_go() {
    let mut wires = [Wire::new(), Wire::new()];
    let words = "openflow.listen=on openflow.fail=secure openflow.datapath=00000000000000ab";
    let mut vm = switch(&wires, words).boot();
    vm.line("ready: vswitch");
    let [one, two] = &mut wires;
    let mut controller = Controller::call(&mut vm);
    controller.send(FEATURES_REQUEST, &[]);
    let features = controller.expect(FEATURES_REPLY);
    assert_eq!(features.get(..8), Some(&0xab_u64.to_be_bytes()[..]));
    controller.send(ECHO_REQUEST, b"alive?");
    assert_eq!(controller.expect(ECHO_REPLY), b"alive?");
    // Port 1 leads to port 2, and port 2 to the controller.
    controller.lead(1, 2);
    controller.lead(2, CONTROLLER);
    for number in 0..100 {
        one.send(&frame(1, number));
        hears(two, &frame(1, number));
    }
    two.send(&frame(2, 7));
    // OpenFlow 1.3.5, 7.4.1: buffer, length, reason, table and cookie, then the match, two octets and the frame.
    let told = controller.expect(PACKET_IN);
    assert_eq!(told.get(4..6), Some(&[0, 60][..]));
    assert_eq!(told.get(16..32), Some(&came_by(2)[..]));
    assert_eq!(told.get(34..), Some(&frame(2, 7)[..]));
    assert!(one.receive().is_none(), "the frame was for the controller alone");
    controller.put_out(1, &frame(3, 8));
    hears(one, &frame(3, 8));
}

#[test]
fn a_controller_that_closes_its_sending_side_gets_all_answers() {
    let mut vm = switch(&[Wire::new(), Wire::new()], "openflow.listen=on").boot();
    vm.line("ready: vswitch");
    let mut controller = Controller::call(&mut vm);
    // More than the connection has room for at a time.
    let (echo, count) = ([0x5a; 8000], 60);
    for _ in 0..count {
        controller.send(ECHO_REQUEST, &echo);
    }
    controller.0.shutdown(Shutdown::Write).unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..count {
        assert!(controller.expect(ECHO_REPLY) == echo);
    }
    let end = controller.next().map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::UnexpectedEof), "and then the connection ends");
}

#[test]
fn a_switch_without_its_controller_learns_where_stations_are() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("{error}"));
    let port = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
    let mut wires = [Wire::new(), Wire::new()];
    let mut vm = switch(&wires, &format!("openflow.controllers=tcp:10.0.2.2:{port}")).boot();
    vm.line("ready: vswitch");
    let [one, two] = &mut wires;
    let number = passes(one, two, 0);
    // The controller's tables are empty.
    let mut controller = Controller::await_call(&listener);
    controller.settle();
    let number = stops(one, two, &mut controller, number + 1);
    drop(controller);
    let number = passes(one, two, number);
    // It calls again.
    let mut controller = Controller::await_call(&listener);
    controller.settle();
    stops(one, two, &mut controller, number + 1);
}

#[test]
fn a_secure_switch_without_its_controller_does_what_it_was_told_and_nothing_else() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("{error}"));
    let port = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
    let mut wires = [Wire::new(), Wire::new()];
    let words = format!("openflow.controllers=tcp:10.0.2.2:{port} openflow.fail=secure");
    let mut vm = switch(&wires, &words).boot();
    vm.line("ready: vswitch");
    let [one, two] = &mut wires;
    one.send(&frame(1, 0));
    assert!(two.receive().is_none(), "nobody has said where frames go");
    let mut controller = Controller::await_call(&listener);
    controller.lead(1, 2);
    one.send(&frame(1, 1));
    hears(two, &frame(1, 1));
    drop(controller);
    // That it calls again shows that it knows of the loss.
    let controller = Controller::await_call(&listener);
    one.send(&frame(1, 2));
    hears(two, &frame(1, 2));
    two.send(&frame(2, 3));
    assert!(one.receive().is_none(), "nobody has said where frames of port 2 go");
    drop(controller);
}

#[test]
fn what_makes_no_sense_is_refused_and_frames_are_forwarded_meanwhile() {
    let mut wires = [Wire::new(), Wire::new()];
    let mut vm = switch(&wires, "openflow.listen=on").boot();
    vm.line("ready: vswitch");
    let [one, two] = &mut wires;
    // Some begin with a HELLO of 1.3; a version of its own, lengths that are too short, no message, and a type that is none.
    let hello = [VERSION, HELLO, 0, 8, 0, 0, 0, 1];
    let noise: Vec<u8> =
        (0..4096_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let all: [&[u8]; 7] = [
        &[9, HELLO, 0, 4, 0, 0, 0, 1],
        &[2, HELLO, 0, 8, 0, 0, 0, 1],
        &[&hello[..], &[VERSION, FEATURES_REQUEST, 0, 7, 0, 0, 0, 1]].concat(),
        &[&hello[..], &[VERSION, 77, 0, 8, 0, 0, 0, 1]].concat(),
        &[&hello[..], &[VERSION, FLOW_MOD, 0, 12, 0, 0, 0, 1, 1, 2, 3, 4]].concat(),
        &noise,
        &[&hello[..], &noise].concat(),
    ];
    let mut number = passes(one, two, 0);
    for octets in all {
        let mut stream = vm.connect(PORT);
        // It may be closed before all was sent.
        let _ = stream.write_all(octets);
        refused(stream, octets);
        number += 1;
        one.send(&frame(1, number));
        hears(two, &frame(1, number));
    }
    // One that asks without end, and takes no answer.
    let mut deaf = vm.connect(PORT);
    let _ = deaf.set_write_timeout(Some(SHORT));
    let _ = deaf.write_all(&hello);
    let echo = [&[VERSION, ECHO_REQUEST, 0x10, 0, 0, 0, 0, 1][..], &[0; 4088]].concat();
    while deaf.write_all(&echo).is_ok() {}
    for number in 1000..1100 {
        one.send(&frame(1, number));
        hears(two, &frame(1, number));
    }
    let mut controller = Controller::call(&mut vm);
    controller.settle();
}

/// Whether a connection brings an ERROR, or its end.
#[track_caller]
fn refused(mut stream: TcpStream, octets: &[u8]) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    loop {
        let mut header = [0; 8];
        match stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("neither an ERROR nor an end after {:x?}", octets.get(..20).unwrap_or(octets))
            }
            Err(_) => return,
        }
        let [_, kind, high, low, ..] = header;
        if kind == ERROR {
            return;
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes([high, low])).saturating_sub(8)];
        let _ = stream.read_exact(&mut body);
    }
}

#[test]
fn the_tool_of_open_vswitch_programs_it_in_both_versions() {
    if Command::new("ovs-ofctl").arg("--version").output().is_err() {
        println!("skipped: there is no ovs-ofctl ('apt-get install openvswitch-common' brings it)");
        return;
    }
    let mut wires = [Wire::new(), Wire::new()];
    let mut vm = switch(&wires, "openflow.listen=on openflow.fail=secure").boot();
    vm.line("ready: vswitch");
    let address = format!("tcp:{}", vm.address(Protocol::Tcp, PORT));
    let [one, two] = &mut wires;
    for (round, version) in (0..).zip(["OpenFlow10", "OpenFlow13"]) {
        let tool = |verb: &str, words: &[&str]| {
            let output = Command::new("ovs-ofctl")
                .args(["-O", version, "--timeout=20", verb, &address])
                .args(words)
                .output()
                .unwrap_or_else(|error| panic!("{error}"));
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ovs-ofctl -O {version} {verb}: {complaint}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(tool("show", &[]).contains("2(port2)"), "{}", tool("show", &[]));
        tool(
            "add-flow",
            &["priority=9,in_port=1,dl_type=0x88b5,actions=mod_dl_src:02:00:00:00:09:09,output:2"],
        );
        let flows = tool("dump-flows", &[]);
        assert!(flows.contains("in_port=1") && flows.contains("output:2"), "{flows}");
        one.send(&frame(1, round));
        let mut changed = frame(1, round);
        changed[6..12].copy_from_slice(&[2, 0, 0, 0, 9, 9]);
        hears(two, &changed);
        assert!(tool("dump-flows", &[]).contains("n_packets=1"));
        assert!(tool("dump-ports", &["1"]).contains("rx pkts="));
        let packet = frame(4, round).iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        tool("packet-out", &[&format!("in_port=controller,packet={packet},actions=output:1")]);
        hears(one, &frame(4, round));
        tool("del-flows", &[]);
        assert!(!tool("dump-flows", &[]).contains("in_port=1"));
        one.send(&frame(1, round + 10));
        assert!(two.receive().is_none(), "the entry is gone");
    }
}
