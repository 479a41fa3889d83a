//! Reads TOML, as far as the files of appliances have use for it: tables, lists of tables, keys, and values whose kind the caller knows.
//!
//! A [`Reader`] goes through the file once, a [`Line`] at a time; whoever reads a key asks it for the value, and for the
//! end of the line. What it takes is TOML 1.1 and means the same there, which tests hold it to; what it refuses may be TOML all the
//! same: keys with dots, escapes and strings of several lines. So every string is a piece of the file, and nothing here needs memory.
//! That each table and each key stands once is for the caller to see. Invariant: a [`Mistake`] is at a place of the file.
//!
//! ```
//! use unik_toml::{Line, Reader};
//!
//! let mut reader = Reader::new("[door]\nopen = true # today\n");
//! assert_eq!(reader.line(), Ok((1, Line::Table("door"))));
//! assert_eq!(reader.line(), Ok((7, Line::Key("open"))));
//! assert_eq!(reader.flag(), Ok(true));
//! assert_eq!(reader.end(), Ok(()));
//! assert_eq!(reader.line(), Ok((27, Line::End)));
//! ```

#![no_std]
#![forbid(unsafe_code)]

/// What is wrong, and where in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The bytes in front of it.
    pub at: usize,
    /// A sentence that begins with "expected".
    pub expected: &'static str,
}

/// What a line begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// `[name]`.
    Table(&'a str),
    /// `[[name]]`.
    Element(&'a str),
    /// `name =`, of which the value follows.
    Key(&'a str),
    /// The end of the file.
    End,
}

/// A file that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `text` from its start.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next word begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next line that is not empty, read up to its value, and where its name begins.
    ///
    /// # Errors
    /// It is no line, or has a character that TOML forbids.
    pub fn line(&mut self) -> Result<(usize, Line<'a>), Mistake> {
        self.skip_lines()?;
        let at = self.at;
        match self.peek() {
            None => Ok((at, Line::End)),
            Some(b'[') => self.header(),
            Some(_) => Ok((at, Line::Key(self.key()?))),
        }
    }

    fn header(&mut self) -> Result<(usize, Line<'a>), Mistake> {
        self.at += 1;
        let is_element = self.take(b'[');
        self.skip_blanks();
        let at = self.at;
        let name = self.run(&|byte| is_bare(byte) || byte == b'.');
        self.skip_blanks();
        if name.is_empty() || !self.take(b']') || is_element && !self.take(b']') {
            return self.fail("expected the name of a table in brackets");
        }
        self.end()?;
        Ok((at, if is_element { Line::Element(name) } else { Line::Table(name) }))
    }

    /// A key, and the sign behind it.
    ///
    /// # Errors
    /// There is none.
    pub fn key(&mut self) -> Result<&'a str, Mistake> {
        let key = match self.peek() {
            Some(b'"' | b'\'') => self.text()?,
            _ => self.run(&is_bare),
        };
        self.skip_blanks();
        if key.is_empty() || !self.take(b'=') {
            return self.fail("expected a key, = and a value");
        }
        self.skip_blanks();
        Ok(key)
    }

    /// The end of a line, which a comment may stand in front of.
    ///
    /// # Errors
    /// Something else stands here.
    pub fn end(&mut self) -> Result<(), Mistake> {
        self.skip_blanks();
        self.skip_comment();
        match self.peek() {
            None => Ok(()),
            Some(_) if self.take_newline() => Ok(()),
            Some(_) => self.fail("expected the end of the line"),
        }
    }

    /// A string in quotes of either kind, on one line and without escapes.
    ///
    /// # Errors
    /// Something else stands here.
    pub fn text(&mut self) -> Result<&'a str, Mistake> {
        let start = self.at;
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return self.fail("expected text in quotes") };
        self.at += 1;
        let text = self.run(&|byte| byte != quote && !is_control(byte));
        if !self.take(quote) || text.is_empty() && self.peek() == Some(quote) {
            self.at = start;
            return self.fail("expected text that ends with its quote, in the same line");
        }
        if quote == b'"' && text.as_bytes().contains(&b'\\') {
            self.at = start;
            return self
                .fail("expected text without escapes: in single quotes, \\ is a character like others");
        }
        Ok(text)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Something else stands here.
    pub fn flag(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        match self.run(&is_bare) {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => {
                self.at = start;
                self.fail("expected true or false")
            }
        }
    }

    /// A number, or whatever else is of letters and digits.
    pub fn word(&mut self) -> &'a str {
        self.run(&is_bare)
    }

    /// The elements of a list in brackets, or of a table in braces, each of which `element` reads.
    ///
    /// # Errors
    /// What stands here is none, or what `element` said.
    pub fn list(
        &mut self,
        [open, close]: [u8; 2],
        element: &mut dyn FnMut(&mut Self) -> Result<(), Mistake>,
    ) -> Result<(), Mistake> {
        if !self.take(open) {
            return self.fail(if open == b'[' { "expected a list: [..]" } else { "expected a table: {..}" });
        }
        loop {
            self.skip_lines()?;
            if self.take(close) {
                return Ok(());
            }
            element(self)?;
            self.skip_lines()?;
            if !self.take(b',') && self.peek() != Some(close) {
                return self.fail("expected a comma, or the bracket that closes this");
            }
        }
    }

    /// The mistake that something else was expected here.
    ///
    /// # Errors
    /// Always.
    pub fn fail<T>(&self, expected: &'static str) -> Result<T, Mistake> {
        Err(Mistake { at: self.at, expected })
    }

    fn skip_lines(&mut self) -> Result<(), Mistake> {
        loop {
            self.skip_blanks();
            self.skip_comment();
            match self.peek() {
                Some(b'\r' | b'\n') if self.take_newline() => {}
                Some(byte) if is_control(byte) => return self.fail("expected no control character"),
                _ => return Ok(()),
            }
        }
    }

    fn skip_blanks(&mut self) {
        self.run(&|byte| matches!(byte, b' ' | b'\t'));
    }

    fn skip_comment(&mut self) {
        if self.take(b'#') {
            self.run(&|byte| !is_control(byte));
        }
    }

    fn take_newline(&mut self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        self.at += length;
        length > 0
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    /// As much as consists of such bytes, which are all ASCII or none of them is the end.
    fn run(&mut self, is_of: &dyn Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(is_of) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

/// The number of the line that a place of the file is in, the first being 1.
pub fn line_at(file: &[u8], at: usize) -> u32 {
    let mut line = 1;
    for byte in file.iter().take(at) {
        line += u32::from(*byte == b'\n');
    }
    line
}

/// What a key may consist of without quotes.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' || byte == 0x7f
}
