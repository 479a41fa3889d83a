//! Frames of several buffers on their way to the device.
//!
//! Where the device takes tables of descriptors (virtio 1.2, 2.7.5.3), a frame takes one descriptor of the queue however
//! many buffers it has. The table is written into one more buffer of the frame's pool, which then follows the frame, so
//! that both come back together; without a buffer to spare, each part has a descriptor of the queue.

use super::{Direction, Queue};
use crate::rings::{Descriptor, INDIRECT, NEXT};
use crate::{Buffer, Error, Rejected};

/// Bytes of a descriptor in a table.
const ENTRY: usize = size_of::<u128>();

impl Queue {
    /// Hands the data of a buffer, and of those that follow it, to the device to be read.
    // Next to what the parts are copied by, its loops are short: small is better here.
    #[cold]
    #[inline(never)]
    pub(crate) fn submit_chain(&mut self, buffer: Buffer) -> Result<(), Rejected> {
        if buffer.parts().any(<[u8]>::is_empty) {
            return Err(Rejected { buffer, reason: Error::BadLength });
        }
        let table = if self.indirect { buffer.pool().allocate() } else { None };
        match table.and_then(|table| tabulate(&buffer, table)) {
            Some((table, length)) if self.free > 0 => self.submit_table(buffer, table, length),
            _ => self.submit_parts(buffer),
        }
    }

    /// Hands over a table of descriptors, `length` bytes of it.
    fn submit_table(&mut self, mut buffer: Buffer, table: Buffer, length: usize) -> Result<(), Rejected> {
        let address = table.physical();
        if buffer.append(table).is_err() {
            return Err(Rejected { buffer, reason: Error::ForeignBuffer });
        }
        let head = self.free_head;
        let Some(slot) = self.slots.get_mut(usize::from(head)) else { return self.refuse(buffer) };
        let descriptor = Descriptor { address, length: length as u32, flags: INDIRECT, next: 0 };
        self.rings.describe(head, descriptor);
        self.free_head = slot.link;
        slot.hold(buffer, Direction::ToDevice);
        self.free -= 1;
        self.publish(head);
        Ok(())
    }

    /// Hands over a descriptor for each part.
    fn submit_parts(&mut self, buffer: Buffer) -> Result<(), Rejected> {
        let count = buffer.parts().count();
        if count > usize::from(self.free) {
            return self.refuse(buffer);
        }
        let head = self.free_head;
        let (mut last, mut index) = (head, head);
        for (number, (address, length)) in (1..).zip(buffer.physical_parts()) {
            let next = self.slots.get(usize::from(index)).map_or(0, |slot| slot.link);
            let flags = if number < count { NEXT } else { 0 };
            self.rings.describe(index, Descriptor { address, length, flags, next });
            (last, index) = (index, next);
        }
        let Some(slot) = self.slots.get_mut(usize::from(head)) else { return self.refuse(buffer) };
        // No more than the free descriptors, which are 2^15 at most.
        let count = count as u16;
        slot.hold_chain(buffer, Direction::ToDevice, last, count);
        self.free_head = index;
        self.free -= count;
        self.publish(head);
        Ok(())
    }
}

/// Writes the descriptors of all parts of a buffer into `table`; its bytes in use. `None` if it is too small.
fn tabulate(buffer: &Buffer, mut table: Buffer) -> Option<(Buffer, usize)> {
    let count = buffer.parts().count();
    let length = count * ENTRY;
    table.set_len(length).ok()?;
    for ((number, (address, length)), entry) in
        (1..).zip(buffer.physical_parts()).zip(table.chunks_exact_mut(ENTRY))
    {
        let flags = if usize::from(number) < count { NEXT } else { 0 };
        let (first, second) = Descriptor { address, length, flags, next: number }.words();
        entry.copy_from_slice(&(u128::from(first) | u128::from(second) << 64).to_le_bytes());
    }
    // It is no data of the frame that it follows.
    table.set_len(0).ok()?;
    Some((table, length))
}
