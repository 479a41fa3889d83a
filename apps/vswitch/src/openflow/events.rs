//! What controllers are told without having asked: ports that change, and entries that are gone.

use super::{Agent, V1_0, connection::Event, legacy, oxm, ports, wire::Writer};
use crate::pipeline::{commands::Gone, fields::Match, flows::Flow, ports::Port};
use unik_sched::time::Instant;

/// Types of messages that both versions number alike.
const FLOW_REMOVED: u8 = 11;
const PORT_STATUS: u8 = 12;

impl Agent {
    pub(crate) fn next_xid(&mut self) -> u32 {
        // Those of answers are the controllers' own; this one is none in particular.
        self.xid = self.xid.wrapping_add(1);
        self.xid
    }

    /// Tells all who want to know that a port has changed.
    pub(crate) fn port_status(&mut self, port: &Port, reason: u8) {
        self.tell(PORT_STATUS, Event::PortStatus, reason, |writer, version| {
            writer.put(&[reason, 0, 0, 0, 0, 0, 0, 0]);
            ports::write_port(writer, version, port);
        });
    }

    /// Tells all who want to know that an entry is gone.
    pub(crate) fn flow_removed(&mut self, flow: &Flow, matching: &Match, gone: Gone, now: Instant) {
        let reason = gone as u8;
        self.tell(FLOW_REMOVED, Event::FlowRemoved, reason, |writer, version| {
            if version == V1_0 {
                legacy::write_match(writer, matching);
            }
            writer.u64(flow.cookie);
            writer.u16(flow.priority);
            writer.u8(reason.min(if version == V1_0 { 2 } else { 3 }));
            writer.u8(if version == V1_0 { 0 } else { flow.table });
            ports::write_age(writer, flow.created, now);
            writer.u16(flow.idle);
            writer.u16(if version == V1_0 { 0 } else { flow.hard });
            writer.u64(flow.packets);
            writer.u64(flow.bytes);
            if version != V1_0 {
                oxm::write_match(writer, matching);
            }
        });
    }

    /// Writes an event to all who want it.
    fn tell(&mut self, kind: u8, event: Event, reason: u8, write: impl Fn(&mut Writer<'_>, u8)) {
        let xid = self.next_xid();
        let Agent { connections, counters, .. } = self;
        for connection in connections.iter_mut().flatten() {
            if !connection.is_told(event, reason.into()) {
                continue;
            }
            if !connection.has_room() {
                counters.lost.increment();
                continue;
            }
            let version = connection.version;
            let mut writer = Writer::new(&mut connection.output, version, kind, xid);
            write(&mut writer, version);
            writer.finish();
        }
    }
}
