//! Names and addresses: the wire format, whom to ask for what, what is kept, and the resolver over a wire.

use std::{cell::RefCell, fs, net::IpAddr, net::SocketAddr, path::Path, rc::Rc, time::Duration};

use embedded_io_async::{Read, Write};
use unik_net::{
    Error, Net, Six,
    resolver::{
        ALIAS_LIMIT, Answer, Attempts, Cache, ENTRY_LIMIT, Given, Kind, Name, NameError, PORT,
        QUESTION_LIMIT, Question, Refusal, Resolver, Settings,
    },
    wire::{Conditions, numbers},
};
use unik_sched::time::Instant;

use crate::world::{LEFT, RIGHT, World, at, fixed, two};

const FOUND: u8 = 0;
const REFUSED: u8 = 5;
const UNKNOWN: u8 = 3;
const ALIAS: u16 = 5;
const AUTHORITY: u16 = 6;
const NAME_SERVER: u16 = 2;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn four(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn six(last: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])
}

fn question(text: &str, kind: Kind) -> Question {
    Question { number: 0x1234, name: name(text), kind, is_extended: true }
}

fn written(question: &Question) -> Vec<u8> {
    let mut message = [0; QUESTION_LIMIT];
    let length = question.write(&mut message);
    message[..length].to_vec()
}

/// A record of the Internet.
fn record(owner: &str, kind: u16, seconds: u32, data: &[u8]) -> Vec<u8> {
    let mut record = name(owner).as_bytes().to_vec();
    record.extend(kind.to_be_bytes());
    record.extend([0, 1]);
    record.extend(seconds.to_be_bytes());
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

fn address(owner: &str, seconds: u32, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => record(owner, 1, seconds, &address.octets()),
        IpAddr::V6(address) => record(owner, 28, seconds, &address.octets()),
    }
}

fn alias(owner: &str, target: &str) -> Vec<u8> {
    record(owner, ALIAS, 500, name(target).as_bytes())
}

/// The authority of a zone, which says for how long names are known not to exist.
fn authority(seconds: u32, least: u32) -> Vec<u8> {
    let mut data = [name("ns.example").as_bytes(), name("root.example").as_bytes(), &[0; 16]].concat();
    data.extend(least.to_be_bytes());
    record("example", AUTHORITY, seconds, &data)
}

/// The answer to a question as it came over the wire.
fn reply(asked: &[u8], code: u8, answers: &[Vec<u8>], authorities: &[Vec<u8>]) -> Vec<u8> {
    let end = asked.len() - 11 * usize::from(asked[11]);
    let mut message = asked[..2].to_vec();
    message.extend([0x81, 0x80 | code, 0, 1]);
    message.extend((answers.len() as u16).to_be_bytes());
    message.extend((authorities.len() as u16).to_be_bytes());
    message.extend([0, 0]);
    message.extend(&asked[12..end]);
    message.extend(answers.concat());
    message.extend(authorities.concat());
    message
}

fn read(answers: &[Vec<u8>], authorities: &[Vec<u8>]) -> Result<Answer, Refusal> {
    let question = question("www.example", Kind::Four);
    question.read(&reply(&written(&question), FOUND, answers, authorities))
}

fn absent(code: u8, authorities: &[Vec<u8>]) -> Result<Answer, Refusal> {
    let question = question("www.example", Kind::Four);
    question.read(&reply(&written(&question), code, &[], authorities))
}

