//! The memory of one split virtqueue, as both sides see it (virtio 1.2, 2.7).
//!
//! Every access is atomic and inside the region whatever index is asked for: positions are masked here. What is read
//! is the device's word, nothing more; `queue` judges it.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use virtio_drivers::{Hal, PAGE_SIZE};

use crate::Error;
use crate::Pool;
use crate::region::Region;

/// Descriptor flag: another descriptor follows (virtio 1.2, 2.7.5).
pub(crate) const NEXT: u16 = 1;
/// Descriptor flag: the device writes.
pub(crate) const WRITE: u16 = 2;
/// Descriptor flag: it is a table of descriptors that it describes (virtio 1.2, 2.7.5.3).
pub(crate) const INDIRECT: u16 = 4;
/// Flag of the available ring: the driver wants no interrupts.
pub(crate) const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: the device wants no notifications.
pub(crate) const NO_NOTIFY: u16 = 1;

/// The most entries a queue may have (virtio 1.2, 2.7).
pub(crate) const SIZE_LIMIT: u16 = 1 << 15;

const DESCRIPTOR_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 8;
const CACHE_LINE: usize = 64;

/// Descriptor table, available ring and used ring in one region.
pub(crate) struct Rings {
    region: Region,
    /// Entries less one; the number of entries is a power of two of at most [`SIZE_LIMIT`].
    mask: usize,
    available: usize,
    used: usize,
}

/// One descriptor (virtio 1.2, 2.7.5).
pub(crate) struct Descriptor {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) flags: u16,
    pub(crate) next: u16,
}

impl Descriptor {
    /// The two halves of its 16 bytes.
    #[inline]
    pub(crate) fn words(&self) -> (u64, u64) {
        let rest = u64::from(self.length) | u64::from(self.flags) << 32 | u64::from(self.next) << 48;
        (self.address, rest)
    }
}

