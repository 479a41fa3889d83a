//! How addresses are made, live and end.

use super::*;

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
fn what_was_configured_is_probed_and_no_advertisement_changes_it() {
    let mut host = host();
    assert!(host.add(own(1), 64));
    let probes = [Action::Probe { target: LINK_LOCAL }, Action::Probe { target: own(1) }];
    assert_eq!(actions(&mut host, Instant::ZERO)[..2], probes);
    assert_eq!(hop(&host, network(1)), Some(network(1)));
    let on_link = Route { network: network(1), prefix: 64, router: None, preference: i8::MAX };
    assert!(host.routes().any(|route| route == on_link));
    for (valid, preferred) in [(HOUR, HOUR), (HOUR, 0), (0, 0)] {
        say(&mut host, seconds(1), &[prefix(network(1), 64, BOTH, valid, preferred)]);
    }
    assert_eq!(end(&mut host, own(1)), None);
    assert!(find(&host, own(1)).is_some_and(|own| !own.deprecated));
    assert_eq!(hop(&host, network(1)), Some(network(1)));
}

#[test]
fn an_address_that_is_configured_and_advertised_is_there_once() {
    let advertised = [prefix(network(1), 64, BOTH, HOUR, HOUR)];
    for comes_first in [true, false] {
        let mut host = settled();
        if comes_first {
            say(&mut host, Instant::ZERO, &advertised);
        }
        assert!(host.add(own(1), 56));
        if !comes_first {
            say(&mut host, Instant::ZERO, &advertised);
        }
        assert_eq!(addresses(&host), [LINK_LOCAL, own(1)]);
        assert_eq!(end(&mut host, own(1)), None);
        assert_eq!(find(&host, own(1)).map(|own| own.prefix), Some(56));
    }
}
