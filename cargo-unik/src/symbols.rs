//! The names behind the addresses of an image, from its `APP.debug`.
//!
//! Two sources: the symbol table knows every function with its size, the line tables know file, line and what was inlined.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use gimli::{EndianRcSlice, RunTimeEndian, SectionId};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

use crate::error::{Context, Error, Result};
use crate::names;
use crate::relocation;

type Reader = EndianRcSlice<RunTimeEndian>;

/// A function or variable of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name in Rust's words, without the hash.
    pub name: String,
    /// Where it starts.
    pub address: u64,
    /// Bytes; 0 for a label in assembly.
    pub size: u64,
    /// It takes no room in the file.
    pub zeroed: bool,
}

/// One call on the way to an address; inlined calls are calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The function, as a person would say it: `async fn unik_dns::serve`.
    pub function: String,
    /// File and line, where known: `kernel/src/trap.rs:12`.
    pub place: Option<String>,
}

/// The names of one image.
pub struct Symbols {
    lines: addr2line::Context<Reader>,
    table: Vec<Symbol>,
    /// Where there is machine code. Line tables also speak of functions that the linker threw away, at addresses near zero.
    code: Vec<Range<u64>>,
    root: String,
    /// How far the image was moved from where these names are, modulo 2^64.
    moved: u64,
}

impl Symbols {
    /// Reads the names of an image that may have been moved: `elf` is the one that boots.
    ///
    /// # Errors
    /// As for [`Symbols::open`].
    pub fn of(elf: &Path, debug: &Path, root: &Path) -> Result<Symbols> {
        let entry = |path: &Path| {
            fs::read(path)
                .or_cannot(|| format!("read {}", path.display()))
                .and_then(|elf| relocation::entry(&elf))
        };
        let moved = entry(elf)?.wrapping_sub(entry(debug)?);
        Ok(Symbols { moved, ..Symbols::open(debug, root)? })
    }

    /// Reads the names of an image; places below `root` are told relative to it.
    ///
    /// # Errors
    /// No such file, or not an ELF file with what cargo writes into one.
    pub fn open(debug: &Path, root: &Path) -> Result<Symbols> {
        let bytes = fs::read(debug).or_cannot(|| format!("read {}", debug.display()))?;
        Symbols::parse(&bytes, root)
    }

    /// Reads the names out of the bytes of an ELF file.
    ///
    /// # Errors
    /// Not an ELF file, or broken line tables.
    pub fn parse(elf: &[u8], root: &Path) -> Result<Symbols> {
        let file = ElfFile64::<LittleEndian>::parse(elf).or_cannot(|| "read the image".to_owned())?;
        let load = |section: SectionId| -> std::result::Result<Reader, gimli::Error> {
            let data = file.section_by_name(section.name()).and_then(|section| section.data().ok());
            Ok(EndianRcSlice::new(Rc::from(data.unwrap_or_default()), RunTimeEndian::Little))
        };
        let dwarf = gimli::Dwarf::load(load).or_cannot(|| "read the line tables".to_owned())?;
        let lines = addr2line::Context::from_dwarf(dwarf).or_cannot(|| "read the line tables".to_owned())?;
        let sections = file.sections().filter(|section| section.kind() == SectionKind::Text);
        let code = sections.map(|section| section.address()..section.address() + section.size()).collect();
        Ok(Symbols { lines, table: table(&file), code, root: format!("{}/", root.display()), moved: 0 })
    }

    /// All functions, variables and labels, by the address they were linked for.
    pub fn table(&self) -> &[Symbol] {
        &self.table
    }

    /// The calls that lead to an address of the running image, innermost first; empty where nothing is known.
    pub fn frames(&self, address: u64) -> Vec<Frame> {
        let address = address.wrapping_sub(self.moved);
        if !self.code.iter().any(|code| code.contains(&address)) {
            return Vec::new();
        }
        let mut frames = self.inlined(address).unwrap_or_default();
        // The line tables name inlined functions only; the one that was really called is in the symbol table.
        if let Some(name) = self.function(address) {
            match frames.last_mut() {
                Some(outermost) => outermost.function = names::readable(name, Some(&outermost.function)),
                None => frames.push(Frame { function: names::readable(name, None), place: None }),
            }
        }
        for frame in &mut frames {
            frame.function = names::readable(&frame.function, None);
        }
        frames
    }

