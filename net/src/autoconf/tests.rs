//! What a host makes of its routers, as conversations in virtual time.

use std::{collections::BTreeMap, fs, net::Ipv6Addr, path::Path, vec, vec::Vec};

use super::{Action, Assigned, Autoconf, Heard, Route, hostile::conversation};
use unik_sched::time::{Duration, Instant};
use unik_testkit::Random;

const HARDWARE: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const FAR: Ipv6Addr = Ipv6Addr::new(0x2606, 0, 0, 0, 0, 0, 0, 9);

const BOTH: u8 = 0xc0;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;
const HOUR: u32 = 3600;
const FOR_EVER: u32 = u32::MAX;

fn seconds(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn host() -> Autoconf {
    Autoconf::new(HARDWARE)
}

/// One that has asked all it asks at the start.
fn settled() -> Autoconf {
    let mut host = host();
    actions(&mut host, Instant::ZERO);
    host
}

fn actions(host: &mut Autoconf, now: Instant) -> Vec<Action> {
    core::iter::from_fn(|| host.poll(now, &mut || 100)).collect()
}

/// The network 2001:db8:N::/64, and the address of the host in it.
fn network(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0)
}

fn own(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0x5054, 0xff, 0xfe12, 0x3456)
}

fn advertisement(lifetime: u16, flags: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, flags];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]);
    message.extend(options.concat());
    message
}

fn prefix(network: Ipv6Addr, length: u8, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let mut option = vec![3, 4, length, flags];
    option.extend(valid.to_be_bytes());
    option.extend(preferred.to_be_bytes());
    option.extend([0; 4]);
    option.extend(network.octets());
    option
}

fn route(network: Ipv6Addr, length: u8, flags: u8, lifetime: u32) -> Vec<u8> {
    let mut option = vec![24, 3, length, flags];
    option.extend(lifetime.to_be_bytes());
    option.extend(network.octets());
    option
}

fn servers(lifetime: u32, numbers: &[u16]) -> Vec<u8> {
    let mut option = vec![25, 1 + 2 * numbers.len() as u8, 0, 0];
    option.extend(lifetime.to_be_bytes());
    numbers.iter().for_each(|number| option.extend(network(*number).octets()));
    option
}

fn mtu(mtu: u32) -> Vec<u8> {
    [vec![5, 1, 0, 0], mtu.to_be_bytes().to_vec()].concat()
}

/// A router says these options, and that it is one for half an hour.
fn say(host: &mut Autoconf, now: Instant, options: &[Vec<u8>]) -> Heard {
    host.receive(now, ROUTER, &advertisement(1800, 0, options)).expect("it is well-formed")
}

fn addresses(host: &Autoconf) -> Vec<Ipv6Addr> {
    host.addresses().map(|own| own.address).collect()
}

fn find(host: &Autoconf, address: Ipv6Addr) -> Option<Assigned> {
    host.addresses().find(|own| own.address == address)
}

/// When an address leaves, if nobody says anything more.
fn end(host: &mut Autoconf, address: Ipv6Addr) -> Option<Instant> {
    for _ in 0..100 {
        let due = host.due()?;
        actions(host, due);
        if find(host, address).is_none() {
            return Some(due);
        }
    }
    None
}

const CHANGED: Heard = Heard { changed: true, left_out: 0 };
const SAME: Heard = Heard { changed: false, left_out: 0 };

#[test]
fn at_the_start_the_link_local_address_is_probed_and_used_and_routers_are_asked_for() {
    let mut host = host();
    let link_local = Assigned { address: LINK_LOCAL, prefix: 64, deprecated: false, tentative: true };
    assert!(host.addresses().eq([link_local]));
    assert_eq!(host.due(), Some(Instant::ZERO));
    let at_once =
        [Action::Probe { target: LINK_LOCAL }, Action::Solicit { source: LINK_LOCAL, tentative: true }];
    assert_eq!(actions(&mut host, Instant::ZERO), at_once);
    assert_eq!(host.due(), Some(seconds(1)));
    assert_eq!(actions(&mut host, seconds(1)), [Action::Changed]);
    assert!(host.addresses().eq([Assigned { tentative: false, ..link_local }]));
    assert_eq!(actions(&mut host, seconds(4)), [Action::Solicit { source: LINK_LOCAL, tentative: false }]);
    assert_eq!((host.mtu(), host.servers().next()), (None, None));
}

