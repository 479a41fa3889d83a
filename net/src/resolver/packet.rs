//! Questions and answers on the wire (RFC 1035, 4; RFC 6891).

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{ADDRESS_LIMIT, Addresses, NAME_LIMIT, Name, NameError};

/// The port of servers.
pub const PORT: u16 = 53;
/// Bytes that an answer in one datagram may have: what passes everywhere in one piece (RFC 9715, A.1).
pub const PAYLOAD_LIMIT: usize = 1232;
/// Aliases that are followed from one name to the next.
pub const ALIAS_LIMIT: usize = 8;
/// Records of a section that are looked at.
const RECORD_LIMIT: u16 = 64;
/// Addresses of one kind that are taken.
const KIND_LIMIT: usize = ADDRESS_LIMIT / 2;

const HEADER: usize = 12;
/// Bytes of a question at most: the header, a name, its type and class, and the OPT record.
pub const QUESTION_LIMIT: usize = HEADER + NAME_LIMIT + 4 + OPTION.len();

/// Bits of the header's third and fourth byte (RFC 1035, 4.1.1).
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
/// What a server says of its success (RFC 1035, 4.1.1).
const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const NAME_ERROR: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// Types of records, and the class of the Internet (RFC 1035, 3.2).
const NAME_SERVER: u16 = 2;
const ALIAS: u16 = 5;
const AUTHORITY: u16 = 6;
const INTERNET: u16 = 1;
/// An OPT record: the root, its type, the bytes that an answer may have, and nothing else (RFC 6891, 6.1.2).
const OPTION: [u8; 11] = {
    let [high, low] = (PAYLOAD_LIMIT as u16).to_be_bytes();
    [0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]
};

/// The longest that an answer is kept, in seconds: a day; and that a name is known not to exist, an hour (RFC 2308, 5).
const SECONDS_LIMIT: u32 = 86_400;
const ABSENCE_LIMIT: u32 = 3_600;

/// The kinds of addresses, by the types of their records (RFC 1035, 3.4.1; RFC 3596, 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Kind {
    /// IPv4.
    Four = 1,
    /// IPv6.
    Six = 28,
}

/// A question for the addresses of a name.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Its number, which nobody else is to guess.
    pub number: u16,
    /// Whose addresses.
    pub name: Name,
    /// Which of them.
    pub kind: Kind,
    /// Whether it says how long an answer may be (RFC 6891), which some servers do not understand.
    pub is_extended: bool,
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The addresses; [`NameError::Unknown`] or [`NameError::NoAddress`] where there are none.
    pub outcome: Result<Addresses, NameError>,
    /// For how many seconds that may be believed.
    pub seconds: u32,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no answer to the question asked.
    Foreign,
    /// It did not fit into a datagram.
    Truncated,
    /// The server does not understand extended questions.
    Plain,
    /// The server cannot or will not tell, or knows only whom else to ask.
    Unwilling,
    /// It cannot be read, or goes round in circles.
    Malformed,
    /// There is none in time.
    Silent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Foreign => "it is no answer to the question asked",
            Self::Truncated => "it does not fit into a datagram",
            Self::Plain => "the server does not understand extended questions",
            Self::Unwilling => "the server cannot or will not tell",
            Self::Malformed => "it makes no sense",
            Self::Silent => "there is none in time",
        })
    }
}

impl core::error::Error for Refusal {}

impl Question {
    /// Writes the message to send and returns its length.
    pub fn write(&self, message: &mut [u8; QUESTION_LIMIT]) -> usize {
        let [high, low] = self.number.to_be_bytes();
        let extended = u8::from(self.is_extended);
        let head = [high, low, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, extended];
        let kind = [0, self.kind as u8, 0, INTERNET as u8];
        let option: &[u8] = if self.is_extended { &OPTION } else { &[] };
        let mut length = 0;
        for part in [&head, self.name.as_bytes(), &kind, option] {
            if let Some(place) = message.get_mut(length..length + part.len()) {
                place.copy_from_slice(part);
                length += part.len();
            }
        }
        length
    }

    /// Reads what came back for it.
    ///
    /// # Errors
    /// Any [`Refusal`] but the last.
    pub fn read(&self, message: &[u8]) -> Result<Answer, Refusal> {
        let head: &[u8; HEADER] = message.first_chunk().ok_or(Refusal::Foreign)?;
        let count = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (number, code) = (count(0), head[3] & 0xf);
        let is_response = head[2] & (RESPONSE | OPCODE) == RESPONSE;
        if number != self.number || !is_response {
            return Err(Refusal::Foreign);
        }
        let is_puzzled = self.is_extended && matches!(code, FORMAT_ERROR | NOT_IMPLEMENTED);
        if is_puzzled && count(4) == 0 {
            // Who cannot read the question may not repeat it.
            return Err(Refusal::Plain);
        }
        let records = self.behind_question(message).filter(|_| count(4) == 1).ok_or(Refusal::Foreign)?;
        match code {
            _ if head[2] & TRUNCATED != 0 => Err(Refusal::Truncated),
            NO_ERROR | NAME_ERROR => self.records(message, records, code, count(6), count(8)),
            _ if is_puzzled => Err(Refusal::Plain),
            _ => Err(Refusal::Unwilling),
        }
    }

