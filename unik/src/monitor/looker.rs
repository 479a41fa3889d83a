//! The answers: what a session is told of the system it runs in.

use super::Network;
use crate::backend;
use crate::shutdown::Ending;
use crate::system::System;
use log::LevelFilter;
use unik_kernel::levels::PATH_LIMIT;
use unik_monitor::{Fact, Level, List, Refusal, Reply, Sources, Task, Value, Visit};
use unik_sched::sync::Event;
use unik_sched::time::{Duration, Time};

/// Names of what is known of every system, in the order in which it is told.
const FACTS: [&str; 11] = [
    "name",
    "unik",
    "commit",
    "uptime",
    "timers",
    "date",
    "heap",
    "heap-used",
    "heap-peak",
    "stack",
    "stack-peak",
];

/// Where the session has its answers from: the system it runs in.
pub(super) struct Looker {
    system: System,
    /// What the task of the channel waits for.
    event: Event,
    /// The network that is captured.
    captured: Option<&'static dyn Network>,
    /// How the host wants the appliance to end, and has not been told yet that it will.
    ending: Option<Ending>,
}

impl Looker {
    /// Answers about `system`; `event` is what the task of the channel waits for.
    pub(super) fn new(system: System, event: Event) -> Self {
        Self { system, event, captured: None, ending: None }
    }

    /// The event that the channel's task waits for.
    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Ends the appliance, if the host wants that.
    pub(super) fn end_now(&mut self) {
        if let Some(ending) = self.ending.take() {
            log::info!("asked to end by the host");
            self.system.request(ending);
        }
    }

    /// Whether the host wants an end.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub(super) fn time(&self) -> &Time {
        self.system.time()
    }

    fn facts(&self, position: u64, visit: Visit<'_>) {
        let memory = backend::memory();
        let amounts = memory.map(|of| [of.heap, of.heap_used, of.heap_peak, of.stack, of.stack_peak]);
        for (behind, name) in (1_u64..).zip(FACTS).skip(position as usize) {
            let value = match behind {
                1 => Some(Value::Text(self.name())),
                2 => Some(Value::Text(env!("CARGO_PKG_VERSION"))),
                // What the tool knows of the commit that this was built from.
                3 => option_env!("UNIK_BUILD").map(Value::Text),
                4 => Some(Value::Duration(self.time().now().as_nanos())),
                5 => Some(Value::Number(self.time().timers() as u64)),
                6 => self.system.date().map(|date| Value::Date(nanoseconds(date))),
                _ => {
                    let amount = amounts.as_ref().and_then(|amounts| amounts.get(behind as usize - 7));
                    amount.map(|bytes| Value::Bytes(*bytes as u64))
                }
            };
            if let Some(value) = value
                && !visit(behind, &Reply::Fact(Fact { name, value }))
            {
                return;
            }
        }
    }

    fn tasks(&self, position: u64, visit: Visit<'_>) {
        self.system.spawner().tasks_from(position as u32, &mut |behind, task| {
            let task = Task {
                id: task.id.as_u64(),
                name: task.name,
                ready: task.ready,
                waits_for: task.waits_for,
                polls: task.polls,
                wakes: task.wakes,
                run_time: nanoseconds(task.run_time),
                longest_poll: nanoseconds(task.longest_poll),
            };
            visit(behind.into(), &Reply::Task(task))
        });
    }

    /// The position is the number of the network in the upper half, and of the socket in it in the lower.
    fn sockets(&self, position: u64, visit: Visit<'_>) {
        let (mut number, mut index) = (position >> 32, position & u64::from(u32::MAX));
        let mut goes_on = true;
        while goes_on && let Some(network) = self.system.network(number as usize) {
            network.sockets(index, &mut |behind, reply| {
                goes_on = visit(number << 32 | behind, reply);
                goes_on
            });
            (number, index) = (number + 1, 0);
        }
    }

    fn records(&self, position: u64, visit: Visit<'_>) {
        let kept = backend::records(u64::MAX, &mut |_| true);
        if position < kept.start && !visit(kept.start, &Reply::Lost(kept.start - position)) {
            return;
        }
        backend::records(position.max(kept.start), &mut |entry| {
            let record = unik_monitor::Record {
                number: entry.number,
                time: entry.time,
                level: level_of(entry.level.to_level_filter()),
                target: entry.target,
                text: entry.text,
            };
            visit(entry.number + 1, &Reply::Record(record))
        });
    }
}

