//! Who serves the path of a Unix socket, and who connects to it.
//!
//! A socket is bound elsewhere, made ready to listen, and only then given its path: whoever finds a path that refuses
//! connections may therefore take it for what a process left behind that has ended.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;

use crate::Error;

/// Others may come and go at the path while we look; so often is enough.
const ATTEMPTS: usize = 8;

/// One end of what the path leads to.
pub(crate) enum End {
    Server(Served),
    Client(UnixStream),
}

/// A path that is served; dropping it removes the path.
pub(crate) struct Served {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file, to remove no other one that somebody put in its place.
    identity: Option<(u64, u64)>,
}

/// Connects to the path or, where nobody serves it, serves it.
pub(crate) fn open(path: &Path) -> Result<End, Error> {
    for _ in 0..ATTEMPTS {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(End::Client(stream)),
            Err(error) if error.kind() == ErrorKind::NotFound => match Served::try_new(path) {
                Ok(served) => return Ok(End::Server(served)),
                Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AlreadyExists) => {}
                Err(error) => return Err(Error::of_link(&error)),
            },
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_left_behind(path)?,
            Err(error) => return Err(Error::of_link(&error)),
        }
    }
    Err(Error::LinkContended)
}

fn remove_left_behind(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(Error::NotASocket),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::of_link(&error)),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::of_link(&error)),
        _ => Ok(()),
    }
}

impl Served {
    fn try_new(path: &Path) -> io::Result<Self> {
        let listener = match bind_aside(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // No room for the longer name, or a file system without hard links.
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned(), identity: identity(path) })
    }

    /// The next end that has connected.
    pub(crate) fn accept(&self) -> Option<UnixStream> {
        self.listener.accept().ok().map(|(stream, _)| stream)
    }
}

/// Binds beside `path` and moves the socket there, unless there is something by then.
fn bind_aside(path: &Path) -> io::Result<UnixListener> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", process::id()));
    let aside = PathBuf::from(aside);
    let listener = UnixListener::bind(&aside)?;
    let linked = fs::hard_link(&aside, path);
    let _ = fs::remove_file(&aside);
    linked.map(|()| listener)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsFd for Served {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
