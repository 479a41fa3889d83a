//! Matches, actions and ports of OpenFlow 1.0, and what they are in the terms of 1.3.

use super::{
    actions::MOST_ACTIONS,
    error::Refusal,
    wire::{Reader, Writer},
};
use crate::pipeline::{
    action::{Action, Step},
    fields::{ARP, Field, ICMP, IPV4, IPV6, Match, TCP, UDP},
};
use alloc::vec::Vec;

/// OFPFW_.
const IN_PORT: u32 = 1;
const DL_VLAN: u32 = 1 << 1;
const DL_SRC: u32 = 1 << 2;
const DL_DST: u32 = 1 << 3;
const DL_TYPE: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const NW_SRC_SHIFT: u32 = 8;
const NW_DST_SHIFT: u32 = 14;
const DL_VLAN_PCP: u32 = 1 << 20;
const NW_TOS: u32 = 1 << 21;
/// OFPFW_ALL: all bits that make a field wild.
pub(crate) const ALL_WILD: u32 = 0x003f_ffff;
/// OFP_VLAN_NONE.
const UNTAGGED: u16 = 0xffff;
/// OFPAT_.
const OUTPUT: u16 = 0;
const SET_VLAN_VID: u16 = 1;
const SET_VLAN_PCP: u16 = 2;
const STRIP_VLAN: u16 = 3;
const SET_DL_SRC: u16 = 4;
const SET_DL_DST: u16 = 5;
const SET_NW_SRC: u16 = 6;
const SET_NW_DST: u16 = 7;
const SET_NW_TOS: u16 = 8;
const SET_TP_SRC: u16 = 9;
const SET_TP_DST: u16 = 10;
const ENQUEUE: u16 = 11;
const VENDOR: u16 = 0xffff;

/// The number that a port has in OpenFlow 1.3: the reserved ones are the last of each.
pub(crate) fn port(number: u16) -> u32 {
    let number = u32::from(number);
    if number >= 0xff00 { number | 0xffff_0000 } else { number }
}

/// The number that it has in OpenFlow 1.0.
pub(crate) fn short(port: u32) -> u16 {
    port as u16
}

/// The mask of an address of which so many bits, counted from the lowest, do not matter.
fn prefix(wild: u32) -> u128 {
    u128::from(u32::MAX.checked_shl(wild & 0x3f).unwrap_or(0))
}

/// What of a match depends on the EtherType.
struct Above {
    wild: u32,
    kind: u16,
    tos: u8,
    protocol: u8,
    addresses: [u32; 2],
    ports: [u16; 2],
}

/// Reads a match (1.0.0, 5.2.3). `None` if it is cut short. A field that has no meaning beside the others is passed over.
pub(crate) fn read_match(reader: &mut Reader<'_>) -> Option<Match> {
    let wild = reader.u32()?;
    let wants = |bit: u32| wild & bit == 0;
    let mut matching = Match::ANY;
    let in_port = port(reader.u16()?);
    if wants(IN_PORT) {
        matching.want(Field::IN_PORT, in_port.into());
    }
    for (bit, field) in [(DL_SRC, Field::ETH_SRC), (DL_DST, Field::ETH_DST)] {
        let [a, b, c, d, e, f] = reader.array()?;
        if wants(bit) {
            matching.want(field, u64::from_be_bytes([0, 0, a, b, c, d, e, f]).into());
        }
    }
    let vlan = reader.u16()?;
    let priority = reader.u8()?;
    reader.skip(1)?;
    let is_untagged = wants(DL_VLAN) && vlan == UNTAGGED;
    if is_untagged {
        matching.want(Field::VLAN_VID, 0);
    } else if wants(DL_VLAN) {
        matching.want(Field::VLAN_VID, u128::from(vlan & 0xfff | 0x1000));
    }
    if wants(DL_VLAN_PCP) && !is_untagged {
        if !wants(DL_VLAN) {
            matching.want_masked(Field::VLAN_VID, 0x1000, 0x1000);
        }
        matching.want(Field::VLAN_PCP, u128::from(priority & 7));
    }
    let kind = reader.u16()?;
    let [tos, protocol] = reader.array()?;
    reader.skip(2)?;
    let addresses = [reader.u32()?, reader.u32()?];
    let ports = [reader.u16()?, reader.u16()?];
    if wants(DL_TYPE) {
        matching.want(Field::ETH_TYPE, kind.into());
        Above { wild, kind, tos, protocol, addresses, ports }.read(&mut matching);
    }
    Some(matching)
}

