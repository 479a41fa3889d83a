//! Lines on their way from whoever writes them, who never waits, to a task that carries them elsewhere.
//!
//! They lie whole and one behind the other in a fixed piece of memory. Each has the largest possible place while it is being
//! written, and takes what it needs. Invariant: the `count` lines lie from `head` on, up to `wrap` where there is one, then
//! from the beginning; they end at `tail`.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt::{self, Write};
use core::task::{Context, Poll};

use super::Event;
use crate::counter::CounterSet;
use crate::has_memory;
use crate::time::Instant;

/// Bytes in front of a line: its length and its time.
const HEADER: usize = 10;
const PLACE: usize = HEADER + Lines::LIMIT;

crate::counters! {
    /// What became of the lines.
    struct LineCounters {
        /// Lines that were written.
        written,
        /// Lines that found no room, and are lost.
        dropped,
        /// Lines of which the end is lost, because they were too long.
        cut,
    }
}

/// A bounded queue of lines; clones share it. A line that finds no room is dropped and counted: whoever writes never waits.
///
/// ```
/// use core::fmt::Write;
/// use unik_sched::sync::Lines;
/// use unik_sched::time::Instant;
///
/// let lines = Lines::try_new(4096).expect("there is memory");
/// lines.write(Instant::ZERO, &mut |line| {
///     line.push(b"GET ");
///     let _ = write!(line, "/{}", 7);
/// });
/// assert!(lines.take(&mut |_, text| assert_eq!(text, "GET /7")));
/// assert!(!lines.take(&mut |_, _| {}));
/// ```
#[derive(Clone)]
pub struct Lines(Rc<Shared>);

struct Shared {
    ring: RefCell<Ring>,
    /// There are some, where there were none.
    news: Event,
    counters: LineCounters,
}

struct Ring {
    memory: Vec<u8>,
    head: usize,
    tail: usize,
    wrap: Option<usize>,
    count: usize,
}

impl Lines {
    /// The most bytes of a line; of a longer one the rest is cut off.
    pub const LIMIT: usize = 1000;

    /// A queue in so many bytes of memory, which are at least those of one line. `None` if there are not so many.
    pub fn try_new(bytes: usize) -> Option<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes.max(PLACE)).ok()?;
        memory.resize(bytes.max(PLACE), 0);
        let ring = RefCell::new(Ring { memory, head: 0, tail: 0, wrap: None, count: 0 });
        has_memory(size_of::<Shared>(), 2)
            .then(|| Self(Rc::new(Shared { ring, news: Event::new(), counters: LineCounters::new() })))
    }

    /// Lets `write` write a line of the moment `time`, if there is room for one.
    pub fn write(&self, time: Instant, write: &mut dyn FnMut(&mut Line<'_>)) {
        let Shared { ring, news, counters } = &*self.0;
        // Whoever writes a line while one is written or read loses it.
        let written = ring.try_borrow_mut().ok().and_then(|mut ring| ring.write(time, write));
        let Some((is_first, is_cut)) = written else { return counters.dropped.increment() };
        counters.written.increment();
        counters.cut.add(is_cut.into());
        if is_first {
            news.set();
        }
    }

    /// Shows `read` the oldest line with its moment, and removes it. False if there is none.
    pub fn take(&self, read: &mut dyn FnMut(Instant, &str)) -> bool {
        self.0.ring.try_borrow_mut().is_ok_and(|mut ring| ring.take(read).is_some())
    }

    /// Whether there may be a line; if not, the task of `cx` is woken when one is written. One task waits, and takes all lines before
    /// it waits again.
    pub fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.news.poll_wait(cx)
    }

    /// What became of them, for a register.
    pub fn counters(&self) -> Rc<dyn CounterSet> {
        Rc::new(Counted(self.clone()))
    }
}

struct Counted(Lines);

impl CounterSet for Counted {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        self.0.0.counters.visit(visit);
    }
}

