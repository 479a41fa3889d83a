//! A fixed number of equal buffers in one region of memory.
//!
//! The free list is a stack of slot numbers beside the memory, not links inside it: making a pool touches no page of
//! the buffers, and the buffer used last, which is warm in the caches, is the next one given out.
//! Buffers are not counted beside: what is missing from the stack is in use, so the pool ends with its last handle if the
//! stack is full then, and otherwise with the buffer that fills it.
//! Invariant: a slot number is either on the stack, or in exactly one [`Buffer`], or that of exactly one follower.

use alloc::boxed::Box;
use alloc::vec;
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use virtio_drivers::Hal;

use crate::Error;
use crate::buffer::{Buffer, SIZE};
use crate::region::Region;

/// The most buffers of one pool: slot numbers are 16 bits, and one of them stands for none.
const LIMIT: usize = u16::MAX as usize;
/// The slot that no buffer has.
pub(crate) const NO_SLOT: u16 = u16::MAX;
/// The most bytes of one buffer: where data starts and how long it is are 16 bits each.
const SIZE_LIMIT: usize = u16::MAX as usize / ALIGNMENT * ALIGNMENT;
/// Buffers begin on cache lines.
const ALIGNMENT: usize = 64;

/// A handle of one pool of buffers; clones share the pool, which lives until the last handle and buffer are gone.
pub struct Pool(NonNull<Inner>);

/// What is known of a buffer that follows another one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Follower {
    pub(crate) start: u16,
    pub(crate) length: u16,
    /// What follows it. Of the first buffer of a chain, which follows nothing: the last one.
    pub(crate) next: u16,
}

/// How buffers to be received into are given out.
pub(crate) struct Opening {
    /// Where the data of slot 0 starts, as devices see it.
    first: u64,
    size: usize,
    start: u16,
}

impl Opening {
    /// Bytes of data: at most 2^16.
    #[inline]
    pub(crate) fn length(&self) -> u32 {
        self.size as u32 - u32::from(self.start)
    }
}

struct Inner {
    region: Region,
    /// Handles that there are.
    handles: Cell<usize>,
    /// By how much addresses are larger as devices see them.
    shift: u64,
    /// Bytes of each buffer.
    size: usize,
    /// The table of followers.
    followers: Box<[Cell<Follower>]>,
    /// The first `available` entries are the free slots.
    free: Box<[Cell<u16>]>,
    available: Cell<usize>,
    exhausted: Cell<u64>,
}

