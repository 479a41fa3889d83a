//! The server's side of TSIG: requests of others, and the answers to them (RFC 8945, 5.2 and 5.3).

use super::hash::Mac;
use super::{Found, Key, Name, Record, Stamp, append, error};
use crate::query::{HEADER, flag, header};

/// The code of a message that was not signed as it should be (RFC 8945, 3).
const NOT_AUTHORIZED: u16 = 9;
/// Octets of a time.
const TIME: usize = 6;

/// What TSIG makes of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack, where there is room, and nothing is allocated"
)]
pub enum Request {
    /// It is not signed.
    Unsigned,
    /// FORMERR without TSIG answers it (RFC 8945, 5.2).
    Malformed,
    /// It comes from who knows the secret of [`Signer::key`], and its answer is to be signed, whatever that is.
    Signed(Signer),
    /// It is not carried out, and this answers it.
    Refused(Refusal),
}

/// Says what TSIG makes of `message`, a request that arrived at `now` and of which nothing was cut off.
///
/// What it asks for is not looked at; other readers of it find one additional record more.
#[inline(never)]
pub fn check(message: &[u8], keys: &[Key], now: u64) -> Request {
    let Some(found) = Found::look(message) else { return Request::Malformed };
    let Some(record) = found.record else { return Request::Unsigned };
    let refuse = |error, signer| {
        let Some(algorithm) = Name::read(record.algorithm, 0) else { return Request::Malformed };
        let Record { ref name, ref stamp, .. } = record;
        let name = name.clone();
        let (signed, id) = (stamp.signed, stamp.id);
        let questions_end = found.questions_end;
        Request::Refused(Refusal { name, algorithm, signed, id, error, signer, questions_end })
    };
    // RFC 8945, 5.2: the key, the MAC, the time, and how much of the MAC there is, in this order.
    let known = keys.iter().enumerate().find(|(_, key)| key.is_of(&record));
    let Some((index, key)) = known else { return refuse(error::BAD_KEY, None) };
    let is_whole = record.mac.len() == key.algorithm().length();
    if !record.has_length_of(key.algorithm()) {
        return Request::Malformed;
    }
    let unsigned = message.get(..record.begin).unwrap_or_default();
    let mac = key.mac(key.start(None), unsigned, found.additional - 1, &record.stamp, false);
    if !mac.begins_with(record.mac) {
        return refuse(error::BAD_SIGNATURE, None);
    }
    // RFC 8945, 4.3.1: the answer goes by the MAC as it came.
    let signer =
        Signer { key: index, prior: mac.cut(record.mac.len()), id: record.stamp.id, is_later: false };
    if !record.stamp.is_near(now) {
        return refuse(error::BAD_TIME, Some(signer));
    }
    if !is_whole {
        return refuse(error::BAD_TRUNCATION, Some(signer));
    }
    Request::Signed(signer)
}

/// Signs the answer to a request, or the answers, one after the other.
#[derive(Clone)]
pub struct Signer {
    key: usize,
    /// The MAC of the message before.
    prior: Mac,
    /// The identifier with which the request was signed.
    id: u16,
    /// An answer was signed.
    is_later: bool,
}

impl Signer {
    /// The place among the keys of the one that signed the request.
    pub fn key(&self) -> usize {
        self.key
    }

    /// Octets that signing adds to each message.
    pub fn room(&self, keys: &[Key]) -> usize {
        keys.get(self.key).map_or(0, Key::room)
    }

    /// Signs the first `length` octets of `message`, which nobody changes afterwards, and gives the length with the TSIG record.
    /// `keys` are those with which the request was checked.
    ///
    /// `None` if there is no room for the record; then nothing is changed.
    pub fn sign(&mut self, keys: &[Key], message: &mut [u8], length: usize, now: u64) -> Option<usize> {
        let stamp = Stamp::new(now, self.id);
        self.stamp(keys, &stamp, message, length)
    }

    fn stamp(&mut self, keys: &[Key], stamp: &Stamp<'_>, message: &mut [u8], length: usize) -> Option<usize> {
        let key = keys.get(self.key)?;
        let (end, mac) = key.sign(key.start(Some(&self.prior)), stamp, self.is_later, message, length)?;
        (self.prior, self.is_later) = (mac, true);
        Some(end)
    }
}

/// The answer to a request that is not carried out because of its TSIG record.
pub struct Refusal {
    name: Name,
    algorithm: Name,
    /// Time and fudge.
    signed: u64,
    id: u16,
    error: u16,
    /// The request comes from who knows the secret all the same.
    signer: Option<Signer>,
    questions_end: usize,
}

impl Refusal {
    /// Which of the codes in [`error`] it says.
    pub fn error(&self) -> u16 {
        self.error
    }

    /// The name of the key that the request was signed with, or pretends to be, as on the wire.
    pub fn name(&self) -> &[u8] {
        self.name.octets()
    }

    /// How many octets of the request [`Refusal::answer`] wants to find: its header and its questions.
    pub fn kept(&self) -> usize {
        self.questions_end
    }

    /// Writes the answer behind the header and the questions of the request, which are the beginning of `message`, and gives its
    /// length. `keys` are those with which the request was checked, `now` is the time at which that was.
    ///
    /// `None` if there is no room for it.
    #[inline(never)]
    pub fn answer(&self, keys: &[Key], message: &mut [u8], now: u64) -> Option<usize> {
        let kept = message.get_mut(..self.questions_end)?;
        let [id, flags, questions, ..] = header(kept)?;
        let flags = flag::RESPONSE | flags & (flag::OPCODE | flag::RECURSION_DESIRED) | NOT_AUTHORIZED;
        let place: &mut [u8; HEADER] = kept.first_chunk_mut()?;
        for (place, field) in place.as_chunks_mut().0.iter_mut().zip([id, flags, questions, 0, 0, 0]) {
            *place = u16::to_be_bytes(field);
        }
        // RFC 8945, 5.2.3: the client's time comes back, so that it finds it good, and the server's is told beside it.
        let [_, _, server @ ..] = now.to_be_bytes();
        let other = server.get(..if self.error == error::BAD_TIME { TIME } else { 0 })?;
        let stamp = Stamp { signed: self.signed, id: self.id, error: self.error, other };
        // RFC 8945, 5.3.2.
        match &self.signer {
            Some(signer) => signer.clone().stamp(keys, &stamp, message, self.questions_end),
            None => {
                let parts = [self.name.octets(), self.algorithm.octets(), &[]];
                append(message, self.questions_end, parts, &stamp)
            }
        }
    }
}
