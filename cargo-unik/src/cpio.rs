//! Packs a folder into a cpio archive of the "newc" kind, the form in which an image receives its files.
//!
//! The same folder always gives the same bytes: entries are sorted by path, and owners and times are zero. Only regular files are
//! entries (folders are implied by the paths). A symbolic link is followed while it stays inside the folder and refused otherwise, so
//! that packing a tree never picks up something from elsewhere.
//!
//! Format: cpio(5), "New ASCII Format": a header of 110 bytes (magic `070701` and 13 fields of 8 hexadecimal digits), the path with a
//! NUL, the contents; header+path and contents are each padded to 4 bytes. The entry `TRAILER!!!` ends the archive.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// The largest archive that is packed, in bytes: far more than an initrd of an appliance, far less than the format's 4 GiB a file.
pub const MAX_ARCHIVE: u64 = 1 << 30;
/// The most files and folders that are looked at, so that folders linked into one another many times over end.
pub const MAX_ENTRIES: usize = 1 << 16;

const MAGIC: &str = "070701";
const REGULAR_FILE: u32 = 0o100_644;
const FOLDER: u32 = 0o040_755;
const TRAILER: &str = "TRAILER!!!";

/// Packs the regular files below `folder` into an archive whose paths are relative to it.
///
/// # Errors
/// A folder or file that cannot be read, a path that is not UTF-8, a link out of the folder, a special file, or more than
/// [`MAX_ARCHIVE`] bytes.
pub fn pack(folder: &Path) -> Result<Vec<u8>> {
    pack_all(&[folder])
}

/// Packs the files of several folders as if they were in one.
///
/// # Errors
/// As for [`pack`], for all folders together, or a path that two of them have.
pub fn pack_all(folders: &[&Path]) -> Result<Vec<u8>> {
    let mut files = Vec::new();
    for folder in folders {
        let root = folder.canonicalize().or_cannot(|| format!("pack {}", folder.display()))?;
        if !root.is_dir() {
            return Err(Error::usage(format!(
                "{} is not a folder, and files are packed by folder",
                folder.display()
            )));
        }
        let mut walk = Walk { root: root.clone(), open: Vec::new(), seen: files.len(), files };
        walk.folder(&root, "")?;
        files = walk.files;
    }
    files.sort();
    let mut archive = Archive::new();
    let (mut total, mut last) = (0_u64, None);
    for (path, source) in files {
        if last.as_ref() == Some(&path) {
            return Err(Error::failed(format!("{path} comes twice: {} is another one", source.display())));
        }
        total += fs::metadata(&source).or_cannot(|| format!("read {}", source.display()))?.len();
        if total > MAX_ARCHIVE {
            let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Error::failed(format!(
                "{} holds more than {MAX_ARCHIVE} bytes",
                names.join(" with ")
            )));
        }
        let contents = fs::read(&source).or_cannot(|| format!("read {}", source.display()))?;
        archive.file(&path, &contents)?;
        last = Some(path);
    }
    Ok(archive.finish())
}

