//! What the client says when, and what it takes.

use unik_net::dhcp::{LEASE_LEAST, REFUSAL_PAUSE, TRIES, Times};

use super::*;

/// The next messages, each with its distance from the one before.
fn pauses(conversation: &mut Conversation, count: usize) -> Vec<(Said, Duration)> {
    let mut before = conversation.now;
    let mut said = || {
        let said = conversation.next();
        let pause = said.at.duration_since(before);
        before = said.at;
        (said, pause)
    };
    (0..count).map(|_| said()).collect()
}

#[test]
fn a_lease_takes_four_messages_and_no_time() {
    let mut conversation = Conversation::new();
    assert_eq!((conversation.client.due(), conversation.address()), (Some(Instant::ZERO), None));
    let discover = conversation.poll().expect("it is due at once");
    assert_eq!(discover.kind, DhcpMessageType::Discover);
    assert_eq!((discover.source, discover.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    assert_eq!((discover.requested, discover.server), (None, None));
    conversation.pass(Duration::from_millis(7));
    assert!(conversation.hear(discover.answer(OFFER)));
    assert_eq!(conversation.address(), None, "an offer is no lease");
    let request = conversation.poll().expect("it asks at once");
    assert_eq!(request.kind, DhcpMessageType::Request);
    assert_eq!((request.source, request.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    assert_eq!((request.requested, request.server), (Some(LEASED), Some(SERVER)));
    assert_eq!(request.transaction, discover.transaction);
    assert!(conversation.hear(request.answer(ACK)));
    let lease = conversation.lease();
    assert_eq!((lease.address, lease.prefix, lease.gateway), (LEASED, 24, Some(SERVER)));
    assert_eq!(lease.server, SERVER);
    assert_eq!(conversation.client.due(), Some(Instant::from_millis(300_007)));
}

#[test]
fn the_questions_name_what_is_read_of_the_answers_and_the_host() {
    for (name, option) in [(None, vec![255]), (Hostname::parse("dns-1"), b"\x0c\x05dns-1\xff".to_vec())] {
        let mut conversation = Conversation::named(name);
        let discover = conversation.next();
        let wishes = [55, 7, 1, 121, 3, 6, 26, 58, 59, 57, 2, 4, 0];
        assert_eq!(discover.bytes[240..256], [&[53, 1, 1][..], &wishes].concat());
        assert_eq!(discover.bytes[256..256 + option.len()], option);
        assert!(discover.bytes[256 + option.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn the_longest_name_of_a_host_has_room_in_the_longest_message() {
    let name = "n".repeat(Hostname::LIMIT);
    let mut conversation = Conversation::named(Hostname::parse(&name));
    let discover = conversation.next();
    assert!(conversation.hear(discover.answer(OFFER)));
    let request = conversation.next();
    assert!(request.bytes.ends_with(b"nn\xff"), "nothing is cut off, and nothing wasted");
}

#[test]
fn a_question_without_an_answer_is_repeated_in_growing_pauses() {
    let mut conversation = Conversation::new();
    let first = conversation.next();
    let mut spread = std::collections::BTreeSet::new();
    for ((said, pause), base) in
        pauses(&mut conversation, 10).into_iter().zip([1, 2, 4, 8, 16, 32, 64, 64, 64, 64])
    {
        let margin = Duration::from_millis((base * 250).min(1000));
        assert!(pause.abs_diff(seconds(base)) <= margin, "{pause:?} instead of {base} s");
        spread.insert(pause.abs_diff(seconds(base)).as_millis());
        assert_eq!((said.kind, said.transaction), (DhcpMessageType::Discover, first.transaction));
        assert_eq!(u64::from(said.seconds), said.at.duration_since(first.at).as_secs());
    }
    assert!(spread.len() > 5, "the pauses are spread: {spread:?}");
}

#[test]
fn a_client_that_asks_for_days_says_so_as_far_as_the_field_goes() {
    let mut conversation = Conversation::new();
    conversation.next();
    conversation.pass(seconds(70_000));
    assert_eq!(conversation.next().seconds, u16::MAX);
}

#[test]
fn a_client_that_finds_nobody_for_days_does_not_tire() {
    let mut conversation = Conversation::new();
    let pauses = pauses(&mut conversation, 3000);
    assert!(
        pauses[8..]
            .iter()
            .all(|(said, pause)| said.kind == DhcpMessageType::Discover && *pause >= seconds(63))
    );
    let last = &pauses.last().expect("there were some").0;
    assert!(conversation.hear(last.answer(OFFER)));
}

#[test]
fn a_server_that_comes_late_is_found_and_told_how_long_the_search_was() {
    let mut conversation = Conversation::new();
    let late = pauses(&mut conversation, 5).pop().expect("five messages").0;
    assert!(late.seconds > 10);
    conversation.pass(seconds(3));
    assert!(conversation.hear(late.answer(OFFER)));
    let request = conversation.next();
    assert_eq!(request.seconds, late.seconds, "RFC 2131, 3.1: the same as in the question");
    assert!(conversation.hear(request.answer(ACK)));
}

#[test]
fn a_request_without_an_answer_is_given_up_for_a_new_search() {
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    assert!(conversation.hear(discover.answer(OFFER)));
    let requests = pauses(&mut conversation, TRIES.into());
    assert!(requests.iter().all(|(said, _)| said.kind == DhcpMessageType::Request));
    let last = &requests.last().expect("there were some").0;
    let again = conversation.next();
    assert_eq!(again.kind, DhcpMessageType::Discover);
    assert!(again.transaction != discover.transaction, "another question");
    assert!(again.at <= Instant::ZERO + seconds(17));
    assert!(!conversation.hear(last.answer(ACK)), "too late");
}

#[test]
fn a_refused_request_is_followed_by_a_pause_and_a_new_search() {
    let mut conversation = Conversation::new();
    for _ in 0..10 {
        let discover = conversation.next();
        assert!(conversation.hear(discover.answer(OFFER)));
        let request = conversation.next();
        assert!(!conversation.hear(request.answer(NAK).from(OTHER)), "it was not asked");
        assert!(conversation.hear(request.answer(NAK)));
        assert!(!conversation.hear(request.answer(NAK)), "once");
        assert_eq!(conversation.client.due(), Some(conversation.now + REFUSAL_PAUSE));
    }
}

#[test]
fn of_two_offers_the_first_is_taken_and_only_its_server_can_grant_it() {
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    assert!(conversation.hear(discover.answer(OFFER)));
    assert!(!conversation.hear(discover.answer(ACK)), "nothing was requested yet");
    assert!(!conversation.hear(discover.answer(OFFER).from(OTHER)));
    let request = conversation.next();
    assert_eq!(request.server, Some(SERVER));
    assert!(!conversation.hear(request.answer(OFFER)));
    assert!(!conversation.hear(request.answer(ACK).from(OTHER)));
    assert!(!conversation.hear(request.answer(ACK).of(OTHER)), "another address than the one asked for");
    assert!(conversation.hear(request.answer(ACK)));
    assert!(!conversation.hear(request.answer(ACK)), "once");
}

#[test]
fn a_lease_is_renewed_by_its_server_alone_and_counted_from_the_question() {
    let mut conversation = Conversation::leased(|answer| answer);
    let renewal = conversation.next();
    assert_eq!((renewal.at, renewal.kind), (Instant::ZERO + seconds(300), DhcpMessageType::Request));
    assert_eq!((renewal.source, renewal.destination, renewal.own), (LEASED, SERVER, LEASED));
    assert_eq!((renewal.requested, renewal.server, renewal.seconds), (None, None, 0));
    conversation.pass(seconds(1));
    assert!(!conversation.hear(renewal.answer(ACK).from(OTHER)));
    assert!(!conversation.hear(renewal.answer(NAK).from(OTHER)));
    assert!(!conversation.hear(renewal.answer(OFFER)));
    assert_eq!(conversation.address(), Some(LEASED));
    assert!(conversation.hear(renewal.answer(ACK).with(3, &OTHER.octets())));
    assert_eq!(conversation.lease().gateway, Some(OTHER), "what is new takes effect");
    let next = conversation.next();
    assert_eq!(next.at, Instant::ZERO + seconds(600));
    assert!(next.transaction != renewal.transaction);
}

#[test]
fn a_lease_counts_from_the_first_request_whichever_is_answered() {
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    assert!(conversation.hear(discover.answer(OFFER)));
    let request = pauses(&mut conversation, 3).pop().expect("three messages").0;
    assert!(request.at > Instant::ZERO + seconds(2));
    assert!(conversation.hear(request.answer(ACK)));
    assert_eq!(conversation.client.times().map(|times| times.expire), Some(Instant::ZERO + seconds(600)));
}

#[test]
fn a_renewal_is_repeated_after_half_of_what_is_left_but_a_minute_at_least() {
    let mut conversation = Conversation::leased(|answer| answer.lasting(4000));
    let told: Vec<_> = std::iter::from_fn(|| conversation.until(Instant::ZERO + seconds(4000)))
        .map(|said| (said.at.as_millis() / 1000, said.destination == SERVER, said.seconds))
        .collect();
    let renewing = [2000, 2750, 3125, 3312, 3406, 3466].map(|at| (at, true, at as u16 - 2000));
    let rebinding = [3500, 3750, 3875, 3937].map(|at| (at, false, at as u16 - 3500));
    assert_eq!(told[..6], renewing);
    assert_eq!(told[6..10], rebinding);
    assert_eq!(told[10], (3997, false, 497));
    assert_eq!(told[11..], [(4000, false, 0)], "the lease is over and a search begins");
    assert_eq!(conversation.address(), None);
}

#[test]
fn any_server_can_renew_a_lease_that_its_own_server_does_not() {
    let mut conversation = Conversation::leased(|answer| answer);
    while conversation.next().destination == SERVER {}
    let rebinding = conversation.next();
    assert_eq!(
        (rebinding.source, rebinding.own, rebinding.destination),
        (LEASED, LEASED, Ipv4Addr::BROADCAST)
    );
    assert_eq!((rebinding.requested, rebinding.server), (None, None));
    assert!(!conversation.hear(rebinding.answer(ACK).of(OTHER)), "a lease does not change its address");
    assert!(conversation.hear(rebinding.answer(ACK).from(OTHER)));
    assert_eq!((conversation.address(), conversation.lease().server), (Some(LEASED), OTHER));
    assert_eq!(conversation.next().destination, OTHER);
}

#[test]
fn a_lease_that_is_refused_is_given_up_and_another_looked_for_at_once() {
    for phase in ["renewing", "rebinding", "rebooting"] {
        let mut conversation = Conversation::leased(|answer| answer);
        let (said, refuses) = match phase {
            "renewing" => (conversation.next(), SERVER),
            "rebinding" => {
                conversation.pass(seconds(530));
                (conversation.next(), OTHER)
            }
            _ => {
                conversation.client.link_returned(conversation.now);
                (conversation.next(), OTHER)
            }
        };
        assert!(conversation.hear(said.answer(NAK).from(refuses)), "{phase}");
        assert_eq!((conversation.address(), conversation.client.times()), (None, None));
        let discover = conversation.poll().expect("it is due at once");
        assert_eq!(discover.kind, DhcpMessageType::Discover);
        assert!(!conversation.hear(said.answer(NAK)), "that question is closed");
    }
}

#[test]
fn times_of_the_server_count_where_they_make_sense() {
    let times = |renew: u32, rebind: u32| {
        let change = |answer: Answer| answer.with(58, &renew.to_be_bytes()).with(59, &rebind.to_be_bytes());
        let times = Conversation::leased(change).client.times().expect("it has a lease");
        [times.renew, times.rebind, times.expire].map(|time| time.as_millis() / 1000)
    };
    assert_eq!(times(100, 200), [100, 200, 600]);
    assert_eq!(times(0, 0), [300, 525, 600]);
    assert_eq!(times(200, 100), [100, 100, 600], "never later than any server is asked");
    assert_eq!(times(500, 0), [500, 525, 600]);
    assert_eq!(times(525, 0), [300, 525, 600]);
    assert_eq!(times(700, 800), [300, 525, 600]);
    assert_eq!(times(0, 600), [300, 525, 600]);
    assert_eq!(times(0, u32::MAX), [300, 525, 600]);
}

#[test]
fn a_lease_without_an_end_is_left_alone() {
    let mut conversation = Conversation::leased(|answer| answer.lasting(u32::MAX));
    let never = Times { renew: Instant::MAX, rebind: Instant::MAX, expire: Instant::MAX };
    assert_eq!(conversation.client.times(), Some(never));
    assert_eq!(conversation.client.due(), None);
    conversation.pass(seconds(1 << 33));
    assert!(conversation.poll().is_none());
    assert_eq!(conversation.address(), Some(LEASED));
    conversation.client.link_returned(conversation.now);
    let asked = pauses(&mut conversation, TRIES.into());
    assert!(asked.iter().all(|(said, _)| said.requested == Some(LEASED)));
    assert!(conversation.until(conversation.now + seconds(1000)).is_none());
    assert_eq!((conversation.address(), conversation.client.due()), (Some(LEASED), None));
}

#[test]
fn the_longest_lease_with_an_end_ends() {
    let conversation = Conversation::leased(|answer| answer.lasting(u32::MAX - 1));
    let end = Instant::ZERO + seconds(u64::from(u32::MAX) - 1);
    assert_eq!(conversation.client.times().map(|times| times.expire), Some(end));
}

#[test]
fn a_lease_too_short_to_be_used_is_not_taken() {
    for short in [0, 1, LEASE_LEAST - 1] {
        let mut conversation = Conversation::new();
        let discover = conversation.next();
        assert!(!conversation.hear(discover.answer(OFFER).lasting(short)), "{short}");
        assert!(conversation.hear(discover.answer(OFFER)), "another server may do better");
        let request = conversation.next();
        assert!(!conversation.hear(request.answer(ACK).lasting(short)), "{short}");
    }
}

#[test]
fn a_short_lease_is_asked_for_twice_before_it_ends() {
    let mut conversation = Conversation::leased(|answer| answer.lasting(LEASE_LEAST));
    let told = pauses(&mut conversation, 3).into_iter().map(|(said, _)| (said.at.as_millis(), said.kind));
    let (request, discover) = (DhcpMessageType::Request, DhcpMessageType::Discover);
    assert_eq!(told.collect::<Vec<_>>(), [(5000, request), (9000, request), (10_000, discover)]);
}

#[test]
fn a_lease_of_unknown_length_lasts_an_hour() {
    let conversation = Conversation::leased(|answer| answer.without(51));
    let end = Some(Instant::ZERO + seconds(3600));
    assert_eq!(conversation.client.times().map(|times| times.expire), end);
    let mut conversation = Conversation::new();
    let discover = conversation.next();
    assert!(!conversation.hear(discover.answer(OFFER).with(51, &[1, 2, 3])), "that is no length");
}

#[test]
fn nothing_is_taken_that_was_not_asked_for() {
    let mut conversation = Conversation::new();
    let unasked = Said { transaction: 0, ..Conversation::new().next() };
    for kind in 0..=255 {
        assert!(!conversation.hear(unasked.answer(kind)), "nobody has asked");
    }
    let discover = conversation.next();
    for kind in (0..=255).filter(|kind| *kind != OFFER) {
        assert!(!conversation.hear(discover.answer(kind)), "{kind} is no offer");
    }
    for bit in 0..32 {
        let other = Said { transaction: discover.transaction ^ 1 << bit, ..discover.clone() };
        assert!(!conversation.hear(other.answer(OFFER)), "another transaction");
    }
    let mut message = discover.answer(OFFER).bytes();
    message[33] ^= 1;
    assert!(!conversation.client.receive(conversation.now, &message), "for another host");
    assert!(conversation.hear(discover.answer(OFFER)));
    let request = conversation.next();
    assert!(conversation.hear(request.answer(ACK)));
    for kind in 0..=255 {
        assert!(!conversation.hear(request.answer(kind)), "it has what it wants");
    }
    assert_eq!(conversation.address(), Some(LEASED));
}

#[test]
fn a_link_that_returns_has_the_lease_confirmed_while_it_is_in_use() {
    let mut conversation = Conversation::leased(|answer| answer);
    conversation.pass(seconds(100));
    conversation.client.link_returned(conversation.now);
    let question = conversation.poll().expect("it is due at once");
    assert_eq!(question.kind, DhcpMessageType::Request);
    // RFC 2131, table 5 and 4.3.2: nothing but the address says that the client knows no more of it.
    assert_eq!(
        (question.source, question.own, question.destination),
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
    );
    assert_eq!((question.requested, question.server), (Some(LEASED), None));
    assert_eq!(conversation.address(), Some(LEASED));
    assert!(conversation.hear(question.answer(ACK).from(OTHER).lasting(1000)));
    assert_eq!((conversation.address(), conversation.lease().server), (Some(LEASED), OTHER));
    assert_eq!(conversation.next().at, Instant::ZERO + seconds(600));
}

#[test]
fn a_lease_that_nobody_confirms_holds_for_its_time() {
    let mut conversation = Conversation::leased(|answer| answer);
    conversation.client.link_returned(conversation.now);
    let asked = pauses(&mut conversation, TRIES.into());
    assert!(asked.iter().all(|(said, _)| said.requested == Some(LEASED)));
    let last = &asked.last().expect("there were some").0;
    let renewal = conversation.next();
    assert_eq!((renewal.at, renewal.destination), (Instant::ZERO + seconds(300), SERVER));
    assert!(!conversation.hear(last.answer(NAK)), "that question is closed");
    assert_eq!(conversation.address(), Some(LEASED));
}

#[test]
fn a_lease_that_runs_out_while_it_is_asked_for_is_over() {
    let mut conversation = Conversation::leased(|answer| answer);
    conversation.pass(seconds(598));
    conversation.client.link_returned(conversation.now);
    let last = std::iter::from_fn(|| Some(conversation.next())).find(|said| said.requested.is_none());
    let discover = last.expect("the search begins");
    assert_eq!((discover.at, discover.kind), (Instant::ZERO + seconds(600), DhcpMessageType::Discover));
    assert_eq!(conversation.address(), None);
}

#[test]
fn a_link_that_returns_late_finds_the_lease_over() {
    let mut conversation = Conversation::leased(|answer| answer);
    conversation.pass(seconds(601));
    conversation.client.link_returned(conversation.now);
    assert_eq!(conversation.poll().map(|said| said.kind), Some(DhcpMessageType::Discover));
    assert_eq!(conversation.address(), None);
}

#[test]
fn a_link_that_returns_during_the_search_begins_it_anew() {
    for is_offered in [false, true] {
        let mut conversation = Conversation::new();
        let before = pauses(&mut conversation, 8).pop().expect("eight messages").0;
        if is_offered {
            assert!(conversation.hear(before.answer(OFFER)));
            conversation.next();
        }
        conversation.client.link_returned(conversation.now);
        assert!(!conversation.hear(before.answer(OFFER)), "from where the link was before");
        let discover = conversation.poll().expect("it is due at once");
        assert_eq!((discover.kind, discover.seconds), (DhcpMessageType::Discover, 0));
        assert!(discover.transaction != before.transaction);
        assert!(conversation.next().at <= discover.at + Duration::from_millis(1250));
    }
}

#[test]
fn a_link_that_returns_during_a_renewal_asks_everybody_and_the_renewal_goes_on_after_that() {
    let mut conversation = Conversation::leased(|answer| answer);
    let renewal = conversation.next();
    conversation.client.link_returned(conversation.now);
    assert!(!conversation.hear(renewal.answer(ACK)), "from where the link was before");
    let asked = pauses(&mut conversation, TRIES.into());
    assert!(asked.iter().all(|(said, _)| said.requested == Some(LEASED)));
    let again = conversation.next();
    assert_eq!((again.destination, again.requested), (SERVER, None));
    assert!(again.at < Instant::ZERO + seconds(320));
}

#[test]
fn a_machine_that_was_stopped_for_long_goes_on_where_it_has_to() {
    for (slept, kind, destination) in [
        (400, DhcpMessageType::Request, SERVER),
        (550, DhcpMessageType::Request, Ipv4Addr::BROADCAST),
        (600, DhcpMessageType::Discover, Ipv4Addr::BROADCAST),
        (1 << 40, DhcpMessageType::Discover, Ipv4Addr::BROADCAST),
    ] {
        let mut conversation = Conversation::leased(|answer| answer);
        conversation.pass(seconds(slept));
        let said = conversation.poll().expect("it is due at once");
        assert_eq!((said.kind, said.destination), (kind, destination));
        assert_eq!(conversation.address().is_some(), kind == DhcpMessageType::Request);
    }
}
