//! All files are in memory: nothing else is ever read.

use super::{Shared, Wake, passed};
use crate::server::Server;
use crate::settings::Settings;
use crate::site::{File, LoadError};
use crate::stored::Section;
use crate::tls::Conversation;
use core::convert::Infallible;
use unik::Files;
use unik::net::{self, TcpStream};
use unik::time::Sleep;

/// The files of a site, all of which are in memory.
#[derive(Clone, Copy)]
pub struct Data(Files);

impl From<Files> for Data {
    #[inline]
    fn from(files: Files) -> Self {
        Self(files)
    }
}

impl Data {
    /// The paths and contents of all files.
    #[inline]
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "certificates are looked for there"))]
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        self.0.iter()
    }
}

/// Loads what is told of all files.
#[inline]
pub(super) fn load(
    data: &Data,
    settings: Settings,
    now: Option<u64>,
) -> Result<Server<'static>, LoadError<'static>> {
    let mut files = data.0.files().map(|file| File {
        path: file.path(),
        contents: file.contents().unwrap_or_default(),
        modified: file.modified().map(|modified| passed(modified, now)),
    });
    Server::load(&mut files, settings)
}

/// Where files are that are not in memory: nowhere.
pub(super) struct Storage;

impl Storage {
    #[inline]
    pub(super) fn none() -> Self {
        Self
    }
}

impl From<Data> for Storage {
    #[inline]
    fn from(_: Data) -> Self {
        Self
    }
}

#[derive(Default)]
pub(super) struct Reader(());

#[inline]
#[expect(clippy::unused_async, reason = "elsewhere it waits")]
pub(super) async fn go_on(
    _: &mut TcpStream,
    _: &mut Conversation<'static>,
    shared: &Shared,
    _: usize,
    _: &mut Sleep,
    (_, section): (&mut Reader, Section),
) -> Result<Option<Wake>, net::Error> {
    let _ = &shared.storage;
    let never: Infallible = section;
    match never {}
}
