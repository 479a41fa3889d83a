//! The reader of archives, on archives made here: what it finds, and what it says about damage.

use unik_block::Error;
use unik_block::archive::{Archive, ENTRY_LIMIT};

const FILE: u32 = 0o100_644;
const DIRECTORY: u32 = 0o040_755;
const SYMBOLIC_LINK: u32 = 0o120_777;

/// Writes archives, entry by entry.
#[derive(Clone, Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn entry(self, mode: u32, name: &str, contents: &[u8]) -> Self {
        self.link(mode, 7, 1, name.as_bytes(), contents)
    }

    fn file(self, name: &str, contents: &[u8]) -> Self {
        self.entry(FILE, name, contents)
    }

    fn link(mut self, mode: u32, inode: u32, links: u32, name: &[u8], contents: &[u8]) -> Self {
        let (length, name_length) = (contents.len(), name.len() + 1);
        let numbers =
            [inode, mode, 0, 0, links, 0x6500_0000, length as u32, 8, 1, 0, 0, name_length as u32, 0];
        self.0.extend_from_slice(b"070701");
        for number in numbers {
            self.0.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        self.0.extend_from_slice(name);
        self.0.push(0);
        self = self.pad(4);
        self.0.extend_from_slice(contents);
        self.pad(4)
    }

    fn pad(mut self, alignment: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
        self
    }

    fn finish(self) -> Vec<u8> {
        self.link(0, 0, 1, b"TRAILER!!!", b"").0
    }
}

/// Two directories and three files, with contents of each length modulo 4.
fn sample() -> Vec<u8> {
    Writer::default()
        .entry(DIRECTORY, ".", b"")
        .file("./about.txt", b"12345")
        .entry(DIRECTORY, "./zones", b"")
        .file("./zones/a.zone", b"zone a")
        .file("./zones/b.zone", b"")
        .finish()
}

fn listed<'a>(files: impl Iterator<Item = unik_block::archive::File<'a>>) -> Vec<(&'a str, &'a [u8])> {
    files.map(|file| (file.path(), file.contents())).collect()
}

fn error_of(bytes: &[u8]) -> Option<Error> {
    Archive::parse(bytes).err()
}

#[test]
fn files_come_with_path_and_contents_and_directories_do_not() {
    let bytes = sample();
    let archive = Archive::parse(&bytes).unwrap();
    let expected: [(&str, &[u8]); 3] =
        [("about.txt", b"12345"), ("zones/a.zone", b"zone a"), ("zones/b.zone", b"")];
    assert_eq!(listed(archive.files()), expected);
    assert_eq!(archive.file_entries(), 3);
    assert_eq!((archive.special_entries(), archive.misnamed_entries()), (0, 0));
}

#[test]
fn files_come_with_the_time_when_they_were_modified_unless_the_archive_has_zeros_there() {
    let mut bytes = sample();
    let archive = Archive::parse(&bytes).unwrap();
    assert!(archive.files().all(|file| file.modified() == Some(0x6500_0000)));
    let time = b"65000000";
    while let Some(at) = bytes.windows(time.len()).position(|window| window == time) {
        bytes[at..at + time.len()].fill(b'0');
    }
    let archive = Archive::parse(&bytes).unwrap();
    assert!(archive.files().all(|file| file.modified().is_none()));
}

#[test]
fn contents_are_slices_of_the_archive() {
    let bytes = sample();
    let contents = Archive::parse(&bytes).unwrap().read("about.txt").unwrap();
    assert!(bytes.as_ptr_range().contains(&contents.as_ptr()));
}

#[test]
fn reading_ignores_how_the_path_begins() {
    let bytes = sample();
    let archive = Archive::parse(&bytes).unwrap();
    for path in ["zones/a.zone", "/zones/a.zone", "./zones/a.zone", ".//zones/a.zone"] {
        assert_eq!(archive.read(path), Some(&b"zone a"[..]), "{path}");
    }
}

#[test]
fn reading_finds_files_only() {
    let bytes = sample();
    let archive = Archive::parse(&bytes).unwrap();
    for path in ["", "/", ".", "zones", "zones/", "zones/a.zon", "a.zone", "TRAILER!!!", "zones/../about.txt"]
    {
        assert_eq!(archive.read(path), None, "{path}");
    }
}

#[test]
fn listing_a_directory_does_not_list_its_namesakes() {
    let bytes = Writer::default()
        .file("zone", b"")
        .file("zones/a", b"")
        .file("zones/deep/b", b"")
        .file("zones2/c", b"");
    let bytes = bytes.finish();
    let archive = Archive::parse(&bytes).unwrap();
    for prefix in ["zones", "zones/", "/zones", "./zones/"] {
        assert!(archive.list(prefix).map(|file| file.path()).eq(["zones/a", "zones/deep/b"]), "{prefix}");
    }
    for prefix in ["", "/", ".", "./"] {
        assert_eq!(archive.list(prefix).count(), 4, "{prefix}");
    }
    assert_eq!(archive.list("zone").count(), 0);
}

