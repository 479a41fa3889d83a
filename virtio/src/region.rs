//! Contiguous pages that are given back where they came from.
//!
//! A [`Region`] owns its pages from `try_new` to drop; nothing in it reads or writes them. It knows the [`Hal`] only
//! by a function pointer and a type id, so that pools and queues need no type parameter.

use alloc::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::any::TypeId;
use core::ptr::NonNull;

use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE};

use crate::Error;

/// Where the memory of the ordinary heap starts: what the allocators of hosts clear lazily.
const HEAP_ALIGNMENT: usize = 16;

/// Pages owned by whoever owns this value, zeroed when new.
pub(crate) struct Region {
    base: NonNull<u8>,
    physical: u64,
    pages: usize,
    owner: TypeId,
    release: unsafe fn(u64, NonNull<u8>, usize) -> i32,
}

/// Stands for the ordinary heap where a [`Hal`] is the owner otherwise.
struct Heap;

impl Region {
    /// At least `bytes` bytes that devices reach through `H`.
    pub(crate) fn try_new<H: Hal + 'static>(bytes: usize) -> Result<Self, Error> {
        let pages = bytes.div_ceil(PAGE_SIZE);
        let (physical, base) = H::dma_alloc(pages, BufferDirection::Both);
        if physical == 0 {
            return Err(Error::NoMemory);
        }
        Ok(Self { base, physical, pages, owner: TypeId::of::<H>(), release: H::dma_dealloc })
    }

    /// At least `bytes` bytes (not zero) of the ordinary heap, which no device reaches.
    pub(crate) fn heap(bytes: usize) -> Self {
        let pages = bytes.div_ceil(PAGE_SIZE).max(1);
        let layout = heap_layout(pages);
        // SAFETY: 1. The layout's size is not zero: there is at least one page.
        let pointer = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(pointer) else { handle_alloc_error(layout) };
        let physical = base.as_ptr().expose_provenance() as u64;
        Self { base, physical, pages, owner: TypeId::of::<Heap>(), release: release_heap }
    }

    /// The first byte; `bytes()` bytes from here belong to this region.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The address of the first byte as devices see it; contiguous like the bytes.
    pub(crate) fn physical(&self) -> u64 {
        self.physical
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.pages * PAGE_SIZE
    }

    /// Whether devices that are driven through `H` reach this memory.
    #[inline]
    pub(crate) fn reached_by<H: Hal + 'static>(&self) -> bool {
        self.owner == TypeId::of::<H>()
    }

    /// Whether the devices that reach the other one reach this one.
    #[inline]
    pub(crate) fn is_reached_like(&self, other: &Self) -> bool {
        self.owner == other.owner
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: 1. `release` is the counterpart of the allocation that made this region. 2. The three values are
        // those of that allocation and never changed. 3. A region is neither `Copy` nor `Clone`, so this happens once.
        // 4. No user of the memory is left: pools keep the region alive for their buffers, and a device is reset
        // before its queues are dropped. A non-zero answer leaves nothing to do: the pages stay with the `Hal`.
        let _ = unsafe { (self.release)(self.physical, self.base, self.pages) };
    }
}

fn heap_layout(pages: usize) -> Layout {
    Layout::from_size_align(pages.saturating_mul(PAGE_SIZE), HEAP_ALIGNMENT)
        .expect("a pool is at most 128 MiB, its queue less")
}

/// # Safety
/// `base` and `pages` are those of a region made by [`Region::heap`], which is not used again.
unsafe fn release_heap(_physical: u64, base: NonNull<u8>, pages: usize) -> i32 {
    // SAFETY: 1. By the caller: `base` comes from `alloc_zeroed` with the same layout. 2. It is not used again.
    unsafe { dealloc(base.as_ptr(), heap_layout(pages)) };
    0
}
