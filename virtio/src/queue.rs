//! One split virtqueue: who owns which buffer, and who wants to be told of what (virtio 1.2, 2.7).
//!
//! The queue keeps its own copy of all it needs to know: the free descriptors, the buffers with the device, both
//! indices. From the rings it reads only the device's index, elements and wishes, each once, and checks them.
//! Invariant: a buffer sits in the slot of its chain's head from `submit` until the device returned exactly that head.

mod batch;
mod chain;
mod request;

use alloc::boxed::Box;
use core::mem;
use core::sync::atomic::{Ordering, fence};

use virtio_drivers::Hal;

use crate::rings::{Descriptor, NEXT, NO_INTERRUPT, NO_NOTIFY, Rings, WRITE};
use crate::{Buffer, Error, Pool, Rejected};

pub use batch::NET_HEADER;
pub use request::Completion;

/// Which way the bytes of a buffer go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device reads the buffer's data.
    ToDevice,
    /// The device writes the buffer, from the start of its data up to its end.
    FromDevice,
}

/// What happened on a queue, or on all queues of a device, since it was set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Notifications sent to the device.
    pub kicks: u64,
    /// Kicks with something new for the device that it did not want to hear of.
    pub kicks_saved: u64,
    /// Buffers the device returned.
    pub completions: u64,
    /// Times the device broke the rules (a queue dies of the first).
    pub device_errors: u64,
}

/// The driver's side of one virtqueue.
pub(crate) struct Queue {
    rings: Rings,
    slots: Box<[Slot]>,
    /// First of the free descriptors, which are linked through their slots.
    free_head: u16,
    /// Number of free descriptors; none once the queue is broken.
    free: u16,
    /// Chains with the device.
    in_flight: u16,
    /// Position in the available ring of the next chain.
    next_available: u16,
    /// `next_available` as of the last kick.
    kicked: u16,
    /// Position in the used ring of the next completion.
    next_used: u16,
    /// The device's index as it was last read and checked.
    seen_used: u16,
    event_index: bool,
    /// The device takes tables of descriptors.
    indirect: bool,
    masked: bool,
    /// Why nothing goes in or out any more.
    broken: Option<Error>,
    counters: Counters,
}

/// What the driver knows of one descriptor.
struct Slot {
    /// The buffer, if this is the head of a chain that is with the device.
    buffer: Option<Buffer>,
    /// The next free descriptor, or the next one of a chain.
    link: u16,
    /// Of the head of a chain of several: its last descriptor, and how many there are.
    last: u16,
    count: u16,
    /// Of the head of a chain.
    chain: Chain,
}

/// What starts at the head of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// One descriptor, which the device reads.
    OneOut,
    /// One descriptor, which the device writes.
    OneIn,
    /// Several, which the device reads, or of which it does not count what it writes.
    SeveralOut,
    /// Several, which the device writes.
    SeveralIn,
}

impl Slot {
    /// Keeps the buffer of a single descriptor, this one, that is about to go to the device.
    #[inline]
    fn hold(&mut self, buffer: Buffer, direction: Direction) {
        // A free slot holds nothing. Forgetting that nothing spares the code that would drop something.
        mem::forget(self.buffer.replace(buffer));
        self.chain = match direction {
            Direction::ToDevice => Chain::OneOut,
            Direction::FromDevice => Chain::OneIn,
        };
    }

    /// Keeps the buffer of a chain of several that starts here and is about to go to the device.
    #[inline]
    fn hold_chain(&mut self, buffer: Buffer, direction: Direction, last: u16, count: u16) {
        mem::forget(self.buffer.replace(buffer));
        self.chain = match direction {
            Direction::ToDevice => Chain::SeveralOut,
            Direction::FromDevice => Chain::SeveralIn,
        };
        self.last = last;
        self.count = count;
    }
}

