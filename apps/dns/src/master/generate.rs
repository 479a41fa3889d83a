//! `$GENERATE`: records that differ by a number, from one line.
//!
//! The form is BIND's: `$GENERATE start-stop[/step]` before a record in which `$` stands for the number, and
//! `${offset,width,base}` for the number and something, at least so many digits long, in decimal (`d`), octal (`o`) or
//! hexadecimal digits (`x`, `X`), or in hexadecimal digits from the last to the first with dots between them (`n`, `N`), as the
//! reverse zones of IPv6 have them. `$$` and `\$` are a dollar. Data of several words may stand in quotation marks, which then
//! are no part of them, as in `$GENERATE 1-9 host-$ MX "0 mail-$"`. Each line that comes out is read like one of the file.

use super::problem::{Mistake, Problem};
use super::scanner::Scanner;
use super::{Reader, number};
use alloc::vec::Vec;

/// The most octets of lines out of which one zone's records are generated, counted before numbers take the places of `$`.
const MAX_GENERATED: u64 = 1 << 24;
/// The greatest number of a range.
const MAX_NUMBER: u32 = 0x7fff_ffff;
/// The most digits of a number: as long as a label.
const MAX_WIDTH: u32 = 63;
/// The most octets that one of a template becomes: those of a number for `$`. `${0,63}` becomes fewer for each.
const MAX_EXPANSION: usize = 10;
/// What a number may take beyond that while it is written: its digits and dots.
const LONGEST: usize = 64;

impl Reader<'_, '_, '_> {
    /// Reads what follows `$GENERATE`, which stands at `at`: that is the place of all mistakes in the records.
    #[inline(never)]
    pub(super) fn generate(&mut self, at: u32) -> Result<(), Mistake> {
        self.expect(Problem::ExpectedRange)?;
        let word = self.scanner.word();
        let (mut number, rounds, step) = range(word.text).ok_or(word.mistake(Problem::ExpectedRange))?;
        let template = self.scanner.line();
        self.state.generated = self.state.generated.saturating_add(u64::from(rounds) * template.len() as u64);
        if self.state.generated > MAX_GENERATED {
            return Err(word.mistake(Problem::TooManyGenerated));
        }
        let is_quoted = is_quoted(template);
        let owner = self.state.owner;
        let mut line = Vec::new();
        if line.try_reserve_exact(MAX_EXPANSION * template.len() + LONGEST).is_err() {
            return Err(Mistake { at, problem: Problem::NoMemory });
        }
        for _ in 0..rounds {
            line.clear();
            expand(template, is_quoted, number, &mut line)
                .ok_or(Mistake { at, problem: Problem::ExpectedTemplate })?;
            let before = self.state.entries.len();
            let scanner = Scanner::new(&line, 0);
            let read = Reader::new(&mut *self.state, scanner).entries();
            read.map_err(|mistake| Mistake { at, ..mistake })?;
            let entries = self.state.entries.get_mut(before..).unwrap_or(&mut []);
            if entries.is_empty() {
                return Err(Mistake { at, problem: Problem::ExpectedTemplate });
            }
            entries.iter_mut().for_each(|entry| entry.at = at);
            number += step; // at most MAX_NUMBER twice
        }
        self.state.owner = owner;
        Ok(())
    }
}

/// Start, how many numbers, and step of `start-stop[/step]`.
fn range(text: &[u8]) -> Option<(u32, u32, u32)> {
    let words = words(text, b"-/", [b"", b"", b"1"]);
    let mut numbers = [0; 3];
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = number::decimal(word, MAX_NUMBER)?;
    }
    let [start, stop, step] = numbers;
    Some((start, stop.checked_sub(start)?.checked_div(step)? + 1, step))
}

/// Three words with `signs` between them, those that are missing as they are in `words`.
#[inline(never)]
fn words<'t>(text: &'t [u8], signs: &[u8; 2], mut words: [&'t [u8]; 3]) -> [&'t [u8]; 3] {
    let mut rest = text;
    let mut signs = signs.iter();
    for word in &mut words {
        let sign = signs.next();
        let end = rest.iter().position(|byte| Some(byte) == sign);
        *word = rest.get(..end.unwrap_or(rest.len())).unwrap_or(&[]);
        let Some(end) = end else { break };
        rest = rest.get(end + 1..).unwrap_or(&[]);
    }
    words
}

/// Whether the data in `template` are one word in quotation marks, which has no others before it.
fn is_quoted(template: &[u8]) -> bool {
    let mut marks = 0_u32;
    for byte in template {
        match byte {
            b'"' => marks += 1,
            b' ' | b'\t' | b'\r' => {}
            b';' if marks == 2 => break,
            _ if marks == 2 => return false,
            _ => {}
        }
    }
    marks == 2
}

