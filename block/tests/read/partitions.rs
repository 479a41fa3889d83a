//! Tables of partitions, honest and hostile ones.

use unik_block::{Partition, PartitionError, partitions};
use unik_testkit::{DiskSetup, Random};

use crate::world::{holding, with, world};

/// Sectors of the disks.
const SECTORS: usize = 2048;

/// The checksum of GPT, bit by bit: an implementation of its own.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// Writes a table of the older kind into a sector.
fn put_mbr(disk: &mut [u8], sector: usize, entries: &[(u8, u32, u32)]) {
    let table = &mut disk[sector * 512..][..512];
    for (index, (kind, first, sectors)) in entries.iter().enumerate() {
        let at = 446 + 16 * index;
        put(table, at + 4, &[*kind]);
        put(table, at + 8, &first.to_le_bytes());
        put(table, at + 12, &sectors.to_le_bytes());
    }
    put(table, 510, &[0x55, 0xaa]);
}

/// Writes a GPT and its copy, with blocks of so many bytes.
fn put_gpt(disk: &mut [u8], block: usize, entries: &[(usize, u64, u64)]) {
    put_mbr(disk, 0, &[(0xee, 1, u32::MAX)]);
    let blocks = disk.len() / block;
    let table = 128 * 128 / block;
    let mut array = vec![0; 128 * 128];
    for &(index, first, last) in entries {
        put(&mut array, index * 128, &[7; 16]);
        put(&mut array, index * 128 + 32, &first.to_le_bytes());
        put(&mut array, index * 128 + 40, &last.to_le_bytes());
    }
    let (first, last) = (table as u64 + 2, (blocks - table - 2) as u64);
    for (own, other, place) in [(1, blocks - 1, 2), (blocks - 1, 1, blocks - 1 - table)] {
        let mut header = vec![0; 92];
        put(&mut header, 0, b"EFI PART\0\0\x01\0\x5c\0\0\0");
        for (offset, value) in [(24, own), (32, other), (72, place)] {
            put(&mut header, offset, &(value as u64).to_le_bytes());
        }
        put(&mut header, 40, &first.to_le_bytes());
        put(&mut header, 48, &last.to_le_bytes());
        put(&mut header, 80, &128_u32.to_le_bytes());
        put(&mut header, 84, &128_u32.to_le_bytes());
        put(&mut header, 88, &crc32(&array).to_le_bytes());
        let checksum = crc32(&header);
        put(&mut header, 16, &checksum.to_le_bytes());
        put(disk, own * block, &header);
        put(disk, place * block, &array);
    }
}

fn read(disk: &[u8]) -> Result<Vec<Partition>, PartitionError> {
    let mut world = holding(disk, 32);
    let cache = world.cache.clone();
    world.run(partitions(&cache))
}

fn blank() -> Vec<u8> {
    vec![0; SECTORS * 512]
}

fn partition(number: u32, first: u64, sectors: u64) -> Partition {
    Partition { number, first, sectors }
}

#[test]
fn a_disk_without_a_table_has_no_partitions() {
    assert_eq!(read(&blank()), Ok(vec![]));
    let mut disk = blank();
    // The boot sector of a file system: it ends alike, and where the table would be stands code.
    put(&mut disk, 440, &[0xeb; 60]);
    put(&mut disk, 510, &[0x55, 0xaa]);
    assert_eq!(read(&disk), Ok(vec![]));
    let mut world = world(0, 8);
    let cache = world.cache.clone();
    assert_eq!(world.run(partitions(&cache)), Ok(vec![]));
}

#[test]
fn the_older_table_has_four_partitions() {
    let mut disk = blank();
    put_mbr(&mut disk, 0, &[(0x83, 63, 100), (0, 5, 5), (0x83, 200, 1), (0x0c, 1000, 1048)]);
    let expected = vec![partition(1, 63, 100), partition(3, 200, 1), partition(4, 1000, 1048)];
    assert_eq!(read(&disk), Ok(expected));
}

#[test]
fn those_of_an_extended_partition_are_counted_from_five() {
    let mut disk = blank();
    put_mbr(&mut disk, 0, &[(0x83, 1, 99), (0x05, 100, 1000)]);
    put_mbr(&mut disk, 100, &[(0x83, 1, 50), (0x05, 200, 300)]);
    put_mbr(&mut disk, 300, &[(0x83, 8, 40), (0x05, 600, 300)]);
    put_mbr(&mut disk, 700, &[(0x83, 2, 10)]);
    let logical = [partition(5, 101, 50), partition(6, 308, 40), partition(7, 702, 10)];
    assert_eq!(read(&disk), Ok([&[partition(1, 1, 99)][..], &logical].concat()));
}

#[test]
fn a_chain_that_never_ends_is_refused() {
    let mut disk = blank();
    put_mbr(&mut disk, 0, &[(0x05, 100, 1000)]);
    // An empty link that leads to itself, and a ring of two.
    put_mbr(&mut disk, 100, &[(0, 0, 0), (0x05, 0, 10)]);
    assert_eq!(read(&disk), Err(PartitionError::TooMany));
    put_mbr(&mut disk, 100, &[(0, 0, 0), (0x05, 50, 10)]);
    put_mbr(&mut disk, 150, &[(0x83, 1, 2), (0x05, 0, 10)]);
    assert_eq!(read(&disk), Err(PartitionError::Overlap(6)));
}

