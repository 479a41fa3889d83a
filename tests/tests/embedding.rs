//! A project outside of the workspace: with the tool, and with plain stable cargo.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_unik::options::Protocol;
use unik_tests::{Image, Vm, Wire, workspace};

/// Where the projects of this workspace's tests lie: outside of it, since cargo would read its configuration in every folder
/// below. The name tells one checkout from another, whose tests may run at the same time.
fn projects() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_TARGET_TMPDIR").hash(&mut hasher);
    std::env::temp_dir().join(format!("unik-projects-{:016x}", hasher.finish()))
}

/// A new project of this name in a folder of its own.
fn project(name: &str) -> PathBuf {
    let parent = projects();
    std::fs::create_dir_all(&parent).unwrap();
    let folder = parent.join(name);
    // What was built by an earlier run stays: the files are new, the compiled dependencies need not be.
    for part in ["Cargo.toml", "Cargo.lock", "README.md", ".gitignore", "src", ".cargo"] {
        let path = folder.join(part);
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
    let kept = parent.join(format!("{name}.target"));
    let _ = std::fs::rename(folder.join("target"), &kept);
    let _ = std::fs::remove_dir_all(&folder);
    cargo_unik::new::create(&parent, name, &workspace().root).unwrap();
    let _ = std::fs::rename(&kept, folder.join("target"));
    folder
}

/// Runs cargo in a project, as its owner would.
#[track_caller]
fn cargo(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(cargo_unik::setup::cargo());
    // The project is nobody's part: it must not see where this workspace builds.
    let command = command.current_dir(folder).env_remove("CARGO_TARGET_DIR").args(arguments);
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {} in {}:\n{words}", arguments.join(" "), folder.display());
}

#[test]
fn a_new_project_builds_with_the_tool_and_answers() {
    let folder = project("tool-echo");
    let mut vm = Vm::of(&Image::outside(&folder)).network(&[(Protocol::Udp, 7)]).boot();
    vm.line("ready: tool-echo");
    assert_eq!(vm.ask(7, b"hello"), b"hello");
}

#[test]
fn a_new_project_builds_with_plain_cargo_and_answers() {
    let folder = project("plain-echo");
    cargo(&folder, &["build", "--quiet", "--target", "x86_64-unknown-none"]);
    let image = Image::linked(folder.join("target/x86_64-unknown-none/debug/plain-echo"));
    let mut vm = Vm::of(&image).network(&[(Protocol::Udp, 7)]).boot();
    vm.line("ready: plain-echo");
    assert_eq!(vm.ask(7, b"hello"), b"hello");

    let mut wire = Wire::new();
    let mut vm = wire.plug(Vm::of(&image)).boot();
    vm.line("ready: plain-echo");
    let hardware = wire.resolve();
    assert_eq!(wire.ping(hardware, b"ping"), b"ping");
}

#[test]
fn a_new_project_has_a_test_that_passes_on_this_computer() {
    cargo(&project("tested-echo"), &["test", "--quiet"]);
}

#[test]
fn a_new_project_has_the_tool_at_hand() {
    let folder = project("handy-echo");
    let output = Command::new(cargo_unik::setup::cargo())
        .current_dir(&folder)
        .args(["unik", "run", "--dry-run", "--accel", "tcg"])
        .output()
        .unwrap();
    let (line, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        line.starts_with("qemu-system-x86_64 ") && line.contains("/unik/handy-echo.elf"),
        "{line}{error}"
    );
    assert!(line.contains("hostfwd=udp:127.0.0.1:7007-:7"), "{line}");
}

#[test]
fn the_network_stack_alone_runs_over_somebody_elses_card() {
    let folder = projects().join("foreign-nic");
    let root = workspace().root;
    let dependency = |name: &str, room: &str| format!("{name} = {{ path = {:?} }}\n", root.join(room));
    let manifest = "[package]\nname = \"foreign-nic\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
        embedded-io-async = \"0.7\"\n"
        .to_owned()
        + &dependency("unik-net", "net")
        + &dependency("unik-sched", "sched")
        + &dependency("unik-virtio", "virtio");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    std::fs::copy(root.join("net/examples/foreign_nic.rs"), folder.join("src/main.rs")).unwrap();
    cargo(&folder, &["run", "--quiet"]);
}
