//! Data written as octets, which any type may be (RFC 3597, 5): `\#`, their number, and hexadecimal digits.
//!
//! Of a type that is in the table the octets are read field by field, as they would come over the wire: names in them
//! become names of the zone, and what is not data of that type is refused.

use super::data::MIN_DIGEST;
use super::digits::Digits;
use super::name::Name;
use super::problem::{Mistake, Problem};
use super::{Reader, number, parameters, types};
use crate::kind::size;
use crate::tree::NodeId;
use alloc::vec::Vec;

impl Reader<'_, '_, '_> {
    /// Reads the last word, which must be `\#`, and those behind it as data of a type with `fields`.
    #[inline(never)]
    pub(super) fn generic(&mut self, fields: &[u8]) -> Result<(), Mistake> {
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
        if fields.is_empty() {
            self.put(&octets);
            return Ok(());
        }
        self.octets(fields, &octets).ok_or(first.mistake(Problem::NotOfThisType))
    }

    /// Adds `rest`, the octets of `fields`, with names as nodes.
    fn octets(&mut self, fields: &[u8], mut rest: &[u8]) -> Option<()> {
        for &field in fields {
            let length = match field {
                b'N' | b'n' | b'M' | b'm' | b'w' => {
                    let (name, length) = Name::from_wire(rest)?;
                    if field != b'w' {
                        let node = self.intern(&name, NodeId::ROOT)?;
                        self.put(&node.to_bytes());
                        rest = rest.get(length..)?;
                        continue;
                    }
                    length
                }
                b's' | b'X' => 1 + usize::from(*rest.first()?),
                b'T' | b'h' => 1 + usize::from(*rest.first().filter(|length| **length > 0)?),
                _ => match size(field) {
                    0 => rest.len(),
                    size => size.into(),
                },
            };
            let (part, behind) = rest.split_at_checked(length)?;
            let is_valid = match field {
                b'S' => are_texts(part, 0),
                b'b' => types::are_valid(part),
                b'p' => parameters::are_valid(part),
                b'x' | b'6' => !part.is_empty(),
                b'z' => part.len() >= MIN_DIGEST,
                // RFC 1876, 2: there is one version.
                b'L' => part.starts_with(&[0]),
                _ => true,
            };
            self.put(is_valid.then_some(part)?);
            rest = behind;
        }
        rest.is_empty().then_some(())
    }
}

/// Whether `octets` are texts, each after its length of at `least` that much, one at least.
pub(super) fn are_texts(octets: &[u8], least: u8) -> bool {
    let mut rest = octets;
    while let Some((&length, behind)) = rest.split_first() {
        let Some(behind) = behind.get(length.into()..).filter(|_| length >= least) else { return false };
        rest = behind;
    }
    !octets.is_empty()
}
