//! What a server counts.

unik_sched::counters! {
    /// Numbers that a [`Server`](crate::Server) keeps about itself. Each query is counted once in `queries`, and
    /// once by the way it ended, `ignored` to `failures`.
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
        /// Answers that the version of EDNS is not known (BADVERS).
        bad_versions,
        /// Answers that the zone could not be loaded (SERVFAIL).
        failures,
        /// Answers cut short because they did not fit (TC).
        truncated,
        /// Answers that name the servers of a delegated zone.
        referrals,
        /// Connections refused at the limit on connections.
        connections_refused,
        /// Connections ended because there was no memory to serve them.
        no_memory,
    }
}
