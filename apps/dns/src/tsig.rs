//! TSIG: messages that prove by a shared secret who sent them, and that nobody changed them on the way (RFC 8945).
//!
//! Requests of others are [`check`]ed, which gives the [`Signer`] of their answers, or the [`Refusal`] that answers them.
//! Requests of ours are signed by [`Verifier::sign`], and the [`Verifier`] looks at what comes back. Either serves one answer or
//! the many of a transfer. This module has what both need: [`Key`]s, the record in a message, and what a MAC is made of;
//! `hash.rs` makes it. Times are seconds since 1970. Invariant: whoever does not know the secret of a key cannot make a message
//! that is taken for one of its owner's.

mod client;
mod hash;
mod server;

pub use client::{Unverified, Verifier};
pub use hash::Algorithm;
pub use server::{Refusal, Request, Signer, check};

use crate::labels::{Labels, skip};
use crate::query::{CLASS_ANY, HEADER, header, u16_at};
use crate::tree::MAX_NAME;
use core::fmt;
use hash::{Hash, Mac, Secret};

/// Seconds that the clocks of both sides may be apart (RFC 8945, 10).
pub const FUDGE: u16 = 300;

/// Codes in the field Error of the record (RFC 8945, 3).
pub mod error {
    /// The MAC is not that of the message.
    pub const BAD_SIGNATURE: u16 = 16;
    /// The key or its algorithm is not known.
    pub const BAD_KEY: u16 = 17;
    /// The clocks are too far apart.
    pub const BAD_TIME: u16 = 18;
    /// The MAC is cut shorter than it may be.
    pub const BAD_TRUNCATION: u16 = 22;
}

/// The code of the record's type.
const TSIG: u16 = 250;
/// What stands between the owner of a record and the length of its data: type, class, and a TTL of 0 (RFC 8945, 4.2).
const FIXED: [u8; 8] = [0, TSIG as u8, 0, CLASS_ANY as u8, 0, 0, 0, 0];
/// Octets of the record beside names and MAC: the above, the length of the data, and the fixed fields in them.
const FIELDS: usize = 10 + 16;
/// The least octets of a MAC that was cut, as long as that is half of it (RFC 8945, 5.2.2.1).
const LEAST_MAC: usize = 10;

/// A secret that is shared with somebody, and how it is called and used.
///
/// What is kept of the secret is overwritten when the key is dropped, and shown nowhere.
pub struct Key {
    name: Name,
    secret: Secret,
}

impl Key {
    /// The key of a name as on the wire. `None` if that is no name.
    pub fn try_new(name: &[u8], algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        let whole = skip(name, 0) == Some(name.len());
        let name = Name::read(name, 0).filter(|_| whole)?;
        Some(Self { name, secret: Secret::new(algorithm, secret) })
    }

    /// Its name as on the wire, in lower case.
    pub fn name(&self) -> &[u8] {
        self.name.octets()
    }

    /// How it is used.
    pub fn algorithm(&self) -> Algorithm {
        self.secret.algorithm
    }

    /// Octets that signing adds to a message.
    pub fn room(&self) -> usize {
        self.name().len() + FIELDS + Algorithm::NAME + self.algorithm().length()
    }

    /// Whether `record` names it.
    fn is_of(&self, record: &Record<'_>) -> bool {
        self.name() == record.name.octets() && Algorithm::of_name(record.algorithm) == Some(self.algorithm())
    }

    /// The beginning of the MAC of a message that answers one with the MAC `prior`, or follows one (RFC 8945, 4.3.1).
    fn start(&self, prior: Option<&Mac>) -> Hash {
        let mut hash = self.secret.start();
        if let Some(prior) = prior.map(Mac::octets) {
            hash.take(&(prior.len() as u16).to_be_bytes());
            hash.take(prior);
        }
        hash
    }