#[test]
fn an_identifier_turns_the_bit_that_says_who_gave_it() {
    let local = Autoconf::new([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
    assert_eq!(addresses(&local), ["fe80::3656:78ff:fe9a:bcde".parse::<Ipv6Addr>().expect("an address")]);
}

#[test]
fn without_a_router_solicitations_are_sent_ever_more_rarely() {
    let mut host = host();
    let mut pauses = Vec::new();
    let (mut last, mut now) = (Instant::ZERO, Instant::ZERO);
    while pauses.len() < 16 {
        for action in actions(&mut host, now) {
            if matches!(action, Action::Solicit { .. }) {
                pauses.push(now.duration_since(last).as_secs());
                last = now;
            }
        }
        now = host.due().expect("it goes on for ever");
    }
    assert_eq!(pauses, [0, 4, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600, 3600]);
}

#[test]
fn pauses_are_spread_by_a_tenth() {
    for (random, millis) in [(0, 3600), (100, 4000), (200, 4400), (u64::MAX, 3600 + u64::MAX % 201 * 4)] {
        let mut host = host();
        while host.poll(Instant::ZERO, &mut || random).is_some() {}
        while host.poll(seconds(1), &mut || random).is_some() {}
        assert_eq!(host.due(), Some(Instant::from_millis(millis)));
    }
}

#[test]
fn a_router_that_offers_itself_ends_the_solicitation_and_another_one_does_not() {
    let mut host = settled();
    host.receive(seconds(1), ROUTER, &advertisement(0, 0, &[])).expect("it is well-formed");
    actions(&mut host, seconds(1));
    assert_eq!(host.due(), Some(seconds(4)));
    assert_eq!(say(&mut host, seconds(2), &[]), CHANGED);
    assert_eq!(host.due(), Some(seconds(1802)), "the router's end");
}

#[test]
fn when_the_last_router_has_gone_others_are_asked_for_after_a_pause() {
    let everywhere =
        |router| Route { network: Ipv6Addr::UNSPECIFIED, prefix: 0, router: Some(router), preference: 0 };
    let solicit = [Action::Solicit { source: LINK_LOCAL, tentative: false }];
    let mut host = settled();
    say(&mut host, seconds(2), &[]);
    host.receive(seconds(2), OTHER, &advertisement(60, 0, &[])).expect("it is well-formed");
    assert!(host.routes().skip(1).eq([everywhere(ROUTER), everywhere(OTHER)]));
    let gone = host.receive(seconds(10), ROUTER, &advertisement(0, 0, &[]));
    assert_eq!(gone, Some(CHANGED));
    actions(&mut host, seconds(10));
    assert_eq!(host.due(), Some(seconds(62)), "there is still one");
    assert_eq!(actions(&mut host, seconds(62)), [Action::Changed]);
    assert_eq!((host.routes().count(), host.due()), (1, Some(seconds(66))));
    assert_eq!(actions(&mut host, seconds(66)), solicit);
    assert_eq!(host.due(), Some(seconds(70)));
}

#[test]
fn a_prefix_makes_an_address_that_is_used_while_it_is_probed() {
    let mut host = settled();
    actions(&mut host, seconds(1));
    let option = prefix(network(1), 64, BOTH, 4 * HOUR, 2 * HOUR);
    assert_eq!(say(&mut host, seconds(2), std::slice::from_ref(&option)), CHANGED);
    let formed = Assigned { address: own(1), prefix: 64, deprecated: false, tentative: true };
    assert_eq!(find(&host, own(1)), Some(formed));
    assert_eq!(actions(&mut host, seconds(2)), [Action::Probe { target: own(1) }]);
    assert_eq!(actions(&mut host, seconds(3)), [Action::Changed]);
    assert_eq!(find(&host, own(1)), Some(Assigned { tentative: false, ..formed }));
    assert_eq!(say(&mut host, seconds(100), &[option]), SAME, "said again, it is asked no more");
    assert_eq!(actions(&mut host, seconds(100)), []);
}

#[test]
fn an_address_is_deprecated_and_then_ends() {
    let mut host = settled();
    say(&mut host, seconds(0), &[prefix(network(1), 64, BOTH, 100, 50)]);
    actions(&mut host, seconds(49));
    assert!(find(&host, own(1)).is_some_and(|own| !own.deprecated));
    assert_eq!(actions(&mut host, seconds(50)), [Action::Changed]);
    assert!(find(&host, own(1)).is_some_and(|own| own.deprecated));
    let again = say(&mut host, seconds(60), &[prefix(network(1), 64, BOTH, 100, 50)]);
    assert!(again.changed && find(&host, own(1)).is_some_and(|own| !own.deprecated));
    let at_once = say(&mut host, seconds(70), &[prefix(network(1), 64, BOTH, 100, 0)]);
    assert!(at_once.changed && find(&host, own(1)).is_some_and(|own| own.deprecated));
    assert_eq!(end(&mut host, own(1)), Some(seconds(170)));
    assert!(find(&host, LINK_LOCAL).is_some());
}

#[test]
fn an_advertisement_shortens_a_life_to_two_hours_at_most() {
    // What is left, what is said, what is left then (RFC 4862, 5.5.3): in seconds.
    let rows = [
        (10 * HOUR, 0, 2 * HOUR),
        (10 * HOUR, 60, 2 * HOUR),
        (10 * HOUR, 2 * HOUR, 2 * HOUR),
        (10 * HOUR, 2 * HOUR + 1, 2 * HOUR + 1),
        (FOR_EVER, 0, 2 * HOUR),
        (HOUR, 0, HOUR),
        (HOUR, 60, HOUR),
        (HOUR, HOUR + 1, HOUR + 1),
        (2 * HOUR, 60, 2 * HOUR),
        (60, 3 * HOUR, 3 * HOUR),
    ];
    for (left, said, then) in rows {
        let mut host = settled();
        say(&mut host, Instant::ZERO, &[prefix(network(1), 64, AUTONOMOUS, left, left)]);
        say(&mut host, Instant::ZERO, &[prefix(network(1), 64, AUTONOMOUS, said, 0)]);
        assert!(find(&host, own(1)).is_some_and(|own| own.deprecated));
        assert_eq!(end(&mut host, own(1)), Some(seconds(then.into())), "{left} {said}");
    }
}

#[test]
fn a_lifetime_of_all_ones_has_no_end() {
    let mut host = settled();
    let options = [prefix(network(1), 64, BOTH, FOR_EVER, FOR_EVER), servers(FOR_EVER, &[7])];
    host.receive(Instant::ZERO, ROUTER, &advertisement(60, 0, &options)).expect("it is well-formed");
    assert_eq!(end(&mut host, own(1)), None);
    assert_eq!((host.servers().count(), host.routes().count()), (1, 2));
    let mut host = settled();
    let everywhere = route(Ipv6Addr::UNSPECIFIED, 0, 0, FOR_EVER);
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, BOTH, FOR_EVER - 1, HOUR), everywhere]);
    assert!(end(&mut host, own(1)).is_some(), "one less is a number");
}

