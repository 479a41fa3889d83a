//! Master files: the text form of a zone (RFC 1035, 5; RFC 2308, 4 for `$TTL`).
//!
//! Three steps, each a module: [`scanner`] finds words, [`data`] reads what the types of records want, this module
//! puts entries together, and [`freeze`] makes the tables of a [`Zone`] of them and refuses what makes no zone. Words
//! and records carry their offset in the file; a line and a column are counted only when there is a mistake to tell.

mod data;
mod digits;
mod generate;
mod generic;
mod include;
mod location;
mod name;
mod number;
mod parameters;
mod problem;
mod scanner;
mod types;

pub(crate) use data::MIN_DIGEST;
pub(crate) use digits::Digits;
pub(crate) use generic::are_texts;
pub use include::Include;
pub(crate) use number::{decimal, ipv4, ipv6};
pub(crate) use parameters::are_valid as are_parameters;
pub(crate) use problem::Mistake;
pub use problem::{Problem, ZoneError};
pub(crate) use types::are_valid as is_bitmap;

use crate::draft::{Draft, Entry, Rules, freeze};
use crate::kind::Kind;
use crate::tree::{MAX_NAME, NodeId, Tree, is_same};
use crate::zone::{Zone, minimum};
use alloc::vec::Vec;
use include::Files;
use scanner::{Scanner, Word};

/// The longest master file in octets with all that it includes, so that offsets fit in 32 bits with room to spare.
pub const MAX_FILE: usize = 1 << 28;

/// Records that there is room for before any is read.
const FIRST_ENTRIES: usize = 8;

/// Octets of data that a word of no length can become: a name with its origin, a block of a bitmap, a length.
const WORD_DATA: usize = 320;
/// Octets of data that each character of a word can become: the two of `::` are sixteen.
const CHARACTER_DATA: usize = 8;
/// The longest word of data in characters: each octet of the longest data as a backslash and three digits.
const MAX_WORD: usize = 4 * u16::MAX as usize;

/// The class of the Internet (RFC 1035, 3.2.4).
const IN: u32 = 1;

/// Reads the entries of one text.
struct Reader<'s, 'w, 'f> {
    state: &'s mut State<'f>,
    scanner: Scanner<'w>,
    /// How much there was of what [`State::amounts`] counts before this text, and what others brought in between: it says
    /// nothing of what this one is going to bring.
    before: [usize; 4],
}

/// Everything read so far.
struct State<'f> {
    files: Files<'f>,
    tree: Tree,
    entries: Vec<Entry>,
    /// Each record's data after its length in two octets, names as four octets of their node.
    data: Vec<u8>,
    origin: Option<NodeId>,
    /// What the zone seems to be: its SOA record's owner, or the first origin but the root.
    apex: Option<NodeId>,
    /// A SOA record named it.
    has_soa: bool,
    /// The last owner; entries that begin with a blank have it too.
    owner: Option<NodeId>,
    /// What `$TTL` said.
    default_ttl: Option<u32>,
    /// What the last record said itself.
    last_ttl: Option<u32>,
    /// Octets of lines that records were generated of.
    generated: u64,
    /// There was no memory for something.
    is_starved: bool,
}

/// Reads and checks a zone.
#[inline(never)]
pub(crate) fn parse<'f>(
    file: &'f str,
    bytes: &'f [u8],
    include: &'f Include<'f>,
) -> Result<Zone, ZoneError<'f>> {
    let mut state = State::new(bytes.len().min(MAX_FILE), include);
    let read = match state.files.open(file, bytes) {
        Ok(scanner) => Reader::new(&mut state, scanner).entries(),
        Err(problem) => Err(Mistake { at: 0, problem }),
    };
    let State { files, mut tree, entries, data, apex, has_soa, is_starved, .. } = state;
    tree.shrink();
    let is_starved = is_starved || tree.is_starved();
    let read = read.map_err(|mistake| if is_starved { mistake.starved() } else { mistake });
    let zone = apex.and_then(|apex| dotted(&tree, apex));
    read.and_then(|()| freeze(Draft { tree, entries, data }, bytes.len(), Rules::File)).map_err(|mistake| {
        let main = file;
        let (file, line, column) = files.locate(mistake, file);
        ZoneError { zone_file: main, file, line, column, problem: mistake.problem, zone, has_soa }
    })
}

