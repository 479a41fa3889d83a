//! The characters and lists that fields are made of (RFC 9110, 5.6), and text that grows only where there is memory.

use alloc::vec::Vec;

/// What a byte may be part of, a bit for each.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_control = byte < 0x20 && byte != b'\t' as usize || byte == 0x7f;
        let is_alphanumeric = (byte as u8).is_ascii_alphanumeric();
        let is_visible = byte > 0x20 && byte < 0x7f;
        classes[byte] = if is_control { 0 } else { TEXT }
            | if is_alphanumeric || is_among(byte, b"!#$%&'*+-.^_`|~") { TOKEN } else { 0 }
            | if is_alphanumeric || is_among(byte, b"-._~!$&'()*+,;=") { NAME } else { 0 }
            | if is_visible && byte != b'#' as usize { TARGET } else { 0 };
        byte += 1;
    }
    classes
};

/// A line of a head: no control character but the tabulator (RFC 9110, 5.5).
pub(crate) const TEXT: u8 = 1;
/// A token (RFC 9110, 5.6.2).
pub(crate) const TOKEN: u8 = 2;
/// A registered name of a host, beside escapes (RFC 3986, 3.2.2).
pub(crate) const NAME: u8 = 4;
/// A target: any visible character, but no fragment (RFC 9112, 3.2).
pub(crate) const TARGET: u8 = 8;

const fn is_among(byte: usize, characters: &[u8]) -> bool {
    let mut index = 0;
    while index < characters.len() {
        if characters[index] as usize == byte {
            return true;
        }
        index += 1;
    }
    false
}

/// Whether a byte is of a class.
#[inline]
pub(crate) fn is(class: u8, byte: u8) -> bool {
    // There is one for each byte.
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// How many bytes at the start are of a class.
#[inline]
pub(crate) fn run(class: u8, text: &[u8]) -> usize {
    let mut length = 0;
    while let Some(&byte) = text.get(length)
        && is(class, byte)
    {
        length += 1;
    }
    length
}

/// How many bytes at the start are of [`TEXT`]: as [`run`], eight at a time.
#[inline(never)]
pub(crate) fn run_of_text(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    let mut length = 0;
    loop {
        while let Some(bytes) = text.get(length..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*bytes);
            // The upper bit of each byte that is below a space, or a delete character. A borrow may set others, behind the first.
            let deletes = word ^ (ONES * 0x7f);
            let below = (word.wrapping_sub(ONES * 0x20) & !word) | (deletes.wrapping_sub(ONES) & !deletes);
            let controls = below & (ONES * 0x80);
            length += (controls.trailing_zeros() / 8) as usize;
            if controls != 0 {
                break;
            }
        }
        match text.get(length) {
            Some(&byte) if is(TEXT, byte) => length += 1,
            _ => return length,
        }
    }
}

/// Without the spaces and tabulators at both ends (OWS of RFC 9110, 5.6.3).
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The elements of a list without quoted strings, which may be empty (RFC 9110, 5.6.1).
pub(crate) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim)
}

/// The number that digits make, at most `u64::MAX` however many they are. `None` if there are none, or other characters.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

/// Whether two texts are the same but for the case of their letters. Here once, since it is larger than it looks.
#[inline(never)]
pub(crate) fn is_like(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The value of a hexadecimal digit.
pub(crate) fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Appends `text`; `None` if there is no memory for it.
pub(crate) fn push(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    out.try_reserve(text.len()).ok()?;
    out.extend_from_slice(text);
    Some(())
}

/// Appends each of `texts`.
#[inline(never)]
pub(crate) fn push_all(out: &mut Vec<u8>, texts: &[&[u8]]) -> Option<()> {
    texts.iter().try_for_each(|text| push(out, text))
}

/// Appends a number in decimal.
#[inline(never)]
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: usize) -> Option<()> {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    push(out, digits.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_they_are_read() {
        for value in [0, 7, 10, 612, usize::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, value).expect("there is memory");
            assert_eq!(number(&out), Some(value as u64));
        }
        assert_eq!(number(b"99999999999999999999999"), Some(u64::MAX));
        for text in [&b""[..], b"-1", b"+1", b"1 ", b"0x1", b"1.0"] {
            assert_eq!(number(text), None);
        }
    }

    #[test]
    fn classes_are_those_of_the_standards() {
        let count = |class| (0..=255).filter(|&byte| is(class, byte)).count();
        assert_eq!([TEXT, TOKEN, NAME, TARGET].map(count), [256 - 32, 77, 77, 93]);
        assert_eq!((run(TOKEN, b"a-b: c"), run(TEXT, b""), run(TEXT, b"a\tb\x80\r")), (3, 0, 4));
    }

    #[test]
    fn text_is_run_through_by_eights_as_byte_by_byte() {
        for byte in 0..=255 {
            for place in 0..20 {
                // What a borrow of a byte could spoil stands behind it, and a tabulator before.
                for filling in [b'a', b' ', b'\t', b'\x80', b'~', 0x21, 0x7e, 0xff] {
                    let mut text = [filling; 20];
                    text[place] = byte;
                    assert_eq!(run_of_text(&text), run(TEXT, &text), "{byte} at {place} in {filling}");
                    text[place / 2] = b'\t';
                    assert_eq!(run_of_text(&text[..19]), run(TEXT, &text[..19]), "{byte} at {place}");
                }
            }
        }
    }

    #[test]
    fn elements_come_without_the_spaces_around_them() {
        assert!(elements(b" a\t, ,b c,").eq([&b"a"[..], b"", b"b c", b""]));
        assert_eq!((trim(b" \t "), trim(b"")), (&b""[..], &b""[..]));
    }
}