    /// The MAC of `message`, which has no TSIG record and `additional` additional records, behind what `hash` has taken in.
    #[inline(never)]
    fn mac(&self, mut hash: Hash, message: &[u8], additional: u16, stamp: &Stamp<'_>, is_later: bool) -> Mac {
        // RFC 8945, 4.3.2: the identifier is the one with which the message was signed.
        hash.take(&stamp.id.to_be_bytes());
        hash.take(message.get(2..HEADER - 2).unwrap_or_default());
        hash.take(&additional.to_be_bytes());
        hash.take(message.get(HEADER..).unwrap_or_default());
        let [_, _, class_and_time @ ..] = FIXED;
        if !is_later {
            // RFC 8945, 4.3.3.
            hash.take(self.name());
            hash.take(&class_and_time);
            hash.take(&self.algorithm().name());
        }
        // RFC 8945, 5.3.1: for messages behind the first, these two are all.
        hash.take(&stamp.signed.to_be_bytes());
        if !is_later {
            let [_, _, error_and_length @ ..] = stamp.last();
            hash.take(&error_and_length);
            hash.take(stamp.other);
        }
        self.secret.finish(hash)
    }

    /// Signs the first `length` octets of `message`, whose MAC `hash` begins, and gives the length with the record.
    fn sign(
        &self,
        hash: Hash,
        stamp: &Stamp<'_>,
        is_later: bool,
        message: &mut [u8],
        length: usize,
    ) -> Option<(usize, Mac)> {
        let unsigned = message.get(..length)?;
        let [.., additional] = header(unsigned)?;
        let mac = self.mac(hash, unsigned, additional, stamp, is_later);
        let end = append(message, length, [self.name(), &self.algorithm().name(), mac.octets()], stamp)?;
        Some((end, mac))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A name as on the wire, in lower case.
#[derive(Clone)]
struct Name {
    octets: [u8; MAX_NAME],
    length: u8,
}

impl Name {
    /// The name at `at` in `message`, compressed or not.
    fn read(message: &[u8], at: usize) -> Option<Self> {
        let mut labels = Labels::new();
        labels.follow(message, at)?;
        let mut name = Self { octets: [0; MAX_NAME], length: 0 };
        for index in 0..=labels.count() {
            let start = usize::from(labels.offset(index));
            let label = message.get(start..=start + usize::from(*message.get(start)?))?;
            let at = usize::from(name.length);
            let place = name.octets.get_mut(at..at + label.len())?;
            place.copy_from_slice(label);
            place.make_ascii_lowercase(); // lengths are below any letter
            name.length += label.len() as u8; // no longer than MAX_NAME
        }
        Some(name)
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..self.length.into()).unwrap_or_default()
    }
}

/// What a TSIG record says beside its key and its MAC (RFC 8945, 4.2).
struct Stamp<'m> {
    /// The time, and in the lower 16 bits the fudge.
    signed: u64,
    /// The identifier with which the message was signed.
    id: u16,
    error: u16,
    other: &'m [u8],
}

impl Stamp<'_> {
    /// What says that a message is signed at `now` with the identifier `id`.
    fn new(now: u64, id: u16) -> Self {
        Self { signed: now << 16 | u64::from(FUDGE), id, error: 0, other: &[] }
    }

    /// Whether `now` is near enough (RFC 8945, 5.2.3).
    fn is_near(&self, now: u64) -> bool {
        (self.signed >> 16).abs_diff(now) <= self.signed & u64::from(u16::MAX)
    }

    /// The identifier, the error, and the length of what stands behind them.
    fn last(&self) -> [u8; 6] {
        let length = self.other.len() as u64; // no longer than a record
        let fields = u64::from(self.id) << 32 | u64::from(self.error) << 16 | length;
        let [_, _, octets @ ..] = fields.to_be_bytes();
        octets
    }
}

/// The TSIG record of a message.
struct Record<'m> {
    /// Where it begins.
    begin: usize,
    name: Name,
    algorithm: &'m [u8],
    mac: &'m [u8],
    stamp: Stamp<'m>,
}

