//! Builds an application into an image: one ELF that boots, and its twin with symbols.
//!
//! Images are built with their own `core` for the target `x86_64-unik.json`, which stable rustc only does when told that it is its own
//! bootstrap; that word is given to these builds alone, in a target folder of their own, so that no other build sees it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::base::{Base, Room};
use crate::error::{Context, Error, Result};
use crate::identity::{self, Digest, Identity};
use crate::options::Memory;
use crate::workspace::{App, Kind, SYSTEM_PACKAGE, TARGET_FILE, Workspace};
use crate::{budget, check, cpio, elf, relocation, ring, setup};

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
    /// What it is called in an image's identity.
    fn name(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }

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
    /// The symbols know types and variables too, for a debugger.
    pub types: bool,
    /// Cargo shows its progress.
    pub progress: bool,
    /// Where it is loaded.
    pub base: Base,
    /// The memory it is loaded into.
    pub room: Room,
}

/// A built image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The ELF that boots.
    pub elf: PathBuf,
    /// The same program with symbols, lines and relocations, at the address it was linked for.
    pub debug: PathBuf,
    /// The load address, where it is another one.
    pub base: Option<u64>,
    /// Bytes of the ELF that boots.
    pub size: u64,
    /// Bytes of compiled-in files among them.
    pub embedded: u64,
    /// Bytes of its identity among them, which are never loaded.
    pub identity: u64,
    /// The SHA-256 of the ELF that boots.
    pub digest: Digest,
}

/// What cargo said about the program that it linked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Linked {
    path: PathBuf,
    features: Vec<String>,
    /// The version of unik in it.
    version: Option<String>,
}

impl Image {
    /// The bytes that the budget is about: neither the files of its owner nor its identity.
    pub fn own_size(&self) -> u64 {
        self.size - self.embedded - self.identity
    }
}

impl Image {
    /// Where the image is, if not where it was linked for, and how gdb is told so.
    pub fn moved(&self) -> Option<String> {
        let base = self.base?;
        let by = base.wrapping_sub(relocation::LOWEST);
        Some(format!("loaded at {base:#x}; in gdb: symbol-file -o {by:#x} {}", self.debug.display()))
    }
}

impl Request {
    /// A build for `target/unik`, with progress.
    pub fn new(workspace: &Workspace, profile: Profile) -> Request {
        let room = Room { memory: u64::from(Memory::DEFAULT.mebibytes()) << 20, files: 0 };
        let output = output_folder(workspace);
        Request { profile, embed: None, output, types: false, progress: true, base: Base::Linked, room }
    }

