//! The program from the outside, as far as it goes without QEMU.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

mod fake;

use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fake::{Fake, Turn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use unik_monitor::{Reply, Request};

/// The tool, in the workspace, where `runtime` holds the sockets of machines.
fn tool(runtime: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-unik"));
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("XDG_RUNTIME_DIR", runtime)
        .args(words);
    command
}

fn unik(words: &[&str]) -> Output {
    tool(&Runtime::new("any").0, words).output().unwrap()
}

/// A folder in the place of `/run/user/1000`, which goes with the test.
struct Runtime(PathBuf);

impl Runtime {
    fn new(name: &str) -> Runtime {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("unik-cli-{}-{name}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Runtime(folder)
    }

    /// One where an appliance `dns` runs.
    fn with_dns(name: &str) -> (Runtime, Fake) {
        let runtime = Runtime::new(name);
        cargo_unik::monitor::find::make(&runtime.0.join("unik")).unwrap();
        let fake = Fake::usual(&runtime.0.join("unik/dns.socket"));
        (runtime, fake)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_goes_to_standard_output() {
    let output = unik(&["unik", "help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("cargo unik run APP"));
}

#[test]
fn bad_input_is_one_sentence_and_exit_code_two() {
    let long = format!("/{}", "a".repeat(107));
    for (words, sentence) in [
        (&["run", "no-such-app"][..], "unik: there is no application 'no-such-app' here: choose "),
        (&["run", "hello", "--memory", "1K"], "unik: '1K' is no amount of memory: "),
        (
            &["run", "hello", "--data", "no-such-folder", "--dry-run"],
            "unik: there is no folder no-such-folder",
        ),
        (
            &["run", "hello", "--net", "none", "--forward", "udp:1:2", "--dry-run"],
            "unik: ports are forwarded through ",
        ),
        (&["run", "hello", "--name", "a b", "--dry-run"], "unik: 'a b' is no name for a virtual machine: "),
        (&["run", "hello", "--monitor", &long, "--dry-run"], "unik: '/aaaa"),
        (
            &["run", "hello", "--host", "--memory", "8M"],
            "unik: --memory is for a machine, and --host runs without one",
        ),
        (&["ps"], "unik: there is no virtual machine to look into: none runs "),
        (&["tcpdump", "dns", "-c", "many"], "unik: 'many' is no number of frames: "),
        (&["bench", "sleep"], "unik: there is no benchmark 'sleep': choose boot"),
        (&["new", "Not A Name"], "unik: 'Not A Name' is no name for a project: "),
    ] {
        let output = unik(words);
        let error = text(&output.stderr);
        assert!(error.starts_with(sentence), "{words:?}: {error}");
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{words:?}");
    }
}

#[test]
fn a_dry_run_prints_the_command_and_does_nothing() {
    let words = [
        "run",
        "hello",
        "--dry-run",
        "--accel",
        "tcg",
        "--machine",
        "q35",
        "--net",
        "none",
        "--",
        "-cpu",
        "max",
    ];
    let output = unik(&words);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let line = text(&output.stdout);
    assert!(line.starts_with("qemu-system-x86_64 ") && line.contains(" -machine q35 "), "{line}");
    assert!(line.ends_with("/unik/hello.elf -cpu max\n"), "{line}");
}

#[test]
fn the_manifest_of_dns_says_how_it_is_run() {
    let line = text(&unik(&["run", "dns", "--dry-run", "--accel", "tcg"]).stdout);
    assert!(line.contains("hostfwd=udp:127.0.0.1:5300-:53,hostfwd=tcp:127.0.0.1:5300-:53"), "{line}");
    assert!(line.contains("/unik/dns.data.cpio "), "{line}");
}

#[test]
fn a_dry_run_shows_the_channel_in_a_folder_that_is_there() {
    let runtime = Runtime::new("dry");
    let line = |words: &[&str]| {
        let words = [&["run", "hello", "--dry-run", "--accel", "tcg"], words].concat();
        text(&tool(&runtime.0, &words).output().unwrap().stdout)
    };
    let folder = runtime.0.join("unik");
    let usual = line(&["--name", "second"]);
    assert!(usual.contains(&format!("wait=off,path={}/second.socket ", folder.display())), "{usual}");
    assert!(folder.is_dir());
    assert!(line(&["--monitor", "/run/elsewhere"]).contains("wait=off,path=/run/elsewhere "));
    assert!(!line(&["--monitor", "none"]).contains("virtio-serial"));
    let process = line(&["--host"]);
    assert!(process.contains(&format!(" -- --monitor {}/hello.socket", folder.display())), "{process}");
    assert!(!line(&["--host", "--monitor", "none"]).contains("--monitor"));
}

#[test]
fn a_name_that_is_taken_is_told_before_anything_is_built() {
    let (runtime, _fake) = Runtime::with_dns("taken");
    let output = tool(&runtime.0, &["run", "dns", "--forward", "udp:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = tool(&runtime.0, &["run", "dns", "--net", "none"]).output().unwrap();
    let told = text(&output.stderr);
    assert!(told.contains("/unik/dns.socket: choose another with --name NAME or --monitor PATH"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_machine_that_runs_is_found_and_looked_into() {
    let (runtime, _fake) = Runtime::with_dns("looked");
    let list = tool(&runtime.0, &["list"]).output().unwrap();
    assert!(text(&list.stdout).contains("dns   dns"), "{}", text(&list.stdout));
    let socket = runtime.0.join("unik/dns.socket");
    for words in [&["ps"][..], &["ps", "dns"], &["ps", socket.to_str().unwrap()]] {
        let output = tool(&runtime.0, words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("main  waits  udp 53"));
    }
    let counters = tool(&runtime.0, &["counters", "net0", "--json"]).output().unwrap();
    assert_eq!(text(&counters.stdout), "{\"net0.rx_frames\":12}\n");
}

#[test]
fn an_appliance_is_asked_with_or_without_its_name_and_may_decline() {
    let (runtime, _fake) = Runtime::with_dns("asked");
    for words in [&["ask", "reload", "example.org"][..], &["ask", "dns", "reload", "--", "example.org"]] {
        let output = tool(&runtime.0, words).output().unwrap();
        assert_eq!(text(&output.stdout), "35 records ... (cut)\n", "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
    }
    let output = tool(&runtime.0, &["ask", "dns", "reload", "--", "-v"]).output().unwrap();
    assert_eq!(text(&output.stderr), "unik: dns declines 'reload': there is no such \\u{1b}zone\n");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
}

#[test]
fn ctrl_c_ends_a_capture_in_order() {
    let (runtime, _fake) = Runtime::with_dns("capture");
    let mut command = tool(&runtime.0, &["tcpdump", "-w", "-"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    // Both frames are written while the capture goes on.
    let mut capture = Vec::new();
    let payload = [0, 0, 1, 2, 3, 4];
    while capture.windows(payload.len()).filter(|window| *window == payload).count() < 2 {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).unwrap(), 1, "the capture ends with {} bytes", capture.len());
        capture.extend(byte);
    }
    kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), Signal::SIGINT).unwrap();
    output.read_to_end(&mut capture).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let mut notes = String::new();
    process.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
    assert_eq!(notes, "unik: frames of net0: 2 captured, 4 lost\n");
    let mut reader = pcap_file::pcapng::PcapNgReader::new(&capture[..]).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.unwrap().into_owned());
    }
    assert_eq!(blocks.len(), 4, "a card, two frames, statistics");
}

#[test]
fn the_second_ctrl_c_does_not_wait_for_the_guest() {
    let runtime = Runtime::new("twice");
    let socket = runtime.0.join("socket");
    let (sender, told) = std::sync::mpsc::channel();
    let _fake = Fake::start(&socket, move |_, _, request| match request {
        Request::Log { .. } | Request::Stop { .. } => {
            sender.send(()).unwrap();
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    let mut command = tool(&runtime.0, &["log", "--follow", socket.to_str().unwrap()]);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // The guest was asked for its log, and then to stop it.
    for _ in 0..2 {
        told.recv().unwrap();
        kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), Signal::SIGINT).unwrap();
    }
    let mut notes = String::new();
    process.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
    assert_eq!((process.wait().unwrap().code(), notes.as_str()), (Some(130), ""));
}

#[test]
fn an_image_of_another_version_is_told() {
    let runtime = Runtime::new("version");
    let socket = runtime.0.join("socket");
    let _fake = Fake::start(&socket, |peer, number, _| {
        peer.say(number, &Reply::Welcome { version: 2, name: "dns" });
        Turn::Handled
    });
    let output = tool(&runtime.0, &["sysinfo", socket.to_str().unwrap()]).output().unwrap();
    let told = text(&output.stderr);
    assert!(told.contains(" speaks version 2 of the channel and this tool version 1: "), "{told}");
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1));
}

#[test]
fn a_shutdown_waits_until_the_machine_is_gone() {
    let runtime = Runtime::new("shutdown");
    let socket = runtime.0.join("socket");
    let _fake = Fake::start(&socket, |peer, number, request| match request {
        Request::End { reboot: false } => {
            peer.say(number, &Reply::Done);
            Turn::End
        }
        _ => Turn::Usual,
    });
    let output = tool(&runtime.0, &["shutdown", socket.to_str().unwrap()]).output().unwrap();
    assert_eq!(text(&output.stdout), "dns has ended\n");
}
