//! A transfer that we asked for: messages in, a zone out (RFC 5936, 3; RFC 1995, 4).
//!
//! Whether what comes is the whole zone or differences, its second record tells. The zone that is served stays what it is
//! until the last record has come.

use super::ask::QUESTION;
use super::is_newer;
use crate::draft::{Changes, Draft, Rules, freeze, wire::Record};
use crate::kind::Kind;
use crate::labels::skip;
use crate::master::Problem;
use crate::query::{CLASS_IN, HEADER, header};
use crate::zone::Zone;
use alloc::rc::Rc;
use core::fmt;

/// How far a transfer is.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and memory is not to be asked for it")]
pub enum Progress {
    /// Further messages follow.
    More,
    /// The primary has no newer version.
    Current,
    /// Another version is here whole.
    Zone(Zone),
}

/// Why a transfer failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TransferError {
    /// The primary answered with this code (RFC 6895, 2.3).
    Code(u8),
    /// What it sent is no answer to the question.
    Malformed,
    /// It does not have the zone itself.
    Lame,
    /// It has an older version than we have.
    Older,
    /// A record is none of this zone, or makes no zone of it.
    Zone(Problem),
    /// The zone is larger than it may be.
    TooLong,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Code(code) => {
                f.write_str("the primary answers with ")?;
                return match code {
                    1 => f.write_str("FORMERR"),
                    2 => f.write_str("SERVFAIL"),
                    4 => f.write_str("NOTIMP"),
                    5 => f.write_str("REFUSED: does it know this address and key?"),
                    9 => f.write_str("NOTAUTH: does it have the zone, and the key?"),
                    _ => {
                        f.write_str("code ")?;
                        code.fmt(f)
                    }
                };
            }
            Self::Malformed => "what the primary sends is no answer to what it was asked",
            Self::Lame => "the primary does not serve the zone",
            Self::Older => "the primary has an older version than this server",
            Self::Zone(problem) => {
                f.write_str("what the primary sends is no zone: ")?;
                problem.text()
            }
            Self::TooLong => "the zone is larger than size-limit-xfr allows",
        };
        f.write_str(text)
    }
}

impl core::error::Error for TransferError {}

impl From<Problem> for TransferError {
    fn from(problem: Problem) -> Self {
        Self::Zone(problem)
    }
}

/// What the next record is for.
enum Stage {
    /// The first SOA record, of the version that is to come.
    First,
    /// Tells what comes.
    Second(Draft),
    /// A record of the whole zone.
    Whole(Draft),
    /// A record that goes.
    Removed(Changes),
    /// A record that comes, as far as the version with this number.
    Added(Changes, u32),
    /// Nothing: the transfer has ended.
    Ended,
}

/// A transfer on its way.
pub struct Incoming {
    /// The version that we have and asked for differences to.
    current: Option<Rc<Zone>>,
    stage: Stage,
    /// The number of the version that comes.
    serial: u32,
    /// Octets that may still come.
    left: usize,
    /// There are no differences.
    is_whole: bool,
}

impl Incoming {
    /// Awaits a zone of at most `limit` octets in messages. `current` is the version to which differences were asked for.
    pub fn new(current: Option<Rc<Zone>>, limit: usize) -> Self {
        Self { current, stage: Stage::First, serial: 0, left: limit, is_whole: true }
    }

