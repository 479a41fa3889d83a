//! The bounded memory of a capture: frames of any length in one piece each, first in, first out.
//!
//! A frame that does not fit behind the newest one goes to the beginning, as far as the oldest one has left room
//! there; the rest of the end then stays unused for one lap. Invariant: the frames lie between `read` and `write` or,
//! where `end` is known, between `read` and `end` and between the beginning and `write`.

use alloc::vec::Vec;

use unik_sched::time::Instant;

use super::{Captured, Direction};

/// Bytes in front of each frame: time, length on the wire, kept bytes, direction.
const HEADER: usize = 16;

/// A ring of frames.
pub(super) struct Ring {
    bytes: Vec<u8>,
    /// Where the oldest frame begins.
    read: usize,
    /// Behind the newest frame.
    write: usize,
    /// Where reading goes back to the beginning, while frames lie there.
    end: Option<usize>,
    frames: usize,
}

impl Ring {
    /// A ring of `capacity` bytes, unless memory lacks.
    pub(super) fn try_new(capacity: usize) -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(capacity).ok()?;
        bytes.resize(capacity, 0);
        Some(Ring { bytes, read: 0, write: 0, end: None, frames: 0 })
    }

    /// Puts a copy of a frame behind the others. False when there is no room for it.
    pub(super) fn push(&mut self, frame: &Captured<'_>) -> bool {
        let needed = HEADER + frame.bytes.len();
        let Some(start) = self.room(needed) else { return false };
        let Some(place) = self.bytes.get_mut(start..start + needed) else { return false };
        let (header, kept) = place.split_at_mut(HEADER);
        let word = |number: usize| (number as u32).to_le_bytes();
        header[..8].copy_from_slice(&frame.time.as_nanos().to_le_bytes());
        header[8..12].copy_from_slice(&word(frame.length));
        // A place in memory is shorter than 2^31 bytes here: there is a bit left for the direction.
        header[12..]
            .copy_from_slice(&word(frame.bytes.len() << 1 | usize::from(frame.direction == Direction::Sent)));
        kept.copy_from_slice(frame.bytes);
        self.write = start + needed;
        self.frames += 1;
        true
    }

    /// Where so many bytes can be put.
    fn room(&mut self, needed: usize) -> Option<usize> {
        if self.frames == 0 {
            (self.read, self.write, self.end) = (0, 0, None);
        }
        let limit = if self.end.is_some() { self.read } else { self.bytes.len() };
        if limit - self.write >= needed {
            return Some(self.write);
        }
        let fits = self.end.is_none() && self.read >= needed;
        fits.then(|| {
            self.end = Some(self.write);
            0
        })
    }

    /// The oldest frame.
    pub(super) fn first(&self) -> Option<Captured<'_>> {
        if self.frames == 0 {
            return None;
        }
        let (header, rest) = self.bytes.get(self.read..)?.split_first_chunk::<HEADER>()?;
        let [time @ .., l0, l1, l2, l3, k0, k1, k2, k3] = *header;
        let kept = u32::from_le_bytes([k0, k1, k2, k3]);
        Some(Captured {
            time: Instant::from_nanos(u64::from_le_bytes(time)),
            direction: if kept & 1 == 0 { Direction::Received } else { Direction::Sent },
            length: u32::from_le_bytes([l0, l1, l2, l3]) as usize,
            bytes: rest.get(..(kept >> 1) as usize)?,
        })
    }

    /// Forgets the oldest frame.
    pub(super) fn pop(&mut self) {
        let Some(length) = self.first().map(|frame| frame.bytes.len()) else { return };
        self.read += HEADER + length;
        self.frames -= 1;
        if self.end == Some(self.read) {
            self.read = 0;
            self.end = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, vec, vec::Vec};

    use super::{Captured, Direction, HEADER, Instant, Ring};

    /// A frame that can be told from others.
    fn frame(number: u8, bytes: &[u8]) -> Captured<'_> {
        let direction = if number.is_multiple_of(3) { Direction::Sent } else { Direction::Received };
        let time = Instant::from_nanos(u64::MAX - u64::from(number));
        Captured { time, direction, length: bytes.len() + usize::from(number), bytes }
    }

    fn ring(capacity: usize) -> Ring {
        Ring::try_new(capacity).expect("there is memory")
    }

    #[test]
    fn a_frame_comes_out_as_it_went_in() {
        let mut ring = ring(100);
        assert!(ring.first().is_none());
        assert!(ring.push(&frame(3, b"three")) && ring.push(&frame(4, b"")));
        assert_eq!(ring.first(), Some(frame(3, b"three")));
        ring.pop();
        assert_eq!(ring.first(), Some(frame(4, b"")));
        ring.pop();
        assert!(ring.first().is_none());
        ring.pop();
        assert!(ring.first().is_none());
    }

    #[test]
    fn a_full_ring_refuses_and_keeps_what_it_has() {
        let mut ring = ring(2 * (HEADER + 4));
        assert!(ring.push(&frame(1, b"aaaa")) && ring.push(&frame(2, b"bbbb")));
        assert!(!ring.push(&frame(3, b"")));
        assert_eq!(ring.first(), Some(frame(1, b"aaaa")));
        ring.pop();
        assert!(!ring.push(&frame(3, b"ccccc")), "one byte too long for what became free");
        assert!(ring.push(&frame(3, b"cccc")));
        assert!(!ring.push(&frame(4, b"")));
    }

    #[test]
    fn a_frame_that_does_not_fit_at_the_end_goes_to_the_beginning_in_one_piece() {
        let mut ring = ring(3 * (HEADER + 4) + 10);
        assert!((0..3).all(|number| ring.push(&frame(number, b"1234"))));
        ring.pop();
        assert!(ring.push(&frame(3, b"5678")));
        for expected in [frame(1, b"1234"), frame(2, b"1234"), frame(3, b"5678")] {
            assert_eq!(ring.first(), Some(expected));
            ring.pop();
        }
        assert!(ring.push(&frame(4, &[7; 40])), "an empty ring has all of its room again");
    }

    #[test]
    fn a_frame_longer_than_the_ring_is_refused() {
        let mut ring = ring(HEADER + 4);
        assert!(!ring.push(&frame(1, b"12345")));
        assert!(ring.push(&frame(1, b"1234")));
        assert!(Ring::try_new(usize::MAX).is_none());
    }

    #[test]
    fn it_behaves_like_a_queue_and_refuses_only_for_want_of_room() {
        for seed in 1..200_u64 {
            let capacity = 40 + seed as usize * 7;
            let longest = capacity / 3;
            let (mut ring, mut model) = (ring(capacity), VecDeque::<(u8, Vec<u8>)>::new());
            let (mut random, mut used) = (seed, 0);
            for step in 0..2000 {
                // Knuth, The Art of Computer Programming 2, 3.3.4: the multiplier of MMIX.
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (choice, length, number) = (random >> 60, (random >> 33) as usize % longest, step as u8);
                if choice < 9 {
                    let bytes = vec![number; length];
                    if ring.push(&frame(number, &bytes)) {
                        used += HEADER + length;
                        model.push_back((number, bytes));
                    } else {
                        let room = 2 * (HEADER + longest);
                        assert!(
                            used + room > capacity,
                            "seed {seed}, step {step}: {used} of {capacity} used"
                        );
                    }
                } else if let Some((_, bytes)) = model.pop_front() {
                    used -= HEADER + bytes.len();
                    ring.pop();
                }
                assert!(used <= capacity, "seed {seed}, step {step}");
                let expected = model.front().map(|(number, bytes)| frame(*number, bytes));
                assert_eq!(ring.first(), expected, "seed {seed}, step {step}");
            }
        }
    }
}
