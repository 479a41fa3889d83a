//! The data of each type of record, as master files write it.

use super::problem::{Mistake, Problem};
use super::scanner::Word;
use super::{Reader, number};
use crate::kind::Kind;

/// Reads the words of one record's data and appends it to [`Reader::data`].
pub(super) fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<(), Mistake> {
    match kind {
        Kind::A => {
            let word = reader.expect(Problem::ExpectedIpv4)?;
            let octets = number::ipv4(word.text).ok_or_else(|| word.mistake(Problem::ExpectedIpv4))?;
            reader.put(&octets);
        }
        Kind::AAAA => {
            let word = reader.expect(Problem::ExpectedIpv6)?;
            let octets = number::ipv6(word.text).ok_or_else(|| word.mistake(Problem::ExpectedIpv6))?;
            reader.put(&octets);
        }
        Kind::MX => {
            reader.read_u16()?;
            reader.read_name()?;
        }
        Kind::SRV => {
            for _ in 0..3 {
                reader.read_u16()?;
            }
            reader.read_name()?;
        }
        Kind::TXT => texts(reader)?,
        Kind::CAA => certification_authority(reader)?,
        Kind::SOA => start_of_authority(reader)?,
        // NS, CNAME and PTR: a name alone.
        _ => reader.read_name()?,
    }
    Ok(())
}

/// RFC 1035, 3.3.14: texts of at most 255 octets, at least one.
fn texts(reader: &mut Reader<'_>) -> Result<(), Mistake> {
    let mut word = reader.expect(Problem::ExpectedText)?;
    loop {
        let start = reader.data.len();
        reader.put(&[0]);
        reader.read_text(&word)?;
        let length = reader.data.len() - start - 1;
        let length = u8::try_from(length).map_err(|_| word.mistake(Problem::TextTooLong))?;
        if let Some(place) = reader.data.get_mut(start) {
            *place = length;
        }
        match reader.scanner.word()? {
            Some(next) => word = next,
            None => return Ok(()),
        }
    }
}

/// RFC 8659, 4.1: flags, tag, and a value that fills the rest.
fn certification_authority(reader: &mut Reader<'_>) -> Result<(), Mistake> {
    let flags = reader.expect(Problem::ExpectedU8)?;
    reader.put(&[number::decimal(&flags, 0xff, Problem::ExpectedU8)? as u8]);
    let tag = reader.expect(Problem::ExpectedTag)?;
    let length = u8::try_from(tag.text.len()).ok();
    let length = length.filter(|&length| length > 0 && tag.text.iter().all(u8::is_ascii_alphanumeric));
    reader.put(&[length.ok_or_else(|| tag.mistake(Problem::ExpectedTag))?]);
    reader.put(tag.text);
    let value = reader.expect(Problem::ExpectedText)?;
    reader.read_text(&value)
}

/// RFC 1035, 3.3.13: the first server, a mailbox, the serial number, and four times.
fn start_of_authority(reader: &mut Reader<'_>) -> Result<(), Mistake> {
    reader.read_name()?;
    let mailbox = reader.expect(Problem::ExpectedName)?;
    if mailbox.text.len() > 1 && mailbox.text.contains(&b'@') {
        return Err(mailbox.mistake(Problem::MailboxWithAt));
    }
    reader.append_name(&mailbox)?;
    let serial = reader.expect(Problem::ExpectedU32)?;
    let serial = number::decimal(&serial, u32::MAX, Problem::ExpectedU32)?;
    reader.put(&serial.to_be_bytes());
    for _ in 0..4 {
        let word = reader.expect(Problem::ExpectedTtl)?;
        reader.put(&number::time(&word)?.to_be_bytes());
    }
    Ok(())
}

impl Reader<'_> {
    /// Adds octets to the data, in one place for all types.
    #[inline(never)]
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.data.extend_from_slice(octets);
    }

    fn read_u16(&mut self) -> Result<(), Mistake> {
        let word = self.expect(Problem::ExpectedU16)?;
        let number = number::decimal(&word, 0xffff, Problem::ExpectedU16)? as u16; // as asked for
        self.put(&number.to_be_bytes());
        Ok(())
    }

    fn read_name(&mut self) -> Result<(), Mistake> {
        let word = self.expect(Problem::ExpectedName)?;
        self.append_name(&word)
    }

    fn append_name(&mut self, word: &Word<'_>) -> Result<(), Mistake> {
        let node = self.name(word)?;
        self.put(&node.to_bytes());
        Ok(())
    }

    fn read_text(&mut self, word: &Word<'_>) -> Result<(), Mistake> {
        let mut letters = word.letters();
        while let Some(letter) = letters.next()? {
            self.data.push(letter.byte);
        }
        Ok(())
    }
}
