//! The capability list of a virtio function on PCI: where its structures and its first MSI-X entry lie.
//!
//! Pure: the configuration space is read through a function, so that lists that lie are tested on the host. PCI 3.0,
//! 6.7; virtio 1.2, 4.1.4. The size of a BAR is not asked for, since that takes writing to it: a BAR is aligned to its
//! size (PCI 3.0, 6.2.5.1), so what reaches beyond the lowest one bit of its address is outside whatever the size is.

/// Reads the word at an offset of the configuration space that is a multiple of four.
pub type Read<'a> = &'a dyn Fn(u8) -> u32;

/// Capabilities followed in one list; a list that loops ends here.
const CAPABILITY_LIMIT: usize = 48;
/// Bytes of a structure that are used; notification areas of 1024 queues with a page each are not longer.
const LENGTH_LIMIT: u32 = 4 << 20;

/// A part of physical memory that belongs to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it starts.
    pub address: u64,
    /// Its bytes.
    pub length: u32,
}

/// What is not there, and lies over nothing.
const NOWHERE: Region = Region { address: 0, length: 0 };

/// What the list of one function says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structures {
    /// The common configuration (virtio 1.2, 4.1.4.3): at least 56 bytes, aligned to four.
    pub common: Region,
    /// The notification area (4.1.4.4): at least two bytes, aligned to two.
    pub notify: Region,
    /// What a queue's notification offset is multiplied by: zero, or a power of two from two on.
    pub multiplier: u32,
    /// Address of the byte that tells why the device interrupts, and that reading clears (4.1.4.5).
    pub interrupt_status: u64,
    /// The configuration of the device's type (4.1.4.6), aligned to four; of length zero where there is none.
    pub device: Region,
    /// The MSI-X capability.
    pub interrupts: Option<Interrupts>,
}

/// The MSI-X capability (PCI 3.0, 6.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupts {
    /// Offset of the capability in the configuration space.
    pub capability: u8,
    /// Address of the table's first entry, of four words.
    pub entry: u64,
}

/// Places in the array of regions: the virtio structures by their type less one, then the MSI-X entry.
const NOTIFY: usize = 1;
const ENTRY: usize = 4;
/// The least length of each region, and the alignment it needs (4.1.4.3 to 4.1.4.6).
const NEEDED: [(u32, u32); 5] = [(56, 4), (2, 2), (1, 1), (1, 4), (16, 8)];

/// Follows the list. `None` where a structure that each device has is missing or unusable, or where two overlap.
///
/// Of several structures of one type the first that is usable counts (4.1.4.1).
#[inline(never)]
pub fn find(read: Read<'_>) -> Option<Structures> {
    const HAS_CAPABILITIES: u32 = 1 << 20;
    let mut regions = [NOWHERE; NEEDED.len()];
    let (mut multiplier, mut capability) = (0, 0);
    let mut next = if read(4) & HAS_CAPABILITIES != 0 { read(0x34) as u8 & !3 } else { 0 };
    for _ in 0..CAPABILITY_LIMIT {
        // The list ends with a zero; what points into the header is no capability either.
        if next < 0x40 {
            break;
        }
        let at = next;
        let header = read(at);
        next = (header >> 8) as u8 & !3;
        let Some((place, region)) = structure(read, at, header) else { continue };
        let Some(slot @ &mut NOWHERE) = regions.get_mut(place) else { continue };
        match place {
            NOTIFY => {
                let factor = word(read, at, 4);
                // 4.1.4.4.1: zero says that all queues share one address.
                if factor == 1 || factor & factor.wrapping_sub(1) != 0 {
                    continue;
                }
                multiplier = factor;
            }
            ENTRY => capability = at,
            _ => {}
        }
        *slot = region;
        if regions.iter().filter(|other| region.overlaps(other)).count() != 1 {
            return None;
        }
    }
    let [common, notify, interrupt_status, device, entry] = regions;
    if [common, notify, interrupt_status].contains(&NOWHERE) {
        return None;
    }
    let interrupts = (entry != NOWHERE).then_some(Interrupts { capability, entry: entry.address });
    let interrupt_status = interrupt_status.address;
    Some(Structures { common, notify, multiplier, interrupt_status, device, interrupts })
}

