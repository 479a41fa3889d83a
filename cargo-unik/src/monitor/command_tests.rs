//! Tests of the commands, each against a guest that is a thread: what people see, what programs read, and what goes wrong.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pcap_file::pcapng::{Block, PcapNgReader};
use serde_json::{Value, json};
use unik_monitor::Direction;

use super::arguments::parse;
use super::fake::{Fake, Peer, Turn, answer, frame, record};
use super::view::View;
use super::*;
use crate::scratch::Scratch;

/// What a command left behind.
struct Outcome {
    output: String,
    notes: String,
    result: Result<()>,
}

/// An output that asks for an end once it has seen a word.
struct Until<'a>(Vec<u8>, &'static str, &'a AtomicBool);

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if String::from_utf8_lossy(&self.0).contains(self.1) {
            self.2.store(true, Ordering::SeqCst);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line against a guest until the output contains `last`, where the command does not end by itself.
fn run_until(
    last: &'static str,
    words: &[&str],
    script: impl FnMut(&mut Peer, u32, &Request<'_>) -> Turn + Send + 'static,
) -> Outcome {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let _fake = Fake::start(&path, script);
    let mut parser = lexopt::Parser::from_args(words[1..].iter().map(OsString::from));
    let look = parse(words[0], &mut parser).unwrap().unwrap();
    let mut guest = Connection::open(&path, Duration::from_secs(20)).unwrap();
    let stop = AtomicBool::new(false);
    let (mut output, mut notes) = (Until(Vec::new(), last, &stop), Vec::new());
    let result = look.show(&mut guest, &mut View::new(&mut output, &mut notes, look.json, &stop));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome { output: text(output.0), notes: text(notes), result }
}

fn run(words: &[&str]) -> Outcome {
    run_until("nothing is", words, |_, _, _| Turn::Usual)
}

fn shown(words: &[&str]) -> String {
    let outcome = run(words);
    assert_eq!(outcome.result, Ok(()));
    outcome.output
}

fn document(words: &[&str]) -> Value {
    let output = shown(words);
    assert_eq!(output.lines().count(), 1, "{output}");
    serde_json::from_str(&output).unwrap()
}

#[test]
fn ps_shows_tasks() {
    assert_eq!(
        shown(&["ps"]),
        "ID  NAME  STATE  WAITS-FOR  POLLS  WAKES  RUN-TIME  LONGEST-POLL\n \
         0  main  waits  udp 53        12     11  1.234 ms      98.76 us\n \
         1  net0  ready  -              1     11  1.234 ms      98.76 us\n"
    );
    let rows = document(&["ps", "--json"]);
    assert_eq!(rows[0]["longest_poll"], 98_765);
    assert_eq!((&rows[0]["waits_for"], &rows[1]["state"]), (&json!("udp 53"), &json!("ready")));
}

#[test]
fn counters_show_what_is_not_zero() {
    assert_eq!(shown(&["counters"]), "NAME            VALUE\ndns.queries         3\nnet0.rx_frames     12\n");
    assert!(shown(&["counters", "--all"]).contains("net0.rx_errors      0\n"));
    assert_eq!(document(&["counters", "vm", "net0", "--json"]), json!({ "net0.rx_frames": 12 }));
    let none = run(&["counters", "vm", "web"]);
    assert_eq!((none.output.as_str(), none.result), ("", Ok(())));
    assert_eq!(none.notes, "unik: dns has no counter that begins with 'web' and is to be shown\n");
}

#[test]
fn counters_are_watched_until_the_user_ends_it() {
    for (words, last) in [
        (&["counters", "--watch", "0.1"][..], "net0.rx_frames"),
        (&["counters", "--watch", "0.1", "--json"], "net0.rx_frames"),
    ] {
        let mut value = 0;
        let outcome = run_until(last, words, move |peer, number, request| match request {
            Request::Counters => {
                value += 1000;
                peer.say(number, &Reply::Counter { group: "net0", name: "rx_frames", value });
                peer.say(number, &Reply::Counter { group: "net0", name: "rx_errors", value: 5 });
                peer.say(number, &Reply::Done);
                Turn::Handled
            }
            _ => Turn::Usual,
        });
        assert_eq!(outcome.result, Ok(()));
        assert!(!outcome.output.contains("rx_errors"), "{}", outcome.output);
        let rate = match serde_json::from_str::<Value>(&outcome.output) {
            Ok(document) => document["per_second"]["net0.rx_frames"].as_f64().unwrap(),
            Err(_) => {
                outcome.output.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
            }
        };
        assert!(rate > 0.0 && rate <= 10_000.0, "{rate}");
    }
}

#[test]
fn the_log_shows_records_and_what_is_missing() {
    let lines = "... 2 records lost ...\n[    1.234567] INFO  unik_dns: listens\n\
                 [    1.234567] WARN  unik_dns: \\u{1b}[2J\n";
    assert_eq!(shown(&["log"]), lines);
    let output = shown(&["log", "--json"]);
    let values: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values[0], json!({ "lost": 2 }));
    assert_eq!(
        values[1],
        json!({ "number": 2, "time": 1_234_567_890, "level": "info", "target": "unik_dns", "text": "listens" })
    );
}

#[test]
fn the_log_is_followed_until_the_user_ends_it() {
    let outcome = run_until("third", &["log", "--follow"], |peer, number, request| {
        if let Request::Log { follow: true } = request {
            for text in ["first", "second", "third"] {
                peer.say(number, &record(0, unik_monitor::Level::Info, text));
            }
            return Turn::Handled;
        }
        if let Request::Stop { request } = request {
            peer.say(*request, &record(0, unik_monitor::Level::Info, "on its way"));
        }
        Turn::Usual
    });
    assert_eq!(outcome.result, Ok(()));
    let texts: Vec<&str> = outcome.output.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(texts, ["first", "second", "third", "on its way"]);
}

#[test]
fn levels_are_set_and_shown() {
    let (sender, set) = std::sync::mpsc::channel();
    let words = ["log", "--level", "unik_net=trace", "--level", "unik_dns=default"];
    let outcome = run_until("nothing is", &words, move |_, _, request| {
        if let Request::SetLevel { target, level } = request {
            sender.send(((*target).to_owned(), *level)).unwrap();
        }
        Turn::Usual
    });
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.output, "TARGET         LEVEL\n(all others)   info\nunik_net::tcp  debug\n");
    let set: Vec<_> = set.try_iter().collect();
    assert_eq!(
        set,
        [("unik_net".to_owned(), Some(unik_monitor::Level::Trace)), ("unik_dns".to_owned(), None)]
    );
    assert_eq!(
        document(&["log", "--levels", "--json"])[1],
        json!({ "target": "unik_net::tcp", "level": "debug" })
    );
}