#[test]
fn a_question_is_that_of_the_standard() {
    let expected =
        b"\x124\x01\0\0\x01\0\0\0\0\0\x01\x03www\x07example\0\0\x1c\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
    assert_eq!(written(&question("WWW.Example", Kind::Six)), expected);
    let plain = Question { is_extended: false, ..question("a", Kind::Four) };
    assert_eq!(written(&plain), b"\x124\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
}

#[test]
fn names_are_those_of_hosts() {
    for good in ["a", "a.", "xn--caf-dma.example", "_dns.example", "3com.example", "1.2.a", &"a.".repeat(126)]
    {
        assert!(Name::parse(good).is_some(), "{good}");
    }
    let long = "a".repeat(64);
    for bad in [
        "",
        ".",
        "a..b",
        ".a",
        "a b",
        "a..",
        "caf\u{e9}",
        "1.2.3",
        "999.1.1.1",
        "12",
        &long,
        &"a.".repeat(128),
    ] {
        assert!(Name::parse(bad).is_none(), "{bad}");
    }
    assert_eq!(name("EXAMPLE").as_bytes(), b"\x07example\0");
    assert_eq!(name(&"a.".repeat(127)).as_bytes().len(), 255);
}

#[test]
fn pointers_lead_back_and_end() {
    let message = b"\x01a\0\x01b\xc0\0\xc0\x03\xc0\x09\x01c\xc0\x0b\x40\xc0";
    assert_eq!(Name::read(message, 7), Some((name("b.a"), 9)));
    assert_eq!(Name::read(message, 3), Some((name("b.a"), 7)));
    for bad in [9, 11, 15, 16, 17, 100] {
        assert_eq!(Name::read(message, bad), None, "{bad}");
    }
    let endless = [&[63; 64][..], &[63; 64], &[63; 64], &[63; 64], &[0]].concat();
    assert_eq!(Name::read(&endless, 0), None, "longer than a name may be");
}

#[test]
fn addresses_are_read_with_the_least_of_their_times() {
    let answer =
        read(&[address("www.example", 300, four(1)), address("www.example", 200, four(2))], &[]).unwrap();
    assert_eq!((&*answer.outcome.unwrap(), answer.seconds), (&[four(1), four(2)][..], 200));
    let other = [
        address("other.example", 1, four(9)),
        address("WWW.example", 300, four(1)),
        address("www.example", 5, six(1)),
    ];
    let answer = read(&other, &[]).unwrap();
    assert_eq!(
        (&*answer.outcome.unwrap(), answer.seconds),
        (&[four(1)][..], 300),
        "whose name and kind were asked for"
    );
    let many: Vec<_> = (0..60).map(|last| address("www.example", 300, four(last))).collect();
    assert_eq!(read(&many, &[]).unwrap().outcome.unwrap().len(), 8);
}

#[test]
fn no_time_is_longer_than_a_day_and_a_negative_one_is_none() {
    for (seconds, kept) in
        [(0, 0), (86_400, 86_400), (86_401, 86_400), (i32::MAX as u32, 86_400), (1 << 31, 0)]
    {
        assert_eq!(read(&[address("www.example", seconds, four(1))], &[]).unwrap().seconds, kept);
    }
}

#[test]
fn aliases_are_followed_in_any_order_and_not_for_ever() {
    let chain = [
        address("c.example", 900, four(7)),
        alias("b.example", "c.example"),
        alias("www.example", "b.example"),
    ];
    let answer = read(&chain, &[]).unwrap();
    assert_eq!((&*answer.outcome.unwrap(), answer.seconds), (&[four(7)][..], 500));
    let circle = [alias("www.example", "b.example"), alias("b.example", "www.example")];
    assert_eq!(read(&circle, &[]), Err(Refusal::Malformed));
    let long = |length: usize| {
        let name = |number| if number == 0 { "www.example".into() } else { format!("h{number}.example") };
        let mut chain: Vec<_> = (0..length).map(|number| alias(&name(number), &name(number + 1))).collect();
        chain.push(address(&name(length), 900, four(7)));
        read(&chain, &[])
    };
    assert!(long(ALIAS_LIMIT).is_ok());
    assert_eq!(long(ALIAS_LIMIT + 1), Err(Refusal::Malformed));
    let nowhere = read(&[alias("www.example", "gone.example")], &[]).unwrap();
    assert_eq!(nowhere, Answer { outcome: Err(NameError::NoAddress), seconds: 0 });
}

#[test]
fn what_is_not_there_is_known_for_as_long_as_its_zone_says() {
    let absence = |outcome, seconds| Ok(Answer { outcome: Err(outcome), seconds });
    assert_eq!(absent(UNKNOWN, &[authority(900, 60)]), absence(NameError::Unknown, 60));
    assert_eq!(absent(FOUND, &[authority(50, 60)]), absence(NameError::NoAddress, 50));
    assert_eq!(absent(UNKNOWN, &[authority(1 << 30, 1 << 30)]), absence(NameError::Unknown, 3_600));
    assert_eq!(absent(UNKNOWN, &[]), absence(NameError::Unknown, 0));
    let servers = record("example", NAME_SERVER, 900, name("ns.example").as_bytes());
    assert_eq!(
        absent(FOUND, std::slice::from_ref(&servers)),
        Err(Refusal::Unwilling),
        "it names others to ask"
    );
    assert_eq!(absent(FOUND, &[servers, authority(900, 60)]), absence(NameError::NoAddress, 60));
    assert_eq!(absent(FOUND, &[record("example", AUTHORITY, 9, &[1])]), Err(Refusal::Malformed));
}

#[test]
fn what_answers_another_question_is_foreign() {
    let question = question("www.example", Kind::Four);
    let good = reply(&written(&question), FOUND, &[address("www.example", 300, four(1))], &[]);
    assert!(question.read(&good).is_ok());
    let others = [
        Question { number: 0x1235, ..question },
        Question { name: name("www.example.org"), ..question },
        Question { name: name("ww.example"), ..question },
        Question { kind: Kind::Six, ..question },
    ];
    for other in others {
        assert_eq!(other.read(&good), Err(Refusal::Foreign), "{other:?}");
    }
    for (at, byte) in [(2, 0x01), (2, 0x89), (5, 0), (5, 2), (28, 3)] {
        let mut message = good.clone();
        message[at] = byte;
        assert_eq!(question.read(&message), Err(Refusal::Foreign), "byte {at}");
    }
    assert_eq!(question.read(&written(&question)), Err(Refusal::Foreign), "our own question");
}

#[test]
fn an_answer_that_is_cut_is_never_taken() {
    let question = question("www.example", Kind::Four);
    let answers = [alias("www.example", "a.example"), address("a.example", 300, four(1))];
    let good = reply(&written(&question), FOUND, &answers, &[]);
    for length in 0..good.len() {
        let refusal = if length < 29 { Refusal::Foreign } else { Refusal::Malformed };
        assert_eq!(question.read(&good[..length]), Err(refusal), "{length}");
    }
}

#[test]
fn addresses_of_another_length_are_malformed() {
    for data in [&[][..], &[1, 2, 3], &[1, 2, 3, 4, 5], &[0; 16]] {
        assert_eq!(read(&[record("www.example", 1, 300, data)], &[]), Err(Refusal::Malformed));
    }
    assert_eq!(read(&[record("www.example", ALIAS, 300, b"\x01a\0x")], &[]), Err(Refusal::Malformed));
}

#[test]
fn a_server_says_what_it_cannot_do() {
    let question = question("www.example", Kind::Four);
    let code = |code| reply(&written(&question), code, &[], &[]);
    for (number, refusal) in
        [(1, Refusal::Plain), (4, Refusal::Plain), (2, Refusal::Unwilling), (REFUSED, Refusal::Unwilling)]
    {
        assert_eq!(question.read(&code(number)), Err(refusal), "{number}");
    }
    assert_eq!(
        question.read(&[0x12, 0x34, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        Err(Refusal::Plain),
        "without the question"
    );
    let plain = Question { is_extended: false, ..question };
    assert_eq!(plain.read(&code(1)), Err(Refusal::Unwilling));
    let mut cut = code(FOUND);
    cut[2] |= 2;
    assert_eq!(question.read(&cut), Err(Refusal::Truncated));
}

fn candidates(text: &str, settings: &Settings) -> Vec<Name> {
    let given = Given::parse(text).unwrap();
    (0..20).map_while(|number| given.candidate(settings.search(), settings.dots(), number)).collect()
}

#[test]
fn short_names_are_searched_first_and_others_tried_as_they_are() {
    let search = &Settings::new().with_search(&[name("a.test"), name("b.test")], 2);
    assert_eq!(candidates("host", search), ["host.a.test", "host.b.test", "host"].map(name));
    assert_eq!(candidates("x.host", search), ["x.host.a.test", "x.host.b.test", "x.host"].map(name));
    assert_eq!(candidates("x.y.host", search), ["x.y.host", "x.y.host.a.test", "x.y.host.b.test"].map(name));
    assert_eq!(candidates("host.", search), [name("host")]);
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(57)].join(".");
    assert_eq!(candidates(&long, search), [name(&long)], "what would be too long is left out");
    assert_eq!(candidates("host", &Settings::new()), [name("host")]);
}

#[test]
fn all_servers_are_asked_with_more_patience_each_time_and_none_for_ever() {
    let asked = |servers, first, refusals: &[Refusal]| {
        let mut attempts = Attempts::new(servers, first);
        let mut asked = Vec::new();
        loop {
            match attempts.attempt() {
                Ok((server, patience)) => asked.push((server, patience.as_secs())),
                Err(error) => return (asked, error),
            }
            attempts.failed(refusals[(asked.len() - 1) % refusals.len()]);
        }
    };
    let silent = [Refusal::Silent];
    assert_eq!(asked(1, 0, &silent), (vec![(0, 1), (0, 2), (0, 4)], NameError::Unanswered));
    let round = vec![(1, 1), (0, 1), (1, 2), (0, 2), (1, 4), (0, 4)];
    assert_eq!(asked(2, 1, &silent), (round.clone(), NameError::Unanswered));
    assert_eq!(asked(2, 1, &[Refusal::Silent, Refusal::Unwilling]), (round, NameError::Unanswered));
    assert_eq!(asked(2, 0, &[Refusal::Unwilling]), (vec![(0, 1), (1, 1)], NameError::Refused));
    assert_eq!(asked(0, 0, &silent), (vec![], NameError::NoServer));
}

fn seconds(seconds: u64) -> Instant {
    Instant::from_millis(1_000 * seconds)
}

#[test]
fn an_answer_is_kept_for_its_time_and_the_next_to_go_makes_room() {
    let mut cache = Cache::new();
    let answer = |last, seconds| Answer { outcome: Ok(four(last).into()), seconds };
    cache.keep(seconds(0), &name("never"), Kind::Four, &answer(1, 0));
    assert!(cache.is_empty());
    cache.keep(seconds(0), &name("a"), Kind::Four, &answer(1, 10));
    assert_eq!(cache.find(seconds(9), &name("a"), Kind::Four), Some(Ok(four(1).into())));
    assert_eq!(cache.find(seconds(10), &name("a"), Kind::Four), None);
    assert_eq!(cache.find(seconds(9), &name("a"), Kind::Six), None);
    cache.keep(seconds(9), &name("a"), Kind::Four, &answer(2, 100));
    assert_eq!((cache.len(), cache.find(seconds(50), &name("a"), Kind::Four)), (1, Some(Ok(four(2).into()))));
    for number in 0..200 {
        cache.keep(seconds(9), &name(&format!("h{number}.test")), Kind::Four, &answer(3, 200 + number));
    }
    assert_eq!(cache.len(), ENTRY_LIMIT);
    let is_kept = |number| cache.find(seconds(10), &name(&format!("h{number}.test")), Kind::Four).is_some();
    assert!(is_kept(199) && is_kept(199 - ENTRY_LIMIT as u64 + 1) && !is_kept(199 - ENTRY_LIMIT as u64));
}

#[test]
fn the_words_of_the_configuration_are_read() {
    let parse = |words: &'static [(&str, &str)]| {
        Settings::parse("net0", &mut |key| words.iter().find(|word| word.0 == key).map(|word| word.1))
    };
    let read = parse(&[
        ("net0.dns", "10.0.0.3,10.0.0.4:5300,[2001:db8::1]:53"),
        ("net0.search", "a.test,b.test"),
        ("net0.ndots", "2"),
    ]);
    let read = read.unwrap();
    let four = [SocketAddr::from(([10, 0, 0, 3], 53)), SocketAddr::from(([10, 0, 0, 4], 5300))];
    assert_eq!(read.servers(), [four[0], four[1], SocketAddr::new(six(1), 53)]);
    assert_eq!(parse(&[("net0.dns", "2001:db8::1")]).unwrap().servers(), [SocketAddr::new(six(1), 53)]);
    assert_eq!(candidates("x.host", &read), ["x.host.a.test", "x.host.b.test", "x.host"].map(name));
    let refused: [&'static [(&str, &str)]; 9] = [
        &[("net0.dns", "")],
        &[("net0.dns", "example.org")],
        &[("net0.dns", "10.0.0.3,")],
        &[("net0.dns", "0.0.0.0")],
        &[("net0.dns", "[::1]")],
        &[("net0.dns", "10.0.0.1:0")],
        &[("net0.dns", "1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4")],
        &[("net0.search", "a b")],
        &[("net0.ndots", "16")],
    ];
    for words in refused {
        let text = parse(words).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{}={}: expected ", words[0].0, words[0].1)), "{text}");
    }
}

#[test]
fn the_corpus_of_answers_does_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/resolver_answer");
    let files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(files.len() >= 6, "the corpus is there");
    let mut taken = 0;
    for file in files {
        for end in 0..=file.len() {
            taken += usize::from(any(&file[..end]).is_ok());
        }
    }
    assert!(taken >= 6, "the corpus reaches what is behind the checks");
}

