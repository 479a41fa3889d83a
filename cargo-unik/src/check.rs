//! What an application says of its files, and makes of them, before they become part of an image or go to a guest.
//!
//! The tool knows nothing of what files mean. An application whose manifest says `check = "NAME"` has an example NAME, a program
//! for this computer: it is given the folder, says on standard error what is wrong in it, in the words that the appliance itself
//! would use, and exits with 1. Then nothing is packed.
//!
//! One that says `prepare = "NAME"` does the same with an archive of the files, and puts what is to be packed beside them into a second
//! folder that it is given: whatever is found out once here need not be found out at each start. A third folder keeps what it likes to
//! have again the next time. What it makes must follow from the files alone, so that the same folder is packed into the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Context, Error, Result};
use crate::workspace::{App, Workspace};
use crate::{image, setup};

/// The exit code of a check that found something wrong; any other but 0 says that it did not get so far.
const REFUSED: i32 = 1;

/// Has `folder` checked and prepared, as far as the application does that, and packs it as [`image::pack`] does.
///
/// # Errors
/// The application refuses the files (and has said why), its program does not build, or the folder cannot be packed.
pub fn pack(workspace: &Workspace, app: &App, folder: &Path, archive: &Path) -> Result<PathBuf> {
    if let Some(check) = &app.defaults.check {
        let folder = std::path::absolute(folder).or_cannot(|| format!("find {}", folder.display()))?;
        judge(example(workspace, app, check).arg(&folder), app, &folder)?;
    }
    let Some(prepare) = &app.defaults.prepare else { return image::pack(folder, archive) };
    let place = Place::make(archive)?;
    let plain = image::pack(folder, &place.0.join("plain.cpio"))?;
    let cache = image::output_folder(workspace).join("prepared").join(&app.name);
    let made = place.0.join("made");
    fs::create_dir_all(&made).or_cannot(|| format!("make {}", made.display()))?;
    judge(example(workspace, app, prepare).arg(&plain).arg(&made).arg(&cache), app, folder)?;
    image::pack_all(&[folder, &made], archive)
}

/// A folder beside an archive, for as long as that is in the making. Several may be at once.
struct Place(PathBuf);

impl Place {
    fn make(archive: &Path) -> Result<Place> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut place = std::path::absolute(archive).or_cannot(|| format!("find {}", archive.display()))?;
        place.as_mut_os_string().push(format!(
            ".{}.{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir_all(&place).or_cannot(|| format!("make {}", place.display()))?;
        Ok(Place(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays behind is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs what judges the files in `folder`.
fn judge(command: &mut Command, app: &App, folder: &Path) -> Result<()> {
    let status = command.status().or_cannot(|| "start cargo".to_owned())?;
    match status.code() {
        Some(0) => Ok(()),
        Some(REFUSED) => {
            Err(Error::failed(format!("{} refuses the files in {}", app.name, folder.display())))
        }
        _ => Err(Error::failed(format!("cannot check the files in {}: {status}", folder.display()))),
    }
}

/// The command that runs an example of the application's package.
fn example(workspace: &Workspace, app: &App, name: &str) -> Command {
    let mut command = Command::new(setup::cargo());
    command.current_dir(&workspace.root);
    command.args(["run", "--quiet", "--package", &app.package, "--example", name, "--"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::workspace::{Defaults, Kind};

    fn app() -> App {
        App {
            name: "dns".to_owned(),
            package: "unik-dns".to_owned(),
            folder: PathBuf::from("/w/apps/dns"),
            target: "dns".to_owned(),
            kind: Kind::Program,
            defaults: Defaults::default(),
        }
    }

    fn workspace() -> Workspace {
        Workspace { root: "/w".into(), target: "/w/target".into(), packages: Vec::new() }
    }

    #[test]
    fn what_judges_files_is_an_example_of_the_package() {
        let command = example(&workspace(), &app(), "zones");
        let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words, ["run", "--quiet", "--package", "unik-dns", "--example", "zones", "--"]);
    }

    #[test]
    fn files_that_nobody_checks_are_packed() {
        let scratch = Scratch::new();
        scratch.write("files/a", b"a");
        let archive = scratch.path().join("a.cpio");
        let packed = pack(&workspace(), &app(), &scratch.path().join("files"), &archive).unwrap();
        assert_eq!(fs::read(packed).unwrap(), crate::cpio::pack(&scratch.path().join("files")).unwrap());
    }

    #[test]
    fn a_verdict_is_told_from_a_failure() {
        let verdict = |code| {
            let error = judge(Command::new("sh").args(["-c", code]), &app(), Path::new("/z"))
                .map_err(|error| error.to_string());
            error.err()
        };
        assert_eq!(verdict("exit 0"), None);
        assert_eq!(verdict("exit 1").as_deref(), Some("dns refuses the files in /z"));
        assert_eq!(verdict("exit 2").as_deref(), Some("cannot check the files in /z: exit status: 2"));
    }
}
