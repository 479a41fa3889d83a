//! The scheduler of unik: an async executor, timers and synchronisation, without any hardware in it.
//!
//! - [`Executor`] runs tasks on one thread, fairly and in bounded turns; [`Spawner`] adds tasks from inside.
//! - [`time::Time`] gives the time and lets tasks sleep; [`time::Platform`] is all that the scheduler asks of the
//!   machine below: what time it is, what has happened, and to wait.
//! - [`sync`] lets tasks pass values and take turns; [`counter`] lets components count what they do.
//!
//! Nothing here is a static, so any number of executors live side by side, and nothing here needs a machine: a
//! platform whose clock jumps runs hours of timeouts in no time.
//!
//! ```
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use std::time::Duration;
//! use unik_sched::Executor;
//! use unik_sched::sync::channel;
//! use unik_sched::time::{Instant, Platform, Time};
//!
//! /// A machine where nothing happens but time, which jumps to when it is next needed.
//! struct Machine(Cell<Instant>);
//!
//! impl Platform for Machine {
//!     fn now(&self) -> Instant {
//!         self.0.get()
//!     }
//!
//!     fn idle(&self, until: Option<Instant>) {
//!         self.0.set(until.expect("a timer is set"));
//!     }
//! }
//!
//! let time = Time::new(Rc::new(Machine(Cell::new(Instant::ZERO))));
//! let mut executor = Executor::new(&time, 8);
//! let spawner = executor.spawner();
//!
//! let answer = executor.block_on("main", async {
//!     let (sender, mut receiver) = channel(1);
//!     let clock = time.clone();
//!     spawner.spawn("oracle", async move {
//!         clock.sleep(Duration::from_secs(7_500_000)).await;
//!         let _ = sender.send(42).await;
//!     })?;
//!     Ok::<_, unik_sched::Error>(receiver.receive().await)
//! });
//! assert_eq!(answer, Ok(Some(42)));
//! assert_eq!(time.now(), Instant::from_millis(7_500_000_000));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod combine;
pub mod counter;
mod error;
mod executor;
mod instant;
mod memory;
mod pace;
mod ready;
mod spawner;
pub mod sync;
mod task;
mod tasks;
pub mod time;
mod timers;

pub use combine::{Either, select, yield_now};
pub use error::Error;
pub use executor::Executor;
pub use memory::has_memory;
pub use pace::Pace;
pub use spawner::Spawner;
pub use task::{TaskId, TaskInfo};
pub use tasks::TASK_LIMIT_MAX;
pub use timers::{TimerKey, TimerQueue};
