//! What the hypervisor hands over at entry: the PVH start_info and its memory map, parsed from bytes.
//!
//! Pure functions over slices, so that host-supplied bytes are tested and fuzzed on the host. Addresses are physical.
//! Source: the PVH boot protocol, `xen/include/public/arch-x86/hvm/start_info.h`.

/// Bytes of the structure that every version has and that is read here.
pub const START_INFO_SIZE: usize = 56;
/// Bytes of one entry of the memory map.
pub const MEMORY_MAP_ENTRY_SIZE: usize = 24;
/// Bytes of one entry of the module list.
pub const MODULE_ENTRY_SIZE: usize = 32;

const MAGIC: u32 = 0x336e_c578;
const MEMORY_TYPE_RAM: u32 = 1;

/// The fields of start_info that unik reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// Number of modules.
    pub modules: u32,
    /// Address of the module list.
    pub module_list: u64,
    /// Address of the command line, zero where there is none.
    pub command_line: u64,
    /// Address of the ACPI root pointer, zero where there is none.
    pub rsdp: u64,
    /// Address of the memory map, zero where there is none (version 0).
    pub memory_map: u64,
    /// Number of entries in the memory map.
    pub memory_map_entries: u32,
}

impl StartInfo {
    /// Reads the structure. `None` where it is too short or its magic number is wrong.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if u32_at(bytes, 0)? != MAGIC {
            return None;
        }
        let versioned = u32_at(bytes, 4)? >= 1;
        Some(Self {
            modules: u32_at(bytes, 12)?,
            module_list: u64_at(bytes, 16)?,
            command_line: u64_at(bytes, 24)?,
            rsdp: u64_at(bytes, 32)?,
            memory_map: if versioned { u64_at(bytes, 40)? } else { 0 },
            memory_map_entries: if versioned { u32_at(bytes, 48)? } else { 0 },
        })
    }
}

/// A range of physical addresses, `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
}

impl Region {
    /// Bytes in the region.
    pub fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// Reads one entry of the memory map. `None` where it is not usable RAM: another type, empty, or past the end of the
/// address space.
pub fn ram_region(entry: &[u8]) -> Option<Region> {
    let (start, size, kind) = (u64_at(entry, 0)?, u64_at(entry, 8)?, u32_at(entry, 16)?);
    let end = start.checked_add(size)?;
    (kind == MEMORY_TYPE_RAM && size > 0).then_some(Region { start, end })
}

/// Reads one entry of the module list: where its bytes are.
pub fn module_region(entry: &[u8]) -> Option<Region> {
    let (start, size) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
    Some(Region { start, end: start.checked_add(size)? })
}

/// The largest range of RAM that touches none of `reserved`. `None` where there is no RAM.
///
/// Overlapping and unsorted input is fine: the host may say anything.
pub fn largest_free(ram: impl Iterator<Item = Region>, reserved: &[Region]) -> Option<Region> {
    let mut best = Region { start: 0, end: 0 };
    for region in ram {
        let mut start = region.start;
        while start < region.end {
            // Free as far as the first of the reserved ranges that end behind it; then on behind that one.
            let behind = Region { start: region.end, end: region.end };
            let ahead = reserved.iter().filter(|r| r.end > start);
            let next = ahead.fold(behind, |first, r| if r.start < first.start { *r } else { first });
            let candidate = Region { start, end: next.start };
            if candidate.length() > best.length() {
                best = candidate;
            }
            start = next.end;
        }
    }
    (best.length() > 0).then_some(best)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..offset + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn start_info(magic: u32, version: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [magic, version, 0, 1] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for long in [0x1000_u64, 0x2000, 0x3000, 0x4000] {
            bytes.extend_from_slice(&long.to_le_bytes());
        }
        bytes.extend_from_slice(&7_u32.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes
    }

    fn entry(start: u64, size: u64, kind: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes
    }

    fn region(start: u64, end: u64) -> Region {
        Region { start, end }
    }

    #[test]
    fn start_info_names_its_tables() {
        let info = StartInfo::parse(&start_info(MAGIC, 1)).unwrap();
        assert_eq!((info.modules, info.module_list, info.command_line), (1, 0x1000, 0x2000));
        assert_eq!((info.rsdp, info.memory_map, info.memory_map_entries), (0x3000, 0x4000, 7));
    }

    #[test]
    fn version_zero_has_no_memory_map() {
        let info = StartInfo::parse(&start_info(MAGIC, 0)).unwrap();
        assert_eq!((info.memory_map, info.memory_map_entries), (0, 0));
    }

    #[test]
    fn a_wrong_magic_or_a_short_structure_is_refused() {
        assert_eq!(StartInfo::parse(&start_info(MAGIC + 1, 1)), None);
        for length in 0..52 {
            assert_eq!(StartInfo::parse(&start_info(MAGIC, 1)[..length]), None);
        }
    }

    #[test]
    fn only_ram_with_bytes_in_it_counts() {
        assert_eq!(ram_region(&entry(0x100000, 0x1000, 1)), Some(region(0x100000, 0x101000)));
        assert_eq!(ram_region(&entry(0x100000, 0, 1)), None);
        assert_eq!(ram_region(&entry(0x100000, 0x1000, 2)), None);
        assert_eq!(ram_region(&entry(u64::MAX, 2, 1)), None);
        assert_eq!(ram_region(&[0; 23][..16]), None);
    }

    #[test]
    fn the_heap_goes_where_nothing_else_is() {
        let ram = [region(0, 0x9_f000), region(0x10_0000, 0x80_0000)];
        let image = region(0x10_0000, 0x18_0000);
        let module = region(0x70_0000, 0x71_0000);
        let low = region(0, 0x10_0000);
        assert_eq!(largest_free(ram.into_iter(), &[low, image, module]), Some(region(0x18_0000, 0x70_0000)));
    }

    #[test]
    fn memory_that_is_all_reserved_leaves_nothing() {
        let ram = [region(0x10_0000, 0x20_0000)];
        assert_eq!(largest_free(ram.into_iter(), &[region(0, u64::MAX)]), None);
        assert_eq!(largest_free(core::iter::empty(), &[]), None);
    }

    #[test]
    fn reserved_ranges_may_overlap_in_any_order() {
        let ram = [region(0, 100)];
        let reserved = [region(50, 60), region(0, 20), region(10, 30), region(55, 70)];
        let found = largest_free(ram.into_iter(), &reserved).unwrap();
        assert_eq!(found, region(70, 100));
    }
}