/// Takes a message for the answer to the question that it repeats, as the fuzz target does.
fn any(message: &[u8]) -> Result<Answer, Refusal> {
    let number = message.first_chunk().map_or(0, |number| u16::from_be_bytes(*number));
    let (name, end) = Name::read(message, 12).unwrap_or((name("a"), 0));
    let kind = if message.get(end + 1) == Some(&28) { Kind::Six } else { Kind::Four };
    Question { number, name, kind, is_extended: true }.read(message)
}

/// What a server got: the name and the kind.
type Log = Rc<RefCell<Vec<(Name, u8)>>>;

/// A server on a stack; `answer` makes what is sent back.
fn serve(world: &World, net: &Net, port: u16, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + 'static) -> Log {
    let (net, log) = (net.clone(), Log::default());
    let noted = log.clone();
    world.spawn("server", async move {
        let mut socket = net.udp(port).await.unwrap();
        let mut datagram = [0; 512];
        loop {
            let (length, peer) = socket.receive_from(&mut datagram).await.unwrap();
            let (name, end) = Name::read(&datagram, 12).expect("our questions can be read");
            noted.borrow_mut().push((name, datagram[end + 1]));
            for message in answer(&datagram[..length]) {
                socket.send_to(&message, peer).await.unwrap();
            }
        }
    });
    log
}