    fn function(&self, address: u64) -> Option<&str> {
        let after = self.table.partition_point(|symbol| symbol.address <= address);
        let symbol = self.table.get(after.checked_sub(1)?)?;
        // Labels in assembly have no size: they reach to the next one.
        (symbol.size == 0 || address - symbol.address < symbol.size).then_some(symbol.name.as_str())
    }

    fn inlined(&self, address: u64) -> Option<Vec<Frame>> {
        let mut found = self.lines.find_frames(address).skip_all_loads().ok()?;
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
            let function = name.map_or_else(|| "?".to_owned(), |name| demangled(&name));
            let place =
                frame.location.and_then(|location| Some((self.shown(location.file?), location.line?)));
            frames.push(Frame { function, place: place.map(|(file, line)| format!("{file}:{line}")) });
        }
        Some(frames)
    }

    /// Paths below the workspace and those of the standard library are told short.
    fn shown(&self, file: &str) -> String {
        if let Some((_, library)) = file.split_once("/library/") {
            return library.to_owned();
        }
        if let Some((_, registry)) = file.split_once("/registry/src/") {
            return registry.split_once('/').map_or(registry, |(_, path)| path).to_owned();
        }
        file.strip_prefix(&self.root).unwrap_or(file).to_owned()
    }
}

fn table(file: &ElfFile64<'_, LittleEndian>) -> Vec<Symbol> {
    let mut table = Vec::new();
    for symbol in file.symbols() {
        let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
        let (Ok(name), Some(section)) = (symbol.name(), section) else { continue };
        let wanted = match symbol.kind() {
            SymbolKind::Text | SymbolKind::Data => true,
            SymbolKind::Label | SymbolKind::Unknown => {
                section.kind() == SectionKind::Text && !name.is_empty()
            }
            _ => false,
        };
        if !wanted {
            continue;
        }
        let zeroed = section.kind() == SectionKind::UninitializedData;
        table.push(Symbol { name: demangled(name), address: symbol.address(), size: symbol.size(), zeroed });
    }
    table.sort_by_key(|symbol| (symbol.address, symbol.size));
    table
}

/// A name in Rust's words, without the hash of its crate.
pub fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The crate that a demangled name belongs to: the type's for a method, the trait's where the type is everybody's.
pub fn crate_of(name: &str) -> &str {
    // `<unik_net::Stack as core::fmt::Debug>::fmt`, `<alloc::vec::Vec<T> as Drop>::drop`, `<&T as core::fmt::Debug>::fmt`
    let mut rest = name;
    while let Some(at) = rest.find("::") {
        let head = &rest[..at];
        let start =
            head.rfind(|letter: char| !(letter.is_alphanumeric() || letter == '_')).map_or(0, |at| at + 1);
        if start < head.len() {
            return &head[start..];
        }
        rest = &rest[at + 2..];
    }
    "(assembly)"
}

/// For sentences that want one line.
impl std::fmt::Display for Frame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.function)?;
        match &self.place {
            Some(place) => write!(formatter, " at {place}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Symbols({})", self.table.len())
    }
}

/// Says why names are missing instead of staying silent about it.
pub fn missing(error: &Error) -> String {
    format!("unik: addresses stay without names: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_crate_of_its_type() {
        for (name, expected) in [
            ("unik_net::driver::poll", "unik_net"),
            ("<unik_net::Stack as core::fmt::Debug>::fmt", "unik_net"),
            ("<&T as core::fmt::Debug>::fmt", "core"),
            ("core::ptr::drop_in_place::<alloc::string::String>", "core"),
            ("memcpy", "(assembly)"),
        ] {
            assert_eq!(crate_of(name), expected, "{name}");
        }
    }

    #[test]
    fn names_lose_their_hash() {
        assert_eq!(demangled("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
    }

    #[inline(never)]
    fn landmark(number: u64) -> u64 {
        std::hint::black_box(number) + 1
    }

    #[test]
    fn the_functions_of_this_very_program_are_found_with_file_and_line() {
        landmark(1);
        let executable = std::env::current_exe().unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let symbols = Symbols::open(&executable, workspace).unwrap();
        let landmark = symbols.table().iter().find(|symbol| symbol.name.ends_with("::landmark")).unwrap();
        let frames = symbols.frames(landmark.address);
        let frame = frames.last().unwrap();
        assert_eq!(frame.function, "cargo_unik::symbols::tests::landmark");
        assert!(frame.place.as_ref().unwrap().contains("src/symbols.rs:"), "{frame}");
        assert_eq!(symbols.frames(1), []);
    }
}
