//! Begins a project of one's own: one manifest, one `main.rs`, and the lines that let plain cargo link it too.
//!
//! The project names unik by the path of the sources this tool was built from, and starts with their lock file, so that it builds with
//! the versions unik is tested with.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::workspace::TARGET_FILE;

const MAIN: &str = include_str!("../template/main.rs");
const MANIFEST: &str = include_str!("../template/Cargo.toml.in");
const CONFIG: &str = include_str!("../template/config.toml.in");
const README: &str = include_str!("../template/README.md.in");
const IGNORE: &str = "target/\n";

/// Makes the folder `path`, whose last part is the name of the project.
///
/// # Errors
/// A name that is no package's, a folder that exists, or no sources of unik to lead to.
pub fn run(path: &str) -> Result<u8> {
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let (parent, name) = match path.rsplit_once('/') {
        Some((parent, name)) => (here.join(parent), name),
        None => (here, path),
    };
    create(&parent, name, &sources()?)?;
    println!("{path} is there: cd {path} && cargo unik run");
    Ok(0)
}

/// Makes the folder `parent/name` of a project on top of the sources in `unik`.
///
/// # Errors
/// As for [`run`].
pub fn create(parent: &Path, name: &str, unik: &Path) -> Result<PathBuf> {
    check(name)?;
    let folder = parent.join(name);
    if folder.exists() {
        return Err(Error::usage(format!("{} exists already", folder.display())));
    }
    let path = unik.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
    let path =
        path.ok_or_else(|| Error::failed(format!("no manifest can name the path {}", unik.display())))?;
    let filled = |template: &str| template.replace("@NAME@", name).replace("@UNIK@", path);
    for (file, contents) in [
        ("Cargo.toml", filled(MANIFEST)),
        ("README.md", filled(README)),
        ("src/main.rs", MAIN.to_owned()),
        (".cargo/config.toml", filled(CONFIG)),
        (".gitignore", IGNORE.to_owned()),
    ] {
        write(&folder.join(file), contents.as_bytes())?;
    }
    if let Ok(lock) = fs::read(unik.join("Cargo.lock")) {
        write(&folder.join("Cargo.lock"), &lock)?;
    }
    Ok(folder)
}

/// The sources that this tool was built from.
///
/// # Errors
/// They are not there any more.
pub fn sources() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
    if folder.join(TARGET_FILE).is_file() {
        return Ok(folder.to_owned());
    }
    let sentence = format!(
        "the sources of unik are no longer in {}: install cargo-unik from where they are",
        folder.display()
    );
    Err(Error::failed(sentence))
}

/// A name that cargo accepts and that is plain in a shell.
fn check(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    // Cargo's own words: the crates an image is made of, and folders of the target folder.
    let taken = ["unik", "core", "alloc", "std", "test", "build", "deps", "examples", "incremental"];
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err(Error::usage(format!(
            "'{name}' is no name for a project: use a-z, 0-9, - and _, a letter first"
        )));
    }
    if taken.contains(&name) {
        return Err(Error::usage(format!("'{name}' means something else already: choose another name")));
    }
    Ok(())
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).or_cannot(|| format!("make {}", parent.display()))?;
    }
    fs::write(path, contents).or_cannot(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_project_names_itself_and_the_sources() {
        let scratch = Scratch::new();
        let folder = create(scratch.path(), "my-echo", Path::new("/src/unik")).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"my-echo\""));
        assert!(manifest.contains("unik = { package = \"unik-os\", path = \"/src/unik/unik\" }"));
        let config = fs::read_to_string(folder.join(".cargo/config.toml")).unwrap();
        assert!(config.contains("\"/src/unik/cargo-unik/Cargo.toml\""));
        assert!(manifest.parse::<toml::Table>().is_ok() && config.parse::<toml::Table>().is_ok());
        assert!(!fs::read_to_string(folder.join("README.md")).unwrap().contains('@'));
        assert!(folder.join(".cargo/config.toml").is_file() && folder.join("src/main.rs").is_file());
    }

    #[test]
    fn an_existing_folder_is_left_alone() {
        let scratch = Scratch::new();
        scratch.write("echo/keep", b"");
        let error = create(scratch.path(), "echo", Path::new("/src/unik")).unwrap_err().to_string();
        assert!(error.ends_with("/echo exists already"), "{error}");
        assert!(!scratch.path().join("echo/Cargo.toml").exists());
    }

    #[test]
    fn names_that_cargo_would_refuse_are_refused_first() {
        for name in ["", "1st", "Echo", "a b", "../up", "test", "core", "-x", "a/b"] {
            assert!(check(name).is_err(), "{name}");
        }
        assert_eq!(check("my-echo_2"), Ok(()));
    }
}