fn asked_for(asked: &[u8]) -> (Name, u8) {
    let (name, end) = Name::read(asked, 12).unwrap();
    (name, asked[end + 1])
}

/// Answers for `www.example` and no other name.
fn zone(asked: &[u8]) -> Vec<Vec<u8>> {
    let (asked_name, kind) = asked_for(asked);
    let answers = match kind {
        _ if asked_name != name("www.example") => {
            return vec![reply(asked, UNKNOWN, &[], &[authority(60, 60)])];
        }
        1 => [address("www.example", 100, four(1)), address("www.example", 100, four(2))],
        _ => [address("www.example", 100, six(1)), address("www.example", 100, six(2))],
    };
    vec![reply(asked, FOUND, &answers, &[])]
}

fn resolver(net: &Net, settings: Settings) -> Resolver {
    Resolver::new(net.clone(), settings, numbers(7))
}

/// Two stacks, each with an address of either version.
fn both() -> (World, Net, Net) {
    let mut world = World::new(Conditions::default(), 1);
    let config = |address, last| {
        let six = Six::Fixed([0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into(), 64);
        fixed(address).with_six(six).expect("it is a host's")
    };
    let (left, right) = (world.left.take().unwrap(), world.right.take().unwrap());
    let left = world.stack("left", left, config(LEFT, 1), 1);
    let right = world.stack("right", right, config(RIGHT, 2), 2);
    (world, left, right)
}

fn right() -> Settings {
    Settings::new().with_servers(&[at(RIGHT, PORT)])
}

#[test]
fn a_name_is_asked_for_once_in_its_time() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, zone);
    let (resolver, time) = (resolver(&left, right()), world.time.clone());
    world.run(async {
        assert_eq!(*resolver.resolve("WWW.example").await.unwrap(), [four(1), four(2)]);
        assert_eq!(*resolver.clone().resolve("www.example.").await.unwrap(), [four(1), four(2)]);
        assert_eq!(log.borrow().len(), 1);
        time.sleep(Duration::from_secs(100)).await;
        assert_eq!(*resolver.resolve("www.example").await.unwrap(), [four(1), four(2)]);
        assert_eq!(log.borrow().len(), 2);
        for _ in 0..2 {
            assert_eq!(resolver.resolve("gone.example").await, Err(NameError::Unknown));
        }
        assert_eq!(log.borrow().len(), 3, "that there is none is remembered as well");
    });
    let counters = resolver.counters();
    assert_eq!((counters.wanted.get(), counters.known.get(), counters.answered.get()), (5, 2, 3));
    assert_eq!(left.counters().udp_opened.get(), 3, "a port of its own for each question");
}

