//! Limits on answers, and cookies, as a client of the server sees them.

mod common;

use common::{query, text, zone};
use unik_dns::{Cookies, Limit, Moment, Origin, Secret, Secrets, Server, Settings, Transport, Zone};
use unik_sched::time::{Duration, Instant};

/// The code of the COOKIE option.
const COOKIE: u16 = 10;

/// A server that gives one network ten answers a second, and truncates every other one that is too many.
fn server() -> Server {
    let text = zone("a A 192.0.2.1\n*.w A 192.0.2.2\nd NS ns.elsewhere.");
    let mut server = Server::new();
    server
        .add(Zone::parse("test.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}")))
        .expect("the first zone");
    let secrets = Secrets { current: Secret::new([7; 16]), previous: None };
    server.configure(Settings {
        limit: Some(Limit { rate: 10, slip: 2 }),
        cookies: Cookies::Shared(secrets),
        ..Settings::default()
    });
    assert!(server.protect(&mut || [9; 16]));
    server
}

/// What `client` is answered over `transport` after so many seconds.
fn ask(
    server: &Server,
    query: &[u8],
    client: [u8; 4],
    transport: Transport,
    seconds: u64,
) -> Option<Vec<u8>> {
    let now = Instant::ZERO + Duration::from_secs(seconds);
    let origin = Origin { client: client.into(), transport, clock: &Moment { now, ..Moment::START } };
    let mut message = vec![0; 65_535];
    message[..query.len()].copy_from_slice(query);
    let length = server.answer_in_place(&mut message, query.len(), &origin)?;
    message.truncate(length);
    Some(message)
}

/// `query` with an OPT record that has a cookie.
fn with_cookie(mut query: Vec<u8>, cookie: &[u8]) -> Vec<u8> {
    query[11] += 1;
    query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0]);
    query.extend((cookie.len() as u16 + 4).to_be_bytes());
    query.extend(COOKIE.to_be_bytes());
    query.extend((cookie.len() as u16).to_be_bytes());
    query.extend(cookie);
    query
}

/// A query without a question.
fn empty() -> Vec<u8> {
    b"\x01\x23\0\0\0\0\0\0\0\0\0\0".to_vec()
}

/// The cookie at the end of an answer.
fn cookie_of(answer: &[u8]) -> Vec<u8> {
    assert_eq!(answer[answer.len() - 28..answer.len() - 24], [0, 10, 0, 24]);
    answer[answer.len() - 24..].to_vec()
}

const HERE: [u8; 4] = [192, 0, 2, 9];
const NEIGHBOUR: [u8; 4] = [192, 0, 2, 200];
const ELSEWHERE: [u8; 4] = [198, 51, 100, 1];

#[test]
fn a_network_gets_so_many_answers_of_a_kind_however_it_asks() {
    let server = server();
    let kinds: [&dyn Fn(usize) -> String; 6] = [
        &|_| "a.example.org A".to_owned(),
        &|number| format!("n{number}.example.org A"),
        &|number| format!("n{number}.w.example.org A"),
        &|number| format!("n{number}.d.example.org A"),
        &|number| format!("ns.example.org {}", ["TXT", "MX", "SRV"][number % 3]),
        &|number| format!("n{number}.example.com A"),
    ];
    for (row, kind) in kinds.iter().enumerate() {
        let answers: Vec<_> = (0..30)
            .map(|number| {
                let query = query(&kind(number));
                let client = if number % 2 == 0 { HERE } else { NEIGHBOUR };
                (query.len(), ask(&server, &query, client, Transport::UDP, 0))
            })
            .collect();
        let is_cut = |answer: &[u8]| answer[2] & 2 != 0;
        let got: Vec<_> = answers.iter().filter_map(|(_, answer)| answer.as_deref()).collect();
        assert_eq!(got.iter().filter(|answer| !is_cut(answer)).count(), 10, "row {row}");
        assert_eq!(got.iter().filter(|answer| is_cut(answer)).count(), 10, "row {row}");
        for (length, answer) in &answers {
            let is_longer = answer.as_ref().is_some_and(|answer| is_cut(answer) && answer.len() > *length);
            assert!(!is_longer, "nobody is sent more than was sent in his name");
        }
        let query = query(&kind(0));
        assert!(ask(&server, &query, ELSEWHERE, Transport::UDP, 0).is_some_and(|answer| !is_cut(&answer)));
        assert!(ask(&server, &query, HERE, Transport::Tcp, 0).is_some_and(|answer| !is_cut(&answer)));
        assert!(ask(&server, &query, HERE, Transport::UDP, 10).is_some_and(|answer| !is_cut(&answer)));
    }
    let counters = server.counters();
    assert_eq!((counters.limited.get(), counters.slipped.get()), (60, 60));
}

