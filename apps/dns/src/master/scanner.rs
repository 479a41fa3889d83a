//! Words of a master file: blanks, comments, quotation marks, parentheses and escapes (RFC 1035, 5.1).

use super::problem::{Mistake, Problem};

/// One of so many is foreseen that is perhaps not needed.
const SPARE: u64 = 32;

/// Finds the words of a file, entry by entry.
pub(super) struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the file begins among all files of the zone.
    base: u32,
    /// Parentheses that are open. Inside them the end of a line is a blank.
    depth: u32,
    /// Where the outermost open parenthesis stands.
    opened: usize,
    /// Where the last word ended.
    end_of_word: usize,
    /// The entry has no more words.
    has_ended: bool,
    /// What was found last.
    word: Word<'b>,
}

/// A word as it stands in the file, escapes unresolved, quotation marks taken off.
#[derive(Clone, Copy)]
pub(super) struct Word<'b> {
    pub(super) text: &'b [u8],
    /// Offset of its first character, or of its quotation mark.
    pub(super) at: u32,
    pub(super) is_quoted: bool,
}

impl<'b> Scanner<'b> {
    /// Reads `bytes`; places in them are offsets from `base` on.
    pub(super) fn new(bytes: &'b [u8], base: u32) -> Self {
        // Editors of some systems put a byte order mark first.
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let word = Word { text: &[], at: 0, is_quoted: false };
        Self { bytes, at, base, depth: 0, opened: 0, end_of_word: 0, has_ended: false, word }
    }

    /// Goes on to the first word of the next entry: whether the entry begins with a blank. `None` at the end.
    pub(super) fn entry(&mut self) -> Result<Option<bool>, Mistake> {
        while let Some(first) = self.bytes.get(self.at) {
            let is_blank = matches!(first, b' ' | b'\t');
            self.has_ended = false;
            if self.advance()? {
                return Ok(Some(is_blank));
            }
        }
        Ok(None)
    }

    /// The word that was found last.
    pub(super) fn word(&self) -> Word<'b> {
        self.word
    }

    /// Goes on to the next word of the entry. False where the entry ends, and from then on until [`Scanner::entry`].
    pub(super) fn advance(&mut self) -> Result<bool, Mistake> {
        if self.has_ended {
            return Ok(false);
        }
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b';' => self.skip_comment(),
                b'\n' => {
                    self.at += 1;
                    if self.depth == 0 {
                        self.has_ended = true;
                        return Ok(false);
                    }
                }
                b'(' => {
                    if self.depth == 0 {
                        self.opened = self.at;
                    }
                    self.depth += 1;
                    self.at += 1;
                }
                b')' => {
                    let unopened = self.mistake(Problem::UnopenedParenthesis);
                    self.depth = self.depth.checked_sub(1).ok_or(unopened)?;
                    self.at += 1;
                }
                b'"' => return self.quoted(),
                _ => return self.plain(),
            }
        }
        match self.depth {
            0 => Ok(false),
            _ => Err(Mistake { at: self.place(self.opened), problem: Problem::UnclosedParenthesis }),
        }
    }

    /// How many more the rest of the file is going to bring of what the part before brought `so_far`, and a few to spare. The
    /// beginning says little of the end, so no more is foreseen than seven times as much again.
    #[inline(never)]
    pub(super) fn promised(&self, so_far: usize) -> usize {
        let left = self.bytes.len().saturating_sub(self.at).min(7 * self.at);
        let more = so_far as u64 * left as u64 / self.at.max(1) as u64;
        (more + more / SPARE) as usize
    }

    /// Where the last word ended: the place to name when one is missing.
    pub(super) fn end_of_word(&self) -> u32 {
        self.place(self.end_of_word)
    }

    /// The rest of the line as it stands there; the entry has no more words.
    pub(super) fn line(&mut self) -> &'b [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or(&[]).trim_ascii_start()
    }

    /// The place of offset `at`, which is one among all files of the zone.
    fn place(&self, at: usize) -> u32 {
        self.base + at as u32 // at most MAX_FILE
    }

    fn mistake(&self, problem: Problem) -> Mistake {
        Mistake { at: self.place(self.at), problem }
    }

    fn skip_comment(&mut self) {
        while self.bytes.get(self.at).is_some_and(|&byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn plain(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                b'\\' => self.skip_escape()?,
                _ => self.at += 1,
            }
        }
        self.finish(start, 0);
        Ok(true)
    }

    fn quoted(&mut self) -> Result<bool, Mistake> {
        let mark = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.skip_escape()?,
                Some(b'\n') | None => {
                    return Err(Mistake { at: self.place(mark), problem: Problem::UnclosedQuote });
                }
                Some(_) => self.at += 1,
            }
        }
        self.finish(mark, 1);
        Ok(true)
    }

    /// Goes past a backslash and the character that it keeps from having a meaning.
    fn skip_escape(&mut self) -> Result<(), Mistake> {
        match self.bytes.get(self.at + 1) {
            None | Some(b'\n' | b'\r') => Err(self.mistake(Problem::BadEscape)),
            Some(_) => {
                self.at += 2;
                Ok(())
            }
        }
    }

    /// Takes the word from `start` to here, with `marks` quotation marks on each side.
    fn finish(&mut self, start: usize, marks: usize) {
        let text = self.bytes.get(start + marks..self.at).unwrap_or(&[]);
        self.at += marks;
        self.end_of_word = self.at;
        self.word = Word { text, at: self.place(start), is_quoted: marks > 0 };
    }
}

impl<'b> Word<'b> {
    /// The mistake that this word is.
    pub(super) fn mistake(&self, problem: Problem) -> Mistake {
        Mistake { at: self.at, problem }
    }

    /// The characters, escapes resolved.
    pub(super) fn letters(&self) -> Letters<'b> {
        Letters { text: self.text, at: 0, start: self.at + u32::from(self.is_quoted) }
    }
}

/// The characters of a word one after the other.
pub(super) struct Letters<'b> {
    text: &'b [u8],
    at: usize,
    /// Offset of the text in the file.
    start: u32,
}

/// One character of a word.
pub(super) struct Letter {
    pub(super) byte: u8,
    pub(super) is_escaped: bool,
    /// Offset in the word.
    pub(super) at: u32,
}

impl Letters<'_> {
    /// The next character: itself, `\X` for X, or `\DDD` for the octet with that decimal number.
    pub(super) fn next(&mut self) -> Result<Option<Letter>, Mistake> {
        let at = self.at;
        let Some(&byte) = self.text.get(at) else { return Ok(None) };
        if byte != b'\\' {
            self.at += 1;
            return Ok(Some(Letter { byte, is_escaped: false, at: at as u32 }));
        }
        let bad = Mistake { at: self.start + at as u32, problem: Problem::BadEscape };
        let first = *self.text.get(at + 1).ok_or(bad)?;
        if !first.is_ascii_digit() {
            self.at += 2;
            return Ok(Some(Letter { byte: first, is_escaped: true, at: at as u32 }));
        }
        let mut number = 0;
        for digit in self.text.get(at + 1..at + 4).ok_or(bad)? {
            if !digit.is_ascii_digit() {
                return Err(bad);
            }
            number = number * 10 + u32::from(digit - b'0');
        }
        self.at += 4;
        let byte = u8::try_from(number).map_err(|_| bad)?;
        Ok(Some(Letter { byte, is_escaped: true, at: at as u32 }))
    }
}
