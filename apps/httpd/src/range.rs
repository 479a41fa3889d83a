//! Parts of a representation (RFC 9110, 14): which bytes a client asks for.

use crate::text::{number, trim};
use core::ops::Range;

/// The most parts of one response; who asks for more gets the whole.
pub(crate) const PART_LIMIT: usize = 16;

/// The bytes asked for, in the order of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parts {
    starts_and_ends: [(usize, usize); PART_LIMIT],
    count: usize,
}

impl Parts {
    /// The part with this index.
    pub(crate) fn get(&self, index: usize) -> Option<Range<usize>> {
        let (start, end) = *self.starts_and_ends.get(..self.count)?.get(index)?;
        Some(start..end)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// Reads the value of a `Range` field in view of a representation of so many bytes: which parts of it are there, perhaps none. `None`
/// where all bytes are to be sent, because the value says nothing that can be understood, or asks for more than is good.
pub(crate) fn select(value: &[u8], length: usize) -> Option<Parts> {
    let mut parts = Parts { starts_and_ends: [(0, 0); PART_LIMIT], count: 0 };
    let (unit, set) = value.split_at_checked(6)?;
    // Nothing is a part of nothing (RFC 9110, 14.2, lets any range be ignored).
    if !unit.eq_ignore_ascii_case(b"bytes=") || length == 0 {
        return None;
    }
    let (mut asked, mut total) = (0, 0_usize);
    for range in set.split(|&byte| byte == b',').map(trim) {
        if range.is_empty() {
            continue;
        }
        asked += 1;
        let part = part(range, length)?;
        if part.is_empty() {
            continue;
        }
        total = total.saturating_add(part.len());
        *parts.starts_and_ends.get_mut(parts.count)? = (part.start, part.end);
        parts.count += 1;
    }
    // More than there are: they overlap, and a small request would have much sent (RFC 9110, 17.15).
    let is_greedy = asked > PART_LIMIT || total > length;
    (asked > 0 && !is_greedy).then_some(parts)
}

/// The bytes of one range, none if it lies behind the end; `None` if it cannot be read (RFC 9110, 14.1.2).
fn part(range: &[u8], length: usize) -> Option<Range<usize>> {
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (range.get(..dash)?, range.get(dash + 1..)?);
    let clamp = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(length);
    if first.is_empty() {
        return Some(length - clamp(number(last)?)..length);
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    (first <= last).then(|| clamp(first)..clamp(last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn selected(value: &str, length: usize) -> Option<Vec<Range<usize>>> {
        let parts = select(value.as_bytes(), length)?;
        Some((0..parts.count()).filter_map(|index| parts.get(index)).collect())
    }

    #[test]
    fn bytes_are_counted_from_either_end() {
        for (value, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-499", 0..100),
            ("bytes=90-", 90..100),
            ("Bytes= 10-19 ,", 10..20),
            ("bytes=-1", 99..100),
            ("bytes=-1000", 0..100),
            ("bytes=99-99999999999999999999999", 99..100),
            ("bytes=1-2,100-", 1..3),
        ] {
            assert_eq!(selected(value, 100), Some(vec![part]), "{value}");
        }
        assert_eq!(selected("bytes=5-6, 0-1,-2", 100), Some(vec![5..7, 0..2, 98..100]));
    }

    #[test]
    fn what_is_behind_the_end_is_not_there() {
        for value in
            ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=18446744073709551616-", "bytes=100-,-0"]
        {
            assert_eq!(selected(value, 100), Some(vec![]), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_asks_for_too_much_gets_the_whole() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=1",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=-",
            "lines=0-1",
            "bytes 0-1",
            "bytes=0-1;2-3",
            "bytes=0x0-1",
            "bytes=0-,0-",
            "bytes=0-59,40-",
        ] {
            assert_eq!(selected(value, 100), None, "{value}");
        }
        let many = |count: usize| std::format!("bytes={}", vec!["1-1"; count].join(","));
        assert_eq!(selected(&many(PART_LIMIT), 100).map(|parts| parts.len()), Some(PART_LIMIT));
        assert_eq!(selected(&many(PART_LIMIT + 1), 100), None);
        assert_eq!(selected("bytes=0-", 0), None);
    }
}
