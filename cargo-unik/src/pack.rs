//! Gathers an image with what it needs to boot elsewhere: a folder with the ELF, its files, a script of one command, and what systemd,
//! Firecracker and Cloud Hypervisor want instead of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::check;
use crate::elsewhere;
use crate::error::{Context, Result};
use crate::guest::{Command, Guest};
use crate::image::{self, Profile, Request};
use crate::options::{Accelerator, Network};
use crate::run::RunOptions;
use crate::workspace::{App, Workspace};

/// Builds the release image and fills the folder `target/unik/APP.pack`.
///
/// # Errors
/// No such application, it does not build, or the folder cannot be written.
pub fn run(options: RunOptions) -> Result<u8> {
    let options = RunOptions { profile: Profile::Release, accelerator: Accelerator::Tcg, ..options };
    let here = std::env::current_dir().or_cannot(|| "find the current folder".to_owned())?;
    let workspace = Workspace::load(&here)?;
    let app = workspace.app(options.app.as_deref(), &here)?;
    let request = Request::new(&workspace, options.profile);
    let mut guest = options.guest(&app, &request.output)?;
    let image = image::build_within_budget(&workspace, &app, &request)?;
    let folder = request.output.join(format!("{}.pack", app.name));
    fs::create_dir_all(&folder).or_cannot(|| format!("make {}", folder.display()))?;
    let kernel = format!("{}.elf", app.name);
    fs::copy(&image.elf, folder.join(&kernel)).or_cannot(|| format!("copy {kernel}"))?;
    guest.kernel = PathBuf::from(kernel);
    if let Some(data) = options.data_folder(&app)? {
        let archive = format!("{}.cpio", app.name);
        check::pack(&workspace, &app, &data, &folder.join(&archive))?;
        guest.initrd = Some(PathBuf::from(archive));
    }
    for file in files(&options, &app, &guest)? {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).or_cannot(|| format!("write {}", path.display()))?;
        let mode = fs::Permissions::from_mode(if file.is_script { 0o755 } else { 0o644 });
        fs::set_permissions(&path, mode).or_cannot(|| format!("set the mode of {}", path.display()))?;
    }
    println!("{}/run boots it", folder.strip_prefix(&here).unwrap_or(&folder).display());
    Ok(0)
}

/// A text beside the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// It can be started.
    pub is_script: bool,
}

/// The texts that boot a guest: under QEMU, as a service, under Firecracker, and under Cloud Hypervisor.
///
/// # Errors
/// As for [`Guest::command`].
pub fn files(options: &RunOptions, app: &App, guest: &Guest) -> Result<[File; 4]> {
    // What the manifest says about QEMU's user network does not hold on a tap device.
    let tapped =
        RunOptions { networks: Some(vec![Network::Tap(elsewhere::TAP.to_owned())]), ..options.clone() };
    let tapped = elsewhere::on_tap(guest, tapped.words(app));
    let file = |name: String, text, is_script| File { name, text, is_script };
    Ok([
        file("run".to_owned(), script(&guest.command()?), true),
        file(format!("{}.service", app.name), elsewhere::unit(&app.name, guest)?, false),
        file("firecracker.json".to_owned(), format!("{:#}\n", elsewhere::firecracker(&tapped)), false),
        file("cloud-hypervisor".to_owned(), elsewhere::cloud_hypervisor(&tapped), true),
    ])
}

/// The exit code of the image comes back as QEMU's: twice the code and one.
fn script(command: &Command) -> String {
    let line = command.line();
    format!(
        "#!/bin/sh\n# Boots the image in this folder. QEMU exits with twice the image's exit code and one.\ncd \"$(dirname \"$0\")\" && exec {line} \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_where_its_files_are_and_passes_arguments_on() {
        let guest = Guest { accelerator: Accelerator::Tcg, ..Guest::new("hello.elf") };
        let script = script(&guest.command().unwrap());
        assert!(script.contains("cd \"$(dirname \"$0\")\" && exec qemu-system-x86_64 "));
        assert!(script.ends_with(" -kernel hello.elf \"$@\"\n"));
    }
}
