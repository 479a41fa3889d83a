//! Questions and answers on the wire (RFC 5905, 7.3).

use core::fmt;
use unik_sched::time::Duration;

/// Bytes of a message; what follows in longer ones is not looked at.
pub const LENGTH: usize = 48;
/// The port of servers.
pub const PORT: u16 = 123;

/// Version and modes in the first byte.
const VERSION: u8 = 4;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// The leap indicator of a server whose clock is not set.
const NOT_SET: u8 = 3;
/// Strata beyond are those of servers without a source.
const STRATUM_LIMIT: u8 = 15;
/// The farthest that a server may be from the source of its time, in units of 2^-16 seconds (RFC 5905, A.1.1).
const DISTANCE_LIMIT: u32 = 16 << 16;
/// From 1900 to 1970, in seconds (RFC 5905, 6).
const UNIX_EPOCH: u64 = 2_208_988_800;
/// 2026-01-01 00:00 UTC: a server that is earlier tells nothing true.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no answer to the question asked: too short, another mode, another's question, none asked.
    Foreign,
    /// The server's own clock is not set.
    Unsynchronized,
    /// The server is asked too often.
    Slower,
    /// The server refuses to answer at all.
    Denied,
    /// Its times contradict each other, or no date can be like that.
    Absurd,
    /// It is far from what was believed so far, and not confirmed yet.
    Leap,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Foreign => "it is no answer to the question asked",
            Self::Unsynchronized => "the server's own clock is not set",
            Self::Slower => "the server is asked too often",
            Self::Denied => "the server refuses to tell the time",
            Self::Absurd => "its times contradict each other",
            Self::Leap => "it is far from what was believed so far",
        })
    }
}

impl core::error::Error for Refusal {}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The date when the answer was sent, as time since the Unix epoch.
    pub sent: Duration,
    /// How long the server had held the question by then.
    pub held: Duration,
}

/// The question that carries `nonce`. The field is a time in the standard; nobody needs ours, and what nobody can guess
/// nobody can answer falsely.
pub fn question(nonce: u64) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    message[0] = VERSION << 3 | CLIENT;
    message[40..].copy_from_slice(&nonce.to_be_bytes());
    message
}

impl Answer {
    /// Reads the answer to the question with `nonce` (the checks of RFC 4330, 5, and RFC 5905, A.5.1.1).
    ///
    /// # Errors
    /// Any [`Refusal`] but the last.
    pub fn parse(message: &[u8], nonce: u64) -> Result<Self, Refusal> {
        let message = message.first_chunk::<LENGTH>().ok_or(Refusal::Foreign)?;
        let [first, stratum, ..] = *message;
        if first & 7 != SERVER || !(3..=VERSION).contains(&(first >> 3 & 7)) || wide(message, 24) != nonce {
            return Err(Refusal::Foreign);
        }
        if stratum == 0 {
            // A kiss of death: the reference identifier says which (RFC 5905, 7.4).
            return Err(match &message[12..16] {
                b"DENY" | b"RSTR" => Refusal::Denied,
                b"RATE" => Refusal::Slower,
                _ => Refusal::Unsynchronized,
            });
        }
        let distance = (narrow(message, 4) / 2).saturating_add(narrow(message, 8));
        if first >> 6 == NOT_SET || stratum > STRATUM_LIMIT || distance >= DISTANCE_LIMIT {
            return Err(Refusal::Unsynchronized);
        }
        let read = |offset| since_epoch(wide(message, offset)).filter(|date| *date >= EARLIEST);
        let (received, sent) = read(32).zip(read(40)).ok_or(Refusal::Absurd)?;
        let held = sent.checked_sub(received).ok_or(Refusal::Absurd)?;
        Ok(Self { sent, held })
    }
}

fn narrow(message: &[u8; LENGTH], offset: usize) -> u32 {
    (wide(message, offset) >> 32) as u32
}

/// The 64 bits at `offset`, zero behind the end.
fn wide(message: &[u8; LENGTH], offset: usize) -> u64 {
    let bytes = message.get(offset..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A timestamp as time since the Unix epoch; `None` for zero, which says that the time is not known, and before 1970. The
/// highest bit tells the era: set until 2036, not set from then to 2104 (RFC 4330, 3).
fn since_epoch(timestamp: u64) -> Option<Duration> {
    if timestamp == 0 {
        return None;
    }
    let (seconds, fraction) = (timestamp >> 32, timestamp & 0xffff_ffff);
    let era = if timestamp >> 63 == 1 { 0 } else { 1 << 32 };
    let seconds = (seconds + era).checked_sub(UNIX_EPOCH)?;
    Some(Duration::new(seconds, ((fraction * 1_000_000_000) >> 32) as u32))
}