#[test]
fn both_kinds_of_addresses_come_in_turn() {
    let (mut world, left, right_net) = both();
    let log = serve(&world, &right_net, PORT, zone);
    let resolver = resolver(&left, Settings::new().with_servers(&[SocketAddr::new(six(2), PORT)]));
    world.run(async {
        let addresses = resolver.resolve("www.example").await.unwrap();
        assert_eq!(*addresses, [six(1), four(1), six(2), four(2)]);
        assert_eq!(resolver.resolve("gone.example").await, Err(NameError::Unknown));
    });
    let mut kinds: Vec<_> = log.borrow().iter().map(|(_, kind)| *kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [1, 1, 28, 28]);
}

#[test]
fn addresses_of_one_kind_do_not_wait_long_for_the_other() {
    let (mut world, left, right_net) = both();
    serve(&world, &right_net, PORT, |asked| if asked_for(asked).1 == 28 { vec![] } else { zone(asked) });
    let (resolver, time) = (resolver(&left, right()), world.time.clone());
    world.run(async {
        assert_eq!(*resolver.resolve("www.example").await.unwrap(), [four(1), four(2)]);
        assert!(time.now() < Instant::from_millis(500));
        assert_eq!(resolver.resolve("gone.example").await, Err(NameError::Unanswered), "there may be one");
    });
}

