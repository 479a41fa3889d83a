//! What controllers ask about the switch: requests whose answers may take several messages (OpenFlow 1.3.5, 7.3.5; 1.0.0, 5.3.5).
//!
//! An answer that is not finished is a [`Dump`]: what is asked for, and how far it has come. It goes on when there is room.

use super::{
    ConnectionId, Switch, V1_0,
    actions::write_instructions,
    bands::{write_band, write_bucket},
    error::Refusal,
    features::{write_group_features, write_meter_features, write_table, write_table_features},
    handle::Message,
    legacy, oxm,
    ports::{write_age, write_counters, write_port, write_queue},
    wire::{LONGEST, Writer},
};
use crate::pipeline::{
    Datapath,
    commands::Filter,
    flows::{Flow, TABLES},
    groups::{GROUP_ALL, GROUP_ANY, Group},
    meters::{METER_ALL, Meter},
    ports,
};
use unik_sched::time::Instant;

/// Octets of an answer from which on it is sent, and another one begun.
const ENOUGH: usize = 32 << 10;
/// OFPMPF_REPLY_MORE, and the octets before the body of an answer of either version.
const MORE: u16 = 1;
/// Places that are looked at for one message at most, so that a request which fits few entries does not hold up frames.
const MOST_PLACES: u32 = 16384;

/// What is listed.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each connection, and no box that could abort"
)]
enum List {
    Flows(Filter),
    Tables,
    PortCounters(u32),
    Queues(u32),
    Groups(u32),
    GroupDescriptions,
    Meters(u32),
    MeterConfigurations(u32),
    TableFeatures,
    Ports,
}

/// An answer that is not finished.
pub(crate) struct Dump {
    version: u8,
    kind: u8,
    xid: u32,
    /// OFPMP_.
    topic: u16,
    list: List,
    at: u32,
}

impl Switch {
    pub(crate) fn multipart(
        &mut self,
        id: ConnectionId,
        message: &Message<'_>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let mut body = message.body;
        let (topic, flags) = body.u16().zip(body.u16()).ok_or(Refusal::BAD_LENGTH)?;
        let is_1_0 = message.version == V1_0;
        if !is_1_0 {
            body.skip(4).ok_or(Refusal::BAD_LENGTH)?;
            // No request that is answered is long enough for two messages.
            if flags & MORE != 0 {
                return Err(Refusal::MULTIPART_OVERFLOW);
            }
        }
        let request = Message { body, ..*message };
        let list = match topic {
            0 => return self.describe(id, message),
            2 => return self.aggregate(id, &request, message),
            8 if !is_1_0 => {
                self.short(id, message, topic, |_, writer| write_group_features(writer));
                return Ok(());
            }
            11 if !is_1_0 => {
                self.short(id, message, topic, |_, writer| write_meter_features(writer));
                return Ok(());
            }
            0xffff => return Err(Refusal::BAD_EXPERIMENTER),
            _ => self.list(topic, &request)?,
        };
        let Message { version, xid, .. } = *message;
        let dump = Dump { version, kind: message.reply_kind(), xid, topic, list, at: 0 };
        self.go_on(id, dump, now);
        Ok(())
    }

    /// Reads what is to be listed.
    fn list(&self, topic: u16, message: &Message<'_>) -> Result<List, Refusal> {
        let mut body = message.body;
        let is_1_0 = message.version == V1_0;
        let too_short = Refusal::BAD_LENGTH;
        let is_port = |number: u32| number == ports::ANY || self.datapath.ports.get(number).is_some();
        Ok(match topic {
            1 => List::Flows(filter(message)?),
            3 => List::Tables,
            4 => {
                let number = if is_1_0 { body.u16().map(legacy::port) } else { body.u32() };
                let number = number.ok_or(too_short)?;
                if !is_port(number) {
                    return Err(Refusal::BAD_PORT);
                }
                List::PortCounters(number)
            }
            5 => {
                let number = if is_1_0 { body.u16().map(legacy::port) } else { body.u32() };
                let padding = if is_1_0 { body.skip(2) } else { Some(()) };
                let number = number.ok_or(too_short)?;
                let queue = padding.and_then(|()| body.u32()).ok_or(too_short)?;
                // OFPP_ALL is all of them in 1.0.
                let number = if is_1_0 && number == ports::ALL { ports::ANY } else { number };
                if !is_port(number) {
                    return Err(Refusal::QUEUE_PORT);
                }
                if queue != 0 && queue != u32::MAX {
                    return Err(Refusal::QUEUE);
                }
                List::Queues(number)
            }
            _ if is_1_0 => return Err(Refusal::BAD_MULTIPART),
            6 => List::Groups(body.u32().ok_or(too_short)?),
            7 => List::GroupDescriptions,
            9 => List::Meters(self.meter(body.u32().ok_or(too_short)?)?),
            10 => List::MeterConfigurations(self.meter(body.u32().ok_or(too_short)?)?),
            12 if body.is_empty() => List::TableFeatures,
            // Tables are what they are.
            12 => return Err(Refusal::FEATURES_EPERM),
            13 => List::Ports,
            _ => return Err(Refusal::BAD_MULTIPART),
        })
    }

