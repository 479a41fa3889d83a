//! What has been learned and may still be believed.

use alloc::vec::Vec;

use unik_sched::time::{Duration, Instant};

use super::{Addresses, Answer, Kind, Name, NameError};

/// Answers that are kept.
pub const ENTRY_LIMIT: usize = 32;

/// Answers of servers, those that say that there is nothing included (RFC 2308), each for as long as it may be believed.
#[derive(Debug, Default)]
pub struct Cache {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    kind: Kind,
    outcome: Result<Addresses, NameError>,
    until: Instant,
}

impl Cache {
    /// A cache that knows nothing.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// What is known of the addresses of a name.
    pub fn find(&self, now: Instant, name: &Name, kind: Kind) -> Option<Result<Addresses, NameError>> {
        let is_it = |entry: &&Entry| entry.until > now && entry.kind == kind && entry.name == *name;
        self.entries.iter().find(is_it).map(|entry| entry.outcome)
    }

    /// Keeps an answer. Where there is no room for it, the one gives way that would be forgotten first.
    pub fn keep(&mut self, now: Instant, name: &Name, kind: Kind, answer: &Answer) {
        if answer.seconds == 0 {
            return;
        }
        let until = now + Duration::from_secs(answer.seconds.into());
        let entry = Entry { name: *name, kind, outcome: answer.outcome, until };
        let same = self.entries.iter().position(|known| known.kind == kind && known.name == *name);
        if same.is_none() && self.entries.len() < ENTRY_LIMIT && self.entries.try_reserve(1).is_ok() {
            return self.entries.push(entry);
        }
        let earliest =
            || (0..self.entries.len()).min_by_key(|index| self.entries.get(*index).map(|known| known.until));
        let place = same.or_else(earliest).and_then(|index| self.entries.get_mut(index));
        if let Some(place) = place {
            *place = entry;
        }
    }

    /// Answers that are kept, those that may no longer be believed included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