#[test]
fn links_and_devices_are_counted_and_left_out() {
    let bytes = Writer::default()
        .entry(SYMBOLIC_LINK, "link", b"target")
        .entry(0o020_600, "console", b"")
        .entry(0o060_600, "disk", b"")
        .file("target", b"text")
        .finish();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(archive.special_entries(), 3);
    assert_eq!(archive.read("link"), None);
    assert!(archive.files().map(|file| file.path()).eq(["target"]));
}

#[test]
fn paths_that_cannot_be_asked_for_are_counted_and_left_out() {
    let names: [&[u8]; 9] =
        [b"../etc/passwd", b"a/../b", b"a//b", b"a/./b", b"a/", b"", b"/", b"nul\0name", b"not utf-8 \xff"];
    let bytes = names.iter().fold(Writer::default(), |writer, name| writer.link(FILE, 7, 1, name, b"x"));
    let bytes = bytes.file("..good", b"y").finish();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(archive.misnamed_entries(), names.len());
    assert_eq!(listed(archive.files()), [("..good", &b"y"[..])]);
    for name in names.iter().filter_map(|name| str::from_utf8(name).ok()) {
        assert_eq!(archive.read(name), None, "{name:?}");
    }
}

#[test]
fn a_later_file_takes_the_place_of_an_earlier_one() {
    let bytes = Writer::default().file("b", b"old").file("a", b"kept").file("./b", b"new").finish();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(archive.read("b"), Some(&b"new"[..]));
    assert_eq!(listed(archive.files()), [("a", &b"kept"[..]), ("b", &b"new"[..])]);
    assert_eq!(archive.file_entries(), 3);
}

#[test]
fn concatenated_archives_are_one_tree() {
    let first = Writer(Writer::default().file("a", b"old").file("b", b"b").finish()).pad(512).0;
    let second = Writer(Writer::default().file("a", b"new").finish()).pad(512).0;
    let bytes = [first, second].concat();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(listed(archive.files()), [("b", &b"b"[..]), ("a", &b"new"[..])]);
    assert_eq!(archive.read("a"), Some(&b"new"[..]));
}

#[test]
fn an_unaligned_second_archive_is_refused() {
    let mut bytes = sample();
    bytes.push(0);
    bytes.extend_from_slice(&sample());
    assert_eq!(error_of(&bytes), Some(Error::TrailingBytes));
}

#[test]
fn all_names_of_a_file_have_its_contents() {
    let bytes = Writer::default()
        .link(FILE, 21, 3, b"first", b"")
        .link(FILE, 22, 2, b"other", b"")
        .link(FILE, 21, 3, b"second", b"")
        .link(FILE, 21, 3, b"third", b"shared")
        .finish();
    // the same inode number in another archive is another file
    let bytes = [bytes, Writer::default().link(FILE, 22, 2, b"unrelated", b"no").finish()].concat();
    let archive = Archive::parse(&bytes).unwrap();
    for name in ["first", "second", "third"] {
        assert_eq!(archive.read(name), Some(&b"shared"[..]), "{name}");
    }
    assert_eq!(archive.read("other"), Some(&b""[..]));
    assert!(archive.files().map(|file| file.contents().len()).eq([6, 0, 6, 6, 2]));
}

#[test]
fn an_archive_with_checksums_and_small_hex_digits_reads_the_same() {
    let mut bytes = sample();
    bytes.make_ascii_lowercase();
    let text = bytes.windows(6).enumerate().filter(|(_, window)| *window == b"070701");
    let starts: Vec<_> = text.map(|(start, _)| start).collect();
    starts.into_iter().for_each(|start| bytes[start + 5] = b'2');
    let end = bytes.len() - 14;
    bytes[end..end + 10].copy_from_slice(b"TRAILER!!!");
    assert_eq!(Archive::parse(&bytes).unwrap().files().count(), 3);
}

#[test]
fn the_padding_behind_the_trailer_may_be_missing_or_long() {
    let mut bytes = sample();
    bytes.truncate(bytes.len() - 3);
    assert_eq!(Archive::parse(&bytes).unwrap().file_entries(), 3);
    bytes.resize(10_240, 0);
    assert_eq!(Archive::parse(&bytes).unwrap().file_entries(), 3);
}