    fn meter(&self, id: u32) -> Result<u32, Refusal> {
        let is_there = id == METER_ALL || self.datapath.meters.get(id).is_some();
        if is_there { Ok(id) } else { Err(Refusal::UNKNOWN_METER) }
    }

    /// Goes on with an answer, by one message.
    pub(crate) fn go_on(&mut self, id: ConnectionId, mut dump: Dump, now: Instant) {
        let Switch { datapath, agent } = self;
        let Some(connection) = agent.connection(id) else { return };
        let mut writer = Writer::new(&mut connection.output, dump.version, dump.kind, dump.xid);
        let flags_at = begin(&mut writer, dump.version, dump.topic);
        let empty = writer.len();
        let end = dump.at.saturating_add(MOST_PLACES);
        let mut is_more = true;
        while writer.len() < ENOUGH && dump.at < end {
            let before = writer.len();
            if !dump.write(datapath, &mut writer, now) {
                is_more = false;
                break;
            }
            if writer.len() > LONGEST || writer.is_failed() {
                // What is too long for the rest of a message goes into the next one; what is too long for any is left out.
                writer.truncate(before);
                dump.at += u32::from(before == empty);
                break;
            }
            dump.at += 1;
        }
        if is_more {
            writer.set_u16(flags_at, MORE.into());
        }
        // Without memory for this part, none is left for the rest.
        if writer.finish() && is_more {
            connection.dump = Some(dump);
        }
    }

