//! Tests of moving, on a linked ELF file of a few hundred bytes.

use super::*;

const BASE: u64 = 0x10_0000;
/// Sections: none, text, relocations of the text, symbols, their names.
const SECTIONS: u64 = 5;
/// Where the bytes of the text begin in the file.
const TEXT: usize = 120;

/// A relocation of the text: place, kind, symbol (1 in the text, 2 a number, 3 nowhere), and the field's value.
type Field = (u64, u32, u64, Vec<u8>);

/// A linked image with 32 bytes of text at 1 MiB.
fn linked(fields: &[Field]) -> Vec<u8> {
    let mut text = [0x90; 32];
    let mut relocations = Vec::new();
    for (place, kind, symbol, value) in fields {
        text[*place as usize..][..value.len()].copy_from_slice(value);
        for word in [BASE + place, symbol << 32 | u64::from(*kind), 0] {
            relocations.extend_from_slice(&word.to_le_bytes());
        }
    }
    let mut symbols = vec![0; 24];
    for (section, value) in [(1_u16, BASE + 8), (0xfff1, 7), (0, 0)] {
        symbols.extend_from_slice(&[1, 0, 0, 0, 0x10, 0]);
        symbols.extend_from_slice(&section.to_le_bytes());
        symbols.extend_from_slice(&u64::to_le_bytes(value));
        symbols.extend_from_slice(&[0; 8]);
    }
    let bodies: [&[u8]; 4] = [&text, &relocations, &symbols, b"\0x\0\0\0\0\0\0"];
    let end = TEXT + bodies.iter().map(|body| body.len()).sum::<usize>();
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
    for word in [BASE, 64, end as u64, 56 << 48 | 64 << 32, 64 << 16 | 1 | SECTIONS << 32 | 4 << 48] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for word in [1 | 5 << 32, TEXT as u64, BASE, BASE, 32, 64, 4096] {
        file.extend_from_slice(&u64::to_le_bytes(word));
    }
    bodies.iter().for_each(|body| file.extend_from_slice(body));
    file.extend_from_slice(&[0; 64]);
    let mut place = TEXT as u64;
    // Kind, flags, address, link and information, size of an entry.
    let kinds: [(u64, u64, u64, u64, u64); 4] =
        [(1, 6, BASE, 0, 0), (4, 0x40, 0, 3 | 1 << 32, 24), (2, 0, 0, 4 | 1 << 32, 24), (3, 0, 0, 0, 0)];
    for ((kind, flags, address, link, entry), body) in kinds.into_iter().zip(bodies) {
        for word in [kind << 32, flags, address, place, body.len() as u64, link, 8, entry] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        place += body.len() as u64;
    }
    file
}

fn address(place: u64, kind: object::elf::RelocationType, value: u32) -> Field {
    (place, kind.0, 1, value.to_le_bytes().to_vec())
}

fn text(file: &[u8]) -> &[u8] {
    &file[TEXT..][..32]
}

#[test]
fn addresses_entry_and_headers_move_together() {
    let wide = (8, R_X86_64_64.0, 1, (BASE + 8).to_le_bytes().to_vec());
    let below = -8_i32;
    let fields = [address(0, R_X86_64_32, 0x10_0010), wide, address(16, R_X86_64_32S, below.cast_unsigned())];
    let output = moved(&linked(&fields), 0x34_5000).unwrap();
    assert_eq!(text(&output)[..4], 0x34_5010_u32.to_le_bytes());
    assert_eq!(text(&output)[8..16], 0x34_5008_u64.to_le_bytes());
    assert_eq!(text(&output)[16..20], (0x24_5000_i32 - 8).to_le_bytes());
    assert_eq!(text(&output)[20..], [0x90; 12]);
    assert_eq!(entry(&output), Ok(0x34_5000));
    assert_eq!(extent(&output), Ok(0x34_5000..0x34_5040));
    let header = Elf::parse(&*output).unwrap().program_headers(ENDIAN, &*output).unwrap();
    assert_eq!(header[0].p_paddr(ENDIAN), 0x34_5000);
}

#[test]
fn an_image_moved_to_where_it_was_linked_is_the_same() {
    let file = linked(&[address(0, R_X86_64_32, 0x10_0010)]);
    assert_eq!(moved(&file, BASE), Ok(file));
}

#[test]
fn what_is_relative_or_a_number_stays() {
    let number = (0, R_X86_64_32S.0, 2, vec![7, 0, 0, 0]);
    let missing = (4, R_X86_64_32.0, 3, vec![0; 4]);
    let file = linked(&[number, missing, address(8, R_X86_64_PLT32, 99), address(12, R_X86_64_PC32, 98)]);
    assert_eq!(text(&moved(&file, 0x200_0000).unwrap()), text(&file));
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let said = |field: Field| moved(&linked(&[field]), 0x200_0000).unwrap_err().to_string();
    // R_X86_64_16, R_X86_64_GOTPCRELX
    for kind in [12, 41] {
        let sentence = format!("a relocation at 0x100000 that cannot be moved (kind {kind}, Place)");
        assert!(said((0, kind, 1, vec![])).contains(&sentence));
    }
    assert!(said((0, R_X86_64_PC32.0, 2, vec![])).contains("(kind 2, Number)"));
    assert!(said(address(0, R_X86_64_32, u32::MAX)).contains("too small"));
    assert!(said(address(0, R_X86_64_32S, i32::MAX.cast_unsigned())).contains("too small"));
    assert!(said((30, R_X86_64_32.0, 1, vec![])).contains("outside of its section"));
    assert!(said((0, R_X86_64_32.0, 9, vec![])).contains("find the symbol"));
}

#[test]
fn an_image_without_relocations_stays_where_it_is() {
    let mut file = linked(&[]);
    // The second section becomes plain bytes.
    let place = file.len() - 3 * 64 + 4;
    file[place] = 1;
    assert!(moved(&file, 0x200_0000).unwrap_err().to_string().contains("--emit-relocs"));
}

#[test]
fn a_base_is_a_page_below_the_reach_of_the_first_tables() {
    let file = linked(&[address(0, R_X86_64_32, 0x10_0010)]);
    for wrong in [0, 0xf_f000, 0x10_0800, 0x3fff_ffff, 0x4000_0000, !4095] {
        assert!(moved(&file, wrong).is_err(), "{wrong:#x}");
    }
    assert!(moved(&file, 0x3fff_f000).is_ok());
}

#[test]
fn a_file_with_any_wrong_byte_is_moved_or_refused() {
    let whole = linked(&[address(0, R_X86_64_32, 0x10_0010), address(8, R_X86_64_64, 0x10_0008)]);
    for length in 0..whole.len() {
        let _ = moved(&whole[..length], 0x34_5000);
    }
    for place in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, whole[place] ^ 1, whole[place] ^ 0x40] {
            let mut file = whole.clone();
            file[place] = value;
            let outcome = moved(&file, 0x34_5000);
            assert!(outcome.is_err() || outcome.is_ok_and(|output| output.len() == whole.len()));
        }
    }
}
