//! Octets written as digits: hexadecimal, base32 with its extended alphabet, base64 (RFC 4648, 8, 7 and 4).

use alloc::vec::Vec;

/// Octets in the reading, over as many words as there are.
#[derive(Clone, Copy)]
pub(crate) struct Digits {
    /// Bits of a digit.
    bits: u32,
    /// The last digits; the lowest `held` bits belong to the next octet.
    buffer: u32,
    held: u32,
    /// Signs at the end that fill the last group of base64.
    padding: u32,
}

impl Digits {
    pub(super) const HEX: Self = Self::new(4);
    /// Without padding, as RFC 5155, 3.3 wants it.
    pub(super) const BASE32: Self = Self::new(5);
    pub(crate) const BASE64: Self = Self::new(6);

    const fn new(bits: u32) -> Self {
        Self { bits, buffer: 0, held: 0, padding: 0 }
    }

    /// Appends the octets that the digits of `word` complete; `None` if something else stands there.
    #[inline(never)]
    pub(crate) fn take(&mut self, word: &[u8], octets: &mut Vec<u8>) -> Option<()> {
        for &digit in word {
            if digit == b'=' {
                self.padding += 1; // fewer than the file has octets
                continue;
            }
            let value = match self.bits {
                6 => base64(digit),
                bits => char::from(digit).to_digit(1 << bits),
            };
            self.buffer = self.buffer << self.bits | value.filter(|_| self.padding == 0)?;
            self.held += self.bits;
            if self.held >= 8 {
                self.held -= 8;
                octets.push((self.buffer >> self.held) as u8); // the octet's bits are the lowest
            }
        }
        Some(())
    }

    /// Whether the digits end with an octet, and no bit is left over that says something.
    pub(crate) fn is_whole(&self) -> bool {
        // Four bits left over are filled by two signs of two bits each, two by one.
        let padding = if self.bits == 6 { self.held / 2 } else { 0 };
        self.held < self.bits && self.padding == padding && self.buffer & ((1 << self.held) - 1) == 0
    }
}

fn base64(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut digits: Digits, words: &[&str]) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        words.iter().try_for_each(|word| digits.take(word.as_bytes(), &mut octets))?;
        digits.is_whole().then_some(octets)
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 4648, 10.
        for (length, base64, base32, hex) in [
            (1, "Zg==", "CO", "66"),
            (2, "Zm8=", "CPNG", "666F"),
            (3, "Zm9v", "CPNMU", "666F6F"),
            (4, "Zm9vYg==", "CPNMUOG", "666F6F62"),
            (5, "Zm9vYmE=", "CPNMUOJ1", "666F6F6261"),
            (6, "Zm9vYmFy", "CPNMUOJ1E8", "666F6F626172"),
        ] {
            let expected = Some(b"foobar"[..length].to_vec());
            assert_eq!(read(Digits::BASE64, &[base64]), expected);
            assert_eq!(read(Digits::BASE32, &[base32]), expected);
            assert_eq!(read(Digits::HEX, &[hex]), expected);
            assert_eq!(read(Digits::HEX, &[&hex[..1], "", &hex[1..]]), expected, "words may end anywhere");
            assert_eq!(read(Digits::BASE64, &[&base64[..3], &base64[3..]]), expected);
        }
    }

    #[test]
    fn what_is_not_whole_or_not_a_digit_is_refused() {
        for text in [
            "Zg", "Zg=", "Zg===", "Zh==", "Z", "Zm8", "Zm8==", "Zm9=", "Zm9v=", "=", "Zg==Zg==", "Z-==",
            "Zg ==",
        ] {
            assert_eq!(read(Digits::BASE64, &[text]), None, "{text}");
        }
        for text in ["C", "CP", "CPNG=", "CW", "CO======", "CPN"] {
            assert_eq!(read(Digits::BASE32, &[text]), None, "{text}");
        }
        for text in ["6", "666", "6g", "66=", "0x66", "-"] {
            assert_eq!(read(Digits::HEX, &[text]), None, "{text}");
        }
    }
}
