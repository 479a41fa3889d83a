//! Which virtual machines run, and where their sockets are.
//!
//! The sockets lie in a folder of the user's own: whoever can open one controls the virtual machine behind it.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::error::{Context, Error, Result};
use crate::monitor::tables::{Table, printable};
use crate::monitor::view::View;
use crate::monitor::{Connection, is_alive};

/// The longest path of a Unix socket, in bytes: `sun_path` of unix(7) without its end.
pub const LONGEST_PATH: usize = 107;
/// The longest name of a virtual machine.
pub const LONGEST_NAME: usize = 64;
/// How many virtual machines are looked at; more than one computer runs.
const MOST: usize = 1024;

/// The folder of the sockets: below `$XDG_RUNTIME_DIR` where that is a folder, else in `/tmp`. It may not be there yet.
pub fn folder() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match runtime.filter(|path| path.is_absolute() && path.is_dir()) {
        Some(path) => path.join("unik"),
        None => PathBuf::from(format!("/tmp/unik-{}", nix::unistd::geteuid())),
    }
}

/// Makes sure that the folder is there and is nobody else's.
///
/// # Errors
/// It cannot be made, or somebody else could put sockets there.
pub fn make(folder: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).or_cannot(|| format!("make {}", folder.display()))
        }
        _ => check(folder),
    }
}

/// Whether a folder is this user's alone. In `/tmp`, anybody may have made it first.
fn check(folder: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(folder).or_cannot(|| format!("look at {}", folder.display()))?;
    if metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o077 == 0
    {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} is not a folder of yours alone (mode 700): remove it, or name a socket elsewhere",
        folder.display()
    )))
}

/// The path of the socket of a virtual machine.
///
/// # Errors
/// The name is none, or the path is too long.
pub fn socket(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Error::usage(format!(
            "'{}' is no name for a virtual machine: use letters, digits, '-', '_', '+' and '.', {LONGEST_NAME} at most",
            printable(name)
        )));
    }
    let path = folder.join(format!("{name}.socket"));
    fits(&path)?;
    Ok(path)
}

/// Whether a path is short enough for a socket.
///
/// # Errors
/// It is too long.
pub fn fits(path: &Path) -> Result<()> {
    let length = path.as_os_str().as_bytes().len();
    if (1..=LONGEST_PATH).contains(&length) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "'{}' cannot be a socket: its path has {length} bytes, and {LONGEST_PATH} are possible",
        path.display()
    )))
}

/// Removes the socket that a virtual machine which has ended left at `path`.
///
/// # Errors
/// A virtual machine is still behind it, or it is something else.
pub fn clear(path: &Path) -> Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(Error::usage(format!("{} is there already, and no socket", path.display())));
    }
    if is_alive(path)? {
        let help = "choose another with --name NAME or --monitor PATH";
        return Err(Error::failed(format!(
            "a virtual machine runs with the socket {}: {help}",
            path.display()
        )));
    }
    fs::remove_file(path).or_cannot(|| format!("remove {}", path.display()))
}

/// Names and sockets of virtual machines; some may have ended and left theirs behind.
///
/// # Errors
/// The folder is somebody else's, or cannot be read.
fn sockets(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    check(folder)?;
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).or_cannot(|| format!("read {}", folder.display()))?;
    for entry in entries.filter_map(std::result::Result::ok).take(MOST) {
        let path = entry.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == "socket")) {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a virtual machine of this name runs, or has left its socket behind.
pub fn has(folder: &Path, name: &str) -> bool {
    socket(folder, name).is_ok_and(|path| path.exists())
}

/// The socket of the virtual machine that is meant: by its name, by its path, or as the only one that runs.
///
/// # Errors
/// There is none of that name, or nothing was named and none or several run.
pub fn find(folder: &Path, which: Option<&str>) -> Result<PathBuf> {
    if let Some(path) = which.filter(|which| which.contains('/')) {
        fits(Path::new(path))?;
        return Ok(PathBuf::from(path));
    }
    // Who is meant for sure is not connected to twice.
    if let Some(name) = which.filter(|name| has(folder, name)) {
        check(folder)?;
        return socket(folder, name);
    }
    let mut running = sockets(folder)?;
    if running.len() > 1 || which.is_some() {
        running.retain(|(_, path)| is_alive(path).unwrap_or(false));
    }
    let names = || running.iter().map(|(name, _)| printable(name)).collect::<Vec<_>>().join(", ");
    let what = match (which, running.as_slice()) {
        (None, [(_, path)]) => return Ok(path.clone()),
        (None, [_, ..]) => "several virtual machines run".to_owned(),
        (None, []) => "there is no virtual machine to look into".to_owned(),
        (Some(which), _) => format!("there is no virtual machine '{}'", printable(which)),
    };
    let help = match running.len() {
        0 => "none runs in the usual place; start one with 'cargo unik run', or give the path of a socket"
            .to_owned(),
        _ => format!("choose {}", names()),
    };
    Err(Error::usage(format!("{what}: {help}")))
}

/// Shows the virtual machines that run. One that says nothing within `patience` is shown as silent.
///
/// # Errors
/// The folder cannot be read, or the output not be written.
pub fn list(folder: &Path, patience: Duration, view: &mut View<'_>) -> Result<()> {
    let sockets = sockets(folder)?;
    let greet = |path: &PathBuf| {
        let guest = Connection::try_open(path, patience)?;
        Ok(guest.map(|guest| (guest.name, guest.version)))
    };
    // All at once: each silent one costs the whole patience.
    let answers: Vec<Result<Option<(String, u16)>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = sockets.iter().map(|(_, path)| scope.spawn(move || greet(path))).collect();
        let failed = || Err(Error::failed("the thread that asked it failed"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect()
    });
    let mut table = Table::new(&["NAME", "APPLIANCE", " VERSION", "PATH"]);
    let mut rows = Vec::new();
    for ((name, path), answer) in sockets.iter().zip(answers) {
        let path = path.to_string_lossy();
        let (appliance, version, error) = match answer {
            Ok(None) => continue,
            Ok(Some((appliance, version))) => (Some(appliance), Some(version), None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        rows.push(json!({
            "name": name, "path": path, "appliance": appliance, "version": version, "error": error,
        }));
        let appliance = appliance.unwrap_or_else(|| "does not answer".to_owned());
        let version = version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        table.row([printable(name), appliance, version, printable(&path)]);
    }
    view.table(&table, rows)
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
