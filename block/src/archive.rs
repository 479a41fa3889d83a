//! Reads the files of a cpio archive in the "newc" format, where they lie.
//!
//! [`Archive::parse`] looks once at the whole archive; afterwards nothing can fail but finding a path. Several archives
//! in one (`cat first.cpio second.cpio`) are one tree, in which a later file takes the place of an earlier one of the
//! same path, as in an initramfs of Linux. Paths are relative to the root of that tree: `zones/example.zone`.
//!
//! The format itself is in the private module `entry`; here stands what a tree of files makes of its entries.
//! Invariant: an [`Archive`] only exists of bytes through which `entry::Entries` walks to the end without an error.

mod entry;

use core::str;

use self::entry::{Entries, Entry, Kind};
use crate::Error;

/// The most entries of an archive: files, directories, trailers and all others.
pub const ENTRY_LIMIT: usize = 1 << 16;

/// The longest name of an entry in bytes.
pub const PATH_LIMIT: usize = 4096;

/// A tree of read-only files in `bytes`.
///
/// ```
/// use unik_block::archive::Archive;
///
/// # let entry = |mode: u32, name: &str, contents: &str| {
/// #     let zero = 0;
/// #     let (length, size) = (contents.len(), name.len() + 1);
/// #     let mut entry = format!("070701{zero:08x}{mode:08x}{zero:024x}{zero:08x}{length:08x}{zero:032x}{size:08x}{zero:08x}{name}");
/// #     entry.push('\0');
/// #     while !entry.len().is_multiple_of(4) { entry.push('\0'); }
/// #     entry.push_str(contents);
/// #     while !entry.len().is_multiple_of(4) { entry.push('\0'); }
/// #     entry
/// # };
/// # let bytes = entry(0o040_755, ".", "") + &entry(0o100_644, "./pages/index.html", "<p>Hello") + &entry(0, "TRAILER!!!", "");
/// # let bytes = bytes.as_bytes();
/// // `bytes` is what `find . | cpio -o -H newc` makes in a folder with one page
/// let archive = Archive::parse(bytes)?;
/// assert_eq!(archive.read("pages/index.html"), Some(&b"<p>Hello"[..]));
/// assert_eq!(archive.read("pages/missing.html"), None);
/// assert!(archive.list("pages").map(|file| file.path()).eq(["pages/index.html"]));
/// # Ok::<(), unik_block::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Archive<'a> {
    entries: Entries<'a>,
    /// Whether the paths of files only ascend, as our own writer sorts them: then no path comes twice, and nobody need
    /// search for another file that takes the place of one.
    ascending: bool,
    files: usize,
    special: usize,
    misnamed: usize,
}

impl<'a> Archive<'a> {
    /// A tree without files.
    pub const EMPTY: Self =
        Self { entries: Entries::none(), ascending: true, files: 0, special: 0, misnamed: 0 };

    /// Checks all of `bytes`, in time that grows with the number of entries, not with the size of files.
    ///
    /// # Errors
    /// All variants of [`Error`]: the archive is damaged, cut off, compressed or no archive at all.
    #[inline(never)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut archive = Self { entries: Entries::new(bytes), ..Self::EMPTY };
        let mut entries = archive.entries;
        let mut last = "";
        let mut count = 0;
        while let Some(entry) = entries.step()? {
            count += 1;
            if count > ENTRY_LIMIT {
                return Err(Error::TooManyEntries);
            }
            if !entry.has_numbers() {
                return Err(Error::BadNumber);
            }
            match (entry.kind(), path(entry.name)) {
                (Kind::Regular, Some(path)) => {
                    archive.files += 1;
                    archive.ascending &= last < path;
                    last = path;
                }
                (Kind::Regular, None) => archive.misnamed += 1,
                (Kind::Special, _) => archive.special += 1,
                (Kind::Directory | Kind::Trailer, _) => {}
            }
        }
        Ok(archive)
    }

    /// All files in the order of the archive, each path once.
    ///
    /// An archive whose paths do not ascend costs a search through its remaining headers for each file.
    pub fn files(&self) -> Files<'a> {
        Files { entries: self.entries, ascending: self.ascending }
    }

    /// The contents of the file at `path`. A leading `/` or `./` of `path` is ignored.
    ///
    /// A search through the headers of the archive.
    pub fn read(&self, path: &str) -> Option<&'a [u8]> {
        let path = relative(path.as_bytes());
        let mut entries = self.entries;
        let mut contents = None;
        while let Ok(Some(entry)) = entries.step() {
            if is_file_at(&entry, path) {
                contents = Some(contents_of(&entry, entries));
                if self.ascending {
                    break;
                }
            }
        }
        contents
    }

    /// The files beneath the directory `prefix`, at any depth: all files for an empty one or `/`.
    pub fn list<'p>(&self, prefix: &'p str) -> impl Iterator<Item = File<'a>> + use<'a, 'p> {
        let prefix = relative(prefix.as_bytes());
        let prefix = if prefix == b"." { &[] } else { prefix.strip_suffix(b"/").unwrap_or(prefix) };
        self.files().filter(move |file| {
            let rest = file.path.as_bytes().strip_prefix(prefix);
            rest.is_some_and(|rest| prefix.is_empty() || rest.first() == Some(&b'/'))
        })
    }

    /// Entries that are files; a path that comes twice counts twice.
    pub fn file_entries(&self) -> usize {
        self.files
    }

    /// Entries left out since they are neither files nor directories: symbolic links, devices, pipes, sockets.
    pub fn special_entries(&self) -> usize {
        self.special
    }

    /// Files left out since their path is empty, not UTF-8, contains a NUL or has a component that is empty, `.` or
    /// `..`.
    pub fn misnamed_entries(&self) -> usize {
        self.misnamed
    }
}

