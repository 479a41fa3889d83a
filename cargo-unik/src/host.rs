//! Runs an application as an ordinary process of this computer: the same source, without a machine around it.
//!
//! For gdb, perf and valgrind, and for measuring at native speed. The process takes its network cards (`--net tap:NAME` or
//! `--net link:PATH`), its disks (`--disk`), its files (`--data`, an archive as for an image), the socket of its inspection channel (`--monitor`) and its words
//! of configuration as arguments.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::check;
use crate::disk::{Drive, Format};
use crate::error::{Context, Error, Result};
use crate::image::{self, Profile};
use crate::monitor::find;
use crate::options::Network;
use crate::run::{self, RunOptions};
use crate::setup;
use crate::workspace::{App, Kind, Workspace};

/// Builds the application for this computer and becomes it: signals and exit codes are the process's own from then on, since cargo
/// becomes what it runs as well. Returns after a dry run only.
///
/// # Errors
/// Options that only a machine has, or a folder that is not there.
pub fn run(options: &RunOptions, app: &App, workspace: &Workspace) -> Result<u8> {
    let channel = options.channel(app)?;
    let mut command = command(options, app, workspace, channel.as_deref())?;
    if options.dry_run {
        println!("{}", shown(&command));
        return Ok(0);
    }
    if let Some(socket) = &channel {
        find::clear(socket)?;
    }
    Err(Error::failed(format!("cannot start cargo: {}", command.exec())))
}

fn command(
    options: &RunOptions,
    app: &App,
    workspace: &Workspace,
    channel: Option<&Path>,
) -> Result<Command> {
    let machine = [
        ("--machine", options.machine.is_some()),
        ("--memory", options.memory.is_some()),
        ("--net user", options.networks.as_ref().is_some_and(|networks| networks.contains(&Network::User))),
        ("--embed", options.embed.is_some()),
        ("--forward", !options.forwards.is_empty()),
        ("--", !options.extra.is_empty()),
    ];
    if let Some((flag, _)) = machine.iter().find(|(_, given)| *given) {
        return Err(Error::usage(format!("{flag} is for a machine, and --host runs without one")));
    }
    let kind = match app.kind {
        Kind::Program => "--bin",
        Kind::Example => "--example",
    };
    let mut command = Command::new(setup::cargo());
    command.current_dir(&workspace.root).args(["run", "--package", &app.package, kind, &app.target]);
    if !app.defaults.features.is_empty() {
        command.args(["--features", &app.defaults.features.join(",")]);
    }
    if options.profile == Profile::Release {
        command.arg("--release");
    }
    command.arg("--");
    for network in options.networks.iter().flatten() {
        match network {
            Network::User => {}
            Network::Tap(name) => {
                command.arg(format!("--net=tap:{name}"));
            }
            Network::Link(path) => {
                let path = std::path::absolute(path).or_cannot(|| format!("find {}", path.display()))?;
                command.arg(format!("--net=link:{}", path.display()));
            }
        }
    }
    for disk in &options.disks {
        let Drive { path, is_read_only, format } = disk.drive()?;
        if format == Format::Qcow2 {
            let sentence = format!("{} is for a machine: --host takes plain disks alone", path.display());
            return Err(Error::usage(sentence));
        }
        let mut word = OsString::from("--disk=");
        word.push(std::path::absolute(&path).or_cannot(|| format!("find {}", path.display()))?);
        word.push(if is_read_only { ",ro" } else { "" });
        command.arg(word);
    }
    if let Some(socket) = channel {
        command.arg("--monitor").arg(socket);
    }
    if let Some(folder) = options.data_folder(app)? {
        let archive = image::output_folder(workspace).join(format!("{}.data.cpio", app.name));
        command.arg("--data").arg(check::pack(workspace, app, &folder, &archive)?);
    }
    // The process sees words as an image does: quotation marks hold them together and are no part of them.
    command.args(run::split(&options.words(app)).into_iter().map(|word| word.replace('"', "")));
    Ok(command)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
