//! Who an image is: what it was built from, as notes in its ELF file.
//!
//! The notes stand behind the one of PVH, in the same segment and outside of what is loaded: they cost room in the file and no
//! memory. Their owner is `unik`. Texts are UTF-8 without a NUL, digests are the 32 bytes of a SHA-256:
//!
//! | type | what | form |
//! | --- | --- | --- |
//! | 1 | version of unik | text |
//! | 2 | name of the application | text |
//! | 3 | git commit, then `-dirty` where files differed from it; absent outside of git | text |
//! | 4 | `Cargo.lock` | digest |
//! | 5 | profile: `dev` or `release` | text |
//! | 6 | features of the application's package, with commas between; absent where there are none | text |
//! | 7 | the archive of compiled-in files; absent where there are none | digest |
//!
//! A reader skips types that it does not know. Type 18 is never given: loaders take it for the entry point of PVH, and some do not
//! look at the owner.

use std::fmt;
use std::path::Path;
use std::process::Command;

use object::LittleEndian;
use object::elf::{FileHeader64, PT_NOTE};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use sha2::{Digest as _, Sha256};

use crate::error::{Context, Error, Result};
use crate::setup;

/// The owner of the notes.
pub const OWNER: &str = "unik";
/// What stands behind a commit that is not all that the image was built from.
pub const DIRTY: &str = "-dirty";
/// Letters of a commit that running images tell: as many as are needed to find it.
pub const SHORT: usize = 12;
/// Notes that are looked at in one file, whosever they are.
const MAX_NOTES: usize = 256;
/// Bytes of a text.
const MAX_TEXT: usize = 1024;

/// The SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// What an image was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The version of unik in it.
    pub version: Option<String>,
    /// The application.
    pub name: Option<String>,
    /// The git commit of the application's workspace, with [`DIRTY`] behind it where that is not all.
    pub commit: Option<String>,
    /// The digest of `Cargo.lock`.
    pub lock: Option<Digest>,
    /// How it is optimised: `dev` or `release`.
    pub profile: Option<String>,
    /// Features of the application's package.
    pub features: Vec<String>,
    /// The digest of the archive of compiled-in files.
    pub data: Option<Digest>,
}

impl Digest {
    /// Computes it.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Identity {
    /// The notes, one behind the other, each padded to 4 bytes.
    pub fn notes(&self) -> Vec<u8> {
        let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
        let digest = |digest: Option<Digest>| digest.map(|digest| digest.0.to_vec());
        let features = self.features.join(",");
        let descriptions = [
            text(&self.version),
            text(&self.name),
            text(&self.commit),
            digest(self.lock),
            text(&self.profile),
            (!features.is_empty()).then(|| features.into_bytes()),
            digest(self.data),
        ];
        let mut notes = Vec::new();
        for (kind, description) in (1_u32..).zip(descriptions) {
            let Some(mut description) = description else { continue };
            description.truncate(MAX_TEXT);
            // ELF-64, notes: length of the owner with its NUL, length of the description, type.
            for word in [OWNER.len() as u32 + 1, description.len() as u32, kind] {
                notes.extend_from_slice(&word.to_le_bytes());
            }
            for part in [OWNER.as_bytes(), b"\0", &description] {
                notes.extend_from_slice(part);
                // The NUL belongs to the owner, so only what ends a field is padded.
                if part != OWNER.as_bytes() {
                    notes.resize(notes.len().next_multiple_of(4), 0);
                }
            }
        }
        notes
    }

    /// Reads the notes of an image.
    ///
    /// # Errors
    /// No 64-bit little-endian ELF file, one without these notes, or notes that this tool does not write.
    pub fn read(elf: &[u8]) -> Result<Identity> {
        let header =
            FileHeader64::<LittleEndian>::parse(elf).or_cannot(|| "read it as an image".to_owned())?;
        let headers =
            header.program_headers(LittleEndian, elf).or_cannot(|| "read the program headers".to_owned())?;
        let (mut identity, mut seen, mut ours) = (Identity::default(), 0, false);
        for header in headers.iter().filter(|header| header.p_type(LittleEndian) == PT_NOTE) {
            let notes = header.notes(LittleEndian, elf).or_cannot(|| "read the notes".to_owned())?;
            let Some(mut notes) = notes else { continue };
            while let Some(note) = notes.next().or_cannot(|| "read the notes".to_owned())? {
                seen += 1;
                if seen > MAX_NOTES {
                    return Err(Error::failed(format!("it has more than {MAX_NOTES} notes")));
                }
                if note.name() == OWNER.as_bytes() {
                    ours = true;
                    identity.take(note.n_type(LittleEndian).0, note.desc())?;
                }
            }
        }
        if ours {
            Ok(identity)
        } else {
            Err(Error::failed("it does not say who it is: unik did not build it"))
        }
    }

    fn take(&mut self, kind: u32, description: &[u8]) -> Result<()> {
        match kind {
            1 => self.version = Some(text(description)?),
            2 => self.name = Some(text(description)?),
            3 => self.commit = Some(text(description)?),
            4 => self.lock = Some(digest(description)?),
            5 => self.profile = Some(text(description)?),
            6 => self.features = text(description)?.split(',').map(str::to_owned).collect(),
            7 => self.data = Some(digest(description)?),
            _ => {}
        }
        Ok(())
    }
}

/// A text that may be shown on a terminal as it is.
fn text(description: &[u8]) -> Result<String> {
    let text = str::from_utf8(description).ok().filter(|text| text.len() <= MAX_TEXT);
    match text.filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Error::failed("one of its notes is not the text it should be")),
    }
}

fn digest(description: &[u8]) -> Result<Digest> {
    let wrong = |_| Error::failed("one of its notes is not the digest it should be");
    description.try_into().map(Digest).map_err(wrong)
}

/// The commit that a folder is at, with [`DIRTY`] behind it where files below the folder differ; `None` where git knows nothing of it.
pub fn commit(folder: &Path) -> Option<String> {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        // Looking must not get into the way of somebody who commits at this moment.
        command.env("GIT_OPTIONAL_LOCKS", "0").arg("-C").arg(folder).args(words);
        setup::output(&mut command).ok()
    };
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", "."])?;
    let dirty = if changes.is_empty() { "" } else { DIRTY };
    Some(format!("{}{dirty}", commit.trim()))
}

/// The first letters of a commit, and whether it is all.
pub fn shortened(commit: &str) -> String {
    let (commit, dirty) = commit.strip_suffix(DIRTY).map_or((commit, ""), |commit| (commit, DIRTY));
    commit.chars().take(SHORT).chain(dirty.chars()).collect()
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
