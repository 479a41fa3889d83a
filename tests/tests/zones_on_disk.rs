//! A secondary that keeps its zones on a disk: what it fetched is there after a restart, for as long as the zone allows.
#![forbid(unsafe_code)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cargo_unik::disk::Drive;
use cargo_unik::options::Machine;
use unik_tests::peer::{self, KEY, Kind, Peer, Role, free_address};
use unik_tests::{DiskImage, Image, PATIENCE, Setup, Vm};

const ZONE: &str = "example.org";
/// The code of an answer that there is none because of the server.
const SERVFAIL: u8 = 2;

/// The zone as version `serial`, with so many hosts.
fn zone(serial: u32, hosts: usize) -> String {
    let hosts: String = (0..hosts).map(|i| format!("host{i} A 192.0.2.{}\n", i % 250)).collect();
    format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns hostmaster {serial} 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n{hosts}"
    )
}

/// A folder with what the secondary of the primary at `above` is told, and perhaps a file of the zone.
fn data(name: &str, above: SocketAddr, file: Option<&str>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zones-on-disk").join(name);
    let _ = fs::remove_dir_all(&folder); // of a run before
    fs::create_dir_all(&folder).expect("a folder can be made");
    let (key, secret) = KEY;
    // The guest sees this computer as its gateway.
    let plan = format!(
        "key:\n name: {key}\n algorithm: hmac-sha256\n secret: \"{secret}\"\n\
         zone:\n name: {ZONE}\n request-xfr: 10.0.2.2@{} {key}\n allow-notify: 10.0.2.2 {key}\n",
        above.port()
    );
    fs::write(folder.join("dns.conf"), plan).expect("a file can be written");
    if let Some(text) = file {
        fs::write(folder.join("example.org.zone"), text).expect("a file can be written");
    }
    folder
}

/// A secondary with that disk, which is reached at `here`.
fn secondary(image: &DiskImage, here: SocketAddr, data: &Path) -> Setup {
    let setup = Vm::of(&Image::featured("dns", &["disk"])).machine(Machine::Q35).network_at(here, 53);
    setup.words("dns.rrl=off").data(data).drive(Drive::raw(image.path())).monitor()
}

/// The code of the answer to a question for the zone.
fn code(vm: &mut Vm) -> u8 {
    let query = b"\x00\x07\0\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x06\0\x01";
    vm.ask(53, query)[3] & 0xf
}

#[track_caller]
fn has(vm: &mut Vm, here: SocketAddr, serial: u32) {
    if let Err(last) = peer::wait_for(here, ZONE, serial) {
        vm.fail(&format!("the image has version {last:?} and not {serial}"));
    }
}

#[test]
fn a_zone_that_was_fetched_is_served_after_a_restart_until_it_expires() {
    let (above, here, image) = (free_address(), free_address(), DiskImage::new(4 << 20));
    let only = data("only", above, None);
    let primary = {
        let first = zone(1, 5000);
        let folder = only.with_file_name("primary");
        let primary = Peer::start(Kind::Nsd, ZONE, &Role::Primary(&first, here), above, &folder);
        primary.wait_for(1);
        let mut vm = secondary(&image, here, &only).boot();
        vm.line("ready: dns");
        has(&mut vm, here, 1);
        // Differences are kept too.
        primary.change(&zone(2, 5001));
        has(&mut vm, here, 2);
        vm.line("serial 2, 5004 records");
        let deadline = Instant::now() + PATIENCE;
        while vm.counter("dns.kept") < 2 && Instant::now() < deadline {}
        assert_eq!(vm.counter("dns.kept"), 2, "{}", vm.look("log"));
        assert_eq!((vm.counter("dns.restored"), vm.counter("dns.storage_failed")), (0, 0));
        vm.kill();
        primary
    };
    drop(primary);

    let mut vm = secondary(&image, here, &only).boot();
    // It is ready when the disk was read.
    vm.line("zone example.org taken from disk0, serial 2, 5004 records, confirmed ");
    vm.line("ready: dns");
    has(&mut vm, here, 2);
    let zones = vm.look("ask zones");
    assert!(zones.contains("fetched       2     5004"), "{zones}");
    assert_eq!(vm.counter("dns.restored"), 1);
    vm.kill();

    // Half a day later, half a day is left.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs();
    let later = |seconds: u64| format!("base={}", date(now + seconds));
    let mut vm = secondary(&image, here, &only).qemu(["-rtc", &later(43_200)]).boot();
    vm.line("zone example.org taken from disk0, serial 2, 5004 records, confirmed 43");
    vm.line("ready: dns");
    has(&mut vm, here, 2);
    let zones = vm.look("ask zones");
    let expires = zones
        .lines()
        .nth(1)
        .and_then(|line| line.trim_end().strip_suffix(" s")?.rsplit(' ').next()?.parse().ok());
    assert!(expires.is_some_and(|seconds: u64| (40_000..43_200).contains(&seconds)), "{zones}");
    vm.kill();

    for (base, sentence) in [
        (later(90_000), "zone example.org on disk0, serial 2, has expired"),
        ("base=2020-01-01T00:00:00".to_owned(), "zone example.org on disk0, serial 2, is of unknown age"),
    ] {
        let mut vm = secondary(&image, here, &only).qemu(["-rtc", &base]).boot();
        vm.line(sentence);
        vm.line("ready: dns");
        assert_eq!(code(&mut vm), SERVFAIL);
        vm.kill();
    }

    // A file and the disk: the newer of the two.
    for (serial, served, sentence) in [(1, 2, "taken from disk0, serial 2"), (3, 3, "serial 2, is not newer")]
    {
        let both = data("both", above, Some(&zone(serial, 10)));
        let mut vm = secondary(&image, here, &both).boot();
        vm.line(sentence);
        vm.line("ready: dns");
        has(&mut vm, here, served);
        vm.kill();
    }
}

#[test]
fn a_disk_that_is_damaged_or_not_its_own_is_named_and_left_alone() {
    let image = DiskImage::new(1 << 20);
    let here = free_address();
    let folder = data("damaged", free_address(), None);
    let mut vm = secondary(&image, here, &folder).boot();
    vm.line("ready: dns");
    assert_eq!(code(&mut vm), SERVFAIL);
    vm.kill();
    let mut bytes = image.stored(0, 1 << 20);
    bytes[20] ^= 1;
    fs::write(image.path(), &bytes).expect("it is there");
    let mut vm = secondary(&image, here, &folder).boot();
    vm.line("error: disk0: the store is damaged: what is there was never written, at sector 0");
    assert_eq!(vm.exit_code(), 1);
    bytes[0] = b'U';
    fs::write(image.path(), &bytes).expect("it is there");
    let mut vm = secondary(&image, here, &folder).boot();
    vm.line("error: disk0: the disk holds something that is no store, which is left as it is, at sector 0");
    assert_eq!(vm.exit_code(), 1);
    assert!(image.stored(0, 1 << 20) == bytes);
}

/// A date as QEMU takes it.
fn date(since_epoch: u64) -> String {
    let (days, seconds) = (since_epoch / 86_400, since_epoch % 86_400);
    let (mut year, mut left) = (1970, days);
    let days_of = |year: u64| {
        if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) {
            366
        } else {
            365
        }
    };
    while left >= days_of(year) {
        left -= days_of(year);
        year += 1;
    }
    let months = [31, days_of(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", month + 1, left + 1)
}