#[test]
fn netstat_shows_sockets() {
    let remote = "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:53";
    let output = shown(&["netstat"]);
    let rows: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["udp", "0", "0", "0.0.0.0:53", "-", "OPEN", "-", "0", "1", "m", "01", "s", "net0"]);
    assert_eq!(
        rows[2],
        [
            "tcp",
            "7",
            "512",
            remote,
            "10.0.2.2:40000",
            "CLOSE-WAIT",
            "1.500",
            "ms",
            "1",
            "1",
            "m",
            "01",
            "s",
            "net0"
        ]
    );
    let rows = document(&["netstat", "--json"]);
    assert_eq!((&rows[0]["remote"], &rows[0]["round_trip"]), (&Value::Null, &Value::Null));
    assert_eq!((&rows[1]["round_trip"], &rows[1]["state"]), (&json!(1_500_000), &json!("CLOSE-WAIT")));
}

#[test]
fn sysinfo_shows_facts() {
    let output = shown(&["sysinfo"]);
    for line in ["uptime   5.000 s", "date     2027-01-01 00:00:04 UTC", "slots    8,000"] {
        let (name, value) = line.split_once(' ').unwrap();
        let found = output.lines().find_map(|shown| shown.strip_prefix(name)).map(str::trim);
        assert_eq!(found, Some(value.trim()), "{output}");
    }
    assert_eq!(document(&["sysinfo", "--json"])["memory"], 8 << 20);
}

#[test]
fn shutdown_waits_for_the_end() {
    let outcome = run_until("nothing is", &["shutdown", "--reboot"], |peer, number, request| match request {
        Request::End { reboot: true } => {
            answer(peer, number, request);
            Turn::End
        }
        _ => Turn::Usual,
    });
    assert_eq!((outcome.output.as_str(), outcome.result), ("dns has ended\n", Ok(())));
    // A guest that is faster than its answer has ended all the same.
    let outcome = run_until("nothing is", &["shutdown", "--json"], |_, _, request| match request {
        Request::End { .. } => Turn::End,
        _ => Turn::Usual,
    });
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(
        serde_json::from_str::<Value>(&outcome.output).unwrap(),
        json!({ "name": "dns", "ended": true })
    );
}

