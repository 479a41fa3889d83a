//! Tickets: what a client needs to go on where it was, sealed so that only this machine can read it (RFC 8446, 4.6.1;
//! RFC 5077).
//!
//! [`Tickets`] keeps two keys: one to seal with, and the one before it, whose tickets are still taken. Neither outlives two
//! [periods](PERIOD), and both end with the machine. So nothing is kept of a client that has left.

use super::Wall;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;
use spin::mutex::SpinMutex;
use unik_tls::random;

/// How long tickets are sealed with one key, in seconds.
const PERIOD: u64 = 6 * 60 * 60;
/// How long a ticket is good for at most: the key that it was sealed with may have been new.
const LIFETIME: u32 = 2 * PERIOD as u32;
/// Bytes of the name that tells one key from another.
const NAME: usize = 8;
const TAG: usize = 16;
/// The most that a ticket can hold: longer ones are none of ours.
const LIMIT: usize = 2048;

/// Seals and opens tickets.
pub(super) struct Tickets {
    keys: SpinMutex<Keys>,
    wall: Wall,
}

struct Keys {
    current: Key,
    previous: Option<Key>,
    /// When `current` is replaced, in seconds since the Unix epoch.
    end: u64,
}

struct Key {
    name: [u8; NAME],
    key: LessSafeKey,
}

impl Tickets {
    /// Fresh keys. `None` where the machine has no random numbers.
    pub(super) fn try_new(wall: Wall) -> Option<Self> {
        let keys = Keys { current: Key::try_new()?, previous: None, end: wall().unwrap_or(0) + PERIOD };
        Some(Self { keys: SpinMutex::new(keys), wall })
    }
}

impl Keys {
    /// Replaces keys whose time is over. Where there is no clock, they stay.
    fn turn(&mut self, now: Option<u64>) -> Option<()> {
        let Some(now) = now else { return Some(()) };
        // A clock that was set back must not keep a key for longer.
        if now < self.end && self.end - now <= PERIOD {
            return Some(());
        }
        let is_recent = now.abs_diff(self.end) < PERIOD;
        let old = mem::replace(&mut self.current, Key::try_new()?);
        self.previous = Some(old).filter(|_| is_recent);
        self.end = now + PERIOD;
        Some(())
    }
}

impl Key {
    fn try_new() -> Option<Self> {
        let (mut name, mut bytes) = ([0; NAME], [0; 32]);
        random(&mut name)?;
        random(&mut bytes)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
        Some(Self { name, key: LessSafeKey::new(key) })
    }

    /// The key's name, a number that is used once, what is sealed, and its tag.
    fn seal(&self, message: &[u8]) -> Option<Vec<u8>> {
        let length = NAME + NONCE_LEN + message.len() + TAG;
        if length > LIMIT {
            return None;
        }
        let mut ticket = Vec::new();
        ticket.try_reserve_exact(length).ok()?;
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        ticket.extend_from_slice(&self.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(message);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = ticket.get_mut(NAME + NONCE_LEN..)?;
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(self.name), sealed).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn open(&self, nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        message.try_reserve_exact(sealed.len()).ok()?;
        message.extend_from_slice(sealed);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.key.open_in_place(nonce, Aad::from(self.name), &mut message).ok()?.len();
        message.truncate(length);
        Some(message)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut keys = self.keys.lock();
        keys.turn((self.wall)())?;
        keys.current.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        if cipher.len() > LIMIT {
            return None;
        }
        let (name, rest) = cipher.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let mut keys = self.keys.lock();
        keys.turn((self.wall)())?;
        let mut both = [Some(&keys.current), keys.previous.as_ref()].into_iter().flatten();
        both.find(|key| key.name == name)?.open(nonce, sealed)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use core::sync::atomic::{AtomicU64, Ordering};

    /// Tickets, and the clock that they go by.
    fn tickets() -> (Tickets, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let read = clock.clone();
        let wall: Wall = Arc::new(move || Some(read.load(Ordering::Relaxed)));
        (Tickets::try_new(wall).expect("there are random numbers"), clock)
    }

    #[test]
    fn a_ticket_is_opened_by_whoever_sealed_it() {
        let (other, _) = tickets();
        let (tickets, _) = tickets();
        let ticket = tickets.encrypt(b"secret").expect("a ticket");
        assert!(!ticket.windows(6).any(|part| part == b"secret"));
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"secret"[..]));
        assert_ne!(tickets.encrypt(b"secret"), Some(ticket.clone()), "no two are alike");
        assert_eq!(other.decrypt(&ticket), None);
    }

    #[test]
    fn no_changed_ticket_is_taken() {
        let (tickets, _) = tickets();
        let ticket = tickets.encrypt(b"secret").expect("a ticket");
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "{place}");
            assert_eq!(tickets.decrypt(&ticket[..place]), None, "{place}");
        }
        assert_eq!(tickets.decrypt(&[0; LIMIT + 1]), None);
        assert_eq!(tickets.encrypt(&[0; LIMIT]), None);
    }

    #[test]
    fn a_key_is_used_for_one_period_and_known_for_another() {
        let (tickets, clock) = tickets();
        let ticket = tickets.encrypt(b"secret").expect("a ticket");
        clock.fetch_add(PERIOD, Ordering::Relaxed);
        let next = tickets.encrypt(b"next").expect("a ticket");
        assert_ne!(ticket[..NAME], next[..NAME]);
        assert!(tickets.decrypt(&ticket).is_some());
        clock.fetch_add(PERIOD, Ordering::Relaxed);
        assert!(tickets.decrypt(&ticket).is_none());
        assert!(tickets.decrypt(&next).is_some());
        // Nobody came for a long time: what was sealed before is forgotten.
        clock.fetch_add(10 * PERIOD, Ordering::Relaxed);
        assert!(tickets.decrypt(&next).is_none());
    }
}
