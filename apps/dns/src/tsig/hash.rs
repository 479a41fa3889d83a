//! SHA-2 (FIPS 180-4) and HMAC (RFC 2104) for the algorithms of TSIG.
//!
//! An [`Algorithm`] says which of them, a [`Hash`] takes octets in, and [`Secret`] is what HMAC needs of a secret: the states
//! behind the blocks that begin its two hashes, so that the secret itself is not kept. Only the compression functions come from
//! elsewhere. The words of all algorithms are kept in 64 bits, of which the narrow ones use the lower half.

use crate::tree::is_same;
use core::hint::black_box;
use sha2::digest::generic_array::GenericArray;
use sha2::{compress256, compress512};

/// The most octets of a MAC.
pub(super) const MAX_MAC: usize = 64;
/// Octets that the wide algorithms take in at once.
const BLOCK: usize = 128;
const WORDS: usize = 8;
/// The octets that are added to the key in the two hashes (RFC 2104, 2).
const INNER: u8 = 0x36;
const OUTER: u8 = 0x5c;

/// An algorithm of TSIG (RFC 8945, 6). Those on MD5 and SHA-1 are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `hmac-sha224`
    Sha224,
    /// `hmac-sha256`
    Sha256,
    /// `hmac-sha384`
    Sha384,
    /// `hmac-sha512`
    Sha512,
}

impl Algorithm {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];
    /// Octets of a name.
    pub(super) const NAME: usize = 13;

    /// The algorithm with the name `name` as on the wire.
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| is_same(name, &algorithm.name()))
    }

    /// Its name as on the wire.
    pub(super) fn name(self) -> [u8; Self::NAME] {
        let mut name = *b"\x0bhmac-sha???\0";
        if let Some(text) = name.get_mut(6..12) {
            text.copy_from_slice(self.text());
        }
        name
    }

    /// Its name behind `hmac-`.
    pub(crate) fn text(self) -> &'static [u8; 6] {
        match self {
            Self::Sha224 => b"sha224",
            Self::Sha256 => b"sha256",
            Self::Sha384 => b"sha384",
            Self::Sha512 => b"sha512",
        }
    }

    /// Octets of its MACs.
    pub fn length(self) -> usize {
        match self {
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => MAX_MAC,
        }
    }

    fn is_wide(self) -> bool {
        matches!(self, Self::Sha384 | Self::Sha512)
    }

    /// Octets that it takes in at once.
    fn block(self) -> usize {
        if self.is_wide() { BLOCK } else { BLOCK / 2 }
    }

    /// The state that it begins with (FIPS 180-4, 5.3): the fractional parts of the square roots of primes, of which SHA-256 has
    /// the upper halves of those of SHA-512, and SHA-224 the lower ones of those of SHA-384.
    fn start(self) -> [u64; WORDS] {
        const FIRST: [u64; WORDS] = [
            0x6a09_e667_f3bc_c908,
            0xbb67_ae85_84ca_a73b,
            0x3c6e_f372_fe94_f82b,
            0xa54f_f53a_5f1d_36f1,
            0x510e_527f_ade6_82d1,
            0x9b05_688c_2b3e_6c1f,
            0x1f83_d9ab_fb41_bd6b,
            0x5be0_cd19_137e_2179,
        ];
        const NINTH: [u64; WORDS] = [
            0xcbbb_9d5d_c105_9ed8,
            0x629a_292a_367c_d507,
            0x9159_015a_3070_dd17,
            0x152f_ecd8_f70e_5939,
            0x6733_2667_ffc0_0b31,
            0x8eb4_4a87_6858_1511,
            0xdb0c_2e0d_64f9_8fa7,
            0x47b5_481d_befa_4fa4,
        ];
        match self {
            Self::Sha224 => NINTH.map(|word| word & u64::from(u32::MAX)),
            Self::Sha256 => FIRST.map(|word| word >> 32),
            Self::Sha384 => NINTH,
            Self::Sha512 => FIRST,
        }
    }
}