impl Rings {
    /// Zeroed rings of `size` entries, rounded down to a power of two (at least 1, at most [`SIZE_LIMIT`]).
    ///
    /// Both layouts are contiguous; the legacy one starts the used ring on a page (virtio 1.2, 2.7.2).
    pub(crate) fn try_new<H: Hal + 'static>(size: u16, legacy: bool) -> Result<Self, Error> {
        let size = 1_u16 << size.clamp(1, SIZE_LIMIT).ilog2();
        let entries = usize::from(size);
        let available = entries * DESCRIPTOR_BYTES;
        // Flags, index, the ring, and the used event.
        let available_end = available + 2 * (3 + entries);
        let used = available_end.next_multiple_of(if legacy { PAGE_SIZE } else { CACHE_LINE });
        // Flags, index, the ring, and the available event.
        let end = used + 2 * 3 + ELEMENT_BYTES * entries;
        Ok(Self { region: Region::try_new::<H>(end)?, mask: entries - 1, available, used })
    }

    /// Number of entries.
    pub(crate) fn size(&self) -> u16 {
        (self.mask + 1) as u16
    }

    /// Addresses of the descriptor table, the available ring and the used ring as the device sees them.
    pub(crate) fn addresses(&self) -> (u64, u64, u64) {
        let base = self.region.physical();
        (base, base + self.available as u64, base + self.used as u64)
    }

    /// Whether the device that reaches these rings reaches the buffers of a pool.
    #[inline]
    pub(crate) fn reach_like(&self, pool: &Pool) -> bool {
        pool.region().is_reached_like(&self.region)
    }

    /// Writes a descriptor.
    #[inline]
    pub(crate) fn describe(&self, index: u16, descriptor: Descriptor) {
        let offset = (usize::from(index) & self.mask) * DESCRIPTOR_BYTES;
        let (first, rest) = descriptor.words();
        // SAFETY: 1. The index is masked, so the descriptor is inside the table, which starts the region.
        let address: &AtomicU64 = unsafe { self.shared(offset) };
        address.store(first, Ordering::Relaxed);
        // SAFETY: 1. As above; this is the second half of the same descriptor.
        let second: &AtomicU64 = unsafe { self.shared(offset + 8) };
        second.store(rest, Ordering::Relaxed);
    }

    /// Puts the head of a chain at `position` of the available ring.
    #[inline]
    pub(crate) fn offer(&self, position: u16, head: u16) {
        let offset = self.available + 4 + 2 * (usize::from(position) & self.mask);
        // SAFETY: 1. The position is masked, so the entry is inside the available ring.
        let entry: &AtomicU16 = unsafe { self.shared(offset) };
        entry.store(head, Ordering::Relaxed);
    }

    /// Lets the device see everything in front of `position` of the available ring.
    #[inline]
    pub(crate) fn publish(&self, position: u16) {
        // SAFETY: 1. The index of the available ring, behind its flags.
        let index: &AtomicU16 = unsafe { self.shared(self.available + 2) };
        // Release: the device that sees the index sees the entry, the descriptors and the data.
        index.store(position, Ordering::Release);
    }

    /// How far the device says it has come in the used ring.
    #[inline]
    pub(crate) fn used_index(&self) -> u16 {
        // SAFETY: 1. The index of the used ring, behind its flags.
        let index: &AtomicU16 = unsafe { self.shared(self.used + 2) };
        // Acquire: what the device wrote before it moved the index is seen after it was read.
        index.load(Ordering::Acquire)
    }

    /// Head of the chain and number of bytes written that stand at `position` of the used ring.
    #[inline]
    pub(crate) fn used_element(&self, position: u16) -> (u32, u32) {
        let offset = self.used + 4 + ELEMENT_BYTES * (usize::from(position) & self.mask);
        // SAFETY: 1. The position is masked, so the element is inside the used ring.
        let id: &AtomicU32 = unsafe { self.shared(offset) };
        // SAFETY: 1. As above; this is the second half of the same element.
        let length: &AtomicU32 = unsafe { self.shared(offset + 4) };
        (id.load(Ordering::Relaxed), length.load(Ordering::Relaxed))
    }

    /// The position of the available ring behind which the device wants a notification.
    #[inline]
    pub(crate) fn available_event(&self) -> u16 {
        let offset = self.used + 4 + ELEMENT_BYTES * usize::from(self.size());
        // SAFETY: 1. The available event stands behind the last element of the used ring, inside the region.
        let event: &AtomicU16 = unsafe { self.shared(offset) };
        event.load(Ordering::Relaxed)
    }

    /// The flags of the used ring.
    #[inline]
    pub(crate) fn used_flags(&self) -> u16 {
        // SAFETY: 1. The used ring starts with its flags.
        let flags: &AtomicU16 = unsafe { self.shared(self.used) };
        flags.load(Ordering::Relaxed)
    }

    /// Asks for an interrupt when the device moves its index past `position` of the used ring.
    #[inline]
    pub(crate) fn set_used_event(&self, position: u16) {
        let offset = self.available + 4 + 2 * usize::from(self.size());
        // SAFETY: 1. The used event stands behind the last entry of the available ring, inside the region.
        let event: &AtomicU16 = unsafe { self.shared(offset) };
        event.store(position, Ordering::Relaxed);
    }

    /// Sets the flags of the available ring.
    #[inline]
    pub(crate) fn set_available_flags(&self, value: u16) {
        // SAFETY: 1. The available ring starts with its flags.
        let flags: &AtomicU16 = unsafe { self.shared(self.available) };
        flags.store(value, Ordering::Relaxed);
    }

    /// The atomic integer at `offset`, which device and driver may access at once.
    ///
    /// # Safety
    /// `offset` is that of a field inside the region, of the type `T`, an atomic integer.
    #[inline]
    unsafe fn shared<T>(&self, offset: usize) -> &T {
        debug_assert!(
            offset + size_of::<T>() <= self.region.bytes() && offset.is_multiple_of(align_of::<T>())
        );
        let pointer = self.region.base().as_ptr().wrapping_add(offset).cast::<T>();
        // SAFETY: 1. By the caller, the field lies inside the region, which lives as long as `self`. 2. The region
        // starts on a page, table and rings on multiples of 16, 2 and 4, so the field is aligned. 3. The memory was
        // zeroed, and every value is a valid integer. 4. It is only ever accessed through atomics, here and by the
        // device.
        unsafe { &*pointer }
    }
}
