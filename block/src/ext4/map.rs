//! Where the contents of an inode are: by a tree of extents, or by tables of blocks as in ext2.

use super::inode::Inode;
use super::{Ext4Error, FileSystem, number};

/// What an extent tree's node begins with, bytes of its head and of each entry, and levels at most.
const MAGIC: u64 = 0xf30a;
const ENTRY: u64 = 12;
const MOST_DEPTH: u64 = 5;
/// Extents of more blocks than this are not written yet: they count as zeroes.
const MOST_WRITTEN: u64 = 32768;
/// Blocks that an inode names itself, where it has no extents.
const DIRECT: u64 = 12;

/// Blocks of a file that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first one, counted in the file.
    pub(super) first: u64,
    pub(super) count: u64,
    /// Where that is. `None`: they are zeroes, and nowhere.
    pub(super) place: Option<u64>,
}

/// What is found in a node of an extent tree.
#[derive(Clone, Copy)]
struct Entry {
    first: u64,
    bytes: [u8; ENTRY as usize],
}

impl FileSystem {
    /// The run that a block of a file is in, from that block on. It is not empty.
    pub(super) async fn run(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let run = if inode.has_extents() {
            self.find_extent(inode, block).await?
        } else {
            self.find_in_tables(inode, block).await?
        };
        let is_on_disk = run.place.is_none_or(|place| self.superblock.has_blocks(place, run.count));
        if run.count == 0 || !is_on_disk {
            return Err(Ext4Error::Map(inode.number));
        }
        Ok(run)
    }

    async fn find_extent(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let damaged = Ext4Error::Map(inode.number);
        // The root is in the inode, other nodes in blocks of their own, each a level lower than the one before.
        let (mut node, mut level) = (None, None);
        // Where what comes behind begins: up to there is a hole, if the block is in one.
        let mut behind = u64::MAX;
        loop {
            let mut head = [0; ENTRY as usize];
            self.read_node(inode, node, 0, &mut head).await?;
            let (count, depth) = (number::<2>(&head, 2), number::<2>(&head, 6));
            let room = node.map_or(inode.map.len() as u64, |_| self.superblock.block);
            let is_sane = number::<2>(&head, 0) == MAGIC
                && depth <= MOST_DEPTH
                && level.is_none_or(|level| depth == level)
                && (count + 1) * ENTRY <= room;
            if !is_sane {
                return Err(damaged);
            }
            self.check_node(inode, node, number::<2>(&head, 4)).await?;
            let (found, next) = self.search(inode, node, count, block).await?;
            behind = behind.min(next);
            let hole = Run { first: block, count: behind.saturating_sub(block), place: None };
            let Some(entry) = found else { return Ok(hole) };
            if depth > 0 {
                let child = number::<4>(&entry.bytes, 4) | number::<2>(&entry.bytes, 8) << 32;
                if !self.superblock.has_blocks(child, 1) {
                    return Err(damaged);
                }
                (node, level) = (Some(child), Some(depth - 1));
                continue;
            }
            let length = number::<2>(&entry.bytes, 4);
            let place = number::<4>(&entry.bytes, 8) | number::<2>(&entry.bytes, 6) << 32;
            let is_written = length <= MOST_WRITTEN;
            let length = if is_written { length } else { length - MOST_WRITTEN };
            let within = block - entry.first;
            if within >= length {
                return Ok(hole);
            }
            let count = length - within;
            return Ok(Run { first: block, count, place: is_written.then_some(place + within) });
        }
    }

    /// The last of the entries of a node that begins at `block` or before it, and where the one behind begins.
    async fn search(
        &self,
        inode: &Inode,
        node: Option<u64>,
        count: u64,
        block: u64,
    ) -> Result<(Option<Entry>, u64), Ext4Error> {
        let (mut low, mut high) = (0, count);
        let (mut found, mut next) = (None, u64::MAX);
        while low < high {
            let middle = (low + high) / 2;
            let mut bytes = [0; ENTRY as usize];
            self.read_node(inode, node, (middle + 1) * ENTRY, &mut bytes).await?;
            let first = number::<4>(&bytes, 0);
            if first <= block {
                (found, low) = (Some(Entry { first, bytes }), middle + 1);
            } else {
                (next, high) = (first, middle);
            }
        }
        Ok((found, next))
    }

    async fn read_node(
        &self,
        inode: &Inode,
        node: Option<u64>,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), Ext4Error> {
        if let Some(node) = node {
            self.volume.read(node * self.superblock.block + offset, bytes).await?;
        } else {
            let from = inode.map.iter().skip(offset as usize);
            bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }

    /// Whether the checksum behind the room for entries is right. That of the root is the inode's.
    async fn check_node(&self, inode: &Inode, node: Option<u64>, room: u64) -> Result<(), Ext4Error> {
        let (Some(node), Some(mut crc)) = (node, inode.checksum) else { return Ok(()) };
        let (start, length) = (node * self.superblock.block, (room + 1) * ENTRY);
        if length + 4 > self.superblock.block {
            return Err(Ext4Error::Map(inode.number));
        }
        self.volume.visit(start, length, &mut |bytes| crc.update(bytes)).await?;
        let mut checksum = [0; 4];
        self.volume.read(start + length, &mut checksum).await?;
        if crc.value().to_le_bytes() == checksum { Ok(()) } else { Err(Ext4Error::Map(inode.number)) }
    }

    /// Blocks are named one by one: some in the inode, the others in blocks that are named there, through up to three levels.
    async fn find_in_tables(&self, inode: &Inode, block: u64) -> Result<Run, Ext4Error> {
        let hole = Run { first: block, count: 1, place: None };
        if block < DIRECT {
            let place = number::<4>(&inode.map, block as usize * 4);
            return Ok(Run { place: (place != 0).then_some(place), ..hole });
        }
        let names = self.superblock.block / 4;
        let (mut within, mut levels, mut reach) = (block - DIRECT, 1, names);
        while within >= reach {
            within -= reach;
            levels += 1;
            reach *= names;
            if levels > 3 {
                return Err(Ext4Error::Map(inode.number));
            }
        }
        let mut table = number::<4>(&inode.map, (DIRECT as usize + levels - 1) * 4);
        for _ in 0..levels {
            reach /= names;
            if table == 0 {
                return Ok(hole);
            }
            if !self.superblock.has_blocks(table, 1) {
                return Err(Ext4Error::Map(inode.number));
            }
            let mut name = [0; 4];
            let position = table * self.superblock.block + within / reach * 4;
            self.volume.read(position, &mut name).await?;
            table = u32::from_le_bytes(name).into();
            within %= reach;
        }
        Ok(Run { place: (table != 0).then_some(table), ..hole })
    }
}
