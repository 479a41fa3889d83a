//! What a stack counts: frames, bytes, sockets, and everything it had to drop, by reason.

unik_sched::counters! {
    /// The counters of one stack.
    pub struct NetCounters {
        /// Frames taken from the card.
        rx_frames,
        /// Bytes of these frames.
        rx_bytes,
        /// Received frames dropped because a checksum was wrong, or a packet not whole.
        rx_spoilt,
        /// Frames given to the card.
        tx_frames,
        /// Bytes of these frames.
        tx_bytes,
        /// Frames dropped whose headers are cut off or make no sense.
        rx_bad_headers,
        /// Frames dropped whose sender is nobody, everybody, or this host.
        rx_martian,
        /// Frames dropped that are for somebody else, or for a group in a way that does not concern this host.
        rx_elsewhere,
        /// Frames dropped that hold a piece of a packet: those are not put together.
        rx_fragments,
        /// Frames dropped that hold a packet of IPv6 with headers that nobody here reads.
        rx_extensions,
        /// Answers about hardware addresses dropped because nobody had asked.
        neighbor_unasked,
        /// Frames in which another host says that it has an address of ours.
        address_conflicts,
        /// Messages of ICMP dropped that are no echo requests: answers to no question of ours, and errors.
        icmp_unheeded,
        /// Senders of datagrams told that nobody waits for them.
        icmp_unreachable,
        /// Advertisements of routers that made no sense, or were not asked for.
        router_unheeded,
        /// Networks, routes and servers of names in advertisements that there was no room for.
        router_left_out,
        /// Turns of the driver task.
        turns,
        /// Turns that ended with received frames left for the next one.
        rx_budget_spent,
        /// Times the transmit queue or the buffer pool had no room.
        tx_blocked,
        /// Answers (ARP, ICMP, TCP acknowledgements) dropped for want of room to transmit.
        tx_replies_dropped,
        /// Packets dropped for want of an address or a route.
        tx_unroutable,
        /// Packets that waited for the hardware address of their next hop.
        tx_parked,
        /// Packets dropped because the next hop did not answer, or because too many waited or there was no memory for them.
        tx_no_neighbor,
        /// Frames copied by a capture.
        captured,
        /// Frames that a capture had no room for.
        capture_dropped,
        /// Datagrams dropped because the queue of their socket was full.
        udp_rx_dropped,
        /// Datagrams dropped because nobody could answer their sender: no port, or to a handler from no other host.
        udp_rx_unanswerable,
        /// Datagrams to a handler dropped because a length or a checksum is wrong.
        udp_rx_malformed,
        /// Datagrams answered by a handler, in the buffer that they came in.
        udp_answered,
        /// Datagrams that a handler left to the socket of its port.
        udp_passed,
        /// Datagrams that a handler dropped.
        udp_refused,
        /// Answers of a handler dropped: longer than a packet, or made out of what was then to be queued.
        udp_reply_failed,
        /// Datagrams cut because the reader's buffer was smaller.
        udp_rx_truncated,
        /// UDP sockets opened.
        udp_opened,
        /// UDP sockets refused because there was no memory for them.
        udp_no_memory,
        /// UDP sockets closed.
        udp_closed,
        /// TCP connections begun from here.
        tcp_connects,
        /// TCP connections handed to the application by a listener.
        tcp_accepted,
        /// TCP connections removed, however they ended.
        tcp_closed,
        /// TCP connections that a peer reset.
        tcp_resets,
        /// TCP segments that belong to no connection; the sender is told, but for a reset.
        tcp_strays,
        /// Connection attempts not answered because the listener's backlog was full.
        tcp_backlog_full,
        /// Connections given up during the handshake to make room for newer ones.
        tcp_half_open_evicted,
        /// Connection attempts refused because the limit on connections was reached.
        tcp_limit_reached,
        /// Connection attempts refused because there was no memory for them.
        tcp_no_memory,
        /// Connections in TIME-WAIT given up early to make room.
        tcp_time_wait_evicted,
        /// Connections cut because they did not finish closing in time.
        tcp_close_overdue,
        /// Connections that waited for an acknowledgement without a timer, and were helped on.
        tcp_unstuck,
        /// DHCP leases taken or changed.
        dhcp_leases,
        /// DHCP leases lost.
        dhcp_lost,
        /// Routes and servers of names of leases that there was no room for.
        dhcp_left_out,
        /// Datagrams to the DHCP client dropped: no answers to what it has asked.
        dhcp_unasked,
    }
}
