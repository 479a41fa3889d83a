//! Actions and instructions of OpenFlow 1.3 (1.3.5, 7.2.4 and 7.2.5).

use super::{
    error::Refusal,
    oxm,
    wire::{Reader, Writer},
};
use crate::pipeline::{
    action::{Action, Program, Step},
    fields::{Field, MPLS, MPLS_MULTICAST, Match, PBB, SERVICE_VLAN, VLAN},
    flows::TABLES,
    groups::GROUP_MAX,
    ports,
};
use alloc::vec::Vec;

/// Actions of one list, and steps of one program.
pub(crate) const MOST_ACTIONS: usize = 256;
/// OFPAT_.
pub(crate) const OUTPUT: u16 = 0;
const COPY_TTL_OUT: u16 = 11;
const COPY_TTL_IN: u16 = 12;
const SET_MPLS_TTL: u16 = 15;
const DEC_MPLS_TTL: u16 = 16;
const PUSH_VLAN: u16 = 17;
const POP_VLAN: u16 = 18;
const PUSH_MPLS: u16 = 19;
const POP_MPLS: u16 = 20;
const SET_QUEUE: u16 = 21;
const GROUP: u16 = 22;
const SET_NW_TTL: u16 = 23;
const DEC_NW_TTL: u16 = 24;
const SET_FIELD: u16 = 25;
const PUSH_PBB: u16 = 26;
const POP_PBB: u16 = 27;
/// All of them, as a table can do them.
pub(crate) const ALL_ACTIONS: [u16; 16] = [
    OUTPUT,
    COPY_TTL_OUT,
    COPY_TTL_IN,
    SET_MPLS_TTL,
    DEC_MPLS_TTL,
    PUSH_VLAN,
    POP_VLAN,
    PUSH_MPLS,
    POP_MPLS,
    SET_QUEUE,
    GROUP,
    SET_NW_TTL,
    DEC_NW_TTL,
    SET_FIELD,
    PUSH_PBB,
    POP_PBB,
];
pub(crate) const EXPERIMENTER: u16 = 0xffff;
/// OFPIT_.
const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;

/// What is known of the frames that a list of actions is for, as far as actions ask for it. `None` is nothing at all, and so is
/// what is found under a tag that was taken out.
pub(crate) type Known = Option<Match>;

/// Whether frames can be sent to a port of this number.
pub(crate) fn is_output_port(port: u32) -> bool {
    (1..=ports::MAX).contains(&port) || (ports::IN_PORT..=ports::LOCAL).contains(&port)
}

/// Reads a list of actions onto the end of `list`.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_actions(octets: &[u8], known: &mut Known, list: &mut Vec<Action>) -> Result<(), Refusal> {
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let (kind, body) = part(&mut reader).ok_or(Refusal::ACTION_LENGTH)?;
        let action = read_action(kind, body)?;
        follow(&action, known)?;
        if list.len() >= MOST_ACTIONS || list.try_reserve(1).is_err() {
            return Err(Refusal::ACTION_TOO_MANY);
        }
        list.push(action);
    }
    Ok(())
}

/// Takes off what has a type and a length, which is a multiple of eight.
fn part<'a>(reader: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let kind = reader.u16()?;
    let length = usize::from(reader.u16()?);
    if length < 8 || length % 8 != 0 {
        return None;
    }
    Some((kind, reader.take(length - 4)?))
}

fn read_action(kind: u16, body: &[u8]) -> Result<Action, Refusal> {
    let mut reader = Reader(body);
    let length = match kind {
        OUTPUT => 12,
        SET_FIELD => body.len(),
        EXPERIMENTER => return Err(Refusal::ACTION_EXPERIMENTER),
        kind if ALL_ACTIONS.contains(&kind) => 4,
        _ => return Err(Refusal::ACTION_TYPE),
    };
    if body.len() != length {
        return Err(Refusal::ACTION_LENGTH);
    }
    // All have four octets.
    let [a, b, c, d] = *body.first_chunk().ok_or(Refusal::ACTION_LENGTH)?;
    let (octet, half, whole) = (a, u16::from_be_bytes([a, b]), u32::from_be_bytes([a, b, c, d]));
    let of = |kinds: &[u16]| kinds.contains(&half).then_some(half).ok_or(Refusal::ACTION_ARGUMENT);
    Ok(match kind {
        OUTPUT => {
            reader.skip(4).ok_or(Refusal::ACTION_LENGTH)?;
            let most = reader.u16().ok_or(Refusal::ACTION_LENGTH)?;
            if !is_output_port(whole) {
                return Err(Refusal::ACTION_OUT_PORT);
            }
            Action::Output { port: whole, most }
        }
        COPY_TTL_OUT => Action::CopyTtlOut,
        COPY_TTL_IN => Action::CopyTtlIn,
        SET_MPLS_TTL => Action::SetMplsTtl(octet),
        DEC_MPLS_TTL => Action::DecMplsTtl,
        PUSH_VLAN => Action::PushVlan(of(&[VLAN, SERVICE_VLAN])?),
        POP_VLAN => Action::PopVlan,
        PUSH_MPLS => Action::PushMpls(of(&[MPLS, MPLS_MULTICAST])?),
        POP_MPLS => Action::PopMpls(half),
        SET_QUEUE => Action::SetQueue(whole),
        GROUP if whole > GROUP_MAX => return Err(Refusal::ACTION_OUT_GROUP),
        GROUP => Action::Group(whole),
        SET_NW_TTL => Action::SetNwTtl(octet),
        DEC_NW_TTL => Action::DecNwTtl,
        PUSH_PBB => Action::PushPbb(of(&[PBB])?),
        POP_PBB => Action::PopPbb,
        _ => {
            let (field, value) = oxm::read_set_field(body)?;
            if body.len() + 4 != (field.octets() + 8).next_multiple_of(8) {
                return Err(Refusal::SET_LENGTH);
            }
            Action::set_field(field, value)
        }
    })
}

