//! The registry of commands: what an application lets its operator ask, from the host.

use crate::counters::Counters;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::boxed::Box;
use alloc::rc::Rc;
use unik_monitor::{Command, List, Refusal, Visit};

/// The registry; copies share it. `cargo unik ask` lists what is in it, and asks.
///
/// Without a [`Monitor`](crate::Monitor) nobody could ask: the registry then takes nothing.
///
/// ```no_run
/// use std::{cell::Cell, rc::Rc};
/// use unik::command::{Command, Declined, Line};
/// use unik::{Commands, Monitor};
///
/// /// Counts, and tells how far it has come.
/// struct Count(Cell<u64>);
///
/// impl Command for Count {
///     fn start(&self, arguments: &str, line: &mut Line) -> Result<Option<u64>, Declined> {
///         let Ok(step) = arguments.parse::<u64>() else {
///             write!(line, "'{arguments}' is no number");
///             return Err(Declined);
///         };
///         self.0.set(self.0.get().saturating_add(step));
///         write!(line, "{}", self.0.get());
///         Ok(None)
///     }
/// }
///
/// #[unik::main]
/// async fn main(_monitor: Option<Monitor>, commands: Commands) {
///     commands.register("count", "Adds a number, and tells the sum.", Rc::new(Count(Cell::new(0))));
///     std::future::pending::<()>().await;
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Commands(Option<&'static dyn Asked>);

/// The group of its counters.
const NAME: &str = "commands";

impl Commands {
    /// Adds a command: its name, which is one word, and a sentence of help. One that has the same name makes way for it.
    pub fn register(&self, name: &'static str, help: &'static str, command: Rc<dyn Command>) {
        if let Some(registry) = self.0 {
            registry.register(name, help, command);
        }
    }
}

impl Resource for Commands {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Ok(Self(if LOOKED { Some(open(system)) } else { None })))
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

/// The registry of a system, which whoever looks into it finds there.
#[inline(never)]
fn open(system: &System) -> &'static dyn Asked {
    if let Some(known) = system.commands() {
        return known;
    }
    let registry: &'static unik_monitor::Commands = Box::leak(Box::default());
    Counters::of(system).register(NAME, registry.counters());
    system.show_commands(registry);
    registry
}

/// What the application and the channel do with the registry. In an image without one of them nothing stands behind it.
pub(crate) trait Asked {
    /// Adds a command.
    fn register(&self, name: &'static str, help: &'static str, command: Rc<dyn Command>);

    /// Lists commands, or goes on with an answer.
    fn list(&self, list: List, position: u64, visit: Visit<'_>);

    /// Has a command begin an answer.
    fn ask(&self, words: &str) -> Result<u64, Refusal>;

    /// Drops all answers.
    fn forget(&self);
}

impl Asked for unik_monitor::Commands {
    fn register(&self, name: &'static str, help: &'static str, command: Rc<dyn Command>) {
        self.register(name, help, command);
    }

    fn list(&self, list: List, position: u64, visit: Visit<'_>) {
        self.list(list, position, visit);
    }

    fn ask(&self, words: &str) -> Result<u64, Refusal> {
        self.ask(words)
    }

    fn forget(&self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unik_monitor::{Declined, Line};

    struct Nothing;

    impl Command for Nothing {
        fn start(&self, _: &str, _: &mut Line) -> Result<Option<u64>, Declined> {
            Ok(None)
        }
    }

    #[test]
    fn a_registry_keeps_commands_only_where_somebody_could_ask() {
        let command = Rc::new(Nothing);
        Commands(None).register("nothing", "Does nothing.", command.clone());
        assert_eq!(Rc::strong_count(&command), 1);
        let registry: &'static unik_monitor::Commands = Box::leak(Box::default());
        Commands(Some(registry)).register("nothing", "Does nothing.", command.clone());
        assert_eq!(Rc::strong_count(&command), 2);
        assert!(registry.ask("nothing").is_ok());
    }
}
