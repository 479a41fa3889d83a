//! The page tables: four levels, identity-mapped, each page with the least rights that work.
//!
//! Built once at start and switched to; afterwards [`map_device`] and [`map_readable`] add what firmware and devices
//! keep outside RAM. The tables themselves are mapped for reading only: a wild write cannot give rights away. Intel SDM
//! 3A, 4.5.

use super::{Error, heapless::Regions};
use crate::layout;
use crate::start_info::Region;
use bitflags::bitflags;
use core::ptr::NonNull;
use spin::Mutex;
use x86_64::{
    PhysAddr,
    registers::control::{Cr0, Cr0Flags, Cr3, Cr3Flags},
    structures::paging::PhysFrame,
};

bitflags! {
    /// Bits of a page-table entry.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Rights: u64 {
        /// The entry is used.
        const PRESENT = 1;
        /// Writing is allowed.
        const WRITABLE = 1 << 1;
        /// Not cached: device memory.
        const UNCACHED = (1 << 3) | (1 << 4);
        /// A 2 MiB page in the third level.
        const LARGE = 1 << 7;
        /// Survives a reload of CR3; there is one address space.
        const GLOBAL = 1 << 8;
        /// Fetching instructions is not allowed.
        const NO_EXECUTE = 1 << 63;
    }
}

const READ: Rights = Rights::PRESENT.union(Rights::GLOBAL).union(Rights::NO_EXECUTE);
const READ_WRITE: Rights = READ.union(Rights::WRITABLE);
const READ_EXECUTE: Rights = Rights::PRESENT.union(Rights::GLOBAL);
const DEVICE: Rights = READ_WRITE.union(Rights::UNCACHED);

const PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
/// Where a four-level identity map with canonical addresses ends.
const ADDRESS_LIMIT: u64 = 1 << 47;
const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;

type Table = [u64; 512];

struct Tables {
    root: NonNull<Table>,
    /// Memory for further tables; used up from the front.
    spare: Region,
}

// SAFETY: the pointer leads to tables that only this value reaches, and it stands in one mutex.
unsafe impl Send for Tables {}

static TABLES: Mutex<Option<Tables>> = Mutex::new(None);

/// Builds tables in `spare` (whole pages) for the image, `kept` (which is only read) and all of `ram`, and switches to them.
pub(super) fn start(ram: &Regions, image: Region, kept: &[Region], spare: Region) -> Result<(), Error> {
    let sealed = spare;
    let mut spare = spare;
    let root = new_table(&mut spare)?;
    let mut tables = Tables { root, spare };
    tables.map(sealed, READ)?;
    tables.map(Region { start: layout::text(), end: layout::text_limit() }, READ_EXECUTE)?;
    tables.map(Region { start: layout::rodata(), end: layout::rodata_limit() }, READ)?;
    let ends = [
        layout::main_stack_guard(),
        layout::fault_stack_guard(),
        layout::double_fault_stack_guard(),
        layout::nmi_stack_guard(),
        image.end,
    ];
    let mut start = layout::data();
    for end in ends {
        tables.map(Region { start, end }, READ_WRITE)?;
        // A guard is never mapped.
        start = end + PAGE;
    }
    for region in kept {
        tables.map(Region { start: region.start.max(PAGE), ..*region }, READ)?;
    }
    for region in ram.iter() {
        // Below the image there is boot data, which is only read; page zero stays out.
        let low = Region { start: region.start.max(PAGE), end: region.end.min(image.start) };
        tables.map(low, READ)?;
        tables.map(Region { start: region.start.max(image.end), end: region.end }, READ_WRITE)?;
    }
    let frame = PhysFrame::containing_address(PhysAddr::new_truncate(tables.root.addr().get() as u64));
    // SAFETY: 1. the tables map code, constants, variables and the current stack where they were before; 2. they live
    // in memory that nothing else uses.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) };
    *TABLES.lock() = Some(tables);
    Ok(())
}

/// Makes device registers reachable at their physical address. `None` where tables ran out, the range is absurd, or part of
/// it is memory: a host that puts registers there lies.
pub(crate) fn map_device(start: u64, length: u64) -> Option<NonNull<u8>> {
    map_late(start, length, DEVICE)
}

/// Makes firmware tables readable at their physical address; RAM that is mapped already stays as it is.
pub(crate) fn map_readable(start: u64, length: u64) -> Option<NonNull<u8>> {
    map_late(start, length, READ)
}

fn map_late(start: u64, length: u64, rights: Rights) -> Option<NonNull<u8>> {
    let end = start.checked_add(length).filter(|end| *end <= ADDRESS_LIMIT)?;
    if start < PAGE {
        return None;
    }
    let region = Region { start: start & !(PAGE - 1), end };
    let mut tables = TABLES.lock();
    let tables = tables.as_mut()?;
    unsealed(|| tables.map(region, rights)).ok()?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(start as usize))
}

