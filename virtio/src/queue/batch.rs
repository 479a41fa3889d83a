//! Network frames in batches, in front of each a header that says nothing: no checksum to fill in, nothing to cut or to put
//! together (virtio 1.2, 5.1.6).
//!
//! Only what is usual happens here, in loops that keep what they need in registers and tell the device once of all they did:
//! single descriptors, and headers of [`NET_HEADER`] bytes. Whatever is another way is left where it is, for those who take
//! or send buffers one by one, and judge them. Invariant: what is not moved is not changed.

use core::mem;

use super::{Chain, Queue};
use crate::rings::{Descriptor, WRITE};
use crate::{Batch, Buffer, Error, Pool};

pub use crate::buffer::NET_HEADER;

impl Queue {
    /// Takes received frames without their headers, up to the first whose header says something: how many.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn receive_batch(&mut self, batch: &mut Batch) -> Result<usize, Error> {
        if self.next_used == self.seen_used && !self.look()? {
            return Ok(0);
        }
        let waiting = self.seen_used.wrapping_sub(self.next_used);
        let (mut free_head, mut position) = (self.free_head, self.next_used);
        for place in batch.places(waiting.into()) {
            let (id, written) = self.rings.used_element(position);
            let Some(slot) = self.slots.get_mut(id as usize) else { break };
            if slot.chain != Chain::OneIn
                || !slot.buffer.as_ref().is_some_and(|buffer| buffer.is_plain(written))
            {
                break;
            }
            if let Some(buffer) = put(place, &mut slot.buffer) {
                buffer.unwrap(written);
            }
            slot.link = free_head;
            free_head = id as u16; // that of a slot, of which there are at most 2^15
            position = position.wrapping_add(1);
        }
        let count = position.wrapping_sub(self.next_used);
        self.take_back(free_head, count);
        batch.has_got(count.into());
        Ok(count.into())
    }

    /// Hands frames to the device, in front of each a header that says nothing, as long as there is room and they are single
    /// buffers that the device reaches: how many.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn send_batch(&mut self, batch: &mut Batch) -> usize {
        let (mut free_head, mut position) = (self.free_head, self.next_available);
        let mut reached = None;
        for place in batch.buffers_mut(self.free.into()) {
            let Some(buffer) = place else { break };
            let Some(slot) = self.slots.get_mut(usize::from(free_head)) else { break };
            if reached != Some(buffer.pool().identity()) {
                if !self.rings.reach_like(buffer.pool()) {
                    break;
                }
                reached = Some(buffer.pool().identity());
            }
            let Some((address, length)) = buffer.wrap() else { break };
            self.rings.describe(free_head, Descriptor { address, length, flags: 0, next: 0 });
            self.rings.offer(position, free_head);
            put(&mut slot.buffer, place);
            slot.chain = Chain::OneOut;
            free_head = slot.link;
            position = position.wrapping_add(1);
        }
        let count = position.wrapping_sub(self.next_available);
        self.hand_over(free_head, count);
        batch.has_given(count.into());
        count.into()
    }

    /// Hands up to `count` buffers of `pool` to the device to be written, from `header` bytes in front of their data on: how
    /// many it got.
    #[inline(never)]
    pub(crate) fn post(&mut self, pool: &Pool, header: usize, count: usize) -> usize {
        let (mut free_head, mut position) = (self.free_head, self.next_available);
        let opening = pool.opening(header);
        for _ in 0..count.min(self.free.into()) {
            let Some(slot) = self.slots.get_mut(usize::from(free_head)) else { break };
            let Some((buffer, address)) = pool.allocate_open(&opening) else { break };
            let length = opening.length();
            self.rings.describe(free_head, Descriptor { address, length, flags: WRITE, next: 0 });
            self.rings.offer(position, free_head);
            // What is free is empty.
            mem::forget(slot.buffer.replace(buffer));
            slot.chain = Chain::OneIn;
            free_head = slot.link;
            position = position.wrapping_add(1);
        }
        let count = position.wrapping_sub(self.next_available);
        self.hand_over(free_head, count);
        count.into()
    }

    /// As [`Queue::reclaim`], for those who have much to take back: it is longer and takes less time.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn reclaim_batch(&mut self) -> Result<usize, Error> {
        let mut total = 0;
        while self.next_used != self.seen_used || self.look()? {
            let (mut free_head, mut position) = (self.free_head, self.next_used);
            while position != self.seen_used {
                let (id, _) = self.rings.used_element(position);
                let Some(slot) = self.slots.get_mut(id as usize) else { break };
                if slot.chain != Chain::OneOut || !Buffer::give_back(&mut slot.buffer) {
                    break;
                }
                slot.link = free_head;
                free_head = id as u16; // that of a slot, of which there are at most 2^15
                position = position.wrapping_add(1);
            }
            let count = position.wrapping_sub(self.next_used);
            self.take_back(free_head, count);
            total += usize::from(count);
            if self.next_used != self.seen_used {
                // What is unusual is checked where everything is.
                total += usize::from(self.complete()?.is_some());
            }
        }
        Ok(total)
    }

    /// Notes that the device has given back so many single descriptors, which are the first of the free ones.
    #[inline]
    fn take_back(&mut self, free_head: u16, count: u16) {
        self.free_head = free_head;
        self.free += count;
        self.in_flight -= count;
        self.next_used = self.next_used.wrapping_add(count);
        self.counters.completions += u64::from(count);
    }

    /// Tells the device of so many single descriptors, behind which those from `free_head` on are free.
    #[inline]
    fn hand_over(&mut self, free_head: u16, count: u16) {
        self.free_head = free_head;
        self.free -= count;
        self.in_flight += count;
        self.next_available = self.next_available.wrapping_add(count);
        self.rings.publish(self.next_available);
    }
}

/// Moves a buffer to a place that is empty.
#[inline]
fn put<'a>(place: &'a mut Option<Buffer>, from: &mut Option<Buffer>) -> Option<&'a mut Buffer> {
    // Forgetting that it is empty spares the code that would drop something.
    mem::forget(mem::replace(place, from.take()));
    place.as_mut()
}
