//! The data plane: frames from card to card, in the buffers that they came in.
//!
//! The task takes up to [`BUDGET`] frames of each card in turn, in batches, has the [`Switch`] say where each goes, and tells each card
//! once of all that it got. A frame that goes to one port is never copied; one that goes to several is for all but one. Frames wait
//! nowhere but in the queues of cards: where one is full, they are lost, and counted. Invariant: the task sleeps only after all
//! cards have been asked to tell of news.

use super::SharedSwitch;
use crate::counters::PortCounters;
use crate::switch::{HEADER, OWN_FRAME, Route, Switch, TAG};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use unik::ports::{Batch, Buffer, Checksum, Frame, Nic, Offload, Port};
use unik::sync::Event;
use unik::time::{Sleep, Time};
use unik::yield_now;
use unik_sched::time::Instant;

/// Frames taken from one card before the next one's turn.
const BUDGET: usize = 64;
/// Where the addresses of a frame end, and a tag begins.
const ADDRESSES: usize = 12;

/// A card, and what is to be known of its port.
struct Card {
    nic: Box<dyn Nic>,
    event: Event,
    counters: Rc<PortCounters>,
    /// The type of its tags.
    tag: u16,
    /// The longest frame that it takes, with a tag, unless it cuts it.
    longest: usize,
    /// Frames that it is about to be given, and how many octets they have.
    out: Batch,
    out_octets: usize,
}

/// All cards, in the order of their ports.
struct Cards(Vec<Card>);

/// All cards and the switch between them.
pub struct Plane {
    cards: Cards,
    /// Frames that were received, and are being looked at.
    batch: Box<Batch>,
    switch: SharedSwitch,
    /// The card whose turn is the first.
    first: usize,
}

impl Plane {
    /// Puts cards to the ports of a switch. Nothing moves until [`Plane::run`].
    pub fn new(switch: SharedSwitch, ports: impl Iterator<Item = Port>) -> Self {
        let known = switch.borrow();
        let cards = ports.enumerate().filter_map(|(index, port)| {
            let counters = known.port_counters(index)?;
            let (event, longest) = (port.nic.event(), HEADER + TAG + port.nic.mtu());
            let (tag, out) = (known.tag(index), Batch::new());
            Some(Card { nic: port.nic, event, counters, tag, longest, out, out_octets: 0 })
        });
        let cards = Cards(cards.collect());
        drop(known);
        Self { cards, batch: Box::default(), switch, first: 0 }
    }

    /// Forwards, for ever.
    pub async fn run(mut self, time: &Time) {
        let mut timer = time.sleep_until(time.now());
        loop {
            let has_more = self.turn(time.now());
            if has_more || self.arm() {
                yield_now().await;
                continue;
            }
            let due = self.switch.borrow().deadline();
            if timer.deadline() != due {
                timer.reset(due);
            }
            poll_fn(|context| self.wait(&mut timer, context)).await;
        }
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
        let count = self.cards.0.len();
        let mut has_more = false;
        for step in 0..count {
            has_more |= self.carry((self.first + step) % count, switch);
        }
        self.cards.send_own(switch);
        self.first = if self.first + 1 < count { self.first + 1 } else { 0 };
        for card in &mut self.cards.0 {
            card.nic.flush();
        }
        has_more
    }

    /// Asks all cards to tell of news. True if there is some already.
    fn arm(&mut self) -> bool {
        self.cards.0.iter_mut().fold(false, |news, card| card.nic.arm() | news)
    }

