//! Files: a read-only tree, compiled in, handed over beside the image or, with the feature `files-disk`, on a disk.
//!
//! The application sees one [`Files`]. What lies in memory is there at once ([`File::contents`]); what lies on a disk is read in
//! pieces, which are waited for ([`File::open`]), and so can be the other.

#[cfg(feature = "files-disk")]
mod disk;
#[cfg(not(feature = "files-disk"))]
#[path = "files/no_disk.rs"]
mod disk;

use crate::backend;
use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;
use unik_block::archive::{self, Archive};

/// The archive that the build was told to compile in.
static EMBEDDED: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The appliance's data: what is on a disk, if the image looks there and one is attached, otherwise what is handed over at start,
/// otherwise what was compiled in.
///
/// With the feature `files-disk` the word `files=` says where they are: `archive`, or a disk or partition such as `disk0` or
/// `disk0p2`. Without it they are on the first partition of the first disk that holds ext4, or on that disk as a whole.
#[derive(Clone, Copy)]
pub struct Files(Source);

#[derive(Clone, Copy)]
enum Source {
    Archive(Archive<'static>),
    #[cfg_attr(not(feature = "files-disk"), expect(dead_code, reason = "it cannot exist"))]
    Disk(disk::Tree),
}

impl Files {
    /// Every file's path, without a leading slash, and its contents, in the order of the archive. What is on a disk is not among
    /// them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        self.archive().files().map(|file| (file.path(), file.contents()))
    }

    /// Every file with all that is known of it, in the order in which they are stored.
    pub fn files(&self) -> impl Iterator<Item = File> + use<> {
        disk::files(*self)
    }

    /// The contents of the file at `path`, if they are in memory.
    pub fn read(&self, path: &str) -> Option<&'static [u8]> {
        self.archive().read(path)
    }

    /// The contents of the file at `path`, wherever they are. Those on a disk are copied, up to `most` bytes of them.
    ///
    /// # Errors
    /// [`FileError`] where they cannot be read, or there is no memory for them.
    pub async fn load(&self, path: &str, most: usize) -> Result<Option<Cow<'static, [u8]>>, FileError> {
        let Source::Disk(_) = self.0 else { return Ok(self.read(path).map(Cow::Borrowed)) };
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let Some(file) = self.files().find(|file| file.path() == path) else { return Ok(None) };
        let length = usize::try_from(file.length()).unwrap_or(usize::MAX).min(most);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| FileError::NO_MEMORY)?;
        let mut open = file.open().await?;
        while bytes.len() < length {
            let contents = open.contents(bytes.len() as u64, length as u64).await?;
            if contents.is_empty() {
                break;
            }
            bytes.extend_from_slice(&contents);
        }
        Ok(Some(Cow::Owned(bytes)))
    }

    fn archive(&self) -> Archive<'static> {
        match self.0 {
            Source::Archive(archive) => archive,
            Source::Disk(_) => Archive::EMPTY,
        }
    }

    fn find(system: &System) -> Result<Self, Failure> {
        let Some(bytes) = archive(system) else {
            return Err(Failure::Configuration(disk::NOWHERE.into()));
        };
        match Archive::parse(bytes) {
            Ok(archive) => Ok(Self(Source::Archive(archive))),
            Err(error) => Err(Failure::Configuration(format!("the data is no cpio archive: {error}"))),
        }
    }
}

impl Resource for Files {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        disk::take(system)
    }

    fn is_present(system: &System) -> bool {
        archive(system).is_some() || disk::is_present(system)
    }
}

fn archive(system: &System) -> Option<&'static [u8]> {
    backend::archive(system.backend()).or(EMBEDDED)
}

