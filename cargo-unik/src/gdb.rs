//! An image under gdb: built with types, stopped before its first instruction or after its death, with commands that know the
//! system.
//!
//! QEMU's gdb stub is a Unix socket in a folder of its own, so no port is open to anybody else. The console goes to
//! standard error, beside what gdb says. The guest ends with gdb. The commands are in `gdb/unik.py`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::check;
use crate::error::{Context, Error, Result};
use crate::guest::Guest;
use crate::image::{self, Request};
use crate::run::RunOptions;
use crate::setup;
use crate::workspace::{App, Workspace};

/// The commands for gdb.
const COMMANDS: &str = include_str!("../gdb/unik.py");
/// How long QEMU may take to make its machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const TICK: Duration = Duration::from_millis(5);

/// Hands the terminal to gdb until that ends; its exit code is the tool's. What it looks into is an application that is
/// built and booted, and stopped before its first instruction, or the memory of one that has died.
///
/// # Errors
/// There is no gdb, the image does not build, QEMU does not start, or there is no such core file.
pub(crate) fn run(options: RunOptions) -> Result<u8> {
    let version = Command::new("gdb").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if version.is_err() {
        return Err(Error::failed("there is no gdb here: install it with: sudo apt install gdb"));
    }
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let app = workspace.app(options.app.as_deref(), &here)?;
    let folder = Folder::make()?;
    let script = folder.0.join("unik.py");
    fs::write(&script, COMMANDS).or_cannot(|| format!("write {}", script.display()))?;
    let request = Request { embed: options.embed.clone(), ..Request::new(&workspace, options.profile) };
    let request = request.with_types();
    let mut gdb = Command::new("gdb");
    gdb.arg("-quiet").arg("-iex").arg("set confirm off");
    // It ends behind gdb.
    let _qemu = match &options.core {
        Some(core) => {
            let debug = request.output.join(format!("{}.debug", app.name));
            if let Some(missing) = [&debug, core].into_iter().find(|file| !file.exists()) {
                let name = &app.name;
                let sentence = format!(
                    "there is no {}: a guest that dies leaves it with: cargo unik run {name} --types --core FILE",
                    missing.display()
                );
                return Err(Error::usage(sentence));
            }
            gdb.arg(debug).arg(std::path::absolute(core).or_cannot(|| format!("find {}", core.display()))?);
            None
        }
        None => {
            let stub = folder.0.join("stub");
            let (debug, qemu) = stopped_machine(&options, &workspace, &app, &request, &stub)?;
            gdb.arg(debug).arg("-ex").arg(format!("target remote {}", stub.display()));
            Some(qemu)
        }
    };
    // Ctrl-C is for gdb, which stops the guest.
    ctrlc::set_handler(|| {}).or_cannot(|| "leave Ctrl-C to gdb".to_owned())?;
    gdb.arg("-ex")
        .arg(format!("source {}", script.display()))
        .args(&options.extra)
        .current_dir(&workspace.root);
    let status = gdb.status().or_cannot(|| "start gdb".to_owned())?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::error::EXIT_FAILED))
}

/// Builds an application and starts its machine, which waits at `stub` for a debugger; its symbols are returned as well.
fn stopped_machine(
    options: &RunOptions,
    workspace: &Workspace,
    app: &App,
    request: &Request,
    stub: &Path,
) -> Result<(PathBuf, Qemu)> {
    setup::qemu()?;
    setup::check_compiler()?;
    // What was given behind the options is gdb's.
    let options = RunOptions { extra: Vec::new(), ..options.clone() };
    let image = image::build(workspace, app, request)?;
    let guest = Guest { extra: stopped(stub), ..options.guest(app, &request.output)? };
    if let (Some(files), Some(archive)) = (options.data_folder(app)?, &guest.initrd) {
        check::pack(workspace, app, &files, archive)?;
    }
    let mut qemu = guest.command()?.process();
    qemu.stdin(Stdio::null()).stdout(std::io::stderr()).process_group(0);
    let mut qemu = Qemu(qemu.spawn().or_cannot(|| "start QEMU".to_owned())?);
    qemu.listens(stub)?;
    Ok((image.debug, qemu))
}

/// Arguments for a QEMU that waits for a debugger.
fn stopped(stub: &Path) -> Vec<OsString> {
    let stub = format!("socket,id=unik-gdb,server=on,wait=off,path={}", stub.display());
    ["-S".into(), "-chardev".into(), stub.into(), "-gdb".into(), "chardev:unik-gdb".into()].into()
}

/// A QEMU that ends with this.
struct Qemu(Child);

impl Qemu {
    fn listens(&mut self, stub: &Path) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !stub.exists() {
            let ended = self.0.try_wait().or_cannot(|| "wait for QEMU".to_owned())?.is_some();
            if ended || Instant::now() > deadline {
                return Err(Error::failed("QEMU did not start the guest"));
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder for this user alone, which goes with this. The path of a socket is short, so it is not below the folder of
/// everything built.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("unik-gdb-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path).or_cannot(|| format!("make {}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