#[test]
fn an_archive_without_files_and_the_empty_one_are_trees() {
    let bytes = Writer::default().finish();
    for archive in [Archive::parse(&bytes).unwrap(), Archive::EMPTY, Archive::default()] {
        assert_eq!(archive.files().count(), 0);
        assert_eq!(archive.read("a"), None);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let damaged = |position: usize, byte: u8| {
        let mut bytes = sample();
        bytes[position] = byte;
        error_of(&bytes)
    };
    assert_eq!(error_of(b"\x1f\x8b\x08 compressed"), Some(Error::NotAnArchive));
    assert_eq!(error_of(b"070707 an older format of cpio"), Some(Error::NotAnArchive));
    assert_eq!(error_of(&[0; 512]), Some(Error::NotAnArchive));
    assert_eq!(error_of(b""), Some(Error::Truncated));
    assert_eq!(error_of(b"0707"), Some(Error::Truncated));
    assert_eq!(error_of(&Writer::default().file("a", b"b").0), Some(Error::Truncated));
    assert_eq!(error_of(&[&sample()[..], b"rest"].concat()), Some(Error::TrailingBytes));
    assert_eq!(damaged(112, b'x'), Some(Error::BadMagic));
    assert_eq!(damaged(8, b'+'), Some(Error::BadNumber));
    assert_eq!(damaged(94, b'F'), Some(Error::BadName));
    assert_eq!(damaged(101, b'0'), Some(Error::BadName));
    assert_eq!(damaged(111, b'x'), Some(Error::BadName));
    assert_eq!(
        error_of(&{
            let mut bytes = Writer::default().file("ab", b"").finish();
            bytes[113] = 1;
            bytes
        }),
        Some(Error::BadPadding)
    );
    assert_eq!(damaged(54, b'F'), Some(Error::Truncated));
}

#[test]
fn the_longest_name_is_read_and_a_longer_one_refused() {
    let longest = "n".repeat(4096);
    let bytes = Writer::default().file(&longest, b"!").finish();
    assert_eq!(Archive::parse(&bytes).unwrap().read(&longest), Some(&b"!"[..]));
    let bytes = Writer::default().file(&(longest + "n"), b"!").finish();
    assert_eq!(error_of(&bytes), Some(Error::BadName));
}

#[test]
fn more_entries_than_the_limit_are_refused() {
    let mut writer = Writer::default();
    for _ in 1..ENTRY_LIMIT {
        writer = writer.entry(DIRECTORY, "d", b"");
    }
    assert_eq!(error_of(&writer.clone().finish()), None);
    assert_eq!(error_of(&writer.entry(DIRECTORY, "d", b"").finish()), Some(Error::TooManyEntries));
}

/// Uses an archive in all ways, if it is one.
fn exercise(bytes: &[u8]) -> Option<Error> {
    let archive = match Archive::parse(bytes) {
        Ok(archive) => archive,
        Err(error) => {
            assert!(error.to_string().starts_with("the "));
            return Some(error);
        }
    };
    for file in archive.files() {
        assert_eq!(archive.read(file.path()), Some(file.contents()));
    }
    assert!(archive.list("zones").count() <= archive.file_entries());
    None
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let bytes = sample();
    for length in 0..bytes.len() - 3 {
        let error = exercise(&bytes[..length]);
        assert!(error == Some(Error::Truncated), "cut off at {length}: {error:?}");
    }
}

#[test]
fn no_single_changed_byte_causes_a_panic() {
    let bytes = Writer(sample()).link(FILE, 9, 2, b"a", b"").link(FILE, 9, 2, b"b", b"two").finish();
    for position in 0..bytes.len() {
        for value in 0..=u8::MAX {
            let mut bytes = bytes.clone();
            bytes[position] = value;
            exercise(&bytes);
        }
    }
}

#[test]
fn no_random_damage_causes_a_panic() {
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % limit
    };
    let original = Writer(sample()).link(FILE, 9, 2, b"zz", b"").link(FILE, 9, 2, b"b", b"two").finish();
    for _ in 0..50_000 {
        let mut bytes = original.clone();
        for _ in 0..=random(4) {
            let position = random(bytes.len());
            match random(4) {
                0 => bytes[position] = random(256) as u8,
                1 => bytes[position] = b"0123456789abcdefABCDEF/.\0"[random(25)],
                2 => bytes.truncate(position.max(1)),
                _ => {
                    let length = random(bytes.len() - position);
                    let to = random(bytes.len() - length);
                    bytes.copy_within(position..position + length, to);
                }
            }
        }
        exercise(&bytes);
    }
}

#[test]
fn the_corpus_of_archives_does_no_harm() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/archive");
    let mut files = 0;
    for file in std::fs::read_dir(folder).expect("there is a corpus") {
        let bytes = std::fs::read(file.expect("it can be listed").path()).expect("it can be read");
        for length in 0..=bytes.len() {
            let Ok(archive) = Archive::parse(&bytes[..length]) else { continue };
            files +=
                archive.files().filter(|file| archive.read(file.path()) == Some(file.contents())).count();
        }
    }
    assert!(files > 0);
}
