//! The journal: the last records of the log.
//!
//! Records lie whole and one behind the other in a fixed piece of memory; a new one takes the place of the oldest. It is
//! what the inspection channel reads, and what a debugger finds in a dead image. Pure: the machine's console keeps one,
//! a Linux process another. Invariant: the `next - first` records lie from `head` on, up to `wrap` where there is one, then
//! from the beginning.

use core::fmt::{self, Write};
use log::Level;

/// Bytes of memory.
const SIZE: usize = 16 << 10;
/// The most bytes of a record's text; of a longer one the rest is cut off.
pub const TEXT_LIMIT: usize = 1000;
/// The most bytes of a target.
const TARGET_LIMIT: usize = 80;
/// Bytes in front of target and text: the length of all, the length of the target, the level, the time.
const HEADER: usize = 12;
const RECORD_LIMIT: usize = HEADER + TARGET_LIMIT + TEXT_LIMIT;

/// The last records of the log.
pub struct Journal {
    memory: [u8; SIZE],
    /// Where the oldest record lies, where the next one will, and where those at the end stop.
    head: usize,
    tail: usize,
    wrap: Option<usize>,
    /// The number of the oldest record, and of the next one.
    first: u64,
    next: u64,
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number; they count from 0.
    pub number: u64,
    /// Nanoseconds since the start.
    pub time: u64,
    /// How grave it is.
    pub level: Level,
    /// The module that wrote it.
    pub target: &'a str,
    /// What it says.
    pub text: &'a str,
}

impl Journal {
    /// A journal without records.
    pub const fn new() -> Self {
        Self { memory: [0; SIZE], head: 0, tail: 0, wrap: None, first: 0, next: 0 }
    }

    /// Writes a record, and returns its text as it stands there.
    pub fn write(&mut self, time: u64, record: &log::Record<'_>) -> Option<&[u8]> {
        self.make_room();
        let place: &mut [u8; RECORD_LIMIT] = self.memory.get_mut(self.tail..)?.first_chunk_mut()?;
        let mut cursor = Cursor { place, length: HEADER };
        let target = record.target().as_bytes();
        let target = target.get(..TARGET_LIMIT).unwrap_or(target);
        cursor.push(target);
        // The cursor never fails; a Display that does loses its own text only.
        let _ = cursor.write_fmt(*record.args());
        let length = cursor.length;
        let lengths = length as u64 | (target.len() as u64) << 16 | (record.level() as u64) << 24;
        // The upper half is the lower one of the time.
        let header = u128::from(time) << 32 | u128::from(lengths);
        place.get_mut(..HEADER)?.copy_from_slice(header.to_le_bytes().get(..HEADER)?);
        self.tail += length;
        self.next += 1;
        place.get(HEADER + target.len()..length)
    }

    /// The numbers of the records that are there.
    pub fn numbers(&self) -> core::ops::Range<u64> {
        self.first..self.next
    }

    /// Calls `visit` for each record from `number` on, until that returns false.
    pub fn read(&self, number: u64, visit: &mut dyn FnMut(&Entry<'_>) -> bool) {
        let mut at = self.head;
        for this in self.first..self.next {
            let Some(entry) = self.entry(at, this) else { return };
            if this >= number && !visit(&entry) {
                return;
            }
            at = self.behind(at);
        }
    }

    /// Gives up the oldest records until the largest possible one fits at `tail`.
    fn make_room(&mut self) {
        if self.tail + RECORD_LIMIT > SIZE {
            self.wrap = Some(self.tail);
            self.tail = 0;
        }
        while self.first < self.next && (self.tail..self.tail + RECORD_LIMIT).contains(&self.head) {
            self.head = self.behind(self.head);
            self.first += 1;
        }
    }

    /// Where the record behind the one at `at` lies.
    fn behind(&self, at: usize) -> usize {
        let next = at + self.header(at).map_or(0, |(length, _, _)| length);
        if self.wrap.is_some_and(|wrap| next >= wrap) { 0 } else { next }
    }

    /// Length, length of the target, and level of the record at `at`.
    fn header(&self, at: usize) -> Option<(usize, usize, u8)> {
        let [low, high, target, level] = *self.memory.get(at..)?.first_chunk()?;
        Some((usize::from(u16::from_le_bytes([low, high])), usize::from(target), level))
    }

    fn entry(&self, at: usize, number: u64) -> Option<Entry<'_>> {
        let (length, target, level) = self.header(at)?;
        let bytes = self.memory.get(at..at + length)?;
        let time = u64::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
        let (target, text) = bytes.get(HEADER..)?.split_at_checked(target)?;
        let level = Level::iter().find(|known| *known as u8 == level)?;
        Some(Entry { number, time, level, target: text_of(target), text: text_of(text) })
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

/// The text in bytes of which the last character may have been cut.
fn text_of(bytes: &[u8]) -> &str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            bytes.get(..error.valid_up_to()).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
        }
    }
}

