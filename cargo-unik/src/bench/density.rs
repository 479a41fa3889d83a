//! Measures how many machines fit on a computer: web servers started one after another, each asked for a page, all asked again, and
//! all stopped, against as many starts of a guest that exits at once.
//!
//! All have QEMU's user network, which needs no root; the two kinds are started in turn, so that what disturbs one disturbs the other.
//! Nothing is stopped but what was started here, by the handle of its process.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::http::{Client, GET};
use super::net::Options;
use super::process::{TICKS, own_ticks};
use super::{ADDRESS, PATIENCE};
use crate::console::Running;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Image, Profile, Request};
use crate::options::{Accelerator, Forward, Memory, Network, Protocol};
use crate::port::free_port;
use crate::workspace::Workspace;

/// Machines, and when there is no time.
const COUNT: usize = 150;
const COUNT_QUICK: usize = 15;
/// What each has: tried in this order, the first with which it serves its site.
const MEMORIES: [&str; 5] = ["5M", "6M", "8M", "12M", "16M"];
/// The most that starting all may take, as a multiple of the guests that exit, and starting and stopping, for [`COUNT`] of them.
const RATIO: f64 = 2.5;
const START: Duration = Duration::from_secs(36);
const STOP: Duration = Duration::from_secs(9);
/// How long all are watched while nobody asks them anything, and how long they have before that.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_QUICK: Duration = Duration::from_secs(4);
const REST: Duration = Duration::from_secs(2);
/// How long a connection to a machine that is about to listen is tried for.
const TRY: Duration = Duration::from_secs(5);

/// A machine of the fleet.
struct Machine {
    running: Running,
    address: SocketAddr,
}

/// What is started, and with what.
struct Field {
    httpd: Image,
    exit: Image,
    site: std::path::PathBuf,
    memory: Memory,
}

/// What became of a fleet.
struct Figures {
    count: usize,
    exits: Duration,
    starts: Duration,
    asked: Duration,
    stop: Duration,
    memory: Vec<Footprint>,
    /// Processors that all together keep busy.
    idle: f64,
}

/// Starts the fleet, asks it, watches it, and stops it. The exit code tells whether all bounds are kept.
///
/// # Errors
/// An image does not build, or a machine does not do its part.
pub fn run(workspace: &Workspace, options: &Options) -> Result<u8> {
    let count = options.count.unwrap_or(if options.quick { COUNT_QUICK } else { COUNT });
    let field = Field::build(workspace)?;
    let memory = field.memory;
    println!(
        "density: {count} web servers with {memory} each on microvm under TCG, one processor, QEMU's user network"
    );
    let (mut fleet, exits, starts) = field.start(count)?;
    let started = Instant::now();
    for machine in &fleet {
        ask(machine.address)?;
    }
    let figures = Figures {
        count,
        exits,
        starts,
        asked: started.elapsed(),
        memory: fleet.iter().map(|machine| footprint(machine, memory)).collect::<Result<_>>()?,
        idle: idle(&fleet, if options.quick { IDLE_QUICK } else { IDLE })?,
        stop: stop(&mut fleet)?,
    };
    figures.show(memory);
    Ok(u8::from(!figures.judge()))
}

impl Figures {
    fn show(&self, memory: Memory) {
        for (what, time) in [
            ("starts of a guest that exits at once", self.exits),
            ("starts, each to its first page", self.starts),
            ("asked again, one after another", self.asked),
            ("stopped", self.stop),
        ] {
            let seconds = time.as_secs_f64();
            let each = seconds * 1e3 / self.count.max(1) as f64;
            println!("  {} {what:40} {seconds:8.2} s, {each:.1} ms each", self.count);
        }
        let mean = |of: fn(&Footprint) -> u64| {
            self.memory.iter().map(of).sum::<u64>() / self.memory.len().max(1) as u64
        };
        println!(
            "  memory of one: {} KiB, its own and its share of what all have in common (PSS of QEMU); {} KiB of that are the guest's {memory}",
            mean(|one| one.proportional),
            mean(|one| one.guest),
        );
        println!(
            "  nobody asks: all together keep {:.3} processors busy, one {:.3} % of one",
            self.idle,
            self.idle * 100.0 / self.count.max(1) as f64
        );
    }

    /// Tells the bounds, and whether all are kept. Those of a time are for [`COUNT`] machines.
    fn judge(&self) -> bool {
        let ratio = self.starts.as_secs_f64() / self.exits.as_secs_f64().max(f64::MIN_POSITIVE);
        let sentence = format!("starts at most {RATIO} times the guests that exit, and it is {ratio:.2}");
        let mut are_kept = judge(&sentence, ratio <= RATIO);
        for (what, bound, took) in [("starts", START, self.starts), ("stops", STOP, self.stop)] {
            let bound = bound.mul_f64(self.count as f64 / COUNT as f64);
            let (bound_seconds, seconds) = (bound.as_secs_f64(), took.as_secs_f64());
            let sentence = format!("{what} in less than {bound_seconds:.1} s, and it is {seconds:.2}");
            are_kept &= judge(&sentence, took < bound);
        }
        are_kept
    }
}

fn judge(bound: &str, is_kept: bool) -> bool {
    println!("  bound: {bound}: {}", if is_kept { "kept" } else { "MISSED" });
    is_kept
}

