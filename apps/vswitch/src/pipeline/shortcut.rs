//! The short way of most frames: packets of IPv4 that were seen before, found by its octets, before anything is read.
//!
//! Of the octets that decide over what such a frame is read as, those count that any entry of any table looks at. Frames in which
//! these are the same have one place here, if one entry sends them to one port and does nothing else. All others go the long way,
//! which fills the places.
//!
//! Invariant: a place holds for the generation of tables and ports that it was filled in.

use super::{Simple, flows::Flows, hash::FACTOR};
use crate::frame::parse::{Likeness, PACKET};
use alloc::vec::Vec;

/// Places, one for each value of the last octet of a hash. Most of the frames of a moment are of few flows.
const PLACES: usize = 256;

#[derive(Clone, Copy)]
struct Place {
    key: [u64; Likeness::WORDS],
    generation: u64,
    ingress: u32,
    simple: Simple,
}

/// The frames for which there is a short way.
pub(crate) struct Shortcuts {
    places: Vec<Place>,
    /// What frames of one place have in common, for this generation.
    likeness: Likeness,
    generation: u64,
    seed: u64,
}

impl Shortcuts {
    /// Without any. `None` without memory for them.
    #[inline(never)]
    pub(crate) fn new(seed: u64) -> Option<Shortcuts> {
        let mut places = Vec::new();
        places.try_reserve_exact(PLACES).ok()?;
        // No tables are of this generation.
        let empty = Place {
            key: [0; Likeness::WORDS],
            generation: u64::MAX,
            ingress: 0,
            simple: Simple { entry: 0, port: 0 },
        };
        places.resize(PLACES, empty);
        Some(Shortcuts { places, likeness: PACKET, generation: u64::MAX, seed })
    }

    /// What frames have in common that no entry can tell from one that was found or added.
    #[inline]
    pub(crate) fn likeness(&self) -> &Likeness {
        &self.likeness
    }

    /// The entry of a frame that came in by this port, if there is a short way for it.
    #[inline]
    pub(crate) fn find(&self, flows: &Flows, ingress: u32, frame: &[u8]) -> Option<Simple> {
        let key = self.likeness.key(frame)?;
        let place = self.places.get(self.place(&key, ingress))?;
        let ([a, b, c, d, e], [f, g, h, i, j]) = (key, place.key);
        let differs = (a ^ f) | (b ^ g) | (c ^ h) | (d ^ i) | (e ^ j);
        let is_other = place.generation ^ flows.generation() | u64::from(place.ingress ^ ingress);
        (differs | is_other == 0).then_some(place.simple)
    }

    /// From now on there is a short way for frames like this one, which is such a packet. False if it is too short for that.
    #[inline(never)]
    pub(crate) fn add(&mut self, flows: &Flows, ingress: u32, frame: &[u8], simple: Simple) -> bool {
        let generation = flows.generation();
        if self.generation != generation {
            self.generation = generation;
            self.likeness = Likeness::of_packets(flows.relevant());
        }
        let Some(key) = self.likeness.key(frame) else { return false };
        let at = self.place(&key, ingress);
        if let Some(place) = self.places.get_mut(at) {
            *place = Place { key, generation, ingress, simple };
        }
        true
    }

    /// Quicker than the hash of keys: frames that collide go the long way, and that is all.
    #[inline]
    fn place(&self, key: &[u64; Likeness::WORDS], ingress: u32) -> usize {
        let [a, b, c, d, e] = key;
        let take = |hash: u64, word: &u64| (hash.rotate_left(26) ^ word).wrapping_mul(FACTOR);
        let mixed = take(take(take(take(take(self.seed ^ u64::from(ingress), a), b), c), d), e);
        (mixed >> 56) as usize
    }
}
