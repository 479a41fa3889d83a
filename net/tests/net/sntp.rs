//! The date from a server: what is believed of its answers, when it is asked, and the task over a wire.

use std::{cell::Cell, fs, path::Path, rc::Rc, time::Duration};

use unik_net::{
    Net,
    sntp::{AGREEMENT, Answer, Client, LEAP_LIMIT, LENGTH, PORT, Refusal, Sntp, TIMEOUT, question},
    wire::numbers,
};
use unik_sched::time::Instant;

use crate::world::{RIGHT, World, at, two};

const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// 2031-01-01 00:00 UTC.
const DATE: Duration = Duration::from_secs(1_924_992_000);
const ERA: u64 = 1 << 32;

/// A date as a timestamp.
fn timestamp(date: Duration) -> u64 {
    let seconds = (date.as_secs() + 2_208_988_800) % ERA;
    seconds << 32 | ((u64::from(date.subsec_nanos()) << 32) / 1_000_000_000)
}

/// The answer of a good server to `question`, received and sent at these dates.
fn answer(question: &[u8], received: Duration, sent: Duration) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    message[..4].copy_from_slice(&[4 << 3 | 4, 2, 6, 0xec]);
    message[24..32].copy_from_slice(&question[40..48]);
    message[32..40].copy_from_slice(&timestamp(received).to_be_bytes());
    message[40..].copy_from_slice(&timestamp(sent).to_be_bytes());
    message
}

fn good() -> [u8; LENGTH] {
    answer(&question(NONCE), DATE, DATE + Duration::from_millis(1))
}

/// The good answer with other bytes at `offset`.
fn with(offset: usize, bytes: &[u8]) -> [u8; LENGTH] {
    let mut message = good();
    message[offset..][..bytes.len()].copy_from_slice(bytes);
    message
}

fn parse(message: &[u8]) -> Result<Answer, Refusal> {
    Answer::parse(message, NONCE)
}

fn seconds(seconds: u64) -> Instant {
    Instant::from_millis(1_000 * seconds)
}

#[test]
fn the_question_tells_nothing_but_the_nonce() {
    let question = question(NONCE);
    assert_eq!(question[0], 0x23, "version 4, client");
    assert_eq!(question[1..40], [0; 39]);
    assert_eq!(question[40..], NONCE.to_be_bytes());
}

#[test]
fn a_good_answer_is_read() {
    let read = parse(&good()).unwrap();
    assert!(read.sent.abs_diff(DATE + Duration::from_millis(1)) < Duration::from_nanos(2));
    assert!(read.held.abs_diff(Duration::from_millis(1)) < Duration::from_nanos(2));
    assert!(parse(&with(0, &[3 << 3 | 4])).is_ok(), "version 3 is good as well");
    let mut longer = good().to_vec();
    longer.extend([0; 20]);
    assert_eq!(parse(&longer), Ok(read), "a digest behind it is not looked at");
}

#[test]
fn what_answers_no_question_of_ours_is_foreign() {
    for length in 0..LENGTH {
        assert_eq!(parse(&good()[..length]), Err(Refusal::Foreign));
    }
    for mode in [0, 1, 2, 3, 5, 6, 7] {
        assert_eq!(parse(&with(0, &[4 << 3 | mode])), Err(Refusal::Foreign), "mode {mode}");
    }
    for version in [0, 1, 2, 5, 6, 7] {
        assert_eq!(parse(&with(0, &[version << 3 | 4])), Err(Refusal::Foreign), "version {version}");
    }
    for bit in 0..64 {
        assert_eq!(Answer::parse(&good(), NONCE ^ 1 << bit), Err(Refusal::Foreign), "originate timestamp");
    }
    assert_eq!(parse(&question(NONCE)), Err(Refusal::Foreign), "our own question");
}

#[test]
fn a_server_without_a_source_is_not_believed() {
    assert_eq!(parse(&with(0, &[3 << 6 | 4 << 3 | 4])), Err(Refusal::Unsynchronized), "leap indicator");
    for stratum in [16, 17, 255] {
        assert_eq!(parse(&with(1, &[stratum])), Err(Refusal::Unsynchronized), "stratum {stratum}");
    }
    assert!(parse(&with(1, &[15])).is_ok());
    assert_eq!(parse(&with(8, &[0, 16, 0, 0])), Err(Refusal::Unsynchronized), "dispersion");
    assert_eq!(parse(&with(4, &[0, 32, 0, 0])), Err(Refusal::Unsynchronized), "delay");
    assert_eq!(parse(&with(4, &[0xff; 8])), Err(Refusal::Unsynchronized), "the sum does not wrap");
}

