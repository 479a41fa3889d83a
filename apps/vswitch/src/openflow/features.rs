//! What tables, groups and meters can do, on the wire (OpenFlow 1.3.5, 7.3.5).

use super::{V1_0, actions::ALL_ACTIONS, oxm::header, wire::Writer};
use crate::pipeline::{
    fields::Field,
    flows::{TABLES, Table},
    groups::MOST_GROUPS,
    meters::{MOST_BANDS, MOST_METERS},
};

/// OFPTFPT_: the properties of tables.
const INSTRUCTIONS: u16 = 0;
const NEXT_TABLES: u16 = 2;
const WRITE_ACTIONS: u16 = 4;
const APPLY_ACTIONS: u16 = 6;
const MATCH: u16 = 8;
const WILDCARDS: u16 = 10;
const WRITE_FIELDS: u16 = 12;
const APPLY_FIELDS: u16 = 14;

/// Writes what was counted of a table.
pub(crate) fn write_table(writer: &mut Writer<'_>, version: u8, number: u8, table: &Table, most: usize) {
    writer.put(&[number, 0, 0, 0]);
    if version == V1_0 {
        write_name(writer, number);
        // Any field may be wild (OFPFW_ALL).
        writer.u32(0x003f_ffff);
        writer.u32(most as u32);
    }
    writer.u32(table.active);
    writer.u64(table.lookups);
    writer.u64(table.matched);
}

fn write_name(writer: &mut Writer<'_>, number: u8) {
    let name = [b't', b'a', b'b', b'l', b'e', b'0' + number / 10 % 10, b'0' + number % 10];
    writer.padded(&name, 32);
}

/// Writes a property: its type, its length without what aligns it, and what `write` adds.
fn property(writer: &mut Writer<'_>, kind: u16, write: impl FnOnce(&mut Writer<'_>)) {
    let start = writer.len();
    writer.u16(kind);
    writer.u16(0);
    write(writer);
    writer.close(start, 2);
    writer.align(start);
}

/// Writes the numbers of instructions or actions, which all are four octets long without what belongs to them.
fn numbers(writer: &mut Writer<'_>, numbers: impl Iterator<Item = u16>) {
    for number in numbers {
        writer.u16(number);
        writer.u16(4);
    }
}

/// Writes what a table can do: all of them can do the same, but the last one leads to no other.
pub(crate) fn write_table_features(writer: &mut Writer<'_>, number: u8, table: &Table, most: usize) {
    let start = writer.len();
    writer.put(&[0, 0, number, 0, 0, 0, 0, 0]);
    write_name(writer, number);
    writer.u64(u64::MAX);
    writer.u64(u64::MAX);
    writer.u32(table.config);
    writer.u32(most as u32);
    let has_next = number + 1 < TABLES;
    property(writer, INSTRUCTIONS, |writer| numbers(writer, (1..=6).filter(|kind| has_next || *kind != 1)));
    property(writer, NEXT_TABLES, |writer| (number + 1..TABLES).for_each(|next| writer.u8(next)));
    for kind in [WRITE_ACTIONS, APPLY_ACTIONS] {
        property(writer, kind, |writer| numbers(writer, ALL_ACTIONS.into_iter()));
    }
    property(writer, MATCH, |writer| {
        Field::all().for_each(|field| writer.u32(header(field, field.place().is_maskable)));
    });
    property(writer, WILDCARDS, |writer| Field::all().for_each(|field| writer.u32(header(field, false))));
    let is_set = |field: &Field| {
        !matches!(*field, Field::IN_PORT | Field::IN_PHY_PORT | Field::METADATA | Field::IPV6_EXTHDR)
    };
    for kind in [WRITE_FIELDS, APPLY_FIELDS] {
        property(writer, kind, |writer| {
            Field::all().filter(is_set).for_each(|field| writer.u32(header(field, false)));
        });
    }
    writer.close(start, 0);
}

/// Writes what groups can do.
pub(crate) fn write_group_features(writer: &mut Writer<'_>) {
    // All four types; weights, liveness, and chains that are checked.
    writer.u32(0xf);
    writer.u32(0xf);
    (0..4).for_each(|_| writer.u32(MOST_GROUPS as u32));
    let actions = ALL_ACTIONS.iter().fold(0, |all, action| all | 1u32 << action);
    (0..4).for_each(|_| writer.u32(actions));
}

/// Writes what meters can do.
pub(crate) fn write_meter_features(writer: &mut Writer<'_>) {
    writer.u32(MOST_METERS as u32);
    // Both types of bands; kilobits or frames a second, bursts, and statistics.
    writer.u32(1 << 1 | 1 << 2);
    writer.u32(0xf);
    writer.put(&[MOST_BANDS as u8, 0, 0, 0]);
}