    /// Waits for news of a card, or for the time.
    fn wait(&self, timer: &mut Sleep, context: &mut Context<'_>) -> Poll<()> {
        let mut has_news = Pin::new(timer).poll(context).is_ready();
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
    fn carry(&mut self, ingress: usize, switch: &mut Switch) -> bool {
        let mut left = BUDGET;
        let has_more = loop {
            let Some(card) = self.cards.0.get_mut(ingress) else { break false };
            let count = card.nic.receive_batch(&mut self.batch);
            while let Some(buffer) = self.batch.pop() {
                let length = buffer.len();
                let route = switch.forward(ingress, &buffer, length);
                match self.cards.0.get_mut(route.straight()) {
                    Some(card) => card.push(buffer, length),
                    None => self.cards.carry(ingress, buffer.into(), route, length, switch),
                }
            }
            left = left.saturating_sub(count);
            if left == 0 {
                break true;
            }
            // What is left to do about a frame makes it one of its own.
            let Some(card) = self.cards.0.get_mut(ingress) else { break false };
            let Some(frame) = card.nic.receive() else { break false };
            let length = frame.buffer.total_len();
            let route = switch.forward(ingress, &frame.buffer, length);
            self.cards.carry(ingress, frame, route, length, switch);
            left = left.saturating_sub(1);
            if left == 0 {
                break true;
            }
        };
        for card in &mut self.cards.0 {
            if !card.out.is_empty() {
                card.send_out();
            }
        }
        has_more
    }
}

impl Cards {
    /// Forwards one frame by its route, whatever that is.
    #[inline(never)]
    fn carry(&mut self, ingress: usize, frame: Frame, route: Route, length: usize, switch: &mut Switch) {
        if route.is_mirrored || route.is_control {
            self.attend(ingress, &frame, route, switch);
        }
        if route.ports & route.ports.wrapping_sub(1) != 0 {
            self.flood(frame, route, length);
        } else if route.ports != 0 {
            self.send(route.ports.trailing_zeros() as usize, frame, route, length);
        }
    }

    /// Sends a frame by one port.
    #[inline]
    fn send(&mut self, egress: usize, mut frame: Frame, route: Route, mut length: usize) {
        let Some(card) = self.0.get_mut(egress) else { return };
        let has_tag = route.plain & 1 << (egress & 7) == 0;
        if has_tag || route.is_tagged {
            match reshape(&mut frame, route, has_tag.then_some(card.tag)) {
                Some(reshaped) => length = reshaped,
                None => return card.counters.out_unfit.increment(),
            }
        }
        card.transmit(frame, length);
    }

    /// Sends a frame by several ports: itself by the last, a copy by each other one.
    #[inline(never)]
    fn flood(&mut self, frame: Frame, route: Route, length: usize) {
        let mut ports = route.ports;
        while ports & ports.wrapping_sub(1) != 0 {
            let egress = ports.trailing_zeros() as usize;
            ports &= ports - 1;
            match copy(&frame) {
                Some(copy) => self.send(egress, copy, route, length),
                None => self.0.get(egress).iter().for_each(|card| card.counters.out_no_buffer.increment()),
            }
        }
        self.send(ports.trailing_zeros() as usize, frame, route, length);
    }

    /// Does what else is to be done about a frame: it is for the switch itself, or to be copied, as it came, to the port that
    /// mirrors.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, ingress: usize, frame: &Frame, route: Route, switch: &mut Switch) {
        if route.is_control {
            switch.control(ingress, &frame.buffer);
        }
        let mirror = switch.mirror().filter(|_| route.is_mirrored);
        let Some(card) = mirror.and_then(|mirror| self.0.get_mut(mirror)) else { return };
        match copy(frame) {
            Some(copy) => {
                let length = copy.buffer.total_len();
                card.transmit(copy, length);
                switch.counters().mirrored.increment();
            }
            None => card.counters.out_no_buffer.increment(),
        }
    }

    /// Sends what the switch has to say for itself.
    fn send_own(&mut self, switch: &mut Switch) {
        let mut space = [0; OWN_FRAME];
        while let Some((port, length)) = switch.next_own(&mut space) {
            let Some(card) = self.0.get_mut(port) else { continue };
            let frame = space.get(..length).unwrap_or_default();
            let filled = card.nic.allocate(length).and_then(|mut buffer| {
                buffer.copy_from(frame).ok()?;
                Some(buffer)
            });
            match filled {
                Some(buffer) => card.transmit(buffer.into(), length),
                None => switch.counters().no_buffer.increment(),
            }
        }
    }
}