#[test]
fn a_silent_server_makes_way_for_the_next_which_is_then_asked_first() {
    let (mut world, left, right_net) = two();
    let silent = serve(&world, &right_net, 1053, |_| vec![]);
    serve(&world, &right_net, PORT, zone);
    let settings = Settings::new().with_servers(&[at(RIGHT, 1053), at(RIGHT, PORT)]);
    let (resolver, time) = (resolver(&left, settings), world.time.clone());
    world.run(async {
        assert!(resolver.resolve("www.example").await.is_ok());
        assert!((1_000..1_100).contains(&time.now().as_millis()));
        assert_eq!(resolver.resolve("gone.example").await, Err(NameError::Unknown));
        assert_eq!(silent.borrow().len(), 1);
    });
}

#[test]
fn servers_that_refuse_are_asked_once_and_silent_ones_with_growing_patience() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, |asked| vec![reply(asked, REFUSED, &[], &[])]);
    let silent = serve(&world, &right_net, 1053, |_| vec![]);
    let (refusing, time) = (resolver(&left, right()), world.time.clone());
    let waiting = resolver(&left, Settings::new().with_servers(&[at(RIGHT, 1053)]));
    world.run(async {
        assert_eq!(refusing.resolve("www.example").await, Err(NameError::Refused));
        assert_eq!(log.borrow().len(), 1);
        let start = time.now();
        assert_eq!(waiting.resolve("www.example").await, Err(NameError::Unanswered));
        assert_eq!((silent.borrow().len(), time.now().duration_since(start).as_secs()), (3, 7));
        assert_eq!(resolver(&left, Settings::new()).resolve("a").await, Err(NameError::NoServer));
    });
}

