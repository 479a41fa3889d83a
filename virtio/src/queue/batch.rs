//! Network frames in batches, in front of each a header that says nothing: no checksum to fill in, nothing to cut or to put
//! together (virtio 1.2, 5.1.6). All others are left to whoever takes or sends them one by one.

use super::{Direction, Queue};
use crate::{Batch, Buffer, Error};

/// Flag of the header: a checksum is to be filled in.
const NEEDS_CHECKSUM: u8 = 1;
/// Where the number of buffers stands, in a header that has it.
const BUFFERS: usize = 10;

impl Queue {
    /// Takes received frames without their headers of `header` bytes, up to the first whose header says something: how many.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn receive_batch(&mut self, header: usize, batch: &mut Batch) -> Result<usize, Error> {
        let mut count = 0;
        while !batch.is_full() && (self.next_used != self.seen_used || self.look()?) {
            let (id, written) = self.rings.used_element(self.next_used);
            let Some(slot) = self.slots.get_mut(id as usize) else { return Err(self.condemn()) };
            let Some(buffer) = &mut slot.buffer else { return Err(self.condemn()) };
            if slot.direction != Direction::FromDevice || buffer.set_len(written as usize).is_err() {
                return Err(self.condemn());
            }
            if !is_plain(buffer, header) {
                break;
            }
            let Some(mut buffer) = slot.buffer.take() else { break };
            let (last, descriptors) = (slot.last, slot.count);
            if let Some(slot) = self.slots.get_mut(usize::from(last)) {
                slot.link = self.free_head;
            }
            self.free_head = id as u16; // that of a slot, of which there are at most 2^15
            self.free += descriptors;
            self.in_flight -= 1;
            self.next_used = self.next_used.wrapping_add(1);
            count += 1;
            let _ = buffer.trim_front(header);
            // There is room, as was seen above.
            let _ = batch.push(buffer);
        }
        self.counters.completions += count as u64;
        Ok(count)
    }

    /// Hands frames to the device, in front of each a header of `header` bytes that says nothing, as long as there is room
    /// and they are single buffers that the device reaches: how many.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn send_batch(&mut self, header: usize, is_split: bool, batch: &mut Batch) -> usize {
        let mut count = 0;
        while self.free > u16::from(is_split)
            && let Some(buffer) = batch.first()
            && !buffer.is_chained()
            && buffer.headroom() >= header
            && self.rings.reach_like(buffer.pool())
            && let Some(mut buffer) = batch.pop()
        {
            if let Some(place) = buffer.grow_front(header) {
                clear(place);
            }
            if !is_split {
                let length = buffer.len() as u32; // at most 2^16
                self.put(buffer, length, 0, Direction::ToDevice);
            } else if self.submit_split(buffer, header, Direction::ToDevice).is_err() {
                break;
            }
            count += 1;
        }
        count
    }

    /// As [`Queue::reclaim`], for those who have much to take back: it is longer and takes less time.
    // Apart from its callers, which are compiled to be small.
    #[inline(never)]
    pub(crate) fn reclaim_batch(&mut self) -> Result<usize, Error> {
        let mut count = 0;
        while self.next_used != self.seen_used || self.look()? {
            let (id, written) = self.rings.used_element(self.next_used);
            let slot = self.slots.get_mut(id as usize);
            let Some(slot) = slot.filter(|slot| slot.direction == Direction::ToDevice) else {
                // What is unusual is checked where everything is.
                drop(self.take(id, written).ok_or_else(|| self.condemn())?);
                self.next_used = self.next_used.wrapping_add(1);
                count += 1;
                continue;
            };
            let (last, descriptors) = (slot.last, slot.count);
            if slot.buffer.take().is_none() {
                return Err(self.condemn());
            }
            if let Some(slot) = self.slots.get_mut(usize::from(last)) {
                slot.link = self.free_head;
            }
            self.free_head = id as u16; // that of a slot, of which there are at most 2^15
            self.free += descriptors;
            self.in_flight -= 1;
            self.next_used = self.next_used.wrapping_add(1);
            count += 1;
        }
        self.counters.completions += count as u64;
        Ok(count)
    }
}

/// Makes a header of at most twelve octets say nothing.
#[inline]
fn clear(header: &mut [u8]) {
    // Two stores in place of a call: headers have ten octets or twelve.
    if let Some((first, rest)) = header.split_first_chunk_mut::<8>() {
        *first = 0_u64.to_le_bytes();
        match rest.first_chunk_mut::<4>() {
            Some(rest) => *rest = 0_u32.to_le_bytes(),
            None => rest.fill(0),
        }
    } else {
        header.fill(0);
    }
}

/// Whether a received frame stands behind a header that says nothing.
#[inline]
fn is_plain(buffer: &Buffer, header: usize) -> bool {
    if buffer.len() <= header {
        return false;
    }
    let [flags, kind, ..] = **buffer else { return false };
    // Without the number there is one.
    let is_one = header <= BUFFERS || matches!(buffer.get(BUFFERS..BUFFERS + 2), Some([0 | 1, 0]));
    flags & NEEDS_CHECKSUM == 0 && kind == 0 && is_one
}
