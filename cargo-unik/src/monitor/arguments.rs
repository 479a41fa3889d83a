//! The command lines of the commands that look into running guests.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lexopt::prelude::*;
use unik_monitor::CAPTURE_LIMIT;

use crate::error::{Error, Result};
use crate::monitor::tcpdump::{self, Target};
use crate::monitor::view::View;
use crate::monitor::{Connection, PATIENCE, ask, counters, facts, find, log, netstat, ps};
use crate::run::EXIT_INTERRUPTED;

/// The words that begin them.
pub const VERBS: [&str; 9] =
    ["list", "ps", "counters", "log", "netstat", "tcpdump", "sysinfo", "ask", "shutdown"];

/// What is looked at, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The virtual machine, by name or path; the only one that runs where nothing is said.
    pub machine: Option<String>,
    /// For programs.
    pub json: bool,
    /// What.
    pub what: What,
}

/// What can be looked at, or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Which virtual machines run.
    List,
    /// Tasks.
    Tasks,
    /// Counters.
    Counters(counters::Options),
    /// The log and its levels.
    Log(log::Options),
    /// Sockets.
    Sockets,
    /// Frames.
    Frames(tcpdump::Options),
    /// Facts.
    Facts,
    /// A command of the appliance's own, and its arguments; its commands, where nothing is said.
    Ask(Vec<String>),
    /// The end.
    End {
        /// And a new start.
        reboot: bool,
    },
}

/// Reads what follows one of [`VERBS`]; `None` when help was asked for.
///
/// # Errors
/// A sentence about the first word that makes no sense.
pub fn parse(verb: &str, parser: &mut lexopt::Parser) -> Result<Option<Look>> {
    let (mut json, mut reboot) = (false, false);
    let mut names: Vec<String> = Vec::new();
    let mut counters = counters::Options::default();
    let mut log = log::Options::default();
    let mut frames = tcpdump::Options::default();
    let most = match verb {
        "list" => 0,
        "counters" => 2,
        "ask" => usize::MAX,
        _ => 1,
    };
    while let Some(word) = parser.next()? {
        match (verb, word) {
            (_, Short('h') | Long("help")) => return Ok(None),
            (_, Long("json")) => json = true,
            (_, Value(word)) if names.len() < most => names.push(word.string()?),
            ("counters", Long("all")) => counters.all = true,
            ("counters", Long("watch")) => counters.watch = Some(seconds(&parser.value()?.string()?)?),
            ("log", Long("follow")) => log.follow = true,
            ("log", Long("levels")) => log.levels = true,
            ("log", Long("level")) => log.set.push(log::level(&parser.value()?.string()?)?),
            ("tcpdump", Short('i')) => frames.interface = Some(parser.value()?.string()?),
            ("tcpdump", Short('w')) => {
                let path = parser.value()?;
                frames.target = Some(if path == "-" { Target::Output } else { Target::File(path.into()) });
            }
            ("tcpdump", Short('s')) => frames.length = length(&parser.value()?.string()?)?,
            ("tcpdump", Short('c')) => frames.count = Some(count(&parser.value()?.string()?)?),
            ("shutdown", Long("reboot")) => reboot = true,
            (_, Value(word)) => {
                return Err(Error::usage(format!("'{}' is one word too many", word.to_string_lossy())));
            }
            (_, other) => return Err(other.unexpected().into()),
        }
    }
    if verb == "ask" {
        return Ok(Some(Look { machine: None, json, what: What::Ask(names) }));
    }
    let mut names = names.into_iter();
    let machine = names.next();
    counters.prefix = names.next().unwrap_or_default();
    let what = match verb {
        "list" => What::List,
        "ps" => What::Tasks,
        "counters" => What::Counters(counters),
        "log" if log.follow && log.levels => {
            return Err(Error::usage("--levels shows levels and --follow records: choose one"));
        }
        "log" => What::Log(log),
        "netstat" => What::Sockets,
        "tcpdump" if json && frames.target.is_some() => {
            return Err(Error::usage("-w writes a capture, which is no JSON: choose one"));
        }
        "tcpdump" => What::Frames(frames),
        "sysinfo" => What::Facts,
        _ => What::End { reboot },
    };
    Ok(Some(Look { machine, json, what }))
}

