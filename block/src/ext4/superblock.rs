//! The superblock: how a file system is laid out, and what a reader has to know.

use super::{Ext4Error, number};
use crate::checksum::Crc;
use crate::volume::Volume;

/// Where it is, and bytes of it.
const POSITION: u64 = 1024;
const LENGTH: usize = 1024;
/// Where its own checksum is.
const CHECKSUM: usize = 0x3fc;

/// Features that change what lies where (`s_feature_incompat`).
const RECOVER: u32 = 0x4;
const EXTENTS: u32 = 0x40;
const IS_64BIT: u32 = 0x80;
const SEED: u32 = 0x2000;
/// Those that a reader may know: file types in directories, flexible groups, attributes in inodes of their own, large directories.
const KNOWN: u32 = 0x2 | EXTENTS | IS_64BIT | 0x200 | 0x400 | SEED | 0x4000;
/// Checksums of all tables (`s_feature_ro_compat`).
const METADATA_CHECKSUMS: u32 = 0x400;

/// Blocks of 1 KiB to 64 KiB.
const MOST_SHIFT: u64 = 6;

/// What is known of a file system as a whole.
#[derive(Clone)]
pub(super) struct Superblock {
    /// Bytes of a block, a power of two.
    pub(super) block: u64,
    /// How many blocks there are, all of them on the volume.
    pub(super) blocks: u64,
    pub(super) first_block: u64,
    /// Bytes of an inode, a power of two of at least 128 that fits into a block, and how many there are in all and in a group.
    pub(super) inode: u64,
    pub(super) inodes: u64,
    pub(super) inodes_per_group: u64,
    /// Bytes of a group's descriptor.
    pub(super) descriptor: u64,
    pub(super) is_64bit: bool,
    /// With what checksums begin, where there are any.
    pub(super) seed: Option<u32>,
}

impl Superblock {
    pub(super) async fn read(volume: &Volume) -> Result<Self, Ext4Error> {
        let mut bytes = [0; LENGTH];
        if volume.length() < POSITION + LENGTH as u64 {
            return Err(Ext4Error::NotExt4);
        }
        volume.read(POSITION, &mut bytes).await?;
        Self::parse(&bytes, volume.length())
    }

    #[inline(never)]
    fn parse(bytes: &[u8], length: u64) -> Result<Self, Ext4Error> {
        let half = |offset| number::<2>(bytes, offset);
        let word = |offset| number::<4>(bytes, offset);
        if half(0x38) != 0xef53 {
            return Err(Ext4Error::NotExt4);
        }
        let features = word(0x60) as u32;
        if features & !(KNOWN | RECOVER) != 0 {
            return Err(Ext4Error::Unsupported(features & !(KNOWN | RECOVER)));
        }
        let has_checksums = word(0x64) as u32 & METADATA_CHECKSUMS != 0;
        if has_checksums {
            let mut crc = Crc::castagnoli(!0);
            crc.update(bytes.get(..CHECKSUM).unwrap_or_default());
            if u64::from(crc.value()) != word(CHECKSUM) {
                return Err(Ext4Error::Superblock);
            }
        }
        if features & RECOVER != 0 {
            return Err(Ext4Error::Unclean);
        }
        let is_64bit = features & IS_64BIT != 0;
        let seed = has_checksums.then(|| {
            let mut crc = Crc::castagnoli(!0);
            crc.update(bytes.get(0x68..0x78).unwrap_or_default());
            if features & SEED != 0 { word(0x270) as u32 } else { crc.value() }
        });
        let shift = word(0x18);
        let superblock = Self {
            block: 1024 << shift.min(MOST_SHIFT),
            blocks: word(0x4) | if is_64bit { word(0x150) << 32 } else { 0 },
            first_block: word(0x14),
            // In the first revision, the size is not told.
            inode: if word(0x4c) == 0 { 128 } else { half(0x58) },
            inodes: word(0),
            inodes_per_group: word(0x28),
            descriptor: if is_64bit { half(0xfe) } else { 32 },
            is_64bit,
            seed,
        };
        if shift > MOST_SHIFT || !superblock.is_sane() || !superblock.has_groups(word(0x20)) {
            return Err(Ext4Error::Superblock);
        }
        if superblock.blocks.checked_mul(superblock.block).is_none_or(|end| end > length) {
            return Err(Ext4Error::TooLong);
        }
        Ok(superblock)
    }

    fn is_sane(&self) -> bool {
        let has_inodes = (128..=self.block).contains(&self.inode) && self.inode.is_power_of_two();
        let least = if self.is_64bit { 64 } else { 32 };
        let has_descriptors =
            (least..=self.block).contains(&self.descriptor) && self.descriptor.is_power_of_two();
        let has_first = self.first_block <= self.own_block() && self.blocks > self.own_block();
        has_inodes && has_descriptors && has_first
    }

    /// The block that it is in itself.
    pub(super) fn own_block(&self) -> u64 {
        POSITION / self.block
    }

    /// Whether there are as many groups as the inodes are in.
    fn has_groups(&self, blocks_per_group: u64) -> bool {
        let groups = (self.blocks - self.first_block).div_ceil(blocks_per_group.max(1));
        let inodes = groups.checked_mul(self.inodes_per_group);
        blocks_per_group > 0 && self.inodes_per_group > 0 && inodes.is_some_and(|most| self.inodes <= most)
    }

    /// Whether so many blocks from `first` on are in the file system, and none of them is where the superblock is.
    pub(super) fn has_blocks(&self, first: u64, count: u64) -> bool {
        first > self.first_block && first.checked_add(count).is_some_and(|end| end <= self.blocks)
    }

    /// The checksum that those of one thing begin with.
    pub(super) fn checksum(&self) -> Option<Crc> {
        self.seed.map(Crc::castagnoli)
    }
}
