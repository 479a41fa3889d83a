//! The data plane: frames from card to card, in the buffers that they came in.
//!
//! The task takes up to [`BUDGET`] frames of each card in turn, in batches, has the [`Switch`] or the tables of a controller say where
//! each goes, and tells each card once of all that it got. A frame that goes to one port is never copied; one that goes to several
//! is for all but one. Frames wait nowhere but in the queues of cards: where one is full, they are lost, and counted. Invariant: the
//! task sleeps only after all cards have been asked to tell of news.

use super::SharedSwitch;
use super::cards::Cards;
use super::control::Control;
use super::outputs::Outputs;
use super::ways::{Found, Learned, Programmed, Tally, Ways};
use crate::frame::parse::Parsed;
use crate::switch::{Route, Switch};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use unik::ports::{Batch, Port};
use unik::sync::Event;
use unik::time::{Sleep, Time};
use unik::yield_now;
use unik_sched::time::Instant;

/// Frames taken from one card before the next one's turn.
const BUDGET: usize = 64;
/// Segments of a packet that are as much work as another frame, if it is to be cut.
const SEGMENTS: usize = 32;

/// The plane, which controllers program between two of its turns.
pub type SharedPlane = Rc<RefCell<Plane>>;

/// All cards and the switch between them.
pub struct Plane {
    cards: Cards,
    /// Frames that were received, and are being looked at.
    batch: Box<Batch>,
    switch: SharedSwitch,
    control: Option<Control>,
    /// Something is due earlier than it was.
    news: Event,
    /// The card whose turn is the first.
    first: usize,
}

impl Plane {
    /// Puts cards to the ports of a switch. Nothing moves until [`Plane::run`].
    pub fn new(switch: SharedSwitch, ports: impl Iterator<Item = Port>) -> Self {
        let cards = Cards::new(&switch.borrow(), ports);
        Self { cards, batch: Box::default(), switch, control: None, news: Event::new(), first: 0 }
    }

    /// Lets controllers program it from now on.
    pub(super) fn put_under(&mut self, control: Control) {
        self.control = Some(control);
    }

    /// Forwards, for ever.
    pub async fn run(plane: &RefCell<Self>, time: &Time) {
        let mut timer = time.sleep_until(time.now());
        let mut now = time.now();
        loop {
            let rest = plane.borrow_mut().work(now);
            let Some(due) = rest else {
                yield_now().await;
                now = time.recent();
                continue;
            };
            if timer.deadline() != due {
                timer.reset(due);
            }
            poll_fn(|context| plane.borrow().wait(&mut timer, context)).await;
            // It may be over in the poll that began it, because time has passed since: by the time of that poll nothing would ever
            // be due.
            now = time.now();
        }
    }

    /// Does what there is to do, and gives when there is more, if that is not now.
    fn work(&mut self, now: Instant) -> Option<Instant> {
        if self.turn(now) || self.arm() {
            return None;
        }
        Some(deadline(&self.switch.borrow(), self.control.as_ref()))
    }

    /// Forwards what there is, up to the budgets, and does what is due. True if there may be more.
    pub fn turn(&mut self, now: Instant) -> bool {
        let shared = self.switch.clone();
        let switch = &mut *shared.borrow_mut();
        switch.poll(now);
        for (index, card) in self.cards.0.iter_mut().enumerate() {
            card.nic.disarm();
            card.event.try_take();
            switch.set_link(index, card.nic.is_link_up());
        }
        if let Some(control) = &mut self.control {
            control.poll(switch, now);
        }
        let count = self.cards.0.len();
        let mut has_more = false;
        for step in 0..count {
            has_more |= self.carry((self.first + step) % count, switch, now);
        }
        self.cards.send_own(switch);
        self.first = if self.first + 1 < count { self.first + 1 } else { 0 };
        self.flush();
        has_more
    }

    /// Tells each card of what it got, and whoever speaks to a controller of what there is to say.
    fn flush(&mut self) {
        for card in &mut self.cards.0 {
            card.nic.flush();
        }
        if let Some(control) = &self.control {
            control.wake();
        }
    }

