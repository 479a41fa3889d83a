//! A store: values under keys, kept on a disk through crashes.
//!
//! A [`Store`] is opened on a [`Disk`], which is read once for that. What a [`Transaction`] puts and deletes is there whole once
//! [`Transaction::commit`] is done, and not at all where that was not begun; in between, one of the two. Values are written and
//! read piece by piece, so they may be larger than memory. There is one writer, the owner of the store.
//!
//! On the disk stand two roots and two halves. One half holds the log: pages with a checksum each, chained to the one before. When
//! a half is full, what is still of use is copied to the other, and a root says so. See `docs/decisions/0027-store.md`.
//!
//! Invariant: what is read is what was committed, or an error that names the sector, whatever bytes the disk holds.

mod error;
mod index;
mod log;
mod page;
mod recovery;
mod root;
mod value;

use alloc::vec::Vec;

pub use error::StoreError;
pub use index::KEYS;
use index::{Index, Location};
use log::{Io, Log, Writer};
pub use page::KEY;
use page::{PAGE, PAYLOAD, PIECE_HEADER};
use root::Root;
pub use value::Value;

use crate::Disk;

/// What is to be made of a disk that does not say when what was written is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// It is of no use: an error.
    Required,
    /// It is used, and what was committed may be lost.
    Absent,
}

/// Values under keys on a disk; see the module.
pub struct Store {
    io: Io,
    root: Root,
    log: Log,
    index: Index,
    /// The log has a transaction from this time that the store is open.
    is_begun: bool,
}

impl Store {
    /// Opens the store on `disk`.
    ///
    /// # Errors
    /// [`StoreError::Blank`], [`StoreError::Foreign`], [`StoreError::Version`] where there is none;
    /// [`StoreError::Damaged`], [`StoreError::Cut`] where it is not what it was; [`StoreError::Disk`], [`StoreError::NoMemory`].
    pub async fn open(disk: Disk, flush: Flush) -> Result<Self, StoreError> {
        let mut io = Io::try_new(disk, flush)?;
        // What is read now is durable, whoever wrote it and however that ended.
        io.flush().await?;
        let root = recovery::find_root(&mut io).await?;
        let (log, index) = recovery::read_log(&mut io, &root).await?;
        Ok(Self { io, root, log, index, is_begun: false })
    }

    /// Opens the store on `disk`, made there if that is blank.
    ///
    /// # Errors
    /// As for [`Store::open`] and [`Store::format`].
    pub async fn open_or_format(disk: Disk, flush: Flush, id: u64) -> Result<Self, StoreError> {
        match Self::open(disk.clone(), flush).await {
            Err(StoreError::Blank) => Self::format(disk, flush, id).await,
            opened => opened,
        }
    }

    /// Makes an empty store on `disk`, whatever it holds. `id` is drawn at random: it tells this store from one that was there before.
    ///
    /// # Errors
    /// [`StoreError::TooSmall`], [`StoreError::Disk`], [`StoreError::NoMemory`].
    pub async fn format(disk: Disk, flush: Flush, id: u64) -> Result<Self, StoreError> {
        let root = Root::first(id, disk.properties().sectors)?;
        let mut io = Io::try_new(disk, flush)?;
        // Both roots that there may be go before the new one comes, that of generation 0 first: alone it would be good for something.
        io.flush().await?;
        for slot in 0..root::ROOTS {
            io.erase(slot * page::SECTORS).await?;
        }
        io.write_root(&root).await?;
        let log = Log { transaction: 1, ..Log::start(&root) };
        Ok(Self { io, root, log, index: Index::default(), is_begun: true })
    }

    /// The keys, in their order, and how many bytes the value of each has.
    pub fn keys(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.index.iter().map(|key| (key.key.as_slice(), key.value.length))
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// [`StoreError::NoMemory`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'_>>, StoreError> {
        let found = self.index.find(key);
        found.map(|location| Value::try_new(&self.io.disk, self.root, location)).transpose()
    }

    /// Bytes of values that fit in before the log is copied.
    pub fn free(&self) -> u64 {
        room(self.root.half.saturating_sub(self.log.next))
    }

