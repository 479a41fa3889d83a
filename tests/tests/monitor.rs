//! The tool looks into running images, also ones that ship; hosts that misbehave change nothing for anybody else.
#![forbid(unsafe_code)]
use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use cargo_unik::monitor::{Connection, is_alive};
use cargo_unik::options::{Machine, Network, Protocol};
use serde_json::Value;
use unik_monitor::{Reply, Request, frame};
use unik_tests::{Image, PATIENCE, Setup, Vm};

const DNS: &[(Protocol, u16)] = &[(Protocol::Udp, 53), (Protocol::Tcp, 53)];

/// www.example.org, type A, class IN (RFC 1035, 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

fn server() -> Setup {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    Vm::of(&image).network(DNS).data(&zones).monitor()
}

fn ready(setup: Setup) -> Vm {
    let mut vm = setup.boot();
    vm.line("ready: dns");
    vm
}

fn json(vm: &mut Vm, command: &str) -> Vec<Value> {
    let shown = vm.look(&format!("{command} --json"));
    match serde_json::from_str(&shown) {
        Ok(Value::Array(rows)) => rows,
        other => vm.fail(&format!("{command} shows {other:?}")),
    }
}

#[test]
fn the_commands_show_what_is_there_on_every_machine() {
    for machine in [Machine::Microvm, Machine::Q35, Machine::Pc] {
        let mut vm = ready(server().machine(machine));
        let tasks = json(&mut vm, "ps");
        let named = |name: &str| tasks.iter().find(|task| task["name"] == name).cloned();
        assert_eq!(named("dns-tcp").unwrap()["waits_for"], "tcp accept", "{tasks:?}");
        assert!(["main", "net0", "monitor"].iter().all(|name| named(name).is_some()), "{tasks:?}");
        let before = vm.counter("net0.rx_frames");
        vm.ask(53, QUERY);
        assert!(vm.counter("net0.rx_frames") > before);
        assert!(vm.counter("net0.udp_answered") > 0, "it was answered in place");
        let sockets = json(&mut vm, "netstat");
        let has =
            |state: &str| sockets.iter().any(|row| row["state"] == state && row["local"] == "0.0.0.0:53");
        assert!(has("LISTEN") && has("OPEN"), "{sockets:?}");
        let log = vm.look("log");
        assert!(log.contains("example.org.zone: zone example.org."), "{log}");
        let facts = vm.look("sysinfo");
        assert!(facts.contains("uptime") && facts.contains("heap"), "{facts}");
        peaks_are_plausible(&mut vm);
    }
}

/// Peaks lie between what is in use and what there is.
#[track_caller]
fn peaks_are_plausible(vm: &mut Vm) {
    let shown = vm.look("sysinfo --json");
    let facts: Value = serde_json::from_str(&shown).unwrap_or_default();
    let fact = |name: &str| facts[name].as_u64().unwrap_or_else(|| panic!("no {name} in {shown}"));
    assert!(fact("heap-used") <= fact("heap-peak") && fact("heap-peak") < fact("heap"), "{shown}");
    assert!((512..fact("stack")).contains(&fact("stack-peak")), "{shown}");
}

#[test]
fn an_open_connection_is_a_socket_with_a_peer() {
    let mut vm = ready(server());
    let stream = vm.connect(53);
    let established =
        |vm: &mut Vm| json(vm, "netstat").into_iter().find(|socket| socket["state"] == "ESTABLISHED");
    let deadline = Instant::now() + PATIENCE;
    while established(&mut vm).is_none() {
        assert!(Instant::now() < deadline, "{}", vm.look("netstat"));
    }
    assert!(established(&mut vm).unwrap()["remote"].is_string());
    drop(stream);
}

#[test]
fn levels_are_set_while_the_image_runs() {
    let mut vm = ready(server());
    vm.look("log --level unik_dns=trace");
    assert!(vm.look("log --levels").contains("unik_dns"));
    vm.look("log --level unik_dns=off");
    let levels = vm.look("log --levels");
    assert!(levels.to_lowercase().contains("off"), "{levels}");
}

