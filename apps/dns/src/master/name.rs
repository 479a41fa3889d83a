//! Names of master files: their labels, before the tree knows them.

use super::Reader;
use super::problem::{Mistake, Problem};
use super::scanner::Word;
use crate::tree::{Label, MAX_LABEL, MAX_NAME, NodeId};

/// Room for the labels of a name and their lengths.
const NAME: usize = MAX_NAME + 1;
/// The most labels of a name.
const LABELS: usize = 127;

/// A name in the reading: its labels, each after its length as on the wire.
pub(super) struct Name {
    bytes: [u8; NAME],
    length: usize,
    /// Where each label begins in `bytes`.
    starts: [u8; LABELS],
    labels: usize,
}

impl Name {
    fn new() -> Self {
        Self { bytes: [0; NAME], length: 0, starts: [0; LABELS], labels: 0 }
    }

    /// Takes the labels out of `word`, and says whether it ends with a dot.
    fn read(&mut self, word: &Word<'_>) -> Result<bool, Mistake> {
        let mut letters = word.letters();
        let mut is_open = false; // a label has begun
        while let Some(letter) = letters.next()? {
            let at = word.at + letter.at;
            let is_special = !letter.is_escaped;
            if is_special && letter.byte == b'.' {
                if !is_open {
                    return Err(Mistake { at, problem: Problem::EmptyLabel });
                }
                is_open = false;
                continue;
            }
            // Octets beyond ASCII are taken as they are, as other servers do.
            if is_special && letter.byte.is_ascii() && !letter.byte.is_ascii_graphic() {
                return Err(Mistake { at, problem: Problem::ExpectedAscii });
            }
            let too_long = Mistake { at, problem: Problem::NameTooLong };
            if !is_open {
                self.begin().ok_or(too_long)?;
                is_open = true;
            }
            *self.bytes.get_mut(self.length).ok_or(too_long)? = letter.byte;
            self.length += 1;
            let start = self.starts.get(self.labels - 1).copied().unwrap_or(0); // a label is open
            if let Some(length) = self.bytes.get_mut(usize::from(start)) {
                *length += 1;
                if usize::from(*length) > MAX_LABEL {
                    return Err(Mistake { at, problem: Problem::LabelTooLong });
                }
            }
        }
        Ok(!is_open)
    }

    /// Begins another label.
    fn begin(&mut self) -> Option<()> {
        *self.starts.get_mut(self.labels)? = u8::try_from(self.length).ok()?;
        self.labels += 1;
        self.length += 1;
        Some(())
    }

    /// The labels with their lengths.
    fn octets(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn label(&self, index: usize) -> Option<Label<'_>> {
        let (length, label) = self.bytes.get(usize::from(*self.starts.get(index)?)..)?.split_first()?;
        Some(Label::new(label, (*length).into()))
    }
}

impl Reader<'_, '_, '_> {
    /// Reads the last word as a name: absolute, relative to the origin, or `@`.
    pub(super) fn name(&mut self) -> Result<NodeId, Mistake> {
        let mut name = Name::new();
        let above = self.labels(&mut name)?;
        self.intern(&name, above).ok_or(self.mistake(Problem::NameTooLong))
    }

    /// Reads the last word as a name and adds it to the data as on the wire, in the case in which it is written.
    pub(super) fn name_octets(&mut self) -> Result<(), Mistake> {
        let mut name = Name::new();
        let mut above = self.labels(&mut name)?;
        let start = self.state.data.len();
        self.put(name.octets());
        while above != NodeId::ROOT {
            self.state.data.extend_from_slice(self.state.tree.wire_label(above));
            above = self.state.tree.parent(above);
        }
        self.put(&[0]);
        let length = self.state.data.len() - start;
        (length <= MAX_NAME).then_some(()).ok_or(self.mistake(Problem::NameTooLong))
    }

    /// Puts the labels of the last word into `name`, and gives the name that they are relative to.
    fn labels(&self, name: &mut Name) -> Result<NodeId, Mistake> {
        let word = &self.scanner.word();
        if word.is_quoted || word.text.is_empty() {
            return Err(word.mistake(Problem::ExpectedName));
        }
        let is_absolute = match word.text {
            b"@" => false,
            b"." => true,
            _ => name.read(word)?,
        };
        if is_absolute {
            return Ok(NodeId::ROOT);
        }
        self.state.origin.ok_or(word.mistake(Problem::NoOrigin))
    }

    /// The node of `name` under `above`, or `None` if it is too long.
    pub(super) fn intern(&mut self, name: &Name, above: NodeId) -> Option<NodeId> {
        (0..name.labels).rev().try_fold(above, |node, index| self.state.tree.intern(node, name.label(index)?))
    }
}
