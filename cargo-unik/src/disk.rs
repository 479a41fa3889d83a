//! The disks of a guest: `--disk FILE[,ro][,raw|,qcow2]`.
//!
//! A [`Disk`] is what the command line says, a [`Drive`] what the machine gets: a file that is there, and its format. What a
//! file is can be seen from how it begins, but a guest writes how a plain disk begins: one that is left looking like a qcow2 image, which
//! may name other files of this computer, is not taken for one unless its name or the command line says so as well.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How a qcow2 image begins (QEMU, docs/interop/qcow2.txt).
const QCOW2: [u8; 4] = *b"QFI\xfb";

/// A disk, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its file.
    pub path: PathBuf,
    /// The guest only reads it.
    pub is_read_only: bool,
    /// Its format, where the command line says.
    pub format: Option<Format>,
}

/// How the bytes of a disk are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As they are.
    Raw,
    /// In the format of QEMU, which grows with what is written.
    Qcow2,
}

/// A disk, as a machine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Its file.
    pub path: PathBuf,
    /// The guest only reads it.
    pub is_read_only: bool,
    /// Its format.
    pub format: Format,
}

impl Format {
    /// What QEMU calls it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

impl Drive {
    /// A plain disk that is written.
    pub fn raw(path: impl Into<PathBuf>) -> Drive {
        Drive { path: path.into(), is_read_only: false, format: Format::Raw }
    }
}

impl Disk {
    /// Reads what stands behind `--disk`.
    ///
    /// # Errors
    /// There is no name of a file, or there are two formats.
    pub fn parse(word: &OsStr) -> Result<Disk> {
        let (mut path, mut is_read_only, mut format) = (word.as_bytes(), false, None);
        loop {
            let said = format;
            if let Some(front) = path.strip_suffix(b",ro") {
                (path, is_read_only) = (front, true);
            } else if let Some(front) = path.strip_suffix(b",raw") {
                (path, format) = (front, Some(Format::Raw));
            } else if let Some(front) = path.strip_suffix(b",qcow2") {
                (path, format) = (front, Some(Format::Qcow2));
            } else if path.is_empty() {
                let word = word.to_string_lossy();
                return Err(Error::usage(format!(
                    "'{word}' is no disk: write FILE, with ,ro where it is only read"
                )));
            } else {
                return Ok(Disk { path: OsStr::from_bytes(path).into(), is_read_only, format });
            }
            if said.is_some() && said != format {
                let word = word.to_string_lossy();
                return Err(Error::usage(format!("'{word}' has two formats: a disk is ,raw or ,qcow2")));
            }
        }
    }

    /// Looks at the file.
    ///
    /// # Errors
    /// It is not there, cannot be opened as it is to be used, or is not what it seems to be.
    pub fn drive(&self) -> Result<Drive> {
        let shown = self.path.display();
        if self.path.is_dir() {
            return Err(Error::usage(format!("{shown} is a folder, and a disk is a file")));
        }
        if !self.path.exists() {
            let sentence = format!("there is no disk {shown}: 'truncate -s 64M {shown}' makes an empty one");
            return Err(Error::usage(sentence));
        }
        // Opening a pipe would wait for who writes to it.
        let kind = self.path.metadata().map(|metadata| metadata.file_type());
        if kind.is_ok_and(|kind| !kind.is_file() && !kind.is_block_device()) {
            return Err(Error::usage(format!("{shown} is neither a file nor a block device, and a disk is")));
        }
        let opened = OpenOptions::new().read(true).write(!self.is_read_only).open(&self.path);
        let mut file = opened.map_err(|error| {
            let hint = if self.is_read_only { "" } else { " (a disk that is only read has ,ro behind it)" };
            Error::usage(format!("cannot open the disk {shown}: {error}{hint}"))
        })?;
        let mut magic = [0; QCOW2.len()];
        let begins = file.read_exact(&mut magic).is_ok() && magic == QCOW2;
        let format = match self.format {
            Some(Format::Qcow2) if !begins => Err("is no qcow2 image"),
            Some(format) => Ok(format),
            None => match (begins, is_named_so(&self.path)) {
                (true, true) => Ok(Format::Qcow2),
                (false, false) => Ok(Format::Raw),
                (true, false) => {
                    Err("begins like a qcow2 image and is not called one: write ,qcow2 or ,raw behind it")
                }
                (false, true) => {
                    Err("is called a qcow2 image and is none: write ,raw behind it if it is a plain disk")
                }
            },
        };
        let format = format.map_err(|what| Error::usage(format!("the disk {shown} {what}")))?;
        Ok(Drive { path: self.path.clone(), is_read_only: self.is_read_only, format })
    }
}

/// Whether the name of a file says that it is a qcow2 image.
fn is_named_so(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "qcow2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn parse(word: &str) -> Disk {
        Disk::parse(word.as_ref()).unwrap()
    }

