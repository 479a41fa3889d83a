//! Any message at all, taken for the answer of a name server to the question that it repeats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unik_net::resolver::{Cache, Kind, Name, NameError, Question, Refusal};
use unik_sched::time::{Duration, Instant};

fuzz_target!(|message: &[u8]| {
    let number = message.first_chunk().map_or(0, |number| u16::from_be_bytes(*number));
    let Some((name, end)) = Name::read(message, 12).or(Name::parse("a").map(|name| (name, 0))) else {
        return;
    };
    let kind = if message.get(end + 1) == Some(&28) { Kind::Six } else { Kind::Four };
    let question = Question { number, name, kind, is_extended: true };
    let answer = match question.read(message) {
        Ok(answer) => answer,
        Err(refusal) => return assert_ne!(refusal, Refusal::Silent),
    };
    assert!(answer.seconds <= 86_400);
    match answer.outcome {
        Ok(addresses) => {
            assert!((1..=8).contains(&addresses.len()));
            assert!(addresses.iter().all(|address| address.is_ipv6() == (kind == Kind::Six)));
        }
        Err(error) => {
            assert!(matches!(error, NameError::Unknown | NameError::NoAddress) && answer.seconds <= 3_600)
        }
    }
    let (mut cache, now) = (Cache::new(), Instant::from_millis(5_000));
    cache.keep(now, &name, kind, &answer);
    let kept = (answer.seconds > 0).then_some(answer.outcome);
    assert_eq!(cache.find(now, &name, kind), kept);
    assert_eq!(cache.find(now + Duration::from_secs(answer.seconds.into()), &name, kind), None);
});
