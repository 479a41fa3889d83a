//! Memory for DMA on the host.
//!
//! Each allocation is a mapping of its own at a made-up physical address with a gap behind it: a virtual address taken
//! for a physical one, an access past the end and an access after the release all fail instead of passing unnoticed.

use std::cell::RefCell;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
};

/// Where the made-up physical memory starts. Page numbers fit the 32 bits of the legacy interface.
const FIRST_PHYSICAL: u64 = 0x1_0000_0000;

thread_local! {
    static BUS: RefCell<Bus> = RefCell::new(Bus::new());
}

/// A [`Hal`] over memory of this process; its state belongs to the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct HostHal;

struct Bus {
    memory: GuestMemoryMmap,
    next: u64,
    pages: usize,
    limit: usize,
}

impl Bus {
    fn new() -> Self {
        Self { memory: GuestMemoryMmap::new(), next: FIRST_PHYSICAL, pages: 0, limit: usize::MAX }
    }

    fn allocate(&mut self, pages: usize) -> Option<(PhysAddr, NonNull<u8>)> {
        if pages == 0 || self.pages.checked_add(pages)? > self.limit {
            return None;
        }
        let bytes = pages.checked_mul(PAGE_SIZE)?;
        let physical = self.next;
        let region: GuestRegionMmap =
            GuestRegionMmap::from_range(GuestAddress(physical), bytes, None).ok()?;
        let base = NonNull::new(region.as_ptr())?;
        self.memory = self.memory.insert_region(Arc::new(region)).ok()?;
        self.next += (bytes + PAGE_SIZE) as u64;
        self.pages += pages;
        Some((physical, base))
    }

    /// False if there is no such allocation.
    fn release(&mut self, physical: PhysAddr, base: NonNull<u8>, pages: usize) -> bool {
        let Some(region) = self.memory.find_region(GuestAddress(physical)) else { return false };
        if region.as_ptr() != base.as_ptr() || region.start_addr().0 != physical {
            return false;
        }
        let bytes = (pages * PAGE_SIZE) as u64;
        if self.memory.num_regions() == 1 && region.len() == bytes {
            // A collection that becomes empty is refused by `remove_region`.
            self.memory = GuestMemoryMmap::new();
        } else if let Ok((memory, _)) = self.memory.remove_region(GuestAddress(physical), bytes) {
            self.memory = memory;
        } else {
            return false;
        }
        self.pages -= pages;
        true
    }
}

impl HostHal {
    /// The memory that devices reach now, by physical address.
    pub fn memory() -> GuestMemoryMmap {
        BUS.with_borrow(|bus| bus.memory.clone())
    }

    /// A device writes there.
    ///
    /// # Panics
    /// There is no memory.
    pub fn write(physical: u64, bytes: &[u8]) {
        Self::memory().write_slice(bytes, GuestAddress(physical)).expect("devices write into memory");
    }

    /// Pages that are allocated now.
    pub fn pages() -> usize {
        BUS.with_borrow(|bus| bus.pages)
    }

    /// Lets allocations fail that would make it more than `pages` pages.
    pub fn set_limit(pages: usize) {
        BUS.with_borrow_mut(|bus| bus.limit = pages);
    }
}

// SAFETY: 1. `dma_alloc` returns fresh private mappings, zeroed and aligned to pages, which nothing else in the program
// knows of until they are released (the device model reaches them as a device does, through volatile accesses).
// 2. `share` does the same for its bounce pages. 3. `mmio_phys_to_virt` returns nothing at all.
unsafe impl Hal for HostHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        BUS.with_borrow_mut(|bus| bus.allocate(pages)).unwrap_or((0, NonNull::dangling()))
    }

    unsafe fn dma_dealloc(physical: PhysAddr, base: NonNull<u8>, pages: usize) -> i32 {
        // Once the thread ends its memory may be gone before its last owner: then there is nothing to release.
        let released = BUS.try_with(|bus| bus.borrow_mut().release(physical, base, pages)).unwrap_or(true);
        assert!(released, "released {pages} pages at {physical:#x}, which were not allocated so");
        0
    }

    unsafe fn mmio_phys_to_virt(_physical: PhysAddr, _size: usize) -> NonNull<u8> {
        panic!("a host process has no device registers")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let (physical, _) = Self::dma_alloc(buffer.len().div_ceil(PAGE_SIZE), BufferDirection::Both);
        assert!(physical != 0, "no memory to share {} bytes", buffer.len());
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: 1. By the caller, the buffer is valid and nobody else accesses it during this call.
            let bytes = unsafe { slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), buffer.len()) };
            Self::memory().write_slice(bytes, GuestAddress(physical)).expect("the bounce pages are there");
        }
        physical
    }

    unsafe fn unshare(physical: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        let memory = Self::memory();
        let region = memory.find_region(GuestAddress(physical)).expect("shared before it is unshared");
        if direction != BufferDirection::DriverToDevice {
            // SAFETY: 1. By the caller, the buffer is valid and nobody else accesses it during this call.
            let bytes = unsafe { slice::from_raw_parts_mut(buffer.as_ptr().cast::<u8>(), buffer.len()) };
            memory.read_slice(bytes, GuestAddress(physical)).expect("the bounce pages are there");
        }
        let base = NonNull::new(region.as_ptr()).expect("mappings are not at zero");
        // SAFETY: 1. These are the values of the allocation made by `share`. 2. By the caller, it is not used again.
        unsafe { Self::dma_dealloc(physical, base, buffer.len().div_ceil(PAGE_SIZE)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_reached_at_another_address() {
        let (physical, base) = HostHal::dma_alloc(2, BufferDirection::Both);
        assert_ne!(physical, base.as_ptr() as u64);
        assert_eq!(HostHal::pages(), 2);
        let mut bytes = [1; 2 * PAGE_SIZE];
        HostHal::memory().read_slice(&mut bytes, GuestAddress(physical)).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
        // SAFETY: 1. The values are those of the allocation above, which is not used again.
        unsafe { HostHal::dma_dealloc(physical, base, 2) };
        assert_eq!(HostHal::pages(), 0);
        assert!(HostHal::memory().read_slice(&mut bytes, GuestAddress(physical)).is_err());
    }

    #[test]
    fn the_limit_makes_an_allocation_fail() {
        HostHal::set_limit(1);
        assert_eq!(HostHal::dma_alloc(2, BufferDirection::Both).0, 0);
        assert_eq!(HostHal::pages(), 0);
    }

    #[test]
    fn shared_bytes_go_to_the_device_and_back() {
        let mut bytes = *b"question";
        let buffer = NonNull::from(&mut bytes[..]);
        // SAFETY: 1. The buffer is a local array, which nobody accesses during the call.
        let physical = unsafe { HostHal::share(buffer, BufferDirection::Both) };
        let mut seen = [0; 8];
        HostHal::memory().read_slice(&mut seen, GuestAddress(physical)).unwrap();
        assert_eq!(&seen, b"question");
        HostHal::memory().write_slice(b"answered", GuestAddress(physical)).unwrap();
        // SAFETY: 1. As above. 2. The address is the one that `share` returned.
        unsafe { HostHal::unshare(physical, buffer, BufferDirection::Both) };
        assert_eq!(&bytes, b"answered");
        assert_eq!(HostHal::pages(), 0);
    }
}
