//! Lines out of a stream: where the head of a request ends, or another section of lines.
//!
//! Each line ends with CR LF (RFC 9112, 2.2), whatever else a lenient recipient may take: a CR or LF alone, and any other
//! control character but the tabulator, is refused where it stands, so that nobody in front of this server can see lines
//! where it sees none. What is found does not depend on how the bytes are cut.

use crate::status::Status;
use crate::text::run_of_text;
use core::cmp::min;

/// Bytes that lines may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    /// Bytes of one line with its end.
    pub(crate) line: usize,
    /// Bytes of all of them.
    pub(crate) section: usize,
}

/// How far a section has been looked through.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Scan {
    at: usize,
    /// Where the line begins that `at` lies in.
    line: usize,
}

/// What a look at a section found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// It has not arrived whole.
    Incomplete,
    /// It ends here, behind an empty line.
    End(usize),
    /// There is a character that cannot be.
    BadCharacter,
    /// The first line is too long.
    LongFirstLine,
    /// Another line is too long, or there are too many.
    TooLong,
}

impl Scan {
    /// Goes on to the end of a section that begins with `bytes`, each time more of it.
    pub(crate) fn section(&mut self, bytes: &[u8], bounds: Bounds) -> Found {
        loop {
            match self.line(bytes, bounds) {
                Ok(Some(0)) => return Found::End(self.at),
                Ok(Some(_)) => {}
                Ok(None) => return Found::Incomplete,
                Err(found) => return found,
            }
        }
    }

    /// Goes on to the end of one line that begins with `bytes`: its length without the end, once it is there.
    pub(crate) fn one_line(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<usize>, Status> {
        self.line(bytes, bounds).map_err(|_| Status::BAD_REQUEST)
    }

    /// Goes on to the end of the line: its length without the end.
    #[inline]
    fn line(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<usize>, Found> {
        let limit = min(self.line.saturating_add(bounds.line), bounds.section);
        let present = bytes.get(..min(limit, bytes.len())).unwrap_or_default();
        let rest = present.get(self.at..).unwrap_or_default();
        self.at += run_of_text(rest);
        match present.get(self.at..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                let length = self.at - self.line;
                self.at += 2;
                self.line = self.at;
                Ok(Some(length))
            }
            [] | [b'\r'] if present.len() < limit => Ok(None),
            [] | [b'\r'] if self.line == 0 => Err(Found::LongFirstLine),
            [] | [b'\r'] => Err(Found::TooLong),
            _ => Err(Found::BadCharacter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BOUNDS: Bounds = Bounds { line: 8, section: 20 };

    /// What is found in `bytes` when they come at once, which is also found when they come one by one.
    fn found(bytes: &[u8]) -> Found {
        let at_once = Scan::default().section(bytes, BOUNDS);
        let mut scan = Scan::default();
        let first = (0..=bytes.len()).map(|length| scan.section(&bytes[..length], BOUNDS));
        let one_by_one: Vec<Found> = first.collect();
        let decided = one_by_one.iter().find(|found| **found != Found::Incomplete);
        assert_eq!(decided.unwrap_or(&Found::Incomplete), &at_once, "{bytes:?}");
        at_once
    }

    #[test]
    fn a_section_ends_behind_its_empty_line() {
        assert_eq!(found(b"a\r\nb\t c\r\n\r\nrest"), Found::End(11));
        assert_eq!(found(b"\r\n"), Found::End(2));
        assert_eq!(found(b"a\r\n\r"), Found::Incomplete);
        assert_eq!(found(b""), Found::Incomplete);
    }

    #[test]
    fn control_characters_are_refused() {
        for bytes in [&b"a\nb"[..], b"a\rb", b"\r\r\n", b"a\0", b"a\x7f", b"\x16\x03", b"a\r\n\n", b"\n"] {
            assert_eq!(found(bytes), Found::BadCharacter, "{bytes:?}");
        }
        assert_eq!(found(b"\xff\x80\r\n\r\n"), Found::End(6));
    }

    #[test]
    fn lines_and_sections_are_bounded() {
        assert_eq!(found(b"123456\r\n\r\n"), Found::End(10));
        assert_eq!(found(b"1234567\r\n\r\n"), Found::LongFirstLine);
        assert_eq!(found(b"12345678"), Found::LongFirstLine);
        assert_eq!(found(b"1\r\n1234567\r\n\r\n"), Found::TooLong);
        assert_eq!(found(b"123456\r\n123456\r\n\r\n"), Found::End(18));
        assert_eq!(found(b"123456\r\n123456\r\n12\r\n\r\n"), Found::TooLong);
        assert_eq!(found(b"12345678\n"), Found::LongFirstLine, "the bound comes first");
    }
}
