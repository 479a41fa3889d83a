//! What must hold whatever bytes the host supplies. Used by the tests here and by the fuzz targets.

use std::cell::Cell;
use unik_kernel::acpi::{button, power_off};
use unik_kernel::capability;
use unik_kernel::command_line::words;
use unik_kernel::pvclock::{DATE_WORDS, TIME_WORDS, date, rate};
use unik_kernel::rate::Rate;
use unik_kernel::start_info::{
    MEMORY_MAP_ENTRY_SIZE, MODULE_ENTRY_SIZE, Region, StartInfo, largest_free, module_region, ram_region,
};

/// The structure itself, then a memory map and modules, as entries of what follows.
pub(crate) fn start_info(bytes: &[u8]) {
    let _ = StartInfo::parse(bytes);
    let ram: Vec<Region> = bytes.chunks(MEMORY_MAP_ENTRY_SIZE).filter_map(ram_region).collect();
    let modules: Vec<Region> = bytes.chunks(MODULE_ENTRY_SIZE).filter_map(module_region).take(4).collect();
    if let Some(free) = largest_free(ram.iter().copied(), &modules) {
        assert!(free.length() > 0);
        assert!(ram.iter().any(|region| region.start <= free.start && free.end <= region.end));
        assert!(modules.iter().all(|module| module.end <= free.start || free.end <= module.start));
    }
}

/// Physical memory that holds nothing but these bytes.
pub(crate) fn acpi(bytes: &[u8]) {
    let reads = Cell::new(0_u32);
    let read = |address: u64, length: usize| {
        reads.set(reads.get() + 1);
        let start = usize::try_from(address).ok()?;
        bytes.get(start..start.checked_add(length)?)
    };
    for rsdp in [0, 16] {
        let _ = power_off(&read, rsdp);
        let _ = button(&read, rsdp);
    }
    // Each of four searches looks at 64 tables, by their headers and whole, a few times over.
    assert!(reads.get() < 4 * 1000, "{} reads", reads.get());
}

/// The configuration space of one function on PCI.
pub(crate) fn pci(bytes: &[u8]) {
    let reads = Cell::new(0_u32);
    let read = |offset: u8| {
        reads.set(reads.get() + 1);
        let at = usize::from(offset & !3);
        let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
        word.map_or(0, u32::from_le_bytes)
    };
    if let Some(found) = capability::find(&read) {
        assert!(found.common.length >= 56 && found.notify.length >= 2);
        assert!(found.common.address.checked_add(found.common.length.into()).is_some());
    }
    assert!(reads.get() < 1000, "{} reads", reads.get());
}

/// A command line: no word has blanks around it, and there are no more words than bytes.
pub(crate) fn command_line(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let count = words(line).inspect(|word| assert!(word.key.len() + word.value.len() <= line.len())).count();
    assert!(count <= line.len());
}

/// The structures of KVM's clock, and readings of the counter.
pub(crate) fn clock(bytes: &[u8]) {
    let mut numbers =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut next = || numbers.next().unwrap_or(0);
    let time: [u32; TIME_WORDS] = std::array::from_fn(|_| next());
    let structure: [u32; DATE_WORDS] = std::array::from_fn(|_| next());
    let ticks = u64::from(next()) << 32 | u64::from(next());
    let _ = date(&time, &structure, ticks);
    for rate in [rate(&time), Rate::measured(ticks, next().into()), Rate::from_kilohertz(next())] {
        let Some(rate) = rate else { continue };
        assert!(rate.nanoseconds(ticks) <= rate.nanoseconds(ticks.saturating_add(1)), "time goes backwards");
    }
}
