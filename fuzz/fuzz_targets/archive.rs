//! Any bytes at all as an archive of files: what it lists can be read, and lies inside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unik_block::archive::Archive;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = Archive::parse(bytes) else { return };
    for file in archive.files().take(64) {
        let contents = file.contents();
        assert!(contents.is_empty() || bytes.as_ptr_range().contains(&contents.as_ptr()));
        assert_eq!(archive.read(file.path()), Some(contents));
    }
});
