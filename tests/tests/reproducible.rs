//! The same sources give the same image, bit by bit, wherever they lie and whenever they were written.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a panic is their verdict")]

use std::fs;
use std::path::{Path, PathBuf};

use cargo_unik::identity::{Digest, Identity};
use cargo_unik::image::{self, Profile, Request};
use cargo_unik::workspace::Workspace;
use unik_tests::workspace;

/// What is built or remembered, and not written.
const LEFT_OUT: [&str; 3] = ["target", ".git", "corpus"];

/// A copy of the workspace with a target folder of its own, outside of any repository.
struct Sources(PathBuf);

impl Sources {
    fn copied_to(name: &str) -> Sources {
        let parent = std::env::temp_dir().join(format!("unik-reproducible-{}", std::process::id()));
        let folder = parent.join(name);
        copy(&workspace().root, &folder);
        Sources(folder)
    }

    /// The images that ship: one without files, and one with files compiled in.
    fn build(&self) -> [Vec<u8>; 2] {
        let workspace = Workspace::load(&self.0).unwrap();
        assert!(workspace.target.starts_with(&self.0), "{}", workspace.target.display());
        ["hello", "dns"].map(|name| {
            let app = workspace.app(Some(name), &workspace.root).unwrap();
            let request = Request::new(&workspace, Profile::Release);
            let embed = app.defaults.data.clone();
            let image =
                image::build(&workspace, &app, &Request { embed, progress: false, ..request }).unwrap();
            fs::read(image.elf).unwrap()
        })
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // The folder of all copies goes with the last one.
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn two_folders_give_the_same_images() {
    // Both are copied before one is built, so that an edit in the meantime is in neither.
    let near = Sources::copied_to("a");
    let far = Sources::copied_to("a-folder-with-a-name-that-is-much-longer");
    let (near, far) = (near.build(), far.build());
    for (name, (one, other)) in ["hello", "dns"].into_iter().zip(near.iter().zip(&far)) {
        let differs = one.iter().zip(other).position(|(one, other)| one != other);
        assert!(
            one == other,
            "{name}: {} and {} bytes, the first difference at {differs:?}",
            one.len(),
            other.len()
        );
        let identity = Identity::read(one).unwrap();
        assert_eq!(identity.name.as_deref(), Some(name));
        let text = String::from_utf8_lossy(one);
        for place in [std::env::temp_dir().as_path(), &workspace().root, Path::new("/.cargo/registry")] {
            assert!(!text.contains(&*place.to_string_lossy()), "{name} names {}", place.display());
        }
    }
    let lock = fs::read(workspace().root.join("Cargo.lock")).unwrap();
    assert_eq!(Identity::read(&near[1]).unwrap().lock, Some(Digest::of(&lock)));
}
