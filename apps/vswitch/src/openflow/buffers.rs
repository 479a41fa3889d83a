//! Frames that controllers know the beginning of, and may still send on.

use alloc::vec::Vec;

/// Frames that are kept.
pub(crate) const MOST: usize = 256;
/// Octets of one.
pub(crate) const LONGEST: usize = 2048;
/// OFP_NO_BUFFER.
pub(crate) const NO_BUFFER: u32 = u32::MAX;

/// A frame that is kept.
#[derive(Default)]
struct Kept {
    id: u32,
    ingress: u32,
    octets: Vec<u8>,
}

/// The frames that are kept, the oldest of which gives way.
#[derive(Default)]
pub(crate) struct Buffers {
    places: Vec<Kept>,
    next: u32,
}

/// Why there is no frame of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It was used, or gave way to another one.
    Empty,
    /// It was never given.
    Unknown,
}

impl Buffers {
    /// Keeps a frame. [`NO_BUFFER`] if it is too long, or there is no memory for it.
    pub(crate) fn keep(&mut self, ingress: u32, octets: &[u8]) -> u32 {
        let at = self.next as usize % MOST;
        if octets.len() > LONGEST {
            return NO_BUFFER;
        }
        if at == self.places.len() {
            if self.places.try_reserve(1).is_err() {
                return NO_BUFFER;
            }
            self.places.push(Kept::default());
        }
        let Some(place) = self.places.get_mut(at) else { return NO_BUFFER };
        place.octets.clear();
        if place.octets.try_reserve(octets.len()).is_err() {
            return NO_BUFFER;
        }
        place.octets.extend_from_slice(octets);
        place.id = self.next;
        place.ingress = ingress;
        self.next = (self.next + 1) % NO_BUFFER;
        place.id
    }

    /// The frame of a number, and the port that it came in on. It is there once.
    pub(crate) fn take(&mut self, id: u32) -> Result<(u32, Vec<u8>), Missing> {
        if id >= self.next {
            return Err(Missing::Unknown);
        }
        match self.places.get_mut(id as usize % MOST) {
            Some(place) if place.id == id && !place.octets.is_empty() => {
                Ok((place.ingress, core::mem::take(&mut place.octets)))
            }
            _ => Err(Missing::Empty),
        }
    }
}
