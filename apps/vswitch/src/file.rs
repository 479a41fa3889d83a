//! `vswitch.toml`: the settings as a file, in the part of TOML 1.0 that they need.
//!
//! A file has tables, `[switch]` and `[port1]` and so on, and in them one key a line with one value: a string on one line, a number, `true` or
//! `false`, or an array of strings and numbers. [`apply`] reads the whole or names the first mistake, by its line and what
//! stands there. What is not understood is a mistake, never ignored. Neighbours: `unik_toml` has the syntax, `settings.rs` the words.

use crate::settings::{BadSetting, Name, Settings};
use core::fmt;
use unik_toml::{Line, Reader, line_at};

/// The name of the file in the data.
pub const FILE: &str = "vswitch.toml";

/// Bytes of the longest value: as many addresses as can be configured.
const VALUE_LIMIT: usize = 4096;

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake<'f> {
    /// A sentence.
    Bad(&'static str),
    /// There is no table, or no key, of this name.
    Unknown(&'static str, &'f str),
    /// What is set cannot be so.
    Setting(BadSetting),
}

/// A mistake in the file. Displayed as `vswitch.toml:line: what is wrong`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileError<'f> {
    /// The line, the first being 1.
    pub line: u32,
    mistake: Mistake<'f>,
}

impl fmt::Display for FileError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FILE)?;
        f.write_str(":")?;
        self.line.fmt(f)?;
        f.write_str(": ")?;
        match &self.mistake {
            Mistake::Bad(sentence) => f.write_str(sentence),
            Mistake::Unknown(what, word) => {
                f.write_str("there is no ")?;
                f.write_str(what)?;
                f.write_str(" '")?;
                f.write_str(word)?;
                f.write_str("'")
            }
            Mistake::Setting(setting) => setting.fmt(f),
        }
    }
}

impl core::error::Error for FileError<'_> {}

/// Sets what a file says.
///
/// # Errors
/// The first mistake; what stands before it is set.
#[inline(never)]
pub fn apply<'f>(settings: &mut Settings, file: &'f [u8]) -> Result<(), FileError<'f>> {
    let result = match str::from_utf8(file) {
        Ok(text) => read(settings, text),
        Err(error) => Err((error.valid_up_to(), Mistake::Bad("expected UTF-8"))),
    };
    result.map_err(|(at, mistake)| FileError { line: line_at(file, at), mistake })
}

/// What is wrong, and where it stands.
type Misplaced<'f> = (usize, Mistake<'f>);

fn read<'f>(settings: &mut Settings, text: &'f str) -> Result<(), Misplaced<'f>> {
    let mut reader = Reader::new(text);
    let mut value = Value { bytes: [0; VALUE_LIMIT], length: 0 };
    let mut table = "";
    // Which keys the table has had, and which tables there were: a bit for each.
    let (mut keys, mut tables) = (0u32, 0u32);
    loop {
        let (at, line) = reader.line().map_err(misplaced)?;
        let fail = |sentence| Err((at, Mistake::Bad(sentence)));
        match line {
            Line::End => return Ok(()),
            Line::Element(_) => {
                return fail("expected a table in single brackets, such as [switch] or [port1]");
            }
            Line::Table(name) => {
                let place = Name::group(name).ok_or((at, Mistake::Unknown("table", name)))?;
                if tables & 1 << place != 0 {
                    return fail("expected each table once");
                }
                (table, tables, keys) = (name, tables | 1 << place, 0);
            }
            Line::Key(_) if table.is_empty() => return fail("expected a table, such as [switch] or [port1]"),
            Line::Key(key) => {
                let (name, place) = Name::find(table, key).ok_or((at, Mistake::Unknown("key", key)))?;
                if keys & 1 << place != 0 {
                    return fail("expected each key of a table once");
                }
                keys |= 1 << place;
                value.read(&mut reader).and_then(|()| reader.end()).map_err(misplaced)?;
                settings.set(name, value.as_str()).map_err(|setting| (at, Mistake::Setting(setting)))?;
            }
        }
    }
}

fn misplaced<'f>(mistake: unik_toml::Mistake) -> Misplaced<'f> {
    (mistake.at, Mistake::Bad(mistake.expected))
}

/// A value as one text; the elements of an array have commas between them.
struct Value {
    bytes: [u8; VALUE_LIMIT],
    length: usize,
}

impl Value {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Takes the value that stands here.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), unik_toml::Mistake> {
        self.length = 0;
        if reader.peek() != Some(b'[') {
            return self.read_one(reader);
        }
        let mut separator = "";
        reader.list([b'[', b']'], &mut |reader| {
            self.push(separator, reader)?;
            separator = ",";
            self.read_one(reader)
        })
    }

    /// Takes one that is no array.
    fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<(), unik_toml::Mistake> {
        let text = match reader.peek() {
            Some(b'"' | b'\'') => reader.text()?,
            _ => {
                let start = *reader;
                let word = reader.word();
                let is_number =
                    word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
                if word.is_empty() || !is_number && !matches!(word, "true" | "false") {
                    return start.fail(
                        "expected a text in quotation marks, a number, true, false or an array of these",
                    );
                }
                word
            }
        };
        self.push(text, reader)
    }

    fn push(&mut self, text: &str, reader: &Reader<'_>) -> Result<(), unik_toml::Mistake> {
        let end = self.length + text.len();
        let Some(place) = self.bytes.get_mut(self.length..end) else {
            return reader.fail("expected a shorter value");
        };
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
