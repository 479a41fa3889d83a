//! Which of a file's compressed forms a client gets (RFC 9110, 12.5.3).

use crate::text::{elements, is_like, trim};

/// A form in which contents are stored and sent (RFC 9110, 8.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Identity,
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// Those that are compressed; where a client takes several as gladly, the shortest contents are sent.
    pub(crate) const COMPRESSED: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Identity, Self::Brotli, Self::Zstandard, Self::Gzip];

    /// What it is called in fields.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// Its bit in a set of them.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }

    /// What the name of a file ends with that holds another one's contents in this form.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// How gladly a client takes each coding, in thousandths; 0 if it does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wishes {
    named: [Option<u16>; 4],
    others: Option<u16>,
}

impl Wishes {
    /// What the values of `Accept-Encoding` say.
    pub(crate) fn new<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut wishes = Self { named: [None; 4], others: None };
        for value in values {
            for element in elements(value) {
                let mut parameters = element.split(|&byte| byte == b';').map(trim);
                let name = parameters.next().unwrap_or_default();
                // What cannot be read is not wished for.
                let weight = parameters.next().map_or(1000, |weight| self::weight(weight).unwrap_or(0));
                wishes.note(name, weight);
            }
        }
        wishes
    }

    fn note(&mut self, name: &[u8], weight: u16) {
        // RFC 9110, 8.4.1.3
        let name = if is_like(name, b"x-gzip") { b"gzip" } else { name };
        let is_it = |coding: &Coding| is_like(coding.name().as_bytes(), name);
        if name == b"*" {
            self.others = Some(weight);
        } else if let Some(coding) = [Coding::Identity].into_iter().chain(Coding::COMPRESSED).find(is_it)
            && let Some(place) = self.named.get_mut(coding as usize)
        {
            *place = Some(weight);
        }
    }

    /// How gladly `coding` is taken.
    pub(crate) fn weight(&self, coding: Coding) -> u16 {
        let named = self.named.get(coding as usize).copied().flatten().or(self.others);
        match coding {
            // It may be sent though nobody names it, but what is named goes before.
            Coding::Identity => named.unwrap_or(1).max(1),
            _ => named.unwrap_or(0),
        }
    }
}

/// The weight that a parameter gives, in thousandths (RFC 9110, 12.4.2).
fn weight(parameter: &[u8]) -> Option<u16> {
    let ([b'q' | b'Q', b'=', whole], rest) = parameter.split_at_checked(3)? else { return None };
    let decimals = match rest {
        [] => rest,
        [b'.', decimals @ ..] if decimals.len() <= 3 && decimals.iter().all(u8::is_ascii_digit) => decimals,
        _ => return None,
    };
    let padded = decimals.iter().copied().chain([b'0'; 3]).take(3);
    let thousandths = padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brotli, Zstandard, Gzip, Identity.
    fn weights(values: &[&str]) -> [u16; 4] {
        let wishes = Wishes::new(values.iter().map(|value| value.as_bytes()));
        [Coding::Brotli, Coding::Zstandard, Coding::Gzip, Coding::Identity]
            .map(|coding| wishes.weight(coding))
    }

    #[test]
    fn wishes_are_read_with_their_weights() {
        for (values, expected) in [
            (&["gzip, deflate, br"][..], [1000, 0, 1000, 1]),
            (&["gzip;q=0.5, br;q=1.0"], [1000, 0, 500, 1]),
            (&["gzip;q=0.5", "zstd ; q=0.25"], [0, 250, 500, 1]),
            (&["*"], [1000, 1000, 1000, 1000]),
            (&["*;q=0.1, br;q=0"], [0, 100, 100, 100]),
            (&["identity;q=1, gzip;q=0.5"], [0, 0, 500, 1000]),
            (&["identity;q=0, *;q=0"], [0, 0, 0, 1]),
            (&["X-GZip, BR;Q=0.001"], [1, 0, 1000, 1]),
            (&[""], [0, 0, 0, 1]),
            (&["gzip;q=2, br;q=1.001, zstd;q=0.0001"], [0, 0, 0, 1]),
            (&["gzip;level=9, br;q=, zstd;q=x"], [0, 0, 0, 1]),
        ] {
            assert_eq!(weights(values), expected, "{values:?}");
        }
    }
}
