//! The data of each type of record, as master files write it.

use super::problem::{Mistake, Problem};
use super::{Reader, number};
use crate::kind::{Kind, STORED};

/// A field of a record's data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// No field any more.
    End,
    Name,
    /// The name of a mailbox, in which a dot takes the place of the `@`.
    Mailbox,
    /// RFC 1035, 3.3.14: texts of at most 255 octets, at least one, to the end of the record.
    Texts,
    /// A text without a length, which fills the rest.
    Value,
    /// A word after its length.
    Tag,
    U8,
    U16,
    U32,
    Time,
    Ipv4,
    Ipv6,
}

/// The most fields that a type has.
const FIELDS: usize = 7;

/// The fields of each of [`STORED`](crate::kind::STORED), in their order.
const DATA: [[Field; FIELDS]; STORED.len()] = {
    use Field::{End, Ipv4, Ipv6, Mailbox, Name, Tag, Texts, Time, U8, U16, U32, Value};
    const NAME: [Field; FIELDS] = [Name, End, End, End, End, End, End];
    [
        // SOA: RFC 1035, 3.3.13: the first server, a mailbox, the serial number, and four times.
        [Name, Mailbox, U32, Time, Time, Time, Time],
        NAME,
        [Ipv4, End, End, End, End, End, End],
        [Ipv6, End, End, End, End, End, End],
        NAME,
        [U16, Name, End, End, End, End, End],
        [Texts, End, End, End, End, End, End],
        NAME,
        [U16, U16, U16, Name, End, End, End],
        // CAA: RFC 8659, 4.1: flags, tag, and a value.
        [U8, Tag, Value, End, End, End, End],
    ]
};

impl Field {
    /// What is wrong where it is not there, or is something else.
    fn problem(self) -> Problem {
        match self {
            Self::End | Self::Name | Self::Mailbox => Problem::ExpectedName,
            Self::Texts | Self::Value => Problem::ExpectedText,
            Self::Tag => Problem::ExpectedTag,
            Self::U8 => Problem::ExpectedU8,
            Self::U16 => Problem::ExpectedU16,
            Self::U32 => Problem::ExpectedU32,
            Self::Time => Problem::ExpectedTtl,
            Self::Ipv4 => Problem::ExpectedIpv4,
            Self::Ipv6 => Problem::ExpectedIpv6,
        }
    }
}

/// Reads the words of one record's data and appends it to [`Reader::data`].
pub(super) fn read(reader: &mut Reader<'_>, kind: Kind) -> Result<(), Mistake> {
    let fields = kind.rank().and_then(|rank| DATA.get(rank)).into_iter().flatten();
    for &field in fields.take_while(|field| **field != Field::End) {
        reader.expect(field.problem())?;
        reader.field(field)?;
    }
    Ok(())
}

impl Reader<'_> {
    /// Reads the last word as `field`.
    #[inline(never)]
    fn field(&mut self, field: Field) -> Result<(), Mistake> {
        let word = self.scanner.word();
        let wrong = word.mistake(field.problem());
        let (number, length) = match field {
            Field::Mailbox if word.text.len() > 1 && word.text.contains(&b'@') => {
                return Err(word.mistake(Problem::MailboxWithAt));
            }
            Field::End | Field::Name | Field::Mailbox => {
                let node = self.name()?;
                self.put(&node.to_bytes());
                return Ok(());
            }
            Field::Texts => return self.texts(),
            Field::Value => return self.text(),
            Field::Tag => {
                let is_tag = !word.text.is_empty() && word.text.iter().all(u8::is_ascii_alphanumeric);
                let length = u8::try_from(word.text.len()).ok().filter(|_| is_tag).ok_or(wrong)?;
                self.put(&[length]);
                self.put(word.text);
                return Ok(());
            }
            Field::U8 => (number::decimal(word.text, u8::MAX.into()), 1),
            Field::U16 => (number::decimal(word.text, u16::MAX.into()), 2),
            Field::U32 => (number::decimal(word.text, u32::MAX), 4),
            Field::Time => (number::time(word.text), 4),
            Field::Ipv4 => (number::ipv4(word.text).map(u32::from_be_bytes), 4),
            Field::Ipv6 => {
                self.put(&number::ipv6(word.text).ok_or(wrong)?);
                return Ok(());
            }
        };
        let octets = number.ok_or(wrong)?.to_be_bytes();
        self.put(octets.get(octets.len() - length..).unwrap_or(&[]));
        Ok(())
    }

    /// Reads this and all further words as texts, each after its length.
    fn texts(&mut self) -> Result<(), Mistake> {
        loop {
            let start = self.data.len();
            self.put(&[0]);
            self.text()?;
            let length = self.data.len() - start - 1;
            let length = u8::try_from(length).map_err(|_| self.mistake(Problem::TextTooLong))?;
            if let Some(place) = self.data.get_mut(start) {
                *place = length;
            }
            if !self.scanner.advance()? {
                return Ok(());
            }
        }
    }

    /// Adds the characters of the last word.
    fn text(&mut self) -> Result<(), Mistake> {
        let mut letters = self.scanner.word().letters();
        while let Some(letter) = letters.next()? {
            self.put(&[letter.byte]);
        }
        Ok(())
    }

    /// Adds octets to the data, in one place for all types.
    #[inline(never)]
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.data.extend_from_slice(octets);
    }
}
