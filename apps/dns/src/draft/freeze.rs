//! From a draft to a zone: what makes no zone is refused, the rest becomes the tables of a [`Zone`].
//!
//! Records are chained by owner in the order of the file, then each owner's are gathered type by type: no sorting,
//! and the work grows with the number of records alone. The chains begin where the sets are told later, and data stay
//! where they were read, so a zone in the making takes little more than one that is made.
//!
//! Rules: RFC 1034, 3.6.2 and 4.2.1 (CNAME, cuts, glue);
//! RFC 2181, 5 and 10.3 (sets, aliases as servers); RFC 2308, 5 (negative answers); RFC 4592, 4.2 (wildcards);
//! RFC 6672, 2 (DNAME).

use super::{Draft, Entry, LENGTH, Rules, record};
use crate::denial::{Denial, is_costly};
use crate::kind::Kind;
use crate::master::{Mistake, Problem};
use crate::query::HEADER;
use crate::servers::Servers;
use crate::tree::{MAX_NAME, NodeId, trim};
use crate::zone::{Packed, Set, Zone, minimum};
use alloc::vec::Vec;

/// The most name servers of one name: an answer looks at all of them for their addresses.
const MAX_SERVERS: u16 = 64;
/// The most types of records at one name: each costs a walk along all its records.
const MAX_TYPES: usize = 64;
/// What a message spends besides a set of records: header, question and the OPT record of EDNS.
const AROUND_SET: usize = HEADER + MAX_NAME + 4 + 11;
/// The end of a chain of entries.
const NONE: u32 = Packed::NUMBERS - 1;
/// Records of a set that each other is compared with. What comes behind is found by its hash.
const FEW: u16 = 16;
/// A slot without a record: no data begin there.
const FREE: u32 = u32::MAX;
/// Slots for the records of a set: more than fit in one message, as each takes twelve octets at least.
const SEEN: usize = 1 << 13;
/// Spreads the octets of a record over the bits of a hash: the prime of Fowler, Noll and Vo.
const FACTOR: u32 = 16_777_619;

/// The entries of one owner: a list through [`Freezer::next`].
#[derive(Clone, Copy)]
struct Chain {
    first: u32,
    last: u32,
    /// The lowest type of the entries.
    lowest: Option<Kind>,
    /// There is something else than an alias and what may stand beside it.
    has_data: bool,
}

struct Freezer<'e> {
    entries: &'e [Entry],
    rules: Rules,
    next: Vec<u32>,
    zone: Zone,
    /// Where the data of a long set's records begin, each in a slot by their hash; all free between sets.
    seen: Vec<u32>,
    /// Names below some name are redirected.
    has_dname: bool,
}

/// Makes a zone of `draft`, if it is one by `rules`. `end` is where its entries end, in the same measure as [`Entry::at`].
///
/// # Errors
/// What makes no zone of it, and the entry where that is.
#[inline(never)]
pub(crate) fn freeze(draft: Draft, end: usize, rules: Rules) -> Result<Zone, Mistake> {
    let Draft { tree, entries, data } = draft;
    let mut authorities = entries.iter().filter(|entry| entry.kind == Kind::SOA);
    let soa = authorities.next().ok_or(Mistake { at: end as u32, problem: Problem::NoSoa })?;
    if let Some(second) = authorities.next() {
        return Err(second.mistake(Problem::SecondSoa));
    }
    let soa_data = record(&data, soa.data);
    let starved = soa.mistake(Problem::NoMemory);
    let zone = Zone {
        apex: soa.owner,
        wire_name: tree.wire_name(soa.owner).ok_or(starved)?,
        length: tree.length(soa.owner),
        depth: tree.depth(soa.owner),
        info: filled(Packed::new(NONE), tree.len() + 1).ok_or(starved)?,
        sets: Vec::new(),
        records: 0,
        // Two names of four octets each come before it.
        serial: soa_data.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |o| u32::from_be_bytes(*o)),
        negative_ttl: soa.time_to_live.min(minimum(soa_data)),
        denial: None,
        servers: None,
        data,
        tree,
    };
    let next = filled(NONE, entries.len()).ok_or(starved)?;
    let mut freezer = Freezer { entries: &entries, rules, next, zone, seen: Vec::new(), has_dname: false };
    freezer.zone.sets.try_reserve_exact(entries.len()).map_err(|_| starved)?;
    if let Some(info) = freezer.zone.info.get_mut(soa.owner.index()) {
        info.mark(Packed::EXISTS);
    }
    for entry in &entries {
        // RFC 5155, 7.2.8: nobody asks for the names of hashes; what signs them begins with their type.
        let signed = record(&freezer.zone.data, entry.data).first_chunk();
        let is_hashed = entry.kind == Kind::NSEC3
            || entry.kind == Kind::RRSIG && signed == Some(&Kind::NSEC3.code().to_be_bytes());
        if !is_hashed {
            freezer.mark_existing(entry)?;
        } else if !freezer.zone.tree.is_within(entry.owner, freezer.zone.apex) {
            return Err(entry.mistake(Problem::OutOfZone));
        }
    }
    freezer.gather_all()?;
    if rules == Rules::File {
        freezer.check_servers(soa)?;
        freezer.check_redirected()?;
    }
    let mut zone = freezer.zone;
    drop(entries);
    trim(&mut zone.sets);
    trim(&mut zone.data);
    zone.denial = Denial::of(&zone).map_err(|_| starved)?;
    zone.servers = Servers::of(&zone);
    Ok(zone)
}

