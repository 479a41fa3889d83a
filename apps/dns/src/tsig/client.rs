//! The client's side of TSIG: requests of ours, and what is answered to them (RFC 8945, 5.1 and 5.4).

use super::hash::Hash;
use super::{Found, Key, Stamp, error};
use crate::query::header;
use core::fmt;

/// The most messages without a TSIG record between two with one (RFC 8945, 5.3.1).
const MAX_UNSIGNED: u8 = 99;

/// Why a message is not taken for an answer. Whoever waits for one over UDP goes on waiting (RFC 8945, 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unverified {
    /// The message is not whole, or its TSIG record is not where and what it should be.
    Malformed,
    /// It is not signed and has to be, as the first of a transfer, or after too many others that were not.
    Unsigned,
    /// It is signed with another key or algorithm.
    OtherKey,
    /// Its MAC is not that of the message.
    BadSignature,
    /// It is older or younger than it may be.
    BadTime,
    /// Its MAC is cut.
    Truncated,
    /// The server seems not to know the key or the secret: it says this code of [`error`], but does not prove that it is the server.
    Told(u16),
    /// The server refuses the request with this code of [`error`].
    Refused(u16),
    /// The server refuses the request because its own clock says this.
    RefusedTime(u64),
}

impl Unverified {
    /// What to tell the operator.
    pub fn text(self) -> &'static str {
        match self {
            Self::Malformed => "an answer that is malformed",
            Self::Unsigned => "an answer without the TSIG record that it should have",
            Self::OtherKey => "an answer that is signed with another key or algorithm",
            Self::BadSignature => "an answer whose MAC is wrong: do both sides have the same secret?",
            Self::BadTime => {
                "an answer that was signed too long ago, or is yet to be signed: do the clocks agree?"
            }
            Self::Truncated => "an answer whose MAC is cut",
            Self::Told(error::BAD_KEY) => "BADKEY: the server does not know this key with this algorithm",
            Self::Told(error::BAD_SIGNATURE) => "BADSIG: the server has another secret for this key",
            Self::Told(error::BAD_TIME) | Self::RefusedTime(_) => {
                "BADTIME: the clock of the server is too far from this one"
            }
            Self::Refused(error::BAD_TRUNCATION) => "BADTRUNC: the server wants more of the MAC",
            Self::Told(_) | Self::Refused(_) => "an error of TSIG",
        }
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Unverified {}

/// Verifies the answer to a signed request, or the answers, one after the other.
///
/// That an answer has the identifier and the question of the request is for others to see.
#[derive(Clone)]
pub struct Verifier {
    /// The MAC of the next signed message, with what stands in front of that message.
    hash: Hash,
    /// A signed message was verified.
    is_later: bool,
    /// Messages that were not signed since then.
    unsigned: u8,
}

impl Verifier {
    /// Signs the request that is the first `length` octets of `message`, at `now`, and gives the length with the TSIG record,
    /// which is [`Key::room`] more, and what verifies the answer.
    ///
    /// `None` if there is no room for the record, or no header.
    pub fn sign(key: &Key, message: &mut [u8], length: usize, now: u64) -> Option<(usize, Self)> {
        let [id, ..] = header(message.get(..length)?)?;
        let stamp = Stamp::new(now, id);
        let (end, mac) = key.sign(key.start(None), &stamp, false, message, length)?;
        Some((end, Self { hash: key.start(Some(&mac)), is_later: false, unsigned: 0 }))
    }

    /// Verifies that `message`, which arrived at `now`, answers the request and follows the messages before, and gives its length
    /// without the TSIG record, which its header still counts. `key` is the one that signed the request.
    ///
    /// A message that is not signed is taken where those of a transfer need not be: what it says counts once
    /// [`Verifier::is_complete`] again.
    ///
    /// # Errors
    /// [`Unverified`] says why it is not to be believed. It is as if it had not arrived.
    #[inline(never)]
    pub fn verify(&mut self, key: &Key, message: &[u8], now: u64) -> Result<usize, Unverified> {
        let found = Found::look(message).ok_or(Unverified::Malformed)?;
        let Some(record) = found.record else {
            if !self.is_later || self.unsigned == MAX_UNSIGNED {
                return Err(Unverified::Unsigned);
            }
            self.hash.take(message);
            self.unsigned += 1;
            return Ok(message.len());
        };
        let stamp = &record.stamp;
        // RFC 8945, 5.3.2: BADKEY and BADSIG are told without a MAC, and by some servers BADTIME.
        if record.mac.is_empty() && stamp.error != 0 {
            return Err(Unverified::Told(stamp.error));
        }
        if !key.is_of(&record) {
            return Err(Unverified::OtherKey);
        }
        if !record.has_length_of(key.algorithm()) {
            return Err(Unverified::Malformed);
        }
        let unsigned = message.get(..record.begin).unwrap_or_default();
        let mac = key.mac(self.hash.clone(), unsigned, found.additional - 1, stamp, self.is_later);
        if !mac.begins_with(record.mac) {
            return Err(Unverified::BadSignature);
        }
        // The time of the record is that of the request then, and the server's stands beside it (RFC 8945, 5.2.3).
        if let (error::BAD_TIME, &[t0, t1, t2, t3, t4, t5]) = (stamp.error, stamp.other) {
            return Err(Unverified::RefusedTime(u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5])));
        }
        if !stamp.is_near(now) {
            return Err(Unverified::BadTime);
        }
        if record.mac.len() < key.algorithm().length() {
            return Err(Unverified::Truncated);
        }
        if stamp.error != 0 {
            return Err(Unverified::Refused(stamp.error));
        }
        *self = Self { hash: key.start(Some(&mac)), is_later: true, unsigned: 0 };
        Ok(record.begin)
    }

    /// Whether the last message was signed, so that all before it can be believed, and it can be the last (RFC 8945, 5.3.1).
    pub fn is_complete(&self) -> bool {
        self.is_later && self.unsigned == 0
    }
}