/// A hash in the making.
#[derive(Clone)]
pub(super) struct Hash {
    algorithm: Algorithm,
    state: [u64; WORDS],
    block: [u8; BLOCK],
    length: u64,
}

impl Hash {
    fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, state: algorithm.start(), block: [0; BLOCK], length: 0 }
    }

    /// Takes `octets` in.
    #[inline(never)]
    pub(super) fn take(&mut self, mut octets: &[u8]) {
        let block = self.algorithm.block();
        while !octets.is_empty() {
            let held = self.length as usize % block; // the remainder is the same in fewer bits
            let (now, later) = octets.split_at_checked(block - held).unwrap_or((octets, &[]));
            if let Some(place) = self.block.get_mut(held..held + now.len()) {
                place.copy_from_slice(now);
            }
            self.length += now.len() as u64;
            if held + now.len() == block {
                self.digest();
            }
            octets = later;
        }
    }

    /// Takes the block in.
    fn digest(&mut self) {
        if self.algorithm.is_wide() {
            compress512(&mut self.state, core::slice::from_ref(GenericArray::from_slice(&self.block)));
            return;
        }
        if let Some(block) = self.block.first_chunk::<{ BLOCK / 2 }>() {
            let mut words = self.state.map(|word| word as u32); // the lower half
            compress256(&mut words, core::slice::from_ref(GenericArray::from_slice(block)));
            self.state = words.map(u64::from);
        }
    }

    /// What comes out, of which [`Algorithm::length`] octets count.
    #[inline(never)]
    fn finish(mut self) -> [u8; MAX_MAC] {
        // FIPS 180-4, 5.1: one bit, and the number of bits at the end of a block, in an eighth of its octets.
        let block = self.algorithm.block();
        let [bits, end] = [8 * self.length, (block - block / 8) as u64];
        let mut padding = [0; BLOCK];
        padding[0] = 0x80;
        let mut gap = end.wrapping_sub(self.length) % block as u64;
        if gap == 0 {
            gap = block as u64;
        }
        self.take(padding.get(..gap as usize).unwrap_or_default()); // no longer than a block
        if block == BLOCK {
            self.take(&[0; 8]);
        }
        self.take(&bits.to_be_bytes());
        let mut out = [0; MAX_MAC];
        for (place, word) in out.chunks_mut(block / 16).zip(self.state) {
            let octets = word.to_be_bytes();
            place.copy_from_slice(octets.get(8 - block / 16..).unwrap_or_default());
        }
        out
    }
}

/// A secret as HMAC uses it. It is overwritten when it is dropped.
pub(super) struct Secret {
    pub(super) algorithm: Algorithm,
    /// Behind the first blocks of the inner and the outer hash.
    states: [[u64; WORDS]; 2],
}

impl Secret {
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        let mut key = [0; BLOCK];
        if let Some(place) = key.get_mut(..secret.len()).filter(|_| secret.len() <= algorithm.block()) {
            place.copy_from_slice(secret);
        } else {
            // RFC 2104, 2: one longer than a block is hashed.
            let mut hash = Hash::new(algorithm);
            hash.take(secret);
            let hashed = hash.finish();
            for (place, octet) in key.iter_mut().zip(hashed.into_iter().take(algorithm.length())) {
                *place = octet;
            }
        }
        let states = [INNER, INNER ^ OUTER].map(|pad| {
            key.iter_mut().for_each(|octet| *octet ^= pad);
            let mut hash = Hash::new(algorithm);
            hash.take(key.get(..algorithm.block()).unwrap_or_default());
            hash.state
        });
        black_box(&mut key).fill(0);
        Self { algorithm, states }
    }

    /// The beginning of a MAC.
    pub(super) fn start(&self) -> Hash {
        let [inner, _] = self.states;
        self.resume(inner)
    }

    /// The MAC of what `hash` has taken in since [`Secret::start`].
    pub(super) fn finish(&self, hash: Hash) -> Mac {
        let (inner, length) = (hash.finish(), self.algorithm.length());
        let [_, outer] = self.states;
        let mut outer = self.resume(outer);
        outer.take(inner.get(..length).unwrap_or_default());
        Mac { octets: outer.finish(), length: length as u8 } // at most MAX_MAC
    }

    fn resume(&self, state: [u64; WORDS]) -> Hash {
        let algorithm = self.algorithm;
        Hash { algorithm, state, block: [0; BLOCK], length: algorithm.block() as u64 }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.states = [[0; WORDS]; 2];
        // They are seen, so they are written.
        black_box(&self.states);
    }
}

