//! Images say what they were built from, in their files and while they run.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::collections::BTreeSet;

use cargo_unik::identity::{self, Digest, Identity};
use cargo_unik::sbom::Bill;
use cargo_unik::symbols::{Symbols, crate_of};
use unik_tests::{Image, Vm, workspace};

fn identity_of(image: &Image) -> Identity {
    Identity::read(&std::fs::read(&image.elf).unwrap()).unwrap()
}

#[test]
fn the_image_that_ships_names_everything_it_was_built_from() {
    let root = workspace().root;
    let lock = std::fs::read(root.join("Cargo.lock")).unwrap();
    let expected = Identity {
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        name: Some("dns".to_owned()),
        commit: identity::commit(&root),
        lock: Some(Digest::of(&lock)),
        profile: Some("release".to_owned()),
        features: Vec::new(),
        data: None,
    };
    assert_eq!(identity_of(&Image::release("dns")), expected);
}

#[test]
fn compiled_in_files_are_named_by_their_digest() {
    let zones = Image::release("dns").data.unwrap();
    let archive = cargo_unik::cpio::pack(&zones).unwrap();
    assert_eq!(identity_of(&Image::embedding("dns", &zones)).data, Some(Digest::of(&archive)));
}

#[test]
fn a_running_image_tells_the_commit_of_its_file() {
    let image = Image::release("hello_monitor");
    let mut vm = Vm::of(&image).monitor().boot();
    vm.line("ready: hello_monitor");
    let facts: serde_json::Value = serde_json::from_str(&vm.look("sysinfo --json")).unwrap();
    let commit = identity_of(&image).commit.map(|commit| identity::shortened(&commit));
    assert!(facts.to_string().contains(env!("CARGO_PKG_VERSION")), "{facts}");
    match commit {
        Some(commit) => assert!(facts.to_string().contains(&format!("\"{commit}\"")), "{facts}"),
        None => assert!(!facts.to_string().contains("commit"), "{facts}"),
    }
}

#[test]
fn every_crate_with_a_symbol_in_the_image_is_on_its_list() {
    let workspace = workspace();
    let app = workspace.app(Some("dns"), &workspace.root).unwrap();
    let bill = Bill::of(&workspace, &app).unwrap();
    // A library is called as its package is, but for one.
    let called = |name: &str| match name {
        "unik-os" => "unik".to_owned(),
        name => name.replace('-', "_"),
    };
    let listed: BTreeSet<String> =
        bill.components.iter().chain(&bill.library).map(|component| called(&component.name)).collect();
    let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock")).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let known: BTreeSet<String> = names.chain(["core", "alloc", "compiler_builtins"]).map(called).collect();
    let symbols = Symbols::open(&Image::release("dns").debug, &workspace.root).unwrap();
    let linked: BTreeSet<&str> = symbols.table().iter().map(|symbol| crate_of(&symbol.name)).collect();
    assert!(linked.contains("smoltcp") && linked.contains("core"), "{linked:?}");
    let missing: Vec<&&str> =
        linked.iter().filter(|name| known.contains(**name) && !listed.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
