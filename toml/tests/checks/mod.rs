//! What holds for any bytes: shared by the tests and the fuzz target.
#![allow(dead_code, reason = "each user takes its part")]

use std::collections::BTreeSet;
use unik_toml::{Line, Mistake, Reader, line_at};

/// What a file says, each key behind the number of its table.
type Said = Vec<(usize, String)>;

/// Reads `file`: what is taken is TOML, and a mistake is at a place of the file. Whether it was taken, and compared.
pub(crate) fn reader(file: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(file) else { return false };
    let mut keys = Said::new();
    let mut names = BTreeSet::new();
    match whole(&mut Reader::new(text), &mut keys, &mut names) {
        Ok(true) => {
            // An independent opinion on the syntax; what stands twice is for the caller to see.
            let each: BTreeSet<_> = keys.iter().collect();
            if each.len() != keys.len() {
                return false;
            }
            if let Err(error) = text.parse::<toml::Table>() {
                panic!("taken, and no TOML: {error}\n{text}");
            }
            true
        }
        Ok(false) => false,
        Err(mistake) => {
            assert!(text.is_char_boundary(mistake.at), "{mistake:?} of {text:?}");
            assert!(mistake.expected.starts_with("expected "), "{mistake:?}");
            let lines = file.iter().filter(|&&byte| byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&(line_at(file, mistake.at) as usize)), "{mistake:?}");
            false
        }
    }
}

/// Whether what was read may be compared: names of tables with dots, or that stand twice, mean more than this knows.
fn whole<'a>(
    reader: &mut Reader<'a>,
    keys: &mut Said,
    names: &mut BTreeSet<&'a str>,
) -> Result<bool, Mistake> {
    let (mut table, mut is_plain) = (0, true);
    let mut before = None;
    loop {
        let (at, line) = reader.line()?;
        assert!(before < Some(at), "it goes on");
        before = Some(at);
        match line {
            Line::End => return Ok(is_plain),
            Line::Table(name) | Line::Element(name) => {
                table += 1;
                is_plain &= names.insert(name) && !name.contains('.');
            }
            Line::Key(key) => {
                if table == 0 {
                    is_plain &= names.insert(key);
                }
                keys.push((table, key.to_owned()));
                is_plain &= value(reader)?;
                reader.end()?;
            }
        }
    }
}

/// Takes a value of any kind.
fn value(reader: &mut Reader<'_>) -> Result<bool, Mistake> {
    match reader.peek() {
        Some(b'"' | b'\'') => reader.text().map(|_| true),
        Some(b'[') => {
            let mut is_plain = true;
            reader.list([b'[', b']'], &mut |reader| {
                // As deep as one list in another one, as no file of ours goes.
                is_plain &= match reader.peek() {
                    Some(b'"' | b'\'') => reader.text().map(|_| true)?,
                    _ => word(reader)?,
                };
                Ok(())
            })?;
            Ok(is_plain)
        }
        Some(b'{') => {
            let mut keys = Vec::new();
            reader.list([b'{', b'}'], &mut |reader| {
                keys.push(reader.key()?.to_owned());
                reader.text().map(|_| ())
            })?;
            let each: BTreeSet<_> = keys.iter().collect();
            Ok(each.len() == keys.len())
        }
        Some(b't' | b'f') => reader.flag().map(|_| true),
        _ => word(reader),
    }
}

/// Takes a number; what else letters and digits may mean is for the caller to know.
fn word(reader: &mut Reader<'_>) -> Result<bool, Mistake> {
    let word = reader.word();
    match word {
        "" => reader.fail("expected a value"),
        _ => Ok(word.len() < 18 && word.bytes().all(|byte| byte.is_ascii_digit()) && !word.starts_with('0')),
    }
}
