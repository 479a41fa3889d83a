//! Files that a master file is made of: the one that was asked for, and those that `$INCLUDE` names (RFC 1035, 5.1).
//!
//! All places of one zone are offsets in one row of files, so that a word and a record need no more than a number for
//! theirs; a file that is included twice stands there twice.

use super::problem::{Mistake, Problem};
use super::scanner::Scanner;
use super::{MAX_FILE, Reader};
use alloc::vec::Vec;

/// Finds a file by the path that `$INCLUDE` gives: what mistakes in it call it, and what it holds.
pub type Include<'f> = dyn Fn(&str) -> Option<(&'f str, &'f [u8])> + 'f;

/// The most files that are read at once, each out of the one before.
const MAX_DEPTH: usize = 8;
/// The most files of one zone.
const MAX_FILES: usize = 1024;

/// A file of the zone.
pub(super) struct File<'f> {
    name: &'f str,
    bytes: &'f [u8],
    /// Where it begins in the row.
    base: u32,
}

/// The files of a zone in the order in which they are read.
pub(super) struct Files<'f> {
    files: Vec<File<'f>>,
    /// How many are being read.
    depth: usize,
    find: &'f Include<'f>,
}

impl<'f> Files<'f> {
    pub(super) fn new(find: &'f Include<'f>) -> Self {
        Self { files: Vec::new(), depth: 0, find }
    }

    /// Adds a file behind the others, and gives what reads it.
    pub(super) fn open(&mut self, name: &'f str, bytes: &'f [u8]) -> Result<Scanner<'f>, Problem> {
        if self.depth == MAX_DEPTH || self.files.len() == MAX_FILES {
            return Err(Problem::TooManyFiles);
        }
        // One more than there are octets: the end of a file is a place too.
        let base = self.files.last().map_or(0, |last| last.base as usize + last.bytes.len() + 1);
        if base + bytes.len() > MAX_FILE {
            return Err(Problem::FileTooLong);
        }
        let base = base as u32; // at most MAX_FILE
        self.files.try_reserve(1).map_err(|_| Problem::NoMemory)?;
        self.files.push(File { name, bytes, base });
        self.depth += 1;
        Ok(Scanner::new(bytes, base))
    }

    /// Counts lines and characters up to the mistake in its file.
    #[inline(never)]
    pub(super) fn locate(&self, mistake: Mistake, file: &'f str) -> (&'f str, u32, u32) {
        let file_of = self.files.iter().rev().find(|file| file.base <= mistake.at);
        let Some(File { name, bytes, base, .. }) = file_of else { return (file, 1, 1) };
        let (mut line, mut column) = (1, 1);
        for &byte in bytes.iter().take((mistake.at - base) as usize) {
            if byte == b'\n' {
                (line, column) = (line + 1, 1);
            } else if byte & 0xc0 != 0x80 {
                column += 1; // the later octets of a UTF-8 character are not counted
            }
        }
        (name, line, column)
    }
}

impl Reader<'_, '_, '_> {
    /// `$INCLUDE file [origin]`: reads the entries of another file. Origin and owner are afterwards what they were. The path has
    /// no escapes.
    #[inline(never)]
    pub(super) fn include(&mut self) -> Result<(), Mistake> {
        self.expect(Problem::ExpectedFile)?;
        let word = self.scanner.word();
        let file = core::str::from_utf8(word.text).ok().and_then(self.state.files.find);
        let (name, bytes) = file.ok_or(word.mistake(Problem::ExpectedFile))?;
        let (origin, owner) = (self.state.origin, self.state.owner);
        if self.scanner.advance()? {
            self.state.origin = Some(self.name()?);
        }
        let scanner = self.state.files.open(name, bytes).map_err(|problem| word.mistake(problem))?;
        Reader::new(&mut *self.state, scanner).entries()?;
        self.state.files.depth -= 1;
        (self.state.origin, self.state.owner) = (origin, owner);
        Ok(())
    }
}
