//! Groups: lists of actions, of which one, some or all are done.
//!
//! Invariant: every group that a bucket names exists, and none reaches itself.

use super::{
    action::Action,
    ports::{ANY, Ports},
};
use alloc::vec::Vec;
use unik_sched::{counter::Counter, time::Instant};

/// Groups that there can be.
pub const MOST_GROUPS: usize = 1024;
/// Buckets of all of them.
pub const MOST_BUCKETS: usize = 4096;
/// OFPG_MAX.
pub const GROUP_MAX: u32 = 0xffff_ff00;
/// OFPG_ALL.
pub const GROUP_ALL: u32 = 0xffff_fffc;
/// OFPG_ANY.
pub const GROUP_ANY: u32 = 0xffff_ffff;
/// Groups that may lead to one another.
pub(crate) const DEPTH: usize = 8;

/// Which buckets of a group are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All.
    All,
    /// One, by the fields of the frame and the weights.
    Select,
    /// The only one.
    Indirect,
    /// The first that is alive.
    FastFailover,
}

impl Kind {
    /// OFPGT_.
    pub(crate) fn new(number: u8) -> Option<Kind> {
        [Kind::All, Kind::Select, Kind::Indirect, Kind::FastFailover].get(usize::from(number)).copied()
    }
}

/// One list of actions.
#[derive(Debug)]
pub struct Bucket {
    /// Its share.
    pub weight: u16,
    /// The port that says whether it is alive.
    pub watch_port: u32,
    /// The group that says so.
    pub watch_group: u32,
    /// What is done.
    pub actions: Vec<Action>,
    /// Frames that it was done with.
    pub packets: Counter,
    /// Their octets.
    pub bytes: Counter,
}

impl Bucket {
    /// The groups that it names.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        let named = self.actions.iter().filter_map(|action| match action {
            Action::Group(id) => Some(*id),
            _ => None,
        });
        named.chain((self.watch_group != GROUP_ANY).then_some(self.watch_group))
    }
}

/// A group.
pub struct Group {
    /// Its number.
    pub id: u32,
    /// What is done of it.
    pub kind: Kind,
    /// Its lists.
    pub buckets: Vec<Bucket>,
    /// When it was made.
    pub created: Instant,
    /// Frames that came to it.
    pub packets: Counter,
    /// Their octets.
    pub bytes: Counter,
    /// Entries and buckets that name it.
    pub references: u32,
}

/// All groups, in the order of their numbers.
#[derive(Default)]
pub struct Groups(Vec<Group>);

impl Groups {
    /// All of them.
    pub fn all(&self) -> &[Group] {
        &self.0
    }

    pub(crate) fn position(&self, id: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |group| group.id)
    }

    /// The group with this number.
    pub fn get(&self, id: u32) -> Option<&Group> {
        self.position(id).ok().and_then(|at| self.0.get(at))
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Group> {
        self.position(id).ok().and_then(|at| self.0.get_mut(at))
    }

    /// Adds a group. False if there is no room for it.
    pub(crate) fn add(&mut self, group: Group) -> bool {
        let Err(at) = self.position(group.id) else { return false };
        if self.0.len() >= MOST_GROUPS || self.0.try_reserve(1).is_err() {
            return false;
        }
        self.0.insert(at, group);
        true
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Group> {
        self.position(id).ok().map(|at| self.0.remove(at))
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts who names the groups of some buckets.
    pub(crate) fn refer(&mut self, buckets: &[Bucket], is_more: bool) {
        for id in buckets.iter().flat_map(Bucket::groups) {
            self.refer_to(id, is_more);
        }
    }

    pub(crate) fn refer_to(&mut self, id: u32, is_more: bool) {
        if let Some(group) = self.get_mut(id) {
            group.references =
                if is_more { group.references + 1 } else { group.references.saturating_sub(1) };
        }
    }

    /// Buckets of all groups but one.
    pub(crate) fn buckets_but(&self, id: u32) -> usize {
        self.0.iter().filter(|group| group.id != id).map(|group| group.buckets.len()).sum()
    }

    /// Whether one of the buckets leads to the group `id`, or through too many others.
    pub(crate) fn leads_to(&self, buckets: &[Bucket], id: u32, depth: usize) -> bool {
        buckets.iter().flat_map(Bucket::groups).any(|next| {
            next == id
                || depth == 0
                || self.get(next).is_some_and(|group| self.leads_to(&group.buckets, id, depth - 1))
        })
    }

    /// Whether what a bucket watches is alive. One that watches nothing is, but in a fast failover.
    pub(crate) fn is_alive(&self, bucket: &Bucket, ports: &Ports, depth: usize) -> bool {
        let watches_nothing = bucket.watch_port == ANY && bucket.watch_group == GROUP_ANY;
        let group_is_alive = || {
            depth > 0
                && self.get(bucket.watch_group).is_some_and(|group| {
                    group.buckets.iter().any(|bucket| self.is_alive(bucket, ports, depth - 1))
                })
        };
        watches_nothing
            || bucket.watch_port != ANY && ports.is_alive(bucket.watch_port)
            || bucket.watch_group != GROUP_ANY && group_is_alive()
    }

    /// The bucket of a group for a frame whose fields have this hash.
    pub(crate) fn choose(&self, group: &Group, ports: &Ports, hash: u64) -> Option<usize> {
        let is_alive = |bucket: &&Bucket| self.is_alive(bucket, ports, DEPTH);
        match group.kind {
            Kind::All | Kind::Indirect => (!group.buckets.is_empty()).then_some(0),
            Kind::FastFailover => group.buckets.iter().position(|bucket| is_alive(&bucket)),
            Kind::Select => {
                let weights = || {
                    group.buckets.iter().map(
                        |bucket| {
                            if is_alive(&bucket) { u64::from(bucket.weight) } else { 0 }
                        },
                    )
                };
                let total: u64 = weights().sum();
                // The hash as a fraction of one.
                let mut point = ((u128::from(hash) * u128::from(total)) >> 64) as u64;
                weights().position(|weight| {
                    let is_here = point < weight;
                    point = point.saturating_sub(weight);
                    is_here
                })
            }
        }
    }
}
