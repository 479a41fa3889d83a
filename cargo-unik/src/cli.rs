//! The command line: words in, a [`Command`] out, and the exit code of what it did.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::base::Base;
use crate::disk::Disk;
use crate::error::{Context, Error, Result};
use crate::image::{self, Profile, Request};
use crate::monitor::arguments::{self, Look};
use crate::options::{self, Memory};
use crate::run::{self, Channel, RunOptions};
use crate::size::grouped;
use crate::test::Suites;
use crate::workspace::Workspace;
use crate::{bench, budget, gdb, inspect, new, pack, sbom, setup, size, test};

/// What `cargo unik help` prints.
pub const USAGE: &str = "\
Builds, boots, tests and measures unik images.

cargo unik build APP [--release] [--embed DIR]    build target/unik/APP.elf and APP.debug
    --base ADDRESS             load it at 0x345000, or random: another one in each build
    --features NAMES           with features of the application besides: APP+NAMES.elf
cargo unik run APP [OPTIONS] [-- QEMU ARGS]       build it and boot it
    --release                  the image that ships
    --features NAMES           with features of the application besides, which APP+NAME says too: httpd+tls
    --base ADDRESS             load it at 0x345000, or random: another one at each start
    --host                     as an ordinary process, without a machine
    --data DIR                 files for the guest, checked first where the application checks files
    --embed DIR                files for the guest, compiled in
    --disk FILE[,ro]           a disk, ro: which is only read (several times); ,raw or ,qcow2 says what is in doubt
    --machine KIND             microvm, q35 or pc
    --memory SIZE              8M, 1G
    --net KIND                 user, tap:NAME, link:PATH or none (several times)
    --forward udp:5300:53      lead a port of 127.0.0.1 into the guest (several times)
    --cmdline WORDS            configuration, as key=value words
    --accel KIND               auto, kvm or tcg
    --monitor PATH             the socket of the inspection channel, or none
    --name NAME                what to call this machine, where a second one runs
    --core FILE                what gdb opens, where the guest dies: its memory and registers
    --types                    with --core: build it as cargo unik gdb does, which then opens FILE
    --dry-run                  print the QEMU command
  Ctrl-C asks a guest that listens to end, by its power button or its inspection channel, and exits with the guest's code;
  it stops any other with code 130, and the second one does so at once
cargo unik gdb APP [OPTIONS] [-- GDB ARGS]        build it with types, and start it stopped, under gdb
    --release, --data, --embed, --disk, --machine, --memory, --net, --forward, --cmdline, --accel: as for run
    --core FILE                in place of a machine: what cargo unik run --types --core FILE has left
cargo unik test [APP] [--host | --vm]             run the tests, on this computer and in machines; of APP with --features
    --features NAMES           NAMES those on this computer
cargo unik size [APP]                             where the bytes of the release image are
cargo unik bench [boot | query | request | site | echo | loss]  what a boot, a DNS query, a request of a page, a start
                                                  with many files or an echo costs; TCP where frames are lost
cargo unik bench net [OPTIONS]                    the network against a Linux guest (root)
cargo unik bench dns [OPTIONS]                    the name server against NSD in a Linux guest (root)
cargo unik bench httpd [OPTIONS]                  the web server against nginx in a Linux guest (root)
cargo unik bench switch [OPTIONS]                 the switch against a bridge in a Linux guest and QEMU's hub (root)
    --only ROW,ROW             these rows: of net, bulk, iperf, udp-echo, tcp-rr, idle, connections, flood, loss, boot, soak;
                               of dns, queries, host, start, instructions, memory, load, noise; of httpd, requests, file,
                               host, start, instructions, soak, slow; of switch, instructions and table (no root), frames, tcp, kicks
    --quick                    fewer and shorter rounds
    --no-peer                  without the Linux guest, and the hub