#[test]
fn a_refused_shutdown_is_told() {
    let outcome = run_until("nothing is", &["shutdown"], |peer, number, request| match request {
        Request::End { .. } => {
            peer.say(number, &Reply::Refused(Refusal::Unable));
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    let told = outcome.result.unwrap_err().to_string();
    assert_eq!(told, "dns does not end: what that takes is not there, such as memory");
}

#[test]
fn frames_are_lines_for_people() {
    let outcome = run_until("out", &["tcpdump"], |_, _, _| Turn::Usual);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(
        outcome.output,
        "23:59:59.000000 in  10.0.2.2:40000 > 10.0.2.15:53 UDP data 4, 60 bytes\n\
         ... 4 frames lost ...\n\
         00:00:00.000000 out 10.0.2.2:40000 > 10.0.2.15:53 UDP data 4, 60 bytes\n"
    );
    assert_eq!(outcome.notes, "unik: frames of net0: 2 captured, 4 lost\n");
}

#[test]
fn frames_are_objects_for_programs() {
    let output = shown(&["tcpdump", "-c", "2", "--json"]);
    let values: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 2);
    assert_eq!((&values[1]["direction"], &values[1]["lost_before"]), (&json!("out"), &json!(4)));
    assert_eq!((&values[0]["length"], &values[0]["captured"]), (&json!(60), &json!(46)));
}

/// Dates, directions and losses of the packets of a capture, and whether it has its end.
fn read(path: &Path) -> (Vec<(u128, bool, u64)>, bool) {
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
    let bytes = std::fs::read(path).unwrap();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let (mut packets, mut end) = (Vec::new(), false);
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::EnhancedPacket(packet) => {
                let inbound = packet.options.contains(&EnhancedPacketOption::Flags(1));
                let lost = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::DropCount(lost) => Some(*lost),
                    _ => None,
                });
                packets.push((packet.timestamp.as_nanos(), inbound, lost.unwrap_or(0)));
            }
            Block::InterfaceStatistics(_) => end = true,
            _ => {}
        }
    }
    (packets, end)
}

#[test]
fn a_capture_ends_after_so_many_frames() {
    let scratch = Scratch::new();
    let path = scratch.path().join("capture");
    let outcome = run(&["tcpdump", "-w", path.to_str().unwrap(), "-c", "1"]);
    assert_eq!((outcome.result, outcome.output.as_str()), (Ok(()), ""));
    assert_eq!(outcome.notes, "unik: frames of net0: 1 captured, 4 lost\n");
    assert_eq!(read(&path), (vec![(1_798_761_599_000_000_000, true, 0)], true));
}

#[test]
fn a_capture_is_complete_when_the_guest_ends() {
    let scratch = Scratch::new();
    let path = scratch.path().join("capture");
    let outcome =
        run_until("nothing is", &["tcpdump", "-w", path.to_str().unwrap()], |peer, number, request| {
            if !matches!(request, Request::Capture { .. }) {
                return Turn::Usual;
            }
            peer.say(number, &Reply::Lost(4));
            peer.say(number, &frame(1, Direction::Sent));
            Turn::End
        });
    assert_eq!(outcome.result.unwrap_err().to_string(), "dns has ended: the channel is closed");
    assert_eq!(outcome.notes, "unik: frames of net0: 1 captured, 4 lost\n");
    assert_eq!(read(&path), (vec![(1_798_761_600_000_000_000, false, 4)], true));
}

#[test]
fn a_reader_that_goes_away_ends_the_capture() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let stopped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stopped);
    let _fake = Fake::start(&path, move |_, _, request| {
        seen.fetch_or(matches!(request, Request::Stop { .. }), Ordering::SeqCst);
        Turn::Usual
    });
    let mut guest = Connection::open(&path, Duration::from_secs(20)).unwrap();
    let (stop, mut output, mut notes) = (AtomicBool::new(false), Gone, Vec::new());
    let mut view = View::new(&mut output, &mut notes, false, &stop);
    let options = tcpdump::Options { target: Some(tcpdump::Target::Output), ..tcpdump::Options::default() };
    assert_eq!(tcpdump::run(&mut guest, &options, &mut view), Ok(()));
    assert!(stopped.load(Ordering::SeqCst));
}

