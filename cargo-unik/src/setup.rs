//! Checks what the tool needs, and installs it where it may.
//!
//! The sources of the standard library (images are built with their own `core`), QEMU, a compiler among the tested ones, and, for
//! images with the cryptography of ring, a C compiler. Each is looked for first and only fetched when missing, by the ordinary client and with the command shown.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};
use crate::guest::QEMU;

/// Compilers that images are tested with, as the start of what `rustc --version` says.
pub const TESTED: [&str; 1] = ["rustc 1.95."];
/// The target of images that are built by plain cargo, without this tool.
pub const PLAIN_TARGET: &str = "x86_64-unknown-none";

/// The cargo that this process was started by, or the one in the path.
pub fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Says so when the compiler is not among the tested ones; the build then goes on.
///
/// # Errors
/// No rustc at all.
pub fn check_compiler() -> Result<()> {
    let version = output(Command::new(rustc()).arg("--version"))?;
    if !TESTED.iter().any(|tested| version.starts_with(tested)) {
        eprintln!("unik: {} is not among the tested compilers ({}...)", version.trim(), TESTED.join("..., "));
    }
    Ok(())
}

/// Makes sure that the sources of `core` and `alloc` are there.
///
/// # Errors
/// They are missing and cannot be installed; the sentence names the command.
pub fn rust_src() -> Result<()> {
    if library_sources()?.join("Cargo.lock").is_file() {
        return Ok(());
    }
    let command = ["rustup", "component", "add", "rust-src"];
    if !in_path(command[0]) {
        return Err(Error::failed(format!(
            "images are built with their own core: put the sources of this rustc's library into {}",
            library_sources()?.display()
        )));
    }
    execute(&command)
}

/// Where the sources of the standard library are, or would be.
///
/// # Errors
/// No rustc at all.
pub fn library_sources() -> Result<PathBuf> {
    let sysroot = output(Command::new(rustc()).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library"))
}

/// The version of the compiler: `1.95.0`.
///
/// # Errors
/// No rustc at all, or one that does not say.
pub fn compiler_version() -> Result<String> {
    let words = output(Command::new(rustc()).arg("--version"))?;
    let version = words.split_whitespace().nth(1).map(str::to_owned);
    version.ok_or_else(|| Error::failed("rustc does not say which version it is"))
}

/// The folders that the sources of dependencies and of the standard library lie in.
///
/// # Errors
/// No rustc at all.
pub fn source_folders() -> Result<Vec<PathBuf>> {
    let mut folders = vec![library_sources()?];
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    if let Some(registries) = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok()) {
        folders.extend(registries.flatten().map(|registry| registry.path()));
    }
    folders.sort();
    Ok(folders)
}

/// Makes sure that the target for plain cargo builds is there.
///
/// # Errors
/// It is missing and cannot be installed; the sentence names the command.
pub fn plain_target() -> Result<()> {
    let sysroot = PathBuf::from(output(Command::new(rustc()).args(["--print", "sysroot"]))?.trim());
    if sysroot.join("lib/rustlib").join(PLAIN_TARGET).is_dir() {
        return Ok(());
    }
    execute(&["rustup", "target", "add", PLAIN_TARGET])
}

/// Makes sure that QEMU is there.
///
/// # Errors
/// It is missing and cannot be installed; the sentence names the command.
pub fn qemu() -> Result<()> {
    install(QEMU, &[QEMU], ["qemu-system-x86", "qemu-system-x86", "qemu-system-x86", "qemu"]).map(|_| ())
}

/// A C compiler, which images with the cryptography of ring need.
///
/// # Errors
/// There is none, and none can be installed; the sentence names the command.
pub fn c_compiler() -> Result<PathBuf> {
    match env::var_os("CC") {
        Some(given) if !given.is_empty() => Ok(PathBuf::from(given)),
        _ => install("a C compiler", &["cc", "gcc", "clang"], ["gcc"; 4]),
    }
}

/// What puts object files into an archive: it comes with the compiler.
///
/// # Errors
/// As for [`c_compiler`].
pub fn archiver() -> Result<PathBuf> {
    install("ar", &["ar", "llvm-ar"], ["binutils"; 4])
}

/// Finds the first of these programs in the path, or installs the package that has them, as `apt-get`, `dnf`, `pacman` and `brew`
/// call it.
fn install(what: &str, programs: &[&str], packages: [&str; 4]) -> Result<PathBuf> {
    let find = || programs.iter().find(|program| in_path(program)).map(PathBuf::from);
    if let Some(found) = find() {
        return Ok(found);
    }
    if in_path("apt-get") && is_root() {
        execute(&["apt-get", "update"])?;
        execute(&["apt-get", "install", "-y", "--no-install-recommends", packages[0]])?;
        return find().ok_or_else(|| Error::failed(format!("{what} is still missing")));
    }
    let clients = [
        ("apt-get", "sudo apt-get install -y"),
        ("dnf", "sudo dnf install -y"),
        ("pacman", "sudo pacman -S"),
        ("brew", "brew install"),
    ];
    let mut commands = clients.iter().zip(packages).filter(|((client, _), _)| in_path(client));
    Err(Error::failed(match commands.next() {
        Some(((_, command), package)) => format!("{what} is missing: run '{command} {package}'"),
        None => format!("{what} is missing: install {}", packages[0]),
    }))
}

/// Whether a program of this name is in the path.
pub fn in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

fn rustc() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from)
}

/// Runs a command for what it prints.
///
/// # Errors
/// It cannot be started, or fails; then the sentence holds what it wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().or_cannot(|| format!("start {name}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(Error::failed(format!("{name} failed: {}", error.trim())));
    }
    String::from_utf8(output.stdout).or_cannot(|| format!("read what {name} says"))
}

/// Shows a command and runs it before the eyes of the user. Its output goes to standard error, which is where progress belongs.
fn execute(command: &[&str]) -> Result<()> {
    let line = command.join(" ");
    eprintln!("unik: {line}");
    let status = Command::new(command[0])
        .args(&command[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .or_cannot(|| format!("start {}", command[0]))?;
    if status.success() { Ok(()) } else { Err(Error::failed(format!("'{line}' failed"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_the_path() {
        assert!(in_path("sh"));
        assert!(!in_path("no-such-program-anywhere"));
    }

    #[test]
    fn a_failing_command_is_quoted_in_the_sentence() {
        let error = output(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh failed: broken");
    }
}