fn seconds(word: &str) -> Result<Duration> {
    let seconds = word.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| Error::usage(format!("'{word}' is no number of seconds: write 0.1 to 86400")))?;
    Ok(Duration::from_secs_f64(seconds))
}

fn length(word: &str) -> Result<u16> {
    let length = word.parse().ok().filter(|length| (1..=CAPTURE_LIMIT).contains(length));
    length
        .ok_or_else(|| Error::usage(format!("'{word}' is no length of a frame: write 1 to {CAPTURE_LIMIT}")))
}

fn count(word: &str) -> Result<u64> {
    let count = word.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| Error::usage(format!("'{word}' is no number of frames: write 1 or more")))
}

impl Look {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    pub fn execute(mut self) -> Result<u8> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut output = std::io::BufWriter::new(std::io::stdout().lock());
        let mut notes = std::io::stderr();
        let mut view = View::new(&mut output, &mut notes, self.json, &stop);
        let folder = find::folder();
        if self.what == What::List {
            find::list(&folder, PATIENCE, &mut view)?;
            view.flush()?;
            return Ok(0);
        }
        if let What::Frames(options) = &self.what
            && options.target == Some(Target::Output)
            && std::io::stdout().is_terminal()
        {
            let help = "lead it into a program, or leave -w out";
            return Err(Error::usage(format!("a capture is nothing for a terminal: {help}")));
        }
        if let What::Counters(options) = &mut self.what {
            tell_apart(&mut self.machine, &mut options.prefix, &|word| find::has(&folder, word));
        }
        if let What::Ask(words) = &mut self.what {
            self.machine = take_machine(words, &|word| find::has(&folder, word));
        }
        let path = find::find(&folder, self.machine.as_deref())?;
        let mut guest = Connection::open(&path, PATIENCE)?;
        if self.goes_on() {
            let stop = Arc::clone(&stop);
            // Without the handler, Ctrl-C ends the tool at once, as the second one does with it.
            let _ = ctrlc::set_handler(move || {
                if stop.swap(true, Ordering::SeqCst) {
                    std::process::exit(EXIT_INTERRUPTED.into());
                }
            });
        }
        let outcome = self.show(&mut guest, &mut view);
        view.flush()?;
        outcome.map(|()| 0)
    }

    /// Whether it goes on until the user ends it.
    fn goes_on(&self) -> bool {
        match &self.what {
            What::Counters(options) => options.watch.is_some(),
            What::Log(options) => options.follow,
            What::Frames(_) => true,
            _ => false,
        }
    }

    /// Does it with a guest that has been found.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    pub fn show(&self, guest: &mut Connection, view: &mut View<'_>) -> Result<()> {
        match &self.what {
            What::List => Ok(()),
            What::Tasks => ps::run(guest, view),
            What::Counters(options) => counters::run(guest, options, view),
            What::Log(options) => log::run(guest, options, view),
            What::Sockets => netstat::run(guest, view),
            What::Frames(options) => tcpdump::run(guest, options, view),
            What::Facts => facts::sysinfo(guest, view),
            What::Ask(words) => ask::run(guest, words, view),
            What::End { reboot } => facts::shutdown(guest, *reboot, view),
        }
    }
}

/// `counters` takes a virtual machine, the beginning of names, or both. A single word is a virtual machine where it is a path or one of
/// that name runs.
fn tell_apart(machine: &mut Option<String>, prefix: &mut String, runs: &dyn Fn(&str) -> bool) {
    if prefix.is_empty()
        && let Some(word) = machine.take_if(|word| !word.contains('/') && !runs(word))
    {
        *prefix = word;
    }
}

