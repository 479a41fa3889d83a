//! The log: pages that are written behind each other, and made durable together.

use alloc::vec::Vec;

use super::index::Location;
use super::page::{DELETE, HEADER, Header, KEY_HEADER, PAGE, PAYLOAD, PIECE, PIECE_HEADER, PUT, Page};
use super::root::Root;
use super::{Flush, StoreError};
use crate::{Disk, DiskError};

/// Pages that are read or written at once.
pub(super) const BATCH: usize = 8;

/// Memory for so many pages.
pub(super) fn room(pages: usize) -> Result<Vec<u8>, StoreError> {
    let mut room = Vec::new();
    room.try_reserve_exact(pages * PAGE).map_err(|_| StoreError::NoMemory)?;
    room.resize(pages * PAGE, 0);
    Ok(room)
}

/// A disk, and the pages on their way to it or from it.
pub(super) struct Io {
    pub(super) disk: Disk,
    pub(super) room: Vec<u8>,
    pub(super) flush: Flush,
    /// A write was begun and not awaited: it may still be done, even behind one that follows.
    pub(super) is_unsettled: bool,
    /// What was to become durable is or is not.
    pub(super) is_in_doubt: bool,
}

impl Io {
    pub(super) fn try_new(disk: Disk, flush: Flush) -> Result<Self, StoreError> {
        Ok(Self { disk, room: room(BATCH)?, flush, is_unsettled: false, is_in_doubt: false })
    }

    /// Fills the room with so many pages from `sector` on.
    pub(super) async fn read(&mut self, sector: u64, pages: usize) -> Result<(), StoreError> {
        let room = self.room.get_mut(..pages * PAGE).unwrap_or_default();
        Ok(self.disk.read(sector, room).await?)
    }

    /// Writes the first `pages` pages of the room from `sector` on.
    async fn write(&mut self, sector: u64, pages: usize) -> Result<(), StoreError> {
        self.is_unsettled = true;
        self.disk.write(sector, self.room.get(..pages * PAGE).unwrap_or_default()).await?;
        self.is_unsettled = false;
        Ok(())
    }

    /// Makes durable what was written.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        match self.disk.flush().await {
            Err(DiskError::NoFlush) if self.flush == Flush::Absent => Ok(()),
            result => Ok(result?),
        }
    }

    /// Waits for writes whose futures were dropped, so that none is done behind what is written next.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        if self.is_in_doubt || self.is_unsettled && !self.disk.properties().can_flush {
            return Err(StoreError::InDoubt);
        }
        if self.is_unsettled {
            self.flush().await?;
            self.is_unsettled = false;
        }
        Ok(())
    }

    /// Writes the root of a generation, whose pages are durable, and makes that so.
    #[inline(never)]
    pub(super) async fn write_root(&mut self, root: &Root) -> Result<(), StoreError> {
        let page = self.room.as_chunks_mut::<PAGE>().0.first_mut().ok_or(StoreError::NoMemory)?;
        root.write(page);
        self.is_in_doubt = true;
        self.write(root.sector(), 1).await?;
        self.flush().await?;
        self.is_in_doubt = false;
        Ok(())
    }

    /// Writes zeroes into the page at `sector`, and makes that durable.
    pub(super) async fn erase(&mut self, sector: u64) -> Result<(), StoreError> {
        self.room.get_mut(..PAGE).unwrap_or_default().fill(0);
        self.write(sector, 1).await?;
        self.flush().await
    }
}

/// Where a log ends.
#[derive(Clone, Copy)]
pub(super) struct Log {
    /// The number of the next page.
    pub(super) next: u32,
    /// The checksum of the one before.
    pub(super) previous: u64,
    /// The number of the next transaction.
    pub(super) transaction: u32,
}

impl Log {
    /// The log of a generation, before its first page.
    pub(super) fn start(root: &Root) -> Self {
        // What was copied from the one before is its transaction 0.
        Self { next: 0, previous: root.start(), transaction: 0 }
    }
}

/// Writes one transaction behind a log.
pub(super) struct Writer {
    root: Root,
    log: Log,
    /// Pages in the room that are complete, and bytes of entries in the one behind them.
    sealed: usize,
    used: usize,
    /// Where the piece of a value stands that was begun last in that page.
    piece: Option<usize>,
}

