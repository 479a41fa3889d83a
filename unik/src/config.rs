//! Configuration: the words of the command line, each claimed by the component that knows it.

use crate::outcome::Failure;
use crate::resource::Resource;
use crate::system::System;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

/// Words that are kept; a command line is bounded, and so is their number.
const WORD_LIMIT: usize = 256;

/// Keys that hypervisors add, or that unik reads before any component exists.
const KNOWN: [&str; 8] =
    ["virtio_mmio.device", "reboot", "panic", "pci", "console", "earlyprintk", "log", "i8042.noaux"];

/// The configuration words `key=value`; clones share which of them were claimed.
#[derive(Clone)]
pub struct Config(Rc<Vec<Word>>);

struct Word {
    key: &'static str,
    value: &'static str,
    claimed: Cell<bool>,
}

impl Config {
    pub(crate) fn new(words: impl Iterator<Item = (&'static str, &'static str)>) -> Self {
        let words = words.take(WORD_LIMIT);
        Self(Rc::new(words.map(|(key, value)| Word { key, value, claimed: Cell::new(false) }).collect()))
    }

    /// The value of `key`, empty for a word without `=`. The last one counts where there are several. Asking claims
    /// the word: nobody will complain that it is unknown.
    pub fn get(&self, key: &str) -> Option<&'static str> {
        let mut found = None;
        for word in self.0.iter().filter(|word| word.key == key) {
            word.claimed.set(true);
            found = Some(word.value);
        }
        found
    }

    /// Logs a warning for each word that nobody asked for.
    pub(crate) fn report_unclaimed(&self) {
        for word in self.0.iter() {
            if !word.claimed.get() && !KNOWN.contains(&word.key) {
                log::warn!("nothing in this image knows the configuration word {}", word.key);
            }
        }
    }
}

impl Resource for Config {
    async fn take(system: &System) -> Result<Self, Failure> {
        Ok(system.config().clone())
    }

    fn is_present(_: &System) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_words_counts_and_all_are_claimed() {
        let config = Config::new([("a", "1"), ("b", ""), ("a", "2")].into_iter());
        assert_eq!(config.get("a"), Some("2"));
        assert_eq!(config.get("b"), Some(""));
        assert_eq!(config.get("c"), None);
        assert!(config.0.iter().all(|word| word.claimed.get()));
    }
}
