//! What an application says of its files before they become part of an image or go to a guest.
//!
//! The tool knows nothing of what files mean. An application whose manifest says `check = "NAME"` has an example NAME, a program
//! for this computer: it is given the folder, says on standard error what is wrong in it, in the words that the appliance itself
//! would use, and exits with 1. Then nothing is packed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::workspace::{App, Workspace};
use crate::{image, setup};

/// The exit code of a check that found something wrong; any other but 0 says that it did not get so far.
const REFUSED: i32 = 1;

/// Has `folder` checked, if the application checks its files, and packs it as [`image::pack`] does.
///
/// # Errors
/// The application refuses the files (and has said why), its check does not build, or the folder cannot be packed.
pub fn pack(workspace: &Workspace, app: &App, folder: &Path, archive: &Path) -> Result<PathBuf> {
    if let Some(mut command) = command(workspace, app, folder)? {
        let status = command.status().or_cannot(|| "start cargo".to_owned())?;
        match status.code() {
            Some(0) => {}
            Some(REFUSED) => {
                return Err(Error::failed(format!("{} refuses the files in {}", app.name, folder.display())));
            }
            _ => {
                return Err(Error::failed(format!(
                    "cannot check the files in {}: {status}",
                    folder.display()
                )));
            }
        }
    }
    image::pack(folder, archive)
}

/// What checks the files in `folder`.
fn command(workspace: &Workspace, app: &App, folder: &Path) -> Result<Option<Command>> {
    let Some(check) = &app.defaults.check else { return Ok(None) };
    let folder = std::path::absolute(folder).or_cannot(|| format!("find {}", folder.display()))?;
    let mut command = Command::new(setup::cargo());
    command.current_dir(&workspace.root).args([
        "run",
        "--quiet",
        "--package",
        &app.package,
        "--example",
        check,
    ]);
    command.arg("--").arg(folder);
    Ok(Some(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Defaults, Kind};

    fn app(check: Option<&str>) -> App {
        App {
            name: "dns".to_owned(),
            package: "unik-dns".to_owned(),
            folder: PathBuf::from("/w/apps/dns"),
            target: "dns".to_owned(),
            kind: Kind::Program,
            defaults: Defaults { check: check.map(str::to_owned), ..Defaults::default() },
        }
    }

    fn workspace() -> Workspace {
        Workspace { root: "/w".into(), target: "/w/target".into(), packages: Vec::new() }
    }

    #[test]
    fn an_example_of_the_package_is_given_the_whole_path_of_the_folder() {
        let command = command(&workspace(), &app(Some("zones")), Path::new("/z")).unwrap().unwrap();
        let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words, ["run", "--quiet", "--package", "unik-dns", "--example", "zones", "--", "/z"]);
    }

    #[test]
    fn files_that_nobody_checks_are_packed() {
        assert!(command(&workspace(), &app(None), Path::new("/z")).unwrap().is_none());
    }
}
