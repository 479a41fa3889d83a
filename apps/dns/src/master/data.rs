//! The data of each type of record, as master files write it: word after word, by the letters of the type's fields.
//!
//! | letter | field | source |
//! | --- | --- | --- |
//! | `1` `2` `4` | a number of that many octets | RFC 1035, 3.3 |
//! | `t` | a time to live, or another time in seconds | RFC 1035, 3.3.13 |
//! | `a` `q` | an address of IPv4, of IPv6 | RFC 1035, 3.4.1; RFC 3596, 2.2 |
//! | `N` `n` | a name that may be compressed, or must not be | RFC 3597, 4 |
//! | `M` `m` | the name of a mailbox, likewise | RFC 1035, 3.3.13; RFC 1183, 2.2 |
//! | `w` | a name kept as octets, in the case of the file | RFC 6840, 5.1 |
//! | `s` `S` | a text after its length; texts up to the end, at least one | RFC 1035, 3.3 |
//! | `V` | a text without a length, up to the end | RFC 8659, 4.1.1; RFC 7553, 4.4 |
//! | `T` | a tag after its length | RFC 8659, 4.1.1 |
//! | `k` | a type | RFC 4034, 3.1.1 |
//! | `g` | an algorithm, by number or name | RFC 4034, A.1 |
//! | `d` | a time since 1970 | RFC 4034, 3.2 |
//! | `x` `6` | octets up to the end, in hexadecimal or base64 digits | RFC 4034, 5.3 and 2.2 |
//! | `z` | a digest of a zone, likewise in hexadecimal digits | RFC 8976, 2.2.4 |
//! | `X` `h` | octets after their length, in hexadecimal digits or `-`, or in base32hex | RFC 5155, 3.3 |
//! | `b` | a bitmap of types | RFC 4034, 4.1.2 |
//! | `L` | a place on the Earth | RFC 1876, 3 |
//! | `p` | parameters of a service | RFC 9460, 2.1 |
//! | `e` `E` | six or eight octets with hyphens between them | RFC 7043, 3.2 and 4.2 |

use super::digits::Digits;
use super::problem::{Mistake, Problem};
use super::scanner::Word;
use super::{Reader, number};
use crate::kind::{Kind, size};
use crate::tree::is_same;

/// Names of the algorithms of DNSSEC, each before its number (RFC 4034, A.1; RFC 5155, 2; RFC 5702, 3; RFC 5933, 5.1;
/// RFC 6605, 4; RFC 8080, 5).
const ALGORITHMS: &[u8] =
    b"RSAMD5\x01DH\x02DSA\x03RSASHA1\x05DSA-NSEC3-SHA1\x06RSASHA1-NSEC3-SHA1\x07RSASHA256\x08\
RSASHA512\x0aECC-GOST\x0cECDSAP256SHA256\x0dECDSAP384SHA384\x0eED25519\x0fED448\x10";

/// The shortest digest of a zone in octets (RFC 8976, 2.2.4).
pub(crate) const MIN_DIGEST: usize = 12;

/// What is wrong where `field` is not there, or is something else.
#[inline(never)]
fn problem(field: u8) -> Problem {
    const FIELDS: &[u8] = b"124taqsSVTkbgdxz6XhLeE";
    const PROBLEMS: [Problem; FIELDS.len() + 1] = [
        Problem::ExpectedU8,
        Problem::ExpectedU16,
        Problem::ExpectedU32,
        Problem::ExpectedTtl,
        Problem::ExpectedIpv4,
        Problem::ExpectedIpv6,
        Problem::ExpectedText,
        Problem::ExpectedText,
        Problem::ExpectedText,
        Problem::ExpectedTag,
        Problem::ExpectedKind,
        Problem::ExpectedKind,
        Problem::ExpectedAlgorithm,
        Problem::ExpectedDate,
        Problem::ExpectedHex,
        Problem::ExpectedDigest,
        Problem::ExpectedBase64,
        Problem::ExpectedSalt,
        Problem::ExpectedHash,
        Problem::ExpectedLocation,
        Problem::ExpectedEui,
        Problem::ExpectedEui,
        Problem::ExpectedName,
    ];
    let place = FIELDS.iter().position(|&known| known == field).unwrap_or(FIELDS.len());
    PROBLEMS.get(place).copied().unwrap_or(Problem::ExpectedName)
}

/// Reads the words of one record's data, which is of type `kind` and has `fields`, and appends it to the data of all records.
pub(super) fn read(reader: &mut Reader<'_, '_, '_>, kind: Kind, fields: &[u8]) -> Result<(), Mistake> {
    let Some(&first) = fields.first() else {
        reader.expect(Problem::ExpectedGeneric)?;
        return reader.generic(kind);
    };
    reader.expect_field(first)?;
    let word = reader.scanner.word();
    if word.text == b"\\#" && !word.is_quoted {
        return reader.generic(kind);
    }
    reader.field(first)?;
    for &field in fields.iter().skip(1) {
        match field {
            // Both may be empty.
            b'b' => reader.types()?,
            b'p' => reader.parameters()?,
            _ => {
                reader.expect_field(field)?;
                reader.field(field)?;
            }
        }
    }
    Ok(())
}