/// Makes room for `promised` more and `least` besides, or at least for those, and says whether there is.
#[inline(never)]
fn grow<T>(list: &mut Vec<T>, promised: usize, least: usize) -> bool {
    // Where nothing is promised, it grows by as much again.
    promised > 0 && list.try_reserve_exact(promised + least).is_ok()
        || list.try_reserve(least).is_ok()
        || list.try_reserve_exact(least).is_ok()
}

/// The labels of `node`, each with a dot behind it.
fn dotted(tree: &Tree, mut node: NodeId) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    name.try_reserve_exact(MAX_NAME).ok()?;
    while node != NodeId::ROOT {
        name.extend_from_slice(tree.label(node));
        name.push(b'.');
        node = tree.parent(node);
    }
    Some(name)
}

impl<'f> State<'f> {
    /// Nothing yet of a file of `length` octets.
    fn new(length: usize, include: &'f Include<'f>) -> Self {
        let mut entries = Vec::new();
        // A fraction of them, by which the rest is foreseen. Without it they grow step by step.
        let _ = entries.try_reserve_exact(FIRST_ENTRIES + length / 512);
        Self {
            files: Files::new(include),
            tree: Tree::new(),
            entries,
            data: Vec::new(),
            origin: None,
            apex: None,
            has_soa: false,
            owner: None,
            default_ttl: None,
            last_ttl: None,
            generated: 0,
            is_starved: false,
        }
    }

    /// Entries, octets of data, names, and octets of names.
    fn amounts(&self) -> [usize; 4] {
        [self.entries.len(), self.data.len(), self.tree.len(), self.tree.octets()]
    }
}

impl<'s, 'w, 'f> Reader<'s, 'w, 'f> {
    /// Reads what `scanner` finds.
    fn new(state: &'s mut State<'f>, scanner: Scanner<'w>) -> Self {
        let before = state.amounts();
        Self { state, scanner, before }
    }

    /// Makes room for what the rest of the file promises by what it has brought so far, so that nothing grows step by step, for
    /// another record at least, and for so many octets of data.
    #[inline(never)]
    fn make_room(&mut self, octets: usize) -> Result<(), Mistake> {
        let mut promised = self.state.amounts();
        for (amount, before) in promised.iter_mut().zip(self.before) {
            *amount = self.scanner.promised(amount.saturating_sub(before));
        }
        let [more_entries, more_data, names, labels] = promised;
        let State { tree, entries, data, .. } = &mut *self.state;
        tree.reserve(names, labels);
        if grow(entries, more_entries, 1) && grow(data, more_data, WORD_DATA + octets) {
            return Ok(());
        }
        self.state.is_starved = true;
        Err(self.mistake(Problem::NoMemory))
    }

    /// Goes on to the next word of the entry, and makes room for the data that it can become.
    #[inline(never)]
    fn advance(&mut self) -> Result<bool, Mistake> {
        let is_there = self.scanner.advance()?;
        let length = self.scanner.word().text.len();
        let data = &self.state.data;
        if data.capacity() - data.len() < WORD_DATA + CHARACTER_DATA * length {
            if length > MAX_WORD {
                return Err(self.mistake(Problem::DataTooLong));
            }
            self.make_room(CHARACTER_DATA * length)?;
        }
        Ok(is_there)
    }

