//! What the driver of virtio-blk agrees on with a device, and what the device says of itself (virtio 1.2, 5.2.3 and 5.2.4).
//!
//! Everything that the device says is checked here; what cannot be makes it unusable.

use crate::device::{Properties, SECTOR};
use crate::disk::DiskError;

/// The device takes parts of a limited length.
const SIZE_MAX: u64 = 1 << 1;
/// The device says how many parts of data a request may have.
const SEG_MAX: u64 = 1 << 2;
/// Nothing can be written.
const RO: u64 = 1 << 5;
/// The device has larger blocks than sectors.
const BLK_SIZE: u64 = 1 << 6;
/// The device makes durable what was written.
const FLUSH: u64 = 1 << 9;
/// The device says what is below its blocks.
const TOPOLOGY: u64 = 1 << 10;
/// Its cache can be switched between write-back and write-through.
const CONFIG_WCE: u64 = 1 << 11;
/// The device forgets sectors.
const DISCARD: u64 = 1 << 13;
/// The device fills sectors with zeroes.
const WRITE_ZEROES: u64 = 1 << 14;
/// The device follows the standard.
pub(super) const VERSION_1: u64 = 1 << 32;

/// What is wanted of the features offered.
///
/// The cache is left as the host has set it: what is flushed is durable either way (5.2.6.2). That the driver knows of the
/// switch is said all the same, since some devices switch to write-back for a driver that does not.
pub(super) const WANTED: u64 =
    SIZE_MAX | SEG_MAX | RO | BLK_SIZE | FLUSH | TOPOLOGY | CONFIG_WCE | DISCARD | WRITE_ZEROES;

/// Where the fields are, in words of 32 bits.
const CAPACITY: usize = 0;
const SIZE_LIMIT: usize = 2;
const PARTS_LIMIT: usize = 3;
const BLOCK_SIZE: usize = 5;
const BLOCKS_BELOW: usize = 6;
const BEST_TRANSFER: usize = 7;
const DISCARD_LIMIT: usize = 9;
const ZEROES_LIMIT: usize = 12;

/// The largest blocks there are.
const BLOCK_LIMIT: u32 = 1 << 20;
/// The largest that are believed to be below them.
const BELOW_LIMIT: u32 = 1 << 26;

/// What the device says of itself, with `features` agreed on; `word` reads its configuration space, `most_parts` is what its
/// queue holds.
pub(super) fn properties(
    features: u64,
    most_parts: usize,
    word: &dyn Fn(usize) -> Result<u32, unik_virtio::Error>,
) -> Result<Properties, DiskError> {
    let has = |feature| features & feature != 0;
    let read = |feature, index, default| {
        if has(feature) { word(index).map_err(DiskError::Device) } else { Ok(default) }
    };
    let block_size = read(BLK_SIZE, BLOCK_SIZE, SECTOR as u32)?;
    let most_bytes = read(SIZE_MAX, SIZE_LIMIT, u32::MAX)? as usize;
    let is_possible = block_size.is_power_of_two() && (SECTOR as u32..=BLOCK_LIMIT).contains(&block_size);
    if !is_possible || most_bytes < SECTOR || most_parts == 0 {
        return Err(DiskError::Impossible);
    }
    // Without that feature one part is what every device takes.
    let parts = read(SEG_MAX, PARTS_LIMIT, 1)?.max(1) as usize;
    // An exponent, then where the first of them begins, then their number in the shortest transfer that is good.
    let [exponent, ..] = read(TOPOLOGY, BLOCKS_BELOW, 0)?.to_le_bytes();
    let below = u64::from(block_size).checked_shl(exponent.into()).filter(|size| *size <= BELOW_LIMIT.into());
    let best = read(TOPOLOGY, BEST_TRANSFER, 0)? as usize;
    Ok(Properties {
        sectors: 0,
        block_size: block_size as usize,
        physical_block_size: below.unwrap_or(block_size.into()) as usize,
        best_transfer: best.saturating_mul(block_size as usize),
        is_read_only: has(RO),
        can_flush: has(FLUSH),
        most_discarded: limit(read(DISCARD, DISCARD_LIMIT, 0)?, has(DISCARD)),
        most_zeroed: limit(read(WRITE_ZEROES, ZEROES_LIMIT, 0)?, has(WRITE_ZEROES)),
        most_parts: parts.min(most_parts),
        most_bytes,
    })
}

/// Zero is no limit, of a device that does this at all.
fn limit(said: u32, does: bool) -> u32 {
    if does && said == 0 { u32::MAX } else { said }
}

/// The number of sectors that a device may have: as many bytes as 64 bits count.
pub(super) fn sectors([low, high]: [u32; 2]) -> u64 {
    (u64::from(low) | u64::from(high) << 32).min(u64::MAX / SECTOR as u64)
}

/// The offset of a word in bytes, and that of the number of sectors.
pub(super) const fn offset(word: usize) -> usize {
    word * size_of::<u32>()
}
pub(super) const SECTORS: usize = offset(CAPACITY);
