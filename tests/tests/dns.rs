//! The DNS appliance answers real questions, asked through a DNS implementation that shares nothing with it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Instant;

use cargo_unik::options::{Machine, Protocol};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use unik_tests::{Crowd, Image, PATIENCE, Setup, Vm, Wire};

const DNS: &[(Protocol, u16)] = &[(Protocol::Udp, 53), (Protocol::Tcp, 53)];

/// A machine that serves the example zones of the application.
fn server() -> Setup {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    Vm::of(&image).network(DNS).data(&zones)
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message
}

#[track_caller]
fn over_udp(vm: &mut Vm, name: &str, kind: RecordType) -> Message {
    let answer = vm.ask(53, &question(name, kind).to_vec().unwrap());
    checked(vm, &answer)
}

#[track_caller]
fn over_tcp(vm: &mut Vm, name: &str, kind: RecordType) -> Message {
    let mut stream = vm.connect(53);
    let question = question(name, kind).to_vec().unwrap();
    // RFC 1035, 4.2.2: two bytes of length in front
    stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&question).unwrap();
    let mut length = [0; 2];
    let mut answer = Vec::new();
    let received = stream.read_exact(&mut length).and_then(|()| {
        answer.resize(usize::from(u16::from_be_bytes(length)), 0);
        stream.read_exact(&mut answer)
    });
    if let Err(error) = received {
        vm.fail(&format!("no answer over TCP: {error}"));
    }
    checked(vm, &answer)
}

#[track_caller]
fn checked(vm: &mut Vm, answer: &[u8]) -> Message {
    match Message::from_vec(answer) {
        Ok(message)
            if message.metadata.id == 0x1234 && message.metadata.message_type == MessageType::Response =>
        {
            message
        }
        Ok(message) => vm.fail(&format!("this answers something else: {message:?}")),
        Err(error) => vm.fail(&format!("an answer that cannot be read: {error}")),
    }
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let mut addresses: Vec<Ipv4Addr> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    addresses.sort();
    addresses
}

#[track_caller]
fn answers_questions(mut vm: Vm) {
    vm.line("ready: dns");
    answers(&mut vm);
}

/// A question over each transport gets its answer.
#[track_caller]
fn answers(vm: &mut Vm) {
    let www = [Ipv4Addr::new(192, 0, 2, 80), Ipv4Addr::new(192, 0, 2, 81)];
    for answer in
        [over_udp(vm, "www.example.org.", RecordType::A), over_tcp(vm, "www.example.org.", RecordType::A)]
    {
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.metadata.authoritative);
        assert_eq!(addresses(&answer), www);
    }
}

#[test]
fn questions_are_answered_on_microvm() {
    answers_questions(server().boot());
}

#[test]
fn questions_are_answered_on_q35() {
    answers_questions(server().machine(Machine::Q35).boot());
}

#[test]
fn four_mebibytes_are_enough() {
    answers_questions(server().memory("4M").boot());
}

#[test]
fn two_hundred_connections_at_once_are_served_or_refused_and_then_all_is_as_before() {
    let image = Image::release("dns");
    let zones = image.data.clone().unwrap_or_else(|| panic!("dns comes with zones"));
    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&image).data(&zones)).memory("4M").monitor().boot();
    vm.line("ready: dns");
    let question = question("www.example.org.", RecordType::A).to_vec().unwrap();
    let framed = [&u16::try_from(question.len()).unwrap().to_be_bytes()[..], &question].concat();
    let mut crowd = Crowd::new(&mut wire, 53);
    let begun = Instant::now();
    crowd.connect(40_000..40_200);
    crowd.say(&framed);
    // Each is served, or it is counted why not.
    let (deadline, mut answered) = (Instant::now() + PATIENCE, 0);
    let turned_away = loop {
        answered = crowd.answered().max(answered);
        let counted = ["tcp_half_open_evicted", "tcp_backlog_full", "tcp_limit_reached", "tcp_no_memory"]
            .map(|name| vm.counter(&format!("net0.{name}")));
        let turned_away = 200 - answered as u64;
        if answered > 0 && counted.iter().sum::<u64>() >= turned_away {
            break turned_away;
        }
        assert!(
            Instant::now() < deadline,
            "{answered} served, {turned_away} turned away, but counted {counted:?}"
        );
    };
    assert!(turned_away > 0, "all of 200 connections are served in four mebibytes");
    crowd.leave();
    // Those that the guest did not hear leave are closed when they have been idle for long enough.
    let deadline = Instant::now() + PATIENCE;
    while vm.look("netstat").lines().filter(|line| line.contains("tcp") || line.contains("TCP")).count() > 1 {
        assert!(Instant::now() < deadline, "{}", vm.look("netstat"));
    }
    // The network and the appliance complain once a second each, however long it took.
    let (complaints, most) =
        (vm.log().matches("refused").count(), 4 + 2 * begun.elapsed().as_secs() as usize);
    assert!(
        complaints <= most,
        "{turned_away} refusals fill {complaints} lines of the log, and not {most} at most"
    );
    assert_eq!(addresses(&checked(&mut vm, &crowd.datagram(&question))).len(), 2);
    assert_eq!(crowd.connect(50_000..50_001), (1, 0));
    crowd.ask(&framed, 1);
}

