//! Directories: blocks of entries, each with the name of a file and its inode.

use super::inode::Inode;
use super::{Ext4Error, FileSystem, number};

/// Bytes of an entry in front of the name, and of the entry that holds a block's checksum.
const HEAD: u64 = 8;
const TAIL: u64 = 12;
/// How the latter begins: no inode, its length, no name, and a type that no file has.
const TAIL_HEAD: [u8; 8] = [0, 0, 0, 0, 12, 0, 0, 0xde];
/// The longest name.
pub(super) const NAME: usize = 255;

/// An entry: an inode, and bytes of its name.
pub(super) struct Entry {
    pub(super) inode: u32,
    length: usize,
    name: [u8; NAME],
}

impl Entry {
    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or_default()
    }
}

/// Goes through the entries of one block of a directory.
pub(super) struct Entries<'a> {
    system: &'a FileSystem,
    directory: u32,
    position: u64,
    end: u64,
}

impl FileSystem {
    /// The entries of a directory's block, unless that is one of its index.
    pub(super) async fn entries(&self, directory: &Inode, block: u64) -> Result<Entries<'_>, Ext4Error> {
        let damaged = Ext4Error::Directory(directory.number);
        // There are no holes in directories.
        let place = self.run(directory, block).await?.place.ok_or(damaged)?;
        let length = self.superblock.block;
        let position = place * length;
        let mut entries =
            Entries { system: self, directory: directory.number, position, end: position + length };
        let Some(mut crc) = directory.checksum else { return Ok(entries) };
        let mut tail = [0; TAIL as usize];
        self.volume.read(entries.end - TAIL, &mut tail).await?;
        if !tail.starts_with(&TAIL_HEAD) {
            // Blocks of an index have their checksums elsewhere, and no entries but those of the directory itself.
            entries.end = position;
            return if directory.is_indexed() { Ok(entries) } else { Err(damaged) };
        }
        self.volume.visit(position, length - TAIL, &mut |bytes| crc.update(bytes)).await?;
        if !tail.ends_with(&crc.value().to_le_bytes()) {
            return Err(damaged);
        }
        entries.end -= TAIL;
        Ok(entries)
    }
}

impl Entries<'_> {
    /// The next one that is in use, whatever its name.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>, Ext4Error> {
        let damaged = Ext4Error::Directory(self.directory);
        let volume = &self.system.volume;
        while self.position < self.end {
            let left = self.end - self.position;
            let mut head = [0; HEAD as usize];
            if left < HEAD {
                return Err(damaged);
            }
            volume.read(self.position, &mut head).await?;
            let (inode, length) = (number::<4>(&head, 0) as u32, length(number::<2>(&head, 4), left));
            let count = number::<1>(&head, 6);
            if length < HEAD + count || length > left || !length.is_multiple_of(4) {
                return Err(damaged);
            }
            let start = self.position + HEAD;
            self.position += length;
            if inode == 0 || count == 0 {
                continue;
            }
            let mut entry = Entry { inode, length: count as usize, name: [0; NAME] };
            let name = entry.name.get_mut(..entry.length).unwrap_or_default();
            volume.read(start, name).await?;
            return Ok(Some(entry));
        }
        Ok(None)
    }
}

/// How long an entry is. In blocks of 64 KiB, one that fills all of it has a length that does not fit into its field.
fn length(field: u64, left: u64) -> u64 {
    if left == 0x1_0000 && matches!(field, 0 | 0xffff) { left } else { field }
}
