//! Where frames go: learning, flooding, VLANs, storms, and what goes nowhere.

use unik_sched::time::Instant;
use unik_vswitch::{Mac, Name, OWN_FRAME, Route, Settings, Switch};

const ALL: Mac = Mac::BROADCAST;

fn host(number: u8) -> Mac {
    Mac::new([2, 0, 0, 0, 0, number])
}

/// A frame without a tag.
fn frame(to: Mac, from: Mac) -> Vec<u8> {
    let mut frame = [to.octets(), from.octets()].concat();
    frame.extend_from_slice(&[8, 0, 0x45]);
    frame.resize(60, 0);
    frame
}

/// A frame with a tag.
fn tagged(to: Mac, from: Mac, kind: u16, tag: u16) -> Vec<u8> {
    let mut tagged = frame(to, from);
    tagged.splice(12..12, [kind.to_be_bytes(), tag.to_be_bytes()].concat());
    tagged
}

/// A switch whose ports are up.
fn switch(ports: usize, words: &[(&str, &str)]) -> Switch {
    let mut settings = Settings::try_new(ports).expect("there is memory");
    for (key, value) in words {
        let (group, word) = key.split_once('.').expect("a group");
        let (name, _) = Name::find(group, word).expect("a word that is known");
        settings.set(name, value).unwrap_or_else(|error| panic!("{error}"));
    }
    let mut switch = Switch::try_new(&settings, &vec![host(0xff); ports], 42).expect("there is memory");
    for port in 0..ports {
        switch.set_link(port, true);
    }
    switch.begin(Instant::ZERO);
    switch
}

fn send(switch: &mut Switch, port: usize, frame: &[u8]) -> Route {
    switch.receive(port, 1, frame.len());
    switch.forward(port, frame, frame.len())
}

#[track_caller]
fn goes(switch: &mut Switch, port: usize, frame: &[u8], ports: u8) {
    let route = send(switch, port, frame);
    assert_eq!(route.ports, ports, "{:#b} and not {ports:#b}", route.ports);
}

/// The value of a counter of a port.
fn count(switch: &Switch, port: usize, name: &str) -> u64 {
    use unik_sched::counter::CounterSet as _;
    let mut found = None;
    let counters = switch.port_counters(port).expect("a port");
    counters.visit(&mut |its, value| {
        if its == name {
            found = Some(value);
        }
    });
    found.unwrap_or_else(|| panic!("no counter {name}"))
}

#[test]
fn the_switch_greets_no_neighbours_where_controllers_look_for_them() {
    let greets = |words: &[(&str, &str)]| switch(2, words).next_own(&mut [0; OWN_FRAME]).is_some();
    assert!(greets(&[]));
    assert!(!greets(&[("openflow.listen", "on")]));
    assert!(!greets(&[("openflow.controllers", "tcp:192.0.2.1")]));
    assert!(greets(&[("openflow.listen", "on"), ("port2.lldp", "on")]));
    assert!(!greets(&[("port1.lldp", "off"), ("port2.lldp", "off")]));
}

#[test]
fn a_frame_for_a_known_address_goes_there_alone() {
    let mut switch = switch(4, &[]);
    goes(&mut switch, 0, &frame(host(9), host(1)), 0b1110);
    goes(&mut switch, 3, &frame(host(1), host(9)), 0b0001);
    goes(&mut switch, 0, &frame(host(9), host(1)), 0b1000);
    assert_eq!((count(&switch, 0, "flooded"), count(&switch, 0, "learned")), (1, 1));
    assert_eq!((count(&switch, 0, "in_frames"), count(&switch, 0, "in_octets")), (2, 120));
}

#[test]
fn broadcasts_and_groups_go_everywhere_but_back() {
    let mut switch = switch(4, &[]);
    goes(&mut switch, 2, &frame(ALL, host(1)), 0b1011);
    goes(&mut switch, 1, &frame(Mac::new([1, 0, 0x5e, 0, 0, 1]), host(2)), 0b1101);
}

#[test]
fn a_station_that_moves_is_found_where_it_is() {
    let mut switch = switch(3, &[]);
    goes(&mut switch, 0, &frame(ALL, host(1)), 0b110);
    goes(&mut switch, 1, &frame(ALL, host(1)), 0b101);
    goes(&mut switch, 2, &frame(host(1), host(2)), 0b010);
    assert_eq!(count(&switch, 1, "moved"), 1);
    // What is for a station behind the same port has got there.
    goes(&mut switch, 1, &frame(host(1), host(3)), 0);
    assert_eq!(count(&switch, 1, "drop_local"), 1);
}

#[test]
fn a_silent_station_is_forgotten_after_300_seconds() {
    let mut switch = switch(3, &[]);
    goes(&mut switch, 0, &frame(ALL, host(1)), 0b110);
    switch.poll(Instant::from_millis(300_000));
    goes(&mut switch, 1, &frame(host(1), host(2)), 0b001);
    switch.poll(Instant::from_millis(301_000));
    goes(&mut switch, 1, &frame(host(1), host(2)), 0b101);
}

