//! Names as they stand in a message: where each label begins.
//!
//! [`Labels`] remembers offsets into the message and no bytes, so the suffixes of a name can be compared with the
//! zone's tree from the root down, and any of them can be the target of a compression pointer later.

use crate::tree::{Label, MAX_LABEL, MAX_NAME, is_same};

/// The most labels a name can have: each takes two of 255 octets, and the root one.
const MAX_LABELS: usize = 127;
/// The bits of a length octet that say "compression pointer" (RFC 1035, 4.1.4).
const POINTER: u8 = 0xc0;

/// The labels of one name of a message, the leftmost first.
pub(crate) struct Labels {
    /// Offsets of the length octets, the root's zero octet included.
    offsets: [u16; MAX_LABELS + 1],
    count: usize,
}

impl Labels {
    /// No labels, to read some. They are read in place, because they are too many to be moved about.
    pub(crate) const fn new() -> Self {
        Self { offsets: [0; MAX_LABELS + 1], count: 0 }
    }

    /// Reads the name at `start`, which must hold no compression pointer, as the name of a question; gives the offset
    /// behind it.
    pub(crate) fn read(&mut self, message: &[u8], start: usize) -> Option<usize> {
        self.count = 0;
        let mut at = start;
        loop {
            let length = usize::from(*message.get(at)?);
            self.push(at)?;
            if length == 0 {
                break;
            }
            if length > MAX_LABEL {
                return None;
            }
            at += 1 + length;
        }
        let end = at + 1;
        self.count -= 1; // the root
        (end - start <= MAX_NAME).then_some(end)
    }

    /// Reads the name at `start`, following compression pointers, which must lead backwards.
    pub(crate) fn follow(&mut self, message: &[u8], start: usize) -> Option<()> {
        self.count = 0;
        let mut at = start;
        let mut length = 0;
        // A name has no more than a pointer for each label, and one for the first.
        let mut pointers = 0..=MAX_LABELS;
        loop {
            let octet = *message.get(at)?;
            if octet >= POINTER {
                pointers.next()?;
                let target = usize::from(octet & !POINTER) << 8 | usize::from(*message.get(at + 1)?);
                if target >= at {
                    return None;
                }
                at = target;
                continue;
            }
            self.push(at)?;
            length += 1 + usize::from(octet);
            if usize::from(octet) > MAX_LABEL || length > MAX_NAME {
                return None;
            }
            at += 1 + usize::from(octet);
            if octet == 0 {
                break;
            }
        }
        self.count -= 1; // the root
        Some(())
    }

    /// Whether the name is the one at `start`, without regard to ASCII case.
    #[inline(never)]
    pub(crate) fn is_at(&self, message: &[u8], start: u16) -> bool {
        let mut other = Self::new();
        other.follow(message, start.into()).is_some()
            && self.count == other.count
            && (0..self.count).all(|index| is_same(self.octets(message, index), other.octets(message, index)))
    }

    /// Whether the name in `message` is `wire`, a name on the wire that is not compressed, without regard to ASCII case.
    pub(crate) fn is_wire_name(&self, message: &[u8], wire: &[u8]) -> bool {
        let mut other = Self::new();
        other.read(wire, 0).is_some()
            && self.count == other.count
            && (0..self.count).all(|index| is_same(self.octets(message, index), other.octets(wire, index)))
    }

    /// Number of labels, the root not counted.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Where the name without its first `index` labels begins.
    pub(crate) fn offset(&self, index: usize) -> u16 {
        self.offsets.get(index).copied().unwrap_or(0)
    }

    /// The octets of label `index` of the name in `message`, where it does not matter how long they take.
    #[inline(never)]
    pub(crate) fn octets<'m>(&self, message: &'m [u8], index: usize) -> &'m [u8] {
        self.label(message, index).bytes()
    }

    /// Label `index` of the name in `message`, the leftmost being 0.
    #[inline(always)]
    pub(crate) fn label<'m>(&self, message: &'m [u8], index: usize) -> Label<'m> {
        let label = || {
            let (length, rest) = message.get(usize::from(*self.offsets.get(index)?)..)?.split_first()?;
            Some(Label::new(rest, usize::from(*length)))
        };
        label().unwrap_or(Label::new(&[], 0))
    }

    fn push(&mut self, at: usize) -> Option<()> {
        *self.offsets.get_mut(self.count)? = u16::try_from(at).ok()?;
        self.count += 1;
        Some(())
    }
}

/// The offset behind the name at `at`, whatever a compression pointer in it points to.
pub(crate) fn skip(message: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        let length = *message.get(at)?;
        if length >= POINTER {
            return message.get(at + 1).map(|_| at + 2);
        }
        at += 1 + usize::from(length);
        if usize::from(length) > MAX_LABEL || at - start > MAX_NAME {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], start: usize) -> Option<(Labels, usize)> {
        let mut labels = Labels::new();
        labels.read(message, start).map(|end| (labels, end))
    }

    fn follow(message: &[u8], start: usize) -> Option<Labels> {
        let mut labels = Labels::new();
        labels.follow(message, start).map(|()| labels)
    }

    #[test]
    fn a_plain_name_gives_its_labels() {
        let message = b"??\x03www\x07example\x00rest";
        let (labels, end) = read(message, 2).unwrap();
        assert_eq!((labels.count(), end), (2, 15));
        assert_eq!(labels.label(message, 0).bytes(), b"www");
        assert_eq!(labels.label(message, 1).bytes(), b"example");
        assert_eq!(labels.offset(2), 14);
    }

    #[test]
    fn a_question_with_a_pointer_is_no_name() {
        assert!(read(b"\x03www\xc0\x00", 0).is_none());
    }

    #[test]
    fn pointers_lead_back_to_labels_read_before() {
        let message = b"\x07example\x00\x03www\xc0\x00!";
        let labels = follow(message, 9).unwrap();
        assert_eq!(labels.count(), 2);
        assert_eq!(labels.label(message, 1).bytes(), b"example");
        assert_eq!(skip(message, 9), Some(15));
    }

    #[test]
    fn pointers_in_a_circle_are_no_name() {
        assert!(follow(b"\xc0\x00", 0).is_none());
        assert!(follow(b"\x01a\xc0\x00", 0).is_none());
    }

    #[test]
    fn names_end_at_255_octets() {
        let mut message = [1, b'a'].repeat(127);
        message.push(0);
        assert_eq!(read(&message, 0).unwrap().0.count(), 127);
        assert_eq!(skip(&message, 0), Some(255));
        message.splice(0..1, [2, b'a']);
        assert!(read(&message, 0).is_none());
        assert!(follow(&message, 0).is_none());
        assert_eq!(skip(&message, 0), None);
    }

    #[test]
    fn a_name_that_runs_out_of_the_message_is_no_name() {
        for cut in 0..5 {
            let message = b"\x03www\x00".get(..cut).unwrap();
            assert!(read(message, 0).is_none());
            assert!(follow(message, 0).is_none());
            assert_eq!(skip(message, 0), None);
        }
    }
}