/// Writes text to the place of a record; what does not fit is left out.
struct Cursor<'a> {
    place: &'a mut [u8; RECORD_LIMIT],
    length: usize,
}

impl Cursor<'_> {
    fn push(&mut self, text: &[u8]) {
        for (place, byte) in self.place.iter_mut().skip(self.length).zip(text) {
            *place = *byte;
            self.length += 1;
        }
    }
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }

    // Padding is all that arrives by the character.
    fn write_char(&mut self, character: char) -> fmt::Result {
        self.push(&[u8::try_from(character).unwrap_or(b'?')]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn write(journal: &mut Journal, time: u64, target: &str, text: &str) {
        let mut builder = log::Record::builder();
        builder.level(Level::Warn).target(target);
        let written = journal.write(time, &builder.args(format_args!("{text}")).build());
        assert!(written.is_some_and(|written| text.as_bytes().starts_with(written)));
    }

    fn texts(journal: &Journal, from: u64) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        journal.read(from, &mut |entry| {
            found.push((entry.number, entry.text.to_string()));
            true
        });
        found
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut journal = Journal::new();
        write(&mut journal, u64::MAX, "unik_net::tcp", "the lease is lost");
        journal.read(0, &mut |entry| {
            let text = "the lease is lost";
            let expected =
                Entry { number: 0, time: u64::MAX, level: Level::Warn, target: "unik_net::tcp", text };
            assert_eq!(*entry, expected);
            true
        });
        assert_eq!(journal.numbers(), 0..1);
    }

    #[test]
    fn the_newest_records_stay_whatever_their_lengths() {
        let mut journal = Journal::new();
        let mut written = Vec::new();
        for number in 0..5000_u64 {
            let text = "x".repeat((number as usize * 37) % (TEXT_LIMIT + 1));
            write(&mut journal, number, "target", &text);
            written.push((number, text));
            let kept = texts(&journal, 0);
            let first = journal.numbers().start as usize;
            assert_eq!(kept, written[first..], "after {number}");
            let bytes: usize = kept.iter().map(|(_, text)| HEADER + 6 + text.len()).sum();
            assert!(first == 0 || bytes + 3 * RECORD_LIMIT > SIZE, "{bytes} bytes are kept after {number}");
        }
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let mut journal = Journal::new();
        for number in 0..10 {
            write(&mut journal, 0, "t", &format!("{number}"));
        }
        let mut seen = Vec::new();
        journal.read(4, &mut |entry| {
            seen.push(entry.number);
            seen.len() < 2
        });
        assert_eq!(seen, [4, 5]);
        assert!(texts(&journal, 10).is_empty());
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let mut journal = Journal::new();
        let (target, text) = ("ä".repeat(TARGET_LIMIT), "aß".repeat(TEXT_LIMIT));
        write(&mut journal, 0, &target, &text);
        let (number, kept) = texts(&journal, 0).remove(0);
        assert_eq!(number, 0);
        assert!(kept.len() >= TEXT_LIMIT - 1 && text.starts_with(&kept));
    }
}