/// What proves that a message comes from who knows the secret.
#[derive(Clone, Copy)]
pub(super) struct Mac {
    octets: [u8; MAX_MAC],
    length: u8,
}

impl Mac {
    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..self.length.into()).unwrap_or_default()
    }

    /// Its first `length` octets.
    pub(super) fn cut(self, length: usize) -> Self {
        Self { length: self.length.min(length as u8), ..self } // the shorter one is the right one
    }

    /// Whether it begins with `octets`, found out in a time that says nothing of where they differ.
    pub(super) fn begins_with(&self, octets: &[u8]) -> bool {
        let differences = self.octets().iter().zip(octets);
        let difference = differences.fold(0, |difference, (one, other)| black_box(difference | one ^ other));
        octets.len() <= self.length.into() && difference == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> String {
        let mut hash = Hash::new(algorithm);
        parts.iter().for_each(|part| hash.take(part));
        hex(&hash.finish()[..algorithm.length()])
    }

    fn mac(algorithm: Algorithm, secret: &[u8], text: &[u8]) -> String {
        let secret = Secret::new(algorithm, secret);
        let mut hash = secret.start();
        hash.take(text);
        hex(secret.finish(hash).octets())
    }

    #[test]
    fn the_examples_of_the_standard_come_out() {
        // FIPS 180-4 with its published examples.
        for (algorithm, expected) in Algorithm::ALL.into_iter().zip([
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ]) {
            assert_eq!(hash(algorithm, &[b"abc"]), expected);
        }
        let million = Vec::from([b'a'; 1_000_000]);
        assert_eq!(
            hash(Algorithm::Sha256, &[&million]),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }

    #[test]
    fn parts_hash_as_the_whole_however_long_and_however_cut() {
        let text = [7; 300];
        for algorithm in Algorithm::ALL {
            let whole = |length: usize| hash(algorithm, &[&text[..length]]);
            for length in 0..=text.len() {
                let at = length * 7 / 11;
                assert_eq!(hash(algorithm, &[&text[..at], b"", &text[at..length]]), whole(length));
            }
        }
    }

    #[test]
    fn the_macs_of_rfc_4231_come_out() {
        // RFC 4231, 4.3 and 4.7: a short secret, and one longer than any block.
        for (algorithm, short, long) in [
            (
                Algorithm::Sha224,
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
                "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
            ),
            (
                Algorithm::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                Algorithm::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
            ),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
        ] {
            assert_eq!(mac(algorithm, b"Jefe", b"what do ya want for nothing?"), short);
            let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
            assert_eq!(mac(algorithm, &[0xaa; 131], text), long);
        }
    }

    #[test]
    fn a_mac_begins_with_its_first_octets_and_with_no_others() {
        let secret = Secret::new(Algorithm::Sha256, b"Jefe");
        let mac = secret.finish(secret.start());
        let octets = mac.octets().to_vec();
        assert!(mac.begins_with(&octets) && mac.begins_with(&octets[..10]) && mac.begins_with(&[]));
        assert!(!mac.begins_with(&[&octets[..], &[0]].concat()));
        for at in 0..octets.len() {
            let mut other = octets.clone();
            other[at] ^= 1;
            assert!(!mac.begins_with(&other));
        }
    }
}
