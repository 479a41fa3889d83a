//! The tasks of one executor, a slot each; shared with its spawners.
//!
//! Slot 0 belongs to the main task. Invariant: a slot is reused only when no entry of the ready ring stands for it,
//! so that a late wake of a finished task cannot poll another one.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::error::Error;
use crate::ready::{Header, Ready};
use crate::task::{BoxedFuture, Task, TaskId};

crate::counters! {
    /// What one executor has done.
    pub(crate) struct ExecutorCounters {
        /// Turns taken.
        turns,
        /// Turns after which nothing was ready and the platform was told to wait.
        idles,
        /// Tasks spawned.
        tasks_spawned,
        /// Tasks that ran to their end.
        tasks_finished,
        /// Tasks refused because the limit was reached.
        tasks_refused,
    }
}

/// The largest number of tasks that one executor can be made for.
pub const TASK_LIMIT_MAX: usize = 1 << 20;

/// The slot of the main task.
pub(crate) const MAIN: u32 = 0;

pub(crate) struct Tasks {
    pub(crate) ready: Arc<Ready>,
    pub(crate) counters: ExecutorCounters,
    main: Rc<Task>,
    /// Slot 1 and the following.
    spawned: RefCell<Vec<Option<Rc<Task>>>>,
    limit: usize,
    last_id: Cell<u64>,
}

impl Tasks {
    pub(crate) fn new(limit: usize) -> Rc<Self> {
        let ready = Arc::new(Ready::new(limit + 1));
        let main = Rc::new(Task::new(Header::new(ready.clone(), MAIN), "", TaskId(0), None));
        let counters = ExecutorCounters::new();
        Rc::new(Self { ready, counters, main, spawned: RefCell::default(), limit, last_id: Cell::new(0) })
    }

    pub(crate) fn main(&self) -> &Task {
        &self.main
    }

    /// The task in `slot`, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<Rc<Task>> {
        match slot.checked_sub(1) {
            None => Some(self.main.clone()),
            Some(index) => self.spawned.borrow().get(index as usize)?.clone(),
        }
    }

    /// The number of the slots that are or were in use.
    pub(crate) fn slots(&self) -> u32 {
        self.spawned.borrow().len() as u32 + 1
    }

    pub(crate) fn spawn(&self, name: &'static str, future: BoxedFuture) -> Result<TaskId, Error> {
        let mut spawned = self.spawned.borrow_mut();
        let index = spawned.iter().position(Option::is_none).unwrap_or(spawned.len());
        if index >= self.limit {
            self.counters.tasks_refused.increment();
            return Err(Error::TooManyTasks);
        }
        let id = TaskId(self.last_id.get() + 1);
        self.last_id.set(id.0);
        let header = Header::new(self.ready.clone(), index as u32 + 1);
        let task = Rc::new(Task::new(header, name, id, Some(future)));
        task.schedule();
        match spawned.get_mut(index) {
            Some(slot) => *slot = Some(task),
            None => spawned.push(Some(task)),
        }
        self.counters.tasks_spawned.increment();
        Ok(id)
    }

    /// Gives up the slot of a spawned task that is done.
    pub(crate) fn release(&self, slot: u32) {
        let Some(index) = slot.checked_sub(1) else {
            return;
        };
        let task = self.spawned.borrow_mut().get_mut(index as usize).and_then(Option::take);
        if let Some(task) = task {
            // Known already, unless it ended by a panic that somebody caught.
            task.finish();
        }
    }
}
