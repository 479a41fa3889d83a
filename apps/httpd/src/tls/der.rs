//! As much of a certificate as its owner has to know: whose key it is for, for which names, and until when (RFC 5280, 4.1).
//!
//! [`Certificate::parse`] walks over the encoding (X.690) and keeps slices of it. It verifies nothing: that is for clients.

use crate::date;

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A name of a host among the alternative names (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;
/// The identifier of the extension with the alternative names.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    /// The public key with its kind, as encoded.
    pub(super) key: &'a [u8],
    /// From when to when it is good, in seconds since the Unix epoch.
    pub(super) validity: (u64, u64),
    names: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` where it is none.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut outside = Reader(bytes);
        let mut certificate = Reader(outside.take(SEQUENCE)?);
        let mut signed = Reader(certificate.take(SEQUENCE)?);
        let _ = signed.take(VERSION);
        // Its number, how it is signed, and by whom.
        for _ in 0..3 {
            signed.next()?;
        }
        let mut validity = Reader(signed.take(SEQUENCE)?);
        let validity = (time(validity.next()?)?, time(validity.next()?)?);
        // Whose it is.
        signed.take(SEQUENCE)?;
        let before = signed.0;
        signed.take(SEQUENCE)?;
        let key = before.get(..before.len() - signed.0.len())?;
        let mut names = &[][..];
        while let Some((tag, contents)) = signed.next() {
            if tag == EXTENSIONS {
                names = alternative_names(contents)?;
            }
        }
        Some(Self { key, validity, names })
    }

    /// The names of hosts that it is for.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let mut names = Reader(self.names);
        core::iter::from_fn(move || names.next())
            .filter(|(tag, _)| *tag == DNS_NAME)
            .filter_map(|(_, name)| core::str::from_utf8(name).ok())
    }
}

/// The contents of the extension with the names, empty where there is none.
fn alternative_names(extensions: &[u8]) -> Option<&[u8]> {
    let mut extensions = Reader(Reader(extensions).take(SEQUENCE)?);
    while let Some((_, extension)) = extensions.next() {
        let mut extension = Reader(extension);
        if extension.take(OBJECT_IDENTIFIER)? != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        let _ = extension.take(BOOLEAN);
        return Reader(extension.take(OCTET_STRING)?).take(SEQUENCE);
    }
    Some(&[])
}

/// A time in either form, both of which are in UTC and have seconds (RFC 5280, 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<u64> {
    let number = |text: &[u8]| {
        text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let [m1, m2, d1, d2, h1, h2, n1, n2, s1, s2, b'Z'] = *rest else { return None };
    let second = number(&[h1, h2])? * 3600 + number(&[n1, n2])? * 60 + number(&[s1, s2])?;
    let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    // What lies before 1970 is long ago in any case.
    let is_late = year >= 1970;
    is_date.then(|| if is_late { date::days(year, month - 1, day) * 86_400 + second } else { 0 })
}

/// What is left of an encoding.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The tag and the contents of what comes next.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(length);
        // X.690, 8.1.3.5
        if length >= 0x80 {
            let (digits, behind) = rest.split_at_checked(length - 0x80)?;
            if digits.is_empty() || digits.len() > 3 {
                return None;
            }
            length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            rest = behind;
        }
        let contents;
        (contents, self.0) = rest.split_at_checked(length)?;
        Some((tag, contents))
    }

    /// The contents of what comes next, if it has this tag; otherwise it stays.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = Reader(self.0);
        let (found, contents) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time((UTC_TIME, b"700101000001Z")), Some(1));
        assert_eq!(time((UTC_TIME, b"491231235959Z")), Some(2_524_607_999));
        assert_eq!(time((GENERALIZED_TIME, b"20500101000000Z")), Some(2_524_608_000));
        assert_eq!(time((GENERALIZED_TIME, b"20240229120000Z")), Some(1_709_208_000));
        assert_eq!(time((UTC_TIME, b"500101000000Z")), Some(0), "before 1970");
        for wrong in
            [&b""[..], b"7001010000Z", b"700101000001", b"701301000001Z", b"7001x1000001Z", b"700100000001Z"]
        {
            assert_eq!(time((UTC_TIME, wrong)), None);
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_none() {
        for wrong in [
            &[SEQUENCE][..],
            &[SEQUENCE, 1],
            &[SEQUENCE, 0x80],
            &[SEQUENCE, 0x84, 0, 0, 0, 0],
            &[SEQUENCE, 0x81, 2, 0],
        ] {
            assert!(Reader(wrong).next().is_none(), "{wrong:?}");
            assert!(Certificate::parse(wrong).is_none(), "{wrong:?}");
        }
        assert_eq!(Reader(&[4, 0x82, 0, 1, 9]).take(OCTET_STRING), Some(&[9][..]));
    }
}
