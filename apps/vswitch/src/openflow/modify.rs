//! Messages that change the data plane: entries, groups, meters, ports and tables.

use super::{
    Around, ConnectionId, MODIFIED, Switch, V1_0, Wires,
    actions::{read_instructions, shrink},
    bands::{read_bands, read_buckets},
    buffers::NO_BUFFER,
    error::Refusal,
    handle::Message,
    legacy, oxm,
    ports::{CONFIG, CONFIG_1_0},
};
use crate::pipeline::{
    action::{Action, Program, Step},
    commands::{ALL_TABLES, CHECK_OVERLAP, FLOW_FLAGS, FlowCommand, FlowMod, RESET_COUNTS, SEND_REMOVED},
    flows::TABLES,
    groups::{GROUP_ALL, GROUP_ANY, GROUP_MAX, Kind},
    meters::{BURST, KBPS, PKTPS, STATS},
    ports,
};
use alloc::vec::Vec;
use unik_sched::time::Instant;

/// A FLOW_MOD, with the frame that it is for too.
struct Read {
    change: FlowMod,
    buffer: u32,
}

fn command(number: u16) -> Result<FlowCommand, Refusal> {
    use FlowCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let commands = [Add, Modify, ModifyStrict, Delete, DeleteStrict];
    commands.get(usize::from(number)).copied().ok_or(Refusal::FLOW_COMMAND)
}

/// OpenFlow 1.3.5, 7.3.4.1.
fn read_flow_mod(message: &Message<'_>) -> Result<Read, Refusal> {
    let mut body = message.body;
    let mut head = || Some((body.u64()?, body.u64()?, body.u8()?, body.u8()?, body.u16()?, body.u16()?));
    let (cookie, cookie_mask, table, number, idle, hard) = head().ok_or(Refusal::BAD_LENGTH)?;
    let mut head = || Some((body.u16()?, body.u32()?, body.u32()?, body.u32()?, body.u16()?, body.u16()?));
    let (priority, buffer, out_port, out_group, flags, _) = head().ok_or(Refusal::BAD_LENGTH)?;
    let command = command(number.into())?;
    if flags & !FLOW_FLAGS != 0 {
        return Err(Refusal::FLOW_FLAGS);
    }
    let is_delete = matches!(command, FlowCommand::Delete | FlowCommand::DeleteStrict);
    if table >= TABLES && !(is_delete && table == ALL_TABLES) {
        return Err(Refusal::FLOW_TABLE);
    }
    let matching = oxm::read_match(&mut body)?;
    let program = if is_delete { Program::new() } else { read_instructions(body.0, table, &matching)? };
    // Which entries a cookie chooses is no matter for a new one.
    let cookie_mask = if command == FlowCommand::Add { 0 } else { cookie_mask };
    let is_1_0 = false;
    let change = FlowMod {
        command,
        table,
        cookie,
        cookie_mask,
        idle,
        hard,
        priority,
        out_port,
        out_group,
        flags,
        matching,
        program,
        is_1_0,
    };
    Ok(Read { change, buffer })
}

