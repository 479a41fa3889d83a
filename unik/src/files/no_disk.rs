//! Files are in memory only: nothing of what would be on a disk exists, and so nothing that is done with it is linked.

use super::{Files, Kind};
use crate::outcome::Failure;
use crate::resource::at_once;
use crate::system::System;
use core::convert::Infallible;
use core::fmt;

/// What is said where there are no files.
pub(super) const NOWHERE: &str = "this image needs data: start it with --data DIR (an archive as -initrd), or build it \
                                  with --embed DIR";
pub(super) const NO_MEMORY: Error = Error;

pub(super) type Tree = Infallible;

/// Never seen: what is in memory can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Error;

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no memory")
    }
}

#[derive(Clone, Copy)]
pub(super) struct File(Infallible);

pub(super) type OpenFile = File;

impl File {
    pub(super) fn path(&self) -> &'static str {
        match self.0 {}
    }

    pub(super) fn length(&self) -> u64 {
        match self.0 {}
    }

    pub(super) fn modified(&self) -> Option<u32> {
        match self.0 {}
    }

    pub(super) fn version(&self) -> [u64; 4] {
        match self.0 {}
    }

    pub(super) async fn open(&self) -> Result<OpenFile, Error> {
        match self.0 {}
    }

    pub(super) async fn contents(&mut self, _: u64, _: u64) -> Result<Contents, Error> {
        match self.0 {}
    }
}

pub(super) struct Contents(Infallible);

impl core::ops::Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self.0 {}
    }
}

pub(super) fn files(files: Files) -> impl Iterator<Item = super::File> {
    files.archive().files().map(|file| super::File(Kind::Memory(file)))
}

pub(super) fn take(system: &System) -> impl Future<Output = Result<Files, Failure>> {
    at_once(|| Files::find(system))
}

pub(super) fn is_present(_: &System) -> bool {
    false
}