impl<'m> Record<'m> {
    /// Reads the record at `begin`, whose type stands at `fixed`. Its owner may be compressed, as owners are; the name of its
    /// algorithm is not, as in no type that came later than compression (RFC 3597, 4).
    fn read(message: &'m [u8], begin: usize, fixed: usize, end: usize) -> Option<Self> {
        if !message.get(fixed..)?.starts_with(&FIXED) {
            return None;
        }
        let data = fixed + 10;
        let fields = Labels::new().read(message, data)?;
        let (signed, mut rest) = message.get(fields..end)?.split_first_chunk()?;
        let mac = octets(&mut rest)?;
        let [id, error] = [number(&mut rest)?, number(&mut rest)?];
        let other = octets(&mut rest)?;
        rest.is_empty().then_some(Self {
            begin,
            name: Name::read(message, begin)?,
            algorithm: message.get(data..fields)?,
            mac,
            stamp: Stamp { signed: u64::from_be_bytes(*signed), id, error, other },
        })
    }

    /// Whether the MAC has a length that one of `algorithm` can have (RFC 8945, 5.2.2.1).
    fn has_length_of(&self, algorithm: Algorithm) -> bool {
        let most = algorithm.length();
        (LEAST_MAC.max(most / 2)..=most).contains(&self.mac.len())
    }
}

/// Takes a number off the front of `rest`.
fn number(rest: &mut &[u8]) -> Option<u16> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u16::from_be_bytes(*number))
}

/// Takes octets behind their number off the front of `rest`.
fn octets<'m>(rest: &mut &'m [u8]) -> Option<&'m [u8]> {
    let length = number(rest)?;
    let (octets, behind) = rest.split_at_checked(length.into())?;
    *rest = behind;
    Some(octets)
}

/// A message as far as TSIG looks at it.
struct Found<'m> {
    /// Offset behind the questions.
    questions_end: usize,
    additional: u16,
    record: Option<Record<'m>>,
}

impl<'m> Found<'m> {
    /// Looks for the TSIG record of `message`. `None` if the message is not whole, or has such a record anywhere but at its end,
    /// or one that nobody can read (RFC 8945, 5.2).
    fn look(message: &'m [u8]) -> Option<Self> {
        let [_, _, questions, answers, authorities, additional] = header(message)?;
        let mut at = HEADER;
        for _ in 0..questions {
            at = skip(message, at)? + 4;
        }
        let mut found = Self { questions_end: at, additional, record: None };
        let records = u32::from(answers) + u32::from(authorities) + u32::from(additional);
        for left in (0..records).rev() {
            let fixed = skip(message, at)?;
            let end = fixed + 10 + usize::from(u16_at(message, fixed + 8)?);
            if u16_at(message, fixed)? == TSIG {
                if left > 0 || additional == 0 {
                    return None;
                }
                found.record = Some(Record::read(message, at, fixed, end)?);
            }
            at = end;
        }
        (at == message.len()).then_some(found)
    }
}

/// Adds a TSIG record with the name, the algorithm and the MAC of `parts` to the first `length` octets of `message`, counts it,
/// and gives the length with it.
fn append(message: &mut [u8], length: usize, parts: [&[u8]; 3], stamp: &Stamp<'_>) -> Option<usize> {
    let [.., additional] = header(message.get(..length)?)?;
    let additional = additional.checked_add(1)?;
    let [name, algorithm, mac] = parts;
    let variable = algorithm.len() + mac.len() + stamp.other.len();
    let end = length + FIELDS + name.len() + variable;
    u16::try_from(end).ok()?; // and so is everything in it
    let mut rest = message.get_mut(length..end)?;
    for part in [
        name,
        &FIXED,
        &((variable + FIELDS - 10) as u16).to_be_bytes(),
        algorithm,
        &stamp.signed.to_be_bytes(),
        &(mac.len() as u16).to_be_bytes(),
        mac,
        &stamp.last(),
        stamp.other,
    ] {
        let (place, behind) = rest.split_at_mut_checked(part.len())?;
        place.copy_from_slice(part);
        rest = behind;
    }
    message.get_mut(HEADER - 2..HEADER)?.copy_from_slice(&additional.to_be_bytes());
    Some(end)
}
