//! Reads messages and answers them: the beginning of the protocol, and what is about the connection and the switch as a whole.

use super::{
    Agent, ConnectionId, ECHO_REQUEST, Over, Switch, V1_0, V1_3, Wires, buffers,
    connection::{Connection, Role, Wants, agree},
    error::Refusal,
    ports::write_port,
    wire::{Reader, Writer},
};
use crate::pipeline::flows::TABLES;
use unik_sched::time::Instant;

/// Octets of the header of a message.
const HEADER: usize = 8;
/// Octets of a message that its refusal repeats (OpenFlow 1.3.5, 7.4.4).
const REPEATED: usize = 64;
/// OFPT_, as both versions number them.
const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REPLY: u8 = 3;
const EXPERIMENTER: u8 = 4;
const FEATURES_REQUEST: u8 = 5;
const GET_CONFIG_REQUEST: u8 = 7;
const SET_CONFIG: u8 = 9;
const PACKET_OUT: u8 = 13;
const FLOW_MOD: u8 = 14;
/// Of 1.3 alone.
const GROUP_MOD: u8 = 15;
const PORT_MOD: u8 = 16;
const TABLE_MOD: u8 = 17;
pub(crate) const MULTIPART_REQUEST: u8 = 18;
const BARRIER_REQUEST: u8 = 20;
const QUEUE_CONFIG_REQUEST: u8 = 22;
const ROLE_REQUEST: u8 = 24;
const GET_ASYNC_REQUEST: u8 = 26;
const SET_ASYNC: u8 = 28;
const METER_MOD: u8 = 29;

/// A message, with its type as 1.3 numbers it.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    /// Its type as it came.
    pub(crate) wire_kind: u8,
    pub(crate) xid: u32,
    pub(crate) body: Reader<'a>,
    pub(crate) whole: &'a [u8],
}

impl Message<'_> {
    /// The type that its answer has.
    pub(crate) fn reply_kind(&self) -> u8 {
        self.wire_kind + 1
    }
}

/// The type of a message of 1.0 as 1.3 numbers it.
fn modern(kind: u8) -> Option<u8> {
    match kind {
        0..=14 => Some(kind),
        15 => Some(PORT_MOD),
        16 => Some(MULTIPART_REQUEST),
        18 => Some(BARRIER_REQUEST),
        20 => Some(QUEUE_CONFIG_REQUEST),
        _ => None,
    }
}

impl Agent {
    /// Begins a connection: says what is spoken here.
    pub(crate) fn hello(&mut self, connection: &mut Connection) {
        let version = if self.versions >> V1_3 & 1 != 0 { V1_3 } else { V1_0 };
        let mut writer = Writer::new(&mut connection.output, version, HELLO, self.next_xid());
        if version == V1_3 {
            // OFPHET_VERSIONBITMAP.
            writer.u16(1);
            writer.u16(8);
            writer.u32(self.versions);
        }
        writer.finish();
    }

    pub(crate) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.0)?.as_mut()
    }

    /// Writes an answer with what `write` adds.
    pub(crate) fn answer(
        &mut self,
        id: ConnectionId,
        message: &Message<'_>,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        let Some(connection) = self.connection(id) else { return };
        let mut writer =
            Writer::new(&mut connection.output, message.version, message.reply_kind(), message.xid);
        write(&mut writer);
        writer.finish();
    }

    fn refuse(&mut self, id: ConnectionId, message: &Message<'_>, refusal: Refusal, data: &[u8]) {
        self.counters.refused.increment();
        self.last_refusal = Some((refusal, message.wire_kind));
        let Some(connection) = self.connection(id) else { return };
        let refusal = if message.version == V1_0 { refusal.in_1_0() } else { refusal };
        let mut writer = Writer::new(&mut connection.output, message.version, ERROR, message.xid);
        writer.u16(refusal.kind);
        writer.u16(refusal.code);
        writer.put(data);
        writer.finish();
    }
}

impl Switch {
    /// Reads what messages there are, and answers them, as long as there is room for answers.
    pub(crate) fn work(&mut self, id: ConnectionId, now: Instant, wires: &mut dyn Wires) -> Result<(), Over> {
        let Some(connection) = self.agent.connection(id) else { return Err(Over) };
        let input = core::mem::take(&mut connection.input);
        let mut at = 0;
        loop {
            let Some(connection) = self.agent.connection(id) else { return Err(Over) };
            if connection.is_over || connection.is_busy() {
                break;
            }
            if let Some(dump) = connection.dump.take() {
                self.go_on(id, dump, now);
                continue;
            }
            let rest = input.get(at..).unwrap_or_default();
            let Some(length) =
                rest.get(2..4).map(|octets| octets.iter().fold(0, |n, o| n << 8 | usize::from(*o)))
            else {
                break;
            };
            if length < HEADER {
                // Where the next one begins is not known any more.
                self.malformed(id, rest);
                break;
            }
            let Some(whole) = rest.get(..length) else { break };
            at += length;
            self.agent.counters.messages.increment();
            self.message(id, whole, now, wires);
        }
        let Some(connection) = self.agent.connection(id) else { return Err(Over) };
        connection.input = input;
        connection.input.drain(..at);
        if connection.is_over { Err(Over) } else { Ok(()) }
    }