impl Pool {
    /// A pool of `count` buffers (1 to 65535) of 2048 bytes each in memory that devices reach through `H`.
    ///
    /// # Errors
    /// [`Error::PoolSize`] for a count outside these limits, [`Error::NoMemory`] if `H` has no such region.
    pub fn try_new<H: Hal + 'static>(count: usize) -> Result<Self, Error> {
        Self::try_sized::<H>(count, SIZE)
    }

    /// As [`Pool::try_new`], with buffers of `size` bytes (128 to 65472, rounded down to a multiple of 64), headroom
    /// and all.
    ///
    /// # Errors
    /// As [`Pool::try_new`]; [`Error::PoolSize`] for a size outside these limits too.
    pub fn try_sized<H: Hal + 'static>(count: usize, size: usize) -> Result<Self, Error> {
        let size = size / ALIGNMENT * ALIGNMENT;
        if count == 0 || count > LIMIT || !(2 * Buffer::HEADROOM..=SIZE_LIMIT).contains(&size) {
            return Err(Error::PoolSize);
        }
        Ok(Self::over(Region::try_new::<H>(count * size)?, count, size))
    }

    /// A pool of `count` buffers (clipped to 1 to 65535) in memory of the ordinary heap, for network cards that are no
    /// [`Device`](crate::Device): the devices of this crate refuse its buffers.
    pub fn heap(count: usize) -> Self {
        Self::heap_sized(count, SIZE)
    }

    /// As [`Pool::heap`], with buffers of `size` bytes (clipped to 128 to 65472, and rounded down to a multiple of 64).
    pub fn heap_sized(count: usize, size: usize) -> Self {
        let (count, size) = (count.clamp(1, LIMIT), size.clamp(2 * Buffer::HEADROOM, SIZE_LIMIT));
        let size = size / ALIGNMENT * ALIGNMENT;
        Self::over(Region::heap(count * size), count, size)
    }

    fn over(region: Region, count: usize, size: usize) -> Self {
        // Low slots are given out first, so that a pool which is never used up never touches its high pages.
        let free = (0..count).rev().map(|slot| Cell::new(slot as u16)).collect();
        let followers = vec![Cell::default(); count].into();
        let (available, exhausted) = (Cell::new(count), Cell::new(0));
        let handles = Cell::new(1);
        let shift = region.physical().wrapping_sub(region.base().addr().get() as u64);
        let inner = Box::new(Inner { region, handles, shift, size, followers, free, available, exhausted });
        Self(NonNull::from(Box::leak(inner)))
    }

    /// An empty buffer with the default headroom, or `None` (which is counted) if all are in use.
    ///
    /// Behind its end the buffer holds whatever its last user left there.
    #[inline]
    pub fn allocate(&self) -> Option<Buffer> {
        Some(Buffer::new(self.of_buffer(), self.take()?))
    }

    /// How to give out buffers whose data is all the room from `front` bytes in front of the default headroom's end.
    pub(crate) fn opening(&self, front: usize) -> Opening {
        let start = Buffer::HEADROOM.saturating_sub(front);
        Opening { first: self.physical(0) + start as u64, size: self.size(), start: start as u16 }
    }

    /// As [`Pool::allocate`], in this way; and the address of the data as devices see it.
    #[inline]
    pub(crate) fn allocate_open(&self, opening: &Opening) -> Option<(Buffer, u64)> {
        let slot = self.take()?;
        let address = opening.first + u64::from(slot) * opening.size as u64;
        Some((Buffer::open(self.of_buffer(), slot, opening.start, opening.length() as u16), address))
    }

    /// Takes a free slot off the stack.
    #[inline]
    fn take(&self) -> Option<u16> {
        let inner = self.inner();
        let top = inner.available.get().wrapping_sub(1);
        let Some(slot) = inner.free.get(top) else {
            inner.exhausted.set(inner.exhausted.get() + 1);
            return None;
        };
        inner.available.set(top);
        Some(slot.get())
    }

    /// The handle of a buffer, which is not counted: the slot that the buffer has keeps the pool alive.
    #[inline]
    pub(crate) fn of_buffer(&self) -> ManuallyDrop<Self> {
        ManuallyDrop::new(Self(self.0))
    }

    #[inline]
    fn inner(&self) -> &Inner {
        // SAFETY: 1. The pointer is that of a box that was leaked when the pool was made. 2. The box is dropped by `end` alone,
        // when there is neither a counted handle nor a slot in use, so whoever has `self` keeps it alive. 3. There is no
        // exclusive reference to it before that.
        unsafe { self.0.as_ref() }
    }

    /// Gives the memory back, which nobody has a part of any more.
    ///
    /// # Safety
    /// There is no counted handle, and all slots are on the stack.
    #[cold]
    #[inline(never)]
    unsafe fn end(pointer: NonNull<Inner>) {
        // SAFETY: 1. The pointer is that of a leaked box. 2. By the caller, what keeps it alive is gone, and this was the last
        // of it, so it is dropped once.
        drop(unsafe { Box::from_raw(pointer.as_ptr()) });
    }

    /// How many buffers are free.
    #[inline]
    pub fn available(&self) -> usize {
        self.inner().available.get()
    }

    /// How many buffers there are.
    pub fn capacity(&self) -> usize {
        self.inner().free.len()
    }

    /// Bytes of data that fit behind the default headroom of its buffers.
    pub fn room(&self) -> usize {
        self.inner().size - Buffer::HEADROOM
    }

    /// How many times [`Pool::allocate`] found none free.
    pub fn exhausted(&self) -> u64 {
        self.inner().exhausted.get()
    }

    /// Bytes of each buffer.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.inner().size
    }

    /// The first of the bytes of `slot`.
    #[inline]
    pub(crate) fn base(&self, slot: u16) -> NonNull<u8> {
        let offset = usize::from(slot) * self.inner().size;
        // SAFETY: 1. Slot numbers come from the stack alone, so `slot` is below the count, and the region holds that
        // many times `size` bytes. 2. Its size fits `isize`.
        unsafe { self.inner().region.base().add(offset) }
    }

    /// The address of the first byte of `slot` as devices see it.
    #[inline]
    pub(crate) fn physical(&self, slot: u16) -> u64 {
        self.physical_at(self.base(slot).as_ptr())
    }

    /// The address of a byte of the memory as devices see it.
    #[inline]
    pub(crate) fn physical_at(&self, byte: *const u8) -> u64 {
        (byte.addr() as u64).wrapping_add(self.inner().shift)
    }

    /// Whether devices that are driven through `H` reach the memory.
    #[inline]
    pub(crate) fn reached_by<H: Hal + 'static>(&self) -> bool {
        self.inner().region.reached_by::<H>()
    }

    /// What no other pool has.
    #[inline]
    pub(crate) fn identity(&self) -> NonNull<()> {
        self.0.cast()
    }

    /// Its memory.
    #[inline]
    pub(crate) fn region(&self) -> &Region {
        &self.inner().region
    }

    /// Whether the other handle is one of this pool.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// What the table says of a slot.
    pub(crate) fn follower(&self, slot: u16) -> Follower {
        self.inner().followers.get(usize::from(slot)).map(Cell::get).unwrap_or_default()
    }

    /// Notes what is known of a slot whose buffer follows another one from now on.
    pub(crate) fn follow(&self, slot: u16, follower: Follower) {
        if let Some(cell) = self.inner().followers.get(usize::from(slot)) {
            cell.set(follower);
        }
    }

    /// Notes what stands behind a slot.
    pub(crate) fn link(&self, slot: u16, next: u16) {
        self.follow(slot, Follower { next, ..self.follower(slot) });
    }

    /// Takes back the slot of a buffer, or of a follower, that ends. The pool is not to be used afterwards, unless by one who
    /// has another slot or a counted handle.
    #[inline]
    pub(crate) fn release(&self, slot: u16) {
        let inner = self.inner();
        let top = inner.available.get();
        let Some(cell) = inner.free.get(top) else { return };
        cell.set(slot);
        inner.available.set(top + 1);
        if inner.handles.get() == 0 && top + 1 == inner.free.len() {
            // SAFETY: 1. There is no counted handle, and the stack is full.
            unsafe { Self::end(self.0) };
        }
    }
}

impl Clone for Pool {
    #[inline]
    fn clone(&self) -> Self {
        let handles = &self.inner().handles;
        handles.set(handles.get() + 1);
        Self(self.0)
    }
}

impl Drop for Pool {
    #[inline]
    fn drop(&mut self) {
        let inner = self.inner();
        let handles = inner.handles.get() - 1;
        inner.handles.set(handles);
        if handles == 0 && inner.available.get() == inner.free.len() {
            // SAFETY: 1. This was the last counted handle, and the stack is full.
            unsafe { Self::end(self.0) };
        }
    }
}
