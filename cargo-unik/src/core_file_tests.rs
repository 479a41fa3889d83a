//! Tests of core files: what is corrected in what QEMU wrote, and what is refused.

use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, elf};

use super::*;
use crate::epitaph::Interpreter;
use crate::scratch::Scratch;

/// Where the notes and the memory lie in the file.
const NOTES: usize = HEADER + 2 * SEGMENT;
const MEMORY: usize = NOTES + 12 + 8 + 336;
/// Bytes of memory: mostly zeros.
const LENGTH: usize = 1 << 20;
const ADDRESS: u64 = 0x10_0000;

/// What QEMU writes about a machine with one piece of memory.
fn dump() -> Vec<u8> {
    let mut file = vec![0; MEMORY + LENGTH];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &TYPE_CORE.to_le_bytes());
    put(18, &MACHINE_X86_64.to_le_bytes());
    put(20, &[1]);
    put(32, &(HEADER as u64).to_le_bytes());
    put(52, &(HEADER as u16).to_le_bytes());
    put(54, &(SEGMENT as u16).to_le_bytes());
    put(56, &2_u16.to_le_bytes());
    put(HEADER, &SEGMENT_NOTE.to_le_bytes());
    put(HEADER + 8, &(NOTES as u64).to_le_bytes());
    put(HEADER + 32, &((MEMORY - NOTES) as u64).to_le_bytes());
    let load = HEADER + SEGMENT;
    put(load, &SEGMENT_LOAD.to_le_bytes());
    put(load + 8, &(MEMORY as u64).to_le_bytes());
    put(load + 24, &ADDRESS.to_le_bytes());
    put(load + 32, &(LENGTH as u64).to_le_bytes());
    put(load + 40, &(LENGTH as u64).to_le_bytes());
    put(NOTES, &[5, 0, 0, 0, 80, 1, 0, 0, 1, 0, 0, 0]);
    put(NOTES + 12, b"CORE\0");
    put(NOTES + 20 + STATUS_REGISTERS, &7_u64.to_le_bytes());
    put(MEMORY + LENGTH / 2, b"journal");
    file
}

fn registers(line: &str) -> Registers {
    let mut interpreter = Interpreter::new();
    interpreter.addresses(line);
    interpreter.registers().clone()
}

fn corrected(dump: &[u8], registers: &Registers) -> Result<(Vec<u8>, Size)> {
    let scratch = Scratch::new();
    let (from, to) = (scratch.write("dump", dump), scratch.path().join("core"));
    let size = correct(&from, &to, registers)?;
    assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
    Ok((fs::read(&to).unwrap(), size))
}

#[test]
fn memory_lies_where_the_image_sees_it_and_zeros_take_no_room() {
    let (core, size) = corrected(&dump(), &Registers::default()).unwrap();
    let file = ElfFile64::<LittleEndian>::parse(&*core).unwrap();
    let segments = file.elf_header().program_headers(LittleEndian, &*core).unwrap();
    let load = segments.iter().find(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD).unwrap();
    assert_eq!(load.p_vaddr(LittleEndian), ADDRESS);
    let memory = load.data(LittleEndian, &*core).unwrap();
    assert_eq!(memory.len(), LENGTH);
    assert!(memory[LENGTH / 2..].starts_with(b"journal"));
    assert_eq!(size.length, core.len() as u64);
    assert!(size.taken < size.length / 4, "{size:?}");
}

#[test]
fn registers_of_a_fault_replace_those_at_the_halt() {
    let at = |core: &[u8], index: usize| u64_at(core, NOTES + 20 + STATUS_REGISTERS + 8 * index).unwrap();
    let line = "epitaph: registers rip=0x0000000000103456 cs=0x0000000000000008 flags=0x2 rsp=0x110000";
    let (core, _) = corrected(&dump(), &registers(line)).unwrap();
    assert_eq!([at(&core, 0), at(&core, 16), at(&core, 17)], [7, 0x10_3456, 8]);
    assert_eq!([at(&core, 18), at(&core, 19)], [2, 0x11_0000]);
    let (core, _) = corrected(&dump(), &registers("epitaph: v1 panic in task main: no")).unwrap();
    assert_eq!([at(&core, 0), at(&core, 16)], [7, 0]);
}

#[test]
fn an_older_core_file_is_replaced() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.write("dump", &dump()), scratch.write("core", &[1; 5_000_000]));
    let size = correct(&from, &to, &Registers::default()).unwrap();
    assert_eq!(size.length, dump().len() as u64);
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_no_such_file_leaves_an_older_core_file_as_it_is() {
    let scratch = Scratch::new();
    let (from, to) = (scratch.write("dump", b"no core file"), scratch.path().join("core"));
    correct(&from, &to, &Registers::default()).unwrap_err();
    assert_eq!(names(scratch.path()), ["dump"]);
    fs::write(&to, "older").unwrap();
    correct(&from, &to, &Registers::default()).unwrap_err();
    assert_eq!(names(scratch.path()), ["core", "dump"]);
    assert_eq!(fs::read(&to).unwrap(), b"older");
}

#[test]
fn a_core_file_that_does_not_become_complete_does_not_stay() {
    let scratch = Scratch::new();
    // A file takes no folder's place.
    let (from, to) = (scratch.write("dump", &dump()), scratch.path().join("core"));
    fs::create_dir(&to).unwrap();
    let error = correct(&from, &to, &Registers::default()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot replace {}: ", to.display())), "{error}");
    assert_eq!(names(scratch.path()), ["core", "dump"]);
}

#[test]
fn what_is_no_such_file_is_refused() {
    let with = |at: usize, byte: u8| {
        let mut dump = dump();
        dump[at] = byte;
        dump
    };
    // Another class, another machine, too many segments, segments and notes behind the end.
    for dump in [Vec::new(), with(4, 1), with(18, 3), with(57, 1), with(39, 1), with(HEADER + 15, 1)] {
        let error = corrected(&dump, &Registers::default()).unwrap_err().to_string();
        assert_eq!(error, "QEMU wrote a core file that this tool does not know");
    }
    // Notes that lead nowhere hold no registers.
    let line = "epitaph: registers r15=0x9";
    assert!(corrected(&with(NOTES + 3, 255), &registers(line)).is_ok());
}
