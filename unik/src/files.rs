//! Files: a read-only tree, compiled in or handed over beside the image; the application sees no difference.

use crate::backend;
use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use alloc::format;
use unik_block::archive::Archive;
pub use unik_block::archive::File;

/// The archive that the build was told to compile in.
static EMBEDDED: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The appliance's data. What is handed over at start takes the place of what was compiled in.
#[derive(Clone, Copy)]
pub struct Files(Archive<'static>);

impl Files {
    /// Every file's path, without a leading slash, and its contents, in the order of the archive.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        self.0.files().map(|file| (file.path(), file.contents()))
    }

    /// Every file with all that is known of it, in the order of the archive.
    pub fn files(&self) -> impl Iterator<Item = File<'static>> {
        self.0.files()
    }

    /// The contents of the file at `path`.
    pub fn read(&self, path: &str) -> Option<&'static [u8]> {
        self.0.read(path)
    }

    fn find(system: &System) -> Result<Self, Failure> {
        let Some(bytes) = archive(system) else {
            let sentence = "this image needs data: start it with --data DIR (an archive as -initrd), or build it \
                            with --embed DIR";
            return Err(Failure::Configuration(sentence.into()));
        };
        match Archive::parse(bytes) {
            Ok(archive) => Ok(Self(archive)),
            Err(error) => Err(Failure::Configuration(format!("the data is no cpio archive: {error}"))),
        }
    }
}

impl Resource for Files {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Self::find(system))
    }

    fn is_present(system: &System) -> bool {
        archive(system).is_some()
    }
}

fn archive(system: &System) -> Option<&'static [u8]> {
    backend::archive(system.backend()).or(EMBEDDED)
}