impl Reader<'_, '_, '_> {
    /// Goes on to the next word of the entry, which is to be `field`.
    fn expect_field(&mut self, field: u8) -> Result<(), Mistake> {
        if self.advance()? {
            return Ok(());
        }
        Err(Mistake { at: self.scanner.end_of_word(), problem: problem(field) })
    }

    /// Reads the last word, and where the field goes on those behind it, as `field`.
    #[inline(never)]
    fn field(&mut self, field: u8) -> Result<(), Mistake> {
        let word = self.scanner.word();
        let text = word.text;
        match field {
            b's' => self.string(),
            b'S' => self.texts(),
            b'V' => self.text(&word),
            b'x' => self.digits(Digits::HEX, 1, problem(field)),
            b'z' => self.digits(Digits::HEX, MIN_DIGEST, problem(field)),
            b'6' => self.digits(Digits::BASE64, 1, problem(field)),
            b'L' => self.location(),
            b'w' => self.name_octets(),
            b'm' | b'M' if text.len() > 1 && text.contains(&b'@') => {
                Err(word.mistake(Problem::MailboxWithAt))
            }
            b'n' | b'N' | b'm' | b'M' => {
                let node = self.name()?;
                self.put(&node.to_bytes());
                Ok(())
            }
            _ => self.word(field, text).ok_or_else(|| word.mistake(problem(field))),
        }
    }

    /// Adds what `text` says, if it is a `field` of one word without escapes.
    fn word(&mut self, field: u8, text: &[u8]) -> Option<()> {
        let size = size(field);
        let number = match field {
            b'1' | b'2' | b'4' => number::decimal(text, u32::MAX >> (32 - 8 * u32::from(size)))?,
            b't' => number::time(text)?,
            b'a' => u32::from_be_bytes(number::ipv4(text)?),
            b'd' => number::date(text)?,
            b'g' => match mnemonic(ALGORITHMS, text) {
                Some(number) => number.into(),
                None => number::decimal(text, u8::MAX.into())?,
            },
            b'k' => Kind::parse(text)?.code().into(),
            b'q' => {
                self.put(&number::ipv6(text)?);
                return Some(());
            }
            b'e' | b'E' => return self.eui(text, size.into()),
            _ => return self.counted(field, text),
        };
        let octets = number.to_be_bytes();
        self.put(octets.get(octets.len() - usize::from(size)..)?);
        Some(())
    }

    /// Adds the octets of a tag, a salt or a hash after their number.
    fn counted(&mut self, field: u8, text: &[u8]) -> Option<()> {
        let start = self.state.data.len();
        self.put(&[0]);
        match field {
            b'X' if text == b"-" => {}
            b'X' | b'h' => {
                let mut digits = if field == b'X' { Digits::HEX } else { Digits::BASE32 };
                digits.take(text, &mut self.state.data).filter(|()| digits.is_whole())?;
            }
            _ => self.put(text.iter().all(u8::is_ascii_alphanumeric).then_some(text)?),
        }
        // A salt alone may be empty.
        self.count(start).filter(|()| field == b'X' || !text.is_empty())
    }

    /// Reads this and all further words as texts, each after its length.
    fn texts(&mut self) -> Result<(), Mistake> {
        loop {
            self.string()?;
            if !self.advance()? {
                return Ok(());
            }
        }
    }

    /// Reads the last word as a text after its length.
    fn string(&mut self) -> Result<(), Mistake> {
        let start = self.state.data.len();
        self.put(&[0]);
        self.text(&self.scanner.word())?;
        self.count(start).ok_or(self.mistake(Problem::TextTooLong))
    }

    /// Adds the characters of `word`.
    pub(super) fn text(&mut self, word: &Word<'_>) -> Result<(), Mistake> {
        let mut letters = word.letters();
        while let Some(letter) = letters.next()? {
            self.put(&[letter.byte]);
        }
        Ok(())
    }

    /// Fills in the octet at `start` with the number of octets behind it.
    pub(super) fn count(&mut self, start: usize) -> Option<()> {
        let length = u8::try_from(self.state.data.len() - start - 1).ok()?;
        *self.state.data.get_mut(start)? = length;
        Some(())
    }

    /// Reads this and all further words as digits, of as many octets at `least`.
    fn digits(&mut self, mut digits: Digits, least: usize, wrong: Problem) -> Result<(), Mistake> {
        let start = self.state.data.len();
        loop {
            let word = self.scanner.word();
            digits.take(word.text, &mut self.state.data).ok_or(word.mistake(wrong))?;
            if !self.advance()? {
                break;
            }
        }
        let is_whole = digits.is_whole() && self.state.data.len() - start >= least;
        is_whole.then_some(()).ok_or(self.mistake(wrong))
    }

    /// Adds as many octets, each in two hexadecimal digits, with hyphens between them.
    fn eui(&mut self, text: &[u8], octets: usize) -> Option<()> {
        let mut digits = Digits::HEX;
        for part in text.chunks(3) {
            let (octet, hyphen) = part.split_at_checked(2)?;
            digits.take(octet, &mut self.state.data).filter(|()| hyphen.is_empty() || hyphen == b"-")?;
        }
        (text.len() == 3 * octets - 1).then_some(())
    }

    /// Adds octets to the data, in one place for all types.
    #[inline(never)]
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.state.data.extend_from_slice(octets);
    }
}

/// The number of `word` in `list`, where each name stands before its number below 32.
pub(super) fn mnemonic(list: &[u8], word: &[u8]) -> Option<u8> {
    list.split_inclusive(|&byte| byte < b' ')
        .find_map(|entry| entry.split_last().filter(|(_, name)| is_same(name, word)))
        .map(|(number, _)| *number)
}