#[test]
fn flags_say_what_a_prefix_is_for() {
    for (flags, makes_address, is_on_link) in
        [(BOTH, true, true), (ON_LINK, false, true), (AUTONOMOUS, true, false), (0x3f, false, false)]
    {
        let mut host = settled();
        say(&mut host, Instant::ZERO, &[prefix(network(1), 64, flags, HOUR, HOUR)]);
        assert_eq!(find(&host, own(1)).is_some(), makes_address);
        let neighbor = Ipv6Addr::from_bits(network(1).to_bits() | 5);
        let hop = if is_on_link { neighbor } else { ROUTER };
        assert_eq!(host.next_hop(neighbor, &mut |_| false), Some(hop));
    }
}

#[test]
fn addresses_are_made_of_prefixes_of_64_bits_alone() {
    let mut host = settled();
    for length in [0, 48, 63, 65, 128, 129, 255] {
        say(&mut host, Instant::ZERO, &[prefix(network(1), length, AUTONOMOUS, HOUR, HOUR)]);
    }
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, AUTONOMOUS, HOUR, HOUR + 1)]);
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, AUTONOMOUS, 0, 0)]);
    assert_eq!(addresses(&host), [LINK_LOCAL]);
    // What stands behind the prefix does not matter.
    say(&mut host, Instant::ZERO, &[prefix(own(1), 64, AUTONOMOUS, HOUR, HOUR)]);
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, AUTONOMOUS, HOUR, HOUR)]);
    assert_eq!(addresses(&host), [LINK_LOCAL, own(1)]);
}