    /// Where the records of an answer begin, if it repeats the question.
    fn behind_question(&self, message: &[u8]) -> Option<usize> {
        let (name, end) = Name::read(message, HEADER)?;
        let kind = [0, self.kind as u8, 0, INTERNET as u8];
        (name == self.name && message.get(end..end + 4)? == kind).then_some(end + 4)
    }

    /// Follows the aliases from the name on to its addresses, or finds out for how long there are none.
    fn records(
        &self,
        message: &[u8],
        start: usize,
        code: u8,
        answers: u16,
        authorities: u16,
    ) -> Result<Answer, Refusal> {
        let (mut owner, mut seconds) = (self.name, SECONDS_LIMIT);
        for _ in 0..=ALIAS_LIMIT {
            let (mut addresses, mut alias, mut least) = (Addresses::new(), None, seconds);
            let end = each(message, start, answers, &mut |record| {
                if record.owner != owner {
                    return Some(());
                }
                if record.kind == ALIAS {
                    let (target, end) = Name::read(message, record.start)?;
                    alias = (end == record.start + record.data.len()).then_some(target);
                    alias?;
                } else if record.kind == self.kind as u16 {
                    addresses.push(self.address(record.data)?, KIND_LIMIT);
                } else {
                    return Some(());
                }
                least = least.min(record.seconds);
                Some(())
            });
            let end = end.ok_or(Refusal::Malformed)?;
            seconds = least;
            if !addresses.is_empty() {
                return Ok(Answer { outcome: Ok(addresses), seconds });
            }
            match alias {
                Some(target) => owner = target,
                // The section that tells for how long stands behind records that were not looked at.
                None if answers > RECORD_LIMIT => return Err(Refusal::Malformed),
                None => return absence(message, end, code, authorities, seconds),
            }
        }
        Err(Refusal::Malformed)
    }

    /// The address in the data of a record.
    fn address(&self, data: &[u8]) -> Option<IpAddr> {
        match self.kind {
            Kind::Four => Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            Kind::Six => Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
        }
    }
}

/// What an answer without addresses says: the record of the zone's authority tells how long it may be believed (RFC 2308, 2
/// and 5). Without one it is not kept, and where others are named instead, this server does not ask them for us.
fn absence(
    message: &[u8],
    start: usize,
    code: u8,
    authorities: u16,
    seconds: u32,
) -> Result<Answer, Refusal> {
    let (mut kept, mut is_referral) = (None, false);
    let read = each(message, start, authorities, &mut |record| {
        if record.kind == AUTHORITY {
            let least = u32::from_be_bytes(*record.data.last_chunk()?);
            kept = Some(record.seconds.min(least).min(seconds).min(ABSENCE_LIMIT));
        }
        is_referral |= record.kind == NAME_SERVER;
        Some(())
    });
    read.ok_or(Refusal::Malformed)?;
    if code == NO_ERROR && kept.is_none() && is_referral {
        return Err(Refusal::Unwilling);
    }
    let error = if code == NAME_ERROR { NameError::Unknown } else { NameError::NoAddress };
    Ok(Answer { outcome: Err(error), seconds: kept.unwrap_or(0) })
}

/// A record of an answer (RFC 1035, 4.1.3).
struct Record<'a> {
    owner: Name,
    kind: u16,
    seconds: u32,
    data: &'a [u8],
    /// Where its data begins in the message.
    start: usize,
}

/// Shows `visit` the records of the Internet among `count` that begin at `start`, and returns where they end. `None` where
/// one is cut off, or `visit` cannot read it. Those beyond the limit are not looked at, nor is what follows them.
fn each(
    message: &[u8],
    start: usize,
    count: u16,
    visit: &mut dyn FnMut(&Record<'_>) -> Option<()>,
) -> Option<usize> {
    let mut at = start;
    for _ in 0..count.min(RECORD_LIMIT) {
        let (owner, end) = Name::read(message, at)?;
        let head: &[u8; 10] = message.get(end..)?.first_chunk()?;
        let [kind, class, high, low, length] =
            [0, 2, 4, 6, 8].map(|at: usize| u16::from_be_bytes([head[at], head[at + 1]]));
        let start = end + head.len();
        at = start + usize::from(length);
        let data = message.get(start..at)?;
        // What has the highest bit set is zero (RFC 2181, 8).
        let seconds = if high >> 15 == 0 { u32::from(high) << 16 | u32::from(low) } else { 0 };
        if class == INTERNET {
            visit(&Record { owner, kind, seconds, data, start })?;
        }
    }
    Some(at)
}
