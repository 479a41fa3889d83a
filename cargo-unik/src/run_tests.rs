//! Tests of running: what command line and manifest make together, and how endings are read.

use super::*;
use crate::scratch::Scratch;
use crate::workspace::{Defaults, Kind};

fn app(folder: &Path) -> App {
    App {
        name: "dns".to_owned(),
        package: "unik-dns".to_owned(),
        folder: folder.to_owned(),
        target: "dns".to_owned(),
        kind: Kind::Program,
        defaults: Defaults {
            data: Some(folder.join("zones")),
            forwards: vec!["udp:5300:53".parse().unwrap()],
            memory: Some("8M".parse().unwrap()),
            cmdline: Some("log=info".to_owned()),
            ..Defaults::default()
        },
    }
}

#[test]
fn the_manifest_holds_where_the_command_line_is_silent() {
    let scratch = Scratch::new();
    scratch.write("zones/example.zone", b"");
    let guest = RunOptions::default().guest(&app(scratch.path()), Path::new("/out")).unwrap();
    assert_eq!(guest.memory.mebibytes(), 8);
    assert_eq!(guest.networks, [Network::User]);
    assert_eq!(guest.forwards.len(), 1);
    assert_eq!(guest.initrd.as_deref(), Some(Path::new("/out/dns.data.cpio")));
    assert_eq!(guest.kernel, Path::new("/out/dns.elf"));
    assert_eq!(guest.cmdline, "log=info");
}

#[test]
fn the_command_line_goes_before_the_manifest() {
    let scratch = Scratch::new();
    scratch.write("zones/example.zone", b"");
    let options = RunOptions {
        memory: Some("32M".parse().unwrap()),
        networks: Some(vec![]),
        cmdline: Some("log=debug".to_owned()),
        ..RunOptions::default()
    };
    let guest = options.guest(&app(scratch.path()), Path::new("/out")).unwrap();
    assert_eq!(guest.memory.mebibytes(), 32);
    assert_eq!((guest.networks.len(), guest.forwards.len()), (0, 0));
    assert_eq!(guest.cmdline, "log=debug");
}

#[test]
fn words_of_the_manifest_go_when_the_command_line_knows_better() {
    let manifest = "net0.ip=10.0.2.15/24 net0.nat=1 motd=\"two words\" log=info";
    let mut app = app(Path::new("/w"));
    app.defaults.cmdline = Some(manifest.to_owned());
    let words = |options: RunOptions| options.words(&app);
    let given = |cmdline: &str| RunOptions { cmdline: Some(cmdline.to_owned()), ..RunOptions::default() };
    let networks = |networks| RunOptions { networks: Some(networks), ..RunOptions::default() };
    assert_eq!(words(RunOptions::default()), manifest);
    assert_eq!(
        words(given("log=debug net0.ip=10.0.2.16/24")),
        "net0.nat=1 motd=\"two words\" log=debug net0.ip=10.0.2.16/24"
    );
    assert_eq!(words(networks(vec![Network::User])), manifest);
    assert_eq!(words(networks(vec![Network::Tap("tap0".to_owned())])), "motd=\"two words\" log=info");
    assert_eq!(words(RunOptions { host: true, ..RunOptions::default() }), "motd=\"two words\" log=info");
}

#[test]
fn compiled_in_files_take_the_place_of_those_of_the_manifest() {
    let scratch = Scratch::new();
    let options = RunOptions { embed: Some("elsewhere".into()), ..RunOptions::default() };
    assert_eq!(options.guest(&app(scratch.path()), Path::new("/out")).unwrap().initrd, None);
}

#[test]
fn a_missing_folder_or_disk_is_a_sentence() {
    let scratch = Scratch::new();
    let error = RunOptions::default().guest(&app(scratch.path()), Path::new("/out")).unwrap_err();
    assert!(error.to_string().starts_with("there is no folder "), "{error}");
    scratch.write("zones/example.zone", b"");
    let disks = vec![Disk::parse("no-such.img".as_ref()).unwrap()];
    let options = RunOptions { disks, ..RunOptions::default() };
    let error = options.guest(&app(scratch.path()), Path::new("/out")).unwrap_err();
    assert!(error.to_string().starts_with("there is no disk no-such.img"), "{error}");
}

#[test]
fn exit_codes_of_guests_are_the_odd_numbers() {
    let exited = |code: i32| ExitStatus::from_raw(code << 8);
    assert_eq!(Ending::decode(exited(1), true, false), Ending::Guest(0));
    assert_eq!(Ending::decode(exited(1), false, false), Ending::Guest(0));
    assert_eq!(Ending::decode(exited(5), true, false), Ending::Guest(2));
    assert_eq!(Ending::decode(exited(7), true, true), Ending::Guest(3));
    assert_eq!(Ending::decode(exited(0), true, false), Ending::PoweredOff);
    assert_eq!(Ending::decode(ExitStatus::from_raw(9), true, false), Ending::Killed(9));
}

#[test]
fn a_qemu_that_fails_is_not_taken_for_a_guest_that_is_done() {
    assert_eq!(Ending::decode(ExitStatus::from_raw(1 << 8), false, true), Ending::NotStarted);
}

#[test]
fn a_taken_port_is_named() {
    let taken = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let host = taken.local_addr().unwrap().port();
    let forwards = [Forward { protocol: Protocol::Udp, host, guest: 53 }];
    let error = ports_are_free(&forwards).unwrap_err().to_string();
    assert!(error.contains(&format!("udp port {host} of 127.0.0.1")), "{error}");
    assert!(error.ends_with("try --forward udp:OTHER:53"), "{error}");
}

#[test]
fn the_time_to_end_in_order_is_that_of_the_configuration() {
    assert_eq!(patience("log=debug"), Duration::from_secs(12));
    assert_eq!(patience("shutdown=3 log=debug shutdown=60"), Duration::from_secs(62));
    assert_eq!(patience("shutdown=soon"), Duration::from_secs(12));
}

/// Stands in for QEMU: a shell that speaks as a guest would.
fn shell(script: &str) -> Command {
    Command { program: "sh".into(), arguments: vec!["-c".into(), script.into()], summary: String::new() }
}

#[test]
fn the_exit_code_of_the_guest_comes_back() {
    assert_eq!(boot(&shell("echo ready: hello; exit 7"), None, None, None).unwrap(), Ending::Guest(3));
    assert_eq!(
        boot(&shell("echo no such machine >&2; exit 1"), None, None, None).unwrap(),
        Ending::NotStarted
    );
}
