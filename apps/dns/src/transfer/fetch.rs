//! A conversation with a primary: is there a newer version, and what is in it (RFC 5936, RFC 1995)?
//!
//! [`Fetch::advance`] says what to do with the connection next. The version is asked for first; then differences, and the whole where
//! those are of no use, over a connection of its own; where there is no version yet, the whole at once. Each question is signed
//! if there is a key, and then nothing counts that is not.

use super::{Incoming, Progress, TransferError, ask, is_newer};
use crate::configuration::WireName;
use crate::kind::Kind;
use crate::tsig::{Key, Unverified, Verifier};
use crate::zone::Zone;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

/// Octets of the length in front of each message.
const PREFIX: usize = 2;
/// The longest message.
const MOST: usize = 65_535;

/// What to do next.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and memory is not to be asked for it")]
pub(crate) enum Step {
    /// Connect to the primary, anew if there is a connection.
    Connect,
    /// Write all of [`Fetch::output`].
    Write,
    /// Read into [`Fetch::space`], and tell [`Fetch::received`].
    Read,
    /// Nothing: the primary has no newer version.
    Current,
    /// Nothing: this is the newer version.
    Zone(Zone),
}

/// Why nothing came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FetchError {
    Transfer(TransferError),
    Unverified(Unverified),
    NoMemory,
    /// No date is known, which signatures need.
    NoDate,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transfer(error) => return error.fmt(f),
            Self::Unverified(error) => error.text(),
            Self::NoMemory => "there is no memory for what it sends",
            Self::NoDate => "a key is of no use without the date, and this machine does not know it",
        })
    }
}

impl From<TransferError> for FetchError {
    fn from(error: TransferError) -> Self {
        Self::Transfer(error)
    }
}

/// What is asked for, and how.
pub(crate) struct Wanted {
    pub(crate) name: WireName,
    /// The version that we have.
    pub(crate) current: Option<Rc<Zone>>,
    /// The most octets that the messages of a transfer may have together.
    pub(crate) limit: usize,
    /// Differences are not asked for.
    pub(crate) is_axfr_only: bool,
    /// The whole may be asked for where differences are of no use.
    pub(crate) may_fall_back: bool,
}

/// Where the conversation is.
#[derive(Clone, Copy)]
enum Phase {
    Connect(Kind),
    Ask(Kind),
    Sent(Kind),
    Receive(Kind),
}

/// A conversation.
pub(crate) struct Fetch {
    wanted: Wanted,
    phase: Phase,
    /// Room for a length and a message.
    buffer: Vec<u8>,
    /// Octets that stand in it.
    length: usize,
    /// The identifier of the last question.
    id: u16,
    /// Verifies what answers it, if it was signed.
    verifier: Option<Verifier>,
    incoming: Incoming,
    /// The last question is the first over this connection.
    is_fresh: bool,
}

impl Fetch {
    /// Begins a conversation. `None` where there is no memory for it.
    pub(crate) fn try_new(wanted: Wanted) -> Option<Self> {
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(PREFIX + MOST).ok()?;
        buffer.resize(PREFIX + MOST, 0);
        let phase = Phase::Connect(if wanted.current.is_some() { Kind::SOA } else { Kind::AXFR });
        let incoming = Incoming::new(None, 0);
        Some(Self { wanted, phase, buffer, length: 0, id: 0, verifier: None, incoming, is_fresh: true })
    }