/// Whether an action can be done to frames of which this is known, and what is known of them afterwards.
fn follow(action: &Action, known: &mut Known) -> Result<(), Refusal> {
    let Some(matching) = known else { return Ok(()) };
    let mut kind = |kind: u16| matching.want(Field::ETH_TYPE, kind.into());
    match *action {
        Action::PushMpls(ethertype) => kind(ethertype),
        Action::PopMpls(ethertype) => kind(ethertype),
        Action::PushPbb(ethertype) => kind(ethertype),
        Action::PushVlan(_) => matching.want_masked(Field::VLAN_VID, 0x1000, 0x1000),
        // Another tag may follow, or none.
        Action::PopVlan => matching.want_masked(Field::VLAN_VID, 0, 0),
        Action::PopPbb => *known = None,
        Action::SetField(field, value) => {
            // OpenFlow 1.3.5, 5.12: what a field needs must be matched, or be there by earlier actions.
            if !matching.meets(field.place().needs) {
                return Err(Refusal::MATCH_INCONSISTENT);
            }
            let changes = matches!(field, Field::ETH_TYPE | Field::IP_PROTO | Field::ICMPV6_TYPE);
            if changes {
                matching.want(field, u128::from_be_bytes(value));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Writes an action.
pub(crate) fn write_action(writer: &mut Writer<'_>, action: &Action) {
    let start = writer.len();
    let mut plain = |kind: u16, argument: u32| {
        writer.u16(kind);
        writer.u16(8);
        writer.u32(argument);
    };
    let high = |half: u16| u32::from(half) << 16;
    match *action {
        Action::Output { port, most } => {
            plain(OUTPUT, port);
            writer.u16(most);
            writer.zeros(6);
            writer.set_u16(start + 2, 16);
        }
        Action::CopyTtlOut => plain(COPY_TTL_OUT, 0),
        Action::CopyTtlIn => plain(COPY_TTL_IN, 0),
        Action::SetMplsTtl(ttl) => plain(SET_MPLS_TTL, u32::from(ttl) << 24),
        Action::DecMplsTtl => plain(DEC_MPLS_TTL, 0),
        Action::PushVlan(kind) => plain(PUSH_VLAN, high(kind)),
        Action::PopVlan => plain(POP_VLAN, 0),
        Action::PushMpls(kind) => plain(PUSH_MPLS, high(kind)),
        Action::PopMpls(kind) => plain(POP_MPLS, high(kind)),
        Action::SetQueue(queue) => plain(SET_QUEUE, queue),
        Action::Group(id) => plain(GROUP, id),
        Action::SetNwTtl(ttl) => plain(SET_NW_TTL, u32::from(ttl) << 24),
        Action::DecNwTtl => plain(DEC_NW_TTL, 0),
        Action::PushPbb(kind) => plain(PUSH_PBB, high(kind)),
        Action::PopPbb => plain(POP_PBB, 0),
        Action::SetField(field, value) => write_set_field(writer, field, u128::from_be_bytes(value)),
        // What OpenFlow 1.0 has of its own comes nearest to these.
        Action::SetVlanVid(vlan) => write_set_field(writer, Field::VLAN_VID, u128::from(vlan) | 0x1000),
        Action::SetVlanPcp(priority) => write_set_field(writer, Field::VLAN_PCP, priority.into()),
        Action::SetPort { is_source: true, port } => write_set_field(writer, Field::TCP_SRC, port.into()),
        Action::SetPort { is_source: false, port } => write_set_field(writer, Field::TCP_DST, port.into()),
        Action::Enqueue { port, queue } => {
            plain(SET_QUEUE, queue);
            write_action(writer, &Action::Output { port, most: 0 });
        }
    }
}

fn write_set_field(writer: &mut Writer<'_>, field: Field, value: u128) {
    let start = writer.len();
    writer.u16(SET_FIELD);
    writer.u16(0);
    oxm::write_field(writer, field, value, field.full());
    writer.align(start);
    writer.close(start, 2);
}

/// The instructions of a message, each of which there is once.
#[derive(Default)]
struct Instructions<'a> {
    meter: Option<u32>,
    apply: Option<&'a [u8]>,
    clear: bool,
    write: Option<&'a [u8]>,
    metadata: Option<(u64, u64)>,
    goto: Option<u8>,
}

/// Reads the instructions of an entry in a table.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_instructions(octets: &[u8], table: u8, matching: &Match) -> Result<Program, Refusal> {
    let mut found = Instructions::default();
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let (kind, body) = part(&mut reader).ok_or(Refusal::INSTRUCTION_LENGTH)?;
        found.take(kind, body, table)?;
    }
    found.program(matching)
}

impl<'a> Instructions<'a> {
    fn take(&mut self, kind: u16, body: &'a [u8], table: u8) -> Result<(), Refusal> {
        let length = match kind {
            WRITE_METADATA => 20,
            WRITE_ACTIONS | APPLY_ACTIONS => body.len(),
            GOTO_TABLE | CLEAR_ACTIONS | METER => 4,
            EXPERIMENTER => return Err(Refusal::INSTRUCTION_EXPERIMENTER),
            _ => return Err(Refusal::UNKNOWN_INSTRUCTION),
        };
        if body.len() != length {
            return Err(Refusal::INSTRUCTION_LENGTH);
        }
        let mut reader = Reader(body);
        let first = reader.u32().ok_or(Refusal::INSTRUCTION_LENGTH)?;
        let is_twice = match kind {
            GOTO_TABLE => {
                let next = (first >> 24) as u8;
                if next <= table || next >= TABLES {
                    return Err(Refusal::INSTRUCTION_TABLE);
                }
                self.goto.replace(next).is_some()
            }
            WRITE_METADATA => {
                let (Some(value), Some(mask)) = (reader.u64(), reader.u64()) else {
                    return Err(Refusal::INSTRUCTION_LENGTH);
                };
                self.metadata.replace((value, mask)).is_some()
            }
            WRITE_ACTIONS => self.write.replace(reader.0).is_some(),
            APPLY_ACTIONS => self.apply.replace(reader.0).is_some(),
            CLEAR_ACTIONS => core::mem::replace(&mut self.clear, true),
            _ => self.meter.replace(first).is_some(),
        };
        if is_twice { Err(Refusal::UNSUPPORTED_INSTRUCTION) } else { Ok(()) }
    }

    /// The steps in the order in which they are done.
    fn program(&self, matching: &Match) -> Result<Program, Refusal> {
        let mut known = Some(*matching);
        let mut actions = Vec::new();
        read_actions(self.apply.unwrap_or_default(), &mut known, &mut actions)?;
        let applied = actions.len();
        read_actions(self.write.unwrap_or_default(), &mut known, &mut actions)?;
        let mut program = Program::new();
        // One for each instruction.
        program.try_reserve_exact(actions.len() + 6).map_err(|_| Refusal::TABLE_FULL)?;
        let (apply, write) = actions.split_at(applied);
        program.extend(self.meter.map(Step::Meter));
        program.extend(self.apply.map(|_| Step::Apply));
        program.extend(apply.iter().map(|action| Step::Action(*action)));
        program.extend(self.clear.then_some(Step::Clear));
        program.extend(self.write.map(|_| Step::Write));
        program.extend(write.iter().map(|action| Step::Action(*action)));
        program.extend(self.metadata.map(|(value, mask)| Step::Metadata(value, mask)));
        program.extend(self.goto.map(Step::Goto));
        shrink(program)
    }
}

/// The same without room for more. There are many of them.
pub(crate) fn shrink(program: Program) -> Result<Program, Refusal> {
    let mut exact = Program::new();
    exact.try_reserve_exact(program.len()).map_err(|_| Refusal::TABLE_FULL)?;
    exact.extend_from_slice(&program);
    Ok(exact)
}

/// Writes a program as instructions.
pub(crate) fn write_instructions(writer: &mut Writer<'_>, program: &[Step]) {
    let mut open = None;
    for step in program {
        if let Step::Action(action) = step {
            write_action(writer, action);
            continue;
        }
        if let Some(start) = open.take() {
            writer.close(start, 2);
        }
        let mut plain = |kind: u16, argument: u32| {
            let start = writer.len();
            writer.u16(kind);
            writer.u16(8);
            writer.u32(argument);
            start
        };
        match *step {
            Step::Meter(id) => {
                plain(METER, id);
            }
            Step::Apply => open = Some(plain(APPLY_ACTIONS, 0)),
            Step::Write => open = Some(plain(WRITE_ACTIONS, 0)),
            Step::Clear => {
                plain(CLEAR_ACTIONS, 0);
            }
            Step::Goto(table) => {
                plain(GOTO_TABLE, u32::from(table) << 24);
            }
            Step::Metadata(value, mask) => {
                let start = plain(WRITE_METADATA, 0);
                writer.u64(value);
                writer.u64(mask);
                writer.close(start, 2);
            }
            Step::Action(_) => {}
        }
    }
    if let Some(start) = open {
        writer.close(start, 2);
    }
}
