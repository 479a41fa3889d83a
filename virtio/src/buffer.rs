//! The packet buffer: a piece of one pool, owned by whoever holds it, perhaps with others of the pool behind it.
//!
//! What follows a buffer is known by slot numbers alone, in a table of the pool: a chain needs no memory of its own, and
//! the one buffer that most frames are looks at the table never.
//!
//! Invariant: `start + length` is at most the size of the pool's buffers, for followers as well, and while a [`Buffer`]
//! exists nobody else has access to the bytes of its slot and of those that follow it.

use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::{fmt, iter, slice};

use crate::pool::{Follower, NO_SLOT};
use crate::{Error, Pool};

/// Bytes of a buffer, headroom and all, unless its pool says otherwise.
pub(crate) const SIZE: usize = 2048;

/// Bytes of the header in front of a network frame, where it has a number of buffers (virtio 1.2, 5.1.6).
pub const NET_HEADER: usize = 12;
/// Bits of the first two bytes of that header, flags and kind of segmentation, of which none is set in one that says nothing: a
/// checksum that was found right is nothing to do.
const TO_DO: u16 = 0xff01;

/// An owned piece of memory that can be handed to a device: headroom, then the data, then free room.
///
/// It dereferences to its data. It is not `Clone`; dropping it returns it to its pool. Other buffers may follow it
/// ([`Buffer::append`]): they go where it goes, and everything but [`Buffer::parts`] and [`Buffer::total_len`] is about
/// the first one alone.
pub struct Buffer {
    /// Not counted: the slot keeps it alive.
    pool: ManuallyDrop<Pool>,
    start: u16,
    length: u16,
    slot: u16,
    /// The buffer that follows, or [`NO_SLOT`].
    next: u16,
}

impl Buffer {
    /// Bytes in front of the data of a new buffer, where headers are put without moving the data.
    pub const HEADROOM: usize = 64;
    /// Bytes of data that fit behind the default headroom of a buffer of 2 KiB.
    pub const CAPACITY: usize = SIZE - Self::HEADROOM;

    #[inline]
    pub(crate) fn new(pool: ManuallyDrop<Pool>, slot: u16) -> Self {
        Self { pool, start: Self::HEADROOM as u16, length: 0, slot, next: NO_SLOT }
    }

    /// One whose data is what was there before: `start + length` is at most the size of the pool's buffers.
    #[inline]
    pub(crate) fn open(pool: ManuallyDrop<Pool>, slot: u16, start: u16, length: u16) -> Self {
        Self { pool, start, length, slot, next: NO_SLOT }
    }

    /// The first byte of the data.
    #[inline]
    fn data(&self) -> *mut u8 {
        self.pool.base(self.slot).as_ptr().wrapping_add(usize::from(self.start))
    }

