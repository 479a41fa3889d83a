//! The first messages, and how long routers are looked for.

use super::*;

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
    assert_eq!(actions(&mut host, seconds(2)), []);
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
fn a_host_without_any_address_is_silent_until_the_link_returns() {
    let mut host = settled();
    assert!(host.duplicate(LINK_LOCAL));
    for moment in [4, 8, 16] {
        assert_eq!(actions(&mut host, seconds(moment)), []);
    }
    host.link_returned(seconds(100));
    assert_eq!(actions(&mut host, seconds(100)).len(), 2);
}
