//! What is limited, when, and for whom.

use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::{HashMap, HashSet};
use std::println;
use std::vec::Vec;

const SECRET: [u8; 16] = *b"a secret of ours";

fn limiter(rate: u16, slip: u8) -> Limiter {
    Limiter::try_new(Limit { rate, slip }, SECRET).unwrap()
}

fn network(address: &str) -> Network {
    Network::of(address.parse().unwrap())
}

/// The subject of a number, whatever it is about.
fn subject(number: u64) -> Subject {
    Subject(number)
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(1_000_000 + millis)
}

/// How many of `count` answers at `now` are sent.
fn sent(limiter: &Limiter, now: Instant, to: Network, on: Subject, count: usize) -> usize {
    (0..count).filter(|_| limiter.judge(now, to, on) == Verdict::Send).count()
}

#[test]
fn the_answers_of_a_second_may_come_at_once_and_no_more() {
    let to = network("192.0.2.1");
    for rate in [1, 2, 3, 7, 200, 333, 9_999, 10_000] {
        let limiter = limiter(rate, 2);
        assert_eq!(sent(&limiter, at(0), to, subject(1), 20_000), usize::from(rate), "at {rate}");
    }
}

#[test]
fn who_keeps_to_the_rate_is_never_limited() {
    let (limiter, to) = (limiter(200, 2), network("192.0.2.1"));
    for query in 0..100_000 {
        assert_eq!(limiter.judge(at(query * 5), to, subject(1)), Verdict::Send, "answer {query}");
    }
    // Nor in bursts.
    for second in 0..1_000 {
        assert_eq!(sent(&limiter, at(600_000 + 1_000 * second), to, subject(1), 200), 200, "{second}");
    }
}

#[test]
fn a_flood_gets_nothing_while_it_lasts_and_answers_again_some_seconds_later() {
    let (limiter, to) = (limiter(200, 0), network("192.0.2.1"));
    // Five times the rate for a minute.
    let sent = |from: u64, to_millis: u64| {
        (from..to_millis).filter(|&milli| limiter.judge(at(milli), to, subject(1)) == Verdict::Send).count()
    };
    let begun = sent(0, 1_000);
    assert!((200..=250).contains(&begun), "{begun} in the first second");
    assert_eq!(sent(1_000, 60_000), 0);
    // A question a second costs little; four seconds after the flood there is an answer.
    let waits: Vec<Verdict> =
        (1..=6).map(|second| limiter.judge(at(60_000 + 1_000 * second), to, subject(1))).collect();
    assert_eq!(waits[..3], [Verdict::Drop; 3]);
    assert_eq!(waits[4..], [Verdict::Send; 2]);
}

#[test]
fn each_limited_answer_of_so_many_is_truncated() {
    use Verdict::{Drop, Slip};
    for (slip, expected) in [
        (0, [Drop, Drop, Drop, Drop, Drop, Drop]),
        (1, [Slip, Slip, Slip, Slip, Slip, Slip]),
        (2, [Drop, Slip, Drop, Slip, Drop, Slip]),
        (3, [Drop, Drop, Slip, Drop, Drop, Slip]),
    ] {
        let (limiter, to) = (limiter(10, slip), network("192.0.2.1"));
        assert_eq!(sent(&limiter, at(0), to, subject(1), 10), 10);
        assert_eq!([(); 6].map(|()| limiter.judge(at(0), to, subject(1))), expected, "slip {slip}");
    }
}

#[test]
fn an_address_stands_for_its_network() {
    for (one, other, is_same) in [
        ("192.0.2.1", "192.0.2.254", true),
        ("192.0.2.1", "192.0.3.1", false),
        ("2001:db8:0:aa00::1", "2001:db8:0:aaff:ffff::", true),
        ("2001:db8:0:aa00::1", "2001:db8:0:ab00::1", false),
        ("2001:db8::1", "2001:db9::1", false),
        ("0.0.0.0", "::", false),
    ] {
        assert_eq!(network(one) == network(other), is_same, "{one} and {other}");
        let limiter = limiter(1, 0);
        assert_eq!(sent(&limiter, at(0), network(one), subject(1), 1), 1);
        assert_eq!(sent(&limiter, at(0), network(other), subject(1), 1), usize::from(!is_same));
    }
}

