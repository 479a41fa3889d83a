//! Images under test, built by the tool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cargo_unik::base::{Base, Room};
use cargo_unik::error::{Context as _, Result};
use cargo_unik::image::{self, Profile, Request};
use cargo_unik::options::Memory;
use cargo_unik::workspace::{App, Workspace};
use cargo_unik::{elf, relocation};

/// What was built already by this test program: tests run side by side and share their images.
static BUILT: Mutex<BTreeMap<(String, Profile), Image>> = Mutex::new(BTreeMap::new());

/// A built image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The ELF that boots.
    pub elf: PathBuf,
    /// Its twin with symbols.
    pub debug: PathBuf,
    /// The folder of files that its application comes with.
    pub data: Option<PathBuf>,
    /// The bytes that its budget is about; all of them where somebody else linked it.
    pub size: u64,
}

impl Image {
    /// The image that ships.
    ///
    /// # Panics
    /// It does not build, or is over its budget.
    #[track_caller]
    pub fn release(app: &str) -> Image {
        Image::build(app, Profile::Release)
    }

    /// The image that ships, with the files of a folder compiled in. One folder for an application in all tests: they share the result.
    ///
    /// # Panics
    /// It does not build.
    #[track_caller]
    pub fn embedding(app: &str, folder: &Path) -> Image {
        let workspace = workspace();
        let built = build_in(&workspace, app, "tests/embedded", |request| Request {
            profile: Profile::Release,
            embed: Some(folder.to_owned()),
            ..request
        });
        built.unwrap_or_else(|error| panic!("{app}: {error}"))
    }

    /// The image that one debugs.
    ///
    /// # Panics
    /// It does not build.
    #[track_caller]
    pub fn debug(app: &str) -> Image {
        Image::build(app, Profile::Dev)
    }

    /// The image that ships with these features of its package, which are part of its name: `dns+disk`.
    ///
    /// # Panics
    /// It does not build.
    #[track_caller]
    pub fn featured(app: &str, features: &[&str]) -> Image {
        let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = format!("{app}+{}", features.join("+"));
        let key = (name.clone(), Profile::Release);
        if let Some(image) = built.get(&key) {
            return image.clone();
        }
        let workspace = workspace();
        let image = workspace.app(Some(app), &workspace.root).and_then(|mut app| {
            app.name = name;
            app.defaults.features.extend(features.iter().map(|feature| (*feature).to_owned()));
            build_app(&workspace, app, "tests/release", |request| Request {
                profile: Profile::Release,
                ..request
            })
        });
        let image = image.unwrap_or_else(|error| panic!("{app}: {error}"));
        built.entry(key).or_insert(image).clone()
    }

    #[track_caller]
    fn build(app: &str, profile: Profile) -> Image {
        // A test that failed while it built says so itself; the others try again.
        let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (app.to_owned(), profile);
        if let Some(image) = built.get(&key) {
            return image.clone();
        }
        match build_profile(&workspace(), app, profile) {
            Ok(image) => built.entry(key).or_insert(image).clone(),
            Err(error) => panic!("{app}: {error}"),
        }
    }

    /// The image of the application in a folder outside of the workspace.
    ///
    /// # Panics
    /// It does not build.
    #[track_caller]
    pub fn outside(folder: &Path) -> Image {
        let built = Workspace::load(folder).and_then(|workspace| {
            let name = workspace.app(None, folder)?.name;
            build_profile(&workspace, &name, Profile::Dev)
        });
        built.unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    }

    /// The same image at another load address, which is printed: it is the seed of what may go wrong there.
    ///
    /// # Panics
    /// It cannot be loaded there.
    #[must_use]
    #[track_caller]
    pub fn at(&self, base: Base, memory: Memory) -> Image {
        let room = Room { memory: u64::from(memory.mebibytes()) << 20, files: 0 };
        let moved = std::fs::read(&self.debug).or_cannot(|| "read the image".to_owned()).and_then(|linked| {
            let address = base.address(&relocation::extent(&linked)?, room)?.unwrap_or(relocation::LOWEST);
            let elf = self.elf.with_extension(format!("{address:x}.elf"));
            println!("{} at {address:#x}", elf.display());
            let bytes = elf::strip(&relocation::moved(&linked, address)?)?;
            std::fs::write(&elf, bytes).or_cannot(|| format!("write {}", elf.display()))?;
            Ok(Image { elf, ..self.clone() })
        });
        moved.unwrap_or_else(|error| panic!("{error}"))
    }

    /// An image that somebody else linked.
    pub fn linked(elf: impl Into<PathBuf>) -> Image {
        let elf = elf.into();
        let size = std::fs::metadata(&elf).map_or(0, |found| found.len());
        Image { debug: elf.clone(), elf, data: None, size }
    }
}

/// The workspace of unik.
///
/// # Panics
/// Cargo cannot read it.
pub fn workspace() -> Workspace {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Workspace::load(here).unwrap_or_else(|error| panic!("{error}"))
}

fn build_profile(workspace: &Workspace, app: &str, profile: Profile) -> Result<Image> {
    let folder = match profile {
        Profile::Dev => "tests/dev",
        Profile::Release => "tests/release",
    };
    build_in(workspace, app, folder, |request| Request { profile, ..request })
}

/// Builds into a folder of its own, apart from what the user builds and may be running.
fn build_in(
    workspace: &Workspace,
    app: &str,
    folder: &str,
    wishes: impl Fn(Request) -> Request,
) -> Result<Image> {
    build_app(workspace, workspace.app(Some(app), &workspace.root)?, folder, wishes)
}

fn build_app(
    workspace: &Workspace,
    app: App,
    folder: &str,
    wishes: impl Fn(Request) -> Request,
) -> Result<Image> {
    let request = Request::new(workspace, Profile::Dev);
    let request = wishes(Request { output: request.output.join(folder), progress: false, ..request });
    let image = image::build(workspace, &app, &request)?;
    let size = image.own_size();
    Ok(Image { elf: image.elf, debug: image.debug, data: app.defaults.data, size })
}