impl Default for Archive<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// One file of an [`Archive`].
#[derive(Clone, Copy)]
pub struct File<'a> {
    path: &'a str,
    contents: &'a [u8],
    modified: u32,
}

impl<'a> File<'a> {
    /// Where it is, from the root of the tree and without a leading `/` or `./`.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What is in it.
    pub fn contents(&self) -> &'a [u8] {
        self.contents
    }

    /// When it was modified, in seconds since the Unix epoch. `None` where the archive does not tell: one that must not
    /// depend on when its files were written has zeros there.
    pub fn modified(&self) -> Option<u32> {
        (self.modified != 0).then_some(self.modified)
    }
}

/// Goes through the files of an [`Archive`]; made by [`Archive::files`].
#[derive(Clone)]
pub struct Files<'a> {
    entries: Entries<'a>,
    ascending: bool,
}

impl<'a> Iterator for Files<'a> {
    type Item = File<'a>;

    fn next(&mut self) -> Option<File<'a>> {
        // An archive was walked through before it came to be, so that an error cannot occur; it would end the tree.
        while let Ok(Some(entry)) = self.entries.step() {
            if entry.kind() != Kind::Regular {
                continue;
            }
            let Some(path) = path(entry.name) else { continue };
            if self.ascending || !comes_again(path, self.entries) {
                let contents = contents_of(&entry, self.entries);
                return Some(File { path, contents, modified: entry.modified() });
            }
        }
        None
    }
}

/// Whether a file at `path` is among `entries`.
fn comes_again(path: &str, mut entries: Entries<'_>) -> bool {
    while let Ok(Some(entry)) = entries.step() {
        if is_file_at(&entry, path.as_bytes()) {
            return true;
        }
    }
    false
}

/// The contents of a file, which may stand with another name of it among those that `follow` in its archive.
fn contents_of<'a>(file: &Entry<'a>, mut follow: Entries<'a>) -> &'a [u8] {
    if file.is_bare_link() {
        while let Ok(Some(entry)) = follow.step() {
            match entry.kind() {
                Kind::Trailer => break,
                Kind::Regular if entry.is_same_file(file) && !entry.contents.is_empty() => {
                    return entry.contents;
                }
                _ => {}
            }
        }
    }
    file.contents
}

/// Whether the entry is a file at `path`. The name is compared first since that tells most entries apart at once.
fn is_file_at(entry: &Entry<'_>, path: &[u8]) -> bool {
    relative(entry.name) == path && entry.kind() == Kind::Regular && self::path(entry.name).is_some()
}

/// The path that the name of an entry stands for, if it is one that can be asked for.
fn path(name: &[u8]) -> Option<&str> {
    let path = relative(name);
    let is_plain = |component: &[u8]| !matches!(component, b"" | b"." | b"..") && !component.contains(&0);
    if path.split(|&byte| byte == b'/').all(is_plain) { str::from_utf8(path).ok() } else { None }
}

/// Without `/` and `./` at the front, however often.
fn relative(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(b"/").or_else(|| name.strip_prefix(b"./")) {
        name = rest;
    }
    name
}