/// Appends `template` with `number` in its places to `line`, without its quotation marks if its data are `quoted`.
fn expand(template: &[u8], quoted: bool, number: u32, line: &mut Vec<u8>) -> Option<()> {
    let mut rest = template;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let next = rest.first();
        match byte {
            b'\\' => {
                line.push(byte);
                line.extend(next);
                rest = rest.get(1..).unwrap_or(&[]);
            }
            b'$' if next == Some(&b'$') => {
                line.extend_from_slice(b"\\$");
                rest = rest.get(1..)?;
            }
            b'$' if next == Some(&b'{') => {
                let end = rest.iter().position(|&byte| byte == b'}')?;
                put(rest.get(1..end)?, number, line)?;
                rest = rest.get(end + 1..)?;
            }
            b'$' => put(b"0", number, line)?,
            b'"' if quoted => {}
            _ => line.push(byte),
        }
    }
    Some(())
}

/// Appends `number` in the `form` of `offset[,width[,base]]`.
fn put(form: &[u8], number: u32, line: &mut Vec<u8>) -> Option<()> {
    let [offset, width, base] = words(form, b",,", [b"", b"1", b"d"]);
    let mut value = match offset.strip_prefix(b"-") {
        Some(offset) => number.checked_sub(number::decimal(offset, MAX_NUMBER)?)?,
        None => number + number::decimal(offset, MAX_NUMBER)?, // both at most MAX_NUMBER
    };
    let width = number::decimal(width, MAX_WIDTH)? as usize;
    let &[base] = base else { return None };
    let radix = match base {
        b'd' => 10,
        b'o' => 8,
        b'x' | b'X' | b'n' | b'N' => 16,
        _ => return None,
    };
    let is_reversed = base | 0x20 == b'n';
    let start = line.len();
    // From the last digit to the first; dots count as digits.
    loop {
        let digit = b"0123456789abcdef".get((value % radix) as usize)?;
        line.push(if base.is_ascii_uppercase() { digit.to_ascii_uppercase() } else { *digit });
        value /= radix;
        let length = line.len() - start;
        if value == 0 && length >= width {
            break;
        }
        if is_reversed {
            line.push(b'.');
            if value == 0 && length + 1 >= width {
                break;
            }
        }
    }
    if !is_reversed {
        line.get_mut(start..)?.reverse();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn expanded(template: &str, number: u32) -> Option<String> {
        let mut line = Vec::new();
        expand(template.as_bytes(), is_quoted(template.as_bytes()), number, &mut line)?;
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn numbers_take_the_places_of_dollars() {
        for (template, number, line) in [
            ("a-$ A 192.0.2.$", 7, Some("a-7 A 192.0.2.7")),
            ("$", 0, Some("0")),
            (r"\$ $$ \\$ \", 1, Some(r"\$ \$ \\1 \")),
            ("${0}", 12, Some("12")),
            (r#"$ MX "0 m$" "#, 1, Some("1 MX 0 m1 ")),
            (r#"$ MX "0 m$"; x"#, 1, Some("1 MX 0 m1; x")),
            (r#"$ TXT "a b" c"#, 1, Some(r#"1 TXT "a b" c"#)),
            (r#"$ TXT "a" "b""#, 1, Some(r#"1 TXT "a" "b""#)),
            (r#"$ TXT "a"#, 1, Some(r#"1 TXT "a"#)),
            ("${3}", 12, Some("15")),
            ("${-12}", 12, Some("0")),
            ("${-13}", 12, None),
            ("${0,4}", 12, Some("0012")),
            ("${0,1,d}", 12, Some("12")),
            ("${0,0,o}", 12, Some("14")),
            ("${0,3,x}", 0xabc, Some("abc")),
            ("${0,4,X}", 0xabc, Some("0ABC")),
            ("${0,0,n}", 0x1a, Some("a.1")),
            ("${0,7,N}", 0x1a, Some("A.1.0.0")),
            ("${0,4,n}", 0x1a, Some("a.1.")),
            ("${2147483647,0,o}", 2_147_483_647, Some("37777777776")),
            ("${0,64}", 1, None),
            ("${0,1,b}", 1, None),
            ("${0,1,d,}", 1, None),
            ("${0,1,dd}", 1, None),
            ("${}", 1, None),
            ("${0", 1, None),
            ("${a}", 1, None),
            ("${+1}", 1, None),
        ] {
            assert_eq!(expanded(template, number).as_deref(), line, "{template}");
        }
    }

    #[test]
    fn a_range_has_a_start_a_stop_and_perhaps_a_step() {
        for (text, expected) in [
            ("1-9", Some((1, 9, 1))),
            ("2-9/3", Some((2, 3, 3))),
            ("0-0", Some((0, 1, 1))),
            ("0-2147483647/2147483647", Some((0, 2, 2_147_483_647))),
            ("0-2147483647", Some((0, 1 << 31, 1))),
            ("9-1", None),
            ("1-9/0", None),
            ("1/9-1", None),
            ("1/9", None),
            ("1-9-1", None),
            ("1-9/1/1", None),
            ("1", None),
            ("1-", None),
            ("-1", None),
            ("-1-9", None),
            ("1-2147483648", None),
            ("a-b", None),
            ("", None),
        ] {
            assert_eq!(range(text.as_bytes()), expected, "{text}");
        }
    }
}