#[test]
fn a_link_that_goes_down_takes_its_stations_with_it() {
    let mut switch = switch(3, &[]);
    goes(&mut switch, 0, &frame(ALL, host(1)), 0b110);
    switch.set_link(0, false);
    goes(&mut switch, 1, &frame(host(1), host(2)), 0b100);
    switch.set_link(0, true);
    goes(&mut switch, 1, &frame(host(1), host(2)), 0b101);
}

#[test]
fn what_is_for_bridges_is_passed_on_by_none() {
    let mut switch = switch(3, &[]);
    for last in 0..16 {
        let route = send(&mut switch, 0, &frame(Mac::new([1, 0x80, 0xc2, 0, 0, last]), host(1)));
        assert_eq!((route.ports, route.is_control), (0, true));
    }
    goes(&mut switch, 0, &frame(Mac::new([1, 0x80, 0xc2, 0, 0, 16]), host(1)), 0b110);
}

#[test]
fn frames_that_cannot_be_are_dropped_and_counted() {
    let mut switch = switch(2, &[]);
    goes(&mut switch, 0, &[], 0);
    goes(&mut switch, 0, &[2; 13], 0);
    goes(&mut switch, 0, &frame(host(1), ALL), 0);
    goes(&mut switch, 0, &frame(host(1), Mac::default()), 0);
    assert_eq!((count(&switch, 0, "drop_short"), count(&switch, 0, "drop_source")), (2, 2));
    assert_eq!(switch.address_at(0), None);
    // There is no such port.
    goes(&mut switch, 7, &frame(host(1), host(2)), 0);
}

#[test]
fn configured_addresses_stay_where_they_are() {
    let mut switch = switch(3, &[("switch.static", "1/02:00:00:00:00:05/3")]);
    goes(&mut switch, 0, &frame(host(5), host(1)), 0b100);
    goes(&mut switch, 1, &frame(ALL, host(5)), 0b101);
    goes(&mut switch, 0, &frame(host(5), host(1)), 0b100);
    switch.set_link(2, false);
    goes(&mut switch, 0, &frame(host(5), host(1)), 0);
    assert_eq!(count(&switch, 0, "drop_nowhere"), 1);
}

#[test]
fn access_ports_of_two_vlans_do_not_hear_each_other() {
    let words = [("port1.vlan", "10"), ("port2.vlan", "10"), ("port3.vlan", "20"), ("port4.trunk", "10,20")];
    let mut switch = switch(4, &words);
    let route = send(&mut switch, 0, &frame(ALL, host(1)));
    // To the other one as it came, to the trunk with a tag.
    assert_eq!((route.ports, route.plain, route.is_tagged, route.tag), (0b1010, 0b0011, false, 10));
    let route = send(&mut switch, 3, &tagged(host(1), host(9), 0x8100, 0x600a));
    assert_eq!((route.ports, route.is_tagged, route.tag), (0b0001, true, 0x600a));
    // The same address in the other VLAN is another one.
    goes(&mut switch, 3, &tagged(host(1), host(9), 0x8100, 20), 0b0100);
    goes(&mut switch, 3, &tagged(host(1), host(9), 0x8100, 30), 0);
    assert_eq!(count(&switch, 3, "drop_vlan"), 1);
}

#[test]
fn tags_are_no_way_into_another_vlan() {
    let mut switch = switch(3, &[("port1.vlan", "10"), ("port2.vlan", "20"), ("port3.trunk", "10,20")]);
    goes(&mut switch, 0, &tagged(ALL, host(1), 0x8100, 20), 0);
    goes(&mut switch, 0, &tagged(ALL, host(1), 0x8100, 10), 0);
    assert_eq!(count(&switch, 0, "drop_tag"), 2);
    // A priority is no VLAN (802.1Q, 6.9).
    let route = send(&mut switch, 0, &tagged(ALL, host(1), 0x8100, 0xa000));
    assert_eq!((route.ports, route.tag), (0b100, 0xa00a));
    // A trunk without a native VLAN takes nothing without a tag, nor the number that is none.
    goes(&mut switch, 2, &frame(ALL, host(2)), 0);
    goes(&mut switch, 2, &tagged(ALL, host(2), 0x8100, 0xfff), 0);
    assert_eq!((count(&switch, 2, "drop_tag"), count(&switch, 2, "drop_vlan")), (1, 1));
    // A tag that ends before it says anything.
    goes(&mut switch, 2, &tagged(ALL, host(2), 0x8100, 10)[..15], 0);
    assert_eq!(count(&switch, 2, "drop_short"), 1);
}

#[test]
fn the_native_vlan_of_a_trunk_has_no_tag() {
    let mut switch = switch(2, &[("port1.vlan", "10"), ("port2.trunk", "20"), ("port2.vlan", "10")]);
    let route = send(&mut switch, 1, &frame(ALL, host(1)));
    assert_eq!((route.ports, route.tag, route.plain), (0b01, 10, 0b11));
}

