//! A web server that is asked to end while many clients are at it.
#![forbid(unsafe_code)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Instant;

use cargo_unik::options::{Machine, Protocol};
use unik_tests::{Image, PATIENCE, Vm};

/// Clients in each state.
const EACH: usize = 10;
const LARGE: usize = 1_000_000;

/// Everything that still comes on each connection; nothing more where it is reset. All are read at the same time: the server has
/// a few seconds for them.
fn rests(streams: &mut [TcpStream]) -> Vec<Vec<u8>> {
    let rest = |stream: &mut TcpStream| {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = streams.iter_mut().map(|stream| scope.spawn(move || rest(stream))).collect();
        readers.into_iter().map(|reader| reader.join().expect("reading does not panic")).collect()
    })
}

#[test]
fn of_fifty_clients_each_has_what_was_begun_for_it_and_nobody_keeps_the_machine() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("draining");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder of this test program can be written");
    std::fs::write(folder.join("small.txt"), "small").expect("the folder was just made");
    std::fs::write(folder.join("large.bin"), vec![b'x'; LARGE]).expect("the folder was just made");
    let setup = Vm::of(&Image::release("httpd")).network(&[(Protocol::Tcp, 80)]).data(&folder);
    let setup = setup.words("httpd.log=json httpd.head_time=60 httpd.metrics=9100 net0.nat=1");
    let mut vm = setup.machine(Machine::Q35).controlled().monitor().boot();
    vm.line("ready: httpd");
    let mut clients = Vec::new();
    for number in 1..=5 * EACH as u64 {
        clients.push(vm.connect(80));
        // QEMU lets one connection wait at a time.
        let deadline = Instant::now() + PATIENCE;
        while vm.counter("httpd.connections") < number {
            assert!(Instant::now() < deadline, "{number} connections are accepted");
        }
    }
    let mut groups = clients.chunks_mut(EACH);
    let mut group = || groups.next().expect("there are five groups");
    let (_silent, kept, begun, stuck, busy) = (group(), group(), group(), group(), group());
    for stream in kept.iter_mut() {
        stream.write_all(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server listens");
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"small") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            bytes.extend(byte);
        }
    }
    for stream in begun.iter_mut().chain(stuck.iter_mut()) {
        stream.write_all(b"GET /small.txt HTTP/1.1\r\nHo").expect("the server listens");
    }
    for stream in busy.iter_mut() {
        stream.write_all(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server listens");
        stream.read_exact(&mut [0; 17]).expect("the beginning of a response");
    }
    vm.press_power_button();
    // When these are closed the server is at its end.
    let (waiting, others) = clients.split_at_mut(2 * EACH);
    for response in rests(waiting) {
        assert_eq!(response, b"", "who waits for nothing is told that there will be nothing");
    }
    for stream in &mut others[..EACH] {
        stream.write_all(b"st: a\r\n\r\n").expect("the server listens");
    }
    let rests = rests(others);
    let mut rests = rests.chunks(EACH);
    let mut rests = || rests.next().expect("there are three groups");
    let (begun, stuck, busy) = (rests(), rests(), rests());
    for response in begun {
        let response = String::from_utf8_lossy(response);
        let has_closed = response.contains("\r\nConnection: close\r\n");
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n") && has_closed && response.ends_with("small"),
            "{response}"
        );
    }
    for response in busy {
        assert!(response.ends_with(&[b'x'; 100]) && response.len() > LARGE, "{} bytes came", response.len());
    }
    // Those who never go on are not waited for for longer than there is patience for.
    assert_eq!(vm.exit_code(), 0);
    for response in stuck {
        assert!(!response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(response));
    }
}
