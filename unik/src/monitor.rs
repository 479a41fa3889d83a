//! The inspection channel: what a tool on the host may see of a running appliance, and ask of it.
//!
//! [`Monitor`] is taken like any resource, and a task of its own then serves the channel: `cargo unik ps`, `log` and their
//! siblings ask it. Invariant: the task works in portions and waits for nobody but the host, so that the appliance goes
//! on whatever the host does.

use crate::backend;
use crate::counters::Counters;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::boxed::Box;
use alloc::string::ToString;
use log::LevelFilter;
use unik_monitor::{Fact, Level, List, Port, Refusal, Reply, Session, Sources, Task, Value, Visit};
use unik_sched::time::{Duration, Time};
use unik_sched::yield_now;
use unik_virtio::Buffer;

const NAME: &str = "monitor";

/// Buffers that are filled in one turn, before other tasks run.
const BUDGET: usize = 8;

/// The inspection channel. An appliance that takes it can be looked into from the host.
///
/// Most take `Option<Monitor>`: without a device for it they run all the same.
pub struct Monitor(());

impl Resource for Monitor {
    async fn take(system: &System) -> Result<Self, Failure> {
        let port = backend::open_channel(system.backend()).map_err(Failure::Configuration)?;
        let session = Session::new();
        let counters = Counters::of(system);
        counters.register(NAME, session.counters());
        counters.register(NAME, port.counters());
        // They last as long as the system, so what would tear them down is not linked.
        let (port, session) = (Box::leak(Box::new(port)), Box::leak(Box::new(session)));
        let looker = Box::leak(Box::new(Looker { system: *system }));
        let spawned = system.spawner().spawn(NAME, serve(port, session, looker));
        spawned.map_err(|error| Failure::Configuration(error.to_string()))?;
        Ok(Self(()))
    }

    fn is_present(system: &System) -> bool {
        backend::has_channel(system.backend())
    }
}

/// Serves the channel for ever.
async fn serve<P: Port>(port: &mut P, session: &mut Session, looker: &mut Looker) {
    let mut unread = None;
    let event = port.event();
    loop {
        port.disarm();
        if port.restarted() {
            unread = None;
            session.restart(looker);
        }
        hear(port, session, looker, &mut unread);
        let busy = tell(port, session, looker);
        port.flush();
        if busy || port.arm() {
            yield_now().await;
            continue;
        }
        looker.time().waiting("the host");
        event.wait().await;
    }
}

/// Takes what the host has sent, as long as the session takes it. `unread` is what it did not take, from which byte on.
fn hear(
    port: &mut impl Port,
    session: &mut Session,
    looker: &mut Looker,
    unread: &mut Option<(Buffer, usize)>,
) {
    while let Some((bytes, taken)) = unread.take().or_else(|| port.receive().map(|bytes| (bytes, 0))) {
        let taken = taken + session.receive(bytes.get(taken..).unwrap_or_default(), looker);
        if taken < bytes.len() {
            *unread = Some((bytes, taken));
            return;
        }
        port.give_back(bytes);
    }
}

/// Sends what the session has to say. True if it may have more.
fn tell(port: &mut impl Port, session: &mut Session, looker: &mut Looker) -> bool {
    for _ in 0..BUDGET {
        let Some(mut buffer) = port.allocate() else { return false };
        // A new buffer takes as much.
        let _ = buffer.set_len(Buffer::CAPACITY);
        let length = session.fill(looker, &mut buffer);
        if length == 0 {
            return false;
        }
        let _ = buffer.set_len(length);
        port.send(buffer);
    }
    true
}

/// Where the session has its answers from: the system it runs in.
struct Looker {
    system: System,
}

impl Looker {
    fn time(&self) -> &Time {
        self.system.time()
    }

    fn facts(&self, position: u64, visit: Visit<'_>) {
        let heap = backend::heap_usage();
        let facts = [
            ("name", Some(Value::Text(self.name()))),
            ("unik", Some(Value::Text(env!("CARGO_PKG_VERSION")))),
            ("uptime", Some(Value::Duration(self.time().now().as_nanos()))),
            ("heap", heap.map(|(_, size)| Value::Bytes(size as u64))),
            ("heap-used", heap.map(|(used, _)| Value::Bytes(used as u64))),
            ("timers", Some(Value::Number(self.time().timers() as u64))),
        ];
        for (behind, (name, value)) in (1..).zip(facts).skip(position as usize) {
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
                backend::levels(|levels| {
                    levels.visit(&mut |target, level| {
                        next += 1;
                        let level = level_of(level);
                        full |= next > position && !full && !visit(next, &Reply::Level { target, level });
                    });
                });
            }
            List::Records => self.records(position, visit),
            List::Sockets | List::Interfaces | List::Frames => {}
        }
    }

    fn set_level(&mut self, target: &str, level: Option<Level>) -> Result<(), Refusal> {
        let set = backend::levels(|levels| levels.set(target, level.map(filter_of)));
        if set { Ok(()) } else { Err(Refusal::Busy) }
    }

    fn start_capture(&mut self, _: &str, _: usize) -> Result<(), Refusal> {
        Err(Refusal::Unable)
    }

    fn stop_capture(&mut self) {}

    fn end(&mut self, _: bool) -> Result<(), Refusal> {
        Err(Refusal::Unable)
    }
}

/// The facade's levels and the channel's, grave ones first.
const LEVELS: [(LevelFilter, Level); 6] = [
    (LevelFilter::Off, Level::Off),
    (LevelFilter::Error, Level::Error),
    (LevelFilter::Warn, Level::Warn),
    (LevelFilter::Info, Level::Info),
    (LevelFilter::Debug, Level::Debug),
    (LevelFilter::Trace, Level::Trace),
];

fn level_of(filter: LevelFilter) -> Level {
    LEVELS.iter().find(|(known, _)| *known == filter).map_or(Level::Trace, |(_, level)| *level)
}

fn filter_of(level: Level) -> LevelFilter {
    LEVELS.iter().find(|(_, known)| *known == level).map_or(LevelFilter::Trace, |(filter, _)| *filter)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
