//! The kernel command line: `key=value` words, split here and claimed elsewhere.
//!
//! Words are separated by white space; double quotes keep white space inside a word (`hostname="my box"`), and are
//! dropped. The machine claims nothing here: each component looks its own keys up and tells which ones it knows.

/// Splits a command line into words. A quote that is never closed lasts until the end of the line.
pub fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = line;
    core::iter::from_fn(move || next_word(&mut rest))
}

/// Takes the first word off `rest`.
#[inline(never)]
fn next_word<'a>(rest: &mut &'a str) -> Option<Word<'a>> {
    let line = rest.trim_ascii_start();
    if line.is_empty() {
        return None;
    }
    let mut quoted = false;
    let end = line.bytes().position(|byte| {
        quoted ^= byte == b'"';
        !quoted && byte.is_ascii_whitespace()
    });
    let (word, tail) = line.split_at_checked(end.unwrap_or(line.len()))?;
    *rest = tail;
    Some(Word::parse(word))
}

/// One word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// What stands before the first `=`, or the whole word.
    pub key: &'a str,
    /// What stands behind it, without quotes around it; empty where there is no `=`.
    pub value: &'a str,
}

impl<'a> Word<'a> {
    fn parse(word: &'a str) -> Self {
        let word = unquote(word).unwrap_or(word);
        let Some(equals) = word.bytes().position(|byte| byte == b'=') else {
            return Self { key: word, value: "" };
        };
        let key = word.get(..equals).unwrap_or(word);
        let value = word.get(equals + 1..).unwrap_or("");
        Self { key, value: unquote(value).unwrap_or(value) }
    }
}

/// What stands behind an opening quote, without the closing one if there is one. `None` without an opening quote.
fn unquote(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?;
    Some(inner.strip_suffix('"').unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn pairs(line: &str) -> Vec<(&str, &str)> {
        words(line).map(|word| (word.key, word.value)).collect()
    }

    #[test]
    fn words_are_keys_with_values() {
        assert_eq!(
            pairs("net0.ip=10.0.2.15/24  log=debug\tquiet\n"),
            [("net0.ip", "10.0.2.15/24"), ("log", "debug"), ("quiet", "")]
        );
    }

    #[test]
    fn quotes_keep_white_space_in_a_value_or_around_a_word() {
        assert_eq!(
            pairs(r#"hostname="my box" "motd=hello there" x=1"#),
            [("hostname", "my box"), ("motd", "hello there"), ("x", "1")]
        );
    }

    #[test]
    fn a_value_may_contain_the_separator() {
        assert_eq!(pairs("a=b=c"), [("a", "b=c")]);
    }

    #[test]
    fn an_open_quote_lasts_until_the_end() {
        assert_eq!(pairs(r#"a="b c d"#), [("a", "b c d")]);
        assert_eq!(pairs(r#"""#), [("", "")]);
    }

    #[test]
    fn an_empty_line_has_no_words() {
        assert_eq!(pairs(" \t\n "), []);
        assert_eq!(pairs(""), []);
    }
}
