//! Requests: a question that the device reads, data that it reads or writes, and one byte that it writes last.
//!
//! Question and verdict stand in the buffer that the data begins in, in front of it, so that a request needs no memory of
//! its own. Each part has a descriptor of the queue: requests are long, and a table would cost a buffer more.

use core::iter;

use super::{Direction, Queue};
use crate::rings::{Descriptor, NEXT, WRITE};
use crate::{Buffer, Error, Rejected};

/// A request that the device has answered.
#[derive(Debug)]
pub struct Completion {
    /// What [`Device::submit_request`](crate::Device::submit_request) called it.
    pub id: u16,
    /// Bytes that the device says it wrote, the verdict among them. This may be any number.
    pub written: u32,
    /// The buffer as it was submitted, but for what the device wrote.
    pub buffer: Buffer,
}

impl Queue {
    /// Hands over a request, and says which descriptor it starts with.
    pub(crate) fn submit_request(
        &mut self,
        buffer: Buffer,
        question: usize,
        direction: Direction,
    ) -> Result<u16, Rejected> {
        let first = buffer.len();
        let count = 2 + usize::from(first > question) + buffer.parts().skip(1).count();
        if question == 0
            || first < question
            || buffer.headroom() == 0
            || buffer.parts().skip(1).any(<[u8]>::is_empty)
        {
            return Err(Rejected { buffer, reason: Error::BadLength });
        }
        if count > usize::from(self.free) {
            return self.refuse(buffer);
        }
        let data = match direction {
            Direction::ToDevice => 0,
            Direction::FromDevice => WRITE,
        };
        let mut parts = buffer.physical_parts();
        let (address, length) = parts.next().unwrap_or_default();
        // It is at most as long as the buffer.
        let question = question as u32;
        let rest = (address + u64::from(question), length - question);
        let parts = iter::once((address, question, 0))
            .chain(iter::once(rest).chain(parts).filter(|part| part.1 > 0).map(|part| (part.0, part.1, data)))
            .chain(iter::once((address - 1, 1, WRITE)));
        let head = self.free_head;
        let (mut last, mut index) = (head, head);
        for (number, (address, length, flags)) in (1..).zip(parts) {
            let next = self.slots.get(usize::from(index)).map_or(0, |slot| slot.link);
            let flags = flags | if number < count { NEXT } else { 0 };
            self.rings.describe(index, Descriptor { address, length, flags, next });
            (last, index) = (index, next);
        }
        let Some(slot) = self.slots.get_mut(usize::from(head)) else { return self.refuse(buffer) };
        // No more than the free descriptors, which are 2^15 at most.
        let count = count as u16;
        // Towards the device: so that its length stays, whatever is said to be written.
        slot.hold_chain(buffer, Direction::ToDevice, last, count);
        self.free_head = index;
        self.free -= count;
        self.publish(head);
        Ok(head)
    }
}
