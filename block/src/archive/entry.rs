//! The entries of a cpio archive as they lie in its bytes, one after the other.
//!
//! The "newc" format (cpio(5), "New ASCII Format"; Linux, `buffer-format.rst` of the initramfs): a header of 110
//! characters, the name with a final zero, padding to a multiple of 4, the contents, padding to a multiple of 4.
//! An entry of the name `TRAILER!!!` ends an archive; zeros and a further archive may follow.
//!
//! [`Entries`] is the only place that computes positions, with checks in every step, so that it can walk bytes that
//! nobody has looked at before.

use core::ops::Range;

use super::PATH_LIMIT;
use crate::Error;

const HEADER_LENGTH: usize = 110;
const MAGIC: Range<usize> = 0..6;
const INODE: Range<usize> = 6..14;
const MODE: Range<usize> = 14..22;
const LINKS: Range<usize> = 38..46;
const MODIFIED: Range<usize> = 46..54;
const CONTENTS_LENGTH: Range<usize> = 54..62;
const DEVICE: Range<usize> = 62..78;
const NAME_LENGTH: Range<usize> = 94..102;
/// All numbers of the header lie from here to its end, 8 digits each.
const NUMBERS: usize = 6;

const TRAILER: &[u8] = b"TRAILER!!!";
const ALIGNMENT: usize = 4;

/// The bits of the mode that tell the kind, and two kinds (inode(7)).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// One entry.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    header: &'a [u8],
    /// Without the final zero.
    pub(super) name: &'a [u8],
    pub(super) contents: &'a [u8],
}

/// What an entry stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    Directory,
    /// A symbolic link, a device, a pipe, a socket.
    Special,
    /// The end of an archive.
    Trailer,
}

impl<'a> Entry<'a> {
    pub(super) fn kind(&self) -> Kind {
        if self.name == TRAILER {
            return Kind::Trailer;
        }
        match self.number(MODE) & KIND {
            REGULAR => Kind::Regular,
            DIRECTORY => Kind::Directory,
            _ => Kind::Special,
        }
    }

    /// Whether the contents may stand with another name of the same file: of several names only the last in an archive
    /// carries them.
    pub(super) fn is_bare_link(&self) -> bool {
        self.contents.is_empty() && self.number(LINKS) > 1
    }

    /// Whether both are names of one file of the same archive.
    pub(super) fn is_same_file(&self, other: &Entry<'_>) -> bool {
        self.header.get(INODE) == other.header.get(INODE)
            && self.header.get(DEVICE) == other.header.get(DEVICE)
    }

    /// When it was modified, in seconds since the Unix epoch; 0 where nobody noted it.
    pub(super) fn modified(&self) -> u32 {
        self.number(MODIFIED)
    }

    /// Whether every number of the header is one.
    pub(super) fn has_numbers(&self) -> bool {
        self.header.iter().skip(NUMBERS).all(u8::is_ascii_hexdigit)
    }

    fn number(&self, field: Range<usize>) -> u32 {
        number(self.header, field).unwrap_or(0)
    }
}

/// Walks over the entries, trailers included, of the archives in `bytes`. Stops after an error.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Whether the archive last begun has ended.
    ended: bool,
}

impl<'a> Entries<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, ended: false }
    }

    /// Over no entries.
    pub(super) const fn none() -> Self {
        Self { bytes: &[], position: 0, ended: true }
    }

    /// The next entry, `Ok(None)` behind the last.
    pub(super) fn step(&mut self) -> Result<Option<Entry<'a>>, Error> {
        if self.ended {
            let rest = self.bytes.get(self.position..).unwrap_or(&[]);
            match rest.iter().position(|&byte| byte != 0) {
                Some(zeros) => self.position += zeros,
                None => return Ok(None),
            }
        }
        let result = self.entry();
        match &result {
            Ok(entry) => self.ended = entry.name == TRAILER,
            Err(_) => *self = Self::none(),
        }
        result.map(Some)
    }

    fn entry(&mut self) -> Result<Entry<'a>, Error> {
        let start = self.position;
        let magic = self.bytes.get(start..).unwrap_or(&[]);
        // The second one carries a sum of the contents, which nothing here needs.
        if !(magic.starts_with(b"070701") || magic.starts_with(b"070702")) || !start.is_multiple_of(ALIGNMENT)
        {
            return Err(self.without_magic(magic));
        }
        let header = self.take(HEADER_LENGTH)?;
        let name_length = number(header, NAME_LENGTH).ok_or(Error::BadNumber)? as usize;
        let contents_length = number(header, CONTENTS_LENGTH).ok_or(Error::BadNumber)? as usize;
        if name_length > PATH_LIMIT + 1 {
            return Err(Error::BadName);
        }
        let Some((&0, name)) = self.take(name_length)?.split_last() else { return Err(Error::BadName) };
        self.align()?;
        let contents = self.take(contents_length)?;
        self.align()?;
        Ok(Entry { header, name, contents })
    }

    /// Why there is no entry here.
    fn without_magic(&self, found: &[u8]) -> Error {
        if self.ended {
            Error::TrailingBytes
        } else if self.position == 0 && !b"070701".starts_with(found) {
            Error::NotAnArchive
        } else if found.len() < MAGIC.end {
            Error::Truncated
        } else {
            Error::BadMagic
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.position.checked_add(length).ok_or(Error::Truncated)?;
        let taken = self.bytes.get(self.position..end).ok_or(Error::Truncated)?;
        self.position = end;
        Ok(taken)
    }

    /// Goes on to a multiple of 4 from the start of all bytes. At their end there may be less: some writers leave out
    /// the padding behind the trailer.
    fn align(&mut self) -> Result<(), Error> {
        let length = self.position.next_multiple_of(ALIGNMENT) - self.position;
        let padding = self.take(length.min(self.bytes.len() - self.position))?;
        if padding.iter().all(|&byte| byte == 0) { Ok(()) } else { Err(Error::BadPadding) }
    }
}

/// The hexadecimal number of 8 digits in a field of the header.
fn number(header: &[u8], field: Range<usize>) -> Option<u32> {
    header.get(field)?.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}