    fn entries(&mut self) -> Result<(), Mistake> {
        while let Some(is_blank) = self.scanner.entry()? {
            let word = self.scanner.word();
            let control = word.text.strip_prefix(b"$").filter(|_| !word.is_quoted);
            match control {
                Some(control) => {
                    let before = self.state.amounts();
                    self.control(control, word.at)?;
                    for ((start, before), now) in self.before.iter_mut().zip(before).zip(self.state.amounts())
                    {
                        *start += now - before; // nothing becomes less
                    }
                }
                None => {
                    if !is_blank {
                        self.state.owner = Some(self.name()?);
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

    /// A control entry (RFC 1035, 5.1; RFC 2308, 4; BIND's `$GENERATE`).
    fn control(&mut self, name: &[u8], at: u32) -> Result<(), Mistake> {
        if is_same(name, b"ORIGIN") {
            self.expect(Problem::ExpectedName)?;
            let origin = self.name()?;
            self.state.origin = Some(origin);
            self.state.apex = self.state.apex.or(Some(origin).filter(|origin| *origin != NodeId::ROOT));
        } else if is_same(name, b"TTL") {
            self.expect(Problem::ExpectedTtl)?;
            self.state.default_ttl = Some(self.time()?);
        } else if is_same(name, b"INCLUDE") {
            self.include()?;
        } else if is_same(name, b"GENERATE") {
            self.generate(at)?;
        } else {
            return Err(Mistake { at, problem: Problem::ExpectedControl });
        }
        Ok(())
    }

    /// What follows the owner: `[TTL] [class] type data`, TTL and class in either order (RFC 1035, 5.1).
    #[inline(never)]
    fn record(&mut self, at: u32) -> Result<(), Mistake> {
        let owner = self.state.owner.ok_or(Mistake { at, problem: Problem::ExpectedOwner })?;
        let mut stated = None;
        let mut has_class = false;
        let (kind, fields) = loop {
            let word = self.scanner.word();
            if stated.is_none() && word.text.first().is_some_and(u8::is_ascii_digit) {
                stated = Some(self.time()?);
            } else if !has_class && class(word.text) == Some(IN) {
                has_class = true;
            } else {
                break kind(&word, has_class)?;
            }
            self.expect(Problem::ExpectedType)?;
        };
        if kind == Kind::SOA && !self.state.has_soa {
            (self.state.apex, self.state.has_soa) = (Some(owner), true);
        }
        let type_at = self.scanner.word().at;
        let start = self.state.data.len();
        self.put(&[0; 2]);
        data::read(self, kind, fields)?;
        let length = self.state.data.len() - start - 2;
        let length =
            u16::try_from(length).map_err(|_| Mistake { at: type_at, problem: Problem::DataTooLong })?;
        if let Some(place) = self.state.data.get_mut(start..).and_then(|data| data.first_chunk_mut()) {
            *place = length.to_le_bytes();
        }
        let time_to_live = stated
            .or(self.state.default_ttl)
            .or(self.state.last_ttl)
            .or_else(|| (kind == Kind::SOA).then(|| minimum(&self.state.data)))
            .ok_or(Mistake { at: type_at, problem: Problem::NoTtl })?;
        self.state.last_ttl = Some(time_to_live);
        if self.state.entries.len() == self.state.entries.capacity() {
            self.make_room(0)?;
        }
        let data =
            u32::try_from(start).map_err(|_| Mistake { at: type_at, problem: Problem::FileTooLong })?;
        self.state.entries.push(Entry { owner, kind, time_to_live, data, at });
        Ok(())
    }

    /// Goes on to the next word of the entry; without one, `problem` stands behind the last.
    fn expect(&mut self, problem: Problem) -> Result<(), Mistake> {
        let is_there = self.advance()?;
        is_there.then_some(()).ok_or(Mistake { at: self.scanner.end_of_word(), problem })
    }

    /// Reads the last word as a time to live.
    fn time(&self) -> Result<u32, Mistake> {
        number::time_to_live(self.scanner.word().text).ok_or_else(|| self.mistake(Problem::ExpectedTtl))
    }

    /// The mistake that the last word is.
    fn mistake(&self, problem: Problem) -> Mistake {
        self.scanner.word().mistake(problem)
    }
}

/// The type that `word` names, and its fields.
fn kind(word: &Word<'_>, has_class: bool) -> Result<(Kind, &'static [u8]), Mistake> {
    let kind = Kind::parse_with_fields(word.text).filter(|(kind, _)| kind.is_of_data() && !word.is_quoted);
    kind.ok_or_else(|| {
        let is_class = !has_class && class(word.text).is_some();
        word.mistake(if is_class { Problem::ExpectedClass } else { Problem::ExpectedType })
    })
}

/// The number of the class that `word` names: one of RFC 1035, 3.2.4, or `CLASS` and its number (RFC 3597, 5).
fn class(word: &[u8]) -> Option<u32> {
    let classes: [(&[u8; 2], u32); 4] = [(b"IN", IN), (b"CS", 2), (b"CH", 3), (b"HS", 4)];
    if let Some((_, number)) = classes.iter().find(|(name, _)| is_same(word, *name)) {
        return Some(*number);
    }
    let (_, number) = word.split_at_checked(5).filter(|(class, _)| is_same(class, b"CLASS"))?;
    decimal(number, u16::MAX.into())
}