#[test]
fn answers_are_counted_by_class_zone_and_name() {
    let zone = |name: &str| {
        let text = std::format!("$ORIGIN {name}.\n$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n");
        Zone::parse("a.zone", text.leak().as_bytes()).unwrap()
    };
    let zones = [zone("one"), zone("two")];
    let classes = [
        Class::of_answer(Kind::A),
        Class::of_answer(Kind::ANY),
        Class::of_answer(Kind::DNSKEY),
        Class::Empty,
        Class::Referral,
        Class::NameError,
    ];
    let mut subjects = HashSet::from([Subject::ERROR.0]);
    for zone in &zones {
        for node in zone.tree.nodes() {
            for class in classes {
                assert!(subjects.insert(Subject::new(class, zone, node).0), "{class:?} of {node:?}");
            }
        }
    }
    assert_eq!(Class::of_answer(Kind::A), Class::of_answer(Kind::AAAA), "types do not multiply answers");
    assert_eq!(Class::of_answer(Kind::ANY), Class::of_answer(Kind::RRSIG));
    let (limiter, to) = (limiter(1, 0), network("192.0.2.1"));
    for &number in &subjects {
        assert_eq!(sent(&limiter, at(0), to, Subject(number), 5), 1);
    }
}

#[test]
fn however_long_nobody_asked_nothing_is_owed() {
    let (limiter, to) = (limiter(5, 0), network("192.0.2.1"));
    let mut now = Instant::ZERO;
    // Hours, years, centuries, and times at which 32 bits of seconds, milliseconds or nanoseconds come round.
    for shift in 0..62 {
        assert_eq!(sent(&limiter, now, to, subject(1), 5_000), 5, "at {now:?}");
        now += Duration::from_secs(6) + Duration::from_nanos(1 << shift);
    }
    // At the end of time all that counts is that there is a verdict.
    limiter.judge(Instant::MAX, to, subject(1));
    limiter.judge(Instant::from_nanos(1 << 63), to, subject(1));
    // A clock that was set back costs no more than a flood does.
    assert_eq!(sent(&limiter, at(0), to, subject(1), 1), 0);
    assert_eq!(sent(&limiter, at(5_001), to, subject(1), 1), 1);
}

#[test]
fn who_owes_most_is_not_forgotten_for_newcomers() {
    let limiter = Limiter::with_sets(1, Limit { rate: 10, slip: 0 }, SECRET).unwrap();
    let flooded = network("192.0.2.1");
    assert_eq!(sent(&limiter, at(0), flooded, subject(0), 1_000), 10);
    for newcomer in 1..1_000 {
        assert_eq!(sent(&limiter, at(0), flooded, subject(newcomer), 20), 10, "newcomers owe nothing");
        assert_eq!(sent(&limiter, at(0), flooded, subject(0), 1), 0, "after {newcomer} of them");
    }
    // Once it has paid, it is as good as any.
    assert_eq!(sent(&limiter, at(6_000), flooded, subject(1), 1), 1);
    assert_eq!(sent(&limiter, at(6_000), flooded, subject(2), 1), 1);
    assert_eq!(sent(&limiter, at(6_000), flooded, subject(0), 20), 10);
}

#[test]
fn networks_and_names_that_follow_one_another_spread_over_the_table() {
    for secret in [SECRET, [0x55; 16], *b"\x01\x23\x45\x67\x89\xab\xcd\xef0123456\0"] {
        let limiter = Limiter::try_new(Limit { rate: 1, slip: 0 }, secret).unwrap();
        let v4 = |number: u32| Network::of(Ipv4Addr::from(number << 8).into());
        let v6 = |number: u32| Network::of(Ipv6Addr::from(u128::from(number) << 72 | 0x2001 << 112).into());
        let families: [&dyn Fn(u32) -> (Network, Subject); 4] = [
            &|number| (v4(number), subject(1 << 40 | 7)),
            &|number| (v6(number), subject(1 << 40 | 7)),
            &|number| (v4(1), subject(u64::from(number) | 1 << 40)),
            &|number| (v4(number & 0xff), subject(u64::from(number >> 8) | 1 << 40)),
        ];
        for (place, family) in families.iter().enumerate() {
            let mut hashes = HashSet::new();
            let mut sets = HashMap::<u64, usize>::new();
            for number in 0..BUCKETS as u32 / 2 {
                let (network, subject) = family(number);
                let hash = limiter.hash(network, subject);
                assert!(hashes.insert(hash));
                *sets.entry(hash % (BUCKETS as u64 / 2)).or_default() += 1;
            }
            // One key for each set: by chance 63 % of the sets have one, and hardly any has a dozen.
            assert!(sets.len() > BUCKETS / 2 * 55 / 100, "family {place}: {} sets", sets.len());
            assert!(sets.values().all(|&keys| keys < 16), "family {place}");
        }
    }
}