#[test]
fn a_kiss_of_death_says_what_it_wants() {
    let kiss = |code: &[u8]| {
        let mut message = with(12, code);
        message[1] = 0;
        message
    };
    assert_eq!(parse(&kiss(b"DENY")), Err(Refusal::Denied));
    assert_eq!(parse(&kiss(b"RSTR")), Err(Refusal::Denied));
    assert_eq!(parse(&kiss(b"RATE")), Err(Refusal::Slower));
    assert_eq!(parse(&kiss(b"INIT")), Err(Refusal::Unsynchronized));
    assert_eq!(Answer::parse(&kiss(b"DENY"), 1), Err(Refusal::Foreign), "nobody else can silence us");
}

#[test]
fn the_era_ends_in_2036_and_the_date_goes_on() {
    // 2036-02-07 06:28:16 UTC
    let wrap = Duration::from_secs(ERA - 2_208_988_800);
    for date in
        [wrap - Duration::from_secs(1), wrap + Duration::from_secs(1), wrap + Duration::from_secs(1 << 30)]
    {
        let read = parse(&answer(&question(NONCE), date, date)).unwrap();
        assert_eq!(read.sent, date);
    }
    let (before, after) = (wrap - Duration::from_millis(500), wrap + Duration::from_millis(500));
    assert_eq!(parse(&answer(&question(NONCE), before, after)).unwrap().held, Duration::from_secs(1));
}

#[test]
fn times_that_cannot_be_are_absurd() {
    for offset in [32, 40] {
        assert_eq!(parse(&with(offset, &[0; 8])), Err(Refusal::Absurd), "not known");
        assert_eq!(parse(&with(offset, &[0x80, 0, 0, 0])), Err(Refusal::Absurd), "1968");
        assert_eq!(parse(&with(offset, &[0xe0, 0, 0, 0])), Err(Refusal::Absurd), "2019");
    }
    let backwards = answer(&question(NONCE), DATE, DATE - Duration::from_nanos(10));
    assert_eq!(parse(&backwards), Err(Refusal::Absurd), "sent before it was received");
}

/// Asks at `from`, is answered at `to` by a server that shows `date` and held the question for `held`.
fn exchange(
    client: &mut Client,
    from: Instant,
    to: Instant,
    date: Duration,
    held: Duration,
) -> Result<(), Refusal> {
    let question = client.ask(from, NONCE);
    client.answer(to, &answer(&question, date - held, date))
}

#[test]
fn half_of_the_way_is_added_to_the_date() {
    let mut client = Client::new();
    assert_eq!(client.date(seconds(5)), None);
    let (sent, came) = (Instant::from_millis(10_000), Instant::from_millis(10_500));
    exchange(&mut client, sent, came, DATE, Duration::from_millis(100)).unwrap();
    let date = client.date(came).unwrap();
    assert!(date.abs_diff(DATE + Duration::from_millis(200)) < Duration::from_micros(1), "{date:?}");
    assert_eq!(client.date(came + Duration::from_secs(9)).unwrap(), date + Duration::from_secs(9));
}

#[test]
fn one_question_has_one_answer() {
    let mut client = Client::new();
    assert_eq!(client.answer(seconds(1), &good()), Err(Refusal::Foreign), "nothing was asked");
    let message = answer(&client.ask(seconds(1), NONCE), DATE, DATE);
    let forged = answer(&question(NONCE ^ 1), DATE * 2, DATE * 2);
    assert_eq!(client.answer(seconds(1), &forged), Err(Refusal::Foreign));
    assert_eq!(client.answer(seconds(1), &message), Ok(()), "the forged one did not end the question");
    assert_eq!(client.answer(seconds(2), &message), Err(Refusal::Foreign), "a copy");
}

#[test]
fn a_server_that_held_the_question_longer_than_it_was_away_is_absurd() {
    let mut client = Client::new();
    let (sent, came) = (seconds(10), Instant::from_millis(10_100));
    let held = Duration::from_millis(101);
    assert_eq!(exchange(&mut client, sent, came, DATE, held), Err(Refusal::Absurd));
    let late = sent + TIMEOUT + Duration::from_millis(1);
    assert_eq!(
        exchange(&mut client, sent, late, DATE, Duration::ZERO),
        Err(Refusal::Absurd),
        "too long a way"
    );
    assert_eq!(client.date(late), None);
}

