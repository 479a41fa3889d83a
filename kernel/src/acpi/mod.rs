//! The little of ACPI that an image needs, parsed from bytes the host supplied: how to switch off, the power button, and
//! where interrupts arrive.
//!
//! Pure: memory is read through a function, so that tables that lie are tested on the host. ACPI 6.5, chapter 5.

mod button;
mod pin;
mod power_off;
#[cfg(test)]
mod sample;

pub use button::{Button, button};
pub use pin::{Pin, pin};
pub use power_off::{PowerOff, power_off};

/// Reads `length` bytes of physical memory; `None` where that is impossible.
pub type Read<'a> = &'a dyn Fn(u64, usize) -> Option<&'a [u8]>;

/// Tables looked at in the root table.
const TABLE_LIMIT: usize = 64;
/// Bytes of a table that are looked at.
const LENGTH_LIMIT: usize = 1 << 20;
const HEADER: usize = 36;

/// The fixed description table (5.2.9).
const FADT: &[u8; 4] = b"FACP";
/// Flag of the fixed description table: there are no PM1 registers (5.2.9.1).
const HARDWARE_REDUCED: u32 = 1 << 20;

/// The first table of that name in the list that the root pointer leads to (5.2.5, 5.2.7, 5.2.8).
fn find<'a>(read: Read<'a>, rsdp: u64, name: &[u8; 4]) -> Option<&'a [u8]> {
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
        .find(|table| table.starts_with(name))
}

/// A whole table, by the length in its header.
fn table<'a>(read: Read<'a>, address: u64) -> Option<&'a [u8]> {
    let length = u32_at(read(address, HEADER)?, 4)? as usize;
    (HEADER..=LENGTH_LIMIT).contains(&length).then(|| read(address, length)).flatten()
}

/// The differentiated description table, which holds the firmware's code (5.2.11.1).
fn dsdt<'a>(read: Read<'a>, fadt: &[u8]) -> Option<&'a [u8]> {
    table(read, u64::from(u32_at(fadt, 40)?))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..offset + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..offset + 8)?.try_into().ok().map(u64::from_le_bytes)
}