impl Ring {
    /// Whether the new line is the only one, and whether its end is lost. `None` if there is no room.
    fn write(&mut self, time: Instant, write: &mut dyn FnMut(&mut Line<'_>)) -> Option<(bool, bool)> {
        if self.count == 0 {
            (self.head, self.tail, self.wrap) = (0, 0, None);
        }
        if self.wrap.is_none() && self.tail + PLACE > self.memory.len() && PLACE <= self.head {
            self.wrap = Some(self.tail);
            self.tail = 0;
        }
        let end = if self.wrap.is_some() { self.head } else { self.memory.len() };
        let place = self.memory.get_mut(self.tail..end)?.get_mut(..PLACE)?;
        let (header, place) = place.split_at_mut(HEADER);
        let mut line = Line { place, length: 0, is_cut: false };
        write(&mut line);
        let (length, is_cut) = (line.length, line.is_cut);
        let (first, second) = header.split_at_mut(2);
        first.copy_from_slice(&(length as u16).to_le_bytes());
        second.copy_from_slice(&time.as_nanos().to_le_bytes());
        self.tail += HEADER + length;
        self.count += 1;
        Some((self.count == 1, is_cut))
    }

    fn take(&mut self, read: &mut dyn FnMut(Instant, &str)) -> Option<()> {
        if self.count == 0 {
            return None;
        }
        let bytes = self.memory.get(self.head..)?;
        let (length, rest) = bytes.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let text = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        self.head += HEADER + text.len();
        self.count -= 1;
        if self.wrap == Some(self.head) {
            (self.head, self.wrap) = (0, None);
        }
        // The last character may have been cut.
        let text = match str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => text.get(..error.valid_up_to()).and_then(|text| str::from_utf8(text).ok())?,
        };
        read(Instant::from_nanos(u64::from_le_bytes(*time)), text);
        Some(())
    }
}

/// A line being written. What does not fit is left out.
pub struct Line<'a> {
    place: &'a mut [u8],
    length: usize,
    is_cut: bool,
}

impl Line<'_> {
    /// Appends text.
    #[inline(never)]
    pub fn push(&mut self, text: &[u8]) {
        let rest = self.place.get_mut(self.length..).unwrap_or_default();
        let length = text.len().min(rest.len());
        self.is_cut |= length < text.len();
        for (place, byte) in rest.iter_mut().zip(text) {
            *place = *byte;
        }
        self.length += length;
    }

    /// Bytes for which there is room.
    pub fn room(&self) -> usize {
        self.place.len() - self.length
    }
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::format;
    use std::string::{String, ToString};

    fn write(lines: &Lines, number: u64, text: &str) {
        lines.write(Instant::from_nanos(number), &mut |line| line.push(text.as_bytes()));
    }

    fn take(lines: &Lines) -> Option<(u64, String)> {
        let mut taken = None;
        let is_there = lines.take(&mut |time, text| taken = Some((time.as_nanos(), text.to_string())));
        assert_eq!(is_there, taken.is_some());
        taken
    }

    #[test]
    fn lines_come_out_in_their_order_or_are_counted_as_dropped() {
        let lines = Lines::try_new(5000).expect("there is memory");
        let (mut model, mut state, mut dropped) = (VecDeque::new(), 1_u64, 0);
        for number in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if state >> 63 == 0 {
                assert_eq!(take(&lines), model.pop_front(), "before {number}");
                continue;
            }
            let text = "x".repeat((state >> 40) as usize % 400);
            write(&lines, number, &text);
            if lines.0.counters.dropped.get() == dropped {
                model.push_back((number, text));
            } else {
                dropped += 1;
                let used: usize = model.iter().map(|(_, text)| HEADER + text.len()).sum();
                assert!(used + 3 * PLACE > 5000, "{used} bytes are in use");
            }
        }
        assert!(dropped > 100);
        assert_eq!(lines.0.counters.written.get() as usize + dropped as usize, {
            let mut seen = 0;
            lines.counters().visit(&mut |name, value| {
                if name != "cut" {
                    seen += value as usize
                }
            });
            seen
        });
        while let Some(line) = take(&lines) {
            assert_eq!(Some(line), model.pop_front());
        }
        assert!(model.is_empty());
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_counted() {
        let lines = Lines::try_new(0).expect("there is memory");
        let text = "ä".repeat(Lines::LIMIT);
        write(&lines, 1, &format!("x{text}"));
        let (_, taken) = take(&lines).expect("a line");
        assert_eq!(taken, format!("x{}", "ä".repeat((Lines::LIMIT - 1) / 2)));
        assert_eq!(lines.0.counters.cut.get(), 1);
        write(&lines, 2, "whole");
        write(&lines, 3, "dropped");
        assert_eq!((take(&lines), take(&lines)), (Some((2, "whole".to_string())), None));
        assert_eq!(lines.0.counters.dropped.get(), 1);
    }

    #[test]
    fn a_line_written_while_one_is_read_is_dropped() {
        let lines = Lines::try_new(0).expect("there is memory");
        write(&lines, 1, "one");
        assert!(lines.take(&mut |_, _| write(&lines, 2, "two")));
        assert_eq!((take(&lines), lines.0.counters.dropped.get()), (None, 1));
    }
}