impl Queue {
    /// An empty queue of `size` entries (rounded down to a power of two) in memory that the device reaches through `H`.
    pub(crate) fn try_new<H: Hal + 'static>(
        size: u16,
        legacy: bool,
        event_index: bool,
        indirect: bool,
    ) -> Result<Self, Error> {
        let rings = Rings::try_new::<H>(size, legacy)?;
        let size = rings.size();
        let slot =
            |index: u16| Slot { buffer: None, link: index + 1, last: 0, count: 0, chain: Chain::OneOut };
        Ok(Self {
            slots: (0..size).map(slot).collect(),
            rings,
            free_head: 0,
            free: size,
            in_flight: 0,
            next_available: 0,
            kicked: 0,
            next_used: 0,
            seen_used: 0,
            event_index,
            indirect,
            masked: false,
            broken: None,
            counters: Counters::default(),
        })
    }

    /// The shared memory, for the transport to be told of.
    pub(crate) fn rings(&self) -> &Rings {
        &self.rings
    }

    /// Free descriptors.
    #[inline]
    pub(crate) fn free(&self) -> u16 {
        self.free
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Hands a buffer to the device as one descriptor.
    #[inline]
    pub(crate) fn submit(&mut self, buffer: Buffer, direction: Direction) -> Result<(), Rejected> {
        let (length, flags) = offer(&buffer, direction);
        let head = self.free_head;
        let Some(slot) = self.slots.get_mut(usize::from(head)) else { return self.refuse(buffer) };
        if self.free == 0 {
            return self.refuse(buffer);
        }
        if length == 0 || buffer.is_chained() {
            return Err(Rejected { buffer, reason: Error::BadLength });
        }
        self.rings.describe(head, Descriptor { address: buffer.physical(), length, flags, next: 0 });
        self.free_head = slot.link;
        slot.hold(buffer, direction);
        self.free -= 1;
        self.publish(head);
        Ok(())
    }

    /// Hands a buffer to the device as two descriptors, the first of `header` bytes.
    pub(crate) fn submit_split(
        &mut self,
        buffer: Buffer,
        header: usize,
        direction: Direction,
    ) -> Result<(), Rejected> {
        let (length, flags) = offer(&buffer, direction);
        let header = u32::try_from(header).unwrap_or(u32::MAX);
        if header == 0 || header >= length || buffer.is_chained() {
            return Err(Rejected { buffer, reason: Error::BadLength });
        }
        let head = self.free_head;
        let Some(second) = self.slots.get(usize::from(head)).map(|slot| slot.link) else {
            return self.refuse(buffer);
        };
        let Some(next_free) = self.slots.get(usize::from(second)).map(|slot| slot.link) else {
            return self.refuse(buffer);
        };
        if self.free < 2 {
            return self.refuse(buffer);
        }
        let address = buffer.physical();
        let first = Descriptor { address, length: header, flags: flags | NEXT, next: second };
        self.rings.describe(head, first);
        let address = address + u64::from(header);
        self.rings.describe(second, Descriptor { address, length: length - header, flags, next: 0 });
        if let Some(slot) = self.slots.get_mut(usize::from(head)) {
            slot.hold_chain(buffer, direction, second, 2);
        }
        self.free_head = next_free;
        self.free -= 2;
        self.publish(head);
        Ok(())
    }

    /// Hands up to `count` buffers of `pool` to the device to be written, the first `header` bytes of each by a descriptor of
    /// its own: how many it got.
    #[cold]
    #[inline(never)]
    pub(crate) fn post_split(&mut self, pool: &Pool, header: usize, count: usize) -> usize {
        let mut posted = 0;
        while posted < count
            && self.free > 1
            && let Some(mut buffer) = pool.allocate()
            && buffer.grow_front(header).is_some()
            && self.submit_split(buffer, header, Direction::FromDevice).is_ok()
        {
            posted += 1;
        }
        posted
    }

    #[inline]
    fn publish(&mut self, head: u16) {
        self.rings.offer(self.next_available, head);
        self.next_available = self.next_available.wrapping_add(1);
        self.rings.publish(self.next_available);
        self.in_flight += 1;
    }

    #[cold]
    fn refuse<T>(&self, buffer: Buffer) -> Result<T, Rejected> {
        let reason = self.broken.unwrap_or(Error::QueueFull);
        Err(Rejected { buffer, reason })
    }

    /// Takes the next buffer that the device returned, with its length if the device wrote it.
    pub(crate) fn complete(&mut self) -> Result<Option<Buffer>, Error> {
        Ok(self.complete_request()?.map(|completion| completion.buffer))
    }

    /// The same, with what the device said of it.
    #[inline]
    pub(crate) fn complete_request(&mut self) -> Result<Option<Completion>, Error> {
        if self.next_used == self.seen_used && !self.look()? {
            return Ok(None);
        }
        let (id, written) = self.rings.used_element(self.next_used);
        let Some(buffer) = self.take(id, written) else { return Err(self.condemn()) };
        self.next_used = self.next_used.wrapping_add(1);
        self.counters.completions += 1;
        // It is that of a slot, of which there are at most 2^15.
        Ok(Some(Completion { id: id as u16, written, buffer }))
    }

    /// Gives all that the device returned back to its pools: how many buffers.
    pub(crate) fn reclaim(&mut self) -> Result<usize, Error> {
        let mut count = 0;
        while self.complete()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Whether there is something for [`Self::complete`] to tell.
    #[inline]
    pub(crate) fn has_completions(&self) -> bool {
        self.next_used != self.seen_used || self.rings.used_index() != self.next_used || self.broken.is_some()
    }

    /// Reads the device's index; whether there is something new.
    #[inline]
    fn look(&mut self) -> Result<bool, Error> {
        if let Some(reason) = self.broken {
            return Err(reason);
        }
        let index = self.rings.used_index();
        // It cannot have returned more than it was given.
        if index.wrapping_sub(self.next_used) > self.in_flight {
            return Err(self.condemn());
        }
        self.seen_used = index;
        Ok(index != self.next_used)
    }

    /// The buffer of the chain that starts at `id`, if the device has it and can have written that much.
    #[inline]
    fn take(&mut self, id: u32, written: u32) -> Option<Buffer> {
        let slot = self.slots.get_mut(id as usize)?;
        let buffer = slot.buffer.as_mut()?;
        let chain = slot.chain;
        if matches!(chain, Chain::OneIn | Chain::SeveralIn) {
            buffer.set_len(written as usize).ok()?;
        }
        let buffer = slot.buffer.take();
        // The index fits: there are at most 2^15 slots.
        let head = id as u16;
        let (mut last, mut count) = (head, 1);
        if matches!(chain, Chain::SeveralOut | Chain::SeveralIn) {
            (last, count) = (slot.last, slot.count);
        }
        if let Some(slot) = self.slots.get_mut(usize::from(last)) {
            slot.link = self.free_head;
        }
        self.free_head = head;
        self.free += count;
        self.in_flight -= 1;
        buffer
    }

    /// Ends the queue: nothing goes in or comes out any more, and its buffers stay where the device may write.
    #[cold]
    fn condemn(&mut self) -> Error {
        self.counters.device_errors += 1;
        self.end(Error::DeviceBroken);
        Error::DeviceBroken
    }

    /// The same for a reason that is known.
    #[cold]
    pub(crate) fn end(&mut self, reason: Error) {
        self.broken = Some(reason);
        self.free = 0;
        self.seen_used = self.next_used;
    }

    /// Whether the device must be notified of what was submitted since this was last asked.
    #[inline]
    pub(crate) fn wants_kick(&mut self) -> bool {
        let new = self.next_available;
        let old = self.kicked;
        if new == old {
            return false;
        }
        self.kicked = new;
        // The device publishes its wish, then looks at our index; we published our index, now look at its wish.
        // Without a full fence between the two, both could see the old state and sleep (virtio 1.2, 2.7.13.4.1).
        fence(Ordering::SeqCst);
        let wanted = if self.event_index {
            // Whether the event lies in old..new, all modulo 2^16 (virtio 1.2, 2.7.10).
            let event = self.rings.available_event();
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            self.rings.used_flags() & NO_NOTIFY == 0
        };
        if wanted {
            self.counters.kicks += 1;
        } else {
            self.counters.kicks_saved += 1;
        }
        wanted
    }

    /// Asks the device not to interrupt. It is a wish: an interrupt may still come.
    #[inline]
    pub(crate) fn mask(&mut self) {
        if self.masked {
            return;
        }
        self.masked = true;
        if self.event_index {
            // The point farthest from where the device can be: it is not crossed before 2^15 more completions, and
            // after so many one needless interrupt does no harm.
            self.rings.set_used_event(self.next_used.wrapping_add(1 << 15));
        } else {
            self.rings.set_available_flags(NO_INTERRUPT);
        }
    }

    /// Asks the device for an interrupt at the next completion; whether there are completions already.
    #[inline]
    pub(crate) fn unmask(&mut self) -> bool {
        self.masked = false;
        if self.event_index {
            self.rings.set_used_event(self.next_used);
        } else {
            self.rings.set_available_flags(0);
        }
        // As in `wants_kick`, the other way round: our wish must be visible before we look at the device's index.
        fence(Ordering::SeqCst);
        self.broken.is_none() && self.rings.used_index() != self.next_used
    }
}

/// Bytes and flags of the descriptor of a whole buffer.
#[inline]
fn offer(buffer: &Buffer, direction: Direction) -> (u32, u16) {
    match direction {
        Direction::ToDevice => (buffer.len() as u32, 0),
        Direction::FromDevice => (buffer.room() as u32, WRITE),
    }
}
