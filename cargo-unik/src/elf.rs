//! The images as ELF files: the stripped one that boots, and the figures of the one with symbols.
//!
//! Stripping is done here because plain rustup brings no `objcopy`, and because a loader of unikernels needs even less than `strip`
//! leaves: [`strip`] writes the file header, the program headers a hypervisor reads (PT_LOAD and PT_NOTE), and their bytes. There
//! are no sections, and the zeros at the end of a segment are left to the loader, which clears what the file does not fill.
//! [`with_notes`] adds notes that are in the file alone.

use object::elf::{
    FileHeader64, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE, ProgramHeader64, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE,
    SectionFlags as SectionBits,
};
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, Object as _, ObjectSection as _, SectionFlags, SectionKind};

use crate::error::{Context, Error, Result};

const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
// Offsets in the ELF-64 file header: program headers, section headers, number of program headers (the section fields follow).
const E_PHOFF: usize = 32;
const E_SHOFF: usize = 40;
const E_PHNUM: usize = 56;
/// How segments are aligned in the stripped file: enough for any loader that reads, and no page of padding between them.
const ALIGNMENT: u64 = 16;
/// How notes are aligned. QEMU reads them wrongly with any other alignment.
const NOTE_ALIGNMENT: u64 = 4;

/// One program header with the bytes the file has for it.
struct Segment<'a> {
    kind: u32,
    flags: u32,
    offset: u64,
    virtual_address: u64,
    physical_address: u64,
    memory_size: u64,
    alignment: u64,
    bytes: &'a [u8],
}

impl Segment<'_> {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The same program with nothing but what a loader reads.
///
/// # Errors
/// Bytes that are no 64-bit little-endian ELF file, or one with nothing to load.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>> {
    let mut segments = segments(elf)?;
    trim(&mut segments);
    write(elf, &segments)
}

/// The same stripped image with more notes, which `notes` holds as ELF has them, each padded to 4 bytes.
///
/// All notes are in one segment, those that were there first: loaders of other hypervisors believe the last segment of notes alone
/// when they look for the entry point. The segment is not loaded; a note that the program reads stays where it is as well.
///
/// # Errors
/// As for [`strip`].
pub fn with_notes(elf: &[u8], notes: &[u8]) -> Result<Vec<u8>> {
    let segments = segments(elf)?;
    let (before, mut kept): (Vec<_>, Vec<_>) =
        segments.into_iter().partition(|segment| segment.kind == PT_NOTE.0);
    let mut all = Vec::new();
    for bytes in before.iter().map(|segment| segment.bytes).chain([notes]) {
        all.extend_from_slice(bytes);
        all.resize(all.len().next_multiple_of(NOTE_ALIGNMENT as usize), 0);
    }
    kept.push(Segment {
        kind: PT_NOTE.0,
        flags: PF_R.0,
        // Behind everything, so that it is inside of no other segment.
        offset: elf.len() as u64,
        virtual_address: 0,
        physical_address: 0,
        memory_size: 0,
        alignment: NOTE_ALIGNMENT,
        bytes: &all,
    });
    write(elf, &kept)
}

/// The segments that a loader reads.
fn segments(elf: &[u8]) -> Result<Vec<Segment<'_>>> {
    let header = FileHeader64::<LittleEndian>::parse(elf).or_cannot(|| "read the linked image".to_owned())?;
    let endian = LittleEndian;
    let headers = header.program_headers(endian, elf).or_cannot(|| "read the program headers".to_owned())?;
    let mut segments = Vec::new();
    for program_header in headers {
        segments.extend(segment(program_header, elf)?);
    }
    if !segments.iter().any(|segment| segment.kind == PT_LOAD.0) {
        return Err(Error::failed("the linked image has nothing to load: its linker script was not used"));
    }
    Ok(segments)
}

/// A file of these segments, with the rest of its header from `elf`.
fn write(elf: &[u8], segments: &[Segment<'_>]) -> Result<Vec<u8>> {
    // The file header stays as it is (its segments were read, so it is there) but for the tables it points to.
    let mut output = elf[..FILE_HEADER].to_vec();
    let count = u16::try_from(segments.len()).or_cannot(|| "count the segments".to_owned())?;
    output[E_PHOFF..E_PHOFF + 8].copy_from_slice(&(FILE_HEADER as u64).to_le_bytes());
    output[E_SHOFF..E_SHOFF + 8].fill(0);
    output[E_PHNUM..E_PHNUM + 2].copy_from_slice(&count.to_le_bytes());
    output[E_PHNUM + 2..FILE_HEADER].fill(0);
    lay_out(segments, output)
}

fn segment<'a>(header: &ProgramHeader64<LittleEndian>, elf: &'a [u8]) -> Result<Option<Segment<'a>>> {
    let endian = LittleEndian;
    let kind = header.p_type(endian).0;
    let wanted = (kind == PT_LOAD.0 && header.p_memsz(endian) > 0) || kind == PT_NOTE.0;
    if !wanted {
        return Ok(None);
    }
    let bytes = header
        .data(endian, elf)
        .map_err(|()| Error::failed("a segment of the image lies outside of its file"))?;
    Ok(Some(Segment {
        kind,
        flags: header.p_flags(endian).0,
        offset: header.p_offset(endian),
        virtual_address: header.p_vaddr(endian),
        physical_address: header.p_paddr(endian),
        memory_size: header.p_memsz(endian),
        alignment: header.p_align(endian),
        bytes,
    }))
}