impl Writer {
    pub(super) fn new(root: Root, log: Log) -> Self {
        Self { root, log, sealed: 0, used: 0, piece: None }
    }

    /// Whether nothing was written into this generation.
    pub(super) fn is_empty(&self) -> bool {
        self.log.next == 0 && self.used == 0
    }

    /// Whether its last page has no place.
    pub(super) fn is_full(&self) -> bool {
        self.log.next >= self.root.half
    }

    /// The page that is being filled.
    fn page<'r>(&self, io: &'r mut Io) -> Result<&'r mut Page, StoreError> {
        io.room.as_chunks_mut().0.get_mut(self.sealed).ok_or(StoreError::NoMemory)
    }

    /// Adds `parts` to the page.
    fn push(&mut self, io: &mut Io, parts: [&[u8]; 2]) -> Result<(), StoreError> {
        let page = self.page(io)?;
        for part in parts {
            let place = page.get_mut(HEADER + self.used..).and_then(|rest| rest.get_mut(..part.len()));
            place.ok_or(StoreError::Full)?.copy_from_slice(part);
            self.used += part.len();
        }
        Ok(())
    }

    /// Puts the key of a value whose pieces follow, or removes one.
    pub(super) async fn key(
        &mut self,
        io: &mut Io,
        key: &[u8],
        is_put: bool,
    ) -> Result<Location, StoreError> {
        if self.used + KEY_HEADER + key.len() > PAYLOAD {
            self.seal(io, false).await?;
        }
        let kind = if is_put { PUT } else { DELETE };
        self.piece = None;
        self.push(io, [&[kind, key.len() as u8], key])?; // a key is short
        Ok(Location { page: self.log.next, at: (HEADER + self.used) as u16, length: 0 })
    }

    /// Adds `bytes` to the value.
    pub(super) async fn write(&mut self, io: &mut Io, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let header = if self.piece.is_some() { 0 } else { PIECE_HEADER };
            let space = PAYLOAD.saturating_sub(self.used + header);
            if space == 0 {
                self.seal(io, false).await?;
                continue;
            }
            let (now, later) = bytes.split_at(space.min(bytes.len()));
            let at = self.piece.unwrap_or(HEADER + self.used);
            if self.piece.is_none() {
                self.push(io, [&[PIECE, 0, 0], &[]])?;
                self.piece = Some(at);
            }
            self.push(io, [now, &[]])?;
            let length = (HEADER + self.used - at - PIECE_HEADER) as u16; // less than a page
            let place = self.page(io)?.get_mut(at + 1..).and_then(|rest| rest.first_chunk_mut());
            *place.ok_or(StoreError::Full)? = length.to_le_bytes();
            bytes = later;
        }
        Ok(())
    }

    /// Ends the page, and writes what is in the room when that is full.
    async fn seal(&mut self, io: &mut Io, is_last: bool) -> Result<(), StoreError> {
        let Log { next, previous, transaction } = self.log;
        if self.is_full() {
            return Err(StoreError::Full);
        }
        let header = Header {
            check: 0,
            previous,
            number: next,
            transaction,
            used: self.used as u16, // less than a page
            is_last,
        };
        self.log.previous = header.seal(self.root.start(), self.page(io)?);
        self.log.next += 1;
        (self.sealed, self.used, self.piece) = (self.sealed + 1, 0, None);
        if self.sealed == BATCH { self.write_out(io).await } else { Ok(()) }
    }

    async fn write_out(&mut self, io: &mut Io) -> Result<(), StoreError> {
        let first = self.log.next.saturating_sub(self.sealed as u32); // a few
        io.write(self.root.sector_of(first), self.sealed).await?;
        self.sealed = 0;
        Ok(())
    }

    /// Ends the transaction, makes it durable, and gives where the log ends then. One flush is enough: the last page counts only
    /// behind all the others.
    pub(super) async fn commit(mut self, io: &mut Io) -> Result<Log, StoreError> {
        self.seal(io, true).await?;
        if self.sealed > 0 {
            self.write_out(io).await?;
        }
        io.flush().await?;
        self.log.transaction += 1; // fewer than pages
        Ok(self.log)
    }
}