#[test]
fn names_types_and_zones_that_are_not_there_get_their_codes() {
    let mut vm = server().boot();
    vm.line("ready: dns");
    let missing = over_udp(&mut vm, "nowhere.example.org.", RecordType::A);
    assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
    assert!(
        missing.authorities.iter().any(|record| matches!(record.data, RData::SOA(_))),
        "no SOA in {missing:?}"
    );
    let other_type = over_udp(&mut vm, "www.example.org.", RecordType::MX);
    assert_eq!((other_type.metadata.response_code, other_type.answers.len()), (ResponseCode::NoError, 0));
    let outside = over_udp(&mut vm, "www.example.com.", RecordType::A);
    assert_eq!(outside.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn an_alias_leads_to_its_address() {
    let mut vm = server().boot();
    vm.line("ready: dns");
    let answer = over_udp(&mut vm, "web.example.org.", RecordType::A);
    assert!(matches!(answer.answers.first().map(|record| &record.data), Some(RData::CNAME(_))), "{answer:?}");
    assert_eq!(addresses(&answer).len(), 2);
}

#[test]
fn many_questions_on_one_connection_are_answered_in_turn() {
    let mut vm = server().boot();
    vm.line("ready: dns");
    let mut stream = vm.connect(53);
    for _ in 0..50 {
        let question = question("mail.example.org.", RecordType::A).to_vec().unwrap();
        stream.write_all(&u16::try_from(question.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(addresses(&checked(&mut vm, &answer)), [Ipv4Addr::new(192, 0, 2, 25)]);
    }
}

#[test]
fn noise_in_place_of_questions_leaves_the_server_standing() {
    let mut vm = server().boot();
    vm.line("ready: dns");
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let address = vm.address(Protocol::Udp, 53);
    let whole = question("www.example.org.", RecordType::A).to_vec().unwrap();
    for length in 0..whole.len() {
        socket.send_to(&whole[..length], address).unwrap();
        let mut broken = whole.clone();
        broken[length] ^= 0xff;
        socket.send_to(&broken, address).unwrap();
    }
    let answer = over_udp(&mut vm, "www.example.org.", RecordType::A);
    assert_eq!(addresses(&answer).len(), 2);
}

#[test]
fn a_zone_with_a_mistake_is_named_with_line_and_column_and_the_others_are_served() {
    let folder = folder("mistake");
    std::fs::write(
        folder.join("good.zone"),
        "$ORIGIN good.test.\n$TTL 1h\n@ SOA ns h 1 1h 1h 1h 1h\n@ NS ns\n$INCLUDE hosts/good\n",
    )
    .unwrap();
    std::fs::create_dir(folder.join("hosts")).unwrap();
    std::fs::write(folder.join("hosts/good"), "ns A 192.0.2.1\n$GENERATE 1-9 h$ A 192.0.2.$\n").unwrap();
    // What it says of its name comes before what it is called.
    std::fs::write(
        folder.join("other.zone"),
        "$ORIGIN bad.test.\n$TTL 1h\n@ SOA ns h 1 1h 1h 1h 1h\n@ NS ns\nns A 192.0.2.256\n",
    )
    .unwrap();
    let mut vm = Vm::of(&Image::release("dns")).network(DNS).data(&folder).boot();
    vm.line("other.zone:5:6: expected an IPv4 address");
    vm.line("ready: dns");
    for (name, last) in [("ns.good.test.", 1), ("h7.good.test.", 7)] {
        let answer = over_udp(&mut vm, name, RecordType::A);
        assert_eq!(addresses(&answer), [Ipv4Addr::new(192, 0, 2, last)]);
    }
    let failed = over_udp(&mut vm, "ns.bad.test.", RecordType::A);
    assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn the_command_line_says_what_the_server_tells_about_itself() {
    let mut vm = server().words("dns.version=seven hostname=ns7 dns.minimal=no dns.verison=8").boot();
    vm.line("nothing in this image knows the configuration word dns.verison");
    vm.line("ready: dns");
    for (name, told) in [("version.bind.", "seven"), ("id.server.", "ns7")] {
        let mut question = question(name, RecordType::TXT);
        question.queries[0].set_query_class(DNSClass::CH);
        let answer = vm.ask(53, &question.to_vec().unwrap());
        let answer = checked(&mut vm, &answer);
        assert_eq!(answer.answers.len(), 1, "{answer:?}");
        assert!(answer.answers[0].data.to_string().contains(told), "{answer:?}");
    }
    let answer = over_udp(&mut vm, "mail.example.org.", RecordType::A);
    assert_eq!(answer.authorities.len(), 2, "the name servers of the zone: {answer:?}");
    let log = vm.log();
    assert_eq!(log.matches("nothing in this image knows").count(), 1, "{log}");
}

#[test]
fn each_query_is_told_to_a_collector_where_that_is_wanted() {
    let collector = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(PATIENCE)).unwrap();
    // The guest reaches this computer by the address of its gateway.
    let words = format!("dns.log-queries=1 log.syslog=10.0.2.2:{}", collector.local_addr().unwrap().port());
    let mut vm = server().words(&words).boot();
    vm.line("ready: dns");
    over_udp(&mut vm, "mail.example.org.", RecordType::A);
    let mut message = [0; 2048];
    let told = (0..20).any(|_| {
        let (length, _) = collector.recv_from(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        text.contains("query of 10.0.2.2 over UDP: mail.example.org. A: NOERROR")
    });
    assert!(told, "twenty messages, and none is about the query");
}

/// An empty folder of this test program.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