/// `ask` takes a virtual machine in front of the appliance's command, or none. The first word is a virtual machine where it is a path or one
/// of that name runs.
fn take_machine(words: &mut Vec<String>, runs: &dyn Fn(&str) -> bool) -> Option<String> {
    let named = words.first().is_some_and(|word| word.contains('/') || runs(word));
    named.then(|| words.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Look>> {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default();
        parse(verb, &mut lexopt::Parser::from_args(words))
    }

    fn what(line: &str) -> What {
        read(line).unwrap().unwrap().what
    }

    #[test]
    fn a_capture_takes_all_its_options() {
        let look = read("tcpdump dns -i net1 -w - -s 96 -c 3").unwrap().unwrap();
        assert_eq!((look.machine.as_deref(), look.json), (Some("dns"), false));
        let options = tcpdump::Options {
            interface: Some("net1".to_owned()),
            target: Some(Target::Output),
            length: 96,
            count: Some(3),
        };
        assert_eq!(look.what, What::Frames(options));
        let What::Frames(options) = what("tcpdump -w capture") else { panic!() };
        assert_eq!(options.target, Some(Target::File("capture".into())));
    }

    #[test]
    fn levels_are_set_in_the_order_they_are_given() {
        let What::Log(options) = what("log --level debug --level unik_net::tcp=off --level a=default") else {
            panic!()
        };
        let set = [
            ("", Some(unik_monitor::Level::Debug)),
            ("unik_net::tcp", Some(unik_monitor::Level::Off)),
            ("a", None),
        ];
        assert_eq!(options.set, set.map(|(target, level)| (target.to_owned(), level)));
    }

    #[test]
    fn a_word_for_counters_is_a_machine_where_one_of_that_name_runs() {
        for (words, expected, prefix) in [
            ("counters dns", Some("dns"), ""),
            ("counters net0", None, "net0"),
            ("counters ./socket", Some("./socket"), ""),
            ("counters dns net0.rx", Some("dns"), "net0.rx"),
            ("counters other net0.rx", Some("other"), "net0.rx"),
        ] {
            let Some(Look { mut machine, what: What::Counters(mut options), .. }) = read(words).unwrap()
            else {
                panic!("{words}")
            };
            tell_apart(&mut machine, &mut options.prefix, &|word| word == "dns");
            assert_eq!((machine.as_deref(), options.prefix.as_str()), (expected, prefix), "{words}");
        }
    }

    #[test]
    fn the_first_word_for_ask_is_a_machine_where_one_of_that_name_runs() {
        for (line, machine, words) in [
            ("ask", None, &[][..]),
            ("ask dns", Some("dns"), &[]),
            ("ask zones", None, &["zones"]),
            ("ask dns reload example.org --json", Some("dns"), &["reload", "example.org"]),
            ("ask reload dns", None, &["reload", "dns"]),
            ("ask dns dns", Some("dns"), &["dns"]),
            ("ask ./socket zones", Some("./socket"), &["zones"]),
            ("ask zones -- --all -1", None, &["zones", "--all", "-1"]),
        ] {
            let What::Ask(mut asked) = what(line) else { panic!("{line}") };
            let named = take_machine(&mut asked, &|word| word == "dns");
            assert_eq!(
                (named.as_deref(), asked),
                (machine, words.iter().map(|word| (*word).to_owned()).collect())
            );
        }
    }

    #[test]
    fn bad_input_is_one_sentence() {
        for (line, sentence) in [
            ("ps dns extra", "'extra' is one word too many"),
            ("list dns", "'dns' is one word too many"),
            ("ps --follow", "invalid option '--follow'"),
            ("ask zones --all", "invalid option '--all'"),
            ("tcpdump -s 9000", "'9000' is no length of a frame: write 1 to 1536"),
            ("tcpdump -c 0", "'0' is no number of frames: write 1 or more"),
            ("tcpdump -w file --json", "-w writes a capture, which is no JSON: choose one"),
            ("counters --watch NaN", "'NaN' is no number of seconds: write 0.1 to 86400"),
            ("log --levels --follow", "--levels shows levels and --follow records: choose one"),
            (
                "log --level unik_net=loud",
                "'unik_net=loud' sets no level: write MODULE=LEVEL or LEVEL with off, error, warn, info, debug, trace, or MODULE=default",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert_eq!((error.to_string().as_str(), error.exit_code()), (sentence, crate::error::EXIT_USAGE));
        }
    }

    #[test]
    fn every_verb_has_help_and_json() {
        for verb in VERBS {
            assert_eq!(read(&format!("{verb} --help")), Ok(None));
            assert!(read(&format!("{verb} --json")).unwrap().unwrap().json);
        }
    }
}
