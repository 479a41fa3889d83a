//! What can go wrong with a store.

use core::fmt;

use super::page::KEY;
use crate::DiskError;

/// Why a store cannot be used, or did not do what it was asked to. Positions are sectors of 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk cannot do something, or not there.
    Disk(DiskError),
    /// There is no store on the disk, but zeroes.
    Blank,
    /// There is something else on the disk, which begins at this sector.
    Foreign(u64),
    /// The store is of a version that is not known here.
    Version,
    /// What is stored in the page at this sector is not what was written there.
    Damaged(u64),
    /// The disk is too small for a store.
    TooSmall,
    /// The disk ends at this sector, and the store does not.
    Cut(u64),
    /// The disk is full.
    Full,
    /// There are too many keys.
    TooManyKeys,
    /// A key is empty or too long.
    Key,
    /// A value is written that was not begun.
    NoValue,
    /// There is no memory for it.
    NoMemory,
    /// Something in the transaction failed before.
    Broken,
    /// Something failed, or was dropped, while it became durable, and it is unknown what is there.
    InDoubt,
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const _: () = assert!(KEY == 255, "as the sentence says");
        let (sentence, sector) = match *self {
            Self::Disk(error) => return error.fmt(formatter),
            Self::Foreign(sector) => {
                ("the disk holds something that is no store, which is left as it is, at sector ", sector)
            }
            Self::Damaged(sector) => {
                ("the store is damaged: what is there was never written, at sector ", sector)
            }
            Self::Cut(sector) => ("the disk is shorter than the store on it: it ends at sector ", sector),
            _ => {
                return formatter.write_str(match self {
                    Self::Blank => "the disk is blank: there is no store on it",
                    Self::Version => "the store on the disk is of a version that is not known here",
                    Self::TooSmall => "the disk is too small for a store, which takes 136 KiB at least",
                    Self::Full => "the disk is full",
                    Self::TooManyKeys => "the store has as many keys as it can have",
                    Self::Key => "a key has 1 to 255 bytes",
                    Self::NoValue => "a value is written that was not begun",
                    Self::NoMemory => "there is no memory for the store",
                    Self::Broken => "something else failed before in what was to be stored together",
                    _ => "what was stored last is in doubt, and nothing more is stored before the disk is opened anew",
                });
            }
        };
        formatter.write_str(sentence)?;
        sector.fmt(formatter)
    }
}

impl core::error::Error for StoreError {}