    #[test]
    fn a_disk_is_a_file_and_what_is_to_be_done_with_it() {
        let disk = |path: &str, is_read_only, format| Disk { path: path.into(), is_read_only, format };
        assert_eq!(parse("a.img"), disk("a.img", false, None));
        assert_eq!(parse("a,b.img,ro"), disk("a,b.img", true, None));
        assert_eq!(parse("x,ro,raw"), disk("x", true, Some(Format::Raw)));
        assert_eq!(parse("x,qcow2,ro"), disk("x", true, Some(Format::Qcow2)));
        for word in ["", ",ro", ",raw,ro"] {
            let error = Disk::parse(word.as_ref()).unwrap_err().to_string();
            assert!(error.ends_with(" is no disk: write FILE, with ,ro where it is only read"), "{error}");
        }
        assert_eq!(parse("x,raw,ro,raw"), disk("x", true, Some(Format::Raw)));
        for word in ["x,raw,qcow2", "x,qcow2,ro,raw"] {
            let error = Disk::parse(word.as_ref()).unwrap_err().to_string();
            assert_eq!(error, format!("'{word}' has two formats: a disk is ,raw or ,qcow2"));
        }
    }

    #[test]
    fn the_format_is_what_the_file_and_its_name_agree_on() {
        let scratch = Scratch::new();
        scratch.write("plain.img", b"anything");
        scratch.write("empty.img", b"");
        scratch.write("grown.qcow2", b"QFI\xfb\0\0\0\x03");
        scratch.write("disguised.img", b"QFI\xfb\0\0\0\x03");
        scratch.write("other.qcow2", b"anything");
        let at =
            |name: &str, end: &str| parse(&format!("{}{end}", scratch.path().join(name).display())).drive();
        let format = |name, end| at(name, end).unwrap().format;
        assert_eq!(format("plain.img", ""), Format::Raw);
        assert_eq!(format("empty.img", ",ro"), Format::Raw);
        assert_eq!(format("grown.qcow2", ""), Format::Qcow2);
        assert_eq!(format("grown.qcow2", ",raw"), Format::Raw);
        assert_eq!(format("disguised.img", ",raw"), Format::Raw);
        assert_eq!(format("disguised.img", ",qcow2"), Format::Qcow2);
        let refusal = |name, end| at(name, end).unwrap_err().to_string();
        assert!(refusal("disguised.img", "").ends_with("not called one: write ,qcow2 or ,raw behind it"));
        assert!(refusal("other.qcow2", "").ends_with("write ,raw behind it if it is a plain disk"));
        assert!(refusal("plain.img", ",qcow2").ends_with("plain.img is no qcow2 image"));
    }

    #[test]
    fn what_is_no_file_is_a_sentence() {
        let scratch = Scratch::new();
        let folder = parse(&scratch.path().display().to_string()).drive().unwrap_err().to_string();
        assert!(folder.ends_with(" is a folder, and a disk is a file"), "{folder}");
        for device in ["/dev/null", "/dev/null,ro"] {
            let refusal = parse(device).drive().unwrap_err().to_string();
            assert_eq!(refusal, "/dev/null is neither a file nor a block device, and a disk is");
        }
        let missing = parse("no-such.img,ro").drive().unwrap_err().to_string();
        assert_eq!(missing, "there is no disk no-such.img: 'truncate -s 64M no-such.img' makes an empty one");
    }
}