impl Above {
    fn read(&self, matching: &mut Match) {
        let wants = |bit: u32| self.wild & bit == 0;
        let protocol = u128::from(self.protocol);
        if matches!(self.kind, IPV4 | ARP) {
            let fields = match self.kind {
                ARP => [Field::ARP_SPA, Field::ARP_TPA],
                _ => [Field::IPV4_SRC, Field::IPV4_DST],
            };
            for ((field, address), shift) in
                fields.into_iter().zip(self.addresses).zip([NW_SRC_SHIFT, NW_DST_SHIFT])
            {
                matching.want_masked(field, address.into(), prefix(self.wild >> shift));
            }
        }
        match self.kind {
            ARP if wants(NW_PROTO) => matching.want(Field::ARP_OP, protocol),
            IPV4 | IPV6 => {
                if wants(NW_TOS) {
                    matching.want(Field::IP_DSCP, u128::from(self.tos >> 2));
                }
                if wants(NW_PROTO) {
                    matching.want(Field::IP_PROTO, protocol);
                    self.read_ports(matching);
                }
            }
            _ => {}
        }
    }

    fn read_ports(&self, matching: &mut Match) {
        let bits = [TP_SRC, TP_DST];
        let Some(fields) = port_fields(self.protocol, self.kind) else { return };
        for ((field, port), bit) in fields.into_iter().zip(self.ports).zip(bits) {
            if self.wild & bit == 0 {
                matching.want(field, u128::from(port) & field.full());
            }
        }
    }
}

/// The fields that TP_SRC and TP_DST stand for.
fn port_fields(protocol: u8, kind: u16) -> Option<[Field; 2]> {
    match (protocol, kind) {
        (TCP, _) => Some([Field::TCP_SRC, Field::TCP_DST]),
        (UDP, _) => Some([Field::UDP_SRC, Field::UDP_DST]),
        (crate::pipeline::fields::SCTP, _) => Some([Field::SCTP_SRC, Field::SCTP_DST]),
        (ICMP, IPV4) => Some([Field::ICMPV4_TYPE, Field::ICMPV4_CODE]),
        (crate::pipeline::fields::ICMPV6, IPV6) => Some([Field::ICMPV6_TYPE, Field::ICMPV6_CODE]),
        _ => None,
    }
}