#[test]
fn who_shows_its_cookie_gets_all_answers() {
    let server = server();
    let query = || query("a.example.org A");
    let first = ask(&server, &with_cookie(query(), b"clientco"), HERE, Transport::UDP, 0).unwrap();
    let cookie = cookie_of(&first);
    assert_eq!(cookie[..8], *b"clientco");
    for _ in 0..100 {
        let answer = ask(&server, &with_cookie(query(), &cookie), HERE, Transport::UDP, 0).unwrap();
        assert!(text(&answer).contains("192.0.2.1"));
        assert_eq!(cookie_of(&answer), cookie);
    }
    // Nobody else can show it, and not for ever.
    for (client, seconds) in [(ELSEWHERE, 0), (HERE, 4000)] {
        let answers = (0..30).filter(|_| {
            let asked = with_cookie(query(), &cookie);
            ask(&server, &asked, client, Transport::UDP, seconds).is_some_and(|answer| answer[2] & 2 == 0)
        });
        assert_eq!(answers.count(), 10);
    }
    assert_eq!((server.counters().good_cookies.get(), server.counters().bad_cookies.get()), (100, 60));
}

#[test]
fn a_limited_answer_has_a_cookie_for_the_next_try() {
    let server = server();
    let asked = with_cookie(query("a.example.org A"), b"clientco");
    let answers: Vec<_> = (0..30).filter_map(|_| ask(&server, &asked, HERE, Transport::UDP, 0)).collect();
    let cut = answers.last().unwrap();
    assert!(cut[2] & 2 != 0);
    let again =
        ask(&server, &with_cookie(query("a.example.org A"), &cookie_of(cut)), HERE, Transport::UDP, 0);
    assert!(text(&again.unwrap()).contains("192.0.2.1"));
}

#[test]
fn a_query_without_a_question_asks_for_a_cookie() {
    let server = server();
    let answer = ask(&server, &with_cookie(empty(), b"clientco"), HERE, Transport::UDP, 0).unwrap();
    assert_eq!(answer[..12], *b"\x01\x23\x80\0\0\0\0\0\0\0\0\x01");
    let mut cookie = cookie_of(&answer);
    let answer = ask(&server, &with_cookie(empty(), &cookie), HERE, Transport::UDP, 0).unwrap();
    assert_eq!((answer[3], answer[17]), (0, 0));
    cookie[20] ^= 1;
    // BADCOOKIE is 23, of which the upper bits stand in the OPT record.
    let answer = ask(&server, &with_cookie(empty(), &cookie), HERE, Transport::UDP, 0).unwrap();
    assert_eq!((answer[3], answer[17]), (7, 1));
    assert_eq!(
        ask(&server, &empty(), HERE, Transport::UDP, 0).unwrap()[3],
        1,
        "without a cookie it is malformed"
    );
}

#[test]
fn a_cookie_of_another_length_is_malformed() {
    for length in 0..60 {
        let asked = with_cookie(query("a.example.org A"), &vec![5; length]);
        let code = ask(&server(), &asked, HERE, Transport::UDP, 0).unwrap()[3];
        assert_eq!(code == 0, length == 8 || (16..=40).contains(&length), "{length}");
    }
}