#[test]
fn records_are_followed_as_they_come() {
    let vm = ready(server());
    let mut guest = Connection::open(vm.monitor(), PATIENCE).unwrap();
    let number = guest.ask(&Request::Log { follow: true }).unwrap();
    // What is there already.
    while !matches!(guest.answer(number).unwrap(), Reply::Record(record) if record.text.contains("example.org.zone"))
    {
    }
    // Setting a level is itself worth a record.
    guest.ask(&Request::SetLevel { target: "unik_dns", level: Some(unik_monitor::Level::Debug) }).unwrap();
    while !matches!(guest.answer(number).unwrap(), Reply::Record(record) if record.text.contains("unik_dns"))
    {
    }
}

#[test]
fn an_appliance_that_waits_for_an_address_can_be_looked_into() {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    // A cable without anybody at its other end: no DHCP server will ever answer.
    let cable = std::env::temp_dir().join(format!("unik-test-{}.cable", std::process::id()));
    let mut vm = Vm::of(&image).link(Network::Link(cable.clone())).data(&zones).monitor().boot();
    // Nothing on the console says that the channel is there.
    let deadline = Instant::now() + PATIENCE;
    while Connection::open(vm.monitor(), PATIENCE).is_err() {
        assert!(Instant::now() < deadline, "nobody answers");
    }
    let tasks = json(&mut vm, "ps");
    let main = tasks.iter().find(|task| task["name"] == "main").unwrap();
    assert_eq!(main["waits_for"], "address", "{tasks:?}");
    vm.look("shutdown");
    let _ = std::fs::remove_file(cable);
}

#[test]
fn an_appliance_without_the_device_runs_all_the_same() {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap();
    let mut vm = ready(Vm::of(&image).network(DNS).data(&zones));
    vm.ask(53, QUERY);
}

#[test]
fn a_tool_that_asks_and_never_reads_stops_nobody() {
    let mut vm = ready(server());
    let mut greedy = UnixStream::connect(vm.monitor()).unwrap();
    greedy.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut room = [0; frame::REQUEST_LIMIT];
    let mut sent = 0;
    // Until neither the socket nor the guest takes any more.
    for number in 0..100_000 {
        let length = frame::encode(number, &Request::Counters, &mut room).unwrap();
        if greedy.write_all(&room[..length]).is_err() {
            break;
        }
        sent += 1;
    }
    for _ in 0..20 {
        vm.ask(53, QUERY);
    }
    assert!(sent > 8);
    drop(greedy);
    assert!(vm.look("ps").contains("main"), "the next tool is served");
    // While nothing could be done the processor slept: a turn without end takes some ten thousand a second.
    let (turns, idles) = (vm.counter("sched.turns"), vm.counter("sched.idles"));
    // Each request that it took may have cost one.
    assert!(turns < 4 * idles + sent + 1_000, "{turns} turns, {idles} of them before sleep, {sent} requests");
}

