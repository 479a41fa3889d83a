//! A card by hand: frames come from a test and go to it, and there is as much room to send as the test says.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use unik_net::{Frame, Nic};
use unik_sched::{counter::CounterSet, sync::Event};
use unik_virtio::{Buffer, Pool};

/// Buffers of a card.
pub(crate) const BUFFERS: usize = 32;
/// The hardware address of the stack.
pub(crate) const STACK: [u8; 6] = [2, 0, 0, 0, 0, 1];

unik_sched::counters! {
    /// What the card counts.
    struct CardCounters {}
}

/// What is on its way, and the room for more.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) incoming: VecDeque<Vec<u8>>,
    pub(crate) outgoing: VecDeque<Vec<u8>>,
    /// Frames that the card still takes.
    pub(crate) room: usize,
    /// The stack waits for room.
    pub(crate) starved: bool,
}

pub(crate) struct Card {
    pub(crate) pool: Pool,
    pub(crate) line: Rc<RefCell<Line>>,
    pub(crate) event: Event,
}

impl Nic for Card {
    fn hardware_address(&self) -> [u8; 6] {
        STACK
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self) -> Option<Frame> {
        let line = &mut *self.line.borrow_mut();
        while let Some(bytes) = line.incoming.pop_front() {
            let mut buffer = self.pool.allocate()?;
            // A card has no frames that are longer than its buffers.
            if buffer.copy_from(&bytes).is_ok() {
                return Some(buffer.into());
            }
        }
        None
    }

    fn allocate(&mut self, _length: usize) -> Option<Buffer> {
        let line = &mut *self.line.borrow_mut();
        line.starved = line.room == 0;
        if line.starved { None } else { self.pool.allocate() }
    }

    fn transmit(&mut self, frame: Frame) -> Result<(), Frame> {
        let line = &mut *self.line.borrow_mut();
        line.starved = line.room == 0;
        if line.starved {
            return Err(frame);
        }
        line.room -= 1;
        line.outgoing.push_back(frame.buffer.to_vec());
        Ok(())
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        let line = self.line.borrow();
        !line.incoming.is_empty() || line.starved && line.room > 0
    }

    fn disarm(&mut self) {}

    fn event(&self) -> Event {
        self.event.clone()
    }

    fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(CardCounters::new())
    }
}