    /// Whether what comes is the whole zone, as far as that is known, and not differences.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Takes the next message, which was [checked](super::ask::check), of the zone called `name`, a name on the wire.
    ///
    /// # Errors
    /// What is wrong with it. The transfer has failed then.
    pub fn take(&mut self, name: &[u8], message: &[u8]) -> Result<Progress, TransferError> {
        self.left = self.left.checked_sub(message.len()).ok_or(TransferError::TooLong)?;
        let [_, _, questions, answers, ..] = header(message).ok_or(TransferError::Malformed)?;
        let mut at = HEADER;
        for _ in 0..questions {
            at = skip(message, at).ok_or(TransferError::Malformed)? + QUESTION;
        }
        for number in 1..=answers {
            let record = Record::read(message, at).ok_or(TransferError::Malformed)?;
            at = record.end();
            if record.class != CLASS_IN || matches!(self.stage, Stage::Ended) {
                return Err(TransferError::Malformed);
            }
            let done = self.record(name, &record, number == answers)?;
            if let Some(progress) = done {
                self.stage = Stage::Ended;
                // Nothing may follow in this message.
                let is_last = number == answers;
                return if is_last { Ok(progress) } else { Err(TransferError::Malformed) };
            }
        }
        // RFC 5936, 2.2: an answer has a record at least.
        if answers == 0 { Err(TransferError::Malformed) } else { Ok(Progress::More) }
    }

    /// Takes `record`, and gives the result once it is known. `is_last` says that none follows in this message.
    fn record(
        &mut self,
        name: &[u8],
        record: &Record<'_>,
        is_last: bool,
    ) -> Result<Option<Progress>, TransferError> {
        let serial = record.serial();
        if record.kind == Kind::SOA && (serial.is_none() || !record.is_owned_by(name)) {
            return Err(TransferError::Malformed);
        }
        match core::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::First => {
                self.serial = serial.ok_or(TransferError::Malformed)?;
                let current = self.current.as_ref().map(|zone| zone.serial());
                // RFC 1995, 2 and 4: where there is nothing newer, this record is all.
                if current == Some(self.serial) && is_last {
                    return Ok(Some(Progress::Current));
                }
                if current.is_some_and(|current| !is_newer(self.serial, current)) {
                    return Err(TransferError::Older);
                }
                let mut draft = Draft::new();
                draft.add(record)?;
                self.stage = Stage::Second(draft);
            }
            Stage::Second(draft) => {
                let current = self.current.take().filter(|current| Some(current.serial()) == serial);
                let Some(current) = current else { return self.whole(draft, record, serial) };
                drop(draft);
                self.is_whole = false;
                let mut changes = Changes::of(&current)?;
                changes.remove(record)?;
                self.stage = Stage::Removed(changes);
            }
            Stage::Whole(draft) => return self.whole(draft, record, serial),
            Stage::Removed(mut changes) => match serial {
                None => {
                    changes.remove(record)?;
                    self.stage = Stage::Removed(changes);
                }
                Some(serial) => {
                    changes.add(record)?;
                    self.stage = Stage::Added(changes, serial);
                }
            },
            Stage::Added(mut changes, version) => match serial {
                None => {
                    changes.add(record)?;
                    self.stage = Stage::Added(changes, version);
                }
                Some(serial) if serial == version && version == self.serial => {
                    return Ok(Some(Progress::Zone(changes.freeze()?)));
                }
                // The next differences begin where the last ended.
                Some(serial) if serial == version => {
                    changes.remove(record)?;
                    self.stage = Stage::Removed(changes);
                }
                Some(_) => return Err(TransferError::Malformed),
            },
            Stage::Ended => return Err(TransferError::Malformed),
        }
        Ok(None)
    }

    /// Takes a record of the whole zone, which ends with the SOA record that it began with (RFC 5936, 2.2).
    fn whole(
        &mut self,
        mut draft: Draft,
        record: &Record<'_>,
        serial: Option<u32>,
    ) -> Result<Option<Progress>, TransferError> {
        match serial {
            Some(serial) if serial == self.serial => {
                let end = draft.entries.len();
                let zone = freeze(draft, end, Rules::Transfer).map_err(|mistake| mistake.problem)?;
                Ok(Some(Progress::Zone(zone)))
            }
            // The zone changed meanwhile: what came is of no version.
            Some(_) => Err(TransferError::Malformed),
            None => {
                draft.add(record)?;
                self.stage = Stage::Whole(draft);
                Ok(None)
            }
        }
    }
}
