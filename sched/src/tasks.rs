//! The tasks of one executor, a slot each; shared with its spawners.
//!
//! Slot 0 belongs to the main task. Invariant: a slot is reused only when no entry of the ready ring stands for it,
//! so that a late wake of a finished task cannot poll another one.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::error::Error;
use crate::memory::has_memory;
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
        /// Tasks refused because the limit was reached or there was no memory for them.
        tasks_refused,
    }
}

/// The largest number of tasks that one executor can be made for.
pub const TASK_LIMIT_MAX: usize = 1 << 20;

/// Blocks of memory that a task takes: its future, its account, and what its wakers share.
const TASK_BLOCKS: usize = 3;

/// The slot of the main task.
pub(crate) const MAIN: u32 = 0;

pub(crate) struct Tasks {
    pub(crate) ready: Arc<Ready>,
    pub(crate) counters: ExecutorCounters,
    slots: RefCell<Vec<Option<Rc<Task>>>>,
    /// The main task does not count.
    limit: usize,
    last_id: Cell<u64>,
}

impl Tasks {
    /// The table with the main task in it, and the main task.
    pub(crate) fn new(limit: usize) -> (Rc<Self>, Rc<Task>) {
        let ready = Arc::new(Ready::new(limit + 1));
        let main = Rc::new(Task::new(Header::new(ready.clone(), MAIN), "", TaskId(0), None));
        let slots = RefCell::new(vec![Some(main.clone())]);
        let counters = ExecutorCounters::new();
        (Rc::new(Self { ready, counters, slots, limit, last_id: Cell::new(0) }), main)
    }

    /// The task in `slot`, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<Rc<Task>> {
        self.slots.borrow().get(slot as usize)?.clone()
    }

    /// The number of the slots that are or were in use.
    pub(crate) fn len(&self) -> u32 {
        self.slots.borrow().len() as u32
    }

    /// Makes sure that [`Self::spawn`] finds the memory that it needs, for a future of `size` bytes too.
    pub(crate) fn admit(&self, size: usize) -> Result<(), Error> {
        let blocks = size.saturating_add(size_of::<Task>() + size_of::<Header>());
        if self.slots.borrow_mut().try_reserve(1).is_ok() && has_memory(blocks, TASK_BLOCKS) {
            return Ok(());
        }
        self.counters.tasks_refused.increment();
        Err(Error::NoMemory)
    }

    pub(crate) fn spawn(&self, name: &'static str, future: BoxedFuture) -> Result<TaskId, Error> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.iter().position(Option::is_none).unwrap_or(slots.len());
        if slot > self.limit {
            self.counters.tasks_refused.increment();
            return Err(Error::TooManyTasks);
        }
        let id = TaskId(self.last_id.get() + 1);
        self.last_id.set(id.0);
        let header = Header::new(self.ready.clone(), slot as u32);
        let task = Rc::new(Task::new(header, name, id, Some(future)));
        task.schedule();
        if slot == slots.len() {
            slots.push(None);
        }
        if let Some(place) = slots.get_mut(slot) {
            *place = Some(task);
        }
        self.counters.tasks_spawned.increment();
        Ok(id)
    }

    /// Gives up the slot of a spawned task that is done.
    pub(crate) fn release(&self, slot: u32) {
        let task = self.slots.borrow_mut().get_mut(slot as usize).and_then(Option::take);
        if let Some(task) = task {
            // Known already, unless it ended by a panic that somebody caught.
            task.finish();
        }
    }
}
