//! The table in the first sector of a disk, and those of an extended partition, which form a chain.

use super::{PARTITION_LIMIT, PartitionError, Table, number};
use crate::device::SECTOR;
use crate::disk::DiskError;
use crate::volume::Volume;

/// Types of partitions: none, those that hold others, and the one that stands for a GPT (UEFI 2.10, 5.2.2 and 5.2.3).
const EMPTY: u8 = 0;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const PROTECTIVE: u8 = 0xee;
/// Where the entries are, how long each is, and how the sector ends.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// The number of the first partition in an extended one.
const FIRST_LOGICAL: u32 = 5;

/// A sector with a table.
pub(super) struct Sector([Entry; 4]);

#[derive(Clone, Copy)]
struct Entry {
    kind: u8,
    first: u64,
    blocks: u64,
}

impl Entry {
    fn is_extended(&self) -> bool {
        EXTENDED.contains(&self.kind) && self.blocks > 0
    }

    fn is_used(&self) -> bool {
        self.kind != EMPTY && self.blocks > 0
    }
}

impl Sector {
    /// Reads a sector, in which there may be no table.
    pub(super) async fn read(disk: &Volume, position: u64) -> Result<Option<Self>, DiskError> {
        let mut bytes = [0; SECTOR];
        if disk.length().saturating_sub(position) < SECTOR as u64 {
            return Ok(None);
        }
        disk.read(position, &mut bytes).await?;
        if !bytes.ends_with(&SIGNATURE) {
            return Ok(None);
        }
        let mut entries = [Entry { kind: EMPTY, first: 0, blocks: 0 }; 4];
        for (entry, bytes) in entries.iter_mut().zip(bytes.get(ENTRIES..).unwrap_or_default().chunks(ENTRY)) {
            // A boot sector of a file system ends like a table, and has code here.
            if !matches!(bytes, [0 | 0x80, ..]) {
                return Ok(None);
            }
            let kind = number::<1>(bytes, 4) as u8;
            *entry = Entry { kind, first: number::<4>(bytes, 8), blocks: number::<4>(bytes, 12) };
        }
        Ok(Some(Self(entries)))
    }

    /// Whether the table is elsewhere.
    pub(super) fn is_protective(&self) -> bool {
        self.0.iter().any(|entry| entry.kind == PROTECTIVE)
    }
}

pub(super) async fn read(table: &mut Table, sector: Sector) -> Result<(), PartitionError> {
    for (number, entry) in (1..).zip(sector.0) {
        if entry.is_used() && !entry.is_extended() {
            table.add(number, entry.first, entry.first + entry.blocks)?;
        }
    }
    let mut next = FIRST_LOGICAL;
    for extended in sector.0.into_iter().filter(Entry::is_extended) {
        read_extended(table, extended, &mut next).await?;
    }
    Ok(())
}

/// Reads the chain of an extended partition. Each link is a table whose first entry, counted from there, is a partition, and whose
/// second one, counted from where the extended partition begins, leads to the next link.
async fn read_extended(
    table: &mut Table,
    extended: Entry,
    next_number: &mut u32,
) -> Result<(), PartitionError> {
    let end = extended.first + extended.blocks;
    let mut link = extended.first;
    for _ in 0..PARTITION_LIMIT {
        if link >= table.blocks || link >= end {
            return Err(PartitionError::OutOfRange(*next_number));
        }
        let Some(sector) = Sector::read(&table.disk, link * table.block).await? else { return Ok(()) };
        for entry in sector.0.iter().filter(|entry| entry.is_used() && !entry.is_extended()) {
            let first = link + entry.first;
            if entry.first == 0 || first + entry.blocks > end {
                return Err(PartitionError::OutOfRange(*next_number));
            }
            table.add(*next_number, first, first + entry.blocks)?;
            *next_number += 1;
        }
        let Some(next) = sector.0.iter().find(|entry| entry.is_extended()) else { return Ok(()) };
        link = extended.first + next.first;
    }
    Err(PartitionError::TooMany)
}
