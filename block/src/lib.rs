//! The storage of unik: what an image keeps data on, and what it reads files from.
//!
//! - [`Disk`]: an async handle of a disk. Any number of operations are under way at the same time, up to what the device
//!   takes; a future that is dropped leaves nothing behind.
//! - [`BlockDevice`]: the seam below it. [`VirtioBlock`] is the driver of virtio-blk.
//! - [`RamDisk`] is another: a disk in memory.
//! - [`store`] keeps values under keys on a disk, through crashes.
//! - [`Cache`]: pages of a disk, read ahead, within a fixed budget; [`partitions`] finds the parts of a disk, and a [`Volume`] is one
//!   of them, read byte by byte.
//! - [`ext4`] reads the files of such a volume.
//! - [`archive`] reads the tree of files that is compiled into an image or handed over beside it. It is zero-copy and
//!   allocates nothing: the archive stays where it lies, and files are slices of it.
//!
//! Invariant: no archive and no device, however damaged, causes a panic or an access outside its bytes.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod archive;
mod cache;
mod checksum;
mod device;
mod disk;
mod error;
pub mod ext4;
mod partition;
mod ram;
pub mod store;
mod virtio;
mod volume;

pub use cache::{Cache, CacheCounters, Page, Stream};
pub use device::{BlockDevice, Completion, Fault, HEADROOM, Operation, Properties, Request, SECTOR};
pub use disk::{Disk, DiskCounters, DiskError, Driver};
pub use error::Error;
pub use partition::{PARTITION_LIMIT, Partition, PartitionError, partitions};
pub use ram::{RamDisk, RamDiskCounters};
pub use virtio::{VirtioBlock, VirtioBlockCounters};
pub use volume::{Piece, Volume};
