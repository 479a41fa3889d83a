//! The executor: polls the tasks that are ready, in the order in which they were woken, once each per turn.
//!
//! A turn is bounded by the number of tasks that were ready when it began: a task that wakes itself or another is
//! polled in the next turn, after the devices were looked at again. Invariant: no table is borrowed while a future
//! is polled or dropped, so tasks may spawn, wake and inspect at will.

use alloc::rc::{Rc, Weak};
use core::mem::ManuallyDrop;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use crate::counter::CounterSet;
use crate::spawner::Spawner;
use crate::task::{MainFuture, Task};
use crate::tasks::{MAIN, TASK_LIMIT_MAX, Tasks};
use crate::time::Time;

/// Runs tasks on the calling thread. Dropping it drops all tasks.
pub struct Executor {
    tasks: Rc<Tasks>,
    main: Rc<Task>,
    time: Time,
    /// Where the next entry of the ready ring is taken.
    head: usize,
}

impl Executor {
    /// An executor for at most `task_limit` spawned tasks at the same time, beside the main one.
    ///
    /// Four bytes per possible task are set aside at once; more than [`TASK_LIMIT_MAX`] are not admitted.
    pub fn new(time: &Time, task_limit: usize) -> Self {
        let (tasks, main) = Tasks::new(task_limit.min(TASK_LIMIT_MAX));
        Self { tasks, main, time: time.clone(), head: 0 }
    }

    /// A handle that adds tasks and tells about them, for the tasks themselves.
    pub fn spawner(&self) -> Spawner {
        Spawner::new(&self.tasks)
    }

    /// The counters of this executor: `turns`, `idles` (turns after which the platform was told to wait),
    /// `tasks_spawned`, `tasks_finished`, and `tasks_refused` at the limit. Empty once the executor is gone.
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        self.spawner().counters()
    }

    /// Takes one turn: lets the platform turn events into wakes, fires timers, polls each task that is ready by
    /// then once. True if a task is ready after it.
    pub fn turn(&mut self) -> bool {
        self.turn_with(None, true)
    }

    /// Runs `future` as the task `name` and all spawned tasks beside it until `future` is ready; tells the platform
    /// to idle until the next timer when no task is ready. The spawned tasks stay for the next call.
    pub fn block_on<F: Future>(&mut self, name: &'static str, future: F) -> F::Output {
        let mut main = Main { future: pin!(future), output: None };
        self.main.begin_main(name);
        let mut passed = true;
        loop {
            let ready = self.turn_with(Some(Pin::<&mut Main<'_, F>>::new(&mut main)), passed);
            if let Some(output) = main.output {
                self.main.end_main();
                return ManuallyDrop::into_inner(output);
            }
            if !ready {
                self.idle();
            }
            passed = !ready;
        }
    }

    fn idle(&self) {
        self.tasks.counters.idles.increment();
        self.time.platform().idle(self.time.next_deadline());
    }

    // Apart from `block_on`, so that it exists once and not for every type of main future. `passed` says whether time
    // has passed since the last poll of the turn before, at whose end the clock was looked at.
    #[inline(never)]
    fn turn_with(&mut self, mut main: Option<MainFuture<'_>>, passed: bool) -> bool {
        self.tasks.counters.turns.increment();
        let platform = self.time.platform();
        platform.poll_events();
        let mut now = if passed { platform.now() } else { self.time.recent() };
        self.time.expire_at(now);
        let end = self.tasks.ready.end();
        if self.head == end {
            return false;
        }
        while self.head != end {
            let Some(slot) = self.tasks.ready.take(self.head) else {
                break;
            };
            self.head = self.head.wrapping_add(1);
            let Some(task) = self.tasks.get(slot) else {
                continue;
            };
            let future = task.start();
            let main = if slot == MAIN { main.as_mut() } else { None };
            // With nothing to poll, it is a wake after the end: of the main task, which keeps its slot, or of a task
            // that thereby left this entry behind.
            let mut leaves = slot != MAIN;
            if future.is_some() || main.is_some() {
                platform.running(Some(task.name()));
                let done = task.poll(future, main);
                let start = now;
                now = platform.now();
                self.time.note_now(now);
                task.account(start, now, self.time.take_note());
                if done {
                    self.tasks.counters.tasks_finished.increment();
                }
                leaves = done && !task.finish();
            }
            if leaves {
                self.tasks.release(slot);
            }
        }
        platform.running(None);
        self.head != self.tasks.ready.end()
    }
}

/// The main future with the place for its output.
struct Main<'a, F: Future> {
    future: Pin<&'a mut F>,
    /// `block_on` takes it as soon as it is there: there is no code to drop it here.
    output: Option<ManuallyDrop<F::Output>>,
}

impl<F: Future> Future for Main<'_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.future.as_mut().poll(cx).map(|output| this.output = Some(ManuallyDrop::new(output)))
    }
}

// The future is pinned elsewhere, and the output is not pinned.
impl<F: Future> Unpin for Main<'_, F> {}

/// Reads the counters for as long as there are any. It must not keep the tasks, one of which may keep it.
pub(crate) struct Counters(pub(crate) Weak<Tasks>);

impl CounterSet for Counters {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.counters.visit(visit);
        }
    }
}
