//! Whose hardware addresses were asked for last (RFC 826): nobody is asked for too often, and only who was asked for is
//! believed when it answers.

use core::net::Ipv4Addr;

use unik_sched::time::{Duration, Instant};

/// Neighbours that are asked for in a second: whoever forges addresses makes us send no more.
const PLACES: usize = 16;
/// How often one of them is asked for.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(3);

/// The neighbours that were asked for last, a ring.
pub(crate) struct Asked {
    /// Each with the time from which on it may be asked for again.
    places: [(Ipv4Addr, Instant); PLACES],
    /// The place of who was asked for before all others.
    oldest: usize,
}

impl Asked {
    /// Nobody.
    pub(crate) const fn new() -> Self {
        Asked { places: [(Ipv4Addr::UNSPECIFIED, Instant::ZERO); PLACES], oldest: 0 }
    }

    /// Whether it is time to ask for `target`. Of the places, strangers who want to be answered get half, so that they
    /// hold up nobody whom the application wants to reach.
    #[inline(never)]
    pub(crate) fn may_ask(&self, target: Ipv4Addr, is_stranger: bool, now: Instant) -> bool {
        let mut free = 0;
        for (known, again) in &self.places {
            if *again <= now {
                free += 1;
            } else if *known == target {
                return false;
            }
        }
        free > if is_stranger { PLACES / 2 } else { 0 }
    }

    /// Notes that `target` is asked for.
    pub(crate) fn note(&mut self, target: Ipv4Addr, now: Instant) {
        if let Some(place) = self.places.get_mut(self.oldest) {
            *place = (target, now + AGAIN);
        }
        self.oldest = (self.oldest + 1) % PLACES;
    }

    /// Takes note of an answer. False when nobody has asked, or somebody else has answered already.
    #[inline(never)]
    pub(crate) fn answered(&mut self, target: Ipv4Addr, now: Instant) -> bool {
        let mut is_awaited = false;
        for (known, again) in &mut self.places {
            if *known == target {
                is_awaited |= *again + (ANSWER - AGAIN) > now;
                *known = Ipv4Addr::UNSPECIFIED;
            }
        }
        is_awaited
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Instant, Ipv4Addr, PLACES};

    fn host(number: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, number as u8)
    }

    #[test]
    fn an_answer_is_believed_once_and_not_for_long() {
        let (mut asked, at) = (Asked::new(), Instant::from_millis);
        assert!(!asked.answered(host(1), at(0)));
        asked.note(host(1), at(0));
        asked.note(host(1), at(1000));
        assert!(!asked.answered(host(2), at(1500)));
        assert!(asked.answered(host(1), at(1500)));
        assert!(!asked.answered(host(1), at(1500)), "somebody else is later");
        asked.note(host(1), at(2000));
        assert!(!asked.answered(host(1), at(5000)));
    }

    #[test]
    fn few_are_asked_for_in_a_second_and_each_once() {
        let (mut asked, at) = (Asked::new(), Instant::from_millis);
        for number in 0..PLACES {
            assert!(asked.may_ask(host(number), false, at(number as u64)));
            asked.note(host(number), at(number as u64));
            assert!(!asked.may_ask(host(number), false, at(500)));
        }
        assert!(!asked.may_ask(host(100), false, at(999)));
        assert!(!asked.may_ask(host(100), true, at(1005)), "strangers get half of the places");
        assert!(asked.may_ask(host(100), false, at(1000)), "the first one is a second old");
        asked.note(host(100), at(1000));
        assert!(!asked.answered(host(0), at(1000)), "the oldest gave its place");
        assert!(asked.answered(host(1), at(1000)));
    }
}
