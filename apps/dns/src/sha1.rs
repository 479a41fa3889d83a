//! SHA-1 (FIPS 180-4), because the names of NSEC3 records are made by it and by nothing else (RFC 5155, 11).

/// Octets of a hash.
pub(crate) const HASH: usize = 20;
/// Octets that are taken in at once.
pub(crate) const BLOCK: usize = 64;

/// A hash in the making.
pub(crate) struct Sha1 {
    state: [u32; HASH / 4],
    block: [u8; BLOCK],
    length: usize,
}

impl Sha1 {
    /// The hash of `parts`, one behind the other.
    #[inline(never)]
    pub(crate) fn hash(parts: [&[u8]; 2]) -> [u8; HASH] {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        let mut hash = Self { state, block: [0; BLOCK], length: 0 };
        parts.into_iter().flatten().for_each(|&octet| hash.take(octet));
        let bits = 8 * hash.length as u64;
        hash.take(0x80);
        while hash.length % BLOCK != BLOCK - 8 {
            hash.take(0);
        }
        bits.to_be_bytes().into_iter().for_each(|octet| hash.take(octet));
        let mut out = [0; HASH];
        for (octets, word) in out.as_chunks_mut().0.iter_mut().zip(hash.state) {
            *octets = word.to_be_bytes();
        }
        out
    }

    fn take(&mut self, octet: u8) {
        if let Some(place) = self.block.get_mut(self.length % BLOCK) {
            *place = octet;
        }
        self.length += 1;
        if self.length.is_multiple_of(BLOCK) {
            self.digest();
        }
    }

    /// Takes the block in (FIPS 180-4, 6.1.3, with sixteen words of the schedule at a time).
    #[inline(never)]
    fn digest(&mut self) {
        let mut words = [0; BLOCK / 4];
        for (word, octets) in words.iter_mut().zip(self.block.as_chunks().0) {
            *word = u32::from_be_bytes(*octets);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for round in 0..80 {
            let at = |back: usize| words.get((round + 16 - back) % 16).copied().unwrap_or(0);
            let word = if round < 16 { at(16) } else { (at(3) ^ at(8) ^ at(14) ^ at(16)).rotate_left(1) };
            if let Some(place) = words.get_mut(round % 16) {
                *place = word;
            }
            let (mixed, constant) = match round / 20 {
                0 => (b & c | !b & d, 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant);
            (a, b, c, d, e) = (sum.wrapping_add(word), a, b.rotate_left(30), c, d);
        }
        for (word, new) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *word = word.wrapping_add(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn the_examples_of_the_standard_come_out() {
        for (text, expected) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
        ] {
            assert_eq!(hex(&Sha1::hash([text.as_bytes(), b""])), expected);
        }
        let million = [b'a'; 1_000_000];
        assert_eq!(hex(&Sha1::hash([&million, b""])), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn parts_hash_as_the_whole_however_it_is_cut() {
        let text = [7; 130];
        for at in 0..text.len() {
            assert_eq!(Sha1::hash([&text[..at], &text[at..]]), Sha1::hash([&text, b""]));
        }
    }
}
