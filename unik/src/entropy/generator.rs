//! The generator: ChaCha20 that forgets its key with every block it makes.
//!
//! A block is 256 bytes of the key's stream: the first 32 replace the key, the others are given out and erased as they
//! are. So the state of now tells nothing about what was given out before. ChaCha20 rather than ChaCha12: the rounds
//! are a loop and cost no bytes, and nothing here draws so much that the time would show.
//!
//! Samples are mixed in through the same function: the key is combined with the sample and made anew. A sample that
//! somebody knows or chose takes away nothing of what the key held; one that nobody knows is enough.

use chacha20::rand_core::{SeedableRng, block::Generator as _};
use chacha20::{ChaChaCore, R20, variants::Legacy};
use core::hint::black_box;
use core::mem;

/// What a source gives at once: as many bytes as a key has.
pub(crate) type Sample = [u8; KEY];

const KEY: usize = 32;
const BLOCK: usize = 256;

/// A stream of random bytes; before the first [`absorb`](Self::absorb) everybody knows it.
pub(crate) struct Generator {
    /// The key of the next block, and what is left of the last one at its end.
    block: [u8; BLOCK],
    left: usize,
}

impl Generator {
    /// A generator whose key is zero.
    pub(crate) const fn new() -> Self {
        Self { block: [0; BLOCK], left: 0 }
    }

    /// Mixes a sample into the key. What was made before and not given out yet is dropped.
    pub(crate) fn absorb(&mut self, sample: &Sample) {
        self.stir(sample);
        self.refill();
    }

    /// Adds to the key what nobody relies on: whoever is mixed in next could take it away again.
    pub(crate) fn stir(&mut self, additive: &[u8]) {
        for (key, byte) in self.block.iter_mut().zip(additive) {
            *key ^= byte;
        }
        self.left = 0;
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.left == 0 {
                self.refill();
            }
            *byte = self.block.get_mut(BLOCK - self.left).map(mem::take).unwrap_or_default();
            self.left -= 1;
        }
    }

    /// Makes the next key, and what is given out behind it.
    fn refill(&mut self) {
        let mut key = Sample::default();
        key.copy_from_slice(&self.block[..KEY]);
        let mut words = [0; BLOCK / 4];
        ChaChaCore::<R20, Legacy>::from_seed(key).generate(&mut words);
        for (bytes, word) in self.block.chunks_exact_mut(4).zip(&mut words) {
            bytes.copy_from_slice(&mem::take(word).to_le_bytes());
        }
        // Not left on the stack: the compiler must not see that nobody reads the zeroes.
        black_box(&words);
        key.fill(0);
        black_box(&key);
        self.left = BLOCK - KEY;
    }
}

/// Whether a sample can be random at all. Sources that are broken in known ways give all ones or all zeroes (processors
/// after a resume) or one word again and again; a random sample looks like that once in 2^60.
pub(crate) fn is_plausible(sample: &Sample) -> bool {
    let mut before = 0;
    sample.chunks_exact(8).all(|word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        let changed = word != before && word != 0 && word != u64::MAX;
        before = word;
        changed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of the key stream of the zero key (RFC 8439, A.1, test vector 1).
    const ZERO_KEY: [u8; 64] = [
        0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28, 0xbd,
        0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41,
        0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8,
        0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
    ];

    fn stream(key: Sample) -> [u8; BLOCK] {
        let mut words = [0; BLOCK / 4];
        ChaChaCore::<R20, Legacy>::from_seed(key).generate(&mut words);
        let mut bytes = [0; BLOCK];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn drawn(generator: &mut Generator, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        generator.fill(&mut bytes);
        bytes
    }

    #[test]
    fn the_first_bytes_are_those_of_the_standard_behind_the_next_key() {
        let mut generator = Generator::new();
        assert_eq!(drawn(&mut generator, 32), ZERO_KEY[KEY..]);
        assert_eq!(generator.block[..KEY], ZERO_KEY[..KEY]);
    }

    #[test]
    fn the_second_block_is_the_stream_of_the_first_ones_beginning() {
        let mut generator = Generator::new();
        drawn(&mut generator, BLOCK - KEY);
        let key = ZERO_KEY[..KEY].try_into().unwrap();
        assert_eq!(drawn(&mut generator, BLOCK - KEY), stream(key)[KEY..]);
    }

    #[test]
    fn pieces_make_the_same_stream_as_one_draw() {
        let (mut one, mut many) = (Generator::new(), Generator::new());
        let whole = drawn(&mut one, 1000);
        let pieces: Vec<u8> =
            [1, 7, 224, 0, 225, 500, 43].iter().flat_map(|&n| drawn(&mut many, n)).collect();
        assert_eq!(whole, pieces);
    }

    #[test]
    fn what_was_given_out_is_nowhere_in_the_state() {
        let mut generator = Generator::new();
        generator.absorb(&[7; KEY]);
        let given = drawn(&mut generator, 100);
        assert!(!generator.block.windows(8).any(|held| given.windows(8).any(|part| part == held)));
        assert_eq!(generator.block[KEY..KEY + 100], [0; 100]);
    }

    #[test]
    fn a_sample_is_mixed_with_the_key_and_does_not_replace_it() {
        let (mut left, mut right) = (Generator::new(), Generator::new());
        left.absorb(&[1; KEY]);
        right.absorb(&[2; KEY]);
        // The second source is the same for both, as if somebody had chosen it.
        left.absorb(&[9; KEY]);
        right.absorb(&[9; KEY]);
        assert_ne!(drawn(&mut left, 64), drawn(&mut right, 64));
    }

    #[test]
    fn the_order_of_samples_matters_and_two_equal_ones_do_not_cancel() {
        let (mut once, mut twice, mut other) = (Generator::new(), Generator::new(), Generator::new());
        let nothing = drawn(&mut Generator::new(), 64);
        once.absorb(&[1; KEY]);
        twice.absorb(&[1; KEY]);
        twice.absorb(&[1; KEY]);
        other.absorb(&[2; KEY]);
        other.absorb(&[1; KEY]);
        let streams = [nothing, drawn(&mut once, 64), drawn(&mut twice, 64), drawn(&mut other, 64)];
        for (index, stream) in streams.iter().enumerate() {
            assert!(!streams[..index].contains(stream));
        }
    }

    #[test]
    fn a_new_sample_drops_what_was_made_before() {
        let (mut with, mut without) = (Generator::new(), Generator::new());
        drawn(&mut with, 10);
        drawn(&mut without, 10);
        with.absorb(&[0; KEY]);
        assert_ne!(drawn(&mut with, 32), drawn(&mut without, 32));
    }

    #[test]
    fn constant_samples_are_not_plausible() {
        let mut good = [0; KEY];
        good.copy_from_slice(&ZERO_KEY[..KEY]);
        assert!(is_plausible(&good));
        assert!(!is_plausible(&[0; KEY]));
        assert!(!is_plausible(&[0xff; KEY]));
        assert!(!is_plausible(&[0x5a; KEY]), "one word again and again");
        for word in 0..4 {
            for stuck in [0, 0xff] {
                let mut sample = good;
                sample[8 * word..][..8].fill(stuck);
                assert!(!is_plausible(&sample), "word {word}");
            }
        }
    }
}