#[test]
fn forged_answers_change_nothing_however_many_there_are() {
    let (mut world, left, right_net) = two();
    let forge = |asked: &[u8]| {
        let mut other = zone(asked).remove(0);
        other[1] ^= 1;
        vec![vec![], asked.to_vec(), other, zone(asked).remove(0)]
    };
    serve(&world, &right_net, PORT, forge);
    serve(&world, &right_net, 1053, |asked| vec![asked.to_vec(); 40]);
    let good = resolver(&left, right());
    let flooded = resolver(&left, Settings::new().with_servers(&[at(RIGHT, 1053)]));
    world.run(async {
        assert!(good.resolve("www.example").await.is_ok());
        assert_eq!(flooded.resolve("www.example").await, Err(NameError::Unanswered));
    });
    assert_eq!((good.counters().foreign.get(), flooded.counters().foreign.get()), (3, 3 * 16));
}

#[test]
fn the_right_answer_from_somebody_else_is_foreign() {
    let (mut world, left, right_net) = two();
    let net = right_net.clone();
    world.spawn("other", async move {
        let (mut socket, mut other) = (net.udp(PORT).await.unwrap(), net.udp(1053).await.unwrap());
        let mut datagram = [0; 512];
        loop {
            let (length, peer) = socket.receive_from(&mut datagram).await.unwrap();
            other.send_to(&zone(&datagram[..length])[0], peer).await.unwrap();
        }
    });
    let resolver = resolver(&left, right());
    assert_eq!(world.run(resolver.resolve("www.example")), Err(NameError::Unanswered));
    assert_eq!(resolver.counters().foreign.get(), 3);
}

#[test]
fn a_server_that_knows_no_extension_is_asked_without() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, |asked| {
        if asked[11] == 1 { vec![reply(asked, 1, &[], &[])] } else { zone(asked) }
    });
    let resolver = resolver(&left, right());
    assert!(world.run(resolver.resolve("www.example")).is_ok());
    assert_eq!(log.borrow().len(), 2);
}

#[test]
fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let (mut world, left, right_net) = two();
    let cut = |asked: &[u8]| {
        let mut message = reply(asked, FOUND, &[], &[]);
        message[2] |= 2;
        vec![message]
    };
    serve(&world, &right_net, PORT, cut);
    let net = right_net.clone();
    world.spawn("stream", async move {
        let mut listener = net.listen(PORT).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).await.unwrap();
            let mut asked = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut asked).await.unwrap();
            let many: Vec<_> = (0..90).map(|last| address("www.example", 100, four(last))).collect();
            // The name of another question gets no answer of its own.
            let message = if asked_for(&asked).0 == name("www.example") {
                reply(&asked, FOUND, &many, &[])
            } else {
                reply(&written(&question("www.example", Kind::Four)), FOUND, &many, &[])
            };
            stream.write_all(&(message.len() as u16).to_be_bytes()).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    });
    let resolver = resolver(&left, right());
    world.run(async {
        assert_eq!(resolver.resolve("www.example").await.unwrap().len(), 8);
        assert_eq!(resolver.resolve("other.example").await, Err(NameError::Refused));
    });
    assert_eq!(resolver.counters().streamed.get(), 2);
}