cargo unik bench openflow [--quick] [--no-peer] [--only SUITE,SUITE]  the switch as os-ken's tester judges it (root): match,
                                                  action, group, meter, of10; packet-in against Open vSwitch in a Linux guest
cargo unik bench density [--quick] [--count N]    web servers by the hundred: start, stop, memory, and what they take idle
cargo unik new [FOLDER/]NAME                      begin a project of your own
cargo unik pack APP [--data DIR]                  a folder with the release image and what boots it: a script, a
                                                  systemd unit, files for Firecracker and Cloud Hypervisor
cargo unik inspect FILE [--json]                  what an image was built from
cargo unik sbom APP [--json]                      the crates in it, as CycloneDX with --json

cargo unik list                                   the machines that run
cargo unik ps [MACHINE]                           the tasks of one
cargo unik counters [MACHINE] [PREFIX]            what it counts
    --all                      also what is zero, or does not change
    --watch SECONDS            growth per second, until Ctrl-C
cargo unik log [MACHINE]                          what it has logged
    --follow                   and what it logs, until Ctrl-C
    --levels                   the levels in force instead
    --level [MODULE=]LEVEL     set one first (several times)
cargo unik netstat [MACHINE]                      its sockets
cargo unik tcpdump [MACHINE]                      its frames as they pass, until Ctrl-C
    -i net0                    of this network card
    -w FILE                    as a pcapng capture; - for standard output
    -s LENGTH                  the first bytes of each
    -c COUNT                   so many
cargo unik sysinfo [MACHINE]                      what it is and what it runs on
cargo unik ask [MACHINE] [COMMAND [ARGUMENTS]]    have it follow a command of its own; without one, which there are
    --                         before arguments that begin with a dash
cargo unik shutdown [MACHINE] [--reboot]          end it in order

APP is an application of the workspace (dns), an example of unik (hello), or left out where one stands.
MACHINE is a name that 'cargo unik list' shows, or the path of a socket; left out where one runs. All commands about machines take --json.
";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print the usage.
    Help,
    /// Build an image.
    Build {
        /// The application.
        app: Option<String>,
        /// How.
        profile: Profile,
        /// Files to compile in.
        embed: Option<PathBuf>,
        /// Where it is loaded.
        base: Base,
    },
    /// Build an image and boot it.
    Run(Box<RunOptions>),
    /// Build an image with types and boot it under gdb; the extra arguments are gdb's.
    Gdb(Box<RunOptions>),
    /// Run the tests.
    Test {
        /// Those of one application alone.
        app: Option<String>,
        /// Which.
        suites: Suites,
    },
    /// Show sizes.
    Size(Option<String>),
    /// Measure.
    Bench {
        /// Which benchmark.
        what: Option<String>,
        /// What of it, where it has rows.
        options: bench::net::Options,
    },
    /// Begin a project.
    New(String),
    /// Look into a machine that runs.
    Look(Look),
    /// Tell what an image was built from.
    Inspect {
        /// The image.
        file: PathBuf,
        /// For programs.
        json: bool,
    },
    /// List the crates of an application.
    Sbom {
        /// The application.
        app: Option<String>,
        /// For programs.
        json: bool,
    },
    /// Gather an image with what it needs to boot.
    Pack {
        /// The application.
        app: Option<String>,
        /// Files for the guest.
        data: Option<PathBuf>,
    },
}

/// The whole program: reads the arguments behind the program's name, does it, and says what went wrong.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match Command::parse(arguments).and_then(Command::execute) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("unik: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

