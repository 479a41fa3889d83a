//! Data written as octets, which any type may be (RFC 3597, 5): `\#`, their number, and hexadecimal digits.
//!
//! Of a type that is in the table the octets are read field by field, as they would come over the wire: names in them
//! become names of the zone, and what is not data of that type is refused.

use super::digits::Digits;
use super::problem::{Mistake, Problem};
use super::{Reader, State, number};
use crate::draft::wire::{Record, read_data};
use crate::kind::Kind;
use alloc::vec::Vec;

impl Reader<'_, '_, '_> {
    /// Reads the last word, which must be `\#`, and those behind it as data of type `kind`.
    #[inline(never)]
    pub(super) fn generic(&mut self, kind: Kind) -> Result<(), Mistake> {
        let first = self.scanner.word();
        if first.text != b"\\#" || first.is_quoted {
            return Err(first.mistake(Problem::ExpectedGeneric));
        }
        self.expect(Problem::ExpectedU16)?;
        let number = self.scanner.word();
        let length = number::decimal(number.text, u16::MAX.into());
        let length = length.ok_or(number.mistake(Problem::ExpectedU16))?;
        let (mut octets, mut digits) = (Vec::new(), Digits::HEX);
        self.state.is_starved |= octets.try_reserve_exact(length as usize + 1).is_err();
        while !self.state.is_starved && self.scanner.advance()? {
            let word = self.scanner.word();
            // No more than there is room for.
            if octets.len() + word.text.len() / 2 > length as usize {
                return Err(number.mistake(Problem::WrongLength));
            }
            digits.take(word.text, &mut octets).ok_or(word.mistake(Problem::ExpectedHex))?;
        }
        if octets.len() != length as usize || !digits.is_whole() {
            return Err(number.mistake(Problem::WrongLength));
        }
        self.make_room(octets.len())?;
        let State { tree, data, .. } = &mut *self.state;
        let read = read_data(tree, data, &Record::of_data(kind, &octets));
        read.ok_or(first.mistake(Problem::NotOfThisType))
    }
}

/// Whether `octets` are texts, each after its length of at `least` that much, one at least.
pub(crate) fn are_texts(octets: &[u8], least: u8) -> bool {
    let mut rest = octets;
    while let Some((&length, behind)) = rest.split_first() {
        let Some(behind) = behind.get(length.into()..).filter(|_| length >= least) else { return false };
        rest = behind;
    }
    !octets.is_empty()
}
