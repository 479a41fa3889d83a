//! Master files: the text form of a zone (RFC 1035, 5; RFC 2308, 4 for `$TTL`).
//!
//! Three steps, each a module: [`scanner`] finds words, [`data`] reads what the types of records want, this module
//! puts entries together, and [`check`] makes the tables of a [`Zone`] of them and refuses what makes no zone. Words
//! and records carry their offset in the file; a line and a column are counted only when there is a mistake to tell.

mod check;
mod data;
mod number;
mod problem;
mod scanner;

pub use problem::{Problem, ZoneError};

use crate::kind::{Kind, STORED};
use crate::tree::{Label, NodeId, Tree, is_same};
use crate::zone::Zone;
use alloc::vec::Vec;
use problem::Mistake;
use scanner::{Scanner, Word};

/// The longest master file in octets, so that offsets fit in 32 bits with room to spare.
pub const MAX_FILE: usize = 1 << 28;

/// One record as it was read.
struct Entry {
    owner: NodeId,
    kind: Kind,
    time_to_live: u32,
    /// Where its data begins in [`Reader::data`].
    data: u32,
    /// Where it begins in the file.
    at: u32,
}

/// Everything read so far.
struct Reader<'b> {
    scanner: Scanner<'b>,
    tree: Tree,
    entries: Vec<Entry>,
    /// Each record's data after its length in two octets, names as four octets of their node.
    data: Vec<u8>,
    origin: Option<NodeId>,
    /// The last owner; entries that begin with a blank have it too.
    owner: Option<NodeId>,
    /// What `$TTL` said.
    default_ttl: Option<u32>,
    /// What the last record said itself.
    last_ttl: Option<u32>,
}

/// Reads and checks a zone.
#[inline(never)]
pub(crate) fn parse<'f>(file: &'f str, bytes: &[u8]) -> Result<Zone, ZoneError<'f>> {
    let read = || {
        if bytes.len() > MAX_FILE {
            return Err(Mistake { at: 0, problem: Problem::FileTooLong });
        }
        let mut reader = Reader::new(bytes);
        reader.entries()?;
        check::freeze(reader.tree, &reader.entries, &reader.data, bytes.len())
    };
    read().map_err(|mistake| mistake.locate(file, bytes))
}

impl<'b> Reader<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self {
            scanner: Scanner::new(bytes),
            tree: Tree::new(),
            // A guess that spares growing step by step: a line of some 32 octets, half of it data.
            entries: Vec::with_capacity(bytes.len() / 32),
            data: Vec::with_capacity(bytes.len() / 2),
            origin: None,
            owner: None,
            default_ttl: None,
            last_ttl: None,
        }
    }

    fn entries(&mut self) -> Result<(), Mistake> {
        while let Some(is_blank) = self.scanner.entry()? {
            let word = self.scanner.word();
            let control = word.text.strip_prefix(b"$").filter(|_| !word.is_quoted);
            match control {
                Some(control) => self.control(control, word.at)?,
                None => {
                    if !is_blank {
                        self.owner = Some(self.name()?);
                        self.expect(Problem::ExpectedType)?;
                    }
                    self.record(word.at)?;
                }
            }
            if self.scanner.advance()? {
                return Err(self.mistake(Problem::ExpectedEnd));
            }
        }
        Ok(())
    }

    /// `$ORIGIN name` or `$TTL time`.
    fn control(&mut self, name: &[u8], at: u32) -> Result<(), Mistake> {
        if is_same(name, b"ORIGIN") {
            self.expect(Problem::ExpectedName)?;
            self.origin = Some(self.name()?);
        } else if is_same(name, b"TTL") {
            self.expect(Problem::ExpectedTtl)?;
            self.default_ttl = Some(self.time()?);
        } else {
            return Err(Mistake { at, problem: Problem::ExpectedControl });
        }
        Ok(())
    }

    /// What follows the owner: `[TTL] [class] type data`, TTL and class in either order (RFC 1035, 5.1).
    #[inline(never)]
    fn record(&mut self, at: u32) -> Result<(), Mistake> {
        let owner = self.owner.ok_or(Mistake { at, problem: Problem::ExpectedOwner })?;
        let mut stated = None;
        let mut has_class = false;
        let kind = loop {
            let word = self.scanner.word();
            if stated.is_none() && word.text.first().is_some_and(u8::is_ascii_digit) {
                stated = Some(self.time()?);
            } else if !has_class && is_same(word.text, b"IN") {
                has_class = true;
            } else {
                break kind(&word, has_class)?;
            }
            self.expect(Problem::ExpectedType)?;
        };
        let type_at = self.scanner.word().at;
        let start = self.data.len();
        self.put(&[0; 2]);
        data::read(self, kind)?;
        let length = self.data.len() - start - 2;
        let length =
            u16::try_from(length).map_err(|_| Mistake { at: type_at, problem: Problem::DataTooLong })?;
        if let Some(place) = self.data.get_mut(start..).and_then(|data| data.first_chunk_mut()) {
            *place = length.to_le_bytes();
        }
        let time_to_live = stated
            .or(self.default_ttl)
            .or(self.last_ttl)
            .or_else(|| (kind == Kind::SOA).then(|| minimum(&self.data)))
            .ok_or(Mistake { at: type_at, problem: Problem::NoTtl })?;
        self.last_ttl = Some(time_to_live);
        // Data are shorter than MAX_FILE times two.
        self.entries.push(Entry { owner, kind, time_to_live, data: start as u32, at });
        Ok(())
    }

    /// Goes on to the next word of the entry; without one, `problem` stands behind the last.
    fn expect(&mut self, problem: Problem) -> Result<(), Mistake> {
        let is_there = self.scanner.advance()?;
        is_there.then_some(()).ok_or(Mistake { at: self.scanner.end_of_word(), problem })
    }

    /// Reads the last word as a time.
    fn time(&self) -> Result<u32, Mistake> {
        number::time(self.scanner.word().text).ok_or_else(|| self.mistake(Problem::ExpectedTtl))
    }

    /// The mistake that the last word is.
    fn mistake(&self, problem: Problem) -> Mistake {
        self.scanner.word().mistake(problem)
    }

    /// Reads the last word as a name: absolute, relative to the origin, or `@`.
    fn name(&mut self) -> Result<NodeId, Mistake> {
        let word = &self.scanner.word();
        let mut wire = Name { bytes: [0; NAME], length: 0, starts: [0; LABELS], labels: 0 };
        let no_origin = Mistake { at: word.at, problem: Problem::NoOrigin };
        if word.is_quoted || word.text.is_empty() {
            return Err(word.mistake(Problem::ExpectedName));
        }
        match word.text {
            b"@" => return self.origin.ok_or(no_origin),
            b"." => return Ok(NodeId::ROOT),
            _ => {}
        }
        let is_absolute = wire.read(word)?;
        let above = if is_absolute { NodeId::ROOT } else { self.origin.ok_or(no_origin)? };
        let too_long = || word.mistake(Problem::NameTooLong);
        let mut node = above;
        for index in (0..wire.labels).rev() {
            let label = wire.label(index).ok_or_else(too_long)?;
            node = self.tree.intern(node, label).ok_or_else(too_long)?;
        }
        Ok(node)
    }
}