/// OpenFlow 1.0.0, 5.3.3.
fn read_flow_mod_1_0(message: &Message<'_>) -> Result<Read, Refusal> {
    let mut body = message.body;
    let is_exact = body.clone().u32().is_some_and(|wild| wild & legacy::ALL_WILD == 0);
    let matching = legacy::read_match(&mut body).ok_or(Refusal::BAD_LENGTH)?;
    let mut head = || Some((body.u64()?, body.u16()?, body.u16()?, body.u16()?, body.u16()?));
    let (cookie, number, idle, hard, priority) = head().ok_or(Refusal::BAD_LENGTH)?;
    let mut head = || Some((body.u32()?, body.u16()?, body.u16()?));
    let (buffer, out_port, flags) = head().ok_or(Refusal::BAD_LENGTH)?;
    let command = command(number)?;
    // The bit behind these is for entries of an emergency cache, which is not there.
    if flags & !(SEND_REMOVED | CHECK_OVERLAP) != 0 {
        return Err(Refusal::FLOW_FLAGS);
    }
    let is_delete = matches!(command, FlowCommand::Delete | FlowCommand::DeleteStrict);
    let mut actions = Vec::new();
    if !is_delete {
        legacy::read_actions(body.0, &mut actions)?;
    }
    let mut program = Program::new();
    program.try_reserve_exact(actions.len() + 1).map_err(|_| Refusal::TABLE_FULL)?;
    program.extend((!actions.is_empty()).then_some(Step::Apply));
    program.extend(actions.into_iter().map(Step::Action));
    let change = FlowMod {
        command,
        table: 0,
        cookie,
        cookie_mask: 0,
        idle,
        hard,
        // 1.0.0, 3.4: an entry that wants exact values goes before all others.
        priority: if is_exact { u16::MAX } else { priority },
        out_port: legacy::port(out_port),
        out_group: GROUP_ANY,
        // Its counters begin anew whenever an entry is added.
        flags: flags | if command == FlowCommand::Add { RESET_COUNTS } else { 0 },
        matching,
        program: shrink(program)?,
        is_1_0: true,
    };
    Ok(Read { change, buffer })
}

