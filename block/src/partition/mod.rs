//! Partitions: the parts that a disk's table divides it into, by GPT (UEFI 2.10, 5.3) or the older MBR (5.2).
//!
//! A table is hostile until it was looked at: each partition lies on the disk and no two overlap, or the table is refused as a
//! whole. Numbers are those that Linux gives. Neighbours: `gpt` and `mbr` read one kind each.

mod gpt;
mod mbr;

use alloc::vec::Vec;
use core::fmt;

use crate::cache::Cache;
use crate::device::SECTOR;
use crate::disk::DiskError;
use crate::volume::Volume;

/// The most partitions of a disk.
pub const PARTITION_LIMIT: usize = 128;

/// A part of a disk. Positions are sectors of 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is called by: 1 is the first.
    pub number: u32,
    /// Where it begins.
    pub first: u64,
    /// How many sectors it has.
    pub sectors: u64,
}

/// Why there are no partitions to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionError {
    /// The disk cannot be read.
    Disk(DiskError),
    /// Neither copy of a GPT is whole: a checksum is wrong, or a field has a value that it cannot have.
    DamagedGpt,
    /// The partition with this number ends behind the disk, begins in the table, or has no sector.
    OutOfRange(u32),
    /// The partition with this number overlaps another one.
    Overlap(u32),
    /// There are more than [`PARTITION_LIMIT`], or the extended partition never ends.
    TooMany,
    /// There is no memory for the table.
    NoMemory,
}

impl fmt::Display for PartitionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, sentence) = match self {
            Self::Disk(error) => return error.fmt(formatter),
            Self::DamagedGpt => {
                return formatter.write_str("the table of partitions (GPT) is damaged, and so is its copy");
            }
            Self::TooMany => {
                return formatter.write_str("the table of partitions has more than 128, or has no end");
            }
            Self::NoMemory => return formatter.write_str("there is no memory for the table of partitions"),
            Self::OutOfRange(number) => (number, " does not lie on the disk"),
            Self::Overlap(number) => (number, " overlaps another one"),
        };
        formatter.write_str("the table of partitions is damaged: partition ")?;
        number.fmt(formatter)?;
        formatter.write_str(sentence)
    }
}

impl core::error::Error for PartitionError {}

impl From<DiskError> for PartitionError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// The partitions of a disk, in the order of their numbers. Empty where the disk has no table.
///
/// # Errors
/// [`PartitionError`]: there is a table, and it cannot be believed.
pub async fn partitions(cache: &Cache) -> Result<Vec<Partition>, PartitionError> {
    let mut table = Table::new(cache);
    match mbr::Sector::read(&table.disk, 0).await? {
        Some(sector) if sector.is_protective() => gpt::read(&mut table).await?,
        Some(sector) => mbr::read(&mut table, sector).await?,
        None => {}
    }
    Ok(table.partitions)
}

/// What is being read.
struct Table {
    disk: Volume,
    /// Bytes of a block: what positions in tables count.
    block: u64,
    blocks: u64,
    partitions: Vec<Partition>,
}

impl Table {
    fn new(cache: &Cache) -> Self {
        let block = cache.disk().properties().block_size as u64;
        let disk = Volume::whole(cache);
        Self { blocks: disk.length() / block, disk, block, partitions: Vec::new() }
    }

    /// Takes the blocks from `first` to before `end` as a partition, unless that cannot be.
    fn add(&mut self, number: u32, first: u64, end: u64) -> Result<(), PartitionError> {
        if first == 0 || first >= end || end > self.blocks {
            return Err(PartitionError::OutOfRange(number));
        }
        if self.partitions.len() == PARTITION_LIMIT {
            return Err(PartitionError::TooMany);
        }
        // The blocks of a disk are counted in 64 bits, and so are its bytes.
        let factor = self.block / SECTOR as u64;
        let (first, sectors) = (first * factor, (end - first) * factor);
        let overlaps =
            |other: &Partition| first < other.first + other.sectors && other.first < first + sectors;
        if self.partitions.iter().any(overlaps) {
            return Err(PartitionError::Overlap(number));
        }
        self.partitions.try_reserve(1).map_err(|_| PartitionError::NoMemory)?;
        self.partitions.push(Partition { number, first, sectors });
        Ok(())
    }
}

/// The number in little endian at an offset; zero behind the end.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> u64 {
    let bytes = bytes.get(offset..offset + N).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
