//! `vswitch.toml`: the settings as a file, in the part of TOML 1.0 that they need.
//!
//! A file has tables, `[switch]` and `[port1]` and so on, and in them one key a line with one value: a string on one line, a number, `true` or
//! `false`, or an array of strings and numbers. [`apply`] reads the whole or names the first mistake, by its line and what
//! stands there. What is not understood is a mistake, never ignored.

use crate::settings::{BadSetting, Name, Settings};
use core::fmt;

/// The name of the file in the data.
pub const FILE: &str = "vswitch.toml";

/// Bytes of the longest value: as many addresses as can be configured.
const VALUE_LIMIT: usize = 4096;

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake<'f> {
    /// It needs something that it does not have.
    Expected(&'static str),
    /// There is no table, or no key, of this name.
    Unknown(&'static str, &'f str),
    /// What is set cannot be so.
    Bad(BadSetting),
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
            Mistake::Expected(what) => {
                f.write_str("expected ")?;
                f.write_str(what)
            }
            Mistake::Unknown(what, word) => {
                f.write_str("there is no ")?;
                f.write_str(what)?;
                f.write_str(" '")?;
                f.write_str(word)?;
                f.write_str("'")
            }
            Mistake::Bad(setting) => setting.fmt(f),
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
    let mut table = "";
    // Which keys the table has had, and which tables there were: a bit for each.
    let (mut keys, mut tables) = (0u32, 0u32);
    for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        let at = |mistake| FileError { line: number, mistake };
        let line = str::from_utf8(line).map_err(|_| at(Mistake::Expected("UTF-8")))?;
        let line = line.strip_suffix('\r').unwrap_or(line).trim_matches([' ', '\t']);
        if line.contains(|letter: char| letter.is_control() && letter != '\t') {
            return Err(at(Mistake::Expected("a line without control characters")));
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, rest) =
                rest.split_once(']').ok_or(at(Mistake::Expected("] behind the name of a table")))?;
            end(rest).map_err(at)?;
            table = name.trim_matches([' ', '\t']);
            let place = Name::group(table).ok_or(at(Mistake::Unknown("table", table)))?;
            if tables & 1 << place != 0 {
                return Err(at(Mistake::Expected("each table once")));
            }
            (tables, keys) = (tables | 1 << place, 0);
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(at(Mistake::Expected("a key, = and a value")))?;
        let key = key.trim_matches([' ', '\t']);
        if table.is_empty() {
            return Err(at(Mistake::Expected("a table, such as [switch] or [port1]")));
        }
        let (name, place) = Name::find(table, key).ok_or(at(Mistake::Unknown("key", key)))?;
        if keys & 1 << place != 0 {
            return Err(at(Mistake::Expected("each key of a table once")));
        }
        keys |= 1 << place;
        let mut text = Value { bytes: [0; VALUE_LIMIT], length: 0 };
        let rest = text.read(value.trim_matches([' ', '\t'])).map_err(|what| at(Mistake::Expected(what)))?;
        end(rest).map_err(at)?;
        settings.set(name, text.as_str()).map_err(|setting| at(Mistake::Bad(setting)))?;
    }
    Ok(())
}

/// Nothing but a comment may follow.
fn end(rest: &str) -> Result<(), Mistake<'static>> {
    let rest = rest.trim_matches([' ', '\t']);
    if rest.is_empty() || rest.starts_with('#') {
        Ok(())
    } else {
        Err(Mistake::Expected("the end of the line"))
    }
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

    fn push(&mut self, text: &str) -> Result<(), &'static str> {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or("a shorter value")?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }

    /// Takes the value that `text` begins with; what follows it.
    fn read<'t>(&mut self, text: &'t str) -> Result<&'t str, &'static str> {
        const END: &str = "a comma or ] behind an element";
        let Some(mut rest) = text.strip_prefix('[') else { return self.read_one(text) };
        let mut is_first = true;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if let Some(rest) = rest.strip_prefix(']') {
                return Ok(rest);
            }
            if !is_first {
                self.push(",")?;
            }
            is_first = false;
            rest = self.read_one(rest)?.trim_start_matches([' ', '\t']);
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None if rest.starts_with(']') => {}
                None => return Err(END),
            }
        }
    }

    /// Takes one that is no array.
    fn read_one<'t>(&mut self, text: &'t str) -> Result<&'t str, &'static str> {
        for quote in ['"', '\''] {
            if let Some(rest) = text.strip_prefix(quote) {
                let (value, rest) = rest.split_once(quote).ok_or("the end of the text")?;
                // No setting has anything that needs an escape, or more than one line.
                if value.contains('\\') {
                    return Err("a text without escapes");
                }
                self.push(value)?;
                return Ok(rest);
            }
        }
        let length = text.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (word, rest) = text.split_at(length);
        let is_number =
            word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        if word.is_empty() || !is_number && !matches!(word, "true" | "false") {
            return Err("a text in quotation marks, a number, true, false or an array of these");
        }
        self.push(word)?;
        Ok(rest)
    }
}
