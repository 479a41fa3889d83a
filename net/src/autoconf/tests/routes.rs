//! Routers, routes and name servers.

use super::*;

#[test]
fn flags_say_what_a_prefix_is_for() {
    for (flags, makes_address, is_on_link) in
        [(BOTH, true, true), (ON_LINK, false, true), (AUTONOMOUS, true, false), (0x3f, false, false)]
    {
        let mut host = settled();
        say(&mut host, Instant::ZERO, &[prefix(network(1), 64, flags, HOUR, HOUR)]);
        assert_eq!(find(&host, own(1)).is_some(), makes_address);
        let neighbor = Ipv6Addr::from_bits(network(1).to_bits() | 5);
        let expected = if is_on_link { neighbor } else { ROUTER };
        assert_eq!(hop(&host, neighbor), Some(expected));
    }
}

#[test]
fn a_network_leaves_the_link_when_a_router_says_so() {
    let mut host = settled();
    say(&mut host, Instant::ZERO, &[prefix(network(1), 64, ON_LINK, HOUR, HOUR)]);
    assert_eq!(hop(&host, own(1)), Some(own(1)));
    assert_eq!(say(&mut host, seconds(1), &[prefix(network(1), 64, ON_LINK, 0, 0)]), CHANGED);
    assert_eq!(hop(&host, own(1)), Some(ROUTER));
}

#[test]
fn of_several_routers_the_preferred_one_is_taken() {
    let mut host = settled();
    // RFC 4191, 2.1: 00 medium, 01 high, 11 low, 10 to be read as medium.
    for (last, flags) in [(1, 0b11 << 3), (2, 0b01 << 3), (3, 0b10 << 3)] {
        let router = Ipv6Addr::from_bits(ROUTER.to_bits() - 1 + last);
        host.receive(Instant::ZERO, router, &advertisement(1800, flags, &[])).expect("it is well-formed");
    }
    assert_eq!(hop(&host, FAR), Some(OTHER));
    assert_eq!(hop(&host, ROUTER), Some(ROUTER), "it is on the link");
    let preferences: Vec<_> = host.routes().skip(1).map(|route| route.preference).collect();
    assert_eq!(preferences, [-1, 1, 0]);
    let heard = host.receive(seconds(1), ROUTER, &advertisement(1800, 0b01 << 3, &[]));
    assert_eq!(heard, Some(CHANGED));
    assert_eq!(hop(&settled(), FAR), None);
}

#[test]
fn the_longest_prefix_decides_before_preference() {
    let mut host = settled();
    host.receive(Instant::ZERO, OTHER, &advertisement(1800, 0b01 << 3, &[])).expect("it is well-formed");
    let low = 0b11 << 3;
    say(&mut host, Instant::ZERO, &[route(FAR, 32, low, 100)]);
    assert_eq!(hop(&host, FAR), Some(ROUTER));
    assert_eq!(hop(&host, network(1)), Some(OTHER));
    let both = [prefix(network(1), 64, ON_LINK, 100, 100), route(network(1), 64, 0b01 << 3, 100)];
    say(&mut host, Instant::ZERO, &both);
    assert_eq!(hop(&host, own(1)), Some(own(1)), "it is nearer without a router");
    actions(&mut host, seconds(100));
    assert_eq!(hop(&host, FAR), Some(OTHER), "the route is over");
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
    assert_eq!(hop(&host, FAR), Some(ROUTER));
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
