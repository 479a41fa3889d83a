//! Tests of the notes: written, read back, and broken in every place.

use super::*;
use crate::scratch::Scratch;

fn identity() -> Identity {
    Identity {
        version: Some("0.1.0".to_owned()),
        name: Some("dns".to_owned()),
        commit: Some("0123456789abcdef0123456789abcdef01234567-dirty".to_owned()),
        lock: Some(Digest::of(b"lock")),
        profile: Some("release".to_owned()),
        features: vec!["one".to_owned(), "two".to_owned()],
        data: Some(Digest::of(b"")),
    }
}

/// An ELF file with nothing but these notes.
fn file(notes: &[u8]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
    for word in [0_u64, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&[4, 0, 0, 0, 4, 0, 0, 0]);
    for word in [120, 0, 0, notes.len() as u64, notes.len() as u64, 4] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(notes);
    file
}

/// A note of ours.
fn note(kind: u32, description: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [5, description.len() as u32, kind] {
        note.extend_from_slice(&word.to_le_bytes());
    }
    note.extend_from_slice(b"unik\0\0\0\0");
    note.extend_from_slice(description);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(Identity::read(&file(&identity().notes())), Ok(identity()));
    let least = Identity { name: Some("hello".to_owned()), ..Identity::default() };
    assert_eq!(Identity::read(&file(&least.notes())), Ok(least));
}

#[test]
fn a_note_is_as_elf_wants_it() {
    let least = Identity { name: Some("hello".to_owned()), ..Identity::default() };
    let expected = [&[5, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0][..], b"unik\0\0\0\0hello\0\0\0"].concat();
    assert_eq!(least.notes(), expected);
    assert_eq!(note(2, b"hello"), expected);
}

#[test]
fn notes_of_others_and_of_later_versions_are_skipped() {
    let mut notes = vec![4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, b'X', b'e', b'n', 0, 0, 0, 0x10, 0];
    notes.extend(note(99, b"\xff\xff"));
    notes.extend(identity().notes());
    assert_eq!(Identity::read(&file(&notes)), Ok(identity()));
}

#[test]
fn an_image_of_others_does_not_say_who_it_is() {
    let error = Identity::read(&file(&[])).unwrap_err().to_string();
    assert_eq!(error, "it does not say who it is: unik did not build it");
}

#[test]
fn texts_that_a_terminal_would_obey_are_refused() {
    for (kind, description) in [
        (2, &b"\x1b[2Jdns"[..]),
        (3, b"two\nlines"),
        (1, b"\xff"),
        (5, &[b'x'; MAX_TEXT + 1]),
        (4, b"short"),
        (7, &[0; 33]),
    ] {
        assert!(Identity::read(&file(&note(kind, description))).is_err(), "{kind}");
    }
}

#[test]
fn a_file_of_endless_notes_is_given_up() {
    let many = file(&note(99, b"").repeat(MAX_NOTES + 1));
    assert_eq!(Identity::read(&many).unwrap_err().to_string(), "it has more than 256 notes");
}

#[test]
fn a_broken_file_is_never_a_panic() {
    let whole = file(&identity().notes());
    for length in 0..whole.len() {
        assert!(Identity::read(&whole[..length]).is_err(), "{length}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[at] = value;
            let _ = Identity::read(&broken);
        }
    }
}

#[test]
fn a_digest_is_that_of_the_standard() {
    // FIPS 180-4, the example of one block.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Digest::of(b"abc").to_string(), expected);
}

#[test]
fn a_commit_is_shortened_and_stays_dirty() {
    assert_eq!(shortened("0123456789abcdef0123456789abcdef01234567-dirty"), "0123456789ab-dirty");
    assert_eq!(shortened("0123456789abcdef0123456789abcdef01234567"), "0123456789ab");
}

#[test]
fn a_folder_is_at_its_commit_until_a_file_differs() {
    let scratch = Scratch::new();
    assert_eq!(commit(scratch.path()), None);
    scratch.write("file", b"one");
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(scratch.path()).args(["-c", "user.name=n", "-c", "user.email=e@example.org"]);
        setup::output(command.args(words)).unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "one"]);
    let clean = commit(scratch.path()).unwrap();
    assert_eq!(clean, git(&["rev-parse", "HEAD"]).trim());
    scratch.write("file", b"two");
    assert_eq!(commit(scratch.path()), Some(format!("{clean}-dirty")));
}