/// Writes a match. What OpenFlow 1.0 has no field for is left out.
pub(crate) fn write_match(writer: &mut Writer<'_>, matching: &Match) {
    let value = |field: Field| if matching.has(field) { matching.value.get(field) } else { 0 };
    let mut wild = 0;
    let mut wants = |field: Field, bit: u32| {
        if !matching.has(field) {
            wild |= bit;
        }
    };
    wants(Field::IN_PORT, IN_PORT);
    wants(Field::ETH_SRC, DL_SRC);
    wants(Field::ETH_DST, DL_DST);
    wants(Field::ETH_TYPE, DL_TYPE);
    wants(Field::VLAN_PCP, DL_VLAN_PCP);
    wants(Field::IP_DSCP, NW_TOS);
    let vlan_mask = matching.mask.get(Field::VLAN_VID);
    let vlan = match (vlan_mask & 0xfff, value(Field::VLAN_VID) as u16) {
        (0xfff, 0) => UNTAGGED,
        (0xfff, vlan) => vlan & 0xfff,
        _ => 0,
    };
    wild |= if vlan_mask & 0xfff == 0xfff { 0 } else { DL_VLAN };
    let kind = value(Field::ETH_TYPE) as u16;
    let (protocol, has_protocol) = match kind {
        ARP => (value(Field::ARP_OP) as u8, matching.has(Field::ARP_OP)),
        _ => (value(Field::IP_PROTO) as u8, matching.has(Field::IP_PROTO)),
    };
    wild |= if has_protocol { 0 } else { NW_PROTO };
    let mut addresses = [0u32; 2];
    let fields =
        if kind == ARP { [Field::ARP_SPA, Field::ARP_TPA] } else { [Field::IPV4_SRC, Field::IPV4_DST] };
    for ((field, address), shift) in fields.into_iter().zip(&mut addresses).zip([NW_SRC_SHIFT, NW_DST_SHIFT])
    {
        *address = value(field) as u32;
        let mask = if matching.has(field) { matching.mask.get(field) as u32 } else { 0 };
        wild |= mask.trailing_zeros().min(32) << shift;
    }
    let mut ports = [0u16; 2];
    let of_ports = if has_protocol { port_fields(protocol, kind) } else { None };
    for (at, (port, bit)) in ports.iter_mut().zip([TP_SRC, TP_DST]).enumerate() {
        match of_ports.and_then(|fields| fields.get(at).copied()) {
            Some(field) if matching.has(field) => *port = value(field) as u16,
            _ => wild |= bit,
        }
    }
    writer.u32(wild);
    writer.u16(short(value(Field::IN_PORT) as u32));
    writer.put(value(Field::ETH_SRC).to_be_bytes().get(10..).unwrap_or_default());
    writer.put(value(Field::ETH_DST).to_be_bytes().get(10..).unwrap_or_default());
    writer.u16(vlan);
    writer.put(&[value(Field::VLAN_PCP) as u8, 0]);
    writer.u16(kind);
    writer.put(&[(value(Field::IP_DSCP) as u8) << 2, protocol, 0, 0]);
    addresses.iter().for_each(|address| writer.u32(*address));
    ports.iter().for_each(|port| writer.u16(*port));
}

/// Reads a list of actions (1.0.0, 5.2.4).
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_actions(octets: &[u8], list: &mut Vec<Action>) -> Result<(), Refusal> {
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let header = reader.u16().zip(reader.u16());
        let (kind, length) = header.ok_or(Refusal::ACTION_LENGTH)?;
        let length = usize::from(length);
        if length < 8 || length % 8 != 0 {
            return Err(Refusal::ACTION_LENGTH);
        }
        let body = reader.take(length - 4).ok_or(Refusal::ACTION_LENGTH)?;
        let action = read_action(kind, length, body)?;
        if list.len() >= MOST_ACTIONS || list.try_reserve(1).is_err() {
            return Err(Refusal::ACTION_TOO_MANY);
        }
        list.push(action);
    }
    Ok(())
}

