//! The web server answers real clients: pages, many at a time, and those that mean no good.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Instant;

use cargo_unik::options::{Machine, Protocol};
use unik_tests::{Crowd, Image, PATIENCE, Setup, Vm, Wire};

/// What the tests of the protocol ask as well.
#[path = "../../apps/httpd/tests/checks/probes.rs"]
mod probes;

use probes::{MARKER, SITUATIONS, SMUGGLED, Wanted};

const HTTP: &[(Protocol, u16)] = &[(Protocol::Tcp, 80)];

/// A machine that serves the example site of the application.
fn server() -> Setup {
    let image = Image::release("httpd");
    let site = image.data.clone().unwrap_or_else(|| panic!("httpd comes with a site"));
    Vm::of(&image).network(HTTP).data(&site).words("net0.nat=1")
}

/// What the example site has at this path.
fn file(path: &str) -> Vec<u8> {
    std::fs::read(Image::release("httpd").data.unwrap().join(path)).unwrap()
}

/// A response in its parts: the head, without its end, and the contents.
struct Response {
    head: String,
    contents: Vec<u8>,
}

impl Response {
    fn code(&self) -> &str {
        self.head.get(9..12).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|field| field.0 == name).map(|field| field.1)
    }
}

/// Reads one response with contents.
fn receive(stream: &mut TcpStream) -> Response {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut response = Response { head, contents: Vec::new() };
    let length = response.field("Content-Length").expect("a length").parse().unwrap();
    response.contents.resize(length, 0);
    stream.read_exact(&mut response.contents).expect("the contents");
    response
}

/// Asks for `target` with further fields, on a connection that is kept.
fn get(stream: &mut TcpStream, target: &str, fields: &str) -> Response {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n").unwrap();
    receive(stream)
}

/// Looks again and again until something is so.
#[track_caller]
fn until(vm: &mut Vm, is_so: impl Fn(&mut Vm) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(vm) {
        if Instant::now() > deadline {
            let (sockets, counters) = (vm.look("netstat"), vm.look("counters --all"));
            vm.fail(&format!("it does not come so far\n{sockets}\n{counters}"));
        }
    }
}

/// An empty folder of this test program.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[track_caller]
fn serves_its_site(mut vm: Vm) {
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    for (target, path) in
        [("/", "index.html"), ("/style.css", "style.css"), ("/pictures/icon.svg", "pictures/icon.svg")]
    {
        let response = get(&mut stream, target, "");
        assert_eq!((response.code(), &response.contents), ("200", &file(path)), "{target}");
        assert!(response.field("Date").is_some_and(|date| date.ends_with(" GMT")), "{}", response.head);
    }
    let missing = get(&mut stream, "/missing", "");
    assert_eq!((missing.code(), &missing.contents), ("404", &file("404.html")));
}

#[test]
fn pages_are_served_on_microvm() {
    serves_its_site(server().boot());
}

#[test]
fn pages_are_served_on_q35() {
    serves_its_site(server().machine(Machine::Q35).boot());
}

#[test]
fn four_mebibytes_are_enough() {
    serves_its_site(server().memory("4M").boot());
}

#[test]
fn a_large_file_comes_whole_and_in_parts() {
    let folder = folder("large");
    let large: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(folder.join("large.bin"), &large).unwrap();
    let mut vm = Vm::of(&Image::release("httpd")).network(HTTP).data(&folder).boot();
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    for _ in 0..3 {
        assert!(get(&mut stream, "/large.bin", "").contents == large, "three times on one connection");
    }
    let part = get(&mut stream, "/large.bin", "Range: bytes=1000000-2999998\r\n");
    assert_eq!((part.code(), part.field("Content-Range")), ("206", Some("bytes 1000000-2999998/3000000")));
    assert!(part.contents == large[1_000_000..2_999_999]);
    // Who leaves in the middle is missed by nobody.
    write!(stream, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    assert!(get(&mut vm.connect(80), "/large.bin", "").contents == large);
}

#[test]
fn requests_that_come_together_are_answered_in_turn() {
    let mut vm = server().boot();
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    let mut sender = stream.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        for _ in 0..500 {
            sender
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /style.css HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
        }
    });
    for _ in 0..500 {
        assert_eq!(receive(&mut stream).contents, file("index.html"));
        assert_eq!(receive(&mut stream).contents, file("style.css"));
    }
    asking.join().unwrap();
}

