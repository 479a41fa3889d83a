//! The file that says who may transfer zones, whom they are fetched from, and who is told of changes: `dns.conf` of the data.
//!
//! It is written in the words of NSD's configuration, of which the clauses `key:` and `zone:` are known with what is said in
//! them of transfers. [`Configuration::parse`] reads it whole or names the first mistake. Parts: `scanner.rs` finds words, `zone.rs`
//! reads what a zone has, `access.rs` the addresses in that. Invariant: every key that a zone names is there, no key and no zone is
//! there twice.

mod access;
mod scanner;
mod zone;

pub use access::{Access, Entry, allows};
pub use zone::ZoneOptions;

use crate::labels::Labels;
use crate::master::Digits;
use crate::tree::{Label, MAX_LABEL, MAX_NAME, NodeId, Tree, is_same};
use crate::tsig::{Algorithm, Key};
use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use scanner::{Mistake, Scanner, Word};

/// The longest file in octets.
pub const MAX_CONFIGURATION: usize = 1 << 20;
/// The most keys.
pub const MAX_KEYS: usize = 256;
/// The most entries of one kind that a zone has, such as `provide-xfr:`.
pub const MAX_ENTRIES: usize = 16;

/// The least octets of a secret: with fewer than 128 bits it can be guessed.
const LEAST_SECRET: usize = 16;
/// The place of a name that is no zone's.
const NO_ZONE: u32 = u32::MAX;
const NO_MEMORY: &str = "expected more memory: the keys and zones do not fit";

/// A mistake in the file. Displayed as `file:line:column: what was expected`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigurationError<'f> {
    /// What the caller named the file.
    pub file: &'f str,
    /// Line of the mistake, the first being 1.
    pub line: u32,
    /// Character in the line, the first being 1.
    pub column: u32,
    /// What was expected there.
    pub expected: &'static str,
}

impl fmt::Display for ConfigurationError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        f.write_str(":")?;
        fmt::Display::fmt(&self.line, f)?;
        f.write_str(":")?;
        fmt::Display::fmt(&self.column, f)?;
        f.write_str(": ")?;
        f.write_str(self.expected)
    }
}

impl core::error::Error for ConfigurationError<'_> {}

/// What the file says.
pub struct Configuration<'f> {
    keys: Vec<Key>,
    zones: Vec<ZoneOptions<'f>>,
    /// The names of the zones and all names above them.
    tree: Tree,
    /// For each node of `tree` the place in `zones`, or [`NO_ZONE`].
    places: Vec<u32>,
}

impl<'f> Configuration<'f> {
    /// Reads `bytes`, the content of what mistakes call `file`.
    ///
    /// # Errors
    /// The first mistake: where it is, and what was expected there.
    #[inline(never)]
    pub fn parse(file: &'f str, bytes: &'f [u8]) -> Result<Self, ConfigurationError<'f>> {
        let mut reader = Reader::new(bytes);
        if let Some(keys) = reader.read() {
            let Reader { zones, tree, places, .. } = reader;
            return Ok(Self { keys, zones, tree, places });
        }
        let Mistake { at, expected } = reader.scanner.mistake;
        let (line, column) = scanner::locate(bytes, at);
        Err(ConfigurationError { file, line, column, expected })
    }

    /// The keys, in the order in which they are named first. What says key by number means a place among them.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The zones, in their order.
    pub fn zones(&self) -> &[ZoneOptions<'f>] {
        &self.zones
    }

    /// The keys and the zones.
    pub(crate) fn into_parts(self) -> (Vec<Key>, Vec<ZoneOptions<'f>>) {
        (self.keys, self.zones)
    }

    /// What is said of the zone whose name is, as on the wire, `name`.
    pub fn zone(&self, name: &[u8]) -> Option<&ZoneOptions<'f>> {
        let mut labels = Labels::new();
        labels.read(name, 0)?;
        let child = |node, index| self.tree.child(node, labels.label(name, index));
        let node = (0..labels.count()).rev().try_fold(NodeId::ROOT, child)?;
        self.zones.get(*self.places.get(node.index())? as usize)
    }
}

/// A name as on the wire, in the case in which it is written.
pub struct WireName {
    octets: [u8; MAX_NAME],
    length: u8,
}