    /// The same with types and variables, in a folder of its own.
    #[must_use]
    pub fn with_types(self) -> Request {
        Request { types: true, output: self.output.join("gdb"), ..self }
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
        budget::check(app, image.own_size())?;
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
        Some(folder) => {
            let archive = request.output.join(format!("{}.embed.cpio", app.name));
            Some(check::pack(workspace, app, folder, &archive)?)
        }
        None => None,
    };
    let commit = identity::commit(&workspace.root);
    let linked = compile(workspace, app, request, archive.as_deref(), commit.as_deref())?;
    let symbols = fs::read(&linked.path).or_cannot(|| format!("read {}", linked.path.display()))?;
    let base = request.base.address(&relocation::extent(&symbols)?, request.room)?;
    let bare = match base {
        Some(base) => elf::strip(&relocation::moved(&symbols, base)?)?,
        None => elf::strip(&symbols)?,
    };
    let archive = archive.map(|path| fs::read(&path).or_cannot(|| format!("read {}", path.display())));
    let archive = archive.transpose()?;
    let identity = Identity {
        version: linked.version,
        name: Some(app.name.clone()),
        commit,
        lock: fs::read(workspace.root.join("Cargo.lock")).ok().map(|lock| Digest::of(&lock)),
        profile: Some(request.profile.name().to_owned()),
        features: linked.features,
        data: archive.as_deref().map(Digest::of),
    };
    let stripped = elf::with_notes(&bare, &identity.notes())?;
    let image = Image {
        elf: request.output.join(format!("{}.elf", app.name)),
        debug: request.output.join(format!("{}.debug", app.name)),
        base,
        size: stripped.len() as u64,
        embedded: archive.map_or(0, |archive| archive.len() as u64),
        identity: (stripped.len() - bare.len()) as u64,
        digest: Digest::of(&stripped),
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
    pack_all(&[folder], archive)
}

/// The same for several folders, whose files become one tree.
///
/// # Errors
/// See [`cpio::pack_all`]; or the file cannot be written.
pub fn pack_all(folders: &[&Path], archive: &Path) -> Result<PathBuf> {
    let bytes = cpio::pack_all(folders)?;
    if let Some(parent) = archive.parent() {
        fs::create_dir_all(parent).or_cannot(|| format!("make {}", parent.display()))?;
    }
    write_if_changed(archive, &bytes)?;
    archive.canonicalize().or_cannot(|| format!("find {}", archive.display()))
}

/// Runs cargo and returns what it linked. `UNIK_BUILD` is what a running image says of its commit.
fn compile(
    workspace: &Workspace,
    app: &App,
    request: &Request,
    archive: Option<&Path>,
    commit: Option<&str>,
) -> Result<Linked> {
    let mut command = command(workspace, app, request)?;
    match archive {
        Some(archive) => command.env("UNIK_EMBED", archive),
        None => command.env_remove("UNIK_EMBED"),
    };
    match commit {
        Some(commit) => command.env("UNIK_BUILD", identity::shortened(commit)),
        None => command.env_remove("UNIK_BUILD"),
    };
    let mut cargo = command.spawn().or_cannot(|| "start cargo".to_owned())?;
    let mut linked = Linked::default();
    if let Some(messages) = cargo.stdout.take() {
        for line in BufReader::new(messages).lines() {
            linked.hear(&line.or_cannot(|| "read what cargo says".to_owned())?, &app.target);
        }
    }
    let status = cargo.wait().or_cannot(|| "wait for cargo".to_owned())?;
    if !status.success() {
        return Err(Error::failed(format!("{} was not built", app.name)));
    }
    if linked.path.as_os_str().is_empty() {
        return Err(Error::failed(format!("cargo built {} and did not say where it is", app.name)));
    }
    Ok(linked)
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
        .args(unstable_flags(request.profile))
        .args(foreign_flags(request.profile, &FOREIGN))
        .arg("--target-dir")
        .arg(workspace.target.join(if request.types { "images-with-types" } else { "images" }))
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if !app.defaults.features.is_empty() {
        command.args(["--features", &app.defaults.features.join(",")]);
    }
    let cryptography = ring::overrides(workspace, app)?;
    if !cryptography.is_empty() {
        command.args(cryptography).args(foreign_flags(request.profile, &CRYPTOGRAPHY));
    }
    if request.profile == Profile::Release {
        command.arg("--release");
    }
    if request.types {
        let name = if request.profile == Profile::Release { "release" } else { "dev" };
        command.arg("--config").arg(format!("profile.{name}.debug = \"full\""));
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
/// while the rest of the optimiser goes on as `"s"` has it, with what [`SMALL`] says.
/// The linker keeps its relocations in the file with symbols, for [`relocation`]: the image that boots is the same without them.
fn flags(profile: Profile) -> Result<String> {
    let mut flags = vec!["-Clink-arg=--emit-relocs".to_owned()];
    for folder in setup::source_folders()? {
        flags.push(format!("--remap-path-prefix={}/=", folder.display()));
    }
    if profile == Profile::Release {
        flags.push("-Zfmt-debug=none".to_owned());
        flags.extend(SMALL.map(|flag| format!("-Cllvm-args={flag}")));
    }
    Ok(format!("target.x86_64-unik.rustflags = {}", Value::from(flags)))
}

/// How LLVM makes the image that ships: each takes bytes off. Without the last two a switched frame takes 549 to 551 instructions, with
/// them 552 or 553, and a DNS query 4,920 and 4,903.
const SMALL: [&str; 4] = [
    "-inline-threshold=25",
    // Jumps go by comparison: an entry of a table takes eight bytes.
    "-min-jump-table-entries=16",
    // What is known on one way to a place is not computed on the others to be known there.
    "-enable-pre=false",
    // What a loop needs is made inside of it: made in front of it, it would take a register from the rest.
    "-disable-machine-licm",
];

/// Crates of others in every image with a network.
const FOREIGN: [&str; 9] = [
    "core",
    "alloc",
    "chacha20",
    "heapless",
    "linked_list_allocator",
    "postcard",
    "smoltcp",
    "uart_16550",
    "virtio-drivers",
];
/// Those that come with ring and rustls.
const CRYPTOGRAPHY: [&str; 5] = ["ring", "rustls", "rustls-pki-types", "rustls-webpki", "untrusted"];

/// What lets [`foreign_flags`] be given.
fn unstable_flags(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Dev => &[],
        Profile::Release => &["-Z", "profile-rustflags"],
    }
}

/// Flags for the code of others in the image that ships: its panics do not say where they are. The backtrace does, and a place
/// that is not the user's own is found there anyway; the names and numbers of all such places take kilobytes.
fn foreign_flags(profile: Profile, packages: &[&str]) -> Vec<String> {
    if profile == Profile::Dev {
        return Vec::new();
    }
    let flags = packages.iter().flat_map(|package| {
        let flag = format!("profile.release.package.{package}.rustflags = [\"-Zlocation-detail=none\"]");
        ["--config".to_owned(), flag]
    });
    flags.collect()
}

impl Linked {
    /// Takes what one of cargo's messages says about the program `target` or about unik.
    fn hear(&mut self, message: &str, target: &str) {
        let Ok(message) = serde_json::from_str::<Value>(message) else { return };
        if let Some(path) = message.get("executable").and_then(Value::as_str)
            && message.pointer("/target/name").and_then(Value::as_str) == Some(target)
        {
            self.path = PathBuf::from(path);
            let features = message.get("features").and_then(Value::as_array).into_iter().flatten();
            self.features = features.filter_map(Value::as_str).map(str::to_owned).collect();
        }
        // The id of a package ends with its name and version.
        let id = message.get("package_id").and_then(Value::as_str).and_then(|id| id.rsplit_once('#'));
        let package = id.and_then(|(_, package)| package.split_once('@'));
        if let Some((SYSTEM_PACKAGE, version)) = package {
            self.version = Some(version.to_owned());
        }
    }
}

/// Replaces a file in one step, so that a guest that is being started reads the old one or the new one. Several may do so
/// at once, also several threads of one process.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&draft, bytes).or_cannot(|| format!("write {}", path.display()))?;
    fs::rename(&draft, path).or_cannot(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn heard(message: &str, target: &str) -> Linked {
        let mut linked = Linked::default();
        linked.hear(message, target);
        linked
    }

    #[test]
    fn the_program_is_taken_from_the_message_about_it() {
        let message = r#"{"reason":"compiler-artifact","package_id":"path+file:///u#unik-dns@0.3.0",
            "target":{"name":"hello"},"features":["a"],"executable":"/t/hello"}"#;
        let expected = Linked { path: "/t/hello".into(), features: vec!["a".to_owned()], version: None };
        assert_eq!(heard(message, "hello"), expected);
        assert_eq!(heard(message, "dns"), Linked::default());
        let library = r#"{"reason":"compiler-artifact","target":{"name":"hello"},"executable":null}"#;
        assert_eq!(heard(library, "hello"), Linked::default());
        assert_eq!(heard("not json", "hello"), Linked::default());
    }

    #[test]
    fn the_version_of_unik_is_taken_from_the_message_about_it() {
        let message = r#"{"package_id":"path+file:///u#unik-os@0.1.0","target":{"name":"unik"}}"#;
        assert_eq!(heard(message, "dns").version.as_deref(), Some("0.1.0"));
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

    #[test]
    fn a_file_is_replaced_by_several_at_once() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    for round in 0..50_u8 {
                        write_if_changed(path, &[number, round]).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap().len(), 2);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "no draft is left");
    }
}
