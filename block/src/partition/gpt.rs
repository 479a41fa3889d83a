//! The GUID partition table: a header in the second block, its entries elsewhere, and a copy of both at the end of the disk.

use super::{PartitionError, Table, number};
use crate::checksum::Crc;
use crate::disk::DiskError;

/// How a header begins, and its length at least (UEFI 2.10, table 5.5).
const SIGNATURE: &[u8] = b"EFI PART";
const HEADER: usize = 92;
/// The most entries that are looked at, and bytes of one.
const MOST_ENTRIES: u64 = 1024;
const MOST_ENTRY: u64 = 512;
/// Bytes of an entry that mean something here.
const ENTRY: usize = 48;

/// What a header says.
struct Header {
    first_usable: u64,
    last_usable: u64,
    /// Where the entries are, how many, and bytes of each.
    entries: u64,
    count: u64,
    size: u64,
    /// The checksum over all of them.
    checksum: u32,
}

/// Reads the table, or its copy if it is damaged.
pub(super) async fn read(table: &mut Table) -> Result<(), PartitionError> {
    for block in [1, table.blocks.saturating_sub(1)] {
        if let Some(header) = read_header(table, block).await?
            && check_entries(table, &header).await?
        {
            return take(table, &header).await;
        }
    }
    Err(PartitionError::DamagedGpt)
}

/// Reads a header, which may not be there, or not be believed.
async fn read_header(table: &Table, block: u64) -> Result<Option<Header>, DiskError> {
    let mut bytes = [0; HEADER];
    if block >= table.blocks {
        return Ok(None);
    }
    table.disk.read(block * table.block, &mut bytes).await?;
    let mut crc = Crc::ieee();
    // Its own checksum counts as zero.
    for part in [bytes.get(..16), Some(&[0; 4]), bytes.get(20..)] {
        crc.update(part.unwrap_or_default());
    }
    let length = number::<4>(&bytes, 12);
    let is_whole = bytes.starts_with(SIGNATURE)
        && length >= HEADER as u64
        && length <= table.block
        && number::<8>(&bytes, 24) == block;
    if !is_whole {
        return Ok(None);
    }
    let mut place = block * table.block + HEADER as u64;
    let end = block * table.block + length;
    while place < end {
        let mut rest = [0; 64];
        let count = (end - place).min(rest.len() as u64) as usize;
        let rest = rest.get_mut(..count).unwrap_or_default();
        table.disk.read(place, rest).await?;
        crc.update(rest);
        place += count as u64;
    }
    if u64::from(crc.finish()) != number::<4>(&bytes, 16) {
        return Ok(None);
    }
    let header = Header {
        first_usable: number::<8>(&bytes, 40),
        last_usable: number::<8>(&bytes, 48),
        entries: number::<8>(&bytes, 72),
        count: number::<4>(&bytes, 80),
        size: number::<4>(&bytes, 84),
        checksum: number::<4>(&bytes, 88) as u32,
    };
    let is_sane = header.count <= MOST_ENTRIES
        && (128..=MOST_ENTRY).contains(&header.size)
        && header.size.is_power_of_two()
        && header.first_usable <= header.last_usable
        && header.last_usable < table.blocks
        && header.entries < table.blocks
        && header.entries * table.block + header.count * header.size <= table.disk.length();
    Ok(is_sane.then_some(header))
}

/// Whether the entries are those that the header was written for.
async fn check_entries(table: &Table, header: &Header) -> Result<bool, DiskError> {
    let mut crc = Crc::ieee();
    let mut entry = [0; MOST_ENTRY as usize];
    let entry = entry.get_mut(..header.size as usize).unwrap_or_default();
    for index in 0..header.count {
        table.disk.read(header.entries * table.block + index * header.size, entry).await?;
        crc.update(entry);
    }
    Ok(crc.finish() == header.checksum)
}

/// Takes all partitions.
async fn take(table: &mut Table, header: &Header) -> Result<(), PartitionError> {
    for index in 0..header.count {
        let mut entry = [0; ENTRY];
        table.disk.read(header.entries * table.block + index * header.size, &mut entry).await?;
        // One without a type is unused.
        if entry.iter().take(16).all(|&byte| byte == 0) {
            continue;
        }
        let (first, last) = (number::<8>(&entry, 32), number::<8>(&entry, 40));
        let partition = index as u32 + 1;
        if first < header.first_usable || last > header.last_usable {
            return Err(PartitionError::OutOfRange(partition));
        }
        table.add(partition, first, last + 1)?;
    }
    Ok(())
}
