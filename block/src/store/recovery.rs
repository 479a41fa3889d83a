//! What is found on a disk: its root, and the log behind that, which is read once.
//!
//! The log ends where a page does not continue it. What was written of a transaction without its last page is as if it had
//! never been. A transaction is begun when the one before is durable, so pages of the one after the next say that something is
//! missing that was durable once: that is damage, and never taken for the end.

use super::StoreError;
use super::index::{Index, Location};
use super::log::{BATCH, Io, Log};
use super::page::{Entry, HEADER, Header, PAGE, Page, SECTORS};
use super::root::{Found, ROOTS, Root};

/// How many pages behind the end of the log and behind each page of a transaction that came to nothing are looked at.
const LOOKED_AT: u32 = 64;
/// Pages that have to be zeroes for a disk to be blank: file systems and volume managers begin in them.
const BLANK: u64 = 32;

/// The root of the store on the disk.
///
/// # Errors
/// There is none.
#[inline(never)]
pub(super) async fn find_root(io: &mut Io) -> Result<Root, StoreError> {
    let sectors = io.disk.properties().sectors;
    if sectors < ROOTS * SECTORS {
        return Err(StoreError::TooSmall);
    }
    io.read(0, ROOTS as usize).await?;
    let mut slots =
        (0..).zip(io.room.as_chunks::<PAGE>().0).map(|(slot, page)| Root::read(page, slot, sectors));
    let mut slot = || slots.next().unwrap_or(Ok(Found::Nothing));
    match (slot()?, slot()?) {
        (Found::Root(first), Found::Root(second)) => {
            let are_neighbours = first.generation.abs_diff(second.generation) == 1;
            if (first.id, first.half) != (second.id, second.half) || !are_neighbours {
                return Err(StoreError::Damaged(second.sector()));
            }
            Ok(if first.generation > second.generation { first } else { second })
        }
        (Found::Root(root), Found::Nothing) if root.generation == 0 => Ok(root),
        // It is never empty again.
        (Found::Root(_), _) => Err(StoreError::Damaged(SECTORS)),
        (_, Found::Root(_)) => Err(StoreError::Damaged(0)),
        (Found::Foreign, _) => Err(StoreError::Foreign(0)),
        (_, Found::Foreign) => Err(StoreError::Foreign(SECTORS)),
        (Found::Nothing, Found::Nothing) => Err(look_whether_blank(io, sectors).await?),
    }
}

/// Whether the disk is blank, or what it holds.
async fn look_whether_blank(io: &mut Io, sectors: u64) -> Result<StoreError, StoreError> {
    let pages = (sectors / SECTORS).min(BLANK);
    let mut at = 0;
    while at < pages {
        let count = (pages - at).min(BATCH as u64);
        io.read(at * SECTORS, count as usize).await?;
        let room = io.room.get(..count as usize * PAGE).unwrap_or_default();
        if let Some(place) = room.iter().position(|byte| *byte != 0) {
            return Ok(StoreError::Foreign(at * SECTORS + (place / crate::SECTOR) as u64));
        }
        at += count;
    }
    Ok(StoreError::Blank)
}

/// Reads the log behind `root`: where it ends, and what is in it.
#[inline(never)]
pub(super) async fn read_log(io: &mut Io, root: &Root) -> Result<(Log, Index), StoreError> {
    let start = Log::start(root);
    let mut scan = Scan { root: *root, index: Index::default(), at: start, committed: start, until: None };
    if root.pages == 0 {
        scan.at.transaction = 1;
        scan.committed = scan.at;
    }
    let mut number = 0;
    while number < scan.until.unwrap_or(root.half).min(root.half) {
        let count = (root.half - number).min(BATCH as u32);
        io.read(root.sector_of(number), count as usize).await?;
        for page in io.room.as_chunks::<PAGE>().0.iter().take(count as usize) {
            scan.take(page, number)?;
            number += 1;
        }
    }
    scan.index.abandon();
    if scan.committed.next < root.pages {
        return Err(StoreError::Damaged(root.sector_of(scan.at.next)));
    }
    Ok((scan.committed, scan.index))
}

struct Scan {
    root: Root,
    index: Index,
    /// Where the log goes on.
    at: Log,
    /// Where its last transaction has ended.
    committed: Log,
    /// The page as far as which it is looked at what follows the end.
    until: Option<u32>,
}

impl Scan {
    /// Takes the page with the number `number`.
    fn take(&mut self, page: &Page, number: u32) -> Result<(), StoreError> {
        let header = Header::read(page, self.root.start(), number);
        let continues = |header: &Header| {
            self.until.is_none()
                && (header.previous, header.transaction) == (self.at.previous, self.at.transaction)
        };
        let Some(header) = header.filter(continues) else { return self.pass(header, number) };
        let damaged = StoreError::Damaged(self.root.sector_of(number));
        let (mut at, end) = (HEADER, HEADER + usize::from(header.used));
        while at < end {
            let (entry, next) = Entry::read(page, header.used, at).ok_or(damaged)?;
            let behind = Location { page: number, at: next as u16, length: 0 }; // in a page
            let noted = match entry {
                Entry::Put(key) => self.index.change(key, Some(behind)),
                Entry::Delete(key) => self.index.change(key, None),
                Entry::Piece(length) => self.index.lengthen(length.into()).ok_or(damaged),
            };
            noted?;
            at = next;
        }
        (self.at.next, self.at.previous) = (number + 1, header.check);
        if header.is_last {
            self.index.commit();
            self.at.transaction += 1; // fewer than pages
            self.committed = self.at;
        }
        // The root says how the first of all ends.
        let ends_here = number + 1 == self.root.pages;
        if ends_here && (!header.is_last || header.check != self.root.last) {
            return Err(damaged);
        }
        Ok(())
    }

    /// Looks at a page behind the end of the log.
    fn pass(&mut self, header: Option<Header>, number: u32) -> Result<(), StoreError> {
        if header.is_some_and(|header| header.transaction > self.committed.transaction) {
            return Err(StoreError::Damaged(self.root.sector_of(self.at.next)));
        }
        if header.is_some() || self.until.is_none() {
            self.until = Some(number.saturating_add(1 + LOOKED_AT));
        }
        Ok(())
    }
}
