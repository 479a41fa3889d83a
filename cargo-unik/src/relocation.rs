//! Moves a linked image to another load address, before it boots and outside of it.
//!
//! An image is linked for one address and has no code that could move it. The linker leaves its relocations in the linked file
//! (`--emit-relocs`), so what a linker would do for another address is done here: [`moved`] adds the difference to every field
//! that holds an address. What is relative to itself stays. Kinds that were never met are refused, since a field that is missed is an
//! image that jumps into nowhere.

use std::ops::Range;

use object::elf::{
    FileHeader64, PT_LOAD, PT_NOTE, R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_NONE, R_X86_64_PC32,
    R_X86_64_PC64, R_X86_64_PLT32, Rela64, SHF_ALLOC, SHN_ABS, SHN_UNDEF, SHT_NOBITS, SHT_REL, SHT_SYMTAB,
    SectionHeader64, Sym64,
};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable, Sym as _};
use object::{LittleEndian, SectionIndex};

use crate::error::{Context, Error, Result};

/// Load addresses are whole pages: a page has one protection.
pub const PAGE: u64 = 4096;
/// The lowest load address: what is below belongs to firmware and boot data.
pub const LOWEST: u64 = 1 << 20;
/// Where an image ends at the latest: its first page tables reach no further.
pub const HIGHEST: u64 = 1 << 30;

// Offsets in the ELF-64 file header and in a program header.
const E_ENTRY: usize = 24;
const PROGRAM_HEADER: u64 = 56;
const P_VADDR: u64 = 16;
const P_PADDR: u64 = 24;

type Elf = FileHeader64<LittleEndian>;
const ENDIAN: LittleEndian = LittleEndian;

/// The addresses that a linked image takes, stacks and zeroed variables included.
///
/// # Errors
/// Bytes that are no 64-bit little-endian ELF file, or one with nothing to load.
pub fn extent(elf: &[u8]) -> Result<Range<u64>> {
    let header = Elf::parse(elf).or_cannot(|| "read the linked image".to_owned())?;
    let headers = header.program_headers(ENDIAN, elf).or_cannot(|| "read the program headers".to_owned())?;
    let (mut start, mut end) = (u64::MAX, 0);
    for header in headers.iter().filter(|header| header.p_type(ENDIAN) == PT_LOAD) {
        let address = header.p_vaddr(ENDIAN);
        start = start.min(address);
        end = end.max(address.saturating_add(header.p_memsz(ENDIAN)));
    }
    if start >= end {
        return Err(Error::failed("the linked image has nothing to load"));
    }
    Ok(start..end)
}

/// Where an image starts to run.
///
/// # Errors
/// Bytes that are no 64-bit little-endian ELF file.
pub fn entry(elf: &[u8]) -> Result<u64> {
    Ok(Elf::parse(elf).or_cannot(|| "read the image".to_owned())?.e_entry(ENDIAN))
}

/// The same program at another address, for [`strip`](crate::elf::strip): its table of sections and its symbols still tell of the
/// address it was linked for.
///
/// # Errors
/// The address is no page between [`LOWEST`] and [`HIGHEST`], or the file is not what the linker makes of an image.
pub fn moved(linked: &[u8], base: u64) -> Result<Vec<u8>> {
    let extent = extent(linked)?;
    let fits =
        base.checked_add(extent.end - extent.start).is_some_and(|end| base >= LOWEST && end <= HIGHEST);
    if !base.is_multiple_of(PAGE) || !extent.start.is_multiple_of(PAGE) || !fits {
        return Err(Error::failed(format!(
            "the image cannot start at {base:#x}: choose a multiple of {PAGE:#x} from {LOWEST:#x}, so that it ends below {HIGHEST:#x}"
        )));
    }
    let mut output = linked.to_vec();
    let journey = Move { by: base.wrapping_sub(extent.start), extent, linked };
    journey.headers(&mut output)?;
    journey.fields(&mut output)?;
    Ok(output)
}

/// One image on its way.
struct Move<'a> {
    /// What is added to addresses, modulo 2^64.
    by: u64,
    extent: Range<u64>,
    linked: &'a [u8],
}

/// What a relocation refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A place in the image: it moves.
    Place,
    /// A number: it stays.
    Number,
}

