//! From records to a zone: what makes no zone is refused, the rest becomes the tables of a [`Zone`].
//!
//! Records are chained by owner in the order of the file, then each owner's are gathered type by type: no sorting,
//! and the work grows with the number of records alone. Rules: RFC 1034, 3.6.2 and 4.2.1 (CNAME, cuts, glue);
//! RFC 2181, 5 and 10.3 (sets, aliases as servers); RFC 2308, 5 (negative answers); RFC 4592, 4.2 (wildcards);
//! RFC 6672, 2 (DNAME).

use super::problem::{Mistake, Problem};
use super::{Entry, minimum};
use crate::kind::Kind;
use crate::query::HEADER;
use crate::tree::{MAX_NAME, NodeId, Tree};
use crate::zone::{Info, Set, Zone};
use alloc::vec;
use alloc::vec::Vec;

/// The most name servers of one name: an answer looks at all of them for their addresses.
const MAX_SERVERS: u16 = 64;
/// The most types of records at one name: each costs a walk along all its records.
const MAX_TYPES: usize = 64;
/// What a message spends besides a set of records: header, question and the OPT record of EDNS.
const AROUND_SET: usize = HEADER + MAX_NAME + 4 + 11;
/// The end of a chain of entries.
const NONE: u32 = u32::MAX;

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
    /// The data of the entries, each after its length.
    source: &'e [u8],
    chains: Vec<Chain>,
    next: Vec<u32>,
    zone: Zone,
    /// Names below some name are redirected.
    has_dname: bool,
}

/// Makes a zone of `entries`, whose data stand in `source`. `end` is the offset of the end of the file.
#[inline(never)]
pub(super) fn freeze(tree: Tree, entries: &[Entry], source: &[u8], end: usize) -> Result<Zone, Mistake> {
    let mut authorities = entries.iter().filter(|entry| entry.kind == Kind::SOA);
    let soa = authorities.next().ok_or(Mistake { at: end as u32, problem: Problem::NoSoa })?;
    if let Some(second) = authorities.next() {
        return Err(second.mistake(Problem::SecondSoa));
    }
    let soa_data = record(source, soa.data);
    let mut info = vec![Info::default(); tree.len() + 1];
    if let Some(info) = info.get_mut(soa.owner.index()) {
        info.exists = true;
    }
    let zone = Zone {
        apex: soa.owner,
        info,
        sets: Vec::with_capacity(entries.len()),
        data: Vec::with_capacity(source.len()),
        records: 0,
        // Two names of four octets each come before it.
        serial: soa_data.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |o| u32::from_be_bytes(*o)),
        negative_ttl: soa.time_to_live.min(minimum(soa_data)),
        tree,
    };
    let chains = vec![Chain { first: NONE, last: NONE, lowest: None, has_data: false }; zone.tree.len()];
    let mut freezer =
        Freezer { entries, source, chains, next: vec![NONE; entries.len()], zone, has_dname: false };
    freezer.chain()?;
    for node in 0..freezer.chains.len() {
        freezer.gather(node)?;
    }
    let sets = freezer.zone.sets.len() as u32; // no more than entries
    if let Some(end) = freezer.zone.info.last_mut() {
        end.first_set = sets;
    }
    freezer.check_servers(soa)?;
    freezer.check_redirected()?;
    Ok(freezer.zone)
}

