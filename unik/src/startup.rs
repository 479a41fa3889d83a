//! The ready line: when an appliance may be used, and how long that took.
//!
//! It may be used when it waits for the first time, for somebody who asks. While a disk works, it waits for that, to read what it is
//! to serve.

use crate::backend;
use crate::config::Config;
use alloc::boxed::Box;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::fmt;
use unik_sched::time::Instant;

/// What is known of a start until it is over.
pub(crate) struct Startup {
    name: &'static str,
    /// When `main` started, and the words that it may ask for.
    main: Cell<Option<(Instant, Config)>>,
    notes: RefCell<String>,
    /// Whether something is under way that the start may need, in an image with disks.
    is_busy: Cell<Option<&'static dyn Fn() -> bool>>,
    over: Cell<bool>,
}

impl Startup {
    /// A start of the appliance `name`; there is one, so it is never freed.
    pub(crate) fn begin(name: &'static str) -> &'static Self {
        let (main, notes, over) = (Cell::new(None), RefCell::new(String::new()), Cell::new(false));
        Box::leak(Box::new(Self { name, main, notes, is_busy: Cell::new(None), over }))
    }

    /// The name of the appliance.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Adds what the ready line says about a resource.
    pub(crate) fn note(&self, note: fmt::Arguments<'_>) {
        let mut notes = self.notes.borrow_mut();
        notes.push_str(", ");
        // Writing to a string never fails.
        let _ = fmt::write(&mut *notes, note);
    }

    /// It is not over while this says that something is under way.
    pub(crate) fn goes_on_while(&self, is_busy: impl Fn() -> bool + 'static) {
        let others = self.is_busy.get();
        let all = move || is_busy() || others.is_some_and(|others| others());
        self.is_busy.set(Some(Box::leak(Box::new(all))));
    }

    /// `main` starts now. Words of `config` that nobody has asked for when it first waits, nobody knows.
    pub(crate) fn start_main(&self, now: Instant, config: Config) {
        self.main.set(Some((now, config)));
    }

    /// Nothing is ready to run, or `main` has returned: if it was started, and no disk works, it is as ready as it gets.
    #[inline]
    pub(crate) fn waits(&self, now: &dyn Fn() -> Instant) {
        if !self.over.get() {
            self.wait_first(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_first(&self, now: &dyn Fn() -> Instant) {
        let Some((main, config)) = self.main.get() else { return };
        if self.is_busy.get().is_some_and(|is_busy| is_busy()) {
            return;
        }
        self.over.set(true);
        config.report_unclaimed();
        let (ready, main) = (Milliseconds(now()), Milliseconds(main));
        let notes = self.notes.borrow();
        backend::print(format_args!("ready: {} in {ready} ms (main {main} ms{notes})\n", self.name));
    }
}

/// Displays a moment in milliseconds with three decimals.
struct Milliseconds(Instant);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0.as_nanos() / 1_000;
        write!(f, "{}.{:03}", microseconds / 1_000, microseconds % 1_000)
    }
}