/// A file of [`Files`].
#[derive(Clone, Copy)]
pub struct File(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Memory(archive::File<'static>),
    #[cfg_attr(not(feature = "files-disk"), expect(dead_code, reason = "it cannot exist"))]
    Disk(disk::File),
}

impl File {
    /// Where it is, from the root of the tree and without a leading slash.
    pub fn path(&self) -> &'static str {
        match &self.0 {
            Kind::Memory(file) => file.path(),
            Kind::Disk(file) => file.path(),
        }
    }

    /// What is in it, if that is in memory.
    pub fn contents(&self) -> Option<&'static [u8]> {
        match &self.0 {
            Kind::Memory(file) => Some(file.contents()),
            Kind::Disk(_) => None,
        }
    }

    /// Bytes of its contents.
    pub fn length(&self) -> u64 {
        match &self.0 {
            Kind::Memory(file) => file.contents().len() as u64,
            Kind::Disk(file) => file.length(),
        }
    }

    /// When it was modified, in seconds since the Unix epoch, if that is known.
    pub fn modified(&self) -> Option<u32> {
        match &self.0 {
            Kind::Memory(file) => file.modified(),
            Kind::Disk(file) => file.modified(),
        }
    }

    /// What tells this state of a file on a disk from others, as long as nobody sets its times back: inode and generation, length,
    /// and in nanoseconds when contents and inode were changed. `None` for those in memory, whose contents tell it.
    pub fn version(&self) -> Option<[u64; 4]> {
        match &self.0 {
            Kind::Memory(_) => None,
            Kind::Disk(file) => Some(file.version()),
        }
    }

    /// Opens it, to read its contents in pieces.
    ///
    /// # Errors
    /// [`FileError`] where it cannot be read.
    pub async fn open(&self) -> Result<OpenFile, FileError> {
        Ok(OpenFile(match &self.0 {
            Kind::Memory(file) => Opened::Memory(file.contents()),
            Kind::Disk(file) => Opened::Disk(file.open().await.map_err(FileError)?),
        }))
    }
}

/// A file that is being read.
pub struct OpenFile(Opened);

#[cfg_attr(
    feature = "files-disk",
    expect(clippy::large_enum_variant, reason = "those on a disk are opened far more often")
)]
enum Opened {
    Memory(&'static [u8]),
    Disk(disk::OpenFile),
}

impl OpenFile {
    /// Some of the contents from `position` on, where they lie: at least one byte, and none behind `end`, up to which all will be
    /// asked for next. Empty at the end of the file.
    ///
    /// They are not to be kept for long: a file on a disk has a page of its cache kept with them.
    ///
    /// # Errors
    /// [`FileError`] where they cannot be read.
    pub async fn contents(&mut self, position: u64, end: u64) -> Result<Contents, FileError> {
        Ok(Contents(match &mut self.0 {
            Opened::Memory(bytes) => {
                let within = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
                Piece::Memory(bytes.get(within(position)..within(end)).unwrap_or_default())
            }
            Opened::Disk(file) => Piece::Disk(file.contents(position, end).await.map_err(FileError)?),
        }))
    }

    /// Fills `bytes` with the contents from `position` on, and gives how many there were: fewer only at the end of the file.
    ///
    /// # Errors
    /// [`FileError`] where they cannot be read; `bytes` then hold anything.
    pub async fn read(&mut self, position: u64, bytes: &mut [u8]) -> Result<usize, FileError> {
        let mut filled = 0;
        let end = position.saturating_add(bytes.len() as u64);
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let contents = self.contents(position.saturating_add(filled as u64), end).await?;
            if contents.is_empty() {
                break;
            }
            rest.iter_mut().zip(contents.iter()).for_each(|(to, from)| *to = *from);
            filled += contents.len();
        }
        Ok(filled)
    }
}

/// Some of the contents of a file. It dereferences to them.
pub struct Contents(Piece);

enum Piece {
    Memory(&'static [u8]),
    Disk(disk::Contents),
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Piece::Memory(bytes) => bytes,
            Piece::Disk(contents) => contents,
        }
    }
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileError(disk::Error);

impl FileError {
    const NO_MEMORY: Self = Self(disk::NO_MEMORY);
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl core::error::Error for FileError {}
