//! Builds an application into an image: one ELF that boots, and its twin with symbols.
//!
//! Images are built with their own `core` for the target `x86_64-unik.json`, which stable rustc only does when told that it is its own
//! bootstrap; that word is given to these builds alone, in a target folder of their own, so that no other build sees it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::workspace::{App, Kind, TARGET_FILE, Workspace};
use crate::{budget, cpio, elf, setup};

/// How the image is optimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// Quick to build, with overflow checks.
    #[default]
    Dev,
    /// The one that ships; its size must stay inside the budget.
    Release,
}

impl Profile {
    /// Features of the standard library: the image that ships takes its formatting and sorting in their small form.
    fn library_features(self) -> &'static str {
        match self {
            Profile::Dev => "build-std-features=compiler-builtins-mem",
            Profile::Release => "build-std-features=compiler-builtins-mem,optimize_for_size",
        }
    }
}

/// How to build.
#[derive(Debug, Clone)]
pub struct Request {
    /// How it is optimised.
    pub profile: Profile,
    /// A folder of files to compile in.
    pub embed: Option<PathBuf>,
    /// Where the image is put: `APP.elf` and `APP.debug`.
    pub output: PathBuf,
    /// Cargo shows its progress.
    pub progress: bool,
}

/// A built image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The ELF that boots.
    pub elf: PathBuf,
    /// The same program with symbols and lines.
    pub debug: PathBuf,
    /// Bytes of the ELF that boots.
    pub size: u64,
    /// Bytes of compiled-in files among them.
    pub embedded: u64,
}

impl Request {
    /// A build for `target/unik`, with progress.
    pub fn new(workspace: &Workspace, profile: Profile) -> Request {
        Request { profile, embed: None, output: output_folder(workspace), progress: true }
    }
}

/// Where the images of a workspace lie.
pub fn output_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("unik")
}

/// Builds an application and holds its release image to the budget. One that is over it is there, and an error all the same.
///
/// # Errors
/// As for [`build`], or the budget is exceeded.
pub fn build_within_budget(workspace: &Workspace, app: &App, request: &Request) -> Result<Image> {
    let image = build(workspace, app, request)?;
    if request.profile == Profile::Release {
        budget::check(app, image.size - image.embedded)?;
    }
    Ok(image)
}

/// Builds an application, however large it becomes.
///
/// # Errors
/// The compiler's own errors (already shown), or something missing that cannot be installed.
pub fn build(workspace: &Workspace, app: &App, request: &Request) -> Result<Image> {
    setup::rust_src()?;
    fs::create_dir_all(&request.output).or_cannot(|| format!("make {}", request.output.display()))?;
    let archive = match &request.embed {
        Some(folder) => Some(pack(folder, &request.output.join(format!("{}.embed.cpio", app.name)))?),
        None => None,
    };
    let linked = compile(workspace, app, request, archive.as_deref())?;
    let symbols = fs::read(&linked).or_cannot(|| format!("read {}", linked.display()))?;
    let stripped = elf::strip(&symbols)?;
    let image = Image {
        elf: request.output.join(format!("{}.elf", app.name)),
        debug: request.output.join(format!("{}.debug", app.name)),
        size: stripped.len() as u64,
        embedded: archive.and_then(|archive| fs::metadata(archive).ok()).map_or(0, |found| found.len()),
    };
    write_if_changed(&image.debug, &symbols)?;
    write_if_changed(&image.elf, &stripped)?;
    if elf::writes_and_executes(&stripped)? {
        return Err(Error::failed(format!(
            "{} has a segment that is both written and executed",
            image.elf.display()
        )));
    }
    Ok(image)
}

/// Packs a folder into an archive file and returns its absolute path. An archive that did not change is not touched, so that cargo
/// sees no reason to build again.
///
/// # Errors
/// See [`cpio::pack`]; or the file cannot be written.
pub fn pack(folder: &Path, archive: &Path) -> Result<PathBuf> {
    let bytes = cpio::pack(folder)?;
    if let Some(parent) = archive.parent() {
        fs::create_dir_all(parent).or_cannot(|| format!("make {}", parent.display()))?;
    }
    write_if_changed(archive, &bytes)?;
    archive.canonicalize().or_cannot(|| format!("find {}", archive.display()))
}

