//! The little of ACPI that switching off needs, parsed from bytes the host supplied.
//!
//! Pure: memory is read through a function, so that tables that lie are tested on the host. ACPI 6.5, chapter 5.

/// Reads `length` bytes of physical memory; `None` where that is impossible.
pub type Read<'a> = &'a dyn Fn(u64, usize) -> Option<&'a [u8]>;

/// Tables looked at in the root table.
const TABLE_LIMIT: usize = 64;
/// Bytes of a table that are looked at.
const LENGTH_LIMIT: usize = 1 << 20;
const HEADER: usize = 36;

/// How to switch the machine off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOff {
    /// Write `value` to the PM1a control port (4.8.3.2.1).
    Pm1Control {
        /// The port.
        port: u16,
        /// Sleep type and sleep enable.
        value: u16,
    },
    /// Write `value` to the sleep control register of hardware-reduced ACPI (4.8.3.7).
    SleepControl {
        /// Address of the register, in memory.
        address: u64,
        /// Sleep type and sleep enable.
        value: u8,
    },
}

/// Finds out how to switch off, from the root pointer.
pub fn power_off(read: Read<'_>, rsdp: u64) -> Option<PowerOff> {
    const HARDWARE_REDUCED: u32 = 1 << 20;
    const SYSTEM_MEMORY: u8 = 0;
    let fadt = fadt(read, rsdp)?;
    let dsdt = table(read, u64::from(u32_at(fadt, 40)?))?;
    let sleep_type = soft_off_type(dsdt)?;
    if u32_at(fadt, 112)? & HARDWARE_REDUCED == 0 {
        let port = u16::try_from(u32_at(fadt, 64)?).ok().filter(|port| *port != 0)?;
        return Some(PowerOff::Pm1Control { port, value: u16::from(sleep_type) << 10 | 1 << 13 });
    }
    let address = u64_at(fadt, 248)?;
    let in_memory = *fadt.get(244)? == SYSTEM_MEMORY && address != 0;
    in_memory.then_some(PowerOff::SleepControl { address, value: sleep_type << 2 | 1 << 5 })
}

/// The fixed description table, found through the root pointer's list (5.2.5, 5.2.7, 5.2.8).
fn fadt<'a>(read: Read<'a>, rsdp: u64) -> Option<&'a [u8]> {
    let pointer = read(rsdp, 36).or_else(|| read(rsdp, 20))?;
    if pointer.get(..8)? != b"RSD PTR " {
        return None;
    }
    let extended = *pointer.get(15)? >= 2;
    let wide = extended.then(|| u64_at(pointer, 24)).flatten().filter(|address| *address != 0);
    let (root, width) = match wide {
        Some(address) => (table(read, address)?, 8),
        None => (table(read, u64::from(u32_at(pointer, 16)?))?, 4),
    };
    let entries = root.get(HEADER..)?.chunks_exact(width).take(TABLE_LIMIT);
    entries
        .filter_map(|entry| match width {
            8 => u64_at(entry, 0),
            _ => u32_at(entry, 0).map(u64::from),
        })
        .filter_map(|address| table(read, address))
        .find(|table| table.starts_with(b"FACP"))
}

/// A whole table, by the length in its header.
fn table<'a>(read: Read<'a>, address: u64) -> Option<&'a [u8]> {
    let length = u32_at(read(address, HEADER)?, 4)? as usize;
    (HEADER..=LENGTH_LIMIT).contains(&length).then(|| read(address, length)).flatten()
}

/// The sleep type of state S5: the first element of the package named `_S5_`. A search for the name stands in for an
/// interpreter of AML, since no firmware computes this package.
fn soft_off_type(dsdt: &[u8]) -> Option<u8> {
    const PACKAGE: u8 = 0x12;
    const BYTE_PREFIX: u8 = 0x0a;
    let name = dsdt.windows(5).position(|w| w.starts_with(b"_S5_") && w.ends_with(&[PACKAGE]))?;
    let package = dsdt.get(name + 5..)?;
    // The two top bits of the first byte tell how many more the package's length takes (20.2.4).
    let element = package.get(usize::from(package.first()? >> 6) + 2..)?;
    let value = match *element.first()? {
        BYTE_PREFIX => *element.get(1)?,
        constant => constant,
    };
    (value < 8).then_some(value)
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
    use std::vec;
    use std::vec::Vec;

    const RSDP: usize = 0x10;
    const RSDT: usize = 0x40;
    const FADT: usize = 0x80;
    const DSDT: usize = 0x200;

    fn header(memory: &mut [u8], at: usize, name: &[u8; 4], length: u32) {
        memory[at..at + 4].copy_from_slice(name);
        memory[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
    }

    fn machine(flags: u32) -> Vec<u8> {
        let mut memory = vec![0; 0x300];
        memory[RSDP..RSDP + 8].copy_from_slice(b"RSD PTR ");
        memory[RSDP + 16..RSDP + 20].copy_from_slice(&(RSDT as u32).to_le_bytes());
        header(&mut memory, RSDT, b"RSDT", 40);
        memory[RSDT + 36..RSDT + 40].copy_from_slice(&(FADT as u32).to_le_bytes());
        header(&mut memory, FADT, b"FACP", 268);
        memory[FADT + 40..FADT + 44].copy_from_slice(&(DSDT as u32).to_le_bytes());
        memory[FADT + 64..FADT + 68].copy_from_slice(&0x604_u32.to_le_bytes());
        memory[FADT + 112..FADT + 116].copy_from_slice(&flags.to_le_bytes());
        memory[FADT + 248..FADT + 256].copy_from_slice(&0xfea0_0000_u64.to_le_bytes());
        header(&mut memory, DSDT, b"DSDT", 64);
        let package = [b'_', b'S', b'5', b'_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x00, 0x00];
        memory[DSDT + 40..DSDT + 51].copy_from_slice(&package);
        memory
    }

    fn ask(memory: &[u8]) -> Option<PowerOff> {
        let read = |address: u64, length: usize| {
            let start = usize::try_from(address).ok()?;
            memory.get(start..start.checked_add(length)?)
        };
        power_off(&read, RSDP as u64)
    }

    #[test]
    fn a_pc_switches_off_by_its_control_port() {
        assert_eq!(ask(&machine(0)), Some(PowerOff::Pm1Control { port: 0x604, value: 5 << 10 | 1 << 13 }));
    }

    #[test]
    fn reduced_hardware_switches_off_by_its_register() {
        let expected = PowerOff::SleepControl { address: 0xfea0_0000, value: 5 << 2 | 1 << 5 };
        assert_eq!(ask(&machine(1 << 20)), Some(expected));
    }

    #[test]
    fn tables_cut_short_or_overwritten_are_no_answer_and_no_panic() {
        let whole = machine(0);
        for length in 0..whole.len() {
            let _ = ask(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                let _ = ask(&broken);
            }
        }
        assert_eq!(ask(&vec![0xff; 0x300]), None);
    }
}