#[test]
fn a_client_that_is_refused_hears_why_whatever_else_it_sends() {
    let mut vm = server().boot();
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    write!(stream, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n").unwrap();
    // More than all buffers on the way hold; where the rest goes is not its concern.
    let _ = stream.write_all(&vec![b'x'; 200_000]);
    let response = receive(&mut stream);
    assert_eq!((response.code(), response.field("Connection")), ("405", Some("close")));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "and the connection is closed");
}

#[test]
fn a_crowd_that_says_nothing_does_not_keep_others_out() {
    let image = Image::release("httpd");
    let site = image.data.clone().unwrap();
    let mut wire = Wire::new();
    let setup = Vm::of(&image).data(&site).words("httpd.client_connections=1000 httpd.connections=64");
    let mut vm = wire.plug(setup).memory("8M").monitor().boot();
    vm.line("ready: httpd");
    let mut crowd = Crowd::new(&mut wire, 80);
    for first in (10_000..10_400).step_by(8) {
        assert_eq!(crowd.connect(first..first + 8), (8, 0));
        // The next ones come when these are served.
        let served = u64::from(first - 10_000) + 8;
        until(&mut vm, |vm| vm.counter("httpd.connections") == served);
    }
    assert_eq!(vm.counter("httpd.connections_displaced"), 400 - 64);
    crowd.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 64);
    assert_eq!((vm.counter("httpd.successes"), vm.counter("httpd.connections_refused")), (64, 0));
    crowd.leave();
    let is_tcp = |line: &&str| line.contains("tcp") || line.contains("TCP");
    until(&mut vm, |vm| vm.look("netstat").lines().filter(is_tcp).count() == 1);
}

#[test]
fn one_client_does_not_take_all_connections() {
    let image = Image::release("httpd");
    let site = image.data.clone().unwrap();
    let mut wire = Wire::new();
    let setup = Vm::of(&image).data(&site).words("httpd.client_connections=8");
    let mut vm = wire.plug(setup).monitor().boot();
    vm.line("ready: httpd");
    let mut crowd = Crowd::new(&mut wire, 80);
    crowd.connect(10_000..10_020);
    crowd.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 8);
    until(&mut vm, |vm| vm.counter("httpd.connections") == 20);
    assert_eq!((vm.counter("httpd.successes"), vm.counter("httpd.connections_refused")), (8, 12));
    assert!(vm.log().contains("refused"), "{}", vm.log());
}

#[test]
fn who_does_not_take_what_it_asks_for_keeps_its_share_of_the_connections_and_no_more() {
    let image = Image::release("httpd");
    let site = image.data.clone().unwrap();
    let mut wire = Wire::new();
    let setup = Vm::of(&image).data(&site).words("httpd.client_connections=8 httpd.idle_time=15");
    let mut vm = wire.plug(setup).monitor().boot();
    vm.line("ready: httpd");
    let mut crowd = Crowd::new(&mut wire, 80);
    assert_eq!(crowd.connect(10_000..10_008), (8, 0));
    // Nothing that the guest sends is ever acknowledged.
    crowd.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 8);
    assert_eq!(vm.counter("httpd.successes"), 8);
    crowd.connect(11_000..11_008);
    until(&mut vm, |vm| vm.counter("httpd.connections") == 16);
    assert_eq!(vm.counter("httpd.connections_refused"), 8);
    // It is not waited for for ever.
    until(&mut vm, |vm| vm.counter("httpd.slow_responses") == 8);
    crowd.connect(12_000..12_008);
    until(&mut vm, |vm| vm.counter("httpd.connections") == 24);
    assert_eq!(vm.counter("httpd.connections_refused"), 8);
}

