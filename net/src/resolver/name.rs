//! A name as it stands in messages, in lower case (RFC 1035, 3.1 and 4.1.4; RFC 4343).

use core::fmt;

/// Bytes of a name at most (RFC 1035, 2.3.4).
pub const NAME_LIMIT: usize = 255;
/// Bytes of a label at most (RFC 1035, 2.3.4).
const LABEL_LIMIT: usize = 63;
/// What the first byte of a pointer is at least (RFC 1035, 4.1.4).
const POINTER: u8 = 0xc0;

/// A name: labels, each behind its length, and an empty one at the end. Letters are in lower case, for their case tells
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// What is behind the end is zero.
    bytes: [u8; NAME_LIMIT],
    length: u8,
}

impl Name {
    /// The root: no labels.
    const ROOT: Self = Self { bytes: [0; NAME_LIMIT], length: 1 };

    /// Reads the name of a host, with or without the dot at the end: labels of letters, digits, hyphens and underscores
    /// (RFC 1123, 2.1, and what is in use beside it), of which the last is no number, as it is in addresses.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let (mut name, mut is_number) = (Self::ROOT, true);
        for label in text.as_bytes().split(|byte| *byte == b'.') {
            let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if label.is_empty() || !label.iter().all(is_good) {
                return None;
            }
            is_number = label.iter().all(u8::is_ascii_digit);
            name.push(label)?;
        }
        (!is_number).then_some(name)
    }

    /// Reads the name at `start` of a message, and where it ends there. Pointers lead to what stands before all that was
    /// read of the name so far, so their chain ends.
    pub fn read(message: &[u8], start: usize) -> Option<(Self, usize)> {
        let (mut name, mut at, mut earliest, mut end) = (Self::ROOT, start, start, None);
        loop {
            let length = *message.get(at)?;
            let next = at + 1;
            if length == 0 {
                return Some((name, end.unwrap_or(next)));
            }
            if length >= POINTER {
                let target = usize::from(length & !POINTER) << 8 | usize::from(*message.get(next)?);
                if target >= earliest {
                    return None;
                }
                end = end.or(Some(next + 1));
                (at, earliest) = (target, target);
                continue;
            }
            let behind = next + usize::from(length);
            name.push(message.get(next..behind)?)?;
            at = behind;
        }
    }

    /// This name below another one. `None` when both together are too long.
    pub fn below(&self, parent: &Self) -> Option<Self> {
        let mut name = *self;
        // The empty label at its end makes way.
        let start = name.as_bytes().len() - 1;
        let place = name.bytes.get_mut(start..start + parent.as_bytes().len())?;
        place.copy_from_slice(parent.as_bytes());
        name.length = u8::try_from(start + parent.as_bytes().len()).ok()?;
        Some(name)
    }

    /// Whether the name is `label` or below it.
    pub fn is_within(&self, label: &str) -> bool {
        let labels =
            self.as_bytes().strip_suffix(b"\0").and_then(|labels| labels.strip_suffix(label.as_bytes()));
        labels.and_then(<[u8]>::last).is_some_and(|length| usize::from(*length) == label.len())
    }

    /// Its bytes in a message.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    /// Adds a label at the end.
    fn push(&mut self, label: &[u8]) -> Option<()> {
        let start = usize::from(self.length);
        let end = start + label.len();
        // One byte more, for the empty label.
        if label.len() > LABEL_LIMIT || end >= NAME_LIMIT {
            return None;
        }
        *self.bytes.get_mut(start - 1)? = label.len() as u8;
        let place = self.bytes.get_mut(start..end)?;
        place.copy_from_slice(label);
        place.make_ascii_lowercase();
        self.length = end as u8 + 1;
        Some(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Name({})", self.as_bytes().escape_ascii())
    }
}