    /// Goes on, after what was to be done has been done. Questions are signed with `key` at `date`, in seconds since 1970, and have
    /// the identifier `id`, which nobody can guess.
    ///
    /// # Errors
    /// It is over, and why.
    pub(crate) fn advance(
        &mut self,
        key: Option<&Key>,
        date: Option<u64>,
        id: u16,
    ) -> Result<Step, FetchError> {
        loop {
            match self.phase {
                Phase::Connect(kind) => {
                    self.phase = Phase::Ask(kind);
                    self.is_fresh = true;
                    return Ok(Step::Connect);
                }
                Phase::Ask(kind) => {
                    self.ask(kind, key, date, id)?;
                    self.phase = Phase::Sent(kind);
                    return Ok(Step::Write);
                }
                Phase::Sent(kind) => {
                    self.length = 0;
                    self.phase = Phase::Receive(kind);
                }
                Phase::Receive(_) if self.length < self.end() => return Ok(Step::Read),
                Phase::Receive(kind) => match self.take(kind, key, date) {
                    Ok(Some(step)) => return Ok(step),
                    Ok(None) => self.length = 0,
                    // Differences that do not fit, or that the primary does not give: there is still the whole.
                    Err(FetchError::Transfer(error))
                        if kind == Kind::IXFR
                            && self.wanted.may_fall_back
                            && error != TransferError::TooLong =>
                    {
                        self.phase = Phase::Connect(Kind::AXFR);
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// What is to be sent.
    pub(crate) fn output(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Where the next octets of the stream belong. Never empty after [`Step::Read`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let end = self.end();
        self.buffer.get_mut(self.length..end).unwrap_or_default()
    }

    /// Takes notice that `length` octets were put into [`Fetch::space`].
    pub(crate) fn received(&mut self, length: usize) {
        self.length = (self.length + length).min(self.buffer.len());
    }

    /// Takes notice that the primary closed the connection, and says whether to go on: some close it behind each answer, and some
    /// where they have no differences to give.
    pub(crate) fn closed(&mut self) -> bool {
        let (Phase::Connect(kind) | Phase::Ask(kind) | Phase::Sent(kind) | Phase::Receive(kind)) = self.phase;
        let goes_on = if self.is_fresh { kind == Kind::IXFR && self.wanted.may_fall_back } else { true };
        if goes_on {
            self.phase = Phase::Connect(if self.is_fresh { Kind::AXFR } else { kind });
        }
        goes_on
    }

    /// Whether what came is the whole zone, not differences.
    pub(crate) fn is_whole(&self) -> bool {
        self.incoming.is_whole()
    }

    /// Where the length that is being read, or the message behind it, ends.
    fn end(&self) -> usize {
        match self.buffer.first_chunk() {
            Some(length) if self.length >= PREFIX => PREFIX + usize::from(u16::from_be_bytes(*length)),
            _ => PREFIX,
        }
    }

    /// Writes a question and its length into the buffer.
    fn ask(&mut self, kind: Kind, key: Option<&Key>, date: Option<u64>, id: u16) -> Result<(), FetchError> {
        let current = self.wanted.current.as_ref().filter(|_| kind == Kind::IXFR);
        let (prefix, message) = self.buffer.split_first_chunk_mut().ok_or(FetchError::NoMemory)?;
        let name = self.wanted.name.octets();
        let mut length = ask::question(message, id, name, kind, current.map(|zone| &**zone))
            .map_err(|_| FetchError::NoMemory)?;
        self.verifier = None;
        if let Some(key) = key {
            let now = date.ok_or(FetchError::NoDate)?;
            let (signed, verifier) = Verifier::sign(key, message, length, now).ok_or(FetchError::NoMemory)?;
            (length, self.verifier) = (signed, Some(verifier));
        }
        *prefix = (length as u16).to_be_bytes(); // a question is short
        (self.length, self.id) = (PREFIX + length, id);
        self.incoming = Incoming::new(current.cloned(), self.wanted.limit);
        Ok(())
    }

    /// Takes the message in the buffer, which answers a question for `kind`.
    #[inline(never)]
    fn take(&mut self, kind: Kind, key: Option<&Key>, date: Option<u64>) -> Result<Option<Step>, FetchError> {
        let mut message = self.buffer.get(PREFIX..self.length).unwrap_or_default();
        if let (Some(verifier), Some(key)) = (&mut self.verifier, key) {
            let now = date.ok_or(FetchError::NoDate)?;
            let end = verifier.verify(key, message, now).map_err(FetchError::Unverified)?;
            message = message.get(..end).unwrap_or_default();
        }
        let name = self.wanted.name.octets();
        ask::check(message, self.id, name, kind)?;
        if kind == Kind::SOA {
            let serial = ask::serial(message, name)?;
            let current = self.wanted.current.as_ref().map(|zone| zone.serial());
            if current == Some(serial) {
                return Ok(Some(Step::Current));
            }
            if current.is_some_and(|current| !is_newer(serial, current)) {
                return Err(TransferError::Older.into());
            }
            self.is_fresh = false;
            self.phase = Phase::Ask(if self.wanted.is_axfr_only { Kind::AXFR } else { Kind::IXFR });
            return Ok(None);
        }
        let progress = self.incoming.take(name, message)?;
        let is_proven = self.verifier.as_ref().is_none_or(Verifier::is_complete);
        match progress {
            Progress::More => Ok(None),
            // RFC 8945, 5.3.1: the last one is signed.
            _ if !is_proven => Err(FetchError::Unverified(Unverified::Unsigned)),
            Progress::Current => Ok(Some(Step::Current)),
            Progress::Zone(zone) => {
                let current = self.wanted.current.as_ref();
                if current.is_some_and(|current| !is_newer(zone.serial(), current.serial())) {
                    return Err(TransferError::Older.into());
                }
                Ok(Some(Step::Zone(zone)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
