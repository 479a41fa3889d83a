//! What can go wrong on a disk.

use core::fmt;

/// Why an operation on a disk failed. Positions are sectors of 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskError {
    /// The disk ends before the operation that begins at this sector does.
    OutOfRange(u64),
    /// The operation that begins at this sector is not about whole blocks of the disk.
    Unaligned(u64),
    /// The disk cannot be written.
    ReadOnly,
    /// The disk does not say when what was written is durable.
    NoFlush,
    /// The disk does not do this.
    Unsupported,
    /// The device could not read the block at this sector.
    Read(u64),
    /// The device could not write the block at this sector. What is there now is unknown.
    Write(u64),
    /// The device could not make durable what was written. What of it is there after a restart is unknown.
    Flush,
    /// The device could not discard, from this sector on.
    Discard(u64),
    /// The device could not write zeroes, from this sector on. What is there now is unknown.
    WriteZeroes(u64),
    /// The device has failed and is used no more.
    Failed,
    /// The device says of itself what cannot be.
    Impossible,
    /// The device cannot be set up.
    Device(unik_virtio::Error),
}

impl DiskError {
    /// Whether the device may have said so because of a request that it had joined this one with.
    pub(super) fn may_be_of_another(self) -> bool {
        matches!(self, Self::Read(_) | Self::Write(_))
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sentence, sector) = match *self {
            Self::OutOfRange(sector) => {
                ("the disk ends before the operation does that begins at sector ", sector)
            }
            Self::Unaligned(sector) => ("a disk is used in whole blocks, which is not so at sector ", sector),
            Self::Read(sector) => ("the disk cannot be read at sector ", sector),
            Self::Write(sector) => ("the disk cannot be written at sector ", sector),
            Self::Discard(sector) => ("the disk cannot discard what is at sector ", sector),
            Self::WriteZeroes(sector) => ("the disk cannot write zeroes at sector ", sector),
            Self::ReadOnly => return formatter.write_str("the disk is read-only"),
            Self::NoFlush => {
                return formatter.write_str("the disk does not say when what was written to it is durable");
            }
            Self::Unsupported => return formatter.write_str("the disk does not do this"),
            Self::Flush => return formatter.write_str("the disk cannot make durable what was written to it"),
            Self::Failed => return formatter.write_str("the disk has failed and is used no more"),
            Self::Impossible => return formatter.write_str("the disk says of itself what cannot be"),
            Self::Device(error) => return error.fmt(formatter),
        };
        formatter.write_str(sentence)?;
        sector.fmt(formatter)
    }
}

impl core::error::Error for DiskError {}
