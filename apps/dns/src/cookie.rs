//! DNS cookies: by what a client shows that it gets the answers sent to its address (RFC 7873, and RFC 9018 for what a server
//! makes them of).
//!
//! [`Secrets::answer`] takes the data of a COOKIE option and gives the [`Cookie`] that belongs into the answer, and says whether
//! the one that came was good: then the client has proven its address, as it does by TCP. Nothing is remembered: a server's
//! cookie is the time at which it was made, and a hash of that, the client's cookie and address, and a secret.
//!
//! Time is seconds of 32 bits that come round (RFC 9018, 4.3): since 1970, where the machine has the date. Servers that share a
//! secret, and a server that is started again with the one that it had, need the date. To others seconds since the start do as
//! well: nobody but the server itself reads them, and its secret is drawn anew at each start.
//!
//! Invariant: what is as long as a cookie gets one; anything else is malformed, and gets FORMERR.

use core::fmt;
use core::net::IpAddr;

/// Octets of a client's cookie.
const CLIENT: usize = 8;
/// Octets of a server's cookie without its hash, and of that.
const HEAD: usize = 8;
const HASH: usize = 8;
/// Octets of both cookies.
pub(crate) const COOKIE: usize = CLIENT + HEAD + HASH;
/// The version, and three octets that are reserved (RFC 9018, 4.1 and 4.2).
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// Seconds for which a cookie is good, by which the clock of another server may be ahead, and after which there is a new one
/// (RFC 9018, 4.3).
const LIFETIME: i32 = 3600;
const AHEAD: i32 = 300;
const RENEWAL: i32 = 1800;

/// Octets of a secret (RFC 9018, 4.4).
pub const SECRET: usize = 16;

/// What the cookies of a server are made with, so that nobody else can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u64; 2]);

impl Secret {
    /// The secret of these octets.
    pub const fn new(octets: [u8; SECRET]) -> Self {
        let number = u128::from_le_bytes(octets);
        Self([number as u64, (number >> 64) as u64]) // its halves
    }

    /// The secret that stands in `text` in hexadecimal digits.
    #[inline(never)]
    fn parse(text: &[u8]) -> Option<Self> {
        let digits: &[u8; 2 * SECRET] = text.try_into().ok()?;
        let mut octets = [0; SECRET];
        for (octet, &[high, low]) in octets.iter_mut().zip(digits.as_chunks().0) {
            for digit in [high, low] {
                *octet = *octet << 4 | char::from(digit).to_digit(16)? as u8; // below 16
            }
        }
        Some(Self::new(octets))
    }

    /// The hash of a client's cookie, the head of a server's and an address (RFC 9018, 4.4): SipHash-2-4. What it takes in are
    /// 20 or 32 octets, so it is made for whole words.
    #[inline(never)]
    fn hash(self, [client, head]: [u64; 2], address: IpAddr) -> u64 {
        /// Where the last word has the number of octets.
        const LENGTH: u32 = 56;
        let words = match address {
            IpAddr::V4(address) => {
                let address = u32::from_le_bytes(address.octets());
                [client, head, u64::from(address) | 20 << LENGTH, 0, 0]
            }
            IpAddr::V6(address) => {
                let address = u128::from_le_bytes(address.octets());
                [client, head, address as u64, (address >> 64) as u64, 32 << LENGTH] // its halves
            }
        };
        let count = if address.is_ipv4() { 3 } else { 5 };
        let Self([one, other]) = self;
        // "somepseudorandomlygeneratedbytes".
        let mut state = [
            one ^ 0x736f_6d65_7073_6575,
            other ^ 0x646f_7261_6e64_6f6d,
            one ^ 0x6c79_6765_6e65_7261,
            other ^ 0x7465_6462_7974_6573,
        ];
        for &word in words.iter().take(count) {
            state[3] ^= word;
            mix(&mut state, 2);
            state[0] ^= word;
        }
        state[2] ^= 0xff;
        mix(&mut state, 4);
        state.into_iter().fold(0, |hash, word| hash ^ word)
    }
}

