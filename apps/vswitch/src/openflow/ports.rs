//! Ports on the wire, of both versions: descriptions, counters, queues.

use super::{V1_0, legacy::short, wire::Writer};
use crate::pipeline::ports::{LINK_DOWN, Port};
use unik_sched::time::Instant;

/// OFPPF_10GB_FD and OFPPF_COPPER (OpenFlow 1.3.5, 7.2.1), and what they are in 1.0.
const FEATURES: u32 = 1 << 6 | 1 << 11;
const FEATURES_1_0: u32 = 1 << 6 | 1 << 7;
/// Bits of configuration that 1.0 and 1.3 have.
pub(crate) const CONFIG: u32 = 0x65;
pub(crate) const CONFIG_1_0: u32 = 0x7f;

/// Writes what a port is.
pub(crate) fn write_port(writer: &mut Writer<'_>, version: u8, port: &Port) {
    if version == V1_0 {
        writer.u16(short(port.number));
        writer.put(&port.address);
        writer.put(&port.name);
        writer.u32(port.config & CONFIG_1_0);
        writer.u32(port.state & LINK_DOWN);
        // Its present features, and none that it advertises, could have, or sees at the other end.
        writer.u32(FEATURES_1_0);
        writer.zeros(12);
        return;
    }
    writer.u32(port.number);
    writer.zeros(4);
    writer.put(&port.address);
    writer.zeros(2);
    writer.put(&port.name);
    writer.u32(port.config & CONFIG);
    writer.u32(port.state);
    writer.u32(FEATURES);
    writer.zeros(12);
    writer.u32(port.speed);
    writer.u32(port.speed);
}

/// Writes how long something has been there.
pub(crate) fn write_age(writer: &mut Writer<'_>, since: Instant, now: Instant) {
    let age = now.duration_since(since);
    writer.u32(u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
    writer.u32(age.subsec_nanos());
}

/// Writes what was counted of a port.
pub(crate) fn write_counters(writer: &mut Writer<'_>, version: u8, port: &Port, now: Instant) {
    if version == V1_0 {
        writer.u16(short(port.number));
        writer.zeros(6);
    } else {
        writer.u32(port.number);
        writer.zeros(4);
    }
    let counters = &port.counters;
    writer.u64(counters.rx_packets);
    writer.u64(counters.tx_packets);
    writer.u64(counters.rx_bytes);
    writer.u64(counters.tx_bytes);
    writer.u64(counters.rx_dropped);
    writer.u64(counters.tx_dropped);
    // Errors of a line, which these ports do not have.
    writer.zeros(48);
    if version != V1_0 {
        write_age(writer, port.created, now);
    }
}

/// Writes what was counted of the one queue of a port.
pub(crate) fn write_queue(writer: &mut Writer<'_>, version: u8, port: &Port, now: Instant) {
    if version == V1_0 {
        writer.u16(short(port.number));
        writer.zeros(2);
    } else {
        writer.u32(port.number);
    }
    writer.u32(0);
    writer.u64(port.counters.tx_bytes);
    writer.u64(port.counters.tx_packets);
    writer.u64(port.counters.tx_dropped);
    if version != V1_0 {
        write_age(writer, port.created, now);
    }
}