#[test]
fn partitions_that_cannot_be_are_refused() {
    for (entries, expected) in [
        (&[(0x83, 100, 2000)][..], PartitionError::OutOfRange(1)),
        (&[(0x83, 0, 10)], PartitionError::OutOfRange(1)),
        (&[(0x83, u32::MAX, u32::MAX)], PartitionError::OutOfRange(1)),
        (&[(0x83, 100, 10), (0x83, 109, 10)], PartitionError::Overlap(2)),
        (&[(0x83, 100, 10), (0x83, 50, 500)], PartitionError::Overlap(2)),
        (&[(0x05, 3000, 10)], PartitionError::OutOfRange(5)),
    ] {
        let mut disk = blank();
        put_mbr(&mut disk, 0, entries);
        assert_eq!(read(&disk), Err(expected), "{entries:?}");
    }
    let mut disk = blank();
    put_mbr(&mut disk, 0, &[(0x05, 100, 100)]);
    put_mbr(&mut disk, 100, &[(0x83, 50, 51)]);
    assert_eq!(read(&disk), Err(PartitionError::OutOfRange(5)));
}

#[test]
fn a_gpt_numbers_its_entries() {
    let mut disk = blank();
    put_gpt(&mut disk, 512, &[(0, 40, 99), (2, 100, 100), (127, 1000, 2014)]);
    let expected = vec![partition(1, 40, 60), partition(3, 100, 1), partition(128, 1000, 1015)];
    assert_eq!(read(&disk), Ok(expected));
}

#[test]
fn a_gpt_counts_the_blocks_of_its_disk() {
    let mut disk = blank();
    put_gpt(&mut disk, 4096, &[(0, 10, 19)]);
    let mut world = with(DiskSetup { block_size: Some(4096), ..DiskSetup::default() }, 32);
    world.model.store(0, &disk);
    let cache = world.cache.clone();
    assert_eq!(world.run(partitions(&cache)), Ok(vec![partition(1, 80, 80)]));
}

#[test]
fn the_copy_of_a_gpt_counts_where_the_table_is_damaged() {
    let mut disk = blank();
    put_gpt(&mut disk, 512, &[(0, 40, 99)]);
    let expected = Ok(vec![partition(1, 40, 60)]);
    for place in [512, 512 + 40, 512 + 88, 1024, 1024 + 127 * 128] {
        let mut damaged = disk.clone();
        damaged[place] ^= 0x40;
        assert_eq!(read(&damaged), expected, "byte {place}");
        // Now the copy as well.
        damaged[2047 * 512 + 16] ^= 1;
        assert_eq!(read(&damaged), Err(PartitionError::DamagedGpt), "byte {place}");
    }
}

#[test]
fn partitions_of_a_gpt_that_cannot_be_are_refused() {
    for (entries, expected) in [
        (&[(0, 40, 39)][..], PartitionError::OutOfRange(1)),
        (&[(1, 40, 5000)], PartitionError::OutOfRange(2)),
        (&[(0, 40, u64::MAX)], PartitionError::OutOfRange(1)),
        (&[(0, 33, 50)], PartitionError::OutOfRange(1)),
        (&[(0, 40, 50), (1, 50, 60)], PartitionError::Overlap(2)),
    ] {
        let mut disk = blank();
        put_gpt(&mut disk, 512, entries);
        assert_eq!(read(&disk), Err(expected), "{entries:?}");
    }
}

#[test]
fn a_table_that_cannot_be_read_is_an_error_of_the_disk() {
    let mut world = holding(&blank(), 8);
    world.model.spoil(0..1, 1);
    let cache = world.cache.clone();
    let error = world.run(partitions(&cache)).unwrap_err();
    assert_eq!(error.to_string(), "the disk cannot be read at sector 0");
}

#[test]
fn tables_of_chance_end_in_an_answer() {
    let mut random = Random::new(28);
    let mut good = blank();
    put_gpt(&mut good, 512, &[(0, 40, 99), (5, 200, 300)]);
    let mut older = blank();
    put_mbr(&mut older, 0, &[(0x83, 1, 99), (0x05, 100, 1000)]);
    put_mbr(&mut older, 100, &[(0x83, 1, 50), (0x05, 200, 300)]);
    put_mbr(&mut older, 300, &[(0x83, 8, 40)]);
    for round in 0..400 {
        let mut disk = if round % 2 == 0 { older.clone() } else { good.clone() };
        let mut choose = |below: u64| {
            let mut bytes = [0; 8];
            random.fill(&mut bytes);
            (u64::from_le_bytes(bytes) % below) as usize
        };
        for _ in 0..=choose(8) {
            let sector = [0, 1, 2, 100, 300, 2047][choose(6)];
            let place = sector * 512 + if sector % 100 == 0 { 446 + choose(64) } else { choose(512) };
            disk[place] = choose(256) as u8;
        }
        if let Ok(partitions) = read(&disk) {
            for (index, one) in partitions.iter().enumerate() {
                assert!(one.first > 0 && one.sectors > 0 && one.first + one.sectors <= SECTORS as u64);
                for other in &partitions[..index] {
                    assert!(
                        one.first >= other.first + other.sectors || other.first >= one.first + one.sectors
                    );
                }
            }
        }
    }
}
