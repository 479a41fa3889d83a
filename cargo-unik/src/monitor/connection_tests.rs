//! Tests of conversations: with guests that answer, answer badly, or not at all.

use super::fake::{Fake, Peer, Turn, answer};
use super::*;
use crate::scratch::Scratch;
use std::os::unix::net::UnixListener;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

/// What a tool with this patience meets at a guest with this script.
fn open(
    patience: Duration,
    script: impl FnMut(&mut Peer, u32, &Request<'_>) -> Turn + Send + 'static,
) -> (Scratch, Fake, Result<Connection>) {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let fake = Fake::start(&path, script);
    let connection = Connection::open(&path, patience);
    (scratch, fake, connection)
}

fn sentence(outcome: Result<impl Sized>) -> String {
    outcome.err().map(|error| error.to_string()).unwrap()
}

fn tasks(guest: &mut Connection) -> Result<usize> {
    let mut count = 0;
    guest.list(&Request::Tasks, "tell its tasks", &mut |reply| {
        count += 1;
        Ok(matches!(reply, Reply::Task(_)))
    })?;
    Ok(count)
}

#[test]
fn a_guest_tells_its_name_and_answers() {
    let (_scratch, _fake, guest) = open(LONG, |_, _, _| Turn::Usual);
    let mut guest = guest.unwrap();
    assert_eq!((guest.name.as_str(), guest.version), ("dns", VERSION));
    assert_eq!(tasks(&mut guest), Ok(2));
}

#[test]
fn what_another_tool_left_behind_is_skipped() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, request| {
        // The end of a frame, a reply to somebody else, and one that is none.
        peer.raw(&[7, 1, 1, 0]);
        peer.say(number.wrapping_sub(1), &Reply::Interface("stale"));
        peer.say(0, &Reply::Refused(Refusal::Malformed));
        peer.raw(&[0xff; 5000]);
        peer.raw(&[0]);
        answer(peer, number, request);
        Turn::Handled
    });
    assert_eq!(tasks(&mut guest.unwrap()), Ok(2));
}

#[test]
fn replies_may_arrive_in_any_pieces() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, request| {
        if !matches!(request, Request::Tasks) {
            return Turn::Usual;
        }
        let mut room = [0; REPLY_LIMIT];
        for reply in [Reply::Task(fake::MAIN), Reply::Done] {
            let length = frame::encode(number, &reply, &mut room).unwrap();
            room[..length].chunks(1).for_each(|byte| peer.raw(byte));
        }
        Turn::Handled
    });
    assert_eq!(tasks(&mut guest.unwrap()), Ok(1));
}

#[test]
fn another_version_is_told_with_what_helps() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, _| {
        peer.say(number, &Reply::Welcome { version: 7, name: "dns" });
        Turn::Handled
    });
    let told = sentence(guest);
    assert!(told.contains("speaks version 7 of the channel and this tool version 1: build image"), "{told}");
    let (_scratch, _fake, guest) = open(LONG, |peer, number, _| {
        peer.say(number, &Reply::Refused(Refusal::Version));
        Turn::Handled
    });
    let told = sentence(guest);
    assert!(told.contains("speaks another version of the channel"), "{told}");
}

#[test]
fn a_silent_guest_is_told_with_what_it_can_mean() {
    let (_scratch, _fake, guest) = open(SHORT, |_, _, _| Turn::Handled);
    let told = sentence(guest);
    let meaning = "within 50ms: another tool is connected, the image has no Monitor, or the guest hangs";
    assert!(told.starts_with("nobody answers at /") && told.ends_with(meaning), "{told}");
}

#[test]
fn a_guest_that_says_only_what_nobody_asked_is_silent() {
    let (_scratch, _fake, guest) = open(SHORT, |peer, number, _| {
        for _ in 0..1000 {
            peer.say(number ^ 1, &Reply::Done);
        }
        Turn::Handled
    });
    assert!(sentence(guest).starts_with("nobody answers"));
}

#[test]
fn a_second_tool_waits_no_longer_than_its_patience() {
    let (scratch, _fake, first) = open(LONG, |_, _, _| Turn::Usual);
    let path = scratch.path().join("socket");
    assert!(sentence(Connection::open(&path, SHORT)).starts_with("nobody answers"));
    drop(first);
    assert!(Connection::open(&path, LONG).is_ok());
}

#[test]
fn a_full_queue_of_waiting_tools_is_no_wait_without_end() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    while let Ok(socket) = connect(&path, Duration::from_millis(1)) {
        waiting.push(socket);
        assert!(waiting.len() < 100_000, "the queue has no end");
    }
    assert!(sentence(Connection::open(&path, SHORT)).starts_with("nobody answers"));
    assert_eq!(is_alive(&path), Ok(true));
}