impl Freezer<'_> {
    /// Lines up the entries of each owner, and marks the names that exist.
    fn chain(&mut self) -> Result<(), Mistake> {
        let entries = self.entries;
        for (id, entry) in (0_u32..).zip(entries) {
            self.mark_existing(entry)?;
            let Some(chain) = self.chains.get_mut(entry.owner.index()) else { continue };
            match self.next.get_mut(chain.last as usize) {
                Some(next) => *next = id,
                None => chain.first = id,
            }
            chain.last = id;
            if chain.lowest.is_none_or(|lowest| entry.kind < lowest) {
                chain.lowest = Some(entry.kind);
            }
            // RFC 4035, 2.5; RFC 3007, 3.1: what signs or denies stands beside an alias, and keys do.
            chain.has_data |= !matches!(entry.kind, Kind::CNAME | Kind::RRSIG | Kind::NSEC | Kind::KEY);
        }
        Ok(())
    }

    /// The owner of `entry` exists, and so do all names between it and the apex (RFC 4592, 2.2.2).
    fn mark_existing(&mut self, entry: &Entry) -> Result<(), Mistake> {
        let Zone { tree, info, .. } = &mut self.zone;
        let mut node = entry.owner;
        while let Some(here) = info.get_mut(node.index()).filter(|info| !info.exists) {
            here.exists = true;
            let above = tree.parent(node);
            if node == NodeId::ROOT {
                return Err(entry.mistake(Problem::OutOfZone));
            }
            if tree.label(node) == b"*"
                && let Some(above) = info.get_mut(above.index())
            {
                above.has_wildcard = true;
            }
            node = above;
        }
        Ok(())
    }

    /// Makes the record sets of node number `node`, in the order of their types.
    fn gather(&mut self, node: usize) -> Result<(), Mistake> {
        let first_set = self.zone.sets.len();
        if let Some(info) = self.zone.info.get_mut(node) {
            info.first_set = first_set as u32; // no more than entries
        }
        let Some(&chain) = self.chains.get(node) else { return Ok(()) };
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

    /// Makes the set of type `kind`, and gives the type that comes next at this name.
    #[inline(never)]
    fn gather_set(&mut self, chain: Chain, kind: Kind) -> Result<Option<Kind>, Mistake> {
        let data = self.zone.data.len() as u32; // no longer than the entries' data
        let mut set = Set { kind, records: 0, time_to_live: u32::MAX, data };
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
            let record = record(self.source, entry.data);
            if self.zone.data(&set).any(|earlier| earlier == record) {
                continue;
            }
            let names = kind.shape().names;
            wire_length += 12 + record.len() + names * (MAX_NAME - 4);
            if wire_length > usize::from(u16::MAX) {
                return Err(entry.mistake(Problem::SetTooLong));
            }
            set.records += 1; // far fewer than wire_length
            self.zone.records += 1;
            let length = record.len() as u16; // as it was read
            self.zone.data.extend_from_slice(&length.to_le_bytes());
            self.zone.data.extend_from_slice(record);
            self.check_record(entry, chain, &set)?;
        }
        self.zone.sets.push(set);
        Ok(next)
    }

    /// What each type wants of the name that it stands at.
    fn check_record(&mut self, entry: &Entry, chain: Chain, set: &Set) -> Result<(), Mistake> {
        if entry.kind == Kind::CNAME && (chain.has_data || set.records > 1) {
            return Err(entry.mistake(Problem::CnameNotAlone));
        }
        let is_apex = entry.owner == self.zone.apex;
        if entry.kind == Kind::NS {
            if set.records > MAX_SERVERS {
                return Err(entry.mistake(Problem::TooManyServers));
            }
            if self.zone.tree.label(entry.owner) == b"*" {
                return Err(entry.mistake(Problem::WildcardCut));
            }
            if let Some(info) = self.zone.info.get_mut(entry.owner.index()) {
                info.is_cut = !is_apex;
            }
        }
        if entry.kind == Kind::DNAME
            && let Some(info) = self.zone.info.get_mut(entry.owner.index())
        {
            // The NS records have been gathered, because their type is lower.
            if info.is_cut || set.records > 1 {
                return Err(entry.mistake(Problem::DnameNotAlone));
            }
            info.has_dname = true;
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
                record(self.source, entry.data).first_chunk().map(|octets| NodeId::from_bytes(*octets));
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

/// The data that stand at `at` after their length.
fn record(source: &[u8], at: u32) -> &[u8] {
    let record = || {
        let (length, rest) = source.get(at as usize..)?.split_first_chunk()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    };
    record().unwrap_or(&[])
}