#[test]
fn networks_that_no_router_can_give_are_ignored() {
    let mut host = settled();
    for text in ["fe80::", "fe80:0:0:1::", "ff02::", "::", "::1", "::ffff:10.0.0.0"] {
        let odd: Ipv6Addr = text.parse().expect("an address");
        for length in [9, 10, 64, 104] {
            let options = [prefix(odd, length, BOTH, HOUR, HOUR), route(odd, length, 0, HOUR)];
            let heard = host.receive(Instant::ZERO, ROUTER, &advertisement(0, 0, &options));
            assert_eq!(heard, Some(SAME), "{odd}/{length}");
        }
        let server = [vec![25, 3, 0, 0, 0, 0, 1, 0], odd.octets().to_vec()].concat();
        if !odd.is_unicast_link_local() {
            let heard = host.receive(Instant::ZERO, ROUTER, &advertisement(0, 0, &[server]));
            assert_eq!(heard, Some(SAME), "{odd}");
        }
    }
    say(&mut host, Instant::ZERO, &[prefix(FAR, 0, BOTH, HOUR, HOUR)]);
    assert_eq!(host.next_hop(FAR, &mut |_| false), Some(ROUTER), "not all the world is on the link");
}

#[test]
fn a_network_leaves_the_link_when_a_router_says_so() {
    let mut host = settled();
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, ON_LINK, HOUR, HOUR)]);
    assert_eq!(host.next_hop(own(1), &mut |_| false), Some(own(1)));
    assert_eq!(say(&mut host, seconds(1), &[prefix(network(1), 64, ON_LINK, 0, 0)]), CHANGED);
    assert_eq!(host.next_hop(own(1), &mut |_| false), Some(ROUTER));
}

#[test]
fn an_address_that_another_host_claims_is_given_up_until_the_link_returns() {
    let mut host = settled();
    let option = [prefix(network(1), 64, BOTH, HOUR, HOUR)];
    say(&mut host, Instant::ZERO, &option);
    actions(&mut host, Instant::ZERO);
    assert!(host.duplicate(own(1)) && !host.duplicate(own(1)));
    assert_eq!(addresses(&host), [LINK_LOCAL]);
    say(&mut host, seconds(1), &option);
    actions(&mut host, seconds(1));
    assert_eq!(addresses(&host), [LINK_LOCAL], "the same advertisement does not bring it back");
    assert!(!host.duplicate(LINK_LOCAL), "nobody has claimed it within a second");
    assert!(!host.duplicate(FAR), "it is none of this host's");
    host.link_returned(seconds(9));
    let again = [
        Action::Probe { target: LINK_LOCAL },
        Action::Probe { target: own(1) },
        Action::Solicit { source: LINK_LOCAL, tentative: true },
    ];
    assert_eq!(actions(&mut host, seconds(9)), again);
    assert_eq!(actions(&mut host, seconds(10)), [Action::Changed]);
    assert_eq!(addresses(&host), [LINK_LOCAL, own(1)]);
}

