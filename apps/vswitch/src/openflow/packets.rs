//! Frames that go to controllers and come from them.

use super::{
    Agent, Around, Switch, V1_0, Wires,
    actions::read_actions,
    buffers::{LONGEST as KEPT, Missing, NO_BUFFER},
    connection::{Connection, Event},
    error::Refusal,
    handle::Message,
    legacy, oxm,
    wire::{LONGEST, Writer},
};
use crate::pipeline::{
    PacketIn, Reason,
    fields::{Field, Match},
    ports,
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

/// OFPT_PACKET_IN.
const PACKET_IN: u8 = 10;
/// OFPCML_NO_BUFFER.
const NO_LIMIT: u16 = 0xffff;
/// Octets of the longest head of a PACKET_IN.
const HEAD: usize = 128;

impl Agent {
    /// Tells controllers of a frame. Where no entry says so, it is told to those alone that speak OpenFlow 1.0 (1.3.5, 5.4).
    #[inline(never)]
    pub(crate) fn packet_in(&mut self, event: &PacketIn<'_>, is_1_0_only: bool) {
        let xid = self.next_xid();
        let mut buffer = None;
        let Agent { connections, counters, buffers, whole, .. } = self;
        let is_told = |connection: &Connection| {
            let is_told = connection.is_told(Event::PacketIn, event.reason as u32);
            is_told && (!is_1_0_only || connection.version == V1_0)
        };
        if !connections.iter().flatten().any(is_told) {
            return;
        }
        // A controller sees what would be on a wire, and may send it back.
        let octets = if event.frame.is_whole() {
            event.frame.bytes()
        } else if event.frame.write_whole(whole) {
            whole
        } else {
            return counters.lost.increment();
        };
        for connection in connections.iter_mut().flatten().filter(|connection| is_told(connection)) {
            let version = connection.version;
            if !connection.has_room() {
                counters.lost.increment();
                continue;
            }
            // What no output action sends has no length of its own.
            let is_by_output = !is_1_0_only && event.reason != Reason::InvalidTtl;
            let most = if is_by_output { event.most } else { connection.miss_send_len };
            let is_cut = most != NO_LIMIT && usize::from(most) < octets.len();
            let id = if is_cut {
                *buffer.get_or_insert_with(|| buffers.keep(event.ingress, octets))
            } else {
                NO_BUFFER
            };
            // What cannot be kept is sent as a whole (OpenFlow 1.3.5, 7.4.1), but for what no buffer is long enough for: it is
            // longer than a card would send again, and whoever wants so much of it says so.
            let is_whole = id == NO_BUFFER && !(is_cut && octets.len() > KEPT);
            let sent = if is_whole { LONGEST - HEAD } else { usize::from(most).min(LONGEST - HEAD) };
            let mut writer = Writer::new(&mut connection.output, version, PACKET_IN, xid);
            write_packet_in(&mut writer, version, event, id);
            writer.put(octets.get(..sent).unwrap_or(octets));
            writer.finish();
            counters.packets_in.increment();
        }
    }

    /// A frame that was kept.
    pub(crate) fn take_buffer(&mut self, id: u32) -> Result<(u32, Vec<u8>), Refusal> {
        self.buffers.take(id).map_err(|missing| match missing {
            Missing::Empty => Refusal::BUFFER_EMPTY,
            Missing::Unknown => Refusal::BUFFER_UNKNOWN,
        })
    }
}

/// OpenFlow 1.3.5, 7.4.1; 1.0.0, 5.4.1.
fn write_packet_in(writer: &mut Writer<'_>, version: u8, event: &PacketIn<'_>, buffer: u32) {
    let length = u16::try_from(event.frame.total_len()).unwrap_or(u16::MAX);
    writer.u32(buffer);
    writer.u16(length);
    if version == V1_0 {
        writer.u16(legacy::short(event.ingress));
        // It has no reason of its own for a TTL that ran out.
        writer.put(&[(event.reason as u8).min(1), 0]);
        return;
    }
    writer.put(&[event.reason as u8, event.table]);
    writer.u64(event.cookie);
    let mut matching = Match::ANY;
    matching.want(Field::IN_PORT, event.ingress.into());
    if event.metadata != 0 {
        matching.want(Field::METADATA, event.metadata.into());
    }
    if event.tunnel != 0 {
        matching.want(Field::TUNNEL_ID, event.tunnel.into());
    }
    oxm::write_match(writer, &matching);
    writer.zeros(2);
}

impl Switch {
    /// OpenFlow 1.3.5, 7.3.7; 1.0.0, 5.3.6.
    pub(crate) fn packet_out(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Result<(), Refusal> {
        let mut body = message.body;
        let is_1_0 = message.version == V1_0;
        let mut head = || {
            let buffer = body.u32()?;
            let ingress = if is_1_0 { legacy::port(body.u16()?) } else { body.u32()? };
            let length = usize::from(body.u16()?);
            body.skip(if is_1_0 { 0 } else { 6 })?;
            Some((buffer, ingress, body.take(length)?))
        };
        let (buffer, ingress, list) = head().ok_or(Refusal::BAD_LENGTH)?;
        if ingress == 0
            || ingress > ports::MAX && !matches!(ingress, ports::CONTROLLER | ports::LOCAL | ports::ANY)
        {
            return Err(Refusal::BAD_PORT);
        }
        let mut actions = Vec::new();
        if is_1_0 {
            legacy::read_actions(list, &mut actions)?;
        } else {
            read_actions(list, &mut None, &mut actions)?;
        }
        self.agent.counters.packets_out.increment();
        let mut around = Around { agent: &mut self.agent, wires };
        if buffer == NO_BUFFER {
            self.datapath.packet_out(ingress, body.0, &actions, now, &mut around);
            return Ok(());
        }
        let (_, octets) = around.agent.take_buffer(buffer)?;
        self.datapath.packet_out(ingress, &octets, &actions, now, &mut around);
        Ok(())
    }
}
