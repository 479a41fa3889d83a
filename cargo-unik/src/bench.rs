//! Measures how long an image takes to boot, against the least that QEMU itself takes.
//!
//! Two figures. The ratio: QEMU's start to the first DNS answer, over QEMU's start to its end with a guest that exits at once, taken
//! alternately so that a noisy computer disturbs both alike. And the number of instructions from the image's entry point to `main` and
//! to `ready` and to the first frame, which no noise reaches: under `-icount shift=0` an instruction is a nanosecond of the guest's clock, and the ready line
//! tells that clock. (It is the least of several boots: a device of QEMU that is late makes the guest wait, and waiting counts.) Those
//! are written to `bench/boot.txt`, so that a change shows up as a difference there.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lexopt::prelude::*;

use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Accelerator, Forward, Network, Protocol};
use crate::port::free_port;
use crate::setup;
use crate::workspace::Workspace;

pub mod density;
pub mod dns;
pub mod echo;
pub mod first_frame;
mod http;
pub mod httpd;
pub mod net;
pub mod openflow;
mod process;
pub mod query;
pub mod request;
mod rows;
mod site;
mod steps;
pub mod switch;

/// How often each guest is started for the ratio.
pub const ROUNDS: usize = 7;
/// What a guest without DHCP calls itself in QEMU's user network.
pub const ADDRESS: &str = "net0.ip=10.0.2.15/24 net0.gateway=10.0.2.2";
/// The most machines that are started at the same time: each has a port of this computer.
const MOST_MACHINES: usize = 10_000;
/// How long one guest may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an answer is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(20);

/// RFC 1035, 4.1: id, flags, one question, www.example.org, type A, class IN.
const QUESTION: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

/// The images that are compared, and the files of the one that answers.
struct Images {
    exit: Image,
    hello: Image,
    dns: Image,
    small: Image,
    zones: PathBuf,
}

