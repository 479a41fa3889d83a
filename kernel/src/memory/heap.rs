//! The global allocator: one first-fit list over the largest free range of RAM.
//!
//! Packets and blocks come from pools that are allocated once, so the list stays short.

use crate::start_info::Region;
use core::alloc::{GlobalAlloc, Layout};
use core::hint::assert_unchecked;
use core::ptr::{self, NonNull};
use linked_list_allocator::Heap;
use spin::Mutex;

/// Where a four-level identity map with canonical addresses ends.
const ADDRESS_LIMIT: usize = 1 << 47;

struct Allocator(Mutex<Heap>);

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(Mutex::new(Heap::empty()));

/// Gives `region` to the allocator.
pub(super) fn start(region: Region) {
    let bottom = ptr::with_exposed_provenance_mut(region.start as usize);
    // SAFETY: 1. the region is RAM, mapped writable, behind the image and the page tables; 2. this runs once.
    unsafe { ALLOCATOR.0.lock().init(bottom, region.length() as usize) };
}

/// Bytes in use and bytes in all.
pub fn usage() -> (usize, usize) {
    let heap = ALLOCATOR.0.lock();
    (heap.used(), heap.size())
}

// SAFETY: the list hands out disjoint ranges with the layout's size and alignment, and the lock serialises it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: what `alloc` returned lies in the address space. The list then has no layout to refuse.
            unsafe {
                assert_unchecked(
                    layout.size() < ADDRESS_LIMIT
                        && layout.align() < ADDRESS_LIMIT
                        && layout.align().is_power_of_two(),
                )
            };
            // SAFETY: the caller passes what `alloc` returned for this layout.
            unsafe { self.0.lock().deallocate(pointer, layout) };
        }
    }
}