impl Card {
    /// Lets a frame about which nothing is left to do leave with the next batch.
    #[inline]
    fn push(&mut self, buffer: Buffer, length: usize) {
        if length > self.longest {
            return self.counters.out_unfit.increment();
        }
        if self.out.is_full() {
            self.send_out();
        }
        // There is room for it now.
        if self.out.push(buffer).is_ok() {
            self.out_octets += length;
        }
    }

    /// Hands the batch to the card. What it has no room for is lost.
    #[inline(never)]
    fn send_out(&mut self) {
        let mut frames = self.out.len();
        self.nic.transmit_batch(&mut self.out);
        if !self.out.is_empty() {
            // Once more after the card was told of what it has: it may be done with that.
            self.nic.flush();
            self.nic.transmit_batch(&mut self.out);
        }
        while let Some(buffer) = self.out.pop() {
            let length = buffer.len();
            // A batch is not for every buffer: this one may pass alone.
            if self.nic.transmit(buffer.into()).is_err() {
                self.counters.out_no_room.increment();
                (frames, self.out_octets) = (frames - 1, self.out_octets - length);
            }
        }
        self.counters.out_frames.add(frames as u64);
        self.counters.out_octets.add(core::mem::take(&mut self.out_octets) as u64);
    }

    /// Hands a frame to the card.
    #[inline]
    fn transmit(&mut self, mut frame: Frame, length: usize) {
        if length > self.longest && frame.offload.segment.is_none() {
            return self.counters.out_unfit.increment();
        }
        if !self.out.is_empty() {
            // None overtakes another.
            self.send_out();
        }
        if frame.offload.checksum == Checksum::Verified {
            // For the card that sends it: it is complete.
            frame.offload.checksum = Checksum::Unverified;
        }
        if let Err(frame) = self.nic.transmit(frame)
            && self.retry(frame).is_err()
        {
            return self.counters.out_no_room.increment();
        }
        self.counters.out_frames.increment();
        self.counters.out_octets.add(length as u64);
    }

    /// Once more after the card was told of what it has: it may be done with that.
    #[cold]
    fn retry(&mut self, frame: Frame) -> Result<(), Frame> {
        self.nic.flush();
        self.nic.transmit(frame)
    }
}

/// A copy of a frame, in buffers of the same pool.
fn copy(frame: &Frame) -> Option<Frame> {
    let mut parts = frame.buffer.parts().map(|part| {
        let mut buffer = frame.buffer.pool().allocate()?;
        buffer.copy_from(part).ok()?;
        Some(buffer)
    });
    let mut first = parts.next()??;
    for part in parts {
        first.append(part?).ok()?;
    }
    Some(Frame { buffer: first, offload: frame.offload })
}

/// Gives a frame the tag that it leaves with, of this type, or takes away the one that it came with; its length then. `None`
/// where there is no room.
#[inline(never)]
fn reshape(frame: &mut Frame, route: Route, tag: Option<u16>) -> Option<usize> {
    let buffer = &mut frame.buffer;
    match (route.is_tagged, tag) {
        (true, Some(_)) => {}
        (true, None) => {
            // The addresses move over the tag.
            buffer.get_mut(..ADDRESSES + TAG)?.copy_within(..ADDRESSES, TAG);
            buffer.trim_front(TAG)?;
            shift(&mut frame.offload, -(TAG as i16));
        }
        (false, Some(_)) => {
            buffer.grow_front(TAG)?;
            buffer.get_mut(..TAG + ADDRESSES)?.copy_within(TAG.., 0);
            shift(&mut frame.offload, TAG as i16);
        }
        (false, None) => {}
    }
    if let Some(kind) = tag {
        let place = frame.buffer.get_mut(ADDRESSES..ADDRESSES + TAG)?;
        let [a, b] = kind.to_be_bytes();
        let [c, d] = route.tag.to_be_bytes();
        place.copy_from_slice(&[a, b, c, d]);
    }
    Some(frame.buffer.total_len())
}

/// Moves what is said of the bytes of a frame.
fn shift(offload: &mut Offload, by: i16) {
    if let Checksum::Partial { start, .. } = &mut offload.checksum {
        *start = start.saturating_add_signed(by);
    }
    if let Some(segment) = &mut offload.segment {
        segment.headers = segment.headers.saturating_add_signed(by);
    }
}
