//! A part of a disk, or all of it, that is read byte by byte through a cache.

use core::ops::{Deref, Range};

use crate::cache::{Cache, Page, Stream};
use crate::device::SECTOR;
use crate::disk::DiskError;

/// A part of a disk. Positions count bytes from its start, which need not be that of a page.
#[derive(Clone)]
pub struct Volume {
    cache: Cache,
    start: u64,
    length: u64,
}

impl Volume {
    /// All of the disk.
    pub fn whole(cache: &Cache) -> Self {
        Self { cache: cache.clone(), start: 0, length: cache.disk_length() }
    }

    /// So many sectors from `first` on. `None` if the disk ends before they do.
    pub fn part(cache: &Cache, first: u64, sectors: u64) -> Option<Self> {
        let start = first.checked_mul(SECTOR as u64)?;
        let length = sectors.checked_mul(SECTOR as u64)?;
        let end = start.checked_add(length)?;
        (end <= cache.disk_length()).then(|| Self { cache: cache.clone(), start, length })
    }

    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The cache that it is read through.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Fills `bytes` from `position` on.
    ///
    /// # Errors
    /// [`DiskError`]; `bytes` then hold anything.
    pub async fn read(&self, mut position: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let mut left = bytes;
        while !left.is_empty() {
            let (page, within) = self.locate(position, left.len())?;
            let page = self.cache.page(page, 0).await?;
            let piece = page.get(within).ok_or(self.outside(position))?;
            let Some((now, later)) = left.split_at_mut_checked(piece.len()) else { break };
            now.copy_from_slice(piece);
            position += piece.len() as u64;
            left = later;
        }
        Ok(())
    }

    /// Shows `length` bytes from `position` on to `see`, piece by piece.
    pub(crate) async fn visit(
        &self,
        mut position: u64,
        mut length: u64,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), DiskError> {
        while length > 0 {
            let (page, within) = self.locate(position, usize::try_from(length).unwrap_or(usize::MAX))?;
            let page = self.cache.page(page, 0).await?;
            let piece = page.get(within).ok_or(self.outside(position))?;
            see(piece);
            position += piece.len() as u64;
            length -= piece.len() as u64;
        }
        Ok(())
    }

    /// Some of the bytes from `position` on, where they lie: at least one, and `most` at most. `end` is where those end that
    /// `stream` will ask for next, as far as that is known.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn piece(
        &self,
        stream: &mut Stream,
        position: u64,
        most: usize,
        end: u64,
    ) -> Result<Piece, DiskError> {
        let (number, within) = self.locate(position, most)?;
        let last = self.start.saturating_add(end.min(self.length)).saturating_sub(1);
        let end = last / self.cache.page_size() as u64 + 1;
        let page = stream.page(number, end).await?;
        if within.end > page.len() {
            return Err(self.outside(position));
        }
        Ok(Piece { page, within })
    }

    /// The page of a position, and the bytes of it that are at most `most` from there on.
    fn locate(&self, position: u64, most: usize) -> Result<(u64, Range<usize>), DiskError> {
        let left = self.length.checked_sub(position).filter(|&left| left > 0);
        let left = left.ok_or(self.outside(position))?;
        let (page, place) = (self.cache.page_size(), self.start + position);
        let offset = (place % page as u64) as usize;
        let count = most.min(page - offset).min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok((place / page as u64, offset..offset + count))
    }

    fn outside(&self, position: u64) -> DiskError {
        DiskError::OutOfRange(self.start.saturating_add(position) / SECTOR as u64)
    }
}

/// Bytes in a page of the cache. It dereferences to them.
pub struct Piece {
    page: Page,
    within: Range<usize>,
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.page.get(self.within.clone()).unwrap_or_default()
    }
}
