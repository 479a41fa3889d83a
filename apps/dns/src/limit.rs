//! Response rate limiting: how many answers of one kind one network gets over UDP in a second, so that nobody makes this
//! server flood a network with answers to questions that it never asked.
//!
//! [`Limiter::judge`] is asked for each answer over UDP whose client has not proven its address by a cookie, and gives a
//! [`Verdict`]. What is counted together is a [`Network`] and a [`Subject`]: a [`Class`] of answers and the name in the zone
//! that they come from. As names are nodes here, both are numbers, and no name is hashed.
//!
//! A network is 24 bits of an IPv4 address and 56 of an IPv6 address, which BIND takes too: a site has that many (RFC 6177),
//! and with the 64 bits of NSD one who wants to flood a site could share his questions out among 256 counts.
//!
//! Which answers are counted together:
//! - Answers with records: by the node that has them, whatever the type. BIND counts types apart, which lets one name answer as
//!   often as it has types; NSD does not. For a name that does not exist, the node is the wildcard or the owner of the DNAME
//!   record that answers for it: random names come from one place.
//! - Questions for ANY and RRSIG, and those for DNSKEY: apart, by the same node, as NSD has it. They are what floods are made
//!   of, and answers that a resolver needs are not to suffer from them.
//! - Empty answers (NODATA): by the node, as BIND counts them. NSD takes the zone, but a name has no more to give when it is
//!   asked for types that it lacks, and a network with many clients asks large zones for many addresses that are not there.
//! - Referrals: by the delegation, because names below it are endless.
//! - NXDOMAIN: by the zone, because names that are not there are endless.
//! - Errors: together, because they come from no zone.
//!
//! The limit is a debt in time: an answer costs the time in which the rate allows one, time pays it off, and who owes more than
//! [`BURST`] is limited. What is limited costs as much, so that a flood gets nothing as long as it lasts, as in BIND and NSD;
//! but nobody owes more than [`MOST`]. NSD halves a rate each second, and so takes as long to forget one of sixteen times the
//! limit. A debt is kept as the moment at which it is paid, in nanoseconds since boot, which do not come round in 584 years: a
//! bucket that was idle for long owes nothing, and needs nobody to look after it.
//!
//! Two buckets are a set, and a hash of the key names the set. A key that finds neither its own takes the one that owes less, and
//! begins without debt. NSD has one place for a key, and lets each newcomer have it. What one gains who makes keys collide:
//! one who floods is only forgotten if a third key comes to a set in which another one owes more, and then has one burst more.
//! The hash has a secret, so such keys cannot be computed, and who floods a network does not see what it gets; by chance it takes
//! floods under three keys of one set, and so thousands of keys for each burst, each of which has answers of its own anyway. And a
//! newcomer inherits no debt, so nobody is limited for what others did, except where 32 bits of the hash and the set are the same.

use crate::kind::Kind;
use crate::settings::Limit;
use crate::tree::NodeId;
use crate::zone::Zone;
use alloc::vec::Vec;
use core::cell::Cell;
use core::net::IpAddr;
use unik_sched::time::{Duration, Instant};

/// Buckets of a table: as many counts as one can remember at the same time, in 256 KiB. BIND has 20,000 unless told otherwise.
pub(crate) const BUCKETS: usize = 1 << 14;
/// What may be owed without being limited: the answers of a second may come at once.
pub(crate) const BURST: Duration = Duration::from_secs(1);
/// What is owed at most, one answer aside: after a flood, the time until somebody is answered again is this without [`BURST`].
pub(crate) const MOST: Duration = Duration::from_secs(5);

/// What to do with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Send it.
    Send,
    /// Send a truncated answer without records: a client that asked comes back over TCP, and nobody gets more than was sent in
    /// his name.
    Slip,
    /// Send nothing.
    Drop,
}

/// Where answers go: what is limited is what one network gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Network(u64);

impl Network {
    /// The network of `address`.
    #[inline]
    pub(crate) fn of(address: IpAddr) -> Self {
        /// Tells IPv4 from IPv6, whose networks leave the upper bits free.
        const IPV4: u64 = 1 << 63;
        Self(match address {
            IpAddr::V4(address) => u64::from(u32::from(address) >> 8) | IPV4,
            IpAddr::V6(address) => (u128::from(address) >> 72) as u64, // 56 bits
        })
    }
}

/// Answers that are counted together if they come from the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Records, or aliases that lead elsewhere.
    Answer = 0,
    /// Records for a question of type ANY or RRSIG.
    Any = 1,
    /// Records for a question of type DNSKEY.
    Keys = 2,
    /// No records of the type (NODATA).
    Empty = 3,
    /// The name servers of a delegation.
    Referral = 4,
    /// No such name (NXDOMAIN).
    NameError = 5,
    /// Any other code.
    Error = 6,
}