impl Region {
    fn overlaps(&self, other: &Self) -> bool {
        let end = |region: &Self| region.address.saturating_add(region.length.into());
        self.address < end(other) && other.address < end(self)
    }
}

/// The region that the capability at `at` describes, and its place; `None` for one that is of no use.
fn structure(read: Read<'_>, at: u8, header: u32) -> Option<(usize, Region)> {
    const VENDOR_SPECIFIC: u8 = 0x09;
    const MSIX: u8 = 0x11;
    let bar = word(read, at, 1);
    let (place, offset, length) = match header as u8 {
        VENDOR_SPECIFIC => {
            let place = (header >> 24).wrapping_sub(1) as usize;
            let shortest = if place == NOTIFY { 20 } else { 16 };
            if place >= ENTRY || header >> 16 & 0xff < shortest {
                return None;
            }
            (place, word(read, at, 2), word(read, at, 3))
        }
        MSIX => (ENTRY, bar & !7, 16),
        _ => return None,
    };
    let bar = if place == ENTRY { bar & 7 } else { bar & 0xff };
    let (shortest, alignment) = *NEEDED.get(place)?;
    if length < shortest || !offset.is_multiple_of(alignment) {
        return None;
    }
    let address = in_bar(read, bar as u8, offset, length)?;
    Some((place, Region { address, length: length.min(LENGTH_LIMIT) }))
}

/// The word `index` of a capability; zero behind the end of the configuration space.
fn word(read: Read<'_>, at: u8, index: u8) -> u32 {
    at.checked_add(4 * index).map_or(0, read)
}

