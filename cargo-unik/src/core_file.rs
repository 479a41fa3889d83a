//! Core files: a guest's memory and registers, as stock gdb opens them.
//!
//! QEMU writes all memory into an ELF core file by physical addresses, with the registers that the processor has when it
//! halts. [`correct`] makes of it what a debugger of the image wants: images map their memory to itself, so the virtual
//! addresses are the physical ones; after a fault the registers are those of the fault, not those of its handler; and pages
//! of zeros become holes in the file. Limits: [`SEGMENTS_MAX`], [`NOTES_MAX`].

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::epitaph::Registers;
use crate::error::{Context, Error, Result};

/// The most segments that are looked at; a machine has one for its notes and one for each piece of its memory.
pub(crate) const SEGMENTS_MAX: u16 = 64;
/// The most bytes of notes.
pub(crate) const NOTES_MAX: u64 = 1 << 20;
/// What a hole in a file is made of, in bytes.
const PAGE: usize = 4096;
/// Pages that are read at once.
const BATCH: usize = 64;

/// Bytes of the header of an ELF file and of one of its segments (ELF-64 object file format, 3 and 8).
const HEADER: usize = 64;
const SEGMENT: usize = 56;
const TYPE_CORE: u16 = 4;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_NOTE: u32 = 4;
/// The note that holds registers, and where in it they stand: Linux' `struct elf_prstatus` of x86-64, which has `struct
/// user_regs_struct` behind 112 bytes.
const NOTE_STATUS: u32 = 1;
const STATUS_REGISTERS: usize = 112;
/// The registers that an epitaph tells, in the order of `struct user_regs_struct`; `-` is one that it does not tell.
const ORDER: &str = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi - rip cs flags rsp";

/// How large a core file became, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// From its beginning to its end.
    pub(crate) length: u64,
    /// What it takes on the disk.
    pub(crate) taken: u64,
}

/// Writes the core file `to` from `from`, which QEMU has written. Nobody else may read it: it holds whatever the guest knew.
/// It has its name once it is complete; until then, and after an error, an older file is what it was.
///
/// # Errors
/// `from` is no such file, or `to` cannot be written.
pub(crate) fn correct(from: &Path, to: &Path, registers: &Registers) -> Result<Size> {
    let source = File::open(from).or_cannot(|| format!("read {}", from.display()))?;
    let head = head(&source, registers)?;
    let new = beside(to);
    let outcome = write(&source, &new, &head).and_then(|size| {
        // An older file goes, and what is linked to it stays as it is.
        fs::rename(&new, to).or_cannot(|| format!("replace {}", to.display()))?;
        Ok(size)
    });
    if outcome.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&new);
    }
    outcome
}

/// The name that a file has until it is complete.
fn beside(to: &Path) -> PathBuf {
    let mut path = to.as_os_str().to_owned();
    path.push(format!(".{}.new", std::process::id()));
    path.into()
}

fn write(source: &File, new: &Path, head: &Pieces) -> Result<Size> {
    let cannot = || format!("write {}", new.display());
    // One of that name is left from a tool that was killed.
    match fs::remove_file(new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .or_cannot(cannot)?;
    let target = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(new);
    let target = target.or_cannot(cannot)?;
    copy(source, &target, head).or_cannot(cannot)?;
    let written = target.metadata().or_cannot(|| format!("find {}", new.display()))?;
    Ok(Size { length: written.len(), taken: written.blocks() * 512 })
}

/// Pieces of the file that are other than in the source, by their places.
type Pieces = Vec<(u64, Vec<u8>)>;

/// The segments with virtual addresses, and the notes with the registers.
fn head(source: &File, registers: &Registers) -> Result<Pieces> {
    let foreign = || Error::failed("QEMU wrote a core file that this tool does not know");
    let read = |at: u64, length: usize| -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        source.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    };
    let header = read(0, HEADER).ok_or_else(foreign)?;
    // 64 bits, little-endian
    let is_known = header.starts_with(b"\x7fELF\x02\x01")
        && u16_at(&header, 16) == Some(TYPE_CORE)
        && u16_at(&header, 18) == Some(MACHINE_X86_64)
        && u16_at(&header, 54) == Some(SEGMENT as u16);
    let (Some(table), Some(count)) = (u64_at(&header, 32), u16_at(&header, 56)) else {
        return Err(foreign());
    };
    if !is_known || count > SEGMENTS_MAX {
        return Err(foreign());
    }
    let mut segments = read(table, SEGMENT * usize::from(count)).ok_or_else(foreign)?;
    let mut pieces = Vec::new();
    for segment in segments.chunks_exact_mut(SEGMENT) {
        match u32_at(segment, 0) {
            // The physical address stands behind the virtual one.
            Some(SEGMENT_LOAD) => segment.copy_within(24..32, 16),
            Some(SEGMENT_NOTE) => {
                let (Some(at), Some(length)) = (u64_at(segment, 8), u64_at(segment, 32)) else { continue };
                let length = usize::try_from(length.min(NOTES_MAX)).map_err(|_| foreign())?;
                let mut notes = read(at, length).ok_or_else(foreign)?;
                set_registers(&mut notes, registers);
                pieces.push((at, notes));
            }
            _ => {}
        }
    }
    pieces.push((table, segments));
    Ok(pieces)
}

/// Puts registers into the first note that has some; the machine has one processor.
fn set_registers(notes: &mut [u8], registers: &Registers) {
    let mut at = 0;
    loop {
        let field = |index: usize| u32_at(notes, at + 4 * index);
        let (Some(name), Some(content), Some(kind)) = (field(0), field(1), field(2)) else { return };
        let content_at = at + 12 + (name as usize).next_multiple_of(4);
        if kind == NOTE_STATUS && notes.get(at + 12..at + 16) == Some(b"CORE") {
            for (index, name) in ORDER.split(' ').enumerate() {
                let place = content_at + STATUS_REGISTERS + 8 * index;
                if let (Some(value), Some(place)) = (registers.get(name), notes.get_mut(place..place + 8)) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
            return;
        }
        at = content_at + (content as usize).next_multiple_of(4);
    }
}

/// Copies a file with other pieces in it, and leaves holes for pages of zeros.
fn copy(source: &File, target: &File, pieces: &Pieces) -> std::io::Result<()> {
    let (mut at, mut batch) = (0, Vec::with_capacity(PAGE * BATCH));
    loop {
        batch.clear();
        if source.take((PAGE * BATCH) as u64).read_to_end(&mut batch)? == 0 {
            break;
        }
        for page in batch.chunks(PAGE) {
            if page.iter().any(|byte| *byte != 0) {
                target.write_all_at(page, at)?;
            }
            at += page.len() as u64;
        }
    }
    target.set_len(at)?;
    pieces.iter().try_for_each(|(at, piece)| target.write_all_at(piece, *at))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
#[path = "core_file_tests.rs"]
mod tests;