#[test]
fn each_response_is_a_line_of_the_log_where_that_is_wanted() {
    let mut vm = server().words("httpd.log=combined httpd.log_to=console httpd.lgo=combined").boot();
    vm.line("nothing in this image knows the configuration word httpd.lgo");
    vm.line("ready: httpd");
    assert!(!vm.log().contains("the configuration word httpd.log"), "it is known");
    let mut stream = vm.connect(80);
    get(&mut stream, "/style.css?a", "User-Agent: a \"test\"\r\nReferer: http://example.org/\r\n");
    let line = vm.line("access: ");
    let expected = format!(
        "\"GET /style.css?a HTTP/1.1\" 200 {} \"http://example.org/\" \"a \\x22test\\x22\"",
        file("style.css").len()
    );
    assert!(line.contains("10.0.2.2 - - [") && line.ends_with(&expected), "{line}");
}

#[test]
fn the_access_log_goes_to_a_collector_and_the_journal_and_nobody_waits_for_it() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    collector.set_read_timeout(Some(PATIENCE)).expect("the patience is not zero");
    let port = collector.local_addr().expect("it was bound").port();
    let mut vm = server().words(&format!("httpd.log=json log.syslog=10.0.2.2:{port}")).monitor().boot();
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    let mut bytes = [0; 2048];
    let (mut number, mut asked) = (0, 0);
    while number < 200 {
        // Each request is its own: what arrives here is not to be more than this computer keeps.
        if number == asked {
            assert_eq!(get(&mut stream, &format!("/{number}"), "User-Agent: \"a\"\r\n").code(), "404");
            asked += 1;
        }
        let length =
            collector.recv(&mut bytes).unwrap_or_else(|error| vm.fail(&format!("no message: {error}")));
        let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let Some((header, object)) = message.split_once(" - access - ") else { continue };
        assert!(header.starts_with("<30>1 2") && header.ends_with("Z 10.0.2.15 httpd"), "{message}");
        let target =
            format!("\"method\":\"GET\",\"target\":\"/{number}\",\"referer\":null,\"user_agent\":\"\\u0022a");
        assert!(object.starts_with("{\"time\":\"2") && object.contains(&target), "{message}");
        number += 1;
    }
    assert_eq!(
        (vm.counter("access.written"), vm.counter("access.dropped"), vm.counter("access.cut")),
        (200, 0, 0)
    );
    assert!(vm.look("log").contains("access: {\"time\":"), "the journal has the last of them");
    assert!(!vm.log().contains("access: "), "the console shows none");
    // What the journal has of them is not sent once more.
    let sent = vm.counter("syslog.sent");
    assert!((200..220).contains(&sent), "{sent} messages were sent");
}

/// Checks that a text is one of OpenMetrics 1.0 with families of one number, and gives the values by their names.
#[track_caller]
fn numbers(text: &str) -> BTreeMap<String, u64> {
    let families = text.strip_suffix("# EOF\n").expect("it ends with its end");
    let (mut numbers, mut names) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = families.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, kind) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')).expect("a type");
        assert!(names.insert(name.to_owned()), "{name} comes once");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.ends_with("_total")
        );
        if let Some(unit) = lines.next_if(|line| line.starts_with("# UNIT ")) {
            let (named, unit) = unit[7..].split_once(' ').expect("a unit");
            assert!(named == name && name.ends_with(&format!("_{unit}")), "{named} {unit}");
        }
        let help = lines.next().and_then(|line| line.strip_prefix("# HELP ")?.split_once(' '));
        assert!(help.is_some_and(|(named, text)| named == name && !text.is_empty()), "{name} has a help");
        let (sample, value) = lines.next().and_then(|line| line.split_once(' ')).expect("a number");
        let end = if kind == "counter" { "_total" } else { "" };
        assert!(
            sample == format!("{name}{end}") && ["counter", "gauge"].contains(&kind),
            "{sample} is a {kind}"
        );
        numbers.insert(sample.to_owned(), value.parse().expect("a number"));
    }
    numbers
}

