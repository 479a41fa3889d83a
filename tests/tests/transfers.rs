//! Zones on their way from one name server through an image to another: each of three others is a primary and a secondary.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use unik_tests::peer::{self, KEY, Kind, Peer, Role, free_address};
use unik_tests::{Image, Vm};

const ZONE: &str = "example.org";

/// The zone as version `serial`, with so many hosts.
fn zone(serial: u32, hosts: usize) -> String {
    let hosts: String = (0..hosts).map(|i| format!("host{i} A 192.0.2.{}\n", i % 250)).collect();
    format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns hostmaster {serial} 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n\
         v{serial} TXT \"version {serial}\"\n{hosts}"
    )
}

/// `primary` has a zone that an image fetches, and `secondary` fetches it from there; then the zone changes.
fn chain(primary: Kind, secondary: Kind) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{primary:?}-{secondary:?}"));
    let (above, here, below) = (free_address(), free_address(), free_address());
    let data = folder.join("data");
    fs::create_dir_all(&data).expect("a folder can be made");
    let (key, secret) = KEY;
    // The guest sees this computer as its gateway.
    let plan = format!(
        "key:\n name: {key}\n algorithm: hmac-sha256\n secret: \"{secret}\"\n\
         zone:\n name: {ZONE}\n request-xfr: 10.0.2.2@{} {key}\n allow-notify: 10.0.2.2 {key}\n \
         provide-xfr: 10.0.2.2 {key}\n notify: 10.0.2.2@{} {key}\n",
        above.port(),
        below.port()
    );
    fs::write(data.join("dns.conf"), plan).expect("a file can be written");

    let first = zone(1, 2000);
    let role = Role::Primary(&first, here);
    let primary = Peer::start(primary, ZONE, &role, above, &folder.join("primary"));
    primary.wait_for(1);
    let mut vm =
        Vm::of(&Image::release("dns")).network_at(here, 53).words("dns.rrl=off").data(&data).monitor().boot();
    vm.line("ready: dns");
    if let Err(last) = peer::wait_for(here, ZONE, 1) {
        vm.fail(&format!("the image has version {last:?} and not 1; the primary says:\n{}", primary.log()));
    }
    let secondary = Peer::start(secondary, ZONE, &Role::Secondary(here), below, &folder.join("secondary"));
    secondary.wait_for(1);

    primary.change(&zone(2, 2001));
    if let Err(last) = peer::wait_for(here, ZONE, 2) {
        vm.fail(&format!("the image has version {last:?} and not 2; the primary says:\n{}", primary.log()));
    }
    secondary.wait_for(2);
    // The whole zone was fetched once, and then what had changed; the other fetches as often as it likes.
    for (name, count) in [("axfr_in", 1), ("ixfr_in", 1)] {
        assert_eq!(vm.counter(&format!("dns.{name}")), count, "{name}: {}", vm.look("log"));
    }
    assert!(vm.counter("dns.axfr_out") >= 1 && vm.counter("dns.ixfr_out") >= 1);
    let zones = vm.look("ask zones");
    assert!(zones.contains("example.org.  fetched       2     2005"), "{zones}");
    assert!(vm.look("ask reload example.org").contains("1 being asked for"));
}

#[test]
fn a_zone_goes_from_nsd_to_knot() {
    chain(Kind::Nsd, Kind::Knot);
}

#[test]
fn a_zone_goes_from_knot_to_bind() {
    chain(Kind::Knot, Kind::Bind);
}

#[test]
fn a_zone_goes_from_bind_to_nsd() {
    chain(Kind::Bind, Kind::Nsd);
}
