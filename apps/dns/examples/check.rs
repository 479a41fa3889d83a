//! Checks the zones in a folder on this computer, in the words in which the appliance would refuse them:
//! `cargo run -p unik-dns --example check -- FOLDER`. `cargo unik` runs it before it packs the folder.
//!
//! It says what is wrong on standard error, and exits with 1 if anything is; with 2 where the folder cannot be read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use unik_dns::configuration::Configuration;
use unik_dns::service::{CONFIGURATION, Error, is_zone};
use unik_dns::{Server, Zone};

/// The files of a folder by their paths from there on, as an archive has them.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("name the folder whose zones are to be checked");
        return ExitCode::from(2);
    };
    let files = match Walk::read(Path::new(&folder)) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("cannot read {}: {error}", Path::new(&folder).display());
            return ExitCode::from(2);
        }
    };
    let mistakes = mistakes(&files);
    for mistake in &mistakes {
        eprintln!("{mistake}");
    }
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most octets of all files, and the most files and folders: the limits of what `cargo unik` packs.
const MAX_BYTES: u64 = 1 << 30;
const MAX_ENTRIES: usize = 1 << 16;

/// The way through a folder, by the rules of what packs it: links lead nowhere else, and all else are files and folders.
struct Walk {
    root: PathBuf,
    /// The folders between the root and where the walk stands, by their real paths.
    open: Vec<PathBuf>,
    entries: usize,
    bytes: u64,
    files: Files,
}

impl Walk {
    /// Reads the files of `folder`.
    ///
    /// # Errors
    /// What would not be packed.
    fn read(folder: &Path) -> io::Result<Files> {
        let root = folder.canonicalize()?;
        let mut walk =
            Self { root: root.clone(), open: Vec::new(), entries: 0, bytes: 0, files: Files::new() };
        walk.folder(root, "")?;
        Ok(walk.files)
    }

    /// Reads the files of `folder`, which is called `prefix`.
    fn folder(&mut self, folder: PathBuf, prefix: &str) -> io::Result<()> {
        if self.open.contains(&folder) {
            return Err(refused(prefix, "is a link to a folder that it lies in itself"));
        }
        self.open.push(folder.clone());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| refused(&entry.path().to_string_lossy(), "has a name that is not UTF-8"))?;
            self.entry(entry.path().canonicalize()?, &format!("{prefix}{name}"))?;
        }
        self.open.pop();
        Ok(())
    }

    /// Takes what is really at `real` as `path`.
    fn entry(&mut self, real: PathBuf, path: &str) -> io::Result<()> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(refused(path, "is one of too many files and folders"));
        }
        if !real.starts_with(&self.root) {
            return Err(refused(path, "is a link out of the folder"));
        }
        let kind = fs::metadata(&real)?;
        if kind.is_dir() {
            return self.folder(real, &format!("{path}/"));
        }
        if !kind.is_file() {
            return Err(refused(path, "is neither a file nor a folder"));
        }
        // A file may grow meanwhile.
        let mut text = Vec::new();
        let left = MAX_BYTES - self.bytes;
        self.bytes += fs::File::open(&real)?.take(left + 1).read_to_end(&mut text)? as u64;
        if self.bytes > MAX_BYTES {
            return Err(refused(path, "makes it more than 1 GiB"));
        }
        self.files.insert(path.to_owned(), text);
        Ok(())
    }
}

/// Why nothing is packed.
fn refused(path: &str, why: &str) -> io::Error {
    io::Error::other(format!("{path} {why}"))
}

/// What is wrong with the zones and the configuration in `files`, a sentence each.
fn mistakes(files: &Files) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut server = Server::new();
    // A server keeps to its configuration as long as it lives.
    let text: &'static [u8] = files.get(CONFIGURATION).cloned().unwrap_or_default().leak();
    let configuration = match Configuration::parse(CONFIGURATION, text) {
        Ok(configuration) => configuration,
        Err(error) => return vec![error.to_string()],
    };
    let include =
        |wanted: &str| files.get_key_value(wanted).map(|(path, text)| (path.as_str(), text.as_slice()));
    for (path, text) in files.iter().filter(|(path, _)| is_zone(path, &configuration)) {
        match Zone::read(path, text, &include) {
            Err(error) => mistakes.push(error.to_string()),
            Ok(zone) => mistakes.extend(server.add(zone).err().map(|error| format!("{path}: {error}"))),
        }
    }
    let is_fetched = configuration.zones().iter().any(|options| !options.request().is_empty());
    if mistakes.is_empty() && server.zones().next().is_none() && !is_fetched {
        mistakes.push(Error::NoZones.to_string());
    }
    if mistakes.is_empty() && server.follow(configuration).is_ok() {
        mistakes.extend(server.wanting().map(|name| {
            format!("{CONFIGURATION}: zone {name} is in no file, and has no request-xfr: to fetch it from")
        }));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn all_that_is_wrong_in_a_folder_is_said() {
        let good = "$ORIGIN e.\n$TTL 5\n@ SOA n.f. h.f. 1 2 3 4 5\n@ NS n.f.\n$INCLUDE sub/hosts\n";
        let files = |files: &[(&str, &str)]| -> Files {
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let hosts = ("sub/hosts", "a A 192.0.2.1");
        assert_eq!(mistakes(&files(&[("e.zone", good), hosts])), [""; 0]);
        assert_eq!(
            mistakes(&files(&[("a/e.zone", good), ("b/e.zone", good), ("c.zone", "x"), hosts])),
            [
                "b/e.zone: another file holds a zone of the same name",
                "c.zone:1:1: expected a name that ends with a dot, because no $ORIGIN says what a relative name is \
                 relative to"
            ]
        );
        let said = mistakes(&files(&[("e.zone", good), ("sub/hosts", "a A x")]));
        assert_eq!(said, ["sub/hosts:1:5: expected an IPv4 address"]);
        assert_eq!(mistakes(&files(&[hosts])), [Error::NoZones.to_string()]);
    }

    #[test]
    fn the_example_zones_have_no_mistakes() {
        let files = Walk::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("zones")).expect("readable");
        assert_eq!(mistakes(&files), [""; 0]);
    }

    /// What is said of a folder in which `prepare` has put something beside a file.
    fn said(name: &str, prepare: impl FnOnce(&Path) -> io::Result<()>) -> Result<Vec<String>, String> {
        let folder = std::env::temp_dir().join(format!("unik-check-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("sub")).expect("a folder");
        fs::write(folder.join("sub/file"), "text").expect("a file");
        prepare(&folder).expect("what is to be read");
        let read = Walk::read(&folder);
        fs::remove_dir_all(&folder).expect("it is there");
        read.map(|files| files.into_keys().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_packed_is_not_read() {
        let inside = said("inside", |folder| symlink("sub/file", folder.join("link")));
        assert_eq!(inside, Ok(vec!["link".to_owned(), "sub/file".to_owned()]));
        let out = said("out", |folder| symlink("/etc/hostname", folder.join("link")));
        assert_eq!(out, Err("link is a link out of the folder".to_owned()));
        let cycle = said("cycle", |folder| symlink("..", folder.join("sub/up")));
        assert_eq!(cycle, Err("sub/up/ is a link to a folder that it lies in itself".to_owned()));
        let socket = said("socket", |folder| UnixListener::bind(folder.join("socket")).map(drop));
        assert_eq!(socket, Err("socket is neither a file nor a folder".to_owned()));
    }
}
