//! The packet buffer: 2 KiB of one pool, owned by whoever holds it.
//!
//! Invariant: `start + length <= SIZE`, and while a [`Buffer`] exists nobody else has access to the bytes of its slot.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use crate::{Error, Pool};

/// Bytes of a buffer, headroom and all.
pub(crate) const SIZE: usize = 2048;

/// An owned piece of memory that can be handed to a device: headroom, then the data, then free room.
///
/// It dereferences to its data. It is not `Clone`; dropping it returns it to its pool.
pub struct Buffer {
    pool: Pool,
    base: NonNull<u8>,
    start: u16,
    length: u16,
    slot: u16,
}

impl Buffer {
    /// Bytes in front of the data of a new buffer, where headers are put without moving the data.
    pub const HEADROOM: usize = 64;
    /// Bytes of data that fit behind the default headroom.
    pub const CAPACITY: usize = SIZE - Self::HEADROOM;

    #[inline]
    pub(crate) fn new(pool: Pool, slot: u16) -> Self {
        let base = pool.base(slot);
        Self { pool, base, start: Self::HEADROOM as u16, length: 0, slot }
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
        SIZE - usize::from(self.start)
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

    /// Makes it as new: no data, default headroom.
    #[inline]
    pub fn reset(&mut self) {
        self.start = Self::HEADROOM as u16;
        self.length = 0;
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
        // SAFETY: 1. `base` starts a slot of `SIZE` bytes, kept alive by `pool`, and `start + length <= SIZE`.
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
        self.pool.release(self.slot);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Buffer")
    }
}
