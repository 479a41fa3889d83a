//! Where frames leave: by the cards, as the learning switch or a flow entry says.
//!
//! [`Outputs`] is what the pipeline of OpenFlow sends by, and [`Carried`] is a card's frame as the pipeline sees it. Invariants: a
//! frame that goes to one port, and is not changed afterwards, is sent in the buffer that it came in; what a mirrored port receives is
//! copied as it came, whatever the tables say, and what one sends is copied as it leaves, unless it came by a mirrored one.

use super::cards::{Cards, copy, shift};
use crate::frame;
use crate::openflow::Wires;
use crate::pipeline::{Destination, ports};
use crate::switch::Switch;
use alloc::vec::Vec;
use core::any::Any;
use unik::ports::{Checksum, Frame, Offload};

/// The cards, and the switch that learns which one leads where.
pub(super) struct Outputs<'a> {
    pub(super) cards: &'a mut Cards,
    pub(super) switch: &'a mut Switch,
}

impl Outputs<'_> {
    /// Forwards a frame to where its destination was heard.
    pub(super) fn learn(&mut self, ingress: usize, frame: Frame) {
        let length = frame.buffer.total_len();
        let mut route = self.switch.forward(ingress, &frame.buffer, length);
        // That of what came by a mirrored port has been made.
        route.is_mirrored &= !self.switch.mirrors_received(ingress);
        self.cards.carry(ingress, frame, route, length, self.switch);
    }

    /// The same for a frame that came by none of them, but from a controller.
    #[cold]
    fn send_own(&mut self, frame: Frame) {
        let length = frame.buffer.total_len();
        let route = self.switch.forward_own(&frame.buffer);
        self.cards.carry(usize::MAX, frame, route, length, self.switch);
    }

    /// A frame of these bytes, in a buffer of the card of that port.
    fn filled(&mut self, port: usize, bytes: &[u8]) -> Option<Frame> {
        let mut buffer = self.cards.0.get_mut(port)?.nic.allocate(bytes.len())?;
        buffer.copy_from(bytes).ok()?;
        Some(buffer.into())
    }

    /// Copies a frame that leaves by a mirrored port, unless it came by one.
    #[cold]
    fn mirror(&mut self, ingress: usize, frame: &Frame) {
        if !self.switch.mirrors_received(ingress) {
            self.cards.mirror(frame, self.switch);
        }
    }

    /// Sends a frame to where an action says.
    pub(super) fn deliver(&mut self, destination: Destination, frame: Frame) {
        match destination.port {
            ports::NORMAL => match index(destination.ingress) {
                ingress if ingress < self.cards.0.len() => self.learn(ingress, frame),
                _ => self.send_own(frame),
            },
            number => {
                let port = index(number);
                if self.switch.mirrors_sent(port) {
                    self.mirror(index(destination.ingress), &frame);
                }
                let Some(card) = self.cards.0.get_mut(port) else { return };
                let length = frame.buffer.total_len();
                if frame.offload == Offload::default() {
                    card.push(frame.buffer, length);
                } else {
                    card.transmit(frame, length);
                }
            }
        }
    }
}

/// The place of a port among the cards, by its number; one that none has for those that are no card.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1)
}

impl Wires for Outputs<'_> {
    fn send(&mut self, destination: Destination, frame: &dyn frame::Frame) {
        let carried = frame.as_any().and_then(|any| any.downcast_ref::<Carried>());
        let copied = match carried {
            Some(carried) => copy(&carried.0),
            // All cards have one pool.
            None => self.filled(0, frame.bytes()),
        };
        match copied {
            Some(copied) => self.deliver(destination, copied),
            None => self.switch.counters().no_buffer.increment(),
        }
    }
}

/// A frame that a card received, on its way through the tables.
pub(super) struct Carried(pub(super) Frame);

impl frame::Frame for Carried {
    fn bytes(&self) -> &[u8] {
        &self.0.buffer
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0.buffer
    }

    fn grow_front(&mut self, count: usize) -> bool {
        let has_room = self.0.buffer.grow_front(count).is_some();
        if has_room {
            shift(&mut self.0.offload, count as i16); // the room is shorter than that
        }
        has_room
    }

    fn trim_front(&mut self, count: usize) -> bool {
        let has_so_much = self.0.buffer.trim_front(count).is_some();
        if has_so_much {
            shift(&mut self.0.offload, -(count as i16)); // a buffer is shorter than that
        }
        has_so_much
    }

    fn set_len(&mut self, length: usize) -> bool {
        self.0.buffer.set_len(length).is_ok()
    }

    fn total_len(&self) -> usize {
        self.0.buffer.total_len()
    }

    fn unfinished(&self) -> Option<usize> {
        match self.0.offload.checksum {
            Checksum::Partial { start, offset } => Some(usize::from(start) + usize::from(offset)),
            _ => None,
        }
    }

    fn is_whole(&self) -> bool {
        self.unfinished().is_none() && !self.0.buffer.is_chained()
    }

    fn write_whole(&self, out: &mut Vec<u8>) -> bool {
        let Frame { buffer, offload } = &self.0;
        if !frame::refill(out, buffer.parts(), buffer.total_len()) {
            return false;
        }
        if let (Checksum::Partial { start, .. }, Some(at)) = (offload.checksum, self.unfinished()) {
            frame::complete(out, start.into(), at);
        }
        true
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