/// An archive in the making.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// An archive without entries.
    pub fn new() -> Archive {
        Archive::default()
    }

    /// Adds one file; `path` has no leading slash.
    ///
    /// # Errors
    /// Contents longer than the format's 32 bits.
    pub fn file(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        self.entries += 1;
        self.entry(path, REGULAR_FILE, self.entries, contents)
    }

    /// Adds one folder, which Linux wants to see before what lies in it.
    ///
    /// # Errors
    /// A path longer than the format's 32 bits.
    pub fn folder(&mut self, path: &str) -> Result<()> {
        self.entries += 1;
        self.entry(path, FOLDER, self.entries, &[])
    }

    /// Ends the archive and hands out its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        // An entry without contents cannot be too long.
        let _ = self.entry(TRAILER, 0, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, inode: u32, contents: &[u8]) -> Result<()> {
        let length = |bytes: usize| {
            u32::try_from(bytes).map_err(|_| Error::failed(format!("{path} is too long for a cpio archive")))
        };
        let (size, name_size) = (length(contents.len())?, length(path.len() + 1)?);
        // inode, mode, uid, gid, links, mtime, file size, device major/minor, rdevice major/minor, name size, check
        let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The way through a folder: what is being listed, and what was found.
struct Walk {
    root: PathBuf,
    /// The folders between the root and where the walk stands, by their real paths: meeting one again is a cycle.
    open: Vec<PathBuf>,
    seen: usize,
    /// The path in the archive and the file it comes from.
    files: Vec<(String, PathBuf)>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        if self.open.iter().any(|open| open == folder) {
            return Err(Error::failed(format!("{prefix} is a link to a folder that it lies in itself")));
        }
        self.open.push(folder.to_owned());
        for entry in fs::read_dir(folder).or_cannot(|| format!("read {}", folder.display()))? {
            let path = entry.or_cannot(|| format!("read {}", folder.display()))?.path();
            self.entry(&path, prefix)?;
        }
        self.open.pop();
        Ok(())
    }

    fn entry(&mut self, path: &Path, prefix: &str) -> Result<()> {
        self.seen += 1;
        if self.seen > MAX_ENTRIES {
            return Err(Error::failed(format!(
                "{} holds more than {MAX_ENTRIES} entries",
                self.root.display()
            )));
        }
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Error::failed(format!(
                "{} has a name that is not UTF-8, so no image could ask for it",
                path.display()
            ))
        })?;
        let inside = format!("{prefix}{name}");
        let real = path.canonicalize().or_cannot(|| format!("follow {}", path.display()))?;
        if !real.starts_with(&self.root) {
            let sentence =
                format!("{} is a link to {}, outside of the packed folder", path.display(), real.display());
            return Err(Error::failed(sentence));
        }
        if real.is_dir() {
            self.folder(&real, &format!("{inside}/"))?;
        } else if real.is_file() {
            self.files.push((inside, real));
        } else {
            return Err(Error::failed(format!("{} is neither a file nor a folder", path.display())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// Path and contents of each entry, read back by a second, independent walk over the format.
    fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(&archive[at..at + 6], b"070701");
            let field = |index: usize| {
                let start = at + 6 + 8 * index;
                usize::from_str_radix(std::str::from_utf8(&archive[start..start + 8]).unwrap(), 16).unwrap()
            };
            let name_size = field(11);
            let name = String::from_utf8(archive[at + 110..at + 110 + name_size - 1].to_vec()).unwrap();
            let data = (at + 110 + name_size).next_multiple_of(4);
            if name == TRAILER {
                assert_eq!(data, archive.len());
                return found;
            }
            assert_eq!(field(5), 0, "the time is fixed");
            assert_eq!(field(1), 0o100_644);
            found.push((name, archive[data..data + field(6)].to_vec()));
            at = (data + field(6)).next_multiple_of(4);
        }
    }

    #[test]
    fn files_are_packed_in_the_order_of_their_paths() {
        let scratch = Scratch::new();
        scratch.write("b.zone", b"bee");
        scratch.write("a/deep/x", b"12345");
        scratch.write("a.zone", b"");
        let names: Vec<_> = entries(&pack(scratch.path()).unwrap());
        assert_eq!(
            names,
            [
                ("a.zone".to_owned(), b"".to_vec()),
                ("a/deep/x".to_owned(), b"12345".to_vec()),
                ("b.zone".to_owned(), b"bee".to_vec()),
            ]
        );
    }

    #[test]
    fn the_same_folder_gives_the_same_bytes() {
        let (one, other) = (Scratch::new(), Scratch::new());
        for name in ["z", "m", "a"] {
            one.write(name, b"same");
        }
        for name in ["a", "z", "m"] {
            other.write(name, b"same");
        }
        assert_eq!(pack(one.path()).unwrap(), pack(other.path()).unwrap());
    }

    #[test]
    fn the_files_of_two_folders_are_packed_as_one_and_none_comes_twice() {
        let (one, other) = (Scratch::new(), Scratch::new());
        one.write("b", b"mine");
        other.write("a/c", b"made");
        let names: Vec<_> = entries(&pack_all(&[one.path(), other.path()]).unwrap())
            .into_iter()
            .map(|entry| entry.0)
            .collect();
        assert_eq!(names, ["a/c", "b"]);
        other.write("b", b"made");
        let error = pack_all(&[one.path(), other.path()]).unwrap_err().to_string();
        assert!(error.starts_with("b comes twice: "), "{error}");
    }

    #[test]
    fn an_empty_folder_is_an_archive_with_only_the_trailer() {
        let scratch = Scratch::new();
        assert_eq!(entries(&pack(scratch.path()).unwrap()), []);
    }

    #[test]
    fn a_link_inside_the_folder_is_followed() {
        let scratch = Scratch::new();
        scratch.write("real", b"contents");
        std::os::unix::fs::symlink("real", scratch.path().join("link")).unwrap();
        let names: Vec<_> =
            entries(&pack(scratch.path()).unwrap()).into_iter().map(|entry| entry.0).collect();
        assert_eq!(names, ["link", "real"]);
    }

    #[test]
    fn a_link_out_of_the_folder_is_refused() {
        let scratch = Scratch::new();
        std::os::unix::fs::symlink("/etc/hostname", scratch.path().join("link")).unwrap();
        let error = pack(scratch.path()).unwrap_err().to_string();
        assert!(error.contains("outside of the packed folder"), "{error}");
    }

    #[test]
    fn a_cycle_of_links_ends_with_a_sentence() {
        let scratch = Scratch::new();
        scratch.write("sub/file", b"");
        std::os::unix::fs::symlink("..", scratch.path().join("sub/up")).unwrap();
        let error = pack(scratch.path()).unwrap_err().to_string();
        assert!(error.contains("lies in itself"), "{error}");
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_refused() {
        let scratch = Scratch::new();
        scratch.write("file", b"");
        let error = pack(&scratch.path().join("file")).unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_USAGE);
    }
}