#[test]
fn a_leap_takes_three_answers_in_a_row() {
    let mut client = Client::new();
    let mut ask = |moment, date| {
        let outcome = exchange(&mut client, seconds(moment), seconds(moment), date, Duration::ZERO);
        (outcome, client.date(seconds(moment)).unwrap())
    };
    let far = DATE + LEAP_LIMIT + Duration::from_secs(100);
    assert_eq!(ask(0, DATE), (Ok(()), DATE));
    let near = DATE - Duration::from_secs(900);
    assert_eq!(ask(0, near), (Ok(()), near), "a small step, also back, is taken at once");
    assert_eq!(ask(0, far), (Err(Refusal::Leap), near));
    assert_eq!(ask(0, far), (Err(Refusal::Leap), near));
    assert_eq!(ask(0, near), (Ok(()), near), "that was no row of three");
    assert_eq!(ask(0, far), (Err(Refusal::Leap), near));
    assert_eq!(ask(1, far).0, Err(Refusal::Leap));
    assert_eq!(ask(2, far + Duration::from_secs(2)), (Ok(()), far + Duration::from_secs(2)));
}

#[test]
fn three_answers_that_contradict_each_other_make_no_leap() {
    let mut client = Client::new();
    let mut ask = |date| exchange(&mut client, seconds(1), seconds(1), date, Duration::ZERO);
    let far = |leaps: u32| DATE + leaps * 2 * LEAP_LIMIT;
    assert_eq!(ask(DATE), Ok(()));
    for leaps in [1, 2, 3, 1, 1, 2, 2] {
        assert_eq!(ask(far(leaps)), Err(Refusal::Leap), "{leaps}");
    }
    assert_eq!(ask(far(2)), Ok(()), "the last three agree");
}

#[test]
fn answers_that_drift_away_from_the_first_of_the_row_make_no_leap() {
    let mut client = Client::new();
    let mut ask = |date| exchange(&mut client, seconds(1), seconds(1), date, Duration::ZERO);
    let far = DATE + 2 * LEAP_LIMIT;
    assert_eq!(ask(DATE), Ok(()));
    assert_eq!(ask(far), Err(Refusal::Leap));
    assert_eq!(ask(far + AGREEMENT), Err(Refusal::Leap));
    assert_eq!(ask(far + 2 * AGREEMENT), Err(Refusal::Leap), "near the second, but not near the first");
}

#[test]
fn what_comes_between_breaks_the_row_of_a_leap() {
    let unset = |client: &mut Client| {
        let mut message = answer(&client.ask(seconds(1), NONCE), DATE, DATE);
        message[0] |= 3 << 6;
        assert_eq!(client.answer(seconds(1), &message), Err(Refusal::Unsynchronized));
    };
    let absurd = |client: &mut Client| {
        let held = Duration::from_secs(9);
        assert_eq!(exchange(client, seconds(1), seconds(1), DATE, held), Err(Refusal::Absurd));
    };
    let unanswered = |client: &mut Client| {
        client.ask(seconds(1), NONCE);
        client.pause(0);
    };
    let breaks: [&dyn Fn(&mut Client); 3] = [&unset, &absurd, &unanswered];
    for (number, between) in breaks.into_iter().enumerate() {
        let mut client = Client::new();
        let far = DATE + 2 * LEAP_LIMIT;
        let ask = |client: &mut Client, date| exchange(client, seconds(1), seconds(1), date, Duration::ZERO);
        assert_eq!(ask(&mut client, DATE), Ok(()));
        for _ in 0..2 {
            assert_eq!(ask(&mut client, far), Err(Refusal::Leap));
            client.pause(0);
        }
        between(&mut client);
        for _ in 0..2 {
            assert_eq!(ask(&mut client, far), Err(Refusal::Leap), "after {number}");
            client.pause(0);
        }
        assert_eq!(ask(&mut client, far), Ok(()));
    }
}