    /// An answer of one message.
    fn short(
        &mut self,
        id: ConnectionId,
        message: &Message<'_>,
        topic: u16,
        write: impl FnOnce(&mut Datapath, &mut Writer<'_>),
    ) {
        let Switch { datapath, agent } = self;
        agent.answer(id, message, |writer| {
            begin(writer, message.version, topic);
            write(datapath, writer);
        });
    }

    fn describe(&mut self, id: ConnectionId, message: &Message<'_>) -> Result<(), Refusal> {
        let description = self.agent.description;
        self.short(id, message, 0, |_, writer| {
            writer.padded(description.manufacturer.as_bytes(), 256);
            writer.padded(description.hardware.as_bytes(), 256);
            writer.padded(description.software.as_bytes(), 256);
            writer.padded(description.serial.as_bytes(), 32);
            writer.padded(description.datapath.as_bytes(), 256);
        });
        Ok(())
    }

    fn aggregate(
        &mut self,
        id: ConnectionId,
        request: &Message<'_>,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        let filter = filter(request)?;
        self.short(id, message, 2, |datapath, writer| {
            let (mut packets, mut bytes, mut count) = (0u64, 0u64, 0);
            let flows = (0..datapath.flows.places()).filter_map(|place| datapath.flows.get(place));
            for flow in flows.filter(|flow| filter.takes(datapath, flow)) {
                packets = packets.wrapping_add(flow.packets);
                bytes = bytes.wrapping_add(flow.bytes);
                count += 1;
            }
            writer.u64(packets);
            writer.u64(bytes);
            writer.u32(count);
            writer.zeros(4);
        });
        Ok(())
    }
}

/// Writes what stands before the body of an answer, and gives the place of its flags.
fn begin(writer: &mut Writer<'_>, version: u8, topic: u16) -> usize {
    writer.u16(topic);
    let at = writer.len();
    writer.u16(0);
    writer.zeros(if version == V1_0 { 0 } else { 4 });
    at
}

/// Which entries a request is about.
fn filter(message: &Message<'_>) -> Result<Filter, Refusal> {
    let mut body = message.body;
    if message.version == V1_0 {
        let matching = legacy::read_match(&mut body).ok_or(Refusal::BAD_LENGTH)?;
        let mut head = || Some((body.u8()?, body.u8()?, body.u16()?));
        let (table, _, out_port) = head().ok_or(Refusal::BAD_LENGTH)?;
        let out_port = legacy::port(out_port);
        return Ok(Filter { table, matching, cookie: 0, cookie_mask: 0, out_port, out_group: GROUP_ANY });
    }
    let mut head = || {
        let table = body.u8()?;
        body.skip(3)?;
        let (out_port, out_group) = (body.u32()?, body.u32()?);
        body.skip(4)?;
        Some((table, out_port, out_group, body.u64()?, body.u64()?))
    };
    let (table, out_port, out_group, cookie, cookie_mask) = head().ok_or(Refusal::BAD_LENGTH)?;
    if table >= TABLES && table != crate::pipeline::commands::ALL_TABLES {
        return Err(Refusal::REQUEST_BAD_TABLE);
    }
    let matching = oxm::read_match(&mut body)?;
    Ok(Filter { table, matching, cookie, cookie_mask, out_port, out_group })
}

impl Dump {
    /// Writes what is at the place that it has come to, if that is asked for. False behind the last one.
    fn write(&self, datapath: &Datapath, writer: &mut Writer<'_>, now: Instant) -> bool {
        let at = self.at as usize;
        match &self.list {
            List::Flows(filter) => {
                if self.at >= datapath.flows.places() {
                    return false;
                }
                let flow = datapath.flows.get(self.at).filter(|flow| filter.takes(datapath, flow));
                if let Some(flow) = flow {
                    write_flow(writer, self.version, datapath, flow, now);
                }
                true
            }
            List::Tables | List::TableFeatures => {
                let number = u8::try_from(at).unwrap_or(TABLES);
                let Some(table) = datapath.flows.table(number) else { return false };
                if matches!(self.list, List::Tables) {
                    write_table(writer, self.version, number, table, datapath.flows.most());
                } else {
                    write_table_features(writer, number, table, datapath.flows.most());
                }
                true
            }
            List::Ports | List::PortCounters(_) | List::Queues(_) => {
                let Some(port) = datapath.ports.all().nth(at) else { return false };
                match self.list {
                    List::PortCounters(wanted) if wanted == ports::ANY || wanted == port.number => {
                        write_counters(writer, self.version, port, now);
                    }
                    List::Queues(wanted) if wanted == ports::ANY || wanted == port.number => {
                        write_queue(writer, self.version, port, now);
                    }
                    List::Ports => write_port(writer, self.version, port),
                    _ => {}
                }
                true
            }
            List::Groups(_) | List::GroupDescriptions => {
                let Some(group) = datapath.groups.all().get(at) else { return false };
                match self.list {
                    List::GroupDescriptions => describe_group(writer, group),
                    List::Groups(wanted) if wanted == GROUP_ALL || wanted == group.id => {
                        write_group(writer, group, now);
                    }
                    _ => {}
                }
                true
            }
            List::Meters(wanted) | List::MeterConfigurations(wanted) => {
                let Some(meter) = datapath.meters.all().get(at) else { return false };
                if *wanted == METER_ALL || *wanted == meter.id {
                    match self.list {
                        List::Meters(_) => write_meter(writer, meter, now),
                        _ => describe_meter(writer, meter),
                    }
                }
                true
            }
        }
    }
}

fn write_flow(writer: &mut Writer<'_>, version: u8, datapath: &Datapath, flow: &Flow, now: Instant) {
    let matching = datapath.flows.matching(flow);
    let start = writer.len();
    let is_1_0 = version == V1_0;
    writer.put(&[0, 0, flow.table, 0]);
    if is_1_0 {
        legacy::write_match(writer, &matching);
    }
    write_age(writer, flow.created, now);
    writer.u16(flow.priority);
    writer.u16(flow.idle);
    writer.u16(flow.hard);
    writer.u16(if is_1_0 { 0 } else { flow.flags });
    writer.zeros(4);
    writer.u64(flow.cookie);
    writer.u64(flow.packets);
    writer.u64(flow.bytes);
    if is_1_0 {
        legacy::write_actions(writer, &flow.program);
    } else {
        oxm::write_match(writer, &matching);
        write_instructions(writer, &flow.program);
    }
    writer.close(start, 0);
}

fn write_group(writer: &mut Writer<'_>, group: &Group, now: Instant) {
    let start = writer.len();
    writer.u32(0);
    writer.u32(group.id);
    writer.u32(group.references);
    writer.u32(0);
    writer.u64(group.packets.get());
    writer.u64(group.bytes.get());
    write_age(writer, group.created, now);
    for bucket in &group.buckets {
        writer.u64(bucket.packets.get());
        writer.u64(bucket.bytes.get());
    }
    writer.close(start, 0);
}

fn describe_group(writer: &mut Writer<'_>, group: &Group) {
    let start = writer.len();
    writer.put(&[0, 0, group.kind as u8, 0]);
    writer.u32(group.id);
    group.buckets.iter().for_each(|bucket| write_bucket(writer, bucket));
    writer.close(start, 0);
}

fn write_meter(writer: &mut Writer<'_>, meter: &Meter, now: Instant) {
    let start = writer.len();
    writer.u32(meter.id);
    writer.zeros(8);
    writer.u32(meter.flows);
    writer.u64(meter.packets);
    writer.u64(meter.bytes);
    write_age(writer, meter.created, now);
    for band in &meter.bands {
        writer.u64(band.packets);
        writer.u64(band.bytes);
    }
    writer.close(start, 4);
}

fn describe_meter(writer: &mut Writer<'_>, meter: &Meter) {
    let start = writer.len();
    writer.u16(0);
    writer.u16(meter.flags);
    writer.u32(meter.id);
    meter.bands.iter().for_each(|band| write_band(writer, band));
    writer.close(start, 0);
}