    fn malformed(&mut self, id: ConnectionId, rest: &[u8]) {
        self.agent.counters.broken.increment();
        let version = self.agent.connection(id).map_or(0, |connection| connection.version);
        let xid = rest.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |xid| u32::from_be_bytes(*xid));
        let version = if version == 0 { V1_3 } else { version };
        let message = Message { version, kind: ERROR, wire_kind: ERROR, xid, body: Reader(&[]), whole: rest };
        let data = rest.get(..HEADER).unwrap_or(rest);
        self.agent.refuse(id, &message, Refusal::BAD_LENGTH, data);
        if let Some(connection) = self.agent.connection(id) {
            connection.is_over = true;
        }
    }

    /// Does one message.
    fn message(&mut self, id: ConnectionId, whole: &[u8], now: Instant, wires: &mut dyn Wires) {
        let Some((header, body)) = whole.split_first_chunk::<HEADER>() else { return };
        let [theirs, wire_kind, _, _, xid @ ..] = *header;
        let Some(connection) = self.agent.connection(id) else { return };
        let version = connection.version;
        let xid = u32::from_be_bytes(xid);
        let mut message = Message { version, kind: wire_kind, wire_kind, xid, body: Reader(body), whole };
        if version == 0 {
            return self.greet(id, theirs, &message);
        }
        let known = if version == V1_0 { modern(wire_kind) } else { Some(wire_kind) };
        message.kind = known.unwrap_or(u8::MAX);
        let done = if theirs != version && wire_kind != HELLO {
            Err(Refusal::BAD_VERSION)
        } else {
            self.handle(id, &message, now, wires)
        };
        if let Err(refusal) = done {
            let data = message.whole.get(..REPEATED).unwrap_or(message.whole);
            self.agent.refuse(id, &message, refusal, data);
        }
    }

    /// The first message: what the other side speaks.
    fn greet(&mut self, id: ConnectionId, theirs: u8, message: &Message<'_>) {
        let offered = self.agent.versions;
        let is_hello = message.kind == HELLO;
        let agreed = if is_hello { agree(offered, theirs, bitmap(message.body)) } else { None };
        if let (Some(version), Some(connection)) = (agreed, self.agent.connection(id)) {
            connection.version = version;
            return;
        }
        self.agent.counters.broken.increment();
        let version = if theirs == V1_0 { V1_0 } else { V1_3 };
        let message = Message { version, ..*message };
        let (refusal, data): (_, &[u8]) = if is_hello {
            (Refusal::INCOMPATIBLE, b"this switch speaks OpenFlow 1.0 and 1.3")
        } else {
            (Refusal::BAD_TYPE, message.whole.get(..REPEATED).unwrap_or(message.whole))
        };
        self.agent.refuse(id, &message, refusal, data);
        if let Some(connection) = self.agent.connection(id) {
            connection.is_over = true;
        }
    }

    fn handle(
        &mut self,
        id: ConnectionId,
        message: &Message<'_>,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Result<(), Refusal> {
        let is_slave = self.agent.connection(id).is_some_and(|connection| connection.role == Role::Slave);
        let changes =
            matches!(message.kind, PACKET_OUT | FLOW_MOD | GROUP_MOD | PORT_MOD | TABLE_MOD | METER_MOD);
        if is_slave && changes {
            return Err(Refusal::IS_SLAVE);
        }
        match message.kind {
            HELLO | ERROR | ECHO_REPLY => {}
            ECHO_REQUEST => self.agent.answer(id, message, |writer| writer.put(message.body.0)),
            EXPERIMENTER => return Err(Refusal::BAD_EXPERIMENTER),
            FEATURES_REQUEST => self.features(id, message),
            GET_CONFIG_REQUEST => {
                let most = self.agent.connection(id).map_or(0, |connection| connection.miss_send_len);
                self.agent.answer(id, message, |writer| writer.u32(most.into()));
            }
            SET_CONFIG => return self.set_config(id, message),
            PACKET_OUT => return self.packet_out(message, now, wires),
            FLOW_MOD => return self.flow_mod(message, now, wires),
            GROUP_MOD => return self.group_mod(message, now),
            PORT_MOD => return self.port_mod(message),
            TABLE_MOD => return self.table_mod(message),
            MULTIPART_REQUEST => return self.multipart(id, message, now),
            BARRIER_REQUEST => self.agent.answer(id, message, |_| ()),
            QUEUE_CONFIG_REQUEST => return self.queue_config(id, message),
            ROLE_REQUEST => return self.role(id, message),
            GET_ASYNC_REQUEST => {
                let wants = self.agent.connection(id).map_or(Wants::default(), |connection| connection.wants);
                self.agent.answer(id, message, |writer| wants.0.iter().for_each(|mask| writer.u32(*mask)));
            }
            SET_ASYNC => {
                let mut body = message.body;
                let mut masks = [0; 6];
                for mask in &mut masks {
                    *mask = body.u32().ok_or(Refusal::BAD_LENGTH)?;
                }
                if let Some(connection) = self.agent.connection(id) {
                    connection.wants = Wants(masks);
                }
            }
            METER_MOD => return self.meter_mod(message, now),
            _ => return Err(Refusal::BAD_TYPE),
        }
        Ok(())
    }

    /// OpenFlow 1.3.5, 7.3.1; 1.0.0, 5.3.1.
    fn features(&mut self, id: ConnectionId, message: &Message<'_>) {
        let Switch { datapath, agent } = self;
        let datapath_id = agent.datapath_id;
        agent.answer(id, message, |writer| {
            writer.u64(datapath_id);
            writer.u32(buffers::MOST as u32);
            writer.put(&[TABLES, 0, 0, 0]);
            if message.version == V1_0 {
                // Flow, table, port and queue statistics, and ARP addresses are matched; all actions.
                writer.u32(0xc7);
                writer.u32(0xfff);
                datapath.ports.all().for_each(|port| write_port(writer, V1_0, port));
            } else {
                // Flow, table, port, group and queue statistics, and blocked ports are told of.
                writer.u32(0x14f);
                writer.u32(0);
            }
        });
    }

    fn set_config(&mut self, id: ConnectionId, message: &Message<'_>) -> Result<(), Refusal> {
        let mut body = message.body;
        let (flags, most) = body.u16().zip(body.u16()).ok_or(Refusal::BAD_LENGTH)?;
        // Fragments are packets like others here (OFPC_FRAG_NORMAL).
        if flags != 0 {
            return Err(Refusal::CONFIG_FLAGS);
        }
        if let Some(connection) = self.agent.connection(id) {
            connection.miss_send_len = most;
        }
        Ok(())
    }

    /// OpenFlow 1.3.5, 6.3.4.
    fn role(&mut self, id: ConnectionId, message: &Message<'_>) -> Result<(), Refusal> {
        let mut body = message.body;
        let number = body.u32().ok_or(Refusal::BAD_LENGTH)?;
        let generation = body.skip(4).and_then(|()| body.u64()).ok_or(Refusal::BAD_LENGTH)?;
        if number != 0 {
            let role = Role::new(number).ok_or(Refusal::BAD_ROLE)?;
            if role != Role::Equal {
                let is_stale = |known: u64| (generation.wrapping_sub(known) as i64) < 0;
                if self.agent.generation.is_some_and(is_stale) {
                    return Err(Refusal::STALE);
                }
                self.agent.generation = Some(generation);
            }
            if role == Role::Master {
                let others = self.agent.connections.iter_mut().flatten();
                others.filter(|other| other.role == Role::Master).for_each(|other| other.role = Role::Slave);
            }
            if let Some(connection) = self.agent.connection(id) {
                connection.role = role;
            }
        }
        let role = self.agent.connection(id).map_or(Role::Equal, |connection| connection.role);
        let known = self.agent.generation.unwrap_or(u64::MAX);
        self.agent.answer(id, message, |writer| {
            writer.u32(role as u32);
            writer.u32(0);
            writer.u64(known);
        });
        Ok(())
    }
}

/// The versions that a HELLO says are spoken, if it does (OpenFlow 1.3.5, 7.5.1).
fn bitmap(mut body: Reader<'_>) -> Option<u32> {
    loop {
        let (kind, length) = body.u16().zip(body.u16())?;
        let length = usize::from(length).checked_sub(4)?;
        let mut element = Reader(body.take(length)?);
        if kind == 1 {
            return element.u32();
        }
        body.skip((length + 4).next_multiple_of(8) - length - 4)?;
    }
}
