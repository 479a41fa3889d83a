//! An appliance as an ordinary Linux process: for gdb, perf and valgrind, and for measuring at native speed.
//!
//! The process takes its configuration words as arguments, `--net tap:NAME` or `--net link:PATH` for a network card,
//! `--disk FILE` for a disk, and `--data ARCHIVE` for its files.

use super::Memory;
use crate::entropy::{Sample, Sources};
use crate::outcome::Failure;
use crate::shutdown::Ending;
use crate::startup::Startup;
use crate::system::{System, TASK_LIMIT};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::IntoIter;
use unik_block::{BlockDevice, Disk};
use unik_host::{Arguments, Channel, DiskFile, FileDisk, HostPlatform, Link, Network, Signals, Tap};
use unik_kernel::command_line::words;
use unik_kernel::journal::{Entry, Journal};
use unik_kernel::levels::Levels;
use unik_monitor::Port;
use unik_net::{BatchNic, Nic};
use unik_sched::Executor;
use unik_sched::counter::CounterSet;
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Instant, Platform, Time};
use unik_virtio::Pool;

/// Packet buffers of a network card.
const NIC_BUFFERS: usize = 512;
/// Buffers of a disk: four of its longest requests, and some of a page.
const DISK_BUFFERS: usize = 160;
/// Those of a disk with a cache.
const CACHE_BUFFERS: usize = 8192;
/// Exit codes, as an image has them.
const ERROR: u8 = 1;
const CONFIGURATION: u8 = 4;

/// The process's part of a system.
pub(crate) struct Backend {
    startup: &'static Startup,
    host: Rc<HostPlatform>,
    networks: RefCell<IntoIter<Network>>,
    disks: RefCell<IntoIter<DiskFile>>,
    data: Option<&'static [u8]>,
    monitor: Option<PathBuf>,
    followers: Followers,
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
    let followers = Followers::default();
    let platform = ProcessPlatform { startup, host: host.clone(), followers: followers.clone() };
    let time = Time::new(Rc::new(platform));
    let mut executor = Executor::new(&time, TASK_LIMIT);
    let networks = RefCell::new(arguments.networks.into_iter());
    let disks = RefCell::new(arguments.disks.into_iter());
    let backend = Backend { startup, host, networks, disks, data, monitor: arguments.monitor, followers };
    let system = System::new(&time, &executor, command_line, backend);
    executor.block_on("main", application(system))?;
    startup.waits(&|| time.now());
    Ok(())
}

/// The host's platform, and the ready line.
struct ProcessPlatform {
    startup: &'static Startup,
    host: Rc<HostPlatform>,
    /// The event of whoever follows the log.
    followers: Followers,
}

impl Platform for ProcessPlatform {
    fn now(&self) -> Instant {
        self.host.now()
    }

    fn poll_events(&self) {
        self.host.poll_events();
        if NEWS.swap(false, Ordering::Relaxed) {
            self.followers.borrow().iter().for_each(Event::set);
        }
    }

    fn idle(&self, until: Option<Instant>) {
        self.startup.waits(&|| self.now());
        if !NEWS.load(Ordering::Relaxed) {
            self.host.idle(until);
        }
    }
}

/// The start of the appliance.
pub(crate) fn startup(backend: &Backend) -> &'static Startup {
    backend.startup
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

/// The heap is the host's.
pub(crate) fn heap_free() -> Option<usize> {
    None
}

/// Heap and stack are the host's.
pub(crate) fn memory() -> Option<Memory> {
    None
}

/// The archive that `--data` named.
pub(crate) fn archive(backend: &Backend) -> Option<&'static [u8]> {
    backend.data
}

/// Whether there is a path for the inspection channel.
pub(crate) fn has_channel(backend: &Backend) -> bool {
    backend.monitor.is_some()
}

/// Opens the inspection channel, whose event is set by new records of the log too.
pub(crate) fn open_channel(backend: &Backend) -> Result<impl Port + use<>, String> {
    let path = backend
        .monitor
        .as_ref()
        .ok_or("this program needs a path for its inspection channel: start it with --monitor PATH")?;
    let channel = Channel::try_new(&backend.host, path)
        .map_err(|error| format!("the inspection channel {} cannot be used: {error}", path.display()))?;
    follow_log(backend, &channel.event());
    Ok(channel)
}

/// Lets new records of the log set `event`.
pub(crate) fn follow_log(backend: &Backend, event: &Event) {
    backend.followers.borrow_mut().push(event.clone());
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
    Ok(open_network(backend, network)?)
}

/// Opens the network cards that are left, at most `limit`.
pub(crate) fn open_nics(backend: &Backend, limit: usize) -> Result<Vec<Box<dyn BatchNic>>, String> {
    let mut nics = Vec::new();
    while nics.len() < limit
        && let Some(network) = { backend.networks.borrow_mut().next() }
    {
        nics.push(open_network(backend, network)?);
    }
    if nics.is_empty() {
        return Err("this program needs network cards of its own: start it with --net, once for each".into());
    }
    Ok(nics)
}

