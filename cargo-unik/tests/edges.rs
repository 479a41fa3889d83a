//! Keeps the drawing of who may name whom: a test over the manifests, by `cargo metadata`.
//!
//! A new edge between crates is a change of the architecture: it is drawn in ARCHITECTURE.md and added here in the same commit.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_unik::workspace::{Dependency, Package, Workspace};

/// Which crates of ours each crate may name in `[dependencies]`. An application may also name those of [`APPLICATION`].
const MAY_NAME: [(&str, &[&str]); 14] = [
    ("unik-kernel", &[]),
    ("unik-sched", &[]),
    ("unik-macros", &[]),
    ("unik-virtio", &[]),
    ("unik-net", &["unik-sched", "unik-virtio"]),
    ("unik-block", &["unik-sched", "unik-virtio"]),
    ("unik-monitor", &["unik-sched", "unik-virtio"]),
    ("unik-toml", &[]),
    ("unik-tls", &[]),
    ("unik-host", &["unik-sched", "unik-virtio", "unik-net", "unik-block", "unik-monitor"]),
    (
        "unik-os",
        &[
            "unik-kernel",
            "unik-host",
            "unik-net",
            "unik-block",
            "unik-monitor",
            "unik-virtio",
            "unik-sched",
            "unik-macros",
        ],
    ),
    ("cargo-unik", &["unik-monitor"]),
    ("unik-testkit", &["unik-sched"]),
    ("unik-tests", &["cargo-unik", "unik-monitor"]),
];

/// What applications may name: the assembler for their service, time, the reader of their files and TLS for their pure logic.
const APPLICATION: &[&str] = &["unik-os", "unik-sched", "unik-toml", "unik-tls"];

/// Crates from elsewhere that must stay replaceable or contained, and who may name them.
const CONTAINED: [(&str, &[&str]); 5] = [
    ("smoltcp", &["unik-net"]),
    (
        "virtio-drivers",
        &["unik-kernel", "unik-virtio", "unik-net", "unik-block", "unik-monitor", "unik-testkit"],
    ),
    ("x86_64", &["unik-kernel"]),
    ("chacha20", &["unik-os"]),
    ("uart_16550", &["unik-kernel"]),
];

/// Crates for tests only: whoever names them does so in `[dev-dependencies]`.
const DEVELOPMENT: [&str; 2] = ["unik-testkit", "unik-tests"];

fn workspace() -> Workspace {
    Workspace::load(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the workspace can be read")
}

fn is_application(package: &Package, workspace: &Workspace) -> bool {
    package.folder.starts_with(workspace.root.join("apps"))
}

/// The dependencies on crates of the workspace, without those for tests.
fn ours<'a>(package: &'a Package, workspace: &'a Workspace) -> impl Iterator<Item = &'a Dependency> {
    let member =
        |dependency: &&Dependency| workspace.packages.iter().any(|member| member.name == dependency.name);
    package.dependencies.iter().filter(|dependency| !dependency.development).filter(member)
}

#[test]
fn crates_name_only_whom_the_drawing_lets_them_name() {
    let drawing: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    let workspace = workspace();
    for package in &workspace.packages {
        let allowed = match drawing.get(package.name.as_str()) {
            Some(allowed) => allowed,
            None if is_application(package, &workspace) => APPLICATION,
            None => panic!("{} is not in the drawing", package.name),
        };
        for dependency in ours(package, &workspace) {
            let name = dependency.name.as_str();
            assert!(allowed.contains(&name), "{} must not name {name}", package.name);
        }
    }
}

#[test]
fn the_drawing_shows_only_crates_that_are_there() {
    let workspace = workspace();
    for (name, _) in MAY_NAME {
        assert!(workspace.packages.iter().any(|package| package.name == name), "{name} is gone");
    }
}

#[test]
fn replaceable_crates_stay_where_they_are_contained() {
    let workspace = workspace();
    for package in &workspace.packages {
        for dependency in package.dependencies.iter().filter(|dependency| !dependency.development) {
            let contained = CONTAINED.iter().find(|(name, _)| *name == dependency.name);
            let allowed = contained.is_none_or(|(_, allowed)| allowed.contains(&package.name.as_str()));
            assert!(allowed, "{} must not name {}", package.name, dependency.name);
        }
    }
}

#[test]
fn what_is_for_tests_is_named_by_tests_only() {
    let workspace = workspace();
    for package in &workspace.packages {
        for dependency in ours(package, &workspace) {
            let for_tests = DEVELOPMENT.contains(&dependency.name.as_str());
            assert!(!for_tests, "{} names {} outside of its tests", package.name, dependency.name);
        }
    }
}

/// `unsafe` lives in four crates; every other one forbids it, in its library and in each of its programs and examples.
#[test]
fn crates_outside_of_the_audited_four_forbid_unsafe_code() {
    let audited = ["unik-kernel", "unik-virtio", "unik-host", "unik-testkit"];
    let workspace = workspace();
    for package in workspace.packages.iter().filter(|package| !audited.contains(&package.name.as_str())) {
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = package.folder.join(root);
            if let Ok(source) = std::fs::read_to_string(&path) {
                assert!(source.contains("#![forbid(unsafe_code)]"), "{} does not forbid it", path.display());
            }
        }
    }
}