/// Reads the name of a benchmark, and the options of all of them; `None` when help was asked for.
///
/// # Errors
/// A sentence about the first word that makes no sense.
pub fn parse(parser: &mut lexopt::Parser) -> Result<Option<(Option<String>, net::Options)>> {
    let (mut what, mut options) = (None, net::Options::default());
    while let Some(word) = parser.next()? {
        match word {
            Long("help") => return Ok(None),
            Long("only") => {
                let rows = parser.value()?.string()?;
                options.only.extend(rows.split(',').map(str::to_owned));
            }
            Long("quick") => options.quick = true,
            Long("no-peer") => options.no_peer = true,
            Long("count") => options.count = Some(count(&parser.value()?.string()?)?),
            Value(word) if what.is_none() => what = Some(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((what, options)))
}

/// How many machines.
fn count(word: &str) -> Result<usize> {
    let count = word.parse().ok().filter(|count| (1..=MOST_MACHINES).contains(count));
    count.ok_or_else(|| Error::usage(format!("'{word}' is no number of machines: 1 to {MOST_MACHINES}")))
}

/// The benchmarks, and the options that each has.
const ALL: [(&str, &[&str]); 12] = [
    ("boot", &[]),
    ("query", &[]),
    ("request", &[]),
    ("site", &[]),
    ("echo", &[]),
    ("loss", &[]),
    ("net", &ROWS),
    ("dns", &ROWS),
    ("httpd", &ROWS),
    ("switch", &ROWS),
    ("openflow", &ROWS),
    ("density", &["--quick", "--count"]),
];
const ROWS: [&str; 3] = ["--only", "--quick", "--no-peer"];

/// Runs a benchmark: `boot` is the one without a name.
///
/// # Errors
/// No such benchmark, an option that it does not have, or a guest that does not do its part.
pub fn run(what: Option<&str>, options: &net::Options) -> Result<u8> {
    let what = what.unwrap_or("boot");
    let known = ALL.iter().find(|(name, _)| *name == what);
    let (_, taken) = known.ok_or_else(|| {
        let names = ALL.map(|(name, _)| name).join(", ");
        Error::usage(format!("there is no benchmark '{what}': choose {names}"))
    })?;
    if let Some(option) = options.given().find(|option| !taken.contains(option)) {
        return Err(Error::usage(format!("'cargo unik bench {what}' has no option {option}")));
    }
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    if what == "loss" {
        return loss(&workspace);
    }
    setup::qemu()?;
    setup::check_compiler()?;
    match what {
        "query" => query(&workspace),
        "request" => request(&workspace),
        "site" => site(&workspace),
        "echo" => echo(&workspace),
        "net" => net::run(&workspace, options),
        "dns" => dns::run(&workspace, options),
        "httpd" => httpd::run(&workspace, options),
        "density" => density::run(&workspace, options),
        "switch" => switch::run(&workspace, options),
        "openflow" => openflow::run(&workspace, options),
        _ => boot(&workspace),
    }
}

/// What an echo costs, by a socket and in place.
fn echo(workspace: &Workspace) -> Result<u8> {
    let [socket, in_place] = echo::measure(workspace)?;
    let mut text =
        "instructions an echo of 64 bytes, from the interrupt to the next sleep (QEMU, -d exec, microvm)\n"
            .to_owned();
    for (name, cost) in [("by a socket", socket), ("in the buffer that it came in", in_place)] {
        text += &format!("{name:30} alone {:>6}  in a burst of 16 {:>6}\n", cost.alone, cost.together);
    }
    print!("{text}");
    write(workspace, "echo.txt", &text)
}

/// How fast TCP is over wires that lose frames: an example of unik-net, which no machine is needed for.
fn loss(workspace: &Workspace) -> Result<u8> {
    let arguments = ["run", "--quiet", "--package", "unik-net", "--example", "loss"];
    let mut command = std::process::Command::new(setup::cargo());
    let output =
        command.args(arguments).current_dir(&workspace.root).stderr(std::process::Stdio::inherit()).output();
    let output = output.or_cannot(|| "start cargo".to_owned())?;
    if !output.status.success() {
        return Err(Error::failed("the example loss of unik-net failed".to_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    write(workspace, "loss.txt", &text)
}

/// What a query costs, with and without the inspection channel.
fn query(workspace: &Workspace) -> Result<u8> {
    let query::Cost { without, with } = query::measure(workspace)?;
    let text = format!(
        "instructions a DNS query (QEMU, -icount shift=0,sleep=off, q35), one after the other\n\
         image without the inspection channel      {without:>7}\n\
         with it in, and nobody listening          {with:>7}\n"
    );
    print!("{text}");
    write(workspace, "query.txt", &text)
}

/// What a request costs the web server.
fn request(workspace: &Workspace) -> Result<u8> {
    let request::Cost { alone, together } = request::measure(workspace)?;
    let text = format!(
        "instructions a request of a page of 612 bytes, from the interrupt to the next sleep (QEMU, -d exec, microvm)\n\
         on a connection that is kept    alone {alone:>6}  each of 16 together {together:>6}\n"
    );
    print!("{text}");
    write(workspace, "request.txt", &text)
}

/// What a start with many files costs the web server.
fn site(workspace: &Workspace) -> Result<u8> {
    let [plain, prepared] = site::measure(workspace)?;
    let mut text = "instructions to ready of httpd with 1,001 files of 10 KB, in thousands (QEMU, -icount shift=0,sleep=off, \
                    microvm)\n"
        .to_owned();
    for (name, start) in [("a plain archive", plain), ("prepared by the tool", prepared)] {
        text += &format!("{name:22} {:>8}   archive {:>10} bytes\n", start.instructions, start.archive);
    }
    print!("{text}");
    write(workspace, "site.txt", &text)
}

fn boot(workspace: &Workspace) -> Result<u8> {
    let images = build(workspace)?;
    println!("boot, measured under TCG with {ROUNDS} starts each:");
    let (mut exits, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        exits.push(time_to_exit(&images.exit)?);
        answers.push(time_to_answer(&images)?);
    }
    let (exit, answer) = (Times::of(exits), Times::of(answers));
    println!("  a guest that exits at once   {exit}");
    println!("  dns, to the first answer     {answer}");
    println!(
        "  ratio of the medians         {:9.2}",
        answer.median.as_secs_f64() / exit.median.as_secs_f64()
    );
    let snapshot = snapshot(workspace, &images)?;
    print!("{snapshot}");
    write(workspace, "boot.txt", &snapshot)
}

/// Writes a snapshot.
fn write(workspace: &Workspace, name: &str, text: &str) -> Result<u8> {
    let folder = workspace.root.join("bench");
    let path = folder.join(name);
    fs::create_dir_all(&folder).or_cannot(|| "make bench".to_owned())?;
    fs::write(&path, text).or_cannot(|| format!("write {}", path.display()))?;
    Ok(0)
}

fn build(workspace: &Workspace) -> Result<Images> {
    let build = |name: &str, output: &str, embed: Option<PathBuf>| {
        let app = workspace.app(Some(name), &workspace.root)?;
        let request = Request::new(workspace, Profile::Release);
        let output = request.output.join(output);
        image::build(workspace, &app, &Request { embed, output, ..request })
    };
    let dns = workspace.app(Some("dns"), &workspace.root)?;
    let zones = dns.defaults.data.unwrap_or_else(|| dns.folder.join("zones"));
    let small = workspace.target.join("unik/bench/small");
    fs::create_dir_all(&small).or_cannot(|| format!("make {}", small.display()))?;
    fs::write(small.join("small.zone"), small_zone()).or_cannot(|| "write the small zone".to_owned())?;
    Ok(Images {
        exit: build("exit", "bench", None)?,
        hello: build("hello", "bench", None)?,
        dns: build("dns", "bench", None)?,
        small: build("dns", "bench/embedded", Some(small))?,
        zones: image::pack(&zones, &workspace.target.join("unik/bench/dns.data.cpio"))?,
    })
}

/// A zone of 1 KiB, `example.org`.
pub fn small_zone() -> String {
    let mut zone =
        "$ORIGIN example.org.\n$TTL 1h\n@ SOA ns1 hostmaster 1 2h 30m 2w 5m\n@ NS ns1\n".to_owned();
    let mut number = 1;
    while zone.len() < 1024 - 24 {
        zone += &format!("ns{number} A 192.0.2.{number}\n");
        number += 1;
    }
    zone
}

fn guest(image: &Image) -> Guest {
    Guest { accelerator: Accelerator::Tcg, ..Guest::new(&image.elf) }
}

fn time_to_exit(exit: &Image) -> Result<Duration> {
    let mut running = Running::start(&guest(exit).command()?)?;
    running.end(PATIENCE)?;
    Ok(running.started().elapsed())
}

fn time_to_answer(images: &Images) -> Result<Duration> {
    let host = free_port()?;
    let guest = Guest {
        initrd: Some(images.zones.clone()),
        cmdline: ADDRESS.to_owned(),
        networks: vec![Network::User],
        forwards: vec![Forward { protocol: Protocol::Udp, host, guest: 53 }],
        ..guest(&images.dns)
    };
    let mut running = Running::start(&guest.command()?)?;
    running.line("ready: dns", PATIENCE)?;
    match first_answer(host) {
        Ok(()) => Ok(running.started().elapsed()),
        Err(error) => Err(running.report(&error.to_string())),
    }
}

/// Asks for the address of www.example.org until there is an answer.
fn first_answer(port: u16) -> Result<()> {
    let doing = || format!("ask 127.0.0.1:{port}");
    let socket = UdpSocket::bind(("127.0.0.1", 0)).or_cannot(doing)?;
    socket.connect(("127.0.0.1", port)).or_cannot(doing)?;
    socket.set_read_timeout(Some(REPEAT)).or_cannot(doing)?;
    let deadline = Instant::now() + PATIENCE;
    let mut answer = [0; 512];
    while Instant::now() < deadline {
        socket.send(QUESTION).or_cannot(doing)?;
        if let Ok(length @ 12..) = socket.recv(&mut answer) {
            let (code, answers) = (answer[3] & 0xf, u16::from_be_bytes([answer[6], answer[7]]));
            return match (answer[..2] == QUESTION[..2], code, answers) {
                (true, 0, 1..) => Ok(()),
                _ => Err(Error::failed(format!("a strange answer of {length} bytes, code {code}"))),
            };
        }
    }
    Err(Error::failed(format!("no answer from 127.0.0.1:{port} within {PATIENCE:?}")))
}

/// Instructions from the entry point on, and bytes, as committed in the repository.
fn snapshot(workspace: &Workspace, images: &Images) -> Result<String> {
    let mut text = "instructions from the image's entry point, in thousands (QEMU, -icount shift=0,sleep=off, microvm)\n".to_owned();
    let counted = |image: &Image| Guest {
        extra: ["-icount", "shift=0,sleep=off"].map(Into::into).into(),
        ..guest(image)
    };
    let networked = |image: &Image| Guest {
        networks: vec![Network::User],
        cmdline: ADDRESS.to_owned(),
        ..counted(image)
    };
    for (name, guest, ready) in [
        ("hello, no network device", counted(&images.hello), "ready: hello"),
        ("dns, 1 KiB zone compiled in", networked(&images.small), "ready: dns"),
    ] {
        let line = Running::start(&guest.command()?)?.line(ready, PATIENCE)?;
        let (total, main) =
            read_ready(&line).ok_or_else(|| Error::failed(format!("no times in '{line}'")))?;
        text += &format!("{name:30} main {main:>6}  ready {total:>6}\n");
    }
    let subject = first_frame::Subject {
        name: "dns",
        elf: &images.small.elf,
        debug: &images.small.debug,
        root: &workspace.root,
        capture: workspace.target.join("unik/bench/first-frame.pcap"),
    };
    let first = first_frame::measure(&subject)?;
    text += &format!("{:30} first frame {first:>6}\n", "the same, asking for an address");
    Ok(text)
}

/// The microseconds to `ready` and to `main` in a ready line: `ready: dns in 1.234 ms (main 0.120 ms, net0 10.0.2.15/24)`.
pub fn read_ready(line: &str) -> Option<(u64, u64)> {
    let after = |mark: &str| {
        let number = line.split_once(mark)?.1.split_once(" ms")?.0;
        let (whole, fraction) = number.split_once('.')?;
        (fraction.len() == 3).then_some(())?;
        Some(whole.parse::<u64>().ok()? * 1000 + fraction.parse::<u64>().ok()?)
    };
    Some((after(" in ")?, after("(main ")?))
}

/// The least and the middle of some times.
struct Times {
    minimum: Duration,
    median: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Times {
        times.sort();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Times { minimum: at(0), median: at(times.len() / 2) }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            formatter,
            "min {:6.1} ms  median {:6.1} ms",
            milliseconds(self.minimum),
            milliseconds(self.median)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_ready_line_are_read_in_microseconds() {
        let line = "ready: dns in 1.234 ms (main 0.120 ms, net0 10.0.2.15/24)";
        assert_eq!(read_ready(line), Some((1234, 120)));
        assert_eq!(read_ready("ready: dns"), None);
        assert_eq!(read_ready("ready: dns in 1 ms (main 1 ms)"), None);
    }

    #[test]
    fn the_middle_of_seven_is_the_fourth() {
        let times = Times::of([5, 1, 9, 3, 7, 2, 8].map(Duration::from_millis).to_vec());
        assert_eq!((times.minimum, times.median), (Duration::from_millis(1), Duration::from_millis(5)));
    }

    #[test]
    fn the_small_zone_is_a_kibibyte() {
        assert!((980..=1024).contains(&small_zone().len()));
    }

    #[test]
    fn an_option_that_a_benchmark_does_not_have_is_refused() {
        let options = net::Options { count: Some(3), ..net::Options::default() };
        let sentence = |what| run(Some(what), &options).unwrap_err().to_string();
        assert_eq!(sentence("net"), "'cargo unik bench net' has no option --count");
        assert!(sentence("tea").starts_with("there is no benchmark 'tea': choose boot, query,"));
    }

    #[test]
    fn machines_are_counted_from_one() {
        assert_eq!(count("150"), Ok(150));
        for word in ["0", "", "-1", "many", "100000"] {
            assert!(count(word).is_err(), "{word}");
        }
    }
}