impl Field {
    /// Builds what is started, and finds the least memory of the list with which it serves.
    fn build(workspace: &Workspace) -> Result<Field> {
        let build = |name: &str| {
            let app = workspace.app(Some(name), &workspace.root)?;
            let request = Request::new(workspace, Profile::Release);
            let output = request.output.join("bench");
            image::build(workspace, &app, &Request { output, ..request })
        };
        let app = workspace.app(Some("httpd"), &workspace.root)?;
        let folder = app.defaults.data.clone().unwrap_or_else(|| app.folder.join("site"));
        let site = image::pack(&folder, &workspace.target.join("unik/bench/density.cpio"))?;
        let mut field = Field { httpd: build("httpd")?, exit: build("exit")?, site, memory: Memory::DEFAULT };
        let mut failure = None;
        for memory in MEMORIES {
            field.memory = memory.parse()?;
            match field.machine() {
                Ok(_) => return Ok(field),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::failed("there is no amount of memory to try")))
    }

    /// Starts the machines and as many guests that exit, in turn, and says how long each kind took in all.
    fn start(&self, count: usize) -> Result<(Vec<Machine>, Duration, Duration)> {
        let (mut fleet, mut exits, mut starts) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        for _ in 0..count {
            let guest = Guest { memory: self.memory, ..super::guest(&self.exit) };
            let mut running = Running::start(&guest.command()?)?;
            running.end(PATIENCE)?;
            exits += running.started().elapsed();
            let machine = self.machine()?;
            starts += machine.running.started().elapsed();
            fleet.push(machine);
        }
        Ok((fleet, exits, starts))
    }

    /// Starts one machine and asks it for its first page.
    fn machine(&self) -> Result<Machine> {
        let host = free_port()?;
        let guest = Guest {
            initrd: Some(self.site.clone()),
            cmdline: format!("{ADDRESS} net0.nat=1"),
            memory: self.memory,
            accelerator: Accelerator::Tcg,
            networks: vec![Network::User],
            forwards: vec![Forward { protocol: Protocol::Tcp, host, guest: 80 }],
            ..Guest::new(&self.httpd.elf)
        };
        let mut running = Running::start(&guest.command()?)?;
        running.line("ready: httpd", PATIENCE)?;
        let address = SocketAddr::from(([127, 0, 0, 1], host));
        ask(address).map_err(|error| running.report(&error.to_string()))?;
        Ok(Machine { running, address })
    }
}

/// Asks a machine for its page.
fn ask(address: SocketAddr) -> Result<()> {
    let response = Client::connect(address, TRY)?.ask(GET)?;
    if response.code == 200 && !response.contents.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("{address} has no page: {}", response.head)))
}

/// The processors that the fleet keeps busy while nobody asks it anything.
fn idle(fleet: &[Machine], time: Duration) -> Result<f64> {
    let ticks = || fleet.iter().map(|machine| own_ticks(machine.running.process())).sum::<Result<f64>>();
    std::thread::sleep(REST);
    let (before, started) = (ticks()?, Instant::now());
    std::thread::sleep(time);
    Ok((ticks()? - before) / TICKS / started.elapsed().as_secs_f64())
}

/// Asks all to end, and waits for each.
fn stop(fleet: &mut [Machine]) -> Result<Duration> {
    let started = Instant::now();
    for machine in &*fleet {
        let process = machine.running.process();
        let id = i32::try_from(process).or_cannot(|| format!("name process {process}"))?;
        kill(Pid::from_raw(id), Signal::SIGTERM).or_cannot(|| format!("stop process {process}"))?;
    }
    for machine in fleet {
        machine.running.end(PATIENCE)?;
    }
    Ok(started.elapsed())
}

/// Kibibytes of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Footprint {
    /// What QEMU has of its own, and its part of what it shares with others.
    proportional: u64,
    /// The part of that in the guest's own memory.
    guest: u64,
}

fn footprint(machine: &Machine, memory: Memory) -> Result<Footprint> {
    let path = format!("/proc/{}/smaps", machine.running.process());
    let text = fs::read_to_string(&path).or_cannot(|| format!("read {path}"))?;
    Ok(read_footprint(&text, u64::from(memory.mebibytes()) * 1024))
}

/// Reads the mappings of a process (proc(5), `/proc/PID/smaps`); the guest's memory is the anonymous one of this size.
fn read_footprint(text: &str, guest: u64) -> Footprint {
    let mut footprint = Footprint { proportional: 0, guest: 0 };
    let mut size = 0;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (name, value) = (words.next(), words.next().and_then(|value| value.parse::<u64>().ok()));
        match (name, value) {
            (Some("Size:"), Some(value)) => size = value,
            (Some("Pss:"), Some(value)) => {
                footprint.proportional += value;
                // One page or two of its neighbours may have become part of the mapping.
                footprint.guest = footprint.guest.max(if size.abs_diff(guest) <= 8 { value } else { 0 });
            }
            _ => {}
        }
    }
    footprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_all_mappings_are_added_and_that_of_the_guest_is_found() {
        let text = "5500-5600 r-xp 00000000 fe:01 9 /usr/bin/qemu\nSize:               1024 kB\nRss: 800 kB\nPss:                 100 kB\n\
            Pss_Dirty: 7 kB\n7f00-7f05 rw-p 00000000 00:00 0\nSize:               5120 kB\nPss:                 900 kB\n";
        assert_eq!(read_footprint(text, 5120), Footprint { proportional: 1000, guest: 900 });
        assert_eq!(read_footprint("", 5120), Footprint { proportional: 0, guest: 0 });
    }

    #[test]
    fn the_amounts_of_memory_are_amounts_and_grow() {
        let amounts: Vec<u32> =
            MEMORIES.iter().map(|text| text.parse::<Memory>().unwrap().mebibytes()).collect();
        assert!(amounts.is_sorted());
    }
}
