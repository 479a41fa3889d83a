//! The flow cache: which entries a frame came to, for all frames that no entry can tell from it.
//!
//! The key of a frame is its fields under one mask, the bits that any entry of any table looks at. So frames that differ in
//! nothing that matters share a place. What is kept is the entry of each table on the way, up to where the frame was read anew.
//!
//! Invariant: a place holds for the generation of the tables that it was filled in.

use super::{
    fields::{Fields, WORDS},
    flows::{Flows, NONE},
    hash::mix,
};
use alloc::vec::Vec;

/// Places.
const PLACES: usize = 4096;
/// Tables on the way that are kept.
const STEPS: usize = 4;

#[derive(Clone, Copy)]
struct Place {
    key: [u64; WORDS],
    generation: u64,
    steps: u32,
    path: [u32; STEPS],
    /// The port that the only entry sends to, and does nothing else. [`NONE`] is that of no such entry.
    port: u32,
}

/// The flow cache.
pub(crate) struct Cache {
    places: Vec<Place>,
    /// The words of the mask that are not zero, for this generation.
    words: [(u8, u64); WORDS],
    count: usize,
    generation: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Cache {
    /// An empty cache. `None` without memory for it.
    pub(crate) fn new() -> Option<Cache> {
        let mut places = Vec::new();
        places.try_reserve_exact(PLACES).ok()?;
        let empty = Place { key: [0; WORDS], generation: 0, steps: 0, path: [NONE; STEPS], port: NONE };
        places.resize(PLACES, empty);
        Some(Cache { places, words: [(0, 0); WORDS], count: 0, generation: 0, hits: 0, misses: 0 })
    }

    /// The place of a frame with these fields, or one behind all others if it gets none; and the hash that says so.
    #[inline(always)]
    pub(crate) fn place(&mut self, flows: &Flows, fields: &Fields) -> (usize, u64) {
        if self.generation != flows.generation() {
            self.renew(flows);
        }
        let words = self.words.get(..self.count).unwrap_or_default();
        let hash = words.iter().fold(flows.seed(), |hash, (at, mask)| mix(hash, fields.word(*at) & mask));
        let at = hash as usize % PLACES;
        let Some(place) = self.places.get_mut(at) else { return (at, hash) };
        let mut difference = place.generation ^ self.generation;
        for ((word, mask), kept) in words.iter().zip(&place.key) {
            difference |= fields.word(*word) & mask ^ kept;
        }
        if difference == 0 {
            self.hits += 1;
            return (at, hash);
        }
        self.misses += 1;
        // A place that is in use is given up one time in four: where there are more kinds of frames than places, most of the
        // work of filling them would be for nothing.
        if place.generation == self.generation && !self.misses.is_multiple_of(4) {
            return (PLACES, hash);
        }
        place.generation = self.generation;
        place.steps = 0;
        place.port = NONE;
        for ((word, mask), kept) in words.iter().zip(&mut place.key) {
            *kept = fields.word(*word) & mask;
        }
        (at, hash)
    }

    /// Begins with the mask of other tables than before; what the places held counts no more.
    #[cold]
    #[inline(never)]
    fn renew(&mut self, flows: &Flows) {
        self.generation = flows.generation();
        let masks = (0u8..).zip(flows.relevant().0).filter(|(_, mask)| *mask != 0);
        self.count = 0;
        for (word, mask) in self.words.iter_mut().zip(masks) {
            *word = mask;
            self.count += 1;
        }
    }

    /// The entry and the port of a frame that one entry sends to one port.
    #[inline(always)]
    pub(crate) fn simple(&self, at: usize) -> Option<(u32, u32)> {
        let place = self.places.get(at)?;
        let [entry, ..] = place.path;
        (place.port != NONE).then_some((entry, place.port))
    }

    /// From now on the place is that of a frame that one entry sends to this port.
    pub(crate) fn keep_simple(&mut self, at: usize, port: u32) {
        if let Some(place) = self.places.get_mut(at) {
            place.port = port;
        }
    }

    /// The entry at this step of the way, or [`NONE`] if there is none. `None` if it is not known.
    #[inline]
    pub(crate) fn step(&self, at: usize, step: usize) -> Option<u32> {
        let place = self.places.get(at)?;
        if step < place.steps as usize { place.path.get(step).copied() } else { None }
    }

    /// Keeps the entry at the next step of the way.
    pub(crate) fn keep(&mut self, at: usize, step: usize, entry: u32) {
        let Some(place) = self.places.get_mut(at) else { return };
        if let (true, Some(kept)) = (place.steps as usize == step, place.path.get_mut(step)) {
            *kept = entry;
            place.steps += 1;
        }
    }
}
