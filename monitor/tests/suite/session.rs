//! Conversations: what is answered, in which order, and what a tool that does not behave costs.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use unik_monitor::frame::REPLY_LIMIT;
use unik_monitor::{Level, Request, Session, VERSION};
use unik_testkit::Random;

use crate::commands::{Echo, Rows};
use crate::tool::{Appliance, ask, read_all, replies, request};

fn done(number: u32) -> (u32, String) {
    (number, "Done".to_owned())
}

fn refused(number: u32, why: &str) -> (u32, String) {
    (number, format!("Refused({why})"))
}

#[test]
fn a_conversation_begins_with_version_and_name() {
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    let hello = request(9, Request::Hello { version: VERSION });
    let welcome = format!("Welcome {{ version: {VERSION}, name: \"test\" }}");
    assert_eq!(ask(&mut session, &mut appliance, &hello), [(9, welcome)]);
    let hello = request(1, Request::Hello { version: VERSION + 1 });
    assert_eq!(ask(&mut session, &mut appliance, &hello), [refused(1, "Version")]);
}

#[test]
fn a_list_longer_than_any_buffer_arrives_whole_and_in_order() {
    let (mut session, mut appliance) = (Session::new(), Appliance { counters: 1000, ..Appliance::default() });
    let found = ask(&mut session, &mut appliance, &request(3, Request::Counters));
    assert_eq!(found.len(), 1001);
    assert!(
        found.iter().take(1000).enumerate().all(|(index, (number, reply))| {
            *number == 3 && reply.ends_with(&format!("value: {index} }}"))
        })
    );
    assert_eq!(found[1000], done(3));
}

#[test]
fn two_long_lists_come_in_turns() {
    let mut appliance = Appliance { counters: 1000, log: 0..1000, ..Appliance::default() };
    let mut session = Session::new();
    let both = [request(1, Request::Counters), request(2, Request::Log { follow: false })].concat();
    assert_eq!(session.receive(&both, &mut appliance), both.len());
    let mut portion = vec![0; REPLY_LIMIT];
    let mut first = |appliance: &mut Appliance| {
        let length = session.fill(appliance, &mut portion);
        replies(&portion[..length])[0].0
    };
    assert_eq!([first(&mut appliance), first(&mut appliance), first(&mut appliance)], [1, 2, 1]);
}

#[test]
fn the_log_is_followed_until_that_is_stopped_and_tells_what_was_lost() {
    let (mut session, mut appliance) = (Session::new(), Appliance { log: 2..4, ..Appliance::default() });
    let found = ask(&mut session, &mut appliance, &request(1, Request::Log { follow: true }));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], (1, "Lost(2)".to_owned()));
    appliance.log.end = 5;
    assert_eq!(read_all(&mut session, &mut appliance, REPLY_LIMIT).len(), 1);
    assert!(read_all(&mut session, &mut appliance, REPLY_LIMIT).is_empty());
    let found = ask(&mut session, &mut appliance, &request(2, Request::Stop { request: 1 }));
    assert_eq!(found, [done(1), done(2)]);
    appliance.log.end = 6;
    assert!(read_all(&mut session, &mut appliance, REPLY_LIMIT).is_empty(), "nobody follows any more");
}

#[test]
fn frames_are_handed_out_once_and_the_capture_ends_with_the_conversation() {
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    let capture = |number, interface| request(number, Request::Capture { interface, length: 60 });
    assert_eq!(ask(&mut session, &mut appliance, &capture(1, "net7")), [refused(1, "NotFound")]);
    assert!(ask(&mut session, &mut appliance, &capture(2, "net0")).is_empty());
    assert_eq!(ask(&mut session, &mut appliance, &capture(3, "net0")), [refused(3, "Busy")]);
    appliance.captured = vec![vec![1; 1536]; 5];
    assert_eq!(read_all(&mut session, &mut appliance, REPLY_LIMIT).len(), 5);
    assert!(appliance.captured.is_empty());
    session.restart(&mut appliance);
    assert!(!appliance.capturing);
    assert!(ask(&mut session, &mut appliance, &capture(4, "net0")).is_empty());
    let found = ask(&mut session, &mut appliance, &request(5, Request::Stop { request: 4 }));
    assert_eq!(found, [done(4), done(5)]);
    assert!(!appliance.capturing);
}