#[test]
fn a_second_card_like_this_one_takes_all_addresses_but_the_fixed_ones() {
    let fixed = own(9).to_bits() & !0xffff | 53;
    let fixed = Ipv6Addr::from_bits(fixed);
    let mut host = settled();
    host.add(fixed, 64);
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, BOTH, HOUR, HOUR)]);
    assert!(host.duplicate(LINK_LOCAL));
    assert_eq!(addresses(&host), [fixed]);
    say(&mut host, Instant::ZERO, &[prefix(network(2), 64, BOTH, HOUR, HOUR)]);
    assert_eq!(addresses(&host), [fixed], "no more are made");
    host.receive(seconds(1), ROUTER, &advertisement(0, 0, &[])).expect("it is well-formed");
    actions(&mut host, seconds(1));
    assert_eq!(actions(&mut host, seconds(2)), [Action::Changed]);
    let unnamed = Action::Solicit { source: Ipv6Addr::UNSPECIFIED, tentative: false };
    assert_eq!(actions(&mut host, seconds(5)), [unnamed]);
    assert!(!host.duplicate(fixed), "it is sure by now");
}

#[test]
fn a_host_without_any_address_is_silent_until_the_link_returns() {
    let mut host = settled();
    assert!(host.duplicate(LINK_LOCAL));
    assert_eq!(actions(&mut host, seconds(4)), []);
    assert_eq!(host.due(), None);
    host.link_returned(seconds(100));
    assert_eq!(actions(&mut host, seconds(100)).len(), 2);
}

#[test]
fn what_was_configured_is_probed_and_no_advertisement_changes_it() {
    let mut host = host();
    assert!(host.add(own(1), 64));
    let probes = [Action::Probe { target: LINK_LOCAL }, Action::Probe { target: own(1) }];
    assert_eq!(actions(&mut host, Instant::ZERO)[..2], probes);
    assert_eq!(host.next_hop(network(1), &mut |_| false), Some(network(1)));
    for (valid, preferred) in [(HOUR, HOUR), (HOUR, 0), (0, 0)] {
        say(&mut host, seconds(1), &[prefix(network(1), 64, BOTH, valid, preferred)]);
    }
    assert_eq!(end(&mut host, own(1)), None);
    assert!(find(&host, own(1)).is_some_and(|own| !own.deprecated));
    assert_eq!(host.next_hop(network(1), &mut |_| false), Some(network(1)));
}

#[test]
fn what_finds_no_room_is_left_out_and_said() {
    let mut host = settled();
    let prefixes: Vec<_> = (0..7).map(|number| prefix(network(number), 64, BOTH, HOUR, HOUR)).collect();
    // The link-local address and its network are there already.
    assert_eq!(say(&mut host, Instant::ZERO, &prefixes), Heard { changed: true, left_out: 4 });
    assert_eq!(addresses(&host), [LINK_LOCAL, own(0), own(1), own(2), own(3), own(4)]);
    assert!(!host.add(own(8), 64));
    let routes: Vec<_> = (20..26).map(|number| route(network(number), 48, 0, HOUR)).collect();
    assert_eq!(say(&mut host, Instant::ZERO, &routes), Heard { changed: true, left_out: 2 });
    let list = servers(HOUR, &[31, 32, 33, 34]);
    assert_eq!(say(&mut host, Instant::ZERO, &[list]), Heard { changed: true, left_out: 1 });
    for last in 2..=5 {
        let router = Ipv6Addr::from_bits(ROUTER.to_bits() - 1 + last);
        let heard = host.receive(Instant::ZERO, router, &advertisement(9, 0, &[]));
        assert_eq!(heard, Some(Heard { changed: last < 5, left_out: u16::from(last == 5) }));
    }
    // What is over makes room.
    let heard = host.receive(seconds(9), FAR, &advertisement(9, 0, &[]));
    assert_eq!(heard, Some(CHANGED));
}

