//! The system: what is there before `main`, and what resources are taken from.

use crate::backend::{self, Backend};
use crate::commands::Asked;
use crate::config::{Config, Words};
use crate::counters::Counters;
use crate::entropy::Entropy;
use crate::monitor::Network;
use crate::shutdown::{Ending, Shutdown};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use unik_sched::time::{Duration, Time};
use unik_sched::{Executor, Spawner};

/// Tasks beside `main` that an appliance may have at the same time.
pub(crate) const TASK_LIMIT: usize = 1024;

/// The parts of a running system. There is one in an image or process, and it stays until the end: nothing of it is ever
/// torn down, and the code that would do so is not linked.
#[derive(Clone, Copy)]
pub struct System(&'static Parts);

/// Tells the time since the Unix epoch, where it is known.
type Date = fn() -> Option<Duration>;

struct Parts {
    time: Time,
    spawner: Spawner,
    words: Words,
    counters: Counters,
    /// The one generator, once somebody has asked for random numbers.
    entropy: OnceCell<Entropy>,
    /// The request to end, once somebody wants to hear of it.
    shutdown: OnceCell<Shutdown>,
    networks: RefCell<Vec<&'static dyn Network>>,
    /// The commands of the application, in an image that has some and is looked into.
    commands: Cell<Option<&'static dyn Asked>>,
    /// What tells the date, in an image that has a clock and is looked into.
    date: Cell<Option<Date>>,
    backend: Backend,
}

impl System {
    pub(crate) fn new(
        time: &Time,
        executor: &Executor,
        command_line: &'static str,
        backend: Backend,
    ) -> Self {
        let (words, counters, spawner) = (Words::new(command_line), Counters::default(), executor.spawner());
        let (entropy, shutdown, networks) = (OnceCell::new(), OnceCell::new(), RefCell::new(Vec::new()));
        let (time, date, commands) = (time.clone(), Cell::new(None), Cell::new(None));
        let parts =
            Parts { time, spawner, words, counters, entropy, shutdown, networks, commands, date, backend };
        Self(Box::leak(Box::new(parts)))
    }

    /// All resources are taken: `main` starts.
    pub fn start_main(&self) {
        backend::startup(self.backend()).start_main(self.0.time.now(), self.config());
    }

    /// Asks the appliance to end. One that takes [`Shutdown`] has its time to finish; any other ends at once, with
    /// code 0.
    pub fn request(&self, ending: Ending) {
        match self.0.shutdown.get() {
            Some(shutdown) => shutdown.request(ending),
            None => backend::end(ending, true),
        }
    }

    /// The request to end, where it was taken.
    pub(crate) fn shutdown(&self) -> &OnceCell<Shutdown> {
        &self.0.shutdown
    }

    /// The name of the appliance.
    pub(crate) fn name(&self) -> &'static str {
        backend::startup(self.backend()).name()
    }

    pub(crate) fn time(&self) -> &Time {
        &self.0.time
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.0.spawner
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(&self.0.words)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn entropy(&self) -> &OnceCell<Entropy> {
        &self.0.entropy
    }

    /// Lets whoever looks into the system see the date.
    pub(crate) fn show_date(&self, date: Date) {
        self.0.date.set(Some(date));
    }

    /// The date, where it is shown and known.
    pub(crate) fn date(&self) -> Option<Duration> {
        self.0.date.get()?()
    }

    /// Makes a network known to whoever looks into the system.
    pub(crate) fn add_network(&self, network: &'static dyn Network) {
        self.0.networks.borrow_mut().push(network);
    }

    /// The network at `index`, in the order in which they were made.
    pub(crate) fn network(&self, index: usize) -> Option<&'static dyn Network> {
        self.0.networks.borrow().get(index).copied()
    }

    /// Makes the commands of the application known to whoever looks into the system.
    pub(crate) fn show_commands(&self, commands: &'static dyn Asked) {
        self.0.commands.set(Some(commands));
    }

    /// The commands of the application, where there are any.
    pub(crate) fn commands(&self) -> Option<&'static dyn Asked> {
        self.0.commands.get()
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// Adds a resource to what the ready line says.
    pub(crate) fn note_ready(&self, note: fmt::Arguments<'_>) {
        backend::startup(self.backend()).note(note);
    }
}
