//! What a server counts.

unik_sched::counters! {
    /// Numbers that a [`Server`](crate::Server) keeps about itself. Each response is counted once, by its class, from
    /// `successes` to `server_errors`.
    pub struct Counters {
        /// Heads of requests that arrived whole.
        requests,
        /// Responses with contents, and those to OPTIONS.
        successes,
        /// Responses that lead elsewhere, or that the client has the contents already.
        redirections,
        /// Responses that the request is wrong, or asks for what is not there.
        client_errors,
        /// Responses that the server cannot do what is asked for.
        server_errors,
        /// Requests that were not understood, or not waited for; their connections were closed.
        refused,
        /// Connections whose client took too long to send a request.
        slow_requests,
        /// Connections whose client took too long to receive a response.
        slow_responses,
        /// Connections closed because their client asked for nothing in time.
        idle_closed,
        /// Octets of heads and contents that were given to connections.
        octets,
        /// Connections that were accepted.
        connections,
        /// Connections refused at the limit on connections, or at that on those of one client.
        connections_refused,
        /// Connections closed for new ones, because they had waited longest.
        connections_displaced,
        /// Connections ended because there was no memory to serve them.
        no_memory,
    }
}
