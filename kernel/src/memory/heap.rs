//! The global allocator: one first-fit list over the largest free range of RAM.
//!
//! Packets and blocks come from pools that are allocated once, so the list stays short. In an image that one debugs
//! each block lies between two [fences](super::fence), which are looked at when it is given back.

#[cfg(debug_assertions)]
use super::fence;
use crate::start_info::Region;
use core::alloc::{GlobalAlloc, Layout};
use core::hint::assert_unchecked;
use core::ptr::{self, NonNull};
use linked_list_allocator::Heap;
use spin::Mutex;

/// Where a four-level identity map with canonical addresses ends.
const ADDRESS_LIMIT: usize = 1 << 47;

struct Allocator(Mutex<Blocks>);

struct Blocks {
    heap: Heap,
    /// The most bytes that were in use at the same time.
    peak: usize,
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(Mutex::new(Blocks { heap: Heap::empty(), peak: 0 }));

/// Gives `region` to the allocator.
pub(super) fn start(region: Region) {
    let bottom = ptr::with_exposed_provenance_mut(region.start as usize);
    // SAFETY: 1. the region is RAM, mapped writable, behind the image and the page tables; 2. this runs once.
    unsafe { ALLOCATOR.0.lock().heap.init(bottom, region.length() as usize) };
}

/// What the heap holds, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeapUsage {
    /// In use now.
    pub used: usize,
    /// The most that was in use at the same time.
    pub peak: usize,
    /// In all.
    pub size: usize,
}

/// How much of the heap is and was in use.
pub fn usage() -> HeapUsage {
    let blocks = ALLOCATOR.0.lock();
    HeapUsage { used: blocks.heap.used(), peak: blocks.peak, size: blocks.heap.size() }
}

impl Allocator {
    fn take(&self, layout: Layout) -> *mut u8 {
        let mut blocks = self.0.lock();
        let block = blocks.heap.allocate_first_fit(layout);
        blocks.peak = blocks.peak.max(blocks.heap.used());
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// # Safety
    /// `pointer` was returned by [`Self::take`] for this layout, and is not used again.
    unsafe fn give_back(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: what `take` returned lies in the address space. The list then has no layout to refuse.
            unsafe {
                assert_unchecked(
                    layout.size() < ADDRESS_LIMIT
                        && layout.align() < ADDRESS_LIMIT
                        && layout.align().is_power_of_two(),
                )
            };
            // SAFETY: the caller passes what `take` returned for this layout.
            unsafe { self.0.lock().heap.deallocate(pointer, layout) };
        }
    }
}

// SAFETY: the list hands out disjoint ranges with the layout's size and alignment, and the lock serialises it.
#[cfg(not(debug_assertions))]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` returned for this layout.
        unsafe { self.give_back(pointer, layout) };
    }
}

// SAFETY: 1. as above; 2. a fenced block lies inside the range that the list hands out, with the same alignment.
#[cfg(debug_assertions)]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(outer) = fence::around(layout) else { return ptr::null_mut() };
        match NonNull::new(self.take(outer)) {
            // SAFETY: the range is new and has the size of `outer`.
            Some(start) => unsafe { fence::put_up(start, layout) }.as_ptr(),
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let (Some(block), Some(outer)) = (NonNull::new(pointer), fence::around(layout)) else { return };
        // SAFETY: the caller passes what `alloc` returned for this layout; where it does not, this does not return.
        let start = unsafe { fence::take_down(block, layout) };
        // SAFETY: 1. `take` returned it for this layout; 2. the fences stand, so it was not given back before.
        unsafe { self.give_back(start.as_ptr(), outer) };
    }
}