impl Class {
    /// The class of an answer with records to a question for `kind`.
    #[inline]
    pub(crate) fn of_answer(kind: Kind) -> Self {
        match kind {
            Kind::ANY | Kind::RRSIG => Self::Any,
            Kind::DNSKEY => Self::Keys,
            _ => Self::Answer,
        }
    }
}

/// What an answer says, as far as it is counted: its class and where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subject(u64);

impl Subject {
    /// An error.
    pub(crate) const ERROR: Self = Self((Class::Error as u64) << Self::CLASS);
    /// Where the class stands: above the number of a node, below the address of a zone.
    const CLASS: u32 = 28;

    /// What `node` of `zone` answers: the owner of the records or of the alias, a wildcard or a DNAME record's owner among them;
    /// for [`Class::Empty`] the name itself or the wildcard, for [`Class::Referral`] the delegation, for [`Class::NameError`] the
    /// zone's apex.
    #[inline]
    pub(crate) fn new(class: Class, zone: &Zone, node: NodeId) -> Self {
        // As long as zones stay where they are, an address is as good as a name.
        let zone = core::ptr::from_ref(zone).addr() as u64;
        Self(zone.rotate_left(32) ^ (class as u64) << Self::CLASS ^ node.index() as u64)
    }
}

/// The count of one key. All zeros, it owes nothing.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// When all is paid, in nanoseconds since boot.
    paid: u64,
    /// Bits of the key's hash.
    tag: u32,
    /// Answers that were limited, for [`Verdict::Slip`] to take turns with [`Verdict::Drop`].
    limited: u32,
}

/// The two places that a key can have: half of a cache line.
#[derive(Default)]
#[repr(align(32))]
struct Set([Cell<Bucket>; 2]);

const _: () = assert!(size_of::<Set>() == 32);

/// Counts what is sent, and says when it is too much.
pub(crate) struct Limiter {
    /// A power of two of them.
    sets: Vec<Set>,
    keys: [u64; 2],
    /// Nanoseconds that an answer costs.
    cost: u64,
    /// Each answer of so many that are limited is truncated; 0 for none.
    slip: u32,
}

impl Limiter {
    /// Allows as much as `limit` says, with a table of [`BUCKETS`]; `secret` should be drawn at random. `None` where there is no
    /// memory for the table.
    #[inline(never)]
    pub(crate) fn try_new(limit: Limit, secret: [u8; 16]) -> Option<Self> {
        Self::with_sets(BUCKETS / 2, limit, secret)
    }

    /// The same with so many sets, a power of two.
    fn with_sets(count: usize, limit: Limit, secret: [u8; 16]) -> Option<Self> {
        let mut sets = Vec::new();
        sets.try_reserve_exact(count).ok()?;
        sets.resize_with(count, Set::default);
        let secret = u128::from_le_bytes(secret);
        let keys = [secret as u64, (secret >> 64) as u64]; // its halves
        let cost = BURST.as_nanos() as u64 / u64::from(limit.rate.max(1)); // a second
        Some(Self { sets, keys, cost, slip: limit.slip.into() })
    }

    /// Counts an answer on `subject` to `network` at `now`, and says what becomes of it.
    #[inline(never)]
    pub(crate) fn judge(&self, now: Instant, network: Network, subject: Subject) -> Verdict {
        const LIMIT: u64 = BURST.as_nanos() as u64; // a second
        const CAP: u64 = MOST.as_nanos() as u64; // five
        let hash = self.hash(network, subject);
        let tag = (hash >> 32) as u32;
        let index = hash as usize & self.sets.len().wrapping_sub(1);
        let Some(Set([first, second])) = self.sets.get(index) else { return Verdict::Send };
        let (one, other) = (first.get(), second.get());
        let (place, mut bucket) = match () {
            () if one.tag == tag => (first, one),
            () if other.tag == tag => (second, other),
            // Who owes less is forgotten.
            () => (if one.paid <= other.paid { first } else { second }, Bucket { tag, ..Bucket::default() }),
        };
        let now = now.as_nanos();
        let debt = bucket.paid.saturating_sub(now).min(CAP) + self.cost;
        bucket.paid = now.wrapping_add(debt); // which is centuries away
        if debt <= LIMIT {
            place.set(bucket);
            return Verdict::Send;
        }
        bucket.limited = bucket.limited.wrapping_add(1);
        place.set(bucket);
        if bucket.limited.checked_rem(self.slip) == Some(0) { Verdict::Slip } else { Verdict::Drop }
    }

    /// Mixes the key with the secret, and then the upper bits with the lower ones.
    #[inline(always)]
    fn hash(&self, network: Network, subject: Subject) -> u64 {
        /// 2^64 divided by the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let [one, other] = self.keys;
        fold(fold(network.0 ^ one, subject.0 ^ other), FACTOR)
    }
}

/// Both halves of a product.
#[inline(always)]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests;
