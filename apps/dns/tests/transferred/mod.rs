//! Transfers as conversations: a primary's connection on one side, what fetches from it on the other.
#![allow(dead_code, reason = "each test file uses its part")]

use crate::common::{query, text};
use std::rc::Rc;
use unik_dns::{Incoming, MAX_ANSWER, Moment, Progress, Server, Session, Step, TransferError, Zone};
use unik_sched::time::Instant;

/// What `server` sends to `client` over a connection, message by message, and whether it then closed that.
pub(crate) fn converse(server: &Server, client: [u8; 4], queries: &[Vec<u8>]) -> (Vec<Vec<u8>>, bool) {
    let mut session = Session::try_new(client.into(), Instant::ZERO).expect("memory");
    let mut scratch = vec![0; MAX_ANSWER];
    let mut stream: Vec<u8> = Vec::new();
    for query in queries {
        stream.extend(u16::try_from(query.len()).expect("a message").to_be_bytes());
        stream.extend(query);
    }
    let (mut rest, mut back) = (stream.as_slice(), Vec::new());
    let is_closed = loop {
        match session.advance(server, &Moment::START, &mut scratch) {
            Step::Write => {
                back.extend_from_slice(session.output());
                session.sent(Instant::ZERO);
            }
            Step::Read if rest.is_empty() => break false,
            Step::Read => {
                let space = session.space();
                let length = space.len().min(rest.len());
                space[..length].copy_from_slice(&rest[..length]);
                session.received(length);
                rest = &rest[length..];
            }
            Step::Close => break true,
        }
    };
    (messages(&back), is_closed)
}

fn messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let (message, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        messages.push(message.to_vec());
        stream = rest;
    }
    assert_eq!(stream, b"");
    messages
}

/// A question for the differences between version `serial` of `zone` and the last.
pub(crate) fn differences(zone: &str, serial: u32) -> Vec<u8> {
    let mut query = query(&format!("{zone} IXFR"));
    query[9] = 1;
    query.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
    query.extend(serial.to_be_bytes());
    query.extend([0; 16]);
    query
}

/// All records of the answer to `query`, from the first SOA record on, each as `owner TTL type data`.
pub(crate) fn records(messages: &[Vec<u8>]) -> Vec<String> {
    let lines = |message: &Vec<u8>| -> Vec<String> {
        text(message).lines().filter_map(|line| line.strip_prefix("= ")).map(str::to_owned).collect()
    };
    messages.iter().flat_map(lines).collect()
}

/// All records of `zone`, sorted, the SOA record once.
pub(crate) fn dump(server: &Server, zone: &str) -> Vec<String> {
    let (messages, _) = converse(server, [192, 0, 2, 2], &[query(&format!("{zone} AXFR"))]);
    let mut records = records(&messages);
    assert!(records.len() > 1, "{}", text(&messages[0]));
    assert_eq!(records.first(), records.last(), "it begins and ends with the SOA record");
    records.pop();
    records.sort();
    records
}

/// A name on the wire.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let query = query(&format!("{name} A"));
    query[12..query.len() - 4].to_vec()
}

/// What comes of `messages`, by which `zone` is transferred.
pub(crate) fn receive(
    zone: &str,
    current: Option<Rc<Zone>>,
    messages: &[Vec<u8>],
) -> Result<Progress, TransferError> {
    let name = wire(zone);
    let mut incoming = Incoming::new(current, 1 << 24);
    for (number, message) in messages.iter().enumerate() {
        match incoming.take(&name, message)? {
            Progress::More => {}
            progress => {
                assert_eq!(number + 1, messages.len(), "it ends with the last message");
                return Ok(progress);
            }
        }
    }
    Ok(Progress::More)
}
