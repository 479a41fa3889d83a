//! Configuration: the words of the command line, each claimed by the component that knows it.

use crate::outcome::Failure;
use crate::resource::{Resource, at_once};
use crate::system::System;
use core::cell::Cell;
use unik_kernel::command_line::words;

/// Words that are claimed one by one; those behind them can be read, and are never reported.
const WORD_LIMIT: usize = 128;

/// Keys that hypervisors add, or that unik reads before any component exists.
const KNOWN: &str = "virtio_mmio.device reboot panic pci console earlyprintk log i8042.noaux";

/// The configuration words `key=value` of the command line.
#[derive(Clone, Copy)]
pub struct Config(&'static Words);

/// The command line, and for each of its first words whether it was claimed.
pub(crate) struct Words {
    line: &'static str,
    claimed: [Cell<bool>; WORD_LIMIT],
}

impl Words {
    pub(crate) const fn new(line: &'static str) -> Self {
        Self { line, claimed: [const { Cell::new(false) }; WORD_LIMIT] }
    }
}

impl Config {
    pub(crate) fn new(words: &'static Words) -> Self {
        Self(words)
    }

    /// The value of `key`, empty for a word without `=`. The last one counts where there are several. Asking claims
    /// the word: nobody will complain that it is unknown.
    pub fn get(&self, key: &str) -> Option<&'static str> {
        let mut found = None;
        for (index, word) in words(self.0.line).enumerate().filter(|(_, word)| word.key == key) {
            if let Some(claimed) = self.0.claimed.get(index) {
                claimed.set(true);
            }
            found = Some(word.value);
        }
        found
    }

    /// Logs a warning for each word that nobody asked for.
    #[inline(never)]
    pub(crate) fn report_unclaimed(&self) {
        for (claimed, word) in self.0.claimed.iter().zip(words(self.0.line)) {
            if !claimed.get() && !words(KNOWN).any(|known| known.key == word.key) {
                log::warn!("nothing in this image knows the configuration word {}", word.key);
            }
        }
    }
}

impl Resource for Config {
    fn take<const LOOKED: bool>(system: &System) -> impl Future<Output = Result<Self, Failure>> {
        at_once(|| Ok(system.config()))
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
        let words = Box::leak(Box::new(Words::new("a=1 b a=2 log=info d=4")));
        let config = Config::new(words);
        assert_eq!(config.get("a"), Some("2"));
        assert_eq!(config.get("b"), Some(""));
        assert_eq!(config.get("c"), None);
        assert_eq!(
            config.0.claimed.iter().map(Cell::get).collect::<Vec<_>>()[..5],
            [true, true, true, false, false]
        );
    }

    #[test]
    fn words_beyond_the_limit_are_read_all_the_same() {
        let line = (0..WORD_LIMIT + 10).map(|index| format!("k{index}={index} ")).collect::<String>();
        let config = Config::new(Box::leak(Box::new(Words::new(line.leak()))));
        assert_eq!(config.get("k137"), Some("137"));
        config.report_unclaimed();
    }
}