#[test]
fn a_network_card_is_chosen_among_those_there_are() {
    let told = run(&["tcpdump", "-i", "net7"]).result.unwrap_err().to_string();
    assert_eq!(told, "dns has no network card 'net7': choose net0");
    for (cards, expected) in [
        (&[][..], "dns has no network card"),
        (&["net0", "net1"], "choose a network card with -i: net0, net1"),
    ] {
        let outcome = run_until("nothing is", &["tcpdump"], move |peer, number, request| match request {
            Request::Interfaces => {
                cards.iter().for_each(|card| peer.say(number, &Reply::Interface(card)));
                peer.say(number, &Reply::Done);
                Turn::Handled
            }
            _ => Turn::Usual,
        });
        assert_eq!(outcome.result.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_capture_that_somebody_else_takes_is_refused() {
    for words in [&["tcpdump"][..], &["log", "--follow"]] {
        let outcome = run_until("nothing is", words, |peer, number, request| match request {
            Request::Capture { .. } | Request::Log { .. } => {
                peer.say(number, &Reply::Refused(Refusal::Busy));
                Turn::Handled
            }
            _ => Turn::Usual,
        });
        let told = outcome.result.unwrap_err().to_string();
        assert!(told.ends_with(": somebody does that already, or as many as possible do"), "{told}");
    }
}

#[test]
fn commands_of_the_appliance_are_listed_with_their_help() {
    assert_eq!(shown(&["ask"]), "COMMAND  HELP\nzones    Lists the zones.\nreload   Reads a zone again.\n");
    assert_eq!(document(&["ask", "--json"])[0], json!({ "name": "zones", "help": "Lists the zones." }));
}

#[test]
fn lines_with_tabs_are_a_table_and_all_others_stand_as_they_are() {
    assert_eq!(
        shown(&["ask", "zones"]),
        "2 zones\nZONE         RECORDS\nexample.org       35\n\\u{1b}[2J          7\n"
    );
    let lines = document(&["ask", "zones", "--json"]);
    assert_eq!(lines[0], json!({ "cells": ["2 zones"], "cut": false }));
    assert_eq!(lines[1], json!({ "cells": ["ZONE", "RECORDS"], "cut": false }));
    assert_eq!(lines[2], json!({ "cells": ["example.org", "35"], "cut": false }));
}

#[test]
fn a_command_is_asked_once_with_all_its_arguments() {
    let (sender, asked) = std::sync::mpsc::channel();
    let words = ["ask", "reload", "example.org"];
    let outcome = run_until("nothing is", &words, move |_, _, request| {
        if let Request::Ask { words } = request {
            sender.send((*words).to_owned()).unwrap();
        }
        Turn::Usual
    });
    assert_eq!((outcome.output.as_str(), outcome.result), ("35 records ... (cut)\n", Ok(())));
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), ["reload example.org"]);
}

#[test]
fn a_command_that_is_not_followed_is_one_sentence() {
    let long = "x".repeat(300);
    for (words, sentence, code) in [
        (&["ask", "reload", "x"][..], r"dns declines 'reload': there is no such \u{1b}zone", 1),
        (
            &["ask", "reload", &long],
            "a command and its arguments have 240 bytes at most, and these have 307",
            2,
        ),
        (&["ask", "zoned"], "dns has no command 'zoned': choose zones, reload", 2),
    ] {
        let outcome = run(words);
        let error = outcome.result.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.exit_code()), (sentence, code));
        assert_eq!(outcome.output, "");
    }
}

#[test]
fn an_appliance_without_commands_says_so() {
    let script = |peer: &mut Peer, number: u32, request: &Request<'_>| match request {
        Request::Commands => {
            peer.say(number, &Reply::Done);
            Turn::Handled
        }
        _ => Turn::Usual,
    };
    let outcome = run_until("nothing is", &["ask"], script);
    assert_eq!((outcome.output.as_str(), outcome.result), ("", Ok(())));
    assert_eq!(outcome.notes, "unik: dns has no commands of its own\n");
    let error = run_until("nothing is", &["ask", "zones"], script).result.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit_code()), ("dns has no commands of its own", 1));
}

#[test]
fn a_guest_that_knows_of_no_commands_is_told_as_older() {
    let outcome = run_until("nothing is", &["ask", "zones"], |peer, number, request| match request {
        Request::Commands => {
            peer.say(number, &Reply::Refused(Refusal::Malformed));
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    let told = outcome.result.unwrap_err().to_string();
    let why = "it does not know the request; build image and tool from the same version";
    assert_eq!(told, format!("dns does not tell its commands: {why}"));
}

#[test]
fn what_a_command_said_before_the_guest_ended_is_shown() {
    let outcome = run_until("nothing is", &["ask", "zones"], |peer, number, request| match request {
        Request::Ask { .. } => {
            peer.say(number, &Reply::Line { text: "half of it", cut: false });
            Turn::End
        }
        _ => Turn::Usual,
    });
    assert_eq!(outcome.output, "half of it\n");
    assert_eq!(outcome.result.unwrap_err().to_string(), "dns has ended: the channel is closed");
}

#[test]
fn lines_that_lie_about_their_columns_are_bounded() {
    let outcome = run_until("nothing is", &["ask", "zones"], |peer, number, request| match request {
        Request::Ask { .. } => {
            for column in 0..1000 {
                let text = "\t".repeat(column) + &"x".repeat(1000 - column);
                peer.say(number, &Reply::Line { text: &text, cut: false });
            }
            peer.say(number, &Reply::Done);
            Turn::Handled
        }
        _ => Turn::Usual,
    });
    assert_eq!(outcome.result, Ok(()));
    assert!(outcome.output.lines().count() >= 1000);
    assert!(outcome.output.lines().all(|line| line.len() < 16 * 122 + 2 * 1000), "{}", outcome.output.len());
}
