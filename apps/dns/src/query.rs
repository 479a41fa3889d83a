//! The reading of a query: its header, its one question and its EDNS record.
//!
//! [`Query::parse`] takes whatever arrived and says which of three things to do: answer it, refuse it with a code
//! and nothing but a header, or keep silent. It looks at every record of the message, so what follows can trust
//! that the message is whole. Sources: RFC 1035, 4; RFC 6895 for codes; [`Edns`] for its record.

use crate::draft::wire::Record;
use crate::edns::Edns;
use crate::kind::{Kind, Purpose};
use crate::labels::{Labels, skip};
use core::num::NonZeroU16;

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
    /// The OPCODE of a message that tells of a new version (RFC 1996, 4.5).
    pub(crate) const NOTIFY: u16 = 4 << 11;
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
    /// The zone is none of this server's (RFC 2136, 2.2), or who asks does not prove who that is (RFC 8945, 3).
    NotAuthoritative = 9,
    BadVersion = 16,
    /// The cookie of a query that has nothing else is bad (RFC 7873, 5.4).
    BadCookie = 23,
}

impl Code {
    /// How the registry of codes calls it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormatError => "FORMERR",
            Self::ServerFailure => "SERVFAIL",
            Self::NameError => "NXDOMAIN",
            Self::NotImplemented => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::NameTooLong => "YXDOMAIN",
            Self::NotAuthoritative => "NOTAUTH",
            Self::BadVersion => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
        }
    }
}

