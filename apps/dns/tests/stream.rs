//! Connections: queries and answers in a stream.

mod common;

use common::{example, query, server, text, zone};
use unik_dns::{IDLE, MAX_ANSWER, MAX_QUERY, Moment, Server, Session, Step};
use unik_sched::time::{Duration, Instant};

/// One end of a connection to a server, with its clock.
struct Client {
    server: Server,
    session: Session,
    now: Instant,
    scratch: Vec<u8>,
}

impl Client {
    fn new(server: Server) -> Self {
        let now = Instant::ZERO;
        Self {
            server,
            session: Session::try_new([192, 0, 2, 99].into(), now).expect("there is memory"),
            now,
            scratch: vec![0; MAX_ANSWER],
        }
    }

    /// Sends octets as the network delivers them, up to `room` at a time; gives all that came back, and whether the
    /// server closed the connection.
    fn send(&mut self, mut octets: &[u8], room: usize) -> (Vec<u8>, bool) {
        let mut back = Vec::new();
        loop {
            match self.session.advance(&self.server, &moment(self.now), &mut self.scratch) {
                Step::Close => return (back, true),
                Step::Write => {
                    back.extend_from_slice(self.session.output());
                    self.session.sent(self.now);
                }
                Step::Read if octets.is_empty() => return (back, false),
                Step::Read => {
                    let space = self.session.space();
                    assert!(!space.is_empty());
                    let length = room.min(octets.len()).min(space.len());
                    space[..length].copy_from_slice(&octets[..length]);
                    self.session.received(length);
                    octets = &octets[length..];
                }
            }
        }
    }
}

fn moment(now: Instant) -> Moment {
    Moment { now, ..Moment::START }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).expect("a message").to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

fn messages(mut stream: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let (message, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        messages.push(text(message));
        stream = rest;
    }
    assert_eq!(stream, b"");
    messages
}

const MAIL: &str = "NOERROR aa\n= mail.example.org. 3600 A 192.0.2.25\n";

#[test]
fn a_query_is_answered_however_it_is_cut() {
    let query = framed(&query("mail.example.org A"));
    for room in 1..=query.len() {
        let (back, closed) = Client::new(example()).send(&query, room);
        assert_eq!(messages(&back), [MAIL]);
        assert!(!closed);
    }
}

#[test]
fn queries_sent_without_waiting_are_answered_in_their_order() {
    let questions = ["mail.example.org A", "example.com A", "sip1.example.org A"].repeat(200);
    let stream: Vec<u8> = questions.iter().flat_map(|question| framed(&query(question))).collect();
    for room in [1, 7, 100, 100_000] {
        let (back, closed) = Client::new(example()).send(&stream, room);
        let messages = messages(&back);
        assert_eq!(messages.len(), 600);
        assert!(messages.chunks(3).all(|three| three[0] == MAIL && three[1] == "REFUSED\n"));
        assert!(!closed);
    }
}

#[test]
fn answers_that_come_together_leave_together() {
    let mut client = Client::new(example());
    let two = framed(&query("mail.example.org A")).repeat(2);
    client.session.space()[..two.len()].copy_from_slice(&two);
    client.session.received(two.len());
    assert_eq!(client.session.advance(&client.server, &moment(client.now), &mut client.scratch), Step::Write);
    assert_eq!(messages(client.session.output()), [MAIL, MAIL]);
}

#[test]
fn long_answers_pass() {
    let addresses: String = (0..3000).map(|i| format!("big A 10.0.{}.{}\n", i / 256, i % 256)).collect();
    let mut client = Client::new(server(&[&zone(&addresses)]));
    let (back, _) = client.send(&framed(&query("big.example.org A")).repeat(3), 1000);
    let messages = messages(&back);
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|message| message.lines().count() == 3001));
}

#[test]
fn a_malformed_query_is_told_so_and_the_connection_goes_on() {
    let mut client = Client::new(example());
    let mut stream = framed(&query("mail.example.org A")[..20]);
    stream.extend(framed(&query("mail.example.org A")));
    let (back, closed) = client.send(&stream, 5);
    assert_eq!(messages(&back), ["FORMERR\n", MAIL]);
    assert!(!closed);
}

#[test]
fn what_gets_silence_ends_the_connection_after_the_answers_before() {
    for rest in [framed(b""), framed(b"short"), framed(&[0xff; 12])] {
        let mut stream = framed(&query("mail.example.org A"));
        stream.extend(rest);
        stream.extend(framed(&query("mail.example.org A")));
        let (back, closed) = Client::new(example()).send(&stream, 1000);
        assert_eq!(messages(&back), [MAIL]);
        assert!(closed);
    }
}

#[test]
fn a_message_longer_than_a_query_ends_the_connection() {
    let longest = framed(&[0; MAX_QUERY]);
    let (back, closed) = Client::new(example()).send(&longest, 100);
    assert_eq!((messages(&back), closed), (vec!["FORMERR\n".to_owned()], false));
    let longer = framed(&[0; MAX_QUERY + 1]);
    let (back, closed) = Client::new(example()).send(&longer[..2], 100);
    assert_eq!((back, closed), (vec![], true));
}

#[test]
fn only_a_whole_query_puts_the_deadline_off() {
    let mut client = Client::new(example());
    assert_eq!(client.session.deadline(), Instant::ZERO + IDLE);
    let query = framed(&query("mail.example.org A"));
    client.now = Instant::ZERO + Duration::from_secs(3);
    client.send(&query[..5], 1);
    assert_eq!(client.session.deadline(), Instant::ZERO + IDLE);
    client.send(&query[5..], 1);
    assert_eq!(client.session.deadline(), client.now + IDLE);
}