/// The same by a leaky bucket for each key, which are never too many: parts of answers that are owed.
struct Model {
    rate: u128,
    slip: u32,
    keys: HashMap<(u64, u64), (u128, Instant, u32)>,
}

/// Parts of an answer.
const PARTS: u128 = 1_000_000_000;

impl Model {
    fn judge(&mut self, now: Instant, network: Network, subject: Subject) -> Verdict {
        let (owed, then, limited) = self.keys.entry((network.0, subject.0)).or_insert((0, now, 0));
        let paid = now.duration_since(*then).as_nanos() * self.rate;
        *then = now;
        *owed = owed.saturating_sub(paid).min(MOST.as_secs() as u128 * self.rate * PARTS) + PARTS;
        if *owed <= self.rate * PARTS {
            return Verdict::Send;
        }
        *limited += 1;
        if self.slip > 0 && *limited % self.slip == 0 { Verdict::Slip } else { Verdict::Drop }
    }
}

#[test]
fn whatever_comes_when_the_verdicts_are_those_of_a_leaky_bucket() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut random = unik_testkit::Random::new(seed);
        // Rates at which an answer costs whole nanoseconds.
        let rate = [1, 5, 10, 200, 1_000, 10_000][random.below(6)];
        let slip = random.below(4) as u8;
        let limiter = limiter(rate, slip);
        let mut model = Model { rate: rate.into(), slip: slip.into(), keys: HashMap::new() };
        let networks = ["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8:0:100::"].map(network);
        let mut now = Instant::from_nanos(random.below(1 << 40) as u64);
        let mut verdicts = [0; 3];
        for step in 0..5_000 {
            let most = [0, 1_000_000_000 / usize::from(rate), 100_000_000, 7_000_000_000];
            let most = most[[0, 0, 1, 1, 1, 1, 2, 3][random.below(8)]];
            // Long pauses are rare, for something is to be limited.
            if most < 1_000_000_000 || random.below(50) == 0 {
                now += Duration::from_nanos(random.below(most + 1) as u64);
            }
            let to = networks[random.below(4)];
            let on = subject(random.below(3) as u64);
            let verdict = limiter.judge(now, to, on);
            assert_eq!(verdict, model.judge(now, to, on), "step {step}");
            verdicts[verdict as usize] += 1;
        }
        assert!(verdicts[0] > 0, "{verdicts:?}");
    }
}

#[test]
fn no_network_gets_more_than_a_burst_and_the_rate() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = unik_testkit::Random::new(seed);
        let rate = 1 + random.below(300) as u16;
        let (limiter, to) = (limiter(rate, 2), network("192.0.2.1"));
        let mut now = at(0);
        let (mut sent, mut peak) = (Vec::new(), 0);
        while now < at(30_000) {
            now += Duration::from_micros(random.below(20_000) as u64);
            for _ in 0..random.below(30) {
                if limiter.judge(now, to, subject(1)) == Verdict::Send {
                    sent.push(now);
                }
            }
            let last_second = sent.iter().rev().take_while(|then| **then + BURST > now).count();
            peak = peak.max(last_second);
        }
        assert!(peak <= 2 * usize::from(rate), "{peak} in a second at {rate}");
        let whole = usize::from(rate) * 31 + 1;
        assert!(sent.len() <= whole, "{} in 30 seconds at {rate}", sent.len());
    }
}
