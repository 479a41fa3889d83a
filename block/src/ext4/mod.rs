//! Reads the file systems ext4, ext3 and ext2, as `mkfs.ext4 -d` makes them.
//!
//! [`FileSystem::open`] looks at the superblock, [`FileSystem::tree`] walks through all directories once, and an [`OpenFile`] reads
//! the contents of a file from any position on. All of it waits for pages where it needs them and holds none while it waits. The
//! crate ext4-view, which reads synchronously, panics on damaged images and passes over a whole file to find a position, is the
//! other opinion in the tests.
//!
//! Invariant: whatever is on the disk, no position outside the file system is read, nothing is done without end, and no memory is
//! taken that was not asked for first. What has a checksum is believed only if that is right. Layout and names of fields are
//! those of the Linux kernel's documentation, "ext4 Data Structures and Algorithms".

mod directory;
mod error;
mod file;
mod inode;
mod map;
mod superblock;
mod tree;

pub use error::Ext4Error;
pub use file::{Contents, OpenFile};
pub use tree::{Node, Tree};

use self::inode::Inode;
use self::superblock::Superblock;
use crate::volume::Volume;

/// The inode of the root directory.
const ROOT: u32 = 2;

/// A file system on a volume. Clones are handles of the same one.
#[derive(Clone)]
pub struct FileSystem {
    volume: Volume,
    superblock: Superblock,
}

impl FileSystem {
    /// Looks at the superblock of a volume.
    ///
    /// # Errors
    /// [`Ext4Error::NotExt4`] where there is none; others where it is damaged, or asks for what is not known here.
    pub async fn open(volume: Volume) -> Result<Self, Ext4Error> {
        let superblock = Superblock::read(&volume).await?;
        Ok(Self { volume, superblock })
    }

    /// All files, with what is known of each.
    ///
    /// # Errors
    /// [`Ext4Error`] where a directory or an inode is damaged, or there are more than are looked at.
    pub async fn tree(&self) -> Result<Tree, Ext4Error> {
        Tree::read(self).await
    }

    /// Opens a file that [`FileSystem::tree`] has found.
    ///
    /// # Errors
    /// [`Ext4Error`] where its inode cannot be read, or has become another one's.
    pub async fn file(&self, node: &Node) -> Result<OpenFile, Ext4Error> {
        let inode = Inode::read(self, node.inode()).await?;
        if !inode.is_regular() || inode.version() != node.version() {
            return Err(Ext4Error::Inode(node.inode()));
        }
        Ok(OpenFile::new(self.clone(), inode))
    }
}

/// The number in little endian at an offset; zero behind the end.
fn number<const N: usize>(bytes: &[u8], offset: usize) -> u64 {
    let bytes = bytes.get(offset..offset + N).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
