//! The driver: what a disk does beside the tasks that use it.

use alloc::rc::Rc;
use core::future::poll_fn;
use core::task::{Context, Poll};

use unik_sched::sync::Event;

use super::Shared;

/// Turns of the driver that a task which was woken has for polling its future.
const PATIENCE: usize = 8;

/// What keeps a disk going.
pub struct Driver {
    pub(super) shared: Rc<Shared>,
    pub(super) event: Event,
}

impl Driver {
    /// Takes what the device has done and gives it what there is to do, for ever.
    pub async fn run(self) {
        poll_fn(|cx| self.turn(cx)).await
    }

    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &*self.shared;
        let _ = self.shared.submitted.try_take();
        shared.device.borrow_mut().disarm();
        let _ = self.event.try_take();
        loop {
            // Its own statement: the device must not be borrowed while foreign code runs in `wake`.
            let completion = shared.device.borrow_mut().complete();
            let Some(completion) = completion else { break };
            if let Some(waker) = shared.requests.settle(completion, &shared.counters) {
                waker.wake();
            }
        }
        let has_failed = shared.device.borrow().has_failed();
        while has_failed && let Some(waker) = shared.requests.give_up() {
            waker.wake();
        }
        let is_patient = !has_failed && shared.is_patient();
        shared.line.wake_first();
        let mut device = shared.device.borrow_mut();
        device.kick();
        let has_news = device.arm() || is_patient;
        drop(device);
        shared.time.waiting("device");
        if has_news || self.event.poll_wait(cx).is_ready() || self.shared.submitted.poll_wait(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Shared {
    /// Looks after those who wait while the device has nothing to do: whether this is to be done again in the next turn.
    ///
    /// They wait for futures that are not polled, though their tasks were woken: what was done for these is taken back, and
    /// those of them that are in the line let others pass.
    fn is_patient(&self) -> bool {
        let waiting = self.line.len();
        if waiting == 0 || !self.requests.are_done() {
            self.patience.set(0);
            return false;
        }
        let turns = self.patience.get() + 1;
        self.patience.set(turns);
        if turns == PATIENCE {
            self.requests.revoke();
        } else if turns > PATIENCE {
            self.line.pass();
        }
        turns <= PATIENCE + waiting
    }
}