/// Runs cargo and returns the path of the program it linked.
fn compile(workspace: &Workspace, app: &App, request: &Request, archive: Option<&Path>) -> Result<PathBuf> {
    let mut command = command(workspace, app, request)?;
    match archive {
        Some(archive) => command.env("UNIK_EMBED", archive),
        None => command.env_remove("UNIK_EMBED"),
    };
    let mut cargo = command.spawn().or_cannot(|| "start cargo".to_owned())?;
    let mut linked = None;
    if let Some(messages) = cargo.stdout.take() {
        for line in BufReader::new(messages).lines() {
            let line = line.or_cannot(|| "read what cargo says".to_owned())?;
            linked = executable(&line, &app.target).or(linked);
        }
    }
    let status = cargo.wait().or_cannot(|| "wait for cargo".to_owned())?;
    if !status.success() {
        return Err(Error::failed(format!("{} was not built", app.name)));
    }
    linked.ok_or_else(|| Error::failed(format!("cargo built {} and did not say where it is", app.name)))
}

/// The cargo command of an image.
fn command(workspace: &Workspace, app: &App, request: &Request) -> Result<Command> {
    let mut command = Command::new(setup::cargo());
    let kind = match app.kind {
        Kind::Program => "--bin",
        Kind::Example => "--example",
    };
    command
        .current_dir(&workspace.root)
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["build", "--package", &app.package, kind, &app.target, "--target"])
        .arg(workspace.system()?.join(TARGET_FILE))
        .args(["-Z", "json-target-spec", "-Z", "build-std=core,compiler_builtins,alloc"])
        .args(["-Z", request.profile.library_features()])
        .args(["--config", &flags(request.profile)?])
        .args(foreign_flags(request.profile))
        .arg("--target-dir")
        .arg(workspace.target.join("images"))
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if request.profile == Profile::Release {
        command.arg("--release");
    }
    if !request.progress {
        command.arg("--quiet");
    }
    Ok(command)
}

/// The compiler's flags, as a line of cargo's configuration.
///
/// Sources outside of the workspace are named without the folders they happen to lie in: those differ from computer to
/// computer, cost bytes, and are nobody's business. What ships is inlined where that makes it smaller, as `opt-level = "z"` has it,
/// while the rest of the optimiser goes on as `"s"` has it; and jumps go by comparison, since an entry of a table takes eight bytes.
fn flags(profile: Profile) -> Result<String> {
    let mut flags = Vec::new();
    for folder in setup::source_folders()? {
        flags.push(format!("--remap-path-prefix={}/=", folder.display()));
    }
    if profile == Profile::Release {
        for flag in
            ["-Zfmt-debug=none", "-Cllvm-args=-inline-threshold=25", "-Cllvm-args=-min-jump-table-entries=16"]
        {
            flags.push(flag.to_owned());
        }
    }
    Ok(format!("target.x86_64-unik.rustflags = {}", Value::from(flags)))
}

/// Flags for the code of others in the image that ships: its panics do not say where they are. The backtrace does, and a place
/// that is not the user's own is found there anyway; the names and numbers of all such places take kilobytes.
fn foreign_flags(profile: Profile) -> Vec<String> {
    const FOREIGN: [&str; 7] =
        ["core", "alloc", "heapless", "linked_list_allocator", "smoltcp", "uart_16550", "virtio-drivers"];
    if profile == Profile::Dev {
        return Vec::new();
    }
    let mut arguments = vec!["-Z".to_owned(), "profile-rustflags".to_owned()];
    for package in FOREIGN {
        arguments.push("--config".to_owned());
        arguments.push(format!("profile.release.package.{package}.rustflags = [\"-Zlocation-detail=none\"]"));
    }
    arguments
}

/// The program that one of cargo's messages speaks of, if it is the wanted one.
fn executable(message: &str, target: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let named = message.get("target")?.get("name")?.as_str()? == target;
    let path = message.get("executable")?.as_str()?;
    named.then(|| PathBuf::from(path))
}

/// Replaces a file in one step, so that a guest that is being started reads the old one or the new one.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    fs::write(&draft, bytes).or_cannot(|| format!("write {}", path.display()))?;
    fs::rename(&draft, path).or_cannot(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_program_is_taken_from_the_message_about_it() {
        let message = r#"{"reason":"compiler-artifact","target":{"name":"hello"},"executable":"/t/hello"}"#;
        assert_eq!(executable(message, "hello"), Some(PathBuf::from("/t/hello")));
        assert_eq!(executable(message, "dns"), None);
        let library = r#"{"reason":"compiler-artifact","target":{"name":"hello"},"executable":null}"#;
        assert_eq!(executable(library, "hello"), None);
        assert_eq!(executable("not json", "hello"), None);
    }

    #[test]
    fn a_file_that_did_not_change_keeps_its_time() {
        let scratch = Scratch::new();
        let path = scratch.write("archive", b"same");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        write_if_changed(&path, b"same").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        write_if_changed(&path, b"other").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }
}