impl Sources for Looker {
    fn name(&self) -> &str {
        self.system.name()
    }

    fn list(&mut self, list: List, position: u64, visit: Visit<'_>) {
        match list {
            List::Facts => self.facts(position, visit),
            List::Tasks => self.tasks(position, visit),
            List::Counters => {
                let mut next = 0;
                self.system.counters().visit_while(&mut |group, name, value| {
                    next += 1;
                    next <= position || visit(next, &Reply::Counter { group, name, value })
                });
            }
            List::Levels => {
                let (mut next, mut full) = (0, false);
                backend::levels(&mut |levels| {
                    levels.visit(&mut |target, level| {
                        next += 1;
                        let level = level_of(level);
                        full |= next > position && !full && !visit(next, &Reply::Level { target, level });
                    });
                });
            }
            List::Records => self.records(position, visit),
            List::Sockets => self.sockets(position, visit),
            List::Interfaces => {
                let mut index = position;
                while let Some(network) = self.system.network(index as usize)
                    && visit(index + 1, &Reply::Interface(network.name()))
                {
                    index += 1;
                }
            }
            List::Frames => {
                if let Some(network) = self.captured {
                    network.frames(visit);
                }
            }
            List::Commands | List::Answer => {
                if let Some(commands) = self.system.commands() {
                    commands.list(list, position, visit);
                }
            }
        }
    }

    fn set_level(&mut self, target: &str, level: Option<Level>) -> Result<(), Refusal> {
        if target.len() > PATH_LIMIT {
            return Err(Refusal::NotFound);
        }
        let mut set = false;
        backend::levels(&mut |levels| set = levels.set(target, level.map(filter_of)));
        if !set {
            return Err(Refusal::Busy);
        }
        log::info!("the level of {target} was set from the host");
        Ok(())
    }

    fn start_capture(&mut self, interface: &str, length: usize) -> Result<(), Refusal> {
        if self.captured.is_some() {
            return Err(Refusal::Busy);
        }
        let mut networks = (0..).map_while(|index| self.system.network(index));
        let network = networks.find(|network| network.name() == interface).ok_or(Refusal::NotFound)?;
        // Somebody in the image captures, or there is no memory for it.
        if !network.start_capture(length, self.event.clone()) {
            return Err(Refusal::Unable);
        }
        self.captured = Some(network);
        Ok(())
    }

    fn stop_capture(&mut self) {
        if let Some(network) = self.captured.take() {
            network.stop_capture();
        }
    }

    fn end(&mut self, reboot: bool) -> Result<(), Refusal> {
        self.ending = Some(if reboot { Ending::Reboot } else { Ending::PowerOff });
        Ok(())
    }

    fn ask(&mut self, words: &str) -> Result<u64, Refusal> {
        self.system.commands().ok_or(Refusal::NotFound)?.ask(words)
    }

    #[inline(never)]
    fn forget(&mut self) {
        self.stop_capture();
        if let Some(commands) = self.system.commands() {
            commands.forget();
        }
    }
}

/// Both count their levels alike, so this is a copy and no table.
fn level_of(filter: LevelFilter) -> Level {
    match filter {
        LevelFilter::Off => Level::Off,
        LevelFilter::Error => Level::Error,
        LevelFilter::Warn => Level::Warn,
        LevelFilter::Info => Level::Info,
        LevelFilter::Debug => Level::Debug,
        LevelFilter::Trace => Level::Trace,
    }
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::Off,
        Level::Error => LevelFilter::Error,
        Level::Warn => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