#[test]
fn pauses_grow_after_failures_and_after_successes_and_have_a_limit() {
    let mut client = Client::new();
    let mut failed = Vec::new();
    for _ in 0..9 {
        client.ask(seconds(1), NONCE);
        failed.push(client.pause(0).unwrap().as_secs());
    }
    assert_eq!(failed, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
    let mut good = Vec::new();
    for _ in 0..6 {
        exchange(&mut client, seconds(1), seconds(1), DATE, Duration::ZERO).unwrap();
        good.push(client.pause(0).unwrap().as_secs());
    }
    assert_eq!(good, [64, 128, 256, 512, 1024, 1024]);
    client.ask(seconds(1), NONCE);
    assert_eq!(client.pause(0).unwrap().as_secs(), 16, "a failure begins anew");
}

#[test]
fn pauses_are_spread_by_a_quarter_and_never_shorter() {
    for random in [0, 1, 3_999, 4_000, u64::MAX / 2, u64::MAX] {
        let mut client = Client::new();
        client.ask(seconds(1), NONCE);
        let pause = client.pause(random).unwrap();
        assert!((Duration::from_secs(16)..Duration::from_secs(20)).contains(&pause), "{pause:?}");
    }
}

#[test]
fn a_server_that_denies_is_asked_no_more_and_one_that_is_tired_seldom() {
    for (code, pause) in [(b"RATE", Some(Duration::from_secs(1024))), (b"DENY", None)] {
        let mut client = Client::new();
        let question = client.ask(seconds(1), NONCE);
        let mut message = answer(&question, DATE, DATE);
        message[1] = 0;
        message[12..16].copy_from_slice(code);
        assert!(client.answer(seconds(1), &message).is_err());
        assert_eq!(client.pause(0), pause);
    }
}

#[test]
fn the_corpus_of_answers_does_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/sntp_answer");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 4, "the corpus is there");
    for message in files {
        let nonce = message.get(24..32).map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
        let mut client = Client::new();
        client.ask(seconds(1), nonce);
        let believed = client.answer(seconds(2), &message).is_ok();
        assert_eq!(believed, client.date(seconds(3)).is_some());
    }
}

/// A server on the right stack: `reply` makes what is sent back for a question and the date of its coming.
async fn serve(
    net: Net,
    world_start: Duration,
    reply: impl Fn(&[u8], Duration) -> Vec<Vec<u8>>,
    now: impl Fn() -> Instant,
) {
    let mut socket = net.udp(PORT).await.unwrap();
    let mut datagram = [0; 100];
    loop {
        let (length, peer) = socket.receive_from(&mut datagram).await.unwrap();
        let date = world_start + now().duration_since(Instant::from_nanos(0));
        for message in reply(&datagram[..length], date) {
            socket.send_to(&message, peer).await.unwrap();
        }
    }
}

/// The left stack asks the right one.
fn client(world: &World, left: &Net) -> Sntp {
    let (sntp, driver) = Sntp::new(left.clone(), at(RIGHT, PORT), world.time.clone(), numbers(7));
    world.spawn("sntp", driver.run());
    sntp
}

#[test]
fn the_date_is_learned_over_a_wire_and_forged_answers_change_nothing() {
    let (mut world, left, right) = two();
    let time = world.time.clone();
    let forge = |question: &[u8], date| {
        let mut other = question.to_vec();
        other[47] ^= 1;
        vec![vec![], answer(&other, DATE / 2, DATE / 2).to_vec(), answer(question, date, date).to_vec()]
    };
    let now = world.time.clone();
    world.spawn("server", serve(right, DATE, forge, move || now.now()));
    let sntp = client(&world, &left);
    world.run(async {
        sntp.learned().await;
        // Whoever else waits is told as well.
        sntp.learned().await;
        let truth = DATE + time.now().duration_since(Instant::from_nanos(0));
        assert!(sntp.date().unwrap().abs_diff(truth) < Duration::from_millis(1));
    });
    assert_eq!((sntp.counters().foreign.get(), sntp.counters().believed.get()), (2, 1));
}

#[test]
fn a_server_that_is_silent_at_first_is_asked_again() {
    let (mut world, left, right) = two();
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let reply = move |question: &[u8], date| {
        count.set(count.get() + 1);
        if count.get() < 3 { vec![] } else { vec![answer(question, date, date).to_vec()] }
    };
    let now = world.time.clone();
    world.spawn("server", serve(right, DATE, reply, move || now.now()));
    let (sntp, time) = (client(&world, &left), world.time.clone());
    world.run(async {
        sntp.learned().await;
        let passed = time.now().duration_since(Instant::from_nanos(0)).as_secs();
        // Two timeouts and pauses of 16 to 20 and 32 to 40 seconds.
        assert!((52..=65).contains(&passed), "{passed}");
    });
    assert_eq!((asked.get(), sntp.counters().unanswered.get()), (3, 2));
}

#[test]
fn a_flood_of_forged_answers_is_looked_at_within_bounds() {
    let (mut world, left, right) = two();
    let reply = |question: &[u8], date: Duration| {
        vec![answer(&[0; LENGTH], date, date).to_vec(); 40 * usize::from(question.len() == LENGTH)]
    };
    let now = world.time.clone();
    world.spawn("server", serve(right, DATE, reply, move || now.now()));
    let (sntp, time) = (client(&world, &left), world.time.clone());
    world.run(async { time.sleep(Duration::from_secs(10)).await });
    assert_eq!(sntp.date(), None);
    assert_eq!((sntp.counters().foreign.get(), sntp.counters().unanswered.get()), (16, 1));
}