    /// Bytes of data.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// Whether there is no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes in front of the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        usize::from(self.start)
    }

    /// Bytes from the start of the data to the end of the buffer: the most [`Buffer::set_len`] takes, and what a
    /// device may write into a buffer submitted for receiving.
    #[inline]
    pub fn room(&self) -> usize {
        self.pool.size() - usize::from(self.start)
    }

    /// Makes the data `length` bytes long. Bytes that come in hold whatever was there before.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond [`Buffer::room`]; nothing changes.
    #[inline]
    pub fn set_len(&mut self, length: usize) -> Result<(), Error> {
        if length > self.room() {
            return Err(Error::TooLong);
        }
        self.length = length as u16;
        Ok(())
    }

    /// Replaces the data by a copy of `bytes`, from where the data starts now.
    ///
    /// # Errors
    /// [`Error::TooLong`] if they are more than [`Buffer::room`]; nothing changes.
    #[inline]
    pub fn copy_from(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.set_len(bytes.len())?;
        self.copy_from_slice(bytes);
        Ok(())
    }

    /// Takes `count` bytes of headroom in front of the data and returns them, with whatever they held before.
    ///
    /// `None`, and nothing changes, if there is less headroom.
    #[inline]
    pub fn grow_front(&mut self, count: usize) -> Option<&mut [u8]> {
        let start = usize::from(self.start).checked_sub(count)?;
        self.start = start as u16;
        self.length += count as u16;
        self.get_mut(..count)
    }

    /// Drops the first `count` bytes of the data; they become headroom.
    ///
    /// `None`, and nothing changes, if there are fewer.
    #[inline]
    pub fn trim_front(&mut self, count: usize) -> Option<()> {
        let length = usize::from(self.length).checked_sub(count)?;
        self.length = length as u16;
        self.start += count as u16;
        Some(())
    }

    /// Makes it as new: no data, default headroom, nothing that follows.
    #[inline]
    pub fn reset(&mut self) {
        self.start = Self::HEADROOM as u16;
        self.length = 0;
        self.release_followers();
    }

    /// Lets `other`, and what follows it, follow this one at the end.
    ///
    /// # Errors
    /// Gives it back if it is of another pool.
    pub fn append(&mut self, other: Buffer) -> Result<(), Buffer> {
        if !self.pool.is(&other.pool) {
            return Err(other);
        }
        let (first, last) = (other.slot, other.last());
        self.pool.follow(first, Follower { start: other.start, length: other.length, next: other.next });
        if self.next == NO_SLOT {
            self.next = first;
        } else {
            self.pool.link(self.last(), first);
        }
        // The entry of the first buffer of a chain says which one is the last.
        self.pool.link(self.slot, last);
        // The slot of `other` belongs to this buffer now.
        mem::forget(other);
        Ok(())
    }

    /// Takes off what follows the first buffer, as a buffer of its own.
    pub fn split_off(&mut self) -> Option<Buffer> {
        if self.next == NO_SLOT {
            return None;
        }
        let (slot, last) = (self.next, self.last());
        let Follower { start, length, next } = self.pool.follower(slot);
        if next != NO_SLOT {
            self.pool.link(slot, last);
        }
        // The slot, and those behind it, belong to the new buffer now.
        self.next = NO_SLOT;
        Some(Self { pool: self.pool.of_buffer(), start, length, slot, next })
    }

    /// The slot of the last buffer of the chain.
    fn last(&self) -> u16 {
        if self.next == NO_SLOT { self.slot } else { self.pool.follower(self.slot).next }
    }

    /// Whether others follow it.
    #[inline]
    pub fn is_chained(&self) -> bool {
        self.next != NO_SLOT
    }

    /// The data of this buffer, then of those that follow.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let followers = self.followers().map(|(slot, follower)| {
            let data = self.pool.base(slot).as_ptr().wrapping_add(usize::from(follower.start));
            // SAFETY: 1. to 3. as in `deref`: the slots of the followers belong to this buffer alone, and what the table
            // says of them was that of their buffers when they were appended.
            unsafe { slice::from_raw_parts(data.cast_const(), usize::from(follower.length)) }
        });
        iter::once(&**self).chain(followers)
    }

    /// The same, to be written.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let own = Follower { start: self.start, length: self.length, next: self.next };
        iter::once((self.slot, own)).chain(self.followers()).map(|(slot, part)| {
            let data = self.pool.base(slot).as_ptr().wrapping_add(usize::from(part.start));
            // SAFETY: 1. to 3. as in `parts`. 4. A slot is in one chain and there once, so no two of the slices overlap, and
            // the borrow of this buffer is exclusive for as long as one of them is in use.
            unsafe { slice::from_raw_parts_mut(data, usize::from(part.length)) }
        })
    }

    /// Bytes of data of this buffer and of those that follow.
    #[inline]
    pub fn total_len(&self) -> usize {
        let mut total = self.len();
        if self.is_chained() {
            total += self.followers().map(|(_, follower)| usize::from(follower.length)).sum::<usize>();
        }
        total
    }

    /// Where each part of the data is, as devices see it, and how long it is.
    pub(crate) fn physical_parts(&self) -> impl Iterator<Item = (u64, u32)> {
        let place = |slot, start| self.pool.physical(slot) + u64::from(start);
        let followers = self
            .followers()
            .map(move |(slot, follower)| (place(slot, follower.start), u32::from(follower.length)));
        iter::once((self.physical(), u32::from(self.length))).chain(followers)
    }

    /// What the table says of the buffers that follow. Their number is that of the pool at most.
    fn followers(&self) -> impl Iterator<Item = (u16, Follower)> {
        let mut next = self.next;
        iter::from_fn(move || {
            let slot = next;
            if slot == NO_SLOT {
                return None;
            }
            let follower = self.pool.follower(slot);
            next = follower.next;
            Some((slot, follower))
        })
    }

    /// Gives the followers back to the pool.
    #[inline]
    fn release_followers(&mut self) {
        if self.is_chained() {
            self.release_chain();
        }
    }

    #[cold]
    #[inline(never)]
    fn release_chain(&mut self) {
        while self.next != NO_SLOT {
            let slot = self.next;
            self.next = self.pool.follower(slot).next;
            self.pool.release(slot);
        }
    }

    /// The pool it goes back to.
    #[inline]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The address of the first byte of the data as devices see it.
    #[inline]
    pub(crate) fn physical(&self) -> u64 {
        self.pool.physical(self.slot) + u64::from(self.start)
    }
}

