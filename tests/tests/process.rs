//! An appliance as an ordinary Linux process, on a tap device in a network namespace that the test makes itself.
#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use unik_tests::workspace;

/// Set in the process that runs inside of the namespace.
const INSIDE: &str = "UNIK_TEST_INSIDE_NAMESPACE";
/// What the process says of itself before it is ready, at most.
const LINES: usize = 50;

/// Kills the process at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Whether it still runs does not matter here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn execute(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}{}", String::from_utf8_lossy(&output.stdout));
}

fn ip(words: &str) {
    execute(Command::new("ip").args(words.split_whitespace()));
}

#[test]
fn dns_answers_as_an_ordinary_process_on_a_tap() {
    if std::env::var_os(INSIDE).is_none() {
        // The same test again, in a namespace with nothing in it. Where namespaces are forbidden it was not run, and
        // that is no success.
        let this = std::env::current_exe().expect("the test is a program");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--"]).arg(this).env(INSIDE, "1");
        execute(command.args(["--exact", "dns_answers_as_an_ordinary_process_on_a_tap", "--nocapture"]));
        return;
    }
    ip("tuntap add dev tap0 mode tap");
    ip("address add 192.0.2.1/24 dev tap0");
    ip("link set tap0 up");

    let (root, cargo) = (workspace().root, cargo_unik::setup::cargo());
    execute(Command::new(&cargo).current_dir(&root).args(["build", "--quiet", "--package", "unik-dns"]));
    let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join("process.cpio");
    cargo_unik::image::pack(&root.join("apps/dns/zones"), &archive).expect("the example zones can be packed");
    // The program itself and not cargo: a child of a child would outlive the test.
    let mut command = Command::new(workspace().target.join("debug/dns"));
    command.args(["--net", "tap:tap0", "net0.ip=192.0.2.2/24", "--data"]).arg(&archive);
    let child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("dns was just built");
    let mut running = Running(child);
    let console = running.0.stdout.take().expect("the console is a pipe");
    let lines = until_ready(console);
    assert!(lines.last().is_some_and(|line| line.starts_with("ready: dns")), "{}", lines.join("\n"));

    let socket = UdpSocket::bind("192.0.2.1:0").expect("the address was just added");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("ten seconds are a time");
    socket.send_to(QUESTION, "192.0.2.2:53").expect("the tap is up");
    let mut answer = [0; 512];
    let (length, _) = socket.recv_from(&mut answer).expect("an answer within ten seconds");
    assert_eq!(&answer[..2], &QUESTION[..2]);
    assert!(answer[..length].windows(4).any(|address| address == [192, 0, 2, 80]));
}

/// Identifier 7, one question: www.example.org, type A, class IN.
const QUESTION: &[u8] = b"\x00\x07\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

/// What the console says, up to the line that says `ready`.
fn until_ready(console: impl std::io::Read) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(console).lines().take(LINES).map_while(Result::ok) {
        let ready = line.starts_with("ready: ");
        lines.push(line);
        if ready {
            break;
        }
    }
    lines
}
