//! Proofs of a signed zone: signatures beside each set, and the records that deny what is not there (RFC 4035, 3.1;
//! RFC 5155, 7.2).

use super::{Response, Section};
use crate::denial::Denial;
use crate::kind::Kind;
use crate::labels::Labels;
use crate::tree::NodeId;
use crate::writer::Owner;
use crate::zone::{Set, Zone};

/// The most wildcards that can stand behind one answer: one for each alias, and one for what they lead to.
const MAX_WILDCARDS: usize = 11;
/// The most records that deny: three for each zone that can be met on the way.
const MAX_TOLD: usize = 32;

/// What is not there.
#[derive(Clone, Copy)]
pub(super) enum Absence {
    /// A type at the name of this node.
    Type(NodeId),
    /// The name; the closest above that exists is `encloser`.
    Name { encloser: NodeId },
    /// A type at the wildcard that stands for the name.
    WildcardType { encloser: NodeId, wildcard: NodeId },
}

/// A name that a wildcard stood for: where it stands in the message, and the closest name above that exists.
type Expansion<'s> = (&'s Zone, u16, NodeId);

/// What has to be proven, and what was.
pub(crate) struct Proofs<'s> {
    expansions: [Option<Expansion<'s>>; MAX_WILDCARDS],
    told: [Option<&'s Set>; MAX_TOLD],
}

impl Proofs<'_> {
    fn new() -> Self {
        Self { expansions: [None; MAX_WILDCARDS], told: [None; MAX_TOLD] }
    }
}