fn read_action(kind: u16, length: usize, body: &[u8]) -> Result<Action, Refusal> {
    let wanted = match kind {
        SET_DL_SRC | SET_DL_DST | ENQUEUE => 16,
        OUTPUT..ENQUEUE => 8,
        VENDOR => return Err(Refusal::ACTION_EXPERIMENTER),
        _ => return Err(Refusal::ACTION_TYPE),
    };
    let [a, b, c, d, rest @ ..] = body else { return Err(Refusal::ACTION_LENGTH) };
    if length != wanted {
        return Err(Refusal::ACTION_LENGTH);
    }
    let half = u16::from_be_bytes([*a, *b]);
    let whole = u128::from(u32::from_be_bytes([*a, *b, *c, *d]));
    let checked = |fits: bool| if fits { Ok(()) } else { Err(Refusal::ACTION_ARGUMENT) };
    Ok(match kind {
        OUTPUT => {
            let port = output_port(half)?;
            Action::Output { port, most: u16::from_be_bytes([*c, *d]) }
        }
        SET_VLAN_VID => {
            checked(half <= 0xfff)?;
            Action::SetVlanVid(half)
        }
        SET_VLAN_PCP => {
            checked(*a <= 7)?;
            Action::SetVlanPcp(*a)
        }
        STRIP_VLAN => Action::PopVlan,
        SET_DL_SRC | SET_DL_DST => {
            let [e, f, ..] = rest else { return Err(Refusal::ACTION_LENGTH) };
            let address = u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]);
            let field = if kind == SET_DL_SRC { Field::ETH_SRC } else { Field::ETH_DST };
            Action::set_field(field, address.into())
        }
        SET_NW_SRC => Action::set_field(Field::IPV4_SRC, whole),
        SET_NW_DST => Action::set_field(Field::IPV4_DST, whole),
        SET_NW_TOS => {
            checked(*a & 3 == 0)?;
            Action::set_field(Field::IP_DSCP, u128::from(*a >> 2))
        }
        SET_TP_SRC => Action::SetPort { is_source: true, port: half },
        SET_TP_DST => Action::SetPort { is_source: false, port: half },
        _ => {
            let queue = rest.last_chunk().map(|octets| u32::from_be_bytes(*octets));
            let port = output_port(half)?;
            Action::Enqueue { port, queue: queue.ok_or(Refusal::ACTION_LENGTH)? }
        }
    })
}

fn output_port(number: u16) -> Result<u32, Refusal> {
    let port = port(number);
    if super::actions::is_output_port(port) { Ok(port) } else { Err(Refusal::ACTION_OUT_PORT) }
}

/// Writes the actions of a program that are done at once. What OpenFlow 1.0 has no action for is left out.
pub(crate) fn write_actions(writer: &mut Writer<'_>, program: &[Step]) {
    for step in program {
        match step {
            Step::Action(action) => write_action(writer, action),
            Step::Write => break,
            _ => {}
        }
    }
}

fn write_action(writer: &mut Writer<'_>, action: &Action) {
    let mut plain = |kind: u16, argument: u32| {
        writer.u16(kind);
        writer.u16(8);
        writer.u32(argument);
    };
    match *action {
        Action::Output { port, most } => plain(OUTPUT, u32::from(short(port)) << 16 | u32::from(most)),
        Action::SetVlanVid(vlan) => plain(SET_VLAN_VID, u32::from(vlan) << 16),
        Action::SetVlanPcp(priority) => plain(SET_VLAN_PCP, u32::from(priority) << 24),
        Action::PopVlan => plain(STRIP_VLAN, 0),
        Action::SetPort { is_source: true, port } => plain(SET_TP_SRC, u32::from(port) << 16),
        Action::SetPort { is_source: false, port } => plain(SET_TP_DST, u32::from(port) << 16),
        Action::Enqueue { port, queue } => {
            writer.u16(ENQUEUE);
            writer.u16(16);
            writer.u16(short(port));
            writer.zeros(6);
            writer.u32(queue);
        }
        Action::SetField(field, value) => {
            let value = u128::from_be_bytes(value);
            match field {
                Field::ETH_SRC | Field::ETH_DST => {
                    writer.u16(if field == Field::ETH_SRC { SET_DL_SRC } else { SET_DL_DST });
                    writer.u16(16);
                    writer.put(value.to_be_bytes().get(10..).unwrap_or_default());
                    writer.zeros(6);
                }
                Field::IPV4_SRC => plain(SET_NW_SRC, value as u32),
                Field::IPV4_DST => plain(SET_NW_DST, value as u32),
                Field::IP_DSCP => plain(SET_NW_TOS, (value as u32) << 26),
                Field::VLAN_VID => plain(SET_VLAN_VID, (value as u32 & 0xfff) << 16),
                Field::VLAN_PCP => plain(SET_VLAN_PCP, (value as u32) << 24),
                Field::TCP_SRC | Field::UDP_SRC => plain(SET_TP_SRC, (value as u32) << 16),
                Field::TCP_DST | Field::UDP_DST => plain(SET_TP_DST, (value as u32) << 16),
                _ => {}
            }
        }
        _ => {}
    }
}
