//! Memory: page tables that protect, and the heap.
//!
//! One identity-mapped address space. [`paging`] builds its tables once and afterwards only adds mappings of device
//! memory; [`heap`] hands out the largest free range of RAM, and [`stack`] tells how deep it was. Invariant: no page is writable and executable, the
//! first page and the page below each stack are never mapped.

#[cfg(debug_assertions)]
mod fence;
pub(crate) mod heap;
pub(crate) mod paging;
pub(crate) mod stack;

use crate::layout;
use crate::protection::{Flaw, check};
use crate::start_info::{Region, largest_free};
use heapless::Regions;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};

/// Entries of the memory map that are read; a PC has about ten.
pub(crate) const REGION_LIMIT: usize = 32;

/// Bytes at the front of the free range kept for page tables, beside a page for each GiB of RAM.
const TABLE_BYTES: u64 = 64 << 10;
/// The range below 1 MiB belongs to firmware and boot data.
const LOW_MEMORY: Region = Region { start: 0, end: 1 << 20 };

/// Why an image cannot have memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The hypervisor told of no RAM behind the image.
    NoMemory,
    /// Page tables ran out.
    NoTables,
    /// A device is said to be where memory is.
    NotDevice,
}

/// Builds the final page tables over `ram`, and the heap in its largest part that is neither image nor `kept`.
pub(crate) fn start(ram: &Regions, kept: &[Region; 2]) -> Result<(), Error> {
    let image = Region { start: layout::text(), end: layout::data_limit() };
    let [line, module] = *kept;
    let mut reserved = [LOW_MEMORY, image, line, module];
    reserved.iter_mut().for_each(whole_pages);
    let [_, image, kept @ ..] = &reserved;
    let free = largest_free(ram.iter(), &reserved).ok_or(Error::NoMemory)?;
    let start = page_up(free.start);
    let tables = start + TABLE_BYTES + (ram.iter().fold(0, |end, r| r.end.max(end)) >> 30) * 4096;
    let end = free.end & !4095;
    if end <= tables + 4096 {
        return Err(Error::NoMemory);
    }
    paging::start(ram, *image, kept, Region { start, end: tables })?;
    heap::start(Region { start: tables, end });
    Ok(())
}

/// Follows the page tables in force and tells how many pages they map, if no page has more rights than it needs.
///
/// # Errors
/// The first [`Flaw`].
pub fn self_check() -> Result<usize, Flaw> {
    let (root, entry) = paging::live();
    let guards = [
        0,
        layout::main_stack_guard(),
        layout::fault_stack_guard(),
        layout::double_fault_stack_guard(),
        layout::nmi_stack_guard(),
    ];
    check(root, &entry, &guards)
}

/// What the processor protects with, as words: `nx wp smep smap umip`, without those that it lacks.
pub fn protections() -> impl core::fmt::Display {
    let (cr0, cr4, efer) = (Cr0::read_raw(), Cr4::read_raw(), Efer::read_raw());
    let all = [
        (efer, EferFlags::NO_EXECUTE_ENABLE.bits(), "nx"),
        (cr0, Cr0Flags::WRITE_PROTECT.bits(), " wp"),
        (cr4, Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION.bits(), " smep"),
        (cr4, Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION.bits(), " smap"),
        (cr4, Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION.bits(), " umip"),
    ];
    core::fmt::from_fn(move |f| {
        all.iter()
            .filter(|(register, flag, _)| register & flag != 0)
            .try_for_each(|(_, _, word)| f.write_str(word))
    })
}

fn page_up(address: u64) -> u64 {
    address.saturating_add(4095) & !4095
}

fn whole_pages(region: &mut Region) {
    *region = Region { start: region.start & !4095, end: page_up(region.end) };
}

/// A short list of regions that needs no heap.
pub(crate) mod heapless {
    use super::{REGION_LIMIT, Region};

    /// Up to [`REGION_LIMIT`] regions; more are left out, which only makes less memory usable.
    pub(crate) struct Regions {
        regions: [Region; REGION_LIMIT],
        length: usize,
    }

    impl Regions {
        pub(crate) const fn new() -> Self {
            Self { regions: [Region { start: 0, end: 0 }; REGION_LIMIT], length: 0 }
        }

        pub(crate) fn push(&mut self, region: Region) {
            if let Some(slot) = self.regions.get_mut(self.length) {
                *slot = region;
                self.length += 1;
            }
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = Region> {
            self.regions.iter().take(self.length).copied()
        }
    }
}
