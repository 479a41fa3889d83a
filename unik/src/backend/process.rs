//! An appliance as an ordinary Linux process: for gdb, perf and valgrind, and for measuring at native speed.
//!
//! The process takes its configuration words as arguments, `--net tap:NAME` or `--net link:PATH` for a network card,
//! and `--data ARCHIVE` for its files.

use crate::outcome::Failure;
use crate::startup::Startup;
use crate::system::{System, TASK_LIMIT};
use std::cell::RefCell;
use std::fmt;
use std::process::ExitCode;
use std::rc::Rc;
use std::vec::IntoIter;
use unik_host::{Arguments, HostPlatform, Link, Network, Tap};
use unik_kernel::command_line::words;
use unik_net::Nic;
use unik_sched::Executor;
use unik_sched::time::{Duration, Instant, Platform, Time};

/// Packet buffers of a network card.
const NIC_BUFFERS: usize = 512;
/// Exit codes, as an image has them.
const ERROR: u8 = 1;
const CONFIGURATION: u8 = 4;

/// The process's part of a system.
pub(crate) struct Backend {
    host: Rc<HostPlatform>,
    networks: RefCell<IntoIter<Network>>,
    data: Option<&'static [u8]>,
}

/// Runs an appliance as this process; what it returns is the exit code.
pub fn run<F>(name: &'static str, application: impl FnOnce(System) -> F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    match start(name, application) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Error(error)) => {
            print(format_args!("error: {error}\n"));
            ExitCode::from(ERROR)
        }
        Err(Failure::Configuration(sentence)) => {
            print(format_args!("error: {sentence}\n"));
            ExitCode::from(CONFIGURATION)
        }
    }
}

fn start<F>(name: &'static str, application: impl FnOnce(System) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let configuration = |error: &dyn fmt::Display| Failure::Configuration(error.to_string());
    let arguments = Arguments::parse(std::env::args_os().skip(1)).map_err(|error| configuration(&error))?;
    let data = arguments.data.as_deref().map(unik_host::load).transpose();
    let data = data.map_err(|error| configuration(&error))?;
    // It lives as long as the process, as a machine's does.
    let command_line: &'static str = arguments.command_line().leak();
    start_log(command_line);
    let startup = Startup::begin(name);
    let host = HostPlatform::new();
    let time = Time::new(Rc::new(ProcessPlatform { startup, host: host.clone() }));
    let mut executor = Executor::new(&time, TASK_LIMIT);
    let backend = Backend { host, networks: RefCell::new(arguments.networks.into_iter()), data };
    let system = System::new(&time, &executor, command_line, startup, backend);
    executor.block_on("main", application(system))?;
    startup.waits(&|| time.now());
    Ok(())
}

/// The host's platform, and the ready line.
struct ProcessPlatform {
    startup: &'static Startup,
    host: Rc<HostPlatform>,
}

impl Platform for ProcessPlatform {
    fn now(&self) -> Instant {
        self.host.now()
    }

    fn poll_events(&self) {
        self.host.poll_events();
    }

    fn idle(&self, until: Option<Instant>) {
        self.startup.waits(&|| self.now());
        self.host.idle(until);
    }
}

/// Writes to standard output.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    unik_host::print(&text.to_string());
}

/// Time since the Unix epoch.
#[expect(clippy::unnecessary_wraps, reason = "a machine may have no clock, and both backends look alike")]
pub(crate) fn wall_clock() -> Option<Duration> {
    Some(unik_host::wall_clock())
}

/// The archive that `--data` named.
pub(crate) fn archive(backend: &Backend) -> Option<&'static [u8]> {
    backend.data
}

/// Whether there is a network card.
pub(crate) fn has_nic(backend: &Backend) -> bool {
    !backend.networks.borrow().as_slice().is_empty()
}

/// Opens the first network card.
pub(crate) fn open_nic(backend: &Backend) -> Result<Box<dyn Nic>, String> {
    let network = backend
        .networks
        .borrow_mut()
        .next()
        .ok_or("this program needs a network card: start it with --net tap:NAME or --net link:PATH")?;
    match network {
        Network::Tap(name) => match Tap::try_new(&backend.host, &name, NIC_BUFFERS) {
            Ok(tap) => Ok(Box::new(tap)),
            Err(error) => Err(format!("the tap {name} cannot be used: {error}")),
        },
        Network::Link(path) => match Link::try_new(&backend.host, &path, NIC_BUFFERS) {
            Ok(link) => Ok(Box::new(link)),
            Err(error) => Err(format!("the link {} cannot be used: {error}", path.display())),
        },
    }
}

/// Unpredictable bits of the host.
pub(crate) fn random_seed(_: &Backend) -> u64 {
    match unik_host::entropy() {
        Some([seed]) => seed,
        None => {
            log::warn!("the host has no source of random numbers");
            unik_host::wall_clock().subsec_nanos().into()
        }
    }
}

/// Connects the `log` facade to standard output, as `log=LEVEL` says.
fn start_log(command_line: &str) {
    static SINK: Sink = Sink;
    let level = words(command_line).filter(|word| word.key == "log").last();
    // Fails where a logger is set already; then that one stays.
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(level.and_then(|word| word.value.parse().ok()).unwrap_or(log::LevelFilter::Info));
    }
}

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            print(format_args!("{} {}: {}\n", record.level(), record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}