/// Mixes the four words of `state` so many times.
#[inline(never)]
fn mix([a, b, c, d]: &mut [u64; 4], rounds: u32) {
    for _ in 0..rounds {
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What the server's cookie in a query was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// There was none: the client does not know it yet.
    Missing,
    /// Too old, of another address, or not made here.
    Bad,
    /// Good: the client gets what is sent to its address.
    Good,
}

/// What to answer to a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cookie {
    /// The data of the option in the answer: the client's cookie, and a server's cookie that is good for half an hour at least.
    pub(crate) octets: [u8; COOKIE],
    pub(crate) standing: Standing,
}

/// Whether the data of a COOKIE option have a length that they can have: a client's cookie, or that and a server's of 8 to 32
/// octets (RFC 7873, 4 and 5.2.2).
pub(crate) const fn is_well_formed(length: usize) -> bool {
    length == CLIENT || (length >= CLIENT + 8 && length <= CLIENT + 32)
}

/// The secret of a server, and the one before, whose cookies are still good (RFC 9018, 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Secrets {
    /// What new cookies are made with.
    pub current: Secret,
    /// What others may have been made with.
    pub previous: Option<Secret>,
}

impl Secrets {
    /// The secrets that stand in `text`: 32 hexadecimal digits, and those of the one before behind a comma.
    #[inline(never)]
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (current, rest) = text.split_at_checked(2 * SECRET)?;
        let previous = match rest {
            [] => None,
            [b',', rest @ ..] => Some(Secret::parse(rest)?),
            _ => return None,
        };
        Some(Self { current: Secret::parse(current)?, previous })
    }

    /// Answers the cookie `asked`, the data of an option, that came from `address` at `now`, in seconds. `None` if it is
    /// malformed.
    #[inline(never)]
    pub(crate) fn answer(&self, asked: &[u8], address: IpAddr, now: u32) -> Option<Cookie> {
        let (client, server) = asked.split_first_chunk::<CLIENT>()?;
        if !is_well_formed(asked.len()) {
            return None;
        }
        let word = u64::from_le_bytes(*client);
        let mut octets = [0; COOKIE];
        let found = self.check(word, server, address, now);
        let standing = match found {
            None if server.is_empty() => Standing::Missing,
            None => Standing::Bad,
            Some(Good { is_fresh: true }) => {
                octets.copy_from_slice(asked); // as long as those made here
                return Some(Cookie { octets, standing: Standing::Good });
            }
            Some(_) => Standing::Good,
        };
        let mut head = [0; HEAD];
        let parts = [VERSION, now.to_be_bytes()];
        head.as_chunks_mut().0.iter_mut().zip(parts).for_each(|(place, part)| *place = part);
        let hash = self.current.hash([word, u64::from_le_bytes(head)], address);
        let parts = [*client, head, hash.to_le_bytes()];
        octets.as_chunks_mut().0.iter_mut().zip(parts).for_each(|(place, part)| *place = part);
        Some(Cookie { octets, standing })
    }

    /// Whether the cookie `server`, which came beside that of the `client`, is good.
    fn check(&self, client: u64, server: &[u8], address: IpAddr, now: u32) -> Option<Good> {
        let (head, hash) = server.split_first_chunk::<HEAD>()?;
        let hash = u64::from_le_bytes(hash.try_into().ok()?);
        let [version, reserved @ .., made0, made1, made2, made3] = *head;
        // RFC 1982: the difference is right whichever of the two has come round.
        let age = now.wrapping_sub(u32::from_be_bytes([made0, made1, made2, made3])) as i32;
        if version != VERSION[0] || !(-AHEAD..=LIFETIME).contains(&age) {
            return None;
        }
        let words = [client, u64::from_le_bytes(*head)];
        if self.current.hash(words, address) == hash {
            return Some(Good { is_fresh: age <= RENEWAL && reserved == [0; 3] });
        }
        // RFC 9018, 5: who has one of the secret before gets one of the current.
        let previous = self.previous.filter(|previous| previous.hash(words, address) == hash);
        previous.map(|_| Good { is_fresh: false })
    }
}

/// A cookie that is good.
#[derive(Clone, Copy)]
struct Good {
    /// It may be told again.
    is_fresh: bool,
}

#[cfg(test)]
mod tests;