impl Freezer<'_> {
    /// The owner of `entry` exists, and so do all names between it and the apex (RFC 4592, 2.2.2).
    fn mark_existing(&mut self, entry: &Entry) -> Result<(), Mistake> {
        let Zone { tree, info, .. } = &mut self.zone;
        let mut node = entry.owner;
        while let Some(here) = info.get_mut(node.index()).filter(|info| !info.is(Packed::EXISTS)) {
            here.mark(Packed::EXISTS);
            let above = tree.parent(node);
            if node == NodeId::ROOT {
                return Err(entry.mistake(Problem::OutOfZone));
            }
            if tree.label(node) == b"*"
                && let Some(above) = info.get_mut(above.index())
            {
                above.mark(Packed::HAS_WILDCARD);
            }
            node = above;
        }
        Ok(())
    }

    /// Makes the record sets of all nodes. Until those of a node are made, its number is that of its first entry.
    fn gather_all(&mut self) -> Result<(), Mistake> {
        // From behind, so that each list is in the order of the file.
        for (id, entry) in (0..self.entries.len() as u32).zip(self.entries).rev() {
            let places = (self.zone.info.get_mut(entry.owner.index()), self.next.get_mut(id as usize));
            if let (Some(first), Some(next)) = places {
                *next = first.number();
                first.set_number(id);
            }
        }
        for node in 0..self.zone.info.len() {
            // The last one is no node, and marks the end.
            let first_set = self.zone.sets.len() as u32; // no more than entries
            let Some(info) = self.zone.info.get_mut(node) else { continue };
            let first = info.number();
            info.set_number(first_set);
            self.gather(first)?;
        }
        Ok(())
    }

    /// Makes the record sets of the node whose first entry has the number `first`, in the order of their types.
    fn gather(&mut self, first: u32) -> Result<(), Mistake> {
        let first_set = self.zone.sets.len();
        let chain = self.chain(first);
        let mut next = chain.lowest;
        while let Some(kind) = next {
            next = self.gather_set(chain, kind)?;
            if self.zone.sets.len() - first_set > MAX_TYPES {
                let last = self.entries.get(chain.last as usize);
                return last.map_or(Ok(()), |last| Err(last.mistake(Problem::TooManyTypes)));
            }
        }
        Ok(())
    }

    /// The entries of one owner, from number `first` on.
    fn chain(&self, first: u32) -> Chain {
        let mut chain = Chain { first, last: NONE, lowest: None, has_data: false };
        let mut id = first;
        while let Some(entry) = self.entries.get(id as usize) {
            chain.last = id;
            if chain.lowest.is_none_or(|lowest| entry.kind < lowest) {
                chain.lowest = Some(entry.kind);
            }
            // RFC 4035, 2.5; RFC 3007, 3.1: what signs or denies stands beside an alias, and keys do.
            chain.has_data |= !matches!(entry.kind, Kind::CNAME | Kind::RRSIG | Kind::NSEC | Kind::KEY);
            id = self.next.get(id as usize).copied().unwrap_or(NONE);
        }
        chain
    }

    /// Makes the set of type `kind`, and gives the type that comes next at this name. Records that follow each other in the file
    /// stay where they are in the data, and the others are copied to its end.
    #[inline(never)]
    fn gather_set(&mut self, chain: Chain, kind: Kind) -> Result<Option<Kind>, Mistake> {
        let mut set = Set { kind, records: 0, time_to_live: u32::MAX, data: 0 };
        let mut end = 0; // of the set's data
        let mut wire_length = AROUND_SET;
        let mut id = chain.first;
        let mut next: Option<Kind> = None;
        while let Some(entry) = self.entries.get(id as usize) {
            id = self.next.get(id as usize).copied().unwrap_or(NONE);
            if entry.kind != kind {
                if entry.kind > kind && next.is_none_or(|next| entry.kind < next) {
                    next = Some(entry.kind);
                }
                continue;
            }
            // RFC 2181, 5.2: the TTLs of a set are one; the lowest does no harm.
            set.time_to_live = set.time_to_live.min(entry.time_to_live);
            let record = record(&self.zone.data, entry.data);
            if self.zone.data(&set).take(FEW.into()).any(|earlier| earlier == record) {
                continue;
            }
            if set.records >= FEW {
                let is_new = self.is_new(entry.data).ok_or(entry.mistake(Problem::NoMemory))?;
                if !is_new {
                    continue;
                }
            }
            let record = self::record(&self.zone.data, entry.data);
            let names = kind.shape().names;
            wire_length += 12 + record.len() + names * (MAX_NAME - 4);
            if wire_length > usize::from(u16::MAX) {
                return Err(entry.mistake(Problem::SetTooLong));
            }
            let start = entry.data as usize;
            let length = LENGTH + record.len();
            if set.records == 0 {
                set.data = entry.data;
                end = start;
            } else if start != end {
                end =
                    self.continue_at_end(&mut set, end, length).map_err(|problem| entry.mistake(problem))?;
                self.zone.data.extend_from_within(start..start + length);
            }
            end += length;
            set.records += 1; // far fewer than wire_length
            self.zone.records += 1;
            self.check_record(entry, chain, &set)?;
        }
        if set.records > FEW {
            self.seen.fill(FREE);
        }
        self.zone.sets.push(set);
        Ok(next)
    }

    /// Whether no record of the set behind the first few is the one whose data begin at `data`, which is remembered then. `None`
    /// where there is no memory for that.
    #[inline(never)]
    fn is_new(&mut self, data: u32) -> Option<bool> {
        if self.seen.is_empty() {
            self.seen = filled(FREE, SEEN)?;
        }
        let wanted = record(&self.zone.data, data);
        let hash = wanted.iter().fold(0, |hash: u32, octet| (hash ^ u32::from(*octet)).wrapping_mul(FACTOR));
        let mut slot = hash >> (u32::BITS - SEEN.trailing_zeros());
        // Ends, because a set has fewer records than there are slots.
        loop {
            let place = self.seen.get_mut(slot as usize)?;
            if *place == FREE {
                *place = data;
                return Some(true);
            }
            if record(&self.zone.data, *place) == wanted {
                return Some(false);
            }
            slot = (slot + 1) % SEEN as u32;
        }
    }

    /// Makes the data of `set`, which end at `end`, be the last of all, with room for as many octets as `more` behind them, and
    /// gives their end.
    fn continue_at_end(&mut self, set: &mut Set, end: usize, more: usize) -> Result<usize, Problem> {
        let data = &mut self.zone.data;
        let own = set.data as usize..end;
        let moves = end != data.len();
        data.try_reserve(more + if moves { own.len() } else { 0 }).map_err(|_| Problem::NoMemory)?;
        if moves {
            set.data = u32::try_from(data.len()).map_err(|_| Problem::FileTooLong)?;
            data.extend_from_within(own);
        }
        Ok(data.len())
    }

    /// What each type wants of the name that it stands at.
    fn check_record(&mut self, entry: &Entry, chain: Chain, set: &Set) -> Result<(), Mistake> {
        let is_strict = self.rules == Rules::File;
        if is_strict && entry.kind == Kind::CNAME && (chain.has_data || set.records > 1) {
            return Err(entry.mistake(Problem::CnameNotAlone));
        }
        let is_apex = entry.owner == self.zone.apex;
        if entry.kind == Kind::NS {
            if set.records > MAX_SERVERS {
                return Err(entry.mistake(Problem::TooManyServers));
            }
            if is_strict && self.zone.tree.label(entry.owner) == b"*" {
                return Err(entry.mistake(Problem::WildcardCut));
            }
            if !is_apex && let Some(info) = self.zone.info.get_mut(entry.owner.index()) {
                info.mark(Packed::IS_CUT);
            }
        }
        if entry.kind == Kind::NSEC3PARAM && is_costly(record(&self.zone.data, entry.data)) {
            return Err(entry.mistake(Problem::TooManyIterations));
        }
        if entry.kind == Kind::DNAME
            && let Some(info) = self.zone.info.get_mut(entry.owner.index())
        {
            // The NS records have been gathered, because their type is lower.
            if is_strict && (info.is(Packed::IS_CUT) || set.records > 1) {
                return Err(entry.mistake(Problem::DnameNotAlone));
            }
            info.mark(Packed::HAS_DNAME);
            self.has_dname = true;
        }
        Ok(())
    }

    /// What stands below a DNAME record is not in the zone, except for what denies and signs (RFC 6672, 2.4 and 5.3.3).
    #[inline(never)]
    fn check_redirected(&self) -> Result<(), Mistake> {
        let zone = &self.zone;
        let is_data = |entry: &&Entry| !matches!(entry.kind, Kind::NSEC3 | Kind::RRSIG);
        for entry in self.entries.iter().filter(is_data).filter(|_| self.has_dname) {
            let mut node = entry.owner;
            while node > zone.apex {
                node = zone.tree.parent(node);
                if zone.info(node).has_dname {
                    return Err(entry.mistake(Problem::BelowDname));
                }
            }
        }
        Ok(())
    }

    /// Every name server in the zone must have an address there, and the apex must name one.
    #[inline(never)]
    fn check_servers(&self, soa: &Entry) -> Result<(), Mistake> {
        let zone = &self.zone;
        if zone.set(zone.apex, Kind::NS).is_none() {
            return Err(soa.mistake(Problem::NoNameServer));
        }
        for entry in self.entries.iter().filter(|entry| entry.kind == Kind::NS) {
            let target =
                record(&zone.data, entry.data).first_chunk().map(|octets| NodeId::from_bytes(*octets));
            let Some(target) = target.filter(|&target| zone.tree.is_within(target, zone.apex)) else {
                continue;
            };
            if zone.set(target, Kind::CNAME).is_some() {
                return Err(entry.mistake(Problem::ServerIsAlias));
            }
            let has_address = zone.set(target, Kind::A).or(zone.set(target, Kind::AAAA)).is_some();
            if !has_address && self.needs_address(entry.owner, target) {
                return Err(entry.mistake(Problem::ServerWithoutAddress));
            }
        }
        Ok(())
    }

    /// Whether nobody else can tell the address of `target`, a name server of `owner`.
    fn needs_address(&self, owner: NodeId, target: NodeId) -> bool {
        let zone = &self.zone;
        let mut node = target;
        let mut encloser = None;
        while node > zone.apex {
            let info = zone.info(node);
            if info.is_cut {
                // Below a delegation the delegated zone tells it, unless it is the one looked for.
                return node == owner;
            }
            if info.exists {
                encloser = encloser.or(Some(node));
            }
            node = zone.tree.parent(node);
        }
        // A wildcard may stand for a name that does not exist.
        let encloser = encloser.unwrap_or(zone.apex);
        encloser == target || !zone.info(encloser).has_wildcard
    }
}

impl Entry {
    fn mistake(&self, problem: Problem) -> Mistake {
        Mistake { at: self.at, problem }
    }
}

/// A list of so many times `value`, if there is memory for it.
#[inline(never)]
pub(super) fn filled<T: Clone>(value: T, length: usize) -> Option<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(length).ok()?;
    list.resize(length, value);
    Some(list)
}
