//! The flow cache: which entries a frame came to, for all frames that no entry can tell from it.
//!
//! The key of a frame is its fields under one mask, the bits that any entry of any table looks at. So frames that differ in
//! nothing that matters share a place. What is kept is the entry of each table on the way, up to where the frame was read anew.
//!
//! Invariant: a place holds for the generation of the tables that it was filled in.

use super::{
    fields::Fields,
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
    key: [u64; super::fields::WORDS],
    generation: u32,
    steps: u32,
    path: [u32; STEPS],
}

/// The flow cache.
pub(crate) struct Cache {
    places: Vec<Place>,
    /// The words of the mask that are not zero, for this generation.
    words: Vec<(u8, u64)>,
    generation: u32,
    seed: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Cache {
    /// An empty cache. `None` without memory for it.
    pub(crate) fn new(seed: u64) -> Option<Cache> {
        let mut places = Vec::new();
        places.try_reserve_exact(PLACES).ok()?;
        let empty = Place { key: [0; super::fields::WORDS], generation: 0, steps: 0, path: [NONE; STEPS] };
        places.resize(PLACES, empty);
        let mut words = Vec::new();
        words.try_reserve_exact(super::fields::WORDS).ok()?;
        Some(Cache { places, words, generation: 0, seed, hits: 0, misses: 0 })
    }

    /// The place of a frame with these fields.
    #[inline]
    pub(crate) fn place(&mut self, flows: &Flows, fields: &Fields) -> usize {
        if self.generation != flows.generation() {
            self.renew(flows);
        }
        let hash = self.words.iter().fold(self.seed, |hash, (at, mask)| mix(hash, fields.word(*at) & mask));
        let at = hash as usize % PLACES;
        let Some(place) = self.places.get_mut(at) else { return at };
        let mut is_here = place.generation == self.generation;
        for ((word, mask), kept) in self.words.iter().zip(&mut place.key) {
            let value = fields.word(*word) & mask;
            is_here &= *kept == value;
            *kept = value;
        }
        if is_here {
            self.hits += 1;
        } else {
            self.misses += 1;
            place.generation = self.generation;
            place.steps = 0;
        }
        at
    }

    /// Begins with the mask of other tables than before; what the places held counts no more.
    #[cold]
    #[inline(never)]
    fn renew(&mut self, flows: &Flows) {
        self.generation = flows.generation();
        self.words.clear();
        let masks = (0u8..).zip(flows.relevant().0);
        // No more than there was room made for.
        self.words.extend(masks.filter(|(_, mask)| *mask != 0));
        if self.generation == 0 {
            // All generations were used once: what is left of the first time must not count.
            self.places.iter_mut().for_each(|place| place.generation = 1);
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
