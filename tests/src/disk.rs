//! Files that are disks of machines.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::vm::scratch;

/// A plain disk of zeroes, which is gone with this value.
#[derive(Debug)]
pub struct DiskImage {
    path: PathBuf,
    is_kept: bool,
}

impl DiskImage {
    /// A disk of so many bytes.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(bytes: u64) -> DiskImage {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = scratch("disks");
        let path = folder.join(format!("{}-{number}.img", std::process::id()));
        let made = fs::create_dir_all(&folder)
            .and_then(|()| File::create(&path))
            .and_then(|file| file.set_len(bytes));
        made.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        DiskImage { path, is_kept: false }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is stored in so many bytes from there on.
    ///
    /// # Panics
    /// It cannot be read.
    pub fn stored(&self, place: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = File::open(&self.path).and_then(|file| file.read_exact_at(&mut bytes, place));
        read.unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        bytes
    }

    /// The file, which stays.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.is_kept = true;
        self.path.clone()
    }
}

impl Drop for DiskImage {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