/// Runs `change` while what is mapped for reading can be written (Intel SDM 3A, 2.5, CR0.WP).
fn unsealed<R>(change: impl FnOnce() -> R) -> R {
    let sealed = Cr0::read();
    // SAFETY: the protection is off for the call of `change` alone, which writes nothing but tables.
    unsafe { Cr0::write(sealed - Cr0Flags::WRITE_PROTECT) };
    let result = change();
    // SAFETY: this is what CR0 was before.
    unsafe { Cr0::write(sealed) };
    result
}

/// Where the processor finds the first table, and a way to read an entry of any table, for [`super::self_check`].
pub(super) fn live() -> (u64, impl Fn(u64) -> u64) {
    let (frame, _) = Cr3::read();
    let entry = |address: u64| {
        let entry: *const u64 = core::ptr::with_exposed_provenance(address as usize);
        // SAFETY: the check asks for entries of tables alone, which are mapped where they lie, and aligned.
        unsafe { entry.read_volatile() }
    };
    (frame.start_address().as_u64(), entry)
}

impl Tables {
    /// Maps whole pages over `region`; what is mapped already keeps its rights. Memory is refused to who wants a device.
    fn map(&mut self, region: Region, rights: Rights) -> Result<(), Error> {
        let mut address = region.start & !(PAGE - 1);
        let end = region.end.min(ADDRESS_LIMIT);
        while address < end {
            let directory = self.table_below(self.root, address >> 39)?;
            let directory = self.table_below(directory, address >> 30)?;
            let entry = entry_of(directory, address >> 21);
            let value = read(entry);
            let whole = address.is_multiple_of(LARGE_PAGE) && end - address >= LARGE_PAGE;
            if whole && value == 0 {
                write(entry, address | (rights | Rights::LARGE).bits());
            }
            if (whole && value == 0) || value & Rights::LARGE.bits() != 0 {
                suits(value, rights)?;
                address = (address | (LARGE_PAGE - 1)) + 1;
                continue;
            }
            let table = self.table_below(directory, address >> 21)?;
            let stop = end.min((address | (LARGE_PAGE - 1)) + 1);
            while address < stop {
                let entry = entry_of(table, address >> 12);
                let value = read(entry);
                suits(value, rights)?;
                if value == 0 {
                    write(entry, address | rights.bits());
                }
                address += PAGE;
            }
        }
        Ok(())
    }

    /// The table that entry `index` of `table` leads to; made where there is none.
    fn table_below(&mut self, table: NonNull<Table>, index: u64) -> Result<NonNull<Table>, Error> {
        let entry = entry_of(table, index);
        let value = read(entry);
        if value & Rights::PRESENT.bits() != 0 {
            let address = core::ptr::with_exposed_provenance_mut((value & ADDRESS_MASK) as usize);
            return NonNull::new(address).ok_or(Error::NoTables);
        }
        let below = new_table(&mut self.spare)?;
        write(entry, below.addr().get() as u64 | (Rights::PRESENT | Rights::WRITABLE).bits());
        Ok(below)
    }
}

/// Whether a page with this entry serves who wants these rights: memory is no device.
fn suits(entry: u64, rights: Rights) -> Result<(), Error> {
    let is_memory = entry != 0 && entry & Rights::UNCACHED.bits() == 0;
    if is_memory && rights.contains(Rights::UNCACHED) { Err(Error::NotDevice) } else { Ok(()) }
}

fn new_table(spare: &mut Region) -> Result<NonNull<Table>, Error> {
    if spare.length() < PAGE {
        return Err(Error::NoTables);
    }
    let table: *mut Table = core::ptr::with_exposed_provenance_mut(spare.start as usize);
    spare.start += PAGE;
    // SAFETY: 1. the page lies in free RAM, mapped writable, that `spare` alone owns; 2. it is page-aligned.
    unsafe { table.write_bytes(0, 1) };
    NonNull::new(table).ok_or(Error::NoTables)
}

fn entry_of(table: NonNull<Table>, index: u64) -> NonNull<u64> {
    // SAFETY: the index is below 512, the length of a table.
    unsafe { table.cast::<u64>().add((index & 511) as usize) }
}

fn read(entry: NonNull<u64>) -> u64 {
    // SAFETY: entries come from `entry_of`, and lie in tables that are mapped. The processor may set accessed bits.
    unsafe { entry.read_volatile() }
}

fn write(entry: NonNull<u64>, value: u64) {
    // SAFETY: as in `read`; an entry goes from unused to used only, so no stale translation exists.
    unsafe { entry.write_volatile(value) }
}
