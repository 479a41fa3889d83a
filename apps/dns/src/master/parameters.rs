//! The parameters of SVCB and HTTPS records (RFC 9460, 2.1 and 7): `key=value`, on the wire in the order of the keys.

use super::Reader;
use super::data::mnemonic;
use super::digits::Digits;
use super::generic::are_texts;
use super::number;
use super::problem::{Mistake, Problem};
use super::scanner::Word;
use super::types::{cut, insert};
use alloc::vec::Vec;

/// Keys, each name before its number (RFC 9460, 14.3.2; RFC 9461, 5; RFC 9540, 4).
const KEYS: &[u8] =
    b"mandatory\x00alpn\x01no-default-alpn\x02port\x03ipv4hint\x04ech\x05ipv6hint\x06dohpath\x07ohttp\x08";

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
/// RFC 9460, 14.3.2: never a key.
const INVALID: u16 = u16::MAX;

impl Reader<'_, '_, '_> {
    /// Reads all further words as parameters. There may be none.
    #[inline(never)]
    pub(super) fn parameters(&mut self) -> Result<(), Mistake> {
        let start = self.state.data.len();
        let mut is_there = self.advance()?;
        let first = self.scanner.word();
        while is_there {
            let word = self.scanner.word();
            let end = self.scanner.end_of_word();
            is_there = self.advance()?;
            let behind = self.scanner.word();
            // Quotation marks right behind the sign hold the value.
            let mut quoted = None;
            if is_there && word.text.ends_with(b"=") && behind.is_quoted && behind.at == end {
                quoted = Some(behind.text);
                is_there = self.advance()?;
            }
            self.parameter(start, &word, quoted).ok_or(word.mistake(Problem::ExpectedParameter))?;
        }
        let are_valid = self.state.data.get(start..).is_some_and(are_valid);
        are_valid.then_some(()).ok_or(first.mistake(Problem::ContraryParameters))
    }

    /// Adds the parameter that `word` is, or begins if its value is `quoted`, to those from `start` on.
    fn parameter(&mut self, start: usize, word: &Word<'_>, quoted: Option<&[u8]>) -> Option<()> {
        let end = word.text.iter().position(|&byte| byte == b'=').unwrap_or(word.text.len());
        let (name, value) = word.text.split_at_checked(end).filter(|_| !word.is_quoted)?;
        let text = quoted.or(value.get(1..)).unwrap_or(&[]);
        let (key, is_named) = key(name)?;
        let place = self.place(start, key)?;
        let behind = self.cut(place)?;
        self.put(&key.to_be_bytes());
        self.put(&[0; 2]);
        // Called by its number, a key has a value without a form.
        let form = if is_named { key } else { INVALID };
        let is_list = matches!(form, MANDATORY | ALPN | IPV4HINT | IPV6HINT);
        let mut letters = Word { text, at: 0, is_quoted: false }.letters();
        let mut end = place + 4;
        loop {
            match letters.next().ok()?.map(|letter| letter.byte) {
                // RFC 9460, A.1: a backslash takes the meaning of a comma.
                Some(b'\\') if is_list => self.put(&[letters.next().ok()??.byte]),
                Some(byte) if byte != b',' || !is_list => self.put(&[byte]),
                last => {
                    let item = self.cut(end)?;
                    self.item(form, place + 4, &item)?;
                    end = self.state.data.len();
                    if last.is_none() {
                        break;
                    }
                }
            }
        }
        let length = u16::try_from(end - place - 4).ok()?;
        *self.state.data.get_mut(place + 2..)?.first_chunk_mut()? = length.to_be_bytes();
        self.put(&behind);
        Some(())
    }

    /// Takes what was read from `at` on.
    fn cut(&mut self, at: usize) -> Option<Vec<u8>> {
        let taken = cut(&mut self.state.data, at);
        self.state.is_starved |= taken.is_none();
        taken
    }

    /// Where `key` belongs among the parameters from `at` on; `None` if it is there.
    fn place(&self, mut at: usize, key: u16) -> Option<usize> {
        while let Some((other, value, _)) = self.state.data.get(at..).and_then(split) {
            if other >= key {
                return (other > key).then_some(at);
            }
            at += 4 + value.len();
        }
        Some(at)
    }

    /// Adds one item of the value of `key` that begins at `start`.
    fn item(&mut self, key: u16, start: usize, item: &[u8]) -> Option<()> {
        match key {
            MANDATORY => {
                let key = self::key(item)?.0.to_be_bytes();
                let listed = self.state.data.get(start..)?.chunks_exact(2);
                let lower = listed.take_while(|other| **other < key[..]).count();
                insert(&mut self.state.data, start + 2 * lower, &key);
            }
            ALPN => {
                self.put(&[u8::try_from(item.len()).ok()?]);
                self.put(item);
            }
            PORT => self.put(&(number::decimal(item, u16::MAX.into())? as u16).to_be_bytes()), // at most u16::MAX
            IPV4HINT => self.put(&number::ipv4(item)?),
            IPV6HINT => self.put(&number::ipv6(item)?),
            ECH => {
                let mut digits = Digits::BASE64;
                return digits.take(item, &mut self.state.data).filter(|()| digits.is_whole());
            }
            _ => self.put(item),
        }
        Some(())
    }
}

/// The number of the key called `name`, and whether it is called by a name of its own: only then its value is text.
fn key(name: &[u8]) -> Option<(u16, bool)> {
    if let Some(number) = mnemonic(KEYS, name) {
        return Some((number.into(), true));
    }
    let number = name.strip_prefix(b"key").filter(|number| !number.starts_with(b"0") || number.len() == 1)?;
    Some((number::decimal(number, u16::MAX.into())? as u16, false)) // at most u16::MAX
}

/// Key and value of the first of `parameters`, and those behind it.
fn split(parameters: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&[k0, k1, l0, l1], behind) = parameters.split_first_chunk()?;
    let (value, behind) = behind.split_at_checked(u16::from_be_bytes([l0, l1]).into())?;
    Some((u16::from_be_bytes([k0, k1]), value, behind))
}

/// Whether octets are parameters: each key once and in order, with a value as its own rules want it.
pub(crate) fn are_valid(parameters: &[u8]) -> bool {
    let mut rest = parameters;
    let mut last = None;
    while !rest.is_empty() {
        let Some((key, value, behind)) = split(rest) else { return false };
        let is_list_of = |size| !value.is_empty() && value.len().is_multiple_of(size);
        let is_valid = match key {
            MANDATORY => is_list_of(2) && are_listed(value, behind),
            ALPN => are_texts(value, 1),
            // RFC 9460, 7.1.1: it means nothing alone. The key before is the only one that may be it.
            NO_DEFAULT_ALPN => value.is_empty() && last == Some(ALPN),
            PORT => value.len() == 2,
            IPV4HINT => is_list_of(4),
            IPV6HINT => is_list_of(16),
            ECH | DOHPATH => !value.is_empty(),
            OHTTP => value.is_empty(),
            _ => key != INVALID,
        };
        if !is_valid || last >= Some(key) {
            return false;
        }
        last = Some(key);
        rest = behind;
    }
    true
}

/// Whether the keys that `mandatory` lists stand among the `others`, each listed once and in order (RFC 9460, 8).
fn are_listed(mandatory: &[u8], mut others: &[u8]) -> bool {
    mandatory.chunks_exact(2).all(|wanted| {
        while let Some((key, _, behind)) = split(others) {
            others = behind;
            if key.to_be_bytes() == *wanted {
                return true;
            }
        }
        false
    })
}
