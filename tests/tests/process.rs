//! An appliance as an ordinary Linux process, on a tap device in a network namespace that the test makes itself.
#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
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

    signal(&running, "TERM");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
}

/// Starts the example that works until it is asked to end, and waits until it is ready.
fn worker(words: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let (root, cargo) = (workspace().root, cargo_unik::setup::cargo());
    let example = ["build", "--quiet", "--package", "unik-os", "--example", "shutdown"];
    execute(Command::new(&cargo).current_dir(&root).args(example));
    let mut command = Command::new(workspace().target.join("debug/examples/shutdown"));
    command.args(words).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut running = Running(command.spawn().expect("it was just built"));
    let mut console = BufReader::new(running.0.stdout.take().expect("the console is a pipe"));
    let lines = until_ready(&mut console);
    assert!(lines.last().is_some_and(|line| line.starts_with("ready: ")), "{}", lines.join("\n"));
    (running, console)
}

fn signal(running: &Running, name: &str) {
    execute(Command::new("kill").args([format!("-{name}"), running.0.id().to_string()]));
}

/// Waits for the end, and returns its code with what was said until then.
fn ended(mut running: Running, mut console: BufReader<ChildStdout>) -> (Option<i32>, String) {
    let mut said = String::new();
    console.read_to_string(&mut said).expect("the console is text");
    (running.0.wait().expect("it ends").code(), said)
}

#[test]
fn a_process_ends_in_order_by_sigterm_and_by_sigint() {
    for name in ["TERM", "INT"] {
        let (running, console) = worker(&[]);
        signal(&running, name);
        let (code, said) = ended(running, console);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("asked to end, within 10 s") && said.contains("finished"), "{said}");
    }
}

#[test]
fn a_process_that_goes_on_in_spite_of_the_request_ends_after_its_time() {
    let (running, console) = worker(&["work=endless", "shutdown=1"]);
    signal(&running, "TERM");
    signal(&running, "TERM");
    let (code, said) = ended(running, console);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: main did not return within 1 s"), "{said}");
}

#[test]
fn the_second_ctrl_c_ends_a_process_at_once() {
    let (running, mut console) = worker(&["work=endless", "shutdown=60000"]);
    signal(&running, "INT");
    let mut line = String::new();
    while !line.contains("asked to end") {
        line.clear();
        assert_ne!(console.read_line(&mut line).expect("the console is text"), 0, "it ended by the first");
    }
    signal(&running, "INT");
    let (code, said) = ended(running, console);
    assert_eq!(code, Some(130), "{said}");
}

/// Identifier 7, one question: www.example.org, type A, class IN.
const QUESTION: &[u8] = b"\x00\x07\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

/// What the console says, up to the line that says `ready`.
fn until_ready(console: impl Read) -> Vec<String> {
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
