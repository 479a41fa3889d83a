//! Inodes: what is known of one file or directory, and where its contents are told.

use super::{Ext4Error, FileSystem, number};
use crate::checksum::Crc;

/// Bytes of an inode that mean something here.
const LENGTH: usize = 160;
/// Bytes in which it is told where contents are.
pub(super) const MAP: usize = 60;
/// Where the two halves of the checksum are.
const CHECKSUM: [usize; 2] = [0x7c, 0x82];

/// Flags: contents are encrypted, are told by extents, are within the inode; the directory has an index.
const ENCRYPTED: u64 = 0x800;
const INDEXED: u64 = 0x1000;
const EXTENTS: u64 = 0x8_0000;
const INLINE: u64 = 0x1000_0000;

/// What tells one state of a file from another: its inode and generation, its length, and in nanoseconds when its contents and
/// the inode were changed.
pub(super) type Version = [u64; 4];

#[derive(Clone, Copy)]
pub(super) struct Inode {
    pub(super) number: u32,
    mode: u16,
    flags: u64,
    pub(super) length: u64,
    pub(super) map: [u8; MAP],
    /// When the contents were changed, in seconds since the Unix epoch.
    pub(super) modified: i64,
    version: Version,
    /// What the checksums of its extents and directory blocks begin with.
    pub(super) checksum: Option<Crc>,
}

impl Inode {
    pub(super) async fn read(system: &FileSystem, inode: u32) -> Result<Self, Ext4Error> {
        let superblock = &system.superblock;
        let index = u64::from(inode).checked_sub(1).filter(|&index| index < superblock.inodes);
        let index = index.ok_or(Ext4Error::Inode(inode))?;
        let (group, within) = (index / superblock.inodes_per_group, index % superblock.inodes_per_group);
        let table = system.inode_table(group).await?;
        let place = within * superblock.inode;
        if !superblock.has_blocks(table, place / superblock.block + 1) {
            return Err(Ext4Error::Group(group as u32));
        }
        let position = table * superblock.block + place;
        let mut bytes = [0; LENGTH];
        let length = LENGTH.min(superblock.inode as usize);
        let read = bytes.get_mut(..length).unwrap_or_default();
        system.volume.read(position, read).await?;
        let checksum = superblock.checksum().map(|mut crc| {
            crc.update(&inode.to_le_bytes());
            crc.update(bytes.get(0x64..0x68).unwrap_or_default());
            crc
        });
        if let Some(mut crc) = checksum {
            for (offset, byte) in bytes.iter().enumerate().take(length) {
                let is_checksum = CHECKSUM.iter().any(|&start| (start..start + 2).contains(&offset));
                crc.update(&[if is_checksum && (offset < 128 || has(&bytes, 4)) { 0 } else { *byte }]);
            }
            let rest = superblock.inode - length as u64;
            system.volume.visit(position + length as u64, rest, &mut |bytes| crc.update(bytes)).await?;
            let [low, high] = CHECKSUM.map(|offset| number::<2>(&bytes, offset) as u32);
            let is_right = if superblock.inode > 128 && has(&bytes, 4) {
                crc.value() == high << 16 | low
            } else {
                crc.value() & 0xffff == low
            };
            if !is_right {
                return Err(Ext4Error::Inode(inode));
            }
        }
        Ok(Self::parse(inode, &bytes, superblock.inode > 128, checksum))
    }

    fn parse(inode: u32, bytes: &[u8; LENGTH], is_large: bool, checksum: Option<Crc>) -> Self {
        let word = |offset| number::<4>(bytes, offset);
        // Seconds are 32 bits with a sign, and two more above; then nanoseconds.
        let moment = |offset, extra, end| {
            let extra = if is_large && has(bytes, end) { word(extra) } else { 0 };
            let seconds = i64::from(word(offset) as u32 as i32) + (((extra & 3) as i64) << 32);
            (seconds, (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(extra >> 2))
        };
        let (modified, modified_exactly) = moment(0x10, 0x88, 12);
        let (_, changed) = moment(0xc, 0x84, 8);
        let mut map = [0; MAP];
        map.iter_mut().zip(bytes.iter().skip(0x28)).for_each(|(to, from)| *to = *from);
        let (mode, flags) = (number::<2>(bytes, 0) as u16, word(0x20));
        let mut inode =
            Self { number: inode, mode, flags, length: word(0x4), map, modified, version: [0; 4], checksum };
        // Directories have had something else there.
        if inode.is_regular() {
            inode.length |= word(0x6c) << 32;
        }
        let generation = u64::from(inode.number) << 32 | word(0x64);
        inode.version = [generation, inode.length, modified_exactly, changed];
        inode
    }

    pub(super) fn is_regular(&self) -> bool {
        self.mode & 0xf000 == 0x8000
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode & 0xf000 == 0x4000
    }

    /// Whether the first block of the directory is one of an index, and others may be too.
    pub(super) fn is_indexed(&self) -> bool {
        self.flags & INDEXED != 0
    }

    pub(super) fn has_extents(&self) -> bool {
        self.flags & EXTENTS != 0
    }

    /// Whether its contents are in blocks, as they are.
    pub(super) fn is_plain(&self) -> bool {
        self.flags & (ENCRYPTED | INLINE) == 0
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }
}

/// Whether the part of an inode behind the first 128 bytes has so many more (`i_extra_isize`).
fn has(bytes: &[u8], count: u64) -> bool {
    number::<2>(bytes, 0x80) >= count
}

impl FileSystem {
    /// The block with which the table of a group's inodes begins. Descriptors stand behind the superblock.
    async fn inode_table(&self, group: u64) -> Result<u64, Ext4Error> {
        let superblock = &self.superblock;
        let position = (superblock.own_block() + 1) * superblock.block + group * superblock.descriptor;
        let damaged = Ext4Error::Group(group as u32);
        if position + superblock.descriptor > superblock.blocks * superblock.block {
            return Err(damaged);
        }
        let mut bytes = [0; 64];
        let length = bytes.len().min(superblock.descriptor as usize);
        let read = bytes.get_mut(..length).unwrap_or_default();
        self.volume.read(position, read).await?;
        if let Some(mut crc) = superblock.checksum() {
            crc.update(&(group as u32).to_le_bytes());
            // Its own checksum counts as zero.
            for part in [bytes.get(..0x1e), Some(&[0; 2]), bytes.get(0x20..length)] {
                crc.update(part.unwrap_or_default());
            }
            let rest = superblock.descriptor - length as u64;
            self.volume.visit(position + length as u64, rest, &mut |bytes| crc.update(bytes)).await?;
            if u64::from(crc.value() & 0xffff) != number::<2>(&bytes, 0x1e) {
                return Err(damaged);
            }
        }
        let high = if superblock.is_64bit { number::<4>(&bytes, 0x28) } else { 0 };
        Ok(number::<4>(&bytes, 0x8) | high << 32)
    }
}
