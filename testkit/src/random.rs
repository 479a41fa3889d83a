//! Pseudo-random numbers for tests that must be repeatable.

/// A generator of pseudo-random numbers (xorshift64*), wholly determined by its seed.
///
/// A test prints its seed first, so that a failure can be brought back:
/// ```
/// use unik_testkit::Random;
///
/// let seed = 7;
/// println!("seed {seed}");
/// let mut random = Random::new(seed);
/// assert!(random.below(10) < 10);
/// ```
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        // An odd multiplier spreads small seeds; zero is the one state that xorshift cannot leave.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        assert!(limit > 0, "no number is below zero");
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }

    /// A copy of `input`, which is not empty, with one to six mistakes: bytes changed or put in, or the end cut off.
    pub fn spoilt(&mut self, input: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..1 + self.below(6) {
            let at = self.below(input.len());
            match self.below(4) {
                0 => input.truncate(at + 1),
                1 => drop(input.splice(at..at, [self.next_u64() as u8])),
                _ => input[at] = self.next_u64() as u8,
            }
        }
        input
    }
}