#[test]
fn all_numbers_are_served_on_a_port_of_their_own() {
    let ports = &[(Protocol::Tcp, 80), (Protocol::Tcp, 9100)];
    let mut vm = server().network(ports).words("httpd.metrics=9100").monitor().boot();
    vm.line("ready: httpd");
    let mut stream = vm.connect(80);
    assert_eq!(get(&mut stream, "/metrics", "").code(), "404", "not for everybody");
    let response = get(&mut vm.connect(9100), "/metrics", "");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.field("Content-Type"), Some(kind));
    let text = String::from_utf8(response.contents).unwrap();
    let numbers = numbers(&text);
    for (name, least) in [
        ("unik_httpd_client_errors_total", 1),
        ("unik_httpd_open_connections", 1),
        ("unik_machine_heap_used_bytes", 1),
        ("unik_net0_rx_bytes_total", 1),
        ("unik_metrics_requests_total", 1),
    ] {
        assert!(numbers.get(name).is_some_and(|number| *number >= least), "{name} in {text}");
    }
    // Every counter that the inspection channel knows of is there.
    let listed = vm.look("counters --all");
    for counter in listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.contains('.'))) {
        let name = counter.replace('.', "_").replace("octets", "bytes");
        assert!(numbers.contains_key(&format!("unik_{name}_total")), "{counter} in {text}");
    }
}

#[test]
fn when_asked_to_end_it_finishes_what_it_has_begun_and_closes_the_rest() {
    let folder = folder("ending");
    let large = vec![b'x'; 4_000_000];
    std::fs::write(folder.join("large.txt"), &large).unwrap();
    let image = Image::release("httpd");
    let mut vm = Vm::of(&image).network(HTTP).data(&folder).machine(Machine::Q35).controlled().boot();
    vm.line("ready: httpd");
    let (mut idle, mut busy) = (vm.connect(80), vm.connect(80));
    assert_eq!(get(&mut idle, "/healthz", "").code(), "200");
    write!(busy, "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut first = [0; 17];
    busy.read_exact(&mut first).unwrap();
    vm.press_power_button();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "what is idle is closed");
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&large), "{} bytes came", rest.len());
    assert_eq!(vm.exit_code(), 0);
}

/// The statuses of all responses that come until the connection is closed.
#[track_caller]
fn codes(stream: &mut TcpStream, is_head: bool) -> Vec<u16> {
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    let (mut rest, mut codes) = (&octets[..], Vec::new());
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let response = Response { head, contents: Vec::new() };
        let length: usize = response.field("Content-Length").map_or(0, |length| length.parse().unwrap());
        codes.push(response.code().parse().unwrap());
        rest = rest.get(end + 4 + if is_head { 0 } else { length }..).expect("all contents");
    }
    assert_eq!(rest, b"", "nothing else");
    codes
}

#[test]
fn every_situation_of_the_protocol_comes_out_as_it_has_to() {
    // Those that wait do so until all others have been asked, however long that takes.
    let mut vm = server().words("httpd.echo=/ httpd.head_time=60").boot();
    vm.line("ready: httpd");
    let mut waiting = Vec::new();
    for (name, request, wanted) in SITUATIONS {
        let mut stream = vm.connect(80);
        stream.write_all(request).unwrap();
        let Wanted::Answer(least, most, contents) = wanted else {
            waiting.push((name, request, stream));
            continue;
        };
        let response = receive(&mut stream);
        let code: u16 = response.code().parse().unwrap();
        assert!((least..=most).contains(&code), "{name}: {}", response.head);
        assert!(contents.is_none_or(|contents| response.contents == contents.as_bytes()), "{name}");
    }
    assert_eq!(waiting.len(), 15);
    // Those that were cut are heard to their end, and not before.
    let whole = b"GET /page HTTP/1.1\r\nHost: here\r\n\r\n";
    for (name, request, mut stream) in waiting {
        stream.set_nonblocking(true).unwrap();
        assert!(stream.read(&mut [0]).is_err(), "{name}: nothing comes");
        stream.set_nonblocking(false).unwrap();
        let rest = whole.strip_prefix(request).expect("it is a part of that");
        stream.write_all(rest).unwrap();
        assert_eq!(receive(&mut stream).code(), "404", "{name}");
    }
}