#[test]
fn levels_are_set_and_the_end_is_passed_on() {
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    let set = Request::SetLevel { target: "unik_net", level: Some(Level::Debug) };
    assert_eq!(ask(&mut session, &mut appliance, &request(1, set)), [done(1)]);
    assert_eq!(appliance.levels, [("unik_net".to_owned(), Some(Level::Debug))]);
    assert_eq!(ask(&mut session, &mut appliance, &request(2, Request::End { reboot: true })), [done(2)]);
    assert_eq!(appliance.ended, Some(true));
}

#[test]
fn what_is_no_request_is_refused_and_counted() {
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    let found = ask(&mut session, &mut appliance, &[3, 77, 200, 0]);
    assert_eq!(found, [refused(77, "Malformed")]);
    assert_eq!(ask(&mut session, &mut appliance, &[200, 1, 0]), [refused(0, "Malformed")]);
    assert_eq!(session.counters().malformed.get(), 2);
    let found = ask(&mut session, &mut appliance, &request(1, Request::Stop { request: 9 }));
    assert_eq!(found, [refused(1, "NotFound")]);
}

#[test]
fn a_tool_that_asks_and_does_not_read_is_not_listened_to() {
    let (mut session, mut appliance) = (Session::new(), Appliance { counters: 10, ..Appliance::default() });
    let many = request(1, Request::Counters).repeat(100);
    let taken = session.receive(&many, &mut appliance);
    assert!(taken < many.len() / 10, "{taken}");
    assert_eq!(session.receive(&many[taken..], &mut appliance), 0);
    let mut answered = read_all(&mut session, &mut appliance, REPLY_LIMIT).len();
    let mut rest = &many[taken..];
    while !rest.is_empty() {
        let taken = session.receive(rest, &mut appliance);
        rest = &rest[taken..];
        answered += read_all(&mut session, &mut appliance, REPLY_LIMIT).len();
    }
    assert_eq!(answered, 100 * 11);
}

#[test]
fn followers_leave_room_for_requests_that_end() {
    let (mut session, mut appliance) = (Session::new(), Appliance::default());
    let follow =
        (1..=5).flat_map(|number| request(number, Request::Log { follow: true })).collect::<Vec<_>>();
    assert_eq!(ask(&mut session, &mut appliance, &follow), [refused(5, "Busy")]);
    let stop = request(6, Request::Stop { request: 2 });
    assert_eq!(ask(&mut session, &mut appliance, &stop), [done(2), done(6)]);
}

#[test]
fn no_bytes_whatsoever_make_it_fail_or_grow() {
    let mut random = Random::new(11);
    let (mut session, mut appliance) = (Session::new(), Appliance { counters: 3, ..Appliance::default() });
    appliance.commands.register("echo", "What was said.", Rc::new(Echo(1)));
    let echo = Request::Ask { words: "echo a word" };
    let valid =
        [Request::Counters, Request::Facts, Request::Commands, echo].map(|valid| request(1, valid)).concat();
    for _ in 0..20_000 {
        let mut bytes = valid.clone();
        for _ in 0..random.below(4) {
            let place = random.below(bytes.len());
            bytes[place] = random.next_u64() as u8;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = session.receive(rest, &mut appliance);
            rest = &rest[taken..];
            read_all(&mut session, &mut appliance, REPLY_LIMIT);
        }
        session.restart(&mut appliance);
    }
    // A list of three counters and its end, or one refusal, is the most that any request is worth.
    let counters = session.counters();
    assert!(counters.replies.get() <= 4 * counters.requests.get());
    assert!(counters.malformed.get() > 1_000);
}

#[test]
fn the_corpus_of_requests_does_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/monitor_request");
    let files = fs::read_dir(folder).expect("there is a corpus");
    let mut answered = 0;
    for file in files {
        let bytes = fs::read(file.expect("it can be listed").path()).expect("it can be read");
        let (mut session, mut appliance) =
            (Session::new(), Appliance { counters: 3, ..Appliance::default() });
        appliance.commands.register("echo", "What was said.", Rc::new(Echo(1)));
        appliance.commands.register("rows", "So many rows.", Rc::<Rows>::default());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = session.receive(rest, &mut appliance);
            rest = &rest[taken..];
            answered += read_all(&mut session, &mut appliance, REPLY_LIMIT).len();
        }
    }
    // Of `commands` alone: two commands, a heading and three rows, a word, a sentence, and an end or a refusal of each request.
    assert!(answered > 12 + 13, "{answered}");
}