impl<'s> Response<'s, '_> {
    /// Takes notice that a wildcard under `encloser`, if there is one, stands for `name`: it is to be proven that nothing
    /// closer does.
    #[inline(always)]
    pub(super) fn expand(&mut self, zone: &'s Zone, name: &Labels, encloser: Option<NodeId>) {
        if let Some(encloser) = encloser.filter(|_| self.wants_proofs) {
            self.note((zone, name.offset(0), encloser));
        }
    }

    #[inline(never)]
    fn note(&mut self, expansion: Expansion<'s>) {
        let mut places = self.proofs().expansions.iter_mut();
        if let Some(place) = places.find(|place| place.is_none()).filter(|_| expansion.0.denial.is_some()) {
            *place = Some(expansion);
        }
    }

    /// Proves what wildcards in the answer need, before anything else is written into the authority section.
    #[inline(never)]
    pub(super) fn prove_expansions(&mut self) {
        let current = self.zone;
        for place in 0..MAX_WILDCARDS {
            if self.is_truncated {
                break;
            }
            let expansion = self.proofs.as_mut().and_then(|proofs| proofs.expansions.get_mut(place)?.take());
            let Some((zone, offset, encloser)) = expansion else { break };
            self.enter(zone);
            let mut name = Labels::new();
            if let (Some(denial), Some(())) =
                (&zone.denial, name.follow(self.writer.written(), offset.into()))
            {
                self.deny_closer(zone, denial, &name, encloser);
            }
        }
        if let Some(zone) = current {
            self.enter(zone);
        }
    }

    /// Proves that there is no delegation to a signed zone at `cut`, or tells its keys; the name of `cut` is `name` without
    /// `above` labels.
    #[inline(never)]
    pub(super) fn prove_delegation(&mut self, zone: &'s Zone, cut: NodeId, name: &Labels, above: usize) {
        let Some(denial) = zone.denial.as_ref().filter(|_| self.is_proving()) else { return };
        match zone.set(cut, Kind::DS) {
            Some(keys) => {
                let _ = self.require(Section::Authority, zone, cut, keys, Owner::At(name.offset(above)));
            }
            None => self.deny_type(zone, denial, cut, name, above),
        }
    }

    /// Proves that something is not there.
    #[inline(never)]
    pub(super) fn prove(&mut self, zone: &'s Zone, name: &Labels, absence: Absence) {
        let Some(denial) = zone.denial.as_ref().filter(|_| self.is_proving()) else { return };
        let is_hashed = denial.kind == Kind::NSEC3;
        match absence {
            Absence::Type(node) => self.deny_type(zone, denial, node, name, 0),
            Absence::Name { encloser } | Absence::WildcardType { encloser, .. } => {
                let above = above(zone, name, encloser);
                let closest = if is_hashed {
                    self.closest(zone, denial, name, above, false)
                } else {
                    self.deny_closer(zone, denial, name, encloser);
                    above
                };
                if self.is_truncated {
                    return;
                }
                let label = is_hashed.then(|| denial.label(name, self.writer.written(), closest, true));
                let owner = match (absence, &label) {
                    (Absence::WildcardType { .. }, Some(label)) => denial.matching(zone, label),
                    (Absence::WildcardType { wildcard, .. }, None) => denial.at_or_before(zone, wildcard),
                    (_, Some(label)) => denial.before(zone, zone.apex, label),
                    (_, None) => denial.before(zone, encloser, b"*"),
                };
                self.deny_by(zone, denial, owner);
            }
        }
    }

    /// Denies a type at `node`, whose name is `name` without `index` labels.
    fn deny_type(&mut self, zone: &'s Zone, denial: &Denial, node: NodeId, name: &Labels, index: usize) {
        if denial.kind == Kind::NSEC3 {
            self.closest(zone, denial, name, index, true);
        } else {
            self.deny_by(zone, denial, denial.at_or_before(zone, node));
        }
    }

    /// Denies all names between `name` and `encloser`.
    fn deny_closer(&mut self, zone: &'s Zone, denial: &Denial, name: &Labels, encloser: NodeId) {
        let Some(index) = above(zone, name, encloser).checked_sub(1) else { return };
        let message = self.writer.written();
        let owner = if denial.kind == Kind::NSEC3 {
            denial.before(zone, zone.apex, &denial.label(name, message, index, false))
        } else {
            denial.before(zone, encloser, name.octets(message, index))
        };
        self.deny_by(zone, denial, owner);
    }

    /// Proves by hashes which is the closest name above that can be proven to exist, beginning with `name` without `start`
    /// labels, and that the next closer one does not, which `is_exact` spares for the first; gives its number of labels
    /// (RFC 5155, 7.2.1). Names that are not signed may have no record themselves (6: opt-out).
    fn closest(
        &mut self,
        zone: &'s Zone,
        denial: &Denial,
        name: &Labels,
        start: usize,
        is_exact: bool,
    ) -> usize {
        // Names above one with a record have records, so where they begin is found by halves, after a look at the first: whatever
        // the records are, the last name found to have none is right below one found to have one.
        let (mut low, mut high) = (start, above(zone, name, zone.apex));
        let (mut middle, mut owner) = (low, denial.apex);
        while low < high {
            let label = denial.label(name, self.writer.written(), middle, false);
            match denial.matching(zone, &label) {
                Some(matching) => (high, owner) = (middle, matching),
                None => low = middle + 1,
            }
            middle = low.midpoint(high);
        }
        self.deny_by(zone, denial, Some(owner));
        if let Some(closer) = high.checked_sub(1).filter(|_| !is_exact || high > start)
            && !self.is_truncated
        {
            let label = denial.label(name, self.writer.written(), closer, false);
            self.deny_by(zone, denial, denial.before(zone, zone.apex, &label));
        }
        high
    }

    /// Writes the record of `owner` that denies, unless it was written.
    fn deny_by(&mut self, zone: &'s Zone, denial: &Denial, owner: Option<NodeId>) {
        let Some(owner) = owner else { return };
        let Some(set) = zone.set(owner, denial.kind) else { return };
        for told in &mut self.proofs().told {
            match told {
                Some(told) if core::ptr::eq(*told, set) => return,
                Some(_) => {}
                None => {
                    *told = Some(set);
                    break;
                }
            }
        }
        let _ = self.require(Section::Authority, zone, owner, set, Owner::Node(owner));
    }

    /// Whether proofs are wanted, and the client does not have to ask again anyway.
    fn is_proving(&self) -> bool {
        self.wants_proofs && !self.is_truncated
    }

    fn proofs(&mut self) -> &mut Proofs<'s> {
        self.proofs.get_or_insert_with(Proofs::new)
    }
}

/// The signatures at `node`, some of which sign `set`: RFC 4034, 3.1.1 has the type that is covered come first.
#[inline(never)]
pub(super) fn signatures<'z>(zone: &'z Zone, node: NodeId, set: &Set) -> Option<&'z Set> {
    zone.set(node, Kind::RRSIG).filter(|_| zone.denial.is_some() && set.kind != Kind::RRSIG)
}

/// Labels of `name` above `node`, which it ends in.
fn above(zone: &Zone, name: &Labels, node: NodeId) -> usize {
    name.count().saturating_sub(zone.tree.depth(node))
}