impl Switch {
    pub(crate) fn flow_mod(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        wires: &mut dyn Wires,
    ) -> Result<(), Refusal> {
        let read = if message.version == V1_0 { read_flow_mod_1_0 } else { read_flow_mod };
        let Read { change, buffer } = read(message)?;
        let is_delete = matches!(change.command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        let Switch { datapath, agent } = self;
        datapath.flow_mod(change, now, &mut |flow, matching, gone| {
            agent.flow_removed(flow, matching, gone, now);
        })?;
        if buffer == NO_BUFFER || is_delete {
            return Ok(());
        }
        // OpenFlow 1.3.5, 6.4: the frame goes through the tables, as by a PACKET_OUT.
        let (ingress, octets) = self.agent.take_buffer(buffer)?;
        let to_tables = [Action::Output { port: ports::TABLE, most: 0 }];
        let mut around = Around { agent: &mut self.agent, wires };
        self.datapath.packet_out(ingress, &octets, &to_tables, now, &mut around);
        Ok(())
    }

    /// OpenFlow 1.3.5, 7.3.4.2.
    pub(crate) fn group_mod(&mut self, message: &Message<'_>, now: Instant) -> Result<(), Refusal> {
        let mut body = message.body;
        let mut head = || Some((body.u16()?, body.u8()?, body.u8()?, body.u32()?));
        let (command, kind, _, id) = head().ok_or(Refusal::BAD_LENGTH)?;
        let Switch { datapath, agent } = self;
        if command == 2 {
            if id > GROUP_MAX && id != GROUP_ALL {
                return Err(Refusal::INVALID_GROUP);
            }
            return datapath.delete_group(id, &mut |flow, matching, gone| {
                agent.flow_removed(flow, matching, gone, now);
            });
        }
        if command > 2 {
            return Err(Refusal::GROUP_COMMAND);
        }
        let kind = Kind::new(kind).ok_or(Refusal::GROUP_TYPE)?;
        let buckets = read_buckets(body.0)?;
        match command {
            0 => datapath.add_group(id, kind, buckets, now),
            _ => datapath.modify_group(id, kind, buckets),
        }
    }

    /// OpenFlow 1.3.5, 7.3.4.4.
    pub(crate) fn meter_mod(&mut self, message: &Message<'_>, now: Instant) -> Result<(), Refusal> {
        let mut body = message.body;
        let mut head = || Some((body.u16()?, body.u16()?, body.u32()?));
        let (command, flags, id) = head().ok_or(Refusal::BAD_LENGTH)?;
        let Switch { datapath, agent } = self;
        match command {
            0 | 1 => {
                let is_both = flags & (KBPS | PKTPS) == KBPS | PKTPS;
                if flags & !(KBPS | PKTPS | BURST | STATS) != 0 || is_both {
                    return Err(Refusal::METER_FLAGS);
                }
                let bands = read_bands(body.0)?;
                datapath.set_meter(id, flags, bands, command == 0, now)
            }
            2 => {
                datapath.delete_meter(id, &mut |flow, matching, gone| {
                    agent.flow_removed(flow, matching, gone, now);
                });
                Ok(())
            }
            _ => Err(Refusal::METER_COMMAND),
        }
    }

    /// OpenFlow 1.3.5, 7.3.4.3; 1.0.0, 5.3.3.
    pub(crate) fn port_mod(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let mut body = message.body;
        let is_1_0 = message.version == V1_0;
        let mut read = || {
            let number = if is_1_0 { legacy::port(body.u16()?) } else { body.u32()? };
            body.skip(if is_1_0 { 0 } else { 4 })?;
            let address = body.array()?;
            body.skip(if is_1_0 { 0 } else { 2 })?;
            Some((number, address, body.u32()?, body.u32()?, body.u32()?, body.u32()?))
        };
        let (number, address, config, mask, advertised, _) = read().ok_or(Refusal::BAD_LENGTH)?;
        let known = if is_1_0 { CONFIG_1_0 } else { CONFIG };
        if mask & !known != 0 {
            return Err(Refusal::PORT_MOD_CONFIG);
        }
        // The cards of this switch advertise nothing that could be chosen.
        if advertised != 0 && !is_1_0 {
            return Err(Refusal::PORT_MOD_ADVERTISE);
        }
        let Switch { datapath, agent } = self;
        if let Some(port) = datapath.port_mod(number, address, config, mask)? {
            agent.port_status(port, MODIFIED);
        }
        Ok(())
    }

    /// OpenFlow 1.3.5, 7.3.3: there is nothing left that it could configure.
    pub(crate) fn table_mod(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let mut body = message.body;
        let mut head = || Some((body.u8()?, body.array::<3>()?, body.u32()?));
        let (table, _, config) = head().ok_or(Refusal::BAD_LENGTH)?;
        // OFPTC_DEPRECATED_MASK.
        if config & !3 != 0 {
            return Err(Refusal::TABLE_MOD_CONFIG);
        }
        if table != ALL_TABLES && table >= TABLES {
            return Err(Refusal::TABLE_MOD_TABLE);
        }
        for number in (0..TABLES).filter(|number| table == ALL_TABLES || *number == table) {
            if let Some(table) = self.datapath.flows.table_mut(number) {
                table.config = config;
            }
        }
        Ok(())
    }

    /// OpenFlow 1.3.5, 7.3.6: each port has one queue, for which nothing is set aside.
    pub(crate) fn queue_config(&mut self, id: ConnectionId, message: &Message<'_>) -> Result<(), Refusal> {
        let mut body = message.body;
        let is_1_0 = message.version == V1_0;
        let number = if is_1_0 { body.u16().map(legacy::port) } else { body.u32() };
        let number = number.ok_or(Refusal::BAD_LENGTH)?;
        if number != ports::ANY && self.datapath.ports.get(number).is_none() {
            return Err(Refusal::QUEUE_PORT);
        }
        let Switch { datapath, agent } = self;
        agent.answer(id, message, |writer| {
            if is_1_0 {
                writer.u16(legacy::short(number));
                writer.zeros(6);
            } else {
                writer.u32(number);
                writer.zeros(4);
            }
            let wanted = datapath.ports.all().filter(|port| number == ports::ANY || port.number == number);
            for port in wanted {
                writer.u32(0);
                if is_1_0 {
                    writer.u16(8);
                    writer.u16(0);
                } else {
                    writer.u32(port.number);
                    writer.u16(16);
                    writer.zeros(6);
                }
            }
        });
        Ok(())
    }
}