/// Octets of the labels of a name, without their lengths.
const NAME: usize = 255;
/// The most labels of a name.
const LABELS: usize = 127;

/// A name in the reading: its labels without the dots.
struct Name {
    bytes: [u8; NAME],
    length: usize,
    /// Where each label begins in `bytes`.
    starts: [u8; LABELS],
    labels: usize,
}

impl Name {
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
            if is_special && !letter.byte.is_ascii_graphic() {
                return Err(Mistake { at, problem: Problem::ExpectedAscii });
            }
            let too_long = Mistake { at, problem: Problem::NameTooLong };
            if !is_open {
                *self.starts.get_mut(self.labels).ok_or(too_long)? = self.length as u8; // below NAME
                self.labels += 1;
                is_open = true;
            }
            *self.bytes.get_mut(self.length).ok_or(too_long)? = letter.byte;
            self.length += 1;
            if self.length - self.last_start() > crate::tree::MAX_LABEL {
                return Err(Mistake { at, problem: Problem::LabelTooLong });
            }
        }
        Ok(!is_open)
    }

    fn last_start(&self) -> usize {
        self.starts.get(self.labels.wrapping_sub(1)).copied().unwrap_or(0).into()
    }

    fn label(&self, index: usize) -> Option<Label<'_>> {
        let start = usize::from(*self.starts.get(index)?);
        let end = if index + 1 == self.labels { self.length } else { (*self.starts.get(index + 1)?).into() };
        Some(Label::new(self.bytes.get(start..)?, end.checked_sub(start)?))
    }
}

/// The type that `word` names.
fn kind(word: &Word<'_>, has_class: bool) -> Result<Kind, Mistake> {
    // Their lengths tell most of them apart.
    let stored = STORED
        .iter()
        .find(|stored| stored.text.len() == word.text.len() && is_same(word.text, stored.text.as_bytes()));
    if let Some(stored) = stored.filter(|_| !word.is_quoted) {
        return Ok(stored.kind);
    }
    let classes: [&[u8]; 3] = [b"CH", b"HS", b"CS"];
    if !has_class && classes.iter().any(|class| is_same(word.text, class)) {
        return Err(word.mistake(Problem::ExpectedClass));
    }
    Err(word.mistake(Problem::ExpectedType))
}

/// The last field of the SOA whose data was read last (RFC 1035, 3.3.13).
fn minimum(data: &[u8]) -> u32 {
    data.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}