/// A query in good order.
pub(crate) struct Query {
    pub(crate) kind: Kind,
    pub(crate) class: u16,
    /// Offset behind the question.
    pub(crate) question_end: usize,
    pub(crate) edns: Option<Edns>,
    /// It tells of a new version of a zone (RFC 1996).
    pub(crate) is_notice: bool,
    /// Where the record stands that signs it (RFC 8945, 5.1).
    pub(crate) signature: Option<NonZeroU16>,
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
        let is_notice = flags & flag::OPCODE == flag::NOTIFY;
        if flags & flag::OPCODE != 0 && !is_notice {
            return Err(Rejected::Code(Code::NotImplemented));
        }
        // What may stand between the one question and the last section is known when the question is.
        if questions != 1 {
            return Err(MALFORMED);
        }
        let query = Self::read(message, [answers, authorities, additional], is_notice, name);
        let query = query.ok_or(MALFORMED)?;
        match query.kind.purpose() {
            Purpose::Senseless => Err(MALFORMED),
            Purpose::Obsolete => Err(Rejected::Code(Code::NotImplemented)),
            Purpose::Records | Purpose::Transfer => Ok(query),
        }
    }

    /// Reads a `message` that [`Query::parse`] calls malformed: one that has no question and asks for a cookie alone is none
    /// (RFC 7873, 5.4). Its answer is a header and an OPT record.
    #[inline(never)]
    pub(crate) fn without_question(message: &[u8]) -> Option<Self> {
        let [_, flags, 0, 0, 0, additional] = header(message)? else { return None };
        let query = Self::new(Kind::ANY, CLASS_IN, HEADER, false).read_rest(message, HEADER, additional)?;
        let is_query = flags & (flag::RESPONSE | flag::OPCODE) == 0;
        let has_cookie = query.edns.is_some_and(|edns| edns.cookie(message).is_some());
        (is_query && has_cookie).then_some(query)
    }

    const fn new(kind: Kind, class: u16, question_end: usize, is_notice: bool) -> Self {
        Self { kind, class, question_end, edns: None, is_notice, signature: None }
    }

    fn read(message: &[u8], counts: [u16; 3], is_notice: bool, name: &mut Labels) -> Option<Self> {
        let [answers, authorities, additional] = counts;
        let end = name.read(message, HEADER)?;
        let kind = Kind::new(u16_at(message, end)?);
        let class = u16_at(message, end + 2)?;
        let query = Self::new(kind, class, end + 4, is_notice);
        let mut at = query.question_end;
        if answers | authorities != 0 || is_notice {
            at = query.read_version(message, answers, authorities)?;
        }
        query.read_rest(message, at, additional)
    }

    /// Reads the last section, which begins at `at`.
    #[inline(always)]
    fn read_rest(mut self, message: &[u8], mut at: usize, additional: u16) -> Option<Self> {
        for left in (0..additional).rev() {
            at = self.read_additional(message, at, left == 0)?;
        }
        (at == message.len()).then_some(self)
    }

    /// Passes over the records that tell which version somebody has: as answers of a notice for SOA records (RFC 1996, 3.7), or as
    /// the authority of a question for differences (RFC 1995, 3).
    #[inline(never)]
    fn read_version(&self, message: &[u8], answers: u16, authorities: u16) -> Option<usize> {
        let is_right = match self.is_notice {
            true => self.kind == Kind::SOA,
            false => self.kind == Kind::IXFR && answers == 0 && authorities == 1,
        };
        let mut at = self.question_end;
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            at = Record::read(message, at)?.end();
        }
        is_right.then_some(at)
    }

    /// Whether it asks for a zone, or what changed in one, so that it can have that.
    pub(crate) fn asks_for_transfer(&self) -> bool {
        let is_current = self.edns.is_none_or(|edns| edns.version == 0);
        self.kind.purpose() == Purpose::Transfer && self.class == CLASS_IN && !self.is_notice && is_current
    }

    /// The number of the version that the client has, which asks for differences to it.
    pub(crate) fn version(&self, message: &[u8]) -> Option<u32> {
        Record::read(message, self.question_end)?.serial()
    }

    /// Reads the record at `at`, takes it to heart if it is OPT, and gives the offset behind it.
    fn read_additional(&mut self, message: &[u8], at: usize, is_last: bool) -> Option<usize> {
        let fixed = skip(message, at)?;
        let data = fixed + 10;
        let end = data + usize::from(u16_at(message, fixed + 8)?);
        let data = message.get(data..end)?;
        let kind = Kind::new(u16_at(message, fixed)?);
        if kind == Kind::TSIG {
            // RFC 8945, 5.1: the last one of the message.
            self.signature = NonZeroU16::new(u16::try_from(at).ok().filter(|_| is_last)?);
        }
        if kind == Kind::OPT {
            // RFC 6891, 6.1.1 and 6.1.2: one OPT at most, and its owner is the root.
            if self.edns.is_some() || fixed != at + 1 {
                return None;
            }
            self.edns = Some(Edns::read(message.get(fixed..)?.first_chunk()?, data, end)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A message with these counts, and behind its header these octets.
    fn message(counts: [u8; 4], flags: u8, behind: &[u8]) -> Vec<u8> {
        let [questions, answers, authorities, additional] = counts;
        let head = [0, 7, flags, 0, 0, questions, 0, answers, 0, authorities, 0, additional];
        [&head, behind].concat()
    }

    #[test]
    fn a_query_without_a_question_asks_for_a_cookie_or_is_malformed() {
        let cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08clientco";
        let asked = message([0, 0, 0, 1], 1, cookie);
        assert!(matches!(Query::parse(&asked, &mut Labels::new()), Err(MALFORMED)));
        let query = Query::without_question(&asked).unwrap();
        assert_eq!(query.question_end, HEADER);
        assert_eq!(query.edns.unwrap().cookie(&asked), Some(&b"clientco"[..]));
        let other_option = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x09\0\x08clientco";
        for (reason, malformed) in [
            ("without OPT", message([0; 4], 1, &[])),
            ("without a cookie", message([0, 0, 0, 1], 1, other_option)),
            ("two of them", message([0, 0, 0, 2], 1, &[&cookie[..], cookie].concat())),
            ("in another section", message([0, 1, 0, 0], 1, cookie)),
            ("with octets behind", message([0, 0, 0, 1], 1, &[&cookie[..], &[0]].concat())),
            ("cut short", asked[..asked.len() - 1].to_vec()),
            ("a response", message([0, 0, 0, 1], 0x81, cookie)),
            ("another opcode", message([0, 0, 0, 1], 0x21, cookie)),
            ("a header cut short", asked[..11].to_vec()),
        ] {
            assert!(Query::without_question(&malformed).is_none(), "{reason}");
        }
    }
}