#[test]
fn bytes_that_are_no_requests_are_refused_and_the_next_tool_is_served() {
    let mut vm = ready(server());
    let mut noise = UnixStream::connect(vm.monitor()).unwrap();
    noise.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut state = 1_u32;
    let bytes: Vec<u8> = (0..20_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    noise.write_all(&bytes).unwrap();
    // What nobody has looked at is lost when the channel is closed. Answers end with a zero.
    let (mut answers, mut room) = (0, [0; 64]);
    while answers <= 10 {
        let length = noise.read(&mut room).unwrap();
        assert!(length > 0, "the channel was closed after {answers} answers");
        answers += room[..length].iter().filter(|byte| **byte == 0).count();
    }
    drop(noise);
    vm.ask(53, QUERY);
    assert!(vm.counter("monitor.malformed") > 10);
}

#[test]
fn a_capture_of_a_thousand_frames_a_second_loses_none() {
    const QUERIES: u64 = 1_000;
    // Queries that are under way: fewer than the memory of a capture holds, and any queue on the way. Where this computer is so busy
    // that they are that many, the next one waits, since those that are kept waiting come all at once.
    const UNDER_WAY: usize = 64;
    let mut vm = ready(server());
    vm.ask(53, QUERY);
    let address = vm.address(Protocol::Udp, 53);
    let path = vm.monitor().to_owned();
    let mut guest = Connection::open(&path, PATIENCE).unwrap();
    let number = guest.ask(&Request::Capture { interface: "net0", length: 1536 }).unwrap();
    let (sent, captured) = std::sync::mpsc::sync_channel(UNDER_WAY);
    let load = std::thread::spawn(move || {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(address).unwrap();
        let begin = Instant::now();
        for number in 0..QUERIES {
            if sent.send(()).is_err() {
                return;
            }
            socket.send(QUERY).unwrap();
            // A query and its answer are two frames: a pair every two milliseconds.
            let next = begin + Duration::from_millis(2 * (number + 1));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    let (mut received, mut lost) = (0, 0);
    while received < QUERIES {
        match guest.answer(number).unwrap() {
            Reply::Frame(frame) if frame.direction == unik_monitor::Direction::Received => {
                received += 1;
                captured.recv().unwrap();
            }
            Reply::Lost(count) => lost += count,
            _ => {}
        }
    }
    load.join().unwrap();
    assert_eq!(lost, 0);
}

#[test]
fn tools_that_come_one_right_behind_the_other_are_answered() {
    const CONVERSATIONS: usize = 50;
    let mut vm = ready(server());
    for _ in 0..CONVERSATIONS {
        // This one comes and goes without a word.
        assert_eq!(is_alive(vm.monitor()), Ok(true));
        assert!(vm.look("ps").contains("main"));
    }
}

#[test]
fn the_tool_ends_an_appliance_in_order() {
    for machine in [Machine::Microvm, Machine::Q35] {
        let mut vm = ready(server().machine(machine));
        vm.look("shutdown");
        vm.line("asked to end");
        assert_eq!(vm.exit_code(), 0);
    }
}

/// A machine whose appliance has commands of its own.
fn commands(machine: Machine) -> Vm {
    let mut vm = Vm::of(&Image::release("commands")).machine(machine).monitor().boot();
    vm.line("ready: commands");
    vm
}

#[test]
fn an_appliance_follows_its_own_commands_once_for_each_time_it_is_asked() {
    for machine in [Machine::Microvm, Machine::Q35] {
        let mut vm = commands(machine);
        assert!(vm.look("ask").contains("\nadd      Counts something: "));
        assert_eq!(vm.look("ask tally"), "NAME  COUNT\n");
        assert_eq!(vm.look("ask add apples 3"), "apples: 3\n");
        assert_eq!(vm.look("ask add apples"), "apples: 4\n");
        assert_eq!(vm.look("ask add pears"), "pears: 1\n");
        assert_eq!(vm.look("ask tally"), "NAME    COUNT\napples      4\npears       1\n");
        assert_eq!((vm.counter("commands.asked"), vm.counter("commands.declined")), (5, 0));
    }
}

#[test]
fn an_answer_longer_than_all_buffers_arrives_whole() {
    let mut vm = commands(Machine::Microvm);
    let rows = json(&mut vm, "ask squares 10000");
    assert_eq!(rows.len(), 10_001);
    assert!(rows.iter().zip(0_u64..).skip(1).all(|(row, number)| {
        row["cells"] == serde_json::json!([number.to_string(), (number * number).to_string()])
    }));
}

#[test]
fn a_command_that_declines_and_one_that_is_not_there_are_told() {
    let mut vm = commands(Machine::Microvm);
    let mut guest = Connection::open(vm.monitor(), PATIENCE).unwrap();
    for (words, expected) in [
        ("add apples many", Reply::Declined { text: "'apples many' does not end with a number", cut: false }),
        ("ad", Reply::Refused(unik_monitor::Refusal::NotFound)),
    ] {
        let number = guest.ask(&Request::Ask { words }).unwrap();
        assert_eq!(guest.answer(number).unwrap(), expected);
    }
    drop(guest);
    assert_eq!(vm.look("ask tally"), "NAME  COUNT\n", "nothing was counted");
    let mut vm = Vm::of(&Image::release("hello_monitor")).monitor().boot();
    vm.line("ready: hello_monitor");
    assert_eq!(vm.look("ask"), "unik: hello_monitor has no commands of its own\n");
}

#[test]
fn an_appliance_that_hears_no_request_to_end_is_ended_at_once_and_says_so_first() {
    let mut vm = Vm::of(&Image::release("hello_monitor")).monitor().boot();
    vm.line("ready: hello_monitor");
    vm.look("shutdown");
    assert_eq!(vm.exit_code(), 0);
}
