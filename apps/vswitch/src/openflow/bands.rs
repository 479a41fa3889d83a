//! Buckets of groups and bands of meters on the wire (OpenFlow 1.3.5, 7.3.4.2 and 7.3.4.4).

use super::{
    actions::{read_actions, write_action},
    error::Refusal,
    wire::{Reader, Writer},
};
use crate::pipeline::{
    groups::{Bucket, MOST_BUCKETS},
    meters::{Band, Excess, MOST_BANDS},
};
use alloc::vec::Vec;

/// OFPMBT_.
const DROP: u16 = 1;
const DSCP_REMARK: u16 = 2;

/// Reads the buckets of a group.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_buckets(octets: &[u8]) -> Result<Vec<Bucket>, Refusal> {
    let mut buckets = Vec::new();
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let bucket = read_bucket(&mut reader)?;
        if buckets.len() >= MOST_BUCKETS || buckets.try_reserve(1).is_err() {
            return Err(Refusal::OUT_OF_BUCKETS);
        }
        buckets.push(bucket);
    }
    Ok(buckets)
}

fn read_bucket(reader: &mut Reader<'_>) -> Result<Bucket, Refusal> {
    let mut head = || Some((reader.u16()?, reader.u16()?, reader.u32()?, reader.u32()?, reader.u32()?));
    let (length, weight, watch_port, watch_group, _) = head().ok_or(Refusal::BAD_BUCKET)?;
    let length = usize::from(length).checked_sub(16).ok_or(Refusal::BAD_BUCKET)?;
    let octets = reader.take(length).ok_or(Refusal::BAD_BUCKET)?;
    let mut actions = Vec::new();
    read_actions(octets, &mut None, &mut actions)?;
    let (packets, bytes) = Default::default();
    Ok(Bucket { weight, watch_port, watch_group, actions, packets, bytes })
}

/// Writes a bucket.
pub(crate) fn write_bucket(writer: &mut Writer<'_>, bucket: &Bucket) {
    let start = writer.len();
    writer.u16(0);
    writer.u16(bucket.weight);
    writer.u32(bucket.watch_port);
    writer.u32(bucket.watch_group);
    writer.zeros(4);
    bucket.actions.iter().for_each(|action| write_action(writer, action));
    writer.close(start, 0);
}

/// Reads the bands of a meter.
///
/// # Errors
/// What the controller is told.
pub(crate) fn read_bands(octets: &[u8]) -> Result<Vec<Band>, Refusal> {
    let mut bands = Vec::new();
    let mut reader = Reader(octets);
    while !reader.is_empty() {
        let mut head = || Some((reader.u16()?, reader.u16()?, reader.u32()?, reader.u32()?, reader.u8()?));
        let (kind, length, rate, burst, level) = head().ok_or(Refusal::BAD_LENGTH)?;
        let excess = match kind {
            DROP => Excess::Drop,
            DSCP_REMARK => Excess::Remark(level),
            _ => return Err(Refusal::BAD_BAND),
        };
        if length != 16 || reader.skip(3).is_none() {
            return Err(Refusal::BAD_LENGTH);
        }
        if rate == 0 {
            return Err(Refusal::METER_RATE);
        }
        // More of them are read than there may be, for who counts them to refuse.
        if bands.len() > MOST_BANDS || bands.try_reserve(1).is_err() {
            return Err(Refusal::OUT_OF_BANDS);
        }
        bands.push(Band::new(rate, burst, excess));
    }
    Ok(bands)
}

/// Writes a band.
pub(crate) fn write_band(writer: &mut Writer<'_>, band: &Band) {
    let (kind, level) = match band.excess {
        Excess::Drop => (DROP, 0),
        Excess::Remark(level) => (DSCP_REMARK, level),
    };
    writer.u16(kind);
    writer.u16(16);
    writer.u32(band.rate);
    writer.u32(band.burst);
    writer.put(&[level, 0, 0, 0]);
}