/// The address of a part of a memory BAR (PCI 3.0, 6.2.5.1).
fn in_bar(read: Read<'_>, bar: u8, offset: u32, length: u32) -> Option<u64> {
    const NARROW: u32 = 0b000;
    const WIDE: u32 = 0b100;
    let register = (bar < 6).then(|| 0x10 + 4 * bar)?;
    let low = read(register);
    let high = match low & 0b111 {
        NARROW => 0,
        WIDE if bar < 5 => read(register + 4),
        _ => return None,
    };
    let base = u64::from(high) << 32 | u64::from(low & !15);
    let alignment = base & base.wrapping_neg();
    (u64::from(offset) + u64::from(length) <= alignment).then(|| base + u64::from(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const COMMON_AT: u8 = 0x40;
    const NOTIFY_AT: u8 = 0x50;
    const STATUS_AT: u8 = 0x64;
    const DEVICE_AT: u8 = 0x74;
    const MSIX_AT: u8 = 0x84;
    const BASE: u64 = 0xc0_0010_0000;

    /// A configuration space of 64 words.
    #[derive(Clone)]
    struct Space(Vec<u32>);

    impl Space {
        /// The list of a device as QEMU makes it: structures of a page each in the 64-bit BAR 4, the table in BAR 1.
        fn usual() -> Self {
            let mut space = Self(std::vec![0; 64]);
            space.set(0x04, 0, 1 << 20);
            space.set(0x34, 0, COMMON_AT.into());
            space.set(0x14, 0, 0xfebd_1000);
            space.set(0x20, 0, BASE as u32 | 0b1100);
            space.set(0x24, 0, (BASE >> 32) as u32);
            let list = [
                (COMMON_AT, NOTIFY_AT, 1, 0),
                (NOTIFY_AT, STATUS_AT, 2, 3),
                (STATUS_AT, DEVICE_AT, 3, 1),
                (DEVICE_AT, MSIX_AT, 4, 2),
            ];
            for (at, next, kind, page) in list {
                space.set(at, 0, kind << 24 | 20 << 16 | u32::from(next) << 8 | 0x09);
                space.set(at, 1, 4);
                space.set(at, 2, page * 0x1000);
                space.set(at, 3, 0x1000);
            }
            space.set(NOTIFY_AT, 4, 4);
            space.set(MSIX_AT, 0, 0x11);
            space.set(MSIX_AT, 1, 1);
            space
        }

        fn set(&mut self, at: u8, index: u8, value: u32) {
            self.0[usize::from(at / 4 + index)] = value;
        }

        fn with(at: u8, index: u8, value: u32) -> Self {
            let mut space = Self::usual();
            space.set(at, index, value);
            space
        }

        fn find(&self) -> Option<Structures> {
            find(&|offset| self.0[usize::from(offset / 4)])
        }
    }

    fn page(number: u64) -> Region {
        Region { address: BASE + number * 0x1000, length: 0x1000 }
    }

    #[test]
    fn each_structure_is_found_in_its_bar() {
        let expected = Structures {
            common: page(0),
            notify: page(3),
            multiplier: 4,
            interrupt_status: page(1).address,
            device: page(2),
            interrupts: Some(Interrupts { capability: MSIX_AT, entry: 0xfebd_1000 }),
        };
        assert_eq!(Space::usual().find(), Some(expected));
    }

    #[test]
    fn a_list_that_loops_ends() {
        let mut space = Space::usual();
        space.set(MSIX_AT, 0, u32::from(COMMON_AT) << 8 | 0x11);
        assert_eq!(space.find(), Space::usual().find(), "a second look changes nothing");
        space.set(COMMON_AT, 0, u32::from(COMMON_AT) << 8 | 0x09);
        assert_eq!(space.find(), None);
    }

    #[test]
    fn without_a_list_or_one_of_its_structures_there_is_no_device() {
        assert_eq!(Space::with(0x04, 0, 0).find(), None, "no list");
        assert_eq!(Space::with(0x34, 0, 0x10).find(), None, "a list in the header");
        for at in [COMMON_AT, NOTIFY_AT, STATUS_AT] {
            let mut space = Space::usual();
            let header = space.0[usize::from(at / 4)];
            for kind in [0, 5, 9, 0xff] {
                space.set(at, 0, header & 0x00ff_ffff | kind << 24);
                assert_eq!(space.find(), None, "type {kind} at {at:#x}");
            }
            space.set(at, 0, header & 0xff00_ffff | 15 << 16);
            assert_eq!(space.find(), None, "a capability of 15 bytes at {at:#x}");
        }
    }

    #[test]
    fn a_configuration_of_the_type_and_interrupts_may_be_missing() {
        assert_eq!(Space::with(DEVICE_AT, 1, 6).find().map(|found| found.device), Some(NOWHERE));
        assert_eq!(Space::with(MSIX_AT, 0, 0x05).find().map(|found| found.interrupts), Some(None));
        assert_eq!(Space::with(MSIX_AT, 1, 7).find().map(|found| found.interrupts), Some(None), "BAR 7");
    }

    #[test]
    fn the_first_usable_structure_of_a_type_counts() {
        let mut space = Space::usual();
        let header = space.0[usize::from(COMMON_AT / 4)];
        space.set(COMMON_AT, 0, header & !0xff00 | 0xf0 << 8);
        for (index, value) in
            [1 << 24 | 16 << 16 | u32::from(NOTIFY_AT) << 8 | 0x09, 4, 0x800, 0x100].into_iter().enumerate()
        {
            space.set(0xf0, index as u8, value);
        }
        assert_eq!(space.find().map(|found| found.common), Some(page(0)));
        space.set(COMMON_AT, 1, 6);
        let last = Region { address: BASE + 0x800, length: 0x100 };
        assert_eq!(space.find().map(|found| found.common), Some(last), "one at the very end of the space");
        space.set(0xf0, 0, 0x09);
        space.set(COMMON_AT, 0, header & !0xff00 | 0xfc << 8);
        space.set(0xfc, 0, 1 << 24 | 16 << 16 | 0x09);
        assert_eq!(space.find(), None, "one that is cut off by the end");
    }

    #[test]
    fn a_bar_of_ports_of_no_address_or_of_no_such_number_is_refused() {
        for bar in [2, 5, 6, 7, 0xff] {
            assert_eq!(Space::with(COMMON_AT, 1, bar).find(), None, "BAR {bar}");
        }
        for low in [0xc001, 0x0010_0002, 0x0010_0006] {
            assert_eq!(Space::with(0x20, 0, low).find(), None, "BAR 4 is {low:#x}");
        }
        let mut space = Space::with(COMMON_AT, 1, 5);
        space.set(0x24, 0, 0xfe00_0004);
        assert_eq!(space.find(), None, "BAR 5 has no upper half");
    }

    #[test]
    fn a_structure_that_leaves_its_bar_is_refused() {
        for (offset, length) in
            [(0x10_0000, 0x1000), (0xf_f000, 0x1004), (0xffff_fffc, 0xffff_ffff), (4, 0xffff_fffc)]
        {
            let mut space = Space::with(COMMON_AT, 2, offset);
            space.set(COMMON_AT, 3, length);
            assert_eq!(space.find(), None, "{length:#x} bytes at {offset:#x}");
        }
        let mut space = Space::with(0x20, 0, 0b1100);
        space.set(0x24, 0, 1 << 31);
        assert_eq!(
            space.find().map(|found| found.common.address),
            Some(1 << 63),
            "the highest BAR does not wrap"
        );
    }

    #[test]
    fn a_structure_that_is_tiny_or_not_aligned_is_refused() {
        for (at, length) in [(COMMON_AT, 55), (NOTIFY_AT, 1), (STATUS_AT, 0)] {
            assert_eq!(Space::with(at, 3, length).find(), None, "{length} bytes");
        }
        for (at, offset) in [(COMMON_AT, 0x4002), (NOTIFY_AT, 0x4001)] {
            assert_eq!(Space::with(at, 2, offset).find(), None, "at {offset:#x}");
        }
    }

    #[test]
    fn structures_that_overlap_are_refused() {
        for (at, page) in [(NOTIFY_AT, 0), (STATUS_AT, 3), (DEVICE_AT, 1)] {
            assert_eq!(Space::with(at, 2, page * 0x1000 + 0xff8).find(), None, "{at:#x} over page {page}");
        }
        let mut space = Space::usual();
        space.set(MSIX_AT, 1, 4);
        assert_eq!(space.find(), None, "the MSI-X table over the common configuration");
    }

    #[test]
    fn a_multiplier_is_zero_or_a_power_of_two() {
        for multiplier in [0, 2, 4, 4096, 1 << 31] {
            let found = Space::with(NOTIFY_AT, 4, multiplier).find();
            assert_eq!(found.map(|found| found.multiplier), Some(multiplier));
        }
        for multiplier in [1, 3, 6, u32::MAX] {
            assert_eq!(Space::with(NOTIFY_AT, 4, multiplier).find(), None, "{multiplier}");
        }
    }

    #[test]
    fn a_long_structure_is_used_in_part() {
        let mut space = Space::with(0x20, 0, 0b1100);
        space.set(NOTIFY_AT, 2, 0x1000_0000);
        space.set(NOTIFY_AT, 3, 0x1000_0000);
        assert_eq!(space.find().map(|found| found.notify.length), Some(LENGTH_LIMIT));
    }

    #[test]
    fn no_word_of_the_space_makes_it_panic() {
        for index in 0..64 {
            for value in [0, 1, 0x7fff_ffff, 0x8000_0004, 0xff00_ff09, 0x0114_fc09, 0x0214_fc09, u32::MAX] {
                let _ = Space::with(0, index, value).find();
            }
        }
        assert_eq!(Space(std::vec![u32::MAX; 64]).find(), None);
    }
}
