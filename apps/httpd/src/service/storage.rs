//! Files that are not in memory: they are read while they are sent, a piece at a time.
//!
//! A piece is a page of the disk's cache, and is given back before anything is waited for: a client that does not take what is
//! sent keeps no page from others. When there is room for more, the page is looked up anew, and is there as a rule.
//!
//! What is needed as a whole is read at the start, and stays in memory: the configuration of the site, certificates and keys.

use super::{Error, Shared, Wake, passed, wait};
use crate::configuration::CONFIGURATION;
use crate::hash;
use crate::server::Server;
use crate::settings::Settings;
use crate::site::{File, LoadError, SECRETS};
use crate::stored::{Section, Stored};
use crate::tls::Conversation;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use unik::files::{Contents, FileError, OpenFile};
use unik::io::Write;
use unik::net::{self, TcpStream};
use unik::time::{Duration, Sleep, Time};
use unik::{Files, log};
use unik_sched::Pace;

/// The least time between two lines of the log about files that cannot be read.
const COMPLAINT: Duration = Duration::from_secs(1);

/// The files of a site, with the contents of those on a disk that are needed as a whole.
pub struct Data {
    files: Vec<unik::File>,
    /// Those contents, each with the place of its file.
    whole: Vec<(usize, &'static [u8])>,
}

impl Data {
    /// Takes all files, and reads what is needed as a whole.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::File`] names what cannot be read.
    pub async fn read(files: &Files) -> Result<Self, Error> {
        let mut data = Self { files: Vec::new(), whole: Vec::new() };
        data.files.try_reserve_exact(files.files().count()).map_err(|_| Error::NoMemory)?;
        data.files.extend(files.files());
        for (index, file) in data.files.iter().enumerate() {
            if file.contents().is_none() && is_needed(file.path()) {
                data.whole.try_reserve(1).map_err(|_| Error::NoMemory)?;
                data.whole.push((index, read(files, file.path()).await?));
            }
        }
        Ok(data)
    }

    /// The paths and contents of all files that are in memory.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "certificates are looked for there"))]
    pub(crate) fn in_memory(&self) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        let all = self.files.iter().enumerate();
        all.filter_map(|(index, file)| Some((file.path(), self.contents(index, file)?)))
    }

    fn contents(&self, index: usize, file: &unik::File) -> Option<&'static [u8]> {
        let mut whole = self.whole.iter();
        file.contents().or_else(|| whole.find(|(place, _)| *place == index).map(|(_, contents)| *contents))
    }
}

/// Whether a file is of no use in pieces.
fn is_needed(path: &str) -> bool {
    path == CONFIGURATION || cfg!(feature = "tls") && path.starts_with(SECRETS)
}

/// The contents of a file, for as long as the machine runs.
async fn read(files: &Files, path: &'static str) -> Result<&'static [u8], Error> {
    Ok(match files.load(path, usize::MAX).await.map_err(|error| Error::File(path, error))? {
        Some(Cow::Owned(contents)) => contents.leak(),
        Some(Cow::Borrowed(contents)) => contents,
        None => &[],
    })
}

/// Loads what is told of all files.
pub(super) fn load(
    data: &Data,
    settings: Settings,
    now: Option<u64>,
) -> Result<Server<'static>, LoadError<'static>> {
    let stored = |index: usize| {
        let file = data.files.get(index)?;
        let mut version = [0; 32];
        for (to, word) in version.chunks_exact_mut(8).zip(file.version()?) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let length = usize::try_from(file.length()).ok()?;
        Some(Stored { file: index, length, tag: hash::of(&version) })
    };
    let mut files = data.files.iter().enumerate().map(|(index, file)| File {
        path: file.path(),
        contents: data.contents(index, file).unwrap_or_default(),
        modified: file.modified().map(|modified| passed(modified, now)),
    });
    Server::load_stored(&mut files, &stored, settings)
}

/// Where the files are that are not in memory.
pub(super) struct Storage {
    files: Vec<unik::File>,
    complaint: Pace,
}

impl From<Data> for Storage {
    fn from(data: Data) -> Self {
        Self { files: data.files, ..Self::none() }
    }
}

impl Storage {
    /// There are no such files.
    pub(super) fn none() -> Self {
        Self { files: Vec::new(), complaint: Pace::new(COMPLAINT) }
    }

    fn complain(&self, section: &Section, time: &Time, error: FileError) {
        if let Some(held_back) = self.complaint.admit(time.now()) {
            let path = self.files.get(section.file).map_or("", unik::File::path);
            log::error!("{path} cannot be read, as {held_back} other times: {error}");
        }
    }
}

/// What a connection reads at the time.
#[derive(Default)]
pub(super) struct Reader(Option<(usize, OpenFile)>);

impl Reader {
    /// Some of a section, or `None` where there is no such file.
    async fn read(&mut self, storage: &Storage, section: &Section) -> Result<Option<Contents>, FileError> {
        if self.0.as_ref().is_none_or(|(open, _)| *open != section.file) {
            self.0 = None;
            let Some(file) = storage.files.get(section.file) else { return Ok(None) };
            self.0 = Some((section.file, file.open().await?));
        }
        let Some((_, file)) = &mut self.0 else { return Ok(None) };
        Ok(Some(file.contents(section.start as u64, section.end as u64).await?)
            .filter(|read| !read.is_empty()))
    }
}

/// Goes on with contents that are not in memory: sees whether they can be read, or sends some. `None` where nothing was written, and
/// the session says what is next.
#[inline(never)]
pub(super) async fn go_on(
    stream: &mut TcpStream,
    session: &mut Conversation<'static>,
    shared: &Shared,
    place: usize,
    timer: &mut Sleep,
    (reader, section): (&mut Reader, Section),
) -> Result<Option<Wake>, net::Error> {
    let read = {
        let mut read = pin!(reader.read(&shared.storage, &section));
        let either = poll_fn(|context| match read.as_mut().poll(context) {
            Poll::Ready(read) => Poll::Ready(Ok(read)),
            Poll::Pending => wait(session, shared, place, timer, context).map(Err),
        });
        match either.await {
            Ok(read) => read,
            Err(wake) => return Ok(Some(wake)),
        }
    };
    let (server, now) = (&*shared.server, shared.time.recent());
    let contents = match read {
        Ok(Some(contents)) => contents,
        refused => {
            if let Err(error) = refused {
                shared.storage.complain(&section, &shared.time, error);
            }
            session.lost(server, now, shared.wall(now));
            return Ok(None);
        }
    };
    if section.is_first {
        session.found(server);
        return Ok(None);
    }
    if session.enclose(&contents, server, now) {
        return Ok(None);
    }
    let contents = Cell::new(Some(contents));
    poll_fn(|context| {
        // It was woken: perhaps there is room now.
        let Some(contents) = contents.take() else { return Poll::Ready(Ok(None)) };
        match pin!(stream.write(&contents)).poll(context) {
            Poll::Ready(moved) => Poll::Ready(moved.map(|length| Some(Wake::Moved(length)))),
            Poll::Pending => wait(session, shared, place, timer, context).map(|wake| Ok(Some(wake))),
        }
    })
    .await
}
