//! A fixed number of equal buffers in one region of memory.
//!
//! The free list is a stack of slot numbers beside the memory, not links inside it: making a pool touches no page of
//! the buffers, and the buffer used last, which is warm in the caches, is the next one given out.
//! Invariant: a slot number is either on the stack or in exactly one [`Buffer`].

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;
use core::ptr::NonNull;

use virtio_drivers::Hal;

use crate::Error;
use crate::buffer::{Buffer, SIZE};
use crate::region::Region;

/// The most buffers of one pool: slot numbers are 16 bits.
const LIMIT: usize = 1 << 16;

/// A handle of one pool of buffers; clones share the pool, which lives until the last handle and buffer are gone.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

struct Inner {
    region: Region,
    /// The first `available` entries are the free slots.
    free: Box<[Cell<u16>]>,
    available: Cell<usize>,
    exhausted: Cell<u64>,
}

impl Pool {
    /// A pool of `count` buffers (1 to 65536) of 2048 bytes each in memory that devices reach through `H`.
    ///
    /// # Errors
    /// [`Error::PoolSize`] for a count outside these limits, [`Error::NoMemory`] if `H` has no such region.
    pub fn try_new<H: Hal + 'static>(count: usize) -> Result<Self, Error> {
        if count == 0 || count > LIMIT {
            return Err(Error::PoolSize);
        }
        Ok(Self::over(Region::try_new::<H>(count * SIZE)?, count))
    }

    /// A pool of `count` buffers (clipped to 1 to 65536) in memory of the ordinary heap, for network cards that are no
    /// [`Device`](crate::Device): the devices of this crate refuse its buffers.
    pub fn heap(count: usize) -> Self {
        let count = count.clamp(1, LIMIT);
        Self::over(Region::heap(count * SIZE), count)
    }

    fn over(region: Region, count: usize) -> Self {
        // Low slots are given out first, so that a pool which is never used up never touches its high pages.
        let free = (0..count).rev().map(|slot| Cell::new(slot as u16)).collect();
        Self(Rc::new(Inner { region, free, available: Cell::new(count), exhausted: Cell::new(0) }))
    }

    /// An empty buffer with the default headroom, or `None` (which is counted) if all are in use.
    ///
    /// Behind its end the buffer holds whatever its last user left there.
    #[inline]
    pub fn allocate(&self) -> Option<Buffer> {
        let inner = &*self.0;
        let top = inner.available.get().wrapping_sub(1);
        let Some(slot) = inner.free.get(top) else {
            inner.exhausted.set(inner.exhausted.get() + 1);
            return None;
        };
        inner.available.set(top);
        Some(Buffer::new(self.clone(), slot.get()))
    }

    /// How many buffers are free.
    #[inline]
    pub fn available(&self) -> usize {
        self.0.available.get()
    }

    /// How many buffers there are.
    pub fn capacity(&self) -> usize {
        self.0.free.len()
    }

    /// How many times [`Pool::allocate`] found none free.
    pub fn exhausted(&self) -> u64 {
        self.0.exhausted.get()
    }

    /// The first of the [`SIZE`] bytes of `slot`.
    #[inline]
    pub(crate) fn base(&self, slot: u16) -> NonNull<u8> {
        let offset = usize::from(slot) * SIZE;
        // SAFETY: 1. Slot numbers come from the stack alone, so `slot` is below the count, and the region holds that
        // many times `SIZE` bytes. 2. Its size fits `isize`.
        unsafe { self.0.region.base().add(offset) }
    }

    /// The address of the first byte of `slot` as devices see it.
    #[inline]
    pub(crate) fn physical(&self, slot: u16) -> u64 {
        self.0.region.physical() + u64::from(slot) * SIZE as u64
    }

    /// Whether devices that are driven through `H` reach the memory.
    #[inline]
    pub(crate) fn reached_by<H: Hal + 'static>(&self) -> bool {
        self.0.region.reached_by::<H>()
    }

    /// Takes back the slot of a buffer that ends.
    #[inline]
    pub(crate) fn release(&self, slot: u16) {
        let inner = &*self.0;
        let top = inner.available.get();
        if let Some(cell) = inner.free.get(top) {
            cell.set(slot);
            inner.available.set(top + 1);
        }
    }
}