/// What is done with each frame of a batch: see `queue/batch.rs`.
impl Buffer {
    /// Whether the data, which begins with the header of a frame and of which the device says that it has written so many bytes,
    /// has so many, of which some are a frame, while the header says nothing: no checksum to fill in, nothing to cut or to put
    /// together.
    #[inline]
    pub(crate) fn is_plain(&self, written: u32) -> bool {
        let (written, data) = (written as usize, &**self);
        let Some(header) = data.first_chunk::<NET_HEADER>().filter(|_| written > NET_HEADER) else {
            return false;
        };
        let [flags, kind, .., low, high] = *header;
        // Where buffers are not merged, the device may say that there is none or one (virtio 1.2, 5.1.6.4).
        let is_one = u16::from_le_bytes([low, high]) <= 1;
        // Whatever else: a device that says it has written more than there is room for is not believed.
        written <= data.len() && u16::from_le_bytes([flags, kind]) & TO_DO == 0 && is_one
    }

    /// Takes off the header of a frame that [is plain](Self::is_plain), and what was not written.
    #[inline]
    pub(crate) fn unwrap(&mut self, written: u32) {
        // The invariant of all access to the bytes depends on it.
        debug_assert!(self.is_plain(written));
        self.start += NET_HEADER as u16;
        self.length = (written as u16).wrapping_sub(NET_HEADER as u16);
    }

    /// Puts a header that says nothing in front of the data; where it starts, as devices see it, and the length of all. `None`,
    /// and nothing changes, if there is no room for it, or if others follow this buffer.
    #[inline]
    pub(crate) fn wrap(&mut self) -> Option<(u64, u32)> {
        if self.is_chained() {
            return None;
        }
        self.start = self.start.checked_sub(NET_HEADER as u16)?;
        self.length += NET_HEADER as u16;
        let header = self.data().cast::<[u8; NET_HEADER]>();
        // SAFETY: 1. The header is the first part of the data: `start + length` is at most the size of a slot, and `length` at
        // least that of a header. 2. The borrow of this buffer is exclusive. 3. Bytes have no alignment.
        unsafe { header.write([0; NET_HEADER]) };
        Some((self.pool.physical_at(header.cast()), u32::from(self.length)))
    }

    /// Gives the buffer that is there back to its pool. False, and nothing happens, if there is none, or if others follow it.
    #[inline]
    pub(crate) fn give_back(place: &mut Option<Self>) -> bool {
        let Some(buffer) = place.as_ref().filter(|buffer| !buffer.is_chained()) else { return false };
        buffer.pool.release(buffer.slot);
        // Its slot is the pool's again.
        mem::forget(place.take());
        true
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let data = self.data().cast_const();
        // SAFETY: 1. `data` is in a slot, which keeps the pool alive, and `start + length` is at most its size.
        // 2. The memory was zeroed when the region was made, so every byte is initialised. 3. The slot belongs to this
        // buffer alone, and a borrow of it keeps writers out; a device has it only while a queue holds the buffer.
        unsafe { slice::from_raw_parts(data, usize::from(self.length)) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let data = self.data();
        // SAFETY: 1. to 3. as in `deref`; the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(data, usize::from(self.length)) }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.release_followers();
        self.pool.release(self.slot);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Buffer")
    }
}
