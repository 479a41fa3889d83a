//! Matches of OpenFlow 1.3: lists of fields in OXM (1.3.5, 7.2.3).

use super::{
    error::Refusal,
    wire::{Reader, Writer},
};
use crate::pipeline::fields::{Field, Match};

/// OFPXMC_OPENFLOW_BASIC and OFPXMC_EXPERIMENTER.
const BASIC: u16 = 0x8000;
/// OFPMT_OXM.
const OXM: u16 = 1;

/// One field of a list.
struct Entry<'a> {
    field: Field,
    has_mask: bool,
    value: &'a [u8],
}

/// The header of a field in a list of those that are known.
pub(crate) fn header(field: Field, has_mask: bool) -> u32 {
    let length = field.octets() << usize::from(has_mask);
    u32::from(BASIC) << 16 | u32::from(field.number()) << 9 | u32::from(has_mask) << 8 | length as u32
}

fn number(octets: &[u8]) -> u128 {
    octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
}

/// Reads a field. `Err` for what is none.
fn entry<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, Refusal> {
    let class = reader.u16().ok_or(Refusal::MATCH_LENGTH)?;
    let kind = reader.u8().ok_or(Refusal::MATCH_LENGTH)?;
    let length = reader.u8().ok_or(Refusal::MATCH_LENGTH)?;
    let value = reader.take(length.into()).ok_or(Refusal::MATCH_LENGTH)?;
    if class != BASIC {
        return Err(Refusal::FIELD);
    }
    let field = Field::new(kind >> 1).ok_or(Refusal::FIELD)?;
    let has_mask = kind & 1 != 0;
    if has_mask && !field.place().is_maskable {
        return Err(Refusal::MASK);
    }
    if value.len() != field.octets() << usize::from(has_mask) {
        return Err(Refusal::MATCH_LENGTH);
    }
    Ok(Entry { field, has_mask, value })
}

/// Reads a list of fields.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_fields(octets: &[u8]) -> Result<Match, Refusal> {
    let mut matching = Match::ANY;
    let mut seen = 0u64;
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let Entry { field, has_mask, value } = entry(&mut reader)?;
        if seen >> field.number() & 1 != 0 {
            return Err(Refusal::FIELD_TWICE);
        }
        seen |= 1 << field.number();
        let (value, mask) = value.split_at(field.octets());
        let value = number(value);
        let mask = if has_mask { number(mask) } else { field.full() };
        // A mask may well be wider than its field.
        if value & !field.full() != 0 {
            return Err(Refusal::VALUE);
        }
        if value & !mask != 0 {
            return Err(Refusal::WILDCARDS);
        }
        if !matching.meets(field.place().needs) {
            return Err(Refusal::PREREQUISITE);
        }
        matching.want_masked(field, value, mask);
    }
    Ok(matching)
}

/// Reads the match of a message, with what aligns it.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_match(reader: &mut Reader<'_>) -> Result<Match, Refusal> {
    let kind = reader.u16().ok_or(Refusal::BAD_LENGTH)?;
    let length = reader.u16().ok_or(Refusal::BAD_LENGTH)?;
    if kind != OXM {
        return Err(Refusal::MATCH_TYPE);
    }
    let length = usize::from(length).checked_sub(4).ok_or(Refusal::MATCH_LENGTH)?;
    let fields = reader.take(length).ok_or(Refusal::MATCH_LENGTH)?;
    reader.skip((length + 4).next_multiple_of(8) - length - 4).ok_or(Refusal::MATCH_LENGTH)?;
    read_fields(fields)
}

/// Writes a field, with a mask unless all of it counts.
pub(crate) fn write_field(writer: &mut Writer<'_>, field: Field, value: u128, mask: u128) {
    let has_mask = mask != field.full();
    writer.u32(header(field, has_mask));
    for number in [value, mask].iter().take(1 + usize::from(has_mask)) {
        let octets = number.to_be_bytes();
        writer.put(octets.get(16 - field.octets()..).unwrap_or_default());
    }
}

/// Writes a match, with what aligns it.
pub(crate) fn write_match(writer: &mut Writer<'_>, matching: &Match) {
    let start = writer.len();
    writer.u16(OXM);
    writer.u16(0);
    for field in Field::all().filter(|field| matching.has(*field)) {
        write_field(writer, field, matching.value.get(field), matching.mask.get(field));
    }
    writer.close(start, 2);
    writer.align(start);
}

/// Reads the field of an action that sets it.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_set_field(octets: &[u8]) -> Result<(Field, u128), Refusal> {
    let entry = entry(&mut Reader(octets)).map_err(|refusal| match refusal {
        Refusal::MATCH_LENGTH => Refusal::SET_LENGTH,
        _ => Refusal::SET_TYPE,
    })?;
    let field = entry.field;
    // OpenFlow 1.3.5, 5.12: where a frame came in and what the pipeline noted are not set like this. Nor are headers that are not
    // there made.
    let is_fixed =
        matches!(field, Field::IN_PORT | Field::IN_PHY_PORT | Field::METADATA | Field::IPV6_EXTHDR);
    if is_fixed || entry.has_mask {
        return Err(Refusal::SET_TYPE);
    }
    let value = number(entry.value);
    let is_untagged = field == Field::VLAN_VID && value & 0x1000 == 0;
    if value & !field.full() != 0 || is_untagged {
        return Err(Refusal::SET_ARGUMENT);
    }
    Ok((field, value))
}
