//! A place on the Earth (RFC 1876): latitude, longitude and altitude, and how big it is and how well it is known.

use super::Reader;
use super::problem::{Mistake, Problem};

/// Zero degrees in thousandths of a second (RFC 1876, 2).
const MERIDIAN: u64 = 1 << 31;
/// Degrees, minutes and seconds: what they are in thousandths of a second, how many digits may stand behind the point, and
/// the greatest.
const PARTS: [(u64, usize, u64); 3] = [(3_600_000, 0, 180), (60_000, 0, 59), (1, 3, 59_999)];
/// Latitude and longitude: their directions, and the greatest in degrees.
const ANGLES: [(&[u8; 2], u64); 2] = [(b"NS", 90), (b"EW", 180)];
/// Centimetres below the sea at which altitudes begin.
const DEPTH: u64 = 10_000_000;
/// Numbers of a place: two angles, the altitude, three sizes that need not be there.
const NUMBERS: usize = 6;
const SIZES: usize = 3;

impl Reader<'_, '_, '_> {
    /// Reads the last word and those behind it as
    /// `degrees [minutes [seconds]] N|S degrees [minutes [seconds]] E|W altitude [size [horizontal [vertical]]]`.
    #[inline(never)]
    pub(super) fn location(&mut self) -> Result<(), Mistake> {
        // Version 0, a metre in size, known to 10 km and 10 m (RFC 1876, 3).
        let mut place = Place { octets: [0; 16], numbers: 0, parts: 0, angle: 0 };
        if let Some(sizes) = place.octets.first_chunk_mut() {
            *sizes = [0, 0x12, 0x16, 0x13];
        }
        loop {
            place.take(self.scanner.word().text).ok_or(self.mistake(Problem::ExpectedLocation))?;
            if place.numbers < SIZES {
                self.expect(Problem::ExpectedLocation)?;
            } else if place.numbers == NUMBERS || !self.advance()? {
                break;
            }
        }
        self.put(&place.octets);
        Ok(())
    }
}

/// A place in the reading.
struct Place {
    /// As on the wire (RFC 1876, 2).
    octets: [u8; 16],
    /// How many numbers are complete.
    numbers: usize,
    /// How many parts of an angle there are, and what they amount to.
    parts: usize,
    angle: u64,
}

impl Place {
    /// Takes the next word.
    fn take(&mut self, text: &[u8]) -> Option<()> {
        let number = if let Some((directions, limit)) = ANGLES.get(self.numbers) {
            let letter = text.first()?.to_ascii_uppercase();
            let direction = directions.iter().position(|direction| *direction == letter);
            let Some(direction) = direction.filter(|_| text.len() == 1 && self.parts > 0) else {
                let (unit, decimals, most) = *PARTS.get(self.parts)?;
                self.angle += fixed(text, decimals).filter(|part| *part <= most)? * unit;
                self.parts += 1;
                return Some(());
            };
            self.parts = 0;
            let angle = core::mem::take(&mut self.angle);
            let angle = (angle <= limit * 3_600_000).then_some(angle)?;
            if direction == 0 { MERIDIAN + angle } else { MERIDIAN - angle }
        } else if self.numbers < SIZES {
            match text.strip_prefix(b"-") {
                None => DEPTH + metres(text)?,
                Some(below) => DEPTH.checked_sub(metres(below)?)?,
            }
        } else {
            *self.octets.get_mut(self.numbers + 1 - SIZES)? = size(metres(text)?)?;
            self.numbers += 1;
            return Some(());
        };
        let number = u32::try_from(number).ok()?;
        self.numbers += 1;
        *self.octets.get_mut(4 * self.numbers..)?.first_chunk_mut()? = number.to_be_bytes();
        Some(())
    }
}

/// Metres with or without their `m`, in centimetres.
#[inline(never)]
fn metres(text: &[u8]) -> Option<u64> {
    fixed(text.strip_suffix(b"m").unwrap_or(text), 2)
}

/// A decimal number times ten to the power of `decimals`, which is how many digits may stand behind its point.
#[inline(never)]
fn fixed(text: &[u8], decimals: usize) -> Option<u64> {
    let mut number = 0_u64;
    let mut left = None; // digits that may still stand behind the point
    for &byte in text {
        if byte == b'.' && left.is_none() {
            left = Some(decimals);
            continue;
        }
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        left = left.map_or(Some(None), |left| left.checked_sub(1).map(Some))?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    for _ in 0..left.unwrap_or(decimals) {
        number = number.checked_mul(10)?;
    }
    // A point stands between digits.
    let has_digits =
        text.first().zip(text.last()).is_some_and(|(first, last)| *first != b'.' && *last != b'.');
    has_digits.then_some(number)
}

/// Centimetres as a digit and a power of ten (RFC 1876, 2).
fn size(mut centimetres: u64) -> Option<u8> {
    let mut power = 0_u8;
    while centimetres > 9 {
        centimetres /= 10;
        power += 1;
    }
    (power <= 9).then_some((centimetres as u8) << 4 | power) // at most 9
}