fn open_network(backend: &Backend, network: Network) -> Result<Box<dyn BatchNic>, String> {
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

/// Whether there is a disk that is not in use.
pub(crate) fn has_disk(backend: &Backend) -> bool {
    !backend.disks.borrow().as_slice().is_empty()
}

/// Opens the next disk, with buffers for what is under way, and if it `is_cached`, for what is kept.
pub(crate) fn open_disk(
    backend: &Backend,
    name: &'static str,
    is_cached: bool,
) -> Result<(Box<dyn BlockDevice>, Pool), String> {
    let file =
        backend.disks.borrow_mut().next().ok_or("this program needs a disk: start it with --disk FILE")?;
    let device = FileDisk::try_new(&file.path, file.is_read_only)
        .map_err(|error| format!("{name}, {}, cannot be used: {error}", file.path.display()))?;
    let buffers = if is_cached { CACHE_BUFFERS } else { DISK_BUFFERS };
    Ok((Box::new(device), Pool::heap_sized(buffers, Disk::BUFFER)))
}

/// A process has no interrupts to count.
pub(crate) struct Interrupts;

impl CounterSet for Interrupts {
    fn visit(&self, _: &mut dyn FnMut(&'static str, u64)) {}
}

/// The signals that ask a process to end.
pub(crate) struct Button(Signals);

impl Button {
    /// Whether a signal came since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.take()
    }
}

/// Hears SIGTERM and SIGINT from here on; they set `news`.
pub(crate) fn open_button(backend: &Backend, news: &Event) -> Option<Button> {
    match Signals::try_new(&backend.host, news.clone()) {
        Ok(signals) => Some(Button(signals)),
        Err(error) => {
            log::warn!("nobody can ask this program to end: {error}");
            None
        }
    }
}

/// A process cannot begin again by itself.
pub(crate) fn reset_at_end() {}

/// Ends the process, `in_order` or with the code of an error.
pub(crate) fn end(_: Ending, in_order: bool) -> ! {
    unik_host::exit(if in_order { 0 } else { ERROR })
}

/// What is said where there are no random numbers.
pub(crate) const NO_RANDOMNESS: &str = "this program needs random numbers: start it where getrandom(2) works, or take some that can be guessed with \
     random=weak";

/// The host as a source of random numbers.
pub(crate) struct RandomSources(());

impl RandomSources {
    pub(crate) fn open(_: &Backend) -> Self {
        Self(())
    }

    #[cfg(test)]
    pub(crate) fn of_host() -> Self {
        Self(())
    }
}

impl Sources for RandomSources {
    fn visit(&mut self, _: bool, absorb: &mut dyn FnMut(&Sample)) {
        let mut sample = Sample::default();
        if unik_host::fill_with_entropy(&mut sample) {
            absorb(&sample);
        }
    }
}

/// Who is told of new records of the log.
type Followers = Rc<RefCell<Vec<Event>>>;

/// There are new records.
static NEWS: AtomicBool = AtomicBool::new(false);

static LOG: Mutex<Log> = Mutex::new(Log { journal: Journal::new(), levels: Levels::new(), started: None });

/// The log of the process.
struct Log {
    journal: Journal,
    levels: Levels,
    started: Option<std::time::Instant>,
}

impl Log {
    /// A panic elsewhere has left it whole: nothing is done in several steps.
    fn lock() -> MutexGuard<'static, Self> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `visit` with each record of the log that is kept, from `number` on, until that returns false; and tells which
/// are kept.
pub(crate) fn records(number: u64, visit: &mut dyn FnMut(&Entry<'_>) -> bool) -> Range<u64> {
    let log = Log::lock();
    log.journal.read(number, visit);
    log.journal.numbers()
}

/// Writes a record of the moment `time` to the journal alone.
pub(crate) fn note(time: u64, record: &log::Record<'_>) {
    Log::lock().journal.write(time, record);
    NEWS.store(true, Ordering::Relaxed);
}

/// Lets `change` see the levels of the log and set them.
pub(crate) fn levels(change: &mut dyn FnMut(&mut Levels)) {
    let mut log = Log::lock();
    change(&mut log.levels);
    log::set_max_level(log.levels.most());
}

/// Connects the `log` facade to standard output, as `log=LEVEL` says.
fn start_log(command_line: &str) {
    static SINK: Sink = Sink;
    let level = words(command_line).filter(|word| word.key == "log").last();
    let level = level.and_then(|word| word.value.parse().ok()).unwrap_or(log::LevelFilter::Info);
    // Fails where a logger is set already; then that one stays.
    if log::set_logger(&SINK).is_ok() {
        Log::lock().started = Some(std::time::Instant::now());
        levels(&mut |levels| levels.all(level));
    }
}

struct Sink;

impl log::Log for Sink {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        LOG.try_lock().is_ok_and(|log| metadata.level() <= log.levels.of(metadata.target()))
    }

    fn log(&self, record: &log::Record<'_>) {
        // What a Display logs while it is being logged itself is left out.
        let Ok(mut log) = LOG.try_lock() else { return };
        if record.level() > log.levels.of(record.target()) {
            return;
        }
        print(format_args!("{} {}: {}\n", record.level(), record.target(), record.args()));
        let time = log.started.map_or(Duration::ZERO, |started| started.elapsed());
        log.journal.write(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), record);
        NEWS.store(true, Ordering::Relaxed);
    }

    fn flush(&self) {}
}
