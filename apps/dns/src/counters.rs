//! What a server counts.

use crate::kind::Kind;
use unik_sched::counter::{Counter, CounterSet};

unik_sched::counters! {
    /// Numbers that a [`Server`](crate::Server) keeps about itself. Each query is counted once in `queries`, and
    /// once by the way it ended, `ignored` to `limited`; what follows is counted beside that.
    pub struct Counters {
        /// Messages that arrived, whatever they were.
        queries,
        /// Messages that arrived over TCP.
        tcp_queries,
        /// Messages that got no answer: shorter than a header, or responses.
        ignored,
        /// Answers without an error, referrals and empty answers among them.
        answered,
        /// Answers that the name does not exist (NXDOMAIN) or that an alias makes it too long (YXDOMAIN).
        name_errors,
        /// Answers that the query cannot be understood (FORMERR).
        malformed,
        /// Answers that this kind of query is not served (NOTIMP).
        not_implemented,
        /// Answers that the name, the class or a transfer is not served (REFUSED).
        refused,
        /// Answers that a zone to transfer is none of ours, or that a signature is no good (NOTAUTH).
        not_authoritative,
        /// Answers that the version of EDNS is not known (BADVERS).
        bad_versions,
        /// Answers that the zone could not be loaded (SERVFAIL).
        failures,
        /// Answers that nobody got, because there were too many of them for one network.
        limited,
        /// Answers that were truncated for the same reason.
        slipped,
        /// Queries that show a good cookie.
        good_cookies,
        /// Queries that show a cookie which is not of this server, or too old.
        bad_cookies,
        /// Answers cut short because they did not fit, or because there were too many of them (TC).
        truncated,
        /// Answers that name the servers of a delegated zone.
        referrals,
        /// Connections refused at the limit on connections.
        connections_refused,
        /// Connections ended because there was no memory to serve them.
        no_memory,
    }
}

unik_sched::counters! {
    /// What a [`Server`](crate::Server) counts of zones that come and go.
    pub struct TransferCounters {
        /// Signed messages of whom nobody knows, or whose clock is wrong.
        bad_signatures,
        /// Whole zones that secondaries asked for and may have.
        axfr_out,
        /// Differences that secondaries asked for and may have.
        ixfr_out,
        /// Notices of new versions that were taken.
        notices_in,
        /// Notices of new versions from who is not to tell of them.
        notices_refused,
        /// Notices of new versions that were sent.
        notices_out,
        /// Notices that nobody answered.
        notices_unanswered,
        /// Whole zones that were fetched from a primary.
        axfr_in,
        /// Differences that were fetched from a primary.
        ixfr_in,
        /// Times that a primary was asked and had nothing newer.
        transfers_current,
        /// Times that a primary was asked in vain.
        transfers_failed,
        /// Zones that no primary has confirmed for too long, and that are not served any more.
        expired,
    }
}

/// Types that queries are counted by; others are counted together.
const KINDS: [(Kind, &str); 16] = [
    (Kind::A, "type_a"),
    (Kind::AAAA, "type_aaaa"),
    (Kind::NS, "type_ns"),
    (Kind::CNAME, "type_cname"),
    (Kind::SOA, "type_soa"),
    (Kind::PTR, "type_ptr"),
    (Kind::MX, "type_mx"),
    (Kind::TXT, "type_txt"),
    (Kind::SRV, "type_srv"),
    (Kind::DS, "type_ds"),
    (Kind::DNSKEY, "type_dnskey"),
    (Kind::SVCB, "type_svcb"),
    (Kind::HTTPS, "type_https"),
    (Kind::ANY, "type_any"),
    (Kind::IXFR, "type_ixfr"),
    (Kind::AXFR, "type_axfr"),
];

/// For each number of a type the place of its counter, which is behind all for those that have none.
static PLACES: [u8; 256] = {
    let mut places = [KINDS.len() as u8; 256];
    let mut at = 0;
    while at < KINDS.len() {
        places[KINDS[at].0.code() as usize] = at as u8;
        at += 1;
    }
    places
};

/// Queries by the types that they ask for.
pub struct KindCounters([Counter; KINDS.len() + 1]);

impl KindCounters {
    pub(crate) const fn new() -> Self {
        Self([const { Counter::new() }; KINDS.len() + 1])
    }

    /// Counts a query for `kind`.
    pub(crate) fn count(&self, kind: Kind) {
        let place = PLACES.get(usize::from(kind.code())).copied().unwrap_or(KINDS.len() as u8);
        if let Some(counter) = self.0.get(usize::from(place)) {
            counter.increment();
        }
    }
}

impl CounterSet for KindCounters {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, u64)) {
        let names = KINDS.iter().map(|(_, name)| *name).chain(["type_other"]);
        names.zip(&self.0).for_each(|(name, counter)| visit(name, counter.get()));
    }
}