#[test]
fn a_request_that_hides_another_is_refused_or_understood_as_one() {
    let mut vm = server().words("httpd.echo=/").boot();
    vm.line("ready: httpd");
    for (name, request, wanted) in SMUGGLED {
        let mut wanted = wanted.to_vec();
        // Only what is not refused is followed by anything.
        if wanted.iter().all(|code| matches!(code, 200..300 | 405)) {
            wanted.push(404);
        }
        let mut stream = vm.connect(80);
        stream.write_all(&[request, MARKER].concat()).unwrap();
        assert_eq!(codes(&mut stream, request.starts_with(b"HEAD")), wanted, "{name}");
    }
}

#[test]
fn a_site_is_served_as_it_says_and_as_it_was_packed() {
    let folder = folder("said");
    let write = |path: &str, text: &str| {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), text).unwrap();
    };
    let style = "body { margin: 0 }\n".repeat(1000);
    write("index.html", "default");
    write("org/index.html", "org");
    write("org/style.css", &style);
    write(
        "httpd.toml",
        "[[header]]\nending = '.css'\nset = { Cache-Control = 'max-age=5' }\n\
         [[redirect]]\npath = '/old'\nto = '/new'\n\
         [[host]]\nnames = ['example.org']\nroot = '/org'\nlisting = true\n",
    );
    let image = Image::release("httpd");
    let plain = Vm::of(&image).network(HTTP).data(&folder);
    let prepared = Vm::of(&image).network(HTTP).prepared("httpd", &folder);
    for (setup, is_prepared) in [(plain, false), (prepared, true)] {
        let mut vm = setup.boot();
        vm.line("serves 3 files");
        vm.line("ready: httpd");
        let mut stream = vm.connect(80);
        assert_eq!(get(&mut stream, "/", "").contents, b"org");
        assert_eq!(get(&mut stream, "/old", "").field("Location"), Some("/new"));
        let whole = get(&mut stream, "/style.css", "");
        assert_eq!((whole.contents.len(), whole.field("Cache-Control")), (style.len(), Some("max-age=5")));
        let wished = get(&mut stream, "/style.css", "Accept-Encoding: gzip\r\n");
        assert_eq!(wished.field("Content-Encoding"), is_prepared.then_some("gzip"));
        assert_eq!(wished.contents.len() < style.len() / 10, is_prepared);
        assert_eq!(get(&mut stream, "/httpd.toml", "").code(), "404");
    }
}

#[test]
fn what_it_cannot_serve_is_a_sentence() {
    let image = Image::release("httpd");
    let mut vm = Vm::of(&image).network(HTTP).data(&folder("empty")).boot();
    vm.line("there is nothing to serve: the data needs a file, such as index.html");
    assert_eq!(vm.exit_code(), 4);
    let mut vm = server().words("httpd.connections=many").boot();
    vm.line("httpd.connections= needs a number from 1 to 1000");
    assert_eq!(vm.exit_code(), 4);
    let wrong = folder("wrong");
    std::fs::write(wrong.join("index.html"), "page").unwrap();
    std::fs::write(wrong.join("httpd.toml"), "# here\nlisting = yes\n").unwrap();
    let mut vm = Vm::of(&image).network(HTTP).data(&wrong).boot();
    vm.line("error: httpd.toml:2: 'yes': expected true or false");
    assert_eq!(vm.exit_code(), 4);
    let mut vm = Vm::of(&image).network(HTTP).boot();
    vm.line("this image needs data");
    assert_eq!(vm.exit_code(), 4);
}
