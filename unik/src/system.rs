//! The system: what is there before `main`, and what resources are taken from.

use crate::backend::Backend;
use crate::config::{Config, Words};
use crate::counters::Counters;
use crate::entropy::Entropy;
use crate::monitor::Network;
use crate::startup::Startup;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::fmt;
use unik_sched::time::Time;
use unik_sched::{Executor, Spawner};

/// Tasks beside `main` that an appliance may have at the same time.
pub(crate) const TASK_LIMIT: usize = 1024;

/// The parts of a running system. There is one in an image or process, and it stays until the end: nothing of it is ever
/// torn down, and the code that would do so is not linked.
#[derive(Clone, Copy)]
pub struct System(&'static Parts);

struct Parts {
    time: Time,
    spawner: Spawner,
    words: Words,
    counters: Counters,
    /// The one generator, once somebody has asked for random numbers.
    entropy: OnceCell<Entropy>,
    startup: &'static Startup,
    networks: RefCell<Vec<Rc<dyn Network>>>,
    backend: Backend,
}

impl System {
    pub(crate) fn new(
        time: &Time,
        executor: &Executor,
        command_line: &'static str,
        startup: &'static Startup,
        backend: Backend,
    ) -> Self {
        let (words, counters, spawner) = (Words::new(command_line), Counters::default(), executor.spawner());
        let (time, entropy, networks) = (time.clone(), OnceCell::new(), RefCell::new(Vec::new()));
        let parts = Parts { time, spawner, words, counters, entropy, startup, networks, backend };
        Self(Box::leak(Box::new(parts)))
    }

    /// All resources are taken: `main` starts.
    pub fn start_main(&self) {
        self.config().report_unclaimed();
        self.0.startup.start_main(self.0.time.now());
    }

    /// The name of the appliance.
    pub(crate) fn name(&self) -> &'static str {
        self.0.startup.name()
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

    /// Makes a network known to whoever looks into the system.
    pub(crate) fn add_network(&self, network: Rc<dyn Network>) {
        self.0.networks.borrow_mut().push(network);
    }

    /// The network at `index`, in the order in which they were made.
    pub(crate) fn network(&self, index: usize) -> Option<Rc<dyn Network>> {
        self.0.networks.borrow().get(index).cloned()
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// Adds a resource to what the ready line says.
    pub(crate) fn note_ready(&self, note: fmt::Arguments<'_>) {
        self.0.startup.note(note);
    }
}