impl WireName {
    /// The name that `text` is, with or without a dot at its end. It has no escapes.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut name = Self { octets: [0; MAX_NAME], length: 1 };
        let is_good = |octet: &u8| octet.is_ascii_graphic() && *octet != b'\\';
        for label in labels(text) {
            let at = usize::from(name.length) - 1;
            let is_label = (1..=MAX_LABEL).contains(&label.len()) && label.iter().all(is_good);
            // The root's octet stands behind it.
            let place = name.octets.get_mut(at..at + label.len() + 2).filter(|_| is_label)?;
            let (length, rest) = place.split_first_mut()?;
            *length = label.len() as u8; // at most MAX_LABEL
            rest.get_mut(..label.len())?.copy_from_slice(label);
            name.length += 1 + label.len() as u8; // it has room
        }
        Some(name)
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length.into()).unwrap_or_default()
    }
}

/// `name` without the dot at its end, which the root is nothing but.
fn relative(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// The labels of a name that is written with dots between them.
fn labels(name: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let name = relative(name);
    name.split(|octet| *octet == b'.').filter(move |_| !name.is_empty())
}

/// A key that was named. Zones may name one before it is there.
struct Slot<'f> {
    name: Word<'f>,
    key: Option<Key>,
}

/// What the clause in the reading is about.
#[derive(Clone, Copy)]
enum Clause {
    None,
    Key,
    Zone,
}

/// Everything read so far. What reads gives `None` for a mistake, which then stands in [`Scanner::mistake`].
struct Reader<'f> {
    scanner: Scanner<'f>,
    clause: Clause,
    /// Where the clause begins.
    at: usize,
    /// The attributes that it has, a bit for each.
    seen: u32,
    /// Its name, empty if there is none yet.
    name: Word<'f>,
    /// What else a key has. What else a zone has stands in the last of `zones`.
    secret: Word<'f>,
    algorithm: Algorithm,
    slots: Vec<Slot<'f>>,
    zones: Vec<ZoneOptions<'f>>,
    tree: Tree,
    places: Vec<u32>,
}

impl<'f> Reader<'f> {
    fn new(bytes: &'f [u8]) -> Self {
        Self {
            scanner: Scanner::new(bytes),
            clause: Clause::None,
            at: 0,
            seen: 0,
            name: Word::NONE,
            secret: Word::NONE,
            algorithm: Algorithm::Sha256,
            slots: Vec::new(),
            zones: Vec::new(),
            tree: Tree::new(),
            places: Vec::new(),
        }
    }

    /// Reads all clauses, and gives the keys.
    fn read(&mut self) -> Option<Vec<Key>> {
        if self.scanner.length() > MAX_CONFIGURATION {
            return self.scanner.fail(0, "expected at most 1 MiB");
        }
        while self.scanner.advance()? {
            let word = self.scanner.word;
            let begun = match word.unquoted() {
                b"key:" => Clause::Key,
                b"zone:" => Clause::Zone,
                _ => {
                    match self.clause {
                        Clause::None => {
                            return self
                                .scanner
                                .fail(word.at, "expected key: or zone:, the clauses that are known here");
                        }
                        Clause::Key => self.key_attribute()?,
                        Clause::Zone => self.zone_attribute()?,
                    }
                    continue;
                }
            };
            self.finish()?;
            if matches!(begun, Clause::Zone) {
                if self.zones.try_reserve(1).is_err() {
                    return self.scanner.fail(word.at, NO_MEMORY);
                }
                self.zones.push(ZoneOptions::new());
            }
            (self.clause, self.at, self.seen) = (begun, word.at, 0);
            (self.name, self.secret, self.algorithm) = (Word::NONE, Word::NONE, Algorithm::Sha256);
        }
        self.finish()?;
        let mut keys = Vec::new();
        if keys.try_reserve_exact(self.slots.len()).is_err() {
            return self.scanner.fail(0, NO_MEMORY);
        }
        for Slot { name, key } in self.slots.drain(..) {
            let Some(key) = key else {
                let expected = "expected NOKEY, or the name of a key that this file has a key: clause for";
                return self.scanner.fail(name.at, expected);
            };
            keys.push(key);
        }
        Some(keys)
    }

    /// Takes the clause that is complete.
    fn finish(&mut self) -> Option<()> {
        match self.clause {
            Clause::None => Some(()),
            _ if self.name.text.is_empty() => self.scanner.fail(self.at, "expected a name: in this clause"),
            Clause::Key => self.finish_key(),
            Clause::Zone => self.finish_zone(),
        }
    }