#[test]
fn the_tags_of_customers_pass_through_a_tunnel() {
    let words =
        [("port1.tunnel", "100"), ("port2.trunk", "100"), ("port2.tag", "88a8"), ("port3.tunnel", "100")];
    let mut switch = switch(3, &words);
    let route = send(&mut switch, 0, &tagged(ALL, host(1), 0x8100, 7));
    assert_eq!((route.ports, route.plain, route.is_tagged, route.tag), (0b110, 0b101, false, 100));
    // The tag of a customer is none to the provider's port.
    goes(&mut switch, 1, &tagged(ALL, host(2), 0x8100, 100), 0);
    goes(&mut switch, 1, &tagged(host(1), host(2), 0x88a8, 100), 0b001);
}

#[test]
fn a_switch_without_vlans_passes_all_tags() {
    let mut switch = switch(2, &[]);
    let route = send(&mut switch, 0, &tagged(ALL, host(1), 0x8100, 77));
    assert_eq!((route.ports, route.is_tagged, route.plain), (0b10, false, 0b11));
}

#[test]
fn isolated_ports_reach_only_those_that_are_not() {
    let mut switch = switch(3, &[("port1.isolated", "on"), ("port2.isolated", "on")]);
    goes(&mut switch, 0, &frame(ALL, host(1)), 0b100);
    goes(&mut switch, 1, &frame(host(1), host(2)), 0);
    assert_eq!(count(&switch, 1, "drop_nowhere"), 1);
    goes(&mut switch, 2, &frame(ALL, host(3)), 0b011);
    goes(&mut switch, 2, &frame(host(1), host(3)), 0b001);
}

#[test]
fn a_storm_is_held_down_and_known_addresses_are_not() {
    let mut switch = switch(3, &[("port1.broadcast", "100"), ("port1.unknown", "50")]);
    goes(&mut switch, 1, &frame(ALL, host(9)), 0b101);
    let mut passed = [0; 2];
    for millis in 1..=1000 {
        switch.begin(Instant::from_millis(millis));
        passed[0] += usize::from(send(&mut switch, 0, &frame(ALL, host(1))).ports != 0);
        passed[1] += usize::from(send(&mut switch, 0, &frame(host(7), host(1))).ports != 0);
        goes(&mut switch, 0, &frame(host(9), host(1)), 0b010);
        goes(&mut switch, 1, &frame(ALL, host(9)), 0b101);
    }
    assert!((100..=112).contains(&passed[0]) && (50..=58).contains(&passed[1]), "{passed:?}");
    assert_eq!(count(&switch, 0, "drop_broadcast") as usize, 1000 - passed[0]);
    assert_eq!(count(&switch, 0, "drop_unknown") as usize, 1000 - passed[1]);
}

#[test]
fn a_long_packet_takes_as_much_of_an_allowance_as_the_frames_that_it_becomes() {
    let mut switch = switch(3, &[("port1.broadcast", "1000")]);
    let mut passed = 0;
    for millis in 1..=1000 {
        switch.begin(Instant::from_millis(millis));
        passed += usize::from(switch.forward(0, &frame(ALL, host(1)), 65_000).ports != 0);
    }
    assert!((30..=36).contains(&passed), "{passed}");
    assert_eq!(count(&switch, 0, "drop_broadcast") as usize, 1000 - passed);
}

#[test]
fn the_port_that_mirrors_does_nothing_else() {
    let mut switch =
        switch(3, &[("switch.mirror", "3"), ("port1.mirrored", "in"), ("port2.mirrored", "out")]);
    let route = send(&mut switch, 0, &frame(ALL, host(1)));
    assert_eq!((route.ports, route.is_mirrored), (0b010, true));
    let route = send(&mut switch, 1, &frame(ALL, host(2)));
    assert_eq!((route.ports, route.is_mirrored), (0b001, false));
    goes(&mut switch, 2, &frame(ALL, host(3)), 0);
    // What is dropped was seen all the same.
    assert!(send(&mut switch, 0, &frame(host(1), ALL)).is_mirrored);
}

#[test]
fn what_passes_a_vlan_is_counted_there() {
    let mut switch = switch(2, &[("port1.vlan", "10"), ("port2.vlan", "10")]);
    goes(&mut switch, 0, &frame(ALL, host(1)), 0b10);
    goes(&mut switch, 1, &frame(host(1), host(2)), 0b01);
    let [vlan] = switch.vlans() else { panic!("there is one") };
    assert_eq!((vlan.number, vlan.frames, vlan.octets, vlan.flooded), (10, 2, 120, 1));
}

#[test]
fn no_head_of_a_frame_makes_it_panic() {
    let words =
        [("port1.trunk", "all"), ("port2.tunnel", "4094"), ("port3.vlan", "1"), ("switch.table", "16")];
    let mut switch = switch(4, &words);
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..200_000 {
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend_from_slice(&random().to_le_bytes());
        }
        if random() % 2 == 0 {
            bytes[12..14].copy_from_slice(&[0x81, 0]);
        }
        let length = (random() % 24) as usize;
        let port = (random() % 4) as usize;
        switch.poll(Instant::from_millis(round));
        let route = send(&mut switch, port, &bytes[..length]);
        assert_eq!(route.ports & 1 << port, 0, "it never goes back");
    }
}
