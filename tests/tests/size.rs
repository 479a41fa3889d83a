//! The images that ship stay inside their budgets.
#![forbid(unsafe_code)]

use cargo_unik::budget;
use cargo_unik::symbols::Symbols;
use cargo_unik::workspace::Kind;
use unik_tests::{Image, workspace};

#[test]
fn every_application_is_inside_its_budget() {
    let workspace = workspace();
    let mut over = Vec::new();
    for name in workspace.apps() {
        let app = workspace.app(Some(&name), &workspace.root).expect("the workspace named it");
        let budget = budget::of(&app).expect("the budget can be read");
        assert!(app.kind == Kind::Example || budget.image.is_some(), "{name} has no budget");
        // Examples without a budget need not be built for this.
        if budget.image.is_some() {
            over.extend(budget::check(&app, Image::release(&name).size).err().map(|error| error.to_string()));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// Features that have a row of their own in a budget.
const FEATURES: [&str; 2] = ["tls", "disk"];

#[test]
fn every_feature_is_inside_its_budget() {
    let workspace = workspace();
    let (mut over, mut rows) = (Vec::new(), 0);
    for name in workspace.apps().iter().flat_map(|app| FEATURES.map(|feature| format!("{app}+{feature}"))) {
        // Not every application has every feature.
        let Ok(app) = workspace.app(Some(&name), &workspace.root) else { continue };
        if budget::of(&app).expect("the budget can be read").image.is_some() {
            rows += 1;
            over.extend(budget::check(&app, Image::release(&name).size).err().map(|error| error.to_string()));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
    assert_eq!(rows, 4, "httpd has two, dns and vswitch one each");
}

/// What no image may hold unless something in it was asked for: the cost of these is out of proportion to what they do.
const DEAR: [&str; 3] = ["<str as core::fmt::Debug>", "alloc::collections::btree", "core::net::parser"];

/// Functions of an image whose name has one of these parts.
fn with_parts(app: &str, parts: &[&str]) -> Vec<String> {
    let root = workspace().root;
    let symbols = Symbols::open(&Image::release(app).debug, &root).expect("the image has symbols");
    let names = symbols.table().iter().map(|symbol| symbol.name.clone());
    names.filter(|name| parts.iter().any(|part| name.contains(part))).collect()
}

#[test]
fn an_image_links_only_what_main_asks_for() {
    let network = ["smoltcp", "unik_net", "virtio_net"];
    assert_eq!(with_parts("hello", &network), [""; 0], "hello has no Net");
    assert_eq!(with_parts("hello", &["unik_block"]), [""; 0], "hello has no Files");
    assert_eq!(with_parts("echo", &["unik_block"]), [""; 0], "echo has no Files");
    assert_ne!(with_parts("echo", &network), [""; 0], "echo has a Net");
    let inspection = ["capture::ring", "capture::Recorder", "socket_info", "tasks_from"];
    assert_eq!(
        with_parts("echo", &inspection),
        [""; 0],
        "nobody looks at the sockets, frames and tasks of echo"
    );
    let random = ["chacha20", "unik::entropy", "unik_kernel::entropy", "RandomDevice", "RandomSources"];
    assert_eq!(with_parts("hello", &random), [""; 0], "hello has neither Net nor Entropy");
    assert_ne!(with_parts("random", &random), [""; 0], "random has an Entropy");
    assert_eq!(with_parts("random", &network), [""; 0], "random has no Net");
    assert_eq!(with_parts("echo", &["sntp", "net_clock"]), [""; 0], "echo has no NetClock");
    let names = ["unik_net::resolver", "named_net"];
    assert_eq!(with_parts("echo", &names), [""; 0], "echo has no NamedNet");
    assert_ne!(with_parts("resolve", &names), [""; 0], "resolve has one");
    assert_eq!(with_parts("echo", &["syslog", "follow_log"]), [""; 0], "echo has no Syslog");
    assert_ne!(with_parts("log_afar", &["syslog"]), [""; 0], "log_afar has one");
    assert_eq!(with_parts("echo", &["datagram::table", "datagram::packet"]), [""; 0], "echo has no handler");
    let storage = ["unik_block::store", "unik_block::disk", "VirtioBlock"];
    assert_eq!(with_parts("dns", &storage), [""; 0], "dns has no disk without the feature");
    assert_ne!(with_parts("keeps", &storage), [""; 0], "keeps has one");
    assert_ne!(with_parts("echo_in_place", &["datagram::table"]), [""; 0], "echo_in_place has one");
    assert_eq!(with_parts("echo", &["unik_net::cable", "unik::ports"]), [""; 0], "echo has no Ports");
    assert_ne!(with_parts("forward", &["unik_net::cable"]), [""; 0], "forward has Ports");
    assert_eq!(with_parts("forward", &["smoltcp", "unik_net::stack"]), [""; 0], "forward has no Net");
    let commands = ["unik_monitor::command", "unik::commands"];
    assert_eq!(with_parts("hello_monitor", &commands), [""; 0], "hello_monitor has no Commands");
    assert_ne!(with_parts("commands", &commands), [""; 0], "commands has some");
    assert_ne!(with_parts("net_date", &["sntp", "net_clock"]), [""; 0], "net_date has a NetClock");
    assert_ne!(with_parts("boots", &["unik_block::virtio", "unik_block::disk"]), [""; 0], "boots has a Disk");
    assert_eq!(with_parts("boots", &["unik_block::archive"]), [""; 0], "boots has no Files");
    assert_eq!(with_parts("boots", &network), [""; 0], "boots has no Net");
    assert_eq!(with_parts("dns", &["unik_block::virtio", "unik_block::disk"]), [""; 0], "dns has no Disk");
}

#[test]
fn small_images_stay_free_of_what_is_dear() {
    assert_eq!(with_parts("hello", &DEAR), [""; 0]);
    assert_eq!(with_parts("exit", &DEAR), [""; 0]);
    // Text as such is printed nowhere; what else is dear, names could do with.
    assert_eq!(with_parts("resolve", &DEAR[1..]), [""; 0]);
}