#[test]
fn a_server_that_cuts_its_answer_and_refuses_tcp_makes_way() {
    let (mut world, left, right_net) = two();
    let cut = |asked: &[u8]| {
        let mut message = reply(asked, FOUND, &[], &[]);
        message[2] |= 2;
        vec![message]
    };
    serve(&world, &right_net, 1053, cut);
    serve(&world, &right_net, PORT, zone);
    let resolver = resolver(&left, Settings::new().with_servers(&[at(RIGHT, 1053), at(RIGHT, PORT)]));
    assert!(world.run(resolver.resolve("www.example")).is_ok());
}

#[test]
fn short_names_are_found_below_the_names_of_the_search() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, zone);
    let search = [name("test"), name("example")];
    let resolver = resolver(&left, right().with_search(&search, 1));
    assert!(world.run(resolver.resolve("www")).is_ok());
    assert_eq!(*log.borrow(), [(name("www.test"), 1), (name("www.example"), 1)]);
}

#[test]
fn a_search_ends_where_nobody_can_tell() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, |asked| vec![reply(asked, REFUSED, &[], &[])]);
    let resolver = resolver(&left, right().with_search(&[name("test")], 1));
    assert_eq!(world.run(resolver.resolve("www")), Err(NameError::Refused));
    assert_eq!(log.borrow().len(), 1, "another host of that name is not taken for this one");
}

#[test]
fn addresses_and_this_host_are_known_without_asking() {
    let (mut world, left, right_net) = two();
    let log = serve(&world, &right_net, PORT, zone);
    let resolver = resolver(&left, right());
    world.run(async {
        assert_eq!(*resolver.resolve("192.0.2.1").await.unwrap(), [four(1)]);
        assert_eq!(*resolver.resolve("2001:db8::1").await.unwrap(), [six(1)]);
        for this in ["localhost", "LOCALHOST.", "any.localhost"] {
            let loopback = [IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), IpAddr::from([127, 0, 0, 1])];
            assert_eq!(*resolver.resolve(this).await.unwrap(), loopback);
        }
        for bad in ["192.0.2", "192.0.2.256", "a..b", "", "www example"] {
            assert_eq!(resolver.resolve(bad).await, Err(NameError::Invalid), "{bad}");
        }
        assert_eq!(log.borrow().len(), 0);
        assert_eq!(resolver.resolve("notlocalhost").await, Err(NameError::Unknown));
        assert_eq!(log.borrow().len(), 1);
    });
}

#[test]
fn a_connection_is_tried_with_each_address_in_turn() {
    let (mut world, left, right_net) = two();
    let addresses = |asked: &[u8]| {
        let answers = [IpAddr::from([10, 0, 0, 77]), RIGHT.into()].map(|to| address("www.example", 100, to));
        vec![reply(asked, FOUND, &answers, &[])]
    };
    serve(&world, &right_net, PORT, addresses);
    let net = right_net.clone();
    world.spawn("listener", async move {
        let mut listener = net.listen(80).await.unwrap();
        while let Ok((_stream, peer)) = listener.accept().await {
            assert_eq!(peer.ip(), IpAddr::from(LEFT));
        }
    });
    let resolver = resolver(&left, right());
    world.run(async {
        let stream = resolver.connect("www.example", 80).await.unwrap();
        assert_eq!(stream.peer_address(), at(RIGHT, 80));
        let refused = resolver.connect("10.0.0.2", 81).await.map(drop);
        assert_eq!(refused, Err(NameError::Network(Error::ConnectionRefused)));
    });
}