    /// Reads an attribute of a key.
    fn key_attribute(&mut self) -> Option<()> {
        const NAMES: [&[u8]; 3] = [b"name:", b"algorithm:", b"secret:"];
        let expected = "expected name:, algorithm: or secret:, all that a key has, or another key: or zone:";
        let attribute = self.attribute(&NAMES, NAMES.len(), expected)?;
        let value = self.value()?;
        match attribute {
            0 => return self.take_name(),
            1 => {
                // As NSD has it, the beginning may lack.
                let text = value.text.strip_prefix(b"hmac-").unwrap_or(value.text);
                let found = Algorithm::ALL.into_iter().find(|algorithm| text == algorithm.text());
                let Some(algorithm) = found else {
                    let expected = "expected hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512: those before are weak";
                    return self.scanner.fail(value.at, expected);
                };
                self.algorithm = algorithm;
            }
            _ => self.secret = value,
        }
        Some(())
    }

    fn finish_key(&mut self) -> Option<()> {
        let Word { text, at, .. } = self.secret;
        if text.is_empty() {
            return self.scanner.fail(self.at, "expected a secret: in this clause");
        }
        let mut octets = Vec::new();
        if octets.try_reserve_exact(text.len()).is_err() {
            return self.scanner.fail(at, NO_MEMORY);
        }
        let mut digits = Digits::BASE64;
        let is_base64 = digits.take(text, &mut octets).is_some() && digits.is_whole();
        let is_good = is_base64 && octets.len() >= LEAST_SECRET;
        let name = WireName::parse(self.name.text)?; // it is one
        let key = Key::try_new(name.octets(), self.algorithm, &octets);
        octets.fill(0);
        black_box(&octets); // it is seen, so it is written
        if !is_good {
            return self
                .scanner
                .fail(at, "expected at least 16 octets in base64, padded with = to groups of four");
        }
        let number = self.slot(self.name)?;
        let slot = self.slots.get_mut(number)?;
        if slot.key.is_some() {
            return self.second();
        }
        slot.key = key;
        Some(())
    }

    /// The number of the key that `name` names.
    fn slot(&mut self, name: Word<'f>) -> Option<usize> {
        let text = relative(name.text);
        let is_it = |slot: &Slot<'_>| is_same(relative(slot.name.text), text);
        if let Some(number) = self.slots.iter().position(is_it) {
            return Some(number);
        }
        let number = self.slots.len();
        if number == MAX_KEYS {
            return self.scanner.fail(name.at, "expected at most 256 keys");
        }
        if self.slots.try_reserve(1).is_err() {
            return self.scanner.fail(name.at, NO_MEMORY);
        }
        self.slots.push(Slot { name, key: None });
        Some(number)
    }

    fn finish_zone(&mut self) -> Option<()> {
        let intern = |node, label: &[u8]| self.tree.intern(node, Label::new(label, label.len()));
        let node = labels(self.name.text).rev().try_fold(NodeId::ROOT, intern);
        let more = self.tree.len() - self.places.len();
        // The name was found to be one, so there is nothing but memory that can lack.
        let Some(node) = node.filter(|_| self.places.try_reserve(more).is_ok()) else {
            return self.scanner.fail(self.name.at, NO_MEMORY);
        };
        self.places.resize(self.tree.len(), NO_ZONE);
        let place = self.places.get_mut(node.index())?;
        if *place != NO_ZONE {
            return self.second();
        }
        *place = self.zones.len() as u32 - 1; // fewer than octets, and the last is this one
        Some(())
    }

    /// The mistake that there was a clause of the same name.
    fn second(&mut self) -> Option<()> {
        self.scanner.fail(self.name.at, "expected another name: there is a clause of this one already")
    }

    /// Which of `names` the last word is, of which the first `once` are said once in a clause at most.
    fn attribute(&mut self, names: &[&[u8]], once: usize, expected: &'static str) -> Option<usize> {
        let word = self.scanner.word;
        let Some(number) = names.iter().position(|name| *name == word.unquoted()) else {
            return self.scanner.fail(word.at, expected);
        };
        let bit = 1 << number;
        if number < once && self.seen & bit != 0 {
            return self.scanner.fail(word.at, "expected this once in a clause");
        }
        self.seen |= bit;
        Some(number)
    }

    /// The next word of the line.
    #[inline(never)]
    fn value(&mut self) -> Option<Word<'f>> {
        let end = self.scanner.word.end;
        if !self.scanner.advance_in_line()? {
            return self.scanner.fail(end, "expected a value behind this, on the same line");
        }
        Some(self.scanner.word)
    }

    /// Takes the last word as the name of the clause.
    #[inline(never)]
    fn take_name(&mut self) -> Option<()> {
        let word = self.scanner.word;
        if word.text.is_empty() || WireName::parse(word.text).is_none() {
            return self.scanner.fail(word.at, "expected a domain name without escapes, such as example.org");
        }
        self.name = word;
        Some(())
    }
}
