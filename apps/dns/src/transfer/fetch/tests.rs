//! Conversations with a server of ours as the primary, without a network.

use super::*;
use crate::configuration::Configuration;
use crate::origin::Moment;
use crate::server::Server;
use crate::session::{MAX_ANSWER, Session};
use std::format;
use std::string::String;
use std::vec;
use unik_sched::time::{Duration, Instant};

const NOW: u64 = 1_800_000_000;
const KEY: &str = "key:\n name: k\n algorithm: hmac-sha256\n secret: \"AAAAAAAAAAAAAAAAAAAAAA==\"\n";
const OTHER_KEY: &str = "key:\n name: k\n algorithm: hmac-sha256\n secret: \"BAAAAAAAAAAAAAAAAAAAAA==\"\n";

/// Version `serial` of a zone of so many hosts.
fn version(serial: u32, hosts: usize) -> Zone {
    let hosts: String = (0..hosts).map(|host| format!("h{host} A 192.0.2.{}\n", host % 250)).collect();
    let text = format!("$ORIGIN e.\n$TTL 60\n@ SOA n.f. h.f. {serial} 60 60 600 60\n@ NS n.f.\n{hosts}");
    Zone::parse("e.zone", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn configuration(text: String) -> Configuration<'static> {
    Configuration::parse("dns.conf", text.leak().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// A primary that had each of `versions`, and gives its zone to who has the key, if there is one.
fn primary(keys: &str, versions: Vec<Zone>) -> Server {
    let name = if keys.is_empty() { "NOKEY" } else { "k" };
    let mut server = Server::new();
    server.follow(configuration(format!("{keys}zone:\n name: e\n provide-xfr: 192.0.2.2 {name}\n"))).unwrap();
    versions.into_iter().for_each(|version| server.replace(version).unwrap());
    server
}

fn wanted(current: Option<Zone>) -> Wanted {
    let configuration = configuration("zone:\n name: e\n".into());
    let name = configuration.zones().first().and_then(|options| options.wire_name()).unwrap();
    Wanted { name, current: current.map(Rc::new), limit: 1 << 20, is_axfr_only: false, may_fall_back: true }
}

/// How a conversation went.
struct Went {
    result: Result<Option<u32>, FetchError>,
    is_whole: bool,
    connections: usize,
}

/// Talks with `server`, which answers so many questions over a connection, with the key of `keys`.
fn talk(server: &Server, wanted: Wanted, keys: &str, answers: usize) -> Went {
    let client = [192, 0, 2, 2].into();
    let clock = Moment { now: Instant::ZERO, since_epoch: Some(Duration::from_secs(NOW)) };
    let configuration = configuration(format!("{keys}zone:\n name: e\n"));
    let key = configuration.keys().first();
    let mut fetch = Fetch::try_new(wanted).unwrap();
    let mut session = Session::try_new(client, Instant::ZERO).unwrap();
    let (mut scratch, mut incoming) = (vec![0; MAX_ANSWER], Vec::new());
    let (mut connections, mut left) = (0, 0);
    let result = loop {
        match fetch.advance(key, Some(NOW), 7) {
            Err(error) => break Err(error),
            Ok(Step::Current) => break Ok(None),
            Ok(Step::Zone(zone)) => break Ok(Some(zone.serial())),
            Ok(Step::Connect) => {
                session = Session::try_new(client, Instant::ZERO).unwrap();
                (connections, left) = (connections + 1, answers);
                incoming.clear();
            }
            Ok(Step::Write) if left > 0 => {
                left -= 1;
                let output = fetch.output();
                session.space()[..output.len()].copy_from_slice(output);
                session.received(output.len());
                while session.advance(server, &clock, &mut scratch) == crate::session::Step::Write {
                    incoming.extend_from_slice(session.output());
                    session.sent(Instant::ZERO);
                }
            }
            Ok(Step::Write) => {}
            Ok(Step::Read) if incoming.is_empty() => {
                if !fetch.closed() {
                    break Err(TransferError::Malformed.into());
                }
            }
            Ok(Step::Read) => {
                let space = fetch.space();
                let length = space.len().min(incoming.len()).min(1000);
                space[..length].copy_from_slice(&incoming[..length]);
                incoming.drain(..length);
                fetch.received(length);
            }
        }
    };
    Went { result, is_whole: fetch.is_whole(), connections }
}

#[test]
fn without_a_version_the_whole_is_fetched_over_one_connection() {
    for keys in ["", KEY] {
        let went = talk(&primary(keys, vec![version(5, 3000)]), wanted(None), keys, 9);
        assert_eq!((went.result, went.is_whole, went.connections), (Ok(Some(5)), true, 1));
    }
}

#[test]
fn with_a_version_what_changed_is_fetched_if_there_is_anything() {
    for keys in ["", KEY] {
        let server = primary(keys, vec![version(5, 30), version(6, 31)]);
        let went = talk(&server, wanted(Some(version(5, 30))), keys, 9);
        assert_eq!((went.result, went.is_whole, went.connections), (Ok(Some(6)), false, 1));
        let went = talk(&server, wanted(Some(version(6, 31))), keys, 9);
        assert_eq!((went.result, went.connections), (Ok(None), 1));
    }
}

#[test]
fn where_differences_do_not_fit_the_whole_is_fetched_if_it_may_be() {
    let server = primary("", vec![version(5, 30), version(6, 29)]);
    // What goes is not there.
    let went = talk(&server, wanted(Some(version(5, 10))), "", 9);
    assert_eq!((went.result, went.is_whole, went.connections), (Ok(Some(6)), true, 2));
    let strict = Wanted { may_fall_back: false, ..wanted(Some(version(5, 10))) };
    let went = talk(&server, strict, "", 9);
    assert!(matches!(went.result, Err(FetchError::Transfer(TransferError::Zone(_)))));
    let whole = Wanted { is_axfr_only: true, ..wanted(Some(version(5, 10))) };
    let went = talk(&server, whole, "", 9);
    assert_eq!((went.result, went.is_whole, went.connections), (Ok(Some(6)), true, 1));
}

#[test]
fn a_primary_that_closes_behind_each_answer_is_asked_over_others() {
    let server = primary("", vec![version(5, 30), version(6, 31)]);
    let went = talk(&server, wanted(Some(version(5, 30))), "", 1);
    assert_eq!((went.result, went.is_whole, went.connections), (Ok(Some(6)), false, 2));
}

#[test]
fn a_primary_that_answers_nothing_is_left() {
    let server = primary("", vec![version(5, 30)]);
    for current in [None, Some(version(4, 30))] {
        let went = talk(&server, wanted(current), "", 0);
        assert_eq!(went.result, Err(TransferError::Malformed.into()));
        assert_eq!(went.connections, 1);
    }
}

#[test]
fn an_older_version_is_no_version() {
    let server = primary("", vec![version(5, 30)]);
    let went = talk(&server, wanted(Some(version(6, 30))), "", 9);
    assert_eq!(went.result, Err(TransferError::Older.into()));
}

#[test]
fn another_secret_no_key_and_a_zone_that_is_too_large_are_told_as_that() {
    let signed = || primary(KEY, vec![version(5, 30)]);
    let went = talk(&signed(), wanted(None), OTHER_KEY, 9);
    assert!(matches!(went.result, Err(FetchError::Unverified(Unverified::Told(16)))), "{:?}", went.result);
    let went = talk(&signed(), wanted(None), "", 9);
    assert_eq!(went.result, Err(TransferError::Code(5).into()));
    // A primary that does not sign is not believed.
    let went = talk(&primary("", vec![version(5, 30)]), wanted(None), KEY, 9);
    assert!(matches!(went.result, Err(FetchError::Unverified(_))), "{:?}", went.result);
    let small = Wanted { limit: 500, ..wanted(None) };
    assert_eq!(
        talk(&primary("", vec![version(5, 30)]), small, "", 9).result,
        Err(TransferError::TooLong.into())
    );
}

#[test]
fn without_the_date_nothing_is_signed() {
    let configuration = configuration(format!("{KEY}zone:\n name: e\n"));
    let mut fetch = Fetch::try_new(wanted(None)).unwrap();
    assert!(matches!(fetch.advance(configuration.keys().first(), None, 7), Ok(Step::Connect)));
    assert!(matches!(fetch.advance(configuration.keys().first(), None, 7), Err(FetchError::NoDate)));
}
