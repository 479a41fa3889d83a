//! The reading of a query: its header, its one question and its EDNS record.
//!
//! [`Query::parse`] takes whatever arrived and says which of three things to do: answer it, refuse it with a code
//! and nothing but a header, or keep silent. It looks at every record of the message, so what follows can trust
//! that the message is whole. Sources: RFC 1035, 4; RFC 6895 for codes; [`Edns`] for its record.

use crate::edns::Edns;
use crate::kind::{Kind, Purpose};
use crate::labels::{Labels, skip};

/// Octets of the header (RFC 1035, 4.1.1).
pub(crate) const HEADER: usize = 12;
/// QCLASS and CLASS of the Internet.
pub(crate) const CLASS_IN: u16 = 1;
/// QCLASS and CLASS of CHAOS, in which servers tell about themselves (RFC 4892).
pub(crate) const CLASS_CH: u16 = 3;
/// QCLASS of all classes.
pub(crate) const CLASS_ANY: u16 = 255;

/// Bits of the header's second and third octet pair.
pub(crate) mod flag {
    pub(crate) const RESPONSE: u16 = 0x8000;
    pub(crate) const OPCODE: u16 = 0x7800;
    pub(crate) const AUTHORITATIVE: u16 = 0x0400;
    pub(crate) const TRUNCATED: u16 = 0x0200;
    pub(crate) const RECURSION_DESIRED: u16 = 0x0100;
    /// In the flags of an OPT record: DNSSEC records are welcome (RFC 3225).
    pub(crate) const DNSSEC_OK: u16 = 0x8000;
}

/// Response codes (RFC 6895, 2.3). Those above 15 need an OPT record to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
    /// A name that should not exist does: here, one that a DNAME record made too long (RFC 6672, 2.2).
    NameTooLong = 6,
    BadVersion = 16,
}

/// A query in good order.
pub(crate) struct Query {
    pub(crate) kind: Kind,
    pub(crate) class: u16,
    /// Offset behind the question.
    pub(crate) question_end: usize,
    pub(crate) edns: Option<Edns>,
}

/// Why a message is not answered as a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rejected {
    /// Shorter than a header, or a response: nobody waits for an answer.
    Silence,
    /// A header with this code answers it.
    Code(Code),
}

const MALFORMED: Rejected = Rejected::Code(Code::FormatError);

impl Query {
    /// Reads `message`, and the name of its question into `name`.
    pub(crate) fn parse(message: &[u8], name: &mut Labels) -> Result<Self, Rejected> {
        let [_, flags, questions, answers, authorities, additional] =
            header(message).ok_or(Rejected::Silence)?;
        if flags & flag::RESPONSE != 0 {
            return Err(Rejected::Silence);
        }
        if flags & flag::OPCODE != 0 {
            return Err(Rejected::Code(Code::NotImplemented));
        }
        // A query has one question and, transfers aside, nothing in the next two sections.
        if questions != 1 || answers != 0 || authorities != 0 {
            return Err(MALFORMED);
        }
        let query = Self::read(message, additional, name).ok_or(MALFORMED)?;
        match query.kind.purpose() {
            Purpose::Senseless => Err(MALFORMED),
            Purpose::Obsolete => Err(Rejected::Code(Code::NotImplemented)),
            Purpose::Records | Purpose::Transfer => Ok(query),
        }
    }

    fn read(message: &[u8], additional: u16, name: &mut Labels) -> Option<Self> {
        let end = name.read(message, HEADER)?;
        let kind = Kind::new(u16_at(message, end)?);
        let class = u16_at(message, end + 2)?;
        let mut query = Self { kind, class, question_end: end + 4, edns: None };
        let mut at = query.question_end;
        for _ in 0..additional {
            at = query.read_additional(message, at)?;
        }
        (at == message.len()).then_some(query)
    }

    /// Reads the record at `at`, takes it to heart if it is OPT, and gives the offset behind it.
    fn read_additional(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let fixed = skip(message, at)?;
        let data = fixed + 10;
        let end = data + usize::from(u16_at(message, fixed + 8)?);
        let data = message.get(data..end)?;
        if u16_at(message, fixed)? == Kind::OPT.code() {
            // RFC 6891, 6.1.1 and 6.1.2: one OPT at most, and its owner is the root.
            if self.edns.is_some() || fixed != at + 1 {
                return None;
            }
            self.edns = Some(Edns::read(message.get(fixed..)?.first_chunk()?, data)?);
        }
        Some(end)
    }
}

/// The six numbers of the header (RFC 1035, 4.1.1): identifier, flags, and the counts of the four sections.
pub(crate) fn header(message: &[u8]) -> Option<[u16; 6]> {
    let header: &[u8; HEADER] = message.first_chunk()?;
    let mut fields = [0; 6];
    for (field, octets) in fields.iter_mut().zip(header.as_chunks().0) {
        *field = u16::from_be_bytes(*octets);
    }
    Some(fields)
}

/// The big-endian number at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}