impl Command {
    /// Reads a command line.
    ///
    /// # Errors
    /// A sentence about the first word that makes no sense.
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command> {
        let mut arguments = arguments.peekable();
        // As a subcommand of cargo, the program is started as `cargo-unik unik ...`.
        if arguments.peek().is_some_and(|first| first == "unik") {
            arguments.next();
        }
        // What stands behind `--` is for QEMU or gdb, or for the command that an appliance is asked to follow.
        let mut words: Vec<OsString> = arguments.collect();
        let asks = words.first().is_some_and(|verb| verb == "ask");
        let end = words.iter().position(|word| word == "--" && !asks);
        let extra = end.map(|end| words.split_off(end).split_off(1));
        let mut parser = lexopt::Parser::from_args(words);
        let verb = match parser.next()? {
            None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
            Some(Value(verb)) => verb.string()?,
            Some(other) => return Err(other.unexpected().into()),
        };
        if extra.is_some() && verb != "run" && verb != "gdb" {
            return Err(Error::usage(format!("'cargo unik {verb}' has no use for --")));
        }
        match verb.as_str() {
            "help" => Ok(Command::Help),
            "build" | "run" | "gdb" | "pack" => with_app(&verb, &mut parser, extra.unwrap_or_default()),
            "test" => {
                let (mut suites, mut app, mut features) = (Suites::All, None, String::new());
                while let Some(word) = parser.next()? {
                    match word {
                        Value(word) if app.is_none() => app = Some(word.string()?),
                        Long("features") => features.push_str(&with_features(&parser.value()?.string()?)),
                        Long("host") if suites == Suites::All => suites = Suites::Host,
                        Long("vm") if suites == Suites::All => suites = Suites::Machine,
                        Long("help") => return Ok(Command::Help),
                        other => return Err(other.unexpected().into()),
                    }
                }
                Ok(Command::Test { app: named(app, &features), suites })
            }
            "size" => Ok(one_name(&mut parser)?.map_or(Command::Help, Command::Size)),
            "bench" => Ok(bench::parse(&mut parser)?
                .map_or(Command::Help, |(what, options)| Command::Bench { what, options })),
            "new" => match one_name(&mut parser)? {
                None => Ok(Command::Help),
                Some(Some(name)) => Ok(Command::New(name)),
                Some(None) => Err(Error::usage("name the project: cargo unik new NAME")),
            },
            "inspect" => Ok(match word_and_json(&mut parser)? {
                None => Command::Help,
                Some((Some(file), json)) => Command::Inspect { file: file.into(), json },
                Some((None, _)) => return Err(Error::usage("name the image: cargo unik inspect FILE")),
            }),
            "sbom" => Ok(match word_and_json(&mut parser)? {
                None => Command::Help,
                Some((app, json)) => Command::Sbom { app: app.map(|app| app.string()).transpose()?, json },
            }),
            verb if arguments::VERBS.contains(&verb) => {
                Ok(arguments::parse(verb, &mut parser)?.map_or(Command::Help, Command::Look))
            }
            _ => {
                let known = format!(
                    "build, run, gdb, test, size, bench, new, pack, inspect, sbom, {} or help",
                    arguments::VERBS.join(", ")
                );
                Err(Error::usage(format!("there is no command '{verb}': choose {known}")))
            }
        }
    }

    /// Does it, and gives the exit code.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    pub fn execute(self) -> Result<u8> {
        match self {
            Command::Help => {
                print!("{USAGE}");
                Ok(0)
            }
            Command::Build { app, profile, embed, base } => build(app.as_deref(), profile, embed, base),
            Command::Run(options) => run::run(&options),
            Command::Gdb(options) => gdb::run(*options),
            Command::Test { app, suites } => test::run(app.as_deref(), suites),
            Command::Size(app) => size::run(app.as_deref()),
            Command::Bench { what, options } => bench::run(what.as_deref(), &options),
            Command::New(name) => new::run(&name),
            Command::Inspect { file, json } => inspect::run(&file, json),
            Command::Sbom { app, json } => sbom::run(app.as_deref(), json),
            Command::Look(look) => look.execute(),
            Command::Pack { app, data } => pack::run(RunOptions { app, data, ..RunOptions::default() }),
        }
    }
}

