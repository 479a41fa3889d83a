//! Gathers an image with what it needs to boot elsewhere: a folder with the ELF, its files, and a script of one command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::guest::{Command, Guest};
use crate::image::{self, Profile, Request};
use crate::options::Accelerator;
use crate::run::RunOptions;
use crate::workspace::Workspace;

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
        image::pack(&data, &folder.join(&archive))?;
        guest.initrd = Some(PathBuf::from(archive));
    }
    write_script(&folder.join("run"), &guest)?;
    println!("{}/run boots it", folder.strip_prefix(&here).unwrap_or(&folder).display());
    Ok(0)
}

fn write_script(path: &Path, guest: &Guest) -> Result<()> {
    fs::write(path, script(&guest.command()?)).or_cannot(|| format!("write {}", path.display()))?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, executable).or_cannot(|| format!("make {} executable", path.display()))
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