#[test]
fn nobody_at_the_path_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let told = format!("no virtual machine listens at {}", path.display());
    assert_eq!(sentence(Connection::open(&path, LONG)), told);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(sentence(Connection::open(&path, LONG)), told);
    assert_eq!(is_alive(&path), Ok(false));
}

#[test]
fn a_guest_that_ends_in_the_middle_is_told() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, request| match request {
        Request::Hello { .. } => Turn::Usual,
        _ => {
            peer.say(number, &Reply::Task(fake::MAIN));
            Turn::End
        }
    });
    let mut guest = guest.unwrap();
    assert_eq!(sentence(tasks(&mut guest)), "dns has ended: the channel is closed");
    assert!(guest.closed);
}

#[test]
fn a_guest_that_stops_in_the_middle_is_told() {
    let (_scratch, _fake, guest) = open(LONG, |_, _, request| match request {
        Request::Hello { .. } => Turn::Usual,
        _ => Turn::Handled,
    });
    let mut guest = guest.unwrap();
    guest.patience = SHORT;
    assert_eq!(sentence(tasks(&mut guest)), "dns stopped answering: nothing came for 50ms");
}

#[test]
fn each_refusal_is_a_sentence() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, request| match request {
        Request::Tasks => {
            peer.say(number, &Reply::Refused(Refusal::Unable));
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    let told = sentence(tasks(&mut guest.unwrap()));
    assert_eq!(told, "dns does not tell its tasks: what that takes is not there, such as memory");
}

#[test]
fn an_answer_to_something_else_is_nonsense() {
    for unknown in [true, false] {
        let (_scratch, _fake, guest) = open(LONG, move |peer, number, request| match request {
            Request::Tasks if unknown => {
                let mut room = [0; REPLY_LIMIT];
                let length = frame::encode(number, &200_u8, &mut room).unwrap();
                peer.raw(&room[..length]);
                Turn::Handled
            }
            Request::Tasks => {
                peer.say(number, &Reply::Interface("net0"));
                Turn::Handled
            }
            _ => Turn::Usual,
        });
        let told = sentence(tasks(&mut guest.unwrap()));
        assert!(told.starts_with("dns says something that this tool does not understand"), "{told}");
    }
}

#[test]
fn a_list_without_end_is_cut() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, request| match request {
        Request::Tasks => {
            for _ in 0..MOST_REPLIES {
                peer.say(number, &Reply::Task(fake::MAIN));
            }
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    let told = sentence(tasks(&mut guest.unwrap()));
    assert!(told.starts_with("dns does not come to an end"), "{told}");
}

#[test]
fn a_guest_that_is_told_to_stop_and_goes_on_is_left() {
    // Either the time is over after the first reply, or the replies are too many.
    for (patience, most) in [(SHORT, 1), (LONG, MOST_REPLIES)] {
        let (_scratch, _fake, guest) = open(LONG, |peer, _, request| match request {
            Request::Stop { request } => {
                for _ in 0..2 * MOST_REPLIES {
                    peer.say(*request, &fake::record(0, unik_monitor::Level::Info, "more"));
                }
                Turn::Handled
            }
            _ => Turn::Usual,
        });
        let mut guest = guest.unwrap();
        let number = guest.ask(&Request::Log { follow: true }).unwrap();
        for _ in 0..3 {
            guest.answer(number).unwrap();
        }
        guest.patience = patience;
        let mut count = 0;
        let outcome = guest.stop(number, &mut |_| {
            count += 1;
            if patience == SHORT {
                std::thread::sleep(SHORT);
            }
            if count > most { Err(Error::failed("it goes on")) } else { Ok(()) }
        });
        assert_eq!(sentence(outcome), "dns did not end what it was asked to end");
    }
}

#[test]
fn a_name_cannot_speak_to_the_terminal() {
    let (_scratch, _fake, guest) = open(LONG, |peer, number, _| {
        peer.say(number, &Reply::Welcome { version: VERSION, name: "\x1b]0;dns\x07" });
        Turn::Handled
    });
    assert_eq!(guest.unwrap().name, r"\u{1b}]0;dns\u{7}");
}

#[test]
fn a_request_that_is_too_long_is_told() {
    let (_scratch, _fake, guest) = open(LONG, |_, _, _| Turn::Usual);
    let target = "m".repeat(300);
    let outcome = guest.unwrap().ask(&Request::SetLevel { target: &target, level: None });
    assert!(sentence(outcome).starts_with("a name is longer than a request can hold"));
}
