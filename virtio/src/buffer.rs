//! The packet buffer: a piece of one pool, owned by whoever holds it, perhaps with others of the pool behind it.
//!
//! What follows a buffer is known by slot numbers alone, in a table of the pool: a chain needs no memory of its own, and
//! the one buffer that most frames are looks at the table never.
//!
//! Invariant: `start + length` is at most the size of the pool's buffers, for followers as well, and while a [`Buffer`]
//! exists nobody else has access to the bytes of its slot and of those that follow it.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, iter, ptr, slice};

use crate::pool::{Follower, NO_SLOT};
use crate::{Error, Pool};

/// Bytes of a buffer, headroom and all, unless its pool says otherwise.
pub(crate) const SIZE: usize = 2048;

/// An owned piece of memory that can be handed to a device: headroom, then the data, then free room.
///
/// It dereferences to its data. It is not `Clone`; dropping it returns it to its pool. Other buffers may follow it
/// ([`Buffer::append`]): they go where it goes, and everything but [`Buffer::parts`] and [`Buffer::total_len`] is about
/// the first one alone.
pub struct Buffer {
    pool: Pool,
    base: NonNull<u8>,
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
    pub(crate) fn new(pool: Pool, slot: u16) -> Self {
        let base = pool.base(slot);
        Self { pool, base, start: Self::HEADROOM as u16, length: 0, slot, next: NO_SLOT }
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
        other.forget();
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
        Some(Self { pool: self.pool.clone(), base: self.pool.base(slot), start, length, slot, next })
    }

    /// Ends this handle, but not its hold on the slot: only its hold on the pool.
    fn forget(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: 1. `this` is never dropped, and its pool is not used through it again, so the handle moves out once.
        drop(unsafe { ptr::read(&raw const this.pool) });
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

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let data = self.base.as_ptr().wrapping_add(usize::from(self.start));
        // SAFETY: 1. `base` starts a slot, kept alive by `pool`, and `start + length` is at most its size.
        // 2. The memory was zeroed when the region was made, so every byte is initialised. 3. The slot belongs to this
        // buffer alone, and a borrow of it keeps writers out; a device has it only while a queue holds the buffer.
        unsafe { slice::from_raw_parts(data, usize::from(self.length)) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let data = self.base.as_ptr().wrapping_add(usize::from(self.start));
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
