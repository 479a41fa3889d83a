//! Meters: buckets of tokens, one for each band.
//!
//! A band is exceeded when its bucket has not enough for a frame; of all that are, the one with the highest rate says what
//! happens (OpenFlow 1.3.5, 5.7). A bucket fills at the rate of its band, up to the burst, or to half a second's worth.

use alloc::vec::Vec;
use unik_sched::time::Instant;

/// Meters that there can be.
pub const MOST_METERS: usize = 1024;
/// Bands of each.
pub const MOST_BANDS: usize = 8;
/// OFPMF_KBPS.
pub const KBPS: u16 = 1;
/// OFPMF_PKTPS.
pub const PKTPS: u16 = 2;
/// OFPMF_BURST.
pub const BURST: u16 = 4;
/// OFPMF_STATS.
pub const STATS: u16 = 8;
/// OFPM_MAX.
pub const METER_MAX: u32 = 0xffff_0000;
/// OFPM_SLOWPATH.
pub const METER_SLOWPATH: u32 = 0xffff_fffd;
/// OFPM_CONTROLLER.
pub const METER_CONTROLLER: u32 = 0xffff_fffe;
/// OFPM_ALL.
pub const METER_ALL: u32 = 0xffff_ffff;

/// What is done beyond a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The frame is dropped.
    Drop,
    /// The drop precedence in the DSCP of an IP packet rises by so much.
    Remark(u8),
}

/// One rate of a meter.
#[derive(Clone, Debug)]
pub struct Band {
    /// In kilobits or frames a second.
    pub rate: u32,
    /// In kilobits or frames.
    pub burst: u32,
    /// What is done beyond it.
    pub excess: Excess,
    /// Frames beyond it.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// In billionths of a kilobit or of a frame.
    tokens: u64,
}

impl Band {
    /// A band whose bucket is filled when it becomes part of a meter.
    pub fn new(rate: u32, burst: u32, excess: Excess) -> Band {
        Band { rate, burst, excess, packets: 0, bytes: 0, tokens: 0 }
    }

    /// What the bucket holds at most. Less than the largest frame would never let one pass.
    fn depth(&self, flags: u16) -> u64 {
        let burst = if flags & BURST != 0 { self.burst } else { self.rate / 2 };
        let least = if flags & PKTPS != 0 { 1 } else { LARGEST };
        u64::from(burst).max(least) * UNIT
    }
}

const UNIT: u64 = 1_000_000_000;
/// Kilobits of the longest packet.
const LARGEST: u64 = 525;

/// A meter.
pub struct Meter {
    /// Its number.
    pub id: u32,
    /// OFPMF_.
    pub flags: u16,
    /// Its bands.
    pub bands: Vec<Band>,
    /// When it was made.
    pub created: Instant,
    /// Frames that it measured.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// Entries that name it.
    pub flows: u32,
    filled: Instant,
}

impl Meter {
    /// Measures a frame of so many octets, and says what is to be done with it.
    pub fn measure(&mut self, length: usize, now: Instant) -> Option<Excess> {
        let elapsed = now.duration_since(self.filled).as_nanos() as u64;
        self.filled = now;
        self.packets += 1;
        self.bytes += length as u64;
        // A bit is a thousandth of a kilobit.
        let cost = if self.flags & PKTPS != 0 { UNIT } else { length as u64 * 8 * (UNIT / 1000) };
        let flags = self.flags;
        let mut worst: Option<&mut Band> = None;
        for band in &mut self.bands {
            let gained = elapsed.saturating_mul(band.rate.into());
            band.tokens = band.tokens.saturating_add(gained).min(band.depth(flags));
            match band.tokens.checked_sub(cost) {
                Some(rest) => band.tokens = rest,
                None if worst.as_ref().is_none_or(|other| other.rate < band.rate) => worst = Some(band),
                None => {}
            }
        }
        let band = worst?;
        band.packets += 1;
        band.bytes += length as u64;
        Some(band.excess)
    }
}

/// All meters, in the order of their numbers.
#[derive(Default)]
pub struct Meters(Vec<Meter>);

impl Meters {
    /// All of them.
    pub fn all(&self) -> &[Meter] {
        &self.0
    }

    /// The meter with this number.
    pub fn get(&self, id: u32) -> Option<&Meter> {
        self.0.binary_search_by_key(&id, |meter| meter.id).ok().and_then(|at| self.0.get(at))
    }

    #[inline(never)]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Meter> {
        self.0.binary_search_by_key(&id, |meter| meter.id).ok().and_then(|at| self.0.get_mut(at))
    }

    /// Adds a meter. False if there is no room for it.
    pub(crate) fn add(&mut self, id: u32, flags: u16, bands: Vec<Band>, now: Instant) -> bool {
        let Err(at) = self.0.binary_search_by_key(&id, |meter| meter.id) else { return false };
        if self.0.len() >= MOST_METERS || self.0.try_reserve(1).is_err() {
            return false;
        }
        let bands = filled(bands, flags);
        let meter = Meter { id, flags, bands, created: now, packets: 0, bytes: 0, flows: 0, filled: now };
        self.0.insert(at, meter);
        true
    }

    /// Gives a meter other bands; its counters stay.
    pub(crate) fn modify(&mut self, id: u32, flags: u16, bands: Vec<Band>, now: Instant) {
        if let Some(meter) = self.get_mut(id) {
            meter.bands = filled(bands, flags);
            meter.flags = flags;
            meter.filled = now;
        }
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.0.retain(|meter| id != METER_ALL && meter.id != id);
    }
}

fn filled(mut bands: Vec<Band>, flags: u16) -> Vec<Band> {
    bands.iter_mut().for_each(|band| band.tokens = band.depth(flags));
    bands
}

/// The DSCP with a higher drop precedence (RFC 2597, 6). What is no assured forwarding has none.
pub(crate) fn remark(dscp: u8, level: u8) -> Option<u8> {
    let (class, precedence) = (dscp >> 3, dscp >> 1 & 3);
    let is_assured = (1..=4).contains(&class) && precedence != 0 && dscp & 1 == 0;
    is_assured.then(|| class << 3 | precedence.saturating_add(level).min(3) << 1)
}
