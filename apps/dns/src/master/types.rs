//! Bitmaps of types (RFC 4034, 4.1.2): for each 256 of them that one is of, a block of its number, its length and its bits.

use super::Reader;
use super::problem::{Mistake, Problem};
use crate::kind::Kind;
use alloc::vec::Vec;

impl Reader<'_, '_, '_> {
    /// Reads all further words as types. There may be none (RFC 5155, 7.1).
    #[inline(never)]
    pub(super) fn types(&mut self) -> Result<(), Mistake> {
        let start = self.state.data.len();
        while self.advance()? {
            let word = self.scanner.word();
            let kind = Kind::parse(word.text).ok_or(word.mistake(Problem::ExpectedKind))?;
            set(&mut self.state.data, start, kind.code());
        }
        Ok(())
    }
}

/// Sets the bit of `code` in the bitmap that begins at `at` and ends with `data`.
fn set(data: &mut Vec<u8>, mut at: usize, code: u16) {
    let [window, low] = code.to_be_bytes();
    let place = usize::from(low / 8);
    let length = loop {
        match data.get(at..) {
            Some(&[number, length, ..]) if number < window => at += 2 + usize::from(length),
            Some(&[number, length, ..]) if number == window => break length.into(),
            _ => {
                insert(data, at, &[window, 0]);
                break 0;
            }
        }
    };
    if let Some(missing) = (place + 1).checked_sub(length) {
        insert(data, at + 2 + length, [0; 32].get(..missing).unwrap_or(&[]));
        if let Some(length) = data.get_mut(at + 1).filter(|_| missing > 0) {
            *length = place as u8 + 1; // at most 32
        }
    }
    if let Some(octet) = data.get_mut(at + 2 + place) {
        *octet |= 0x80 >> (low % 8);
    }
}

/// Inserts `octets` before what stands at `at`.
pub(super) fn insert(data: &mut Vec<u8>, at: usize, octets: &[u8]) {
    let end = data.len();
    data.extend_from_slice(octets);
    if at <= end {
        data.copy_within(at..end, at + octets.len());
        if let Some(place) = data.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }
}

/// Takes what stands at `at` and behind it, in one place for all that do; `None` where there is no memory for it.
#[inline(never)]
pub(super) fn cut(data: &mut Vec<u8>, at: usize) -> Option<Vec<u8>> {
    let behind = data.get(at..).unwrap_or(&[]);
    let mut taken = Vec::new();
    taken.try_reserve_exact(behind.len()).ok()?;
    taken.extend_from_slice(behind);
    data.truncate(at);
    Some(taken)
}

/// Whether `bitmap` is one: blocks in the order of their numbers, none longer than it must be.
pub(crate) fn are_valid(bitmap: &[u8]) -> bool {
    let mut rest = bitmap;
    let mut next = 0;
    while let [window, length, behind @ ..] = rest {
        let Some((bits, behind)) = behind.split_at_checked((*length).into()) else { return false };
        if u16::from(*window) < next || bits.len() > 32 || bits.last().is_none_or(|last| *last == 0) {
            return false;
        }
        next = u16::from(*window) + 1;
        rest = behind;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_bitmap_is_the_same_in_any_order_and_valid() {
        // RFC 4034, 4.3: A MX RRSIG NSEC TYPE1234.
        let mut expected = vec![0, 6, 0x40, 1, 0, 0, 0, 3, 4, 27];
        expected.extend([0; 26]);
        expected.push(0x20);
        for codes in [[1, 15, 46, 47, 1234], [1234, 47, 15, 46, 1], [46, 1234, 47, 1, 15]] {
            let mut data = vec![9, 9, 9];
            codes.iter().chain(&codes).for_each(|&code| set(&mut data, 3, code));
            assert_eq!(data[3..], expected);
        }
        assert!(are_valid(&expected));
        let mut all = vec![];
        (0..=u16::MAX).rev().for_each(|code| set(&mut all, 0, code));
        assert_eq!(all.len(), 256 * 34);
        assert!(are_valid(&all) && are_valid(&[]));
    }

    #[test]
    fn what_is_no_bitmap_is_known() {
        for octets in [
            &[0][..],
            &[0, 0],
            &[0, 1],
            &[0, 1, 0],
            &[0, 2, 1, 0],
            &[0, 1, 1, 0],
            &[1, 1, 1, 0, 1, 1],
            &[1, 1, 1, 1, 1, 1],
            &[[0, 33].as_slice(), &[1; 33]].concat(),
        ] {
            assert!(!are_valid(octets), "{octets:?}");
        }
    }
}
