//! What is believed, and when it is asked again.

use super::packet::{Answer, LENGTH, Refusal, question};
use unik_sched::time::{Duration, Instant};

/// How long an answer is waited for. It bounds the error of a date, too: half of the way there and back.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// A believed date is moved farther than this only when several answers in a row agree on it (the panic threshold of RFC
/// 5905).
pub const LEAP_LIMIT: Duration = Duration::from_secs(1000);
/// How far the answers that make a leap may be from what the first of them says: clocks drift, and half of the way is a guess.
pub const AGREEMENT: Duration = Duration::from_secs(10);
/// How many answers make a leap.
const CONFIRMATIONS: u8 = 3;

/// Pauses are powers of two, in seconds: the first after a failure (RFC 4330, 10, forbids less than 15 seconds), the
/// first after a success, and the longest.
const RETRY: u32 = 4;
const POLL: u32 = 6;
const LONGEST: u32 = 10;

/// The client of one server.
#[derive(Debug)]
pub struct Client {
    /// When the open question was sent, and its nonce.
    asked: Option<(Instant, u64)>,
    /// A moment and its date, once an answer was believed.
    believed: Option<(Instant, Duration)>,
    /// A moment and its date by the first of the answers in a row that agree on a leap, and how many they are.
    leap: Option<(Instant, Duration, u8)>,
    /// The exponent of the last pause, and whether it followed a failure.
    pause: u32,
    failed: bool,
    /// How the last answer was taken.
    outcome: Result<(), Refusal>,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client that has asked nothing and believes nothing.
    pub const fn new() -> Self {
        Self { asked: None, believed: None, leap: None, pause: 0, failed: false, outcome: Ok(()) }
    }

    /// The date, as time since the Unix epoch, once an answer was believed.
    pub fn date(&self, now: Instant) -> Option<Duration> {
        let (moment, date) = self.believed?;
        date.checked_add(now.duration_since(moment))
    }

    /// Asks: the message to send at once. `nonce` is a number that nobody can guess.
    pub fn ask(&mut self, now: Instant, nonce: u64) -> [u8; LENGTH] {
        self.asked = Some((now, nonce));
        question(nonce)
    }

    /// Takes what was received from the server.
    ///
    /// # Errors
    /// Why it is not believed. After [`Refusal::Foreign`] the question is still open; after all others it is not.
    pub fn answer(&mut self, now: Instant, message: &[u8]) -> Result<(), Refusal> {
        let (sent, nonce) = self.asked.ok_or(Refusal::Foreign)?;
        let outcome = match Answer::parse(message, nonce) {
            Err(Refusal::Foreign) => return Err(Refusal::Foreign),
            Err(refusal) => Err(refusal),
            Ok(answer) => self.believe(now, now.duration_since(sent), answer),
        };
        self.asked = None;
        self.outcome = outcome;
        if outcome != Err(Refusal::Leap) {
            self.leap = None;
        }
        outcome
    }

    fn believe(&mut self, now: Instant, elapsed: Duration, answer: Answer) -> Result<(), Refusal> {
        let way = elapsed.checked_sub(answer.held).filter(|way| *way <= TIMEOUT).ok_or(Refusal::Absurd)?;
        let date = answer.sent + way / 2;
        if self.date(now).is_some_and(|believed| believed.abs_diff(date) > LEAP_LIMIT) {
            let agreed = self.leap.filter(|(moment, first, _)| {
                (*first + now.duration_since(*moment)).abs_diff(date) <= AGREEMENT
            });
            let (moment, first, answers) = agreed.unwrap_or((now, date, 0));
            self.leap = Some((moment, first, answers + 1));
            if answers + 1 < CONFIRMATIONS {
                return Err(Refusal::Leap);
            }
        }
        self.believed = Some((now, date));
        Ok(())
    }

    /// Ends the question, answered or not, and returns how long to wait before the next one; `random` spreads clients that
    /// started together. `None`: the server wants no more questions.
    pub fn pause(&mut self, random: u64) -> Option<Duration> {
        let unanswered = self.asked.take().is_some();
        if unanswered {
            self.leap = None;
        }
        let failed = unanswered || self.outcome.is_err();
        let first = if failed { RETRY } else { POLL };
        let grows = failed == self.failed && self.pause >= first;
        self.pause = if grows { LONGEST.min(self.pause + 1) } else { first };
        self.failed = failed;
        match self.outcome {
            Err(Refusal::Denied) => return None,
            Err(Refusal::Slower) => self.pause = LONGEST,
            _ => {}
        }
        let milliseconds = 1_000 << self.pause;
        Some(Duration::from_millis(milliseconds + random % (milliseconds / 4)))
    }
}