    /// What there is for controllers, to be asked or told what sends no frames and makes nothing due. `None` where there are none.
    pub(super) fn control(&mut self) -> Option<&mut Control> {
        self.control.as_mut()
    }

    /// Lets `visit` do something for a controller, which may send frames. `None` where there are no controllers.
    pub(super) fn command<R>(
        &mut self,
        visit: impl FnOnce(&mut Control, &mut Outputs<'_>) -> R,
    ) -> Option<R> {
        let (mut visit, mut result) = (Some(visit), None);
        self.let_command(&mut |control, outputs| result = visit.take().map(|visit| visit(control, outputs)));
        result
    }

    // Apart from it, so that what is done before and after exists once.
    #[inline(never)]
    fn let_command(&mut self, visit: &mut dyn FnMut(&mut Control, &mut Outputs<'_>)) {
        let shared = self.switch.clone();
        let switch = &mut *shared.borrow_mut();
        let Some(control) = &mut self.control else { return };
        let before = deadline(switch, Some(control));
        visit(control, &mut Outputs { cards: &mut self.cards, switch });
        if deadline(switch, Some(control)) < before {
            // The first entry, or the first address: the task may sleep beyond that.
            self.news.set();
        }
        self.cards.send_out();
        self.flush();
    }

    /// Asks all cards to tell of news. True if there is some already.
    fn arm(&mut self) -> bool {
        self.cards.0.iter_mut().fold(false, |news, card| card.nic.arm() | news)
    }

    /// Waits for news of a card, or for the time.
    fn wait(&self, timer: &mut Sleep, context: &mut Context<'_>) -> Poll<()> {
        if self.cards.0.iter().any(|card| card.event.is_set()) {
            // That is news enough. The turn takes it: the card wants to see it.
            return Poll::Ready(());
        }
        let mut has_news = Pin::new(timer).poll(context).is_ready();
        has_news |= self.news.poll_wait(context).is_ready();
        // All are asked: what woke the task says nothing about the others.
        for card in &self.cards.0 {
            if card.event.poll_wait(context).is_ready() {
                // The turn takes it: the card wants to see it.
                card.event.set();
                has_news = true;
            }
        }
        if has_news { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Forwards what came in by one port. True if its budget is spent.
    fn carry(&mut self, ingress: usize, switch: &mut Switch, now: Instant) -> bool {
        let (cards, batch) = (&mut self.cards, &mut self.batch);
        let has_more = match self.control.as_mut().filter(|control| control.is_in_charge()) {
            None => pass(cards, batch, ingress, &mut Learned { switch, ingress, route: Route::default() }),
            Some(control) => {
                let (parsed, found, tally) = (Parsed::default(), Found::Greeting, Tally::default());
                let mut ways = Programmed { control, switch, ingress, now, parsed, found, tally };
                pass(cards, batch, ingress, &mut ways)
            }
        };
        self.cards.send_out();
        has_more
    }
}

/// When something is to be done though nothing comes in.
fn deadline(switch: &Switch, control: Option<&Control>) -> Instant {
    let due = switch.deadline();
    control.map_or(due, |control| due.min(control.deadline()))
}

/// Lets what came in by one port go its ways. True if its budget is spent.
fn pass(cards: &mut Cards, batch: &mut Box<Batch>, ingress: usize, ways: &mut dyn Ways) -> bool {
    let mut left = BUDGET;
    while left != 0 {
        let Some(card) = cards.0.get_mut(ingress).filter(|card| !card.nic.is_idle()) else { return false };
        let count = card.nic.receive_batch(batch);
        if count != 0 {
            let octets = cards.forward(batch, ways);
            ways.receive(count, octets);
            left = left.saturating_sub(count);
            continue;
        }
        // What is left to do about a frame makes it one of its own.
        let Some(frame) = card.nic.receive() else { return false };
        let length = frame.buffer.total_len();
        // Whoever sends it says how short its segments are.
        let segments = frame.offload.segment.map_or(0, |segment| length / usize::from(segment.size.get()));
        ways.receive(1, length);
        ways.look(&frame.buffer);
        ways.carry(cards, frame);
        left = left.saturating_sub(1 + segments / SEGMENTS);
    }
    true
}

#[cfg(test)]
mod tests;
