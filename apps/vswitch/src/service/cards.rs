//! The cards of the ports: what leaves by them, and in which form.
//!
//! A frame is an owned buffer of the pool that all cards share, so the one that a card received is the one that another card
//! sends. It is copied only where it leaves by more than one port. Invariant: whatever is not sent is counted.

use super::ways::Ways;
use crate::counters::PortCounters;
use crate::switch::{HEADER, OWN_FRAME, Route, Switch, TAG};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::mem;
use unik::ports::{Batch, BatchNic, Buffer, Checksum, Frame, Offload, Port};
use unik::sync::Event;

/// Where the addresses of a frame end, and a tag begins.
const ADDRESSES: usize = 12;

/// A card, and what is to be known of its port.
pub(super) struct Card {
    pub(super) nic: Box<dyn BatchNic>,
    pub(super) event: Event,
    pub(super) counters: Rc<PortCounters>,
    /// The type of its tags.
    tag: u16,
    /// The longest frame that it takes, with a tag, unless it cuts it.
    pub(super) longest: usize,
    /// Frames that it is about to be given, and how many octets they have.
    out: Box<Batch>,
    out_octets: usize,
}

/// Frames one after the other that each go to one port as they are: the first ones of a batch.
struct Run {
    /// To which port, and how many go there together.
    trains: [(u8, u8); Batch::SIZE],
    parts: usize,
    count: usize,
    /// All ports among them, a bit for each.
    ports: u8,
    octets: usize,
    longest: usize,
}

/// All cards, in the order of their ports.
pub(super) struct Cards(pub(super) Vec<Card>);

impl Cards {
    /// The cards of these ports, as far as the switch knows them.
    pub(super) fn new(switch: &Switch, ports: impl Iterator<Item = Port>) -> Self {
        let cards = ports.enumerate().filter_map(|(index, port)| {
            let counters = switch.port_counters(index)?;
            let (event, longest) = (port.nic.event(), HEADER + TAG + port.nic.mtu());
            let (tag, out) = (switch.tag(index), Box::default());
            Some(Card { nic: port.nic, event, counters, tag, longest, out, out_octets: 0 })
        });
        Self(cards.collect())
    }

    /// Hands all batches to their cards.
    pub(super) fn send_out(&mut self) {
        for card in &mut self.0 {
            if !card.out.is_empty() {
                card.send_out();
            }
        }
    }

    /// Lets frames about which nothing is left to do go their ways; their octets.
    ///
    /// Those that go to one port as they are, one after the other, leave together.
    #[inline(never)]
    pub(super) fn forward(&mut self, batch: &mut Box<Batch>, ways: &mut dyn Ways) -> usize {
        let mut total = 0;
        loop {
            let mut run =
                Run { trains: [(0, 0); Batch::SIZE], parts: 0, count: 0, ports: 0, octets: 0, longest: 0 };
            run.extend(batch, ways);
            total += run.octets;
            self.send_run(&run, batch);
            let Some(buffer) = batch.pop() else { return total };
            total += buffer.len();
            ways.carry(self, buffer.into());
        }
    }

    /// Sends the frames of a run, which are the first of a batch.
    #[inline]
    fn send_run(&mut self, run: &Run, batch: &mut Box<Batch>) {
        if run.count == batch.len()
            && run.ports.is_power_of_two()
            && let Some(card) = self.0.get_mut(run.ports.trailing_zeros() as usize)
            && card.out.is_empty()
            && run.longest <= card.longest
        {
            // All of them to one card: the batch itself goes there.
            card.out_octets = run.octets;
            return mem::swap(&mut card.out, batch);
        }
        self.send_each(run, batch);
    }

    #[inline(never)]
    fn send_each(&mut self, run: &Run, batch: &mut Batch) {
        for (egress, count) in run.trains.iter().take(run.parts) {
            let Some(card) = self.0.get_mut(usize::from(*egress)) else { continue };
            for buffer in (0..*count).map_while(|_| batch.pop()) {
                let length = buffer.len();
                card.push(buffer, length);
            }
        }
    }

    /// Forwards one frame by its route, whatever that is.
    #[inline(never)]
    pub(super) fn carry(
        &mut self,
        ingress: usize,
        frame: Frame,
        route: Route,
        length: usize,
        switch: &mut Switch,
    ) {
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
        if route.is_mirrored {
            self.mirror(frame, switch);
        }
    }

    /// Copies a frame to the port that mirrors.
    #[cold]
    #[inline(never)]
    pub(super) fn mirror(&mut self, frame: &Frame, switch: &Switch) {
        let Some(card) = switch.mirror().and_then(|mirror| self.0.get_mut(mirror)) else { return };
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
    #[inline]
    pub(super) fn send_own(&mut self, switch: &mut Switch) {
        if switch.may_speak() {
            self.send_all_own(switch);
        }
    }

    #[inline(never)]
    fn send_all_own(&mut self, switch: &mut Switch) {
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

impl Run {
    /// Adds the frames of a batch, up to the first that goes another way.
    #[inline]
    fn extend(&mut self, batch: &Batch, ways: &mut dyn Ways) {
        while self.count < batch.len()
            && let Some((egress, train)) = ways.straight(batch, self.count)
            && let Some(place) = self.trains.get_mut(self.parts)
        {
            // There are eight ports, and a batch has less than 256 frames.
            *place = (egress as u8, train.count as u8);
            self.parts += 1;
            self.count += train.count;
            self.ports |= 1 << (egress & 7);
            self.octets += train.octets;
            self.longest = self.longest.max(train.longest);
        }
    }
}

impl Card {
    /// Lets a frame about which nothing is left to do leave with the next batch.
    #[inline]
    pub(super) fn push(&mut self, buffer: Buffer, length: usize) {
        if length > self.longest {
            return self.counters.out_unfit.increment();
        }
        let Err(buffer) = self.out.push(buffer) else { return self.out_octets += length };
        self.send_out();
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
            let length = buffer.total_len();
            // A batch is not for every buffer: this one may pass alone.
            if self.nic.transmit(buffer.into()).is_err() {
                self.counters.out_no_room.increment();
                (frames, self.out_octets) = (frames - 1, self.out_octets - length);
            }
        }
        self.counters.out_frames.add(frames as u64);
        self.counters.out_octets.add(mem::take(&mut self.out_octets) as u64);
    }

    /// Hands a frame to the card.
    #[inline]
    pub(super) fn transmit(&mut self, mut frame: Frame, length: usize) {
        match frame.offload.segment {
            None if length > self.longest => return self.counters.out_unfit.increment(),
            Some(segment) if !self.cuts(segment) => return self.transmit_segments(frame, segment),
            _ => {}
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
pub(super) fn copy(frame: &Frame) -> Option<Frame> {
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
pub(super) fn shift(offload: &mut Offload, by: i16) {
    if let Checksum::Partial { start, .. } = &mut offload.checksum {
        *start = start.saturating_add_signed(by);
    }
    if let Some(segment) = &mut offload.segment {
        segment.headers = segment.headers.saturating_add_signed(by);
    }
}
