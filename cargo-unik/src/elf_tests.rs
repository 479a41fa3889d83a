//! Tests of stripping, on ELF files of a few bytes.

use super::*;

/// A program header and its bytes; the offset is where [`file`] puts them.
struct Piece {
    kind: u32,
    flags: u32,
    address: u64,
    memory: u64,
    alignment: u64,
    bytes: Vec<u8>,
}

const LOAD: u32 = 1;
const NOTE: u32 = 4;
const STACK: u32 = 0x6474_e551;
/// A note as in an image: owner "Xen", type 18, the entry point 0x100000.
const XEN: [u8; 20] = [4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, b'X', b'e', b'n', 0, 0, 0, 0x10, 0];

fn load(flags: u32, address: u64, bytes: &[u8], memory: u64) -> Piece {
    Piece { kind: LOAD, flags, address, memory, alignment: 4096, bytes: bytes.to_vec() }
}

/// An ELF file whose pieces lie a page apart, as linkers make them, with `inside` notes pointing into the first piece.
fn file(pieces: &[Piece], note_inside: Option<(u64, u64)>) -> Vec<u8> {
    let count = pieces.len() + usize::from(note_inside.is_some());
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
    file.extend_from_slice(&0x10_0000_u64.to_le_bytes());
    file.extend_from_slice(&64_u64.to_le_bytes());
    file.extend_from_slice(&0_u64.to_le_bytes());
    file.extend_from_slice(&0_u32.to_le_bytes());
    for value in [64, 56, u16::try_from(count).unwrap(), 64, 0, 0] {
        file.extend_from_slice(&value.to_le_bytes());
    }
    let mut header = |kind: u32, flags: u32, fields: [u64; 6]| {
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&flags.to_le_bytes());
        fields.iter().for_each(|field| file.extend_from_slice(&field.to_le_bytes()));
    };
    for (index, piece) in pieces.iter().enumerate() {
        let offset = 4096 * (index as u64 + 1);
        let size = piece.bytes.len() as u64;
        let fields = [offset, piece.address, piece.address, size, piece.memory, piece.alignment];
        header(piece.kind, piece.flags, fields);
    }
    if let Some((start, size)) = note_inside {
        header(NOTE, 4, [4096 + start, 0x10_0000 + start, 0x10_0000 + start, size, size, 4]);
    }
    for (index, piece) in pieces.iter().enumerate() {
        file.resize(4096 * (index + 1), 0);
        file.extend_from_slice(&piece.bytes);
    }
    file
}

/// Kind, address, bytes in the file, bytes in memory, of each program header; checks the rules of the format on the way.
fn headers(elf: &[u8]) -> Vec<(u32, u64, Vec<u8>, u64)> {
    let header = FileHeader64::<LittleEndian>::parse(elf).unwrap();
    assert_eq!(header.e_entry.get(LittleEndian), 0x10_0000);
    let mut found = Vec::new();
    for header in header.program_headers(LittleEndian, elf).unwrap() {
        let (offset, address) = (header.p_offset(LittleEndian), header.p_vaddr(LittleEndian));
        assert_eq!(offset % header.p_align(LittleEndian), address % header.p_align(LittleEndian));
        let bytes = header.data(LittleEndian, elf).unwrap().to_vec();
        found.push((header.p_type(LittleEndian).0, address, bytes, header.p_memsz(LittleEndian)));
    }
    found
}

#[test]
fn what_is_loaded_stays_and_the_padding_goes() {
    let pieces = [load(5, 0x10_0000, b"code", 4), load(6, 0x10_1008, b"data", 0x5000)];
    let stripped = strip(&file(&pieces, None)).unwrap();
    let expected = [(LOAD, 0x10_0000, b"code".to_vec(), 4), (LOAD, 0x10_1008, b"data".to_vec(), 0x5000)];
    assert_eq!(headers(&stripped), expected);
    assert!(stripped.len() < 64 + 2 * 56 + 4 + 4 + 32, "{}", stripped.len());
}

#[test]
fn what_no_loader_reads_goes() {
    let stack = Piece { kind: STACK, flags: 6, address: 0, memory: 0, alignment: 16, bytes: vec![] };
    let stripped = strip(&file(&[load(5, 0x10_0000, b"code", 4), stack], None)).unwrap();
    assert_eq!(headers(&stripped), [(LOAD, 0x10_0000, b"code".to_vec(), 4)]);
}