impl Move<'_> {
    /// Moves the entry point and what is loaded where.
    fn headers(&self, output: &mut [u8]) -> Result<()> {
        let header = Elf::parse(self.linked).or_cannot(|| "read the linked image".to_owned())?;
        let headers = header
            .program_headers(ENDIAN, self.linked)
            .or_cannot(|| "read the program headers".to_owned())?;
        self.wide(output, E_ENTRY as u64)?;
        let mut place = header.e_phoff(ENDIAN);
        for header in headers {
            let kind = header.p_type(ENDIAN);
            if kind == PT_LOAD || kind == PT_NOTE {
                self.wide(output, place.saturating_add(P_VADDR))?;
                self.wide(output, place.saturating_add(P_PADDR))?;
            }
            place = place.saturating_add(PROGRAM_HEADER);
        }
        Ok(())
    }

    /// Moves the fields that the relocations name.
    fn fields(&self, output: &mut [u8]) -> Result<()> {
        let header = Elf::parse(self.linked).or_cannot(|| "read the linked image".to_owned())?;
        let sections =
            header.sections(ENDIAN, self.linked).or_cannot(|| "read the table of sections".to_owned())?;
        let symbols = sections
            .symbols(ENDIAN, self.linked, SHT_SYMTAB)
            .or_cannot(|| "read the symbols of the image".to_owned())?;
        let mut found = false;
        for section in sections.iter() {
            let name = sections.section_name(ENDIAN, section).unwrap_or_default();
            if is_loaded(section) && name == b".got" && section.sh_size(ENDIAN) > 0 {
                // The linker makes its entries itself and leaves no relocations for them.
                return Err(Error::failed(
                    "the image has a table of addresses (.got), which cannot be moved",
                ));
            }
            let target = SectionIndex(section.sh_info(ENDIAN) as usize);
            if section.sh_type(ENDIAN) == SHT_REL && sections.section(target).is_ok_and(is_loaded) {
                return Err(Error::failed("the image has relocations of an unknown form"));
            }
            let relocations = section
                .rela(ENDIAN, self.linked)
                .or_cannot(|| "read the relocations of the image".to_owned())?;
            let Some((relocations, _)) = relocations else { continue };
            let Some(target) = sections.section(target).ok().filter(|target| is_loaded(target)) else {
                continue;
            };
            found = true;
            for relocation in relocations {
                let symbol = relocation.r_sym(ENDIAN, false) as usize;
                let symbol = symbols
                    .symbol(object::SymbolIndex(symbol))
                    .or_cannot(|| "find the symbol of a relocation".to_owned())?;
                self.field(output, target, relocation, self.meaning(symbol, &sections)?)?;
            }
        }
        if !found {
            return Err(Error::failed("the image was linked without its relocations (--emit-relocs)"));
        }
        Ok(())
    }

    /// Whether a symbol moves with the image.
    fn meaning(&self, symbol: &Sym64<LittleEndian>, sections: &SectionTable<'_, Elf>) -> Result<Meaning> {
        let section = symbol.st_shndx(ENDIAN);
        if section == SHN_UNDEF {
            return Ok(Meaning::Number);
        }
        if section == SHN_ABS {
            let value = symbol.st_value(ENDIAN);
            // The linker script may have written a place down as a number.
            return match value >= self.extent.start && value <= self.extent.end {
                true => Err(Error::failed(format!(
                    "the symbol with the value {value:#x} may be a number or a place"
                ))),
                false => Ok(Meaning::Number),
            };
        }
        match sections.section(SectionIndex(section.0.into())) {
            Ok(section) if is_loaded(section) => Ok(Meaning::Place),
            _ => Err(Error::failed("the image refers to a section that is not loaded")),
        }
    }

    /// Moves one field.
    fn field(
        &self,
        output: &mut [u8],
        target: &SectionHeader64<LittleEndian>,
        relocation: &Rela64<LittleEndian>,
        meaning: Meaning,
    ) -> Result<()> {
        let kind = relocation.r_type(ENDIAN, false);
        let address = relocation.r_offset.get(ENDIAN);
        let relative = [R_X86_64_PC32, R_X86_64_PC64, R_X86_64_PLT32].contains(&kind);
        let absolute = [R_X86_64_64, R_X86_64_32, R_X86_64_32S].contains(&kind);
        match meaning {
            _ if kind == R_X86_64_NONE => return Ok(()),
            Meaning::Place if relative => return Ok(()),
            Meaning::Number if absolute => return Ok(()),
            Meaning::Place if absolute => {}
            _ => {
                return Err(Error::failed(format!(
                    "the image has a relocation at {address:#x} that cannot be moved (kind {}, {meaning:?})",
                    kind.0
                )));
            }
        }
        let outside = || Error::failed(format!("a relocation at {address:#x} lies outside of its section"));
        let inside = address.checked_sub(target.sh_addr(ENDIAN)).ok_or_else(outside)?;
        let width: u64 = if kind == R_X86_64_64 { 8 } else { 4 };
        let end = inside.checked_add(width).ok_or_else(outside)?;
        if end > target.sh_size(ENDIAN) || target.sh_type(ENDIAN) == SHT_NOBITS {
            return Err(outside());
        }
        let place = target.sh_offset(ENDIAN).checked_add(inside).ok_or_else(outside)?;
        if width == 8 {
            return self.wide(output, place);
        }
        let field: &mut [u8; 4] = bytes(output, place).ok_or_else(outside)?;
        let old = u32::from_le_bytes(*field);
        // The processor extends the one with zeros and the other with its sign.
        let extended = if kind == R_X86_64_32 { i64::from(old) } else { i64::from(old.cast_signed()) };
        let new = extended.wrapping_add(self.by.cast_signed());
        let fits = match kind == R_X86_64_32 {
            true => u32::try_from(new).ok(),
            false => i32::try_from(new).ok().map(i32::cast_unsigned),
        };
        let new = fits.ok_or_else(|| {
            Error::failed(format!("the field at {address:#x} is too small for its address after the move"))
        })?;
        *field = new.to_le_bytes();
        Ok(())
    }

    /// Moves an address of eight bytes at an offset of the file.
    fn wide(&self, output: &mut [u8], place: u64) -> Result<()> {
        let field: &mut [u8; 8] = bytes(output, place)
            .ok_or_else(|| Error::failed("an address lies outside of the linked image"))?;
        *field = u64::from_le_bytes(*field).wrapping_add(self.by).to_le_bytes();
        Ok(())
    }
}

fn is_loaded(section: &SectionHeader64<LittleEndian>) -> bool {
    section.sh_flags(ENDIAN).0 & SHF_ALLOC.0 != 0
}

fn bytes<const N: usize>(output: &mut [u8], place: u64) -> Option<&mut [u8; N]> {
    output.get_mut(usize::try_from(place).ok()?..)?.first_chunk_mut()
}

#[cfg(test)]
#[path = "relocation_tests.rs"]
mod tests;
