//! Why files cannot be read.

use core::fmt;

use crate::disk::DiskError;

/// Why a file system, or something in it, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ext4Error {
    /// The disk cannot be read.
    Disk(DiskError),
    /// There is no file system of this kind.
    NotExt4,
    /// The superblock is damaged: its checksum is wrong, or a field has a value that it cannot have.
    Superblock,
    /// The file system is longer than what it is on.
    TooLong,
    /// It was not unmounted: what is in its journal belongs to it.
    Unclean,
    /// It asks for these features, which are not known here.
    Unsupported(u32),
    /// This descriptor of a group of blocks is damaged.
    Group(u32),
    /// This inode is damaged.
    Inode(u32),
    /// What tells where the contents of this inode are is damaged.
    Map(u32),
    /// The directory with this inode is damaged.
    Directory(u32),
    /// The contents of this inode are encrypted, or within the inode itself, which is not known here.
    Form(u32),
    /// There are more files or larger directories than are looked at.
    TooMany,
    /// A path is longer than 4096 bytes.
    LongPath,
    /// There is no memory for what is told of each file.
    NoMemory,
}

impl From<DiskError> for Ext4Error {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Names of features that a reader has to know, by bits (`s_feature_incompat`), as mke2fs calls them.
const FEATURES: [(u32, &str); 8] = [
    (0x1, "compression"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x100, "mmp"),
    (0x1000, "dirdata"),
    (0x8000, "inline_data"),
    (0x10000, "encrypt"),
    (0x20000, "casefold"),
];

impl fmt::Display for Ext4Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sentence, number) = match *self {
            Self::Disk(error) => return error.fmt(formatter),
            Self::Unsupported(bits) => {
                formatter.write_str("its ext4 file system has the feature ")?;
                let known = FEATURES.iter().find(|(bit, _)| bits & bit != 0);
                formatter.write_str(known.map_or("of a later version", |(_, name)| name))?;
                return formatter.write_str(", which is not known here: make it with mkfs.ext4 -O ^FEATURE");
            }
            Self::Group(group) => ("its ext4 file system is damaged in the descriptor of group ", group),
            Self::Inode(inode) => ("its ext4 file system is damaged in inode ", inode),
            Self::Map(inode) => ("its ext4 file system is damaged in the extents of inode ", inode),
            Self::Directory(inode) => ("its ext4 file system is damaged in the directory with inode ", inode),
            Self::Form(inode) => {
                ("contents are encrypted or inline, which is not known here, in inode ", inode)
            }
            _ => return formatter.write_str(self.sentence()),
        };
        formatter.write_str(sentence)?;
        number.fmt(formatter)
    }
}

impl Ext4Error {
    fn sentence(&self) -> &'static str {
        match self {
            Self::NotExt4 => "there is no ext4 file system on it: make one with mkfs.ext4 -d DIR FILE SIZE",
            Self::Superblock => "the superblock of its ext4 file system is damaged",
            Self::TooLong => "its ext4 file system is longer than the disk or partition",
            Self::Unclean => {
                "its ext4 file system was not unmounted, and its journal has to be played back: run e2fsck -p"
            }
            Self::TooMany => "its ext4 file system has more than 65536 files or too large directories",
            Self::LongPath => "its ext4 file system has a path of more than 4096 bytes",
            _ => "there is no memory for the list of its files: give the machine more",
        }
    }
}

impl core::error::Error for Ext4Error {}
