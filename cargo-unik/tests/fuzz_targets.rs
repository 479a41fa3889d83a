//! Keeps the fuzz targets whole: they stand outside the workspace, so nobody builds them every day.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The names of what is in a folder, without what is behind a dot.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn each_fuzz_target_has_a_place_in_the_manifest_and_in_the_table_and_has_seeds() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("fuzz/Cargo.toml: {error}"));
    let targets = manifest["bin"].as_array().expect("targets");
    let mut named = BTreeSet::new();
    for target in targets {
        let (name, path) = (target["name"].as_str().expect("a name"), target["path"].as_str());
        assert_eq!(path, Some(&*format!("fuzz_targets/{name}.rs")));
        assert!(named.insert(name.to_owned()), "{name} is there twice");
    }
    assert_eq!(named, names(&folder().join("fuzz_targets")));
    assert_eq!(named, names(&folder().join("corpus")));
    let page = fs::read_to_string(folder().join("README.md")).expect("a page");
    for name in &named {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in the table of fuzz/README.md");
        assert!(!names(&folder().join("corpus").join(name)).is_empty(), "{name} has no seeds");
    }
}