/// `build`, `run` and `pack` take an application and options; the options of a machine are for `run` alone.
fn with_app(verb: &str, parser: &mut lexopt::Parser, extra: Vec<OsString>) -> Result<Command> {
    let mut options = RunOptions { extra, ..RunOptions::default() };
    let (starts, running) = (verb == "run" || verb == "gdb", verb == "run");
    let mut features = String::new();
    while let Some(word) = parser.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(word) if options.app.is_none() => options.app = Some(word.string()?),
            Long("features") => features.push_str(&with_features(&parser.value()?.string()?)),
            Long("release") if verb != "pack" => options.profile = Profile::Release,
            Long("base") if verb != "pack" => options.base = parser.value()?.string()?.parse()?,
            Long("embed") if verb != "pack" => options.embed = Some(parser.value()?.into()),
            Long("data") if verb != "build" => options.data = Some(parser.value()?.into()),
            Long("host") if running => options.host = true,
            Long("disk") if starts => options.disks.push(Disk::parse(&parser.value()?)?),
            Long("machine") if starts => options.machine = Some(parser.value()?.string()?.parse()?),
            Long("memory") if starts => options.memory = Some(parser.value()?.string()?.parse()?),
            Long("net") if starts => {
                let network = options::network(&parser.value()?.string()?)?;
                options.networks.get_or_insert_default().extend(network);
            }
            Long("forward") if starts => options.forwards.push(parser.value()?.string()?.parse()?),
            Long("cmdline") if starts => options.cmdline = Some(parser.value()?.string()?),
            Long("accel") if starts => options.accelerator = parser.value()?.string()?.parse()?,
            Long("monitor") if running => {
                let path = parser.value()?;
                options.monitor = if path == "none" { Channel::None } else { Channel::Path(path.into()) };
            }
            Long("name") if running => options.name = Some(parser.value()?.string()?),
            Long("core") if starts => options.core = Some(parser.value()?.into()),
            Long("types") if running => options.types = true,
            Long("dry-run") if running => options.dry_run = true,
            Value(word) => {
                return Err(Error::usage(format!("'{}' is one word too many", word.to_string_lossy())));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    options.app = named(options.app, &features);
    if options.name.is_some() && options.monitor != Channel::Usual {
        return Err(Error::usage("--name goes with a socket in the usual place: leave --monitor out"));
    }
    if options.core.is_some() && (options.host || options.dry_run || options.base != Base::Linked) {
        let sentence = "--core goes with a machine that this tool starts, and with an image where it was linked: leave \
                        --host, --dry-run and --base out";
        return Err(Error::usage(sentence));
    }
    if options.types && options.core.is_none() {
        return Err(Error::usage("--types goes with --core FILE"));
    }
    Ok(match verb {
        "run" => Command::Run(Box::new(options)),
        "gdb" => Command::Gdb(Box::new(options)),
        "build" => {
            let RunOptions { app, profile, embed, base, .. } = options;
            Command::Build { app, profile, embed, base }
        }
        _ => Command::Pack { app: options.app, data: options.data },
    })
}

/// Features as they stand behind the name of an application: `+one+other`.
fn with_features(list: &str) -> String {
    list.split([',', ' '])
        .filter(|feature| !feature.is_empty())
        .map(|feature| format!("+{feature}"))
        .collect()
}

/// The name of an application with features behind it, which may stand for themselves.
fn named(app: Option<String>, features: &str) -> Option<String> {
    if features.is_empty() { app } else { Some(app.unwrap_or_default() + features) }
}

/// At most one name, with features; `None` when help was asked for.
fn one_name(parser: &mut lexopt::Parser) -> Result<Option<Option<String>>> {
    let (mut name, mut features) = (None, String::new());
    while let Some(word) = parser.next()? {
        match word {
            Long("help") => return Ok(None),
            Long("features") => features.push_str(&with_features(&parser.value()?.string()?)),
            Value(word) if name.is_none() => name = Some(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(named(name, &features)))
}

/// At most one word, and whether it shall be told to a program; `None` when help was asked for.
fn word_and_json(parser: &mut lexopt::Parser) -> Result<Option<(Option<OsString>, bool)>> {
    let (mut found, mut json) = (None, false);
    while let Some(word) = parser.next()? {
        match word {
            Long("help") => return Ok(None),
            Long("json") => json = true,
            Value(word) if found.is_none() => found = Some(word),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((found, json)))
}

fn build(name: Option<&str>, profile: Profile, embed: Option<PathBuf>, base: Base) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let app = workspace.app(name, &here)?;
    setup::check_compiler()?;
    let mut request = Request { embed, base, ..Request::new(&workspace, profile) };
    request.room.memory = match app.defaults.memory {
        // A given address is meant for a machine that only its user knows.
        _ if base != Base::Random => u64::MAX,
        memory => u64::from(memory.unwrap_or(Memory::DEFAULT).mebibytes()) << 20,
    };
    let image = image::build_within_budget(&workspace, &app, &request)?;
    let shown = image.elf.strip_prefix(&here).unwrap_or(&image.elf);
    let budget = match (profile, budget::of(&app)?.image) {
        (Profile::Release, Some(budget)) => format!(" of {}", grouped(budget)),
        _ => String::new(),
    };
    println!("{}: {}{budget} bytes, sha256 {}", shown.display(), grouped(image.size), image.digest);
    if let Some(words) = image.moved() {
        println!("{words}");
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Accelerator, Machine, Network};

    fn parse(line: &str) -> Result<Command> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    fn run_options(line: &str) -> RunOptions {
        match parse(line).unwrap() {
            Command::Run(options) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_takes_all_its_options() {
        let options = run_options(
            "run dns --release --data zones --disk a --disk b,ro --machine q35 --memory 8M --net user --net tap:t0 \
             --forward udp:5300:53 --forward tcp:5300:53 --cmdline log=debug --accel tcg --core x -- -cpu max",
        );
        assert_eq!(options.app.as_deref(), Some("dns"));
        assert_eq!(options.profile, Profile::Release);
        assert_eq!(options.data, Some("zones".into()));
        assert_eq!(options.disks.iter().map(|disk| disk.is_read_only).collect::<Vec<_>>(), [false, true]);
        assert_eq!(options.machine, Some(Machine::Q35));
        assert_eq!(options.networks, Some(vec![Network::User, Network::Tap("t0".to_owned())]));
        assert_eq!(options.forwards.len(), 2);
        assert_eq!(options.cmdline.as_deref(), Some("log=debug"));
        assert_eq!(options.accelerator, Accelerator::Tcg);
        assert_eq!(options.core, Some("x".into()));
        assert_eq!(options.extra, ["-cpu", "max"]);
    }

    #[test]
    fn features_are_part_of_the_name() {
        assert_eq!(run_options("run httpd --features tls,other").app.as_deref(), Some("httpd+tls+other"));
        assert_eq!(run_options("run --features tls").app.as_deref(), Some("+tls"));
        assert_eq!(parse("size --features tls httpd"), Ok(Command::Size(Some("httpd+tls".to_owned()))));
        let (app, suites) = (Some("httpd+tls".to_owned()), Suites::Host);
        assert_eq!(parse("test httpd --features tls --host"), Ok(Command::Test { app, suites }));
    }

    #[test]
    fn arguments_for_qemu_may_follow_the_verb_at_once() {
        assert_eq!(run_options("run -- -s -S").extra, ["-s", "-S"]);
        assert_eq!(run_options("run -- -s -S").app, None);
    }

    #[test]
    fn gdb_takes_what_makes_a_machine_and_words_of_its_own() {
        let Ok(Command::Gdb(options)) = parse("gdb hello --memory 8M -- -batch") else { panic!("no gdb") };
        assert_eq!(options.memory.map(|memory| memory.mebibytes()), Some(8));
        assert_eq!(options.extra, ["-batch"]);
        let Ok(Command::Gdb(options)) = parse("gdb hello --core x") else { panic!("no gdb") };
        assert_eq!(options.core, Some("x".into()));
        assert!(parse("gdb hello --types").is_err());
    }

    #[test]
    fn no_network_is_not_the_default_network() {
        assert_eq!(run_options("run dns").networks, None);
        assert_eq!(run_options("run dns --net none").networks, Some(vec![]));
    }

    #[test]
    fn a_run_has_a_channel_unless_it_shall_have_none() {
        assert_eq!(run_options("run dns").monitor, Channel::Usual);
        assert_eq!(run_options("run dns --monitor none").monitor, Channel::None);
        assert_eq!(run_options("run dns --monitor ./none").monitor, Channel::Path("./none".into()));
        assert_eq!(run_options("run dns --name second").name.as_deref(), Some("second"));
    }

    #[test]
    fn an_image_and_its_crates_are_told_to_people_or_to_programs() {
        let file = "target/unik/dns.elf";
        let inspect = |json| Ok(Command::Inspect { file: file.into(), json });
        assert_eq!(parse(&format!("inspect {file}")), inspect(false));
        assert_eq!(parse(&format!("inspect --json {file}")), inspect(true));
        assert_eq!(parse("sbom dns --json"), Ok(Command::Sbom { app: Some("dns".to_owned()), json: true }));
        assert_eq!(parse("sbom"), Ok(Command::Sbom { app: None, json: false }));
    }

    #[test]
    fn the_network_is_measured_in_rows() {
        let Ok(Command::Bench { what, options }) =
            parse("bench net --only bulk,loss --only idle --quick --no-peer")
        else {
            panic!("no benchmark")
        };
        assert_eq!(what.as_deref(), Some("net"));
        assert_eq!(options.only, ["bulk", "loss", "idle"]);
        assert!(options.quick && options.no_peer);
        let bare = Command::Bench { what: None, options: bench::net::Options::default() };
        assert_eq!(parse("bench"), Ok(bare));
    }

    #[test]
    fn as_a_subcommand_of_cargo_the_first_word_is_the_subcommand() {
        assert_eq!(parse("unik size dns"), Ok(Command::Size(Some("dns".to_owned()))));
        assert_eq!(parse("size"), Ok(Command::Size(None)));
    }

    #[test]
    fn nothing_and_help_print_the_usage() {
        for line in ["", "unik", "help", "--help", "run --help", "size --help"] {
            assert_eq!(parse(line), Ok(Command::Help), "{line}");
        }
    }

    #[test]
    fn bad_input_is_answered_with_one_sentence_and_code_two() {
        for (line, expected) in [
            (
                "bild",
                "there is no command 'bild': choose build, run, gdb, test, size, bench, new, pack, \
              inspect, sbom, list, ps, counters, log, netstat, tcpdump, sysinfo, ask, shutdown or help",
            ),
            (
                "run dns --name a --monitor b",
                "--name goes with a socket in the usual place: leave --monitor out",
            ),
            (
                "run dns --core a --host",
                "--core goes with a machine that this tool starts, and with an image where it was linked: leave \
                 --host, --dry-run and --base out",
            ),
            ("run dns --types", "--types goes with --core FILE"),
            ("run dns extra", "'extra' is one word too many"),
            ("run dns --memory lots", "'lots' is no amount of memory: write 8M or 1G, 2M at least"),
            ("run dns --forward 53", "'53' forwards nothing: write udp:5300:53 for protocol:here:guest"),
            ("build dns --memory 8M", "invalid option '--memory'"),
            ("new", "name the project: cargo unik new NAME"),
            ("inspect", "name the image: cargo unik inspect FILE"),
            ("run --machine", "missing argument for option '--machine'"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.exit_code(), crate::error::EXIT_USAGE);
        }
    }
}
