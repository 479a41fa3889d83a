//! The contents of a file, from any position on.

use core::ops::Deref;

use super::inode::Inode;
use super::map::Run;
use super::{Ext4Error, FileSystem};
use crate::cache::Stream;
use crate::volume::Piece;

/// What is read of a hole at once.
const ZEROES: &[u8] = &[0; 512];

/// A file that is being read.
pub struct OpenFile {
    system: FileSystem,
    inode: Inode,
    stream: Stream,
    /// Where the blocks around the last position are.
    run: Option<Run>,
}

/// Some of the contents of a file, where they lie. It dereferences to them.
///
/// Whoever holds it for long takes a page of the cache from all others.
pub struct Contents(Kind);

enum Kind {
    Piece(Piece),
    Zeroes(&'static [u8]),
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Piece(piece) => piece,
            Kind::Zeroes(zeroes) => zeroes,
        }
    }
}

impl OpenFile {
    pub(super) fn new(system: FileSystem, inode: Inode) -> Self {
        Self { stream: system.volume.cache().stream(), system, inode, run: None }
    }

    /// Bytes of the contents.
    pub fn length(&self) -> u64 {
        self.inode.length
    }

    /// Some of the contents from `position` on: at least one byte, and none behind `end`, up to which all will be asked for next.
    /// Empty at the end of the file.
    ///
    /// # Errors
    /// [`Ext4Error`] of the disk, or where the file system is damaged.
    pub async fn contents(&mut self, position: u64, end: u64) -> Result<Contents, Ext4Error> {
        let end = end.min(self.inode.length);
        if position >= end {
            return Ok(Contents(Kind::Zeroes(&[])));
        }
        let size = self.system.superblock.block;
        let block = position / size;
        let run = match self.run {
            Some(run) if block >= run.first && block - run.first < run.count => run,
            _ => self.system.run(&self.inode, block).await?,
        };
        self.run = Some(run);
        let offset = position - run.first * size;
        let left = (run.count.saturating_mul(size) - offset).min(end - position);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let Some(place) = run.place else {
            return Ok(Contents(Kind::Zeroes(ZEROES.get(..most).unwrap_or(ZEROES))));
        };
        let start = place * size + offset;
        let piece = self.system.volume.piece(&mut self.stream, start, most, start + left).await?;
        Ok(Contents(Kind::Piece(piece)))
    }
}
