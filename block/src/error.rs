//! What can be wrong with stored data.

use core::fmt;

/// Why stored data cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin as an archive does.
    NotAnArchive,
    /// The bytes end before the archive does.
    Truncated,
    /// An entry does not begin with the magic number of the format.
    BadMagic,
    /// A number in the header of an entry has a character that is no hexadecimal digit.
    BadNumber,
    /// The name of an entry is too long or does not end as a name does.
    BadName,
    /// What fills the archive up between names and contents is not zero.
    BadPadding,
    /// The archive has more than [`ENTRY_LIMIT`](crate::archive::ENTRY_LIMIT) entries.
    TooManyEntries,
    /// Something that is no archive follows the end of the archive.
    TrailingBytes,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAnArchive => {
                "the data is not an uncompressed cpio archive in the newc format (as `cpio -o -H newc` makes it)"
            }
            Self::Truncated => "the archive of files is cut off: it ends inside an entry or without its trailer",
            Self::BadMagic => "the archive of files is damaged: an entry does not begin with 070701 or 070702",
            Self::BadNumber => "the archive of files is damaged: a header has a character that is no hex digit",
            Self::BadName => "the archive of files is damaged: a name is longer than 4096 bytes or does not end in a zero",
            Self::BadPadding => "the archive of files is damaged: the padding of an entry is not zero",
            Self::TooManyEntries => "the archive of files has more than 65536 entries",
            Self::TrailingBytes => "the archive of files is followed by bytes that are no archive",
        })
    }
}

impl core::error::Error for Error {}