/// Takes the zeros off the ends of the loaded segments, as far as no note needs them.
fn trim(segments: &mut [Segment<'_>]) {
    let notes: Vec<u64> =
        segments.iter().filter(|segment| segment.kind == PT_NOTE.0).map(Segment::end).collect();
    for segment in segments.iter_mut().filter(|segment| segment.kind == PT_LOAD.0) {
        let used = segment.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let inside = notes.iter().filter(|end| (segment.offset..=segment.end()).contains(end));
        let needed = inside.map(|end| (end - segment.offset) as usize).max().unwrap_or(0);
        segment.bytes = &segment.bytes[..used.max(needed)];
    }
}

/// Writes program headers and bytes behind the file header. A note inside a loaded segment is not written twice.
fn lay_out(segments: &[Segment<'_>], mut output: Vec<u8>) -> Result<Vec<u8>> {
    let start = (output.len() + segments.len() * PROGRAM_HEADER) as u64;
    let mut end = start;
    let mut places = vec![0_u64; segments.len()];
    for (place, segment) in places.iter_mut().zip(segments).filter(|(_, segment)| segment.kind == PT_LOAD.0) {
        // ELF-64: p_vaddr and p_offset are congruent modulo p_align.
        end += segment.virtual_address.wrapping_sub(end) % ALIGNMENT;
        *place = end;
        end += segment.bytes.len() as u64;
    }
    for index in (0..segments.len()).filter(|index| segments[*index].kind != PT_LOAD.0) {
        let note = &segments[index];
        let home = segments.iter().zip(&places).find(|(load, _)| {
            load.kind == PT_LOAD.0 && load.offset <= note.offset && note.end() <= load.end()
        });
        places[index] = match home {
            Some((load, place)) => place + (note.offset - load.offset),
            None => {
                end = end.next_multiple_of(ALIGNMENT);
                let place = end;
                end += note.bytes.len() as u64;
                place
            }
        };
    }
    for (segment, place) in segments.iter().zip(&places) {
        let size = segment.bytes.len() as u64;
        let (memory, alignment) = match segment.kind == PT_LOAD.0 {
            true => (segment.memory_size, ALIGNMENT),
            false => (size, segment.alignment),
        };
        output.extend_from_slice(&segment.kind.to_le_bytes());
        output.extend_from_slice(&segment.flags.to_le_bytes());
        for value in [*place, segment.virtual_address, segment.physical_address, size, memory, alignment] {
            output.extend_from_slice(&value.to_le_bytes());
        }
    }
    let total = usize::try_from(end).or_cannot(|| "lay out the image".to_owned())?;
    output.resize(total, 0);
    for (segment, place) in segments.iter().zip(&places) {
        output[*place as usize..][..segment.bytes.len()].copy_from_slice(segment.bytes);
    }
    Ok(output)
}

/// Bytes of an image by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Machine code.
    pub text: u64,
    /// Constants, notes and tables that are never written.
    pub rodata: u64,
    /// Variables that start with a value.
    pub data: u64,
    /// Memory that starts as zeros and takes no room in the file: stacks, page tables, zeroed variables.
    pub bss: u64,
}

/// Adds up the sections of an image with symbols.
///
/// # Errors
/// Bytes that are no 64-bit little-endian ELF file.
pub fn parts(elf: &[u8]) -> Result<Parts> {
    let file = ElfFile64::<LittleEndian>::parse(elf).or_cannot(|| "read the linked image".to_owned())?;
    let mut parts = Parts::default();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        let has = |flag: SectionBits| sh_flags.0 & flag.0 != 0;
        let place = match section.kind() {
            _ if !has(SHF_ALLOC) => continue,
            SectionKind::UninitializedData => &mut parts.bss,
            _ if has(SHF_EXECINSTR) => &mut parts.text,
            _ if has(SHF_WRITE) => &mut parts.data,
            _ => &mut parts.rodata,
        };
        *place += section.size();
    }
    Ok(parts)
}

/// Whether a segment of the file may be both written and executed, which no image is allowed.
///
/// # Errors
/// Bytes that are no 64-bit little-endian ELF file.
pub fn writes_and_executes(elf: &[u8]) -> Result<bool> {
    let header = FileHeader64::<LittleEndian>::parse(elf).or_cannot(|| "read the image".to_owned())?;
    let headers =
        header.program_headers(LittleEndian, elf).or_cannot(|| "read the program headers".to_owned())?;
    Ok(headers.iter().any(|header| {
        let flags = header.p_flags(LittleEndian).0;
        header.p_type(LittleEndian) == PT_LOAD && flags & PF_W.0 != 0 && flags & PF_X.0 != 0
    }))
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
