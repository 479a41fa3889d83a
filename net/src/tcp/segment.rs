//! The way from a frame that passes the card to the meter of its connection.

use core::net::Ipv4Addr;

use unik_sched::time::Instant;

use crate::{capture::Direction, glance::Flow, tcp::table::TcpTable};

/// The headers that are looked at: Ethernet, IPv4 and TCP without options.
const HEAD: usize = 14 + 20 + 20;
/// Bytes of an IPv4 header without options.
const IPV4_HEADER: u32 = 20;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

impl TcpTable {
    /// Tells the meter of its connection of a TCP segment: RFC 791, 3.1; RFC 9293, 3.1. Other frames, fragments and
    /// packets with IP options, which hardly any network passes on, are none of its business. No checksum is looked at:
    /// see [`crate::tcp::meter`].
    pub(crate) fn see(&mut self, direction: Direction, now: Instant, frame: &[u8]) {
        let Some(head) = frame.first_chunk::<HEAD>() else { return };
        let is_whole = (head[20] & 0x1f, head[21]) == (0, 0);
        if head[23] != 6 || (head[12], head[13], head[14]) != (0x08, 0x00, 0x45) || !is_whole {
            return;
        }
        let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let long = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (source, destination) =
            ((Ipv4Addr::from_bits(long(26)), short(34)), (Ipv4Addr::from_bits(long(30)), short(36)));
        let flow = match direction {
            Direction::Received => Flow { source, destination },
            Direction::Sent => Flow { source: destination, destination: source },
        };
        // The newest: an older one with the same ends has ended, and its stream was not dropped yet.
        let Some(connection) = self.connections.iter_mut().rev().find(|connection| connection.flow == flow)
        else {
            return;
        };
        let flags = head[47];
        if direction == Direction::Sent {
            let headers = IPV4_HEADER + u32::from(head[46] >> 4) * 4;
            let payload = u32::from(short(16)).saturating_sub(headers);
            let length = payload + u32::from(flags & FIN) + u32::from(flags & SYN != 0);
            connection.meter.sent(long(38), length, now);
        } else if flags & ACK != 0 {
            connection.meter.acknowledged(long(42), short(48), now);
        }
    }
}