#[test]
fn of_several_routers_the_preferred_one_that_lives_is_taken() {
    let mut host = settled();
    // RFC 4191, 2.1: 00 medium, 01 high, 11 low, 10 to be read as medium.
    for (last, flags) in [(1, 0b11 << 3), (2, 0b01 << 3), (3, 0b10 << 3)] {
        let router = Ipv6Addr::from_bits(ROUTER.to_bits() - 1 + last);
        host.receive(Instant::ZERO, router, &advertisement(1800, flags, &[])).expect("it is well-formed");
    }
    let third = Ipv6Addr::from_bits(ROUTER.to_bits() + 2);
    assert_eq!(host.next_hop(FAR, &mut |_| false), Some(OTHER));
    assert_eq!(host.next_hop(FAR, &mut |router| router == OTHER), Some(third));
    assert_eq!(host.next_hop(FAR, &mut |router| router != ROUTER), Some(ROUTER));
    assert_eq!(host.next_hop(FAR, &mut |_| true), Some(OTHER), "a dead one is better than none");
    assert_eq!(host.next_hop(OTHER, &mut |_| true), Some(OTHER), "it is on the link");
    let heard = host.receive(seconds(1), ROUTER, &advertisement(1800, 0b01 << 3, &[]));
    assert_eq!(heard, Some(CHANGED));
    assert_eq!(settled().next_hop(FAR, &mut |_| false), None);
}

#[test]
fn the_longest_prefix_decides_before_preference() {
    let mut host = settled();
    host.receive(Instant::ZERO, OTHER, &advertisement(1800, 0b01 << 3, &[])).expect("it is well-formed");
    let low = 0b11 << 3;
    say(&mut host, Instant::ZERO, &[route(FAR, 32, low, 100)]);
    assert_eq!(host.next_hop(FAR, &mut |_| false), Some(ROUTER));
    assert_eq!(host.next_hop(network(1), &mut |_| false), Some(OTHER));
    assert_eq!(host.next_hop(FAR, &mut |router| router == ROUTER), Some(OTHER));
    actions(&mut host, seconds(100));
    assert_eq!(host.next_hop(FAR, &mut |_| false), Some(OTHER), "the route is over");
    let unclear = say(&mut host, seconds(101), &[route(FAR, 32, 0b10 << 3, 100)]);
    assert_eq!(unclear, SAME, "the reserved preference makes an option void");
}

#[test]
fn a_route_carries_as_much_of_its_prefix_as_its_length_needs() {
    let cut = |units: u8, length| {
        let mut option = route(FAR, length, 0, 100);
        option[1] = units;
        option.truncate(usize::from(units) * 8);
        option
    };
    for (units, length, counts) in
        [(1, 3, false), (2, 3, true), (2, 64, true), (2, 65, false), (3, 65, true), (3, 129, false)]
    {
        let mut host = settled();
        say(&mut host, Instant::ZERO, &[cut(units, length)]);
        assert_eq!(host.routes().count() == 3, counts, "{units} {length}");
    }
    // A route to everywhere stands for what the header says.
    let mut host = settled();
    let message = advertisement(0, 0, &[cut(1, 0)]);
    assert_eq!(host.receive(Instant::ZERO, ROUTER, &message), Some(CHANGED));
    assert_eq!(host.next_hop(FAR, &mut |_| false), Some(ROUTER));
}

#[test]
fn servers_are_known_as_long_as_they_are_said() {
    let mut host = settled();
    say(&mut host, Instant::ZERO, &[servers(100, &[1, 2])]);
    say(&mut host, seconds(50), &[servers(100, &[2]), servers(100, &[])]);
    assert!(host.servers().eq([network(1), network(2)]));
    actions(&mut host, seconds(100));
    assert!(host.servers().eq([network(2)]));
    assert_eq!(say(&mut host, seconds(101), &[servers(0, &[2, 3])]), CHANGED);
    assert_eq!(host.servers().next(), None);
    let mut odd = servers(100, &[4]);
    odd[1] = 4;
    odd.extend([0; 8]);
    say(&mut host, seconds(102), &[odd]);
    assert_eq!(host.servers().next(), None, "half an address");
}

#[test]
fn the_packets_of_a_link_have_a_least_length() {
    let mut host = settled();
    for (said, known) in
        [(1279, None), (1280, Some(1280)), (0, Some(1280)), (65536, Some(1280)), (1500, Some(1500))]
    {
        say(&mut host, Instant::ZERO, &[mtu(said)]);
        assert_eq!(host.mtu(), known);
    }
}

