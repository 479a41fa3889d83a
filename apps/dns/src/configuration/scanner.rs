//! Words of the file: blanks, comments and quotation marks, as NSD reads them.

/// A mistake before its line and column are counted.
#[derive(Clone, Copy)]
pub(super) struct Mistake {
    /// Offset in the file.
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

/// A word, quotation marks taken off.
#[derive(Clone, Copy)]
pub(super) struct Word<'f> {
    pub(super) text: &'f [u8],
    /// Offset of its first character, or of its quotation mark.
    pub(super) at: usize,
    /// Offset behind it.
    pub(super) end: usize,
    is_quoted: bool,
}

impl<'f> Word<'f> {
    pub(super) const NONE: Self = Self { text: &[], at: 0, end: 0, is_quoted: false };

    /// What it is as a word of the language: in quotation marks, none.
    pub(super) fn unquoted(&self) -> &'f [u8] {
        if self.is_quoted { &[] } else { self.text }
    }
}

/// Finds the words of a file.
pub(super) struct Scanner<'f> {
    bytes: &'f [u8],
    at: usize,
    /// What was found last.
    pub(super) word: Word<'f>,
    /// What was wrong.
    pub(super) mistake: Mistake,
}

impl<'f> Scanner<'f> {
    pub(super) fn new(bytes: &'f [u8]) -> Self {
        // Editors of some systems put a byte order mark first.
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { bytes, at, word: Word::NONE, mistake: Mistake { at: 0, expected: "" } }
    }

    /// Octets of the file.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Notes that at the place `at` something else was expected.
    #[inline(always)]
    pub(super) fn fail<T>(&mut self, at: usize, expected: &'static str) -> Option<T> {
        self.note(at, expected);
        None
    }

    #[inline(never)]
    fn note(&mut self, at: usize, expected: &'static str) {
        self.mistake = Mistake { at, expected };
    }

    /// Goes on to the next word, if there is one.
    pub(super) fn advance(&mut self) -> Option<bool> {
        loop {
            if self.advance_in_line()? {
                return Some(true);
            }
            if self.at == self.bytes.len() {
                return Some(false);
            }
            self.at += 1; // the end of the line
        }
    }

    /// Goes on to the next word of the line, if there is one.
    #[inline(never)]
    pub(super) fn advance_in_line(&mut self) -> Option<bool> {
        self.skip(|octet| matches!(octet, b' ' | b'\t' | b'\r'));
        let start = self.at;
        match self.bytes.get(start) {
            None | Some(b'\n') => return Some(false),
            Some(b'#') => {
                self.skip(|octet| octet != b'\n');
                return Some(false);
            }
            Some(b'"') => {}
            Some(_) => {
                self.skip(|octet| !matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'"'));
                self.word = Word { text: self.since(start), at: start, end: self.at, is_quoted: false };
                return Some(true);
            }
        }
        self.at += 1;
        self.skip(|octet| octet != b'"' && octet != b'\n');
        let text = self.since(start + 1);
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.fail(start, "expected a closing quotation mark for this one on the same line");
        }
        self.at += 1;
        self.word = Word { text, at: start, end: self.at, is_quoted: true };
        Some(true)
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|octet| is_skipped(*octet)) {
            self.at += 1;
        }
    }

    fn since(&self, start: usize) -> &'f [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }
}

/// The line and the character at `at`, each counted from 1.
pub(super) fn locate(bytes: &[u8], at: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    for &octet in bytes.iter().take(at) {
        if octet == b'\n' {
            (line, column) = (line + 1, 1);
        } else if octet & 0xc0 != 0x80 {
            column += 1; // the later octets of a UTF-8 character are not counted
        }
    }
    (line, column)
}
