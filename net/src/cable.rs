//! Two cards joined: each frame received by one leaves by the other, in the buffer that it came in.
//!
//! A card that is slow or full loses frames, which are counted, and holds up nobody: a frame waits nowhere but in the
//! queue of the card that sends it. Who else has a use for frames that pass between cards, such as a switch, finds here
//! how [`Nic`]s are driven. Invariant: the task sleeps only after both cards have been asked to tell of news.

use alloc::{boxed::Box, rc::Rc};
use core::{future::poll_fn, task::Poll};

use unik_sched::{sync::Event, yield_now};

use crate::{
    glance::ETHERNET,
    nic::{Checksum, Frame, Nic},
};

/// Frames taken from one card before the other one's turn: fewer than any queue holds.
const BUDGET: usize = 32;
/// Bytes that a tag of a virtual network adds to a frame (IEEE 802.1Q).
const TAG: usize = 4;

unik_sched::counters! {
    /// What a cable has done.
    pub struct CableCounters {
        /// Frames that were passed on.
        frames,
        /// Bytes of these frames.
        bytes,
        /// Frames lost because the card that was to send them had no room.
        no_room,
        /// Frames lost because the card that was to send them cannot: they are too long, or ask for what it does not do.
        unfit,
        /// Turns of the task.
        turns,
    }
}

/// Two cards that are joined.
pub struct Cable {
    cards: [Box<dyn Nic>; 2],
    counters: Rc<CableCounters>,
}

impl Cable {
    /// Joins two cards. Nothing moves until [`Cable::run`].
    pub fn new(one: Box<dyn Nic>, other: Box<dyn Nic>) -> Self {
        Cable { cards: [one, other], counters: Rc::default() }
    }

    /// What is counted.
    pub fn counters(&self) -> Rc<CableCounters> {
        self.counters.clone()
    }

    /// Passes frames on, for ever.
    pub async fn run(mut self) {
        let events = [self.cards[0].event(), self.cards[1].event()];
        loop {
            let has_more = self.turn(&events);
            if has_more || self.arm() {
                yield_now().await;
                continue;
            }
            poll_fn(|context| {
                // Both are asked: what woke the task says nothing about the other.
                let news = events.each_ref().map(|event| event.poll_wait(context).is_ready());
                for (event, _) in events.iter().zip(news).filter(|(_, news)| *news) {
                    // The turn takes it: the card wants to see it.
                    event.set();
                }
                if news == [false; 2] { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        }
    }

    /// Passes on what there is, up to the budget. True if there may be more.
    fn turn(&mut self, events: &[Event; 2]) -> bool {
        self.counters.turns.increment();
        for (card, event) in self.cards.iter_mut().zip(events) {
            card.disarm();
            event.try_take();
        }
        let [one, other] = &mut self.cards;
        let (one, other) = (&mut **one, &mut **other);
        let there = carry(one, other, &self.counters);
        let back = carry(other, one, &self.counters);
        one.flush();
        other.flush();
        there || back
    }

    /// Asks both cards to tell of news. True if there is some already.
    fn arm(&mut self) -> bool {
        self.cards.iter_mut().fold(false, |news, card| card.arm() | news)
    }
}

/// Passes frames on in one direction. True if the budget is spent.
fn carry(from: &mut dyn Nic, to: &mut dyn Nic, counters: &CableCounters) -> bool {
    for _ in 0..BUDGET {
        let Some(mut frame) = from.receive() else { return false };
        let length = frame.buffer.total_len();
        if !fits(&mut frame, to) {
            counters.unfit.increment();
            continue;
        }
        // Once more after the card was told of what it has: it may be done with that.
        let sent = to.transmit(frame).or_else(|frame| {
            to.flush();
            to.transmit(frame)
        });
        if sent.is_err() {
            counters.no_room.increment();
            continue;
        }
        counters.frames.increment();
        counters.bytes.add(length as u64);
    }
    true
}

/// Makes a received frame one that `card` can send, or says that it is none.
fn fits(frame: &mut Frame, card: &dyn Nic) -> bool {
    let is_short = frame.buffer.total_len() <= ETHERNET + TAG + card.mtu();
    if frame.offload.checksum == Checksum::Verified {
        // For the card that sends it: it is complete.
        frame.offload.checksum = Checksum::Unverified;
    }
    (is_short || frame.offload.segment.is_some()) && frame.settle(card.offloads())
}