#[test]
fn zeros_at_the_end_are_left_to_the_loader() {
    let pieces = [load(6, 0x10_0000, b"data\0\0\0\0\0\0", 10), load(6, 0x10_2000, &[0; 100], 100)];
    let stripped = strip(&file(&pieces, None)).unwrap();
    assert_eq!(headers(&stripped), [(LOAD, 0x10_0000, b"data".to_vec(), 10), (LOAD, 0x10_2000, vec![], 100)]);
}

#[test]
fn a_note_inside_a_segment_is_found_at_its_new_place() {
    let mut bytes = b"constant".to_vec();
    bytes.extend_from_slice(&XEN);
    let stripped = strip(&file(&[load(4, 0x10_0000, &bytes, 28)], Some((8, 20)))).unwrap();
    let expected = [(LOAD, 0x10_0000, bytes, 28), (NOTE, 0x10_0008, XEN.to_vec(), 20)];
    assert_eq!(headers(&stripped), expected);
}

#[test]
fn the_zeros_at_the_end_of_a_note_stay() {
    let stripped = strip(&file(&[load(4, 0x10_0000, &XEN, 20)], Some((0, 20)))).unwrap();
    assert_eq!(headers(&stripped)[1].2, XEN);
}

#[test]
fn a_note_outside_of_all_segments_is_kept() {
    let note = Piece { kind: NOTE, flags: 4, address: 0, memory: 20, alignment: 4, bytes: XEN.to_vec() };
    let stripped = strip(&file(&[load(5, 0x10_0000, b"code", 4), note], None)).unwrap();
    assert_eq!(headers(&stripped)[1], (NOTE, 0, XEN.to_vec(), 20));
}

#[test]
fn added_notes_stand_behind_those_that_were_there_and_in_the_same_segment() {
    let (code, data) = (load(5, 0x10_0000, &XEN, 20), load(6, 0x20_0010, b"x", 9));
    let stripped = strip(&file(&[code, data], Some((0, 20)))).unwrap();
    let noted = with_notes(&stripped, b"more").unwrap();
    let expected = [
        (LOAD, 0x10_0000, XEN.to_vec(), 20),
        (LOAD, 0x20_0010, b"x".to_vec(), 9),
        (NOTE, 0, [&XEN[..], b"more"].concat(), 24),
    ];
    assert_eq!(headers(&noted), expected);
    // What is loaded lies where it lay, and the notes behind it.
    assert_eq!(noted[64 + 3 * 56..stripped.len()], stripped[64 + 3 * 56..]);
}

#[test]
fn notes_are_added_where_there_were_none() {
    let stripped = strip(&file(&[load(5, 0x10_0000, b"code", 4)], None)).unwrap();
    assert_eq!(headers(&with_notes(&stripped, &XEN).unwrap())[1], (NOTE, 0, XEN.to_vec(), 20));
}

#[test]
fn stripping_twice_changes_nothing() {
    let once =
        strip(&file(&[load(5, 0x10_0000, &XEN, 20), load(6, 0x20_0010, b"x", 9)], Some((0, 20)))).unwrap();
    assert_eq!(strip(&once).unwrap(), once);
}

#[test]
fn a_broken_file_is_an_error_at_every_length_and_never_a_panic() {
    let whole = file(&[load(5, 0x10_0000, b"code", 4)], Some((0, 4)));
    for length in 0..whole.len() {
        assert!(strip(&whole[..length]).is_err(), "{length}");
    }
    for at in 0..64 + 2 * 56 {
        let mut broken = whole.clone();
        broken[at] = 0xff;
        let _ = strip(&broken);
    }
    assert!(strip(b"\x7fELF but not really").is_err());
}

#[test]
fn an_image_without_anything_to_load_blames_the_linker_script() {
    let error = strip(&file(&[], None)).unwrap_err().to_string();
    assert!(error.contains("linker script"), "{error}");
}

#[test]
fn a_segment_both_written_and_executed_is_noticed() {
    assert_eq!(writes_and_executes(&file(&[load(7, 0x10_0000, b"code", 4)], None)), Ok(true));
    assert_eq!(writes_and_executes(&file(&[load(5, 0x10_0000, b"code", 4)], None)), Ok(false));
}
