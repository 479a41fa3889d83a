//! The program from the outside, as far as it goes without QEMU.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::process::{Command, Output};

fn unik(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-unik"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(words).output().unwrap()
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
