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
    /// [`Error::TooManyTasks`] at the limit of the executor, [`Error::NoMemory`] where that lacks,
    /// [`Error::ExecutorGone`] when there is none any more.
    pub fn spawn(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Result<TaskId, Error> {
        self.admit(size_of_val(&future))?;
        self.spawn_boxed(name, Box::pin(future))
    }

    /// Calls `visit` with what is known of each task, that of `block_on` first. It may spawn.
    pub fn tasks(&self, visit: &mut dyn FnMut(&TaskInfo)) {
        self.tasks_from(0, &mut |_, task| {
            visit(task);
            true
        });
    }

    /// The same from the position `from` on, where 0 is the beginning, until `visit` returns false. `visit` is also
    /// given the position after the task: whoever cannot take all at once goes on from the last that he took.
    ///
    /// A task keeps its position as long as it lives, so none that lives all the while is left out or comes twice.
    pub fn tasks_from(&self, from: u32, visit: &mut dyn FnMut(u32, &TaskInfo) -> bool) {
        let Some(tasks) = self.0.upgrade() else {
            return;
        };
        let mut position = from;
        while position < tasks.len() {
            let task = tasks.get(position);
            position += 1;
            if let Some(task) = task
                && !task.is_idle_main()
                && !visit(position, &task.info())
            {
                return;
            }
        }
    }

    /// The counters of the executor; see [`Executor::counters`](crate::Executor::counters).
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(Counters(self.0.clone()))
    }

    /// Whether one more task, with a future of `size` bytes, fits.
    fn admit(&self, size: usize) -> Result<(), Error> {
        self.0.upgrade().ok_or(Error::ExecutorGone)?.admit(size)
    }

    // Apart from `spawn`, so that it exists once and not for every type of future.
    fn spawn_boxed(&self, name: &'static str, future: BoxedFuture) -> Result<TaskId, Error> {
        self.0.upgrade().ok_or(Error::ExecutorGone)?.spawn(name, future)
    }
}
