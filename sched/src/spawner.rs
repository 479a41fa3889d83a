//! The handle that adds tasks to an executor and tells about those that run.
//!
//! It refers to the executor weakly: tasks keep spawners, and the executor keeps tasks.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};

use crate::counter::CounterSet;
use crate::error::Error;
use crate::executor::Counters;
use crate::task::{BoxedFuture, TaskId, TaskInfo};
use crate::tasks::Tasks;

/// Adds tasks to an executor; clones add to the same one.
#[derive(Clone)]
pub struct Spawner(Weak<Tasks>);

impl Spawner {
    pub(crate) fn new(tasks: &Rc<Tasks>) -> Self {
        Self(Rc::downgrade(tasks))
    }

    /// Starts `future` as a task of its own, which is polled for the first time in the next turn. `name` is for
    /// people and need not be unique.
    ///
    /// # Errors
    /// [`Error::TooManyTasks`] at the limit of the executor, [`Error::ExecutorGone`] when there is none any more.
    pub fn spawn(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Result<TaskId, Error> {
        self.spawn_boxed(name, Box::pin(future))
    }

    /// Calls `visit` with what is known of each task, that of `block_on` first. It may spawn.
    pub fn tasks(&self, visit: &mut dyn FnMut(&TaskInfo)) {
        let Some(tasks) = self.0.upgrade() else {
            return;
        };
        let mut slot = 0;
        while slot < tasks.len() {
            if let Some(task) = tasks.get(slot)
                && !task.is_idle_main()
            {
                visit(&task.info());
            }
            slot += 1;
        }
    }

    /// The counters of the executor; see [`Executor::counters`](crate::Executor::counters).
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(Counters(self.0.clone()))
    }

    // Apart from `spawn`, so that it exists once and not for every type of future.
    fn spawn_boxed(&self, name: &'static str, future: BoxedFuture) -> Result<TaskId, Error> {
        self.0.upgrade().ok_or(Error::ExecutorGone)?.spawn(name, future)
    }
}