    /// Begins to change something, with room for so many bytes of keys and values, for which the log is copied if need be.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is not so much room; [`StoreError::InDoubt`], [`StoreError::Disk`], [`StoreError::NoMemory`].
    pub async fn begin(&mut self, bytes: u64) -> Result<Transaction<'_>, StoreError> {
        if self.io.disk.properties().is_read_only {
            return Err(crate::DiskError::ReadOnly.into());
        }
        // A page for what was begun the time before, and one that is begun.
        let wanted = bytes.saturating_add(2 * PAGE as u64);
        if self.free() < wanted {
            let live: u64 = self.keys().map(|(_, length)| length).sum();
            // What cannot fit in is not worth a copy.
            if live.saturating_add(wanted) > room(self.root.half) {
                return Err(StoreError::Full);
            }
            self.compact().await?;
            if self.free() < wanted {
                return Err(StoreError::Full);
            }
        }
        self.io.settle().await?;
        self.index.abandon();
        if !self.is_begun {
            // Pages of a transaction that came to nothing the time before may stand behind the log. They follow no page but
            // its last, which this empty transaction is from now on.
            self.commit(Writer::new(self.root, self.log)).await?;
            self.is_begun = true;
        }
        let writer = Writer::new(self.root, self.log);
        Ok(Transaction { store: self, writer, is_broken: false })
    }

    /// Copies what is of use to the other half, so that all that was replaced or removed gives its room back.
    ///
    /// # Errors
    /// As for [`Store::begin`]. Nothing has changed then.
    pub async fn compact(&mut self) -> Result<(), StoreError> {
        let Self { io, root, index, .. } = self;
        io.settle().await?;
        index.abandon();
        let generation = root.generation.checked_add(1).ok_or(StoreError::Full)?;
        let mut next = Root { generation, pages: 0, last: 0, ..*root };
        let mut writer = Writer::new(next, Log::start(&next));
        let mut places = Vec::new();
        places.try_reserve_exact(index.iter().count()).map_err(|_| StoreError::NoMemory)?;
        let disk = io.disk.clone();
        for key in index.iter() {
            let place = writer.key(io, &key.key, true).await?;
            let mut value = Value::try_new(&disk, *root, key.value)?;
            loop {
                let piece = value.piece().await?;
                let length = piece.len();
                if length == 0 {
                    break;
                }
                writer.write(io, piece).await?;
                value.consume(length);
            }
            places.push(Location { length: key.value.length, ..place });
        }
        let mut log = Log { transaction: 1, ..Log::start(&next) };
        if !writer.is_empty() {
            log = writer.commit(io).await?;
            (next.pages, next.last) = (log.next, log.previous);
        }
        io.write_root(&next).await?;
        index.relocate(&places);
        (self.root, self.log, self.is_begun) = (next, log, true);
        Ok(())
    }

    /// Makes durable what `writer` has written.
    async fn commit(&mut self, writer: Writer) -> Result<(), StoreError> {
        if writer.is_full() {
            return Err(StoreError::Full);
        }
        self.io.is_in_doubt = true;
        self.log = writer.commit(&mut self.io).await?;
        self.io.is_in_doubt = false;
        self.index.commit();
        Ok(())
    }
}

/// Bytes of values that so many pages hold.
fn room(pages: u32) -> u64 {
    u64::from(pages) * (PAYLOAD - PIECE_HEADER) as u64
}

/// Changes of a store that come all together. Where it is dropped, or anything in it fails, nothing has changed.
pub struct Transaction<'s> {
    store: &'s mut Store,
    writer: Writer,
    /// An operation failed or was dropped: what was written is not what was meant.
    is_broken: bool,
}

impl Transaction<'_> {
    /// Puts a value under `key`, in the place of what was there: the bytes of the calls of [`Transaction::write`] that follow.
    ///
    /// # Errors
    /// [`StoreError::Key`], [`StoreError::TooManyKeys`], [`StoreError::Full`], [`StoreError::Disk`], [`StoreError::NoMemory`];
    /// [`StoreError::Broken`] after another error.
    pub async fn put(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.change(key, true).await
    }

    /// Removes the value of `key`, if there is one.
    ///
    /// # Errors
    /// As for [`Transaction::put`].
    pub async fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.change(key, false).await
    }

    async fn change(&mut self, key: &[u8], is_put: bool) -> Result<(), StoreError> {
        self.touch()?;
        if key.is_empty() || key.len() > KEY {
            return Err(StoreError::Key);
        }
        let place = self.writer.key(&mut self.store.io, key, is_put).await?;
        self.store.index.change(key, is_put.then_some(place))?;
        self.is_broken = false;
        Ok(())
    }

    /// Adds `bytes` to the value that was put last.
    ///
    /// # Errors
    /// [`StoreError::NoValue`] where none was, [`StoreError::Full`], [`StoreError::Disk`]; [`StoreError::Broken`] after another error.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.touch()?;
        self.store.index.lengthen(bytes.len()).ok_or(StoreError::NoValue)?;
        self.writer.write(&mut self.store.io, bytes).await?;
        self.is_broken = false;
        Ok(())
    }

    /// Makes durable what was changed: that is so when this is done without an error. Where this is dropped, or the disk fails, the
    /// store is [in doubt](StoreError::InDoubt) and to be opened anew.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Disk`]; [`StoreError::Broken`] after another error.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.touch()?;
        self.store.commit(self.writer).await
    }

    /// It is broken until the operation that begins has ended well.
    fn touch(&mut self) -> Result<(), StoreError> {
        if core::mem::replace(&mut self.is_broken, true) { Err(StoreError::Broken) } else { Ok(()) }
    }
}
