//! A value that is read, piece by piece.

use alloc::vec::Vec;

use super::StoreError;
use super::index::Location;
use super::log::{BATCH, room};
use super::page::{Entry, HEADER, Header, PAGE, PAYLOAD, Page};
use super::root::Root;
use crate::Disk;

/// A value of a store. What is read is what was written, or an error.
pub struct Value<'s> {
    disk: &'s Disk,
    root: Root,
    /// The page that is being read, and where in it.
    page: u32,
    at: usize,
    /// Bytes of the piece there, and of the value.
    piece: usize,
    left: u64,
    /// Pages, the first of which has the number `first`.
    room: Vec<u8>,
    first: u32,
    loaded: u32,
}

impl<'s> Value<'s> {
    pub(super) fn try_new(disk: &'s Disk, root: Root, location: Location) -> Result<Self, StoreError> {
        let Location { page, at, length: left } = location;
        let pages = left.div_ceil(PAYLOAD as u64).saturating_add(1).min(BATCH as u64);
        let room = room(pages as usize)?;
        Ok(Self { disk, root, page, at: at.into(), piece: 0, left, room, first: page, loaded: 0 })
    }

    /// Bytes that have not been read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Reads the next bytes into `out`, and gives how many: none behind the last.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; [`StoreError::Damaged`] where the disk holds something else than when it was opened.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, StoreError> {
        let mut length = 0;
        while let Some(rest) = out.get_mut(length..).filter(|rest| !rest.is_empty()) {
            let piece = self.piece().await?;
            let count = piece.len().min(rest.len());
            let (Some(from), Some(to)) = (piece.get(..count), rest.get_mut(..count)) else { break };
            if count == 0 {
                break;
            }
            to.copy_from_slice(from);
            self.consume(count);
            length += count;
        }
        Ok(length)
    }

    /// The bytes that come next; none behind the last.
    pub(super) async fn piece(&mut self) -> Result<&[u8], StoreError> {
        while self.left > 0 && self.piece == 0 {
            let loaded = self.page.checked_sub(self.first).is_some_and(|page| page < self.loaded);
            if !loaded {
                self.load().await?;
            }
            self.step()?;
        }
        let index = self.page.wrapping_sub(self.first) as usize;
        let page: &[u8] = self.room.as_chunks::<PAGE>().0.get(index).map_or(&[], |page| page);
        let piece = page.get(self.at..).and_then(|rest| rest.get(..self.piece));
        Ok(piece.unwrap_or_default())
    }

    /// So many of them have been used.
    pub(super) fn consume(&mut self, count: usize) {
        self.at += count;
        self.piece = self.piece.saturating_sub(count);
        self.left = self.left.saturating_sub(count as u64);
    }

    /// Fills the room from the page on that is to be read.
    async fn load(&mut self) -> Result<(), StoreError> {
        let pages = (self.room.len() / PAGE) as u32; // a few
        let count = self.root.half.saturating_sub(self.page).min(pages);
        if count == 0 {
            return Err(StoreError::Damaged(self.root.sector_of(self.page)));
        }
        let room = self.room.get_mut(..count as usize * PAGE).unwrap_or_default();
        self.disk.read(self.root.sector_of(self.page), room).await?;
        (self.first, self.loaded) = (self.page, count);
        Ok(())
    }

    /// Finds the next piece in the page that is being read, or goes on to the next page.
    fn step(&mut self) -> Result<(), StoreError> {
        let damaged = StoreError::Damaged(self.root.sector_of(self.page));
        let index = self.page.wrapping_sub(self.first) as usize;
        let page: &Page = self.room.as_chunks().0.get(index).ok_or(damaged)?;
        let header = Header::read(page, self.root.start(), self.page).ok_or(damaged)?;
        if self.at >= HEADER + usize::from(header.used) {
            if header.is_last {
                return Err(damaged);
            }
            (self.page, self.at) = (self.page + 1, HEADER);
            return Ok(());
        }
        match Entry::read(page, header.used, self.at) {
            Some((Entry::Piece(length), next)) if u64::from(length) <= self.left => {
                (self.at, self.piece) = (next - usize::from(length), length.into());
                Ok(())
            }
            _ => Err(damaged),
        }
    }
}
