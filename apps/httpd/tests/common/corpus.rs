//! The seeds of the fuzz targets.

use std::path::Path;

/// Each file of `fuzz/corpus/<target>`, with its name.
pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.expect("a file");
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, std::fs::read(entry.path()).expect("readable"))
    };
    let files: Vec<_> = entries.map(read).collect();
    assert!(!files.is_empty());
    files
}