fn full() -> Vec<u8> {
    let options = [
        vec![1, 1, 2, 0, 0, 0, 0, 1],
        prefix(network(1), 64, BOTH, HOUR, HOUR),
        mtu(1400),
        route(network(2), 48, 0, HOUR),
        servers(HOUR, &[3, 4]),
        vec![200, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    advertisement(1800, 0, &options)
}

#[test]
fn a_message_that_is_cut_or_has_an_option_without_length_is_discarded_whole() {
    let message = full();
    let mut starts = vec![16];
    while let Some(length) = message.get(starts[starts.len() - 1] + 1) {
        starts.push(starts[starts.len() - 1] + usize::from(*length) * 8);
    }
    assert_eq!(starts.len(), 7);
    let is_untouched = |host: &Autoconf| {
        host.mtu().is_none()
            && host.routes().count() == 1
            && host.servers().next().is_none()
            && addresses(host).len() == 1
    };
    for length in 0..=message.len() {
        let mut host = settled();
        let heard = host.receive(Instant::ZERO, ROUTER, &message[..length]);
        assert_eq!(heard.is_some(), starts.contains(&length), "{length}");
        assert_eq!(is_untouched(&host), heard.is_none());
    }
    for (at, value) in starts.iter().take(6).map(|start| (start + 1, 0)).chain([(0, 133), (1, 1)]) {
        let mut host = settled();
        let mut bad = message.clone();
        bad[at] = value;
        assert_eq!(host.receive(Instant::ZERO, ROUTER, &bad), None);
        assert!(is_untouched(&host));
    }
}

#[test]
fn at_the_end_of_time_nothing_is_lost_and_nothing_goes_on_for_ever() {
    let mut host = settled();
    say(&mut host, Instant::MAX, &[prefix(network(1), 64, BOTH, FOR_EVER, HOUR)]);
    assert!(actions(&mut host, Instant::MAX).len() < 5);
    assert_eq!(addresses(&host), [LINK_LOCAL, own(1)]);
    assert_eq!(host.due(), None);
}

/// As a step of a conversation of `hostile`.
fn step(message: &[u8]) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("it is short");
    [&[0, length], message].concat()
}

#[test]
fn every_cut_and_every_flip_of_an_advertisement_does_no_harm() {
    let message = full();
    let follow = [7, 0, 5, 1, 4, 3, 7, 0, 7, 0];
    for at in 0..message.len() {
        conversation(&[&step(&message[..at])[..], &follow].concat());
        for value in (0..8).map(|bit| message[at] ^ 1 << bit).chain([0, 255]) {
            let mut flipped = message.clone();
            flipped[at] = value;
            let twice = [step(&flipped), follow.to_vec(), step(&message), step(&flipped)].concat();
            conversation(&twice);
        }
    }
}

/// What happens in the corpus: inputs that reach nothing would find nothing.
const REACHED: [&str; 10] = [
    "refused",
    "changed",
    "left out",
    "formed",
    "deprecated",
    "ended",
    "given up",
    "solicitations",
    "routes",
    "servers",
];

#[test]
fn the_corpus_of_conversations_and_its_mutations_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/router_advertisement");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the corpus is there").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut total = BTreeMap::new();
    let mut random = Random::new(11);
    for file in &files {
        let input = fs::read(file).expect("a file");
        conversation(&input).into_iter().for_each(|(what, count)| *total.entry(what).or_insert(0) += count);
        for _ in 0..1000 {
            let mut input = input.clone();
            for _ in 0..1 + random.below(6) {
                let at = random.below(input.len());
                match random.below(4) {
                    0 => input.truncate(at + 1),
                    1 => drop(input.splice(at..at, [random.next_u64() as u8])),
                    _ => input[at] = random.next_u64() as u8,
                }
            }
            conversation(&input);
        }
    }
    let never: Vec<_> =
        REACHED.into_iter().filter(|what| total.get(what).is_none_or(|count| *count == 0)).collect();
    assert!(never.is_empty(), "the corpus never reaches {never:?} of {total:?}");
}
